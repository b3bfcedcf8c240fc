//! The meaning of words in a transcript: channels, servers, answers, failures, options.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use pusher_proto::{
    AuthError, AuthResponse, ChannelName, CloseFrame, CloseReason, ConfigBuilder, Endpoint, Recovery, Strictness,
    Subscribe, TransportError,
};

use super::InvalidLine;

/// What the auth server answers, as a transcript writes it.
///
/// # Examples
///
/// ```
/// use pusher_test::transcript::Answer;
///
/// let answer: Answer = "503 retry-after=7 down".parse()?;
/// assert_eq!(answer, Answer::Http { status: 503, retry_after: Some("7".into()), body: "down".into() });
/// assert!(answer.result().is_err());
/// # Ok::<(), pusher_test::transcript::InvalidLine>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// `STATUS [retry-after=VALUE] BODY`: an HTTP response.
    Http {
        /// Its status.
        status: u16,
        /// The header `Retry-After`.
        retry_after: Option<String>,
        /// Its body.
        body: String,
    },
    /// `network TEXT`: the server could not be reached.
    Network(String),
    /// `timeout`: it did not answer in time.
    Timeout,
    /// `handler TEXT`: code of the application failed.
    Handler(String),
}

impl Answer {
    /// Returns an HTTP response with the status 200 and this body. The client takes a well-formed one as a permission, since only
    /// the server checks signatures.
    #[must_use]
    pub fn ok(body: impl Into<String>) -> Self {
        Self::Http { status: 200, retry_after: None, body: body.into() }
    }

    /// Returns what the core is given.
    ///
    /// # Errors
    ///
    /// If this is not a permission.
    pub fn result(&self) -> Result<AuthResponse, AuthError> {
        match self {
            Self::Http { status, retry_after, body } => {
                AuthResponse::from_http(*status, body.as_bytes(), retry_after.as_deref())
            }
            Self::Network(text) => Err(AuthError::Network(text.clone())),
            Self::Timeout => Err(AuthError::Timeout),
            Self::Handler(text) => Err(AuthError::Handler(text.clone())),
        }
    }
}

impl FromStr for Answer {
    type Err = InvalidLine;

    fn from_str(text: &str) -> Result<Self, InvalidLine> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        Ok(match word {
            "network" => Self::Network(rest.to_owned()),
            "timeout" => Self::Timeout,
            "handler" => Self::Handler(rest.to_owned()),
            status => {
                let (retry_after, body) = match rest.strip_prefix("retry-after=") {
                    Some(rest) => rest.split_once(' ').map_or((Some(rest), ""), |(after, body)| (Some(after), body)),
                    None => (None, rest),
                };
                let (status, retry_after) = (http_status(status)?, retry_after.map(str::to_owned));
                Self::Http { status, retry_after, body: body.to_owned() }
            }
        })
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = match self {
            Self::Http { status, retry_after, body } => {
                let retry_after = retry_after.as_ref().map(|after| format!(" retry-after={after}")).unwrap_or_default();
                format!("{status}{retry_after} {body}")
            }
            Self::Network(text) => format!("network {text}"),
            Self::Timeout => "timeout".to_owned(),
            Self::Handler(text) => format!("handler {text}"),
        };
        f.write_str(in_line(&text).replace(" & ", " and ").trim_end())
    }
}

/// An endpoint as a transcript writes it: a URL, or `cluster` and the name of a cluster.
///
/// # Examples
///
/// ```
/// use pusher_proto::Endpoint;
/// use pusher_test::transcript::WrittenEndpoint;
///
/// let written: WrittenEndpoint = "cluster us2".parse()?;
/// assert_eq!(*written.endpoint(), Endpoint::cluster("us2"));
/// assert_eq!(written.to_string(), "cluster us2");
/// # Ok::<(), pusher_test::transcript::InvalidLine>(())
/// ```
#[derive(Clone, Debug)]
pub struct WrittenEndpoint {
    text: String,
    endpoint: Box<Endpoint>,
}

impl WrittenEndpoint {
    /// Returns what the text means.
    #[must_use]
    pub const fn endpoint(&self) -> &Endpoint {
        &self.endpoint
    }
}

impl FromStr for WrittenEndpoint {
    type Err = InvalidLine;

    fn from_str(text: &str) -> Result<Self, InvalidLine> {
        let text = text.trim();
        // It would end the call that it is printed in.
        if text.contains(char::is_control) || text.contains(" & ") {
            return Err(InvalidLine::new(format!("{text:?} is not an endpoint")));
        }
        Ok(Self { text: text.to_owned(), endpoint: Box::new(endpoint(text)?) })
    }
}

impl fmt::Display for WrittenEndpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

pub(crate) fn channel(name: &str) -> Result<ChannelName, InvalidLine> {
    ChannelName::new(name).map_err(|error| InvalidLine::because(&error))
}

