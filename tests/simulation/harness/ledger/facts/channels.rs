//! What is known about each channel.

use std::collections::BTreeMap;

use pusher_proto::{AuthId, ChannelName, Client, DecryptionError, Event, Instant, SubscriptionError};

use super::{Request, retry_at};
use crate::simulation::frame::number_of;

/// Every channel that was ever wanted.
#[derive(Default)]
pub(crate) struct Channels(BTreeMap<ChannelName, Channel>);

#[derive(Default)]
pub(crate) struct Channel {
    /// What the application has called since the last drain.
    pub(crate) wish: Option<bool>,
    pub(crate) wanted: bool,
    pub(crate) on_socket: OnSocket,
    /// Subscriptions on this socket that were not confirmed.
    pub(crate) unconfirmed: u32,
    /// Whether an error arrived while the channel was subscribed by one of several attempts; it may have refused the
    /// latest.
    pub(crate) is_doubtful: bool,
    pub(crate) reported: Reported,
    /// Whether it has been subscribed since it is wanted.
    pub(crate) was_subscribed: bool,
    /// An unanswered request, and whether it is for a newer key.
    asked: Option<(AuthId, bool)>,
    /// When the client will try again.
    pub(crate) retry_at: Option<Instant>,
    /// Since when events wait for a requested key.
    pub(crate) awaits_key_since: Option<Instant>,
    /// How the previous attempt on the same socket ended.
    pub(crate) failed_before: Option<Ending>,
    pub(crate) latest: Latest,
}

/// The numbers of the latest events of a channel.
#[derive(Clone, Copy, Default)]
pub(crate) struct Latest {
    /// The application received it, readable or not.
    pub(crate) reported: Option<u64>,
    /// The application could read it.
    pub(crate) read: Option<u64>,
}

/// What the client has sent to the server on this socket, and the answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum OnSocket {
    #[default]
    Nothing,
    Sent {
        at: Instant,
    },
    Confirmed,
    Ended(Ending),
    /// Cannot be known from outside.
    Unclear,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    Refused,
    TimedOut,
}

/// The last event that the application received about it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Reported {
    #[default]
    Nothing,
    Subscribed,
    Failed,
}

impl Channel {
    /// Whether events that arrive are for the application.
    pub(crate) fn is_listening(&self) -> bool {
        self.wanted && matches!(self.on_socket, OnSocket::Sent { .. } | OnSocket::Confirmed)
    }

    /// Whether a newer key was requested, or will be requested again.
    pub(crate) fn is_refreshing(&self) -> bool {
        self.asked.is_some_and(|(_, for_key)| for_key) || self.awaits_key_since.is_some()
    }

    pub(crate) fn is_asked_for(&self) -> bool {
        self.asked.is_some()
    }

    /// If it is wanted again, it starts over. Only what is in progress is remembered.
    fn drop_wish(&mut self) {
        let on_socket = match self.on_socket {
            OnSocket::Ended(_) | OnSocket::Nothing => OnSocket::Nothing,
            OnSocket::Sent { .. } | OnSocket::Confirmed | OnSocket::Unclear => self.on_socket,
        };
        *self = Self { on_socket, unconfirmed: self.unconfirmed, asked: self.asked, ..Self::default() };
    }

    /// The application subscribes again to a channel that it already wants.
    fn try_again(&mut self) {
        self.reported = Reported::Nothing;
        if let OnSocket::Ended(ending) = self.on_socket {
            self.failed_before = Some(ending);
        }
    }

    fn succeed(&mut self) {
        self.unconfirmed = self.unconfirmed.saturating_sub(1);
        match self.on_socket {
            OnSocket::Sent { .. } | OnSocket::Ended(_) | OnSocket::Unclear if self.wanted => {}
            OnSocket::Sent { .. }
            | OnSocket::Ended(_)
            | OnSocket::Unclear
            | OnSocket::Nothing
            | OnSocket::Confirmed => return,
        }
        self.failed_before = None;
        // A channel that has to be authorized again does not accept an old answer.
        let is_pending = matches!(self.on_socket, OnSocket::Sent { .. });
        let has_failed = self.reported == Reported::Failed || self.retry_at.is_some();
        if is_pending || has_failed && self.on_socket != OnSocket::Unclear {
            self.on_socket = OnSocket::Confirmed;
        }
    }

