//! Recordings as files: written step by step, and read line by line.

use std::fs::File;
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::path::{Path, PathBuf};

use super::machine::Setup;
use crate::failure::Failure;

/// Writes a recording. After each step, the file is complete up to there.
pub(super) struct Writer {
    file: File,
    path: PathBuf,
    /// Bytes that may still be written.
    room: u64,
}

impl Writer {
    /// Begins a recording, instead of what the file contains.
    pub(super) fn new(path: &Path, max_size: u64, setup: &Setup, is_redacted: bool) -> Result<Self, Failure> {
        let file = File::create(path);
        let file = file.map_err(|error| Failure::failed(format!("cannot write {}: {error}", path.display())))?;
        let mut writer = Self { file, path: path.to_owned(), room: max_size };
        let Setup { server, version, seed } = setup;
        let remark = if is_redacted { REDACTED } else { NOT_REDACTED };
        let header = format!("{FIRST_LINE}\n{SECRETS}{remark}= server {server}\n= client {version}\n= seed {seed}\n");
        writer.room = writer.room.saturating_sub(header.len() as u64);
        writer.write(&header)?;
        Ok(writer)
    }

    /// Writes lines that belong together. Returns false, and writes nothing, if the file would become too large.
    pub(super) fn step(&mut self, lines: &str) -> Result<bool, Failure> {
        let len = lines.len() as u64;
        if len > self.room || lines.lines().any(|line| line.len() > MAX_LINE_LEN) {
            return Ok(false);
        }
        self.room -= len;
        self.write(lines)?;
        Ok(true)
    }

    /// Writes the last line.
    pub(super) fn end(&mut self) -> Result<(), Failure> {
        self.write(&format!("{}\n", super::format::END))
    }

    fn write(&mut self, text: &str) -> Result<(), Failure> {
        let written = self.file.write_all(text.as_bytes());
        written.map_err(|error| Failure::failed(format!("cannot write {}: {error}", self.path.display())))
    }
}

/// Reads a recording, of which it holds one line at a time.
pub(super) struct Reader {
    text: Box<dyn BufRead>,
    path: PathBuf,
    number: u64,
    setup: Setup,
    /// The line after the header.
    first: Option<String>,
}

impl Reader {
    /// Reads the header of a file.
    pub(super) fn open(path: &Path) -> Result<Self, Failure> {
        let file = File::open(path);
        let file = file.map_err(|error| Failure::failed(format!("cannot read {}: {error}", path.display())))?;
        Self::new(Box::new(BufReader::new(file)), path)
    }

    /// The same for a text; the path is for messages.
    pub(super) fn new(text: Box<dyn BufRead>, path: &Path) -> Result<Self, Failure> {
        let setup = Setup { server: String::new(), version: String::new(), seed: 0 };
        let mut reader = Self { text, path: path.to_owned(), number: 0, setup, first: None };
        reader.read_header()?;
        Ok(reader)
    }

    pub(super) fn setup(&self) -> &Setup {
        &self.setup
    }

    /// Returns the next line without its line break; `None` at the end, and for a last line that is cut off.
    pub(super) fn next(&mut self) -> Result<Option<String>, Failure> {
        if let Some(line) = self.first.take() {
            return Ok(Some(line));
        }
        self.number += 1;
        let mut line = Vec::new();
        let limit = MAX_LINE_LEN as u64 + 1;
        let read = self.text.by_ref().take(limit).read_until(b'\n', &mut line);
        read.map_err(|error| Failure::failed(format!("cannot read {}: {error}", self.path.display())))?;
        if !line.ends_with(b"\n") {
            return if line.len() as u64 == limit {
                Err(self.failure(format!("longer than {MAX_LINE_LEN} bytes")))
            } else {
                Ok(None)
            };
        }
        let text = std::str::from_utf8(&line).map_err(|_| self.failure("not UTF-8"))?;
        // A carriage return is of an editor: in a recording, it is always escaped.
        Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned()))
    }

    /// What is wrong with the line that was read last.
    pub(super) fn failure(&self, what: impl std::fmt::Display) -> Failure {
        Failure::failed(format!("{}, line {}: {what}", self.path.display(), self.number))
    }

    fn read_header(&mut self) -> Result<(), Failure> {
        let first = self.next()?.unwrap_or_default();
        if first != FIRST_LINE {
            let version = first.strip_prefix(NAME).map(str::trim);
            return Err(self.failure(match version {
                Some(version) => {
                    format!("version {} of the format; this program reads version 1", super::format::start(version))
                }
                None => format!("not a recording, which begins with {FIRST_LINE:?}"),
            }));
        }
        let (mut server, mut version, mut seed) = (None, None, None);
        loop {
            let line = self.next()?;
            let Some(option) = line.as_deref().and_then(|line| line.strip_prefix("= ")) else {
                if line.as_deref().is_some_and(|line| line.is_empty() || line.starts_with('#')) {
                    continue;
                }
                self.first = line;
                break;
            };
            let (name, value) = option.split_once(' ').unwrap_or((option, ""));
            let place = match name {
                "server" => &mut server,
                "client" => &mut version,
                "seed" => &mut seed,
                _ => return Err(self.failure(format!("unknown option {}", super::format::start(name)))),
            };
            if place.replace(value.to_owned()).is_some() {
                return Err(self.failure(format!("{name} is given twice")));
            }
        }
        let missing = |name: &str| self.failure(format!("the header has no {name}"));
        let seed = seed.ok_or_else(|| missing("seed"))?;
        self.setup = Setup {
            server: server.ok_or_else(|| missing("server"))?,
            version: version.ok_or_else(|| missing("client"))?,
            seed: seed.parse().map_err(|_| self.failure("the seed is not a number"))?,
        };
        self.setup.config().map_err(|failure| self.failure(failure.message()))?;
        Ok(())
    }
}

const NAME: &str = "pusher recording";
const FIRST_LINE: &str = "pusher recording 1";

const SECRETS: &str =
    "# Keys, signatures and shared secrets are replaced, and payloads of encrypted channels are removed.\n";
const REDACTED: &str = "# Payloads and users are replaced as well.\n";
const NOT_REDACTED: &str =
    "# Other payloads and the ids and infos of users are as they were: --redact-data removes them.\n";

/// Bytes of a line. The largest frame has 16 MiB, of which every byte may be written as six.
const MAX_LINE_LEN: usize = 100 * 1_024 * 1_024;
