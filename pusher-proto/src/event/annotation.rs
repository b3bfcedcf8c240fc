//! Annotations of messages, such as reactions, on Sockudo.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::ChannelEvent;
use crate::wire::names;
use crate::{Data, Text};

/// A single annotation of a message ([`ChannelEvent::annotation`]).
///
/// # Examples
///
/// ```
/// use pusher_proto::{ChannelEvent, ChannelName, Data};
///
/// let data = r#"{"action":"annotation.create","serial":"a1","messageSerial":"m1","type":"reaction:flag.v1","clientId":"ann"}"#;
/// let event = ChannelEvent::new(ChannelName::new("chat")?, "sockudo_internal:annotation", Data::from_json(data)?);
/// let annotation = event.annotation().expect("an annotation");
/// assert_eq!((&*annotation.message_serial, annotation.client_id.as_deref()), ("m1", Some("ann")));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Annotation {
    /// Whether it was deleted; otherwise it is new.
    pub is_deleted: bool,
    /// Identifies the annotation, or its deletion.
    pub serial: Text,
    /// The message that it belongs to: [`MessageVersion::message_serial`](super::MessageVersion::message_serial).
    pub message_serial: Text,
    /// Its type with the way of counting, such as `reaction:distinct.v1`.
    pub annotation_type: Text,
    /// What it says, such as `like`.
    pub name: Option<Text>,
    /// Who made it.
    pub client_id: Option<Text>,
    /// How often it counts.
    pub count: Option<u64>,
    /// What else the publisher has attached.
    pub data: Data,
    /// When it was made, in milliseconds since the Unix epoch by the server's clock.
    pub timestamp_ms: Option<u64>,
}

/// How many annotations of one type a message has ([`ChannelEvent::annotation_summaries`]). It replaces an earlier summary of the
/// same type and message.
///
/// # Examples
///
/// ```
/// use pusher_proto::ChannelEvent;
///
/// /// Shows the reactions to a message.
/// fn show(event: &ChannelEvent) {
///     for summary in event.annotation_summaries() {
///         for count in &summary.counts {
///             println!("{}: {} × {}", summary.message_serial, count.name.as_deref().unwrap_or("all"), count.total);
///         }
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnnotationSummary {
    /// The message: [`MessageVersion::message_serial`](super::MessageVersion::message_serial).
    pub message_serial: Text,
    /// Type of the annotations with the way of counting, such as `reaction:distinct.v1`.
    pub annotation_type: Text,
    /// One count for all annotations (`total.v1`, `flag.v1`), or one for each name in alphabetical order (`distinct.v1`,
    /// `unique.v1`, `multiple.v1`).
    pub counts: Vec<AnnotationCount>,
    /// The counts as they were sent, for types that this library does not know.
    pub data: Data,
}

/// A count in an [`AnnotationSummary`].
///
/// # Examples
///
/// ```
/// use pusher_proto::{ChannelEvent, ChannelName, Data};
///
/// let data = r#"{"action":"message.summary","serial":"m1","annotations":{"summary":{"reaction:distinct.v1":
///     {"like":{"total":2,"clientIds":["ann","bob"]}}}}}"#;
/// let event = ChannelEvent::new(ChannelName::new("chat")?, "sockudo_internal:message", Data::from_json(data)?);
/// let count = event.annotation_summaries().remove(0).counts.remove(0);
/// assert_eq!((count.name.as_deref(), count.total, count.client_ids.len()), (Some("like"), 2, 2));
/// # Ok::<(), Box<dyn core::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct AnnotationCount {
    /// What is counted; `None` if all annotations are.
    pub name: Option<Text>,
    /// How many there are.
    pub total: u64,
    /// Who made them, in no particular order; empty for types that do not say so (`total.v1`).
    pub client_ids: Vec<Text>,
    /// Whether the server has left out some of these ids.
    pub is_clipped: bool,
}

impl ChannelEvent {
    /// Returns the annotation of a message that this event is; `None` for all other events. It parses the payload.
    ///
    /// Such events (`sockudo_internal:annotation`) come only if the subscription asks for them
    /// ([`Subscribe::annotations`](crate::Subscribe::annotations)).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn example(event: &pusher_proto::ChannelEvent) {
    /// if let Some(new) = event.annotation().filter(|annotation| !annotation.is_deleted) {
    ///     println!("{:?} reacted with {:?} to {}", new.client_id, new.name, new.message_serial);
    /// }
    /// # }
    /// ```
    #[must_use]
    pub fn annotation(&self) -> Option<Annotation> {
        let annotation: Wire<'_> = self.payload(names::ANNOTATION)?;
        Some(Annotation {
            is_deleted: match &*annotation.action {
                "annotation.create" => false,
                "annotation.delete" => true,
                _ => return None,
            },
            serial: text(annotation.serial),
            message_serial: text(annotation.message_serial),
            annotation_type: text(annotation.annotation_type),
            name: annotation.name.map(text),
            client_id: annotation.client_id.map(text),
            count: annotation.count,
            data: annotation.data.map_or(Data::ABSENT, data),
            timestamp_ms: annotation.timestamp,
        })
    }

