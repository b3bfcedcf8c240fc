//! The answers of servers, including the differences between them.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::super::strings::{object, user_id};
use crate::excerpt::safe_excerpt;

/// The content of the answer to a call. Only the types of this module implement it.
///
/// # Examples
///
/// ```
/// use pusher_proto::signing::{ApiAnswer, ApiCall, ApiFailure};
///
/// /// Sends any call.
/// fn send<T: ApiAnswer>(call: &ApiCall<T>, post: impl Fn(&str, &str) -> (u16, Vec<u8>)) -> Result<T, ApiFailure> {
///     let (status, body) = post(&call.url("http://localhost:6001"), &call.body);
///     call.answer(status, &body)
/// }
/// ```
pub trait ApiAnswer: sealed::Read {}

mod sealed {
    pub trait Read: Sized {
        /// Reads the body of a success; `None` if it does not belong to this call.
        fn read(body: &str) -> Option<Self>;
    }
}

/// What to report about channels: the `info` parameter of the HTTP API.
///
/// # Examples
///
/// ```
/// use pusher_proto::signing::Info;
///
/// assert_eq!(Info::from_list("user_count,other"), Info::USER_COUNT);
/// assert_eq!(Info::ALL.as_list(), Some("user_count,subscription_count"));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Info {
    /// The number of users of a presence channel.
    pub user_count: bool,
    /// The number of subscribed connections. Hosted Pusher counts them only if this is enabled in the application's
    /// settings.
    pub subscription_count: bool,
}

impl Info {
    /// Nothing.
    pub const NONE: Self = Self { user_count: false, subscription_count: false };
    /// The number of users.
    pub const USER_COUNT: Self = Self { user_count: true, ..Self::NONE };
    /// The number of subscriptions.
    pub const SUBSCRIPTION_COUNT: Self = Self { subscription_count: true, ..Self::NONE };
    /// Both numbers.
    pub const ALL: Self = Self { user_count: true, subscription_count: true };

    /// Reads a list such as `user_count,subscription_count`; unknown names are ignored.
    #[must_use]
    pub fn from_list(list: &str) -> Self {
        let has = |name| list.split(',').any(|part| part.trim() == name);
        Self { user_count: has("user_count"), subscription_count: has("subscription_count") }
    }

    /// Returns the list, or `None` if it is empty.
    #[must_use]
    pub const fn as_list(self) -> Option<&'static str> {
        match (self.user_count, self.subscription_count) {
            (false, false) => None,
            (true, false) => Some("user_count"),
            (false, true) => Some("subscription_count"),
            (true, true) => Some("user_count,subscription_count"),
        }
    }
}

/// What was requested about a channel.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
///
/// use pusher_proto::signing::{App, Info};
///
/// let app = App::new("3", "app-key", "app-secret")?;
/// let call = app.channels("presence-", Info::ALL, Duration::from_secs(1_700_000_000))?;
/// let answer = call.answer(200, br#"{"channels":{"presence-lobby":{"user_count":2}}}"#)?;
/// let lobby = answer.channels["presence-lobby"];
/// // This server does not count subscriptions.
/// assert_eq!((lobby.user_count, lobby.subscription_count), (Some(2), None));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Attributes {
    /// Users of a presence channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_count: Option<usize>,
    /// Connections that are subscribed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subscription_count: Option<usize>,
}

/// One channel, subscribed or not.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
///
/// use pusher_proto::ChannelName;
/// use pusher_proto::signing::{App, Info};
///
/// let app = App::new("3", "app-key", "app-secret")?;
/// let call = app.channel(&ChannelName::new("chat")?, Info::SUBSCRIPTION_COUNT, Duration::from_secs(1_700_000_000))?;
/// let chat = call.answer(200, br#"{"occupied":true,"subscription_count":42}"#)?;
/// assert!(chat.occupied && chat.attributes.subscription_count == Some(42));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChannelState {
    /// Whether the channel has subscribers.
    pub occupied: bool,
    /// What was asked.
    #[serde(flatten)]
    pub attributes: Attributes,
}

/// The server accepted an event.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
///
/// use pusher_proto::signing::{App, Info};
///
/// let app = App::new("3", "app-key", "app-secret")?;
/// let event = app.publish(["chat"], "message", "hello").info(Info::SUBSCRIPTION_COUNT);
/// let call = event.sign(Duration::from_secs(1_700_000_000))?;
/// let published = call.answer(200, br#"{"channels":{"chat":{"subscription_count":3}}}"#)?;
/// assert_eq!(published.channels["chat"].subscription_count, Some(3));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Published {
    /// What [`Publish::info`](super::Publish::info) requested, by channel; empty if it requested nothing.
    pub channels: BTreeMap<String, Attributes>,
}

