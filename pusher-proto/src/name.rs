//! Names of channels, events, applications and sockets.

use alloc::string::String;
use alloc::sync::Arc;
use core::borrow::Borrow;
use core::fmt;
use core::ops::Deref;
use core::str::FromStr;

use serde::de::Error;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Text;
use crate::wire::read;

/// The kind of a channel, which the prefix of its name determines (Pusher docs, *Channels*).
///
/// # Examples
///
/// ```
/// use pusher_proto::{ChannelKind, ChannelName};
///
/// let kind = ChannelName::new("presence-room")?.kind();
/// assert_eq!((kind, kind.needs_auth()), (ChannelKind::Presence, true));
/// # Ok::<(), pusher_proto::InvalidName>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChannelKind {
    /// No known prefix: anyone may subscribe.
    Public,
    /// `private-`: needs authorization.
    Private,
    /// `private-encrypted-`: needs authorization, and only clients can read the payload.
    PrivateEncrypted,
    /// `presence-`: needs authorization, and its subscribers see who else is there.
    Presence,
}

impl ChannelKind {
    /// Whether a subscription needs an authorization from the application.
    #[must_use]
    pub const fn needs_auth(self) -> bool {
        !matches!(self, Self::Public)
    }
}

/// The name of a channel: not blank, at most 1,024 bytes, no control character, no leading `#`.
///
/// Hosted Pusher allows less: 164 characters of `A-Z a-z 0-9 _ - = @ , . ;` (see [`ChannelName::is_portable`]).
/// Cloning shares the text.
///
/// # Examples
///
/// ```
/// use pusher_proto::{ChannelKind, ChannelName};
///
/// let name = ChannelName::new("presence-cache-lobby")?;
/// assert_eq!(name.kind(), ChannelKind::Presence);
/// assert!(name.is_cache());
/// assert!(ChannelName::new("").is_err());
/// # Ok::<(), pusher_proto::InvalidName>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelName(Arc<str>);

impl ChannelName {
    /// Length of the longest name, in bytes. Servers allow 164 to 200 characters, self-hosted ones sometimes more.
    pub const MAX_LEN: usize = 1_024;

    /// Checks a name.
    ///
    /// # Errors
    ///
    /// If the name is empty or blank, is longer than [`ChannelName::MAX_LEN`], contains a control character, or starts
    /// with `#`, which Pusher reserves.
    pub fn new(name: impl Into<Text>) -> Result<Self, InvalidName> {
        let text = check(name.into(), Self::MAX_LEN)?;
        if text.starts_with('#') {
            return Err(InvalidName::Reserved);
        }
        Ok(Self::of(&text))
    }

    /// Checks a name that a server uses, which may start with `#`.
    #[cfg(feature = "server")]
    pub(crate) fn internal(name: impl Into<Text>) -> Result<Self, InvalidName> {
        check(name.into(), Self::MAX_LEN).map(|name| Self::of(&name))
    }

    /// Wraps a name that has been checked. Each event and several tables hold a name, and an `Arc` is half as large as a
    /// [`Text`].
    fn of(name: &str) -> Self {
        Self(name.into())
    }

    /// Returns the kind of the channel, from its prefix.
    #[must_use]
    pub fn kind(&self) -> ChannelKind {
        classify(&self.0).0
    }

    /// Whether the server repeats the last event to new subscribers (`cache-` after the prefix of the kind).
    #[must_use]
    pub fn is_cache(&self) -> bool {
        classify(&self.0).1.starts_with("cache-")
    }

    /// Whether hosted Pusher accepts the name: at most 164 characters from a limited set (Pusher docs, *Channel naming
    /// conventions*).
    #[must_use]
    pub fn is_portable(&self) -> bool {
        self.0.len() <= MAX_PORTABLE_LEN && self.has_portable_characters()
    }

