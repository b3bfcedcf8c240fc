//! What one client receives.

use std::sync::Arc;
use std::time::{Duration, Instant};

use pusher_tokio::{
    ChannelEvent, ChannelName, ConnectionError, ConnectionState, Event, FailReason, SubscriptionError, with_causes,
};
use rangemap::RangeSet;

use super::board::Board;
use super::channel::Channel;
use super::payload::Stamp;
use super::tracker::{Arrival, Fate, Missing, Tracker};

/// The observations of one client. Its callback runs in the task of the connection.
#[derive(Debug)]
pub(super) struct Seat {
    board: Arc<Board>,
    number: usize,
    /// The first of its channels.
    first: usize,
    trackers: Vec<Tracker>,
    is_subscribed: Vec<bool>,
    is_connected: bool,
    /// When the client was last told to connect.
    began: Instant,
    /// Whether the storm closes the connection.
    is_closing: bool,
    /// Whether it has, and not all channels are subscribed again.
    is_returning: bool,
    counts: Counts,
    times: Times,
    trouble: Option<Trouble>,
    buffer: String,
}

#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Counts {
    /// Connections that the server greeted.
    pub(super) opened: u64,
    /// Connections that were lost, without those that the storm closed.
    pub(super) dropped: u64,
    pub(super) received: u64,
    pub(super) duplicates: u64,
    pub(super) late: u64,
    /// Gaps that the client reported.
    pub(super) gaps: u64,
    pub(super) missing: Missing,
}

/// How long it took, from when the client was told to connect.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Times {
    pub(super) connect: Option<Duration>,
    /// Until all channels were subscribed.
    pub(super) subscribe: Option<Duration>,
    /// The same after the storm.
    pub(super) resubscribe: Option<Duration>,
    /// When that was.
    pub(super) returned: Option<Instant>,
}

/// Why a client is not connected, or a channel not subscribed.
#[derive(Clone, Debug)]
pub(super) enum Trouble {
    Waiting { attempt: u32, cause: ConnectionError },
    Failed(FailReason),
    Channel(ChannelName, SubscriptionError),
}

impl Seat {
    pub(super) fn new(board: Arc<Board>, number: usize, first: usize, channels: usize) -> Self {
        Self {
            board,
            number,
            first,
            trackers: (0..channels).map(|_| Tracker::new()).collect(),
            is_subscribed: vec![false; channels],
            is_connected: false,
            began: Instant::now(),
            is_closing: false,
            is_returning: false,
            counts: Counts::default(),
            times: Times::default(),
            trouble: None,
            buffer: String::new(),
        }
    }

    pub(super) fn handle(&mut self, event: &Event) {
        match event {
            Event::Channel(event) => self.receive(event),
            Event::StateChanged { previous, current } => {
                if matches!(previous, ConnectionState::Connected { .. }) {
                    self.lose_connection();
                }
                match current {
                    ConnectionState::Connected { .. } => self.connect(),
                    ConnectionState::Waiting { attempt, cause, .. } => {
                        self.trouble = Some(Trouble::Waiting { attempt: *attempt, cause: (**cause).clone() });
                    }
                    ConnectionState::Failed { reason } => self.trouble = Some(Trouble::Failed(reason.clone())),
                    ConnectionState::Initialized
                    | ConnectionState::Connecting { .. }
                    | ConnectionState::Disconnected => {}
                }
            }
            Event::SubscriptionSucceeded { channel, .. } => self.subscribe(channel),
            Event::ContinuityLost { .. } | Event::Lagged { .. } => self.counts.gaps += 1,
            Event::ConnectionError(error) => self.board.errors().count(with_causes(error)),
            Event::SubscriptionError { channel, error, retry_at } => {
                self.board.errors().count(with_causes(error));
                if retry_at.is_none() {
                    self.trouble = Some(Trouble::Channel(channel.clone(), error.clone()));
                }
            }
            Event::DecryptionError { error, .. } => self.board.errors().count(with_causes(error)),
            _ => {}
        }
    }

    fn receive(&mut self, event: &ChannelEvent) {
        if event.event() != EVENT {
            return;
        }
        let Some(place) = self.place(event.channel()) else { return };
        let (Some(stamp), Some(channel)) =
            (Stamp::read(event.data(), &mut self.buffer), self.board.channels.get(self.channel(place)))
        else {
            return;
        };
        // This program has not published such a number.
        if stamp.number >= channel.next() {
            return;
        }
        match self.trackers[place].receive(stamp.number) {
            Arrival::New => self.counts.received += 1,
            Arrival::Late(fate) => {
                self.counts.received += 1;
                self.counts.late += 1;
                let missing = &mut self.counts.missing;
                let count = match fate {
                    Fate::Early => None,
                    Fate::Storm => Some(&mut missing.storm),
                    Fate::Outage => Some(&mut missing.outage),
                    Fate::Lost => Some(&mut missing.lost),
                };
                if let Some(count) = count {
                    *count -= 1;
                }
            }
            Arrival::Duplicate => {
                self.counts.duplicates += 1;
                return;
            }
        }
        let latency = self.board.micros(Instant::now()).saturating_sub(stamp.micros);
        self.board.record(self.number, latency);
    }

