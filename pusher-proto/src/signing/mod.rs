//! Signatures and secrets, for those who hold an application's credentials.
//!
//! An [`App`] authorizes channels and authenticates users for an auth endpoint, and signs and verifies webhooks. It
//! also publishes events and queries channels: each of these methods returns an [`ApiCall`], which any HTTP client can
//! send. The shared secrets of encrypted channels are derived from a [`MasterKey`]. All comparisons take constant time.
//!
//! Each signature has only one meaning: a text whose signature would also be valid for another channel, user, webhook
//! or call is neither signed nor accepted. For example, if names could contain a `:`, a signature for one channel would
//! also be valid for another, and a webhook that is not a JSON object could be anything.

mod api;
mod http;
mod master_key;
pub(crate) mod strings;
mod token;
#[cfg(test)]
mod vectors;
mod webhook;

use alloc::format;
use alloc::string::String;
use core::fmt::Write as _;

use serde::Serialize;

use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use subtle::ConstantTimeEq as _;

use self::strings::{Unsigned, check_member, check_user, is_json_object, user_string};
use crate::data::json_string;
use crate::{AppKey, AuthResponse, ChannelKind, ChannelName, InvalidName, Secret, SocketId, Text};

pub use api::{
    ApiAnswer, ApiCall, ApiFailure, Attributes, ChannelState, Channels, Info, InvalidCall, Publish, Published,
    PublishedBatch, Terminated, Users,
};
pub use http::{ApiAuthError, ApiRequest, InvalidRequest, MAX_TIMESTAMP_DIFFERENCE, body_md5};
pub use master_key::{InvalidMasterKey, MasterKey};
pub use token::CapabilityToken;
pub use webhook::{InvalidWebhook, MAX_WEBHOOK_LEN, Webhook, WebhookEvent};

/// The credentials of an application, as the dashboard of Pusher or the configuration of a server shows them.
///
/// Its `Debug` does not show the secret.
///
/// # Examples
///
/// An auth endpoint answers with [`AuthResponse::to_json`]:
///
/// ```
/// use pusher_proto::signing::App;
/// use pusher_proto::{ChannelName, SocketId};
///
/// let app = App::new("3", "278d425bdf160c739803", "7ad3773142a6692b25b8")?;
/// let socket_id = SocketId::new("1234.1234")?;
/// let channel = ChannelName::new("private-foobar")?;
///
/// let response = app.authorize_channel(&socket_id, &channel)?;
/// assert_eq!(
///     response.to_json(),
///     r#"{"auth":"278d425bdf160c739803:58df8b0c36d6982b82c3ecf6b4662e34fe8c25bba48f5369f135bf843651c3a4"}"#,
/// );
/// assert!(app.verify_channel(&socket_id, &channel, None, response.auth.expose()).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
pub struct App {
    id: Text,
    key: AppKey,
    secret: Secret,
    master_key: Option<MasterKey>,
    relaxed_channel_names: bool,
    max_event_len: usize,
    api_prefix: Text,
}

impl App {
    /// Returns the credentials with this id, public key and secret.
    ///
    /// # Errors
    ///
    /// If the key is empty, is longer than 1,024 bytes, begins or ends with white space, or contains a control character.
    pub fn new(id: impl Into<Text>, key: impl Into<Text>, secret: impl Into<Secret>) -> Result<Self, InvalidName> {
        Ok(Self {
            id: id.into(),
            key: AppKey::new(key)?,
            secret: secret.into(),
            master_key: None,
            relaxed_channel_names: false,
            max_event_len: DEFAULT_MAX_EVENT_LEN,
            api_prefix: Text::from_static(""),
        })
    }

    /// Sets the key from which the shared secrets of encrypted channels are derived.
    #[must_use]
    pub fn encryption_master_key(mut self, key: MasterKey) -> Self {
        self.master_key = Some(key);
        self
    }

