//! Answers and ends of sockets as JSON.

use std::time::Duration;

use pusher_tokio::{AuthError, AuthResponse, CloseFrame, CloseReason, TransportError};
use serde::{Deserialize, Serialize};

/// An answer of the auth server, or why there is none.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Answer {
    Ok(Signed),
    Network(String),
    Timeout,
    Http(Refusal),
    InvalidJson(String),
    MissingAuth(String),
    BadSecret,
    Handler(String),
    NotConfigured,
    At(String, Box<Self>),
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Signed {
    auth: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    channel_data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    shared_secret: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    user_data: Option<String>,
}

/// Why a socket ended.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub(super) enum Ended {
    Closed(Option<(u16, String)>),
    Dropped,
    Dns(String),
    Io(String),
    Tls(String),
    Upgrade(String),
    Http(Refusal),
    Websocket(String),
    FrameTooLarge,
    TlsUnavailable,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Refusal {
    status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    retry_after: Option<Duration>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    location: Option<String>,
    excerpt: String,
}

impl From<&Result<AuthResponse, AuthError>> for Answer {
    fn from(answer: &Result<AuthResponse, AuthError>) -> Self {
        match answer {
            Ok(response) => Self::Ok(Signed {
                auth: response.auth.expose().to_owned(),
                channel_data: response.channel_data.as_deref().map(str::to_owned),
                shared_secret: response.shared_secret.as_ref().map(|secret| secret.expose().to_owned()),
                user_data: response.user_data.as_deref().map(str::to_owned),
            }),
            Err(error) => Self::from(error),
        }
    }
}

impl From<&AuthError> for Answer {
    fn from(error: &AuthError) -> Self {
        match error {
            AuthError::Network(text) => Self::Network(text.clone()),
            AuthError::Timeout => Self::Timeout,
            AuthError::Http { status, excerpt, retry_after } => {
                let (excerpt, retry_after) = (excerpt.clone(), *retry_after);
                Self::Http(Refusal { status: *status, retry_after, location: None, excerpt })
            }
            AuthError::InvalidJson { excerpt } => Self::InvalidJson(excerpt.clone()),
            AuthError::MissingAuth { excerpt } => Self::MissingAuth(excerpt.clone()),
            AuthError::BadSecret => Self::BadSecret,
            AuthError::Handler(text) => Self::Handler(text.clone()),
            AuthError::NotConfigured => Self::NotConfigured,
            AuthError::At { url, error } => Self::At(url.as_str().to_owned(), Box::new(Self::from(&**error))),
            // These name fields of the answer by constants of the library; they are as final as this one.
            error => Self::Handler(error.to_string()),
        }
    }
}

impl From<Answer> for Result<AuthResponse, AuthError> {
    fn from(answer: Answer) -> Self {
        match answer {
            Answer::Ok(signed) => {
                let mut response = AuthResponse::new(signed.auth);
                response.channel_data = signed.channel_data.map(Into::into);
                response.shared_secret = signed.shared_secret.map(Into::into);
                response.user_data = signed.user_data.map(Into::into);
                Ok(response)
            }
            Answer::Network(text) => Err(AuthError::Network(text)),
            Answer::Timeout => Err(AuthError::Timeout),
            Answer::Http(Refusal { status, retry_after, location: _, excerpt }) => {
                Err(AuthError::Http { status, excerpt, retry_after })
            }
            Answer::InvalidJson(excerpt) => Err(AuthError::InvalidJson { excerpt }),
            Answer::MissingAuth(excerpt) => Err(AuthError::MissingAuth { excerpt }),
            Answer::BadSecret => Err(AuthError::BadSecret),
            Answer::Handler(text) => Err(AuthError::Handler(text)),
            Answer::NotConfigured => Err(AuthError::NotConfigured),
            Answer::At(url, answer) => Self::from(*answer).map_err(|error| error.at(url)),
        }
    }
}

impl From<&CloseReason> for Ended {
    fn from(reason: &CloseReason) -> Self {
        match reason {
            CloseReason::Closed(frame) => {
                Self::Closed(frame.as_ref().map(|frame| (frame.code, frame.reason.as_str().to_owned())))
            }
            CloseReason::Dropped => Self::Dropped,
            CloseReason::FrameTooLarge => Self::FrameTooLarge,
            CloseReason::TlsUnavailable => Self::TlsUnavailable,
            CloseReason::Failed(error) => match error {
                TransportError::Dns(text) => Self::Dns(text.clone()),
                TransportError::Tls(text) => Self::Tls(text.clone()),
                TransportError::Upgrade(text) => Self::Upgrade(text.clone()),
                TransportError::WebSocket(text) => Self::Websocket(text.clone()),
                TransportError::Http { status, retry_after, location, excerpt } => Self::Http(Refusal {
                    status: *status,
                    retry_after: *retry_after,
                    location: location.as_deref().map(str::to_owned),
                    excerpt: excerpt.as_ref().to_owned(),
                }),
                error => Self::Io(error.to_string()),
            },
            reason => Self::Io(reason.to_string()),
        }
    }
}

impl From<Ended> for CloseReason {
    fn from(ended: Ended) -> Self {
        let error = match ended {
            Ended::Closed(frame) => return Self::Closed(frame.map(|(code, reason)| CloseFrame::new(code, reason))),
            Ended::Dropped => return Self::Dropped,
            Ended::FrameTooLarge => return Self::FrameTooLarge,
            Ended::TlsUnavailable => return Self::TlsUnavailable,
            Ended::Dns(text) => TransportError::Dns(text),
            Ended::Io(text) => TransportError::Io(text),
            Ended::Tls(text) => TransportError::Tls(text),
            Ended::Upgrade(text) => TransportError::Upgrade(text),
            Ended::Websocket(text) => TransportError::WebSocket(text),
            Ended::Http(Refusal { status, retry_after, location, excerpt }) => TransportError::Http {
                status,
                retry_after,
                location: location.map(Into::into),
                excerpt: excerpt.into(),
            },
        };
        Self::Failed(error)
    }
}
