//! What the handles of a client should return.

use std::collections::VecDeque;

use super::{CHANNELS, KINDS, Kind, PRIVATE, Seen, Step};

/// The rules.
pub(super) struct Reference {
    state: &'static str,
    /// Connections that were lost since the application asked for one, and all of them.
    attempt: u64,
    losses: u64,
    /// Whether the server closes its side of a socket.
    closes: bool,
    /// Whether `shutdown` was called.
    is_leaving: bool,
    has_ended: bool,
    grants: bool,
    channels: [Channel; CHANNELS.len()],
    sign_in: Wish,
    /// Whether the server knows a user on this connection, or is about to.
    has_user: bool,
    was_signed_in: bool,
    items: [Option<Item>; KINDS.len()],
}

#[derive(Clone, Copy, Default)]
struct Channel {
    /// How often it was unsubscribed.
    generation: u32,
    wish: Wish,
    was_subscribed: bool,
    /// Whether a subscription is unanswered, which may be one of a time before it was unsubscribed.
    is_unanswered: bool,
}

/// How far the client has got with something that the application wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Wish {
    #[default]
    None,
    Wanted,
    /// The server has been asked.
    Asked,
    Fulfilled,
    /// The backend refused, which counts until the next connection.
    Refused,
}

/// A stream or a call.
#[derive(Default)]
struct Item {
    /// That of its channel, when it was created.
    generation: u32,
    /// Events that were not taken yet.
    events: VecDeque<Seen>,
    has_ended: bool,
    /// The last state that was returned.
    last: Option<(&'static str, u64)>,
    /// Whether a task waits for it.
    has_waiter: bool,
    /// Whether it has been ready since.
    is_woken: bool,
}

impl Reference {
    /// A client that is connecting.
    pub(super) fn new(closes: bool) -> Self {
        Self {
            state: "connecting",
            attempt: 0,
            losses: 0,
            closes,
            is_leaving: false,
            has_ended: false,
            grants: true,
            channels: Default::default(),
            sign_in: Wish::None,
            has_user: false,
            was_signed_in: false,
            items: Default::default(),
        }
    }

    /// Takes a step; returns the result if it is a poll.
    pub(super) fn take(&mut self, step: Step) -> Option<Seen> {
        let seen = match step {
            Step::Open(item) => {
                self.open(item);
                None
            }
            Step::Poll(item, _) => {
                self.open(item);
                self.poll(item)
            }
            step => {
                self.change(step);
                None
            }
        };
        self.pursue();
        for item in 0..KINDS.len() {
            let is_ready = self.ready(item).is_some();
            if let Some(item) = &mut self.items[item] {
                item.is_woken |= item.has_waiter && is_ready;
            }
        }
        seen
    }

    pub(super) const fn state(&self) -> &'static str {
        self.state
    }

    /// Whether a task was woken that waited for it.
    pub(super) fn is_woken(&self, item: usize) -> bool {
        self.items[item].as_ref().is_some_and(|item| item.is_woken)
    }

    fn change(&mut self, step: Step) {
        match (step, self.state) {
            (Step::Close(item), _) => self.close(item),
            (Step::Proceed, "connecting") => {
                self.enter("connected");
                for channel in &mut self.channels {
                    channel.wish.begin_again();
                }
                self.sign_in.begin_again();
            }
            (Step::Lose, "connecting" | "connected") => {
                self.attempt += 1;
                self.losses += 1;
                self.deliver(None, Seen::Trouble);
                self.enter("waiting");
            }
            (Step::Proceed, "waiting") => self.enter("connecting"),
            (Step::Proceed, _) if self.is_leaving => self.end(),
            (Step::Fail, "connecting" | "connected") => {
                self.deliver(None, Seen::Trouble);
                self.enter("failed");
            }
            (Step::Connect, "waiting") => self.enter("connecting"),
            (Step::Connect, "failed" | "disconnected") if !self.is_leaving => {
                self.attempt = 0;
                self.enter("connecting");
            }
            // A failed client stays so.
            (Step::Disconnect, "connecting" | "connected" | "waiting") => self.enter("disconnected"),
            (Step::Succeed(at), "connected") if self.channels[at].is_unanswered => self.succeed(at),
            (Step::Message(at, number), "connected") if self.channels[at].wish == Wish::Fulfilled => {
                self.deliver(Some(at), Seen::Message(at, number));
            }
            (Step::Grant(grants), _) => self.grants = grants,
            (Step::Unsubscribe(at), _) => self.unsubscribe(at),
            (Step::SignIn, _) => self.sign_in.want(),
            (Step::SignOut, _) => (self.sign_in, self.was_signed_in) = (Wish::None, false),
            (Step::SignInSucceeds, "connected") if self.sign_in == Wish::Asked => {
                self.sign_in = Wish::Fulfilled;
                if std::mem::replace(&mut self.was_signed_in, true) {
                    self.deliver(None, Seen::UserGap);
                }
                self.deliver(None, Seen::SignedIn);
            }
            (Step::DropLoop, _) => self.end(),
            _ => {}
        }
    }