    /// Sets whether channel names with characters other than `A-Z a-z 0-9 _ - = @ , . ;` are signed and accepted.
    ///
    /// Hosted Pusher, soketi and Sockudo refuse such names; Laravel Reverb and laravel-websockets accept them. A name
    /// with a `:` is always refused, since its signature would also be valid for another channel. Default `false`.
    #[must_use]
    pub fn relaxed_channel_names(mut self, relaxed: bool) -> Self {
        self.relaxed_channel_names = relaxed;
        self
    }

    /// Sets the largest size of a published event's data, in bytes. For an encrypted channel, the encrypted data
    /// counts.
    ///
    /// Default 10,240, the limit of hosted Pusher. soketi and Sockudo accept 100 KB unless configured; Laravel Reverb
    /// limits whole requests, to 10,000 bytes unless configured.
    #[must_use]
    pub fn max_event_len(mut self, len: usize) -> Self {
        self.max_event_len = len;
        self
    }

    /// Sets the path before `/apps/…` for servers that see and use it themselves, such as Reverb with a server path.
    /// Default empty.
    #[must_use]
    pub fn api_prefix(mut self, prefix: impl Into<Text>) -> Self {
        self.api_prefix = prefix.into();
        self
    }

    /// Returns the id, which is part of the HTTP API's paths.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Returns the public key.
    #[must_use]
    pub fn key(&self) -> &AppKey {
        &self.key
    }

