//! Whether the answer of an endpoint authorizes anything.

use pusher_server::pusher_proto::server::Dialect;
use pusher_tokio::pusher_proto::signing::{InvalidAuth, MasterKey};
use pusher_tokio::{AuthResponse, ChannelKind, ChannelName, SocketId};
use serde_json::Value;

use super::finding::Finding;
use super::patient::Patient;
use super::server::title;

/// Returns what is wrong with an authorization, or `None`.
pub(super) fn judge(
    patient: &Patient,
    socket_id: &SocketId,
    channel: &ChannelName,
    response: &AuthResponse,
) -> Option<Finding> {
    let token = judge_token(patient, response);
    let token = token.or_else(|| {
        let verified = patient.app.as_ref()?.verify_channel(
            socket_id,
            channel,
            response.channel_data.as_deref(),
            response.auth.expose(),
        );
        signature(verified, patient.is_secret_proven)
    });
    token.or_else(|| match channel.kind() {
        ChannelKind::Presence => member(patient.server, response.channel_data.as_deref()),
        ChannelKind::PrivateEncrypted => shared_secret(patient, socket_id, channel, response),
        ChannelKind::Public | ChannelKind::Private => None,
    })
}

/// The same for a sign-in.
pub(super) fn judge_user(patient: &Patient, socket_id: &SocketId, response: &AuthResponse) -> Option<Finding> {
    let Some(user_data) = &response.user_data else {
        return Some(
            Finding::failed("the answer has no user_data")
                .means("this is an answer for channels: users need an endpoint of their own")
                .fix("answer with auth and user_data, a string with a JSON object that has an id"),
        );
    };
    let token = judge_token(patient, response);
    let token = token.or_else(|| {
        let verified = patient.app.as_ref()?.verify_user(socket_id, user_data, response.auth.expose());
        signature(verified, patient.is_secret_proven)
    });
    token.or_else(|| {
        let user: Value = serde_json::from_str(user_data).unwrap_or_default();
        (!user["id"].is_string()).then(|| {
            Finding::failed("user_data has no id that is a string")
                .means("the server does not sign such a user in")
                .fix("put the id of the user into user_data as a string")
        })
    })
}

/// The key and the form of the signature, which need no secret.
fn judge_token(patient: &Patient, response: &AuthResponse) -> Option<Finding> {
    let Some((key, signature)) = response.auth.expose().split_once(':') else {
        return Some(
            Finding::failed("auth does not have the form key:signature")
                .means("the server refuses it")
                .fix("return what the server library of Pusher returns, unchanged"),
        );
    };
    if key != patient.args.credentials.key {
        // It is not shown: it may be a secret in the wrong place.
        return Some(
            Finding::refused("auth begins with a different key from --key")
                .means("the endpoint signs for another application, or another environment")
                .fix("give the endpoint the key and the secret of this application (Laravel: config:clear afterwards)"),
        );
    }
    let is_hex = signature.len() == SIGNATURE_LEN && signature.bytes().all(|byte| byte.is_ascii_hexdigit());
    (!is_hex).then(|| {
        Finding::failed("the signature in auth does not have 64 hexadecimal digits")
            .means("the server refuses it")
            .fix("sign with HMAC SHA-256, in hexadecimal, as the server library of Pusher does")
    })
}

fn signature(verified: Result<(), InvalidAuth>, is_secret_proven: bool) -> Option<Finding> {
    let error = verified.err()?;
    let finding = Finding::refused(format!("the signature is wrong: {error}"));
    Some(match error {
        InvalidAuth::Signature if !is_secret_proven => Finding::refused("signed with another secret")
            .means("the endpoint has the right key, but a different secret from --secret: one of the two is wrong")
            .fix(
                "give the endpoint the secret of this application, or add --app-id to check whether --secret is right",
            ),
        InvalidAuth::Signature => Finding::refused("signed with another secret")
            .means(
                "the endpoint has the right key, but the secret of another application; or it signs a different string",
            )
            .fix(
                "give the endpoint the secret of this application; it must sign socket_id:channel_name[:channel_data]",
            ),
        _ => finding.fix("return what the server library of Pusher returns, unchanged"),
    })
}

