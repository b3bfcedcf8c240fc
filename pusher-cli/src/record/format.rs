//! The lines of a recording.
//!
//! The notation is that of the transcripts of this repository's tests, with a time in front of each input: `!` is a call
//! of the application or an answer of the auth server, `<` came from the socket, `+` is a timer that fired; `>` was sent,
//! and `*` is any other output. Frames are lines of their own, as they were on the wire, so a person can read a recording
//! and paste a part of it into an issue; JSON Lines would escape every frame twice.

use std::fmt::Write as _;
use std::time::Duration;

use pusher_tokio::pusher_proto::{Action, AuthId, AuthPurpose, Frame, Instant};
use pusher_tokio::{AuthError, AuthResponse, ChannelName, CloseReason, ConnectionState, Diagnostic, Event};
use serde::{Deserialize, Serialize};

use super::forms::{Answer, Ended};

/// An input of the core.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Input {
    Connect,
    Disconnect,
    Subscribe(ChannelName),
    Signin,
    /// The answer to the authorization request with this id, as [`AuthId`] shows it.
    Auth(String, Result<AuthResponse, AuthError>),
    Open,
    Frame(Frame),
    Part,
    Skipped(u64),
    Closed(CloseReason),
    Timeout,
}

/// One line of a recording after the header.
#[derive(Debug, PartialEq)]
pub(super) enum Line {
    Input(Instant, Input),
    /// The line as it is.
    Output,
    /// Empty, or a comment.
    Comment,
    /// The recording is complete.
    End,
}

impl Input {
    /// Returns the line without its line break.
    pub(super) fn line(&self, now: Instant) -> String {
        let mut line = format!("{} ", seconds(now));
        match self {
            Self::Connect => line += "! connect",
            Self::Disconnect => line += "! disconnect",
            Self::Subscribe(channel) => {
                line += "! subscribe ";
                line += &word(channel);
            }
            Self::Signin => line += "! signin",
            Self::Auth(id, answer) => {
                line += &format!("! auth #{id} ");
                line += &json(&Answer::from(answer));
            }
            Self::Open => line += "< open",
            Self::Frame(Frame::Text(text)) => {
                line += "< ";
                line += &frame(text);
            }
            Self::Frame(Frame::Binary(_)) => line += "< binary",
            Self::Frame(Frame::Ping) => line += "< ping",
            Self::Frame(Frame::Pong) => line += "< pong",
            Self::Part => line += "< part",
            Self::Skipped(len) => line += &format!("< skipped {len}"),
            Self::Closed(reason) => {
                line += "< end ";
                line += &json(&Ended::from(reason));
            }
            Self::Timeout => line.push('+'),
        }
        line
    }
}

impl Line {
    /// Reads a line without its line break.
    ///
    /// # Errors
    ///
    /// What is wrong with it.
    pub(super) fn read(line: &str) -> Result<Self, String> {
        match line.as_bytes().first() {
            None | Some(b'#') => Ok(Self::Comment),
            Some(b'>' | b'*') => Ok(Self::Output),
            Some(b'0'..=b'9') => {
                let (time, input) = line.split_once(' ').ok_or("a time without an input")?;
                Ok(Self::Input(instant(time)?, input.parse()?))
            }
            Some(_) if line == END => Ok(Self::End),
            Some(_) => Err(format!("{} does not begin a line of a recording", start(line))),
        }
    }
}

impl std::str::FromStr for Input {
    type Err = String;

    fn from_str(line: &str) -> Result<Self, String> {
        let (mark, rest) = line.split_once(' ').unwrap_or((line, ""));
        let (word, more) = rest.split_once(' ').unwrap_or((rest, ""));
        let input = match (mark, word) {
            ("+", "") => Self::Timeout,
            ("!", "subscribe") => {
                Self::Subscribe(ChannelName::new(unquoted(more)?).map_err(|error| error.to_string())?)
            }
            ("!", "auth") => {
                let (id, answer) = more.split_once(' ').ok_or("an answer has an id and JSON")?;
                let id = id.strip_prefix('#').filter(|id| id.bytes().all(|byte| byte.is_ascii_digit()));
                let answer: Answer = parsed(answer)?;
                Self::Auth(id.ok_or("the id of an answer is # and a number")?.to_owned(), answer.into())
            }
            ("<", "skipped") => Self::Skipped(more.parse().map_err(|_| "skipped needs a number of bytes")?),
            ("<", "end") => Self::Closed(parsed::<Ended>(more)?.into()),
            ("<", _) if rest.starts_with(['{', '"']) => Self::Frame(Frame::Text(unquoted(rest)?.into())),
            (mark, word) if more.is_empty() => match (mark, word) {
                ("!", "connect") => Self::Connect,
                ("!", "disconnect") => Self::Disconnect,
                ("!", "signin") => Self::Signin,
                ("<", "open") => Self::Open,
                ("<", "binary") => Self::Frame(Frame::Binary(Default::default())),
                ("<", "ping") => Self::Frame(Frame::Ping),
                ("<", "pong") => Self::Frame(Frame::Pong),
                ("<", "part") => Self::Part,
                _ => return Err(format!("unknown input {}", start(line))),
            },
            _ => return Err(format!("unknown input {}", start(line))),
        };
        Ok(input)
    }
}

