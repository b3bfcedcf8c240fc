//! The WebSocket over any non-blocking stream, so that adapters only provide the stream.

mod limits;
mod masks;
mod open;
mod stream;
#[cfg(test)]
mod tests;
mod upgrade;

pub use self::limits::Limits;
pub use self::open::WebSocket;
pub use self::stream::NonBlocking;
pub use self::upgrade::Handshake;
