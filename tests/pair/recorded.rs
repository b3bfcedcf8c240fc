//! The model server against recordings: given the messages that real servers got, or those of a real client, it must
//! give the same answers.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use libtest_mimic::Trial;
use pusher_proto::server::{Action, ApiError, ConnectionId, Dialect, Publication, Server, ServerConfig};
use pusher_proto::signing::{App, MasterKey};
use pusher_proto::{ChannelName, Frame, Instant, SocketId};
use serde_json::{Value, json};

/// One test for each recording: of the real servers, and of clients that were content with the model of hosted Pusher.
pub(crate) fn trials() -> Vec<Trial> {
    let of_servers = recordings("frames").into_iter().map(|(name, path)| {
        let (dialect, _) = name.rsplit_once('-').expect("a recording is named by server and version");
        let dialect = dialect.parse().expect("there is a dialect for each recording");
        (name, path, dialect)
    });
    let of_clients = recordings("clients").into_iter().map(|(name, path)| (name, path, Dialect::Pusher));
    of_servers
        .chain(of_clients)
        .map(|(name, path, dialect)| {
            Trial::test(format!("recorded: {name}"), move || {
                let text = fs::read_to_string(&path)?;
                Ok(Replay::new(dialect).run(&text)?)
            })
        })
        .collect()
}

/// The recordings of a folder, with their names and in order.
fn recordings(folder: &str) -> Vec<(String, PathBuf)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("conformance/vectors").join(folder);
    let entries = fs::read_dir(folder).expect("the folder is part of the package");
    let mut paths: Vec<_> = entries.map(|entry| entry.expect("a folder that opens can be listed").path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.file_stem().unwrap_or_default().to_string_lossy().into_owned(), path)).collect()
}

struct Replay {
    dialect: Dialect,
    server: Server,
    app: App,
    clients: BTreeMap<String, ConnectionId>,
    /// Socket ids of the recording, and the model's ids that replace them.
    socket_ids: BTreeMap<String, SocketId>,
    opened: u64,
}

/// What one client received in one step.
type Got = BTreeMap<String, Vec<Value>>;

impl Replay {
    fn new(dialect: Dialect) -> Self {
        let app = App::new("app1", "app-key", "app-secret").expect("the key is a name");
        let app = app.encryption_master_key(MasterKey::new([7; MasterKey::LEN]));
        let config = ServerConfig::builder(app.clone()).dialect(dialect).max_event_len(100_000);
        let config = match dialect {
            // Like the configuration when it was recorded.
            Dialect::Reverb => config,
            Dialect::Pusher | Dialect::LaravelWebsockets | Dialect::Soketi | Dialect::Sockudo | Dialect::SockudoV2 => {
                config.max_message_len(100_000)
            }
        };
        let server = Server::new(config.build().expect("the limits are usable"), 1);
        Self { dialect, server, app, clients: BTreeMap::new(), socket_ids: BTreeMap::new(), opened: 0 }
    }

    fn run(&mut self, text: &str) -> Result<(), String> {
        let lines: Vec<Value> =
            text.lines().map(|line| serde_json::from_str(line).expect("a JSON object a line")).collect();
        let mut failures = String::new();
        for step in lines.chunk_by(|one, other| one["step"] == other["step"]) {
            let name = step[0]["step"].as_str().unwrap_or_default();
            if self.ends_at(name) {
                break;
            }
            let expected = self.recorded(step);
            let happened = self.play(name, step);
            if expected != happened {
                failures += &format!("{name}\n  recorded {}\n  answered {}\n", json!(expected), json!(happened));
            }
        }
        if failures.is_empty() { Ok(()) } else { Err(failures) }
    }

    /// From which step on a recording shows a server that was being stopped, or had ended.
    fn ends_at(&self, step: &str) -> bool {
        match self.dialect {
            Dialect::Soketi => step == "subscribe no channel",
            Dialect::Pusher | Dialect::Reverb | Dialect::LaravelWebsockets | Dialect::Sockudo | Dialect::SockudoV2 => {
                false
            }
        }
    }

