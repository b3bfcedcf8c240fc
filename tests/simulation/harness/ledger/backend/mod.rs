//! The application's server: how often it is asked, and what its trouble means.

mod outages;

use pusher_proto::{Action, AuthError, ChannelName, CloseReason, ConnectionState, Event};

use super::checker::{Checker, Quiet, Scene, checkers};
use super::facts::Request;
use super::inputs::{AppCall, Incoming};
use super::outputs::Message;

checkers! {
    OfBackends {
        outages: outages::Outages,
    }
}
