//! What a client should do, as sets: no phases, no generations, no timers of single channels.
//!
//! It knows one client with a public and a presence channel, one server, and the two queues of the socket between them.
//! Whichever of two channels comes first within one step is left open: here it is always the same.

use std::collections::{BTreeSet, VecDeque};

/// What can happen next. Some steps are possible only in some states, see [`Reference::is_possible`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Subscribe(Name),
    Unsubscribe(Name),
    /// The client's oldest message reaches the server.
    Reach,
    /// The server's oldest message arrives at the client.
    Arrive,
    /// The oldest request for authorization is granted.
    Authorize,
    /// The oldest request for authorization is refused.
    Refuse,
    /// The server publishes on both channels, and the other user comes to the presence channel or leaves it.
    Publish,
    /// The server takes too long to answer every subscription that it has not answered.
    Deadline,
    /// The socket breaks, and all that is on its way is lost.
    Cut,
    /// The client may try again, and succeeds.
    Reconnect,
    Disconnect,
    Connect,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Name {
    Chat,
    Room,
}

/// A message of the client.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Request {
    Subscribe(Name),
    Unsubscribe(Name),
}

/// A message of the server; with `true` the other user is in the presence channel.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Message {
    Succeeded(Name, bool),
    Event(Name),
    Other(bool),
    /// Nothing was there to be ended.
    NotSubscribed(Name),
}

/// What the application receives.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Notice {
    Succeeded(Name),
    Failed(Name),
    Gap(Name),
    Event(Name),
    Other(bool),
}

impl Notice {
    pub(crate) fn name(&self) -> Name {
        match self {
            Self::Succeeded(name) | Self::Failed(name) | Self::Gap(name) | Self::Event(name) => *name,
            Self::Other(_) => Name::Room,
        }
    }
}

#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Reference {
    /// Whether a connection is wanted.
    pub(crate) is_online: bool,
    pub(crate) is_connected: bool,
    pub(crate) wanted: BTreeSet<Name>,
    /// Channels that wait for the application's server, in the order of the requests.
    pub(crate) authorizing: VecDeque<Name>,
    /// Channels that wait for the server.
    pub(crate) asked: BTreeSet<Name>,
    pub(crate) subscribed: BTreeSet<Name>,
    failed: BTreeSet<Name>,
    /// Channels that failed because there was no answer; one may still arrive.
    unanswered: BTreeSet<Name>,
    /// Channels that were unsubscribed because of an unexpected success.
    strays: BTreeSet<Name>,
    /// Channels whose gap has not been reported.
    gaps: BTreeSet<Name>,
    /// Whether the other user is there, as far as the client knows.
    pub(crate) sees_other: bool,

    /// The channels that this client is subscribed to, according to the server.
    joined: BTreeSet<Name>,
    is_other_there: bool,

    pub(crate) requests: VecDeque<Request>,
    pub(crate) messages: VecDeque<Message>,
    /// What the application received in the last step.
    pub(crate) heard: Vec<Notice>,
}

impl Reference {
    /// Connected, with nothing wanted.
    pub(crate) fn new() -> Self {
        Self { is_online: true, is_connected: true, ..Self::default() }
    }

    pub(crate) fn is_possible(&self, step: Step) -> bool {
        match step {
            Step::Subscribe(_) | Step::Unsubscribe(_) | Step::Disconnect | Step::Connect => true,
            Step::Publish => self.messages.len() < MAX_UNDER_WAY,
            Step::Reach => !self.requests.is_empty(),
            Step::Arrive => !self.messages.is_empty(),
            Step::Authorize | Step::Refuse => !self.authorizing.is_empty(),
            Step::Deadline => !self.asked.is_empty(),
            Step::Cut => self.is_connected,
            Step::Reconnect => self.is_online && !self.is_connected,
        }
    }

    /// Whether the client and the server have what is wanted, and every gap was reported.
    pub(crate) fn is_settled(&self) -> bool {
        self.subscribed == self.wanted && self.joined == self.wanted && self.gaps.is_empty()
    }

    pub(crate) fn apply(&mut self, step: Step) {
        self.heard.clear();
        self.act(step);
        if self.is_connected {
            self.reconcile();
        }
    }

