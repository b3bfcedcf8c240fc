//! Servers that the scenarios run against.

use std::net::SocketAddr;

/// A server of your own that clients connect to instead of the development server.
///
/// The application has the key `app-key` and the secret `app-secret`; clients get their authorizations from the development
/// server, which signs with the same secret. The server listens without TLS.
///
/// # Examples
///
/// ```
/// use std::net::SocketAddr;
///
/// use pusher_test::conformance::ForeignServer;
///
/// /// Another development server, instead of a program of yours.
/// struct Mine {
///     runtime: tokio::runtime::Runtime,
///     address: SocketAddr,
///     running: std::sync::Mutex<Option<pusher_server::Server>>,
/// }
///
/// impl ForeignServer for Mine {
///     fn address(&self) -> SocketAddr {
///         self.address
///     }
///
///     fn publish(&self, channel: &str, data: &str) {
///         use pusher_test::pusher_proto::{ChannelName, server::Publication};
///         let channel = ChannelName::new(channel).expect("scenarios use valid names");
///         let running = self.running.lock().expect("nothing panics with the lock");
///         let server = running.as_ref().expect("nothing is published while the server is down");
///         server.handle().trigger(&Publication::new("message", [channel], data)).expect("the server publishes it");
///     }
///
///     fn stop(&self) {
///         let server = self.running.lock().expect("nothing panics with the lock").take();
///         self.runtime.block_on(server.expect("it is stopped once").shutdown());
///     }
///
///     fn start(&self) {
///         let options = pusher_server::Options::default().address(self.address);
///         let server = self.runtime.block_on(pusher_server::Server::start(options)).expect("the port is free");
///         *self.running.lock().expect("nothing panics with the lock") = Some(server);
///     }
/// }
/// ```
pub trait ForeignServer: Send + Sync + 'static {
    /// Returns where clients connect to.
    fn address(&self) -> SocketAddr;

    /// Publishes an event `message` on a channel, and returns when the server has accepted it.
    fn publish(&self, channel: &str, data: &str);

    /// Whether it has channels of this kind. `true` by default.
    fn supports(&self, channel: &str) -> bool {
        let _ = channel;
        true
    }

    /// Ends all connections and stops listening.
    fn stop(&self);

    /// Starts it again at the same address.
    fn start(&self);

    /// Returns why a scenario cannot be played with this server; then it is left out. `None` by default.
    fn lacks(&self, scenario: &str) -> Option<String> {
        let _ = scenario;
        None
    }
}
