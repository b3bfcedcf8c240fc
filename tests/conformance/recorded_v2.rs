//! Replays sessions that were recorded with Sockudo in version 2 of the protocol, and compares everything that the client
//! does with the text beside the recording.
//!
//! The client takes each step of the recorded one that an application can ask for. Requests to replay messages are its own:
//! it sends them when it has to, and what the server answered to others must not disturb it.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::fs;
use std::path::Path;
use std::time::Duration;

use libtest_mimic::Trial;
use pusher_proto::signing::MasterKey;
use pusher_proto::{
    Action, AuthPurpose, AuthRequest, AuthResponse, ChannelName, Client, ClientEventName, CloseFrame, CloseReason,
    Config, ConnectionError, Data, Diagnostic, Endpoint, Event, Frame, HistoryQuery, Instant, Recovery, SocketEpoch,
    Subscribe,
};
use pusher_test::transcript;
use serde_json::Value;

/// One test for each recording. With `is_blessed`, the texts are replaced by what happens.
pub(crate) fn trials(folder: &Path, is_blessed: bool) -> Vec<Trial> {
    let trial = |path: std::path::PathBuf| {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        Trial::test(format!("recorded in version 2: {name}"), move || {
            let text = fs::read_to_string(&path).expect("a recording is readable text");
            let parse = |line| serde_json::from_str(line).expect("a recording has a JSON object a line");
            let lines: Vec<Value> = text.lines().map(parse).collect();
            let happened = Replay::new(&name, text.contains("enable_delta_compression")).play(&lines)?;
            let path = path.with_extension("txt");
            if is_blessed {
                fs::write(&path, &happened).expect("texts can be written when blessed");
            }
            let expected = fs::read_to_string(&path).unwrap_or_default();
            let differs = expected.lines().zip(happened.lines()).find(|(expected, happened)| expected != happened);
            match differs {
                Some((expected, happened)) => Err(format!("expected\n{expected}\nhappened\n{happened}").into()),
                None if expected != happened => Err(format!("something is missing at the end:\n{happened}").into()),
                None => Ok(()),
            }
        })
    };
    super::files(folder, "jsonl").into_iter().map(trial).collect()
}

/// All clients of a recording.
struct Replay {
    ends: BTreeMap<String, End>,
    /// Whether the connections of the recording are those of one client, one after the other.
    is_chain: bool,
    /// Whether the recording has the greetings.
    has_greetings: bool,
    /// Whether the recording has deltas.
    has_deltas: bool,
    happened: String,
}

impl Replay {
    fn new(name: &str, has_deltas: bool) -> Self {
        let is_of = |names: &[&str]| names.iter().any(|part| name.ends_with(part));
        Self {
            ends: BTreeMap::new(),
            is_chain: is_of(&["resume-hot", "resume-order", "resume-durable", "resume-more", "extra"]),
            has_greetings: is_of(&["handshake", "closes", "no-v2"]),
            has_deltas,
            happened: String::new(),
        }
    }

    fn play(mut self, lines: &[Value]) -> Result<String, String> {
        for line in lines {
            let step = &line["step"];
            if let Some(name) = line["name"].as_str() {
                let _ = writeln!(self.happened, "# {step}: {name}");
                // Between steps, so that no error is taken for one about an earlier client event.
                self.ends.values_mut().for_each(|end| end.now = end.now + Duration::from_millis(1_100));
            }
            let Some(conn) = line["conn"].as_str() else { continue };
            self.line(conn, line).map_err(|error| format!("step {step}: {error}"))?;
        }
        Ok(self.happened)
    }

    fn line(&mut self, conn: &str, line: &Value) -> Result<(), String> {
        let name = if self.is_chain { "client" } else { conn };
        let end = self.ends.entry(name.to_owned()).or_insert_with(|| End::new(self.has_deltas));
        match line["dir"].as_str() {
            Some("open") => {
                let url = line["url"].as_str().unwrap_or_default();
                end.open(conn);
                if !self.has_greetings {
                    let prefix = if url.contains("protocol=2") { "sockudo" } else { "pusher" };
                    end.greet(prefix)?;
                }
            }
            _ if end.conn != conn => return Ok(()),
            Some("send") => {
                end.send(line["frame"].as_str().unwrap_or_default());
                end.wait();
            }
            Some("recv") => match line["frame"].as_str() {
                Some(frame) => end.receive(frame)?,
                None => end.receive_binary(),
            },
            Some("close") => end.close(line),
            _ => {}
        }
        for output in end.outputs.drain(..) {
            let _ = writeln!(self.happened, "{name} {output}");
        }
        Ok(())
    }
}

