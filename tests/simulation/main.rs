//! The client against servers, networks and applications that misbehave, in virtual time.
//!
//! `docs/testing.md` explains how to run it overnight, repeat a seed and read a trace.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::ops::Range;
use std::panic::resume_unwind;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use libtest_mimic::{Arguments, Failed, Trial};
use pusher_tests::simulation::{Choices, Outcome, Rare, Violation, run, shrink};

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let trials = match number("PUSHER_SEED") {
        Some(seed) => vec![Trial::test(format!("seed {seed} breaks no invariant"), move || repeat(seed))],
        None => vec![
            Trial::test("no seed breaks an invariant, and every rare transition is reached", many),
            Trial::test("seeds that the ledger has accused wrongly are clean", wrongly_accused),
            Trial::test("equal choices give equal traces", equal_choices),
            Trial::test("without choices everything is quiet", quiet),
        ],
    };
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// Runs many seeds; prints figures, and whatever fails.
fn many() -> Result<(), Failed> {
    let (first, count) = (number("PUSHER_FIRST_SEED").unwrap_or(0), number("PUSHER_SEEDS").unwrap_or(DEFAULT_SEEDS));
    let seeds = first..first.saturating_add(count);
    let ends_early = std::env::var_os("PUSHER_FIRST_FAILURE").is_some();
    let found = Found::of_all(&seeds, ends_early);
    if let Some((seed, violation)) = found.first.filter(|_| ends_early) {
        return Err(format!("seed {seed} breaks {:?}: {}", violation.invariant, violation.details).into());
    }
    let hours = found.elapsed.as_secs_f64() / 3_600.0;
    let mut text = format!("{count} seeds from {first}, {} inputs, {hours:.1} virtual hours\n", found.inputs);
    for rare in Rare::ALL {
        let _ = writeln!(text, "{:>8} {}", found.reached.get(rare).copied().unwrap_or_default(), rare.text());
    }
    println!("{text}");
    for (invariant, seeds) in &found.failures {
        let some: Vec<_> = seeds.iter().take(8).collect();
        println!("{} of {count} seeds break {invariant:?}: {some:?}", seeds.len());
    }
    if !found.failures.is_empty() {
        let firsts = found.failures.iter().filter_map(|(invariant, seeds)| Some((seeds.first()?, invariant)));
        let explained = firsts.map(|(seed, invariant)| explain(*seed, invariant));
        return Err(explained.collect::<Vec<_>>().join("\n").into());
    }
    let missing: Vec<_> = Rare::ALL.iter().filter(|rare| !found.reached.contains_key(rare)).collect();
    if count >= DEFAULT_SEEDS && !missing.is_empty() {
        return Err(format!("never reached: {missing:?}").into());
    }
    Ok(())
}

/// Runs the seeds in which the ledger once saw a violation where there was none.
fn wrongly_accused() -> Result<(), Failed> {
    for seed in WRONGLY_ACCUSED {
        if let Some(violation) = run(Choices::from_seed(seed), false).violation {
            return Err(explain(seed, violation.invariant).into());
        }
    }
    Ok(())
}

/// What runs have shown.
#[derive(Default)]
struct Found {
    inputs: u64,
    elapsed: Duration,
    reached: BTreeMap<Rare, u64>,
    failures: BTreeMap<&'static str, BTreeSet<u64>>,
    /// The lowest seed that fails.
    first: Option<(u64, Violation)>,
}

impl Found {
    /// Runs the seeds on all processors; the result does not depend on their number.
    fn of_all(seeds: &Range<u64>, ends_early: bool) -> Self {
        let threads = thread::available_parallelism().map_or(1, usize::from);
        // The lowest seed that has failed so far. Higher ones need not run if the lowest is all that is wanted.
        let lowest = AtomicU64::new(u64::MAX);
        let run_share = |skipped: usize| {
            let mut found = Self::default();
            for seed in seeds.clone().skip(skipped).step_by(threads) {
                if ends_early && seed > lowest.load(Ordering::Relaxed) {
                    break;
                }
                if found.add(seed, run(Choices::from_seed(seed), false)) {
                    lowest.fetch_min(seed, Ordering::Relaxed);
                }
            }
            found
        };
        thread::scope(|scope| {
            let shares: Vec<_> = (0..threads).map(|skipped| scope.spawn(move || run_share(skipped))).collect();
            let found = shares.into_iter().map(|share| share.join().unwrap_or_else(|panic| resume_unwind(panic)));
            found.fold(Self::default(), Self::merge)
        })
    }

    /// Returns whether the seed failed.
    fn add(&mut self, seed: u64, outcome: Outcome) -> bool {
        self.inputs += outcome.inputs;
        self.elapsed += outcome.elapsed;
        for (rare, times) in outcome.reached {
            *self.reached.entry(rare).or_default() += times;
        }
        let Some(violation) = outcome.violation else { return false };
        self.failures.entry(violation.invariant).or_default().insert(seed);
        self.first.get_or_insert((seed, violation));
        true
    }

    fn merge(mut self, other: Self) -> Self {
        self.inputs += other.inputs;
        self.elapsed += other.elapsed;
        for (rare, times) in other.reached {
            *self.reached.entry(rare).or_default() += times;
        }
        for (invariant, seeds) in other.failures {
            self.failures.entry(invariant).or_default().extend(seeds);
        }
        self.first = self.first.into_iter().chain(other.first).min_by_key(|(seed, _)| *seed);
        self
    }
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

/// In all of them, a newer key is requested, answered or given up around a pause in polling, and the application learns only
/// how many events it has missed.
const WRONGLY_ACCUSED: [u64; 6] =
    [172_000_103_869, 465_935_039_114, 630_000_185_139, 640_000_503_936, 640_000_536_433, 640_001_890_300];

/// Seeds of a run without `PUSHER_SEEDS`.
const DEFAULT_SEEDS: u64 = 2_000;