pub(crate) fn endpoint(text: &str) -> Result<Endpoint, InvalidLine> {
    let (url, wss_port) = text.split_once(" wss_port ").map_or((text, None), |(url, port)| (url, Some(port)));
    let endpoint: Endpoint = match url.strip_prefix("cluster ") {
        Some(name) => Endpoint::cluster(name),
        None => url.parse().map_err(|_| InvalidLine::new(format!("{url:?} is not an endpoint")))?,
    };
    Ok(match wss_port {
        Some(port) => endpoint.wss_port(port.parse().map_err(|_| InvalidLine::new(format!("{port:?} is not a port")))?),
        None => endpoint,
    })
}

fn http_status(text: &str) -> Result<u16, InvalidLine> {
    text.parse().map_err(|_| InvalidLine::new(format!("{text:?} is not an HTTP status")))
}

pub(crate) fn transport_error(text: &str) -> Result<TransportError, InvalidLine> {
    let (kind, rest) = text.split_once(' ').unwrap_or((text, ""));
    Ok(match kind {
        "dns" => TransportError::Dns(rest.into()),
        "tls" => TransportError::Tls(rest.into()),
        "http" => {
            let (status, seconds) =
                rest.split_once(" retry-after=").map_or((rest, None), |(status, seconds)| (status, Some(seconds)));
            let seconds = seconds.map(|seconds| {
                seconds.parse().map_err(|_| InvalidLine::expected("failed http STATUS [retry-after=SECONDS]"))
            });
            let retry_after = seconds.transpose()?.map(Duration::from_secs);
            TransportError::refusal(http_status(status)?, retry_after, None, "")
        }
        _ => TransportError::Io(text.into()),
    })
}

/// The end of a socket: `closed 4100 full`, `dropped`, `failed dns no such host`.
pub(crate) fn close_reason(word: &str, rest: &str) -> Result<CloseReason, InvalidLine> {
    Ok(match word {
        "closed" if rest.is_empty() => CloseReason::Closed(None),
        "closed" => {
            let (code, reason) = rest.split_once(' ').unwrap_or((rest, ""));
            let code = code.parse().map_err(|_| InvalidLine::new(format!("{code:?} is not a close code")))?;
            CloseReason::Closed(Some(CloseFrame { code, reason: reason.into() }))
        }
        "too_large" => CloseReason::FrameTooLarge,
        "no_tls" => CloseReason::TlsUnavailable,
        "failed" => CloseReason::Failed(transport_error(rest)?),
        _ => CloseReason::Dropped,
    })
}

pub(crate) fn option(builder: ConfigBuilder, name: &str, value: &str) -> Result<ConfigBuilder, InvalidLine> {
    let number = || value.parse::<usize>().map_err(|_| InvalidLine::new(format!("{value:?} is not a number")));
    let small = || value.parse::<u32>().map_err(|_| InvalidLine::new(format!("{value:?} is not a number")));
    let codes = || {
        let codes = value.split(' ').map(str::parse::<u16>).collect::<Result<Vec<_>, _>>();
        codes.map_err(|_| InvalidLine::new("expected close codes with spaces between them"))
    };
    let strictness = || match value {
        "ignore" => Ok(Strictness::Ignore),
        "warn" => Ok(Strictness::Warn),
        "refuse" => Ok(Strictness::Refuse),
        _ => Err(InvalidLine::new(format!("{value:?} is neither ignore, warn nor refuse"))),
    };
    let flag = || value.parse::<bool>().map_err(|_| InvalidLine::new(format!("{value:?} is neither true nor false")));
    Ok(match name {
        "activity_timeout" => builder.activity_timeout(duration(value)?),
        "pong_timeout" => builder.pong_timeout(duration(value)?),
        "unavailable_timeout" => builder.unavailable_timeout(duration(value)?),
        "max_ping_interval" => builder.max_ping_interval(duration(value)?),
        "reconnect_base" => builder.reconnect_base(duration(value)?),
        "max_attempts" => builder.max_attempts(small()?),
        "auth_retries" => builder.auth_retries(small()?),
        "key_refresh_timeout" => builder.key_refresh_timeout(duration(value)?),
        "subscriptions_per_second" => builder.subscriptions_per_second(small()?),
        "auth_window" => builder.auth_window(number()?),
        "subscribe_window" => builder.subscribe_window(number()?),
        "max_buffered_client_events" => builder.max_buffered_client_events(number()?),
        "keep_client_events" => builder.keep_client_events(flag()?),
        "client_event_rate" => builder.client_event_rate(small()?),
        "client_event_rate_limit" => builder.client_event_rate_limit(strictness()?),
        "max_client_event_len" => builder.max_client_event_len(number()?),
        "client_event_len_limit" => builder.client_event_len_limit(strictness()?),
        "held_encrypted_events" => builder.held_encrypted_events(number()?),
        "presence_by_signin" => builder.presence_by_signin(flag()?),
        "strict_names" => builder.strict_names(strictness()?),
        "max_frame_len" => builder.max_frame_len(number()?),
        "max_pending_events" => builder.max_pending_events(number()?),
        "client_name" => builder.client_name(value),
        "client_version" => builder.client_version(value),
        "fatal_codes" => builder.fatal_codes(codes()?),
        "retry_codes" => builder.retry_codes(codes()?),
        "recovery" => builder.recovery(recovery(value)?),
        _ => return Err(InvalidLine::new(format!("{name:?} is not an option"))),
    })
}

