//! A model server, the sockets of its clients, and everything under way between them.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use pusher_proto::server::{self, ConnectionId, Server, ServerConfig};
use pusher_proto::{AuthRequest, CloseFrame, CloseReason, Frame, Instant, Text};

use super::authority::Authority;
use super::busy::{Fate, Gate};
use super::delivery::{Arrival, Delivery, Who};
use super::fault::{Conditions, Fault, Side};
use super::link::Link;

/// Everything outside of the clients.
///
/// The owner passes on what clients do, and passes time: it takes what is due with [`next_due`](Self::next_due), passes
/// it to [`deliver`](Self::deliver), and calls [`settle`](Self::settle) after each change.
#[derive(Debug)]
pub(crate) struct Model {
    server: Server,
    gate: Gate,
    now: Instant,
    usual: Duration,
    /// The conditions of clients that are added later.
    conditions: Conditions,
    ends: Vec<End>,
    links: BTreeMap<ConnectionId, Link>,
    under_way: BTreeMap<(Instant, u64), Delivery>,
    deliveries: u64,
    opened: u64,
}

/// What surrounds one client.
#[derive(Debug)]
struct End {
    authority: Authority,
    conditions: Conditions,
    link: Option<ConnectionId>,
}

impl Model {
    pub(crate) fn new(config: ServerConfig, latency: Duration, seed: u64) -> Self {
        Self {
            server: Server::new(config, seed),
            gate: Gate::default(),
            now: Instant::ZERO,
            usual: latency,
            conditions: Conditions::new(latency),
            ends: Vec::new(),
            links: BTreeMap::new(),
            under_way: BTreeMap::new(),
            deliveries: 0,
            opened: 0,
        }
    }

    /// Adds a client and its auth server.
    pub(crate) fn add(&mut self, authority: Authority) -> Who {
        let who = Who(self.ends.len());
        self.ends.push(End { authority, conditions: self.conditions.clone(), link: None });
        who
    }

    pub(crate) const fn now(&self) -> Instant {
        self.now
    }

    pub(crate) const fn server(&mut self) -> &mut Server {
        &mut self.server
    }

    pub(crate) const fn gate(&mut self) -> &mut Gate {
        &mut self.gate
    }

    pub(crate) fn authority(&mut self, who: Who) -> &mut Authority {
        &mut self.ends[who.0].authority
    }

    #[cfg(feature = "simulation")]
    pub(crate) fn conditions(&mut self, who: Who) -> &mut Conditions {
        &mut self.ends[who.0].conditions
    }

    /// The socket of a client.
    pub(crate) fn link(&self, who: Who) -> Option<ConnectionId> {
        self.ends[who.0].link
    }

    /// A client opens a socket.
    pub(crate) fn open(&mut self, who: Who, target: Text) -> ConnectionId {
        self.opened += 1;
        let id = ConnectionId::new(self.opened);
        let end = &mut self.ends[who.0];
        if let Some(reason) = end.conditions.obstacle() {
            let at = self.now + end.conditions.latency;
            self.post(at, Delivery::Failure(id, reason));
        } else {
            end.link = Some(id);
            self.links.insert(id, Link::new(who, self.now));
            self.post_on(id, Side::Server, Delivery::Request(id, target));
        }
        id
    }

    /// A client sends a message, if the socket is the one that it has.
    pub(crate) fn send(&mut self, id: ConnectionId, frame: Frame) {
        if self.is_current(id) {
            self.post_on(id, Side::Server, Delivery::Message(id, Side::Server, frame));
        }
    }

    /// A client closes a socket, or loses it.
    pub(crate) fn close(&mut self, id: ConnectionId, reason: CloseReason) {
        let is_current = self.is_current(id);
        let Some(link) = self.links.get_mut(&id) else { return };
        link.close(Side::Client);
        if is_current {
            self.ends[link.who.0].link = None;
            self.post_on(id, Side::Server, Delivery::End(id, Side::Server, reason));
        }
        self.forget_if_over(id);
    }

    /// A client asks its auth server, whose answer arrives as [`Arrival::Auth`].
    pub(crate) fn ask(&mut self, who: Who, request: &AuthRequest) {
        let end = &mut self.ends[who.0];
        let Some((delay, answer)) = end.authority.answer(request, self.now) else { return };
        let at = self.now + end.conditions.latency + delay;
        self.post(at, Delivery::Auth(who, request.id, answer));
    }

    pub(crate) fn fault(&mut self, who: Who, fault: &Fault) {
        self.ends[who.0].conditions.apply(fault);
        match fault {
            Fault::Cut => self.cut(who),
            Fault::HalfOpen(side) => self.lose_side(who, *side),
            Fault::Dead => self.kill(who),
            Fault::Close(frame) => self.close_by_server(who, frame.clone()),
            Fault::Latency(_)
            | Fault::Lose(..)
            | Fault::Trickle { .. }
            | Fault::Silence
            | Fault::Unreachable
            | Fault::RefuseUpgrade { .. } => {}
        }
    }

