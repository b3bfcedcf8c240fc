//! `pusher record` and `pusher replay`: a live session in a file that a person can read, and that anyone can play again.

mod args;
mod edge;
mod file;
mod format;
mod forms;
mod live;
mod machine;
mod redact;
mod repeat;
mod replay;
mod sealed;
mod serve;
#[cfg(test)]
mod tests;

use std::pin::pin;

use pusher_driver::adapter::Limits;
use pusher_tokio::pusher_proto::Action;
use pusher_tokio::{ChannelName, CloseReason, ConnectionState, Event};
use tokio::time::{Instant, sleep_until};

pub(crate) use self::args::{RecordArgs, ReplayArgs};
use self::edge::Edge;
use self::file::Writer;
use self::format::{Input, output};
use self::live::Live;
use self::machine::{Machine, Setup};
use self::repeat::Script;
pub(crate) use self::replay::run as replay;
use crate::failure::Failure;
use crate::frames::{Direction, show, show_end, show_received};
use crate::interrupt::interrupted;
use crate::listen::{describe, is_about_connection, is_for_people};
use crate::output;
use crate::{authorizer, connect};

pub(crate) async fn record(args: RecordArgs) -> Result<(), Failure> {
    let mut interrupted = pin!(interrupted()?);
    if args.channels.is_empty() && !args.signin && args.repeat.is_none() {
        output::note("without --channel and --signin, only the connection is recorded");
    }
    let mut recorder = Recorder::new(&args)?;
    let result = tokio::select! {
        result = recorder.run(&args) => result,
        () = &mut interrupted => Ok(()),
    };
    let ended = recorder.end().await;
    result.and(ended)?;
    match &recorder.script {
        // What was interrupted cannot be compared.
        Some(script) if recorder.is_repeated => script.compare(),
        _ => Ok(()),
    }
}

struct Recorder {
    machine: Machine,
    live: Live,
    file: Writer,
    url: String,
    is_verbose: bool,
    /// Published events.
    counted: u64,
    was_connected: bool,
    is_full: bool,
    /// What to do instead of the calls of the flags.
    script: Option<Script>,
    /// Whether all of it is done.
    is_repeated: bool,
}

impl Recorder {
    fn new(args: &RecordArgs) -> Result<Self, Failure> {
        let target = args.place.target()?;
        let app = args.credentials.app_with_secret("")?;
        let script = args.repeat.as_deref().map(Script::read).transpose()?;
        let source = match &script {
            Some(script) => authorizer::source(app, &args.auth, &script.channels(), script.signs_in())?,
            None => authorizer::source(app, &args.auth, &args.channels, args.signin)?,
        };
        // The key is checked here, since the recorded client does not see it.
        connect::config(&args.credentials.key, target.endpoint()).build()?;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let setup = Setup { server: target.ws_url(), version, seed: random() };
        let headers = args.auth.headers()?.into_iter().map(|(_, value)| value.expose().to_owned());
        let urls = [&args.auth.auth_url, &args.auth.user_auth_url];
        let in_urls = urls.into_iter().flatten().flat_map(|url| secrets_of(url));
        let edge = Edge::new(&args.credentials.key, headers.chain(in_urls), args.redact_data);
        let limits = Limits::new(&setup.config()?);
        Ok(Self {
            machine: Machine::new(&setup)?,
            live: Live::new(edge, target.options()?, limits, source),
            file: Writer::new(&args.output, args.max_size * MIB, &setup, args.redact_data)?,
            url: target.ws_url(),
            is_verbose: args.verbose,
            counted: 0,
            was_connected: false,
            is_full: false,
            script,
            is_repeated: false,
        })
    }

    async fn run(&mut self, args: &RecordArgs) -> Result<(), Failure> {
        let calls = args.channels.iter().cloned().map(Input::Subscribe);
        let signin = args.signin.then_some(Input::Signin);
        if self.script.is_none() {
            for call in calls.chain(signin).chain([Input::Connect]) {
                self.step(call)?;
            }
        }
        let deadline = args.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        while !self.is_full && args.count.is_none_or(|count| self.counted < count) {
            let next_call = self.script.as_ref().map(|script| self.live.time_of(script.next_at()));
            let input = tokio::select! {
                () = sleep_until(next_call.unwrap_or_else(Instant::now)), if next_call.is_some() => {
                    match self.script.as_mut().and_then(Script::next) {
                        Some(call) => call,
                        None => {
                            self.is_repeated = true;
                            return Ok(());
                        }
                    }
                }
                input = self.live.next() => input,
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => return Ok(()),
            };
            self.step(input)?;
        }
        Ok(())
    }

    /// Gives an input to the core, does what follows, and writes both down.
    fn step(&mut self, input: Input) -> Result<(), Failure> {
        // The answer to a request that has been cancelled meanwhile.
        if matches!(&input, Input::Auth(id, _) if !self.machine.awaits(id)) {
            return Ok(());
        }
        let now = self.live.now();
        match &input {
            Input::Frame(frame) if self.is_verbose => show_received(frame),
            Input::Closed(reason) if self.is_verbose => show_end(Direction::Received, reason),
            _ => {}
        }
        let mut lines = input.line(now);
        lines.push('\n');
        self.machine.handle(input, now).map_err(Failure::failed)?;
        let mut result = Ok(());
        while let Some(action) = self.machine.poll(now) {
            let line = output(&action);
            if let Some(script) = &mut self.script {
                script.observe(&line);
            }
            lines += &line;
            lines.push('\n');
            self.live.perform(&action);
            match &action {
                Action::Send(_, text) if self.is_verbose => show(Direction::Sent, text),
                Action::Close(_, frame) if self.is_verbose => {
                    show_end(Direction::Sent, &CloseReason::Closed(Some(frame.clone())));
                }
                Action::Emit(event) => result = result.and(self.tell(event)),
                _ => {}
            }
        }
        if !self.is_full && !self.file.step(&lines)? {
            self.is_full = true;
            output::note("the recording has reached --max-size and ends here");
        }
        result
    }

    /// Prints an event, and draws the conclusions from it.
    fn tell(&mut self, event: &Event) -> Result<(), Failure> {
        let is_subscribed =
            |channel: &ChannelName| self.machine.core().channel(channel).is_some_and(|channel| channel.is_subscribed());
        if let Some(failure) = connect::failure(event, &self.url, self.was_connected, is_subscribed) {
            return Err(failure);
        }
        match event {
            Event::StateChanged { current: ConnectionState::Connected { .. }, .. } => self.was_connected = true,
            Event::Channel(_) | Event::User(_) => self.counted += 1,
            _ => {}
        }
        if !is_for_people(event) {
            return Ok(());
        }
        if is_about_connection(event) {
            output::remark(describe::human(event));
            return Ok(());
        }
        output::line(describe::human(event))
    }

    /// Says goodbye, which is a part of the recording.
    async fn end(&mut self) -> Result<(), Failure> {
        let ended = self.step(Input::Disconnect).and_then(|()| if self.is_full { Ok(()) } else { self.file.end() });
        self.live.leave().await;
        ended
    }
}

/// What may be secret in a URL: the values of its query.
fn secrets_of(url: &str) -> Vec<String> {
    let query = url.split_once('?').map_or("", |(_, query)| query);
    query.split('&').filter_map(|field| field.split_once('=')).map(|(_, value)| value.to_owned()).collect()
}

/// A number for the delays of retries, which differ from session to session.
fn random() -> u64 {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};

    RandomState::new().build_hasher().finish()
}

const MIB: u64 = 1_024 * 1_024;
