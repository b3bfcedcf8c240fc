//! The end of a rewind (Sockudo, Protocol V2).

use serde_json::value::RawValue;

use super::object;
use crate::Data;

/// What the server says when it has sent the old messages that a subscription asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Completion {
    /// How many old messages it has sent.
    pub(crate) replayed: u64,
    /// Whether these are all that it has.
    pub(crate) is_complete: bool,
}

impl Completion {
    /// Reads the data; what is missing or of another type counts as 0 and false.
    pub(crate) fn read(data: &Data) -> Self {
        let text = data.text();
        let [count, complete] = object::fields(&text, ["historical_count", "complete"]).unwrap_or_default();
        let replayed = count.and_then(|raw| raw.get().parse().ok()).unwrap_or_default();
        Self { replayed, is_complete: complete.map(RawValue::get) == Some("true") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_the_server_sends_and_nothing_else() {
        let read = |json: &str| Completion::read(&Data::from_json(json).unwrap());
        let of = |replayed, is_complete| Completion { replayed, is_complete };
        let recorded = r#"{"historical_count":2,"live_count":0,"complete":true,"truncated_by_limit":false}"#;
        assert_eq!(read(recorded), of(2, true));
        assert_eq!(read(r#"{"historical_count":"2","complete":"true"}"#), of(0, false));
        assert_eq!(read(r#"{"historical_count":-1,"complete":1}"#), of(0, false));
        for other in ["{}", "[]", "null", "7", r#""x""#] {
            assert_eq!(read(other), of(0, false), "{other}");
        }
    }
}
