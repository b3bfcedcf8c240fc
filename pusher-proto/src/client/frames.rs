//! What the server says: each frame goes to the part that it is about.

use super::Client;
use super::activity::Activity;
use crate::event::{ConnectionEvent, Diagnostic, Event};
use crate::excerpt::excerpt;
use crate::wire::envelope::Envelope;
use crate::wire::read;
use crate::{ConnectionError, Data, Instant, ProtocolError, ServerError, Text};

impl Client {
    pub(super) fn handle_text(&mut self, text: Text, now: Instant) {
        if text.len() > self.config.max_frame_len() {
            return self.refuse_len(text.len());
        }
        let envelope = match Envelope::read(text) {
            Ok(envelope) => envelope,
            Err(text) => {
                let excerpt = excerpt(&text, MAX_EXCERPT_LEN).into();
                return self.protocol_error(ProtocolError::Parse { excerpt });
            }
        };
        if !self.connection.is_connected() {
            self.handle_greeting(&envelope, now);
        } else if envelope.event().starts_with("pusher") {
            self.handle_pusher(envelope, now);
        } else {
            self.handle_user_event(envelope, now);
        }
    }

    /// Before the greeting a server may ping or refuse; anything else is ignored until the handshake times out.
    fn handle_greeting(&mut self, envelope: &Envelope, now: Instant) {
        if channel_of(envelope).is_some() {
            return;
        }
        match envelope.event() {
            "pusher:connection_established" => {
                let established = read::established(&envelope.data);
                let Some(socket_id) = established.socket_id else {
                    let event = "pusher:connection_established";
                    let error = ConnectionError::Protocol(ProtocolError::MissingField { event, field: "socket_id" });
                    return self.connection.handle_breach(error, now, &mut self.outbox);
                };
                self.stats.connections += 1;
                let owes_pong = self.activity.poll_pong();
                self.activity = Activity::start(&self.config.options, established.activity_timeout, now);
                if owes_pong {
                    self.activity.handle_ping();
                }
                self.connection.handle_established(socket_id.clone(), now, &mut self.outbox);
                self.channels.enter(socket_id, &mut self.outbox);
                self.signin.enter();
                self.is_dirty = true;
            }
            "pusher:error" => self.connection.handle_refusal(read::error(&envelope.data), now, &mut self.outbox),
            "pusher:ping" => self.activity.handle_ping(),
            _ => {}
        }
    }

    fn handle_pusher(&mut self, envelope: Envelope, now: Instant) {
        if let Some(channel) = channel_of(&envelope)
            && CONNECTION_EVENTS.contains(&envelope.event())
        {
            let [channel, event] = [channel, envelope.event()].map(|name| excerpt(name, MAX_EXCERPT_LEN).into());
            return self.outbox.offer(Event::Diagnostic(Diagnostic::NotOfChannel { channel, event }));
        }
        let Self { channels, outbox, .. } = self;
        let data = &envelope.data;
        let channel = envelope.channel().unwrap_or_default();
        match envelope.event() {
            "pusher:ping" => self.activity.handle_ping(),
            "pusher:pong" => {
                if let Some(round_trip) = self.activity.handle_pong(now) {
                    self.stats.last_round_trip = Some(round_trip);
                }
            }
            "pusher:error" => self.handle_error(&read::error(&envelope.data), channel_of(&envelope), now),
            "pusher:connection_established" => self.handle_second_greeting(&envelope.data),
            "pusher_internal:subscription_succeeded" => {
                if let Some(channel) = channels.handle_succeeded(channel, data, outbox) {
                    self.client_events.flush(&channel, now, outbox);
                }
                self.end_refused_signin();
            }
            "pusher:subscription_error" | "pusher_internal:subscription_error" => {
                channels.handle_refused(channel, read::subscription_error(data), outbox);
                self.end_refused_signin();
            }
            "pusher_internal:subscription_count" => match read::subscription_count(data) {
                Some(count) => channels.handle_count(channel, count, outbox),
                None => self.missing_field("pusher_internal:subscription_count", "subscription_count"),
            },
            "pusher:signin_success" => self.with_signin(|signin, channels, outbox| {
                signin.handle_success(&envelope.data, outbox);
                channels.handle_signin_answered(outbox);
            }),
            "pusher_internal:watchlist_events" => {
                self.signin.handle_event(envelope, outbox);
            }
            "pusher:cache_miss" => channels.handle_cache_miss(channel, outbox),
            "pusher_internal:member_added" => match read::member(data) {
                Some((id, info)) => channels.handle_member_added(channel, &id, &info, outbox),
                None => self.missing_field("pusher_internal:member_added", "user_id"),
            },
            "pusher_internal:member_removed" => match read::member(data) {
                Some((id, _)) => channels.handle_member_removed(channel, &id, outbox),
                None => self.missing_field("pusher_internal:member_removed", "user_id"),
            },
            event if event.starts_with("pusher_internal:") => {
                let event = excerpt(event, MAX_EXCERPT_LEN).into();
                outbox.offer(Event::Diagnostic(Diagnostic::UnknownInternalEvent(event)));
            }
            _ => self.handle_user_event(envelope, now),
        }
    }

