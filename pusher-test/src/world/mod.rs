//! Clients and a model server in one loop, in virtual time, without sockets and threads; links have latency and can
//! break.
//!
//! [`World::run`] passes time. Everything that happens at the same moment happens in a fixed order, so two runs with
//! the same seed are identical.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use pusher_proto::server::{self, ConnectionId, Server, ServerConfig};
use pusher_proto::{
    Action, AuthError, AuthId, AuthResponse, Client, CloseFrame, CloseReason, Config, Event, Frame, Instant,
    SocketEpoch, Text, TransportError,
};

pub use crate::network::{Authority, Excess, Gate, Limit, Lost};
use crate::network::{Fate, Link, Side};

/// Identifies a client of a [`World`], in the order in which they were added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Who(pub usize);

/// A server, its clients, and everything in transit between them.
pub struct World {
    server: Server,
    gate: Gate,
    now: Instant,
    latency: Duration,
    ends: Vec<End>,
    links: BTreeMap<ConnectionId, Link>,
    under_way: BTreeMap<(Instant, u64), Delivery>,
    deliveries: u64,
    opened: u64,
}

/// One client and what surrounds it.
struct End {
    client: Client,
    authority: Authority,
    link: Option<ConnectionId>,
    has_network: bool,
    heard: VecDeque<(Instant, Event)>,
    sent: VecDeque<Text>,
}

/// Something that arrives.
#[derive(Debug)]
enum Delivery {
    Request(ConnectionId, Text),
    Message(ConnectionId, Side, Frame),
    End(ConnectionId, Side, CloseReason),
    NoRoute(Who, SocketEpoch),
    Auth(Who, AuthId, Result<AuthResponse, AuthError>),
}

impl World {
    /// Starts a server. What is sent takes `latency` to arrive.
    #[must_use]
    pub fn new(config: ServerConfig, latency: Duration, seed: u64) -> Self {
        Self {
            server: Server::new(config, seed),
            gate: Gate::default(),
            now: Instant::ZERO,
            latency,
            ends: Vec::new(),
            links: BTreeMap::new(),
            under_way: BTreeMap::new(),
            deliveries: 0,
            opened: 0,
        }
    }

    /// Adds a client that does nothing yet, and its auth server.
    pub fn add(&mut self, config: Config, authority: Authority) -> Who {
        let who = Who(self.ends.len());
        self.ends.push(End {
            client: Client::new(config, who.0 as u64),
            authority,
            link: None,
            has_network: true,
            heard: VecDeque::new(),
            sent: VecDeque::new(),
        });
        who
    }

    /// Returns a client, to call its methods.
    pub fn client(&mut self, who: Who) -> &mut Client {
        &mut self.ends[who.0].client
    }

    /// Returns the server. The actions that follow from a manual change are performed in [`World::run`].
    pub fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    /// Returns the gate in front of the server.
    pub fn gate(&mut self) -> &mut Gate {
        &mut self.gate
    }

    /// Returns the auth server of a client.
    pub fn authority(&mut self, who: Who) -> &mut Authority {
        &mut self.ends[who.0].authority
    }

    /// Returns the events that a client's application received since the last call, with their times.
    pub fn heard(&mut self, who: Who) -> impl Iterator<Item = (Instant, Event)> {
        self.ends[who.0].heard.drain(..)
    }

    /// Returns what a client sent to the server since the last call.
    pub fn sent(&mut self, who: Who) -> impl Iterator<Item = Text> {
        self.ends[who.0].sent.drain(..)
    }

    /// Returns the server's id of a client's socket.
    #[must_use]
    pub fn connection(&self, who: Who) -> Option<ConnectionId> {
        self.ends[who.0].link
    }

