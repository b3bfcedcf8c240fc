//! The trait of all checkers, and what they can see.

use pusher_proto::{Action, AuthError, ChannelName, Client, CloseReason, ConnectionState, Event};

use super::facts::{Channel, Facts, Request};
use super::inputs::{AppCall, Incoming};
use super::outputs::Message;
use crate::simulation::journal::Journal;
use crate::simulation::published::Published;
use crate::simulation::reached::Rare;

/// A checker that observes everything that happens to one client.
///
/// Each method is one kind of observation, and a checker implements those that its invariant concerns. [`Scene::facts`]
/// contains the facts *before* the observation. All checkers see an observation before the facts are updated, so their
/// order matters only if one step violates two invariants: the first one is reported.
pub(crate) trait Checker {
    /// Input: the application calls.
    fn called(&mut self, _call: &AppCall<'_>, _scene: &mut Scene<'_>) {}

    /// Input: a frame of the current socket is about to be passed on.
    fn handed(&mut self, _frame: &Incoming<'_>, _scene: &mut Scene<'_>) {}

    /// Input: the current socket is about to be reported as closed.
    fn ended(&mut self, _reason: &CloseReason, _scene: &mut Scene<'_>) {}

    /// Input: the server has ended the connection, or refused the handshake, with this code, and the client knows it.
    fn ended_with(&mut self, _code: u64, _scene: &mut Scene<'_>) {}

    /// Input: the application's server is about to be reported to have answered a request that the client waits for.
    fn answered(&mut self, _request: &Request, _error: Option<&AuthError>, _scene: &mut Scene<'_>) {}

    /// Getter: the state of the connection has changed since the last input or action.
    fn moved(&mut self, _from: &ConnectionState, _to: &ConnectionState, _scene: &mut Scene<'_>) {}

    /// The client is polled again after a pause in which it could not keep any deadline.
    fn resumed(&mut self, _scene: &mut Scene<'_>) {}

    /// The machine slept until now, and the client has received what arrived in the meantime, and the time.
    fn awoke(&mut self, _scene: &mut Scene<'_>) {}

    /// The client is about to be polled until it has no more actions: a drain.
    fn drain_begins(&mut self, _scene: &mut Scene<'_>) {}

    /// The application no longer wants this channel, and from this drain on, the client knows it.
    fn dropped(&mut self, _name: &ChannelName) {}

    /// Action: any.
    fn acted(&mut self, _action: &Action, _scene: &mut Scene<'_>) {}

    /// Action: a message is sent.
    fn sent(&mut self, _message: &Message<'_>, _scene: &mut Scene<'_>) {}

    /// Action: the application receives an event.
    fn emitted(&mut self, _event: &Event, _scene: &mut Scene<'_>) {}

    /// Quiet: the client has no more actions.
    fn drained(&mut self, _scene: &mut Scene<'_>) {}

    /// Quiet: the same, for each channel that was ever wanted.
    fn channel_drained(&mut self, _channel: &Quiet<'_>, _scene: &mut Scene<'_>) {}

    /// Time has passed.
    fn ticked(&mut self, _scene: &mut Scene<'_>) {}
}

/// What a checker can see, and where it reports violations.
pub(crate) struct Scene<'a> {
    pub(crate) facts: &'a Facts,
    /// For its getters.
    pub(crate) client: &'a Client,
    who: usize,
    journal: &'a mut Journal,
}

impl<'a> Scene<'a> {
    pub(crate) fn new(who: usize, facts: &'a Facts, client: &'a Client, journal: &'a mut Journal) -> Self {
        Self { facts, client, who, journal }
    }

    /// The messages that have positions.
    pub(crate) fn published(&self) -> &Published {
        &self.journal.published
    }

    /// Reports that the client violated an invariant.
    pub(crate) fn violated(&mut self, invariant: &'static str, details: impl Into<String>) {
        self.journal.violated(self.who, invariant, details);
    }

    /// Counts a rare transition.
    pub(crate) fn reach(&mut self, rare: Rare) {
        self.journal.reach(rare);
    }
}

/// A channel after a drain.
pub(crate) struct Quiet<'a> {
    pub(crate) name: &'a ChannelName,
    pub(crate) known: &'a Channel,
    /// What the getters return for it.
    pub(crate) shown: Option<pusher_proto::Channel<'a>>,
}

impl Quiet<'_> {
    pub(crate) fn is_subscribed(&self) -> bool {
        self.shown.as_ref().is_some_and(pusher_proto::Channel::is_subscribed)
    }
}

/// Combines several checkers into one. They see everything in this order.
macro_rules! checkers {
    ($(#[$doc:meta])* $name:ident { $($field:ident: $checker:ty,)+ }) => {
        $(#[$doc])*
        #[derive(Default)]
        pub(crate) struct $name {
            $($field: $checker,)+
        }

        impl Checker for $name {
            fn called(&mut self, call: &AppCall<'_>, scene: &mut Scene<'_>) {
                $(self.$field.called(call, scene);)+
            }

            fn handed(&mut self, frame: &Incoming<'_>, scene: &mut Scene<'_>) {
                $(self.$field.handed(frame, scene);)+
            }

            fn ended(&mut self, reason: &CloseReason, scene: &mut Scene<'_>) {
                $(self.$field.ended(reason, scene);)+
            }

            fn ended_with(&mut self, code: u64, scene: &mut Scene<'_>) {
                $(self.$field.ended_with(code, scene);)+
            }

            fn answered(&mut self, request: &Request, error: Option<&AuthError>, scene: &mut Scene<'_>) {
                $(self.$field.answered(request, error, scene);)+
            }

            fn moved(&mut self, from: &ConnectionState, to: &ConnectionState, scene: &mut Scene<'_>) {
                $(self.$field.moved(from, to, scene);)+
            }

            fn resumed(&mut self, scene: &mut Scene<'_>) {
                $(self.$field.resumed(scene);)+
            }

            fn awoke(&mut self, scene: &mut Scene<'_>) {
                $(self.$field.awoke(scene);)+
            }

            fn drain_begins(&mut self, scene: &mut Scene<'_>) {
                $(self.$field.drain_begins(scene);)+
            }

            fn dropped(&mut self, name: &ChannelName) {
                $(self.$field.dropped(name);)+
            }

            fn acted(&mut self, action: &Action, scene: &mut Scene<'_>) {
                $(self.$field.acted(action, scene);)+
            }

            fn sent(&mut self, message: &Message<'_>, scene: &mut Scene<'_>) {
                $(self.$field.sent(message, scene);)+
            }

            fn emitted(&mut self, event: &Event, scene: &mut Scene<'_>) {
                $(self.$field.emitted(event, scene);)+
            }

            fn drained(&mut self, scene: &mut Scene<'_>) {
                $(self.$field.drained(scene);)+
            }

            fn channel_drained(&mut self, channel: &Quiet<'_>, scene: &mut Scene<'_>) {
                $(self.$field.channel_drained(channel, scene);)+
            }

            fn ticked(&mut self, scene: &mut Scene<'_>) {
                $(self.$field.ticked(scene);)+
            }
        }
    };
}

checkers! {
    /// Everything that is checked. Families whose events pass through one another come in the order of their causes.
    Checkers {
        connection: super::connection::OfConnections,
        channels: super::channels::OfChannels,
        delivery: super::delivery::OfDelivery,
        requests: super::requests::OpenRequests,
        backend: super::backend::OfBackends,
        user: super::user::UserSession,
        rare: super::rare::OfRareTransitions,
    }
}

pub(crate) use checkers;
