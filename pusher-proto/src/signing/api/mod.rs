//! Calls of the HTTP API, ready for any HTTP client, and their answers.

mod answer;
mod body;
mod invalid;
mod publish;
#[cfg(test)]
mod tests;

use alloc::format;
use alloc::string::{String, ToString as _};
use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;
use core::time::Duration;

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::http::ApiRequest;
use super::{App, InvalidRequest};
use crate::{ChannelKind, ChannelName};

pub use answer::{
    ApiAnswer, ApiFailure, Attributes, ChannelState, Channels, Info, Published, PublishedBatch, Terminated, Users,
};
pub use invalid::InvalidCall;
pub use publish::Publish;

/// A signed call of the HTTP API, to be sent with any HTTP client; `T` is the content of the answer.
///
/// A server accepts it for ten minutes, any number of times, so do not log the target. `Debug` output does not contain
/// the signature.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
///
/// use pusher_proto::signing::App;
///
/// let app = App::new("3", "app-key", "app-secret")?;
/// // `SystemTime::UNIX_EPOCH.elapsed()?` in a program.
/// let now = Duration::from_secs(1_700_000_000);
/// let call = app.publish(["chat"], "message", "hello").sign(now)?;
///
/// assert_eq!(call.method, "POST");
/// assert_eq!(call.body, r#"{"name":"message","channels":["chat"],"data":"hello"}"#);
/// assert_eq!(call.headers, [("Content-Type", "application/json")]);
/// let url = call.url("https://api-eu.pusher.com");
/// assert!(url.starts_with("https://api-eu.pusher.com/apps/3/events?auth_key=app-key&"));
///
/// // Send it, then pass on the status and the body of the answer.
/// let published = call.answer(200, b"{}")?;
/// assert!(published.channels.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, PartialEq, Eq)]
#[must_use = "the call has no effect until an HTTP client sends it"]
pub struct ApiCall<T> {
    /// `GET` or `POST`.
    pub method: &'static str,
    /// Path and query, such as `/apps/3/events?auth_key=…`.
    pub target: String,
    /// Names and values of the headers that the call needs, in addition to those that every HTTP client sets.
    pub headers: &'static [(&'static str, &'static str)],
    /// The body; empty with `GET`. Send it byte for byte, since it is signed.
    pub body: String,
    answer: PhantomData<fn() -> T>,
}

impl<T: ApiAnswer> ApiCall<T> {
    /// Returns the URL of the call at `origin`: scheme, host and port of the HTTP API.
    ///
    /// For hosted Pusher, this is `https://api-CLUSTER.pusher.com`; for self-hosted servers, it is the host and port of
    /// their WebSocket. A path in the origin is sent but not signed, which is right for a proxy that removes it. If the
    /// server sees the path, set [`App::api_prefix`] instead.
    #[must_use]
    pub fn url(&self, origin: &str) -> String {
        format!("{}{}", origin.trim_end_matches('/'), self.target)
    }

    /// Reads the answer: its status and its whole body.
    ///
    /// # Errors
    ///
    /// If the server refused the call or failed, even if it reports this with status 200, as soketi does; and if the
    /// answer does not belong to this call.
    ///
    /// # Examples
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use pusher_proto::signing::{App, Info};
    /// # let app = App::new("3", "app-key", "app-secret")?;
    /// # let now = Duration::from_secs(1_700_000_000);
    /// let call = app.channels("presence-", Info::USER_COUNT, now)?;
    /// let channels = call.answer(200, br#"{"channels":{"presence-a":{"user_count":2}}}"#)?.channels;
    /// assert_eq!(channels["presence-a"].user_count, Some(2));
    ///
    /// let failure = call.answer(200, br#"{"error":"The secret authentication failed","code":401}"#).unwrap_err();
    /// assert!(failure.is_refusal());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn answer(&self, status: u16, body: &[u8]) -> Result<T, ApiFailure> {
        answer::read(status, body)
    }
}

