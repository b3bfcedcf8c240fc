//! A client, the invariants that must hold after every input, and a minimal environment.

use std::time::Duration;

use pusher_proto::signing::MasterKey;
use pusher_proto::{
    Action, AuthId, AuthRequest, AuthResponse, AuthSubject, ChannelName, Client, CloseReason, Config, ConfigBuilder,
    Endpoint, Event, Frame, Instant, Recovery, SocketEpoch,
};

pub(crate) struct End {
    pub(crate) client: Client,
    pub(crate) now: Instant,
    pub(crate) socket: SocketEpoch,
    pub(crate) auths: Vec<AuthRequest>,
    /// Events since the last check.
    pub(crate) events: Vec<Event>,
    /// Whether the requested socket has not been closed by either side.
    is_open: bool,
    /// Whether the socket has been lost since the last drain: the client may have decided to close it before.
    is_lost: bool,
}

pub(crate) const CHANNELS: [&str; 5] = ["chat", "private-a", "presence-b", "private-encrypted-c", "cache-d"];

impl End {
    pub(crate) fn new() -> Self {
        Self::with(Config::builder("key", Endpoint::host("h").tls(false)))
    }

    pub(crate) fn with_recovery() -> Self {
        Self::with(Config::builder("key", Endpoint::host("h").tls(false)).recovery(Recovery::default()))
    }

    fn with(config: ConfigBuilder) -> Self {
        let config = config.max_pending_events(MAX_PENDING).presence_by_signin(true);
        let client = Client::new(config.build().expect("a configuration"), 1);
        let (now, socket) = (Instant::ZERO, SocketEpoch::default());
        Self { client, now, socket, auths: vec![], events: vec![], is_open: false, is_lost: false }
    }

    /// Connected, with a pending subscription of each kind and a sign-in.
    pub(crate) fn connected() -> Self {
        let mut end = Self::new();
        end.client.connect();
        end.client.signin();
        for name in CHANNELS {
            end.client.subscribe(channel(name));
        }
        end.drain();
        end.receive(r#"{"event":"pusher:connection_established","data":{"socket_id":"1.1"}}"#);
        end.drain();
        for request in std::mem::take(&mut end.auths) {
            end.client.handle_auth(request.id, Ok(answer(&request)), end.now);
        }
        end.drain();
        end
    }

    pub(crate) fn receive(&mut self, frame: &str) {
        self.client.handle_frame(self.socket, Frame::Text(frame.into()), self.now);
    }

    pub(crate) fn wait(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.client.handle_timeout(self.now);
    }

    pub(crate) fn auth(&mut self, id: AuthId, answer: Result<AuthResponse, pusher_proto::AuthError>) {
        self.client.handle_auth(id, answer, self.now);
    }

    /// The socket was lost.
    pub(crate) fn lose(&mut self, reason: CloseReason) {
        self.is_lost |= std::mem::take(&mut self.is_open);
        self.client.handle_close(self.socket, reason, self.now);
    }

    /// Performs the client's actions.
    pub(crate) fn drain(&mut self) {
        let mut is_scheduled = false;
        let mut offered = 0;
        for _ in 0..MAX_ACTIONS {
            let Some(action) = self.client.poll_action(self.now) else {
                self.is_lost = false;
                assert!(offered <= MAX_PENDING, "{offered} events waited");
                return;
            };
            assert!(!is_scheduled, "{action:?} comes behind a wake-up");
            match action {
                Action::Connect(socket, _) => {
                    assert!(!self.is_open, "a second socket");
                    assert!(socket > self.socket, "an epoch twice");
                    self.socket = socket;
                    self.is_open = true;
                }
                Action::Close(socket, _) => {
                    let is_known = self.is_open || self.is_lost;
                    assert!(is_known && socket == self.socket, "the wrong socket is closed");
                    self.is_open = false;
                }
                Action::Send(socket, text) => {
                    assert!(self.is_open && socket == self.socket, "sent on the wrong socket");
                    serde_json::from_str::<serde_json::Value>(&text).expect("what is sent is JSON");
                }
                Action::RequestAuth(request) => {
                    let is_twice = self.auths.iter().any(|other| other.subject == request.subject);
                    assert!(!is_twice, "two authorizations of {} at a time", request.subject);
                    self.auths.push(request);
                }
                Action::CancelAuth(id) => self.auths.retain(|request| request.id != id),
                Action::Schedule(at) => {
                    assert!(at > self.now, "a wake-up in the past");
                    is_scheduled = true;
                }
                Action::Emit(event) => {
                    offered += usize::from(matches!(event, Event::Channel(_) | Event::Connection(_)));
                    self.events.push(event);
                }
            }
        }
        panic!("the client never stops");
    }

    /// After a timeout and a drain, the next deadline must be in the future.
    pub(crate) fn check(&mut self) {
        self.drain();
        self.client.handle_timeout(self.now);
        self.drain();
        assert!(self.client.poll_timeout().is_none_or(|at| at > self.now), "the deadline stands still");
        self.events.clear();
    }
}

pub(crate) fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).expect("the name of a channel")
}

pub(crate) fn answer(request: &AuthRequest) -> AuthResponse {
    let answer = AuthResponse::new("key:signature");
    match &request.subject {
        AuthSubject::Token => answer,
        AuthSubject::User => answer.user_data(r#"{"id":"7"}"#),
        AuthSubject::Channel(channel) => {
            let mut answer = answer.channel_data(r#"{"user_id":"7"}"#);
            answer.shared_secret = Some(MasterKey::new([7; 32]).shared_secret(channel));
            answer
        }
    }
}

/// How many channel events and similar events may wait to be polled.
const MAX_PENDING: usize = 64;

/// The most actions of one drain.
const MAX_ACTIONS: usize = 10_000;
