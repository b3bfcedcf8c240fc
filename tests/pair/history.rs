//! Requests for pages of history: in every order of events, each has one outcome, which a reference of a few lines knows.

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use libtest_mimic::Trial;
use pusher_proto::{
    Action, CloseReason, Config, Endpoint, Event, HistoryError, HistoryId, HistoryPage, HistoryQuery, Recovery,
};
use pusher_test::Choices;

use crate::reference;
use crate::single::Single;
use crate::stage::{channel, secs};

pub(crate) fn trial() -> Trial {
    reference::trial(
        "each request for history has its own outcome, in every order of pages, errors, losses and waits",
        Step::draw,
        || {
            let (mut reference, mut client) = (Reference::default(), Subject::new());
            move |step| (reference.take(step), client.take(step))
        },
    )
}

/// Channels by their names.
type Name = &'static str;

const NAMES: [Name; 2] = ["a", "b"];

#[derive(Clone, Copy, Debug)]
enum Step {
    Ask(Name),
    Page(Name),
    /// An error that is about history.
    Refused,
    /// Another error.
    Error,
    Unsubscribe(Name),
    Subscribe(Name),
    Dropped,
    Pass(Duration),
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Sends(Name),
    /// The number of the request, and what became of it.
    Outcome(u64, Outcome),
    NotAsked,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Page,
    Refused,
    Timeout,
    NotSubscribed,
    NotConnected,
}

impl Step {
    fn draw(choices: &mut Choices) -> Self {
        let name = *choices.pick(&NAMES);
        match choices.below(16) {
            0..=5 => Self::Ask(name),
            6..=8 => Self::Page(name),
            9 => Self::Refused,
            10 => Self::Error,
            11 => Self::Unsubscribe(name),
            12 => Self::Subscribe(name),
            13 => Self::Dropped,
            _ => Self::Pass(*choices.pick(&[secs(1), secs(9), secs(10), secs(25)])),
        }
    }
}

/// The rules.
#[derive(Default)]
struct Reference {
    now: Duration,
    asked: u64,
    unwanted: BTreeSet<Name>,
    waiting: VecDeque<(u64, Name)>,
    sent: Option<Sent>,
}

/// The answers do not say which request they belong to, so there is one at a time.
struct Sent {
    number: u64,
    name: Name,
    deadline: Duration,
    /// It has its outcome, and keeps its place, so that a late answer is not taken for that of the next one.
    is_over: bool,
}

impl Reference {
    fn take(&mut self, step: Step) -> Vec<Seen> {
        let mut seen = Vec::new();
        match step {
            Step::Ask(name) if self.unwanted.contains(name) => seen.push(Seen::NotAsked),
            Step::Ask(name) => {
                self.asked += 1;
                self.waiting.push_back((self.asked, name));
            }
            Step::Page(name) => {
                if let Some(sent) = self.sent.take_if(|sent| sent.name == name).filter(|sent| !sent.is_over) {
                    seen.push(Seen::Outcome(sent.number, Outcome::Page));
                }
            }
            Step::Refused => {
                if let Some(sent) = self.sent.take().filter(|sent| !sent.is_over) {
                    seen.push(Seen::Outcome(sent.number, Outcome::Refused));
                }
            }
            Step::Error => {}
            Step::Unsubscribe(name) => {
                self.unwanted.insert(name);
                seen.extend(self.end(Some(name), Outcome::NotSubscribed));
            }
            Step::Subscribe(name) => _ = self.unwanted.remove(name),
            Step::Dropped => {
                seen.extend(self.end(None, Outcome::NotConnected));
                self.sent = None;
            }
            Step::Pass(time) => {
                let end = self.now + time;
                while let Some(deadline) = self.sent.as_ref().map(|sent| sent.deadline).filter(|at| *at <= end) {
                    self.now = deadline;
                    // The place is free, or nothing that waits can be answered.
                    if self.sent.take_if(|sent| sent.is_over).is_none() {
                        seen.extend(self.end(None, Outcome::Timeout));
                        self.sent.iter_mut().for_each(|sent| sent.deadline = deadline + ANSWER_TIMEOUT);
                    }
                    seen.extend(self.send());
                }
                self.now = end;
            }
        }
        seen.extend(self.send());
        seen
    }

