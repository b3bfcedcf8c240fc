//! What plays a transcript: the core itself, or anything that embeds it.

use std::time::Duration;

use pusher_proto::{
    Action, AppKey, AuthError, AuthId, AuthResponse, ChannelName, Client, ClientEventName, CloseReason, Config, Data,
    Endpoints, Frame, HistoryError, HistoryQuery, Instant, InvalidSubscribe, NetworkHint, Position, SocketEpoch,
    Subscribe, TriggerError,
};

/// An input of the core.
///
/// An embedding handles those that pass through its own code, and leaves the others to [`Input::give`].
///
/// # Examples
///
/// ```
/// use pusher_proto::{Client, Config, Instant};
/// use pusher_test::transcript::Input;
///
/// let mut client = Client::new(Config::new("app-key", "ws://localhost")?, 1);
/// Input::Connect.give(&mut client, Instant::ZERO)?;
/// assert!(client.poll_action(Instant::ZERO).is_some());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Input {
    /// [`Client::connect`]
    Connect,
    /// [`Client::disconnect`]
    Disconnect,
    /// [`Client::subscribe`]
    Subscribe(ChannelName),
    /// [`Client::subscribe_with`]
    SubscribeWith(ChannelName, Subscribe),
    /// [`Client::unsubscribe`]
    Unsubscribe(ChannelName),
    /// [`Client::trigger`]
    Trigger(ChannelName, ClientEventName, Data),
    /// [`Client::update_presence`]
    UpdatePresence(ChannelName, Data),
    /// [`Client::resume_from`]
    ResumeFrom(ChannelName, Position),
    /// [`Client::request_history`]
    History(ChannelName, HistoryQuery),
    /// [`Client::signin`]
    Signin,
    /// [`Client::signout`]
    Signout,
    /// [`Client::switch`]
    Switch(AppKey, Endpoints),
    /// [`Client::network_changed`]
    Network(NetworkHint),
    /// [`Client::handle_auth`]
    Auth(AuthId, Result<AuthResponse, AuthError>),
    /// [`Client::handle_open`]
    Open(SocketEpoch),
    /// [`Client::handle_frame`]
    Frame(SocketEpoch, Frame),
    /// [`Client::handle_part`]
    Part(SocketEpoch),
    /// [`Client::handle_skipped`], with the number of bytes
    Skipped(SocketEpoch, u64),
    /// [`Client::handle_close`]
    Close(SocketEpoch, CloseReason),
    /// [`Client::handle_wall_clock`]
    WallClock(Duration),
    /// [`Client::handle_timeout`]
    Timeout,
}

