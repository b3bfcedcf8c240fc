//! May this client subscribe to this channel?

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::channel::Member;
use super::config::ServerConfig;
use super::connection::User;
use super::message::{MAX_ECHO_LEN, SignIn, Subscribe};
use super::refusal::Refusal;
use crate::data::json_string;
use crate::excerpt::excerpt;
use crate::signing::InvalidAuth;
use crate::signing::strings::{object, user_id};
use crate::wire::read::SERVER_TO_USER;
use crate::{ChannelKind, ChannelName, InvalidName, SocketId, Text};

/// Reads a name that a client sent.
pub(super) fn channel_name(name: &str, config: &ServerConfig) -> Result<ChannelName, Refusal> {
    let invalid = |reason| Refusal::ChannelName { name: excerpt(name, MAX_ECHO_LEN), reason };
    let names = &config.profile().names;
    let channel = ChannelName::internal(name).map_err(invalid)?;
    if channel.starts_with('#') && names.reserves_hash && !channel.starts_with(SERVER_TO_USER) {
        return Err(invalid(InvalidName::Reserved));
    }
    if config.options().strict_names && !is_accepted(&channel, config) {
        return Err(Refusal::NameNotPortable { channel, max: names.max_len });
    }
    Ok(channel)
}

/// Whether the server accepts this name if it is strict. The name of a user's channel comes from the server itself.
pub(super) fn is_accepted(channel: &ChannelName, config: &ServerConfig) -> bool {
    let names = &config.profile().names;
    let allowed = |byte: u8| !names.charset || byte.is_ascii_alphanumeric() || b"_-=@,.;".contains(&byte);
    let name = channel.strip_prefix('#').unwrap_or(channel);
    channel.starts_with(SERVER_TO_USER) || (channel.len() <= names.max_len && name.bytes().all(allowed))
}

/// Checks the signature of a subscription. A public channel needs none.
pub(super) fn check_auth(
    config: &ServerConfig,
    socket_id: &SocketId,
    channel: &ChannelName,
    request: &Subscribe,
) -> Result<(), Refusal> {
    if !channel.kind().needs_auth() {
        return Ok(());
    }
    let auth = request.auth.as_deref().ok_or_else(|| Refusal::NoAuth(channel.clone()))?;
    let signs_data = channel.kind() == ChannelKind::Presence || config.profile().signs_private_data;
    let channel_data = request.channel_data.as_deref().filter(|_| signs_data);
    let (key, signature) = auth.split_once(':').unwrap_or((auth, ""));
    config.app().verify_channel(socket_id, channel, channel_data, auth).map_err(|error| match error {
        InvalidAuth::Malformed => Refusal::MalformedAuth(channel.clone()),
        InvalidAuth::Key => Refusal::WrongKey { channel: channel.clone(), key: excerpt(key, MAX_ECHO_LEN) },
        // The server itself assigned this id and accepted this name. A `:` in the name is refused like a wrong
        // signature.
        InvalidAuth::SocketId | InvalidAuth::ChannelName | InvalidAuth::Body | InvalidAuth::Signature => {
            Refusal::WrongSignature {
                socket_id: socket_id.clone(),
                channel: channel.clone(),
                with_data: channel_data.is_some(),
                signature: excerpt(signature, MAX_ECHO_LEN),
            }
        }
    })
}

/// The refusal of a subscription to a channel that the server was told to refuse.
pub(super) fn wrong_signature(socket_id: &SocketId, channel: &ChannelName, request: &Subscribe) -> Refusal {
    let signature =
        request.auth.as_deref().and_then(|auth| auth.split_once(':')).map_or("", |(_, signature)| signature);
    Refusal::WrongSignature {
        socket_id: socket_id.clone(),
        channel: channel.clone(),
        with_data: request.channel_data.is_some(),
        signature: excerpt(signature, MAX_ECHO_LEN),
    }
}

/// Reads which user subscribes; `None` unless it is a presence channel.
pub(super) fn member(
    config: &ServerConfig,
    channel: &ChannelName,
    request: &Subscribe,
    user: Option<&User>,
) -> Result<Option<Member>, Refusal> {
    match channel.kind() {
        ChannelKind::Public | ChannelKind::Private | ChannelKind::PrivateEncrypted => return Ok(None),
        ChannelKind::Presence => {}
    }
    let members = &config.profile().members;
    if channel.is_cache() && !members.cache {
        return Err(Refusal::NoPresenceCache(channel.clone()));
    }
    match (&request.channel_data, user) {
        (Some(data), _) => match read_member(config, channel, data) {
            Err(Refusal::InvalidMember(_)) if members.anonymous => Ok(None),
            result => result.map(Some),
        },
        (None, Some(user)) => Ok(Some(user.member.clone())),
        (None, None) if members.anonymous => Ok(None),
        (None, None) => Err(Refusal::NoMember(channel.clone())),
    }
}

