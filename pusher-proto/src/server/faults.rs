//! Faults, and messages that the protocol does not require.

use super::{ConnectionId, Server};
use crate::{ChannelName, CloseFrame, Instant};

impl Server {
    /// Ends every connection with `frame`, as the real server does when it stops: Reverb and laravel-websockets drop
    /// their sockets without a close frame, and soketi gives no reason.
    pub fn close_all(&mut self, frame: &CloseFrame, now: Instant) {
        self.advance(now);
        while let Some((&id, _)) = self.connections.first_key_value() {
            self.end(id, frame.clone(), self.config.profile().stop);
        }
    }

    /// Ends one connection with `frame`, in the same way as [`Server::close_all`]. Returns whether it was connected.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::server::{Action, ConnectionId, Server, ServerConfig};
    /// use pusher_proto::signing::App;
    /// use pusher_proto::{CloseFrame, Instant};
    ///
    /// let mut server = Server::new(ServerConfig::new(App::new("1", "key", "secret")?), 7);
    /// let (client, now) = (ConnectionId::new(1), Instant::ZERO);
    /// server.handle_open(client, "/app/key?protocol=7", now);
    /// # while server.poll_action(now).is_some() {}
    ///
    /// let frame = CloseFrame { code: 4200, reason: "restart".into() };
    /// assert!(server.close(client, &frame, now));
    /// assert_eq!(server.poll_action(now), Some(Action::Close(client, frame.clone())));
    /// assert!(!server.close(client, &frame, now));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn close(&mut self, connection: ConnectionId, frame: &CloseFrame, now: Instant) -> bool {
        self.advance(now);
        let is_connected = self.connections.contains_key(&connection);
        if is_connected {
            self.end(connection, frame.clone(), self.config.profile().stop);
        }
        is_connected
    }

    /// While silent, the server accepts input but sends nothing, like a process that hangs: no answers, no events and
    /// no pings, and it closes no sockets. Whatever it would have sent is lost.
    ///
    /// No network loses data on a socket that continues. To simulate one that stalls, keep the actions and perform them
    /// later.
    pub fn set_silent(&mut self, silent: bool) {
        self.outbox.set_silent(silent);
    }

    /// While set, every new socket is refused with this code and reason: in a close frame, or in an error frame if the
    /// server refuses without close frames.
    pub fn set_refusal(&mut self, frame: Option<CloseFrame>) {
        self.refusal = frame;
    }

    /// While refused, subscriptions to this channel are answered as if their signature were wrong, also if the channel
    /// is public. Existing subscriptions continue.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::server::{Action, ConnectionId, Dialect, Server, ServerConfig};
    /// use pusher_proto::signing::App;
    /// use pusher_proto::{ChannelName, Frame, Instant};
    ///
    /// let config = ServerConfig::new(App::new("1", "key", "secret")?).with_dialect(Dialect::Soketi);
    /// let mut server = Server::new(config, 7);
    /// let (client, now) = (ConnectionId::new(1), Instant::ZERO);
    /// server.handle_open(client, "/app/key?protocol=7", now);
    /// # while server.poll_action(now).is_some() {}
    ///
    /// server.refuse_subscriptions(ChannelName::new("chat")?, true);
    /// server.handle_frame(client, Frame::Text(r#"{"event":"pusher:subscribe","data":{"channel":"chat"}}"#.into()), now);
    /// let Some(Action::Send(_, text)) = server.poll_action(now) else { panic!() };
    /// assert!(text.contains("pusher:subscription_error"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn refuse_subscriptions(&mut self, channel: ChannelName, refuse: bool) {
        if refuse {
            self.refused.insert(channel);
        } else {
            self.refused.remove(&channel);
        }
    }

    /// Forgets every message that could be replayed, and begins to count anew in every channel, as a restart of a server
    /// without durable history does. Connections continue. Positions that clients know mean nothing from now on.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::server::{Dialect, Publication, Server, ServerConfig};
    /// use pusher_proto::signing::App;
    /// use pusher_proto::{ChannelName, Instant};
    ///
    /// let config = ServerConfig::new(App::new("1", "key", "secret")?).with_dialect(Dialect::SockudoV2);
    /// let mut server = Server::new(config, 7);
    /// let channel = ChannelName::new("chat")?;
    /// server.trigger(&Publication::new("message", [channel.clone()], "{}"), Instant::ZERO)?;
    ///
    /// server.reset_streams();
    /// assert_eq!(server.position(&channel), None);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn reset_streams(&mut self) {
        self.streams.reset();
    }

    /// Sends a `pusher:error` in the form of the dialect. Returns whether the client is connected; the connection
    /// continues.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::server::{Action, ConnectionId, Server, ServerConfig};
    /// use pusher_proto::signing::App;
    /// use pusher_proto::Instant;
    ///
    /// let mut server = Server::new(ServerConfig::new(App::new("1", "key", "secret")?), 7);
    /// let (client, now) = (ConnectionId::new(1), Instant::ZERO);
    /// server.handle_open(client, "/app/key?protocol=7", now);
    /// # while server.poll_action(now).is_some() {}
    ///
    /// assert!(server.send_error(client, Some(4301), "too fast", now));
    /// let error = r#"{"event":"pusher:error","data":{"code":4301,"message":"too fast"}}"#;
    /// assert_eq!(server.poll_action(now), Some(Action::Send(client, error.into())));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn send_error(&mut self, connection: ConnectionId, code: Option<u16>, message: &str, now: Instant) -> bool {
        self.advance(now);
        let is_connected = self.connections.contains_key(&connection);
        if is_connected {
            self.send(connection, self.config.profile().error(code, message, None));
        }
        is_connected
    }
}
