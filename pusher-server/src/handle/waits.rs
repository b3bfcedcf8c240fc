//! Waiting for what clients do, with a limit.

use std::collections::BTreeMap;
use std::time::Duration;
use std::{error, fmt};

use pusher_proto::ChannelName;
use pusher_proto::server::{ConnectionId, Server as Model};
use tokio::time::timeout;

use super::{ConnectionState, Handle, connections};
use crate::hub::State;
use crate::journal::{Mark, Received};

/// # Waiting
///
/// A task that waits is woken by the change itself; nothing is polled. Do not pause tokio's clock in such a test: it
/// jumps ahead while the test waits only for a socket, so that the limit passes at once.
impl Handle {
    /// Waits until at least `count` clients are connected, and returns the connections, the oldest first.
    ///
    /// # Errors
    ///
    /// If there are fewer after `limit`.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = pusher_server::Server::start(pusher_server::Options::default()).await?;
    /// # let handle = server.handle();
    /// # let url = format!("{}/app/app-key?protocol=7", server.ws_url());
    /// # let (_socket, _) = tokio_tungstenite::connect_async(url).await?;
    /// // The program under test connects.
    /// let limit = std::time::Duration::from_secs(5);
    /// let connections = handle.wait_for_connection(1, limit).await?;
    /// assert_eq!(connections, handle.connections());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_for_connection(&self, count: usize, limit: Duration) -> Result<Vec<ConnectionState>, WaitError> {
        // In one step, because a client may leave.
        let found = self.shared.found(|state| {
            let is_enough = state.model.connections().len() >= count;
            is_enough.then(|| connections(&state.model))
        });
        timeout(limit, found).await.map_err(|_| {
            self.wait_error(limit, format_args!("{} of {count} clients are connected", self.connection_count()))
        })
    }

    /// Waits until at least `count` clients are subscribed to a channel, and returns their connections, the oldest first.
    ///
    /// # Errors
    ///
    /// If there are fewer after `limit`. The error says what else is subscribed. A client whose authorization was refused does
    /// not send a subscription, so the error also says how many were refused.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = pusher_server::Server::start(pusher_server::Options::default()).await?;
    /// # let handle = server.handle();
    /// use std::time::Duration;
    ///
    /// use pusher_server::pusher_proto::ChannelName;
    ///
    /// # let url = format!("{}/app/app-key?protocol=7", server.ws_url());
    /// # let (mut socket, _) = tokio_tungstenite::connect_async(url).await?;
    /// # let subscribe = r#"{"event":"pusher:subscribe","data":{"channel":"chat"}}"#;
    /// # futures_util::SinkExt::send(&mut socket, subscribe.into()).await?;
    /// // The program under test subscribes to `chat`.
    /// let chat = ChannelName::new("chat")?;
    /// let subscribers = handle.wait_for_subscription(&chat, 1, Duration::from_secs(5)).await?;
    /// assert!(handle.close_connection(subscribers[0], 4200, "restart"));
    ///
    /// let error = handle.wait_for_subscription(&chat, 1, Duration::from_millis(10)).await.unwrap_err();
    /// assert!(error.to_string().starts_with("after 10ms, 0 of 1 clients are subscribed to chat"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_for_subscription(
        &self,
        channel: &ChannelName,
        count: usize,
        limit: Duration,
    ) -> Result<Vec<ConnectionId>, WaitError> {
        let found = self.shared.found(|state| {
            let subscribers = subscribers(&state.model, channel);
            (subscribers.len() >= count).then_some(subscribers)
        });
        timeout(limit, found).await.map_err(|_| {
            let found = self.shared.with_model(|model, _| subscribers(model, channel).len());
            self.wait_error(limit, format_args!("{found} of {count} clients are subscribed to {channel}"))
        })
    }

    /// Waits until a client has sent a message that `is_wanted` accepts, after `mark`, and returns the first such message.
    /// The default mark is before the first message.
    ///
    /// # Errors
    ///
    /// If there was none within `limit`. The error lists the last messages that were received.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = pusher_server::Server::start(pusher_server::Options::default()).await?;
    /// # let handle = server.handle();
    /// use std::time::Duration;
    ///
    /// use pusher_server::{Mark, Message};
    ///
    /// # let url = format!("{}/app/app-key?protocol=7", server.ws_url());
    /// # let (mut socket, _) = tokio_tungstenite::connect_async(url).await?;
    /// # let ping = r#"{"event":"pusher:ping","data":{}}"#;
    /// # futures_util::SinkExt::send(&mut socket, ping.into()).await?;
    /// // The program under test connects and sends a ping.
    /// let is_ping = |received: &pusher_server::Received| received.message == Message::Ping;
    /// handle.wait_for_received(Mark::default(), Duration::from_secs(5), is_ping).await?;
    ///
    /// let error = handle.wait_for_received(handle.mark(), Duration::from_millis(10), is_ping).await.unwrap_err();
    /// assert!(error.to_string().starts_with("after 10ms, none of 0 messages is the expected one"));
    /// # Ok(())
    /// # }
    /// ```
    pub async fn wait_for_received(
        &self,
        mark: Mark,
        limit: Duration,
        mut is_wanted: impl FnMut(&Received) -> bool,
    ) -> Result<Received, WaitError> {
        let mut next = mark;
        let found = async {
            loop {
                let new = |state: &State| (state.journal.end() > next).then(|| state.journal.since(next));
                let excerpt = self.shared.found(new).await;
                next = excerpt.end;
                // Without the lock, because the test may use the handle.
                if let Some(found) = excerpt.read().into_messages().into_iter().find(&mut is_wanted) {
                    return found;
                }
            }
        };
        timeout(limit, found).await.map_err(|_| {
            let received = self.received_since(mark);
            let (messages, missed) = (received.messages(), received.missed());
            let last: Vec<_> = messages.iter().rev().take(MAX_LISTED).map(|one| one.message.to_string()).collect();
            let mut what = format!("none of {} messages is the expected one", messages.len());
            if !last.is_empty() {
                what += &format!("; the last ones, newest first: {}", last.join(", "));
            }
            if missed > 0 {
                what += &format!("; {missed} earlier ones were dropped");
            }
            self.wait_error(limit, format_args!("{what}"))
        })
    }

    fn wait_error(&self, limit: Duration, what: fmt::Arguments<'_>) -> WaitError {
        let subscriptions = self.subscriptions();
        let listed = subscriptions.iter().take(MAX_LISTED).map(|(channel, count)| format!("{channel} ({count})"));
        let listed = if subscriptions.is_empty() { "none".to_owned() } else { listed.collect::<Vec<_>>().join(", ") };
        let connections = self.connection_count();
        let refused = match self.shared.refusals() {
            0 => String::new(),
            count => format!(", refused authorizations: {count}"),
        };
        WaitError(format!("after {limit:?}, {what} (connections: {connections}, subscriptions: {listed}{refused})"))
    }
}

/// What a test waits for did not happen in time.
///
/// # Examples
///
/// ```
/// # #[tokio::main]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// use std::time::Duration;
///
/// let server = pusher_server::Server::start(pusher_server::Options::default()).await?;
/// let error = server.handle().wait_for_connection(1, Duration::from_millis(10)).await.unwrap_err();
/// assert_eq!(error.to_string(), "after 10ms, 0 of 1 clients are connected (connections: 0, subscriptions: none)");
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WaitError(String);

impl fmt::Display for WaitError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for WaitError {}

pub(super) fn subscriptions(model: &Model) -> BTreeMap<ChannelName, usize> {
    let mut counts = BTreeMap::new();
    for channel in model.connections().flat_map(|(connection, _)| model.subscriptions(connection)) {
        *counts.entry(channel.clone()).or_default() += 1;
    }
    counts
}

fn subscribers(model: &Model, channel: &ChannelName) -> Vec<ConnectionId> {
    let connections = model.connections().map(|(connection, _)| connection);
    connections.filter(|connection| model.is_subscribed(*connection, channel)).collect()
}

/// Messages and channels that an error lists.
const MAX_LISTED: usize = 10;
