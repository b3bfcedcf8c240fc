//! Dispatches each frame of the server to the part that handles it.

use super::Client;
use super::activity::Activity;
use super::channels::{Answered, Success};
use super::history::Request;
use super::unanswered::{Asked, Complaint};
use crate::event::{ConnectionEvent, Diagnostic, Event};
use crate::excerpt::excerpt;
use crate::wire::envelope::Envelope;
use crate::wire::message::Message;
use crate::wire::protocol::Protocol;
use crate::wire::read::{self, Established};
use crate::wire::resume::FailureCode;
use crate::wire::{history, names, resume, v2};
use crate::{ConnectionError, Data, HistoryError, HistoryItem, HistoryPage, Instant, ProtocolError, ServerError, Text};

impl Client {
    /// Returns whether no deadline can have come nearer because of this frame.
    pub(super) fn handle_text(&mut self, text: Text, now: Instant) -> bool {
        self.outbox.stats.bytes_received += text.len() as u64;
        if text.len() > self.config.max_frame_len() {
            self.refuse_len(text.len());
            return false;
        }
        let envelope = match Envelope::read(text) {
            Ok(envelope) => envelope,
            Err(text) => {
                let excerpt = excerpt(&text, MAX_EXCERPT_LEN).into();
                self.protocol_error(ProtocolError::Parse { excerpt });
                return false;
            }
        };
        let message = match self.connection.protocol() {
            Some(Protocol::V1) => Message::read(&envelope),
            Some(Protocol::V2) => v2::read(&envelope),
            None => {
                self.handle_before_greeting(&envelope, now);
                return false;
            }
        };
        let Some(message) = message else {
            let load = self.authorizations.load();
            self.handle_user_event(envelope, now);
            return self.authorizations.load() == load;
        };
        let is_watchlist = message == Message::Watchlist;
        self.handle_message(message, now);
        if is_watchlist {
            self.signin.handle_event(envelope, &mut self.outbox);
        }
        false
    }

    /// The greeting decides the protocol of the socket. A client that has not asked for version 2 does not take it for
    /// one.
    #[inline(never)]
    fn handle_before_greeting(&mut self, envelope: &Envelope, now: Instant) {
        let message = if self.connection.asks_for_v2() { v2::read(envelope) } else { Message::read(envelope) };
        if let Some(message) = message {
            self.handle_greeting(message, Protocol::of_greeting(envelope.event()), now);
        }
    }

    /// Before the greeting, a server may ping or refuse; anything else is ignored until the handshake times out.
    fn handle_greeting(&mut self, message: Message<'_>, protocol: Protocol, now: Instant) {
        match message {
            Message::Established(Established { socket_id: Some(socket_id), activity_timeout }) => {
                self.outbox.stats.connections += 1;
                let owes_pong = self.activity.poll_pong();
                self.activity = Activity::start(&self.config.options, activity_timeout, now);
                if owes_pong {
                    self.activity.handle_ping();
                }
                self.connection.handle_established(socket_id.clone(), protocol, now, &mut self.outbox);
                self.authorizations.enter(socket_id);
                self.channels.enter(protocol, &mut self.authorizations, &mut self.outbox);
                self.signin.enter();
                self.token.enter(protocol, &mut self.authorizations, now);
                self.agenda.is_dirty = true;
            }
            Message::Established(Established { socket_id: None, .. }) => {
                let error = ProtocolError::MissingField { event: names::ESTABLISHED, field: "socket_id" };
                self.connection.handle_breach(ConnectionError::Protocol(error), now, &mut self.outbox);
            }
            Message::Error { channel: None, error } => self.connection.handle_refusal(error, now, &mut self.outbox),
            Message::Ping => self.activity.handle_ping(),
            Message::Error { channel: Some(_), .. }
            | Message::Pong
            | Message::Succeeded { .. }
            | Message::SubscriptionError { .. }
            | Message::Count { .. }
            | Message::CacheMiss { .. }
            | Message::MemberAdded { .. }
            | Message::MemberRemoved { .. }
            | Message::SigninSuccess(_)
            | Message::Watchlist
            | Message::Resumed(_)
            | Message::ResumeFailed { .. }
            | Message::Rewound { .. }
            | Message::TokenAccepted
            | Message::TokenExpired
            | Message::DeltasEnabled(_)
            | Message::Delta { .. }
            | Message::HistoryPage { .. }
            | Message::NotOfChannel { .. }
            | Message::Unknown { .. }
            | Message::Missing { .. } => {}
        }
    }

