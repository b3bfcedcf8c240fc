//! Requests to the application's server.

use pusher_proto::{AuthId, AuthPurpose, AuthRequest, ChannelName, Client, Instant};

use super::Ledger;
use super::book::OnSocket;
use crate::simulation::journal::Journal;
use crate::simulation::reached::Rare;

/// A request that was neither answered nor cancelled.
pub(super) struct Asked {
    pub(super) at: Instant,
    /// The channel, or nothing for the user.
    pub(super) channel: Option<ChannelName>,
    purpose: AuthPurpose,
}

impl Ledger {
    pub(super) fn request(&mut self, request: &AuthRequest, client: &Client, journal: &mut Journal) {
        let who = self.who;
        if !self.is_connected() || client.socket_id() != Some(&request.socket_id) {
            let details = format!("{} for {}", request.subject, request.socket_id);
            journal.violated(who, "requests are for the live socket", details);
        }
        let channel = request.subject.channel().cloned();
        let for_key = request.purpose == AuthPurpose::KeyRefresh;
        let asked = Asked { at: self.now, channel: channel.clone(), purpose: request.purpose };
        if self.asked.values().any(|other| other.channel == asked.channel) {
            journal.violated(who, "at most one unresolved request", format!("a second one for {}", request.subject));
        }
        self.asked.insert(request.id, asked);
        if self.open_channel_requests() > self.limits.auth_window {
            journal.violated(who, "windows are kept", "too many requests");
        }
        let Some(book) = channel.as_ref().and_then(|channel| self.books.get_mut(channel)) else { return };
        book.asked = Some((request.id, for_key));
        book.retry_at = None;
        let expected = match request.purpose {
            AuthPurpose::Subscribe => !book.was_subscribed,
            AuthPurpose::Resubscribe => book.was_subscribed,
            AuthPurpose::KeyRefresh => {
                matches!(book.on_socket, OnSocket::Sent { .. } | OnSocket::Confirmed | OnSocket::Unclear)
            }
            _ => false,
        };
        if !book.wanted || !expected {
            let details = format!("{:?} for {}, wanted: {}", request.purpose, request.subject, book.wanted);
            journal.violated(who, "requests say what they are for", details);
        }
    }

    /// Nobody waits for it any more.
    pub(super) fn cancel(&mut self, id: AuthId, journal: &mut Journal) {
        let Some(asked) = self.asked.remove(&id) else {
            if self.blurred {
                return;
            }
            let details = format!("request {id} is cancelled, and it is not open");
            return journal.violated(self.who, "only open requests are cancelled", details);
        };
        if self.now >= asked.at + super::AUTH_TIMEOUT {
            journal.reach(Rare::AuthTimeout);
        } else if !self.is_connected() {
            let for_key = asked.purpose == AuthPurpose::KeyRefresh;
            journal.reach(if for_key { Rare::LostWhileRefreshing } else { Rare::LostWhileAuthorizing });
        } else if asked.channel.is_some() {
            journal.reach(Rare::UnsubscribedWhileAuthorizing);
        }
        self.forget_request(&asked, id);
    }

    /// The authority answers. Returns whether anybody waits for that.
    pub(crate) fn answered(&mut self, id: AuthId, journal: &mut Journal) -> bool {
        let Some(asked) = self.asked.remove(&id) else {
            journal.reach(Rare::StaleAuth);
            return false;
        };
        self.forget_request(&asked, id);
        true
    }

    /// Requests that the window is for.
    pub(super) fn open_channel_requests(&self) -> usize {
        self.asked.values().filter(|asked| asked.channel.is_some()).count()
    }

    fn forget_request(&mut self, asked: &Asked, id: AuthId) {
        let Some(book) = asked.channel.as_ref().and_then(|channel| self.books.get_mut(channel)) else { return };
        book.asked = book.asked.filter(|(open, _)| *open != id);
    }
}
