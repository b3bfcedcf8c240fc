//! Every rule in `docs/protocol.md` names tests that exist, every link of the documents leads to a file, and every method of the
//! handles and every type of the core has an example.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::{Failed, Trial};

pub(crate) fn trial(transcripts: &[PathBuf]) -> Trial {
    let titles = transcripts.iter().flat_map(|path| super::cases(path)).map(|case| case.title().to_owned());
    let mut tests: BTreeSet<String> = titles.collect();
    Trial::test("rules: every rule names tests that exist", move || {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        for sources in ["pusher-proto/src", "pusher-driver/src"] {
            tests.extend(unit_tests(&root.join(sources)));
        }
        let document = fs::read_to_string(root.join("docs/protocol.md")).expect("the document is part of the project");
        let rows: Vec<&str> = document.lines().filter(|line| line.starts_with("| ") && line.contains('`')).collect();
        let is_proved = |row: &&str| named_tests(row).count() > 0 && named_tests(row).all(|test| tests.contains(test));
        let missing: Vec<&str> = rows.iter().copied().filter(|row| !is_proved(row)).collect();
        if rows.is_empty() || !missing.is_empty() {
            return Err(
                format!("of {} rows, these name no test or one that does not exist: {missing:#?}", rows.len()).into()
            );
        }
        let is_linked = |row: &&str| modules(row).is_none_or(|cell| !cell.is_empty() && cell.split(", ").all(is_link));
        let unlinked: Vec<&str> = rows.iter().copied().filter(|row| !is_linked(row)).collect();
        let undefined: Vec<&str> =
            labels(&document).filter(|label| !document.contains(&format!("\n{label}: "))).collect();
        if !unlinked.is_empty() || !undefined.is_empty() {
            return Err(format!("these name a module without a link: {unlinked:#?} {undefined:#?}").into());
        }
        Ok(())
    })
}

/// The cell of a row that names modules, if it has one.
fn modules(row: &str) -> Option<&str> {
    let cells: Vec<&str> = row.split(" | ").collect();
    if let [_, _, cell, _] = cells.as_slice() { Some(cell) } else { None }
}

fn is_link(cell: &str) -> bool {
    cell.starts_with('[') && cell.ends_with([']', ')'])
}

/// The labels of links that are defined at the end of the document.
fn labels(document: &str) -> impl Iterator<Item = &str> {
    let starts = document.match_indices("[`").map(|(at, _)| &document[at..]);
    starts.filter_map(|rest| {
        let label = &rest[..=rest.find(']')?];
        (!rest[label.len()..].starts_with('(')).then_some(label)
    })
}

/// One test of the documentation of the handles.
pub(crate) fn methods() -> Trial {
    Trial::test("rules: every public method of the handles has an example", || {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let folders = ["pusher-blocking/src/client", "pusher-driver/src/client", "pusher-driver/src/subscription"];
        let mut sources: Vec<PathBuf> =
            folders.iter().flat_map(|folder| super::files(&root.join(folder), "rs")).collect();
        sources.extend(["events.rs", "states.rs"].map(|file| root.join("pusher-driver/src").join(file)));
        have_examples(&sources, |line| is_public_method(line.trim()))
    })
}

/// One test of the documentation of the core.
pub(crate) fn types() -> Trial {
    Trial::test("rules: every public type of the core has an example", || {
        let sources = super::files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../pusher-proto/src"), "rs");
        // Those in a module of tests or in a function are indented.
        have_examples(&sources, |line| {
            ["pub struct ", "pub enum ", "pub trait "].iter().any(|start| line.starts_with(start))
        })
    })
}

/// Fails if one of these items has no example, or if there is no such item.
fn have_examples(sources: &[PathBuf], is_item: impl Fn(&str) -> bool) -> Result<(), Failed> {
    let mut found = 0;
    let mut missing = Vec::new();
    for path in sources {
        let source = fs::read_to_string(path).expect("a source is readable text");
        let mut has_example = false;
        for line in source.lines() {
            if is_item(line) {
                found += 1;
                if !has_example {
                    missing.push(format!("{}: {}", path.display(), line.trim()));
                }
            }
            let line = line.trim();
            has_example =
                (has_example || line == "/// # Examples") && (line.starts_with("///") || line.starts_with("#["));
        }
    }
    if found == 0 || !missing.is_empty() {
        return Err(format!("of {found} items, these have no example: {missing:#?}").into());
    }
    Ok(())
}

