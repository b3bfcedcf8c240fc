//! Calls of the HTTP API: the query that authenticates them, and its verification.

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
///
/// # Examples
///
/// ```
/// use core::time::Duration;
///
/// use pusher_proto::signing::{ApiRequest, App};
///
/// let app = App::new("3", "app-key", "app-secret")?;
/// let now = Duration::from_secs(1_700_000_000);
/// let request = ApiRequest { method: "GET", path: "/apps/3/channels", body: b"" };
/// let query = app.sign_request(&request, &[("info", "user_count")], now)?;
/// assert!(app.verify_request(&request, &query, now).is_ok());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ApiRequest<'a> {
    /// The method in capitals, such as `POST`.
    pub method: &'a str,
    /// The path as in the request, such as `/apps/3/events`.
    pub path: &'a str,
    /// The body; empty if there is none.
    pub body: &'a [u8],
}

impl App {
    /// Returns the query of an authenticated call: `params` and the five `auth_…` and `body_md5` parameters, escaped,
    /// without a `?`.
    ///
    /// `now` is the time since the Unix epoch; a server accepts a difference of up to [`MAX_TIMESTAMP_DIFFERENCE`]. For
    /// the calls of the API, use the methods that return an [`ApiCall`](super::ApiCall) instead.
    ///
    /// # Errors
    ///
    /// If a name in `params` is one of the authentication parameters, or if the signature of this call would also be
    /// valid for another call, which is possible because names and values are signed without escapes (see
    /// [`InvalidRequest`]).
    ///
    /// # Examples
    ///
    /// ```
    /// use core::time::Duration;
    ///
    /// use pusher_proto::signing::{ApiRequest, App};
    ///
    /// let app = App::new("3", "278d425bdf160c739803", "7ad3773142a6692b25b8")?;
    /// let body = br#"{"name":"foo","channels":["project-3"],"data":"{\"some\":\"data\"}"}"#;
    /// let request = ApiRequest { method: "POST", path: "/apps/3/events", body };
    ///
    /// let query = app.sign_request(&request, &[], Duration::from_secs(1_353_088_179))?;
    /// assert!(query.ends_with("&auth_signature=da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c"));
    /// assert!(app.verify_request(&request, &query, Duration::from_secs(1_353_088_200)).is_ok());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn sign_request(
        &self,
        request: &ApiRequest<'_>,
        params: &[(&str, &str)],
        now: Duration,
    ) -> Result<String, InvalidRequest> {
        if let Some((name, _)) = params.iter().find(|(name, _)| RESERVED.contains(name)) {
            return Err(InvalidRequest::Reserved { name: name.to_string() });
        }
        let timestamp = now.as_secs().to_string();
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
        params.sort_unstable();
        let signature = self.sign(string_to_sign(request, &params)?.as_bytes());
        let mut query = String::new();
        for (name, value) in &params {
            query += &format!("{}={}&", escape(name), escape(value));
        }
        Ok(query + "auth_signature=" + &signature)
    }

    /// Checks the escaped `query` of a call that arrives at the time `now` since the Unix epoch.
    ///
    /// # Errors
    ///
    /// The first problem found; a server answers it with the status 401.
    pub fn verify_request(&self, request: &ApiRequest<'_>, query: &str, now: Duration) -> Result<(), ApiAuthError> {
        let params = query.split('&').filter(|part| !part.is_empty()).map(parameter);
        let mut params: Vec<(String, String)> = params.collect::<Option<_>>().ok_or(ApiAuthError::Encoding)?;
        params.sort_unstable();
        let find = |name: &'static str| {
            let found = params.iter().find(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str()).ok_or(ApiAuthError::Missing(name))
        };
        if find("auth_key")? != self.key().as_str() {
            return Err(ApiAuthError::UnknownKey);
        }
        if find("auth_version")? != AUTH_VERSION {
            return Err(ApiAuthError::Version);
        }
        let timestamp = find("auth_timestamp")?.parse::<u64>().map_err(|_| ApiAuthError::InvalidTimestamp)?;
        let difference = Duration::from_secs(timestamp.abs_diff(now.as_secs()));
        if difference > MAX_TIMESTAMP_DIFFERENCE {
            return Err(ApiAuthError::Timestamp { difference });
        }
        match find("body_md5") {
            // A signed digest must match the body even if the body is empty: it may have been removed.
            Ok(digest) if digest != body_md5(request.body) => return Err(ApiAuthError::BodyMd5),
            Err(missing) if !request.body.is_empty() => return Err(missing),
            Ok(_) | Err(_) => {}
        }
        let signature = find("auth_signature")?;
        let mut signed = params.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>();
        signed.retain(|(name, _)| *name != "auth_signature");
        if signed.len() + 1 != params.len() {
            return Err(ApiAuthError::Ambiguous(InvalidRequest::Param { name: "auth_signature".into() }));
        }
        let expected = self.sign(string_to_sign(request, &signed).map_err(ApiAuthError::Ambiguous)?.as_bytes());
        if bool::from(expected.as_bytes().ct_eq(signature.as_bytes())) { Ok(()) } else { Err(ApiAuthError::Signature) }
    }
}

