//! Rare transitions of channels and their events.

use std::collections::BTreeSet;

use pusher_proto::{AuthError, ChannelKind, DecryptionError, Event, SubscriptionError};

use super::super::facts::{Ending, OnSocket};
use super::super::inputs::Input;
use super::super::outputs::Outgoing;
use super::{Channel, Checker, Incoming, Message, Request, Scene};
use crate::simulation::reached::Rare;

#[derive(Default)]
pub(crate) struct RareOfChannels {
    /// Channels of unexpected successes since the last drain.
    strays: BTreeSet<String>,
}

impl Checker for RareOfChannels {
    fn handed(&mut self, frame: &Incoming<'_>, scene: &mut Scene<'_>) {
        let Incoming::Success { channel: name, position: _ } = frame else { return };
        let channel = scene.facts.channels.find(name).map(|(_, channel)| channel);
        if channel.is_none_or(|channel| channel.on_socket == OnSocket::Nothing && !channel.wanted) {
            self.strays.insert((*name).to_owned());
        }
        if let Some(rare) = channel.and_then(succeeded) {
            scene.reach(rare);
        }
    }

    fn answered(&mut self, request: &Request, error: Option<&AuthError>, scene: &mut Scene<'_>) {
        let channel = request.channel.as_ref().and_then(|name| scene.facts.channels.get(name));
        let since = channel.and_then(|channel| channel.awaits_key_since);
        if request.is_for_key() && error.is_none() && since.is_some_and(|since| since < request.at) {
            scene.reach(Rare::KeyAwaited);
        }
        match error {
            Some(AuthError::Http { status: 429, retry_after: Some(_), .. }) => scene.reach(Rare::Throttled),
            Some(AuthError::Http { status: 429, retry_after: None, .. }) => scene.reach(Rare::ThrottledSilently),
            _ => {}
        }
    }

    fn drain_begins(&mut self, scene: &mut Scene<'_>) {
        for (_, channel) in scene.facts.channels.iter() {
            let is_sent = matches!(channel.on_socket, OnSocket::Sent { .. });
            if channel.wish == Some(true) && !channel.wanted && is_sent {
                scene.reach(Rare::ResubscribedWhileSent);
            }
        }
    }

    fn sent(&mut self, message: &Message<'_>, scene: &mut Scene<'_>) {
        let Outgoing::Unsubscribe { channel } = message.kind else { return };
        if self.strays.remove(channel) {
            scene.reach(Rare::StraySuccess);
        }
        let Some((name, channel)) = scene.facts.channels.find(channel) else { return };
        let is_sent = matches!(channel.on_socket, OnSocket::Sent { .. });
        if channel.wanted && is_sent && name.kind() == ChannelKind::Presence {
            scene.reach(Rare::ExistingSubscription);
        }
    }

    fn drained(&mut self, _scene: &mut Scene<'_>) {
        self.strays.clear();
    }

    fn emitted(&mut self, event: &Event, scene: &mut Scene<'_>) {
        let facts = scene.facts;
        match event {
            Event::SubscriptionSucceeded { channel, .. }
                if facts.channels.get(channel).is_some_and(|channel| channel.was_subscribed) =>
            {
                scene.reach(Rare::Resubscribed);
            }
            Event::SubscriptionError { error: SubscriptionError::Timeout { probable_cause: Some(_) }, .. } => {
                scene.reach(Rare::ProbableCause);
            }
            // In a drain of several inputs, the refusal may be about the only unanswered subscription.
            Event::SubscriptionError { error: SubscriptionError::Refused(_), .. }
                if facts.input == Input::Success && !facts.was_unpolled =>
            {
                scene.reach(Rare::HeldErrorAttributed);
            }
            Event::Channel(event) if facts.input == Input::Other && event.channel().is_cache() => {
                scene.reach(Rare::CachedEvent);
            }
            Event::DecryptionError { error: DecryptionError::KeyRefresh(_), .. } => {
                scene.reach(Rare::KeyRefreshFailed);
            }
            Event::DecryptionError { error: DecryptionError::Overflow, .. } => scene.reach(Rare::HeldOverflow),
            Event::CacheMiss { .. } => scene.reach(Rare::CacheMiss),
            Event::Lagged { .. } if facts.was_unpolled => scene.reach(Rare::Lagged),
            _ => {}
        }
    }
}

/// What is rare about a success for this channel.
fn succeeded(channel: &Channel) -> Option<Rare> {
    match (channel.on_socket, channel.failed_before) {
        (OnSocket::Ended(Ending::TimedOut), _) if channel.wanted => Some(Rare::LateSuccess),
        (OnSocket::Ended(Ending::Refused), _) if channel.wanted => Some(Rare::WrongRefusalHealed),
        (OnSocket::Sent { .. } | OnSocket::Unclear, Some(Ending::Refused)) if channel.wanted => {
            Some(Rare::RefusedThenRetried)
        }
        (OnSocket::Sent { .. } | OnSocket::Unclear, Some(Ending::TimedOut)) if channel.wanted => {
            Some(Rare::TimedOutThenRetried)
        }
        (OnSocket::Sent { .. }, _) if !channel.wanted => Some(Rare::UnsubscribedWhileSent),
        (
            OnSocket::Sent { .. } | OnSocket::Nothing | OnSocket::Confirmed | OnSocket::Ended(_) | OnSocket::Unclear,
            _,
        ) => None,
    }
}
