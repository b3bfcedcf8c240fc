//! Events that are sent as a delta to an earlier one, on connections that ask for it (Sockudo, Protocol V2).

mod fossil;

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;
use serde_json::value::RawValue;

use super::recovery::RecoverySupport;
use super::{ConnectionId, Server};
use crate::data::json_string;
use crate::wire::object;
use crate::{ChannelName, Instant, Text};

/// The events of one connection that deltas can refer to.
#[derive(Debug, Default)]
pub(super) struct Deltas {
    is_on: bool,
    /// Channels whose events are always sent in full.
    exempt: BTreeSet<ChannelName>,
    bases: BTreeMap<Series, Base>,
    /// All bases in the order of their last use.
    uses: BTreeMap<u64, Series>,
    next_use: u64,
    /// Of all bases.
    bytes: usize,
}

/// Events of which each can be sent as a delta to the previous one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Series {
    pub(super) channel: ChannelName,
    pub(super) event: Text,
    /// The value of the configured field of the data, if there is one.
    pub(super) conflation_key: Option<Text>,
}

#[derive(Debug)]
struct Base {
    seq: u64,
    /// In version 2, without marks.
    frame: Text,
    /// Deltas that were sent since the last full event.
    deltas: u32,
    /// When the last full event was sent.
    full_at: Instant,
    last_use: u64,
}

impl Deltas {
    /// Turns deltas on, and restarts every series.
    fn enable(&mut self) {
        *self = Self { is_on: true, exempt: core::mem::take(&mut self.exempt), ..Self::default() };
    }

    /// Turns deltas on or off for one channel. In both cases, all other channels get deltas from now on (Sockudo 5.2.0).
    pub(super) fn set(&mut self, channel: &ChannelName, wants: bool) {
        self.is_on = true;
        if wants {
            self.exempt.remove(channel);
        } else {
            self.forget(channel);
            self.exempt.insert(channel.clone());
        }
    }

    /// Restarts every series of a channel, and drops its setting.
    pub(super) fn forget(&mut self, channel: &ChannelName) {
        self.exempt.remove(channel);
        let series: Vec<Series> = self.bases.keys().filter(|series| series.channel == *channel).cloned().collect();
        for series in series {
            self.remove(&series);
        }
    }

    /// Returns the frame that is sent for an event, and keeps the event. Each series starts with two full events, and has
    /// another one after `interval` deltas.
    pub(super) fn encode(&mut self, series: &Series, full: &Text, interval: u32, now: Instant) -> Text {
        if !self.is_on || self.exempt.contains(&series.channel) {
            return full.clone();
        }
        let base = self.remove(series);
        let seq = base.as_ref().map_or(0, |base| base.seq + 1);
        let fits =
            |base: &Base| base.seq > 0 && base.deltas < interval && now.since(base.full_at) < MAX_TIME_WITHOUT_FULL;
        let (sent, deltas, full_at) = match base.filter(fits) {
            Some(base) => (delta(series, &base, full), base.deltas + 1, base.full_at),
            None => (marked(series, seq, full), 0, now),
        };
        self.keep(series, Base { seq, frame: full.clone(), deltas, full_at, last_use: self.next_use });
        sent
    }

    fn keep(&mut self, series: &Series, base: Base) {
        let len = base.frame.len();
        if len > MAX_BYTES {
            return;
        }
        while self.bases.len() >= MAX_BASES || self.bytes + len > MAX_BYTES {
            let Some(oldest) = self.uses.first_key_value().map(|(_, series)| series.clone()) else { break };
            self.remove(&oldest);
        }
        self.next_use += 1;
        self.bytes += len;
        self.uses.insert(base.last_use, series.clone());
        self.bases.insert(series.clone(), base);
    }

    fn remove(&mut self, series: &Series) -> Option<Base> {
        let base = self.bases.remove(series)?;
        self.uses.remove(&base.last_use);
        self.bytes -= base.frame.len();
        Some(base)
    }
}

/// A full event, marked as one that deltas refer to.
fn marked(series: &Series, seq: u64, full: &Text) -> Text {
    let Some(body) = full.strip_suffix('}') else { return full.clone() };
    let key = series.conflation_key.as_deref();
    let key = key.map_or_else(String::new, |key| format!(r#","__conflation_key":{}"#, json_string(key)));
    format!(r#"{body},"__delta_seq":{seq}{key}}}"#).into()
}

fn delta(series: &Series, base: &Base, full: &Text) -> Text {
    let (seq, base_index) = (base.seq + 1, base.seq);
    let [channel, event] = [series.channel.as_str(), &series.event].map(json_string);
    let key = series.conflation_key.as_deref();
    let key = key.map_or_else(String::new, |key| format!(r#""conflation_key":{},"#, json_string(key)));
    let encoded = STANDARD.encode(fossil::encode(base.frame.as_bytes(), full.as_bytes()));
    format!(
        r#"{{"event":"sockudo:delta","channel":{channel},"data":{{"event":{event},"seq":{seq},"base_index":{base_index},"algorithm":"fossil",{key}"delta":"{encoded}"}}}}"#
    )
    .into()
}

/// Reads whether a subscription asks for deltas; `None` if it does not say so in a known form.
pub(super) fn wants(raw: &RawValue) -> Option<bool> {
    match serde_json::from_str::<Value>(raw.get()).ok()? {
        Value::Bool(wants) => Some(wants),
        Value::String(name) => Some(!["disabled", "false", "none"].contains(&name.as_str())),
        Value::Object(fields) => Some(fields.get("enabled").and_then(Value::as_bool).unwrap_or(true)),
        Value::Null | Value::Number(_) | Value::Array(_) => None,
    }
}

/// The value of a field of the data, as text.
pub(super) fn conflation_key(data: &str, field: &str) -> Option<Text> {
    let [value] = object::fields(data, [field])?;
    let value = value.filter(|value| value.get() != "null")?;
    Some(object::string(value).map_or_else(|| value.get().into(), |text| Text::from(&*text)))
}

impl Server {
    /// Turns deltas on for a client. Sockudo confirms this to clients of version 1 too, and sends them no deltas.
    pub(super) fn enable_deltas(&mut self, id: ConnectionId) {
        if self.config.options().recovery == RecoverySupport::Missing {
            return;
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.deltas.enable();
        }
        let data = r#"{"enabled":true,"algorithm":"fossil"}"#;
        self.send(id, format!(r#"{{"event":"pusher:delta_compression_enabled","data":{data}}}"#).into());
    }

    /// A client cannot rebuild an event: the next events of that channel are sent in full.
    pub(super) fn handle_delta_error(&mut self, id: ConnectionId, channel: &str) {
        let connection = self.connections.get_mut(&id);
        if let (Some(connection), Ok(channel)) = (connection, ChannelName::internal(channel)) {
            connection.deltas.forget(&channel);
        }
    }
}

/// After this time, the next event is sent in full (Sockudo 5.2.0).
const MAX_TIME_WITHOUT_FULL: Duration = Duration::from_secs(300);

/// Bases of one connection. If there are more, the series that was not used for the longest time restarts.
const MAX_BASES: usize = 1_000;

/// Bytes of all bases of one connection. Connections share the frames.
const MAX_BYTES: usize = 4 * 1_024 * 1_024;