impl<T> fmt::Debug for ApiCall<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.target.split_once('?').map_or(self.target.as_str(), |(path, _)| path);
        f.debug_struct("ApiCall")
            .field("method", &self.method)
            .field("target", &format_args!("{path}?…"))
            .field("body", &format_args!("{} bytes", self.body.len()))
            .finish_non_exhaustive()
    }
}

/// # Calls of the HTTP API
///
/// Each returns an [`ApiCall`], signed for the time `now` since the Unix epoch (`SystemTime::UNIX_EPOCH.elapsed()?`), which
/// may differ from the server's by [`MAX_TIMESTAMP_DIFFERENCE`](super::MAX_TIMESTAMP_DIFFERENCE).
impl App {
    /// Queries the channels that have subscribers and whose names start with `prefix`; use `""` for all.
    ///
    /// # Errors
    ///
    /// If `info` requests users and the prefix does not start with `presence-`, or if the prefix contains `&`.
    ///
    /// # Examples
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use pusher_proto::signing::{App, Info};
    /// # let app = App::new("3", "app-key", "app-secret")?;
    /// # let now = Duration::from_secs(1_700_000_000);
    /// let call = app.channels("", Info::NONE, now)?;
    /// assert!(call.target.starts_with("/apps/3/channels?"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn channels(&self, prefix: &str, info: Info, now: Duration) -> Result<ApiCall<Channels>, InvalidCall> {
        if info.user_count && !prefix.starts_with(PRESENCE_PREFIX) {
            return Err(InvalidCall::UserCountWithoutPresence);
        }
        let mut params = info_param(info);
        if !prefix.is_empty() {
            params.push(("filter_by_prefix", prefix));
        }
        self.get("/channels", &params, now)
    }

    /// Queries whether `channel` has subscribers, and the numbers that `info` selects.
    ///
    /// # Errors
    ///
    /// If the name is not a channel name, or `info` requests the users of a channel that is not a presence channel.
    ///
    /// # Examples
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use pusher_proto::signing::{App, Info};
    /// # let app = App::new("3", "app-key", "app-secret")?;
    /// # let now = Duration::from_secs(1_700_000_000);
    /// let call = app.channel("chat", Info::NONE, now)?;
    /// assert!(call.answer(200, br#"{"occupied":true}"#)?.occupied);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn channel(
        &self,
        channel: impl AsRef<str>,
        info: Info,
        now: Duration,
    ) -> Result<ApiCall<ChannelState>, InvalidCall> {
        let channel = self.checked_channel(channel.as_ref())?;
        if info.user_count && channel.kind() != ChannelKind::Presence {
            return Err(InvalidCall::UserCountWithoutPresence);
        }
        self.get(&format!("/channels/{}", segment(&channel)), &info_param(info), now)
    }

    /// Queries the users of a presence channel.
    ///
    /// # Errors
    ///
    /// If it is not a presence channel.
    ///
    /// # Examples
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use pusher_proto::signing::App;
    /// # let app = App::new("3", "app-key", "app-secret")?;
    /// # let now = Duration::from_secs(1_700_000_000);
    /// let call = app.users("presence-lobby", now)?;
    /// assert_eq!(call.answer(200, br#"{"users":[{"id":"ann"}]}"#)?.ids, ["ann"]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn users(&self, channel: impl AsRef<str>, now: Duration) -> Result<ApiCall<Users>, InvalidCall> {
        let channel = self.checked_channel(channel.as_ref())?;
        if channel.kind() != ChannelKind::Presence {
            return Err(InvalidCall::NotPresence { channel });
        }
        self.get(&format!("/channels/{}/users", segment(&channel)), &[], now)
    }

    /// Ends all connections on which a user is signed in; the clients do not reconnect (close code 4009).
    ///
    /// Laravel Reverb ends those on which the user is a member of a presence channel; laravel-websockets has no such call.
    ///
    /// # Errors
    ///
    /// If the id is empty, is `.` or `..`, which HTTP clients remove from a path, or contains a control character.
    ///
    /// # Examples
    ///
    /// ```
    /// # use core::time::Duration;
    /// # use pusher_proto::signing::App;
    /// # let app = App::new("3", "app-key", "app-secret")?;
    /// # let now = Duration::from_secs(1_700_000_000);
    /// let call = app.terminate("ann@example.com", now)?;
    /// assert!(call.target.starts_with("/apps/3/users/ann@example.com/terminate_connections?"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn terminate(&self, user_id: &str, now: Duration) -> Result<ApiCall<Terminated>, InvalidCall> {
        check_user_id(user_id)?;
        if [".", ".."].contains(&user_id) {
            return Err(InvalidCall::UserId);
        }
        self.post(&format!("/users/{}/terminate_connections", segment(user_id)), "{}".into(), now)
    }

    fn get<T>(&self, path: &str, params: &[(&str, &str)], now: Duration) -> Result<ApiCall<T>, InvalidCall> {
        self.call("GET", path, params, String::new(), now)
    }

    fn post<T>(&self, path: &str, body: String, now: Duration) -> Result<ApiCall<T>, InvalidCall> {
        self.call("POST", path, &[], body, now)
    }

    fn call<T>(
        &self,
        method: &'static str,
        path: &str,
        params: &[(&str, &str)],
        body: String,
        now: Duration,
    ) -> Result<ApiCall<T>, InvalidCall> {
        let path = format!("{}/apps/{}{path}", self.api_prefix.trim_end_matches('/'), segment(self.id()));
        let request = ApiRequest { method, path: &path, body: body.as_bytes() };
        let query = self.sign_request(&request, params, now)?;
        let headers: &[_] = if body.is_empty() { &[] } else { &[("Content-Type", "application/json")] };
        Ok(ApiCall { method, target: format!("{path}?{query}"), headers, body, answer: PhantomData })
    }

    /// Checks a name like the official libraries, unless other names are allowed.
    fn checked_channel(&self, name: &str) -> Result<ChannelName, InvalidCall> {
        let channel = ChannelName::new(name)
            .map_err(|reason| InvalidCall::Channel { name: crate::excerpt::excerpt(name, MAX_EXCERPT_LEN), reason })?;
        let is_accepted = channel.as_str().len() <= MAX_CHANNEL_LEN && channel.has_portable_characters();
        if is_accepted || self.relaxed_channel_names {
            Ok(channel)
        } else {
            Err(InvalidCall::ChannelNotPortable { channel })
        }
    }
}