    /// Allows `socket_id` to subscribe to `channel`; the answer for an encrypted channel contains its shared secret.
    ///
    /// # Errors
    ///
    /// If the socket id does not have the form `digits.digits`, if the channel is public or its name has a character
    /// that is not accepted (see [`App::relaxed_channel_names`]), or if the channel is encrypted and there is no master
    /// key.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pusher_proto::signing::{App, SigningError};
    /// # use pusher_proto::{ChannelName, SocketId};
    /// # let app = App::new("1", "key", "secret")?;
    /// // The signature would also be valid for `private-admin` with the data `x`.
    /// let channel = ChannelName::new("private-admin:x")?;
    /// assert_eq!(app.authorize_channel(&SocketId::new("1.2")?, &channel), Err(SigningError::ChannelName));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn authorize_channel(&self, socket_id: &SocketId, channel: &ChannelName) -> Result<AuthResponse, SigningError> {
        self.authorize(socket_id, channel, None)
    }

    /// Allows `socket_id` to subscribe to `channel` with `channel_data`, which presence channels need.
    ///
    /// For a presence channel, the data must be a JSON object with a `user_id`, which is a non-empty string or an
    /// integer, and a `user_info`, which may be null; Reverb refuses a member without one. The data is signed and
    /// returned byte for byte. [`App::authorize_member`] creates it for you.
    ///
    /// # Errors
    ///
    /// As for [`App::authorize_channel`], and if the data for a presence channel is not such an object.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pusher_proto::signing::App;
    /// # use pusher_proto::{ChannelName, SocketId};
    /// let app = App::new("1", "key", "secret")?;
    /// let data = r#"{"user_id":"10","user_info":{"name":"Ann"}}"#;
    /// let lobby = ChannelName::new("presence-lobby")?;
    /// let response = app.authorize_channel_with_data(&SocketId::new("1.2")?, &lobby, data)?;
    /// assert_eq!(response.channel_data.unwrap(), data);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn authorize_channel_with_data(
        &self,
        socket_id: &SocketId,
        channel: &ChannelName,
        channel_data: impl Into<Text>,
    ) -> Result<AuthResponse, SigningError> {
        let channel_data = channel_data.into();
        if channel.kind() == ChannelKind::Presence {
            check_member(&channel_data)?;
        }
        self.authorize(socket_id, channel, Some(channel_data))
    }

    /// Allows `socket_id` to subscribe to the presence channel `channel` as the member `user_id`.
    ///
    /// `info` is what the other members see: anything that can be serialised as JSON, or `&()` for nothing. It becomes
    /// `user_info`, which is always sent, since Reverb refuses a member without one.
    ///
    /// # Errors
    ///
    /// As for [`App::authorize_channel`], and if the channel is not a presence channel, the id is empty, or `info`
    /// cannot be serialised as JSON.
    ///
    /// # Examples
    ///
    /// ```
    /// # use pusher_proto::signing::App;
    /// # use pusher_proto::{ChannelName, SocketId};
    /// let app = App::new("1", "key", "secret")?;
    /// let lobby = ChannelName::new("presence-lobby")?;
    /// let response = app.authorize_member(&SocketId::new("1.2")?, &lobby, "10", &["Ann", "admin"])?;
    /// assert_eq!(response.channel_data.unwrap(), r#"{"user_id":"10","user_info":["Ann","admin"]}"#);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn authorize_member<T: Serialize + ?Sized>(
        &self,
        socket_id: &SocketId,
        channel: &ChannelName,
        user_id: &str,
        info: &T,
    ) -> Result<AuthResponse, SigningError> {
        if channel.kind() != ChannelKind::Presence {
            return Err(SigningError::NotPresence);
        }
        let info = serde_json::to_string(info).map_err(|_| SigningError::UserInfo)?;
        let channel_data = format!(r#"{{"user_id":{},"user_info":{info}}}"#, json_string(user_id));
        self.authorize_channel_with_data(socket_id, channel, channel_data)
    }

    /// Returns the authorization for signing in the user described by `user_data` on `socket_id`.
    ///
    /// The data must be a JSON object with an `id`, which is a non-empty string. It must be passed on byte for byte.
    ///
    /// # Errors
    ///
    /// If the socket id does not have the form `digits.digits`, or the data is not such an object.
    pub fn authenticate_user(
        &self,
        socket_id: &SocketId,
        user_data: impl Into<Text>,
    ) -> Result<AuthResponse, SigningError> {
        let user_data = user_data.into();
        check_user(&user_data)?;
        Ok(AuthResponse::new(self.token(&user_string(socket_id, &user_data)?)).user_data(user_data))
    }

    /// Checks the `auth` value of a subscription.
    ///
    /// # Errors
    ///
    /// If the value does not have the form `key:signature`, is for another key, or its signature does not match; and,
    /// whatever its signature, if [`App::authorize_channel`] would refuse the socket id or the channel.
    pub fn verify_channel(
        &self,
        socket_id: &SocketId,
        channel: &ChannelName,
        channel_data: Option<&str>,
        auth: &str,
    ) -> Result<(), InvalidAuth> {
        self.verify_token(&self.channel_string(socket_id, channel, channel_data)?, auth)
    }

    /// Checks the `auth` value of a sign-in.
    ///
    /// # Errors
    ///
    /// If the value does not have the form `key:signature`, is for another key, or its signature does not match; and if
    /// the socket id does not have the form `digits.digits`.
    pub fn verify_user(&self, socket_id: &SocketId, user_data: &str, auth: &str) -> Result<(), InvalidAuth> {
        self.verify_token(&user_string(socket_id, user_data)?, auth)
    }

    /// Returns the `X-Pusher-Signature` of a webhook with this raw body; its `X-Pusher-Key` is [`App::key`].
    ///
    /// # Errors
    ///
    /// If the body is not a JSON object.
    pub fn sign_webhook(&self, body: &[u8]) -> Result<String, SigningError> {
        if is_json_object(body) { Ok(self.sign(body)) } else { Err(SigningError::Webhook) }
    }

    /// Checks a webhook by its `X-Pusher-Key`, its `X-Pusher-Signature` and its raw body (Pusher docs, *Webhooks*).
    ///
    /// [`App::webhook`] also reads it. While a key is being replaced, try the [`App`] of each key in turn.
    ///
    /// # Errors
    ///
    /// If the webhook is for another key, its signature does not match, or its body is not a JSON object. Other bodies
    /// are refused because every client has signatures for its own channels, which must not be valid for webhooks.
    pub fn verify_webhook(&self, key: &str, signature: &str, body: &[u8]) -> Result<(), InvalidAuth> {
        if key != self.key.as_str() {
            return Err(InvalidAuth::Key);
        }
        self.verify_signature(body, signature)?;
        if is_json_object(body) { Ok(()) } else { Err(InvalidAuth::Body) }
    }

    fn authorize(
        &self,
        socket_id: &SocketId,
        channel: &ChannelName,
        channel_data: Option<Text>,
    ) -> Result<AuthResponse, SigningError> {
        let string = self.channel_string(socket_id, channel, channel_data.as_deref())?;
        let shared_secret = match (channel.kind(), &self.master_key) {
            (ChannelKind::PrivateEncrypted, None) => return Err(SigningError::NoMasterKey),
            (ChannelKind::PrivateEncrypted, Some(key)) => Some(key.shared_secret(channel)),
            (ChannelKind::Public | ChannelKind::Private | ChannelKind::Presence, _) => None,
        };
        Ok(AuthResponse { auth: self.token(&string), channel_data, shared_secret, user_data: None, expires_in: None })
    }

    pub(crate) fn token(&self, string: &str) -> Secret {
        Secret::from(format!("{}:{}", self.key, self.sign(string.as_bytes())))
    }

    fn verify_token(&self, string: &str, auth: &str) -> Result<(), InvalidAuth> {
        let (key, signature) = auth.split_once(':').ok_or(InvalidAuth::Malformed)?;
        if key != self.key.as_str() {
            return Err(InvalidAuth::Key);
        }
        self.verify_signature(string.as_bytes(), signature)
    }

    fn verify_signature(&self, message: &[u8], signature: &str) -> Result<(), InvalidAuth> {
        let equal = self.sign(message).as_bytes().ct_eq(signature.as_bytes());
        if bool::from(equal) { Ok(()) } else { Err(InvalidAuth::Signature) }
    }

    fn sign(&self, message: &[u8]) -> String {
        hex(&self.mac(message).finalize().into_bytes())
    }

    fn mac(&self, message: &[u8]) -> Hmac<Sha256> {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(self.secret.expose().as_bytes()).expect("HMAC takes keys of every length");
        mac.update(message);
        mac
    }
}

