//! The protocol as text: transcripts that anyone can extend, and frames recorded from real servers.
//!
//! `pusher_test::transcript` explains the notation. With `BLESS=1`, the outputs in the transcripts are replaced by the actual
//! ones; review the diff before you commit it.

mod frames;
mod recorded;
mod recorded_v2;
mod rules;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use pusher_proto::with_causes;
use pusher_test::transcript::Transcript;

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance");
    let transcripts = files(&folder.join("transcripts"), "txt");
    let is_blessed = std::env::var_os("BLESS").is_some();
    if is_blessed {
        transcripts.iter().for_each(|path| bless(path));
    }
    let mut trials: Vec<_> = transcripts.iter().flat_map(|path| play(path)).collect();
    trials
        .push(Trial::test("notation: `connected` fails where something else happens", || Ok(stands_for_its_lines()?)));
    trials.push(rules::trial(&transcripts));
    trials.push(rules::links());
    trials.push(rules::methods());
    trials.push(rules::types());
    trials.push(rules::errors());
    trials.push(rules::delegates());
    trials.push(rules::hidden());
    trials.extend(frames::trials(&folder.join("vectors/frames")));
    trials.extend(recorded::trials(&folder.join("vectors/frames")));
    trials.extend(recorded_v2::trials(&folder.join("vectors/v2"), is_blessed));
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn play(path: &Path) -> impl Iterator<Item = Trial> {
    let file = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let trial = move |case: Transcript| Trial::test(format!("{file}: {}", case.title()), move || Ok(case.play()?));
    cases(path).into_iter().map(trial)
}

/// `! connected` stands for certain lines, and must not hide any others.
fn stands_for_its_lines() -> Result<(), String> {
    let play = |text: &str| {
        let transcript = Transcript::parse(text).map_err(|error| with_causes(&error).to_string())?;
        transcript.play().map_err(|failure| failure.to_string())
    };
    play("# the lines\n! connected\n! name\n* connected")?;
    let others = [
        "# another URL\n= endpoint ws://localhost:80\n! connected",
        "# no attempt begins\n! connected\n! connected",
        "# something after the greeting\n! subscribe chat\n! connected",
    ];
    for text in others {
        let expected = |error: &str| error.contains("stands for") || error.contains("pusher:subscribe");
        match play(text) {
            Err(error) if expected(&error) => {}
            other => return Err(format!("{text}\n{other:?}")),
        }
    }
    Ok(())
}

fn bless(path: &Path) {
    let blessed = |case: &Transcript| case.bless().map_err(|failure| format!("{}: {failure}", case.title()));
    let blessed: Result<Vec<String>, String> = cases(path).iter().map(blessed).collect();
    let blessed = blessed.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    fs::write(path, blessed.join("\n")).expect("transcripts can be written when blessed");
}

fn cases(path: &Path) -> Vec<Transcript> {
    let text = fs::read_to_string(path).expect("a transcript is readable text");
    Transcript::parse_all(&text).unwrap_or_else(|error| panic!("{}: {}", path.display(), with_causes(&error)))
}

/// The files of a folder with this ending, in order.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut files: Vec<_> = fs::read_dir(folder)
        .expect("the folder is part of the package")
        .map(|entry| entry.expect("a folder that can be opened can be listed").path())
        .filter(|path| path.extension().is_some_and(|found| found == extension))
        .collect();
    files.sort();
    files
}
