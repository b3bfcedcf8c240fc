//! Checks that the documentation has examples.
#![cfg(test)]

use std::path::Path;
use std::{fs, io};

#[test]
fn every_type_that_the_crate_exports_has_an_example() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let root = fs::read_to_string(source.join("lib.rs")).unwrap();
    let exports = root.split("\npub use ").skip(1).filter_map(|export| export.split(';').next());
    let words = exports.flat_map(|export| export.split(|c: char| !c.is_alphanumeric()));
    let types: Vec<_> = words.filter(|word| word.starts_with(char::is_uppercase)).collect();
    assert!(types.contains(&"Client") && types.len() > 50, "{types:?}");

    let mut files = Vec::new();
    read_all(&source, &mut files).unwrap();
    let without_example = |name: &&&str| {
        let mut documentation = files.iter().flat_map(|file| documentation(file, name));
        !documentation.any(|text| text.contains("```"))
    };
    let missing: Vec<_> = types.iter().filter(without_example).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

/// The documentation of each type with this name.
fn documentation<'a>(file: &'a str, name: &str) -> Vec<&'a str> {
    let definitions = [format!("\npub struct {name}"), format!("\npub enum {name}")];
    let places = definitions.iter().flat_map(|definition| file.match_indices(definition.as_str()));
    let places =
        places.filter(|(at, definition)| file[at + definition.len()..].starts_with(|c: char| !c.is_alphanumeric()));
    places.map(|(at, _)| file[..at].rsplit("\n\n").next().unwrap_or_default()).collect()
}

fn read_all(folder: &Path, files: &mut Vec<String>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            read_all(&path, files)?;
        } else {
            files.push(fs::read_to_string(path)?);
        }
    }
    Ok(())
}