    /// Returns the counts of annotations of a message that this event brings, one for each type; empty for all other events.
    /// It parses the payload.
    ///
    /// Each subscriber of a channel with annotations gets such events (`sockudo_internal:message`): after a subscription for
    /// all that there are, and then for each that changes.
    #[must_use]
    pub fn annotation_summaries(&self) -> Vec<AnnotationSummary> {
        let Some(notice) = self.payload::<Notice<'_>>(names::MESSAGE_SUMMARY) else { return Vec::new() };
        if notice.action != "message.summary" {
            return Vec::new();
        }
        let message_serial = text(notice.serial);
        let summaries = notice.annotations.summary.into_iter();
        summaries
            .map(|(annotation_type, counts)| AnnotationSummary {
                message_serial: message_serial.clone(),
                annotation_type: text(annotation_type),
                counts: self::counts(counts.get()),
                data: data(counts),
            })
            .collect()
    }

    fn payload<'de, T: Deserialize<'de>>(&'de self, event: &str) -> Option<T> {
        // The server sends an object; a string with one would be that of another publisher.
        serde_json::from_str(self.data().raw()).ok().filter(|_| self.event() == event)
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire<'a> {
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow)]
    serial: Cow<'a, str>,
    #[serde(borrow)]
    message_serial: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    annotation_type: Cow<'a, str>,
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    client_id: Option<Cow<'a, str>>,
    count: Option<u64>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    timestamp: Option<u64>,
}

#[derive(Deserialize)]
struct Notice<'a> {
    #[serde(borrow)]
    action: Cow<'a, str>,
    #[serde(borrow)]
    serial: Cow<'a, str>,
    #[serde(borrow)]
    annotations: Summaries<'a>,
}

#[derive(Deserialize)]
struct Summaries<'a> {
    #[serde(borrow)]
    summary: BTreeMap<Cow<'a, str>, &'a RawValue>,
}

/// A count of any type.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Count<'a> {
    total: u64,
    #[serde(borrow, default)]
    client_ids: Vec<Cow<'a, str>>,
    #[serde(borrow, default)]
    client_counts: BTreeMap<Cow<'a, str>, u64>,
    #[serde(default)]
    clipped: bool,
}

/// Reads the counts of a type; of one that is not known, there are none.
fn counts(json: &str) -> Vec<AnnotationCount> {
    let count = |name: Option<Cow<'_, str>>, count: Count<'_>| AnnotationCount {
        name: name.map(text),
        total: count.total,
        client_ids: count.client_ids.into_iter().chain(count.client_counts.into_keys()).map(text).collect(),
        is_clipped: count.clipped,
    };
    if let Ok(all) = serde_json::from_str(json) {
        return [count(None, all)].into();
    }
    let named: BTreeMap<Cow<'_, str>, Count<'_>> = serde_json::from_str(json).unwrap_or_default();
    named.into_iter().map(|(name, named)| count(Some(name), named)).collect()
}

fn text(text: Cow<'_, str>) -> Text {
    Text::from(text.into_owned())
}

