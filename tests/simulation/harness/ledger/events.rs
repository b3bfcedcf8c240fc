//! What the application is told.

use pusher_proto::{
    ChannelName, ConnectionError, ConnectionState, DecryptionError, Diagnostic, Event, FailReason, SigninError,
    SubscriptionError, TransportError,
};

use super::book::Told;
use super::{Input, Ledger};
use crate::simulation::frame::number_of;
use crate::simulation::journal::Journal;
use crate::simulation::reached::Rare;

impl Ledger {
    pub(super) fn tell(&mut self, event: &Event, journal: &mut Journal) {
        if let Some(channel) = event.channel() {
            self.tell_of_channel(channel, event, journal);
        }
        match event {
            Event::StateChanged { previous, current } => self.tell_state(previous, current, journal),
            Event::Unavailable => {
                journal.reach(Rare::Unavailable);
                if std::mem::replace(&mut self.unavailable, true) {
                    journal.violated(self.who, "an outage is told once", "unavailable for the second time");
                }
            }
            Event::ConnectionError(error) => {
                self.events_in_drain += 1;
                match error {
                    ConnectionError::PongTimeout => journal.reach(Rare::PongTimeout),
                    ConnectionError::HandshakeTimeout => journal.reach(Rare::HandshakeTimeout),
                    ConnectionError::Refused(_) => journal.reach(Rare::HandshakeRefused),
                    ConnectionError::Transport(TransportError::Http { retry_after: Some(_), .. }) => {
                        journal.reach(Rare::RetryAfter);
                    }
                    _ => {}
                }
            }
            Event::Lagged { missed } => {
                self.lagged += missed;
                self.lost_some = true;
                if self.blurred {
                    journal.reach(Rare::Lagged);
                }
            }
            Event::SignedIn { .. } | Event::SigninError { .. } | Event::User(_) | Event::UserContinuityLost { .. } => {
                self.tell_of_user(event, journal);
            }
            Event::Watchlist { .. } => self.events_in_drain += 1,
            Event::Diagnostic(Diagnostic::AuthRetry { channel, retry_at, .. }) => {
                journal.reach(Rare::AuthRetry);
                if let Some(book) = self.books.get_mut(channel) {
                    book.retry_at = Some(*retry_at);
                }
            }
            Event::Diagnostic(Diagnostic::ClientEventsDropped { channel, count }) => {
                journal.reach(Rare::BufferedEventDropped);
                let before = self.triggered.len();
                self.triggered.retain(|(name, _)| name != channel);
                let known = before - self.triggered.len();
                if *count < known {
                    let details = format!("{count} client events of {channel} were dropped, and {known} waited");
                    journal.violated(self.who, "no client event is lost without a notice", details);
                }
            }
            Event::Connection(_) => self.events_in_drain += 1,
            _ => {}
        }
    }

    fn tell_state(&mut self, previous: &ConnectionState, current: &ConnectionState, journal: &mut Journal) {
        let who = self.who;
        if previous != &self.state || previous == current {
            let details = format!("{previous:?} to {current:?} after {:?}", self.state);
            journal.violated(who, "states follow one another", details);
        }
        if previous.is_connected() {
            for book in self.books.values_mut() {
                if book.was_subscribed {
                    book.losses += 1;
                }
                book.told = Told::Nothing;
                book.last_published = None;
            }
            self.user.gap |= self.user.signed_in;
            (self.user.signed_in, self.user.failed) = (false, false);
        }
        match current {
            ConnectionState::Connected { .. } | ConnectionState::Disconnected => self.unavailable = false,
            ConnectionState::Failed { reason } => {
                self.unavailable = false;
                journal.reach(if matches!(reason, FailReason::GaveUp { .. }) { Rare::GaveUp } else { Rare::Fatal });
            }
            ConnectionState::Waiting { retry_at, cause, .. } => {
                let delay = retry_at.since(self.now);
                if delay > LONGEST_DELAY {
                    journal.violated(who, "attempts are bounded", format!("the next one comes in {delay:?}"));
                }
                let dropped = matches!(cause, ConnectionError::Closed { reason, during_handshake: false }
                    if matches!(reason, pusher_proto::CloseReason::Dropped));
                if dropped && delay < std::time::Duration::from_secs(1) && !self.blurred {
                    journal.reach(Rare::InferredClose);
                }
            }
            ConnectionState::Initialized | ConnectionState::Connecting { .. } => {}
        }
        let was_on = self.is_on();
        self.state = current.clone();
        if !was_on && self.is_on() {
            self.sockets.attempts.start_over();
        }
        if self.must_stay_off && self.is_on() {
            let details = format!("{previous:?} becomes {current:?}, and nobody wants a connection");
            journal.violated(who, "nothing after the end", details);
        }
    }

