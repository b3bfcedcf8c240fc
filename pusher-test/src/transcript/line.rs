//! The inputs of a transcript, as values.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use pusher_proto::{AppKey, ChannelName, ClientEventName, CloseReason, Data, Position, Subscribe, TransportError};

use super::words::{self, Answer, WrittenEndpoint, duration};
use super::{InvalidLine, WrittenQuery, v2};

/// One input: a line that begins with `!`, `<` or `+`.
///
/// Sockets and authorization requests have numbers: 1 is the first one that the client asked for.
///
/// # Examples
///
/// ```
/// use pusher_test::transcript::{Call, Line};
///
/// let line: Line = "! connect & subscribe chat".parse()?;
/// assert!(matches!(&line, Line::Calls(calls) if matches!(calls[..], [Call::Connect, Call::Subscribe(_)])));
/// assert_eq!(line.to_string(), "! connect & subscribe chat");
/// # Ok::<(), pusher_test::transcript::InvalidLine>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Line {
    /// `! …`: calls of the application before a single poll.
    Calls(Vec<Call>),
    /// `! connected`: the application connects, and the server greets it.
    Connected,
    /// `< …`: something comes from a socket.
    Receive {
        /// The number of the socket, or `None` for the latest one.
        socket: Option<usize>,
        /// Whether the client is polled afterwards.
        is_polled: bool,
        /// What comes.
        what: Received,
    },
    /// `+ …`: time passes.
    Pass(Passing),
}

/// A call of the application, or an answer of its auth server.
///
/// # Examples
///
/// ```
/// use pusher_test::transcript::Call;
///
/// assert!(matches!("auth #1 403 no".parse()?, Call::Auth(1, _)));
/// # Ok::<(), pusher_test::transcript::InvalidLine>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Call {
    /// `connect`
    Connect,
    /// `disconnect`
    Disconnect,
    /// `subscribe CHANNEL`
    Subscribe(ChannelName),
    /// `subscribe CHANNEL [rewind=N] [hidden] [annotations] [filter=JSON]`, with the options as they are written.
    SubscribeWith(ChannelName, Subscribe, String),
    /// `unsubscribe CHANNEL`
    Unsubscribe(ChannelName),
    /// `trigger CHANNEL EVENT JSON`
    Trigger(ChannelName, ClientEventName, Data),
    /// `update CHANNEL JSON`: changes the info of this client's own member.
    Update(ChannelName, Data),
    /// `signin`
    Signin,
    /// `signout`
    Signout,
    /// `switch KEY URL`
    Switch(AppKey, WrittenEndpoint),
    /// `online`: the operating system says that there is a network.
    Online,
    /// `offline`: the operating system says that there is none.
    Offline,
    /// `auth #N ANSWER`: the answer to the authorization request with this number.
    Auth(usize, Answer),
    /// `resume_from CHANNEL STREAM:SERIAL`
    ResumeFrom(ChannelName, Position),
    /// `history CHANNEL [QUERY]`
    History(ChannelName, WrittenQuery),
    /// `positions` prints how far each channel got.
    Positions,
    /// `show CHANNEL` prints what the getters say about a channel.
    Show(ChannelName),
    /// `name` prints the name of the state of the connection.
    Name,
    /// `user` prints the user who is signed in.
    User,
}

/// What comes from a socket.
///
/// # Examples
///
/// ```
/// use pusher_proto::CloseReason;
/// use pusher_test::transcript::Received;
///
/// assert!(matches!("closed 4100 full".parse()?, Received::Ended(CloseReason::Closed(Some(_)))));
/// # Ok::<(), pusher_test::transcript::InvalidLine>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Received {
    /// `open`: the WebSocket handshake has succeeded.
    Open,
    /// `established ID [SECONDS]`: the greeting of the server, with its activity timeout, or 120 s. Servers may send any
    /// JSON number.
    Established(String, Option<serde_json::Number>),
    /// A text message. `text "JSON string"` is one that does not fit in a line as it is.
    Text(String),
    /// `ping`
    Ping,
    /// `pong`
    Pong,
    /// `binary`
    Binary,
    /// `part`: bytes of a message that is not complete.
    Part,
    /// `skipped BYTES`: a message was too large and was left out.
    Skipped(u64),
    /// `repeat N FRAME`: the same text message, at most 10,000 times.
    Repeat(usize, String),
    /// `closed [CODE [REASON]]`, `dropped`, `failed …`, `too_large`, `no_tls`: the socket has ended.
    Ended(CloseReason),
}

