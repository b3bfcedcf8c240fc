//! The bodies of HTTP API calls.

use alloc::string::String;
use alloc::vec::Vec;

use serde::Serialize;

/// One event (Pusher docs, *HTTP API reference, POST event* and *POST batch events*).
#[derive(Serialize)]
pub(super) struct EventBody<'a> {
    pub(super) name: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) channels: Option<&'a [String]>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) channel: Option<&'a str>,
    pub(super) data: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) socket_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) info: Option<&'static str>,
}

#[derive(Serialize)]
pub(super) struct BatchBody<'a> {
    pub(super) batch: Vec<EventBody<'a>>,
}

impl EventBody<'_> {
    pub(super) fn to_json(&self) -> String {
        to_json(self)
    }
}

impl BatchBody<'_> {
    pub(super) fn to_json(&self) -> String {
        to_json(self)
    }
}

fn to_json<T: Serialize>(body: &T) -> String {
    serde_json::to_string(body).expect("strings and lists of them always have a JSON form")
}
