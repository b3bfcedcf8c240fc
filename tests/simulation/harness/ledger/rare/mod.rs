//! Rare transitions that can be observed without the state of an invariant. These checkers report no violations.

mod channels;
mod connection;

use pusher_proto::{Action, AuthError, ChannelName, CloseReason, ConnectionState, Event};

use super::checker::{Checker, Quiet, Scene, checkers};
use super::facts::{Channel, Request};
use super::inputs::{AppCall, Incoming};
use super::outputs::Message;

checkers! {
    OfRareTransitions {
        connection: connection::RareOfConnection,
        channels: channels::RareOfChannels,
    }
}
