//! What a subscription of version 2 asks for beyond its channel.

use alloc::format;
use alloc::string::String;
use core::time::Duration;

use serde_json::Value;
use serde_json::value::RawValue;

use super::config::ServerConfig;
use super::deltas;
use super::filter::Filter;
use super::message::Subscribe;
use super::recovery::{RecoverySupport, Rewind};
use crate::ChannelName;

/// The options of a subscription.
#[derive(Debug, Default)]
pub(super) struct Terms {
    pub(super) filter: Option<Filter>,
    pub(super) rewind: Option<Rewind>,
    /// Whether events may be sent as deltas, if the subscription says so.
    pub(super) deltas: Option<bool>,
}

/// Reads the options. An error is a code and a message for the client, and leaves its subscription unchanged. In version 1,
/// filters are ignored and rewinds are refused.
pub(super) fn read(
    config: &ServerConfig,
    is_version_2: bool,
    channel: &ChannelName,
    request: &Subscribe,
) -> Result<Terms, (u16, String)> {
    if !config.profile().has_version_2 {
        return Ok(Terms::default());
    }
    let invalid = |message| (4000, format!("Invalid message format: {message}"));
    let rewind = request.rewind.as_deref().map(|raw| rewind(raw).ok_or_else(|| invalid(INVALID_REWIND.into())));
    let rewind = rewind.transpose()?;
    if rewind.is_some() && !is_version_2 {
        return Err((4300, "Channel error: Channel rewind is only supported on protocol V2".into()));
    }
    let options = config.options();
    if rewind.is_some() && !(options.rewind && options.recovery == RecoverySupport::Enabled) {
        return Err((4300, format!("Channel error: Channel rewind is disabled by policy for channel '{channel}'")));
    }
    let filter = request.filter.as_ref().or(request.tags_filter.as_ref()).filter(|_| is_version_2);
    let filter = filter.map(|raw| Filter::read(raw.get()).map_err(invalid)).transpose()?;
    let has_deltas = is_version_2 && options.recovery != RecoverySupport::Missing;
    let deltas = request.delta.as_deref().filter(|_| has_deltas).and_then(deltas::wants);
    Ok(Terms { filter, rewind, deltas })
}

/// A count of messages, or an object with a count or a time.
fn rewind(raw: &RawValue) -> Option<Rewind> {
    let value: Value = serde_json::from_str(raw.get()).ok()?;
    let number = |value: &Value| value.as_u64().filter(|number| *number > 0);
    match &value {
        Value::Number(_) => number(&value).map(Rewind::Count),
        Value::String(text) => text.parse().ok().filter(|count| *count > 0).map(Rewind::Count),
        Value::Object(fields) => {
            let seconds = || fields.get("seconds").or_else(|| fields.get("duration_seconds"));
            match fields.get("count") {
                Some(count) => number(count).map(Rewind::Count),
                None => number(seconds()?).map(|seconds| Rewind::Time(Duration::from_secs(seconds))),
            }
        }
        Value::Null | Value::Bool(_) | Value::Array(_) => None,
    }
}

const INVALID_REWIND: &str = "Invalid rewind option in subscription data";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_every_form_of_a_rewind_and_no_other() {
        let read = |json: &str| rewind(&RawValue::from_string(json.into()).unwrap());
        for json in ["7", r#""7""#, r#"{"count":7}"#, r#"{"count":7,"seconds":9}"#] {
            assert_eq!(read(json), Some(Rewind::Count(7)), "{json}");
        }
        for json in [r#"{"seconds":7}"#, r#"{"duration_seconds":7}"#] {
            assert_eq!(read(json), Some(Rewind::Time(Duration::from_secs(7))), "{json}");
        }
        for json in ["0", "-1", "1.5", r#""0""#, r#""x""#, "null", "true", "[7]", "{}", r#"{"x":1}"#, r#"{"count":0}"#]
        {
            assert_eq!(read(json), None, "{json}");
        }
    }
}
