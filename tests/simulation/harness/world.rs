//! Everything in one loop, in virtual time.

use std::time::Duration;

use pusher_proto::{Action, AuthRequest, CloseReason, ConnectRequest, Frame, Instant, SocketEpoch, TransportError};

use super::Choices;
use super::actor::{Actor, Attention};
use super::agenda::{Agenda, Task};
use super::authority::Authority;
use super::frame::ClientEvent;
use super::journal::Journal;
use super::mix::{HOSTS, Mix};
use super::network::{Direction, Link, LinkId, Network, Packet};
use super::site::{Output, Site};

pub(crate) struct World {
    pub(crate) choices: Choices,
    pub(crate) mix: Mix,
    pub(crate) now: Instant,
    pub(crate) actors: Vec<Actor>,
    pub(crate) sites: Vec<Site>,
    pub(crate) network: Network,
    pub(crate) authority: Authority,
    pub(crate) agenda: Agenda,
    pub(crate) journal: Journal,
    /// Whether the faults have ended.
    pub(crate) is_good: bool,
    pub(crate) last_event: u64,
    steps: usize,
    /// Inputs of any kind.
    pub(crate) inputs: u64,
}

impl World {
    pub(crate) fn new(mut choices: Choices, with_trace: bool) -> Self {
        let mut mix = Mix::draw(&mut choices);
        let seed = choices.below(65_536) as u64;
        // The other worlds draw the same as before there was a version 2.
        if seed % VERSION_2_SHARE == VERSION_2_SHARE - 1 {
            mix.ask_for_version_2(&mut choices);
        }
        let config = mix.config();
        let actors = (0..mix.clients).map(|who| {
            Actor::new(who, config.clone(), mix.limits.clone(), seed.wrapping_mul(31).wrapping_add(who as u64))
        });
        let sites = (0..HOSTS.len()).map(|site| Site::new(mix.site.clone(), site as u64 + 1));
        Self {
            actors: actors.collect(),
            sites: sites.collect(),
            network: Network::default(),
            authority: Authority::new(mix.request_limit.clone()),
            agenda: Agenda::default(),
            journal: Journal::new(with_trace),
            now: Instant::ZERO,
            is_good: false,
            last_event: 0,
            steps: 0,
            inputs: 0,
            choices,
            mix,
        }
    }

    /// The first phase: faults of every kind.
    pub(crate) fn run_through_troubles(&mut self) {
        for who in 0..self.actors.len() {
            self.connect(who);
        }
        self.agenda.plan(self.now, Task::Step);
        while self.steps < self.mix.steps && self.journal.violation().is_none() && !self.choices.is_exhausted() {
            if !self.advance() {
                return;
            }
        }
    }

    /// Does what is next. Returns whether there was anything.
    pub(crate) fn advance(&mut self) -> bool {
        let Some((at, task)) = self.agenda.next() else { return false };
        // A client that was not polled may ask for a time that has passed.
        self.now = self.now.max(at);
        let at = self.now;
        self.journal.advance(at);
        self.perform(task);
        for actor in &mut self.actors {
            if actor.attention == Attention::Awake {
                actor.ledger.check(&actor.client, &mut self.journal, at);
            }
        }
        true
    }

    fn perform(&mut self, task: Task) {
        match task {
            Task::Step => {
                if self.is_good {
                    return;
                }
                self.steps += 1;
                self.choices.mark();
                self.step();
                let gap = self.mix.gap(&mut self.choices);
                self.agenda.plan(self.now + gap, Task::Step);
            }
            Task::Opened(link) => self.opened(link),
            Task::Failed(link, packet) | Task::Down(link, packet) => self.arrive(link, packet),
            Task::Up(link, packet) => self.arrive_at_site(link, packet),
            Task::Release(link, text) => self.send_down(link, Packet::Frame(Frame::Text(text)), None),
            Task::Auth(who, id) => {
                if self.actors[who].attention == Attention::Asleep {
                    return self.agenda.plan(self.now + Duration::from_millis(500), Task::Auth(who, id));
                }
                let Some(answer) = self.authority.answer(who, id) else { return };
                self.inputs += 1;
                self.actors[who].hand_auth(id, answer, &mut self.journal, self.now);
                self.drain(who);
            }
            Task::ClientTimer(who) => self.wake(who),
            Task::SiteTimer(site) => {
                let outputs = self.sites[site].timeout(&mut self.choices, self.now);
                self.put_out(site, outputs);
            }
            Task::SiteUp(site) => {
                self.journal.remark(|| format!("{} is back", HOSTS[site]));
                self.sites[site].is_up = true;
            }
            Task::SiteKilled(site) => {
                if self.sites[site].hangs {
                    self.kill_site(site);
                }
            }
            Task::SiteAdmits(site) => self.sites[site].server.set_refusal(None),
            Task::WakeUp(who) => self.wake_up(who),
            Task::TryAgain(who, channel) => self.try_again(who, channel),
            Task::SigninAgain(who) => self.signin_again(who),
        }
    }

