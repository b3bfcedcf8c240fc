//! May this client subscribe to this channel?

use alloc::string::String;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::channel::Member;
use super::config::Options;
use super::message::{MAX_ECHO_LEN, Subscribe};
use super::refusal::Refusal;
use crate::auth::excerpt;
use crate::signing::{App, InvalidAuth};
use crate::{ChannelKind, ChannelName, SocketId, Text};

/// Reads a name that a client sent.
pub(super) fn channel_name(name: &str, options: &Options) -> Result<ChannelName, Refusal> {
    let invalid = |reason| Refusal::ChannelName { name: excerpt(name, MAX_ECHO_LEN), reason };
    let name = ChannelName::new(name).map_err(invalid)?;
    if options.strict_names && !name.is_portable() {
        return Err(Refusal::NameNotPortable(name));
    }
    Ok(name)
}

/// Checks the signature of a subscription. A public channel needs none.
pub(super) fn check_auth(
    app: &App,
    socket_id: &SocketId,
    channel: &ChannelName,
    request: &Subscribe,
) -> Result<(), Refusal> {
    if !channel.kind().needs_auth() {
        return Ok(());
    }
    let auth = request.auth.as_deref().unwrap_or("");
    let channel_data = request.channel_data.as_deref();
    let (key, signature) = auth.split_once(':').unwrap_or((auth, ""));
    app.verify_channel(socket_id, channel, channel_data, auth).map_err(|error| match error {
        InvalidAuth::Malformed => Refusal::MalformedAuth(channel.clone()),
        InvalidAuth::Key => Refusal::WrongKey { channel: channel.clone(), key: excerpt(key, MAX_ECHO_LEN) },
        InvalidAuth::Signature => Refusal::WrongSignature {
            socket_id: socket_id.clone(),
            channel: channel.clone(),
            with_data: channel_data.is_some(),
            signature: excerpt(signature, MAX_ECHO_LEN),
        },
    })
}

/// Reads who subscribes; nobody in particular unless it is a presence channel.
pub(super) fn member(channel: &ChannelName, request: &Subscribe) -> Result<Option<Member>, Refusal> {
    match channel.kind() {
        ChannelKind::Public | ChannelKind::Private | ChannelKind::PrivateEncrypted => Ok(None),
        ChannelKind::Presence => read_member(channel, request.channel_data.as_deref().unwrap_or("")).map(Some),
    }
}

fn read_member(channel: &ChannelName, channel_data: &str) -> Result<Member, Refusal> {
    if channel_data.len() > MAX_MEMBER_LEN {
        return Err(Refusal::MemberTooLarge(channel.clone()));
    }
    let invalid = || Refusal::InvalidMember(channel.clone());
    let data: ChannelData<'_> = serde_json::from_str(channel_data).map_err(|_| invalid())?;
    let id = user_id(data.user_id.get()).ok_or_else(invalid)?;
    if id.chars().count() > MAX_USER_ID_LEN {
        return Err(Refusal::UserIdTooLong(channel.clone()));
    }
    Ok(Member { id, info: data.user_info.map(|info| Text::from(info.get())) })
}

#[derive(Deserialize)]
struct ChannelData<'a> {
    #[serde(borrow)]
    user_id: &'a RawValue,
    #[serde(borrow)]
    user_info: Option<&'a RawValue>,
}

/// The id in a JSON string, or an integer's digits: many applications number their users.
fn user_id(json: &str) -> Option<Text> {
    if json.starts_with('"') {
        let id = serde_json::from_str::<String>(json).ok()?;
        return (!id.is_empty()).then(|| Text::from(id));
    }
    let digits = json.strip_prefix('-').unwrap_or(json);
    digits.bytes().all(|byte| byte.is_ascii_digit()).then(|| Text::from(json))
}

/// Largest description of a user, in bytes (Pusher docs, *Presence channels*).
const MAX_MEMBER_LEN: usize = 1_024;

/// Longest id of a user, in characters (as above).
const MAX_USER_ID_LEN: usize = 128;

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;

    #[test]
    fn reads_every_form_of_a_user() {
        let channel = ChannelName::new("presence-a").unwrap();
        let table = [
            (r#"{"user_id":"\u0061"}"#, "a", None),
            (r#"{"user_info":null,"user_id":-7}"#, "-7", None),
            (
                r#"{"user_id":12345678901234567890,"user_info":{"n": 1.0}}"#,
                "12345678901234567890",
                Some(r#"{"n": 1.0}"#),
            ),
        ];
        for (json, id, info) in table {
            let member = Member { id: id.into(), info: info.map(Text::from) };
            assert_eq!(read_member(&channel, json), Ok(member), "{json}");
        }
    }

    #[test]
    fn refuses_what_is_no_user() {
        let channel = ChannelName::new("presence-a").unwrap();
        let long_id = format!(r#"{{"user_id":"{}"}}"#, "é".repeat(129));
        let long_info = format!(r#"{{"user_id":"1","user_info":"{}"}}"#, "x".repeat(1_000));
        for json in
            ["", "[]", "{}", r#"{"user_id":""}"#, r#"{"user_id":null}"#, r#"{"user_id":1.0}"#, r#"{"user_id":[]}"#]
        {
            assert_eq!(read_member(&channel, json), Err(Refusal::InvalidMember(channel.clone())), "{json}");
        }
        assert_eq!(read_member(&channel, &long_id), Err(Refusal::UserIdTooLong(channel.clone())));
        assert_eq!(read_member(&channel, &long_info), Err(Refusal::MemberTooLarge(channel)));
    }
}