fn read_member(config: &ServerConfig, channel: &ChannelName, channel_data: &str) -> Result<Member, Refusal> {
    let limits = &config.profile().limits;
    if channel_data.len() > limits.max_member_len {
        return Err(Refusal::MemberTooLarge { channel: channel.clone(), max: limits.max_member_len });
    }
    let invalid = || Refusal::InvalidMember(channel.clone());
    let data: ChannelData<'_> = object(channel_data.as_bytes()).ok_or_else(invalid)?;
    let id = user_id(data.user_id.get(), config.profile().members.numeric_ids).ok_or_else(invalid)?;
    if id.chars().count() > limits.max_user_id_len {
        return Err(Refusal::UserIdTooLong { channel: channel.clone(), max: limits.max_user_id_len });
    }
    Ok(Member {
        id,
        id_json: data.user_id.get().into(),
        info: data.user_info.map(|info| info.get().into()),
        data: channel_data.into(),
    })
}

/// Checks a sign-in and reads which user it is for.
pub(super) fn user(
    config: &ServerConfig,
    socket_id: &SocketId,
    request: &SignIn,
    numeric_ids: bool,
) -> Result<User, Refusal> {
    let verified = config.app().verify_user(socket_id, &request.user_data, &request.auth);
    verified.map_err(|_| Refusal::InvalidSignin { socket_id: socket_id.clone() })?;
    let data: UserData<'_> = object(request.user_data.as_bytes()).ok_or(Refusal::InvalidUser)?;
    let id = user_id(data.id.get(), numeric_ids).ok_or(Refusal::InvalidUser)?;
    let id_json = Text::from(json_string(&id));
    let info = data.user_info.map(RawValue::get);
    let member = Member {
        data: format!(r#"{{"user_id":{id_json},"user_info":{}}}"#, info.unwrap_or("null")).into(),
        id,
        id_json,
        info: info.map(Text::from),
    };
    let has_watchlist = data.watchlist.is_some();
    let watchlist: BTreeSet<Text> = data.watchlist.unwrap_or_default().into_iter().map(Text::from).collect();
    Ok(User { member, watchlist, has_watchlist })
}

#[derive(Deserialize)]
struct UserData<'a> {
    #[serde(borrow)]
    id: &'a RawValue,
    #[serde(borrow)]
    user_info: Option<&'a RawValue>,
    watchlist: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct ChannelData<'a> {
    #[serde(borrow)]
    user_id: &'a RawValue,
    #[serde(borrow)]
    user_info: Option<&'a RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::Dialect;
    use crate::signing::App;

    fn config() -> ServerConfig {
        ServerConfig::new(App::new("1", "key", "secret").unwrap())
    }

    #[test]
    fn reads_every_form_of_a_user() {
        let channel = ChannelName::new("presence-a").unwrap();
        let table = [
            (r#"{"user_id":"\u0061"}"#, "a", r#""\u0061""#, None),
            (r#"{"user_info":null,"user_id":-7}"#, "-7", "-7", None),
            (
                r#"{"user_id":12345678901234567890,"user_info":{"n": 1.0}}"#,
                "12345678901234567890",
                "12345678901234567890",
                Some(r#"{"n": 1.0}"#),
            ),
        ];
        for (json, id, id_json, info) in table {
            let info = info.map(Text::from);
            let member = Member { id: id.into(), id_json: id_json.into(), info, data: json.into() };
            assert_eq!(read_member(&config(), &channel, json), Ok(member), "{json}");
        }
    }

    #[test]
    fn refuses_what_is_no_user() {
        let channel = ChannelName::new("presence-a").unwrap();
        let long_id = format!(r#"{{"user_id":"{}"}}"#, "é".repeat(129));
        let long_info = format!(r#"{{"user_id":"1","user_info":"{}"}}"#, "x".repeat(1_000));
        let read = |json: &str| read_member(&config(), &channel, json).unwrap_err();
        for json in [
            "",
            "[]",
            r#"["1",null]"#,
            "{}",
            r#"{"user_id":"1","user_id":"2"}"#,
            r#"{"user_id":""}"#,
            r#"{"user_id":null}"#,
            r#"{"user_id":1.0}"#,
            r#"{"user_id":[]}"#,
        ] {
            assert_eq!(read(json), Refusal::InvalidMember(channel.clone()), "{json}");
        }
        assert_eq!(read(&long_id), Refusal::UserIdTooLong { channel: channel.clone(), max: 128 });
        assert_eq!(read(&long_info), Refusal::MemberTooLarge { channel: channel.clone(), max: 1_024 });
        let sockudo = config().with_dialect(Dialect::Sockudo);
        let refusal = read_member(&sockudo, &channel, r#"{"user_id":1}"#).unwrap_err();
        assert_eq!(refusal, Refusal::InvalidMember(channel.clone()));
    }

    #[test]
    fn every_server_has_names_of_its_own() {
        let long = "x".repeat(201);
        let table = [
            (Dialect::Pusher, [true, false, false, false]),
            (Dialect::Reverb, [true, true, true, true]),
            (Dialect::LaravelWebsockets, [true, true, true, true]),
            (Dialect::Soketi, [true, false, false, true]),
            (Dialect::Sockudo, [true, false, false, true]),
        ];
        for (dialect, accepted) in table {
            let config = config().with_dialect(dialect);
            let found = ["a", "a b", &long, "#a"].map(|name| channel_name(name, &config).is_ok());
            assert_eq!(found, accepted, "{dialect}");
        }
    }
}
