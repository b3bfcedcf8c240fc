//! Replays sessions that were recorded with real servers: the client takes each step that a valid client can take, and
//! the server's frames answer it.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::Duration;

use libtest_mimic::Trial;
use pusher_proto::signing::MasterKey;
use pusher_proto::{
    Action, AuthPurpose, AuthRequest, AuthResponse, ChannelKind, ChannelName, Client, ClientEventName, CloseFrame,
    CloseReason, Config, ConnectionError, Data, Endpoint, Event, Frame, Instant, SocketEpoch,
};
use serde_json::Value;

/// What one client sent and received.
pub(crate) struct Recording {
    pub(crate) name: String,
    pub(crate) lines: Vec<Value>,
}

/// The clients of all recordings in a folder.
pub(crate) fn recordings(folder: &Path) -> Vec<Recording> {
    let mut recordings = Vec::new();
    for path in super::files(folder, "jsonl") {
        let text = fs::read_to_string(&path).expect("a recording is readable text");
        let parse = |line| serde_json::from_str(line).expect("a recording has a JSON object a line");
        let lines: Vec<Value> = text.lines().map(parse).collect();
        let server = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let clients: BTreeSet<&str> = lines.iter().filter_map(|line| line["client"].as_str()).collect();
        recordings.extend(clients.into_iter().map(|client| Recording {
            name: format!("{server} {client}"),
            lines: lines.iter().filter(|line| line["client"] == client).cloned().collect(),
        }));
    }
    recordings
}

/// One test for each client of each recording.
pub(crate) fn trials(folder: &Path) -> Vec<Trial> {
    let trial = |Recording { name, lines }| Trial::test(format!("recorded: {name}"), move || Ok(play(&lines)?));
    recordings(folder).into_iter().map(trial).collect()
}

fn play(lines: &[Value]) -> Result<(), String> {
    let mut session = Session::new();
    for step in lines.chunk_by(|a, b| a["step"] == b["step"]) {
        session.step(step).map_err(|error| format!("{}: {error}", step[0]["step"]))?;
    }
    Ok(())
}

struct Session {
    client: Client,
    socket: SocketEpoch,
    now: Instant,
    events: Vec<Event>,
    sent: Vec<Value>,
    /// What the application's server answers, as the recorded client had it.
    auth: Value,
}

/// What a step of the recorded client means for this client, to be checked when the server has answered.
enum Driven {
    Subscribe(ChannelName),
    Signin,
    Nothing,
}

impl Session {
    fn new() -> Self {
        let config = Config::new("app-key", Endpoint::host("localhost").tls(false)).expect("a configuration");
        let client = Client::new(config, 1);
        let (now, socket) = (Instant::ZERO, SocketEpoch::default());
        let mut session = Self { client, socket, now, events: vec![], sent: vec![], auth: Value::Null };
        session.client.connect();
        session.drain();
        session
    }

    fn step(&mut self, lines: &[Value]) -> Result<(), String> {
        self.events.clear();
        let mut driven = Driven::Nothing;
        let mut user_events = 0;
        for line in lines {
            if let Some(sent) = line["sent"].as_str() {
                self.check(&driven)?;
                driven = self.send(sent)?;
            } else if let Some(frame) = line["frame"].as_str() {
                let channel = serde_json::from_str::<Value>(frame).expect("servers send JSON")["channel"].clone();
                let listens = channel.as_str().is_some_and(|channel| self.is_subscribed(channel));
                user_events += usize::from(listens && !frame.contains("\"event\":\"pusher"));
                self.receive(frame)?;
            } else if let Some(close) = line["close"].as_array() {
                self.close(close);
            }
        }
        self.check(&driven)?;
        let delivered = self.events.iter().filter(|event| is_user_event(event)).count();
        if delivered < user_events {
            return Err(format!("{user_events} events were sent and {delivered} delivered: {:?}", self.events));
        }
        // Between steps, so that no error is taken for one about an earlier client event.
        self.now = self.now + Duration::from_secs(2);
        Ok(())
    }

    /// Does what the recorded client did, if our application can ask for it, and checks that the same is sent.
    fn send(&mut self, text: &str) -> Result<Driven, String> {
        let Ok(recorded) = serde_json::from_str::<Value>(text) else { return Ok(Driven::Nothing) };
        if !self.client.state().is_connected() {
            // The server was gone, and the recorder sent nevertheless.
            return Ok(Driven::Nothing);
        }
        self.sent.clear();
        self.auth = recorded["data"].clone();
        let driven = match recorded["event"].as_str() {
            Some("pusher:subscribe") => {
                let Some(channel) = name(&recorded["data"]["channel"]) else { return Ok(Driven::Nothing) };
                let is_signed = recorded["data"]["auth"].is_string();
                if self.is_subscribed(&channel) || channel.kind().needs_auth() && !is_signed {
                    return Ok(Driven::Nothing);
                }
                self.client.subscribe(channel.clone());
                self.drain();
                if channel.kind() == ChannelKind::Presence && recorded["data"]["channel_data"].is_null() {
                    // Refused before it is sent: Sockudo would drop the socket.
                    return self.expect_refusal(&channel).map(|()| Driven::Nothing);
                }
                Driven::Subscribe(channel)
            }
            Some("pusher:signin") => {
                self.client.signin();
                self.drain();
                Driven::Signin
            }
            Some("pusher:unsubscribe") => {
                let Some(channel) = name(&recorded["data"]["channel"]) else { return Ok(Driven::Nothing) };
                if !self.is_subscribed(&channel) {
                    return Ok(Driven::Nothing);
                }
                self.client.unsubscribe(&channel);
                self.drain();
                Driven::Nothing
            }
            Some(event) if event.starts_with("client-") => {
                if !self.trigger(event, &recorded)? {
                    return Ok(Driven::Nothing);
                }
                Driven::Nothing
            }
            _ => return Ok(Driven::Nothing),
        };
        match self.sent.as_slice() {
            [sent] if *sent == recorded => Ok(driven),
            sent => Err(format!("sent {sent:?} instead of {recorded}")),
        }
    }