impl AuthResponse {
    /// Returns the JSON for the answer of an auth endpoint. It contains the secrets in plain text.
    #[must_use]
    pub fn to_json(&self) -> String {
        let mut json = format!(r#"{{"auth":{}"#, json_string(self.auth.expose()));
        if let Some(data) = &self.channel_data {
            json += &format!(r#","channel_data":{}"#, json_string(data));
        }
        if let Some(data) = &self.user_data {
            json += &format!(r#","user_data":{}"#, json_string(data));
        }
        if let Some(secret) = &self.shared_secret {
            json += &format!(r#","shared_secret":{}"#, json_string(secret.expose()));
        }
        if let Some(expires_in) = self.expires_in {
            json += &format!(r#","expires_in":{}"#, expires_in.as_secs());
        }
        json.push('}');
        json
    }
}

/// Why nothing was signed.
///
/// # Examples
///
/// ```
/// use pusher_proto::signing::{App, SigningError};
/// use pusher_proto::{ChannelName, SocketId};
///
/// let app = App::new("3", "app-key", "app-secret")?;
/// let signed = app.authorize_channel(&SocketId::new("123.456")?, &ChannelName::new("public")?);
/// assert_eq!(signed.err(), Some(SigningError::ChannelName));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigningError {
    /// The socket id does not have the form `digits.digits`. A signature for any other text could be valid for another
    /// channel or user.
    #[error("a socket id must have the form digits.digits")]
    SocketId,
    /// The channel is public, or its name has a character that is not accepted: with a `:`, the signature would be
    /// valid for another channel or a user; other characters are accepted only with [`App::relaxed_channel_names`].
    #[error("only private and presence channels are signed, and only with names of A-Z a-z 0-9 _ - = @ , . ;")]
    ChannelName,
    /// The data of a presence channel does not name a member.
    #[error(
        "channel_data of a presence channel must be a JSON object with a user_id, a non-empty string or an integer"
    )]
    ChannelData,
    /// Only presence channels have members.
    #[error("only presence channels have members")]
    NotPresence,
    /// The info of a member cannot be serialised as JSON.
    #[error("user_info cannot be serialized as JSON")]
    UserInfo,
    /// The data of a sign-in does not name a user.
    #[error("user_data must be a JSON object whose id is a non-empty string")]
    UserData,
    /// The body of a webhook is not a JSON object.
    #[error("the body of a webhook must be a JSON object")]
    Webhook,
    /// A token would be valid for too short or too long a time.
    #[error("a token is valid for at least a second and at most a day")]
    TokenLifetime,
    /// The channel is encrypted and the application has no master key.
    #[error("an encrypted channel needs an encryption master key")]
    NoMasterKey,
}

/// Why a signature is not accepted.
///
/// # Examples
///
/// ```
/// use pusher_proto::signing::{App, InvalidAuth};
/// use pusher_proto::{ChannelName, SocketId};
///
/// let app = App::new("3", "app-key", "app-secret")?;
/// let (mine, other) = (SocketId::new("123.456")?, SocketId::new("123.457")?);
/// let channel = ChannelName::new("private-chat")?;
/// let auth = app.authorize_channel(&other, &channel)?.auth;
/// assert_eq!(app.verify_channel(&mine, &channel, None, auth.expose()), Err(InvalidAuth::Signature));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidAuth {
    /// The value is not `key:signature`.
    #[error("the auth value does not have the form key:signature")]
    Malformed,
    /// The value belongs to another application.
    #[error("the key belongs to another application")]
    Key,
    /// The signature does not match this text and this secret.
    #[error("the signature does not match")]
    Signature,
    /// The socket id does not have the form `digits.digits`, so its signature could be meant for another channel or
    /// user.
    #[error("a socket id must have the form digits.digits")]
    SocketId,
    /// The channel is public, or its name is never signed, so the signature could be meant for something else.
    #[error("signatures are only for private and presence channels, with names of A-Z a-z 0-9 _ - = @ , . ;")]
    ChannelName,
    /// The signature matches, but the body is not that of a webhook, which is a JSON object.
    #[error("the body of a webhook must be a JSON object")]
    Body,
}

impl From<Unsigned> for SigningError {
    fn from(unsigned: Unsigned) -> Self {
        match unsigned {
            Unsigned::SocketId => Self::SocketId,
            Unsigned::ChannelName => Self::ChannelName,
        }
    }
}

impl From<Unsigned> for InvalidAuth {
    fn from(unsigned: Unsigned) -> Self {
        match unsigned {
            Unsigned::SocketId => Self::SocketId,
            Unsigned::ChannelName => Self::ChannelName,
        }
    }
}

/// Largest `data` of an event, in bytes (Pusher docs, *HTTP API reference, POST event*).
const DEFAULT_MAX_EVENT_LEN: usize = 10 * 1024;

fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        write!(text, "{byte:02x}").expect("writing to a string does not fail");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app() -> App {
        App::new("1", "key", "secret").unwrap()
    }

