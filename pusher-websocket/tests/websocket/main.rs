//! What a client must do, by RFC 6455, by the cases of the Autobahn suite, and beside another library.

mod autobahn;
mod bounds;
mod differential;
mod handshake;
mod play;
mod rfc;
mod sending;
mod splits;
mod tungstenite_peer;