/// Returns the MD5 of a body in lower-case hex, which calls of the HTTP API send as `body_md5`.
#[must_use]
pub fn body_md5(body: &[u8]) -> String {
    hex(&Md5::digest(body))
}

/// Why a call of the HTTP API is not signed.
///
/// The signature covers the method, the path and all `name=value` pairs in the order of their names, without escapes
/// and joined by `&`. The same signature could therefore be valid for several calls, so a call is signed and accepted
/// only if its parts can be told apart.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
///
/// use pusher_proto::signing::{ApiRequest, App, InvalidRequest};
///
/// let app = App::new("3", "app-key", "app-secret")?;
/// let request = ApiRequest { method: "get", path: "/apps/3/channels", body: b"" };
/// let query = app.sign_request(&request, &[], Duration::from_secs(1_700_000_000));
/// assert_eq!(query, Err(InvalidRequest::Target));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidRequest {
    /// The parameter is one of the authentication parameters, which are set when the call is signed.
    #[error("the parameter {name} is set by the signature")]
    Reserved {
        /// The parameter.
        name: String,
    },
    /// The name of the parameter is empty, contains a capital letter, `=` or `&`, or is used twice; or its value
    /// contains `&`.
    #[error(
        "the parameter {name:?} cannot be signed: names are unique, in lower case and without = and &, values without &"
    )]
    Param {
        /// The parameter.
        name: String,
    },
    /// The method does not consist of capital letters, or the path does not start with `/` or contains `?` or a control
    /// character.
    #[error(
        "a method must consist of capital letters, and a path must start with / and contain neither ? nor control characters"
    )]
    Target,
}

/// Why a call of the HTTP API is not authenticated.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
///
/// use pusher_proto::signing::{ApiAuthError, ApiRequest, App};
///
/// let app = App::new("3", "app-key", "app-secret")?;
/// let request = ApiRequest { method: "GET", path: "/apps/3/channels", body: b"" };
/// let query = app.sign_request(&request, &[], Duration::from_secs(1_700_000_000))?;
/// let other = ApiRequest { path: "/apps/3/users", ..request };
/// let late = Duration::from_secs(1_700_003_600);
/// assert_eq!(app.verify_request(&other, &query, Duration::from_secs(1_700_000_000)), Err(ApiAuthError::Signature));
/// assert!(matches!(app.verify_request(&request, &query, late), Err(ApiAuthError::Timestamp { .. })));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
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
    /// The timestamp is not a number of seconds.
    #[error("auth_timestamp must be a number of seconds")]
    InvalidTimestamp,
    /// The caller's clock and this one are too far apart.
    #[error("auth_timestamp differs from the local time by {} seconds, more than 600", difference.as_secs())]
    Timestamp {
        /// How far apart they are.
        difference: Duration,
    },
    /// The body is not the one that was signed.
    #[error("body_md5 does not match the body")]
    BodyMd5,
    /// The query is not UTF-8 after unescaping.
    #[error("the query is not UTF-8")]
    Encoding,
    /// The signature could also be that of another call.
    #[error(transparent)]
    Ambiguous(InvalidRequest),
    /// The signature does not match.
    #[error("auth_signature does not match")]
    Signature,
}

/// How far the timestamp of a call may be from the server's time (Pusher docs, *HTTP API reference, Authentication*).
pub const MAX_TIMESTAMP_DIFFERENCE: Duration = Duration::from_secs(600);

/// `params` are sorted and not escaped.
///
/// The official libraries convert names to lower case before signing, so a name in capitals would have the same
/// signature as one in lower case.
fn string_to_sign(request: &ApiRequest<'_>, params: &[(&str, &str)]) -> Result<String, InvalidRequest> {
    let ApiRequest { method, path, body: _ } = request;
    let is_method = !method.is_empty() && method.bytes().all(|byte| byte.is_ascii_uppercase());
    if !is_method || !path.starts_with('/') || path.contains(|char: char| char == '?' || char.is_control()) {
        return Err(InvalidRequest::Target);
    }
    let mut string = format!("{method}\n{path}\n");
    let mut last = "";
    for (at, &(name, value)) in params.iter().enumerate() {
        // An empty name equals the initial `last`.
        if name == last || name.contains(['=', '&']) || name.to_lowercase() != name || value.contains('&') {
            return Err(InvalidRequest::Param { name: name.to_string() });
        }
        let separator = if at == 0 { "" } else { "&" };
        string += &format!("{separator}{name}={value}");
        last = name;
    }
    Ok(string)
}

