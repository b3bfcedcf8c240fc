//! Transcripts: the protocol, section by section, as text that anyone can extend.
//!
//! `docs/testing.md` explains the notation. With `BLESS=1` the outputs in the files are replaced by what happened; read
//! the difference before you commit it.

mod describe;
mod player;
mod script;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::{Arguments, Failed, Trial};
use script::Case;

fn main() -> ExitCode {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/transcripts");
    let mut files: Vec<_> = fs::read_dir(&folder)
        .expect("the folder of transcripts is part of the package")
        .map(|entry| entry.expect("a folder that can be opened can be listed").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    let bless = std::env::var_os("BLESS").is_some();
    let mut trials = Vec::new();
    for path in files {
        let text = fs::read_to_string(&path).expect("a transcript is readable text");
        let cases = script::cases(&text);
        if bless {
            let blessed: Vec<String> = cases.iter().map(player::bless).collect();
            fs::write(&path, blessed.join("\n")).expect("transcripts can be written when blessed");
            continue;
        }
        let file = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        trials.extend(cases.into_iter().map(|case| trial(&file, case)));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn trial(file: &str, case: Case) -> Trial {
    let name = format!("{file}: {}", case.title);
    Trial::test(name, move || player::play(&case).map_err(Failed::from))
}
