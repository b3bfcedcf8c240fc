//! Requests for history, and the pages that answer them.

use std::fmt::{self, Write};
use std::str::FromStr;

use pusher_proto::{HistoryError, HistoryId, HistoryItem, HistoryPage, HistoryQuery, with_causes};
use serde_json::{Value, json};

use super::{InvalidLine, describe, v2};

/// The words of a query: `limit=N`, `oldest`, `from=SERIAL`, `to=SERIAL`, `since=MS`, `until=MS` and `cursor=TEXT`.
///
/// # Examples
///
/// ```
/// use pusher_proto::HistoryQuery;
/// use pusher_test::transcript::WrittenQuery;
///
/// let written: WrittenQuery = "limit=2 oldest".parse()?;
/// assert_eq!(written.query(), &HistoryQuery::default().limit(2).oldest_first());
/// # Ok::<(), pusher_test::transcript::InvalidLine>(())
/// ```
#[derive(Clone, Debug)]
pub struct WrittenQuery {
    words: String,
    query: HistoryQuery,
}

impl WrittenQuery {
    /// Returns the query.
    pub const fn query(&self) -> &HistoryQuery {
        &self.query
    }
}

impl FromStr for WrittenQuery {
    type Err = InvalidLine;

    fn from_str(words: &str) -> Result<Self, InvalidLine> {
        let mut query = HistoryQuery::default();
        for word in words.split_whitespace() {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            let number = || v2::number(value);
            query = match name {
                "limit" => query.limit(u16::try_from(number()?).unwrap_or(u16::MAX)),
                "oldest" => query.oldest_first(),
                "from" => query.start_serial(number()?),
                "to" => query.end_serial(number()?),
                "since" => query.start_time_ms(number()?),
                "until" => query.end_time_ms(number()?),
                "cursor" => query.cursor(value),
                _ => return Err(InvalidLine::new(format!("{word:?} is not part of a query"))),
            };
        }
        Ok(Self { words: words.to_owned(), query })
    }
}

impl fmt::Display for WrittenQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}

/// The frame of a page: `CHANNEL [STREAM:SERIAL …] [next=CURSOR] [complete] [truncated]`.
pub(crate) fn frame(text: &str) -> Result<Value, InvalidLine> {
    let (channel, rest) = text.split_once(' ').unwrap_or((text, ""));
    let (mut items, mut cursor, mut complete, mut truncated) = (Vec::new(), None, false, false);
    for word in rest.split_whitespace() {
        match word.split_once('=') {
            Some(("next", text)) => cursor = Some(text),
            _ if word == "complete" => complete = true,
            _ if word == "truncated" => truncated = true,
            _ => {
                let at = v2::position(word)?;
                let (stream, serial) = (at.stream_id(), at.serial());
                let message = json!({
                    "event": "e", "channel": channel, "data": serial, "message_id": "m", "stream_id": stream,
                    "serial": serial,
                });
                items.push(json!({
                    "stream_id": stream, "serial": serial, "published_at_ms": serial * 1_000, "message_id": "m",
                    "event_name": "e", "operation_kind": "append", "message": message,
                }));
            }
        }
    }
    let data = json!({
        "items": items, "has_more": cursor.is_some(), "next_cursor": cursor,
        "continuity": { "complete": complete, "truncated_by_retention": truncated },
    });
    Ok(json!({ "event": "sockudo:channel_history", "channel": channel, "data": data, "message_id": "m" }))
}

/// The line of an outcome.
pub(crate) fn outcome(id: HistoryId, channel: &str, result: &Result<HistoryPage, HistoryError>) -> String {
    let page = match result {
        Ok(page) => page,
        Err(error) => return format!("history #{id} {channel}: {}", with_causes(error)),
    };
    let items: Vec<String> = page.items().iter().map(item).collect();
    let mut line = format!("history #{id} {channel} [{}]", items.join(", "));
    for (word, is_so) in [
        (" more", page.has_more()),
        (" complete", page.is_complete()),
        (" truncated", page.is_truncated_by_retention()),
    ] {
        line.push_str(if is_so { word } else { "" });
    }
    line
}

fn item(item: &HistoryItem) -> String {
    let mut line = format!("{:?} ", item.position());
    // Writing to a string cannot fail.
    let _ = match item.event() {
        Ok(event) => write!(line, "{} {}{}", event.event(), event.data().raw(), describe::version(event)),
        Err(error) => write!(line, "{}", with_causes(error)),
    };
    line
}