    fn send(&mut self) -> Option<Seen> {
        if self.sent.is_some() {
            return None;
        }
        let (number, name) = self.waiting.pop_front()?;
        self.sent = Some(Sent { number, name, deadline: self.now + ANSWER_TIMEOUT, is_over: false });
        Some(Seen::Sends(name))
    }

    /// Ends the requests for a channel, or for all.
    fn end(&mut self, only: Option<Name>, outcome: Outcome) -> Vec<Seen> {
        let mut seen = Vec::new();
        let is_meant = |name: Name| only.is_none_or(|only| only == name);
        if let Some(sent) = self.sent.as_mut().filter(|sent| is_meant(sent.name) && !sent.is_over) {
            sent.is_over = true;
            seen.push(Seen::Outcome(sent.number, outcome));
        }
        self.waiting.retain(|(number, name)| {
            seen.extend(is_meant(name).then_some(Seen::Outcome(*number, outcome)));
            !is_meant(name)
        });
        seen
    }
}

/// The real client.
struct Subject {
    single: Single,
    ids: Vec<HistoryId>,
}

impl Subject {
    fn new() -> Self {
        let config = Config::builder("app-key", Endpoint::sockudo("localhost")).recovery(Recovery::default());
        let mut subject = Self { single: Single::new(config.build().expect("a valid configuration")), ids: Vec::new() };
        NAMES.iter().for_each(|name| subject.single.client.subscribe(channel(name)));
        subject.single.poll(|_, _| None::<Seen>);
        subject
    }

    fn take(&mut self, step: Step) -> Vec<Seen> {
        let mut seen = Vec::new();
        match step {
            Step::Ask(name) => match self.single.client.request_history(&channel(name), HistoryQuery::default()) {
                Ok(id) => self.ids.push(id),
                Err(HistoryError::NotSubscribed) => seen.push(Seen::NotAsked),
                Err(error) => panic!("{error}"),
            },
            Step::Page(name) => {
                self.single.receive(&PAGE.replace("CHANNEL", name));
            }
            Step::Refused => self.single.receive(&ERROR.replace("MESSAGE", "Invalid message format: Invalid cursor")),
            Step::Error => self.single.receive(&ERROR.replace("MESSAGE", "something else")),
            Step::Unsubscribe(name) => self.single.client.unsubscribe(&channel(name)),
            Step::Subscribe(name) => self.single.client.subscribe(channel(name)),
            Step::Dropped => self.single.close(CloseReason::Dropped),
            Step::Pass(time) => seen.extend(self.single.pass(time, |_, action| see(&self.ids, action))),
        }
        seen.extend(self.single.poll(|_, action| see(&self.ids, action)));
        seen
    }
}

fn see(ids: &[HistoryId], action: Action) -> Option<Seen> {
    match action {
        Action::Send(_, text) if text.contains("channel_history") => {
            let name = NAMES.into_iter().find(|name| text.contains(&format!(r#":\"{name}\""#)));
            Some(Seen::Sends(name.expect("one of the channels")))
        }
        Action::Emit(Event::History { id, result, .. }) => {
            let number = ids.iter().position(|other| *other == id).expect("a request") as u64 + 1;
            Some(Seen::Outcome(number, outcome(&result)))
        }
        _ => None,
    }
}

fn outcome(result: &Result<HistoryPage, HistoryError>) -> Outcome {
    match result {
        Ok(_) => Outcome::Page,
        Err(HistoryError::Refused(_)) => Outcome::Refused,
        Err(HistoryError::Timeout) => Outcome::Timeout,
        Err(HistoryError::NotSubscribed) => Outcome::NotSubscribed,
        Err(HistoryError::NotConnected) => Outcome::NotConnected,
        Err(error) => panic!("{error}"),
    }
}

const PAGE: &str = r#"{"event":"sockudo:channel_history","channel":"CHANNEL","data":{"items":[],"next_cursor":null,"has_more":false}}"#;
const ERROR: &str = r#"{"event":"sockudo:error","data":{"code":4000,"message":"MESSAGE"}}"#;

/// How long the server may take to answer, and how long a request without an answer keeps its place.
const ANSWER_TIMEOUT: Duration = secs(10);
