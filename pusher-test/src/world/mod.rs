//! Clients and a model server in one loop, in virtual time, without sockets and threads; links have latency and can
//! break.
//!
//! [`World::run`] passes time. Everything that happens at the same moment happens in a fixed order, so two runs with
//! the same seed are identical.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::time::Duration;

use pusher_proto::server::{ConnectionId, Server, ServerConfig};
use pusher_proto::{Action, Client, CloseReason, Config, Event, Frame, Instant, SocketEpoch, Text};

use crate::network::{Arrival, Authority, Fault, Gate, Model, Record, Who};

/// A server, its clients, and everything in transit between them.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use pusher_test::network::{Authority, Fault};
/// use pusher_test::pusher_proto::server::ServerConfig;
/// use pusher_test::pusher_proto::signing::App;
/// use pusher_test::pusher_proto::{ChannelName, Config};
/// use pusher_test::world::World;
///
/// let app = App::new("1", "app-key", "app-secret")?;
/// let mut world = World::new(ServerConfig::new(app.clone()), Duration::from_millis(20), 7);
/// let alice = world.add(Config::new("app-key", "ws://localhost")?, Authority::new(app, "alice"));
/// world.client(alice).connect();
/// world.client(alice).subscribe(ChannelName::new("private-chat")?);
///
/// world.authority(alice).delay = Duration::from_secs(3);
/// world.run(Duration::from_secs(3));
/// assert!(!world.heard(alice).any(|(_, event)| event.name() == "pusher:subscription_succeeded"));
/// world.run(Duration::from_secs(1));
/// assert!(world.heard(alice).any(|(_, event)| event.name() == "pusher:subscription_succeeded"));
///
/// world.fault(alice, Fault::Cut);
/// world.run(Duration::from_secs(60));
/// assert!(world.heard(alice).any(|(_, event)| event.is_gap()));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct World {
    model: Model,
    ends: Vec<End>,
    /// The sockets that clients have opened and that have not ended.
    sockets: BTreeMap<ConnectionId, (Who, SocketEpoch)>,
}

/// One client, and what its application received.
struct End {
    client: Client,
    heard: Record<(Instant, Event)>,
    sent: Record<Text>,
}

impl World {
    /// Starts a server. What is sent takes `latency` to arrive.
    #[must_use]
    pub fn new(config: ServerConfig, latency: Duration, seed: u64) -> Self {
        Self { model: Model::new(config, latency, seed), ends: Vec::new(), sockets: BTreeMap::new() }
    }

    /// Adds a client that does nothing yet, and its auth server.
    pub fn add(&mut self, config: Config, authority: Authority) -> Who {
        let who = self.model.add(authority);
        let client = Client::new(config, who.0 as u64);
        self.ends.push(End { client, heard: Record::new(), sent: Record::new() });
        who
    }

    /// Returns a client, to call its methods.
    pub fn client(&mut self, who: Who) -> &mut Client {
        &mut self.ends[who.0].client
    }

    /// Returns the server. The actions that follow from a manual change are performed in [`World::run`].
    pub fn server(&mut self) -> &mut Server {
        self.model.server()
    }

    /// Returns the gate in front of the server.
    pub fn gate(&mut self) -> &mut Gate {
        self.model.gate()
    }

    /// Returns the auth server of a client.
    pub fn authority(&mut self, who: Who) -> &mut Authority {
        self.model.authority(who)
    }

    /// Returns the events that a client's application received since the last call, with their times; the last
    /// 65,536 at most.
    pub fn heard(&mut self, who: Who) -> impl Iterator<Item = (Instant, Event)> {
        self.ends[who.0].heard.take()
    }

    /// Returns what a client sent to the server since the last call; the last 65,536 messages at most.
    pub fn sent(&mut self, who: Who) -> impl Iterator<Item = Text> {
        self.ends[who.0].sent.take()
    }

    /// Returns the server's id of a client's socket.
    #[must_use]
    pub fn connection(&self, who: Who) -> Option<ConnectionId> {
        self.model.link(who)
    }