/// The name and the value of one part of a query, if they are UTF-8.
fn parameter(part: &str) -> Option<(String, String)> {
    let (name, value) = part.split_once('=').unwrap_or((part, ""));
    Some((unescape(name)?, unescape(value)?))
}

fn escape(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

fn unescape(text: &str) -> Option<String> {
    let text = text.replace('+', " ");
    // Not lossy, because two different texts could become the same.
    percent_decode_str(&text).decode_utf8().ok().map(Cow::into_owned)
}

/// The only existing version (Pusher docs, as above).
const AUTH_VERSION: &str = "1.0";

const RESERVED: [&str; 5] = ["auth_key", "auth_timestamp", "auth_version", "auth_signature", "body_md5"];

/// Everything but the unreserved characters of RFC 3986, section 2.3.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000_000);

    fn app() -> App {
        App::new("1", "key", "secret").unwrap()
    }

    fn request(body: &str) -> ApiRequest<'_> {
        ApiRequest { method: "GET", path: "/apps/1/channels", body: body.as_bytes() }
    }

    #[test]
    fn a_signed_query_is_accepted_within_ten_minutes() {
        let params = [("name", "Something else+é\n=?"), ("info", "a,b")];
        let query = app().sign_request(&request("body"), &params, NOW).unwrap();
        assert!(query.contains("info=a%2Cb&name=Something%20else%2B%C3%A9%0A%3D%3F&"), "{query}");
        for (now, result) in [
            (NOW - MAX_TIMESTAMP_DIFFERENCE, Ok(())),
            (NOW + MAX_TIMESTAMP_DIFFERENCE, Ok(())),
            (NOW + Duration::from_secs(601), Err(ApiAuthError::Timestamp { difference: Duration::from_secs(601) })),
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
        assert_eq!(verify("&&=&+", "body"), Err(ApiAuthError::Missing("auth_key")));
        assert_eq!(verify(&(query.clone() + "&a=%ff"), "body"), Err(ApiAuthError::Encoding));
    }

    #[test]
    fn a_body_that_was_not_signed_is_refused() {
        let query = app().sign_request(&request(""), &[], NOW).unwrap();
        assert_eq!(app().verify_request(&request("x"), &query, NOW), Err(ApiAuthError::Missing("body_md5")));
    }

    #[test]
    fn a_body_cannot_be_taken_away() {
        let query = app().sign_request(&request("body"), &[], NOW).unwrap();
        assert_eq!(app().verify_request(&request(""), &query, NOW), Err(ApiAuthError::BodyMd5));
    }

    #[test]
    fn names_of_authenticating_parameters_are_taken() {
        for name in RESERVED {
            let error = InvalidRequest::Reserved { name: name.into() };
            assert_eq!(app().sign_request(&request(""), &[(name, "x")], NOW), Err(error));
        }
    }

    #[test]
    fn signs_no_call_that_has_the_signature_of_another() {
        let param = |name: &str| InvalidRequest::Param { name: name.into() };
        let target = |method, path| ApiRequest { method, path, body: b"" };
        let get = request("");
        let table: [(_, &[(&str, &str)], _); 11] = [
            (get, &[("a", "1&b=2")], param("a")),
            (get, &[("a&b", "1")], param("a&b")),
            (get, &[("a=b", "1")], param("a=b")),
            (get, &[("Info", "1")], param("Info")),
            (get, &[("Auth_Key", "other")], param("Auth_Key")),
            (get, &[("a", "1"), ("a", "2")], param("a")),
            (get, &[("", "1")], param("")),
            (target("GET", "/a\nb"), &[], InvalidRequest::Target),
            (target("GET", "/a?b=c"), &[], InvalidRequest::Target),
            (target("1.2:private-a:GET", "/a"), &[], InvalidRequest::Target),
            (target("GET", ""), &[], InvalidRequest::Target),
        ];
        for (call, params, error) in table {
            assert_eq!(app().sign_request(&call, params, NOW), Err(error), "{call:?} {params:?}");
        }
    }

    #[test]
    fn accepts_no_other_call_with_the_signature_of_one() {
        let query = app().sign_request(&request("body"), &[("a", "1"), ("b", "2")], NOW).unwrap();
        let verify = |query: &str| app().verify_request(&request("body"), query, NOW);
        let param = |name: &str| Err(ApiAuthError::Ambiguous(InvalidRequest::Param { name: name.into() }));
        assert_eq!(verify(&query), Ok(()));
        assert_eq!(verify(&query.replace("a=1&", "").replace("b=2", "a=1%26b%3D2")), param("a"));
        assert_eq!(verify(&query.replace("a=1", "A=1")), param("A"));
        assert_eq!(verify(&(query.clone() + "&auth_signature=00")), param("auth_signature"));
        assert_eq!(verify(&(query + "&a=1")), param("a"));
    }
}