/// Returns the line of an action without its line break. Of what the core says, nothing is left out.
pub(super) fn output(action: &Action) -> String {
    match action {
        Action::Connect(_, request) => format!("* connect {}", word(&request.url())),
        Action::Send(_, text) => format!("> {}", frame(text)),
        Action::Close(_, frame) => format!("* close {}", frame.code),
        Action::RequestAuth(request) => {
            let purpose = match request.purpose {
                AuthPurpose::Subscribe => "subscribe",
                AuthPurpose::Resubscribe => "resubscribe",
                AuthPurpose::KeyRefresh => "newer key",
                AuthPurpose::Signin => "sign-in",
                AuthPurpose::Token => "token",
                _ => "other purpose",
            };
            let subject = request.subject.to_string();
            format!("* authorize #{} {} for {}, {purpose}", request.id, word(&subject), word(&request.socket_id))
        }
        Action::CancelAuth(id) => format!("* cancel #{id}"),
        Action::Schedule(at) => format!("* wake at {}", nanoseconds(*at)),
        Action::Emit(event) => {
            let mut line = format!("* {}", json(event));
            if let Some(at) = retry_at(event) {
                line += &format!(" retry at {}", nanoseconds(at));
            }
            line
        }
    }
}

/// The id of an authorization request in a recording.
pub(super) fn id(id: AuthId) -> String {
    id.to_string()
}

/// What the JSON of an event leaves out.
fn retry_at(event: &Event) -> Option<Instant> {
    match event {
        Event::StateChanged { current: ConnectionState::Waiting { retry_at, .. }, .. }
        | Event::Diagnostic(Diagnostic::KeyRetry { retry_at, .. }) => Some(*retry_at),
        Event::SubscriptionError { retry_at, .. }
        | Event::SigninError { retry_at, .. }
        | Event::TokenError { retry_at, .. } => *retry_at,
        _ => None,
    }
}

/// A frame as it is if it looks like one and fits in a line, otherwise as a JSON string.
fn frame(text: &str) -> String {
    if text.starts_with('{') && !text.contains(char::is_control) { text.to_owned() } else { json(&text) }
}

/// A name as it is if it fits in a line, otherwise as a JSON string.
fn word(text: &str) -> String {
    let is_plain = !text.is_empty() && !text.starts_with('"') && !text.contains(char::is_control);
    if is_plain { text.to_owned() } else { json(&text) }
}

/// The opposite of [`frame`] and [`word`].
fn unquoted(text: &str) -> Result<String, String> {
    if text.starts_with('"') { parsed(text) } else { Ok(text.to_owned()) }
}

/// JSON in one line without control characters. Those that JSON allows can only be in strings.
fn json(value: &impl Serialize) -> String {
    // Texts, numbers and lists of them always have a JSON form.
    let json = serde_json::to_string(value).unwrap_or_default();
    if !json.contains(char::is_control) {
        return json;
    }
    let mut escaped = String::with_capacity(json.len());
    for c in json.chars() {
        if c.is_control() {
            // Writing to a string does not fail.
            let _ = write!(escaped, "\\u{:04x}", u32::from(c));
        } else {
            escaped.push(c);
        }
    }
    escaped
}

fn parsed<'a, T: Deserialize<'a>>(json: &'a str) -> Result<T, String> {
    serde_json::from_str(json).map_err(|error| error.to_string())
}

/// The time of an input, in whole microseconds.
fn seconds(at: Instant) -> String {
    let elapsed = at.elapsed();
    format!("{}.{:06}", elapsed.as_secs(), elapsed.subsec_micros())
}

/// The time of a deadline; a random delay is exact to the nanosecond.
fn nanoseconds(at: Instant) -> String {
    let elapsed = at.elapsed();
    format!("{}.{:09}", elapsed.as_secs(), elapsed.subsec_nanos())
}

/// Reads what [`seconds`] writes.
fn instant(text: &str) -> Result<Instant, String> {
    let invalid = || format!("{} is not a time such as 12.345678", start(text));
    let (seconds, micros) = text.split_once('.').ok_or_else(invalid)?;
    if micros.len() != 6 || !micros.bytes().chain(seconds.bytes()).all(|byte| byte.is_ascii_digit()) {
        return Err(invalid());
    }
    let seconds: u64 = seconds.parse().map_err(|_| invalid())?;
    let micros: u32 = micros.parse().map_err(|_| invalid())?;
    if seconds > LONGEST.as_secs() {
        return Err(format!("{seconds} s are longer than a recording can be"));
    }
    Ok(Instant::from_elapsed(Duration::new(seconds, micros * 1_000)))
}

/// The start of a line that is not understood, for a message.
pub(super) fn start(text: &str) -> String {
    let mut start: String = text.chars().take(MAX_SHOWN).collect();
    if start.len() < text.len() {
        start.push('…');
    }
    format!("{start:?}")
}

/// The last line.
pub(super) const END: &str = "end";

/// Characters of a line in a message.
const MAX_SHOWN: usize = 60;

/// Ten years: no session lasts longer.
const LONGEST: Duration = Duration::from_secs(10 * 366 * 24 * 3_600);