    /// All clients have this fault; if it lasts, later clients too.
    #[cfg(feature = "simulation")]
    pub(crate) fn fault_all(&mut self, fault: &Fault) {
        self.conditions.apply(fault);
        (0..self.ends.len()).for_each(|who| self.fault(Who(who), fault));
    }

    /// Ends the faults that last.
    pub(crate) fn heal(&mut self, who: Who) {
        let end = &mut self.ends[who.0];
        end.conditions = Conditions::new(self.usual);
        let held: Vec<(ConnectionId, Delivery)> = self
            .links
            .iter_mut()
            .filter(|(_, link)| link.who == who)
            .flat_map(|(id, link)| link.held.drain(..).map(|delivery| (*id, delivery)))
            .collect();
        for (id, delivery) in held {
            self.post_on(id, Side::Client, delivery);
        }
    }

    /// Ends the faults of all clients that last.
    #[cfg(feature = "simulation")]
    pub(crate) fn heal_all(&mut self) {
        self.conditions = Conditions::new(self.usual);
        (0..self.ends.len()).for_each(|who| self.heal(Who(who)));
    }

    fn cut(&mut self, who: Who) {
        let Some(id) = self.ends[who.0].link.take() else { return };
        self.reset(id, Side::Client);
        self.reset(id, Side::Server);
    }

    fn close_by_server(&mut self, who: Who, frame: CloseFrame) {
        let Some(id) = self.ends[who.0].link else { return };
        self.end_by_server(id, CloseReason::Closed(Some(frame)));
    }

    fn kill(&mut self, who: Who) {
        if let Some(link) = self.ends[who.0].link.and_then(|id| self.links.get_mut(&id)) {
            link.is_dead = true;
        }
    }

    fn lose_side(&mut self, who: Who, side: Side) {
        match side {
            Side::Client => {
                let Some(id) = self.ends[who.0].link.take() else { return };
                self.reset(id, Side::Client);
            }
            Side::Server => {
                let Some(id) = self.ends[who.0].link else { return };
                self.lose_on_server(id);
            }
        }
    }

    fn is_current(&self, id: ConnectionId) -> bool {
        self.links.get(&id).is_some_and(|link| self.ends[link.who.0].link == Some(id))
    }

    /// Returns when something is due.
    pub(crate) fn next(&self) -> Option<Instant> {
        let delivery = self.under_way.keys().next().map(|(at, _)| *at);
        delivery.into_iter().chain(self.deadline()).min()
    }

