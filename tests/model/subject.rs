//! The client and the model server, which take the same steps as the reference.

use std::collections::VecDeque;
use std::time::Duration;

use pusher_proto::server::{self, ConnectionId, Publication, Server, ServerConfig};
use pusher_proto::signing::App;
use pusher_proto::{
    Action, AuthError, AuthRequest, Channel, ChannelName, Client, CloseReason, Config, Endpoint, Event, Frame, Instant,
    Members, SocketEpoch, SocketId, Text,
};
use serde_json::Value;

use crate::reference::{Message, NAMES, Name, Notice, Reference, Request, Step};

pub(crate) struct Subject {
    client: Client,
    server: Server,
    app: App,
    now: Instant,
    socket: Option<SocketEpoch>,
    /// The server's name for the socket.
    connection: u64,
    requests: VecDeque<Text>,
    messages: VecDeque<Text>,
    auths: VecDeque<AuthRequest>,
    heard: Vec<Notice>,
    is_other_there: bool,
    other_socket_id: String,
}

impl Subject {
    /// Connected, with nothing wanted.
    pub(crate) fn new() -> Self {
        let app = App::new("1", "app-key", "secret").expect("an application");
        let server = ServerConfig::builder(app.clone()).subscription_counts(false).build().expect("a configuration");
        let config = Config::builder("app-key", Endpoint::host("h").tls(false))
            .subscribe_timeout(SUBSCRIBE_TIMEOUT)
            .activity_timeout(NEVER)
            .auth_timeout(NEVER)
            .build()
            .expect("a configuration");
        let mut subject = Self {
            client: Client::new(config, 1),
            server: Server::new(server, 1),
            app,
            now: Instant::ZERO,
            socket: None,
            connection: 0,
            requests: VecDeque::new(),
            messages: VecDeque::new(),
            auths: VecDeque::new(),
            heard: Vec::new(),
            is_other_there: false,
            other_socket_id: String::new(),
        };
        subject.other_connects();
        subject.client.connect();
        subject.drain();
        subject.greet();
        subject
    }

    pub(crate) fn apply(&mut self, step: Step) {
        self.heard.clear();
        let is_reach = usize::from(step == Step::Reach);
        let before = self.requests.len().saturating_sub(is_reach);
        self.act(step);
        self.drain();
        // The reference leaves open which channel comes first.
        self.heard.sort_by_key(Notice::name);
        let new = self.requests.make_contiguous().get_mut(before..).unwrap_or_default();
        new.sort_by_key(|text| name_in(text));
    }

    fn act(&mut self, step: Step) {
        match step {
            Step::Subscribe(name) => self.client.subscribe(channel(name)),
            Step::Unsubscribe(name) => self.client.unsubscribe(&channel(name)),
            Step::Reach => {
                let text = self.requests.pop_front().expect("the reference has a request");
                self.server.handle_frame(ConnectionId::new(self.connection), Frame::Text(text), self.now);
            }
            Step::Arrive => {
                let text = self.messages.pop_front().expect("the reference has a message");
                let socket = self.socket.expect("the reference is connected");
                self.client.handle_frame(socket, Frame::Text(text), self.now);
            }
            Step::Authorize => self.authorize(),
            Step::Refuse => {
                let request = self.auths.pop_front().expect("the reference has a request");
                self.client.handle_auth(request.id, Err(AuthError::Handler("no".into())), self.now);
            }
            Step::Publish => self.publish(),
            Step::Deadline => {
                self.now = self.now + SUBSCRIBE_TIMEOUT;
                self.client.handle_timeout(self.now);
            }
            Step::Cut => {
                let socket = self.socket.expect("the reference is connected");
                self.lose();
                self.client.handle_close(socket, CloseReason::Dropped, self.now);
            }
            Step::Reconnect => {
                while self.socket.is_none() {
                    self.now = self.client.poll_timeout().expect("a client without a connection waits");
                    self.client.handle_timeout(self.now);
                    self.drain();
                }
                self.greet();
            }
            Step::Disconnect => self.client.disconnect(),
            Step::Connect => self.client.connect(),
        }
    }

    /// Compares everything that can be observed.
    pub(crate) fn check(&self, reference: &Reference) -> Result<(), String> {
        same("what is told", &self.heard, &reference.heard)?;
        same("connected", &self.client.state().is_connected(), &reference.is_connected)?;
        let requests: VecDeque<Request> = self.requests.iter().map(request).collect();
        same("what is sent", &requests, &reference.requests)?;
        let messages: VecDeque<Message> = self.messages.iter().map(message).collect();
        same("what the server sends", &messages, &reference.messages)?;
        let auths: VecDeque<Name> = self.auths.iter().map(|request| name_in(&request.subject.to_string())).collect();
        same("authorizations", &auths, &reference.authorizing)?;
        for name in NAMES {
            let channel = self.client.channel(&channel(name));
            same("wanted", &channel.is_some(), &reference.wanted.contains(&name))?;
            let is_subscribed = channel.as_ref().is_some_and(Channel::is_subscribed);
            same("subscribed", &(name, is_subscribed), &(name, reference.subscribed.contains(&name)))?;
            if name == Name::Room && is_subscribed {
                let members = channel.as_ref().and_then(Channel::members);
                let mut ids: Vec<&str> = members.into_iter().flat_map(Members::ids).collect();
                ids.sort_unstable();
                let expected: &[&str] = if reference.sees_other { &["me", "other"] } else { &["me"] };
                same("members", &ids.as_slice(), &expected)?;
            }
        }
        Ok(())
    }

