//! How a step waits for what should happen, and why it was not seen.

use std::time::Duration;

use futures_util::{Stream, StreamExt as _};
use pusher_tokio::{ConnectionError, Event, Subscription, with_causes};
use tokio::time::{Instant, timeout_at};

use crate::failure::Failure;

/// Why a step was not observed.
#[derive(Debug)]
pub(super) enum Miss {
    /// Something else happened.
    Failed(String),
    /// Nothing happened in time.
    Late {
        /// What was waited for.
        what: &'static str,
        /// How long.
        limit: Duration,
    },
    /// The server does not have it.
    Unsupported(String),
    /// No later step can succeed: the tour is over.
    Over(Failure),
}

impl Miss {
    pub(super) fn failed(why: impl Into<String>) -> Self {
        Self::Failed(why.into())
    }
}

impl std::fmt::Display for Miss {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Failed(why) | Self::Unsupported(why) => f.write_str(why),
            Self::Late { what, limit } => write!(f, "no {what} within {} s", limit.as_secs()),
            Self::Over(failure) => f.write_str(failure.message()),
        }
    }
}

/// Waits for the first event that `pick` accepts.
pub(super) async fn next<S, T>(
    stream: &mut S,
    limit: Duration,
    what: &'static str,
    mut pick: impl FnMut(Event) -> Option<T>,
) -> Result<T, Miss>
where
    S: Stream<Item = Event> + Unpin,
{
    let deadline = Instant::now() + limit;
    loop {
        match timeout_at(deadline, stream.next()).await {
            Err(_) => return Err(Miss::Late { what, limit }),
            Ok(None) => return Err(Miss::failed("the connection ended")),
            Ok(Some(event)) => {
                if let Some(found) = pick(event) {
                    return Ok(found);
                }
            }
        }
    }
}

/// Waits for the first event of a channel that `pick` accepts, or until the channel is refused.
pub(super) async fn next_on<T>(
    channel: &mut Subscription,
    limit: Duration,
    what: &'static str,
    mut pick: impl FnMut(Event) -> Option<T>,
) -> Result<T, Miss> {
    next(channel, limit, what, |event| match event {
        Event::SubscriptionError { error, .. } => Some(Err(Miss::failed(with_causes(&error).to_string()))),
        event => pick(event).map(Ok),
    })
    .await?
}

/// Waits for a published event of this name and returns its payload.
pub(super) async fn published(
    channel: &mut Subscription,
    limit: Duration,
    what: &'static str,
    name: &str,
) -> Result<String, Miss> {
    next_on(channel, limit, what, |event| match event {
        Event::Channel(event) if event.event() == name => Some(event.data().text().into_owned()),
        _ => None,
    })
    .await
}

/// Waits for an error of the server that does not belong to a channel; forever if there is none.
pub(super) async fn complaint<S: Stream<Item = Event> + Unpin>(stream: &mut S) -> String {
    loop {
        match stream.next().await {
            Some(Event::ConnectionError(ConnectionError::Server(error))) => return error.to_string(),
            Some(_) => {}
            None => std::future::pending().await,
        }
    }
}

/// How long a step waits.
pub(super) const LIMIT: Duration = Duration::from_secs(10);