    fn open(&mut self, at: usize) {
        if self.items[at].is_some() {
            return;
        }
        let mut item = Item { has_ended: self.has_ended, ..Item::default() };
        if let Some(channel) = KINDS[at].channel() {
            item.generation = self.channels[channel].generation;
            if !self.has_ended {
                // It is tried again if it was refused.
                self.channels[channel].wish.want();
            }
        }
        self.items[at] = Some(item);
    }

    /// Dropping the last handle of a channel unsubscribes it.
    fn close(&mut self, at: usize) {
        let (Some(item), Some(channel)) = (self.items[at].take(), KINDS[at].channel()) else { return };
        if item.generation == self.channels[channel].generation && self.of_channel(channel).next().is_none() {
            self.unsubscribe(channel);
        }
    }

    fn unsubscribe(&mut self, channel: usize) {
        for item in self.of_channel(channel) {
            item.has_ended = true;
        }
        let Channel { generation, is_unanswered, .. } = self.channels[channel];
        self.channels[channel] = Channel { generation: generation + 1, is_unanswered, ..Channel::default() };
    }

    /// The streams and calls of the current subscription.
    fn of_channel(&mut self, channel: usize) -> impl Iterator<Item = &mut Item> {
        let generation = self.channels[channel].generation;
        let kinds = KINDS.iter().zip(&mut self.items).filter(move |(kind, _)| kind.channel() == Some(channel));
        kinds.filter_map(|(_, item)| item.as_mut()).filter(move |item| item.generation == generation)
    }

    /// The server answers a subscription.
    fn succeed(&mut self, at: usize) {
        let channel = &mut self.channels[at];
        channel.is_unanswered = false;
        if channel.wish != Wish::Asked {
            return;
        }
        channel.wish = Wish::Fulfilled;
        let again = std::mem::replace(&mut channel.was_subscribed, true);
        if again {
            self.deliver(Some(at), Seen::Gap(at));
        }
        self.deliver(Some(at), Seen::Succeeded(at, again));
    }

    fn enter(&mut self, state: &'static str) {
        self.state = state;
        self.has_user = false;
        for wish in self.channels.iter_mut().map(|channel| &mut channel.wish).chain([&mut self.sign_in]) {
            if let Wish::Asked | Wish::Fulfilled = wish {
                *wish = Wish::Wanted;
            }
        }
        for channel in &mut self.channels {
            channel.is_unanswered = false;
        }
        self.deliver(None, Seen::State(state));
        if state == "failed" {
            // No channel continues on its own.
            for (kind, item) in KINDS.iter().zip(&mut self.items) {
                if let (Some(_), Some(item)) = (kind.channel(), item) {
                    item.add(Seen::State(state));
                }
            }
        }
    }

    /// Does what the application wants, if there is a connection.
    fn pursue(&mut self) {
        if self.state != "connected" {
            return;
        }
        if self.sign_in == Wish::Wanted && self.has_user {
            // A server forgets a user at the end of the connection.
            self.change(Step::Disconnect);
            return self.change(Step::Connect);
        }
        if self.sign_in == Wish::Wanted {
            self.sign_in = if self.grants { Wish::Asked } else { Wish::Refused };
            self.has_user = self.grants;
            if !self.grants {
                self.deliver(None, Seen::SignInRefused);
            }
        }
        for at in 0..CHANNELS.len() {
            let channel = &mut self.channels[at];
            if channel.wish != Wish::Wanted {
                continue;
            }
            if channel.is_unanswered || self.grants || at != PRIVATE {
                (channel.wish, channel.is_unanswered) = (Wish::Asked, true);
            } else {
                channel.wish = Wish::Refused;
                self.deliver(Some(at), Seen::Refused(at));
            }
        }
    }

