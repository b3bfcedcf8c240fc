//! The client against servers, networks and applications that misbehave, in virtual time.
//!
//! `docs/testing.md` explains how to run it overnight, repeat a seed and read a trace.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::process::ExitCode;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use pusher_tests::simulation::{Choices, Rare, run, shrink};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = match number("PUSHER_SEED") {
        Some(seed) => vec![Trial::test(format!("seed {seed} breaks no invariant"), move || repeat(seed))],
        None => vec![
            Trial::test("no seed breaks an invariant, and every rare transition is reached", many),
            Trial::test("equal choices give equal traces", equal_choices),
            Trial::test("without choices everything is quiet", quiet),
        ],
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Runs many seeds; prints figures, and whatever fails.
fn many() -> Result<(), Failed> {
    let (first, count) = (number("PUSHER_FIRST_SEED").unwrap_or(0), number("PUSHER_SEEDS").unwrap_or(DEFAULT_SEEDS));
    let (mut inputs, mut elapsed) = (0, Duration::ZERO);
    let mut reached: BTreeMap<Rare, u64> = BTreeMap::new();
    let mut failures: BTreeMap<&str, Vec<u64>> = BTreeMap::new();
    for seed in first..first.saturating_add(count) {
        let outcome = run(Choices::from_seed(seed), false);
        inputs += outcome.inputs;
        elapsed += outcome.elapsed;
        for (rare, times) in outcome.reached {
            *reached.entry(rare).or_default() += times;
        }
        if let Some(violation) = outcome.violation {
            if std::env::var_os("PUSHER_FIRST_FAILURE").is_some() {
                return Err(format!("seed {seed} breaks {:?}: {}", violation.invariant, violation.details).into());
            }
            failures.entry(violation.invariant).or_default().push(seed);
        }
    }
    let hours = elapsed.as_secs_f64() / 3_600.0;
    let mut text = format!("{count} seeds from {first}, {inputs} inputs, {hours:.1} virtual hours\n");
    for rare in Rare::ALL {
        let _ = writeln!(text, "{:>8} {}", reached.get(rare).copied().unwrap_or_default(), rare.text());
    }
    println!("{text}");
    for (invariant, seeds) in &failures {
        println!("{} of {count} seeds break {invariant:?}: {:?}", seeds.len(), &seeds[..seeds.len().min(8)]);
    }
    if !failures.is_empty() {
        let explained = failures.iter().map(|(invariant, seeds)| explain(seeds[0], invariant));
        return Err(explained.collect::<Vec<_>>().join("\n").into());
    }
    let missing: Vec<_> = Rare::ALL.iter().filter(|rare| !reached.contains_key(rare)).collect();
    if count >= DEFAULT_SEEDS && !missing.is_empty() {
        return Err(format!("never reached: {missing:?}").into());
    }
    Ok(())
}

fn repeat(seed: u64) -> Result<(), Failed> {
    let outcome = run(Choices::from_seed(seed), true);
    println!("{}", outcome.trace);
    match outcome.violation {
        None => Ok(()),
        Some(violation) => Err(explain(seed, violation.invariant).into()),
    }
}

/// The shortest run that fails in the same way as this seed.
fn explain(seed: u64, invariant: &str) -> String {
    let short = run(Choices::from_bytes(shrink(&run(Choices::from_seed(seed), false))), true);
    let details = short.violation.as_ref().map_or("", |violation| violation.details.as_str());
    format!(
        "seed {seed} breaks {invariant:?}: {details}\nPUSHER_SEED={seed} shows all of it; the shortest run found is\n{}\nand as a transcript\n{}",
        short.trace, short.transcript
    )
}

fn equal_choices() -> Result<(), Failed> {
    let first = number("PUSHER_FIRST_SEED").unwrap_or(0);
    for seed in first..first + 10 {
        let [one, other] = [0, 1].map(|_| run(Choices::from_seed(seed), true));
        if one.trace != other.trace || one.trace.is_empty() {
            return Err(format!("seed {seed} gives two traces").into());
        }
    }
    Ok(())
}

/// Shortening a run, and fuzzers, start from an empty input.
fn quiet() -> Result<(), Failed> {
    let none = run(Choices::from_bytes(Vec::new()), true);
    match none.violation {
        None => Ok(()),
        Some(violation) => Err(format!("the quiet run breaks {:?}", violation.invariant).into()),
    }
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is not a number")))
}

/// Seeds of a run without `PUSHER_SEEDS`.
const DEFAULT_SEEDS: u64 = 2_000;
