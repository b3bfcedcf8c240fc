//! What one client may and must do, kept beside it and compared after every step.
//!
//! The ledger knows nothing of the client's inside. It sees what goes in, what comes out, and what the getters say.

mod actions;
mod asked;
mod book;
mod channels;
mod connection;
mod events;
mod inputs;
mod sockets;

use std::collections::BTreeMap;

use pusher_proto::{AuthId, ChannelKind, ChannelName, Client, ClientEventName, ConnectionState, Instant};

use self::asked::Asked;
use self::book::{Book, OnSocket, Told};
use self::sockets::{EPSILON, Sockets};
use super::authority::Authority;
use super::journal::Journal;
use super::mix::Limits;
use super::reached::Rare;

pub(crate) struct Ledger {
    who: usize,
    limits: Limits,
    now: Instant,
    /// When the client was polled again, or its machine awoke.
    looked_at: Instant,
    /// What the application was told last.
    state: ConnectionState,
    sockets: Sockets,
    books: BTreeMap<ChannelName, Book>,
    asked: BTreeMap<AuthId, Asked>,
    user: UserBook,
    /// Client events that were taken and not yet sent.
    triggered: Vec<(ChannelName, ClientEventName)>,
    /// Events that were counted and not told, in this drain.
    lagged: u64,
    /// Whether there were such.
    lost_some: bool,
    events_in_drain: usize,
    unavailable: bool,
    input: Input,
    /// What the application has said of the connection since the last poll.
    connection_wish: Option<bool>,
    /// The application has called since the last drain.
    touched: bool,
    /// Nothing may come out of the drain that runs, since there is no connection and nobody called.
    must_be_quiet: bool,
    /// Whatever else was called, nobody wants a connection: none may be begun, and nothing asked or sent.
    must_stay_off: bool,
    /// The client was not polled for a while, so that inputs and events do not run in parallel.
    blurred: bool,
}

/// What was handed over last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Input {
    #[default]
    Other,
    Success,
    Error,
}

#[derive(Default)]
struct UserBook {
    wish: Option<Wish>,
    wanted: bool,
    signed_in: bool,
    failed: bool,
    gap: bool,
    /// Whether the server has been asked on this socket, which keeps its user.
    attached: bool,
    last_event: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    In,
    Out,
    Change,
}

impl Ledger {
    pub(crate) fn new(who: usize, limits: Limits) -> Self {
        Self {
            who,
            limits,
            now: Instant::ZERO,
            looked_at: Instant::ZERO,
            state: ConnectionState::Initialized,
            sockets: Sockets::new(),
            books: BTreeMap::new(),
            asked: BTreeMap::new(),
            user: UserBook::default(),
            triggered: Vec::new(),
            lagged: 0,
            lost_some: false,
            events_in_drain: 0,
            unavailable: false,
            input: Input::Other,
            connection_wish: None,
            touched: false,
            must_be_quiet: false,
            must_stay_off: false,
            blurred: false,
        }
    }

    /// The client will not be polled for a while.
    pub(crate) fn blur(&mut self) {
        self.blurred = true;
    }

    pub(crate) fn begin_drain(&mut self, journal: &mut Journal, now: Instant) {
        self.now = now;
        self.apply_wishes(journal);
        self.must_be_quiet = !self.is_on() && !self.touched;
        self.must_stay_off = match self.connection_wish {
            Some(wants_connection) => !wants_connection,
            None => !self.is_on(),
        };
        self.touched = false;
        self.events_in_drain = 0;
    }

