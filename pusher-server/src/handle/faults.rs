//! Faults on demand.

use std::time::Duration;

use pusher_proto::server::ConnectionId;
use pusher_proto::{ChannelName, CloseFrame, Text};

use super::Handle;
use crate::line::Outgoing;

/// # Faults
impl Handle {
    /// Closes every connection with this code and reason, in the way in which a server of this dialect stops: some drop
    /// the socket without a close frame. A reason of more than 123 bytes is truncated.
    pub fn close_all(&self, code: u16, reason: impl Into<Text>) {
        let frame = CloseFrame { code, reason: reason.into() };
        self.shared.with_model(|model, now| model.close_all(&frame, now));
    }

    /// Closes one connection in the same way. Returns whether it was connected.
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
    /// let connections = handle.wait_for_connection(1, std::time::Duration::from_secs(5)).await?;
    /// assert!(handle.close_connection(connections[0].connection, 4200, "restart"));
    /// assert_eq!(handle.connection_count(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn close_connection(&self, connection: ConnectionId, code: u16, reason: impl Into<Text>) -> bool {
        let frame = CloseFrame { code, reason: reason.into() };
        self.shared.with_model(|model, now| model.close(connection, &frame, now))
    }

    /// Drops the TCP connection of every socket without a close frame, which clients see as the code 1006. What was not
    /// yet sent is lost.
    pub fn cut_all(&self) {
        self.shared.cut_all();
    }

    /// Drops the TCP connection of one socket in the same way. Returns whether it was open.
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
    /// let connections = handle.wait_for_connection(1, std::time::Duration::from_secs(5)).await?;
    /// assert!(handle.cut_connection(connections[0].connection));
    /// assert_eq!(handle.connection_count(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn cut_connection(&self, connection: ConnectionId) -> bool {
        self.shared.cut(connection)
    }

    /// While silent, the server sends nothing on any socket, like a network that stalls in one direction, or like a process
    /// that hangs if the silence never ends. It still accepts sockets and reads them.
    ///
    /// Nothing is lost: what it would have sent waits, and is sent in order when the silence ends. The number of
    /// messages that wait is bounded by [`Options::queue_len`](crate::Options::queue_len); a client for which more would
    /// wait loses its socket. The server's own deadlines continue, so after minutes, a close frame may be among what waits.
    ///
    /// Once a client has sent a WebSocket ping or a close frame, which would have to be answered, its socket is not read
    /// until the silence ends, and counts as connected until then. [`Handle::cut_all`] and [`Handle::cut_connection`] take
    /// effect at once.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = pusher_server::Server::start(pusher_server::Options::default()).await?;
    /// # let handle = server.handle();
    /// handle.silence(true);
    /// // The program under test subscribes and hears nothing, until it gives up or the silence ends.
    /// handle.silence(false);
    /// # Ok(())
    /// # }
    /// ```
    pub fn silence(&self, silent: bool) {
        self.shared.with_state(|state, _| state.set_silent(silent));
    }

    /// The same for one socket. Returns whether it is open. A socket is silent while this or [`Handle::silence`] says so.
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
    /// let connections = handle.wait_for_connection(1, std::time::Duration::from_secs(5)).await?;
    /// assert!(handle.silence_connection(connections[0].connection, true));
    /// # Ok(())
    /// # }
    /// ```
    pub fn silence_connection(&self, connection: ConnectionId, silent: bool) -> bool {
        self.shared.with_state(|state, _| state.set_connection_silent(connection, silent))
    }

    /// From now on, everything that the server sends on a WebSocket is sent this much later, in order. Zero ends this.
    /// At most 20 s are used. Messages on their way count as waiting ones ([`Options::queue_len`](crate::Options::queue_len)). Answers
    /// to WebSocket pings and answers to HTTP requests are not delayed.
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
    /// handle.delay(Duration::from_millis(250));
    /// // The program under test runs on a slow network.
    /// handle.delay(Duration::ZERO);
    /// # Ok(())
    /// # }
    /// ```
    pub fn delay(&self, delay: Duration) {
        self.shared.with_state(|state, _| state.delay = delay.min(MAX_DELAY));
    }

    /// Forgets every message that clients could have replayed, as a restart of Sockudo without durable history does. A client
    /// that recovers learns that continuity was lost. It has an effect only on [`Dialect::SockudoV2`].
    ///
    /// [`Dialect::SockudoV2`]: pusher_proto::server::Dialect::SockudoV2
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// use pusher_server::pusher_proto::server::Dialect;
    /// use pusher_server::{Options, Server};
    ///
    /// let server = Server::start(Options::default().dialect(Dialect::SockudoV2)).await?;
    /// // The program under test subscribes, and receives events.
    /// server.handle().reset_streams();
    /// server.handle().cut_all();
    /// // The program under test reports a gap.
    /// # Ok(())
    /// # }
    /// ```
    pub fn reset_streams(&self) {
        self.shared.with_model(|model, _| model.reset_streams());
    }

    /// While set, every new socket is refused with this code and reason, in the form of the server's dialect.
    pub fn refuse_connections(&self, refusal: Option<(u16, &str)>) {
        let frame = refusal.map(|(code, reason)| CloseFrame { code, reason: reason.into() });
        self.shared.with_model(|model, _| model.set_refusal(frame));
    }

    /// While refused, the server answers new subscriptions to this channel with an error: the one with which a server of this
    /// dialect answers a wrong signature. The auth endpoint still signs, and those who are subscribed stay so.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = pusher_server::Server::start(pusher_server::Options::default()).await?;
    /// # let handle = server.handle();
    /// use pusher_server::pusher_proto::ChannelName;
    ///
    /// let orders = ChannelName::new("private-orders")?;
    /// handle.refuse_subscriptions(&orders, true);
    /// // The program under test cannot subscribe.
    /// handle.refuse_subscriptions(&orders, false);
    /// # Ok(())
    /// # }
    /// ```
    pub fn refuse_subscriptions(&self, channel: &ChannelName, refuse: bool) {
        self.shared.with_model(|model, _| model.refuse_subscriptions(channel.clone(), refuse));
    }

    /// While refusing, the auth endpoints answer 403. This replaces a status that [`auth_status`](Self::auth_status) has set,
    /// and its end ends that as well.
    pub fn refuse_auth(&self, refuse: bool) {
        self.auth_status(refuse.then_some(403));
    }

    /// While refusing, the auth endpoint answers 403 for this channel, and signs the others.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = pusher_server::Server::start(pusher_server::Options::default()).await?;
    /// # let handle = server.handle();
    /// use pusher_server::pusher_proto::ChannelName;
    ///
    /// let orders = ChannelName::new("private-orders")?;
    /// handle.refuse_auth_for(&orders, true);
    /// // The program under test is not allowed to subscribe.
    /// handle.refuse_auth_for(&orders, false);
    /// # Ok(())
    /// # }
    /// ```
    pub fn refuse_auth_for(&self, channel: &ChannelName, refuse: bool) {
        self.shared.set_auth(|auth| {
            if refuse {
                auth.refused.insert(channel.clone());
            } else {
                auth.refused.remove(channel);
            }
        });
    }

    /// While set, the auth endpoints answer with this HTTP status, such as 500 or 429, and do not sign.
    pub fn auth_status(&self, status: Option<u16>) {
        self.shared.set_auth(|auth| auth.status = status);
    }

    /// From now on, the auth endpoints answer each request this much later. Zero ends this. At most 20 s are used.
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
    /// handle.delay_auth(Duration::from_secs(2));
    /// // The program under test has a slow backend.
    /// handle.delay_auth(Duration::ZERO);
    /// # Ok(())
    /// # }
    /// ```
    pub fn delay_auth(&self, delay: Duration) {
        self.shared.set_auth(|auth| auth.delay = delay.min(MAX_DELAY));
    }

    /// Stops accepting TCP connections. Open connections continue.
    pub fn stop_listening(&self) {
        self.shared.stop_listening();
    }
}

