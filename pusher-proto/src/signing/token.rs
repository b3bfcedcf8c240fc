//! Capability tokens of Sockudo: JSON web tokens (RFC 7519) with HMAC-SHA256.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::Mac;
use serde::Serialize;

use super::{App, SigningError};
use crate::{AuthResponse, Secret};

/// What a connection may do, for [`App::sign_token`].
///
/// # Examples
///
/// The answer of a token endpoint:
///
/// ```
/// use std::time::{Duration, SystemTime};
///
/// use pusher_proto::signing::{App, CapabilityToken};
///
/// let app = App::new("3", "app-key", "app-secret")?;
/// let token = CapabilityToken::new("a random text", "ann")
///     .allow("news*", ["subscribe", "history"])
///     .allow("private-chat", ["subscribe", "publish"]);
/// let now = SystemTime::UNIX_EPOCH.elapsed()?;
/// let answer = app.sign_token(&token, now, Duration::from_secs(3_600))?;
/// assert!(answer.to_json().ends_with(r#","expires_in":3600}"#));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use]
pub struct CapabilityToken {
    id: String,
    client_id: String,
    capabilities: BTreeMap<String, Vec<String>>,
}

impl CapabilityToken {
    /// Returns a token that allows nothing yet. `id` (`jti`) names it, so that it can be revoked: use a new one for each token.
    /// `client_id` names who has it; another token for the same connection must have the same.
    pub fn new(id: impl Into<String>, client_id: impl Into<String>) -> Self {
        Self { id: id.into(), client_id: client_id.into(), capabilities: BTreeMap::new() }
    }

    /// Allows these operations on the channels that match a pattern, in which `*` stands for any text: `subscribe`, `publish`,
    /// `history`, `annotation-subscribe`, and others that the server knows. For a pattern that is repeated, the last call counts.
    pub fn allow<O: Into<String>>(
        mut self,
        pattern: impl Into<String>,
        operations: impl IntoIterator<Item = O>,
    ) -> Self {
        self.capabilities.insert(pattern.into(), operations.into_iter().map(Into::into).collect());
        self
    }
}

#[derive(Serialize)]
struct Header<'a> {
    alg: &'static str,
    typ: &'static str,
    kid: &'a str,
}

#[derive(Serialize)]
struct Claims<'a> {
    #[serde(rename = "x-sockudo-capability")]
    capability: &'a BTreeMap<String, Vec<String>>,
    #[serde(rename = "x-sockudo-client-id")]
    client_id: &'a str,
    iat: u64,
    exp: u64,
    jti: &'a str,
}

impl App {
    /// Returns a token as the answer to a request for one ([`AuthPurpose::Token`](crate::AuthPurpose::Token)). `now` is the
    /// time since the Unix epoch. Fractions of seconds are cut off.
    ///
    /// # Errors
    ///
    /// If the token would be valid for less than a second or more than 24 hours, which Sockudo refuses.
    pub fn sign_token(
        &self,
        token: &CapabilityToken,
        now: Duration,
        lifetime: Duration,
    ) -> Result<AuthResponse, SigningError> {
        let (issued_at, seconds) = (now.as_secs(), lifetime.as_secs());
        if !(1..=MAX_LIFETIME_SECS).contains(&seconds) {
            return Err(SigningError::TokenLifetime);
        }
        let header = Header { alg: "HS256", typ: "JWT", kid: self.key().as_str() };
        let claims = Claims {
            capability: &token.capabilities,
            client_id: &token.client_id,
            iat: issued_at,
            exp: issued_at.saturating_add(seconds),
            jti: &token.id,
        };
        let signed = format!("{}.{}", part(&header), part(&claims));
        let signature = self.mac(signed.as_bytes()).finalize().into_bytes();
        let token = Secret::from(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature)));
        Ok(AuthResponse::new(token).expires_in(Duration::from_secs(seconds)))
    }
}

/// JSON as a part of a token.
fn part(value: &impl Serialize) -> String {
    let json = serde_json::to_string(value).expect("texts and numbers can be written as JSON");
    URL_SAFE_NO_PAD.encode(json)
}

/// The longest time that Sockudo accepts: a day.
const MAX_LIFETIME_SECS: u64 = 24 * 60 * 60;

#[cfg(test)]
mod tests {
    use alloc::string::ToString;

    use super::*;

    fn sign(lifetime: Duration) -> Result<AuthResponse, SigningError> {
        let app = App::new("app1", "app-key", "app-secret").unwrap();
        let token = CapabilityToken::new("jti-alice-1795875916883673826", "alice").allow("*", ["subscribe"]);
        app.sign_token(&token, Duration::from_millis(1_795_875_917_999), lifetime)
    }

    /// The signature was computed with the `openssl` program.
    #[test]
    fn a_token_has_three_parts_of_which_the_last_signs_the_others() {
        let signed = sign(Duration::from_secs(2)).unwrap();
        let parts: Vec<&str> = signed.auth.expose().split('.').collect();
        let text = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
        assert_eq!(text(parts[0]), r#"{"alg":"HS256","typ":"JWT","kid":"app-key"}"#);
        assert_eq!(
            text(parts[1]),
            concat!(
                r#"{"x-sockudo-capability":{"*":["subscribe"]},"x-sockudo-client-id":"alice","#,
                r#""iat":1795875917,"exp":1795875919,"jti":"jti-alice-1795875916883673826"}"#,
            ),
        );
        assert_eq!((parts.len(), parts[2]), (3, SIGNATURE));
        assert_eq!(signed.expires_in, Some(Duration::from_secs(2)));
    }

    const SIGNATURE: &str = "gkinQ6V64X8t3JF-niKBTd-U-srafRNZYsR6xLRMMrg";

    #[test]
    fn a_token_is_valid_for_a_second_to_a_day() {
        let table = [
            (Duration::from_millis(999), Err(SigningError::TokenLifetime)),
            (Duration::from_millis(1_999), Ok(Some(Duration::from_secs(1)))),
            (Duration::from_secs(86_400), Ok(Some(Duration::from_secs(86_400)))),
            (Duration::from_secs(86_401), Err(SigningError::TokenLifetime)),
        ];
        for (lifetime, expected) in table {
            assert_eq!(sign(lifetime).map(|answer| answer.expires_in), expected, "{lifetime:?}");
        }
        assert_eq!(SigningError::TokenLifetime.to_string(), "a token is valid for at least a second and at most a day");
    }
}
