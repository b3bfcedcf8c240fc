//! What Sockudo adds to the events of its protocol version 2.

use alloc::borrow::Cow;

use serde_json::value::RawValue;

use super::ChannelEvent;
use crate::Data;
use crate::data::json_at;
use crate::wire::object;

/// The fields that Sockudo adds to events in its protocol version 2, for which the client asks with
/// [`ConfigBuilder::recovery`](crate::ConfigBuilder::recovery).
///
/// Each call parses the frame again, as [`field`](Self::field) does. All are `None` where the server does not send the field,
/// and for events of encrypted channels.
impl ChannelEvent {
    /// Returns the id of the message: any text if the publisher has chosen it. It is not unique: all versions of a message
    /// that is edited later have the same one.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn example(event: &pusher_proto::ChannelEvent) {
    /// if let (Some(stream), Some(serial)) = (event.stream_id(), event.serial()) {
    ///     println!("{} is number {serial} of {stream}", event.message_id().unwrap_or_default());
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn message_id(&self) -> Option<Cow<'_, str>> {
        self.string("message_id")
    }

    /// Returns the name of the stream that numbers the messages of the channel. It changes when the server starts to count
    /// again.
    #[must_use]
    pub fn stream_id(&self) -> Option<Cow<'_, str>> {
        self.string("stream_id")
    }

    /// Returns the number of the message in its stream, from 1. Numbers are missing where a message was not meant for this
    /// client, so a hole does not prove a loss.
    #[must_use]
    pub fn serial(&self) -> Option<u64> {
        self.field("serial")?.parse().ok()
    }

    /// Returns the tags that the publisher has given to the message: an object with strings.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::collections::BTreeMap;
    ///
    /// # fn example(event: &pusher_proto::ChannelEvent) -> Result<(), serde_json::Error> {
    /// if let Some(tags) = event.tags() {
    ///     let tags: BTreeMap<String, String> = tags.json()?;
    ///     println!("{:?}", tags.get("asset"));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn tags(&self) -> Option<Data> {
        self.part("tags")
    }

    /// Returns what the publisher has attached to the message: an object with `headers` and other fields.
    #[must_use]
    pub fn extras(&self) -> Option<Data> {
        self.part("extras")
    }

    fn string(&self, name: &str) -> Option<Cow<'_, str>> {
        let [value] = object::leading_fields(self.data().source(), [name])?;
        value.and_then(object::string)
    }

    /// A field as a part of the frame, which is not copied.
    fn part(&self, name: &str) -> Option<Data> {
        let source = self.data().source();
        let [value] = object::leading_fields(source, [name])?;
        let value = value.map(RawValue::get)?;
        let start = (value.as_ptr() as usize).checked_sub(source.as_ptr() as usize)?;
        Some(Data::in_frame(source.clone(), json_at(source, start..start + value.len())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::envelope::Envelope;
    use crate::{ChannelName, Text};

    fn event(frame: &str) -> ChannelEvent {
        let envelope = Envelope::read(Text::from(frame)).unwrap();
        ChannelEvent::received(ChannelName::new("news").unwrap(), envelope)
    }

    #[test]
    fn all_fields_of_a_message_can_be_read() {
        let event = event(concat!(
            r#"{"event":"hello","channel":"news","data":"{\"a\": 1}","tags":{"asset":"BTC"},"message_id":"a\"b","#,
            r#""stream_id":"9aa8","serial":5,"extras":{"headers":{"prio":3.0,"hot":true},"idempotencyKey":"k-1"}}"#,
        ));
        assert_eq!(event.message_id().as_deref(), Some("a\"b"));
        assert_eq!((event.stream_id().as_deref(), event.serial()), (Some("9aa8"), Some(5)));
        assert_eq!(event.tags().unwrap().raw(), r#"{"asset":"BTC"}"#);
        let extras = event.clone().detached().extras().unwrap();
        assert_eq!(extras.raw(), r#"{"headers":{"prio":3.0,"hot":true},"idempotencyKey":"k-1"}"#);
        assert!(!event.is_replayed());
    }

    #[test]
    fn fields_that_are_missing_or_of_another_type_are_none() {
        for frame in [
            r#"{"event":"hello","channel":"news","data":"{\"serial\":1}"}"#,
            r#"{"event":"hello","channel":"news","message_id":7,"stream_id":{},"serial":"5","tags":null,"extras":null}"#,
            r#"{"event":"hello","channel":"news","serial":-1}"#,
        ] {
            let event = event(frame);
            assert_eq!((event.message_id(), event.stream_id(), event.serial()), (None, None, None), "{frame}");
            assert_eq!((event.tags(), event.extras()), (None, None), "{frame}");
        }
    }
}