    fn handle_message(&mut self, message: Message<'_>, now: Instant) {
        let Self { channels, authorizations, outbox, .. } = self;
        match message {
            Message::Ping => self.activity.handle_ping(),
            Message::Pong => {
                if let Some(round_trip) = self.activity.handle_pong(now) {
                    self.outbox.stats.last_round_trip = Some(round_trip);
                }
            }
            Message::Error { channel, error } => self.handle_error(&error, channel, now),
            Message::Established(established) => self.handle_second_greeting(established),
            Message::Succeeded { channel, data, position } => {
                let success = Success { data, position };
                let answered = channels.handle_succeeded(channel, success, authorizations, now, outbox);
                self.handle_answered(answered, now);
            }
            Message::Resumed(data) => channels.handle_resumed(data, authorizations, now, outbox),
            Message::ResumeFailed { channel, failure } => {
                channels.handle_resume_failed(channel, &failure, authorizations, now, outbox);
            }
            Message::TokenAccepted => self.token.handle_success(),
            Message::TokenExpired => self.token.handle_expired(authorizations, now),
            Message::DeltasEnabled(data) => channels.handle_deltas_enabled(data),
            Message::Delta { channel, data } => {
                if let Some(envelope) = channels.handle_delta(channel, data, now, outbox) {
                    self.handle_channel_event(envelope, now);
                }
            }
            Message::Rewound { channel, completion } => channels.handle_rewound(channel, completion, outbox),
            Message::HistoryPage { channel, data } => self.handle_history_page(channel, data),
            Message::SubscriptionError { channel, error } => {
                if !channels.handle_doubt(Some(channel), "", authorizations, now, outbox) {
                    let number = channels.handle_refused(channel, error, authorizations, outbox);
                    self.handle_answered(Answered { number, subscribed: None }, now);
                }
            }
            Message::Count { channel, count } => channels.handle_count(channel, count, outbox),
            Message::CacheMiss { channel } => channels.handle_cache_miss(channel, outbox),
            Message::MemberAdded { channel, id, info } => channels.handle_member_added(channel, &id, &info, outbox),
            Message::MemberRemoved { channel, id } => channels.handle_member_removed(channel, &id, outbox),
            Message::SigninSuccess(data) => {
                self.with_signin(|signin, _, outbox| signin.handle_success(data, outbox));
                let blamed = self.unanswered.signin_answered();
                self.blame(blamed);
            }
            // The sign-in handles the whole envelope.
            Message::Watchlist => {}
            Message::NotOfChannel { channel, event } => {
                let [channel, event] = [channel, event].map(|name| excerpt(name, MAX_EXCERPT_LEN).into());
                outbox.offer(Event::Diagnostic(Diagnostic::NotOfChannel { channel, event }));
            }
            Message::Unknown { event } => {
                let event = excerpt(event, MAX_EXCERPT_LEN).into();
                outbox.offer(Event::Diagnostic(Diagnostic::UnknownInternalEvent(event)));
            }
            Message::Missing { event, field } => self.protocol_error(ProtocolError::MissingField { event, field }),
        }
    }

    fn handle_user_event(&mut self, envelope: Envelope, now: Instant) {
        if envelope.channel().is_some_and(|channel| !channel.starts_with('#')) {
            return self.handle_channel_event(envelope, now);
        }
        let Some(envelope) = self.signin.handle_event(envelope, &mut self.outbox) else { return };
        if envelope.channel().is_some() {
            return self.handle_channel_event(envelope, now);
        }
        let event = ConnectionEvent { event: envelope.event().into(), data: envelope.data };
        self.outbox.offer(Event::Connection(event));
    }

    fn handle_channel_event(&mut self, envelope: Envelope, now: Instant) {
        let Self { channels, authorizations, outbox, .. } = self;
        let is_taken = channels.handle_event(envelope, authorizations, now, outbox);
        outbox.stats.events += u64::from(is_taken);
    }

