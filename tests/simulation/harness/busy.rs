//! Backends that are down or limit requests, and servers that limit messages.

use std::time::Duration;

use pusher_proto::{ChannelName, CloseFrame, CloseReason, Instant};

use super::Choices;
use super::frame::{self, Seen};
use super::network::LinkId;
use super::reached::Rare;
use super::site::{Output, Site};
use super::world::World;
use crate::network::{Excess, Limit};

/// What the backend does with every request while it is down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outage {
    /// Answers 503.
    Unavailable,
    /// Answers 429, without saying when to ask again.
    Throttled,
    Unreachable,
    /// Does not answer.
    Silent,
}

const OUTAGES: [Outage; 4] = [Outage::Unavailable, Outage::Throttled, Outage::Unreachable, Outage::Silent];

/// How many requests the backend accepts, and whether it sends a `Retry-After`.
#[derive(Clone)]
pub(crate) struct RequestLimit {
    pub(crate) limit: Limit,
    pub(crate) says_when: bool,
}

impl RequestLimit {
    pub(crate) fn draw(choices: &mut Choices) -> Option<Self> {
        let is_limited = choices.chance(40);
        let (most, says_when) = (*choices.pick(&[6, 2]), choices.chance(128));
        is_limited.then(|| Self { limit: Limit::new(most, SPAN), says_when })
    }
}

/// How many messages of each connection a server accepts, and how it reacts to further ones.
#[derive(Clone)]
pub(crate) struct MessageLimit {
    pub(crate) limit: Limit,
    excess: Excess,
}

impl MessageLimit {
    pub(crate) fn draw(choices: &mut Choices) -> Option<Self> {
        let is_limited = choices.chance(40);
        let most = *choices.pick(&[20, 6]);
        let excess = choices.pick(&[Excess::Error, Excess::Error, Excess::Close, Excess::Drop]).clone();
        is_limited.then(|| Self { limit: Limit::new(most, SPAN), excess })
    }
}

impl World {
    /// The backend goes down for a while.
    pub(crate) fn begin_outage(&mut self) {
        let outage = *self.choices.pick(&OUTAGES);
        let longest = *self.choices.pick(&[20, 60, 240]);
        let time = Duration::from_secs(1 + self.choices.below(longest) as u64);
        self.journal.remark(|| format!("the backend is {outage:?} for {time:?}"));
        self.authority.outage = Some((outage, self.now + time));
    }

    /// A server does not receive the subscriptions to one channel for a while.
    pub(crate) fn swallow(&mut self, site: usize, channel: &ChannelName) {
        let time = Duration::from_secs(10 + self.choices.below(110) as u64);
        self.journal.remark(|| format!("subscriptions of {channel} get lost for {time:?}"));
        self.sites[site].swallows.insert(channel.to_string(), self.now + time);
    }

    /// Counts how servers reacted to too many messages.
    pub(crate) fn count_excess(&mut self, site: usize) {
        match std::mem::take(&mut self.sites[site].exceeded) {
            None => {}
            Some(Excess::Error) => self.journal.reach(Rare::TooManyMessages),
            Some(Excess::Close | Excess::Drop) => self.journal.reach(Rare::CutForMessages),
        }
    }

    /// The application's server answers again, and servers accept all messages.
    pub(crate) fn lift_limits(&mut self) {
        self.authority.outage = None;
        self.authority.limit = None;
        for site in &mut self.sites {
            site.swallows.clear();
        }
    }
}

impl Site {
    /// Returns how the server reacts to this message instead of handling it, if it is one too many.
    pub(crate) fn refuse_excess(
        &mut self,
        link: LinkId,
        seen: Option<&Seen>,
        choices: &mut Choices,
        now: Instant,
    ) -> Option<Vec<Output>> {
        let MessageLimit { limit, excess } = self.mix.message_limit.clone()?;
        self.taken.entry(link).or_insert(limit).take(now).err()?;
        self.exceeded = Some(excess.clone());
        // The client assumes that it is unsubscribed.
        if let Some(seen) = seen.filter(|seen| seen.is("pusher:unsubscribe"))
            && self.has_subscription(link, seen.target())
        {
            self.soiled.insert(link);
        }
        if let Some(seen) = seen.filter(|seen| seen.is("pusher:subscribe")) {
            self.lose_subscription(link, seen.target());
        }
        let reason = match excess {
            Excess::Error => {
                return Some(vec![Output::Send(link, frame::error(Some(4301), "Rate limit exceeded", None))]);
            }
            Excess::Close => CloseReason::Closed(Some(CloseFrame { code: 4100, reason: "Over capacity".into() })),
            Excess::Drop => CloseReason::Dropped,
        };
        let mut outputs = vec![Output::End(link, reason)];
        outputs.extend(self.closed(link, choices, now));
        Some(outputs)
    }

    /// A subscription gets lost. The client may mistake the late success of an earlier one for its success.
    pub(crate) fn lose_subscription(&mut self, link: LinkId, channel: &str) {
        if self.succeeded.contains(&(link, channel.to_owned())) {
            self.soiled.insert(link);
        }
    }

    /// Whether this subscription gets lost.
    pub(crate) fn swallows(&self, channel: &str, now: Instant) -> bool {
        self.swallows.get(channel).is_some_and(|until| now < *until)
    }
}

/// The time that limits are for.
const SPAN: Duration = Duration::from_secs(10);