    fn fail(&mut self, error: &SubscriptionError, retry_at: Option<Instant>) {
        self.retry_at = retry_at;
        // An error about a subscribed channel changes nothing, and neither does one about a channel for which nothing
        // was sent.
        let is_unasked = self.on_socket == OnSocket::Nothing && matches!(error, SubscriptionError::Refused(_));
        if self.reported == Reported::Subscribed || is_unasked {
            return;
        }
        // Events that came before the answer and wait for a newer key are counted as missed then.
        self.awaits_key_since = None;
        self.reported = if retry_at.is_some() { Reported::Nothing } else { Reported::Failed };
        self.on_socket = match error {
            SubscriptionError::Refused(_) => OnSocket::Ended(Ending::Refused),
            SubscriptionError::Timeout { .. } => OnSocket::Ended(Ending::TimedOut),
            _ => OnSocket::Nothing,
        };
        if let (OnSocket::Ended(ending), Some(_)) = (self.on_socket, retry_at) {
            self.failed_before = Some(ending);
        }
    }

    fn hear(&mut self, event: &str, is_readable: bool) {
        let number = number_of(event);
        self.latest.reported = self.latest.reported.max(number);
        if is_readable {
            self.latest.read = self.latest.read.max(number);
        }
    }
}

impl Channels {
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&ChannelName, &Channel)> {
        self.0.iter()
    }

    pub(crate) fn get(&self, name: &ChannelName) -> Option<&Channel> {
        self.0.get(name)
    }

    /// By its name as text, which need not be the name of a channel.
    pub(crate) fn find(&self, name: &str) -> Option<(&ChannelName, &Channel)> {
        self.0.iter().find(|(channel, _)| channel.as_str() == name)
    }

    pub(crate) fn wanted(&self) -> impl Iterator<Item = &ChannelName> {
        self.0.iter().filter(|(_, channel)| channel.wanted).map(|(name, _)| name)
    }

    /// Whether a wanted channel is not subscribed, as far as is known.
    pub(super) fn are_incomplete(&self) -> bool {
        self.0.values().any(|channel| channel.wanted && channel.on_socket != OnSocket::Confirmed)
    }

    pub(super) fn have_wishes(&self) -> bool {
        self.0.values().any(|channel| channel.wish.is_some())
    }

    pub(super) fn wish(&mut self, name: &ChannelName) {
        self.0.entry(name.clone()).or_default().wish = Some(true);
    }

    pub(super) fn unwish(&mut self, name: &ChannelName) {
        if let Some(channel) = self.0.get_mut(name) {
            channel.wish = Some(false);
        }
    }

    /// Returns the channels that are no longer wanted.
    pub(super) fn take_wishes(&mut self, is_connected: bool) -> Vec<ChannelName> {
        let mut dropped = Vec::new();
        for (name, channel) in &mut self.0 {
            match channel.wish.take() {
                None => {}
                Some(false) => {
                    channel.drop_wish();
                    dropped.push(name.clone());
                }
                Some(true) if !channel.wanted => channel.wanted = true,
                Some(true) if channel.reported == Reported::Failed && is_connected => channel.try_again(),
                Some(true) => {}
            }
        }
        dropped
    }

    /// The server has confirmed a subscription.
    pub(super) fn succeeded(&mut self, name: &str) {
        if let Some(channel) = self.find_mut(name) {
            channel.succeed();
        }
    }

    /// The refusal of a subscription that is no longer wanted is not reported, and this frame may have been one.
    pub(super) fn doubt_abandoned(&mut self, answered: Option<&str>) {
        for (name, channel) in &mut self.0 {
            let is_sent = matches!(channel.on_socket, OnSocket::Sent { .. });
            if !channel.wanted && Some(name.as_str()) != answered && is_sent {
                channel.on_socket = OnSocket::Unclear;
            }
        }
    }

    /// The server has dropped an unknown message.
    pub(super) fn doubt_sent(&mut self) {
        for channel in self.0.values_mut().filter(|channel| matches!(channel.on_socket, OnSocket::Sent { .. })) {
            channel.on_socket = OnSocket::Unclear;
        }
    }

    /// The socket is lost. Events that were reported are handled in their order.
    pub(super) fn leave_socket(&mut self) {
        for channel in self.0.values_mut() {
            channel.on_socket = OnSocket::Nothing;
            channel.unconfirmed = 0;
            channel.is_doubtful = false;
            channel.failed_before = None;
            channel.retry_at = None;
            channel.awaits_key_since = None;
        }
    }

    /// The client could not meet any deadline before now.
    pub(super) fn resume(&mut self, now: Instant) {
        for channel in self.0.values_mut() {
            channel.retry_at = channel.retry_at.map(|at| at.max(now));
            channel.awaits_key_since = channel.awaits_key_since.map(|_| now);
            if let OnSocket::Sent { at } = &mut channel.on_socket {
                *at = now;
            }
        }
    }

    pub(super) fn subscribed(&mut self, name: &str, at: Instant) {
        if let Some(channel) = self.find_mut(name) {
            channel.on_socket = OnSocket::Sent { at };
            channel.unconfirmed += 1;
        }
    }

    pub(super) fn unsubscribed(&mut self, name: &str) {
        if let Some(channel) = self.find_mut(name) {
            channel.on_socket = OnSocket::Nothing;
            // What was held for a key is counted as missed.
            channel.awaits_key_since = None;
            // What has failed since is no longer in doubt.
            if std::mem::take(&mut channel.is_doubtful) && channel.reported == Reported::Subscribed {
                channel.reported = Reported::Nothing;
            }
        }
    }

    /// An error arrived, which may have refused any unconfirmed attempt. The application may not have received the success
    /// yet.
    pub(super) fn doubt_confirmed(&mut self) {
        for channel in self.0.values_mut() {
            let may_be_subscribed = channel.reported == Reported::Subscribed
                || matches!(channel.on_socket, OnSocket::Confirmed | OnSocket::Unclear);
            channel.is_doubtful |= may_be_subscribed && channel.unconfirmed > 0;
        }
    }

    pub(super) fn asked(&mut self, request: &Request) {
        let Some(channel) = request.channel.as_ref().and_then(|name| self.0.get_mut(name)) else { return };
        channel.asked = Some((request.id, request.is_for_key()));
        if request.is_for_key() {
            channel.awaits_key_since.get_or_insert(request.at);
        } else {
            channel.retry_at = None;
        }
    }

    /// A newer key is no longer awaited.
    pub(super) fn answered(&mut self, request: &Request) {
        let channel = request.channel.as_ref().and_then(|name| self.0.get_mut(name));
        if let Some(channel) = channel.filter(|_| request.is_for_key()) {
            channel.awaits_key_since = None;
        }
    }

    pub(super) fn unasked(&mut self, request: &Request) {
        let Some(channel) = request.channel.as_ref().and_then(|name| self.0.get_mut(name)) else { return };
        channel.asked = channel.asked.filter(|(open, _)| *open != request.id);
    }

    pub(super) fn emitted(&mut self, event: &Event, was_unpolled: bool) {
        let Some(channel) = event.channel().and_then(|name| self.0.get_mut(name)) else { return };
        match event {
            Event::SubscriptionSucceeded { .. } => {
                channel.reported = Reported::Subscribed;
                channel.on_socket = OnSocket::Confirmed;
                // During a pause in polling, an error may have followed the answer.
                channel.is_doubtful |= was_unpolled && channel.unconfirmed > 0;
                channel.was_subscribed = true;
                channel.retry_at = None;
            }
            Event::SubscriptionError { error, .. } => channel.fail(error, retry_at(event)),
            Event::Channel(event) => {
                channel.hear(event.event(), true);
                // Events keep their order, so none before it is held.
                channel.awaits_key_since = None;
            }
            Event::DecryptionError { event, error, .. } => {
                channel.hear(event, false);
                // Everything after an event that needs a newer key is held, so an event that could not be opened means
                // that the wait is over. Only an event that had to make room says nothing about the others.
                if !matches!(error, DecryptionError::Overflow) {
                    channel.awaits_key_since = None;
                }
            }
            _ => {}
        }
    }

    /// The loss of the connection was reported.
    pub(super) fn disconnected(&mut self) {
        for channel in self.0.values_mut() {
            channel.reported = Reported::Nothing;
        }
    }

    /// After a pause in polling only the getters say what came of what was sent.
    pub(super) fn catch_up(&mut self, client: &Client) {
        for (name, channel) in &mut self.0 {
            let is_subscribed = client.channel(name).is_some_and(|channel| channel.is_subscribed());
            channel.on_socket = if is_subscribed { OnSocket::Confirmed } else { OnSocket::Unclear };
        }
    }

    fn find_mut(&mut self, name: &str) -> Option<&mut Channel> {
        self.0.iter_mut().find(|(channel, _)| channel.as_str() == name).map(|(_, channel)| channel)
    }
}