/// Reads `default`, or values such as `resume_timeout=5s held_messages=3`.
/// Splits a name, which may contain spaces, from the options of its subscription.
pub(super) fn split_options(text: &str) -> Option<(&str, &str)> {
    let starts = [" rewind=", " hidden ", " annotations", " filter="].iter().filter_map(|option| text.find(option));
    starts.min().map(|at| (&text[..at], &text[at + 1..]))
}

/// Reads the options of a subscription; the filter comes last.
pub(super) fn subscribe(text: &str) -> Result<Subscribe, InvalidLine> {
    let (words, filter) = match text.split_once("filter=") {
        Some((words, filter)) => (words, Some(filter)),
        None => (text, None),
    };
    let words: Vec<&str> = words.split_whitespace().collect();
    let number = |word: &str| word.strip_prefix("rewind=").and_then(|count| count.parse().ok());
    let mut options = Subscribe::rewind(words.iter().find_map(|word| number(word)).unwrap_or_default());
    if let Some(wrong) = words.iter().find(|word| !["hidden", "annotations"].contains(*word) && number(word).is_none())
    {
        return Err(InvalidLine::new(format!("{wrong:?} is not an option of a subscription")));
    }
    if words.contains(&"hidden") {
        options = options.allow_hidden_members();
    }
    if words.contains(&"annotations") {
        options = options.annotations();
    }
    match filter {
        None => Ok(options),
        Some(filter) => {
            filter.parse().map(|filter| options.filter(filter)).map_err(|error| InvalidLine::because(&error))
        }
    }
}

fn recovery(text: &str) -> Result<Recovery, InvalidLine> {
    let mut recovery = Recovery::default();
    for word in text.split_whitespace().filter(|word| *word != "default") {
        let (name, value) = word.split_once('=').ok_or_else(|| InvalidLine::expected("NAME=VALUE"))?;
        let number = || value.parse().map_err(|_| InvalidLine::new(format!("{value:?} is not a number")));
        recovery = match name {
            "resume_timeout" => recovery.resume_timeout(duration(value)?),
            "held_messages" => recovery.held_messages(number()?),
            "held_bytes" => recovery.held_bytes(number()?),
            "tokens" => recovery.tokens(value == "true"),
            "deltas" => recovery.deltas(value == "true"),
            "seen_window" => recovery.seen_window(number()?),
            _ => return Err(InvalidLine::new(format!("{name:?} is not an option of recovery"))),
        };
    }
    Ok(recovery)
}

/// Reads `250ms`, `1.5s`, `2m`, `8h`.
pub(crate) fn duration(text: &str) -> Result<Duration, InvalidLine> {
    let units = [("ms", 0.001), ("m", 60.0), ("h", 3_600.0), ("s", 1.0)];
    let read = units.iter().find_map(|(unit, factor)| Some((text.strip_suffix(unit)?, *factor)));
    let (number, unit) = read.unwrap_or((text, 1.0));
    let seconds = number.parse::<f64>().ok().map(|number| number * unit);
    let duration = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    duration
        .filter(|duration| *duration <= LONGEST)
        .ok_or_else(|| InvalidLine::new(format!("{text:?} is not a duration")))
}

/// The opposite of [`duration`], exact to the nanosecond.
pub(crate) fn time(time: Duration) -> String {
    match (time.as_secs(), time.subsec_nanos()) {
        (seconds, 0) => format!("{seconds}s"),
        (0, nanos) if nanos % 1_000_000 == 0 => format!("{}ms", nanos / 1_000_000),
        (seconds, nanos) => {
            let text = format!("{seconds}.{nanos:09}");
            format!("{}s", text.trim_end_matches('0'))
        }
    }
}

/// A text whose line breaks and other control characters are spaces.
pub(crate) fn in_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

/// A JSON string without control characters, which JSON allows beyond those of ASCII.
pub(crate) fn quoted(text: &str) -> String {
    let json = serde_json::Value::from(text).to_string();
    let escape = |c: char| if c.is_control() { format!("\\u{:04x}", u32::from(c)) } else { c.to_string() };
    if json.contains(char::is_control) { json.chars().map(escape).collect() } else { json }
}

/// Longer than any transcript waits.
const LONGEST: Duration = Duration::from_secs(1_000_000);