/// One test of `pusher-blocking`, whose handles delegate: what does not wait has the same documentation as in the driver.
pub(crate) fn delegates() -> Trial {
    Trial::test("rules: the blocking handles have every method of the driver's that does not wait", || {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let methods = |folder: &str| -> BTreeSet<(String, String)> {
            let files = super::files(&root.join(folder), "rs").into_iter();
            files.flat_map(|path| documented(&fs::read_to_string(path).expect("a source is readable text"))).collect()
        };
        let here = methods("pusher-blocking/src/client");
        let names: BTreeSet<&String> = here.iter().map(|(name, _)| name).collect();
        let mut there = methods("pusher-driver/src/client");
        there.extend(methods("pusher-driver/src/subscription"));
        let missing = there.iter().filter(|(name, _)| !name.starts_with("poll_") && !names.contains(name));
        let missing: Vec<&String> = missing.map(|(name, _)| name).collect();
        // Beside examples, which wait in another way.
        let differs = |(name, text): &&(String, String)| {
            !WAITS.contains(&name.as_str()) && !there.contains(&(name.clone(), text.clone()))
        };
        let different: Vec<&String> = here.iter().filter(differs).map(|(name, _)| name).collect();
        if here.is_empty() || !missing.is_empty() || !different.is_empty() {
            return Err(format!("missing: {missing:?}; documented otherwise: {different:?}").into());
        }
        Ok(())
    })
}

/// Every public method with its documentation up to the examples.
fn documented(source: &str) -> Vec<(String, String)> {
    let mut found = Vec::new();
    let (mut text, mut is_example) = (String::new(), false);
    for line in source.lines().map(str::trim) {
        match line {
            "/// # Examples" => is_example = true,
            line if line.starts_with("///") && is_example => {}
            line if line.starts_with("///") => text += line,
            line if line.starts_with("#[") => {}
            line => {
                if let Some((_, rest)) = line.split_once("fn ").filter(|_| is_public_method(line)) {
                    let name = rest.split(['(', '<']).next().unwrap_or_default();
                    found.push((name.to_owned(), text.clone()));
                }
                (text, is_example) = (String::new(), false);
            }
        }
    }
    found
}

/// What waits, or returns what waits: `pusher-blocking` has its own.
const WAITS: [&str; 20] = [
    "client",
    "decode",
    "decode_with",
    "downgrade",
    "events",
    "history",
    "into_subscription",
    "keep",
    "on",
    "recv",
    "recv_timeout",
    "shutdown",
    "signed_in",
    "states",
    "subscribe",
    "subscribed",
    "subscription",
    "try_recv",
    "typed",
    "upgrade",
];

/// One test of the errors: a chain of `source`s that is printed whole says everything once.
pub(crate) fn errors() -> Trial {
    Trial::test("rules: no error repeats the text of its source", || {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let mut found = 0;
        let mut wrong = Vec::new();
        for path in CRATES.iter().flat_map(|name| sources(&root.join(name).join("src"))) {
            let source = fs::read_to_string(&path).expect("a source is readable text");
            for (texts, place) in sources_with_texts(&source) {
                found += 1;
                // `{0}` and `.0` of a tuple, `{name}` and `name` of a field.
                let words: Vec<&str> = texts.split(|c: char| !c.is_alphanumeric() && c != '_').collect();
                if words.contains(&place) && !texts.contains("probably(") {
                    wrong.push(format!("{}: {texts}", path.display()));
                }
            }
            let by_hand = source.matches("fn source(&self) -> Option").count();
            let is_known = SOURCES_BY_HAND.iter().any(|known| path.ends_with(known));
            if by_hand > usize::from(is_known) {
                wrong.push(format!("{}: `fn source` by hand; test its text and name the file here", path.display()));
            }
        }
        if found == 0 || !wrong.is_empty() {
            return Err(format!("of {found} sources, these are in the text of their error: {wrong:#?}").into());
        }
        Ok(())
    })
}