    /// Whether hosted Pusher accepts all characters.
    pub(crate) fn has_portable_characters(&self) -> bool {
        self.0.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-=@,.;".contains(&byte))
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Returns the name of the channel for events for one user. Backends publish to it, and clients are subscribed to it
/// when they sign in (Pusher docs, *User authentication*).
///
/// # Errors
///
/// If the id is empty or too long, or contains a control character.
///
/// # Examples
///
/// ```
/// assert_eq!(pusher_proto::user_channel("ann")?.as_str(), "#server-to-user-ann");
/// # Ok::<(), pusher_proto::InvalidName>(())
/// ```
pub fn user_channel(user_id: &str) -> Result<ChannelName, InvalidName> {
    if user_id.is_empty() {
        return Err(InvalidName::Empty);
    }
    check(read::server_to_user(user_id).into(), ChannelName::MAX_LEN).map(|name| ChannelName::of(&name))
}

/// The name of an event that a client may send: it starts with `client-`, has at most 200 bytes, and contains no
/// control character.
///
/// # Examples
///
/// ```
/// use pusher_proto::ClientEventName;
///
/// assert!(ClientEventName::new("client-typing").is_ok());
/// assert!(ClientEventName::new("typing").is_err());
/// assert_eq!(ClientEventName::whisper("typing")?.as_str(), "client-typing");
/// # Ok::<(), pusher_proto::InvalidName>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClientEventName(Text);

impl ClientEventName {
    /// Length of the longest name, in bytes (hosted Pusher, soketi, Sockudo).
    pub const MAX_LEN: usize = 200;

    /// Checks a name.
    ///
    /// # Errors
    ///
    /// If the name does not start with `client-`, is longer than [`ClientEventName::MAX_LEN`], or contains a control
    /// character.
    pub fn new(name: impl Into<Text>) -> Result<Self, InvalidName> {
        let text = check(name.into(), Self::MAX_LEN)?;
        if !text.starts_with(CLIENT_PREFIX) {
            return Err(InvalidName::NotClientEvent);
        }
        Ok(Self(text))
    }

    /// Puts `client-` before `name`, as Laravel Echo's `whisper` does.
    ///
    /// # Errors
    ///
    /// As for [`ClientEventName::new`].
    pub fn whisper(name: &str) -> Result<Self, InvalidName> {
        Self::new(alloc::format!("{CLIENT_PREFIX}{name}"))
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The public key of an application: not blank, no white space at its ends, no control character.
///
/// # Examples
///
/// ```
/// use pusher_proto::{AppKey, InvalidName};
///
/// assert_eq!(AppKey::new("278d425bdf160c739803")?.as_str(), "278d425bdf160c739803");
/// assert_eq!(AppKey::new("278d425bdf160c739803 "), Err(InvalidName::WhiteSpace));
/// # Ok::<(), InvalidName>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AppKey(Text);

impl AppKey {
    /// Checks a key.
    ///
    /// # Errors
    ///
    /// If the key is empty, is longer than 1,024 bytes, begins or ends with white space, or contains a control
    /// character. A key that was copied together with a space is thus refused here, and not by the server after
    /// connecting.
    pub fn new(key: impl Into<Text>) -> Result<Self, InvalidName> {
        let text = check(key.into(), ChannelName::MAX_LEN)?;
        if text.trim().len() < text.len() {
            return Err(InvalidName::WhiteSpace);
        }
        Ok(Self(text))
    }

    /// Returns the key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// The server's id of a connection, such as `123.456`. Authorizations are signed for it.
///
/// # Examples
///
/// ```
/// use pusher_proto::SocketId;
///
/// let socket_id: SocketId = serde_json::from_str(r#""123.456""#)?;
/// assert_eq!(socket_id.as_str(), "123.456");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SocketId(Arc<str>);

impl SocketId {
    /// Checks an id that a server assigned.
    ///
    /// # Errors
    ///
    /// If the id is empty or blank, is longer than 1,024 bytes, or contains a control character.
    pub fn new(id: impl Into<Text>) -> Result<Self, InvalidName> {
        check(id.into(), ChannelName::MAX_LEN).map(|id| Self(id.as_str().into()))
    }

    /// Returns the name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

macro_rules! text_impls {
    ($($name:ident)+) => {$(
        impl Deref for $name {
            type Target = str;

            fn deref(&self) -> &str {
                self.as_str()
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                self.as_str()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Debug::fmt(self.as_str(), f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidName;

            fn from_str(name: &str) -> Result<Self, InvalidName> {
                Self::new(name)
            }
        }

        /// As a string.
        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self)
            }
        }

        /// From a string, which is checked as by [`new`](Self::new).
        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                Self::new(String::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }
    )+};
}

text_impls!(ChannelName ClientEventName AppKey SocketId);

/// What methods take that want a name.
macro_rules! conversions {
    ($name:ident: $($text:ty)+) => {$(
        impl TryFrom<$text> for $name {
            type Error = InvalidName;

            fn try_from(name: $text) -> Result<Self, InvalidName> {
                Self::new(name)
            }
        }
    )+

        impl TryFrom<&Self> for $name {
            type Error = InvalidName;

            fn try_from(name: &Self) -> Result<Self, InvalidName> {
                Ok(name.clone())
            }
        }
    };
}

conversions!(ChannelName: &str String &String Text);
conversions!(ClientEventName: &str String &String Text);

impl Borrow<str> for ChannelName {
    fn borrow(&self) -> &str {
        &self.0
    }
}

/// Why a text is not a valid name.
///
/// # Examples
///
/// ```
/// use pusher_proto::{ChannelName, InvalidName};
///
/// let error = ChannelName::new("#internal").unwrap_err();
/// assert_eq!(error, InvalidName::Reserved);
/// println!("{error}");
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidName {
    /// The text is empty.
    #[error("a name must not be empty")]
    Empty,
    /// The text consists of white space.
    #[error("a name must not be blank")]
    Blank,
    /// The key begins or ends with white space.
    #[error("an application key must not begin or end with white space")]
    WhiteSpace,
    /// The text is too long.
    #[error("a name of {len} bytes is longer than {max}")]
    TooLong {
        /// Bytes that it has.
        len: usize,
        /// Bytes that it may have.
        max: usize,
    },
    /// The text contains a control character.
    #[error("a name must not contain control characters")]
    ControlCharacter,
    /// The name starts with `#`.
    #[error("channel names that start with # are reserved")]
    Reserved,
    /// A client event must start with `client-`.
    #[error("the name of a client event must start with client-")]
    NotClientEvent,
}

/// For functions that take any `TryInto<ChannelName>`, so that they accept a [`ChannelName`] too.
impl From<core::convert::Infallible> for InvalidName {
    fn from(never: core::convert::Infallible) -> Self {
        match never {}
    }
}

/// The kind, and what follows its prefix.
fn classify(name: &str) -> (ChannelKind, &str) {
    if let Some(rest) = name.strip_prefix("private-encrypted-") {
        (ChannelKind::PrivateEncrypted, rest)
    } else if let Some(rest) = name.strip_prefix("private-") {
        (ChannelKind::Private, rest)
    } else if let Some(rest) = name.strip_prefix("presence-") {
        (ChannelKind::Presence, rest)
    } else {
        (ChannelKind::Public, name)
    }
}

fn check(text: Text, max: usize) -> Result<Text, InvalidName> {
    if text.is_empty() {
        return Err(InvalidName::Empty);
    }
    if text.len() > max {
        return Err(InvalidName::TooLong { len: text.len(), max });
    }
    if text.chars().any(char::is_control) {
        return Err(InvalidName::ControlCharacter);
    }
    if text.chars().all(char::is_whitespace) {
        return Err(InvalidName::Blank);
    }
    Ok(text)
}

pub(crate) const CLIENT_PREFIX: &str = "client-";

/// Longest channel name in characters on hosted Pusher (Pusher docs, *Channel naming conventions*).
const MAX_PORTABLE_LEN: usize = 164;

#[cfg(test)]
mod tests {
    use alloc::string::{String, ToString};

    use super::*;

    #[test]
    fn the_prefix_decides_the_kind_and_case_matters() {
        let kinds = [
            ("chat", ChannelKind::Public, false),
            ("cache-chat", ChannelKind::Public, true),
            ("private-chat", ChannelKind::Private, false),
            ("private-cache-chat", ChannelKind::Private, true),
            ("private-encrypted-chat", ChannelKind::PrivateEncrypted, false),
            ("private-encrypted-cache-chat", ChannelKind::PrivateEncrypted, true),
            ("presence-chat", ChannelKind::Presence, false),
            ("presence-cache-chat", ChannelKind::Presence, true),
            ("Private-chat", ChannelKind::Public, false),
            ("chat-cache-x", ChannelKind::Public, false),
        ];
        for (text, kind, cache) in kinds {
            let name = ChannelName::new(text).unwrap();
            assert_eq!((name.kind(), name.is_cache()), (kind, cache), "{text}");
        }
    }

    #[test]
    fn refuses_what_no_server_can_mean() {
        assert_eq!(ChannelName::new(""), Err(InvalidName::Empty));
        assert_eq!(ChannelName::new("a\nb"), Err(InvalidName::ControlCharacter));
        assert_eq!(ChannelName::new("#server-to-user-1"), Err(InvalidName::Reserved));
        let long: String = "x".repeat(1_025);
        assert_eq!(ChannelName::new(long), Err(InvalidName::TooLong { len: 1_025, max: 1_024 }));
    }

    #[test]
    fn blank_names_are_refused_and_keys_with_white_space_around_them() {
        for blank in [" ", "   ", "\u{a0}", "\u{2003} "] {
            assert_eq!(ChannelName::new(blank), Err(InvalidName::Blank), "{blank:?}");
            assert_eq!(SocketId::new(blank), Err(InvalidName::Blank), "{blank:?}");
            assert_eq!(AppKey::new(blank), Err(InvalidName::Blank), "{blank:?}");
        }
        for key in ["key ", " key", "key\u{a0}"] {
            assert_eq!(AppKey::new(key), Err(InvalidName::WhiteSpace), "{key:?}");
        }
        assert_eq!(AppKey::new("key\n"), Err(InvalidName::ControlCharacter));
        assert!(ChannelName::new("chat room").is_ok() && AppKey::new("app-key").is_ok());
    }

    #[test]
    fn names_are_read_from_what_a_client_sends_to_a_backend_and_checked() {
        #[derive(Debug, PartialEq, Deserialize, Serialize)]
        struct Form {
            socket_id: SocketId,
            channel_name: ChannelName,
        }

        let json = r#"{"socket_id":"1.2","channel_name":"private-\u0061"}"#;
        let form =
            Form { socket_id: SocketId::new("1.2").unwrap(), channel_name: ChannelName::new("private-a").unwrap() };
        assert_eq!(serde_json::from_str::<Form>(json).unwrap(), form);
        assert_eq!(serde_json::to_string(&form).unwrap(), json.replace("\\u0061", "a"));
        let refused = serde_json::from_str::<Form>(r##"{"socket_id":"1.2","channel_name":"#a"}"##).unwrap_err();
        let reason = InvalidName::Reserved.to_string();
        assert!(refused.to_string().starts_with(&reason), "{refused}");
        assert!(serde_json::from_str::<AppKey>(r#"" key""#).is_err());
        assert_eq!("client-a".parse(), ClientEventName::new("client-a"));
    }

    #[test]
    fn takes_the_longest_names() {
        assert_eq!(ChannelName::new("x".repeat(1_024)).unwrap().as_str().len(), 1_024);
        assert!(ChannelName::new("x".repeat(164)).unwrap().is_portable());
    }

    #[test]
    fn a_client_event_has_the_prefix_that_the_protocol_asks_for() {
        assert_eq!(ClientEventName::new("client-moved").unwrap().as_str(), "client-moved");
        for name in ["moved", "Client-moved", "client_moved", ""] {
            assert!(ClientEventName::new(name).is_err(), "{name}");
        }
    }

    #[test]
    fn knows_which_names_hosted_pusher_takes() {
        assert!(ChannelName::new("a-B_0=@,.;").unwrap().is_portable());
        assert!(!ChannelName::new("chat room").unwrap().is_portable());
        assert!(!ChannelName::new("x".repeat(165)).unwrap().is_portable());
    }
}