    /// Returns the server's next deadline.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.server.poll_timeout()
    }

    /// Time has passed.
    pub(crate) fn advance(&mut self, now: Instant) {
        self.now = self.now.max(now);
    }

    /// Returns the next thing that has arrived.
    pub(crate) fn next_due(&mut self) -> Option<Delivery> {
        let entry = self.under_way.first_entry()?;
        (entry.key().0 <= self.now).then(|| entry.remove())
    }

    /// Returns what this means for a client. What arrives at the server is handled here.
    pub(crate) fn deliver(&mut self, delivery: Delivery) -> Option<Arrival> {
        match delivery {
            Delivery::Request(id, target) => {
                let link = self.links.get(&id).filter(|link| !link.is_dead && link.is_open(Side::Server))?;
                self.server.handle_open(id, &target, self.now);
                link.is_open(Side::Client).then_some(Arrival::Open(id))
            }
            Delivery::Message(id, side, frame) => {
                self.links.get(&id).filter(|link| !link.is_dead && link.is_open(side))?;
                match side {
                    Side::Server => {
                        self.reach_server(id, frame);
                        None
                    }
                    Side::Client if self.gate.keeps(&frame) => None,
                    Side::Client => {
                        if frame == Frame::Ping {
                            // A WebSocket library does this.
                            self.post_on(id, Side::Server, Delivery::Message(id, Side::Server, Frame::Pong));
                        }
                        Some(Arrival::Frame(id, frame))
                    }
                }
            }
            Delivery::Part(id) => {
                let link = self.links.get(&id)?;
                (!link.is_dead && link.is_open(Side::Client)).then_some(Arrival::Part(id))
            }
            Delivery::End(id, side, reason) => {
                self.links.get(&id).filter(|link| !link.is_dead)?;
                self.end(id, side, reason)
            }
            Delivery::Reset(id, side) => self.end(id, side, CloseReason::Dropped),
            Delivery::Failure(id, reason) => Some(Arrival::Closed(id, reason)),
            Delivery::Auth(who, id, answer) => Some(Arrival::Auth(who, id, answer)),
        }
    }

    fn reach_server(&mut self, id: ConnectionId, frame: Frame) {
        match self.gate.meet(id, &frame, self.now) {
            Fate::Passes => self.server.handle_frame(id, frame, self.now),
            Fate::IsLost => {}
            Fate::Answered(text) => self.say(id, Frame::Text(text)),
            Fate::Ends(reason) => self.end_by_server(id, reason),
        }
    }

    fn end(&mut self, id: ConnectionId, side: Side, reason: CloseReason) -> Option<Arrival> {
        let link = self.links.get_mut(&id)?;
        if !link.close(side) {
            return None;
        }
        let who = link.who;
        let arrival = match side {
            Side::Server => {
                if matches!(reason, CloseReason::Closed(_)) {
                    self.close_on_server(id);
                } else {
                    self.lose_on_server(id);
                }
                None
            }
            Side::Client => {
                let end = &mut self.ends[who.0];
                end.link = end.link.filter(|current| *current != id);
                Some(Arrival::Closed(id, reason))
            }
        };
        self.forget_if_over(id);
        arrival
    }

    /// The server's deadlines.
    pub(crate) fn handle_timeout(&mut self) {
        if self.deadline().is_some_and(|at| at <= self.now) {
            self.server.handle_timeout(self.now);
        }
    }

    /// Does what the server wants.
    pub(crate) fn settle(&mut self) {
        while let Some(action) = self.server.poll_action(self.now) {
            match action {
                server::Action::Send(id, text) => self.say(id, Frame::Text(text)),
                server::Action::Ping(id) => self.say(id, Frame::Ping),
                server::Action::Close(id, frame) => self.end_by_server(id, CloseReason::Closed(Some(frame))),
                server::Action::Drop(id) => self.end_by_server(id, CloseReason::Dropped),
                server::Action::Schedule(_) => {}
            }
        }
    }

    /// The server sends a message.
    fn say(&mut self, id: ConnectionId, frame: Frame) {
        if self.links.get(&id).is_some_and(|link| link.is_open(Side::Server)) {
            self.post_on(id, Side::Client, Delivery::Message(id, Side::Client, frame));
        }
    }

    fn end_by_server(&mut self, id: ConnectionId, reason: CloseReason) {
        self.close_on_server(id);
        self.post_on(id, Side::Client, Delivery::End(id, Side::Client, reason));
    }

    /// The server no longer has the connection, which was closed.
    fn close_on_server(&mut self, id: ConnectionId) {
        self.server.handle_close(id, self.now);
        self.forget_on_server(id);
    }

    /// The server no longer has the connection, which has ended without a close frame.
    fn lose_on_server(&mut self, id: ConnectionId) {
        self.server.handle_loss(id, self.now);
        self.forget_on_server(id);
    }

    fn forget_on_server(&mut self, id: ConnectionId) {
        self.gate.forget(id);
        if let Some(link) = self.links.get_mut(&id) {
            link.close(Side::Server);
        }
        self.forget_if_over(id);
    }

    fn forget_if_over(&mut self, id: ConnectionId) {
        if self.links.get(&id).is_some_and(Link::is_over) {
            self.links.remove(&id);
        }
    }

    /// One side sees that its socket has ended, even if the server is silent or the socket is dead.
    fn reset(&mut self, id: ConnectionId, side: Side) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let at = link.arrives(side, self.now + self.ends[link.who.0].conditions.latency);
        self.post(at, Delivery::Reset(id, side));
    }

    /// More is held than a silent server can hold: the connection is reset.
    fn overflow(&mut self, id: ConnectionId) {
        if let Some(link) = self.links.get_mut(&id) {
            link.held = VecDeque::new();
        }
        self.lose_on_server(id);
        self.reset(id, Side::Client);
    }

    /// Sends something on a socket.
    fn post_on(&mut self, id: ConnectionId, side: Side, delivery: Delivery) {
        let Some(link) = self.links.get_mut(&id) else { return };
        let conditions = &mut self.ends[link.who.0].conditions;
        let is_message = matches!(delivery, Delivery::Message(..));
        if is_message && conditions.loses(side) {
            return;
        }
        if side == Side::Client && conditions.is_silent {
            if link.held.len() < MAX_HELD {
                link.held.push_back(delivery);
            } else {
                self.overflow(id);
            }
            return;
        }
        let first = link.arrives(side, self.now + conditions.latency);
        let (parts, every) = if is_message && side == Side::Client { conditions.parts() } else { (0, Duration::ZERO) };
        let last = link.arrives(side, first + every * parts);
        for part in 0..parts {
            self.post(first + every * part, Delivery::Part(id));
        }
        self.post(last, delivery);
    }

    fn post(&mut self, at: Instant, delivery: Delivery) {
        self.deliveries += 1;
        self.under_way.insert((at, self.deliveries), delivery);
    }
}

/// Messages that a silent server holds for one socket.
const MAX_HELD: usize = 65_536;

#[cfg(test)]
mod tests;