    /// Returns the time.
    #[must_use]
    pub fn now(&self) -> Instant {
        self.model.now()
    }

    /// Causes a fault of a client's network. See the example of [`Fault`].
    pub fn fault(&mut self, who: Who, fault: impl Borrow<Fault>) {
        self.model.fault(who, fault.borrow());
    }

    /// Ends the faults of a client's network that last. Dead sockets remain dead.
    pub fn heal(&mut self, who: Who) {
        self.model.heal(who);
    }

    /// Sends a frame that no client would send, on a client's socket.
    pub fn say(&mut self, who: Who, frame: Frame) {
        if let Some(id) = self.connection(who) {
            self.model.send(id, frame);
        }
    }

    /// Passes time.
    ///
    /// # Panics
    ///
    /// If the client or the server asks for a deadline that has already passed.
    pub fn run(&mut self, time: Duration) {
        let end = self.now() + time;
        self.drain();
        while let Some(at) = self.next().filter(|at| *at <= end) {
            self.model.advance(at);
            self.step();
        }
        self.model.advance(end);
    }

    fn next(&self) -> Option<Instant> {
        self.deadlines().chain(self.model.next()).min()
    }

    fn deadlines(&self) -> impl Iterator<Item = Instant> {
        self.ends.iter().filter_map(|end| end.client.poll_timeout()).chain(self.model.deadline())
    }

    /// Does what is due: first what has arrived, then the clients' deadlines, then the server's.
    fn step(&mut self) {
        let now = self.now();
        while let Some(delivery) = self.model.next_due() {
            if let Some(arrival) = self.model.deliver(delivery) {
                self.arrive(arrival);
            }
            self.drain();
        }
        for end in &mut self.ends {
            if end.client.poll_timeout().is_some_and(|at| at <= now) {
                end.client.handle_timeout(now);
            }
        }
        self.model.handle_timeout();
        self.drain();
        assert!(self.deadlines().all(|at| at > now), "a deadline does not advance");
    }

    fn arrive(&mut self, arrival: Arrival) {
        let now = self.now();
        let socket = |id: ConnectionId| self.sockets.get(&id).copied();
        match arrival {
            Arrival::Open(id) => {
                let Some((who, epoch)) = socket(id) else { return };
                self.client(who).handle_open(epoch, now);
            }
            Arrival::Frame(id, frame) => {
                let Some((who, epoch)) = socket(id) else { return };
                self.client(who).handle_frame(epoch, frame, now);
            }
            Arrival::Part(id) => {
                let Some((who, epoch)) = socket(id) else { return };
                self.client(who).handle_part(epoch, now);
            }
            Arrival::Closed(id, reason) => {
                let Some((who, epoch)) = self.sockets.remove(&id) else { return };
                self.client(who).handle_close(epoch, reason, now);
            }
            Arrival::Auth(who, id, answer) => self.client(who).handle_auth(id, answer, now),
        }
    }

    fn drain(&mut self) {
        let now = self.now();
        for who in (0..self.ends.len()).map(Who) {
            while let Some(action) = self.client(who).poll_action(now) {
                self.act(who, action);
            }
        }
        self.model.settle();
    }

    fn act(&mut self, who: Who, action: Action) {
        match action {
            Action::Connect(epoch, request) => {
                let id = self.model.open(who, request.target.as_str().into());
                self.sockets.insert(id, (who, epoch));
            }
            Action::Send(_, text) => {
                self.ends[who.0].sent.push(text.clone());
                self.say(who, Frame::Text(text));
            }
            Action::Close(_, frame) => {
                if let Some(id) = self.connection(who) {
                    self.sockets.remove(&id);
                    self.model.close(id, CloseReason::Closed(Some(frame)));
                }
            }
            Action::RequestAuth(request) => self.model.ask(who, &request),
            Action::Emit(event) => {
                let now = self.now();
                self.ends[who.0].heard.push((now, event));
            }
            Action::CancelAuth(_) | Action::Schedule(_) => {}
        }
    }
}
