//! Channels: what is wanted, what is sent to the server, and what is reported.

mod blame;
mod gaps;
mod progress;
mod roster;
mod subscriptions;
mod wishes;

use pusher_proto::{Action, AuthError, ChannelName, CloseReason, ConnectionState, Event};

use super::checker::{Checker, Quiet, Scene, checkers};
use super::facts::{Channel, Request};
use super::inputs::{AppCall, Incoming};
use super::outputs::Message;

checkers! {
    OfChannels {
        blame: blame::Blame,
        wishes: wishes::ChannelWishes,
        gaps: gaps::Gaps,
        subscriptions: subscriptions::Subscriptions,
        rosters: roster::Rosters,
        shown: wishes::Shown,
        progress: progress::Progress,
    }
}