    fn tell_of_channel(&mut self, name: &ChannelName, event: &Event, journal: &mut Journal) {
        let who = self.who;
        let is_connected = self.is_connected();
        if let Event::SubscriptionError { error, .. } = event {
            self.check_blame(name, error, journal);
        }
        let Some(book) = self.books.get_mut(name).filter(|book| book.wanted) else {
            return journal.violated(who, "nothing after unsubscribing", event.name());
        };
        if !is_connected {
            let details = format!("{} of {name} while {:?}", event.name(), self.state);
            journal.violated(who, "events need a connection", details);
        }
        if let Event::ContinuityLost { since, .. } = event {
            if book.losses == 0 || *since > self.now {
                let details = format!("{name} since {since}, {} losses", book.losses);
                journal.violated(who, "a gap is told once", details);
            }
            if book.losses > 1 {
                journal.reach(Rare::LongGap);
            }
            book.losses = 0;
            if self.input == Input::Other {
                journal.reach(Rare::EventBeforeSuccess);
            }
            return;
        }
        if !matches!(event, Event::SubscriptionError { .. }) && book.losses > 0 {
            journal.violated(who, "a gap is told before new events", format!("{} of {name}", event.name()));
        }
        match event {
            Event::SubscriptionSucceeded { presence, .. } => {
                if book.told == Told::Subscribed {
                    journal.violated(who, "a success is told once", name.as_str());
                }
                book.told = Told::Subscribed;
                book.on_socket = super::OnSocket::Confirmed;
                if std::mem::replace(&mut book.was_subscribed, true) {
                    journal.reach(Rare::Resubscribed);
                }
                if let Some(presence) = presence {
                    book.roster.replace(name, presence, who, journal);
                }
            }
            Event::SubscriptionError { error, .. } => {
                if let SubscriptionError::Timeout { probable_cause } = error {
                    if probable_cause.is_some() {
                        journal.reach(Rare::ProbableCause);
                    }
                    if book.told == Told::Subscribed {
                        journal.violated(who, "a subscribed channel does not time out", name.as_str());
                    }
                }
                if matches!(error, SubscriptionError::Refused(_)) && self.input == Input::Success {
                    journal.reach(Rare::HeldErrorAttributed);
                }
                book.fail(error);
            }
            Event::Channel(event) => {
                self.events_in_drain += 1;
                if self.input == Input::Other && name.is_cache() {
                    journal.reach(Rare::CachedEvent);
                }
                self.open(name, event.event(), journal);
                self.pay(name, event.event(), journal);
            }
            Event::DecryptionError { event, error, .. } => {
                self.events_in_drain += 1;
                match error {
                    DecryptionError::KeyRefresh(_) => journal.reach(Rare::KeyRefreshFailed),
                    DecryptionError::Overflow => journal.reach(Rare::HeldOverflow),
                    _ => {}
                }
                self.pay(name, event, journal);
            }
            Event::CacheMiss { .. } => {
                self.events_in_drain += 1;
                journal.reach(Rare::CacheMiss);
            }
            Event::MemberAdded { member, .. } => {
                self.events_in_drain += 1;
                book.roster.add(name, member, who, journal);
            }
            Event::MemberUpdated { member, .. } => {
                self.events_in_drain += 1;
                book.roster.update(name, member, who, journal);
            }
            Event::MemberRemoved { member, .. } => {
                self.events_in_drain += 1;
                book.roster.remove(name, member, who, journal);
            }
            _ => self.events_in_drain += 1,
        }
    }

