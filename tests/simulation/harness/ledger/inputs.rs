//! What goes into the client: the application's wishes, frames, ends of sockets.

use pusher_proto::{
    ChannelName, Client, ClientEventName, CloseReason, ConnectionState, Instant, NetworkHint, SocketEpoch,
};

use super::book::{Ending, OnSocket, Told};
use super::{Input, Ledger, Wish};
use crate::simulation::frame::{SUCCEEDED, Seen, number_of};
use crate::simulation::journal::Journal;
use crate::simulation::reached::Rare;

/// The application.
impl Ledger {
    pub(crate) fn subscribe(&mut self, channel: &ChannelName) {
        self.touched = true;
        let book = self.books.entry(channel.clone()).or_default();
        book.again |= book.wanted;
        book.wish = Some(true);
    }

    pub(crate) fn unsubscribe(&mut self, channel: &ChannelName) {
        self.touched = true;
        if let Some(book) = self.books.get_mut(channel) {
            book.wish = Some(false);
        }
    }

    pub(crate) fn connect(&mut self) {
        self.touched = true;
        self.connection_wish = Some(true);
        if matches!(self.state, ConnectionState::Waiting { .. }) {
            self.sockets.attempts.hasten();
        }
    }

    pub(crate) fn disconnect(&mut self) {
        self.touched = true;
        self.connection_wish = Some(false);
    }

    pub(crate) fn switch(&mut self, journal: &mut Journal) {
        self.touched = true;
        if self.is_on() {
            self.sockets.attempts.start_over();
        }
        match self.state {
            ConnectionState::Connected { .. } => journal.reach(Rare::SwitchedWhileConnected),
            ConnectionState::Waiting { .. } => journal.reach(Rare::SwitchedWhileWaiting),
            _ => {}
        }
    }

    pub(crate) fn hint(&mut self, hint: NetworkHint, journal: &mut Journal) {
        self.touched = true;
        if hint == NetworkHint::Online && matches!(self.state, ConnectionState::Waiting { .. }) {
            self.sockets.attempts.hasten();
            journal.reach(Rare::HintWhileWaiting);
        }
    }

    pub(crate) fn signin(&mut self) {
        self.touched = true;
        self.user.wish = match self.user.wish {
            None | Some(Wish::In) => Some(Wish::In),
            Some(Wish::Out | Wish::Change) => Some(Wish::Change),
        };
    }

    pub(crate) fn signout(&mut self) {
        self.touched = true;
        self.user.wish = Some(Wish::Out);
    }

    /// A client event is about to be triggered.
    pub(crate) fn trigger(&mut self) {
        self.touched = true;
    }

    /// The client has taken it.
    pub(crate) fn triggered(&mut self, channel: &ChannelName, event: &ClientEventName) {
        self.triggered.push((channel.clone(), event.clone()));
    }

    pub(super) fn apply_wishes(&mut self, journal: &mut Journal) {
        for book in self.books.values_mut() {
            let again = std::mem::take(&mut book.again);
            match book.wish.take() {
                None => {}
                Some(false) => book.drop_wish(),
                Some(true) if !book.wanted => {
                    book.wanted = true;
                    if matches!(book.on_socket, OnSocket::Sent { .. }) {
                        journal.reach(Rare::ResubscribedWhileSent);
                    }
                }
                Some(true) if again && book.told == Told::Failed && self.state.is_connected() => {
                    book.told = Told::Nothing;
                    if let OnSocket::Ended(ending) = book.on_socket {
                        book.failed_before = Some(ending);
                    }
                }
                Some(true) => {}
            }
        }
        let wish = self.user.wish.take();
        if matches!(wish, Some(Wish::Out | Wish::Change)) {
            self.user.wanted = false;
            (self.user.signed_in, self.user.gap, self.user.failed) = (false, false, false);
        }
        if matches!(wish, Some(Wish::In | Wish::Change)) {
            (self.user.wanted, self.user.failed) = (true, false);
            if self.user.attached && !self.user.signed_in && self.is_connected() {
                journal.reach(Rare::UserChanged);
            }
        }
    }
}

/// The network.
impl Ledger {
    /// A frame of a socket that the client still uses is about to be handed over.
    pub(crate) fn hand(&mut self, seen: Option<&Seen>, client: &Client, journal: &mut Journal, now: Instant) {
        self.now = now;
        self.input = Input::Other;
        self.sockets.heard(now);
        let Some(seen) = seen else { return };
        let channel = seen.channel.as_deref().unwrap_or_default();
        match seen.event.as_str() {
            "pusher:connection_established" if self.is_connected() => journal.reach(Rare::SecondGreeting),
            "pusher:connection_established" => {
                let timeout = seen.data.get("activity_timeout").and_then(serde_json::Value::as_u64);
                self.sockets.greeted(timeout, &self.limits, now);
            }
            SUCCEEDED if self.is_connected() => self.hand_success(channel, journal),
            "pusher_internal:watchlist_events" if self.user.attached && !self.user.signed_in => {
                journal.reach(Rare::NoticeBeforeSignin);
            }
            "pusher:error" | "pusher:subscription_error" => {
                self.input = Input::Error;
                if !self.is_connected() && seen.data.get("code").is_some_and(|code| code == 4000) {
                    self.sockets.attempts.wants_tls();
                }
                self.doubt_abandoned(None);
            }
            "pusher:signin_success" => self.doubt_abandoned(None),
            event => {
                let Some(number) = number_of(event) else { return };
                let Some((name, book)) = self.books.iter_mut().find(|(name, _)| name.as_str() == channel) else {
                    return;
                };
                // What nobody was told yet, only the getters say.
                let is_listening = if self.blurred {
                    client.channel(name).is_some_and(|channel| channel.is_subscribed())
                } else {
                    book.is_listening()
                };
                book.doubtful |= book.on_socket == OnSocket::Unclear || self.blurred && !is_listening;
                if is_listening {
                    book.owed.push_back(number);
                }
            }
        }
    }

