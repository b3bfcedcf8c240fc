//! *No channel is forgotten*: while there is a connection, a wanted channel makes progress, or its failure was
//! reported. It may wait for a window, for the sign-in, for a backend that is busy or down, or because the server
//! complained about the number of messages.

use std::time::Duration;

use pusher_proto::ChannelKind;

use super::super::EPSILON;
use super::super::facts::{OnSocket, Reported};
use super::{Channel, Checker, Quiet, Scene};
use crate::simulation::reached::Rare;

#[derive(Default)]
pub(crate) struct Progress;

impl Checker for Progress {
    fn channel_drained(&mut self, channel: &Quiet<'_>, scene: &mut Scene<'_>) {
        let Quiet { name, known: channel, .. } = channel;
        let facts = scene.facts;
        let is_under_way = channel.is_asked_for()
            || channel.retry_at.is_some_and(|at| at + EPSILON > facts.now)
            || !matches!(channel.on_socket, OnSocket::Nothing | OnSocket::Ended(_));
        let is_due = channel.wanted && channel.reported == Reported::Nothing && !is_under_way;
        // A machine that wakes up reads its socket before it acts on the deadlines that have passed.
        let has_deadline = scene.client.poll_timeout().is_some_and(|at| at <= facts.now);
        // After a pause in polling, nothing is certain.
        if !is_due || facts.was_unpolled || has_deadline || !scene.client.state().is_connected() {
            return;
        }
        let is_unanswered = |channel: &Channel| matches!(channel.on_socket, OnSocket::Sent { .. } | OnSocket::Unclear);
        let unanswered = facts.channels.iter().filter(|(_, channel)| is_unanswered(channel)).count();
        let subscriptions_are_full = unanswered >= facts.limits.subscribe_window;
        let is_paused = facts.backend.channels.may_pause(facts.now);
        let is_slowed = facts.slowed_at.is_some_and(|at| facts.now < at + SLOW);
        let auth_window = facts.backend.channels.window(facts.limits.auth_window);
        let requests_are_full = facts.requests.in_window() >= auth_window;
        if name.kind() == ChannelKind::Presence && facts.user.is_pending() {
            scene.reach(Rare::AwaitedUser);
        } else if requests_are_full && name.kind().needs_auth() && !subscriptions_are_full {
            scene.reach(Rare::AuthWindowFull);
        } else if requests_are_full || subscriptions_are_full {
            scene.reach(Rare::SubscribeWindowFull);
        } else if is_paused && name.kind().needs_auth() {
            scene.reach(Rare::Paused);
        } else if is_slowed {
            scene.reach(Rare::Slowed);
        } else {
            scene.violated("no channel is forgotten", format!("nothing is under way for {name}"));
        }
    }
}

/// How long a client may send its subscriptions more slowly after such a complaint.
const SLOW: Duration = Duration::from_secs(180);
