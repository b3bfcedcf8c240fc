//! The connection: its states, its sockets, and how often it is tried.

mod attempts;
mod delays;
mod end;
mod liveness;
mod outages;
mod signatures;
mod sockets;
mod states;
mod unauthorized;

use pusher_proto::{Action, AuthError, ChannelName, CloseReason, ConnectionState, Event};

use super::checker::{Checker, Quiet, Scene, checkers};
use super::facts::Request;
use super::inputs::{AppCall, Incoming};
use super::outputs::Message;

checkers! {
    OfConnections {
        end: end::End,
        open_sockets: sockets::OpenSockets,
        states: states::States,
        wishes: states::ConnectionWishes,
        one_socket: sockets::OneSocket,
        attempts: attempts::Attempts,
        liveness: liveness::Liveness,
        delays: delays::Delays,
        outages: outages::Outages,
        signatures: signatures::Signatures,
        unauthorized: unauthorized::Unauthorized,
    }
}
