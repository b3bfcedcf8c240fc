//! Events of channels.

use alloc::format;
use core::fmt;

use serde_json::value::RawValue;

use crate::span::Span;
use crate::wire::envelope::Envelope;
use crate::wire::object;
use crate::{ChannelName, Data};

/// An event on a channel: a view into the frame that it came in.
///
/// Two events are equal if channel, name, payload and sender are equal; other fields of the frame
/// ([`field`](Self::field)), and whether it was replayed, are not compared.
///
/// # Examples
///
/// In tests without a server, an application can create events itself:
///
/// ```
/// use pusher_proto::{ChannelEvent, ChannelName, Data};
///
/// let event = ChannelEvent::new(ChannelName::new("presence-chat")?, "client-typing", Data::from_serialize(&[1, 2])?)
///     .with_user_id("ann");
/// assert_eq!((event.event(), event.user_id()), ("client-typing", Some("ann")));
/// assert_eq!(event.data().json::<Vec<u8>>()?, [1, 2]);
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ChannelEvent {
    channel: ChannelName,
    event: Span,
    user_id: Option<Span>,
    is_replayed: bool,
    data: Data,
}

impl ChannelEvent {
    /// Returns an event like one that a server sends; this is for tests. The payload of an event published through a
    /// server is usually JSON in a string ([`Data::string`]); that of a client event is usually plain JSON.
    ///
    /// # Panics
    ///
    /// If the name and the payload together are longer than 4 GiB.
    #[expect(clippy::needless_pass_by_value, reason = "like the constructors of other events, which keep the payload")]
    #[must_use]
    pub fn new(channel: ChannelName, event: &str, data: Data) -> Self {
        Self::made(channel, event, None, &data)
    }

    /// Returns the same event with a sender: a user of a presence channel.
    ///
    /// # Panics
    ///
    /// If the name of the event, the id and the payload together are longer than 4 GiB.
    #[must_use]
    pub fn with_user_id(self, id: &str) -> Self {
        Self::made(self.channel.clone(), self.event(), Some(id), &self.data)
    }

    pub(crate) fn received(channel: ChannelName, envelope: Envelope) -> Self {
        let is_replayed = envelope.is_replayed();
        let (event, user_id, data) = envelope.into_parts();
        Self { channel, event, user_id, is_replayed, data }
    }

    /// An event that did not come in a frame. The byte before it is not the start of an object, so that
    /// [`field`](Self::field) does not mistake the text for a frame. It is not part of a span either, since a span
    /// cannot end at the start.
    fn made(channel: ChannelName, event: &str, user_id: Option<&str>, data: &Data) -> Self {
        let source = format!("-{event}{}{}", user_id.unwrap_or_default(), data.raw());
        let (user_start, data_start) = (1 + event.len(), source.len() - data.raw().len());
        let span = |range| Span::new(range).expect("a name, an id and a payload are shorter than 4 GiB");
        let json = (!data.is_absent()).then(|| span(data_start..source.len()));
        Self {
            channel,
            event: span(1..user_start),
            user_id: user_id.map(|_| span(user_start..data_start)),
            is_replayed: false,
            data: Data::in_frame(source.as_str().into(), json),
        }
    }

    /// Returns the channel.
    #[must_use]
    pub fn channel(&self) -> &ChannelName {
        &self.channel
    }

    /// Returns the name of the event.
    #[must_use]
    pub fn event(&self) -> &str {
        self.event.of(self.data.source())
    }

    /// Returns the id of the user who sent the event. It is known only for client events on presence channels, and not
    /// on all servers.
    #[must_use]
    pub fn user_id(&self) -> Option<&str> {
        self.user_id.map(|span| span.of(self.data.source()))
    }

    /// Returns the payload.
    #[must_use]
    pub fn data(&self) -> &Data {
        &self.data
    }

    /// Returns a field of the frame that the event came in, as it was sent: JSON, with the quotes of a string. `None` if
    /// there is no such field or it is `null`.
    ///
    /// Use it for fields that some servers add to those of the protocol. Each call parses the frame again; without a
    /// call, these fields cost nothing. Events of encrypted channels have no such fields, because everything outside of
    /// the payload is unencrypted.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn example(event: &pusher_proto::ChannelEvent) -> Option<u64> {
    /// // {"event":"moved","channel":"chat","data":"{}","serial":7}
    /// event.field("serial")?.parse().ok()
    /// # }
    /// ```
    #[must_use]
    pub fn field(&self, name: &str) -> Option<&str> {
        let [value] = object::leading_fields(self.data.source(), [name])?;
        value.map(RawValue::get)
    }