fn data(raw: &RawValue) -> Data {
    Data::whole(raw.get().into())
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use crate::ChannelName;
    use crate::data::json_string;

    fn event(name: &str, data: &str) -> ChannelEvent {
        ChannelEvent::new(ChannelName::new("msgs").unwrap(), name, Data::from_json(data).unwrap())
    }

    fn count(name: Option<&str>, total: u64, client_ids: &[&str], is_clipped: bool) -> AnnotationCount {
        let client_ids = client_ids.iter().map(|id| Text::from(*id)).collect();
        AnnotationCount { name: name.map(Text::from), total, client_ids, is_clipped }
    }

    #[test]
    fn counts_of_all_types_are_read() {
        for (annotation_type, json, counts) in [
            ("reaction:total.v1", r#"{"total":1}"#, [count(None, 1, &[], false)].to_vec()),
            (
                "reaction:flag.v1",
                r#"{"clipped":true,"total":9,"clientIds":["u1","u\"2"]}"#,
                [count(None, 9, &["u1", "u\"2"], true)].to_vec(),
            ),
            (
                "reaction:distinct.v1",
                r#"{"like":{"clientIds":["u1"],"clipped":false,"total":1},"hate":{"total":0}}"#,
                [count(Some("hate"), 0, &[], false), count(Some("like"), 1, &["u1"], false)].to_vec(),
            ),
            (
                "reaction:multiple.v1",
                r#"{"star":{"clientCounts":{"u1":3},"total":4,"totalClientIds":1,"totalUnidentified":1,"clipped":false}}"#,
                [count(Some("star"), 4, &["u1"], false)].to_vec(),
            ),
            ("rating:average.v2", r#"[1,2]"#, Vec::new()),
        ] {
            let summaries = format!(r#"{{"summary":{{"{annotation_type}":{json}}}}}"#);
            let data = format!(r#"{{"action":"message.summary","serial":"m1","annotations":{summaries}}}"#);
            let expected = AnnotationSummary {
                message_serial: "m1".into(),
                annotation_type: annotation_type.into(),
                counts,
                data: Data::from_json(json).unwrap(),
            };
            assert_eq!(event("sockudo_internal:message", &data).annotation_summaries(), [expected]);
            assert_eq!(event("sockudo_internal:message", &data).annotation(), None);
            assert_eq!(event("chat", &data).annotation_summaries(), []);
        }
    }

    #[test]
    fn annotations_are_read_when_they_are_made_and_deleted() {
        let json = |action: &str| {
            format!(
                r#"{{"action":"annotation.{action}","serial":"a1","messageSerial":"m1","type":"reaction:multiple.v1",
                "name":"star","clientId":"u1","count":3,"data":{{"x":1}},"timestamp":7}}"#
            )
        };
        let annotation = |is_deleted| Annotation {
            is_deleted,
            serial: "a1".into(),
            message_serial: "m1".into(),
            annotation_type: "reaction:multiple.v1".into(),
            name: Some("star".into()),
            client_id: Some("u1".into()),
            count: Some(3),
            data: Data::from_json(r#"{"x":1}"#).unwrap(),
            timestamp_ms: Some(7),
        };
        for (action, expected) in
            [("create", Some(annotation(false))), ("delete", Some(annotation(true))), ("other", None)]
        {
            assert_eq!(event("sockudo_internal:annotation", &json(action)).annotation(), expected);
            assert_eq!(event("chat", &json(action)).annotation(), None);
        }
        let least = r#"{"action":"annotation.create","serial":"a1","messageSerial":"m1","type":"t"}"#;
        let least = event("sockudo_internal:annotation", least).annotation().unwrap();
        assert_eq!((least.name, least.count, least.data), (None, None, Data::ABSENT));
    }

    #[test]
    fn every_text_may_be_any_text() {
        for text in ["", "plain", "\"", "\\", "/", "\n\u{1}", "é", "\u{1f600}", "like \"that\""] {
            let json = json_string(text);
            let data = format!(
                r#"{{"action":"annotation.create","serial":{json},"messageSerial":{json},"type":{json},"name":{json},"clientId":{json}}}"#
            );
            let annotation = event("sockudo_internal:annotation", &data).annotation().unwrap();
            let Annotation { serial, message_serial, annotation_type, name, client_id, .. } = annotation;
            let texts = [Some(serial), Some(message_serial), Some(annotation_type), name, client_id];
            assert_eq!(texts, [(); 5].map(|()| Some(Text::from(text))));
            for (counts, expected) in [
                (format!(r#"{{"total":1,"clientIds":[{json}]}}"#), count(None, 1, &[text], false)),
                (format!(r#"{{{json}:{{"total":2,"clientIds":[{json}]}}}}"#), count(Some(text), 2, &[text], false)),
                (
                    format!(r#"{{{json}:{{"total":3,"clientCounts":{{{json}:3}}}}}}"#),
                    count(Some(text), 3, &[text], false),
                ),
            ] {
                let summary = format!(r#"{{"summary":{{{json}:{counts}}}}}"#);
                let data = format!(r#"{{"action":"message.summary","serial":{json},"annotations":{summary}}}"#);
                let expected = AnnotationSummary {
                    message_serial: text.into(),
                    annotation_type: text.into(),
                    data: Data::from_json(&counts).unwrap(),
                    counts: [expected].into(),
                };
                assert_eq!(event("sockudo_internal:message", &data).annotation_summaries(), [expected], "{text:?}");
            }
        }
    }

    #[test]
    fn a_payload_that_is_not_one_is_none() {
        for data in ["{}", "[]", r#""{}""#, r#"{"action":"message.summary","serial":"m1","annotations":{}}"#] {
            assert_eq!(event("sockudo_internal:annotation", data).annotation(), None, "{data}");
            assert_eq!(event("sockudo_internal:message", data).annotation_summaries(), [], "{data}");
        }
    }
}