    fn act(&mut self, step: Step) {
        match step {
            Step::Subscribe(name) => {
                self.wanted.insert(name);
                self.failed.remove(&name);
            }
            Step::Unsubscribe(name) => {
                self.wanted.remove(&name);
                self.failed.remove(&name);
                self.gaps.remove(&name);
            }
            Step::Reach => self.reach(),
            Step::Arrive => self.arrive(),
            Step::Authorize => {
                let name = self.authorizing.pop_front().expect("it is possible");
                self.ask(name);
            }
            Step::Refuse => {
                let name = self.authorizing.pop_front().expect("it is possible");
                self.fail(name);
            }
            Step::Publish => self.publish(),
            Step::Deadline => {
                let late = std::mem::take(&mut self.asked);
                for name in late {
                    self.unanswered.insert(name);
                    if self.wanted.contains(&name) {
                        self.fail(name);
                    }
                }
            }
            Step::Cut => self.lose(),
            Step::Reconnect => self.is_connected = true,
            Step::Disconnect => {
                self.is_online = false;
                self.lose();
            }
            Step::Connect => self.is_online = true,
        }
    }

    /// Does what remains to be done for every channel, wanted or not.
    fn reconcile(&mut self) {
        for name in NAMES {
            let is_busy = self.asked.contains(&name) || self.authorizing.contains(&name);
            if self.wanted.contains(&name) {
                if is_busy || self.subscribed.contains(&name) || self.failed.contains(&name) {
                    continue;
                }
                if self.unanswered.remove(&name) {
                    self.strays.insert(name);
                    self.requests.push_back(Request::Unsubscribe(name));
                }
                match name {
                    Name::Chat => self.ask(name),
                    Name::Room => self.authorizing.push_back(name),
                }
            } else {
                self.authorizing.retain(|waiting| *waiting != name);
                if self.subscribed.remove(&name) | self.unanswered.remove(&name) {
                    self.requests.push_back(Request::Unsubscribe(name));
                }
            }
        }
    }

    fn ask(&mut self, name: Name) {
        self.asked.insert(name);
        self.strays.remove(&name);
        self.requests.push_back(Request::Subscribe(name));
    }

    fn fail(&mut self, name: Name) {
        self.failed.insert(name);
        self.heard.push(Notice::Failed(name));
    }

    fn arrive(&mut self) {
        match self.messages.pop_front().expect("it is possible") {
            Message::Succeeded(name, with_other) => {
                let was_asked = self.asked.remove(&name) | self.unanswered.remove(&name);
                if !was_asked {
                    if self.subscribed.contains(&name) && name == Name::Room {
                        self.sees_other = with_other;
                    }
                    if !self.subscribed.contains(&name) && self.strays.insert(name) {
                        self.requests.push_back(Request::Unsubscribe(name));
                    }
                    return;
                }
                self.failed.remove(&name);
                if !self.wanted.contains(&name) {
                    self.requests.push_back(Request::Unsubscribe(name));
                    return;
                }
                self.close_gap(name);
                self.heard.push(Notice::Succeeded(name));
                self.subscribed.insert(name);
                if name == Name::Room {
                    self.sees_other = with_other;
                }
            }
            Message::Event(name) => {
                // Some servers send events before the success.
                if self.wanted.contains(&name) && (self.subscribed.contains(&name) || self.asked.contains(&name)) {
                    self.close_gap(name);
                    self.heard.push(Notice::Event(name));
                }
            }
            Message::NotSubscribed(_) => {}
            Message::Other(is_there) => {
                if self.subscribed.contains(&Name::Room) && self.sees_other != is_there {
                    self.sees_other = is_there;
                    self.heard.push(Notice::Other(is_there));
                }
            }
        }
    }

    fn close_gap(&mut self, name: Name) {
        if self.gaps.remove(&name) {
            self.heard.push(Notice::Gap(name));
        }
    }

    fn lose(&mut self) {
        self.gaps.extend(&self.subscribed);
        *self = Self {
            is_online: self.is_online,
            wanted: std::mem::take(&mut self.wanted),
            gaps: std::mem::take(&mut self.gaps),
            sees_other: self.sees_other,
            is_other_there: self.is_other_there,
            ..Self::default()
        };
    }

    fn reach(&mut self) {
        match self.requests.pop_front().expect("it is possible") {
            Request::Subscribe(name) => {
                self.joined.insert(name);
                self.messages.push_back(Message::Succeeded(name, name == Name::Room && self.is_other_there));
            }
            Request::Unsubscribe(name) => {
                if !self.joined.remove(&name) {
                    self.messages.push_back(Message::NotSubscribed(name));
                }
            }
        }
    }

    fn publish(&mut self) {
        self.messages.extend(self.joined.iter().map(|name| Message::Event(*name)));
        self.is_other_there = !self.is_other_there;
        if self.joined.contains(&Name::Room) {
            self.messages.push_back(Message::Other(self.is_other_there));
        }
    }
}

pub(crate) const NAMES: [Name; 2] = [Name::Chat, Name::Room];

/// How many messages of the server may be in transit before it publishes more.
const MAX_UNDER_WAY: usize = 4;
