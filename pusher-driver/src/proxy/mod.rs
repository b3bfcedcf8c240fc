//! Proxies on the way to the server.

mod hop;
mod server;
#[cfg(test)]
mod tests;
mod tunnel;

pub use self::hop::Hop;
pub(crate) use self::hop::Proxies;
pub use self::server::{InvalidProxy, Proxy, proxy_url};
pub use self::tunnel::Tunnel;