    /// What the real server sent.
    fn recorded(&self, step: &[Value]) -> Got {
        let mut got = Got::new();
        for line in step {
            let Some(client) = line["client"].as_str() else { continue };
            let said = if let Some(frame) = line["frame"].as_str() {
                shape(&serde_json::from_str(frame).expect("a server sends JSON"))
            } else if let Some([code, _]) = line["close"].as_array().map(Vec::as_slice) {
                // The recorder's own closes have no code.
                match code.as_u64() {
                    Some(code) => json!({ "closed": code }),
                    None => continue,
                }
            } else {
                continue;
            };
            got.entry(client.to_owned()).or_default().push(said);
        }
        got
    }

    /// Sends what the recorded clients sent, and collects the answers.
    fn play(&mut self, name: &str, step: &[Value]) -> Got {
        let mut got = Got::new();
        let newcomers: BTreeSet<&str> = step.iter().filter_map(|line| line["client"].as_str()).collect();
        for client in newcomers {
            if !self.clients.contains_key(client) {
                self.open(name, client, step, &mut got);
            }
        }
        for line in step {
            let id = line["client"].as_str().map(|client| self.clients[client]);
            if let (Some(id), Some(text)) = (id, line["sent"].as_str()) {
                let text = self.signed(text);
                self.server.handle_frame(id, Frame::Text(text.into()), Instant::ZERO);
            } else if let (Some(id), true) = (id, line["sent_binary"].is_number()) {
                self.server.handle_frame(id, Frame::Binary([0, 1, 2].to_vec().into()), Instant::ZERO);
            } else if let (Some(id), true) = (id, line["sent_ws_ping"].is_boolean()) {
                self.server.handle_frame(id, Frame::Ping, Instant::ZERO);
            } else if let (Some(id), true) = (id, line["close"][0].is_null() && line["close"].is_array()) {
                self.server.handle_close(id, Instant::ZERO);
            } else if let Some(http) = line["http"].as_str() {
                self.call(http, line);
            }
            self.collect(&mut got);
        }
        got
    }

    fn open(&mut self, step: &str, client: &str, lines: &[Value], got: &mut Got) {
        self.opened += 1;
        let id = ConnectionId::new(self.opened);
        self.clients.insert(client.to_owned(), id);
        let target = match step {
            "wrong app key" => "/app/no-such-key?protocol=7",
            "old protocol" => "/app/app-key?protocol=5",
            "no protocol" => "/app/app-key",
            _ => "/app/app-key?protocol=7",
        };
        self.server.handle_open(id, target, Instant::ZERO);
        self.collect(got);
        let greeting = lines.iter().find(|line| line["client"] == client && line["frame"].is_string());
        let data = greeting.and_then(|line| serde_json::from_str::<Value>(line["frame"].as_str()?).ok());
        let data = data.and_then(|frame| serde_json::from_str::<Value>(frame["data"].as_str()?).ok());
        let recorded = data.and_then(|data| data["socket_id"].as_str().map(str::to_owned));
        let ours = self.server.connections().find(|(open, _)| *open == id).map(|(_, socket_id)| socket_id.clone());
        if let (Some(recorded), Some(ours)) = (recorded, ours) {
            self.socket_ids.insert(recorded, ours);
        }
    }

    /// The message, in which valid signatures for the recorded socket ids are replaced by signatures for ours.
    fn signed(&self, text: &str) -> String {
        let Ok(mut message) = serde_json::from_str::<Value>(text) else { return text.to_owned() };
        let (data, auth) = (&message["data"], message["data"]["auth"].as_str().unwrap_or_default());
        for (recorded, ours) in &self.socket_ids {
            let recorded = SocketId::new(recorded.as_str()).expect("a recorded id is an id");
            let user_data = data["user_data"].as_str();
            let channel_data = data["channel_data"].as_str();
            let channel = data["channel"].as_str().and_then(|name| ChannelName::new(name).ok());
            let response = match (user_data, channel) {
                (Some(user_data), _) if self.app.verify_user(&recorded, user_data, auth).is_ok() => {
                    self.app.authenticate_user(ours, user_data)
                }
                (None, Some(channel)) if self.app.verify_channel(&recorded, &channel, channel_data, auth).is_ok() => {
                    match channel_data {
                        Some(data) => self.app.authorize_channel_with_data(ours, &channel, data),
                        None => self.app.authorize_channel(ours, &channel),
                    }
                }
                _ => continue,
            };
            message["data"]["auth"] = json!(response.expect("our socket ids can be signed").auth.expose());
            return message.to_string();
        }
        text.to_owned()
    }

