//! The place of a message in its channel.

use crate::Text;

/// The place of a message in its channel, on a server that numbers messages: a stream and a number in it.
///
/// It belongs to the channel and not to a connection, so a program can keep it and continue where it stopped:
/// [`Client::positions`](crate::Client::positions) and [`Client::resume_from`](crate::Client::resume_from). The server
/// decides how long it can replay what follows a position: 120 s on Sockudo by default.
///
/// With the feature `serde`, it can be stored.
///
/// # Examples
///
/// ```
/// use pusher_proto::Position;
///
/// let position = Position::new("9aa8fb98-6b4c", 5).expect("a short name");
/// assert_eq!((position.stream_id(), position.serial()), ("9aa8fb98-6b4c", 5));
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Position {
    stream_id: Text,
    serial: u64,
    /// Whether an event had a position of this stream. Servers that keep versions of messages report the position of
    /// another stream when a subscription succeeds.
    is_confirmed: bool,
}

impl Position {
    /// The longest name of a stream, in bytes. Sockudo uses UUIDs, which have 36.
    pub const MAX_STREAM_LEN: usize = 128;

    /// Returns the place of the message with this number; `None` if the name of the stream is empty or longer than
    /// [`MAX_STREAM_LEN`](Self::MAX_STREAM_LEN).
    #[must_use]
    pub fn new(stream_id: &str, serial: u64) -> Option<Self> {
        let is_usable = (1..=Self::MAX_STREAM_LEN).contains(&stream_id.len());
        is_usable.then(|| Self { stream_id: stream_id.into(), serial, is_confirmed: true })
    }

    /// Returns the name of the stream. It means nothing: two streams are the same if their names are equal.
    #[must_use]
    pub fn stream_id(&self) -> &str {
        &self.stream_id
    }

    /// Returns the number of the message in its stream. The first one has 1; 0 is the place before it.
    #[must_use]
    pub const fn serial(&self) -> u64 {
        self.serial
    }

    /// The place of another message of the same stream, which shares its name.
    pub(crate) fn of_same_stream(&self, serial: u64) -> Self {
        Self { serial, ..self.clone() }
    }

    /// The same position, of which only the success of a subscription is a witness.
    pub(crate) fn unconfirmed(mut self) -> Self {
        self.is_confirmed = false;
        self
    }

    pub(crate) const fn is_confirmed(&self) -> bool {
        self.is_confirmed
    }

    /// Moves to a later message of the same stream.
    pub(crate) fn advance(&mut self, serial: u64) {
        self.serial = self.serial.max(serial);
        self.is_confirmed = true;
    }
}

impl core::fmt::Debug for Position {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}:{}", self.stream_id, self.serial)
    }
}

/// As an object with `stream_id`, `serial`, and `confirmed` if no event had a position of this stream.
#[cfg(feature = "serde")]
mod json {
    use serde::de::Error;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::Position;

    #[derive(Serialize, Deserialize)]
    struct Fields<T> {
        stream_id: T,
        serial: u64,
        #[serde(default = "yes", skip_serializing_if = "is_true")]
        confirmed: bool,
    }

    const fn yes() -> bool {
        true
    }

    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes references")]
    const fn is_true(value: &bool) -> bool {
        *value
    }

    /// An object with `stream_id` and `serial`, and `"confirmed": false` if no event had a position of this stream.
    #[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
    impl Serialize for Position {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            let (stream_id, confirmed) = (self.stream_id(), self.is_confirmed());
            Fields { stream_id, serial: self.serial(), confirmed }.serialize(serializer)
        }
    }

    /// As it is serialised; further fields are ignored.
    #[cfg_attr(docsrs, doc(cfg(feature = "serde")))]
    impl<'de> Deserialize<'de> for Position {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let Fields { stream_id, serial, confirmed } = Fields::<alloc::string::String>::deserialize(deserializer)?;
            let position = Self::new(&stream_id, serial).ok_or_else(|| D::Error::custom("not the name of a stream"))?;
            Ok(if confirmed { position } else { position.unconfirmed() })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_has_a_name_of_bounded_length() {
        let name = |len| "x".repeat(len);
        assert!(Position::new("", 1).is_none() && Position::new(&name(129), 1).is_none());
        assert_eq!(Position::new(&name(128), 1).unwrap().stream_id().len(), 128);
    }

    #[cfg(feature = "serde")]
    #[test]
    fn a_position_survives_storage() {
        let position = Position::new("a", 7).unwrap();
        for (position, json) in [
            (position.clone(), r#"{"stream_id":"a","serial":7}"#),
            (position.unconfirmed(), r#"{"stream_id":"a","serial":7,"confirmed":false}"#),
        ] {
            assert_eq!(serde_json::to_string(&position).unwrap(), json);
            assert_eq!(serde_json::from_str::<Position>(json).unwrap(), position);
        }
        assert!(serde_json::from_str::<Position>(r#"{"stream_id":"","serial":7}"#).is_err());
    }
}
