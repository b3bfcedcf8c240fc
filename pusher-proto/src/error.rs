//! What can go wrong, grouped by who can fix it.

use alloc::boxed::Box;
use core::time::Duration;

use crate::{AuthError, CloseReason, InvalidName, Text, TransportError};

/// A refusal by the server: the content of a `pusher:error` or a `pusher:subscription_error`.
///
/// # Examples
///
/// ```
/// use pusher_proto::{ServerError, SubscriptionError, with_causes};
///
/// let error = SubscriptionError::Refused(ServerError::new(4009, "connection is unauthorized"));
/// let text = with_causes(&error).to_string();
/// assert_eq!(text, "the server refused the subscription: connection is unauthorized (code 4009)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}{}", if message.is_empty() { "no reason given" } else { message }, Suffix(*code))]
#[non_exhaustive]
pub struct ServerError {
    /// The code, if the server sent one. Pusher's own codes are between 4000 and 4399; a `subscription_error` may
    /// contain an HTTP status.
    pub code: Option<u32>,
    /// The server's message, possibly empty.
    pub message: Text,
}

impl ServerError {
    /// Returns an error with this code (`None` for an error without one) and this message.
    #[must_use]
    pub fn new(code: impl Into<Option<u32>>, message: impl Into<Text>) -> Self {
        Self { code: code.into(), message: message.into() }
    }
}

struct Suffix(Option<u32>);

impl core::fmt::Display for Suffix {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self.0 {
            None => Ok(()),
            Some(code) => write!(f, " (code {code})"),
        }
    }
}

/// The server broke the protocol. The connection stays open.
///
/// # Examples
///
/// ```
/// use pusher_proto::{ConnectionError, Event, ProtocolError};
///
/// fn log(event: &Event) {
///     if let Event::ConnectionError(ConnectionError::Protocol(ProtocolError::FrameTooLarge { len, max })) = event {
///         eprintln!("raise max_frame_len from {max} to {len} to read this frame");
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// The frame is not a JSON object with an `event`.
    #[error("unreadable frame: {excerpt}")]
    Parse {
        /// The start of the frame, at most 200 bytes.
        excerpt: Text,
    },
    /// The frame is longer than [`max_frame_len`](crate::ConfigBuilder::max_frame_len).
    #[error("a frame of {len} bytes exceeds the limit of {max}")]
    FrameTooLarge {
        /// Bytes that it has.
        len: usize,
        /// Bytes that it may have.
        max: usize,
    },
    /// A field that the event needs is missing or of the wrong type.
    #[error("{event} has no usable {field}")]
    MissingField {
        /// Name of the event.
        event: &'static str,
        /// Name of the field.
        field: &'static str,
    },
}