/// # Messages by hand
///
/// They wait in the same queues as the server's own messages. The server does not know what they mean: after a
/// `subscription_succeeded` by hand, for example, no client is subscribed.
impl Handle {
    /// Sends any text to one socket. Returns whether it is open.
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
    /// let connections = handle.wait_for_connection(1, std::time::Duration::from_secs(5)).await?;
    /// let error = r#"{"event":"pusher:subscription_error","channel":"private-a","data":{"status":500}}"#;
    /// assert!(handle.send(connections[0].connection, error));
    /// # Ok(())
    /// # }
    /// ```
    pub fn send(&self, connection: ConnectionId, text: impl Into<Text>) -> bool {
        let text = text.into();
        self.shared.with_state(|state, now| state.say(connection, text, now))
    }

    /// Sends any text to every socket. Returns how many there are.
    ///
    /// # Examples
    ///
    /// ```
    /// # #[tokio::main]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let server = pusher_server::Server::start(pusher_server::Options::default()).await?;
    /// # let handle = server.handle();
    /// // The program under test must survive this.
    /// handle.send_all("not JSON");
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_all(&self, text: impl Into<Text>) -> usize {
        let text = text.into();
        self.shared.with_state(|state, now| {
            let sockets: Vec<_> = state.sockets.keys().copied().collect();
            sockets.into_iter().filter(|socket| state.say(*socket, text.clone(), now)).count()
        })
    }

    /// Sends a `pusher:error` without a channel to one connection, in the form of the server's dialect. Returns whether it is
    /// connected. The connection continues.
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
    /// let connections = handle.wait_for_connection(1, std::time::Duration::from_secs(5)).await?;
    /// assert!(handle.send_error(connections[0].connection, Some(4301), "Rate limit exceeded"));
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_error(&self, connection: ConnectionId, code: Option<u16>, message: &str) -> bool {
        self.shared.with_model(|model, now| model.send_error(connection, code, message, now))
    }

    /// Sends a WebSocket ping to one socket. Returns whether it is open. The answer is in [`Handle::received`], as
    /// [`Frame::Pong`](pusher_proto::Frame::Pong).
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
    /// use pusher_server::pusher_proto::Frame;
    ///
    /// # let url = format!("{}/app/app-key?protocol=7", server.ws_url());
    /// # let (mut socket, _) = tokio_tungstenite::connect_async(url).await?;
    /// # tokio::spawn(async move { while let Some(Ok(_)) = futures_util::StreamExt::next(&mut socket).await {} });
    /// // The program under test connects.
    /// let connections = handle.wait_for_connection(1, Duration::from_secs(5)).await?;
    /// let mark = handle.mark();
    /// assert!(handle.send_ping(connections[0].connection));
    /// handle.wait_for_received(mark, Duration::from_secs(5), |received| received.frame == Frame::Pong).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn send_ping(&self, connection: ConnectionId) -> bool {
        self.shared.with_state(|state, now| state.enqueue(connection, Outgoing::Ping, now))
    }
}

/// The longest delay. Requests to the auth endpoints must be answered within 30 s.
const MAX_DELAY: Duration = Duration::from_secs(20);