    /// Sends a client event as it was recorded. Returns whether the client takes it.
    fn trigger(&mut self, event: &str, recorded: &Value) -> Result<bool, String> {
        let (Some(channel), Ok(event)) = (name(&recorded["channel"]), ClientEventName::new(event)) else {
            return Ok(false);
        };
        let data = Data::from_serialize(&recorded["data"]).map_err(|error| error.to_string())?;
        let taken = self.client.trigger(&channel, &event, &data, self.now).is_ok();
        self.drain();
        Ok(taken)
    }

    fn receive(&mut self, frame: &str) -> Result<(), String> {
        let was_connected = self.client.state().is_connected();
        if frame.contains("pusher:connection_established") && was_connected {
            self.client.disconnect();
            self.client.connect();
            self.drain();
        }
        self.client.handle_frame(self.socket, Frame::Text(frame.into()), self.now);
        self.drain();
        let broken =
            self.events.iter().find(|event| matches!(event, Event::ConnectionError(ConnectionError::Protocol(_))));
        match broken {
            Some(broken) => Err(format!("{frame} was taken for {broken:?}")),
            None if was_connected && !self.client.state().is_connected() => {
                Err(format!("{frame} ended the connection"))
            }
            None => Ok(()),
        }
    }

    fn close(&mut self, close: &[Value]) {
        let reason = match close.first().and_then(Value::as_u64) {
            // The recorder closed.
            None => {
                self.client.disconnect();
                self.client.connect();
                return self.drain();
            }
            Some(1006) => CloseReason::Dropped,
            Some(code) => CloseReason::Closed(Some(CloseFrame { code: code as u16, reason: "recorded".into() })),
        };
        self.client.handle_close(self.socket, reason, self.now);
        self.drain();
    }

    /// The step must have ended in what the server said, or in a timeout where it said nothing.
    fn check(&mut self, driven: &Driven) -> Result<(), String> {
        match driven {
            Driven::Nothing => Ok(()),
            _ if !self.client.state().is_connected() => Ok(()),
            Driven::Subscribe(channel) if self.is_subscribed(channel) => Ok(()),
            Driven::Subscribe(channel) => {
                if !self.is_refused(channel) {
                    self.wait_for_timeouts();
                }
                self.expect_refusal(channel)
            }
            Driven::Signin if self.client.user().is_some() => Ok(()),
            Driven::Signin => {
                let failed = |events: &[Event]| events.iter().any(|event| matches!(event, Event::SigninError { .. }));
                if !failed(&self.events) {
                    self.wait_for_timeouts();
                }
                if failed(&self.events) { Ok(()) } else { Err(format!("no sign-in and no error: {:?}", self.events)) }
            }
        }
    }

    fn wait_for_timeouts(&mut self) {
        self.now = self.now + Duration::from_secs(31);
        self.client.handle_frame(self.socket, Frame::Pong, self.now);
        self.client.handle_timeout(self.now);
        self.drain();
    }

    fn is_subscribed(&self, channel: &str) -> bool {
        let channel = ChannelName::new(channel).ok();
        channel.is_some_and(|channel| self.client.channel(&channel).is_some_and(|channel| channel.is_subscribed()))
    }

    fn is_refused(&self, name: &ChannelName) -> bool {
        self.events.iter().any(|event| matches!(event, Event::SubscriptionError { channel, .. } if channel == name))
    }

    fn expect_refusal(&self, channel: &ChannelName) -> Result<(), String> {
        if self.is_refused(channel) {
            return Ok(());
        }
        Err(format!("{channel} is neither subscribed nor refused: {:?}", self.events))
    }

    fn drain(&mut self) {
        while let Some(action) = self.client.poll_action(self.now) {
            match action {
                Action::Connect(socket, _) => self.socket = socket,
                Action::Send(_, text) if text.contains("\"pusher:ping\"") || text.contains("#server-to-user-") => {}
                Action::Send(_, text) => self.sent.push(serde_json::from_str(&text).expect("the client sends JSON")),
                Action::RequestAuth(request) => {
                    let answer = self.answer(&request);
                    self.client.handle_auth(request.id, Ok(answer), self.now);
                }
                Action::Emit(event) => self.events.push(event),
                Action::Close(..) | Action::CancelAuth(_) | Action::Schedule(_) => {}
            }
        }
    }

    fn answer(&self, request: &AuthRequest) -> AuthResponse {
        let field = |name: &str| self.auth[name].as_str();
        let mut answer = AuthResponse::new(field("auth").unwrap_or("app-key:none"));
        if let Some(data) = field("channel_data") {
            answer = answer.channel_data(data);
        }
        if let Some(data) = field("user_data") {
            answer = answer.user_data(data);
        }
        if let Some(channel) = request.subject.channel().filter(|_| request.purpose != AuthPurpose::Signin) {
            answer.shared_secret = Some(MasterKey::new([7; 32]).shared_secret(channel));
        }
        answer
    }
}

fn name(value: &Value) -> Option<ChannelName> {
    ChannelName::new(value.as_str()?).ok()
}

fn is_user_event(event: &Event) -> bool {
    matches!(event, Event::Channel(_) | Event::User(_))
}
