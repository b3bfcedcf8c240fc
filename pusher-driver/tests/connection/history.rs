//! Pages of a channel's history.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pusher_driver::{HistoryRequest, NoAuth, Options, Subscription};
use pusher_proto::{CloseReason, HistoryError, HistoryQuery, Recovery};

use crate::world::{Random, Wakes, World, config, now};

/// Connected in version 2 of the protocol, and subscribed to a channel.
pub(crate) fn subscribed() -> (World, Subscription) {
    let mut world = World::new(config().recovery(Recovery::default()), NoAuth, &Options::new());
    world.run();
    world.receive(r#"{"event":"sockudo:connection_established","data":"{\"socket_id\":\"1.1\"}"}"#);
    let orders = world.client.subscribe("orders").unwrap();
    world.run();
    world.receive(r#"{"event":"sockudo_internal:subscription_succeeded","channel":"orders","data":"{}"}"#);
    world.sent();
    (world, orders)
}

pub(crate) fn page(serial: u64) -> String {
    let message = format!(r#"{{"event":"e","channel":"orders","data":"{serial}"}}"#);
    let item = format!(r#"{{"stream_id":"s","serial":{serial},"published_at_ms":1,"message":{message}}}"#);
    format!(r#"{{"event":"sockudo:channel_history","channel":"orders","data":{{"items":[{item}]}}}}"#)
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// A call asks for a page, unless it has done so.
    Ask(usize),
    /// One of two tasks polls it.
    Poll(usize, usize),
    Drop(usize),
    /// The server answers the oldest request with the page of this number.
    Page(u64),
    Lose,
    Unsubscribe,
    DropLoop,
}

impl Step {
    fn draw(random: &mut Random, number: u64) -> Self {
        let call = random.below(CALLS);
        match random.below(32) {
            0..=8 => Self::Ask(call),
            9..=19 => Self::Poll(call, random.below(2)),
            20..=22 => Self::Drop(call),
            23..=28 => Self::Page(number),
            29 => Self::Lose,
            30 => Self::Unsubscribe,
            _ => Self::DropLoop,
        }
    }
}

/// The number of a page, or why there is none.
type Outcome = Result<u64, HistoryError>;

/// What a call has come to.
enum Call {
    Waits,
    IsOver(Outcome),
    /// The outcome was returned.
    WasOver,
}

/// The rules.
#[derive(Default)]
struct Reference {
    calls: [Option<Call>; CALLS],
    /// The calls whose requests are unanswered; none for one that was dropped.
    unanswered: VecDeque<Option<usize>>,
    is_lost: bool,
    is_unsubscribed: bool,
    has_ended: bool,
}

impl Reference {
    /// Takes a step; returns the outcome if it is a poll.
    fn take(&mut self, step: Step) -> Option<Outcome> {
        match step {
            Step::Ask(at) if self.calls[at].is_none() => {
                let refusal = self.refusal();
                self.unanswered.extend(refusal.is_none().then_some(Some(at)));
                self.calls[at] = Some(refusal.map_or(Call::Waits, |refusal| Call::IsOver(Err(refusal))));
            }
            Step::Ask(_) => {}
            Step::Poll(at, _) => {
                let call = self.calls[at].as_mut()?;
                return match std::mem::replace(call, Call::WasOver) {
                    Call::IsOver(outcome) => Some(outcome),
                    before @ (Call::Waits | Call::WasOver) => {
                        *call = before;
                        None
                    }
                };
            }
            Step::Drop(at) => {
                self.calls[at] = None;
                self.unanswered.iter_mut().filter(|call| **call == Some(at)).for_each(|call| *call = None);
            }
            Step::Page(number) => {
                if let Some(at) = self.unanswered.pop_front().flatten() {
                    self.calls[at] = Some(Call::IsOver(Ok(number)));
                }
            }
            Step::Lose => self.is_lost = true,
            Step::Unsubscribe => self.is_unsubscribed = true,
            Step::DropLoop => self.has_ended = true,
        }
        if let Some(refusal) = self.refusal() {
            for at in self.unanswered.drain(..).flatten() {
                self.calls[at] = Some(Call::IsOver(Err(refusal.clone())));
            }
        }
        None
    }

    /// Why no request can be sent.
    fn refusal(&self) -> Option<HistoryError> {
        match (self.has_ended, self.is_unsubscribed, self.is_lost) {
            (true, _, _) | (false, false, true) => Some(HistoryError::NotConnected),
            (false, true, _) => Some(HistoryError::NotSubscribed),
            (false, false, false) => None,
        }
    }
}

/// A request, and the tasks that poll it.
struct Asked {
    request: HistoryRequest,
    tasks: [Arc<Wakes>; 2],
    /// The task that waits.
    waits: Option<usize>,
}

impl Asked {
    fn poll(&mut self, task: usize) -> Option<Outcome> {
        self.tasks[task] = Arc::default();
        let waker = Waker::from(Arc::clone(&self.tasks[task]));
        let polled = Pin::new(&mut self.request).poll(&mut Context::from_waker(&waker));
        drop(waker);
        self.waits = polled.is_pending().then_some(task);
        assert_eq!(Arc::strong_count(&self.tasks[1 - task]), 1, "a task that no longer waits is forgotten");
        match polled {
            Poll::Ready(page) => Some(page.map(|page| page.items()[0].position().serial())),
            Poll::Pending => None,
        }
    }

    fn is_woken(&self) -> bool {
        self.waits.is_some_and(|task| self.tasks[task].count() > 0)
    }
}

#[test]
fn each_call_gets_the_page_that_it_asked_for_or_the_reason_why_there_is_none() {
    for seed in 0..STORIES {
        let mut random = Random(seed);
        let (mut world, mut orders) = subscribed();
        while now(orders.recv()).is_ready() {}
        let mut reference = Reference::default();
        let mut calls: [Option<Asked>; CALLS] = Default::default();
        let mut story = Vec::new();
        for number in 0..STEPS {
            let step = Step::draw(&mut random, number);
            story.push(step);
            let mut seen = None;
            match step {
                Step::Ask(at) => {
                    let ask = || Asked {
                        request: orders.history(HistoryQuery::default()),
                        tasks: Default::default(),
                        waits: None,
                    };
                    calls[at].get_or_insert_with(ask);
                }
                Step::Poll(at, task) => seen = calls[at].as_mut().and_then(|call| call.poll(task)),
                Step::Drop(at) => {
                    if let Some(Asked { request, tasks, .. }) = calls[at].take() {
                        drop(request);
                        assert!(
                            tasks.iter().all(|task| Arc::strong_count(task) == 1),
                            "a dropped call leaves no waker"
                        );
                    }
                }
                Step::Page(number) => world.receive(&page(number)),
                Step::Lose => world.lose_socket(CloseReason::Dropped),
                Step::Unsubscribe => world.client.unsubscribe("orders"),
                Step::DropLoop => world.drop_loop(),
            }
            world.run();
            assert_eq!(seen, reference.take(step), "seed {seed}: {story:?}");
            for (call, expected) in calls.iter().zip(&reference.calls) {
                let is_over = matches!(expected, Some(Call::IsOver(_)));
                let Some(call) = call.as_ref().filter(|call| call.waits.is_some()) else { continue };
                assert_eq!(call.is_woken(), is_over, "seed {seed}: whether a task is woken in {story:?}");
            }
        }
    }
}

#[test]
fn a_page_reaches_no_stream_and_requests_are_sent_one_at_a_time() {
    let (mut world, mut orders) = subscribed();
    while now(orders.recv()).is_ready() {}
    let _requests = [(); 2].map(|()| orders.history(HistoryQuery::default()));
    world.run();
    assert_eq!(world.sent().len(), 1);
    world.receive(&page(1));
    assert_eq!(world.sent().len(), 1);
    assert!(now(orders.recv()).is_pending());
}

const CALLS: usize = 3;
const STORIES: u64 = 600;
const STEPS: u64 = 30;