    fn handle_user_event(&mut self, envelope: Envelope, now: Instant) {
        let envelope = if envelope.channel().is_none_or(|channel| channel.starts_with('#')) {
            let Some(envelope) = self.signin.handle_event(envelope, &mut self.outbox) else { return };
            envelope
        } else {
            envelope
        };
        if envelope.channel().is_some() {
            self.stats.events += u64::from(self.channels.handle_event(envelope, now, &mut self.outbox));
        } else {
            let event = ConnectionEvent { event: envelope.event().into(), data: envelope.data };
            self.outbox.offer(Event::Connection(event));
        }
    }

    /// An error frame never ends a connection: servers use any code for small things too. With a channel, as soketi
    /// refuses a presence channel, it is about that channel alone.
    fn handle_error(&mut self, error: &ServerError, channel: Option<&str>, now: Instant) {
        if channel.is_none() {
            self.connection.note_error(error, now);
        }
        let triggered_lately = self.client_events.sent_lately(now);
        if let Some(channel) = self.channels.handle_error(error, channel, triggered_lately, &mut self.outbox) {
            self.client_events.flush(&channel, now, &mut self.outbox);
        }
        self.end_refused_signin();
    }

    /// An error, or the answer to a later subscription, may have told that the sign-in was refused.
    fn end_refused_signin(&mut self) {
        if let Some(error) = self.channels.take_refused_signin() {
            self.with_signin(|signin, channels, outbox| {
                signin.handle_refused(error, outbox);
                channels.handle_signin_answered(outbox);
            });
        }
    }

    fn handle_second_greeting(&mut self, data: &Data) {
        let Some(socket_id) = read::established(data).socket_id else { return };
        if self.socket_id() != Some(&socket_id) {
            let diagnostic = Diagnostic::SecondGreeting(socket_id.as_str().into());
            self.outbox.offer(Event::Diagnostic(diagnostic));
        }
    }

    fn missing_field(&mut self, event: &'static str, field: &'static str) {
        self.protocol_error(ProtocolError::MissingField { event, field });
    }

    pub(super) fn refuse_len(&mut self, len: usize) {
        self.protocol_error(ProtocolError::FrameTooLarge { len, max: self.config.max_frame_len() });
    }

    fn protocol_error(&mut self, error: ProtocolError) {
        self.outbox.offer(Event::ConnectionError(ConnectionError::Protocol(error)));
    }
}

/// The channel of a frame. A frame that says it has the channel `""` has none, since no channel has that name.
fn channel_of(envelope: &Envelope) -> Option<&str> {
    envelope.channel().filter(|channel| !channel.is_empty())
}

/// What only the server itself says, and never on a channel. A server that passes on whatever a backend publishes would
/// otherwise let it sign this client in as somebody, or keep a dead connection alive. `pusher:error` is not among them:
/// soketi sends it with the channel that it is about.
const CONNECTION_EVENTS: [&str; 5] = [
    "pusher:connection_established",
    "pusher:ping",
    "pusher:pong",
    "pusher:signin_success",
    "pusher_internal:watchlist_events",
];

/// Longest excerpt of an unreadable frame, in bytes.
const MAX_EXCERPT_LEN: usize = 200;