    /// The client has nothing more to say.
    pub(crate) fn end_drain(&mut self, client: &Client, journal: &mut Journal) {
        let who = self.who;
        if client.state() != &self.state {
            let details = format!("told {:?}, but it is {:?}", self.state, client.state());
            journal.violated(who, "the state is told", details);
        }
        if self.connection_wish.take().is_some_and(|wish| wish != self.is_on()) {
            journal.violated(who, "wishes are obeyed", format!("it is {:?}", self.state));
        }
        if self.events_in_drain > self.limits.max_pending_events {
            let details = format!("{} events waited", self.events_in_drain);
            journal.violated(who, "queues are bounded", details);
        }
        if self.blurred {
            // What was sent on a socket that is gone before anybody polled is lost, and nobody can see that.
            self.triggered.clear();
        }
        if self.triggered.len() > self.limits.buffered_client_events {
            let details = format!("{} client events wait", self.triggered.len());
            journal.violated(who, "queues are bounded", details);
        }
        let names: Vec<ChannelName> = self.books.keys().cloned().collect();
        for name in &names {
            self.settle_debts(name, journal);
            self.compare(name, client, journal);
            self.check_progress(name, client, journal);
        }
        self.lagged = 0;
        self.lost_some = false;
        self.input = Input::Other;
        self.blurred = false;
    }

    /// Looks at the clock.
    pub(crate) fn check(&mut self, journal: &mut Journal, now: Instant) {
        self.now = now;
        self.sockets.check(&self.limits, self.who, journal, now);
        if let ConnectionState::Waiting { retry_at, .. } = self.state
            && now > retry_at.max(self.looked_at) + EPSILON
        {
            journal.violated(self.who, "every delay ends", format!("the client waits since {retry_at}"));
        }
        for (name, book) in &self.books {
            if let OnSocket::Sent { at } = book.on_socket
                && now > at + SUBSCRIBE_TIMEOUT + EPSILON
                && book.wanted
            {
                journal.violated(self.who, "every subscription ends", format!("{name} was sent at {at}"));
            }
        }
        for asked in self.asked.values() {
            if now > asked.at + AUTH_TIMEOUT + EPSILON {
                let details = format!("{:?} was asked for at {}", asked.channel, asked.at);
                journal.violated(self.who, "every authorization ends", details);
            }
        }
    }

    pub(crate) fn is_wanted(&self, channel: &ChannelName) -> bool {
        self.books.get(channel).is_some_and(|book| book.wanted)
    }

    pub(crate) fn has_failed(&self, channel: &ChannelName) -> bool {
        self.books.get(channel).is_some_and(|book| book.told == Told::Failed)
    }

    /// The number of the latest event that the application was told of a channel, readable or not.
    pub(crate) fn last_told(&self, channel: &ChannelName) -> Option<u64> {
        self.books.get(channel).and_then(|book| book.last_told)
    }

    /// The number of the latest event that the application could read.
    pub(crate) fn last_read(&self, channel: &ChannelName) -> Option<u64> {
        self.books.get(channel).and_then(|book| book.last_read)
    }

    pub(crate) fn wanted(&self) -> impl Iterator<Item = &ChannelName> {
        self.books.iter().filter(|(_, book)| book.wanted).map(|(name, _)| name)
    }

    /// Whether a sign-in is wanted and has not ended.
    pub(crate) fn signin_is_pending(&self) -> bool {
        self.user.wanted && !self.user.signed_in && !self.user.failed
    }

    pub(crate) fn signin_has_failed(&self) -> bool {
        self.user.wanted && self.user.failed
    }

    pub(crate) fn open_requests(&self) -> usize {
        self.asked.len()
    }

    /// Whether the client has a connection, or tries to get one.
    fn is_on(&self) -> bool {
        match self.state {
            ConnectionState::Connecting { .. }
            | ConnectionState::Waiting { .. }
            | ConnectionState::Connected { .. } => true,
            ConnectionState::Initialized | ConnectionState::Disconnected | ConnectionState::Failed { .. } => false,
        }
    }

    fn is_connected(&self) -> bool {
        self.state.is_connected()
    }