    /// Whether the server may have replayed the event: it arrived after this client had asked for what it missed, and before
    /// the server had sent all of it ([`Recovery`](crate::Recovery)).
    #[must_use]
    pub const fn is_replayed(&self) -> bool {
        self.is_replayed
    }

    /// Returns the same event in its own buffer (one allocation), so that the read buffer that it came in can be
    /// reused.
    #[must_use]
    pub fn detached(self) -> Self {
        Self { data: self.data.detached(), ..self }
    }

    /// Length in bytes of the frame that it came in.
    pub(crate) fn len(&self) -> usize {
        self.data.source().len()
    }
}

impl PartialEq for ChannelEvent {
    fn eq(&self, other: &Self) -> bool {
        let Self { channel, event: _, user_id: _, is_replayed: _, data } = self;
        *channel == other.channel
            && self.event() == other.event()
            && self.user_id() == other.user_id()
            && *data == other.data
    }
}

impl Eq for ChannelEvent {}

impl fmt::Debug for ChannelEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ChannelEvent")
            .field("channel", &self.channel)
            .field("event", &self.event())
            .field("user_id", &self.user_id())
            .field("data", &self.data)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;
    use crate::Text;

    #[test]
    fn every_field_of_the_frame_can_be_read_and_none_of_a_decrypted_event() {
        let field = |frame: &str, name: &str| {
            let envelope = Envelope::read(Text::from(frame)).unwrap();
            let event = ChannelEvent::received(ChannelName::new("c").unwrap(), envelope);
            event.field(name).map(ToString::to_string)
        };
        for frame in [
            r#"{"event":"e","channel":"c","data":"1","serial":7,"tags":{"a":"b"},"none":null,"serial":8}"#,
            r#" {"event":"\u0065","channel":"c","data":"1","serial":7,"tags":{"a":"b"},"none":null,"serial":8} "#,
        ] {
            assert_eq!(field(frame, "serial").as_deref(), Some("8"));
            assert_eq!(field(frame, "tags").as_deref(), Some(r#"{"a":"b"}"#));
            assert_eq!(field(frame, "data").as_deref(), Some(r#""1""#));
            assert_eq!((field(frame, "none"), field(frame, "other")), (None, None));
        }
        let frame = r#"{"event":"{\"serial\":1}","channel":"c","user_id":"7","data":"{}","serial":7}"#;
        let envelope = Envelope::read(Text::from(frame)).unwrap().with_text(r#"{"serial":8}"#);
        let event = ChannelEvent::received(ChannelName::new("c").unwrap(), envelope);
        assert_eq!((event.event(), event.user_id()), (r#"{"serial":1}"#, Some("7")));
        assert_eq!((event.data().raw(), event.field("serial")), (r#""{\"serial\":8}""#, None));
    }

    #[test]
    fn an_event_that_was_made_equals_one_that_was_received() {
        let received = |frame: &str| {
            let envelope = Envelope::read(Text::from(frame)).unwrap();
            ChannelEvent::received(ChannelName::new("presence-c").unwrap(), envelope)
        };
        let made = |event: &str, data: &str| {
            ChannelEvent::new(ChannelName::new("presence-c").unwrap(), event, Data::from_json(data).unwrap())
        };
        let moved = received(r#"{"channel":"presence-c","event":"moved","data":{"x":1},"tags":[]}"#);
        assert_eq!(made("moved", r#"{"x":1}"#), moved);
        assert_eq!(made("moved", r#"{"x":1}"#).detached(), moved);
        assert_ne!(made("moved", r#"{"x":2}"#), moved);
        assert_ne!(made("move", r#"{"x":1}"#), moved);
        assert_ne!(made("moved", r#"{"x":1}"#).with_user_id(""), moved);
        let by_ann = received(r#"{"event":"client-a","data":null,"channel":"presence-c","user_id":"ann"}"#);
        let event = ChannelEvent::new(ChannelName::new("presence-c").unwrap(), "client-a", Data::ABSENT);
        assert_eq!(event.with_user_id("bob").with_user_id("ann"), by_ann);
        assert!(by_ann.data().is_absent() && made("e", "null").data().is_absent());
        let empty = ChannelEvent::new(ChannelName::new("c").unwrap(), "", Data::ABSENT);
        assert_eq!((empty.event(), empty.user_id(), empty.data().raw()), ("", None, ""));
        assert_eq!(made(r#"{"serial":1}"#, r#"{"serial":1}"#).field("serial"), None);
    }
}
