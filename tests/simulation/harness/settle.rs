//! The second phase: the faults have ended, and everything must come to rest.

use std::time::Duration;

use pusher_proto::{ChannelKind, ChannelName, ConnectionState, Event, Instant};

use super::actor::Attention;
use super::agenda::Task;
use super::ledger::retry_at;
use super::mix::{HOSTS, KEY};
use super::network::LinkId;
use super::world::World;

impl World {
    /// Ends the faults, and waits until every client has what it wants.
    pub(crate) fn settle(&mut self) {
        self.be_good();
        let deadline = self.now + CONVERGENCE;
        let mut missing = self.what_is_missing();
        while missing.is_some() && self.journal.violation().is_none() && self.now <= deadline {
            if !self.advance() {
                break;
            }
            missing = self.what_is_missing();
        }
        if let Some((who, missing)) = missing {
            let details = format!("{missing} at {}, {CONVERGENCE:?} after the troubles", self.now);
            return self.journal.violated(who, "everything converges", details);
        }
        self.say_goodbye();
    }

    /// The last events must reach every client. They are sealed with new keys, and every client must be able to read
    /// the second one.
    fn say_goodbye(&mut self) {
        if self.mix.limits.recovery.is_some() {
            // What channels hold back until then may be too much for the queue of events.
            self.advance_by(LONGEST_RECOVERY);
        }
        self.authority.rotate(true);
        let links: Vec<_> = (0..self.actors.len()).map(|who| self.live_link(who)).collect();
        self.publish_last(&links, Last::Reported);
        self.advance_by(LONGEST_KEY_GAP);
        // The second time, no client can have requested a key again: it must have kept the one that it received.
        self.publish_last(&links, Last::Read);
        self.publish_last(&links, Last::Read);
    }

    fn advance_by(&mut self, time: Duration) {
        let end = self.now + time;
        while self.journal.violation().is_none() && self.now < end && self.advance() {}
    }

    /// One more event on every channel.
    fn publish_last(&mut self, links: &[Option<LinkId>], last: Last) {
        if self.journal.violation().is_some() {
            return;
        }
        let mut expected = Vec::new();
        let channels = super::steps::CHANNELS.map(|name| ChannelName::new(name).expect("the name of a channel"));
        for channel in &channels {
            for site in 0..HOSTS.len() {
                let number = self.publish_on(site, channel);
                expected.push((site, channel, number));
            }
        }
        // Stalls that began before may last this long.
        let deadline = self.now + LONGEST_STALL;
        let mut unheard = self.unheard(&expected, links, last);
        while unheard.is_some() && self.journal.violation().is_none() && self.now <= deadline && self.advance() {
            unheard = self.unheard(&expected, links, last);
        }
        if let Some((who, details)) = unheard {
            self.journal.violated(who, "the last events arrive", details);
        }
    }

    /// Which client has not received which event, as long as no connection has changed.
    fn unheard(
        &mut self,
        expected: &[(usize, &ChannelName, u64)],
        links: &[Option<LinkId>],
        last: Last,
    ) -> Option<(usize, String)> {
        for (who, link) in links.iter().enumerate() {
            let Some(link) = link.filter(|link| self.live_link(who) == Some(*link)) else { continue };
            let Some(site) = self.network.get(link).map(|link| link.site) else { continue };
            let ledger = &self.actors[who].ledger;
            for (_, channel, number) in expected.iter().filter(|(at, ..)| *at == site) {
                let heard = match last {
                    Last::Reported => ledger.last_reported(channel),
                    Last::Read => ledger.last_read(channel),
                };
                if ledger.is_wanted(channel) && heard != Some(*number) {
                    return Some((who, format!("{channel}: {heard:?} and not {number}")));
                }
            }
        }
        None
    }

    fn be_good(&mut self) {
        self.journal.remark(|| "the troubles are over".into());
        self.is_good = true;
        self.authority.be_good();
        self.lift_limits();
        self.network.be_good(self.now);
        for site in 0..self.sites.len() {
            // Limits are lifted by a restart.
            let is_limited = self.sites[site].mix.scarcity.is_some();
            self.sites[site].mix.be_good();
            if self.sites[site].hangs || is_limited {
                self.kill_site(site);
            }
            self.sites[site].is_up = true;
            self.sites[site].server.set_refusal(None);
            for link in std::mem::take(&mut self.sites[site].soiled) {
                if self.network.get(link).is_some_and(|link| link.client_open || link.server_open) {
                    self.cut(link);
                }
            }
        }
        for who in 0..self.actors.len() {
            if self.actors[who].attention != Attention::Awake {
                self.agenda.plan(self.now, Task::WakeUp(who));
            }
            // Applications that want nothing prove nothing.
            self.agenda.plan(self.now + Duration::from_millis(1), Task::TryAgain(who, None));
            self.agenda.plan(self.now + Duration::from_millis(1), Task::SigninAgain(who));
            let failed: Vec<ChannelName> = {
                let ledger = &self.actors[who].ledger;
                ledger.wanted().filter(|channel| ledger.has_failed(channel)).cloned().collect()
            };
            for channel in failed {
                self.agenda.plan(self.now + Duration::from_millis(2), Task::TryAgain(who, Some(channel)));
            }
        }
    }

