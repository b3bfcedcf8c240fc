//! Events of channels.

use core::fmt;

use serde_json::value::RawValue;

use crate::span::Span;
use crate::wire::envelope::Envelope;
use crate::wire::object;
use crate::{ChannelName, Data};

/// An event on a channel: a view into the frame that it came in.
#[derive(Clone, PartialEq, Eq)]
pub struct ChannelEvent {
    channel: ChannelName,
    event: Span,
    user_id: Option<Span>,
    data: Data,
}

impl ChannelEvent {
    pub(crate) fn new(channel: ChannelName, envelope: Envelope) -> Self {
        let (event, user_id, data) = envelope.into_parts();
        Self { channel, event, user_id, data }
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

    /// Returns who sent it: only for client events on presence channels, and only on servers that say so.
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
    /// This is for what some servers add to the fields that have methods of their own. The frame is read again at every
    /// call, and only then. Events of encrypted channels have no such fields: what is outside of the payload is not
    /// encrypted.
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

    /// Returns the same event in a buffer of its own (one allocation), so that the read buffer it came in can be reused.
    #[must_use]
    pub fn detached(&self) -> Self {
        let Self { channel, event, user_id, data } = self;
        Self { channel: channel.clone(), event: *event, user_id: *user_id, data: data.detached() }
    }

    /// Bytes of the frame that it came in.
    pub(super) fn len(&self) -> usize {
        self.data.source().len()
    }
}

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
            let event = ChannelEvent::new(ChannelName::new("c").unwrap(), envelope);
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
        let event = ChannelEvent::new(ChannelName::new("c").unwrap(), envelope);
        assert_eq!((event.event(), event.user_id()), (r#"{"serial":1}"#, Some("7")));
        assert_eq!((event.data().raw(), event.field("serial")), (r#""{\"serial\":8}""#, None));
    }
}