    /// What was handed over must have been passed on, unless it was counted as missed or waits for a newer key.
    fn settle_debts(&mut self, name: &ChannelName, journal: &mut Journal) {
        // A request for a newer key waits for the window, and events wait for the request.
        let may_wait = name.kind() == ChannelKind::PrivateEncrypted
            && self.is_connected()
            && self.open_channel_requests() >= self.limits.auth_window;
        let Some(book) = self.books.get_mut(name) else { return };
        if book.is_refreshing() || may_wait && book.is_listening() && !book.owed.is_empty() {
            book.excused += self.lagged;
            let held = (book.owed.len() as u64).saturating_sub(book.excused);
            if held > self.limits.held_encrypted_events.min(self.limits.max_pending_events) as u64 {
                journal.violated(self.who, "queues are bounded", format!("{held} events of {name} wait for a key"));
            }
            if book.sealed.is_none() && !book.doubtful && book.excused == 0 {
                book.sealed = book.owed.front().copied();
            }
            return;
        }
        book.doubtful = false;
        let lost = (book.owed.len() as u64).saturating_sub(std::mem::take(&mut book.excused));
        book.owed.clear();
        if lost <= self.lagged {
            self.lagged -= lost;
        } else {
            let details = format!("{lost} events of {name} are missing, {} were counted", self.lagged);
            journal.violated(self.who, "no event is lost without a notice", details);
        }
    }

    /// Getters and events must say the same.
    fn compare(&mut self, name: &ChannelName, client: &Client, journal: &mut Journal) {
        let Some(book) = self.books.get_mut(name) else { return };
        let channel = client.channel(name);
        if channel.is_some() != book.wanted {
            let details = format!("{name} wanted: {}, known: {}", book.wanted, channel.is_some());
            journal.violated(self.who, "wishes are shown", details);
        }
        if let Some(members) = channel.and_then(|channel| channel.members()) {
            book.roster.compare(name, members, self.lost_some, self.who, journal);
        }
        let is_subscribed = channel.is_some_and(|channel| channel.is_subscribed());
        if is_subscribed != (book.told == Told::Subscribed) {
            let details = format!("{name} is subscribed: {is_subscribed}, told: {:?}", book.told);
            journal.violated(self.who, "the subscription is told", details);
        }
        if self.blurred {
            book.on_socket = if is_subscribed { OnSocket::Confirmed } else { OnSocket::Unclear };
        }
    }

    /// A wanted channel must be on its way, or the application must know why not.
    fn check_progress(&self, name: &ChannelName, client: &Client, journal: &mut Journal) {
        let Some(book) = self.books.get(name) else { return };
        let waits = book.asked.is_some() || book.retry_at.is_some_and(|at| at + EPSILON > self.now);
        let is_idle = matches!(book.on_socket, OnSocket::Nothing | OnSocket::Ended(_));
        if !client.state().is_connected() || !book.wanted || book.told != Told::Nothing || waits || !is_idle {
            return;
        }
        let unanswered = |book: &Book| matches!(book.on_socket, OnSocket::Sent { .. } | OnSocket::Unclear);
        let unanswered = self.books.values().filter(|book| unanswered(book)).count();
        let window_is_full =
            self.open_channel_requests() >= self.limits.auth_window || unanswered >= self.limits.subscribe_window;
        let awaits_user = name.kind() == ChannelKind::Presence && self.signin_is_pending();
        if awaits_user {
            return journal.reach(Rare::AwaitedUser);
        }
        if window_is_full {
            let is_for_auth = name.kind().needs_auth() && unanswered < self.limits.subscribe_window;
            return journal.reach(if is_for_auth { Rare::AuthWindowFull } else { Rare::SubscribeWindowFull });
        }
        journal.violated(self.who, "no channel is forgotten", format!("nothing is under way for {name}"));
    }
}

/// Defaults of the client that no mix changes.
const SUBSCRIBE_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(30);
const AUTH_TIMEOUT: std::time::Duration = std::time::Duration::from_secs(15);

/// What the harness needs to tell one signature from another.
pub(crate) type Signatures<'a> = &'a Authority;