/// How time passes.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use pusher_test::transcript::Passing;
///
/// assert_eq!("1.5s".parse(), Ok(Passing::Time(Duration::from_millis(1_500))));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Passing {
    /// `+ 5s`: the timers that are due fire on time.
    Time(Duration),
    /// `+ retry`: until the next attempt to connect.
    Retry,
    /// `++ 5s`: the process does not run meanwhile, and the timer fires afterwards.
    Asleep(Duration),
    /// `++_ 5s`: the timer has not fired yet.
    Unnoticed(Duration),
    /// `+ wall 8h`: only the wall clock advances.
    WallForward(Duration),
    /// `+ wall -8h`: only the wall clock is set back.
    WallBack(Duration),
}

impl Line {
    /// A frame from the latest socket.
    #[must_use]
    pub fn frame(text: impl Into<String>) -> Self {
        Self::received(Received::Text(text.into()))
    }

    /// Something from the latest socket.
    #[must_use]
    pub fn received(what: Received) -> Self {
        Self::Receive { socket: None, is_polled: true, what }
    }

    /// One call.
    #[must_use]
    pub fn call(call: Call) -> Self {
        Self::Calls(vec![call])
    }

    /// Time passes, and the timers fire on time.
    #[must_use]
    pub const fn pass(time: Duration) -> Self {
        Self::Pass(Passing::Time(time))
    }
}

impl FromStr for Line {
    type Err = InvalidLine;

    fn from_str(line: &str) -> Result<Self, InvalidLine> {
        let mut chars = line.chars();
        let mark = chars.next();
        let rest = chars.as_str().trim_start();
        match mark {
            Some('!') if rest == "connected" => Ok(Self::Connected),
            Some('!') => rest.split(" & ").map(Call::from_str).collect::<Result<_, _>>().map(Self::Calls),
            Some('<') => {
                let (is_polled, rest) = rest.strip_prefix('_').map_or((true, rest), |rest| (false, rest));
                let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
                let (number, text) = rest.split_at(digits);
                let socket = match number {
                    "" => None,
                    number => Some(
                        number
                            .parse()
                            .map_err(|_| InvalidLine::new(format!("{number:?} is not the number of a socket")))?,
                    ),
                };
                Ok(Self::Receive { socket, is_polled, what: text.trim_start().parse()? })
            }
            Some('+') => rest.parse().map(Self::Pass),
            _ => Err(InvalidLine::new(format!("{line:?} is not an input"))),
        }
    }
}

impl FromStr for Call {
    type Err = InvalidLine;

    fn from_str(text: &str) -> Result<Self, InvalidLine> {
        let (verb, rest) = text.split_once(' ').unwrap_or((text, ""));
        Ok(match verb {
            "connect" => Self::Connect,
            "disconnect" => Self::Disconnect,
            "subscribe" => match words::split_options(rest) {
                None => Self::Subscribe(words::channel(rest)?),
                Some((channel, options)) => {
                    Self::SubscribeWith(words::channel(channel)?, words::subscribe(options)?, options.to_owned())
                }
            },
            "unsubscribe" => Self::Unsubscribe(words::channel(rest)?),
            "signin" => Self::Signin,
            "signout" => Self::Signout,
            "user" => Self::User,
            "online" => Self::Online,
            "offline" => Self::Offline,
            "switch" => {
                let (key, url) = rest.split_once(' ').ok_or_else(|| InvalidLine::expected("switch KEY URL"))?;
                let key = AppKey::new(key).map_err(|error| InvalidLine::because(&error))?;
                Self::Switch(key, url.parse()?)
            }
            "trigger" => {
                let mut words = rest.splitn(3, ' ');
                let mut word = || words.next().ok_or_else(|| InvalidLine::expected("trigger CHANNEL EVENT JSON"));
                let channel = words::channel(word()?)?;
                let event = ClientEventName::new(word()?).map_err(|error| InvalidLine::because(&error))?;
                Self::Trigger(channel, event, Data::from_json(word()?).map_err(|error| InvalidLine::because(&error))?)
            }
            "update" => {
                let (channel, info) =
                    rest.split_once(' ').ok_or_else(|| InvalidLine::expected("update CHANNEL JSON"))?;
                Self::Update(
                    words::channel(channel)?,
                    Data::from_json(info).map_err(|error| InvalidLine::because(&error))?,
                )
            }
            "auth" => {
                let expected = || InvalidLine::expected("auth #N ANSWER");
                let (number, answer) = rest.split_once(' ').ok_or_else(expected)?;
                let number = number.trim_start_matches('#').parse::<usize>().ok();
                let number = number.filter(|number| *number > 0).ok_or_else(expected)?;
                Self::Auth(number, answer.parse()?)
            }
            "resume_from" => {
                let expected = || InvalidLine::expected("resume_from CHANNEL STREAM:SERIAL");
                let (channel, position) = rest.split_once(' ').ok_or_else(expected)?;
                Self::ResumeFrom(words::channel(channel)?, v2::position(position)?)
            }
            "history" => {
                let (channel, query) = rest.split_once(' ').unwrap_or((rest, ""));
                Self::History(words::channel(channel)?, query.parse()?)
            }
            "positions" => Self::Positions,
            "show" => Self::Show(words::channel(rest)?),
            "name" => Self::Name,
            _ => return Err(InvalidLine::new(format!("{text:?} is not a call"))),
        })
    }
}

