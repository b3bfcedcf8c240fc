//! Events on their way to the application, and client events on theirs to the server.

mod client_events;
mod continuity;
mod debts;
mod queue;

use pusher_proto::{Action, AuthError, ChannelName, CloseReason, ConnectionState, Event};

use super::checker::{Checker, Quiet, Scene, checkers};
use super::facts::{Channel, Request};
use super::inputs::{AppCall, Incoming};
use super::outputs::Message;

checkers! {
    OfDelivery {
        queue: queue::Queue,
        client_events: client_events::ClientEvents,
        debts: debts::Debts,
        continuity: continuity::Continuity,
    }
}
