//! How the program ends when it does not succeed.

use std::io;
use std::process::ExitCode;

use anstyle::{AnsiColor, Style};
use pusher_tokio::{
    AuthError, ChannelName, CloseReason, ConnectionError, FailReason, InvalidConfig, InvalidName, InvalidSubscribe,
    ServerError, SigninError, SubscriptionError, with_causes,
};
use terminal_size::{Width, terminal_size_of};

use crate::output::{self, printable};

/// One sentence for the user, and the exit code.
#[derive(Debug)]
pub(crate) struct Failure {
    kind: Kind,
    message: String,
}

/// The exit codes, as the help and the README list them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// The reader of the output has gone, as with `head`; this is not an error.
    OutputClosed = 0,
    Failed = 1,
    Usage = 2,
    CannotConnect = 3,
    Refused = 4,
}

impl Failure {
    /// What was asked for did not happen.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { kind: Kind::Failed, message: message.into() }
    }

    /// The command line does not make sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { kind: Kind::Usage, message: message.into() }
    }

    /// The server cannot be reached.
    pub(crate) fn cannot_connect(message: impl Into<String>) -> Self {
        Self { kind: Kind::CannotConnect, message: message.into() }
    }

    /// The server, or the auth endpoint, said no.
    pub(crate) fn refused(message: impl Into<String>) -> Self {
        Self { kind: Kind::Refused, message: message.into() }
    }

    /// The client does not try to connect any more.
    pub(crate) fn given_up(reason: &FailReason, url: &str) -> Self {
        match reason {
            FailReason::Fatal { .. } => Self::refused(with_causes(reason).to_string()),
            FailReason::GaveUp { last, .. } => Self::no_connection(last, url),
            reason => Self::cannot_connect(format!("cannot connect to {url}: {}", with_causes(reason))),
        }
    }

    /// The program does not try to connect any more, for what happened last.
    pub(crate) fn no_connection(last: &ConnectionError, url: &str) -> Self {
        match last {
            last if is_silent_refusal(last) => Self::refused(SILENT_REFUSAL),
            // The code says that the server would take this client later, as soketi's 4200 while it shuts down.
            ConnectionError::Refused(ServerError {
                code: Some(FIRST_TEMPORARY_CODE..=LAST_TEMPORARY_CODE), ..
            }) => Self::cannot_connect(format!("cannot connect to {url}: {}", with_causes(last))),
            ConnectionError::Refused(_) => Self::refused(with_causes(last).to_string()),
            last => Self::cannot_connect(format!("cannot connect to {url}: {}", with_causes(last))),
        }
    }

    /// A channel is not subscribed.
    pub(crate) fn subscription(channel: &ChannelName, error: &SubscriptionError) -> Self {
        let message = format!("{channel}: {}", with_causes(error));
        match error {
            SubscriptionError::Auth(error)
                if matches!(error.cause(), AuthError::Http { .. } | AuthError::Handler(_)) =>
            {
                Self::refused(message)
            }
            SubscriptionError::Refused(_) => Self::refused(message),
            _ => Self::failed(message),
        }
    }

    /// The user is not signed in.
    pub(crate) fn signin(error: &SigninError) -> Self {
        let message = format!("sign-in: {}", with_causes(error));
        match error {
            SigninError::Auth(error) if matches!(error.cause(), AuthError::Http { .. } | AuthError::Handler(_)) => {
                Self::refused(message)
            }
            SigninError::Refused(_) => Self::refused(message),
            _ => Self::failed(message),
        }
    }

    /// Adds a remark.
    pub(crate) fn with_remark(mut self, remark: &str) -> Self {
        self.message += remark;
        self
    }

    pub(crate) fn is_refusal(&self) -> bool {
        self.kind == Kind::Refused
    }

    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.kind as u8)
    }

    /// Writes the sentence to standard error.
    pub(crate) fn print(&self) {
        if self.kind != Kind::OutputClosed {
            let width = terminal_size_of(io::stderr()).map(|(Width(columns), _)| usize::from(columns));
            let lines = output::wrapped(&printable(&self.message), width, ERROR_INDENT.len());
            anstream::eprintln!("{ERROR}error:{ERROR:#} {}", lines.join(&format!("\n{ERROR_INDENT}")));
        }
    }
}

/// Sockudo drops the socket without a word when it does not want the application.
pub(crate) fn is_silent_refusal(error: &ConnectionError) -> bool {
    match error {
        ConnectionError::Closed { reason: CloseReason::Dropped, during_handshake } => *during_handshake,
        ConnectionError::Closed { reason: CloseReason::Closed(frame), during_handshake } => {
            *during_handshake && frame.as_ref().is_none_or(|frame| frame.code < FIRST_MEANINGFUL_CODE)
        }
        _ => false,
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        let kind = if error.kind() == io::ErrorKind::BrokenPipe { Kind::OutputClosed } else { Kind::Failed };
        Self { kind, message: error.to_string() }
    }
}

impl From<InvalidConfig> for Failure {
    fn from(error: InvalidConfig) -> Self {
        Self::usage(with_causes(&error).to_string())
    }
}

impl From<InvalidName> for Failure {
    fn from(error: InvalidName) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<InvalidSubscribe> for Failure {
    fn from(error: InvalidSubscribe) -> Self {
        Self::usage(error.to_string())
    }
}

impl From<serde_json::Error> for Failure {
    fn from(error: serde_json::Error) -> Self {
        Self::failed(error.to_string())
    }
}

/// What can be said about a server that only closes the connection.
pub(crate) const SILENT_REFUSAL: &str =
    "the server closes every connection before the greeting: the key may be wrong, or the application disabled or full";

/// The codes of the Pusher protocol begin here; those below say only that the socket ended.
pub(crate) const FIRST_MEANINGFUL_CODE: u16 = 4_000;

/// The codes of refusals that may be temporary (Pusher protocol, *Error codes*).
const FIRST_TEMPORARY_CODE: u32 = 4_100;
const LAST_TEMPORARY_CODE: u32 = 4_299;

/// The indentation of the sentence's further lines.
const ERROR_INDENT: &str = "       ";

const ERROR: Style = AnsiColor::Red.on_default().bold();
