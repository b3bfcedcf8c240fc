//! A session, its streams, a server, and the time.

use std::collections::BTreeMap;
use std::time::Duration;

use pusher_proto::server::{self, ConnectionId, Publication, Server, ServerConfig};
use pusher_proto::signing::App;
use pusher_proto::{
    AuthResponse, ChannelName, CloseReason, Config, ConfigBuilder, Endpoint, Event, Frame, Instant, SocketEpoch,
    with_causes,
};
use pusher_session::{Action, Session};
use tungstenite::Message;

use crate::pipe::{Heard, Line};

pub(crate) struct Stage {
    pub(crate) session: Session,
    pub(crate) server: Server,
    pub(crate) now: Instant,
    pub(crate) lines: BTreeMap<SocketEpoch, Line>,
    ids: BTreeMap<SocketEpoch, ConnectionId>,
    /// Everything that the session wanted done, in order.
    pub(crate) actions: Vec<Action>,
    /// How the next stream fails, or what a server answers on it in place of an upgrade.
    pub(crate) next_stream: Next,
    /// At most so many bytes are read at a time.
    pub(crate) read_len: usize,
    /// Place in what the client receives at which a read ends in any case.
    pub(crate) cut_at: usize,
    pub(crate) bytes_read: usize,
    /// Draws how many bytes are read and written at a time.
    pub(crate) cuts: Option<Random>,
    /// Whether bytes get through.
    pub(crate) is_cut: bool,
    /// Codes of the close frames that came from the client.
    pub(crate) closes: Vec<Option<u16>>,
    /// Messages that came from the client.
    pub(crate) heard: Vec<String>,
    app: App,
}

pub(crate) enum Next {
    Opens,
    Fails(CloseReason),
    Answers(&'static [u8]),
}

pub(crate) fn config() -> ConfigBuilder {
    Config::builder("key", Endpoint::host("example.com").tls(false)).max_frame_len(32 * 1_024)
}

impl Stage {
    pub(crate) fn new() -> Self {
        Self::with(config())
    }

    pub(crate) fn with(config: ConfigBuilder) -> Self {
        let app = App::new("1", "key", "secret").unwrap();
        Self {
            session: Session::new(config.build().unwrap(), [7; 32]),
            server: Server::new(ServerConfig::new(app.clone()), 1),
            now: Instant::ZERO,
            lines: BTreeMap::new(),
            ids: BTreeMap::new(),
            actions: Vec::new(),
            next_stream: Next::Opens,
            read_len: usize::MAX,
            cut_at: usize::MAX,
            bytes_read: 0,
            cuts: None,
            is_cut: false,
            closes: Vec::new(),
            heard: Vec::new(),
            app,
        }
    }

    /// A session that is connected and subscribed to `news`.
    pub(crate) fn connected() -> Self {
        let mut stage = Self::new();
        stage.session.connect();
        stage.session.subscribe(channel("news"));
        stage.settle();
        assert!(stage.session.client().state().is_connected());
        stage.actions.clear();
        stage
    }

    /// Lets everybody do what there is to do now.
    pub(crate) fn settle(&mut self) {
        loop {
            self.drain();
            let has_written = self.write();
            let has_heard = self.serve();
            let has_read = self.read();
            // Several reads, and the end of a stream, may come before the session is asked what to do.
            while self.cuts.as_mut().is_some_and(|cuts| cuts.below(2) == 0) && self.read() {}
            if !has_written && !has_heard && !has_read {
                return;
            }
        }
    }

    /// Lets time pass, with a stop at every deadline.
    pub(crate) fn advance(&mut self, time: Duration) {
        let end = self.now + time;
        loop {
            self.settle();
            let deadlines = [self.session.poll_timeout(), self.server.poll_timeout()];
            let next = deadlines.into_iter().flatten().min().filter(|at| *at <= end);
            let Some(at) = next else { break };
            self.now = self.now.max(at);
            if self.server.poll_timeout().is_some_and(|at| at <= self.now) {
                self.server.handle_timeout(self.now);
            }
        }
        self.now = end;
        self.settle();
    }

    /// The program stops when the session has written, and continues after a time in which the server's answer arrives.
    pub(crate) fn sleep(&mut self, time: Duration) {
        self.drain();
        while self.write() {}
        while self.serve() {}
        self.now = self.now + time;
        while self.read() {}
        self.settle();
    }

    pub(crate) fn publish(&mut self, to: &str, data: &str) {
        self.server.trigger(&Publication::new("published", [channel(to)], data), self.now).unwrap();
        self.settle();
    }

    /// The stream that was opened last.
    pub(crate) fn line(&mut self) -> &mut Line {
        self.lines.values_mut().next_back().expect("a stream is open")
    }

    pub(crate) fn socket(&self) -> SocketEpoch {
        *self.lines.keys().next_back().expect("a stream is open")
    }

