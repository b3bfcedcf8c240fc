//! Stories in which the server keeps to the protocol. The core runs against the model server, and everything that it is given
//! becomes a line.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use pusher_proto::server::{self, ConnectionId, Publication, Server, ServerConfig};
use pusher_proto::signing::App;
use pusher_proto::{
    Action, AuthRequest, AuthSubject, ChannelKind, Client, CloseFrame, CloseReason, Frame, SocketEpoch,
};
use serde_json::json;

use super::{Story, Subject, setup, wild};
use crate::Choices;
use crate::generate::{self, app, permission};
use crate::transcript::{Answer, Call, Line, Passing, Player, Received};

pub(crate) fn draw(choices: &mut Choices) -> Story {
    draw_about(&Subject::new(), choices)
}

/// Draws a story about an application's own channels and events.
pub(crate) fn draw_about(subject: &Subject, choices: &mut Choices) -> Story {
    let dialect = generate::dialect(choices);
    draw_with(dialect, subject, |generator| super::steps(choices, |choices| generator.step(choices)))
}

/// Draws a story whose steps `play` chooses.
pub(crate) fn draw_with(dialect: server::Dialect, subject: &Subject, play: impl FnOnce(&mut Generator<'_>)) -> Story {
    let mut core = setup().client();
    let mut generator = Generator {
        player: Player::new(&mut core, &setup()),
        server: Server::new(ServerConfig::new(app()).with_dialect(dialect), 1),
        app: app(),
        subject,
        lines: Vec::new(),
        sockets: BTreeMap::new(),
        current: None,
        requests: VecDeque::new(),
        under_way: VecDeque::new(),
        requested: (0, 0),
        is_other_there: false,
    };
    generator.server.handle_open(OTHER, TARGET, generator.player.now());
    generator.drain();
    play(&mut generator);
    Story { lines: generator.lines }
}

/// A client and the model server.
pub(crate) struct Generator<'a> {
    player: Player<'a, Client>,
    server: Server,
    app: App,
    subject: &'a Subject,
    lines: Vec<Line>,
    /// The number of each socket in the transcript; its connection at the server has the same one.
    sockets: BTreeMap<SocketEpoch, usize>,
    /// The socket that is open.
    current: Option<usize>,
    /// Authorization requests that wait for an answer, with their numbers.
    requests: VecDeque<(usize, AuthRequest)>,
    /// What the server has sent.
    under_way: VecDeque<Received>,
    /// Sockets and authorizations that were requested.
    requested: (usize, usize),
    is_other_there: bool,
}