    fn call(&mut self, http: &str, line: &Value) {
        let body: Value = serde_json::from_str(line["request"].as_str().unwrap_or_default()).unwrap_or_default();
        let result = if http.ends_with("/batch_events") {
            let batch: Vec<_> =
                body["batch"].as_array().into_iter().flatten().map(|event| self.publication(event)).collect();
            self.server.trigger_batch(&batch, Instant::ZERO).map(drop)
        } else if http.ends_with("/events") {
            let publication = self.publication(&body);
            self.server.trigger(&publication, Instant::ZERO).map(drop)
        } else if http.ends_with("/terminate_connections") {
            self.server.terminate_connections("u1", Instant::ZERO).map(drop)
        } else {
            return;
        };
        let status = result.as_ref().map_err(ApiError::status).err().unwrap_or(200);
        // soketi puts the status into the body of a 200.
        let inner = line["body"].as_str().and_then(|body| serde_json::from_str::<Value>(body).ok());
        let recorded = inner.and_then(|body| body["code"].as_u64()).or(line["status"].as_u64());
        assert_eq!(Some(u64::from(status)), recorded, "{line}");
    }

    fn publication(&self, event: &Value) -> Publication {
        let names =
            event["channels"].as_array().into_iter().flatten().chain([&event["channel"]]).filter_map(Value::as_str);
        let channels = names.map(|name| match name.strip_prefix("#server-to-user-") {
            Some(user) => pusher_proto::user_channel(user).expect("a recorded user is one"),
            None => ChannelName::new(name).expect("a recorded channel is one"),
        });
        let text = |field: &str| event[field].as_str().unwrap_or_default().to_owned();
        let mut publication = Publication::new(text("name"), channels, text("data"));
        publication.socket_id = self.socket_ids.get(&text("socket_id")).cloned();
        publication
    }

    fn collect(&mut self, got: &mut Got) {
        while let Some(action) = self.server.poll_action(Instant::ZERO) {
            let (id, said) = match action {
                Action::Send(id, text) => (id, shape(&serde_json::from_str(&text).expect("the model sends JSON"))),
                Action::Close(id, frame) => (id, json!({ "closed": frame.code })),
                Action::Drop(id) => (id, json!({ "closed": 1006 })),
                Action::Ping(_) | Action::Schedule(_) => continue,
            };
            let client = self.clients.iter().find(|(_, open)| **open == id).expect("only clients are answered").0;
            got.entry(client.clone()).or_default().push(said);
        }
    }
}

/// The frame with data as JSON beside how it was wrapped, and without what differs between any two runs.
fn shape(frame: &Value) -> Value {
    let mut frame = frame.clone();
    if frame["event"] == "pusher:connection_established" {
        let data: Value = serde_json::from_str(frame["data"].as_str().unwrap_or_default()).unwrap_or_default();
        return json!({ "greeting": data["activity_timeout"], "string": frame["data"].is_string() });
    }
    for volatile in ["message", "auth"] {
        if frame["data"][volatile].is_string() {
            frame["data"][volatile] = json!("…");
        }
    }
    let inner = frame["data"].as_str().and_then(|text| serde_json::from_str::<Value>(text).ok());
    if let Some(mut inner @ Value::Object(_)) = inner {
        if inner["message"].is_string() {
            inner["message"] = json!("…");
        }
        frame["data"] = json!({ "in a string": inner });
    }
    frame
}
