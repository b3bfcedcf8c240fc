//! Sending an event to the subscribers of a channel, to each in its version of the protocol.

use super::connection::Sign;
use super::deltas::Series;
use super::filter::Filter;
use super::recovery::{Published, Stamp, Tags};
use super::{ConnectionId, Server};
use crate::{ChannelName, Text};

/// An event for the subscribers of a channel.
pub(super) struct Broadcast {
    pub(super) event: Published,
    /// What version 2 adds.
    stamp: Option<Stamp>,
    /// The earlier events that deltas can refer to, in version 2.
    series: Option<Series>,
    kind: Kind,
    except: Option<ConnectionId>,
    only_version_2: bool,
}

/// What an event is about, and so what a filter does to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// The filter judges it.
    Published,
    /// Every filter hides it, even one that would match (Sockudo 5.2.0).
    Members,
    /// No filter hides it.
    Other,
}

impl Broadcast {
    /// One of the server's own events, which has no name to be filtered by.
    pub(super) fn new(frame: Text, kind: Kind) -> Self {
        let event = Published { name: Text::default(), frame, tags: Tags::new() };
        Self { event, stamp: None, series: None, kind, except: None, only_version_2: false }
    }

    pub(super) fn about_members(frame: Text) -> Self {
        Self::new(frame, Kind::Members)
    }

    pub(super) fn published(event: Published, stamp: Option<Stamp>) -> Self {
        Self { event, stamp, series: None, kind: Kind::Published, except: None, only_version_2: false }
    }

    /// Allows deltas to earlier events of this series, in version 2.
    pub(super) fn in_series(self, series: Option<Series>) -> Self {
        Self { series, ..self }
    }

    pub(super) fn except(self, except: Option<ConnectionId>) -> Self {
        Self { except, ..self }
    }

    pub(super) fn only_version_2(self) -> Self {
        Self { only_version_2: true, ..self }
    }

    fn passes(&self, filter: &Filter) -> bool {
        match self.kind {
            Kind::Published => filter.passes(&self.event),
            Kind::Members => false,
            Kind::Other => true,
        }
    }
}

impl Server {
    pub(super) fn broadcast(&mut self, name: &ChannelName, broadcast: &Broadcast) {
        let Some(channel) = self.channels.get(name) else { return };
        let (watch, interval) = (self.config.profile().watch, self.config.options().delta_interval);
        let mut in_version_2 = None;
        for subscriber in channel.subscribers().filter(|subscriber| Some(*subscriber) != broadcast.except) {
            let Some(connection) = self.connections.get_mut(&subscriber) else { continue };
            let frame = match connection.version_2 {
                Some(_) if connection.filters.get(name).is_some_and(|filter| !broadcast.passes(filter)) => continue,
                Some(_) => {
                    let event = &broadcast.event;
                    let full = in_version_2.get_or_insert_with(|| event.in_version_2(broadcast.stamp.as_ref()));
                    match &broadcast.series {
                        Some(series) => connection.deltas.encode(series, full, interval, self.now),
                        None => full.clone(),
                    }
                }
                None if broadcast.only_version_2 => continue,
                None => broadcast.event.frame.clone(),
            };
            connection.notice(Sign::Sent, watch, self.now);
            self.outbox.send(subscriber, frame);
        }
    }
}
