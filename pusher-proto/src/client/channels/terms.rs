//! What subscriptions ask of a server of version 2, beside the channel.

use alloc::boxed::Box;

use super::{Channels, Entry};
use crate::client::outbox::Outbox;
use crate::event::Event;
use crate::wire::envelope::Envelope;
use crate::wire::resume::Stamp;
use crate::wire::rewind::Completion;
use crate::wire::write;
use crate::{AuthResponse, ChannelName, Position, Subscribe, Text};

/// The options of one channel.
#[derive(Default)]
pub(super) struct Terms {
    options: Subscribe,
    /// Whether the server has been told these options on this socket.
    is_told: bool,
    rewind: Rewind,
    /// The authorization on this socket, with which the options can be changed.
    auth: Option<Box<AuthResponse>>,
}

/// How far a rewind is.
#[derive(Default)]
enum Rewind {
    #[default]
    Idle,
    /// It was asked for.
    Asked,
    /// Old messages arrive, up to this one, which was the newest when the subscription succeeded.
    Running(Option<Position>),
    Done,
}

impl Terms {
    /// Changes what the application asks for.
    pub(super) fn set(&mut self, options: Subscribe) {
        // A rewind is part of a subscription, so it cannot be changed later.
        self.is_told &= self.options.filter == options.filter && self.options.annotations == options.annotations;
        self.options = options;
    }

    /// The application no longer wants the channel. What it has asked for until then may still be answered.
    pub(super) fn forget(&mut self) {
        self.set(Subscribe::default());
        if matches!(self.rewind, Rewind::Done) {
            self.rewind = Rewind::Idle;
        }
    }

    /// Writes the subscription of a channel whose position may be known: then nothing needs to be rewound. A rewind that an
    /// earlier subscription has begun ended with it.
    fn subscribe(&mut self, channel: &ChannelName, auth: Option<&AuthResponse>, has_position: bool) -> Text {
        let is_done = matches!(self.rewind, Rewind::Done);
        let rewind = self.options.rewind.filter(|_| !is_done && !has_position);
        if !is_done {
            self.rewind = if rewind.is_some() { Rewind::Asked } else { Rewind::Idle };
        }
        self.is_told = true;
        write::subscribe_with(channel, auth, &self.options, rewind)
    }

    /// The subscription was confirmed. Returns whether old messages follow.
    fn handle_success(&mut self, newest: Option<&Position>, auth: Option<Box<AuthResponse>>) -> bool {
        self.auth = auth;
        let is_asked = matches!(self.rewind, Rewind::Asked);
        if is_asked {
            self.rewind = Rewind::Running(newest.cloned());
        }
        is_asked
    }

    /// The socket is lost. A rewind that has not ended continues from the last message, and begins anew without one.
    pub(super) fn leave(&mut self) {
        self.auth = None;
        self.is_told = false;
        if !matches!(self.rewind, Rewind::Done) {
            self.rewind = Rewind::Idle;
        }
    }

    /// Whether an event is an old one: live events are later than what was the newest at the success.
    fn is_rewound(&self, envelope: &Envelope) -> bool {
        match &self.rewind {
            Rewind::Idle | Rewind::Asked | Rewind::Done => false,
            Rewind::Running(None) => true,
            Rewind::Running(Some(newest)) => Stamp::read(envelope)
                .is_none_or(|stamp| stamp.stream != newest.stream_id() || stamp.serial <= newest.serial()),
        }
    }
}

impl Channels {
    /// Tells the server options of a subscribed channel that have changed since the subscription was sent.
    pub(super) fn amend(&mut self, channel: &ChannelName, outbox: &mut Outbox) {
        let Some(entry) = self.table.get_mut(channel).filter(|entry| entry.is_recoverable()) else { return };
        let Some(terms) = entry.terms.as_mut().filter(|terms| !terms.is_told) else { return };
        terms.is_told = true;
        outbox.send(write::subscribe_with(channel, terms.auth.as_deref(), &terms.options, None));
    }

    /// The server has sent all old messages of a channel.
    pub(crate) fn handle_rewound(&mut self, channel: &str, completion: Completion, outbox: &mut Outbox) {
        let Some((name, entry)) = self.listening(channel) else { return };
        let Some(terms) = &mut entry.terms else { return };
        let Rewind::Running(newest) = core::mem::replace(&mut terms.rewind, Rewind::Done) else { return };
        if let Some(track) = &mut entry.past.track {
            track.handle_rewound(newest);
        }
        let Completion { replayed, is_complete } = completion;
        outbox.offer(Event::RewindComplete { channel: name.clone(), replayed, is_complete });
    }
}

impl Entry {
    /// Changes what the channel asks for, now or with its next subscription.
    pub(super) fn ask_for(&mut self, options: Option<Subscribe>) {
        if let (Some(terms), Some(options)) = (&mut self.terms, options) {
            terms.set(options);
        }
    }

    /// Writes the subscription.
    pub(super) fn subscribe(&mut self, channel: &ChannelName, auth: Option<&AuthResponse>) -> Text {
        let (has_position, is_v2) = (self.position().is_some(), self.is_recoverable());
        match &mut self.terms {
            Some(terms) if is_v2 => terms.subscribe(channel, auth, has_position),
            Some(_) | None => write::subscribe(channel, auth),
        }
    }

    /// The subscription was confirmed. Returns whether old messages follow.
    pub(super) fn agree(&mut self, newest: Option<&Position>, auth: Option<Box<AuthResponse>>) -> bool {
        self.terms.as_mut().is_some_and(|terms| terms.handle_success(newest, auth))
    }

    /// Marks an event that a rewind has brought.
    pub(super) fn marked(&self, envelope: Envelope) -> Envelope {
        match &self.terms {
            Some(terms) if terms.is_rewound(&envelope) => envelope.replayed(),
            Some(_) | None => envelope,
        }
    }
}