/// Why the client refuses an input at once.
///
/// # Examples
///
/// ```
/// use pusher_proto::TriggerError;
/// use pusher_test::transcript::Refusal;
///
/// assert_eq!(Refusal::from(TriggerError::NotConnected).to_string(), "not connected");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(transparent)]
#[non_exhaustive]
pub enum Refusal {
    /// A client event, or the info of this client's own member.
    Trigger(#[from] TriggerError),
    /// A request for history.
    History(#[from] HistoryError),
    /// A subscription with options.
    Subscribe(#[from] InvalidSubscribe),
}

impl Input {
    /// Calls the method of the client that this input stands for.
    ///
    /// # Errors
    ///
    /// If the client refuses what is asked of it.
    pub fn give(self, client: &mut Client, now: Instant) -> Result<(), Refusal> {
        match self {
            Self::Connect => client.connect(),
            Self::Disconnect => client.disconnect(),
            Self::Subscribe(channel) => client.subscribe(channel),
            Self::SubscribeWith(channel, options) => client.subscribe_with(channel, options)?,
            Self::Unsubscribe(channel) => client.unsubscribe(&channel),
            Self::Trigger(channel, event, data) => client.trigger(&channel, &event, &data, now)?,
            Self::UpdatePresence(channel, info) => client.update_presence(&channel, &info)?,
            Self::ResumeFrom(channel, position) => client.resume_from([(channel, position)]),
            Self::History(channel, query) => {
                client.request_history(&channel, query)?;
            }
            Self::Signin => client.signin(),
            Self::Signout => client.signout(),
            Self::Switch(key, endpoints) => client.switch(key, endpoints),
            Self::Network(hint) => client.network_changed(hint),
            Self::Auth(id, answer) => client.handle_auth(id, answer, now),
            Self::Open(socket) => client.handle_open(socket, now),
            Self::Frame(socket, frame) => client.handle_frame(socket, frame, now),
            Self::Part(socket) => client.handle_part(socket, now),
            Self::Skipped(socket, bytes) => client.handle_skipped(socket, bytes, now),
            Self::Close(socket, reason) => client.handle_close(socket, reason, now),
            Self::WallClock(wall) => client.handle_wall_clock(wall, now),
            Self::Timeout => client.handle_timeout(now),
        }
        Ok(())
    }
}

/// Something that embeds the core and can be tested with transcripts.
///
/// The player passes on inputs and performs no action itself: it collects what the embedding returns. [`Client`]
/// implements the trait, so that [`Transcript::play`](super::Transcript::play) needs nothing else.
///
/// # Examples
///
/// A runtime that keeps the core in a `RefCell` and queues frames until the next turn of its loop:
///
/// ```
/// use std::cell::RefCell;
/// use std::collections::VecDeque;
///
/// use pusher_proto::{Action, Client, Config, Frame, Instant, SocketEpoch};
/// use pusher_test::transcript::{Embedding, Input, Refusal, Transcript};
///
/// struct Runtime {
///     core: RefCell<Client>,
///     frames: VecDeque<(SocketEpoch, Frame)>,
/// }
///
/// impl Embedding for Runtime {
///     fn start(&mut self, config: Config, seed: u64) {
///         self.core = Client::new(config, seed).into();
///         self.frames.clear();
///     }
///
///     fn handle(&mut self, input: Input, now: Instant) -> Result<(), Refusal> {
///         match input {
///             Input::Frame(socket, frame) => self.frames.push_back((socket, frame)),
///             other => {
///                 self.flush(now);
///                 other.give(self.core.get_mut(), now)?;
///             }
///         }
///         Ok(())
///     }
///
///     fn poll(&mut self, now: Instant) -> Option<Action> {
///         self.flush(now);
///         self.core.get_mut().poll_action(now)
///     }
///
///     fn look<T>(&self, at: impl FnOnce(&Client) -> T) -> T {
///         at(&self.core.borrow())
///     }
/// }
///
/// impl Runtime {
///     fn flush(&mut self, now: Instant) {
///         for (socket, frame) in self.frames.drain(..) {
///             self.core.get_mut().handle_frame(socket, frame, now);
///         }
///     }
/// }
///
/// let core = Client::new(Config::new("any", "ws://localhost")?, 0).into();
/// let mut runtime = Runtime { core, frames: VecDeque::new() };
/// let transcript = Transcript::parse("# a client connects\n! connected\n! name\n* connected")?;
/// transcript.play_with(&mut runtime)?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Embedding {
    /// Starts a client with this configuration and this seed, in place of the one before.
    fn start(&mut self, config: Config, seed: u64);

    /// Takes one input. Actions may wait until [`Embedding::poll`] is called; a transcript can have several inputs before.
    ///
    /// # Errors
    ///
    /// If it is [`Input::Trigger`] or [`Input::History`], and the core refuses it.
    fn handle(&mut self, input: Input, now: Instant) -> Result<(), Refusal>;

    /// Returns the next action of the core, or `None` if there is none until the next input.
    fn poll(&mut self, now: Instant) -> Option<Action>;

    /// Passes the core to `at`: for its deadline and its getters.
    fn look<T>(&self, at: impl FnOnce(&Client) -> T) -> T;
}

impl Embedding for Client {
    fn start(&mut self, config: Config, seed: u64) {
        *self = Self::new(config, seed);
    }

    fn handle(&mut self, input: Input, now: Instant) -> Result<(), Refusal> {
        input.give(self, now)
    }

    fn poll(&mut self, now: Instant) -> Option<Action> {
        self.poll_action(now)
    }

    fn look<T>(&self, at: impl FnOnce(&Self) -> T) -> T {
        at(self)
    }
}
