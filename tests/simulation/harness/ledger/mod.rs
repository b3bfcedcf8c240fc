//! Records what one client may and must do, and compares it after every step.
//!
//! The ledger does not know the client's internals. It sees the inputs, the outputs, and what the getters return. The
//! [`Facts`] are what follows from these, without any judgement. Each [`Checker`] states its invariant at the top of
//! its file, sees every observation, and compares it with the facts that were known before.

mod backend;
mod channels;
mod checker;
mod connection;
mod delivery;
mod facts;
mod inputs;
mod outputs;
mod rare;
mod requests;
mod user;

use std::time::Duration;

use pusher_proto::{
    Action, AuthError, AuthId, ChannelName, Client, CloseReason, ConnectionState, Instant, SocketEpoch,
};

use self::checker::{Checker, Checkers, Quiet, Scene};
pub(crate) use self::facts::retry_at;
use self::facts::{Facts, Reported};
pub(crate) use self::inputs::AppCall;
use self::inputs::Incoming;
use self::outputs::Message;
use super::authority::Authority;
use super::frame::Seen;
use super::journal::Journal;
use super::mix::Limits;
use super::reached::Rare;

pub(crate) struct Ledger {
    who: usize,
    facts: Facts,
    checkers: Checkers,
}

/// What goes in.
impl Ledger {
    pub(crate) fn new(who: usize, limits: Limits) -> Self {
        Self { who, facts: Facts::new(limits), checkers: Checkers::default() }
    }

    /// The application is about to call, or a call was accepted.
    pub(crate) fn called(&mut self, call: &AppCall<'_>, client: &Client, journal: &mut Journal) {
        self.checkers.called(call, &mut Scene::new(self.who, &self.facts, client, journal));
        self.facts.called(call);
    }

    /// A frame of a socket that the client still uses is about to be passed on.
    pub(crate) fn hand(&mut self, seen: Option<&Seen>, client: &Client, journal: &mut Journal, now: Instant) {
        self.facts.now = now;
        let frame = Incoming::read(seen, self.facts.is_connected());
        self.checkers.handed(&frame, &mut Scene::new(self.who, &self.facts, client, journal));
        self.facts.handed(&frame);
    }

    /// A socket is about to be reported as closed.
    pub(crate) fn hand_end(
        &mut self,
        epoch: SocketEpoch,
        reason: &CloseReason,
        client: &Client,
        journal: &mut Journal,
        now: Instant,
    ) {
        self.facts.now = now;
        self.checkers.ended(reason, &mut Scene::new(self.who, &self.facts, client, journal));
        self.facts.ended(epoch);
    }

    /// The live socket ended with this code, or the server refused the handshake with it.
    pub(crate) fn ended_with(&mut self, code: u64, client: &Client, journal: &mut Journal) {
        self.checkers.ended_with(code, &mut Scene::new(self.who, &self.facts, client, journal));
    }

    /// The application's server answers. Returns whether the client still waits for the answer.
    pub(crate) fn answered(
        &mut self,
        id: AuthId,
        error: Option<&AuthError>,
        client: &Client,
        journal: &mut Journal,
        now: Instant,
    ) -> bool {
        self.facts.now = now;
        let Some(request) = self.facts.requests.get(id) else {
            journal.reach(Rare::StaleAuth);
            return false;
        };
        self.checkers.answered(request, error, &mut Scene::new(self.who, &self.facts, client, journal));
        // Without the connection that it was for, an answer is dropped, whatever it says.
        if client.state().is_connected() {
            self.facts.answered(id, error);
        } else {
            self.facts.close_request(id);
        }
        true
    }

    /// Compares the connection before and after an input, which shows when it was lost, no matter when that is
    /// reported.
    pub(crate) fn observe(&mut self, before: &ConnectionState, client: &Client, journal: &mut Journal, now: Instant) {
        let after = client.state();
        if before == after {
            return;
        }
        self.facts.now = now;
        self.checkers.moved(before, after, &mut Scene::new(self.who, &self.facts, client, journal));
        self.facts.moved(before, after);
    }

    /// The client will not be polled for a while.
    pub(crate) fn stop_polling(&mut self) {
        self.facts.was_unpolled = true;
    }