    /// Names of the events so far, without changes of the state and counts.
    pub(crate) fn events(&self) -> Vec<&str> {
        let events = self.actions.iter().filter_map(|action| match action {
            Action::Emit(Event::StateChanged { .. } | Event::SubscriptionCount { .. }) => None,
            Action::Emit(event) => Some(event.name()),
            _ => None,
        });
        events.collect()
    }

    /// Text of the last failure that the session reported.
    pub(crate) fn last_error(&self) -> String {
        let errors = self.actions.iter().rev().filter_map(|action| match action {
            Action::Emit(Event::ConnectionError(error)) => Some(with_causes(&error).to_string()),
            _ => None,
        });
        errors.into_iter().next().unwrap_or_default()
    }

    fn drain(&mut self) {
        while let Some(action) = self.session.poll_action(self.now) {
            match &action {
                Action::Connect(socket, _) => match std::mem::replace(&mut self.next_stream, Next::Opens) {
                    Next::Opens => drop(self.lines.insert(*socket, Line::new(None))),
                    Next::Answers(bytes) => drop(self.lines.insert(*socket, Line::new(Some(bytes)))),
                    Next::Fails(reason) => self.session.handle_end(*socket, reason),
                },
                Action::Close(socket) => {
                    self.lines.remove(socket);
                    if let Some(id) = self.ids.remove(socket) {
                        self.server.handle_close(id, self.now);
                    }
                }
                Action::RequestAuth(request) => {
                    let channel = request.subject.channel().unwrap();
                    let answer = self.app.authorize_channel(&request.socket_id, channel).unwrap();
                    let answer = AuthResponse::from_http(200, answer.to_json().as_bytes(), None);
                    self.session.handle_auth(request.id, answer, self.now);
                }
                Action::CancelAuth(_) | Action::Emit(_) => {}
            }
            self.actions.push(action);
        }
    }

    fn write(&mut self) -> bool {
        let mut has_written = false;
        for (socket, line) in &self.lines {
            let output = self.session.poll_output(*socket);
            let len = self.cuts.as_mut().map_or(usize::MAX, Random::len).min(output.len());
            if len > 0 && !self.is_cut {
                line.pipe.give_server(&output[..len]);
                self.session.handle_written(*socket, len);
                has_written = true;
            }
        }
        has_written
    }

    fn serve(&mut self) -> bool {
        let mut has_heard = false;
        for (socket, line) in &mut self.lines {
            while let Some(heard) = line.hear() {
                has_heard = true;
                let next_id = ConnectionId::new(self.ids.len() as u64 + self.actions.len() as u64);
                let id = *self.ids.entry(*socket).or_insert(next_id);
                match heard {
                    Heard::Opened(target) => self.server.handle_open(id, &target, self.now),
                    Heard::Text(text) => {
                        self.heard.push(text.clone());
                        self.server.handle_frame(id, Frame::Text(text.into()), self.now);
                    }
                    Heard::Control => self.server.handle_frame(id, Frame::Ping, self.now),
                    Heard::Closed(code) => {
                        self.closes.push(code);
                        self.server.handle_close(id, self.now);
                    }
                }
            }
        }
        while let Some(action) = self.server.poll_action(self.now) {
            has_heard = true;
            let of = |id| self.ids.iter().find(|(_, other)| **other == id).map(|(socket, _)| *socket);
            match action {
                server::Action::Send(id, text) => {
                    if let Some(line) = of(id).and_then(|socket| self.lines.get_mut(&socket)) {
                        line.send(Message::text(text.as_str()));
                    }
                }
                server::Action::Close(id, frame) => {
                    if let Some(line) = of(id).and_then(|socket| self.lines.get_mut(&socket)) {
                        line.close(frame.code, &frame.reason);
                    }
                }
                server::Action::Drop(_) | server::Action::Ping(_) | server::Action::Schedule(_) => {}
            }
        }
        has_heard
    }

    fn read(&mut self) -> bool {
        let mut has_read = false;
        for (socket, line) in &mut self.lines {
            if self.is_cut {
                continue;
            }
            let to_cut = self.cut_at.checked_sub(self.bytes_read).filter(|len| *len > 0).unwrap_or(usize::MAX);
            let drawn = self.cuts.as_mut().map_or(usize::MAX, Random::len);
            let room = self.session.read_buffer(*socket);
            let bytes = line.pipe.take_client(self.read_len.min(to_cut).min(drawn).min(room.len()));
            if !bytes.is_empty() {
                room[..bytes.len()].copy_from_slice(&bytes);
                self.session.handle_read(*socket, bytes.len());
                self.bytes_read += bytes.len();
                has_read = true;
            } else if std::mem::take(&mut line.is_ended) {
                self.session.handle_end(*socket, CloseReason::Dropped);
                has_read = true;
            }
        }
        has_read
    }
}

/// A linear congruential generator: any irregular order will do.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    /// A number of bytes, often a small one.
    fn len(&mut self) -> usize {
        let most = [1, 8, 100, 10_000][self.below(4)];
        1 + self.below(most)
    }
}

pub(crate) fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).unwrap()
}
