//! Requests for a page of a channel's history, and the pages.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write;

use serde_json::value::RawValue;

use super::envelope::Envelope;
use super::{object, read};
use crate::data::json_string;
use crate::{Data, HistoryError, HistoryQuery, Position, ServerError, Text};

/// A page as the server has sent it.
#[derive(Debug)]
pub(crate) struct Page {
    pub(crate) items: Vec<Item>,
    pub(crate) next_cursor: Option<Text>,
    pub(crate) has_more: bool,
    pub(crate) is_complete: bool,
    pub(crate) is_truncated_by_retention: bool,
}

/// A message of a page.
#[derive(Debug)]
pub(crate) struct Item {
    pub(crate) position: Position,
    pub(crate) published_at_ms: u64,
    pub(crate) message_id: Option<Text>,
    pub(crate) envelope: Envelope,
}

/// A request for a page. Sockudo 5.2.0 refuses data that is an object, so the data is a string with JSON.
pub(crate) fn request(channel: &str, query: &HistoryQuery) -> Text {
    let HistoryQuery { limit, is_oldest_first, start_serial, end_serial, start_time_ms, end_time_ms, cursor } = query;
    let direction = if *is_oldest_first { "oldest_first" } else { "newest_first" };
    let mut data = format!(r#"{{"channel":{},"direction":"{direction}""#, json_string(channel));
    for (name, value) in [
        ("limit", limit.map(u64::from)),
        ("start_serial", *start_serial),
        ("end_serial", *end_serial),
        ("start_time_ms", *start_time_ms),
        ("end_time_ms", *end_time_ms),
    ] {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = write!(data, r#","{name}":{value}"#);
        }
    }
    if let Some(cursor) = cursor {
        data.push_str(r#","cursor":"#);
        data.push_str(&json_string(cursor));
    }
    data.push('}');
    format!(r#"{{"event":"pusher:channel_history","data":{}}}"#, json_string(&data)).into()
}

/// Reads a page; `None` if it is not one, or has too many messages.
pub(crate) fn page(data: &Data) -> Option<Page> {
    // One buffer for all messages, which does not keep the read buffer.
    let text = Text::from(String::from(read::inner(data)));
    let [items, next_cursor, has_more, continuity] =
        object::fields(&text, ["items", "next_cursor", "has_more", "continuity"])?;
    let items = self::items(&text, items?.get())?;
    let next_cursor = match next_cursor {
        None => None,
        Some(raw) => Some(object::string(raw).filter(|cursor| cursor.len() <= MAX_CURSOR_LEN)?),
    };
    let [complete, truncated] = continuity
        .and_then(|raw| object::fields(raw.get(), ["complete", "truncated_by_retention"]))
        .unwrap_or_default();
    Some(Page {
        items,
        next_cursor: next_cursor.map(|cursor| Text::from(&*cursor)),
        has_more: is_true(has_more),
        is_complete: is_true(complete),
        is_truncated_by_retention: is_true(truncated),
    })
}

fn items(text: &Text, json: &str) -> Option<Vec<Item>> {
    let mut items: Vec<Item> = Vec::new();
    let mut is_readable = true;
    let is_list = object::each(json, |raw| {
        if is_readable && items.len() < usize::from(HistoryQuery::MAX_LIMIT) {
            let previous = items.last().map(|item| &item.position);
            match item(text, raw, previous) {
                Some(item) => items.push(item),
                None => is_readable = false,
            }
        } else {
            is_readable = false;
        }
    });
    (is_list && is_readable).then_some(items)
}

/// Reads a message. `previous` is the position of the one before, which is usually of the same stream.
fn item(text: &Text, raw: &RawValue, previous: Option<&Position>) -> Option<Item> {
    let names = ["stream_id", "serial", "published_at_ms", "message_id", "message"];
    let [stream, serial, published_at_ms, message_id, message] = object::fields(raw.get(), names)?;
    let (stream, serial) = (object::string(stream?)?, serial?.get().parse().ok()?);
    let position = match previous.filter(|previous| previous.stream_id() == stream) {
        Some(previous) => previous.of_same_stream(serial),
        None => Position::new(&stream, serial)?,
    };
    let message = message?.get();
    let start = (message.as_ptr() as usize).checked_sub(text.as_ptr() as usize)?;
    Some(Item {
        position,
        published_at_ms: published_at_ms?.get().parse().ok()?,
        message_id: message_id.and_then(object::string).map(|id| Text::from(&*id)),
        envelope: Envelope::read(text.slice(start..start + message.len())).ok()?,
    })
}

fn is_true(raw: Option<&RawValue>) -> bool {
    raw.is_some_and(|raw| raw.get() == "true")
}

/// What an error without a channel says about a request for this channel's history, if it is about one.
pub(crate) fn refusal(error: &ServerError, channel: &str, triggered_lately: bool) -> Option<HistoryError> {
    // What follows a quote is a name, which may be anything.
    let words = error.message.split('\'').next().unwrap_or_default();
    if ["history", "History", "cursor"].iter().any(|word| words.contains(word)) {
        return Some(if error.code == Some(FEATURE_DISABLED) {
            HistoryError::Disabled(error.clone())
        } else {
            HistoryError::Refused(error.clone())
        });
    }
    // A client event on a channel that is not subscribed is refused with the same words.
    let is_unsubscribed = error.message.strip_suffix(channel).is_some_and(|rest| rest.ends_with(NOT_SUBSCRIBED));
    (is_unsubscribed && !triggered_lately).then(|| HistoryError::Refused(error.clone()))
}

/// Code of an error about a channel or a feature that is not allowed.
const FEATURE_DISABLED: u32 = 4300;

/// What Sockudo answers on a channel that is not subscribed, before the name of the channel.
const NOT_SUBSCRIBED: &str = "is not subscribed to channel ";

/// The longest cursor that the client sends back, in bytes. Those of Sockudo 5.2.0 have less than 300, and it accepts at
/// most this many.
const MAX_CURSOR_LEN: usize = 16 * 1_024;

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn page_of(json: &str) -> Option<Page> {
        page(&Data::from_json(json).unwrap())
    }

    fn message(serial: u64) -> String {
        format!(
            r#"{{"stream_id":"s","serial":{serial},"published_at_ms":{},"message_id":"m{serial}","event_name":"e","message":
            {{"serial":{serial},"event":"e","channel":"c","data":"{{\"n\":{serial}}}","stream_id":"s"}}}}"#,
            serial * 1_000
        )
    }

    #[test]
    fn a_request_has_a_string_with_what_the_query_says() {
        let query = HistoryQuery::default();
        let expected =
            r#"{"event":"pusher:channel_history","data":"{\"channel\":\"a\\\"b\",\"direction\":\"newest_first\"}"}"#;
        assert_eq!(request("a\"b", &query), expected);
        let query = query.oldest_first().limit(0).start_serial(1).end_serial(u64::MAX).start_time_ms(2).end_time_ms(3);
        let data = concat!(
            r#"{"channel":"c","direction":"oldest_first","limit":1,"start_serial":1,"end_serial":18446744073709551615,"#,
            r#""start_time_ms":2,"end_time_ms":3,"cursor":"x\"y"}"#,
        );
        let expected = format!(r#"{{"event":"pusher:channel_history","data":{}}}"#, json_string(data));
        assert_eq!(request("c", &query.cursor("x\"y")), expected.as_str());
        assert_eq!(HistoryQuery::default().limit(u16::MAX).limit, Some(1_000));
    }

    #[test]
    fn reads_a_page_with_its_messages() {
        let json = format!(
            r#"{{"items":[{},{}],"next_cursor":"n\"","has_more":true,"direction":"newest_first","continuity":
            {{"complete":true,"truncated_by_retention":true}}}}"#,
            message(2),
            message(1)
        );
        for json in [json_string(&json), json] {
            let page = page_of(&json).unwrap();
            let items: Vec<_> = page
                .items
                .iter()
                .map(|item| (item.position.serial(), item.published_at_ms, item.message_id.as_deref().unwrap()))
                .collect();
            assert_eq!(items, [(2, 2_000, "m2"), (1, 1_000, "m1")]);
            assert_eq!(page.items[0].envelope.data.text(), r#"{"n":2}"#);
            assert_eq!(page.next_cursor.as_deref(), Some("n\""));
            assert!(page.has_more && page.is_complete && page.is_truncated_by_retention);
        }
    }

    #[test]
    fn every_message_has_its_own_position_whatever_the_one_before_has() {
        let places: Vec<(&str, u64)> = ["a", "b", "\u{e9}"]
            .into_iter()
            .flat_map(|stream| [0, 1, u64::MAX].map(|serial| (stream, serial)))
            .collect();
        for first in &places {
            for second in &places {
                for third in &places {
                    let sent = [first, second, third];
                    let items = sent.map(|(stream, serial)| {
                        format!(
                            r#"{{"stream_id":"{stream}","serial":{serial},"published_at_ms":1,"message":{{"event":"e"}}}}"#
                        )
                    });
                    let page = page_of(&format!(r#"{{"items":[{}]}}"#, items.join(","))).unwrap();
                    let positions = page.items.iter().map(|item| (item.position.stream_id(), item.position.serial()));
                    assert!(positions.eq(sent.into_iter().copied()), "{page:?}");
                }
            }
        }
    }

    #[test]
    fn the_last_page_has_no_cursor() {
        let page =
            page_of(r#"{"items":[],"next_cursor":null,"has_more":false,"continuity":{"complete":false}}"#).unwrap();
        assert!(page.items.is_empty() && page.next_cursor.is_none() && !page.has_more);
        assert!(!page.is_complete && !page.is_truncated_by_retention);
        assert!(page_of(r#"{"items":[]}"#).is_some(), "nothing else is needed");
    }

    #[test]
    fn what_is_not_a_page_is_none() {
        let item = |field: &str, value: &str| {
            let fields =
                [("stream_id", r#""s""#), ("serial", "1"), ("published_at_ms", "1"), ("message", r#"{"event":"e"}"#)];
            let fields = fields.map(|(name, own)| format!(r#""{name}":{}"#, if name == field { value } else { own }));
            format!(r#"{{"items":[{{{}}}]}}"#, fields.join(","))
        };
        assert!(page_of(&item("", "")).is_some());
        for json in [
            "null".to_string(),
            "[]".into(),
            "{}".into(),
            r#"{"items":{}}"#.into(),
            r#"{"items":[7]}"#.into(),
            r#"{"items":[],"next_cursor":7}"#.into(),
            format!(r#"{{"items":[],"next_cursor":"{}"}}"#, "x".repeat(MAX_CURSOR_LEN + 1)),
            item("stream_id", r#""""#),
            item("serial", "-1"),
            item("published_at_ms", r#""1""#),
            item("message", r#""{}""#),
            item("message", "{}"),
            item("message", "null"),
        ] {
            assert!(page_of(&json).is_none(), "{json}");
        }
    }

    #[test]
    fn a_page_has_at_most_a_thousand_messages() {
        let page = |count: u64| {
            let items: Vec<String> = (0..count).map(message).collect();
            page_of(&format!(r#"{{"items":[{}]}}"#, items.join(",")))
        };
        assert_eq!(page(1_000).unwrap().items.len(), 1_000);
        assert!(page(1_001).is_none());
    }

    #[test]
    fn an_error_is_about_a_request_only_if_it_says_so() {
        let refused = |code, message: &str| {
            refusal(&ServerError::new(code, message), "hist", false).map(|error| match error {
                HistoryError::Disabled(_) => "disabled",
                _ => "refused",
            })
        };
        for (code, message, expected) in [
            (4300, "Channel error: Durable history is disabled by policy for channel 'hist'", Some("disabled")),
            (4000, "Invalid message format: Unsupported history direction: sideways", Some("refused")),
            (4000, "Invalid message format: History limit must be greater than 0", Some("refused")),
            (4000, "Invalid message format: Missing data in channel_history message", Some("refused")),
            (4000, "Invalid message format: Invalid cursor", Some("refused")),
            (4301, "Client event error: Socket 1.2 is not subscribed to channel hist", Some("refused")),
            (4301, "Client event error: Socket 1.2 is not subscribed to channel hist2", None),
            (4301, "Client event error: Rate limit exceeded", None),
            (4300, "Channel error: Channel rewind is disabled by policy for channel 'history'", None),
            (4009, "Authentication error: Connection is not allowed to subscribe channel 'history'", None),
        ] {
            assert_eq!(refused(code, message), expected, "{message}");
        }
        let error = ServerError::new(4301, "Client event error: Socket 1.2 is not subscribed to channel hist");
        assert_eq!(refusal(&error, "hist", true), None, "it may be about the client event");
    }
}