impl FromStr for Received {
    type Err = InvalidLine;

    fn from_str(text: &str) -> Result<Self, InvalidLine> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        Ok(match word {
            "open" => Self::Open,
            "established" => {
                let (id, timeout) = rest.split_once(' ').map_or((rest, None), |(id, timeout)| (id, Some(timeout)));
                let timeout = timeout.map(|timeout| {
                    serde_json::from_str(timeout).map_err(|_| InvalidLine::expected("established ID [SECONDS]"))
                });
                Self::Established(id.to_owned(), timeout.transpose()?)
            }
            "v2" => Self::Text(v2::frame(rest)?),
            "skipped" => Self::Skipped(rest.parse().map_err(|_| InvalidLine::expected("skipped BYTES"))?),
            "part" => Self::Part,
            "ping" => Self::Ping,
            "pong" => Self::Pong,
            "binary" => Self::Binary,
            "text" => {
                Self::Text(serde_json::from_str(rest).map_err(|_| InvalidLine::expected("text \"JSON string\""))?)
            }
            "repeat" => {
                let expected = || InvalidLine::new(format!("expected `repeat N FRAME` with N at most {MOST}"));
                let (count, frame) = rest.split_once(' ').ok_or_else(expected)?;
                let count = count.parse().ok().filter(|count| *count <= MOST).ok_or_else(expected)?;
                Self::Repeat(count, frame.to_owned())
            }
            "closed" | "dropped" | "too_large" | "no_tls" | "failed" => Self::Ended(words::close_reason(word, rest)?),
            _ => Self::Text(text.to_owned()),
        })
    }
}

impl FromStr for Passing {
    type Err = InvalidLine;

