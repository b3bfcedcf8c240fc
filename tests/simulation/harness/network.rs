//! Sockets between clients and servers: ordered, slow, and sometimes dead without a sign.

use std::collections::BTreeMap;
use std::time::Duration;

use pusher_proto::server::ConnectionId;
use pusher_proto::{CloseReason, Frame, Instant, SocketEpoch, Text};

/// One attempt to open a socket, and the resulting connection.
pub(crate) struct Link {
    pub(crate) client: usize,
    pub(crate) site: usize,
    pub(crate) epoch: SocketEpoch,
    pub(crate) target: Text,
    pub(crate) tls: bool,
    /// Whether each end considers it open.
    pub(crate) client_open: bool,
    pub(crate) server_open: bool,
    /// Nothing is transferred any more, and neither end notices.
    pub(crate) severed: bool,
    up: Lane,
    down: Lane,
}

/// One direction: packets arrive in the order in which they were sent.
#[derive(Default)]
struct Lane {
    last_at: Instant,
    stalled_until: Instant,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct LinkId(pub(crate) u64);

impl LinkId {
    pub(crate) fn connection(self) -> ConnectionId {
        ConnectionId::new(self.0)
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Packet {
    Frame(Frame),
    End(CloseReason),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Direction {
    Up,
    Down,
}

/// All links that still matter.
#[derive(Default)]
pub(crate) struct Network {
    links: BTreeMap<LinkId, Link>,
    last: u64,
}

impl Network {
    pub(crate) fn open(&mut self, link: Link) -> LinkId {
        self.last += 1;
        self.links.insert(LinkId(self.last), link);
        LinkId(self.last)
    }

    pub(crate) fn get(&mut self, id: LinkId) -> Option<&mut Link> {
        self.links.get_mut(&id)
    }

    pub(crate) fn of_epoch(&self, client: usize, epoch: SocketEpoch) -> Option<LinkId> {
        let mut links = self.links.iter().rev();
        links.find(|(_, link)| link.client == client && link.epoch == epoch).map(|(id, _)| *id)
    }

    /// Links that the server considers open.
    pub(crate) fn at_site(&self, site: usize) -> Vec<LinkId> {
        let links = self.links.iter().filter(|(_, link)| link.site == site && link.server_open);
        links.map(|(id, _)| *id).collect()
    }

    /// Links that both ends consider open.
    pub(crate) fn alive(&self) -> Vec<LinkId> {
        let links = self.links.iter().filter(|(_, link)| link.client_open && link.server_open);
        links.map(|(id, _)| *id).collect()
    }

    /// When a packet that is sent now arrives, if its transit takes this long.
    pub(crate) fn arrival(&mut self, id: LinkId, direction: Direction, way: Duration, now: Instant) -> Instant {
        let Some(link) = self.links.get_mut(&id) else { return now };
        let lane = link.lane(direction);
        lane.last_at = (now + way).max(lane.last_at).max(lane.stalled_until);
        lane.last_at
    }

    pub(crate) fn stall(&mut self, id: LinkId, direction: Direction, until: Instant) {
        let Some(link) = self.links.get_mut(&id) else { return };
        link.lane(direction).stalled_until = until;
    }

    /// No new delays.
    pub(crate) fn be_good(&mut self, now: Instant) {
        for link in self.links.values_mut() {
            link.up.stalled_until = now;
            link.down.stalled_until = now;
        }
    }
}

impl Link {
    /// Whether a packet may still be on its way.
    pub(crate) fn is_busy(&self, now: Instant) -> bool {
        self.up.last_at.max(self.down.last_at) >= now
    }

    pub(crate) fn new(client: usize, site: usize, epoch: SocketEpoch, target: Text, tls: bool) -> Self {
        Self {
            client,
            site,
            epoch,
            target,
            tls,
            client_open: true,
            server_open: false,
            severed: false,
            up: Lane::default(),
            down: Lane::default(),
        }
    }

    fn lane(&mut self, direction: Direction) -> &mut Lane {
        match direction {
            Direction::Up => &mut self.up,
            Direction::Down => &mut self.down,
        }
    }
}
