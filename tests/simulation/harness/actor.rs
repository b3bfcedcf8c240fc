//! One client with its driver: passes on what arrives, performs the client's actions, and lets the ledger watch.

use std::collections::VecDeque;

use pusher_proto::{
    Action, AuthError, AuthId, AuthResponse, Client, CloseReason, Config, ConnectionState, Frame, Instant, SocketEpoch,
};
use pusher_test::transcript;

use super::authority::Authority;
use super::frame::Seen;
use super::journal::Journal;
use super::ledger::{AppCall, Ledger};
use super::mix::Limits;
use super::network::{LinkId, Packet};
use super::reached::Rare;

pub(crate) struct Actor {
    pub(crate) client: Client,
    pub(crate) ledger: Ledger,
    pub(crate) attention: Attention,
    /// What arrived while the machine slept.
    pub(crate) inbox: VecDeque<(LinkId, Packet)>,
    pub(crate) user: String,
    /// Whether the client was last switched to the existing application.
    pub(crate) has_right_key: bool,
    who: usize,
    /// The wake-up that the client has announced.
    wake_at: Option<Instant>,
    /// When the client last acted on its deadlines.
    timed_out_at: Option<Instant>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Attention {
    Awake,
    /// Receives input, but is not polled.
    NotPolling,
    /// Receives no input.
    Asleep,
}

impl Actor {
    pub(crate) fn new(who: usize, config: Config, limits: Limits, seed: u64) -> Self {
        Self {
            client: Client::new(config, seed),
            ledger: Ledger::new(who, limits),
            attention: Attention::Awake,
            inbox: VecDeque::new(),
            // The third client is the first one's second device.
            user: format!("u{}", who % 2),
            has_right_key: true,
            who,
            wake_at: None,
            timed_out_at: None,
        }
    }

    /// The application is about to call, or a call was accepted.
    pub(crate) fn called(&mut self, call: &AppCall<'_>, journal: &mut Journal) {
        self.ledger.called(call, &self.client, journal);
    }

    pub(crate) fn open(&mut self, epoch: SocketEpoch, journal: &mut Journal, now: Instant) {
        journal.note(self.who, || "< open".into());
        self.client.handle_open(epoch, now);
    }

    pub(crate) fn hand_frame(&mut self, epoch: SocketEpoch, frame: Frame, journal: &mut Journal, now: Instant) {
        let is_current = self.ledger.is_current(epoch);
        journal.note(self.who, || {
            let mark = if is_current { "<" } else { "# from an old socket:" };
            match &frame {
                Frame::Text(text) => format!("{mark} {text}"),
                Frame::Binary(_) => format!("{mark} binary"),
                Frame::Ping => format!("{mark} ping"),
                Frame::Pong => format!("{mark} pong"),
            }
        });
        let seen = match &frame {
            Frame::Text(text) => Seen::read(text),
            Frame::Binary(_) | Frame::Ping | Frame::Pong => None,
        };
        let is_greeting = matches!(self.client.state(), ConnectionState::Connecting { .. });
        if is_current {
            self.ledger.hand(seen.as_ref(), &self.client, journal, now);
        } else {
            journal.reach(Rare::OldSocket);
        }
        self.change(journal, now, |client| client.handle_frame(epoch, frame, now));
        let refusal = seen.filter(|seen| seen.is("pusher:error") && is_greeting);
        let code = refusal.and_then(|seen| seen.data.get("code")?.as_u64());
        if let Some(code) = code.filter(|_| is_current && self.attention == Attention::Awake) {
            if (4001..4100).contains(&code) {
                journal.reach(Rare::RefusedForGood);
            }
            self.ledger.ended_with(code, &self.client, journal);
        }
    }

    pub(crate) fn hand_end(&mut self, epoch: SocketEpoch, reason: &CloseReason, journal: &mut Journal, now: Instant) {
        let is_current = self.ledger.is_current(epoch);
        journal.note(self.who, || {
            let mark = if is_current { "<" } else { "# from an old socket:" };
            match reason {
                CloseReason::Closed(Some(frame)) => format!("{mark} closed {} {}", frame.code, frame.reason),
                CloseReason::Closed(None) => format!("{mark} closed"),
                CloseReason::Dropped => format!("{mark} dropped"),
                other => format!("{mark} failed {other}"),
            }
        });
        if is_current {
            self.ledger.hand_end(epoch, reason, &self.client, journal, now);
        }
        let is_parallel = is_current && self.attention == Attention::Awake;
        self.change(journal, now, |client| client.handle_close(epoch, reason.clone(), now));
        if let CloseReason::Closed(Some(frame)) = reason
            && is_parallel
        {
            self.ledger.ended_with(frame.code.into(), &self.client, journal);
        }
    }

    pub(crate) fn hand_auth(
        &mut self,
        id: AuthId,
        (answer, words): (Result<AuthResponse, AuthError>, String),
        journal: &mut Journal,
        now: Instant,
    ) {
        let is_awaited = self.ledger.answered(id, answer.as_ref().err(), &self.client, journal, now);
        journal.note(self.who, || format!("{}! auth #{id} {words}", if is_awaited { "" } else { "# too late: " }));
        self.change(journal, now, |client| client.handle_auth(id, answer, now));
    }

    /// Fires the timer, if it is the last one announced. Returns whether it was.
    pub(crate) fn wake(&mut self, journal: &mut Journal, now: Instant) -> bool {
        if self.attention == Attention::Asleep || self.wake_at.is_none_or(|at| at > now) {
            return false;
        }
        self.wake_at = None;
        self.timed_out_at = Some(now);
        self.change(journal, now, |client| client.handle_timeout(now));
        true
    }

    /// Polls until there is nothing more to do, and returns the actions.
    pub(crate) fn drain(&mut self, authority: &Authority, journal: &mut Journal, now: Instant) -> Vec<Action> {
        let mut actions = Vec::new();
        if self.attention != Attention::Awake {
            return actions;
        }
        self.ledger.begin_drain(&self.client, journal, now);
        loop {
            let before = self.client.state().clone();
            let action = self.client.poll_action(now);
            self.ledger.observe(&before, &self.client, journal, now);
            let Some(action) = action else { break };
            journal.note_if(self.who, || transcript::line(&action, now));
            self.ledger.act(&action, &self.client, authority, journal);
            if let Action::Schedule(at) = action {
                self.wake_at = Some(at);
            }
            actions.push(action);
            if actions.len() > MAX_ACTIONS {
                journal.violated(self.who, "a drain ends", "the client has always something more to do");
                break;
            }
        }
        self.ledger.end_drain(&self.client, journal);
        self.check_deadline(journal, now);
        actions
    }

    /// Calls the client, and observes how its connection changed.
    pub(crate) fn change<T>(
        &mut self,
        journal: &mut Journal,
        now: Instant,
        change: impl FnOnce(&mut Client) -> T,
    ) -> T {
        let before = self.client.state().clone();
        let result = change(&mut self.client);
        self.ledger.observe(&before, &self.client, journal, now);
        result
    }

    fn check_deadline(&mut self, journal: &mut Journal, now: Instant) {
        let Some(deadline) = self.client.poll_timeout() else { return };
        if self.timed_out_at == Some(now) && deadline <= now {
            journal.violated(self.who, "the deadline advances", format!("{deadline} at {now}"));
        }
        if self.wake_at.is_none_or(|at| at > deadline) {
            let details = format!("{deadline}, but {:?} was asked for", self.wake_at);
            journal.violated(self.who, "the deadline is announced", details);
        }
    }
}

/// More actions than any single input can cause.
const MAX_ACTIONS: usize = 100_000;