    fn hand_success(&mut self, channel: &str, journal: &mut Journal) {
        self.input = Input::Success;
        self.doubt_abandoned(Some(channel));
        let book = self.books.iter_mut().find(|(name, _)| name.as_str() == channel).map(|(_, book)| book);
        let Some(book) = book else { return journal.reach(Rare::StraySuccess) };
        // A list for whoever is subscribed replaces the one before, and nobody is told.
        book.roster.is_replaced = true;
        match book.on_socket {
            OnSocket::Sent { .. } | OnSocket::Ended(_) | OnSocket::Unclear if book.wanted => {
                let is_pending = matches!(book.on_socket, OnSocket::Sent { .. });
                match (book.on_socket, book.failed_before.take()) {
                    (OnSocket::Ended(Ending::TimedOut), _) => journal.reach(Rare::LateSuccess),
                    (OnSocket::Ended(Ending::Refused), _) => journal.reach(Rare::WrongRefusalHealed),
                    (_, Some(Ending::Refused)) => journal.reach(Rare::RefusedThenRetried),
                    (_, Some(Ending::TimedOut)) => journal.reach(Rare::TimedOutThenRetried),
                    (_, None) => {}
                }
                // A channel that is to be authorized anew does not take an old answer.
                if is_pending || book.told == Told::Failed && book.on_socket != OnSocket::Unclear {
                    book.on_socket = OnSocket::Confirmed;
                }
            }
            OnSocket::Nothing if !book.wanted => journal.reach(Rare::StraySuccess),
            OnSocket::Sent { .. } => journal.reach(Rare::UnsubscribedWhileSent),
            OnSocket::Nothing | OnSocket::Confirmed | OnSocket::Ended(_) | OnSocket::Unclear => {}
        }
    }

    /// The refusal of a subscription that nobody wants is not told, and may have been what this frame means.
    fn doubt_abandoned(&mut self, answered: Option<&str>) {
        for (name, book) in &mut self.books {
            if !book.wanted && Some(name.as_str()) != answered && matches!(book.on_socket, OnSocket::Sent { .. }) {
                book.on_socket = OnSocket::Unclear;
            }
        }
    }

    /// A socket is about to be reported as closed.
    pub(crate) fn hand_end(&mut self, epoch: SocketEpoch, reason: &CloseReason, journal: &mut Journal, now: Instant) {
        self.now = now;
        let code = match reason {
            CloseReason::Closed(Some(frame)) => Some(frame.code),
            _ => None,
        };
        if code.is_some_and(|code| (4200..4300).contains(&code)) && !self.sockets.attempts.has_credit() {
            journal.reach(Rare::CreditMissing);
        }
        self.sockets.closed(epoch, code);
    }

    /// The live socket ended with this code, or the server refused the handshake with it.
    pub(crate) fn check_fatal(&self, client: &Client, code: u64, journal: &mut Journal) {
        let has_failed = matches!(client.state(), ConnectionState::Failed { .. });
        if (4001..4100).contains(&code) && !has_failed {
            journal.violated(self.who, "4001-4099 are never retried", format!("{code} and no failure"));
        }
    }

    /// Compares the connection before and after an input, which tells when it was lost, whenever that is told.
    pub(crate) fn observe(&mut self, before: &ConnectionState, client: &Client, now: Instant) {
        let after = client.state();
        if before == after {
            return;
        }
        let had_socket = matches!(before, ConnectionState::Connected { .. } | ConnectionState::Connecting { .. });
        if had_socket && !after.is_connected() || before.is_connected() {
            self.sockets.left(now);
        }
        if matches!(after, ConnectionState::Connecting { .. }) {
            self.sockets.attempts.begun(now);
        }
        if before.is_connected() {
            self.user.attached = false;
            self.books.values_mut().for_each(super::book::Book::leave_socket);
        }
        if after.is_connected() {
            self.sockets.entered(now);
        }
    }

    /// The machine slept until now, and the client has been given what arrived meanwhile, and the time.
    pub(crate) fn awoke(&self, journal: &mut Journal, now: Instant) {
        self.sockets.awoke(&self.limits, journal, now);
    }

    /// Nobody asked the client anything until now, so that no deadline could be kept.
    pub(crate) fn polled_again(&mut self, now: Instant) {
        self.now = now;
        self.looked_at = now;
        self.sockets.looked_at(now);
        for book in self.books.values_mut() {
            book.retry_at = book.retry_at.map(|at| at.max(now));
            if let OnSocket::Sent { at } = &mut book.on_socket {
                *at = now;
            }
        }
        for asked in self.asked.values_mut() {
            asked.at = now;
        }
    }

    pub(crate) fn is_current(&self, epoch: SocketEpoch) -> bool {
        self.sockets.is_current(epoch)
    }
}