    fn drain(&mut self) {
        while let Some(action) = self.client.poll_action(self.now) {
            match action {
                Action::Connect(socket, _) => self.socket = Some(socket),
                Action::Send(_, text) => self.requests.push_back(text),
                Action::Close(..) => self.lose(),
                Action::RequestAuth(request) => self.auths.push_back(request),
                Action::CancelAuth(id) => self.auths.retain(|request| request.id != id),
                Action::Emit(event) => self.heard.extend(notice(&event)),
                Action::Schedule(_) => {}
            }
        }
        while let Some(action) = self.server.poll_action(self.now) {
            if let server::Action::Send(to, text) = action
                && to == ConnectionId::new(self.connection)
            {
                self.messages.push_back(text);
            }
        }
    }

    /// The server takes the new socket, and its greeting arrives.
    fn greet(&mut self) {
        let socket = self.socket.expect("a socket was asked for");
        self.connection += 1;
        self.server.handle_open(ConnectionId::new(self.connection), TARGET, self.now);
        self.client.handle_open(socket, self.now);
        self.drain();
        let greeting = self.messages.pop_front().expect("the server greets");
        self.client.handle_frame(socket, Frame::Text(greeting), self.now);
        self.drain();
    }

    /// Both sides are without their socket.
    fn lose(&mut self) {
        self.socket = None;
        self.requests.clear();
        self.messages.clear();
        self.auths.clear();
        self.server.handle_close(ConnectionId::new(self.connection), self.now);
    }

    fn authorize(&mut self) {
        let request = self.auths.pop_front().expect("the reference has a request");
        let data = r#"{"user_id":"me"}"#;
        let answer = self.app.authorize_channel_with_data(&request.socket_id, &channel(Name::Room), data);
        self.client.handle_auth(request.id, Ok(answer.expect("the server's socket ids can be signed")), self.now);
    }

    fn publish(&mut self) {
        let publication = Publication::new("message", NAMES.map(channel), "x");
        self.server.trigger(&publication, self.now).expect("it can be published");
        self.is_other_there = !self.is_other_there;
        let room = channel(Name::Room);
        let text = if self.is_other_there {
            let socket_id = SocketId::new(&*self.other_socket_id).expect("the server greeted the other");
            let answer = self.app.authorize_channel_with_data(&socket_id, &room, r#"{"user_id":"other"}"#);
            let answer = answer.expect("the server's socket ids can be signed");
            let data = serde_json::json!({
                "channel": room.as_str(), "auth": answer.auth.expose(), "channel_data": answer.channel_data.as_deref(),
            });
            serde_json::json!({ "event": "pusher:subscribe", "data": data })
        } else {
            serde_json::json!({ "event": "pusher:unsubscribe", "data": { "channel": room.as_str() } })
        };
        self.server.handle_frame(OTHER, Frame::Text(text.to_string().into()), self.now);
    }

    fn other_connects(&mut self) {
        self.server.handle_open(OTHER, TARGET, self.now);
        while let Some(action) = self.server.poll_action(self.now) {
            if let server::Action::Send(_, text) = action {
                let data = json(&text)["data"].as_str().map(json).expect("the greeting has data");
                self.other_socket_id = data["socket_id"].as_str().expect("the greeting has a socket id").to_owned();
            }
        }
    }
}

fn same<T: PartialEq + std::fmt::Debug>(what: &str, subject: &T, reference: &T) -> Result<(), String> {
    if subject == reference {
        Ok(())
    } else {
        Err(format!("{what}: {subject:?}, and the reference says {reference:?}"))
    }
}

fn channel(name: Name) -> ChannelName {
    let name = match name {
        Name::Chat => "chat",
        Name::Room => "presence-room",
    };
    ChannelName::new(name).expect("the name of a channel")
}

fn name_in(text: &str) -> Name {
    if text.contains("presence-room") { Name::Room } else { Name::Chat }
}

fn request(text: &Text) -> Request {
    match json(text)["event"].as_str() {
        Some("pusher:subscribe") => Request::Subscribe(name_in(text)),
        Some("pusher:unsubscribe") => Request::Unsubscribe(name_in(text)),
        _ => panic!("{text}"),
    }
}

fn message(text: &Text) -> Message {
    match json(text)["event"].as_str() {
        Some("pusher_internal:subscription_succeeded") => Message::Succeeded(name_in(text), text.contains("other")),
        Some("pusher_internal:member_added") => Message::Other(true),
        Some("pusher_internal:member_removed") => Message::Other(false),
        Some("pusher:error") if text.contains("No current subscription") => Message::NotSubscribed(name_in(text)),
        Some("message") => Message::Event(name_in(text)),
        _ => panic!("{text}"),
    }
}

fn notice(event: &Event) -> Option<Notice> {
    let name = event.channel().map(|channel| name_in(channel.as_str()))?;
    match event {
        Event::SubscriptionSucceeded { .. } => Some(Notice::Succeeded(name)),
        Event::SubscriptionError { .. } => Some(Notice::Failed(name)),
        Event::ContinuityLost { .. } => Some(Notice::Gap(name)),
        Event::Channel(_) => Some(Notice::Event(name)),
        Event::MemberAdded { .. } => Some(Notice::Other(true)),
        Event::MemberRemoved { .. } => Some(Notice::Other(false)),
        other => panic!("{other:?}"),
    }
}

fn json(text: &(impl AsRef<str> + ?Sized)) -> Value {
    serde_json::from_str(text.as_ref()).expect("what is sent is JSON")
}

const TARGET: &str = "/app/app-key?protocol=7";
const OTHER: ConnectionId = ConnectionId::new(u64::MAX);
/// So short that no walk comes near a ping.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_millis(1);
/// Longer than any walk.
const NEVER: Duration = Duration::from_secs(1_000_000);
