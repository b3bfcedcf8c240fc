//! Playing the lines of a transcript with an embedding.

use std::time::Duration;

use pusher_proto::{
    Action, AuthId, ChannelName, Client, ConnectionState, Event, Frame, Instant, NetworkHint, SocketEpoch, with_causes,
};

use super::describe;
use super::embedding::{Embedding, Input, Refusal};
use super::line::{Call, Line, Passing, Received};
use super::setup::Setup;

/// Why a line cannot be played.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// It refers to something that does not exist, such as a socket that was not requested.
    Impossible(String),
    /// The embedding does something that it never may.
    Broken(String),
}

impl Stop {
    fn impossible(why: impl Into<String>) -> Self {
        Self::Impossible(why.into())
    }
}

/// One output: its line, unless transcripts leave it out, and the action if it is one.
pub(crate) struct Output {
    pub(crate) line: Option<String>,
    pub(crate) action: Option<Action>,
}

impl Call {
    /// Returns the input of the core that this call is, or `None` if it prints something or answers a request, whose id only
    /// the player knows.
    pub(crate) fn input(&self) -> Option<Input> {
        Some(match self {
            Self::Connect => Input::Connect,
            Self::Disconnect => Input::Disconnect,
            Self::Subscribe(channel) => Input::Subscribe(channel.clone()),
            Self::SubscribeWith(channel, options, _) => Input::SubscribeWith(channel.clone(), options.clone()),
            Self::Unsubscribe(channel) => Input::Unsubscribe(channel.clone()),
            Self::Trigger(channel, event, data) => Input::Trigger(channel.clone(), event.clone(), data.clone()),
            Self::Update(channel, info) => Input::UpdatePresence(channel.clone(), info.clone()),
            Self::ResumeFrom(channel, position) => Input::ResumeFrom(channel.clone(), position.clone()),
            Self::History(channel, query) => Input::History(channel.clone(), query.query().clone()),
            Self::Signin => Input::Signin,
            Self::Signout => Input::Signout,
            Self::Switch(key, endpoint) => Input::Switch(key.clone(), endpoint.endpoint().clone().into()),
            Self::Online => Input::Network(NetworkHint::Online),
            Self::Offline => Input::Network(NetworkHint::Offline),
            Self::Auth(..) | Self::Positions | Self::Show(_) | Self::Name | Self::User => return None,
        })
    }
}

/// What the getters say about a channel.
fn show(client: &Client, channel: &ChannelName) -> String {
    let Some(channel) = client.channel(channel) else { return "* unknown".to_owned() };
    let members = channel.members().map(|members| members.ids().collect::<Vec<_>>());
    let (subscribed, count) = (channel.is_subscribed(), channel.count());
    let me = channel.me().map(|me| me.id);
    let unknown = if members.is_some() && !channel.knows_members() { " known=false" } else { "" };
    format!("* subscribed={subscribed} count={count:?} members={members:?} me={me:?}{unknown}")
}

/// How far each channel got, in the order of names.
fn positions(client: &Client) -> String {
    let mut positions: Vec<_> = client.positions().map(|(channel, at)| format!(" {channel}={at:?}")).collect();
    positions.sort();
    format!("* positions{}", positions.concat())
}

/// An embedding that is being played, and what the numbers of a transcript refer to.
pub(crate) struct Player<'a, E> {
    pub(crate) embedding: &'a mut E,
    now: Instant,
    /// Sockets in the order in which they were requested.
    sockets: Vec<SocketEpoch>,
    auths: Vec<AuthId>,
    retry_at: Option<Instant>,
    /// The time of the wall clock, once it was reported to the client.
    wall: Option<Duration>,
}

