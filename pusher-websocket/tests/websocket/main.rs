//! What a client must do according to RFC 6455 and the Autobahn test suite, and in comparison with another library.

mod autobahn;
mod bounds;
mod differential;
mod handshake;
mod play;
mod rfc;
mod sending;
mod splits;
mod tungstenite_peer;