    #[test]
    fn signs_only_for_socket_ids_of_digits() {
        let channel = ChannelName::new("private-a").unwrap();
        for id in ["1", "1.", ".1", "1.a", "1.2.3", "1.2:private-b", " 1.2", "1.2\u{a0}", "١.٢"] {
            let id = SocketId::new(id).unwrap();
            assert_eq!(app().authorize_channel(&id, &channel), Err(SigningError::SocketId), "{id}");
            assert_eq!(app().authenticate_user(&id, r#"{"id":"1"}"#), Err(SigningError::SocketId), "{id}");
            assert_eq!(app().verify_channel(&id, &channel, None, "key:00"), Err(InvalidAuth::SocketId), "{id}");
            assert_eq!(app().verify_user(&id, "{}", "key:00"), Err(InvalidAuth::SocketId), "{id}");
        }
    }

    #[test]
    fn a_signature_is_for_one_channel_or_user() {
        let id = SocketId::new("1.2").unwrap();
        let names = [
            (r#":user::{"id":"admin"}"#, false),
            ("private-admin:x", false),
            (r#"presence-admin:{"user_id":"root"}"#, false),
            ("private-encrypted-a:", false),
            ("public", false),
            ("Private-a", false),
            ("private-a b", true),
            ("private-é", true),
            ("private-{1}", true),
        ];
        for (name, is_relaxed) in names {
            let channel = ChannelName::new(name).unwrap();
            // What a backend without this check would have signed.
            let forged = app().token(&format!("1.2:{name}"));
            for relaxed in [false, true] {
                let app = app().encryption_master_key(MasterKey::new([7; 32])).relaxed_channel_names(relaxed);
                let signed = app.authorize_channel(&id, &channel).map(drop);
                let accepted = app.verify_channel(&id, &channel, None, forged.expose());
                if relaxed && is_relaxed {
                    assert_eq!((signed, accepted), (Ok(()), Ok(())), "{name}");
                } else {
                    let refused = (Err(SigningError::ChannelName), Err(InvalidAuth::ChannelName));
                    assert_eq!((signed, accepted), refused, "{name}");
                }
            }
            let with_data = app().authorize_channel_with_data(&id, &channel, r#"{"user_id":"1"}"#);
            assert_eq!(with_data, Err(SigningError::ChannelName), "{name}");
        }
    }

    #[test]
    fn signs_in_only_users_with_an_id() {
        let id = SocketId::new("1.2").unwrap();
        let sign_in = |data: &str| app().authenticate_user(&id, data).map(drop);
        for data in [
            "",
            "null",
            "111",
            "[]",
            r#"["1"]"#,
            "{}",
            r#"{"id":123}"#,
            r#"{"id":""}"#,
            r#"{"id":null}"#,
            r#"{"id":"1","id":"admin"}"#,
            r#"{"id":"1","\u0069d":"admin"}"#,
            r#"{"id":"1"} x"#,
        ] {
            assert_eq!(sign_in(data), Err(SigningError::UserData), "{data}");
        }
        assert_eq!(sign_in(r#" {"user_info":{},"id":"1","watchlist":["2"]}"#), Ok(()));
    }

    #[test]
    fn signs_only_members_with_an_id() {
        let id = SocketId::new("1.2").unwrap();
        let sign = |channel: &str, data: &str| {
            app().authorize_channel_with_data(&id, &ChannelName::new(channel).unwrap(), data).map(drop)
        };
        for data in [
            "",
            "x",
            "null",
            r#"["1"]"#,
            "{}",
            r#"{"user_id":""}"#,
            r#"{"user_id":1.5}"#,
            r#"{"user_id":"1","user_id":"2"}"#,
        ] {
            assert_eq!(sign("presence-a", data), Err(SigningError::ChannelData), "{data}");
        }
        assert_eq!(sign("presence-a", r#"{"user_id":10}"#), Ok(()));
        assert_eq!(sign("private-a", "anything"), Ok(()));
    }

    #[test]
    fn a_member_has_an_id_and_always_an_info() {
        let (id, lobby) = (SocketId::new("1.2").unwrap(), ChannelName::new("presence-a").unwrap());
        let data = |user_id: &str, info: &crate::Data| {
            app().authorize_member(&id, &lobby, user_id, info).map(|response| response.channel_data.unwrap())
        };
        let table = [
            (crate::Data::ABSENT, r#"{"user_id":"a\"b","user_info":null}"#),
            (crate::Data::from_json("{ }").unwrap(), r#"{"user_id":"a\"b","user_info":{ }}"#),
        ];
        for (info, expected) in table {
            let signed = data("a\"b", &info).unwrap();
            assert_eq!(signed, expected);
        }
        assert_eq!(data("", &crate::Data::ABSENT), Err(SigningError::ChannelData));
        let private = ChannelName::new("private-a").unwrap();
        assert_eq!(app().authorize_member(&id, &private, "1", &()), Err(SigningError::NotPresence));
        let unwritable = alloc::collections::BTreeMap::from([([1], 1)]);
        assert_eq!(app().authorize_member(&id, &lobby, "1", &unwritable), Err(SigningError::UserInfo));
        let forged = ChannelName::new("presence-a:b").unwrap();
        assert_eq!(app().authorize_member(&id, &forged, "1", &()), Err(SigningError::ChannelName));
    }

    #[test]
    fn a_clients_own_signature_makes_no_webhook() {
        let (id, channel) = (SocketId::new("1.2").unwrap(), ChannelName::new("private-a").unwrap());
        let response = app().authorize_channel(&id, &channel).unwrap();
        let (_, signature) = response.auth.expose().split_once(':').unwrap();
        assert_eq!(app().verify_webhook("key", signature, b"1.2:private-a"), Err(InvalidAuth::Body));
        for body in ["", "1.2:private-a", "null", "[]", "{", "{}x", "GET\n/apps/1/channels\nauth_key=key"] {
            assert_eq!(app().sign_webhook(body.as_bytes()), Err(SigningError::Webhook), "{body}");
            let signature = app().sign(body.as_bytes());
            assert_eq!(app().verify_webhook("key", &signature, body.as_bytes()), Err(InvalidAuth::Body), "{body}");
        }
    }

    #[test]
    fn tells_what_is_wrong_with_an_auth_value() {
        let channel = ChannelName::new("private-a").unwrap();
        let id = SocketId::new("1.2").unwrap();
        let response = app().authorize_channel(&id, &channel).unwrap();
        let auth = response.auth.expose();
        let upper = auth.to_uppercase().replace("KEY", "key");
        for (auth, channel_data, result) in [
            (auth, None, Ok(())),
            (auth, Some("{}"), Err(InvalidAuth::Signature)),
            (&auth[..auth.len() - 1], None, Err(InvalidAuth::Signature)),
            (&upper, None, Err(InvalidAuth::Signature)),
            ("key:", None, Err(InvalidAuth::Signature)),
            ("other:00", None, Err(InvalidAuth::Key)),
            ("key", None, Err(InvalidAuth::Malformed)),
        ] {
            assert_eq!(app().verify_channel(&id, &channel, channel_data, auth), result, "{auth}");
        }
    }

    #[test]
    fn an_encrypted_channel_gets_its_secret_or_an_error() {
        let id = SocketId::new("1.2").unwrap();
        let channel = ChannelName::new("private-encrypted-a").unwrap();
        assert_eq!(app().authorize_channel(&id, &channel), Err(SigningError::NoMasterKey));

        let app = app().encryption_master_key(MasterKey::new([7; 32]));
        let response = app.authorize_channel(&id, &channel).unwrap();
        assert_eq!(response.shared_secret, Some(MasterKey::new([7; 32]).shared_secret(&channel)));
        assert!(response.to_json().contains(r#","shared_secret":""#));
    }

    #[test]
    fn no_secret_prints() {
        let app = App::new("1", "key", "tofu").unwrap().encryption_master_key(MasterKey::new([7; 32]));
        let text = format!("{app:?}");
        assert!(!text.contains("tofu") && !text.contains('7'), "{text}");
    }
}