    /// An error frame never ends a connection, because servers use any code for minor errors too. With a channel, which
    /// is how soketi refuses a presence channel, it is about that channel only.
    fn handle_error(&mut self, error: &ServerError, channel: Option<&str>, now: Instant) {
        if channel.is_none() {
            self.connection.note_error(error, now);
        }
        let triggered_lately = self.client_events.sent_lately(now);
        if self.connection.protocol() == Some(Protocol::V2) && channel.is_none() {
            if self.token.handle_error(error, &mut self.outbox) {
                return;
            }
            if self.history.handle_error(error, triggered_lately, &mut self.outbox) {
                return;
            }
            if let Some(code) = resume::refusal(error) {
                return self.handle_resume_refused(code, error, now);
            }
            if read::is_about_presence_update(error) {
                return self.outbox.offer(Event::ConnectionError(ConnectionError::Server(error.clone())));
            }
        }
        let complaint = Complaint::read(error, channel, triggered_lately);
        let Self { channels, authorizations, unanswered, outbox, .. } = self;
        if let Complaint::Channel(_) | Complaint::Something = complaint {
            channels.handle_doubt(channel, &error.message, authorizations, now, outbox);
        }
        let mut report = || outbox.offer(Event::ConnectionError(ConnectionError::Server(error.clone())));
        match complaint {
            Complaint::NotSubscribed => {}
            // This is an answer like any other, not an error.
            Complaint::Existing(channel) if channels.may_be_subscribed(channel) => {
                let answered = channels.handle_existing(channel, authorizations, now, outbox);
                self.handle_answered(answered, now);
            }
            Complaint::Existing(channel) => {
                report();
                channels.handle_subscribed_already(channel, outbox);
            }
            Complaint::Channel(channel) if channels.is_unanswered(channel) => {
                report();
                let number = channels.handle_refused(channel, error.clone(), authorizations, outbox);
                self.handle_answered(Answered { number, subscribed: None }, now);
            }
            Complaint::Pace if unanswered.channels() > 0 => {
                report();
                unanswered.hold_cause(error);
                channels.handle_pace_complaint(now);
            }
            Complaint::Something if !channels.is_about_another(&error.message) => {
                report();
                let asked = unanswered.blame(error, triggered_lately);
                self.blame(asked.map(|asked| (asked, error.clone())));
            }
            Complaint::Channel(_) | Complaint::Pace | Complaint::Something | Complaint::Other => report(),
        }
    }

    /// The answer to the request for history that was sent; any other one is too late for its request.
    fn handle_history_page(&mut self, channel: &str, data: &Data) {
        let Some(Request { id, channel, query }) = self.history.take_answered(channel) else { return };
        let page = history::page(data).ok_or(HistoryError::Unreadable);
        let result = page.map(|page| {
            let items = page.items.into_iter().map(|item| HistoryItem {
                position: item.position,
                published_at_ms: item.published_at_ms,
                message_id: item.message_id,
                event: self.channels.read_past(&channel, item.envelope),
            });
            HistoryPage {
                items: items.collect(),
                next: page.next_cursor.map(|cursor| query.cursor(cursor).into()),
                has_more: page.has_more,
                is_complete: page.is_complete,
                is_truncated_by_retention: page.is_truncated_by_retention,
            }
        });
        self.outbox.emit(Event::History { id, channel, result });
    }

    /// An error about a request to replay messages is an answer like any other. It has the same code as a complaint about
    /// the pace, which it is not, even if it comes too late.
    fn handle_resume_refused(&mut self, code: FailureCode, error: &ServerError, now: Instant) {
        let Self { channels, authorizations, outbox, .. } = self;
        if !channels.handle_resume_refused(code, authorizations, now, outbox) {
            outbox.offer(Event::ConnectionError(ConnectionError::Server(error.clone())));
        }
    }

    /// A message may have answered a subscription, and thereby show what an earlier error was about.
    fn handle_answered(&mut self, answered: Answered, now: Instant) {
        if let Some(channel) = answered.subscribed {
            self.client_events.flush(&channel, now, &mut self.outbox);
        }
        let blamed = answered.number.and_then(|number| self.unanswered.answered(number));
        self.blame(blamed);
    }

    /// Refuses the subscription or sign-in that an error turned out to be about. That is an answer too, so it may
    /// explain another error.
    fn blame(&mut self, mut blamed: Option<(Asked, ServerError)>) {
        while let Some((asked, error)) = blamed.take() {
            blamed = match asked {
                Asked::Channel(channel) => {
                    let Self { channels, authorizations, outbox, .. } = self;
                    let number = channels.handle_blamed(&channel, error, authorizations, outbox);
                    number.and_then(|number| self.unanswered.answered(number))
                }
                Asked::Signin => {
                    self.with_signin(|signin, _, outbox| signin.handle_refused(error, outbox));
                    self.unanswered.signin_answered()
                }
            };
        }
        if self.unanswered.channels() == 0 {
            self.channels.handle_all_answered();
        }
    }

    fn handle_second_greeting(&mut self, established: Established) {
        let Some(socket_id) = established.socket_id else { return };
        if self.socket_id() != Some(&socket_id) {
            let diagnostic = Diagnostic::SecondGreeting(socket_id.as_str().into());
            self.outbox.offer(Event::Diagnostic(diagnostic));
        }
    }

    pub(super) fn refuse_len(&mut self, len: usize) {
        self.protocol_error(ProtocolError::FrameTooLarge { len, max: self.config.max_frame_len() });
    }

    fn protocol_error(&mut self, error: ProtocolError) {
        self.outbox.offer(Event::ConnectionError(ConnectionError::Protocol(error)));
    }
}

/// Longest excerpt of an unreadable frame, in bytes.
const MAX_EXCERPT_LEN: usize = 200;
