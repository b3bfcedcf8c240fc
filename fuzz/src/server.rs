//! Sockets, signatures, the HTTP API and time for the model server, in every dialect.

use std::collections::BTreeSet;
use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use pusher_proto::server::{
    Action, ConnectionId, Dialect, Info, Publication, Server, ServerConfig, ServerConfigBuilder,
};
use pusher_proto::signing::{App, MasterKey};
use pusher_proto::{AuthResponse, ChannelKind, ChannelName, CloseFrame, Frame, Instant, SocketId};
use serde_json::{Value, json};

use crate::line::Line;

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    Open(u8, u8),
    Leave(u8),
    Say(u8, Line<'a>),
    Ping(u8),
    Control(u8, bool),
    Subscribe(u8, u8, u8, Signature),
    Unsubscribe(u8, u8),
    SignIn(u8, u8, Signature),
    ClientEvent(u8, u8, Line<'a>),
    Publish(u8, u8, Line<'a>),
    Ask(u8),
    Refuse(Option<u16>),
    Silence(bool),
    CloseAll(u16),
    Terminate(u8),
    Wait(u16),
}

/// The content of `auth`.
#[derive(Arbitrary, Debug)]
enum Signature {
    None,
    Valid,
    OfAnotherSocket,
    OfAnotherApp,
}

/// The first byte selects the dialect, the second one the limits; inputs follow.
pub fn server(data: &[u8]) {
    let Some(([dialect, limits], inputs)) = data.split_first_chunk() else { return };
    let mut stage = Stage::new(Dialect::ALL[usize::from(*dialect) % Dialect::ALL.len()], *limits);
    let mut bytes = Unstructured::new(inputs);
    for _ in 0..MAX_INPUTS {
        if bytes.is_empty() {
            break;
        }
        let Ok(input) = Input::arbitrary(&mut bytes) else { break };
        stage.play(input);
        stage.check();
    }
    stage.empty();
}

struct Stage {
    server: Server,
    app: App,
    now: Instant,
    sockets: [Option<ConnectionId>; 4],
    opened: u64,
    is_silent: bool,
    /// Whether the last input tells the server to end connections.
    is_told_to_end: bool,
    /// What has been signed: the names of channels, and `user`.
    signed: BTreeSet<(ConnectionId, &'static str)>,
}

impl Stage {
    fn new(dialect: Dialect, limits: u8) -> Self {
        let app = app("secret");
        let config = with_limits(ServerConfig::builder(app.clone()).dialect(dialect), limits);
        let server = Server::new(config.build().expect("a configuration"), 1);
        let (now, sockets, signed) = (Instant::ZERO, [None; 4], BTreeSet::new());
        Self { server, app, now, sockets, opened: 0, is_silent: false, is_told_to_end: false, signed }
    }

    fn play(&mut self, input: Input<'_>) {
        self.is_told_to_end = matches!(input, Input::CloseAll(_) | Input::Terminate(_));
        match input {
            Input::Open(socket, target) => self.open(socket, pick(&TARGETS, target)),
            Input::Leave(socket) => self.leave(usize::from(socket) % self.sockets.len()),
            Input::Say(socket, text) => self.say(socket, &text.0),
            Input::Ping(socket) => self.say(socket, r#"{"event":"pusher:ping","data":{}}"#),
            Input::Control(socket, is_binary) => {
                let frame = if is_binary { Frame::Binary([0].as_slice().into()) } else { Frame::Pong };
                self.hand_over(socket, frame);
            }
            Input::Subscribe(socket, channel, user, signature) => self.subscribe(socket, channel, user, &signature),
            Input::Unsubscribe(socket, channel) => {
                let channel = pick(&CHANNELS, channel);
                self.say(socket, &json!({"event": "pusher:unsubscribe", "data": {"channel": channel}}).to_string());
            }
            Input::SignIn(socket, user, signature) => self.sign_in(socket, user, &signature),
            Input::ClientEvent(socket, channel, data) => {
                let channel = pick(&CHANNELS, channel);
                self.say(socket, &format!(r#"{{"event":"client-x","channel":"{channel}","data":{}}}"#, data.json()));
            }
            Input::Publish(channel, except, data) => self.publish(pick(&CHANNELS, channel), except, &data.0),
            Input::Ask(number) => {
                let info = Info { user_count: number % 2 == 0, subscription_count: number % 3 == 0 };
                let channel = name(pick(&CHANNELS, number));
                // Invalid queries are refused.
                let _ = (self.server.channels("presence-", info), self.server.channel(&channel, info));
                let _ = self.server.users(&channel);
            }
            Input::Refuse(code) => {
                self.server.set_refusal(code.map(|code| CloseFrame { code, reason: "why".into() }));
            }
            Input::Silence(is_silent) => {
                self.server.set_silent(is_silent);
                self.is_silent = is_silent;
            }
            Input::CloseAll(code) => {
                self.server.close_all(&CloseFrame { code, reason: "why".into() }, self.now);
            }
            Input::Terminate(user) => {
                // Not every server supports this call.
                let _ = self.server.terminate_connections(pick(&USERS, user), self.now);
            }
            Input::Wait(seconds) => {
                self.now = self.now + Duration::from_secs(seconds.into());
                self.server.handle_timeout(self.now);
            }
        }
    }

    fn open(&mut self, socket: u8, target: &str) {
        let place = usize::from(socket) % self.sockets.len();
        self.leave(place);
        self.opened += 1;
        let id = ConnectionId::new(self.opened);
        self.sockets[place] = Some(id);
        self.server.handle_open(id, target, self.now);
    }

    fn leave(&mut self, place: usize) {
        if let Some(id) = self.sockets[place].take() {
            self.server.handle_close(id, self.now);
            self.drain();
        }
    }

    fn say(&mut self, socket: u8, text: &str) {
        self.hand_over(socket, Frame::Text(text.into()));
    }

    fn hand_over(&mut self, socket: u8, frame: Frame) {
        if let Some(id) = pick(&self.sockets, socket) {
            self.server.handle_frame(id, frame, self.now);
        }
    }

    fn subscribe(&mut self, socket: u8, channel: u8, user: u8, signature: &Signature) {
        let Some(id) = pick(&self.sockets, socket) else { return };
        let channel = pick(&CHANNELS, channel);
        let name = name(channel);
        let user = json!({"user_id": pick(&USERS, user), "user_info": {"n": user}}).to_string();
        let signature = if name.kind().needs_auth() { signature } else { &Signature::None };
        let answer = self.sign(id, channel, signature, |app, socket_id| {
            let signed = match name.kind() {
                ChannelKind::Presence => app.authorize_channel_with_data(socket_id, &name, user.as_str()),
                ChannelKind::Public | ChannelKind::Private | ChannelKind::PrivateEncrypted => {
                    app.authorize_channel(socket_id, &name)
                }
            };
            signed.expect("a socket id of the server's, a name that is signed, and a master key")
        });
        let auth = answer.as_ref().map(|answer| answer.auth.expose());
        let channel_data = answer.as_ref().and_then(|answer| answer.channel_data.as_deref());
        let data = json!({"channel": channel, "auth": auth, "channel_data": channel_data});
        self.say(socket, &json!({"event": "pusher:subscribe", "data": data}).to_string());
    }

    fn sign_in(&mut self, socket: u8, user: u8, signature: &Signature) {
        let Some(id) = pick(&self.sockets, socket) else { return };
        let others = &USERS[..usize::from(user) % USERS.len()];
        let user = json!({"id": pick(&USERS, user), "user_info": {"n": user}, "watchlist": others}).to_string();
        let answer = self.sign(id, USER, signature, |app, socket_id| {
            app.authenticate_user(socket_id, user.as_str()).expect("a socket id of the server's")
        });
        let auth = answer.as_ref().map_or("", |answer| answer.auth.expose());
        let data = json!({"auth": auth, "user_data": user});
        self.say(socket, &json!({"event": "pusher:signin", "data": data}).to_string());
    }

    /// Signs for a socket that the server knows.
    fn sign(
        &mut self,
        id: ConnectionId,
        subject: &'static str,
        signature: &Signature,
        sign: impl Fn(&App, &SocketId) -> AuthResponse,
    ) -> Option<AuthResponse> {
        let (_, socket_id) = self.server.connections().find(|(known, _)| *known == id)?;
        match signature {
            Signature::None => None,
            Signature::Valid => {
                self.signed.insert((id, subject));
                Some(sign(&self.app, socket_id))
            }
            Signature::OfAnotherSocket => Some(sign(&self.app, &SocketId::new("1.1").expect("a socket id"))),
            Signature::OfAnotherApp => Some(sign(&app("other"), socket_id)),
        }
    }

    /// Every subscriber except the excluded one receives the event unchanged, and no one else does.
    fn publish(&mut self, channel: &'static str, except: u8, data: &str) {
        let name = name(channel);
        let except = pick(&self.sockets, except);
        let socket_id = self.server.connections().find(|(id, _)| Some(*id) == except).map(|(_, id)| id.clone());
        let has_event = |id: &ConnectionId| {
            !self.is_silent && self.server.is_subscribed(*id, &name) && (socket_id.is_none() || Some(*id) != except)
        };
        let expected: Vec<_> = self.sockets.iter().flatten().copied().filter(has_event).collect();
        let publication = Publication { socket_id, ..Publication::new("e", [name], data) };
        let published = self.server.trigger(&publication, self.now);
        let event = json!({"event": "e", "channel": channel, "data": data});
        let mut receivers: Vec<_> = self.drain().into_iter().filter(|(_, frame)| *frame == event).collect();
        if channel.starts_with('#') {
            return;
        }
        receivers.sort_by_key(|(id, _)| self.sockets.iter().position(|socket| *socket == Some(*id)));
        let receivers: Vec<_> = receivers.into_iter().map(|(id, _)| id).collect();
        assert_eq!(receivers, if published.is_ok() { expected } else { vec![] }, "{published:?}");
    }

    /// Performs the server's actions. Returns what it sends.
    fn drain(&mut self) -> Vec<(ConnectionId, Value)> {
        let mut sent = vec![];
        let mut is_scheduled = false;
        for _ in 0..MAX_ACTIONS {
            let Some(action) = self.server.poll_action(self.now) else { return sent };
            assert!(!is_scheduled, "{action:?} comes behind a wake-up");
            let may_come = match action {
                Action::Send(..) | Action::Ping(_) => false,
                Action::Close(..) | Action::Drop(_) => self.is_told_to_end,
                Action::Schedule(_) => true,
            };
            assert!(may_come || !self.is_silent, "{action:?} of a server that is silent");
            match action {
                Action::Send(id, text) => {
                    assert!(self.sockets.contains(&Some(id)), "sent to nobody: {text}");
                    let frame: Value = serde_json::from_str(&text).expect("what is sent is JSON");
                    assert!(frame["event"].is_string(), "sent without a name: {text}");
                    sent.push((id, frame));
                }
                Action::Close(id, _) | Action::Drop(id) => {
                    let socket = self.sockets.iter_mut().find(|socket| **socket == Some(id));
                    *socket.expect("a socket that is open") = None;
                }
                Action::Ping(id) => assert!(self.sockets.contains(&Some(id)), "pings nobody"),
                Action::Schedule(at) => {
                    assert!(at > self.now, "a wake-up in the past");
                    is_scheduled = true;
                }
            }
        }
        panic!("the server never stops");
    }

    fn check(&mut self) {
        self.drain();
        assert!(self.server.poll_timeout().is_none_or(|at| at > self.now), "the deadline stands still");
        for (id, _) in self.server.connections() {
            assert!(self.sockets.contains(&Some(id)), "a connection without a socket");
            assert!(self.server.user(id).is_none() || self.signed.contains(&(id, USER)), "a user whom nobody signed");
            for channel in self.server.subscriptions(id).filter(|channel| channel.kind().needs_auth()) {
                assert!(self.signed.contains(&(id, channel.as_str())), "{channel} without a signature");
            }
        }
    }

    /// When all clients have left, the server holds nothing.
    fn empty(&mut self) {
        (0..self.sockets.len()).for_each(|place| self.leave(place));
        assert_eq!(self.server.connections().len(), 0);
        assert_eq!(self.server.channels("", Info::default()), Ok([].into()));
        for _ in 0..CHANNELS.len() {
            let Some(at) = self.server.poll_timeout() else { return };
            self.now = at;
            self.server.handle_timeout(at);
            self.drain();
        }
        assert_eq!(self.server.poll_timeout(), None, "a deadline of nobody");
    }
}

fn app(secret: &str) -> App {
    let app = App::new("1", "key", secret).expect("an application");
    app.encryption_master_key(MasterKey::new([7; 32]))
}

fn with_limits(config: ServerConfigBuilder, limits: u8) -> ServerConfigBuilder {
    let is_set = |bit: u8| limits & (1 << bit) != 0;
    let few = |bit: u8, few: usize| if is_set(bit) { few } else { 100 };
    config
        .capacity(few(0, 2))
        .max_members(few(1, 1))
        .max_subscriptions(few(2, 2))
        .max_cached_events(few(3, 1))
        .client_event_rate(if is_set(4) { 1 } else { 10 })
        .authorization_timeout(Duration::from_secs(if is_set(5) { 5 } else { 0 }))
        .strict_names(!is_set(6))
        .max_event_len(few(7, 20))
}

fn name(name: &str) -> ChannelName {
    match name.strip_prefix("#server-to-user-") {
        Some(user) => pusher_proto::user_channel(user).expect("the id of a user"),
        None => ChannelName::new(name).expect("the name of a channel"),
    }
}

fn pick<T: Copy>(of: &[T], number: u8) -> T {
    of[usize::from(number) % of.len()]
}

const CHANNELS: [&str; 10] = [
    "chat",
    "private-a",
    "presence-b",
    "private-encrypted-c",
    "cache-d",
    "private-cache-e",
    "presence-cache-f",
    "private-encrypted-cache-g",
    "#server-to-user-7",
    "a b",
];

const USERS: [&str; 4] = ["0", "7", "ann", "é"];

/// Subject of a signature that signs a user in.
const USER: &str = "user";

const TARGETS: [&str; 6] = [
    "/app/key?protocol=7",
    "/app/key?protocol=5",
    "/app/key?protocol=99",
    "/app/key",
    "/app/other?protocol=7",
    "/elsewhere",
];

/// The largest number of inputs.
const MAX_INPUTS: usize = 500;

/// The most actions of one drain.
const MAX_ACTIONS: usize = 1_000;