    /// Takes a client's actions and performs them.
    pub(crate) fn drain(&mut self, who: usize) {
        let actions = self.actors[who].drain(&self.authority, &mut self.journal, self.now);
        for action in actions {
            match action {
                Action::Connect(epoch, request) => self.open(who, epoch, &request),
                Action::Send(epoch, text) => {
                    if let Some(link) = self.network.of_epoch(who, epoch) {
                        self.send_up(link, Packet::Frame(Frame::Text(text)));
                    }
                }
                Action::Close(epoch, frame) => {
                    let Some(link) = self.network.of_epoch(who, epoch) else { continue };
                    self.send_up(link, Packet::End(CloseReason::Closed(Some(frame))));
                    if let Some(link) = self.network.get(link) {
                        link.client_open = false;
                    }
                }
                Action::RequestAuth(request) => self.ask(who, &request),
                Action::CancelAuth(_) => {}
                Action::Schedule(at) => self.agenda.plan(at, Task::ClientTimer(who)),
                Action::Emit(event) => self.told(who, &event),
            }
        }
    }

    fn ask(&mut self, who: usize, request: &AuthRequest) {
        let trouble = if self.is_good { 0 } else { self.mix.auth_trouble };
        let user = self.actors[who].user.clone();
        if let Some(delay) = self.authority.ask(who, user, request, trouble, &mut self.choices, self.now) {
            self.agenda.plan(self.now + delay, Task::Auth(who, request.id));
        }
    }

    fn open(&mut self, who: usize, epoch: SocketEpoch, request: &ConnectRequest) {
        let site = HOSTS.iter().position(|host| *host == &*request.host).unwrap_or_default();
        let link = self.network.open(Link::new(who, site, epoch, request.target.clone(), request.tls));
        let way = self.way();
        let trouble = if self.is_good { 0 } else { self.mix.connect_trouble };
        if !self.choices.chance(trouble) {
            return self.agenda.plan(self.now + way, Task::Opened(link));
        }
        let error = match self.choices.below(7) {
            0 => TransportError::Dns("no such host".into()),
            1 => TransportError::Tls("unknown issuer".into()),
            2 => TransportError::Io("connection refused".into()),
            3 => {
                let status = *self.choices.pick(&[502, 401, 403, 404, 429, 500]);
                TransportError::http(status)
            }
            4 => {
                let status = *self.choices.pick(&[503, 429]);
                let retry_after = *self.choices.pick(&[20, 0, 3_600]);
                TransportError::Http {
                    status,
                    retry_after: Some(Duration::from_secs(retry_after)),
                    location: None,
                    excerpt: Box::default(),
                }
            }
            5 if request.tls => {
                let packet = Packet::End(CloseReason::TlsUnavailable);
                return self.agenda.plan(self.now, Task::Failed(link, packet));
            }
            // The packets vanish.
            _ => return,
        };
        self.agenda.plan(self.now + way, Task::Failed(link, Packet::End(CloseReason::Failed(error))));
    }

    fn opened(&mut self, id: LinkId) {
        let Some(link) = self.network.get(id) else { return };
        let (who, site, epoch, target, tls) = (link.client, link.site, link.epoch, link.target.clone(), link.tls);
        if !link.client_open {
            return;
        }
        if !self.sites[site].is_up {
            let error = TransportError::Io("connection refused".into());
            return self.arrive(id, Packet::End(CloseReason::Failed(error)));
        }
        link.server_open = true;
        if self.actors[who].attention != Attention::Asleep {
            self.actors[who].open(epoch, &mut self.journal, self.now);
        }
        let outputs = self.sites[site].open(id, &target, tls, self.now);
        self.put_out(site, outputs);
    }

    /// A packet reaches a client.
    pub(crate) fn arrive(&mut self, id: LinkId, packet: Packet) {
        let Some(link) = self.network.get(id) else { return };
        let (who, epoch) = (link.client, link.epoch);
        if link.severed || !link.client_open && !self.mix.late_packets {
            return;
        }
        let actor = &mut self.actors[who];
        if actor.attention == Attention::Asleep {
            return actor.inbox.push_back((id, packet));
        }
        self.inputs += 1;
        match packet {
            Packet::Frame(frame) => actor.hand_frame(epoch, frame, &mut self.journal, self.now),
            Packet::End(reason) => {
                link.client_open = false;
                actor.hand_end(epoch, &reason, &mut self.journal, self.now);
            }
        }
        self.drain(who);
    }

