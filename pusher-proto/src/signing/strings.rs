//! The strings that are signed, and why each of them has only one meaning.
//!
//! The same secret signs everything, so a string that is signed for one purpose must never be valid for another:
//!
//! | Purpose | String | Starts with |
//! |---|---|---|
//! | channel | `{socket_id}:{channel}`, or `{socket_id}:{channel}:{channel_data}` | a digit |
//! | user | `{socket_id}::user::{user_data}` | a digit |
//! | webhook | the body, a JSON object | `{`, perhaps after white space |
//! | call of the HTTP API | `{METHOD}\n{path}\n{query}` | a capital letter |
//!
//! A socket id is `digits.digits`, and the name of a channel is not empty and contains no `:`. Therefore the first two
//! `:` in a channel's string end the id and the name, and two adjacent ones always mean a user. Calls are checked in
//! `http`.

use alloc::format;
use alloc::string::String;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::{App, SigningError};
use crate::{ChannelKind, ChannelName, SocketId, Text};

/// Why a string is neither signed nor accepted: its signature could mean something else.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unsigned {
    SocketId,
    ChannelName,
}

impl App {
    /// Returns the string that is signed for a channel.
    pub(super) fn channel_string(
        &self,
        socket_id: &SocketId,
        channel: &ChannelName,
        channel_data: Option<&str>,
    ) -> Result<String, Unsigned> {
        check_socket_id(socket_id)?;
        self.check_channel(channel)?;
        Ok(match channel_data {
            None => format!("{socket_id}:{channel}"),
            Some(data) => format!("{socket_id}:{channel}:{data}"),
        })
    }

    fn check_channel(&self, channel: &ChannelName) -> Result<(), Unsigned> {
        let has_allowed_characters =
            if self.relaxed_channel_names { !channel.contains(':') } else { channel.has_portable_characters() };
        match channel.kind() {
            ChannelKind::Private | ChannelKind::PrivateEncrypted | ChannelKind::Presence if has_allowed_characters => {
                Ok(())
            }
            ChannelKind::Public | ChannelKind::Private | ChannelKind::PrivateEncrypted | ChannelKind::Presence => {
                Err(Unsigned::ChannelName)
            }
        }
    }
}

/// Returns the string that is signed for a user.
pub(super) fn user_string(socket_id: &SocketId, user_data: &str) -> Result<String, Unsigned> {
    check_socket_id(socket_id)?;
    Ok(format!("{socket_id}::user::{user_data}"))
}

/// Checks the `channel_data` of a presence channel, from which servers read the member's id.
pub(super) fn check_member(channel_data: &str) -> Result<(), SigningError> {
    #[derive(Deserialize)]
    struct Member<'a> {
        #[serde(borrow)]
        user_id: &'a RawValue,
    }

    let member = object::<Member<'_>>(channel_data.as_bytes()).ok_or(SigningError::ChannelData)?;
    user_id(member.user_id.get(), true).map(drop).ok_or(SigningError::ChannelData)
}

/// Checks the `user_data` of a sign-in. Only hosted Pusher's form is signed: an id that is a string.
pub(super) fn check_user(user_data: &str) -> Result<(), SigningError> {
    #[derive(Deserialize)]
    struct User<'a> {
        #[serde(borrow)]
        id: &'a RawValue,
    }

    let user = object::<User<'_>>(user_data.as_bytes()).ok_or(SigningError::UserData)?;
    user_id(user.id.get(), false).map(drop).ok_or(SigningError::UserData)
}

pub(super) fn is_json_object(body: &[u8]) -> bool {
    object::<serde::de::IgnoredAny>(body).is_some()
}

/// Reads a JSON object. Without the check of the first character, the fields of a struct could come from an array. A
/// repeated key is an error, since parsers disagree on which one counts.
pub(crate) fn object<'a, T: Deserialize<'a>>(json: &'a [u8]) -> Option<T> {
    let first = json.iter().find(|byte| !byte.is_ascii_whitespace());
    (first == Some(&b'{')).then(|| serde_json::from_slice(json).ok()).flatten()
}

/// Returns the id in a JSON string, or an integer's digits: many applications number their users.
pub(crate) fn user_id(json: &str, may_be_number: bool) -> Option<Text> {
    if json.starts_with('"') {
        let id = serde_json::from_str::<String>(json).ok()?;
        return (!id.is_empty()).then(|| Text::from(id));
    }
    let digits = json.strip_prefix('-').unwrap_or(json);
    (may_be_number && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| Text::from(json))
}

pub(super) fn check_socket_id(socket_id: &SocketId) -> Result<(), Unsigned> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    match socket_id.split_once('.') {
        Some((first, second)) if digits(first) && digits(second) => Ok(()),
        _ => Err(Unsigned::SocketId),
    }
}
