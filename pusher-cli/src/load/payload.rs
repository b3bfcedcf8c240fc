//! What is published: which event it is, and when it was to be sent.

use pusher_tokio::Data;
use serde::Deserialize;

/// The part of the payload that the figures need; the rest fills it up to the wanted size.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
pub(super) struct Stamp {
    /// The event's number on its channel.
    pub(super) number: u64,
    /// When it was to be sent, in microseconds since the program began to measure. No clock has to be set: the program
    /// that receives it is the one that sent it.
    pub(super) micros: u64,
}

impl Stamp {
    /// Writes a payload of exactly this size, in bytes.
    pub(super) fn payload(self, size: usize) -> String {
        let Self { number, micros } = self;
        let mut payload = format!(r#"{{"number":{number},"micros":{micros},"fill":""#);
        let fill = size.saturating_sub(payload.len() + END.len());
        payload.extend(std::iter::repeat_n('x', fill));
        payload + END
    }

    /// Reads the payload of an event; `None` if another program sent it.
    pub(super) fn read(data: &Data, buffer: &mut String) -> Option<Self> {
        data.json_in(buffer).ok()
    }
}

const END: &str = r#""}"#;

/// The smallest payload that holds every stamp.
pub(super) const MIN_SIZE: u64 = 80;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_has_the_wanted_size_and_can_be_read() {
        let stamp = Stamp { number: u64::MAX, micros: u64::MAX };
        for size in [80, 81, 10_240] {
            let payload = stamp.payload(size);
            assert_eq!(payload.len(), size);
            assert_eq!(Stamp::read(&Data::string(&payload), &mut String::new()), Some(stamp));
        }
    }

    #[test]
    fn other_payloads_are_not_read() {
        for text in ["", "{}", "null", r#"{"number":-1,"micros":0}"#, "text"] {
            assert_eq!(Stamp::read(&Data::string(text), &mut String::new()), None);
        }
    }
}