    /// An event reaches the streams of its channel and those of the client.
    fn deliver(&mut self, channel: Option<usize>, event: Seen) {
        for (kind, item) in KINDS.iter().zip(&mut self.items) {
            let Some(item) = item else { continue };
            match kind {
                Kind::Events => item.add(event),
                Kind::Stream(of) | Kind::Typed(of) if Some(*of) != channel => {}
                // It is skipped, but only after the task was woken.
                Kind::Typed(_) if matches!(event, Seen::Succeeded(..)) => item.is_woken |= item.has_waiter,
                Kind::Stream(_) | Kind::Typed(_) => item.add(event),
                Kind::States | Kind::Subscribed(_) | Kind::User | Kind::Shutdown => {}
            }
        }
    }

    /// Nothing happens after the end.
    fn end(&mut self) {
        self.change(Step::Disconnect);
        (self.is_leaving, self.has_ended) = (true, true);
        for item in self.items.iter_mut().flatten() {
            item.has_ended = true;
        }
    }

    fn poll(&mut self, at: usize) -> Option<Seen> {
        if KINDS[at] == Kind::Shutdown && !self.has_ended {
            self.is_leaving = true;
            self.change(Step::Disconnect);
            if self.closes {
                self.end();
            }
            self.items[at].as_mut()?.has_waiter = true;
            return None;
        }
        let (seen, state) = (self.ready(at), self.full_state());
        let item = self.items[at].as_mut()?;
        item.events.pop_front();
        item.last = Some(state);
        item.has_waiter = seen.is_none();
        item.is_woken = false;
        seen
    }

    /// A state, and what distinguishes it from others of this name.
    fn full_state(&self) -> (&'static str, u64) {
        let number = match self.state {
            "connecting" => self.attempt,
            "waiting" => self.losses,
            _ => 0,
        };
        (self.state, number)
    }

    /// What a poll returns now.
    fn ready(&self, at: usize) -> Option<Seen> {
        let item = self.items[at].as_ref()?;
        match KINDS[at] {
            Kind::Stream(_) | Kind::Typed(_) | Kind::Events => {
                item.events.front().copied().or(item.has_ended.then_some(Seen::End))
            }
            Kind::States if item.last != Some(self.full_state()) => Some(Seen::State(self.state)),
            Kind::States => self.has_ended.then_some(Seen::End),
            Kind::Subscribed(_) if self.has_ended => Some(Seen::Disconnected),
            Kind::Subscribed(_) if item.has_ended => {
                Some(if self.is_leaving { Seen::Disconnected } else { Seen::Unsubscribed })
            }
            Kind::Subscribed(at) => match (self.state, self.channels[at].wish) {
                (_, Wish::Fulfilled) => Some(Seen::Done),
                ("disconnected", _) => Some(Seen::Disconnected),
                ("failed", _) => Some(Seen::Failed),
                (_, Wish::Refused) => Some(Seen::Refused(at)),
                _ => None,
            },
            Kind::User if self.has_ended => Some(Seen::Disconnected),
            Kind::User => match (self.sign_in, self.state) {
                (Wish::None, _) => Some(Seen::NotRequested),
                (Wish::Fulfilled, _) => Some(Seen::Done),
                (Wish::Refused, _) => Some(Seen::SignInRefused),
                (_, "disconnected") => Some(Seen::Disconnected),
                (_, "failed") => Some(Seen::Failed),
                _ => None,
            },
            Kind::Shutdown => self.has_ended.then_some(Seen::Done),
        }
    }
}

impl Wish {
    fn want(&mut self) {
        if let Self::None | Self::Refused = self {
            *self = Self::Wanted;
        }
    }

    /// A new connection tries everything again.
    fn begin_again(&mut self) {
        if *self == Self::Refused {
            *self = Self::Wanted;
        }
    }
}

impl Item {
    fn add(&mut self, event: Seen) {
        if !self.has_ended {
            self.events.push_back(event);
        }
    }
}