/// One client, and what the recorded one had in its place.
struct End {
    client: Client,
    socket: Option<SocketEpoch>,
    /// The connection of the recording that is the client's current one.
    conn: String,
    sockets: u32,
    now: Instant,
    outputs: Vec<String>,
    /// Requests to the application's server that wait until the recorded client has an answer.
    requests: BTreeMap<String, AuthRequest>,
    /// What was emitted: channel, stream and number.
    emitted: BTreeSet<(String, String, u64)>,
    wrong: Option<String>,
}

impl End {
    fn new(has_deltas: bool) -> Self {
        let endpoint = Endpoint::host("localhost").tls(false);
        let config = Config::builder("app-key", endpoint).recovery(Recovery::default().deltas(has_deltas)).build();
        Self {
            client: Client::new(config.expect("a configuration"), 1),
            socket: None,
            conn: String::new(),
            sockets: 0,
            now: Instant::ZERO,
            outputs: Vec::new(),
            requests: BTreeMap::new(),
            emitted: BTreeSet::new(),
            wrong: None,
        }
    }

    /// Another connection begins; the one before is lost, if it is still there.
    fn open(&mut self, conn: &str) {
        conn.clone_into(&mut self.conn);
        if let Some(socket) = self.socket.take() {
            self.client.handle_close(socket, CloseReason::Dropped, self.now);
        }
        self.client.connect();
        self.drain();
        while self.socket.is_none() {
            self.now = self.client.poll_timeout().expect("the client connects");
            self.client.handle_timeout(self.now);
            self.drain();
        }
    }

