//! Future events of the simulation, ordered by time and then by when they were planned.

use std::collections::BTreeMap;

use pusher_proto::{AuthId, ChannelName, Instant, Text};

use super::network::{LinkId, Packet};

#[derive(Debug)]
pub(crate) enum Task {
    Step,
    /// A socket is about to open.
    Opened(LinkId),
    Failed(LinkId, Packet),
    Up(LinkId, Packet),
    Down(LinkId, Packet),
    /// A frame that a server held back.
    Release(LinkId, Text),
    Auth(usize, AuthId),
    ClientTimer(usize),
    SiteTimer(usize),
    SiteUp(usize),
    SiteKilled(usize),
    SiteAdmits(usize),
    WakeUp(usize),
    /// The application tries again what failed.
    TryAgain(usize, Option<ChannelName>),
    SigninAgain(usize),
}

#[derive(Default)]
pub(crate) struct Agenda {
    tasks: BTreeMap<(Instant, u64), Task>,
    last: u64,
}

impl Agenda {
    pub(crate) fn plan(&mut self, at: Instant, task: Task) {
        self.last += 1;
        self.tasks.insert((at, self.last), task);
    }

    pub(crate) fn next(&mut self) -> Option<(Instant, Task)> {
        self.tasks.pop_first().map(|((at, _), task)| (at, task))
    }
}
