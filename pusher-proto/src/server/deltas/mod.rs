//! Events that are sent as the difference to an earlier one, to a connection that has asked for that (Sockudo, Protocol V2).

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

/// What one connection can be sent differences to.
#[derive(Debug, Default)]
pub(super) struct Deltas {
    is_on: bool,
    /// Channels that receive whole events all the same.
    exempt: BTreeSet<ChannelName>,
    bases: BTreeMap<Series, Base>,
    /// All bases in the order of their last use.
    uses: BTreeMap<u64, Series>,
    next_use: u64,
    /// Of all bases.
    bytes: usize,
}

/// Events of which each is sent as the difference to the one before.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Series {
    pub(super) channel: ChannelName,
    pub(super) event: Text,
    /// What the event is about, if the server looks for that.
    pub(super) conflation_key: Option<Text>,
}

#[derive(Debug)]
struct Base {
    seq: u64,
    /// In version 2, without marks.
    frame: Text,
    /// Differences that were sent since the last whole event.
    deltas: u32,
    /// When that was sent.
    full_at: Instant,
    last_use: u64,
}

impl Deltas {
    /// Sends differences from now on, and begins anew in every series.
    fn enable(&mut self) {
        *self = Self { is_on: true, exempt: core::mem::take(&mut self.exempt), ..Self::default() };
    }

    /// A subscription says whether it wants differences. Whatever it says, the other channels get them (Sockudo 5.2.0).
    pub(super) fn set(&mut self, channel: &ChannelName, wants: bool) {
        self.is_on = true;
        if wants {
            self.exempt.remove(channel);
        } else {
            self.forget(channel);
            self.exempt.insert(channel.clone());
        }
    }

    /// Begins anew in every series of a channel, and forgets what its subscription said.
    pub(super) fn forget(&mut self, channel: &ChannelName) {
        self.exempt.remove(channel);
        let series: Vec<Series> = self.bases.keys().filter(|series| series.channel == *channel).cloned().collect();
        for series in series {
            self.remove(&series);
        }
    }

    /// Returns what is sent instead of a whole event, and keeps the event. Every series begins with two whole events, and has
    /// one after `interval` differences.
    pub(super) fn encode(&mut self, series: &Series, full: &Text, interval: u32, now: Instant) -> Text {
        if !self.is_on || self.exempt.contains(&series.channel) {
            return full.clone();
        }
        let base = self.remove(series);
        let seq = base.as_ref().map_or(0, |base| base.seq + 1);
        let fits =
            |base: &Base| base.seq > 0 && base.deltas < interval && now.since(base.full_at) < MAX_TIME_WITHOUT_FULL;
        let (sent, deltas, full_at) = match base.filter(fits) {
            Some(base) => (difference(series, &base, full), base.deltas + 1, base.full_at),
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

/// A whole event, marked as one that differences refer to.
fn marked(series: &Series, seq: u64, full: &Text) -> Text {
    let Some(body) = full.strip_suffix('}') else { return full.clone() };
    let key = series.conflation_key.as_deref();
    let key = key.map_or_else(String::new, |key| format!(r#","__conflation_key":{}"#, json_string(key)));
    format!(r#"{body},"__delta_seq":{seq}{key}}}"#).into()
}

fn difference(series: &Series, base: &Base, full: &Text) -> Text {
    let (seq, base_index) = (base.seq + 1, base.seq);
    let [channel, event] = [series.channel.as_str(), &series.event].map(json_string);
    let key = series.conflation_key.as_deref();
    let key = key.map_or_else(String::new, |key| format!(r#""conflation_key":{},"#, json_string(key)));
    let delta = STANDARD.encode(fossil::encode(base.frame.as_bytes(), full.as_bytes()));
    format!(
        r#"{{"event":"sockudo:delta","channel":{channel},"data":{{"event":{event},"seq":{seq},"base_index":{base_index},"algorithm":"fossil",{key}"delta":"{delta}"}}}}"#
    )
    .into()
}

/// Reads what a subscription says about differences; `None` if it says nothing.
pub(super) fn wants(raw: &RawValue) -> Option<bool> {
    match serde_json::from_str::<Value>(raw.get()).ok()? {
        Value::Bool(wants) => Some(wants),
        Value::String(name) => Some(!["disabled", "false", "none"].contains(&name.as_str())),
        Value::Object(fields) => Some(fields.get("enabled").and_then(Value::as_bool).unwrap_or(true)),
        Value::Null | Value::Number(_) | Value::Array(_) => None,
    }
}

/// What the data of an event is about: the text of one of its fields.
pub(super) fn conflation_key(data: &str, field: &str) -> Option<Text> {
    let [value] = object::fields(data, [field])?;
    let value = value.filter(|value| value.get() != "null")?;
    Some(object::string(value).map_or_else(|| value.get().into(), |text| Text::from(&*text)))
}

impl Server {
    /// A client wants events as differences. Sockudo also tells those of version 1 that it sends some, but does not.
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

    /// A client cannot rebuild an event, and needs whole ones of that channel.
    pub(super) fn handle_delta_error(&mut self, id: ConnectionId, channel: &str) {
        let connection = self.connections.get_mut(&id);
        if let (Some(connection), Ok(channel)) = (connection, ChannelName::internal(channel)) {
            connection.deltas.forget(&channel);
        }
    }
}

/// After this time, the next event is whole (Sockudo 5.2.0).
const MAX_TIME_WITHOUT_FULL: Duration = Duration::from_secs(300);

/// Bases of one connection. If there are more, the one that was not used for the longest time begins anew.
const MAX_BASES: usize = 1_000;

/// Bytes of all bases of one connection, which many connections share.
const MAX_BYTES: usize = 4 * 1_024 * 1_024;
