//! The model server against recordings of Sockudo's protocol version 2: given the messages of the recorded clients, it must
//! give the same answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use libtest_mimic::Trial;
use pusher_proto::delta::Bases;
use pusher_proto::server::{Action, ConnectionId, Dialect, Publication, Server, ServerConfig};
use pusher_proto::signing::{App, MasterKey};
use pusher_proto::{ChannelName, Frame, Instant};
use serde_json::{Value, json};

/// A recording, and what of it the model does not have.
struct Recording {
    name: &'static str,
    /// These steps are left out.
    without: &'static [u64],
    conflation_key: Option<&'static str>,
    /// What was published before the recording.
    before: fn() -> Vec<Publication>,
}

const RECORDINGS: [Recording; 4] = [
    // 10 has 60 messages that are not recorded, and 13 is about another server.
    Recording { name: "rewind", without: &[10, 13], conflation_key: None, before: odd_and_even },
    // Expressions, a filter that is cut off in the recording, wildcards, meta channels, and another server.
    Recording {
        name: "filters",
        without: &[14, 15, 16, 34, 35, 36, 37, 38, 39, 40, 41, 42, 43],
        conflation_key: None,
        before: Vec::new,
    },
    // The other steps are about another server, with another algorithm.
    Recording {
        name: "delta",
        without: &[12, 13, 14, 15, 16, 17, 18, 19, 20, 21],
        conflation_key: None,
        before: Vec::new,
    },
    Recording { name: "delta-negotiation", without: &[], conflation_key: Some("symbol"), before: Vec::new },
];

/// One test for each recording.
pub(crate) fn trials() -> Vec<Trial> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/vectors/v2");
    let trial = |recording: Recording| {
        let path = folder.join(format!("sockudo-5.2.0-{}.jsonl", recording.name));
        Trial::test(format!("recorded in version 2: {}", recording.name), move || {
            let text = fs::read_to_string(&path)?;
            let parse = |line| serde_json::from_str(line).expect("a JSON object a line");
            let lines: Vec<Value> = text.lines().map(parse).collect();
            Ok(Replay::new(&recording, &lines).run(&lines)?)
        })
    };
    RECORDINGS.into_iter().map(trial).collect()
}

struct Replay {
    server: Server,
    app: App,
    without: &'static [u64],
    clients: BTreeMap<String, Client>,
    opened: u64,
    /// Whether the recording has what was published. If not, it is taken from what the clients received.
    has_publications: bool,
    /// The ids of the messages that were taken so.
    published: BTreeSet<String>,
    /// The ids of the messages that deltas refer to.
    bases: BTreeSet<String>,
}

struct Client {
    id: ConnectionId,
    bases: Bases,
}

/// What each client received in one step.
type Got = BTreeMap<String, Vec<Value>>;

impl Replay {
    fn new(recording: &Recording, lines: &[Value]) -> Self {
        let app = App::new("app1", "app-key", "app-secret").expect("the key is a name");
        let app = app.encryption_master_key(MasterKey::new([7; MasterKey::LEN]));
        // Like the configuration when it was recorded.
        let config = ServerConfig::builder(app.clone())
            .dialect(Dialect::SockudoV2)
            .delta_interval(4)
            .conflation_key(recording.conflation_key.map(Into::into));
        let mut server = Server::new(config.build().expect("the limits are usable"), 1);
        for publication in (recording.before)() {
            server.trigger(&publication, Instant::ZERO).expect("an event within the limits");
        }
        Self {
            server,
            app,
            without: recording.without,
            clients: BTreeMap::new(),
            opened: 0,
            has_publications: lines.iter().any(|line| line["dir"] == "http"),
            published: BTreeSet::new(),
            bases: lines.iter().filter_map(frame).filter(is_base).filter_map(|frame| message_id(&frame)).collect(),
        }
    }

