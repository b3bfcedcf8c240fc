//! What the page shows.

use std::time::SystemTime;

use pusher_tokio::pusher_proto::adapter::start_of;
use serde::Serialize;

/// One row of the stream.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct Entry {
    /// Milliseconds since the Unix epoch.
    pub(super) at: u128,
    pub(super) kind: &'static str,
    /// A socket id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) who: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) channel: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) event: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) data: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<String>,
    /// Whether something went wrong.
    pub(super) bad: bool,
}

impl Entry {
    pub(super) fn new(kind: &'static str) -> Self {
        let at = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
        Self { at, kind, ..Self::default() }
    }

    pub(super) fn who(self, socket_id: Option<&str>) -> Self {
        Self { who: socket_id.map(str::to_owned), ..self }
    }

    pub(super) fn channel(self, channel: &str) -> Self {
        Self { channel: Some(start(channel, MAX_NAME_LEN)), ..self }
    }

    /// An event with what it carries.
    pub(super) fn event(self, event: &str, data: &str) -> Self {
        Self { event: Some(start(event, MAX_NAME_LEN)), data: Some(start(data, MAX_DATA_LEN)), ..self }
    }

    pub(super) fn note(self, note: &str) -> Self {
        Self { note: Some(start(note, MAX_NAME_LEN)), ..self }
    }

    pub(super) fn bad(self, bad: bool) -> Self {
        Self { bad, ..self }
    }
}

/// The part of a text that a page shows: texts from elsewhere may be long, and many entries are kept.
fn start(text: &str, max_len: usize) -> String {
    let mut shown = start_of(text, max_len).to_owned();
    if shown.len() < text.len() {
        shown.push('…');
    }
    shown
}

/// The counts and lists beside the stream.
#[derive(Debug, Default, PartialEq, Serialize)]
pub(super) struct State {
    /// Which server this is, in a sentence.
    pub(super) server: String,
    pub(super) can_publish: bool,
    /// Only the server itself knows it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) connection_count: Option<usize>,
    pub(super) connections: Vec<Connection>,
    pub(super) channels: Vec<Channel>,
    pub(super) counts: Counts,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Connection {
    pub(super) id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) user: Option<String>,
    pub(super) channels: Vec<String>,
}

#[derive(Debug, PartialEq, Serialize)]
pub(super) struct Channel {
    pub(super) name: String,
    /// Not every server counts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) count: Option<usize>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) users: Vec<String>,
}

/// Counts since the server was started.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(super) struct Counts {
    pub(super) events: u64,
    pub(super) client_events: u64,
    pub(super) calls: u64,
    pub(super) refused: u64,
}

/// Bytes of a name or a remark that a page shows.
const MAX_NAME_LEN: usize = 512;

/// Bytes of a payload that a page shows.
const MAX_DATA_LEN: usize = 4_096;
