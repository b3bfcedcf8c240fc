//! What comes out of the client.

use pusher_proto::{Action, ChannelKind, ChannelName, Client, ConnectionState, SocketEpoch};

use super::book::{Ending, OnSocket, Told};
use super::{Ledger, Signatures};
use crate::simulation::authority::Signed;
use crate::simulation::frame::{SERVER_TO_USER, Seen};
use crate::simulation::journal::Journal;
use crate::simulation::reached::Rare;

impl Ledger {
    pub(crate) fn act(&mut self, action: &Action, client: &Client, signatures: Signatures<'_>, journal: &mut Journal) {
        if self.must_be_quiet {
            let details = format!("{action:?} while {:?}", self.state);
            journal.violated(self.who, "nothing after the end", details);
        }
        let needs_connection = matches!(action, Action::Connect(..) | Action::Send(..) | Action::RequestAuth(_));
        if needs_connection && (self.must_stay_off || !self.is_on()) {
            let details = format!("{action:?} while {:?}, and nobody wants a connection", self.state);
            journal.violated(self.who, "nothing after the end", details);
        }
        match action {
            Action::Connect(epoch, request) => {
                if !matches!(self.state, ConnectionState::Connecting { .. }) {
                    let details = format!("a socket is opened while {:?} was told", self.state);
                    journal.violated(self.who, "states come before what they cause", details);
                }
                self.sockets.connect(*epoch, request, self.who, journal, self.now);
            }
            Action::Send(epoch, text) => self.send(*epoch, text, client, signatures, journal),
            Action::Close(epoch, _) => self.sockets.closed(*epoch, None),
            Action::RequestAuth(request) => self.request(request, client, journal),
            Action::CancelAuth(id) => self.cancel(*id, journal),
            Action::Schedule(_) => {}
            Action::Emit(event) => self.tell(event, journal),
        }
    }

    fn send(
        &mut self,
        epoch: SocketEpoch,
        text: &str,
        client: &Client,
        signatures: Signatures<'_>,
        journal: &mut Journal,
    ) {
        let who = self.who;
        if !self.sockets.is_open(epoch) {
            journal.violated(who, "nothing is sent on a closed socket", text);
        }
        let Some(seen) = Seen::read(text) else {
            return journal.violated(who, "frames are JSON", text);
        };
        if !self.is_connected() && !seen.is("pusher:pong") {
            journal.violated(who, "states come before what they cause", format!("{text} while {:?}", self.state));
        }
        match seen.event.as_str() {
            "pusher:subscribe" if seen.target().starts_with(SERVER_TO_USER) => {}
            "pusher:subscribe" => {
                self.check_signature(&seen, Some(seen.target()), client, signatures, journal);
                self.subscribe_sent(&seen, journal);
            }
            "pusher:ping" => self.sockets.pinged(self.now),
            "pusher:unsubscribe" => self.unsubscribe_sent(seen.target(), journal),
            "pusher:signin" => {
                self.user.attached = true;
                self.check_signature(&seen, None, client, signatures, journal);
                if !self.user.wanted {
                    journal.violated(who, "wishes are obeyed", "signed in and not wanted");
                }
            }
            event if event.starts_with("client-") => {
                let book = self.books.iter().find(|(name, _)| Some(name.as_str()) == seen.channel.as_deref());
                // What was on its way before an unsubscribe that nobody has polled goes out before it.
                let allowed = book.is_some_and(|(_, book)| {
                    (book.wanted || self.blurred) && matches!(book.on_socket, OnSocket::Confirmed | OnSocket::Unclear)
                });
                if !allowed {
                    journal.violated(who, "client events are sent on subscribed channels", text);
                }
                self.triggered.retain(|(_, waiting)| waiting.as_str() != event);
                if self.input == super::Input::Success {
                    journal.reach(Rare::BufferedEventSent);
                }
            }
            _ => {}
        }
    }

    fn subscribe_sent(&mut self, seen: &Seen, journal: &mut Journal) {
        let (who, at) = (self.who, self.now);
        let Some((name, book)) = self.books.iter_mut().find(|(name, _)| name.as_str() == seen.target()) else {
            return journal.violated(who, "wishes are obeyed", format!("nobody wants {}", seen.target()));
        };
        let problem = match book.on_socket {
            _ if !book.wanted => Some("nobody wants it any more"),
            OnSocket::Sent { .. } => Some("it was sent and not answered"),
            OnSocket::Confirmed => Some("it is subscribed"),
            OnSocket::Ended(Ending::TimedOut) => Some("it timed out and was not unsubscribed"),
            OnSocket::Nothing | OnSocket::Ended(Ending::Refused) | OnSocket::Unclear => None,
        };
        if let Some(problem) = problem {
            journal.violated(who, "at most one unanswered subscription", format!("{name}: {problem}"));
        }
        book.on_socket = OnSocket::Sent { at };
        let counts = |book: &&super::Book| book.wanted && matches!(book.on_socket, OnSocket::Sent { .. });
        if self.books.values().filter(counts).count() > self.limits.subscribe_window {
            journal.violated(who, "windows are kept", "too many subscriptions");
        }
    }

    fn unsubscribe_sent(&mut self, channel: &str, journal: &mut Journal) {
        let Some((name, book)) = self.books.iter_mut().find(|(name, _)| name.as_str() == channel) else { return };
        if book.wanted && book.told == Told::Subscribed {
            let details = format!("{name} is unsubscribed, and it is wanted");
            journal.violated(self.who, "wishes are obeyed", details);
        }
        if book.wanted && matches!(book.on_socket, OnSocket::Sent { .. }) && name.kind() == ChannelKind::Presence {
            journal.reach(Rare::ExistingSubscription);
        }
        book.on_socket = OnSocket::Nothing;
    }

    /// What is sent must have been signed for this socket and this channel.
    fn check_signature(
        &self,
        seen: &Seen,
        channel: Option<&str>,
        client: &Client,
        signatures: Signatures<'_>,
        journal: &mut Journal,
    ) {
        let needs_auth =
            channel.is_none_or(|name| ChannelName::new(name).is_ok_and(|channel| channel.kind().needs_auth()));
        if !needs_auth {
            return;
        }
        let signed = seen.field("auth").and_then(|auth| signatures.signed(auth));
        let is_right = |signed: &Signed| {
            Some(&signed.socket_id) == client.socket_id() && signed.channel.as_ref().map(ChannelName::as_str) == channel
        };
        if !signed.is_some_and(is_right) {
            let details = format!("{channel:?} was signed as {signed:?}, the socket is {:?}", client.socket_id());
            journal.violated(self.who, "nothing is signed for another socket", details);
        }
    }
}