    fn connect(&mut self) {
        self.is_connected = true;
        self.counts.opened += 1;
        self.trouble = None;
        self.times.connect.get_or_insert(self.began.elapsed());
    }

    fn lose_connection(&mut self) {
        self.is_connected = false;
        if std::mem::take(&mut self.is_closing) {
            self.is_returning = true;
        } else {
            self.counts.dropped += 1;
        }
        // A server that drops clients while all return does so because of the storm.
        let fate = if self.is_returning { Fate::Storm } else { Fate::Outage };
        for place in 0..self.trackers.len() {
            let recent = self.board.channels.get(self.channel(place)).map_or(0, Channel::recent);
            let missed = self.trackers[place].leave(fate, recent);
            let missing = &mut self.counts.missing;
            missing.lost = missing.lost.saturating_sub(missed);
            match fate {
                Fate::Storm => missing.storm += missed,
                Fate::Early | Fate::Outage | Fate::Lost => missing.outage += missed,
            }
            self.is_subscribed[place] = false;
        }
    }

    fn subscribe(&mut self, channel: &ChannelName) {
        let Some(place) = self.place(channel) else { return };
        let Some(channel) = self.board.channels.get(self.channel(place)) else { return };
        self.trackers[place].subscribe(channel.next());
        self.is_subscribed[place] = true;
        if self.is_subscribed() {
            self.times.subscribe.get_or_insert(self.began.elapsed());
            if std::mem::take(&mut self.is_returning) {
                self.times.resubscribe = Some(self.began.elapsed());
                self.times.returned = Some(Instant::now());
            }
        }
    }

    /// Call this before the storm closes the connection.
    pub(super) fn cut(&mut self) {
        self.is_closing = self.is_connected;
    }

    /// Call this before the client is told to connect again.
    pub(super) fn begin_again(&mut self) {
        self.began = Instant::now();
    }

    /// Stops waiting for events before `ends`, which has an entry for each channel, and returns how many are missing.
    pub(super) fn settle(&mut self, ends: &[u64], failed: &[RangeSet<u64>]) -> Missing {
        let mut missing = Missing::default();
        for place in 0..self.trackers.len() {
            let channel = self.channel(place);
            let (Some(end), Some(failed)) = (ends.get(channel), failed.get(channel)) else { continue };
            missing.add(self.trackers[place].settle(*end, failed));
        }
        self.counts.missing.add(missing);
        missing
    }

    /// Returns whether an expected event before `ends` has not arrived.
    pub(super) fn is_waiting(&self, ends: &[u64], failed: &[RangeSet<u64>]) -> bool {
        self.trackers.iter().enumerate().any(|(place, tracker)| {
            let channel = self.channel(place);
            let (Some(end), Some(failed)) = (ends.get(channel), failed.get(channel)) else { return false };
            tracker.is_waiting(*end, failed)
        })
    }

    pub(super) const fn is_connected(&self) -> bool {
        self.is_connected
    }

    /// Whether all its channels are subscribed.
    pub(super) fn is_subscribed(&self) -> bool {
        self.is_connected && self.is_subscribed.iter().all(|is_subscribed| *is_subscribed)
    }

    pub(super) const fn counts(&self) -> Counts {
        self.counts
    }

    pub(super) const fn times(&self) -> Times {
        self.times
    }

    pub(super) const fn trouble(&self) -> Option<&Trouble> {
        self.trouble.as_ref()
    }

    /// The number of the channel at this place.
    fn channel(&self, place: usize) -> usize {
        (self.first + place) % self.board.channels.len()
    }

    /// Returns the place of a channel, which follows from the number at the end of its name.
    fn place(&self, channel: &ChannelName) -> Option<usize> {
        let number: usize = channel.as_str().rsplit('-').next()?.parse().ok()?;
        let count = self.board.channels.len();
        let place = (number.checked_add(count)?.checked_sub(self.first)?) % count;
        (place < self.trackers.len()).then_some(place)
    }
}

impl Counts {
    pub(super) fn add(&mut self, other: Self) {
        let Self { opened, dropped, received, duplicates, late, gaps, missing } = other;
        self.opened += opened;
        self.dropped += dropped;
        self.received += received;
        self.duplicates += duplicates;
        self.late += late;
        self.gaps += gaps;
        self.missing.add(missing);
    }
}

/// The name of the events that are published.
pub(super) const EVENT: &str = "load";