    /// Reads what follows the first `+`.
    fn from_str(text: &str) -> Result<Self, InvalidLine> {
        if let Some(wall) = text.strip_prefix("wall ") {
            return Ok(match wall.strip_prefix('-') {
                Some(back) => Self::WallBack(duration(back)?),
                None => Self::WallForward(duration(wall)?),
            });
        }
        if let Some(unnoticed) = text.strip_prefix("+_") {
            return Ok(Self::Unnoticed(duration(unnoticed.trim())?));
        }
        if let Some(asleep) = text.strip_prefix('+') {
            return Ok(Self::Asleep(duration(asleep.trim())?));
        }
        if text == "retry" { Ok(Self::Retry) } else { Ok(Self::Time(duration(text)?)) }
    }
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected => f.write_str("! connected"),
            Self::Calls(calls) => {
                for (at, call) in calls.iter().enumerate() {
                    write!(f, "{} {call}", if at == 0 { "!" } else { " &" })?;
                }
                Ok(())
            }
            Self::Receive { socket, is_polled, what } => {
                f.write_str(if *is_polled { "<" } else { "<_" })?;
                if let Some(socket) = socket {
                    write!(f, "{socket}")?;
                }
                write!(f, " {what}")
            }
            Self::Pass(passing) => write!(f, "{passing}"),
        }
    }
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => f.write_str("connect"),
            Self::Disconnect => f.write_str("disconnect"),
            Self::Subscribe(channel) => write!(f, "subscribe {}", channel.as_str()),
            Self::SubscribeWith(channel, _, written) => write!(f, "subscribe {} {written}", channel.as_str()),
            Self::Unsubscribe(channel) => write!(f, "unsubscribe {}", channel.as_str()),
            Self::Update(channel, info) => write!(f, "update {} {}", channel.as_str(), info.raw()),
            Self::Trigger(channel, event, data) => {
                // In JSON, a control character can only be white space, and a lone `&` only in a string.
                let data = if data.is_absent() { "null" } else { data.raw() };
                let data = data.replace(char::is_control, " ").replace(" & ", " \\u0026 ");
                write!(f, "trigger {} {} {data}", channel.as_str(), event.as_str())
            }
            Self::Signin => f.write_str("signin"),
            Self::Signout => f.write_str("signout"),
            Self::Switch(key, endpoint) => write!(f, "switch {} {endpoint}", key.as_str()),
            Self::Online => f.write_str("online"),
            Self::Offline => f.write_str("offline"),
            Self::Auth(number, answer) => write!(f, "auth #{number} {answer}"),
            Self::ResumeFrom(channel, position) => write!(f, "resume_from {} {position:?}", channel.as_str()),
            Self::History(channel, query) => {
                let line = format!("history {} {query}", channel.as_str());
                f.write_str(line.trim_end())
            }
            Self::Positions => f.write_str("positions"),
            Self::Show(channel) => write!(f, "show {}", channel.as_str()),
            Self::Name => f.write_str("name"),
            Self::User => f.write_str("user"),
        }
    }
}

impl fmt::Display for Received {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open => f.write_str("open"),
            Self::Established(id, None) => write!(f, "established {id}"),
            Self::Established(id, Some(timeout)) => write!(f, "established {id} {timeout}"),
            Self::Text(text) => {
                let is_plain = text.starts_with('{') && text.ends_with('}') && !text.contains(char::is_control);
                if is_plain { f.write_str(text) } else { write!(f, "text {}", words::quoted(text)) }
            }
            Self::Ping => f.write_str("ping"),
            Self::Pong => f.write_str("pong"),
            Self::Binary => f.write_str("binary"),
            Self::Part => f.write_str("part"),
            Self::Skipped(bytes) => write!(f, "skipped {bytes}"),
            Self::Repeat(count, frame) => write!(f, "repeat {count} {frame}"),
            Self::Ended(reason) => match reason {
                CloseReason::Closed(None) => f.write_str("closed"),
                CloseReason::Closed(Some(frame)) if frame.reason.is_empty() => write!(f, "closed {}", frame.code),
                CloseReason::Closed(Some(frame)) => {
                    write!(f, "closed {} {}", frame.code, words::in_line(&frame.reason))
                }
                CloseReason::FrameTooLarge => f.write_str("too_large"),
                CloseReason::TlsUnavailable => f.write_str("no_tls"),
                CloseReason::Failed(error) => write!(f, "failed {}", failed(error)),
                _ => f.write_str("dropped"),
            },
        }
    }
}

fn failed(error: &TransportError) -> String {
    match error {
        TransportError::Dns(text) => format!("dns {}", words::in_line(text)),
        TransportError::Tls(text) => format!("tls {}", words::in_line(text)),
        TransportError::Http { status, retry_after, .. } => match retry_after {
            Some(after) => format!("http {status} retry-after={}", after.as_secs()),
            None => format!("http {status}"),
        },
        TransportError::Io(text) => words::in_line(text),
        error => words::in_line(&error.to_string()),
    }
}

impl fmt::Display for Passing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Time(time) => write!(f, "+ {}", words::time(*time)),
            Self::Retry => f.write_str("+ retry"),
            Self::Asleep(time) => write!(f, "++ {}", words::time(*time)),
            Self::Unnoticed(time) => write!(f, "++_ {}", words::time(*time)),
            Self::WallForward(time) => write!(f, "+ wall {}", words::time(*time)),
            Self::WallBack(time) => write!(f, "+ wall -{}", words::time(*time)),
        }
    }
}

/// The largest number of repetitions of a frame.
const MOST: usize = 10_000;