/// The server accepted a batch of events.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
///
/// use pusher_proto::signing::App;
///
/// let app = App::new("3", "app-key", "app-secret")?;
/// let events = [app.publish(["a"], "message", "one"), app.publish(["b"], "message", "two")];
/// let call = app.publish_batch(&events, Duration::from_secs(1_700_000_000))?;
/// assert!(call.answer(200, b"{}")?.events.is_empty());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct PublishedBatch {
    /// What each event requested, in the order of the events; empty if none requested anything.
    pub events: Vec<Attributes>,
}

/// The channels that have subscribers.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
///
/// use pusher_proto::signing::{App, Info};
///
/// let app = App::new("3", "app-key", "app-secret")?;
/// let call = app.channels("", Info::NONE, Duration::from_secs(1_700_000_000))?;
/// let answer = call.answer(200, br#"{"channels":{"chat":{},"news":{}}}"#)?;
/// assert!(answer.channels.keys().eq(["chat", "news"]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Channels {
    /// Their names, and what was requested about each.
    pub channels: BTreeMap<String, Attributes>,
}

/// The users of a presence channel.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
///
/// use pusher_proto::signing::App;
///
/// let app = App::new("3", "app-key", "app-secret")?;
/// let call = app.users("presence-lobby", Duration::from_secs(1_700_000_000))?;
/// assert_eq!(call.answer(200, br#"{"users":[{"id":"ann"},{"id":7}]}"#)?.ids, ["ann", "7"]);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Users {
    /// Their ids; an id that is a number is returned as its digits.
    pub ids: Vec<String>,
}

/// The server ended the connections of a user, or there were none.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
///
/// use pusher_proto::signing::{App, Terminated};
///
/// let app = App::new("3", "app-key", "app-secret")?;
/// let call = app.terminate("ann", Duration::from_secs(1_700_000_000))?;
/// assert_eq!(call.answer(200, b"{}")?, Terminated::default());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Terminated {}

impl ApiAnswer for Published {}
impl ApiAnswer for PublishedBatch {}
impl ApiAnswer for Channels {}
impl ApiAnswer for ChannelState {}
impl ApiAnswer for Users {}
impl ApiAnswer for Terminated {}

impl sealed::Read for Published {
    fn read(body: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body<'a> {
            #[serde(borrow)]
            channels: Option<&'a RawValue>,
        }

        let Some(Body { channels }) = acknowledged(body)? else { return Some(Self::default()) };
        Some(Self { channels: channels.map(attributes_by_channel).unwrap_or(Some(BTreeMap::new()))? })
    }
}

impl sealed::Read for PublishedBatch {
    fn read(body: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body<'a> {
            #[serde(borrow)]
            batch: Option<Vec<&'a RawValue>>,
        }

        let Some(Body { batch }) = acknowledged(body)? else { return Some(Self::default()) };
        let events = batch.unwrap_or_default().into_iter().map(attributes).collect::<Option<_>>()?;
        Some(Self { events })
    }
}

impl sealed::Read for Channels {
    fn read(body: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body<'a> {
            #[serde(borrow)]
            channels: &'a RawValue,
        }

        let Body { channels } = object(body.as_bytes())?;
        Some(Self { channels: attributes_by_channel(channels)? })
    }
}

impl sealed::Read for ChannelState {
    fn read(body: &str) -> Option<Self> {
        object(body.as_bytes())
    }
}

impl sealed::Read for Users {
    fn read(body: &str) -> Option<Self> {
        #[derive(Deserialize)]
        struct Body<'a> {
            #[serde(borrow)]
            users: Vec<User<'a>>,
        }

        #[derive(Deserialize)]
        struct User<'a> {
            #[serde(borrow)]
            id: &'a RawValue,
        }

        let Body { users } = object(body.as_bytes())?;
        let ids = users.iter().map(|user| Some(user_id(user.id.get(), true)?.as_str().into()));
        Some(Self { ids: ids.collect::<Option<_>>()? })
    }
}

impl sealed::Read for Terminated {
    fn read(body: &str) -> Option<Self> {
        acknowledged::<serde::de::IgnoredAny>(body)?;
        Some(Self {})
    }
}

/// Reads the answer to a call that only needs a success. Servers answer `{}`, `{"ok":true}`, a word or nothing; an HTML
/// page does not come from the HTTP API.
fn acknowledged<'a, T: Deserialize<'a>>(body: &'a str) -> Option<Option<T>> {
    match body.trim_start().chars().next() {
        Some('<') => None,
        Some('{') => object(body.as_bytes()).map(Some),
        Some(_) | None => Some(None),
    }
}