    fn greet(&mut self, prefix: &str) -> Result<(), String> {
        self.sockets += 1;
        let data = format!(r#"{{\"socket_id\":\"1.{}\",\"activity_timeout\":120}}"#, self.sockets);
        self.receive(&format!(r#"{{"event":"{prefix}:connection_established","data":"{data}"}}"#))
    }

    fn receive(&mut self, frame: &str) -> Result<(), String> {
        let Some(socket) = self.socket else { return Ok(()) };
        let was_connected = self.client.state().is_connected();
        self.client.handle_frame(socket, Frame::Text(frame.into()), self.now);
        self.drain();
        let is_connected = self.client.state().is_connected();
        match self.wrong.take() {
            Some(wrong) => Err(format!("{frame}: {wrong}")),
            None if was_connected && !is_connected => Err(format!("{frame} ended the connection")),
            None => Ok(()),
        }
    }

    fn receive_binary(&mut self) {
        if let Some(socket) = self.socket {
            self.client.handle_frame(socket, Frame::Binary([1].to_vec().into()), self.now);
            self.drain();
        }
    }

    fn close(&mut self, line: &Value) {
        let Some(socket) = self.socket.take() else { return };
        let reason = match line["code"].as_u64() {
            None | Some(1006) => CloseReason::Dropped,
            Some(code) => {
                let reason = line["reason"].as_str().unwrap_or_default();
                CloseReason::Closed(Some(CloseFrame { code: code as u16, reason: reason.into() }))
            }
        };
        self.client.handle_close(socket, reason, self.now);
        self.drain();
    }

    /// Does what the recorded client did, if our application can ask for it.
    fn send(&mut self, text: &str) {
        let Ok(recorded) = serde_json::from_str::<Value>(text) else { return };
        if !self.client.state().is_connected() {
            return;
        }
        let data = &recorded["data"];
        match recorded["event"].as_str() {
            Some("sockudo:subscribe" | "pusher:subscribe") => self.subscribe(data),
            Some("sockudo:unsubscribe") => {
                if let Some(channel) = name(&data["channel"]) {
                    self.client.unsubscribe(&channel);
                    // A later subscription begins anew.
                    self.emitted.retain(|(emitted, ..)| *emitted != *channel);
                }
            }
            Some("sockudo:signin") => {
                self.client.signin();
                self.drain();
                self.answer("", data);
            }
            Some("sockudo:channel_history") => self.request_history(data),
            Some(event) if event.starts_with("client-") => {
                let event = ClientEventName::new(event);
                if let (Some(channel), Ok(event), Ok(data)) =
                    (name(&recorded["channel"]), event, Data::from_serialize(data))
                {
                    // A refusal is as good as the server's.
                    let _ = self.client.trigger(&channel, &event, &data, self.now);
                }
            }
            _ => {}
        }
        self.drain();
    }

    /// Requests that our client cannot write are left out, and so is what the server refuses of them.
    fn request_history(&mut self, data: &Value) {
        let parsed = data.as_str().and_then(|data| serde_json::from_str::<Value>(data).ok());
        let data = parsed.as_ref().unwrap_or(&data["params"]);
        if !data["until_attach"].is_null() {
            return;
        }
        let mut query = HistoryQuery::default();
        if let Some(limit) = data["limit"].as_u64() {
            query = query.limit(limit as u16);
        }
        if data["direction"].as_str() == Some("forwards") {
            query = query.oldest_first();
        }
        if let Some(serial) = data["end_serial"].as_u64() {
            query = query.end_serial(serial);
        }
        if let Some(cursor) = data["cursor"].as_str() {
            query = query.cursor(cursor);
        }
        if let Some(channel) = name(&data["channel"]) {
            // A refusal is as good as the server's.
            let _ = self.client.request_history(&channel, query);
        }
    }

    /// Long enough for the client to ask for what it has missed.
    fn wait(&mut self) {
        self.now = self.now + Duration::from_millis(60);
        self.client.handle_timeout(self.now);
        self.drain();
    }

    fn subscribe(&mut self, data: &Value) {
        let Some(channel) = name(&data["channel"]) else { return };
        // The server drops a presence subscription without members, and our client never sends one.
        if channel.kind().needs_auth() && !data["auth"].is_string() {
            return;
        }
        let options = options(data);
        if self.client.channel(&channel).is_none() || options != Subscribe::default() {
            // Members are hidden only where the recording is about that.
            self.client.subscribe_with(channel.clone(), options.allow_hidden_members()).expect("recovery is on");
            self.drain();
        }
        self.answer(&channel, data);
    }

    /// The application's server answers as it did for the recorded client.
    fn answer(&mut self, subject: &str, recorded: &Value) {
        let Some(request) = self.requests.remove(subject) else { return };
        let field = |name: &str| recorded[name].as_str();
        let mut answer = AuthResponse::new(field("auth").unwrap_or("app-key:none"));
        if let Some(data) = field("channel_data") {
            answer = answer.channel_data(data);
        }
        if let Some(data) = field("user_data") {
            answer = answer.user_data(data);
        }
        if let Some(channel) = request.subject.channel() {
            answer.shared_secret = Some(MasterKey::new([7; 32]).shared_secret(channel));
        }
        self.client.handle_auth(request.id, Ok(answer), self.now);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(action) = self.client.poll_action(self.now) {
            self.outputs.extend(transcript::line(&action, self.now));
            match action {
                Action::Connect(socket, _) => self.socket = Some(socket),
                Action::Close(..) => self.socket = None,
                Action::RequestAuth(request) => {
                    let is_user = request.purpose == AuthPurpose::Signin;
                    let subject = request.subject.channel().filter(|_| !is_user).map(ToString::to_string);
                    self.requests.insert(subject.unwrap_or_default(), request);
                }
                Action::Emit(event) => self.check(&event),
                Action::Send(..) | Action::CancelAuth(_) | Action::Schedule(_) => {}
            }
        }
    }

    /// Whatever a real server sends is understood, and no message is emitted twice.
    fn check(&mut self, event: &Event) {
        match event {
            Event::ConnectionError(ConnectionError::Protocol(_)) => self.wrong = Some(format!("{event:?}")),
            // Patterns and meta channels are not channels of the application.
            Event::Diagnostic(
                Diagnostic::NotSubscribed { .. }
                | Diagnostic::UnknownInternalEvent(_)
                | Diagnostic::RecoveryUnsupported
                | Diagnostic::NameNotPortable { .. }
                | Diagnostic::BinaryFrame,
            ) => {}
            Event::Diagnostic(_) => self.wrong = Some(format!("{event:?}")),
            Event::Channel(event) => {
                if let (Some(stream), Some(serial)) = (event.stream_id(), event.serial())
                    && !self.emitted.insert((event.channel().to_string(), stream.into_owned(), serial))
                {
                    self.wrong = Some(format!("emitted twice: {event:?}"));
                }
            }
            _ => {}
        }
    }
}

/// What the recorded client asked for, where ours can: our filters are checked, and rewinds count messages.
fn options(data: &Value) -> Subscribe {
    let count = data["rewind"].as_u64().or_else(|| data["rewind"]["count"].as_u64());
    let options = Subscribe::rewind(count.and_then(|count| u32::try_from(count).ok()).unwrap_or_default());
    let filter = [&data["filter"], &data["tags_filter"]].into_iter().find(|filter| !filter.is_null());
    let options = if data["modes"].is_array() { options.annotations() } else { options };
    match filter.map(|filter| filter.to_string().parse()) {
        Some(Ok(filter)) => options.filter(filter),
        Some(Err(_)) | None => options,
    }
}

fn name(value: &Value) -> Option<ChannelName> {
    ChannelName::new(value.as_str()?).ok()
}
