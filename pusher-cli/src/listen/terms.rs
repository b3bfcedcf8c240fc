//! What `--rewind` and `--filter` ask of the server.

use pusher_tokio::pusher_proto::filter::Filter;
use pusher_tokio::{ChannelKind, Subscribe, with_causes};

use super::ListenArgs;
use crate::failure::Failure;

/// Whether a flag needs version 2 of Sockudo's protocol, in which the server then also replays missed events.
pub(super) fn needs_version_2(args: &ListenArgs) -> bool {
    args.recover || has_terms(args)
}

/// Whether the listener would receive other events than it asks for in version 1.
pub(super) fn has_terms(args: &ListenArgs) -> bool {
    args.rewind.is_some() || !args.filters.is_empty()
}

/// The options of all subscriptions.
pub(super) fn options(args: &ListenArgs) -> Result<Subscribe, Failure> {
    let options = args.rewind.map_or_else(Subscribe::default, Subscribe::rewind);
    if args.filters.is_empty() {
        return Ok(options);
    }
    if let Some(channel) = args.channels.iter().find(|channel| channel.kind() == ChannelKind::Presence) {
        let why = "a filter also hides who joins and leaves, so it cannot be used on a presence channel";
        return Err(Failure::usage(format!("{channel}: {why}")));
    }
    let filter = Filter::all(args.filters.iter().cloned()).check();
    let filter = filter.map_err(|error| Failure::usage(format!("--filter: {}", with_causes(&error))))?;
    Ok(options.filter(filter))
}

/// Reads `KEY=VALUE`, `KEY!=VALUE`, or a filter as the server takes it.
pub(super) fn filter(text: &str) -> Result<Filter, String> {
    let filter = if text.trim_start().starts_with('{') {
        Filter::from_json(text).map_err(|error| with_causes(&error).to_string())?
    } else {
        let (key, value) = text.split_once('=').ok_or(EXPECTED)?;
        match key.strip_suffix('!') {
            Some(key) => Filter::ne(key, value),
            None => Filter::eq(key, value),
        }
    };
    match filter.clone().check() {
        Ok(_) => Ok(filter),
        Err(error) => Err(with_causes(&error).to_string()),
    }
}

const EXPECTED: &str = "expected KEY=VALUE, KEY!=VALUE or a JSON object";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_conditions_and_json() {
        for (text, json) in [
            ("asset=BTC", r#"{"key":"asset","cmp":"eq","val":"BTC"}"#),
            ("asset!=BTC", r#"{"key":"asset","cmp":"neq","val":"BTC"}"#),
            ("note=a=b", r#"{"key":"note","cmp":"eq","val":"a=b"}"#),
            (r#" {"key":"price","cmp":"gte","val":100}"#, r#"{"key":"price","cmp":"gte","val":100}"#),
            (r#"{"events":["trade"]}"#, r#"{"events":["trade"]}"#),
        ] {
            assert_eq!(filter(text).unwrap().check().unwrap().as_json(), json, "{text}");
        }
    }

    #[test]
    fn says_what_is_wrong() {
        for (text, error) in [
            ("asset", EXPECTED),
            ("", EXPECTED),
            ("=BTC", "the key of a tag must have 1 to 256 bytes, not 0"),
            ("asset=", "a comparison needs a value that is not empty"),
            ("{", "expected a JSON object"),
            (r#"{"tag":"asset"}"#, r#"a filter has no field "tag" here"#),
            (
                r#"{"key":"a","cmp":"like","val":"b"}"#,
                r#""like" is not a comparison, an operator or a language of filters"#,
            ),
        ] {
            assert_eq!(filter(text).unwrap_err(), error, "{text}");
        }
        let expression = filter(r#"{"expression":"data.["}"#).unwrap_err();
        assert!(expression.starts_with("the expression is not usable: "), "{expression}");
    }
}