impl<'a, E: Embedding> Player<'a, E> {
    pub(crate) fn new(embedding: &'a mut E, setup: &Setup) -> Self {
        embedding.start(setup.config.clone(), setup.seed);
        Self { embedding, now: Instant::ZERO, sockets: vec![], auths: vec![], retry_at: None, wall: None }
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// Plays one input and returns the outputs.
    pub(crate) fn give(&mut self, line: &Line) -> Result<Vec<Output>, Stop> {
        let mut outputs = Vec::new();
        match line {
            Line::Connected => return self.connected(),
            Line::Calls(calls) => {
                for call in calls {
                    let printed = self.call(call)?;
                    outputs.extend(printed.map(|line| Output { line: Some(line), action: None }));
                }
            }
            Line::Receive { socket, is_polled, what } => {
                self.receive(*socket, what)?;
                if !is_polled {
                    return Ok(outputs);
                }
            }
            Line::Pass(passing) => self.pass(*passing, &mut outputs)?,
        }
        self.drain(&mut outputs)?;
        Ok(outputs)
    }

    /// `! connected` connects, and the server greets. Transcripts do not list the lines that the word stands for, so anything
    /// else is an error here.
    fn connected(&mut self) -> Result<Vec<Output>, Stop> {
        let mut happened = Vec::new();
        self.handle(Input::Connect);
        self.drain(&mut happened)?;
        let lines = |happened: &[Output]| happened.iter().filter_map(|output| output.line.clone()).collect::<Vec<_>>();
        if lines(&happened) == OPENING {
            self.receive(None, &Received::Established("1.1".to_owned(), None))?;
            self.drain(&mut happened)?;
            if lines(&happened).get(OPENING.len()).is_some_and(|line| line == GREETED) {
                let is_line = |output: &&mut Output| output.line.is_some();
                happened.iter_mut().filter(is_line).take(OPENING.len() + 1).for_each(|output| output.line = None);
                return Ok(happened);
            }
        }
        let happened: String = lines(&happened).iter().map(|line| format!("\n    {line}")).collect();
        let [connecting, opening] = OPENING;
        Err(Stop::Broken(format!(
            "`! connected` stands for\n    {connecting}\n    {opening}\n    {GREETED}\nhappened{happened}"
        )))
    }

    /// Calls that can fail are not among those that use this.
    fn handle(&mut self, input: Input) {
        // Only client events and requests for history can be refused, and `call` reports that.
        let _: Result<(), Refusal> = self.embedding.handle(input, self.now);
    }

    /// Returns what the call prints.
    fn call(&mut self, call: &Call) -> Result<Option<String>, Stop> {
        if let Some(input) = call.input() {
            let refusal = self.embedding.handle(input, self.now).err();
            return Ok(refusal.map(|refusal| match refusal {
                Refusal::Trigger(error) => format!("* trigger_error: {}", with_causes(&error)),
                Refusal::History(error) => format!("* history_error: {}", with_causes(&error)),
                Refusal::Subscribe(error) => format!("* subscribe_error: {}", with_causes(&error)),
            }));
        }
        match call {
            Call::Auth(number, answer) => {
                let id = number.checked_sub(1).and_then(|at| self.auths.get(at));
                let id = *id.ok_or_else(|| Stop::impossible(format!("no authorization #{number} is requested")))?;
                self.handle(Input::Auth(id, answer.result()));
                Ok(None)
            }
            Call::Positions => Ok(Some(self.embedding.look(positions))),
            Call::Show(channel) => Ok(Some(self.embedding.look(|client| show(client, channel)))),
            Call::Name => Ok(Some(self.embedding.look(|client| format!("* {}", client.state_name())))),
            Call::User => Ok(Some(self.embedding.look(|client| format!("* {:?}", client.user())))),
            Call::Connect
            | Call::Disconnect
            | Call::Subscribe(_)
            | Call::SubscribeWith(..)
            | Call::Unsubscribe(_)
            | Call::Trigger(..)
            | Call::Update(..)
            | Call::ResumeFrom(..)
            | Call::History(..)
            | Call::Signin
            | Call::Signout
            | Call::Switch(..)
            | Call::Online
            | Call::Offline => Ok(None),
        }
    }

    fn receive(&mut self, number: Option<usize>, what: &Received) -> Result<(), Stop> {
        let socket = match number {
            Some(number) => number.checked_sub(1).and_then(|at| self.sockets.get(at)),
            None => self.sockets.last(),
        };
        let socket = *socket.ok_or_else(|| Stop::impossible("no such socket was asked for"))?;
        let input = match what {
            Received::Open => Input::Open(socket),
            Received::Established(id, timeout) => {
                let timeout = timeout.clone().unwrap_or_else(|| DEFAULT_ACTIVITY_TIMEOUT.into());
                let data = format!(r#"{{\"socket_id\":\"{id}\",\"activity_timeout\":{timeout}}}"#);
                let frame = format!(r#"{{"event":"pusher:connection_established","data":"{data}"}}"#);
                Input::Frame(socket, Frame::Text(frame.into()))
            }
            Received::Text(text) => Input::Frame(socket, Frame::Text(text.as_str().into())),
            Received::Ping => Input::Frame(socket, Frame::Ping),
            Received::Pong => Input::Frame(socket, Frame::Pong),
            Received::Binary => Input::Frame(socket, Frame::Binary([1, 2].to_vec().into())),
            Received::Part => Input::Part(socket),
            Received::Skipped(bytes) => Input::Skipped(socket, *bytes),
            Received::Repeat(count, frame) => {
                for _ in 0..*count {
                    self.handle(Input::Frame(socket, Frame::Text(frame.as_str().into())));
                }
                return Ok(());
            }
            Received::Ended(reason) => Input::Close(socket, reason.clone()),
        };
        self.handle(input);
        Ok(())
    }

    fn pass(&mut self, passing: Passing, outputs: &mut Vec<Output>) -> Result<(), Stop> {
        match passing {
            Passing::Time(time) => self.wait(self.now + time, outputs)?,
            Passing::Retry => {
                let at = self.retry_at.ok_or_else(|| Stop::impossible("the client does not wait for a retry"))?;
                self.wait(at, outputs)?;
            }
            Passing::Asleep(time) => {
                self.now = self.now + time;
                self.wake();
            }
            Passing::Unnoticed(time) => self.now = self.now + time,
            Passing::WallForward(time) => self.set_wall(self.wall.unwrap_or(EPOCH) + time),
            Passing::WallBack(time) => self.set_wall(self.wall.unwrap_or(EPOCH).saturating_sub(time)),
        }
        Ok(())
    }

    /// Reports the wall clock. From then on, every wake-up reports it.
    fn set_wall(&mut self, wall: Duration) {
        self.wall = Some(wall);
        self.handle(Input::WallClock(wall + self.now.elapsed()));
    }

    /// What a driver does when it is woken.
    fn wake(&mut self) {
        if let Some(wall) = self.wall {
            self.handle(Input::WallClock(wall + self.now.elapsed()));
        }
        self.handle(Input::Timeout);
    }

    fn deadline(&self) -> Option<Instant> {
        self.embedding.look(pusher_proto::Client::poll_timeout)
    }

    /// Time passes with a punctual timer.
    fn wait(&mut self, target: Instant, outputs: &mut Vec<Output>) -> Result<(), Stop> {
        let mut wakes = 0;
        while let Some(at) = self.deadline().filter(|at| *at <= target) {
            self.now = self.now.max(at);
            self.wake();
            self.drain(outputs)?;
            if self.deadline().is_some_and(|at| at <= self.now) {
                return Err(Stop::Broken("the deadline does not advance".to_owned()));
            }
            wakes += 1;
            if wakes > MOST_WAKES {
                return Err(Stop::impossible("too much happens in this time"));
            }
        }
        self.now = self.now.max(target);
        Ok(())
    }

    fn drain(&mut self, outputs: &mut Vec<Output>) -> Result<(), Stop> {
        let mut actions = 0;
        while let Some(action) = self.embedding.poll(self.now) {
            match &action {
                Action::Connect(socket, _) => self.sockets.push(*socket),
                Action::RequestAuth(request) => self.auths.push(request.id),
                Action::Emit(Event::StateChanged { current: ConnectionState::Waiting { retry_at, .. }, .. }) => {
                    self.retry_at = Some(*retry_at);
                }
                Action::Send(..)
                | Action::Close(..)
                | Action::CancelAuth(_)
                | Action::Schedule(_)
                | Action::Emit(_) => {}
            }
            outputs.push(Output { line: describe::line(&action, self.now), action: Some(action) });
            actions += 1;
            if actions > MOST_ACTIONS {
                return Err(Stop::Broken("the actions of one drain never end".to_owned()));
            }
        }
        Ok(())
    }
}

/// What follows `connect` in a transcript without endpoints of its own.
const OPENING: [&str; 2] = [
    "* connecting attempt=0",
    "* connect wss://ws-eu.pusher.com:443/app/KEY?protocol=7&client=pusher-rust&version=0.1.0",
];

/// What follows the greeting in it.
const GREETED: &str = "* connected 1.1";

/// The activity timeout of `established`, in seconds (Pusher docs, *Connection events*).
const DEFAULT_ACTIVITY_TIMEOUT: u32 = 120;

/// The largest number of wake-ups in one wait.
const MOST_WAKES: usize = 10_000;

/// The largest number of actions in one drain; a client's queues are much shorter.
const MOST_ACTIONS: usize = 1_000_000;

/// The wall clock's time when a transcript begins, since its own origin.
const EPOCH: Duration = Duration::from_secs(1_800_000_000);
