//! *At most one unanswered subscription* of a channel, no more of all channels than the window allows (*windows are kept*),
//! and *every subscription ends*. *a success is reported once*, and *a subscribed channel does not time out*. Exactly one success
//! of a wish is its first: *a success says whether it is the first*.

use std::time::Duration;

use pusher_proto::{Event, SubscriptionError};

use super::super::EPSILON;
use super::super::facts::{Ending, OnSocket, Reported};
use super::super::outputs::Outgoing;
use super::{Channel, Checker, Message, Scene};

#[derive(Default)]
pub(crate) struct Subscriptions;

impl Checker for Subscriptions {
    fn sent(&mut self, message: &Message<'_>, scene: &mut Scene<'_>) {
        let Outgoing::Subscribe { channel } = message.kind else { return };
        let Some((name, channel)) = scene.facts.channels.find(channel) else { return };
        if let Some(problem) = problem(channel) {
            scene.violated("at most one unanswered subscription", format!("{name}: {problem}"));
        }
        let is_pending = |channel: &Channel| channel.wanted && matches!(channel.on_socket, OnSocket::Sent { .. });
        let others = scene.facts.channels.iter().filter(|(other, channel)| *other != name && is_pending(channel));
        if others.count() >= scene.facts.limits.subscribe_window {
            scene.violated("windows are kept", "too many subscriptions");
        }
    }

    fn emitted(&mut self, event: &Event, scene: &mut Scene<'_>) {
        let Some(name) = event.channel() else { return };
        if let Event::SubscriptionSucceeded { again, .. } = event
            && scene.facts.channels.get(name).is_none_or(|channel| channel.was_subscribed != *again)
        {
            scene.violated("a success says whether it is the first", format!("{name}, again: {again}"));
        }
        if !scene.facts.channels.get(name).is_some_and(|channel| channel.reported == Reported::Subscribed) {
            return;
        }
        match event {
            Event::SubscriptionSucceeded { .. } => scene.violated("a success is reported once", name.as_str()),
            Event::SubscriptionError { error: SubscriptionError::Timeout { .. }, .. } => {
                scene.violated("a subscribed channel does not time out", name.as_str());
            }
            _ => {}
        }
    }

    fn ticked(&mut self, scene: &mut Scene<'_>) {
        let facts = scene.facts;
        for (name, channel) in facts.channels.iter().filter(|(_, channel)| channel.wanted) {
            if let OnSocket::Sent { at } = channel.on_socket
                && facts.now > at + SUBSCRIBE_TIMEOUT + EPSILON
            {
                scene.violated("every subscription ends", format!("{name} was sent at {at}"));
            }
        }
    }
}

/// Why a subscription must not be sent now.
fn problem(channel: &Channel) -> Option<&'static str> {
    if !channel.wanted {
        return Some("it is not wanted any more");
    }
    match channel.on_socket {
        OnSocket::Sent { .. } => Some("it was sent and not answered"),
        OnSocket::Confirmed => Some("it is subscribed"),
        OnSocket::Ended(Ending::TimedOut) => Some("it timed out and was not unsubscribed"),
        OnSocket::Nothing | OnSocket::Ended(Ending::Refused) | OnSocket::Unclear => None,
    }
}

/// The client's default, which no mix changes.
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(30);
