//! One client whose server answers at once, except to what a test is about.

use std::time::Duration;

use pusher_proto::{
    Action, AuthError, AuthId, AuthResponse, Client, CloseReason, Config, ConnectionState, Frame, Instant, SocketEpoch,
};

pub(crate) struct Single {
    pub(crate) client: Client,
    pub(crate) now: Instant,
    socket: Option<SocketEpoch>,
    /// What the backend is asked.
    request: Option<AuthId>,
    /// That of the protocol's own events.
    prefix: &'static str,
}

impl Single {
    pub(crate) fn new(config: Config) -> Self {
        let mut client = Client::new(config, 1);
        client.connect();
        Self { client, now: Instant::ZERO, socket: None, request: None, prefix: "pusher" }
    }

    pub(crate) fn receive(&mut self, frame: &str) {
        if let Some(socket) = self.socket {
            self.client.handle_frame(socket, Frame::Text(frame.into()), self.now);
        }
    }

    pub(crate) fn close(&mut self, reason: CloseReason) {
        if let Some(socket) = self.socket.take() {
            self.client.handle_close(socket, reason, self.now);
        }
    }

    /// The backend answers, if it is asked.
    pub(crate) fn answer(&mut self, answer: Result<AuthResponse, AuthError>) {
        if let Some(request) = self.request.take() {
            self.client.handle_auth(request, answer, self.now);
        }
    }

    fn reply(&mut self, frame: &str, channel: &str) {
        self.receive(&frame.replace("PREFIX", self.prefix).replace("CHANNEL", channel));
    }

    /// The next thing that the client does. Sockets open, pings and subscriptions are answered; a client that waits for the
    /// next attempt does not wait.
    fn next(&mut self) -> Option<Action> {
        loop {
            let Some(action) = self.client.poll_action(self.now) else {
                if !matches!(self.client.state(), ConnectionState::Waiting { .. }) {
                    return None;
                }
                self.now = self.client.poll_timeout().expect("a client that waits has a deadline");
                self.client.handle_timeout(self.now);
                continue;
            };
            match &action {
                Action::Connect(socket, request) => {
                    self.prefix = if request.target.contains("protocol=2") { "sockudo" } else { "pusher" };
                    self.socket = Some(*socket);
                    self.client.handle_open(*socket, self.now);
                    self.reply(GREETING, "");
                }
                Action::Send(_, text) if text.contains(":ping") => {
                    self.reply(PONG, "");
                    continue;
                }
                Action::Send(_, text) if text.contains(":subscribe") => {
                    let channel = text.rsplit('"').nth(1).expect("the name is the last string");
                    self.reply(SUBSCRIBED, channel);
                }
                Action::RequestAuth(request) => {
                    assert_eq!(self.request.replace(request.id), None, "one request at a time");
                }
                Action::CancelAuth(id) => {
                    assert_eq!(self.request.take(), Some(*id));
                    continue;
                }
                Action::Schedule(_) => continue,
                _ => {}
            }
            return Some(action);
        }
    }

    /// What the client does before it needs anything else: `see` says what of that is compared.
    pub(crate) fn poll<Seen>(&mut self, mut see: impl FnMut(&Client, Action) -> Option<Seen>) -> Vec<Seen> {
        let mut seen = Vec::new();
        while let Some(action) = self.next() {
            seen.extend(see(&self.client, action));
        }
        seen
    }

    /// Passes time, until the backend is asked. How long that may take to answer is not what these tests are about.
    pub(crate) fn pass<Seen>(
        &mut self,
        time: Duration,
        mut see: impl FnMut(&Client, Action) -> Option<Seen>,
    ) -> Vec<Seen> {
        let end = self.now + time;
        let mut seen = Vec::new();
        while self.request.is_none() {
            let Some(at) = self.client.poll_timeout().filter(|at| *at <= end) else {
                self.now = end;
                break;
            };
            self.now = self.now.max(at);
            self.client.handle_timeout(self.now);
            seen.extend(self.poll(&mut see));
        }
        seen
    }
}

const GREETING: &str =
    r#"{"event":"PREFIX:connection_established","data":"{\"socket_id\":\"1.1\",\"activity_timeout\":120}"}"#;
const PONG: &str = r#"{"event":"PREFIX:pong","data":{}}"#;
const SUBSCRIBED: &str =
    r#"{"event":"PREFIX_internal:subscription_succeeded","channel":"CHANNEL","data":"{}","stream_id":"s","serial":0}"#;