    /// An error that names a channel that is wanted is never told of another one.
    fn check_blame(&self, name: &ChannelName, error: &SubscriptionError, journal: &mut Journal) {
        let SubscriptionError::Refused(error) = error else { return };
        let names = |channel: &ChannelName| error.message.split([' ', ',', ':']).any(|word| word == channel.as_str());
        if !names(name) && self.wanted().any(names) {
            let details = format!("{name} is refused because of {:?}", error.message);
            journal.violated(self.who, "an error that names a channel is about that channel", details);
        }
    }

    /// This event can be read.
    fn open(&mut self, name: &ChannelName, event: &str, journal: &mut Journal) {
        let (Some(number), Some(book)) = (number_of(event), self.books.get_mut(name)) else { return };
        book.last_read = book.last_read.max(Some(number));
        if book.sealed == Some(number) {
            journal.reach(Rare::KeyRefreshed);
        }
    }

    /// This event was passed on: it must be the oldest that is owed, but for those that were counted.
    fn pay(&mut self, name: &ChannelName, event: &str, journal: &mut Journal) {
        let (Some(number), Some(book)) = (number_of(event), self.books.get_mut(name)) else { return };
        // What clients send has its number before it reaches the server, and a cache may repeat its last event.
        let is_late = |last: u64| last > number || last == number && !name.is_cache();
        if !event.starts_with("client-") && book.last_published.replace(number).is_some_and(is_late) {
            let details = format!("event {number} of {name} is told after a later one");
            journal.violated(self.who, "events keep their order, and none is lost without a notice", details);
        }
        book.last_told = book.last_told.max(Some(number));
        if book.sealed == Some(number) {
            book.sealed = None;
        }
        match book.owed.iter().position(|owed| *owed == number) {
            Some(skipped) => {
                book.owed.drain(..=skipped);
                let excused = book.excused.min(skipped as u64);
                book.excused -= excused;
                let skipped = skipped as u64 - excused;
                if skipped <= self.lagged {
                    self.lagged -= skipped;
                } else {
                    let details = format!("{skipped} events of {name} before {number}");
                    journal.violated(self.who, "events keep their order, and none is lost without a notice", details);
                }
            }
            None if book.doubtful => {}
            None => {
                let details = format!("event {number} of {name} is told, and it was not its turn");
                journal.violated(self.who, "events keep their order, and none is lost without a notice", details);
            }
        }
    }

    fn tell_of_user(&mut self, event: &Event, journal: &mut Journal) {
        let who = self.who;
        if !self.is_connected() {
            journal.violated(who, "events need a connection", event.name());
        }
        match event {
            Event::UserContinuityLost { .. } => {
                if !std::mem::take(&mut self.user.gap) {
                    journal.violated(who, "a gap is told once", "the user's");
                }
                journal.reach(Rare::SignedInAgain);
            }
            Event::SignedIn { .. } => {
                if self.user.gap || self.user.signed_in || !self.user.wanted {
                    journal.violated(who, "a sign-in is told once, behind its gap", event.name());
                }
                (self.user.signed_in, self.user.failed) = (true, false);
                self.user.last_event = 0;
            }
            Event::SigninError { error } => {
                match error {
                    SigninError::Refused(_) => journal.reach(Rare::SigninRefused),
                    SigninError::Timeout { .. } => {
                        self.user.attached = false;
                        journal.reach(Rare::SigninTimeout);
                    }
                    _ => {}
                }
                (self.user.signed_in, self.user.failed) = (false, true);
            }
            Event::User(user_event) => {
                self.events_in_drain += 1;
                let number = number_of(&user_event.event).unwrap_or(u64::MAX);
                if !self.user.signed_in || number <= self.user.last_event {
                    let details = format!("{number} after {}", self.user.last_event);
                    journal.violated(who, "a user's events keep their order", details);
                }
                self.user.last_event = number;
            }
            _ => {}
        }
    }
}

/// The longest delay between attempts.
const LONGEST_DELAY: std::time::Duration = std::time::Duration::from_secs(30);