    /// The application receives an event. In the second phase, it retries whatever has failed permanently.
    pub(crate) fn told(&mut self, who: usize, event: &Event) {
        if !self.is_good {
            return;
        }
        // Whatever the client retries on its own must succeed without help.
        if retry_at(event).is_some() {
            return;
        }
        let soon = self.now + Duration::from_secs(1);
        match event {
            Event::SubscriptionError { channel, .. } => {
                self.agenda.plan(soon, Task::TryAgain(who, Some(channel.clone())));
            }
            Event::StateChanged { current: ConnectionState::Failed { .. }, .. } => {
                self.agenda.plan(soon, Task::TryAgain(who, None));
            }
            Event::SigninError { .. } => self.agenda.plan(soon, Task::SigninAgain(who)),
            _ => {}
        }
    }

    pub(crate) fn try_again(&mut self, who: usize, channel: Option<ChannelName>) {
        let Some(channel) = channel else {
            if !self.actors[who].has_right_key {
                self.switch_to(who, KEY, who % HOSTS.len());
                self.drain(who);
            }
            // A waiting client must reconnect without help.
            match self.actors[who].client.state() {
                ConnectionState::Initialized | ConnectionState::Disconnected | ConnectionState::Failed { .. } => {
                    self.connect(who);
                }
                ConnectionState::Connecting { .. }
                | ConnectionState::Waiting { .. }
                | ConnectionState::Connected { .. } => {}
            }
            return;
        };
        let ledger = &self.actors[who].ledger;
        if ledger.is_wanted(&channel) && ledger.has_failed(&channel) {
            self.subscribe(who, &channel);
            self.drain(who);
        }
    }

    pub(crate) fn signin_again(&mut self, who: usize) {
        if self.actors[who].ledger.signin_has_failed() {
            self.signin(who);
            self.drain(who);
        }
    }

    /// What is not at rest yet, and for which client.
    fn what_is_missing(&mut self) -> Option<(usize, String)> {
        for who in 0..self.actors.len() {
            if let Some(missing) = self.what_misses(who) {
                return Some((who, missing));
            }
        }
        None
    }

    fn what_misses(&mut self, who: usize) -> Option<String> {
        let Some(link) = self.live_link(who) else { return Some("no live connection".into()) };
        if self.network.get(link)?.is_busy(self.now) {
            // It may be an error, which puts a subscription in doubt.
            return Some("a packet is on its way".into());
        }
        let actor = &self.actors[who];
        if actor.attention != Attention::Awake {
            return Some("it has not read what arrived".into());
        }
        if actor.ledger.signin_is_pending() || actor.ledger.signin_has_failed() {
            return Some("not signed in".into());
        }
        if actor.ledger.open_requests() > 0 {
            return Some("a request is open".into());
        }
        let site = self.network.get(link)?.site;
        let server = &self.sites[site].server;
        for name in super::steps::CHANNELS {
            let name = ChannelName::new(name).expect("the name of a channel");
            let wanted = actor.ledger.is_wanted(&name);
            let subscribed = actor.client.channel(&name).is_some_and(|channel| channel.is_subscribed());
            let known = server.is_subscribed(link.connection(), &name);
            if wanted != subscribed || wanted != known {
                return Some(format!("{name}: wanted {wanted}, subscribed {subscribed}, at the server {known}"));
            }
            if wanted && name.kind() == ChannelKind::Presence {
                let channel = actor.client.channel(&name)?;
                let mut here: Vec<String> = channel.members()?.ids().map(str::to_owned).collect();
                let mut there: Vec<String> = server.users(&name).ok()?.iter().map(ToString::to_string).collect();
                here.sort();
                there.sort();
                if here != there {
                    return Some(format!("{name}: the roster is {here:?} here and {there:?} there"));
                }
            }
        }
        None
    }

    /// The link of a client that both ends use and that works.
    fn live_link(&mut self, who: usize) -> Option<LinkId> {
        if !self.actors[who].client.state().is_connected() {
            return None;
        }
        let mut alive = self.network.alive();
        alive.retain(|id| self.network.get(*id).is_some_and(|link| link.client == who && !link.severed));
        alive.pop()
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.now.since(Instant::ZERO)
    }
}

/// What must happen to an event.
#[derive(Clone, Copy)]
enum Last {
    /// It is reported to the application, even if no key opens it: the client may have requested one a moment ago.
    Reported,
    /// The application can read it.
    Read,
}

/// The longest time between two requests for a key of one channel, and a little more.
const LONGEST_KEY_GAP: Duration = Duration::from_secs(31);

/// The longest time until two requests to replay messages are answered or given up, and a little more.
const LONGEST_RECOVERY: Duration = Duration::from_secs(21);

/// Within this time after the last fault, everything must be as it should be: a dead link is noticed in 155 s, followed
/// by the longest delay, a handshake, an unanswered authorization, its longest delay, and an unanswered subscription.
const CONVERGENCE: Duration = Duration::from_secs(300);

/// How long a direction of a socket may stand still, and a little more.
const LONGEST_STALL: Duration = Duration::from_secs(50);
