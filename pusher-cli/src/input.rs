//! Texts from the user: arguments, files and standard input.

use std::fs::File;
use std::io::{self, BufRead, Read};
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;

use crate::failure::Failure;

/// Where a text comes from, as an argument says it: the text itself, `@FILE`, or `-` for standard input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Text(String),
    File(PathBuf),
    Stdin,
}

impl From<&str> for Source {
    fn from(text: &str) -> Self {
        match text.strip_prefix('@') {
            Some(literal) if literal.starts_with('@') => Self::Text(literal.into()),
            Some("-") => Self::Stdin,
            Some(path) => Self::File(PathBuf::from(path)),
            None if text == "-" => Self::Stdin,
            None => Self::Text(text.into()),
        }
    }
}

impl Source {
    /// Reads the text, byte for byte.
    pub(crate) fn read(self) -> Result<String, Failure> {
        match self {
            Self::Text(text) => Ok(text),
            Self::File(path) => file(&path),
            Self::Stdin => stdin(),
        }
    }
}

/// Reads a file.
pub(crate) fn file(path: &Path) -> Result<String, Failure> {
    let text = File::open(path).and_then(whole);
    text.map_err(|error| Failure::failed(format!("cannot read {}: {error}", path.display())))
}

/// Reads standard input to its end.
pub(crate) fn stdin() -> Result<String, Failure> {
    whole(io::stdin()).map_err(|error| Failure::failed(format!("cannot read standard input: {error}")))
}

/// Reads a file that contains one secret. Line breaks at its end are not part of it.
pub(crate) fn secret(path: &Path) -> Result<String, Failure> {
    Ok(file(path)?.trim_end_matches(['\r', '\n']).to_owned())
}

/// Parses the text of a configuration file; the path is for errors.
pub(crate) fn toml<T: DeserializeOwned>(path: &Path, text: &str) -> Result<T, Failure> {
    toml::from_str(text).map_err(|error| {
        // The error's own text quotes the line, which may contain a secret.
        let line = error.span().map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        // A value of the wrong type may be a secret too.
        let message = match error.message().rsplit_once(", expected ") {
            Some((found, expected)) if found.starts_with("invalid ") => format!("expected {expected}"),
            _ => error.message().to_owned(),
        };
        Failure::usage(format!("{}, line {line}: {message}", path.display()))
    })
}

/// Reads the next line, without its line break; `None` at the end.
pub(crate) fn line(reader: &mut impl BufRead) -> io::Result<Option<String>> {
    let mut bytes = Vec::new();
    reader.take(MAX_LEN + 1).read_until(b'\n', &mut bytes)?;
    if bytes.is_empty() {
        return Ok(None);
    }
    let mut text = bounded(bytes)?;
    text.truncate(without_line_break(&text).len());
    Ok(Some(text))
}

/// Editors and `echo` end a text with a line break, which is not part of it.
pub(crate) fn without_line_break(text: &str) -> &str {
    let text = text.strip_suffix('\n').unwrap_or(text);
    text.strip_suffix('\r').unwrap_or(text)
}

fn whole(source: impl Read) -> io::Result<String> {
    let mut bytes = Vec::new();
    source.take(MAX_LEN + 1).read_to_end(&mut bytes)?;
    bounded(bytes)
}

fn bounded(bytes: Vec<u8>) -> io::Result<String> {
    if bytes.len() as u64 > MAX_LEN {
        let text = format!("more than {} MiB", MAX_LEN >> 20);
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    String::from_utf8(bytes).map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not UTF-8"))
}

/// The most bytes that are read of a file, a line or standard input. No server accepts anything close to it.
const MAX_LEN: u64 = 16 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_at_sign_is_read_from_a_file_unless_it_is_doubled() {
        let table = [
            ("hi", Source::Text("hi".into())),
            ("@a.json", Source::File("a.json".into())),
            ("@@ann", Source::Text("@ann".into())),
            ("@@@", Source::Text("@@".into())),
            ("-", Source::Stdin),
            ("@-", Source::Stdin),
            ("--", Source::Text("--".into())),
            ("@", Source::File("".into())),
        ];
        for (text, source) in table {
            assert_eq!(Source::from(text), source, "{text}");
        }
    }

    #[test]
    fn an_input_without_an_end_is_refused() {
        for error in
            [whole(io::repeat(b' ')).unwrap_err(), line(&mut io::BufReader::new(io::repeat(b' '))).unwrap_err()]
        {
            assert_eq!((error.kind(), error.to_string()), (io::ErrorKind::FileTooLarge, "more than 16 MiB".to_owned()));
        }
        // The limit is in the middle of a character.
        let error = whole("é".as_bytes().chain(io::repeat(b'x')).chain("é".as_bytes())).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::FileTooLarge);
    }

    #[test]
    fn lines_have_no_line_break() {
        let mut text = "a\n\r\nb\r\nc".as_bytes();
        let lines: Vec<_> = std::iter::from_fn(|| line(&mut text).unwrap()).collect();
        assert_eq!(lines, ["a", "", "b", "c"]);
    }
}
