//! Every rule in `docs/protocol.md` names a test that exists.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::Trial;

pub(crate) fn trial(transcripts: &[PathBuf]) -> Trial {
    let titles = transcripts.iter().flat_map(|path| super::cases(path)).map(|case| case.title);
    let mut tests: BTreeSet<String> = titles.collect();
    Trial::test("rules: every rule names a test that exists", move || {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for sources in ["pusher-proto/src", "pusher-driver/src"] {
            tests.extend(unit_tests(&root.join(sources)));
        }
        let document = fs::read_to_string(root.join("docs/protocol.md")).expect("the document is part of the project");
        let rows: Vec<&str> = document.lines().filter(|line| line.starts_with("| ") && line.contains('`')).collect();
        let missing: Vec<&str> = rows.iter().copied().filter(|row| !tests.contains(named_test(row))).collect();
        if rows.is_empty() || !missing.is_empty() {
            return Err(format!("of {} rows, these name no test that exists: {missing:#?}", rows.len()).into());
        }
        Ok(())
    })
}

/// What stands between backticks in the last cell.
fn named_test(row: &str) -> &str {
    let cell = row.trim_end().trim_end_matches('|').rsplit('|').next().unwrap_or_default();
    cell.trim().trim_matches('`')
}

/// Names of functions behind `#[test]`.
fn unit_tests(folder: &Path) -> Vec<String> {
    let mut tests = Vec::new();
    for entry in fs::read_dir(folder).expect("the sources are part of the project") {
        let path = entry.expect("a folder that can be opened can be listed").path();
        if path.is_dir() {
            tests.extend(unit_tests(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            let source = fs::read_to_string(&path).expect("a source is readable text");
            let behind = source.split("#[test]").skip(1);
            tests.extend(behind.filter_map(|rest| Some(rest.split_once("fn ")?.1.split_once('(')?.0.to_owned())));
        }
    }
    tests
}
