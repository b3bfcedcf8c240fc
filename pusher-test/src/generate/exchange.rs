//! What a server sends to a client that asks for many things.

use pusher_proto::server::{Action, ConnectionId, Dialect, Publication, Server, ServerConfig};
use pusher_proto::signing::{App, MasterKey};
use pusher_proto::{AuthResponse, ChannelKind, ChannelName, Frame, Instant, SocketId};
use serde_json::{Value, json};

use super::names;
use crate::Choices;

/// Returns everything that a server of this dialect sends on one connection, in order: the greeting, and then what follows
/// from up to twelve requests of the client, of another client, and of the application. The model server of `pusher-proto`
/// writes the frames; recordings of the real servers test it.
///
/// # Examples
///
/// ```
/// use pusher_proto::server::Dialect;
/// use pusher_test::{Choices, generate};
///
/// let frames = generate::conversation(&mut Choices::from_seed(1), Dialect::Reverb);
/// assert!(frames[0].contains("pusher:connection_established"));
/// ```
pub fn conversation(choices: &mut Choices, dialect: Dialect) -> Vec<String> {
    let mut exchange = Exchange::new(dialect);
    // Most requests are about one channel, so that they have something to do with each other.
    let favourite = *choices.pick(&CHANNELS);
    for _ in 0..choices.below(13) {
        let name = if choices.chance(160) { favourite } else { *choices.pick(&CHANNELS) };
        exchange.request(&channel(name), choices);
    }
    exchange.received
}

struct Exchange {
    server: Server,
    app: App,
    received: Vec<String>,
}

impl Exchange {
    fn new(dialect: Dialect) -> Self {
        let app = app();
        let mut server = Server::new(ServerConfig::new(app.clone()).with_dialect(dialect), 1);
        for id in [SELF, OTHER] {
            server.handle_open(id, "/app/KEY?protocol=7&client=js&version=8.4.0", Instant::ZERO);
        }
        let mut exchange = Self { server, app, received: Vec::new() };
        exchange.drain();
        exchange
    }

    fn request(&mut self, channel: &ChannelName, choices: &mut Choices) {
        let from = if choices.chance(96) { OTHER } else { SELF };
        match choices.below(8) {
            0 | 1 => self.subscribe(from, channel, choices),
            2 | 3 => {
                let publication = Publication::new(
                    names::event_name(choices),
                    [channel.clone()],
                    names::json_value(choices).to_string(),
                );
                // What the server refuses, it does not send.
                let _ = self.server.trigger(&publication, Instant::ZERO);
            }
            4 => self.say(from, &json!({"event": "pusher:ping", "data": {}})),
            5 => self.say(from, &json!({"event": "pusher:unsubscribe", "data": {"channel": channel.as_str()}})),
            6 => self.sign_in(from, choices),
            _ => {
                let event = names::client_event_name(choices);
                let data = names::json_value(choices);
                self.say(from, &json!({"event": event.as_str(), "channel": channel.as_str(), "data": data}));
            }
        }
        self.drain();
    }

    fn subscribe(&mut self, from: ConnectionId, channel: &ChannelName, choices: &mut Choices) {
        let member =
            if from == SELF { r#"{"user_id":"7","user_info":{}}"#.to_owned() } else { names::channel_data(choices) };
        let is_signed = !choices.chance(32);
        let Some(socket_id) = self.socket_id(from) else { return };
        let answer = if is_signed { permission(&self.app, &socket_id, channel, &member) } else { None };
        let mut data = json!({"channel": channel.as_str()});
        if let Some(answer) = answer {
            data["auth"] = answer.auth.expose().into();
            if let Some(member) = answer.channel_data {
                data["channel_data"] = member.as_str().into();
            }
        }
        self.say(from, &json!({"event": "pusher:subscribe", "data": data}));
    }

    fn sign_in(&mut self, from: ConnectionId, choices: &mut Choices) {
        let user = names::user_data(choices);
        let Some(socket_id) = self.socket_id(from) else { return };
        if let Ok(answer) = self.app.authenticate_user(&socket_id, user.as_str()) {
            let data = json!({"auth": answer.auth.expose(), "user_data": user});
            self.say(from, &json!({"event": "pusher:signin", "data": data}));
        }
    }

    fn socket_id(&self, of: ConnectionId) -> Option<SocketId> {
        self.server.connections().find(|(id, _)| *id == of).map(|(_, socket_id)| socket_id.clone())
    }

    fn say(&mut self, from: ConnectionId, message: &Value) {
        self.server.handle_frame(from, Frame::Text(message.to_string().into()), Instant::ZERO);
    }

    fn drain(&mut self) {
        while let Some(action) = self.server.poll_action(Instant::ZERO) {
            match action {
                Action::Send(SELF, text) => self.received.push(text.as_str().to_owned()),
                Action::Close(id, _) | Action::Drop(id) => self.server.handle_close(id, Instant::ZERO),
                Action::Send(..) | Action::Ping(_) | Action::Schedule(_) => {}
            }
        }
    }
}

/// The application of all generated situations.
pub(crate) fn app() -> App {
    let app = App::new("1", "KEY", "secret").expect("the parts are not blank");
    app.encryption_master_key(MasterKey::new(MASTER_KEY))
}

/// What the application's server answers about a channel, or `None` if the channel needs no permission.
pub(crate) fn permission(app: &App, socket: &SocketId, channel: &ChannelName, member: &str) -> Option<AuthResponse> {
    match channel.kind() {
        ChannelKind::Public => None,
        ChannelKind::Presence => app.authorize_channel_with_data(socket, channel, member).ok(),
        ChannelKind::Private | ChannelKind::PrivateEncrypted => app.authorize_channel(socket, channel).ok(),
    }
}

/// The master key of the application.
pub(crate) const MASTER_KEY: [u8; 32] = [7; 32];

pub(crate) fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).expect("the names of generated situations are valid")
}

/// The channels of all generated situations: few, so that what happens concerns the same ones.
pub(crate) const CHANNELS: [&str; 6] =
    ["chat", "private-a", "presence-b", "private-encrypted-c", "cache-d", "presence-cache-e"];

const SELF: ConnectionId = ConnectionId::new(1);
const OTHER: ConnectionId = ConnectionId::new(2);
