//! One client whose server answers at once, except to what a test is about.

use pusher_proto::{Action, Client, CloseReason, Config, ConnectionState, Frame, Instant, SocketEpoch};

pub(crate) struct Single {
    pub(crate) client: Client,
    pub(crate) now: Instant,
    socket: Option<SocketEpoch>,
    /// That of the protocol's own events.
    prefix: &'static str,
}

impl Single {
    pub(crate) fn new(config: Config) -> Self {
        let mut client = Client::new(config, 1);
        client.connect();
        Self { client, now: Instant::ZERO, socket: None, prefix: "pusher" }
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

    fn answer(&mut self, frame: &str, channel: &str) {
        self.receive(&frame.replace("PREFIX", self.prefix).replace("CHANNEL", channel));
    }

    /// The next thing that the client does. Sockets open, pings and subscriptions are answered; a client that waits for the
    /// next attempt does not wait.
    pub(crate) fn next(&mut self) -> Option<Action> {
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
                    self.answer(GREETING, "");
                }
                Action::Send(_, text) if text.contains(":ping") => {
                    self.answer(PONG, "");
                    continue;
                }
                Action::Send(_, text) if text.contains(":subscribe") => {
                    let channel = text.rsplit('"').nth(1).expect("the name is the last string");
                    self.answer(SUBSCRIBED, channel);
                }
                Action::Schedule(_) => continue,
                _ => {}
            }
            return Some(action);
        }
    }

    /// Handles the next deadline that comes until `end`; false if there is none.
    pub(crate) fn wake(&mut self, end: Instant) -> bool {
        match self.client.poll_timeout().filter(|at| *at <= end) {
            Some(at) => {
                self.now = self.now.max(at);
                self.client.handle_timeout(self.now);
                true
            }
            None => {
                self.now = end;
                false
            }
        }
    }
}

const GREETING: &str =
    r#"{"event":"PREFIX:connection_established","data":"{\"socket_id\":\"1.1\",\"activity_timeout\":120}"}"#;
const PONG: &str = r#"{"event":"PREFIX:pong","data":{}}"#;
const SUBSCRIBED: &str =
    r#"{"event":"PREFIX_internal:subscription_succeeded","channel":"CHANNEL","data":"{}","stream_id":"s","serial":0}"#;