impl Generator<'_> {
    /// Draws one step. What follows from it mostly happens at once.
    pub(crate) fn step(&mut self, choices: &mut Choices) {
        match choices.below(16) {
            0..=4 => self.say(Line::call(self.possible_wish(choices))),
            5..=7 => self.publish(choices),
            8 | 9 => self.toggle_other(),
            10 => self.say(Line::pass(Duration::from_millis(100 * (1 + choices.below(100) as u64)))),
            11 => self.say(Line::pass(Duration::from_secs(*choices.pick(&[10, 31, 130])))),
            12 => self.say(Line::Pass(Passing::Retry)),
            13 => self.end(CloseReason::Dropped),
            14 => {
                let reason = CloseFrame { code: *choices.pick(&[1001, 4100, 4200, 4201]), reason: "why".into() };
                self.end(CloseReason::Closed(Some(reason)));
            }
            _ => self.answer_one(wild::answer(choices)),
        }
        if !choices.chance(40) {
            self.settle();
        }
    }

    /// A switch to another application would lead to another server.
    fn possible_wish(&self, choices: &mut Choices) -> Call {
        match wild::wish_about(self.subject, choices) {
            Call::Switch(..) => Call::Connect,
            wish => wish,
        }
    }

    /// Everything that was sent arrives, and all requests are granted.
    fn settle(&mut self) {
        for _ in 0..MAX_ROUNDS {
            if let Some(what) = self.under_way.pop_front() {
                self.say(Line::received(what));
            } else if let Some((_, request)) = self.requests.front() {
                let answer = self.permission(request);
                self.answer_one(answer);
            } else {
                return;
            }
        }
    }

    fn permission(&self, request: &AuthRequest) -> Answer {
        let answer = match &request.subject {
            AuthSubject::Token => None,
            AuthSubject::User => self.app.authenticate_user(&request.socket_id, USER_DATA).ok(),
            AuthSubject::Channel(channel) => permission(&self.app, &request.socket_id, channel, MEMBER),
        };
        let Some(answer) = answer else { return Answer::Timeout };
        let mut body = json!({"auth": answer.auth.expose()});
        for (name, value) in [("channel_data", &answer.channel_data), ("user_data", &answer.user_data)] {
            if let Some(value) = value {
                body[name] = value.as_str().into();
            }
        }
        if let Some(secret) = &answer.shared_secret {
            body["shared_secret"] = secret.expose().into();
        }
        Answer::ok(body.to_string())
    }

    /// The oldest authorization request is answered.
    fn answer_one(&mut self, answer: Answer) {
        if let Some((number, _)) = self.requests.pop_front() {
            self.say(Line::call(Call::Auth(number, answer)));
        }
    }

    fn publish(&mut self, choices: &mut Choices) {
        let channel = self.subject.pick_channel(choices);
        let (event, data) = self.subject.pick_event(&channel, choices);
        let publication = Publication::new(event, [channel], data);
        // What the server refuses, it does not send.
        let _ = self.server.trigger(&publication, self.player.now());
        self.drain();
    }

    /// Another user comes to the presence channels, or leaves them.
    fn toggle_other(&mut self) {
        self.is_other_there = !self.is_other_there;
        let now = self.player.now();
        let socket_id = self.server.connections().find(|(id, _)| *id == OTHER).map(|(_, id)| id.clone());
        for name in self.subject.names().iter().filter(|name| name.kind() == ChannelKind::Presence) {
            let message = if self.is_other_there {
                let answer = socket_id.as_ref().and_then(|id| permission(&self.app, id, name, OTHER_MEMBER));
                let auth = answer.as_ref().map_or("", |answer| answer.auth.expose());
                json!({"event": "pusher:subscribe", "data": {"channel": name.as_str(), "auth": auth, "channel_data": OTHER_MEMBER}})
            } else {
                json!({"event": "pusher:unsubscribe", "data": {"channel": name.as_str()}})
            };
            self.server.handle_frame(OTHER, Frame::Text(message.to_string().into()), now);
        }
        self.drain();
    }

    /// The network or the server ends the socket.
    fn end(&mut self, reason: CloseReason) {
        if let Some(number) = self.current {
            self.forget(number);
            self.say(Line::received(Received::Ended(reason)));
        }
    }

    /// The socket with this number is gone, with everything that is under way on it.
    fn forget(&mut self, number: usize) {
        self.current = self.current.filter(|current| *current != number);
        self.under_way.clear();
        self.server.handle_close(ConnectionId::new(number as u64), self.player.now());
        self.drain();
    }

    /// Adds the line to the story, and performs what follows. What cannot be played is left out.
    fn say(&mut self, line: Line) {
        let Ok(outputs) = self.player.give(&line) else { return };
        self.lines.push(line);
        let now = self.player.now();
        for action in outputs.into_iter().filter_map(|output| output.action) {
            match action {
                Action::Connect(socket, request) => {
                    self.requested.0 += 1;
                    let number = self.requested.0;
                    self.sockets.insert(socket, number);
                    self.current = Some(number);
                    self.under_way.push_back(Received::Open);
                    self.server.handle_open(ConnectionId::new(number as u64), request.target.as_str(), now);
                }
                Action::Send(socket, text) => {
                    if let Some(number) = self.sockets.get(&socket) {
                        self.server.handle_frame(ConnectionId::new(*number as u64), Frame::Text(text), now);
                    }
                }
                Action::Close(socket, _) => {
                    if let Some(number) = self.sockets.get(&socket).copied() {
                        self.forget(number);
                    }
                }
                Action::RequestAuth(request) => {
                    self.requested.1 += 1;
                    self.requests.push_back((self.requested.1, request));
                }
                Action::CancelAuth(id) => self.requests.retain(|(_, request)| request.id != id),
                Action::Schedule(_) | Action::Emit(_) => {}
            }
            self.drain();
        }
        if self.server.poll_timeout().is_some_and(|at| at <= now) {
            self.server.handle_timeout(now);
            self.drain();
        }
    }

    fn drain(&mut self) {
        let now = self.player.now();
        while let Some(action) = self.server.poll_action(now) {
            let is_current =
                |id: ConnectionId| self.current.is_some_and(|number| ConnectionId::new(number as u64) == id);
            match action {
                server::Action::Send(id, text) if is_current(id) => {
                    self.under_way.push_back(Received::Text(text.as_str().to_owned()));
                }
                server::Action::Ping(id) if is_current(id) => self.under_way.push_back(Received::Ping),
                server::Action::Close(id, frame) => {
                    if is_current(id) {
                        self.under_way.push_back(Received::Ended(CloseReason::Closed(Some(frame))));
                    }
                    self.server.handle_close(id, now);
                }
                server::Action::Drop(id) => {
                    if is_current(id) {
                        self.under_way.push_back(Received::Ended(CloseReason::Dropped));
                    }
                    self.server.handle_close(id, now);
                }
                server::Action::Send(..) | server::Action::Ping(_) | server::Action::Schedule(_) => {}
            }
        }
    }
}

const TARGET: &str = "/app/KEY?protocol=7&client=js&version=8.4.0";

/// The client is this user, and another one comes and goes.
const MEMBER: &str = r#"{"user_id":"7","user_info":{"name":"ann"}}"#;
const USER_DATA: &str = r#"{"id":"7","user_info":{"name":"ann"}}"#;
const OTHER_MEMBER: &str = r#"{"user_id":"8","user_info":{"name":"bob"}}"#;

const OTHER: ConnectionId = ConnectionId::new(u64::MAX);

/// More than follows from any step.
const MAX_ROUNDS: usize = 200;
