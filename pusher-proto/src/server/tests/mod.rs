//! The server from the point of view of its clients.

mod absences;
mod api;
mod calls;
mod connection;
#[cfg(feature = "delta")]
mod deltas;
mod dialects;
mod filters;
mod hostile;
mod presence;
mod rewinds;
mod subscription;
mod users;
mod version_2;

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use serde_json::Value;

use super::*;
use crate::signing::{App, MasterKey};
use crate::user_channel;

/// A server, its clock, and what it did since it was last asked.
pub(super) struct World {
    pub(super) server: Server,
    pub(super) now: Instant,
}

impl World {
    pub(super) fn new() -> Self {
        Self::with(|builder| builder)
    }

    pub(super) fn with(build: impl FnOnce(ServerConfigBuilder) -> ServerConfigBuilder) -> Self {
        let config = build(ServerConfig::builder(app()).subscription_counts(false)).build().unwrap();
        Self { server: Server::new(config, 1), now: Instant::ZERO }
    }

    /// Connects clients with the numbers 1 to `count`.
    pub(super) fn connected(mut self, count: u64) -> Self {
        for client in 1..=count {
            self.server.handle_open(ConnectionId::new(client), "/app/key?protocol=7", self.now);
        }
        self.sent();
        self
    }

    pub(super) fn say(&mut self, client: u64, text: &str) -> Vec<String> {
        self.server.handle_frame(ConnectionId::new(client), Frame::Text(text.into()), self.now);
        self.sent()
    }

    pub(super) fn subscribe(&mut self, client: u64, channel: &str) -> Vec<String> {
        let name = channel_name(channel);
        let auth = match name.kind().needs_auth() {
            true => app().authorize_channel(&self.socket_id(client), &name).unwrap().auth.expose().into(),
            false => String::new(),
        };
        let text = format!(r#"{{"event":"pusher:subscribe","data":{{"channel":"{channel}","auth":"{auth}"}}}}"#);
        self.say(client, &text)
    }

    /// Subscribes with any `data`, which not every library checks before it signs.
    pub(super) fn enter(&mut self, client: u64, channel: &str, data: &str) -> Vec<String> {
        let auth = app().token(&format!("{}:{channel}:{data}", self.socket_id(client)));
        let data = serde_json::to_string(data).unwrap();
        let text = format!(
            r#"{{"event":"pusher:subscribe","data":{{"channel":"{channel}","auth":"{}","channel_data":{data}}}}}"#,
            auth.expose()
        );
        self.say(client, &text)
    }

    /// As for [`World::enter`].
    pub(super) fn sign_in(&mut self, client: u64, data: &str) -> Vec<String> {
        let auth = app().token(&format!("{}::user::{data}", self.socket_id(client)));
        let (auth, data) = (auth.expose(), serde_json::to_string(data).unwrap());
        self.say(client, &format!(r#"{{"event":"pusher:signin","data":{{"auth":"{auth}","user_data":{data}}}}}"#))
    }

    pub(super) fn unsubscribe(&mut self, client: u64, channel: &str) -> Vec<String> {
        self.say(client, &format!(r#"{{"event":"pusher:unsubscribe","data":{{"channel":"{channel}"}}}}"#))
    }

    pub(super) fn trigger(&mut self, channel: &str, data: &str) -> Vec<String> {
        self.server.trigger(&Publication::new("e", [channel_name(channel)], data), self.now).unwrap();
        self.sent()
    }

    pub(super) fn users(&self, channel: &str) -> Vec<Text> {
        self.server.users(&channel_name(channel)).unwrap()
    }

    pub(super) fn close(&mut self, client: u64) -> Vec<String> {
        self.server.handle_close(ConnectionId::new(client), self.now);
        self.sent()
    }

    pub(super) fn advance(&mut self, time: Duration) -> Vec<String> {
        let end = self.now + time;
        while let Some(at) = self.server.poll_timeout().filter(|&at| at <= end) {
            self.now = at;
            self.server.handle_timeout(at);
            assert!(self.server.poll_timeout().is_none_or(|next| next > at), "a deadline did not advance");
        }
        self.now = end;
        self.sent()
    }

    /// What the server did, as `client event channel data user_id`, without missing fields.
    pub(super) fn sent(&mut self) -> Vec<String> {
        let mut sent = Vec::new();
        while let Some(action) = self.server.poll_action(self.now) {
            match action {
                Action::Send(client, text) => sent.push(format!("{client} {}", short(&text))),
                Action::Close(client, frame) => sent.push(format!("{client} closed {}", frame.code)),
                Action::Drop(client) => sent.push(format!("{client} dropped")),
                Action::Ping(client) => sent.push(format!("{client} ping")),
                Action::Schedule(_) => {}
            }
        }
        sent
    }

    pub(super) fn socket_id(&self, client: u64) -> SocketId {
        self.server.connections[&ConnectionId::new(client)].socket_id.clone()
    }
}

fn short(text: &str) -> String {
    let frame: Value = serde_json::from_str(text).unwrap();
    let words = ["event", "channel", "data", "user_id"].map(|field| match &frame[field] {
        Value::Null => String::new(),
        Value::String(text) => text.clone(),
        other => other.to_string(),
    });
    words.iter().filter(|word| !word.is_empty()).cloned().collect::<Vec<_>>().join(" ")
}

pub(super) fn app() -> App {
    App::new("1", "key", "secret").unwrap().encryption_master_key(MasterKey::new([7; 32]))
}

pub(super) fn channel_name(name: &str) -> ChannelName {
    ChannelName::new(name).unwrap()
}

pub(super) fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(super) fn error(client: u64, message: &str) -> Vec<String> {
    [format!("{client} pusher:error {{\"code\":null,\"message\":{}}}", serde_json::to_string(message).unwrap())].into()
}
