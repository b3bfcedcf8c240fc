//! Calls of the HTTP API: the query that authenticates them, and its check.

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use md5::{Digest as _, Md5};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};
use subtle::ConstantTimeEq as _;

use super::{App, hex};

/// A call of the HTTP API, without its query.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiRequest<'a> {
    /// The method in capitals, such as `POST`.
    pub method: &'a str,
    /// The path as it stands in the request, such as `/apps/3/events`.
    pub path: &'a str,
    /// The body; empty if there is none.
    pub body: &'a [u8],
}

impl App {
    /// Returns the query of an authenticated call: `params` and the five `auth_…` and `body_md5` parameters, escaped,
    /// without a `?`.
    ///
    /// `timestamp` is in seconds since the Unix epoch; a server takes it within [`MAX_TIMESTAMP_DIFFERENCE`].
    ///
    /// # Errors
    ///
    /// When a name in `params` is one of the parameters that authenticate.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::signing::{ApiRequest, App};
    ///
    /// let app = App::new("3", "278d425bdf160c739803", "7ad3773142a6692b25b8")?;
    /// let body = br#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;
    /// let request = ApiRequest { method: "POST", path: "/apps/3/events", body };
    ///
    /// let query = app.sign_request(&request, &[], 1_353_088_179)?;
    /// assert!(query.ends_with("&auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"));
    /// assert!(app.verify_request(&request, &query, 1_353_088_200).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sign_request(
        &self,
        request: &ApiRequest<'_>,
        params: &[(&str, &str)],
        timestamp: u64,
    ) -> Result<String, InvalidParam> {
        let reserved = |name: &str| RESERVED.iter().any(|reserved| reserved.eq_ignore_ascii_case(name));
        if let Some((name, _)) = params.iter().find(|(name, _)| reserved(name)) {
            return Err(InvalidParam { name: name.to_string() });
        }
        let timestamp = timestamp.to_string();
        let md5 = body_md5(request.body);
        let mut params = params.to_vec();
        params.extend([
            ("auth_key", self.key().as_str()),
            ("auth_timestamp", timestamp.as_str()),
            ("auth_version", AUTH_VERSION),
        ]);
        if !request.body.is_empty() {
            params.push(("body_md5", md5.as_str()));
        }
        params.sort_by_key(|(name, _)| name.to_lowercase());
        let mut query = String::new();
        for (name, value) in &params {
            query += &format!("{}={}&", escape(name), escape(value));
        }
        let signature = self.sign(string_to_sign(request, &params).as_bytes());
        Ok(query + "auth_signature=" + &signature)
    }

    /// Checks the escaped `query` of a call that arrives at `now`, in seconds since the Unix epoch.
    ///
    /// # Errors
    ///
    /// The first thing that is wrong; a server answers it with the status 401.
    pub fn verify_request(&self, request: &ApiRequest<'_>, query: &str, now: u64) -> Result<(), ApiAuthError> {
        let mut params: Vec<(String, Cow<'_, str>)> = query.split('&').filter_map(parameter).collect();
        params.sort_by(|(a, _), (b, _)| a.cmp(b));
        let find = |name: &'static str| {
            let found = params.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_ref()).ok_or(ApiAuthError::Missing(name))
        };
        if find("auth_key")? != self.key().as_str() {
            return Err(ApiAuthError::UnknownKey);
        }
        if find("auth_version")? != AUTH_VERSION {
            return Err(ApiAuthError::Version);
        }
        let timestamp = find("auth_timestamp")?.parse::<u64>().map_err(|_| ApiAuthError::InvalidTimestamp)?;
        let difference = Duration::from_secs(timestamp.abs_diff(now));
        if difference > MAX_TIMESTAMP_DIFFERENCE {
            return Err(ApiAuthError::Timestamp { difference });
        }
        if !request.body.is_empty() && find("body_md5")? != body_md5(request.body) {
            return Err(ApiAuthError::BodyMd5);
        }
        let signature = find("auth_signature")?;
        let signed = params.iter().filter(|(name, _)| name != "auth_signature");
        let signed: Vec<_> = signed.map(|(name, value)| (name.as_str(), value.as_ref())).collect();
        let expected = self.sign(string_to_sign(request, &signed).as_bytes());
        if bool::from(expected.as_bytes().ct_eq(signature.as_bytes())) { Ok(()) } else { Err(ApiAuthError::Signature) }
    }
}

/// Returns the MD5 of a body in lower-case hex, which calls of the HTTP API carry as `body_md5`.
#[must_use]
pub fn body_md5(body: &[u8]) -> String {
    hex(&Md5::digest(body))
}

/// A parameter that authenticates a call cannot be given by hand.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the parameter {name} is set by the signature")]
pub struct InvalidParam {
    /// The parameter.
    pub name: String,
}