/// Why there is no connection, or what went wrong on it.
///
/// # Examples
///
/// ```
/// use pusher_proto::{ConnectionError, ServerError, with_causes};
///
/// let error = ConnectionError::Refused(ServerError::new(4001, "no such application"));
/// assert_eq!(error.to_string(), "the server refused the connection");
/// assert_eq!(with_causes(&error).to_string(), "the server refused the connection: no such application (code 4001)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectionError {
    /// The socket could not be opened, or failed.
    #[error("the connection failed")]
    Transport(#[source] TransportError),
    /// The server did not send `pusher:connection_established` within
    /// [`handshake_timeout`](crate::ConfigBuilder::handshake_timeout).
    #[error("the server did not answer within the handshake timeout")]
    HandshakeTimeout,
    /// The server refused the connection with an error frame.
    #[error("the server refused the connection")]
    Refused(#[source] ServerError),
    /// The socket ended.
    #[error("the connection ended{}", if *during_handshake { " during the handshake" } else { "" })]
    Closed {
        /// How it ended.
        #[source]
        reason: CloseReason,
        /// Whether the socket ended before the server sent `pusher:connection_established`. Some servers refuse a wrong
        /// key this way.
        during_handshake: bool,
    },
    /// The server did not answer a ping within [`pong_timeout`](crate::ConfigBuilder::pong_timeout).
    #[error("the server did not answer a ping")]
    PongTimeout,
    /// The server sent an error frame; the connection stays open.
    #[error("the server reported an error")]
    Server(#[source] ServerError),
    /// The server sent a frame that could not be used; the connection stays open.
    #[error("the server broke the protocol")]
    Protocol(#[source] ProtocolError),
}

/// Why the client stopped trying. [`connect`](crate::Client::connect) starts again.
///
/// # Examples
///
/// ```
/// use pusher_proto::FailReason;
///
/// let reason = FailReason::Fatal { code: 4001, message: "App key app-key not in this cluster".into() };
/// assert_eq!(reason.to_string(), "App key app-key not in this cluster (code 4001)");
/// // A server that says nothing: the meaning of the code.
/// let reason = FailReason::Fatal { code: 4001, message: "".into() };
/// assert_eq!(reason.to_string(), "the application does not exist (code 4001)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FailReason {
    /// The connection was closed with a code that does not allow reconnecting (4000 to 4099, or one of
    /// [`fatal_codes`](crate::ConfigBuilder::fatal_codes)).
    #[error("{} (code {code})", if message.is_empty() { meaning(*code) } else { message })]
    Fatal {
        /// The code.
        code: u32,
        /// The server's message, possibly empty.
        message: Text,
    },
    /// As many consecutive attempts as [`max_attempts`](crate::ConfigBuilder::max_attempts) allows have failed.
    #[error("gave up after {attempts} failed attempts")]
    GaveUp {
        /// Consecutive failures.
        attempts: u32,
        /// Why the last one failed.
        #[source]
        last: Box<ConnectionError>,
    },
    /// The client was switched to an empty list of servers.
    #[error("there is no server to connect to")]
    NoEndpoint,
    /// The server or the configuration requires TLS, but this build does not include it.
    #[error("the server needs TLS, and this build has none: enable the feature `tls`")]
    TlsUnavailable,
}

/// What a fatal code means (Pusher protocol, *Error codes*).
const fn meaning(code: u32) -> &'static str {
    match code {
        4000 => "the application accepts only TLS connections",
        4001 => "the application does not exist",
        4003 => "the application is disabled",
        4004 => "the application is over its connection quota",
        4005 => "the server has no such path",
        4006..=4008 => "the server does not speak this protocol version",
        4009 => "the connection is not authorized or was terminated",
        _ => "the server does not allow reconnecting",
    }
}

/// Why a channel is not subscribed. The client tries again when [`subscribe`](crate::Client::subscribe) is called, and
/// on the next connection.
///
/// # Examples
///
/// ```
/// use pusher_proto::{AuthError, SubscriptionError, with_causes};
///
/// /// What the user reads.
/// fn text(error: &SubscriptionError) -> String {
///     match error {
///         SubscriptionError::Auth(error) if error.status() == 403 => "This room is for members.".into(),
///         error => format!("The room cannot be opened: {}", with_causes(error)),
///     }
/// }
///
/// let forbidden = AuthError::Http { status: 403, excerpt: "no".into(), retry_after: None };
/// assert_eq!(text(&SubscriptionError::Auth(forbidden)), "This room is for members.");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SubscriptionError {
    /// The application's server did not authorize the subscription.
    #[error("the channel was not authorized")]
    Auth(#[source] AuthError),
    /// The server refused the subscription.
    #[error("the server refused the subscription")]
    Refused(#[source] ServerError),
    /// The server did not answer within [`subscribe_timeout`](crate::ConfigBuilder::subscribe_timeout).
    #[error("the server did not answer the subscription{}", probably(.probable_cause.as_ref()))]
    Timeout {
        /// An error without a channel that arrived in this time, if there was one.
        #[source]
        probable_cause: Option<ServerError>,
    },
    /// The answer of the auth server has no `channel_data`, which a presence channel needs.
    #[error("the authorization of a presence channel has no channel_data")]
    MissingChannelData,
    /// The `channel_data` is not a JSON object with a `user_id`.
    #[error("the channel_data of the authorization is not a JSON object with a user_id")]
    InvalidChannelData,
    /// This build cannot decrypt events: it was compiled without the feature `encryption`.
    #[error("encrypted channels are not available in this build: enable the feature `encryption`")]
    EncryptionUnsupported,
    /// Hosted Pusher does not accept the name, and [`strict_names`](crate::ConfigBuilder::strict_names) is
    /// [`Refuse`](crate::Strictness::Refuse).
    #[error("the name is longer than 164 characters, or contains characters other than A-Z a-z 0-9 _ - = @ , . ;")]
    NameNotPortable,
}

/// Introduces the error that follows as the source.
const fn probably(cause: Option<&ServerError>) -> &'static str {
    if cause.is_some() { ", probably because of an error that it reported" } else { "" }
}

/// Why the user is not signed in. The client tries again when [`signin`](crate::Client::signin) is called, and on the
/// next connection.
///
/// # Examples
///
/// ```
/// use pusher_proto::{ServerError, SigninError, with_causes};
///
/// let error = SigninError::Refused(ServerError::new(4009, "invalid signature"));
/// assert_eq!(with_causes(&error).to_string(), "the server refused the sign-in: invalid signature (code 4009)");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SigninError {
    /// The application's server did not authenticate the user.
    #[error("the user was not authenticated")]
    Auth(#[source] AuthError),
    /// The server refused the sign-in.
    #[error("the server refused the sign-in")]
    Refused(#[source] ServerError),
    /// The server did not answer within [`signin_timeout`](crate::ConfigBuilder::signin_timeout). Some servers without
    /// user authentication never answer.
    #[error("the server did not answer the sign-in{}", probably(.probable_cause.as_ref()))]
    Timeout {
        /// An error that arrived in this time and may be the answer, if there was one.
        #[source]
        probable_cause: Option<ServerError>,
    },
    /// The `user_data` of the application's server, or that of the confirmation, is not a JSON object with an `id`. In
    /// the first case, nothing was sent to the server.
    #[error("the user_data is not a JSON object with an id")]
    InvalidUserData,
    /// The server confirmed a different user from the one in the `user_data` of the application's server.
    #[error("the server confirmed another user: {id}")]
    AnotherUser {
        /// The id of that user, at most 200 bytes.
        id: Text,
    },
}

/// Why the connection has no capability token, or keeps the one before.
///
/// # Examples
///
/// ```
/// use pusher_proto::{AuthError, TokenError, with_causes};
///
/// let error = TokenError::Auth(AuthError::Timeout);
/// assert_eq!(with_causes(&error).to_string(), "the application's server gave no token: authorization timed out");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TokenError {
    /// The application's server gave none.
    #[error("the application's server gave no token")]
    Auth(#[source] AuthError),
    /// The server refused it.
    #[error("the server refused the token")]
    Refused(#[source] ServerError),
    /// The server did not answer within [`signin_timeout`](crate::ConfigBuilder::signin_timeout).
    #[error("the server did not answer to the token")]
    Timeout,
}

/// Why an event of an encrypted channel could not be decrypted. The event is lost; later ones are not held up.
///
/// # Examples
///
/// ```
/// use pusher_proto::{DecryptionError, Event, with_causes};
///
/// fn log(event: &Event) {
///     if let Event::DecryptionError { channel, event, error } = event {
///         eprintln!("{event} of {channel} is lost: {}", with_causes(error));
///         if *error == DecryptionError::WrongKey {
///             eprintln!("do all servers of the application have the same master key?");
///         }
///     }
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecryptionError {
    /// The payload is not an object with a nonce and a ciphertext. It is not passed on, because it may be forged.
    #[error("the payload is not encrypted")]
    NotEncrypted,
    /// The nonce or the ciphertext is not valid base64.
    #[error("the payload is not valid base64")]
    InvalidBase64,
    /// The nonce does not have 24 bytes.
    #[error("the nonce has {len} bytes instead of 24")]
    NonceLen {
        /// Bytes that it has.
        len: usize,
    },
    /// The ciphertext is shorter than its tag of 16 bytes.
    #[error("the ciphertext has {len} bytes, less than its tag of 16")]
    CiphertextLen {
        /// Bytes that it has.
        len: usize,
    },
    /// The key does not open the payload; if the event waited for a newer key, the previous key does not open it
    /// either. Usually, the publisher and the auth endpoint use different master keys.
    #[error("no key opens the payload")]
    WrongKey,
    /// The key does not open the payload, and the application's server did not provide a newer one.
    #[error("the key does not open the payload, and there is no newer one")]
    KeyRefresh(#[source] Box<AuthError>),
    /// The decrypted payload is not UTF-8.
    #[error("the decrypted payload is not UTF-8")]
    NotUtf8,
    /// Too many events waited for a newer key, and this was the oldest
    /// ([`held_encrypted_events`](crate::ConfigBuilder::held_encrypted_events)).
    #[error("too many events wait for a newer key")]
    Overflow,
}

/// Why a client event was not sent. The event is not queued either.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
/// use pusher_proto::TriggerError;
///
/// /// When a refused event may be sent.
/// fn retry_in(error: &TriggerError) -> Option<Duration> {
///     match error {
///         TriggerError::RateLimited { retry_in } => Some(*retry_in),
///         _ => None,
///     }
/// }
///
/// let second = Duration::from_secs(1);
/// assert_eq!(retry_in(&TriggerError::RateLimited { retry_in: second }), Some(second));
/// assert_eq!(retry_in(&TriggerError::NotSubscribed), None);
/// ```
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TriggerError {
    /// There is no connection.
    #[error("not connected")]
    NotConnected,
    /// The channel is not subscribed.
    #[error("the channel is not subscribed")]
    NotSubscribed,
    /// Only private and presence channels support client events.
    #[error("client events can be sent only on private and presence channels")]
    Unsupported,
    /// Only members of presence channels have an info, and only version 2 of the protocol lets them change it; the client asks
    /// for that version with [`ConfigBuilder::recovery`](crate::ConfigBuilder::recovery).
    #[error(
        "only on presence channels, and on servers that speak version 2 of the protocol, can a member change its info"
    )]
    UnsupportedUpdate,
    /// The data is larger than [`max_client_event_len`](crate::ConfigBuilder::max_client_event_len), and
    /// [`client_event_len_limit`](crate::ConfigBuilder::client_event_len_limit) is [`Refuse`](crate::Strictness::Refuse); or
    /// the info of a member is larger than 1,024 bytes.
    #[error("{len} bytes of data exceed the limit of {max}")]
    TooLarge {
        /// Length of its JSON in bytes.
        len: usize,
        /// Bytes that it may have.
        max: usize,
    },
    /// More client events than [`client_event_rate`](crate::ConfigBuilder::client_event_rate) were triggered within a
    /// second, and [`client_event_rate_limit`](crate::ConfigBuilder::client_event_rate_limit) is
    /// [`Refuse`](crate::Strictness::Refuse).
    #[error("too many client events; the next one can be sent in {retry_in:?}")]
    RateLimited {
        /// How long until the next event can be sent.
        retry_in: Duration,
    },
    /// The queue of unsent client events is full.
    #[error("the queue of client events is full")]
    QueueFull,
    /// The name of the channel or of the event is invalid.
    #[error("the name of the channel or of the event is invalid")]
    Name(#[source] InvalidName),
    /// The data has no JSON form; the text says why.
    #[error("the data cannot be serialized as JSON: {0}")]
    Data(Text),
}

impl From<InvalidName> for TriggerError {
    fn from(error: InvalidName) -> Self {
        Self::Name(error)
    }
}

#[cfg(test)]
mod tests {
    use alloc::string::ToString;
    use core::error::Error;

    use super::*;
    use crate::{InvalidName, with_causes};

    #[test]
    fn errors_that_wrap_another_return_it_as_their_source_and_do_not_repeat_it() {
        let server = || ServerError { code: None, message: "over capacity".into() };
        let auth = || AuthError::Timeout;
        let transport = || TransportError::Io("refused".into());
        let timeout = || Box::new(ConnectionError::PongTimeout);
        let failed = || CloseReason::Failed(transport());
        let wrappers: [(&dyn Error, &dyn Error); 16] = [
            (&ConnectionError::Transport(transport()), &transport()),
            (&ConnectionError::Refused(server()), &server()),
            (&ConnectionError::Closed { reason: failed(), during_handshake: false }, &failed()),
            (&ConnectionError::Server(server()), &server()),
            (
                &ConnectionError::Protocol(ProtocolError::FrameTooLarge { len: 2, max: 1 }),
                &ProtocolError::FrameTooLarge { len: 2, max: 1 },
            ),
            (&FailReason::GaveUp { attempts: 1, last: timeout() }, &timeout()),
            (&SubscriptionError::Auth(auth()), &auth()),
            (&SubscriptionError::Refused(server()), &server()),
            (&SubscriptionError::Timeout { probable_cause: Some(server()) }, &server()),
            (&SigninError::Auth(auth()), &auth()),
            (&SigninError::Refused(server()), &server()),
            (&SigninError::Timeout { probable_cause: Some(server()) }, &server()),
            (&DecryptionError::KeyRefresh(auth().into()), &auth()),
            (&crate::InvalidConfig::Key(InvalidName::Empty), &InvalidName::Empty),
            (&TriggerError::Name(InvalidName::Empty), &InvalidName::Empty),
            (&failed(), &transport()),
        ];
        for (wrapper, source) in wrappers {
            assert_eq!(wrapper.source().map(ToString::to_string), Some(source.to_string()), "{wrapper:?}");
            assert!(!wrapper.to_string().contains(&source.to_string()), "a printed chain repeats {source}");
        }
        let last = ConnectionError::Closed { reason: failed(), during_handshake: true };
        let line =
            "gave up after 2 failed attempts: the connection ended during the handshake: the socket failed: refused";
        assert_eq!(with_causes(&FailReason::GaveUp { attempts: 2, last: Box::new(last) }).to_string(), line);
    }
}