    fn run(mut self, lines: &[Value]) -> Result<(), String> {
        let mut failures = String::new();
        let steps: Vec<&[Value]> = lines.chunk_by(|one, other| one["step"] == other["step"]).collect();
        for (at, step) in steps.iter().enumerate() {
            if step[0]["step"].as_u64().is_some_and(|number| self.without.contains(&number)) {
                continue;
            }
            let (mut expected, mut happened) = (Got::new(), Got::new());
            for line in *step {
                self.play(line);
                self.collect(&mut happened);
                if let (Some(client), Some(frame), "recv") = (line["conn"].as_str(), frame(line), dir(line)) {
                    expected.entry(client.to_owned()).or_default().push(shape(&frame));
                }
            }
            self.end(&steps[at + 1..]);
            self.collect(&mut happened);
            if expected != happened {
                let name = &step[0]["name"];
                failures += &format!("{name}\n  recorded {}\n  answered {}\n", json!(expected), json!(happened));
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }

    fn play(&mut self, line: &Value) {
        let client = line["conn"].as_str().unwrap_or_default();
        match dir(line) {
            "open" => self.open(client, line["url"].as_str().unwrap_or_default()),
            "send" => {
                if let (Some(frame), Some(Client { id, .. })) = (frame(line), self.clients.get(client)) {
                    let text = self.adapted(*id, frame).to_string();
                    self.server.handle_frame(*id, Frame::Text(text.into()), Instant::ZERO);
                }
            }
            "http" => self.publish(&line["body"]),
            "recv" if !self.has_publications => {
                let Some(text) = line["frame"].as_str() else { return };
                let Some((mut event, is_delta)) = self.clients.get_mut(client).and_then(|client| client.event(text))
                else {
                    return;
                };
                let id = message_id(&event);
                event["delta"] = json!(is_delta || id.as_ref().is_none_or(|id| self.bases.contains(id)));
                if id.is_none_or(|id| self.published.insert(id)) {
                    self.publish(&event);
                }
            }
            _ => {}
        }
    }

    fn open(&mut self, client: &str, url: &str) {
        let target = url.find("/app/").map_or("", |at| &url[at..]);
        self.opened += 1;
        let id = ConnectionId::new(self.opened);
        self.server.handle_open(id, target, Instant::ZERO);
        // The recording has no greetings.
        assert!(self.server.poll_action(Instant::ZERO).is_some(), "a greeting");
        self.clients.insert(client.to_owned(), Client { id, bases: Bases::default() });
    }

    /// The recorder closed its clients at the end of the last step that needed them.
    fn end(&mut self, later: &[&[Value]]) {
        let is_over = |name: &str| {
            let next = later.iter().flat_map(|step| step.iter()).find(|line| line["conn"] == name);
            next.is_none_or(|line| dir(line) == "open")
        };
        let over: Vec<String> = self.clients.keys().filter(|name| is_over(name)).cloned().collect();
        for name in over {
            if let Some(client) = self.clients.remove(&name) {
                self.server.handle_close(client.id, Instant::ZERO);
            }
        }
    }

    /// The message with a signature for our socket id, and with the ids of our streams.
    fn adapted(&self, id: ConnectionId, mut message: Value) -> Value {
        let (_, socket_id) =
            self.server.connections().find(|(open, _)| *open == id).expect("a client that is connected");
        let data = &mut message["data"];
        let channel = |name: &str| ChannelName::new(name).expect("a recorded channel is one");
        if data["auth"].is_string() {
            let name = channel(data["channel"].as_str().unwrap_or_default());
            let response = match data["channel_data"].as_str() {
                Some(data) => self.app.authorize_channel_with_data(socket_id, &name, data),
                None => self.app.authorize_channel(socket_id, &name),
            };
            data["auth"] = json!(response.expect("our socket ids can be signed").auth.expose());
        }
        let positions = data.get_mut("channel_positions").and_then(Value::as_object_mut);
        for (name, position) in positions.into_iter().flatten() {
            let ours = self.server.position(&channel(name)).expect("the channel has messages");
            position["stream_id"] = json!(ours.stream_id());
        }
        message
    }

    fn publish(&mut self, event: &Value) {
        let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
        let name = if event["event"].is_string() { text("event") } else { text("name") };
        let channel = ChannelName::new(text("channel")).expect("a recorded channel is one");
        let tags = event["tags"].as_object().into_iter().flatten();
        let tags = tags.map(|(key, value)| (key.as_str().into(), value.as_str().unwrap_or_default().into()));
        let delta = event["delta"] != false;
        let publication =
            Publication { tags: tags.collect(), delta, ..Publication::new(name, [channel], text("data")) };
        self.server.trigger(&publication, Instant::ZERO).expect("an event within the limits");
    }

    fn collect(&mut self, got: &mut Got) {
        while let Some(action) = self.server.poll_action(Instant::ZERO) {
            let Action::Send(id, text) = action else { continue };
            let frame = serde_json::from_str(&text).expect("the model sends JSON");
            let Some((name, _)) = self.clients.iter().find(|(_, client)| client.id == id) else { continue };
            got.entry(name.clone()).or_default().push(shape(&frame));
        }
    }
}

impl Client {
    /// The published event, if the frame has one, and whether it was sent as a delta.
    fn event(&mut self, text: &str) -> Option<(Value, bool)> {
        let frame: Value = serde_json::from_str(text).expect("a server sends JSON");
        let (channel, event) = (frame["channel"].as_str()?, frame["event"].as_str()?);
        let rebuilt = match event {
            "sockudo:delta" => {
                Some(self.bases.rebuild(channel, &frame["data"].to_string()).expect("its base is known"))
            }
            event if event.starts_with("client-") || event.starts_with("pusher") || event.starts_with("sockudo") => {
                None
            }
            event => {
                self.bases.keep(channel, event, text);
                Some(text.into())
            }
        };
        Some((serde_json::from_str(&rebuilt?).expect("a server sends JSON"), event == "sockudo:delta"))
    }
}

/// The messages on `rew`, with a tag that says whether they are odd.
fn odd_and_even() -> Vec<Publication> {
    let publication = |number: u32| Publication {
        tags: [("odd".into(), (number % 2).to_string().into())].into(),
        ..Publication::new("tick", [ChannelName::new("rew").expect("a name")], format!(r#"{{"n": {number}}}"#))
    };
    (1..=4).map(publication).collect()
}

fn is_base(frame: &Value) -> bool {
    frame["__delta_seq"].is_number()
}

fn message_id(frame: &Value) -> Option<String> {
    frame["message_id"].as_str().map(str::to_owned)
}

fn dir(line: &Value) -> &str {
    line["dir"].as_str().unwrap_or_default()
}

fn frame(line: &Value) -> Option<Value> {
    serde_json::from_str(line["frame"].as_str()?).ok()
}

/// The frame with data as JSON beside how it was wrapped, and without what differs between any two runs.
fn shape(frame: &Value) -> Value {
    let mut frame = frame.clone();
    let inner = frame["data"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    if let Some(inner @ Value::Object(_)) = inner {
        frame["data"] = json!({ "in a string": inner });
    }
    if let Some(message) = frame["data"]["message"].as_str() {
        // The parsers of JSON and of expressions are others.
        let end = [" at line", "Parse error", "an operand"].into_iter().filter_map(|part| message.find(part)).min();
        let message = end.map_or(message, |end| &message[..end]);
        let start = message.find("JMESPath expression").map_or(message, |at| &message[..at]);
        frame["data"]["message"] = json!(start);
    }
    if frame["event"] == "sockudo:delta" {
        // Many deltas describe the same event.
        frame["data"]["delta"] = json!("…");
    }
    if let Some(fields) = frame.as_object_mut() {
        // Headers of events, which the model does not have.
        fields.remove("extras");
    }
    plain(&mut frame);
    frame
}

/// Without ids, and with the members of a channel in their order.
fn plain(value: &mut Value) {
    match value {
        Value::String(text) if text.len() == 36 && text.matches('-').count() == 4 => *text = "…".into(),
        Value::Object(fields) => {
            if let Some(ids) = fields.get_mut("ids").and_then(Value::as_array_mut) {
                ids.sort_by_key(ToString::to_string);
            }
            fields.values_mut().for_each(plain);
        }
        Value::Array(items) => items.iter_mut().for_each(plain),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
