//! The application's part of a recording, played against a live server: the same calls at the same times, and a comparison
//! of the kinds of events that came.

use std::collections::{BTreeMap, VecDeque};
use std::path::Path;

use pusher_tokio::ChannelName;
use pusher_tokio::pusher_proto::Instant;
use serde::Deserialize;

use super::file::Reader;
use super::format::{Input, Line};
use crate::failure::Failure;
use crate::output::{self, CHANNEL, printable};

pub(super) struct Script {
    calls: VecDeque<(Instant, Input)>,
    /// When the recording ends.
    end: Instant,
    kinds: BTreeMap<Kind, Count>,
}

/// What is the same for events that may differ in their payloads.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
struct Kind {
    channel: Option<String>,
    event: String,
}

#[derive(Debug, Default, PartialEq, Eq)]
struct Count {
    recorded: u64,
    repeated: u64,
}

impl Script {
    pub(super) fn read(path: &Path) -> Result<Self, Failure> {
        Self::from_recording(Reader::open(path)?)
    }

    fn from_recording(mut recording: Reader) -> Result<Self, Failure> {
        let mut script = Self { calls: VecDeque::new(), end: Instant::ZERO, kinds: BTreeMap::new() };
        while let Some(line) = recording.next()? {
            match Line::read(&line).map_err(|error| recording.failure(error))? {
                Line::Input(at, _) if at < script.end => {
                    return Err(recording.failure("earlier than the input before"));
                }
                Line::Input(at, input) => {
                    script.end = at;
                    if is_call(&input) {
                        if script.calls.len() == MAX_CALLS {
                            return Err(recording.failure(format!("more than {MAX_CALLS} calls")));
                        }
                        script.calls.push_back((at, input));
                    }
                }
                Line::Output => script.count(&line, |count| count.recorded += 1),
                Line::Comment | Line::End => {}
            }
        }
        Ok(script)
    }

    /// The channels that are subscribed to at some time.
    pub(super) fn channels(&self) -> Vec<ChannelName> {
        let channels = self.calls.iter().filter_map(|(_, call)| match call {
            Input::Subscribe(channel) => Some(channel.clone()),
            _ => None,
        });
        channels.collect()
    }

    pub(super) fn signs_in(&self) -> bool {
        self.calls.iter().any(|(_, call)| *call == Input::Signin)
    }

    /// When there is something to do: the next call, or the end.
    pub(super) fn next_at(&self) -> Instant {
        self.calls.front().map_or(self.end, |(at, _)| *at)
    }

    /// Returns the next call; `None` at the end.
    pub(super) fn next(&mut self) -> Option<Input> {
        self.calls.pop_front().map(|(_, call)| call)
    }

    /// Counts an output of the repeated session.
    pub(super) fn observe(&mut self, line: &str) {
        self.count(line, |count| count.repeated += 1);
    }

    fn count(&mut self, line: &str, add: impl FnOnce(&mut Count)) {
        let Some(kind) = kind(line) else { return };
        if self.kinds.len() < MAX_KINDS || self.kinds.contains_key(&kind) {
            add(self.kinds.entry(kind).or_default());
        }
    }

    /// Prints which kinds of events came more or less often than in the recording; an error if there are any.
    pub(super) fn compare(&self) -> Result<(), Failure> {
        let different: Vec<_> = self.kinds.iter().filter(|(_, count)| count.recorded != count.repeated).collect();
        if different.is_empty() {
            let kinds = self.kinds.len();
            return output::line(format_args!("as in the recording: {kinds} kinds of events, each as often"));
        }
        output::line("recorded  now       event")?;
        for (Kind { channel, event }, Count { recorded, repeated }) in &different {
            let channel = channel.as_deref().map(printable).unwrap_or_default();
            let event = printable(event);
            output::line(format_args!("{recorded:<8}  {repeated:<8}  {event}  {CHANNEL}{channel}{CHANNEL:#}"))?;
        }
        Err(Failure::failed("the server's events differ from the recording"))
    }
}

const fn is_call(input: &Input) -> bool {
    matches!(input, Input::Connect | Input::Disconnect | Input::Subscribe(_) | Input::Signin)
}

/// The kind of an event that the server caused, from its line. How the connection went is another matter.
fn kind(line: &str) -> Option<Kind> {
    let json = line.strip_prefix("* ").filter(|json| json.starts_with('{'))?;
    let kind: Kind = serde_json::Deserializer::from_str(json).into_iter().next()?.ok()?;
    let is_of_connection = kind.channel.is_none() && ["state_change", "error"].contains(&kind.event.as_str());
    (!is_of_connection).then_some(kind)
}

/// Calls of a recording; the program itself makes a few.
const MAX_CALLS: usize = 100_000;

/// Kinds of events that are compared.
const MAX_KINDS: usize = 10_000;

#[cfg(test)]
mod tests {
    use std::io::BufReader;

    use super::*;

    fn read(text: &'static str) -> Result<Script, Failure> {
        Script::from_recording(Reader::new(Box::new(BufReader::new(text.as_bytes())), Path::new("r"))?)
    }

    #[test]
    fn calls_keep_their_times_and_kinds_are_counted() {
        let mut script = read(include_str!("../../tests/cli/reconnect.txt")).unwrap();
        assert!(script.channels().iter().map(ChannelName::as_str).eq(["chat", "private-orders", "presence-room"]));
        assert!(!script.signs_in());
        let calls: Vec<_> = std::iter::from_fn(|| script.next()).collect();
        assert_eq!(calls.len(), 5, "three channels, connect and disconnect: {calls:?}");
        assert_eq!(script.next_at(), script.end);
        let message = Kind { channel: Some("chat".into()), event: "message".into() };
        assert_eq!(script.kinds[&message].repeated, 0);
        script.observe(r#"* {"channel":"chat","event":"message","data":"1"}"#);
        assert_eq!(script.kinds[&message].repeated, 1);
        assert!(script.kinds.keys().all(|kind| kind.event != "state_change"));
        assert!(script.compare().is_err());
    }

    #[test]
    fn times_do_not_go_back() {
        let text =
            "pusher recording 1\n= server ws://h\n= client 1\n= seed 1\n2.000000 ! connect\n1.000000 ! disconnect\n";
        let failure = read(text).err().unwrap();
        assert_eq!(failure.message(), "r, line 6: earlier than the input before");
    }
}