/// One test of what is public: an adapter's author finds what only adapters need in a module of that name, with documentation.
pub(crate) fn hidden() -> Trial {
    Trial::test("rules: nothing public is hidden from the documentation", || {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let files: Vec<PathBuf> = CRATES.iter().flat_map(|name| sources(&root.join(name).join("src"))).collect();
        let hides = |path: &&PathBuf| {
            fs::read_to_string(path).expect("a source is readable text").contains(concat!("doc", "(hidden)"))
        };
        let hiding: Vec<_> = files.iter().filter(hides).collect();
        if files.is_empty() || !hiding.is_empty() {
            return Err(format!("of {} files, these hide something: {hiding:#?}", files.len()).into());
        }
        Ok(())
    })
}

/// Every `#[source]` and `#[from]` with the text of its error: the last `#[error(…)]` before it, and the name of its field.
fn sources_with_texts(source: &str) -> impl Iterator<Item = (&str, &str)> {
    let places = ["#[source]", "#[from]"].into_iter().flat_map(|mark| source.match_indices(mark));
    places.filter_map(|(at, mark)| {
        let before = &source[..at];
        let texts = &before[before.rfind("#[error(")? + "#[error(".len()..];
        let texts = &texts[..texts.rfind(")]")?];
        let field = source[at + mark.len()..].trim_start();
        let name = field
            .split_once(':')
            .map(|(name, _)| name)
            .filter(|name| name.chars().all(|c| c.is_lowercase() || c == '_'));
        Some((texts, name.unwrap_or("0")))
    })
}

/// Published crates whose errors are public.
const CRATES: [&str; 8] = [
    "pusher-proto",
    "pusher-websocket",
    "pusher-session",
    "pusher-driver",
    "pusher-tokio",
    "pusher-async-std",
    "pusher-blocking",
    "pusher-server",
];

/// Where `source` is written by hand, and a test compares its text.
const SOURCES_BY_HAND: [&str; 2] = ["pusher-proto/src/close.rs", "tokio_tungstenite_0_29/error.rs"];

/// All sources of a folder and those below it.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).expect("the sources are part of the project") {
        let path = entry.expect("a folder that can be opened can be listed").path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

fn is_public_method(line: &str) -> bool {
    ["pub fn", "pub const fn", "pub async fn"].iter().any(|start| line.starts_with(start))
}

/// One test of the links in `docs` and beside it.
pub(crate) fn links() -> Trial {
    Trial::test("rules: every link of the documents leads to a file", || {
        let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
        let documents: Vec<PathBuf> = [docs.join(".."), docs.join("migrating"), docs]
            .iter()
            .flat_map(|folder| super::files(folder, "md"))
            .collect();
        let mut missing = Vec::new();
        let mut found = 0;
        for document in &documents {
            let text = fs::read_to_string(document).expect("a document is readable text");
            let folder = document.parent().expect("a file lies in a folder");
            for target in targets(&text) {
                found += 1;
                if !folder.join(target).exists() {
                    missing.push(format!("{}: {target}", document.display()));
                }
            }
        }
        if found == 0 || !missing.is_empty() {
            return Err(format!("of {found} links, these lead nowhere: {missing:#?}").into());
        }
        Ok(())
    })
}

/// Files that a document links to, without those on other hosts and places in itself.
fn targets(text: &str) -> impl Iterator<Item = &str> {
    let inline = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    let definitions = text.lines().filter_map(|line| Some(line.strip_prefix('[')?.split_once("]: ")?.1));
    let files = inline.chain(definitions).map(|target| target.split('#').next().unwrap_or_default());
    files.filter(|file| !file.is_empty() && !file.contains("://"))
}

/// The texts between backticks in the last cell.
fn named_tests(row: &str) -> impl Iterator<Item = &str> {
    let cell = row.trim_end().trim_end_matches('|').rsplit('|').next().unwrap_or_default();
    cell.split('`').skip(1).step_by(2)
}

/// Names of functions after `#[test]`.
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