/// Why a call of the HTTP API is not authenticated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiAuthError {
    /// The query lacks a parameter.
    #[error("the parameter {0} is missing")]
    Missing(&'static str),
    /// The key is not the application's.
    #[error("unknown auth_key")]
    UnknownKey,
    /// The version is not `1.0`.
    #[error("auth_version must be 1.0")]
    Version,
    /// The timestamp is no number of seconds.
    #[error("auth_timestamp must be a number of seconds")]
    InvalidTimestamp,
    /// The caller's clock and this one are too far apart.
    #[error("auth_timestamp is {} seconds away from the time here, more than 600", difference.as_secs())]
    Timestamp {
        /// How far apart they are.
        difference: Duration,
    },
    /// The body is not the one that was signed.
    #[error("body_md5 does not fit the body")]
    BodyMd5,
    /// The signature does not fit.
    #[error("auth_signature does not fit")]
    Signature,
}

/// How far the timestamp of a call may be from the server's time (Pusher docs, *HTTP API reference, Authentication*).
pub const MAX_TIMESTAMP_DIFFERENCE: Duration = Duration::from_secs(600);

/// `params` are sorted by their names in lower case and not escaped.
fn string_to_sign(request: &ApiRequest<'_>, params: &[(&str, &str)]) -> String {
    let mut string = format!("{}\n{}\n", request.method, request.path);
    for (at, (name, value)) in params.iter().enumerate() {
        let separator = if at == 0 { "" } else { "&" };
        string += &format!("{separator}{}={value}", name.to_lowercase());
    }
    string
}

/// The name in lower case and the value of one part of a query; none for an empty part.
fn parameter(part: &str) -> Option<(String, Cow<'_, str>)> {
    let (name, value) = part.split_once('=').unwrap_or((part, ""));
    (!part.is_empty()).then(|| (unescape(name).to_lowercase(), unescape(value)))
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

fn unescape(text: &str) -> Cow<'_, str> {
    if text.contains('+') {
        let spaced = text.replace('+', " ");
        return Cow::Owned(percent_decode_str(&spaced).decode_utf8_lossy().into_owned());
    }
    percent_decode_str(text).decode_utf8_lossy()
}

/// The only version that there is (Pusher docs, as above).
const AUTH_VERSION: &str = "1.0";

const RESERVED: [&str; 5] = ["auth_key", "auth_timestamp", "auth_version", "auth_signature", "body_md5"];

/// Everything but the unreserved characters of RFC 3986, section 2.3.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u64 = 1_000_000;

    fn app() -> App {
        App::new("1", "key", "secret").unwrap()
    }

    fn request(body: &str) -> ApiRequest<'_> {
        ApiRequest { method: "GET", path: "/apps/1/channels", body: body.as_bytes() }
    }

    #[test]
    fn a_signed_query_is_accepted_within_ten_minutes() {
        let params = [("info", "a,b"), ("Name", "Something else+é&=")];
        let query = app().sign_request(&request("body"), &params, NOW).unwrap();
        assert!(query.contains("info=a%2Cb&Name=Something%20else%2B%C3%A9%26%3D&"), "{query}");
        for (now, result) in [
            (NOW - 600, Ok(())),
            (NOW + 600, Ok(())),
            (NOW + 601, Err(ApiAuthError::Timestamp { difference: Duration::from_secs(601) })),
        ] {
            assert_eq!(app().verify_request(&request("body"), &query, now), result);
        }
    }

    #[test]
    fn tells_what_is_wrong_with_a_query() {
        let query = app().sign_request(&request("body"), &[("a", "1")], NOW).unwrap();
        let verify = |query: &str, body| app().verify_request(&request(body), query, NOW);
        assert_eq!(verify(&query, "other"), Err(ApiAuthError::BodyMd5));
        assert_eq!(verify(&query.replace("a=1", "a=2"), "body"), Err(ApiAuthError::Signature));
        assert_eq!(verify(&(query.clone() + "&b=1"), "body"), Err(ApiAuthError::Signature));
        assert_eq!(verify(&query.replace("auth_key=key", "auth_key=kex"), "body"), Err(ApiAuthError::UnknownKey));
        assert_eq!(verify(&query.replace("=1.0", "=2.0"), "body"), Err(ApiAuthError::Version));
        assert_eq!(verify(&query.replace("=1000000", "=1e6"), "body"), Err(ApiAuthError::InvalidTimestamp));
        assert_eq!(verify(&query.replace("body_md5", "x"), "body"), Err(ApiAuthError::Missing("body_md5")));
        assert_eq!(verify("", "body"), Err(ApiAuthError::Missing("auth_key")));
        assert_eq!(verify("%ff=%ff&&=&+", "body"), Err(ApiAuthError::Missing("auth_key")));
    }

    #[test]
    fn a_body_that_was_not_signed_is_refused() {
        let query = app().sign_request(&request(""), &[], NOW).unwrap();
        assert_eq!(app().verify_request(&request("x"), &query, NOW), Err(ApiAuthError::Missing("body_md5")));
    }

    #[test]
    fn names_of_authenticating_parameters_are_taken() {
        let error = InvalidParam { name: "Auth_Key".into() };
        assert_eq!(app().sign_request(&request(""), &[("Auth_Key", "x")], NOW), Err(error));
    }
}