impl From<InvalidRequest> for InvalidCall {
    fn from(error: InvalidRequest) -> Self {
        Self::Request(error)
    }
}

fn check_user_id(user_id: &str) -> Result<(), InvalidCall> {
    if user_id.is_empty() || user_id.chars().any(char::is_control) { Err(InvalidCall::UserId) } else { Ok(()) }
}

fn info_param(info: Info) -> Vec<(&'static str, &'static str)> {
    info.as_list().map(|list| ("info", list)).into_iter().collect()
}

/// One segment of a path. Characters that are allowed in a path are not escaped, because the official libraries sign
/// them unescaped.
fn segment(text: &str) -> String {
    utf8_percent_encode(text, PATH_SEGMENT).to_string()
}

/// Longest name of a channel that the official libraries accept, in characters.
const MAX_CHANNEL_LEN: usize = 200;

/// How much of a refused name an error shows, in bytes.
const MAX_EXCERPT_LEN: usize = 64;

const PRESENCE_PREFIX: &str = "presence-";

/// Everything but `pchar` of RFC 3986, section 3.3.
const PATH_SEGMENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~')
    .remove(b'!')
    .remove(b'$')
    .remove(b'&')
    .remove(b'\'')
    .remove(b'(')
    .remove(b')')
    .remove(b'*')
    .remove(b'+')
    .remove(b',')
    .remove(b';')
    .remove(b'=')
    .remove(b':')
    .remove(b'@');