    /// Returns the time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.now
    }

    /// Breaks a client's socket: both sides see that it ended without a close frame.
    pub fn cut(&mut self, who: Who) {
        let Some(id) = self.ends[who.0].link.take() else { return };
        self.post(Delivery::End(id, Side::Client, CloseReason::Dropped));
        self.post(Delivery::End(id, Side::Server, CloseReason::Dropped));
    }

    /// The server closes a client's socket with this frame.
    pub fn close(&mut self, who: Who, frame: CloseFrame) {
        let Some(id) = self.ends[who.0].link else { return };
        self.end_by_server(id, CloseReason::Closed(Some(frame)));
        self.server.handle_close(id, self.now);
    }

    /// While dead, a client's socket transfers nothing in either direction, and neither side notices.
    pub fn set_dead(&mut self, who: Who, dead: bool) {
        if let Some(link) = self.ends[who.0].link.and_then(|id| self.links.get_mut(&id)) {
            link.is_dead = dead;
        }
    }

    /// While without network, a client cannot open sockets; open sockets continue to work.
    pub fn set_network(&mut self, who: Who, has_network: bool) {
        self.ends[who.0].has_network = has_network;
    }

    /// Sends a frame that no client would send, on a client's socket.
    pub fn say(&mut self, who: Who, frame: Frame) {
        if let Some(id) = self.ends[who.0].link {
            self.post(Delivery::Message(id, Side::Server, frame));
        }
    }

    /// Passes time.
    ///
    /// # Panics
    ///
    /// If the client or the server asks for a deadline that has already passed.
    pub fn run(&mut self, time: Duration) {
        let end = self.now + time;
        self.drain();
        while let Some(at) = self.next().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.step();
        }
        self.now = end;
    }

    fn next(&self) -> Option<Instant> {
        let deliveries = self.under_way.keys().next().map(|(at, _)| *at);
        let clients = self.ends.iter().filter_map(|end| end.client.poll_timeout());
        clients.chain(deliveries).chain(self.server.poll_timeout()).min()
    }

    /// Does what is due: first what has arrived, then the clients' deadlines, then the server's.
    fn step(&mut self) {
        let now = self.now;
        while let Some(entry) = self.under_way.first_entry().filter(|entry| entry.key().0 <= now) {
            let delivery = entry.remove();
            self.deliver(delivery);
            self.drain();
        }
        for end in &mut self.ends {
            if end.client.poll_timeout().is_some_and(|at| at <= now) {
                end.client.handle_timeout(now);
            }
        }
        if self.server.poll_timeout().is_some_and(|at| at <= now) {
            self.server.handle_timeout(now);
        }
        self.drain();
        for deadline in self.ends.iter().filter_map(|end| end.client.poll_timeout()).chain(self.server.poll_timeout()) {
            assert!(deadline > now, "a deadline does not advance");
        }
    }

    fn deliver(&mut self, delivery: Delivery) {
        let now = self.now;
        match delivery {
            Delivery::Request(id, target) => {
                let Some(link) = self.links.get(&id) else { return };
                self.ends[link.who.0].client.handle_open(link.epoch, now);
                self.server.handle_open(id, &target, now);
            }
            Delivery::Message(id, side, frame) => {
                let Some(link) = self.links.get(&id).filter(|link| !link.is_dead && link.is_open(side)) else { return };
                let (who, epoch) = (link.who, link.epoch);
                match side {
                    Side::Server => self.reach_server(id, frame),
                    Side::Client if self.gate.keeps(&frame) => {}
                    Side::Client => {
                        if frame == Frame::Ping {
                            // A WebSocket library does this.
                            self.post(Delivery::Message(id, Side::Server, Frame::Pong));
                        }
                        self.ends[who.0].client.handle_frame(epoch, frame, now);
                    }
                }
            }
            Delivery::End(id, side, reason) => self.end(id, side, reason),
            Delivery::NoRoute(who, epoch) => {
                let reason = CloseReason::Failed(TransportError::Io("no route to host".into()));
                self.ends[who.0].client.handle_close(epoch, reason, now);
            }
            Delivery::Auth(who, id, answer) => self.ends[who.0].client.handle_auth(id, answer, now),
        }
    }

    fn reach_server(&mut self, id: ConnectionId, frame: Frame) {
        match self.gate.meet(id, &frame, self.now) {
            Fate::Passes => self.server.handle_frame(id, frame, self.now),
            Fate::IsLost => {}
            Fate::Answered(text) => self.post(Delivery::Message(id, Side::Client, Frame::Text(text))),
            Fate::Ends(reason) => {
                self.end_by_server(id, reason);
                self.server.handle_close(id, self.now);
            }
        }
    }

    fn end(&mut self, id: ConnectionId, side: Side, reason: CloseReason) {
        let Some(link) = self.links.get_mut(&id).filter(|link| !link.is_dead) else { return };
        if !link.close(side) {
            return;
        }
        let (who, epoch) = (link.who, link.epoch);
        match side {
            Side::Server => self.server.handle_close(id, self.now),
            Side::Client => {
                let end = &mut self.ends[who.0];
                end.link = end.link.filter(|current| *current != id);
                end.client.handle_close(epoch, reason, self.now);
            }
        }
        if self.links.get(&id).is_some_and(Link::is_over) {
            self.links.remove(&id);
        }
    }

    fn post(&mut self, delivery: Delivery) {
        self.deliveries += 1;
        self.under_way.insert((self.now + self.latency, self.deliveries), delivery);
    }

    fn drain(&mut self) {
        for who in (0..self.ends.len()).map(Who) {
            while let Some(action) = self.ends[who.0].client.poll_action(self.now) {
                self.act(who, action);
            }
        }
        while let Some(action) = self.server.poll_action(self.now) {
            self.act_for_server(action);
        }
    }

    fn act(&mut self, who: Who, action: Action) {
        let end = &mut self.ends[who.0];
        match action {
            Action::Connect(epoch, request) if end.has_network => {
                self.opened += 1;
                let id = ConnectionId::new(self.opened);
                end.link = Some(id);
                self.links.insert(id, Link::new(who, epoch));
                self.post(Delivery::Request(id, request.target.as_str().into()));
            }
            Action::Connect(epoch, _) => self.post(Delivery::NoRoute(who, epoch)),
            Action::Send(_, text) => {
                end.sent.push_back(text.clone());
                if let Some(id) = end.link {
                    self.post(Delivery::Message(id, Side::Server, Frame::Text(text)));
                }
            }
            Action::Close(_, frame) => {
                if let Some(id) = end.link.take() {
                    if let Some(link) = self.links.get_mut(&id) {
                        link.close(Side::Client);
                    }
                    self.post(Delivery::End(id, Side::Server, CloseReason::Closed(Some(frame))));
                }
            }
            Action::RequestAuth(request) => {
                let id = request.id;
                if let Some(answer) = end.authority.answer(&request, self.now) {
                    self.post(Delivery::Auth(who, id, answer));
                }
            }
            Action::Emit(event) => end.heard.push_back((self.now, event)),
            Action::CancelAuth(_) | Action::Schedule(_) => {}
        }
    }

    fn act_for_server(&mut self, action: server::Action) {
        match action {
            server::Action::Send(id, text) => self.post(Delivery::Message(id, Side::Client, Frame::Text(text))),
            server::Action::Ping(id) => self.post(Delivery::Message(id, Side::Client, Frame::Ping)),
            server::Action::Close(id, frame) => self.end_by_server(id, CloseReason::Closed(Some(frame))),
            server::Action::Drop(id) => self.end_by_server(id, CloseReason::Dropped),
            server::Action::Schedule(_) => {}
        }
    }

    fn end_by_server(&mut self, id: ConnectionId, reason: CloseReason) {
        if let Some(link) = self.links.get_mut(&id) {
            link.close(Side::Server);
        }
        self.post(Delivery::End(id, Side::Client, reason));
    }
}
