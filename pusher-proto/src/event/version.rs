//! Messages that can be edited, on Sockudo.

use alloc::borrow::Cow;

use serde_json::value::RawValue;

use super::ChannelEvent;
use crate::Text;
use crate::wire::{names, object};

/// Which version of which message an event is ([`ChannelEvent::version`]).
///
/// # Examples
///
/// ```
/// use std::collections::BTreeMap;
///
/// use pusher_proto::{ChannelEvent, MessageAction, Text};
///
/// /// Keeps the newest version of each message, in whichever order the versions arrive.
/// fn apply(event: &ChannelEvent, messages: &mut BTreeMap<Text, (Text, Option<String>)>) {
///     let Some(version) = event.version() else { return };
///     let is_newer = messages.get(&version.message_serial).is_none_or(|(known, _)| *known < version.version_serial);
///     if is_newer {
///         let is_deleted = version.action == MessageAction::Delete;
///         let text = (!is_deleted).then(|| event.data().text().into_owned());
///         messages.insert(version.message_serial, (version.version_serial, text));
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MessageVersion {
    /// What made this version out of the one before.
    pub action: MessageAction,
    /// Name under which the message was published. The event itself has another name if it is a change.
    pub name: Text,
    /// Identifies the message: the same in all its versions.
    pub message_serial: Text,
    /// Identifies the version. Of two versions of a message, the one with the greater text is newer.
    pub version_serial: Text,
    /// When the version was made, in milliseconds since the Unix epoch by the server's clock.
    pub timestamp_ms: Option<u64>,
}

/// What made a version of a message.
///
/// # Examples
///
/// ```
/// use pusher_proto::{ChannelEvent, MessageAction};
///
/// fn is_new(event: &ChannelEvent) -> bool {
///     event.version().is_none_or(|version| version.action == MessageAction::Create)
/// }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum MessageAction {
    /// It was published.
    Create,
    /// It was replaced: the payload is the new one.
    Update,
    /// Text was added: the payload is the whole text, since the client asks for that.
    Append,
    /// It was deleted: the payload is empty if the deletion clears it, otherwise the last one.
    Delete,
}

impl ChannelEvent {
    /// Returns which version of which message this is, on a server that keeps versions (Sockudo with
    /// `versioned_messages`); `None` for all other messages. It parses the frame again.
    ///
    /// A new message is an event as always, under its own name. A change is an event on the same channel whose name is
    /// `sockudo:message.update`, `sockudo:message.append` or `sockudo:message.delete`, so that handlers of new messages do
    /// not take it for one; its [`user_id`](Self::user_id) is who made the change, if the publisher said so. A rewind and
    /// a page of history have only the last version of each message. Payloads of encrypted channels have no versions.
    #[must_use]
    pub fn version(&self) -> Option<MessageVersion> {
        let action = match self.event() {
            names::MESSAGE_UPDATE => MessageAction::Update,
            names::MESSAGE_APPEND => MessageAction::Append,
            names::MESSAGE_DELETE => MessageAction::Delete,
            // An annotation has headers of its own.
            names::ANNOTATION => return None,
            _ => MessageAction::Create,
        };
        let [name, extras, version] = object::leading_fields(self.data().source(), ["name", "extras", "version"])?;
        let headers = ["sockudo_message_serial", "sockudo_version_serial", "sockudo_version_timestamp_ms"];
        let [message, header, timestamp] = object::inner_fields(extras?.get(), "headers", headers)?;
        // A page of history has the headers of the first version, and the current one beside them.
        let [current, current_timestamp] =
            version.and_then(|raw| object::fields(raw.get(), ["serial", "timestamp_ms"])).unwrap_or_default();
        Some(MessageVersion {
            action,
            name: name.and_then(object::string).map_or_else(|| self.event().into(), text),
            message_serial: text(object::string(message?)?),
            version_serial: text(object::string(current.or(header)?)?),
            timestamp_ms: current_timestamp.or(timestamp).and_then(millis),
        })
    }
}

fn text(text: Cow<'_, str>) -> Text {
    Text::from(text.into_owned())
}

/// Sockudo writes numbers in headers with a fraction, which is 0.
fn millis(raw: &RawValue) -> Option<u64> {
    let number = raw.get();
    number.strip_suffix(".0").unwrap_or(number).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ChannelName;
    use crate::wire::envelope::Envelope;

    fn version(frame: &str) -> Option<MessageVersion> {
        let envelope = Envelope::read(Text::from(frame)).unwrap();
        ChannelEvent::received(ChannelName::new("msgs").unwrap(), envelope.renamed()).version()
    }

    fn expected(action: MessageAction, name: &str, version: &str, timestamp_ms: Option<u64>) -> MessageVersion {
        let (name, message_serial, version_serial) = (name.into(), "m1".into(), version.into());
        MessageVersion { action, name, message_serial, version_serial, timestamp_ms }
    }

    const HEADERS: &str = concat!(
        r#""extras":{"headers":{"sockudo_action":"message.create","sockudo_message_serial":"m1","#,
        r#""sockudo_version_serial":"v1","sockudo_version_timestamp_ms":1795875921280.0}}"#,
    );

    #[test]
    fn a_version_has_the_name_of_the_message_and_the_action_of_the_event() {
        let at = Some(1_795_875_921_280);
        for (fields, action, name) in [
            (r#""event":"chat""#, MessageAction::Create, "chat"),
            (r#""event":"sockudo:message.create","name":"chat""#, MessageAction::Create, "chat"),
            (r#""event":"sockudo:message.create","name":"a\"b""#, MessageAction::Create, "a\"b"),
            (r#""event":"sockudo:message.update","name":"chat""#, MessageAction::Update, "chat"),
            (r#""event":"sockudo:message.append","name":"chat""#, MessageAction::Append, "chat"),
            (r#""event":"sockudo:message.delete","name":"a\"b""#, MessageAction::Delete, "a\"b"),
            (r#""event":"sockudo:message.delete""#, MessageAction::Delete, "sockudo:message.delete"),
        ] {
            let frame = alloc::format!(r#"{{{fields},"channel":"msgs",{HEADERS}}}"#);
            assert_eq!(version(&frame), Some(expected(action, name, "v1", at)), "{frame}");
        }
    }

    #[test]
    fn a_page_of_history_has_the_current_version_beside_the_headers() {
        let current = r#""version":{"serial":"v4","timestamp_ms":7}"#;
        let frame = alloc::format!(r#"{{"event":"sockudo:message.append","name":"chat",{current},{HEADERS}}}"#);
        assert_eq!(version(&frame), Some(expected(MessageAction::Append, "chat", "v4", Some(7))));
    }

    #[test]
    fn an_event_without_a_version_has_none() {
        let annotation = alloc::format!(r#"{{"event":"sockudo_internal:annotation","channel":"msgs",{HEADERS}}}"#);
        for frame in [
            r#"{"event":"chat","channel":"msgs"}"#,
            r#"{"event":"chat","channel":"msgs","extras":null}"#,
            r#"{"event":"chat","channel":"msgs","extras":[]}"#,
            r#"{"event":"chat","channel":"msgs","extras":{"headers":[]}}"#,
            r#"{"event":"sockudo:message.update","channel":"msgs","extras":{"headers":{"sockudo_message_serial":1}}}"#,
            r#"{"event":"chat","channel":"msgs","extras":{"headers":{"sockudo_message_serial":"m1"}}}"#,
            &annotation,
        ] {
            assert_eq!(version(frame), None, "{frame}");
        }
    }
}