    /// The client is polled again. It could not meet any deadline before now.
    pub(crate) fn resume(&mut self, client: &Client, journal: &mut Journal, now: Instant) {
        self.facts.now = now;
        self.checkers.resumed(&mut Scene::new(self.who, &self.facts, client, journal));
        self.facts.resumed();
    }

    /// The machine slept until now, and the client has received what arrived in the meantime, and the time.
    pub(crate) fn awoke(&mut self, client: &Client, journal: &mut Journal, now: Instant) {
        self.facts.now = now;
        self.checkers.awoke(&mut Scene::new(self.who, &self.facts, client, journal));
    }
}

/// What comes out.
impl Ledger {
    pub(crate) fn begin_drain(&mut self, client: &Client, journal: &mut Journal, now: Instant) {
        self.facts.now = now;
        self.checkers.drain_begins(&mut Scene::new(self.who, &self.facts, client, journal));
        for name in self.facts.take_wishes() {
            self.checkers.dropped(&name);
        }
    }

    pub(crate) fn act(&mut self, action: &Action, client: &Client, signatures: &Authority, journal: &mut Journal) {
        self.checkers.acted(action, &mut Scene::new(self.who, &self.facts, client, journal));
        match action {
            Action::Send(_, text) => self.send(text, client, signatures, journal),
            Action::Emit(event) => {
                self.checkers.emitted(event, &mut Scene::new(self.who, &self.facts, client, journal));
            }
            Action::Connect(..)
            | Action::Close(..)
            | Action::RequestAuth(_)
            | Action::CancelAuth(_)
            | Action::Schedule(_) => {}
        }
        self.facts.acted(action);
    }

    fn send(&mut self, text: &str, client: &Client, signatures: &Authority, journal: &mut Journal) {
        let Some(seen) = Seen::read(text) else {
            return journal.violated(self.who, "frames are JSON", text);
        };
        let message = Message::read(text, &seen, signatures);
        self.checkers.sent(&message, &mut Scene::new(self.who, &self.facts, client, journal));
        self.facts.sent(&message);
    }

    /// The client has no more actions.
    pub(crate) fn end_drain(&mut self, client: &Client, journal: &mut Journal) {
        let scene = &mut Scene::new(self.who, &self.facts, client, journal);
        self.checkers.drained(scene);
        for (name, known) in self.facts.channels.iter() {
            self.checkers.channel_drained(&Quiet { name, known, shown: client.channel(name) }, scene);
        }
        self.facts.drained(client);
    }

    /// Looks at the clock.
    pub(crate) fn check(&mut self, client: &Client, journal: &mut Journal, now: Instant) {
        self.facts.now = now;
        self.checkers.ticked(&mut Scene::new(self.who, &self.facts, client, journal));
    }
}

/// What is known.
impl Ledger {
    pub(crate) fn is_current(&self, epoch: SocketEpoch) -> bool {
        self.facts.sockets.is_current(epoch)
    }

    pub(crate) fn is_wanted(&self, channel: &ChannelName) -> bool {
        self.facts.channels.get(channel).is_some_and(|channel| channel.wanted)
    }

    pub(crate) fn has_failed(&self, channel: &ChannelName) -> bool {
        self.facts.channels.get(channel).is_some_and(|channel| channel.reported == Reported::Failed)
    }

    /// The number of the latest event of a channel that the application received, readable or not.
    pub(crate) fn last_reported(&self, channel: &ChannelName) -> Option<u64> {
        self.facts.channels.get(channel).and_then(|channel| channel.latest.reported)
    }

    /// The number of the latest event that the application could read.
    pub(crate) fn last_read(&self, channel: &ChannelName) -> Option<u64> {
        self.facts.channels.get(channel).and_then(|channel| channel.latest.read)
    }

    pub(crate) fn wanted(&self) -> impl Iterator<Item = &ChannelName> {
        self.facts.channels.wanted()
    }

    /// Whether a sign-in is wanted and has not ended.
    pub(crate) fn signin_is_pending(&self) -> bool {
        self.facts.user.is_pending()
    }

    pub(crate) fn signin_has_failed(&self) -> bool {
        self.facts.user.has_failed()
    }

    pub(crate) fn open_requests(&self) -> usize {
        self.facts.requests.len()
    }
}

/// How much later than its deadline something may come.
const EPSILON: Duration = Duration::from_millis(100);
