//! `pusher replay`: the inputs of a recording, given to a new client in virtual time.

use pusher_tokio::Event;
use pusher_tokio::pusher_proto::{Action, Instant};

use super::args::ReplayArgs;
use super::file::Reader;
use super::format::{Line, output};
use super::machine::Machine;
use super::serve;
use crate::failure::Failure;
use crate::listen::{describe, is_for_people};
use crate::output::{self, printable};

pub(crate) async fn run(args: ReplayArgs) -> Result<(), Failure> {
    if args.serve {
        return serve::run(&args).await;
    }
    let mut replay = Replay::new(Reader::open(&args.file)?, args.print)?;
    let is_complete = match replay.run() {
        Ok(is_complete) => is_complete,
        Err(Stop::Failure(failure)) => return Err(failure),
        Err(Stop::Difference { recorded, replayed }) => {
            output::line(format_args!("recorded  {recorded}\nreplayed  {replayed}"))?;
            return Err(replay.recording.failure("the replay differs from the recording"));
        }
    };
    let Replay { inputs, outputs, .. } = replay;
    let (inputs, outputs) = (counted(inputs, "input"), counted(outputs, "output"));
    let end = if is_complete { "" } else { "; the recording is cut off there" };
    output::line(format_args!("no difference in {outputs} to {inputs}{end}"))
}

/// Why a replay does not reach the end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The recording is damaged.
    Failure(Failure),
    /// What is recorded, and what the client did instead.
    Difference { recorded: String, replayed: String },
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        Self::Failure(failure)
    }
}

pub(super) struct Replay {
    recording: Reader,
    machine: Machine,
    prints: bool,
    now: Instant,
    inputs: u64,
    outputs: u64,
}

impl Replay {
    pub(super) fn new(recording: Reader, prints: bool) -> Result<Self, Failure> {
        let machine = Machine::new(recording.setup())?;
        Ok(Self { recording, machine, prints, now: Instant::ZERO, inputs: 0, outputs: 0 })
    }

    /// Returns whether the recording has an end. In one that was cut off, outputs may be missing after the last input.
    pub(super) fn run(&mut self) -> Result<bool, Stop> {
        let mut is_over = false;
        while let Some(line) = self.recording.next()? {
            let read = Line::read(&line).map_err(|error| self.recording.failure(error))?;
            if is_over && read != Line::Comment {
                return Err(self.recording.failure("the recording has ended before").into());
            }
            match read {
                Line::Comment => {}
                Line::Output => match self.poll()? {
                    Some(found) if found == line => {}
                    found => return Err(difference(&line, found.as_deref())),
                },
                Line::Input(at, input) => {
                    self.expect_none(&line)?;
                    if at < self.now {
                        return Err(self.recording.failure("earlier than the input before").into());
                    }
                    self.now = at;
                    self.inputs += 1;
                    self.machine.handle(input, at).map_err(|error| self.recording.failure(error))?;
                }
                Line::End => {
                    self.expect_none(&line)?;
                    is_over = true;
                }
            }
        }
        Ok(is_over)
    }

    fn expect_none(&mut self, line: &str) -> Result<(), Stop> {
        match self.poll()? {
            Some(found) => Err(difference(line, Some(&found))),
            None => Ok(()),
        }
    }

    /// The line of the next output.
    fn poll(&mut self) -> Result<Option<String>, Failure> {
        let Some(action) = self.machine.poll(self.now) else { return Ok(None) };
        self.outputs += 1;
        if let (Action::Emit(event), true) = (&action, self.prints) {
            print(event, self.now)?;
        }
        Ok(Some(output(&action)))
    }
}

/// Both lines from shortly before the first different character.
fn difference(recorded: &str, found: Option<&str>) -> Stop {
    let is_output = matches!(Line::read(recorded), Ok(Line::Output));
    let replayed = found.unwrap_or_default();
    let same = recorded.chars().zip(replayed.chars()).take_while(|(a, b)| a == b).count();
    let from = if is_output { same.saturating_sub(BEFORE) } else { 0 };
    let recorded = match is_output {
        true => excerpt(recorded, from),
        false => format!("nothing more before {}", excerpt(recorded, 0)),
    };
    let replayed = if found.is_some() { excerpt(replayed, from) } else { "nothing more".to_owned() };
    Stop::Difference { recorded, replayed }
}

/// A part of a line.
fn excerpt(line: &str, from: usize) -> String {
    let mut chars = line.chars().skip(from);
    let part: String = chars.by_ref().take(MAX_SHOWN).collect();
    let (before, after) = (if from > 0 { "…" } else { "" }, if chars.next().is_some() { "…" } else { "" });
    format!("{before}{}{after}", printable(&part))
}

fn print(event: &Event, now: Instant) -> Result<(), Failure> {
    let time = format!("{:>10.3}", now.elapsed().as_secs_f64());
    if is_for_people(event) { output::line(describe::human_at(&time, event)) } else { Ok(()) }
}

fn counted(count: u64, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Characters of a difference: those that are shown, and those of them that are the same.
const MAX_SHOWN: usize = 200;
const BEFORE: usize = 40;