    fn arrive_at_site(&mut self, id: LinkId, packet: Packet) {
        let Some(link) = self.network.get(id) else { return };
        if link.severed || !link.server_open {
            return;
        }
        let site = link.site;
        let outputs = match packet {
            Packet::Frame(frame) => {
                let client_event = ClientEvent::read(&frame);
                let outputs = self.sites[site].receive(id, frame, &mut self.choices, self.now);
                if let Some(ClientEvent { channel, number }) = client_event {
                    self.journal.published.add(&self.sites[site].server, &channel, number);
                }
                outputs
            }
            Packet::End(_) => {
                link.server_open = false;
                self.sites[site].closed(id, &mut self.choices, self.now)
            }
        };
        self.count_excess(site);
        self.put_out(site, outputs);
    }

    /// Performs the actions of a site.
    pub(crate) fn put_out(&mut self, site: usize, outputs: Vec<Output>) {
        for output in outputs {
            match output {
                Output::Send(link, text) => self.send_down(link, Packet::Frame(Frame::Text(text)), None),
                Output::SendAlong(link, text) => {
                    self.send_down(link, Packet::Frame(Frame::Text(text)), Some(Duration::ZERO));
                }
                Output::SendLater(link, text, delay) => self.agenda.plan(self.now + delay, Task::Release(link, text)),
                Output::Ping(link) => {
                    self.send_down(link, Packet::Frame(Frame::Ping), None);
                    // The WebSocket library answers.
                    self.send_up(link, Packet::Frame(Frame::Pong));
                }
                Output::End(id, reason) => {
                    self.send_down(id, Packet::End(reason), None);
                    if let Some(link) = self.network.get(id) {
                        link.server_open = false;
                    }
                }
                Output::Wake(at) => self.agenda.plan(at, Task::SiteTimer(site)),
            }
        }
    }

    pub(crate) fn send_down(&mut self, id: LinkId, packet: Packet, way: Option<Duration>) {
        if self.network.get(id).is_none_or(|link| !link.server_open) {
            return;
        }
        let way = way.unwrap_or_else(|| self.way());
        let at = self.network.arrival(id, Direction::Down, way, self.now);
        self.agenda.plan(at, Task::Down(id, packet));
    }

    fn send_up(&mut self, id: LinkId, packet: Packet) {
        let way = self.way();
        let at = self.network.arrival(id, Direction::Up, way, self.now);
        self.agenda.plan(at, Task::Up(id, packet));
    }

    pub(crate) fn way(&mut self) -> Duration {
        let longest = if self.is_good { 30 } else { self.mix.longest_way };
        self.choices.millis(1, longest)
    }

    fn wake(&mut self, who: usize) {
        let client_wakes = self.actors[who].wake(&mut self.journal, self.now);
        if client_wakes {
            self.inputs += 1;
            self.drain(who);
        }
    }

    /// The machine wakes up, or the application polls again.
    fn wake_up(&mut self, who: usize) {
        let actor = &mut self.actors[who];
        let slept = std::mem::replace(&mut actor.attention, Attention::Awake);
        match slept {
            Attention::Awake => {}
            Attention::NotPolling => {
                actor.ledger.resume(&actor.client, &mut self.journal, self.now);
                self.drain(who);
            }
            Attention::Asleep => {
                self.journal.note(who, || "# the machine is awake".into());
                let actor = &mut self.actors[who];
                actor.ledger.resume(&actor.client, &mut self.journal, self.now);
                while let Some((link, packet)) = self.actors[who].inbox.pop_front() {
                    self.arrive(link, packet);
                }
                self.wake(who);
                let actor = &mut self.actors[who];
                actor.ledger.awoke(&actor.client, &mut self.journal, self.now);
            }
        }
    }

    /// All sockets end without a close frame.
    pub(crate) fn kill_site(&mut self, site: usize) {
        for link in self.network.at_site(site) {
            self.send_down(link, Packet::End(CloseReason::Dropped), None);
            if let Some(link) = self.network.get(link) {
                link.server_open = false;
            }
        }
        self.sites[site].restart();
    }
}

/// In one of so many worlds, clients ask for version 2 of Sockudo's protocol.
const VERSION_2_SHARE: u64 = 4;
