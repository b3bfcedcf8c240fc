//! The application's server: how many requests it gets, and the effects of its failures.

mod outages;
mod patience;
mod retry_after;

use pusher_proto::{Action, AuthError, ChannelName, CloseReason, ConnectionState, Event};

use super::checker::{Checker, Quiet, Scene, checkers};
use super::facts::Request;
use super::inputs::{AppCall, Incoming};
use super::outputs::Message;

checkers! {
    OfBackends {
        outages: outages::Outages,
        patience: patience::Patience,
        retry_after: retry_after::RetryAfter,
    }
}