#[cfg(test)]
mod tests {
    use pusher_tokio::{Data, SocketId};

    use super::*;

    const CHANNELS: usize = 3;

    #[test]
    fn events_of_both_channels_are_counted_and_others_are_not() {
        let (board, mut seat) = seat();
        connect(&mut seat);
        let (a, b) = (board.channels[2].begin(), board.channels[0].begin());
        seat.handle(&event("load-2", EVENT, a));
        seat.handle(&event("load-0", EVENT, b));
        seat.handle(&event("load-0", EVENT, b));
        // Another channel, another event, and a number that was not published.
        seat.handle(&event("load-1", EVENT, 0));
        seat.handle(&event("load-0", "other", 0));
        seat.handle(&event("load-0", EVENT, 1));
        let counts = seat.counts();
        assert_eq!((counts.received, counts.duplicates, counts.late), (2, 1, 0));
        assert_eq!(board.take_latencies().len(), 2);
    }

    #[test]
    fn what_is_published_while_the_connection_is_down_is_missed() {
        let (board, mut seat) = seat();
        connect(&mut seat);
        disconnect(&mut seat);
        assert!(!seat.is_subscribed());
        board.channels[0].begin();
        connect(&mut seat);
        board.channels[0].begin();
        settle(&board, &mut seat);
        assert_eq!(seat.counts().missing, Missing { outage: 1, lost: 1, storm: 0 });
        assert_eq!((seat.counts().opened, seat.counts().dropped), (2, 1));
        // It was only late.
        seat.handle(&event("load-0", EVENT, 1));
        assert_eq!((seat.counts().missing.lost, seat.counts().late), (0, 1));
    }

    #[test]
    fn the_storm_is_told_apart_from_other_outages() {
        let (board, mut seat) = seat();
        connect(&mut seat);
        seat.cut();
        disconnect(&mut seat);
        board.channels[0].begin();
        seat.begin_again();
        connect(&mut seat);
        assert!(seat.times().resubscribe.is_some() && seat.times().returned.is_some());
        disconnect(&mut seat);
        board.channels[0].begin();
        settle(&board, &mut seat);
        assert_eq!(seat.counts().missing, Missing { storm: 1, outage: 1, lost: 0 });
        assert_eq!(seat.counts().dropped, 1);
    }

    #[test]
    fn a_connection_that_is_lost_on_the_way_back_from_the_storm_is_counted() {
        let (board, mut seat) = seat();
        // Without a connection, there is nothing to close.
        seat.cut();
        connect(&mut seat);
        assert_eq!(seat.times().returned, None);
        seat.cut();
        disconnect(&mut seat);
        let current = ConnectionState::Connected { socket_id: SocketId::new("1.2").unwrap() };
        seat.handle(&Event::StateChanged { previous: ConnectionState::Connecting { attempt: 0 }, current });
        disconnect(&mut seat);
        board.channels[0].begin();
        connect(&mut seat);
        settle(&board, &mut seat);
        assert_eq!(seat.counts().missing, Missing { storm: 1, outage: 0, lost: 0 });
        assert_eq!((seat.counts().opened, seat.counts().dropped), (3, 1));
        assert!(seat.times().returned.is_some());
    }

    /// A client of the last and the first channel.
    fn seat() -> (Arc<Board>, Seat) {
        let channels = (0..CHANNELS).map(|number| Channel::new(name(&format!("load-{number}"))));
        let board = Arc::new(Board::new(channels.collect()));
        (Arc::clone(&board), Seat::new(board, 0, CHANNELS - 1, 2))
    }

    fn connect(seat: &mut Seat) {
        let current = ConnectionState::Connected { socket_id: SocketId::new("1.2").unwrap() };
        seat.handle(&Event::StateChanged { previous: ConnectionState::Connecting { attempt: 0 }, current });
        for channel in ["load-0", "load-2"] {
            assert!(!seat.is_subscribed());
            seat.handle(&Event::SubscriptionSucceeded { channel: name(channel), again: false, presence: None });
        }
        assert!(seat.is_subscribed());
    }

    fn disconnect(seat: &mut Seat) {
        let previous = ConnectionState::Connected { socket_id: SocketId::new("1.2").unwrap() };
        seat.handle(&Event::StateChanged { previous, current: ConnectionState::Disconnected });
    }

    fn event(channel: &str, event: &str, number: u64) -> Event {
        let data = Data::string(&Stamp { number, micros: 0 }.payload(100));
        Event::Channel(ChannelEvent::new(name(channel), event, data))
    }

    fn settle(board: &Board, seat: &mut Seat) {
        let ends: Vec<_> = board.channels.iter().map(Channel::next).collect();
        seat.settle(&ends, &vec![RangeSet::new(); CHANNELS]);
    }

    fn name(name: &str) -> ChannelName {
        ChannelName::new(name).unwrap()
    }
}