fn attributes_by_channel(json: &RawValue) -> Option<BTreeMap<String, Attributes>> {
    if is_empty_in_php(json) {
        return Some(BTreeMap::new());
    }
    let channels: BTreeMap<String, &RawValue> = serde_json::from_str(json.get()).ok()?;
    channels.into_iter().map(|(channel, json)| Some((channel, attributes(json)?))).collect()
}

fn attributes(json: &RawValue) -> Option<Attributes> {
    if is_empty_in_php(json) { Some(Attributes::default()) } else { object(json.get().as_bytes()) }
}

/// Reverb and laravel-websockets are written in PHP, where an empty map is an empty list.
fn is_empty_in_php(json: &RawValue) -> bool {
    serde_json::from_str::<[(); 0]>(json.get()).is_ok()
}

/// Why a call failed.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
///
/// use pusher_proto::signing::{ApiFailure, App};
///
/// let app = App::new("3", "app-key", "wrong-secret")?;
/// let call = app.publish(["chat"], "message", "hello").sign(Duration::from_secs(1_700_000_000))?;
/// let failure = call.answer(401, br#"{"error":"Invalid signature"}"#).unwrap_err();
/// assert!(failure.is_refusal() && matches!(failure, ApiFailure::Refused { status: 401, .. }));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ApiFailure {
    /// The server does not know the application, or has a different secret for it: status 401, 403 or 404. Hosted
    /// Pusher also answers 403 for an application that is disabled or has published too much.
    #[error("the HTTP API refused the id, key or secret of the application: status {status}{}", Message(message))]
    Refused {
        /// The HTTP status, or the one in the body of an answer with status 200.
        status: u16,
        /// The server's message, or the start of the body, without anything that looks like a signature.
        message: String,
    },
    /// The server refused this call, or failed.
    #[error("the HTTP API answered with status {status}{}", Message(message))]
    Status {
        /// The HTTP status, or the one in the body of an answer with status 200.
        status: u16,
        /// The server's message, or the start of the body, as above.
        message: String,
    },
    /// The status is that of a success, but the body is not an answer to this call; perhaps the URL belongs to another
    /// server.
    #[error("the answer does not come from the HTTP API; check the URL{}", Message(excerpt))]
    Unreadable {
        /// The start of the body.
        excerpt: String,
    },
}

impl ApiFailure {
    /// Whether the same call, signed again, may succeed later: status 408, 429 or 5xx.
    #[must_use]
    pub const fn is_retryable(&self) -> bool {
        matches!(self, Self::Status { status: 408 | 429 | 500..=599, .. })
    }

    /// Whether the id, the key or the secret of the application is wrong, so that no call will succeed.
    #[must_use]
    pub const fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

struct Message<'a>(&'a str);

impl core::fmt::Display for Message<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        if self.0.is_empty() { Ok(()) } else { write!(f, ": {}", self.0) }
    }
}

pub(super) fn read<T: ApiAnswer>(status: u16, body: &[u8]) -> Result<T, ApiFailure> {
    let body = String::from_utf8_lossy(body);
    let body = body.trim_start_matches('\u{feff}').trim();
    let reported = Reported::read(body);
    // soketi reports errors with status 200, and the real status in `code`.
    let is_success = (200..300).contains(&status);
    if is_success && reported.error.is_none() {
        return T::read(body).ok_or_else(|| ApiFailure::Unreadable { excerpt: safe_excerpt(body) });
    }
    let status = if is_success { reported.code.unwrap_or(status) } else { status };
    let message = safe_excerpt(reported.error.or(reported.message).as_deref().unwrap_or(body));
    Err(match status {
        401 | 403 | 404 => ApiFailure::Refused { status, message },
        _ => ApiFailure::Status { status, message },
    })
}

/// What a body says about a failure.
#[derive(Default)]
struct Reported<'a> {
    error: Option<Cow<'a, str>>,
    message: Option<Cow<'a, str>>,
    code: Option<u16>,
}

impl<'a> Reported<'a> {
    fn read(body: &'a str) -> Self {
        #[derive(Deserialize)]
        struct Body<'a> {
            #[serde(borrow)]
            error: Option<&'a RawValue>,
            #[serde(borrow)]
            message: Option<&'a RawValue>,
            #[serde(borrow)]
            code: Option<&'a RawValue>,
        }

        let Some(Body { error, message, code }) = object::<Body<'_>>(body.as_bytes()) else { return Self::default() };
        Self {
            error: error.and_then(text),
            message: message.and_then(text),
            code: code.and_then(|code| code.get().parse().ok()),
        }
    }
}

/// A string, or other JSON unchanged; `None` for values that mean that there is no error.
fn text(json: &RawValue) -> Option<Cow<'_, str>> {
    match json.get() {
        "null" | "false" => None,
        json => Some(serde_json::from_str::<String>(json).map_or(Cow::Borrowed(json), Cow::Owned)),
    }
}