/// Whether `channel_data` names a member in the way that this server requires.
fn member(server: Option<Dialect>, channel_data: Option<&str>) -> Option<Finding> {
    let Some(channel_data) = channel_data else {
        return Some(
            Finding::failed("the answer has no channel_data")
                .means("a presence channel needs the member's user_id in it")
                .fix("return channel_data, a string with a JSON object that has user_id and user_info"),
        );
    };
    let member: Value = serde_json::from_str(channel_data).unwrap_or_default();
    let id = &member["user_id"];
    if !(id.is_string() || id.is_number()) || id == "" {
        return Some(
            Finding::failed("channel_data has no user_id")
                .means("the server does not know who joins")
                .fix("put user_id into channel_data, as a string that is not empty"),
        );
    }
    if id.is_number() && server == Some(Dialect::Sockudo) {
        return Some(
            Finding::failed("user_id in channel_data is a number")
                .means("Sockudo accepts only strings")
                .fix("write user_id as a string"),
        );
    }
    if member.get("user_info").is_some() {
        return None;
    }
    let fix = "add user_info to channel_data; null is enough";
    Some(if server == Some(Dialect::Reverb) {
        Finding::failed("channel_data has no user_info")
            .means("Laravel Reverb then refuses this member, and every later member of the channel")
            .fix(fix)
    } else {
        let name = server.map_or("this server", title);
        Finding::warning("channel_data has no user_info")
            .means(format!("Laravel Reverb would refuse every member; {name} may not"))
            .fix(fix)
    })
}

fn shared_secret(
    patient: &Patient,
    socket_id: &SocketId,
    channel: &ChannelName,
    response: &AuthResponse,
) -> Option<Finding> {
    let Some(secret) = &response.shared_secret else {
        return Some(
            Finding::failed("the answer has no shared_secret")
                .means("clients cannot decrypt: the endpoint treats the channel as a private one")
                .fix("set the encryption master key in the endpoint's server library, if you need encrypted channels"),
        );
    };
    // The key of a channel has the length of a master key.
    if MasterKey::from_base64(secret.expose()).is_err() {
        return Some(
            Finding::failed("shared_secret is not 32 bytes in base64")
                .means("clients cannot decrypt")
                .fix("return what the server library of Pusher returns, unchanged"),
        );
    }
    // Only if our master key is known.
    let ours = patient.app.as_ref()?.authorize_channel(socket_id, channel).ok()?.shared_secret?;
    (ours != *secret).then(|| {
        Finding::failed("shared_secret is derived from another master key")
            .means("clients cannot decrypt what is published with --master-key")
            .fix("use one master key in the endpoint and where events are published")
    })
}

/// SHA-256 in hexadecimal.
const SIGNATURE_LEN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_is_judged_by_what_the_server_needs() {
        let judge = |server, data| {
            member(server, Some(data))
                .map_or("ok".into(), |finding| format!("{}: {}", finding.outcome.name(), finding.seen))
        };
        let (reverb, sockudo) = (Some(Dialect::Reverb), Some(Dialect::Sockudo));
        let table = [
            (reverb, r#"{"user_id":"1","user_info":null}"#, "ok"),
            (reverb, r#"{"user_id":1,"user_info":{}}"#, "ok"),
            (reverb, r#"{"user_id":"1"}"#, "failed: channel_data has no user_info"),
            (sockudo, r#"{"user_id":"1"}"#, "warning: channel_data has no user_info"),
            (None, r#"{"user_id":"1"}"#, "warning: channel_data has no user_info"),
            (sockudo, r#"{"user_id":1,"user_info":{}}"#, "failed: user_id in channel_data is a number"),
            (None, r#"{"user_id":"","user_info":{}}"#, "failed: channel_data has no user_id"),
            (None, "[]", "failed: channel_data has no user_id"),
            (None, "not JSON", "failed: channel_data has no user_id"),
        ];
        for (server, data, expected) in table {
            assert_eq!(judge(server, data), expected, "{data}");
        }
        assert!(member(None, None).is_some_and(|finding| finding.is_failed()));
    }
}
