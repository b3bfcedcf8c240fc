//! The real client.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use pusher_driver::{
    Client, Events, Options, SignedInError, States, SubscribeError, Subscription, Typed, TypedError, WeakClient,
};
use pusher_proto::{
    AuthError, AuthRequest, AuthResponse, AuthSubject, CloseFrame, CloseReason, ConnectionState, Event, FailReason,
    SigninError, SubscriptionError,
};

use super::tasks::Task;
use super::{CHANNELS, KINDS, Kind, Seen, Step};
use crate::world::{World, config, event, succeeded};

pub(super) struct Subject {
    world: World,
    grants: Arc<AtomicBool>,
    items: [Option<Item>; KINDS.len()],
    /// Whether the loop does not run after the next step.
    pub(super) is_lazy: bool,
    /// Whether there are changes that the loop has not seen.
    is_behind: bool,
}

/// A stream or a call, and the tasks that poll it.
struct Item {
    kind: Kind,
    source: Source,
    tasks: [Task; 2],
    /// The task that waits, and how often it had been woken before.
    waits: Option<(usize, usize)>,
}

enum Source {
    Stream(Subscription),
    Typed(Typed<u64>),
    Events(Events),
    States(States),
    Call { handle: Handle, running: Option<Call> },
}

/// What a call is made with. It gives it back at the end, so that it can be made again.
enum Handle {
    Channel(Subscription),
    User(Client),
    Shutdown(Client),
    /// The call has it.
    Lent,
}

type Call = Pin<Box<dyn Future<Output = (Handle, Seen)>>>;

impl Subject {
    pub(super) fn new(closes: bool) -> Self {
        let grants = Arc::new(AtomicBool::new(true));
        let granted = Arc::clone(&grants);
        let authorizer = move |request: AuthRequest| {
            let answer = AuthResponse::new("key:5a");
            let answer = if request.subject == AuthSubject::User { answer.user_data(USER) } else { answer };
            let is_granted = granted.load(Ordering::Relaxed);
            std::future::ready(if is_granted { Ok(answer) } else { Err(refusal()) })
        };
        let config = config().reconnect_base(SOON).reconnect_cap(SOON);
        let mut world = World::new(config, authorizer, &Options::new().close_timeout(2 * LIMIT));
        world.outside().closes = closes;
        world.run();
        Self { world, grants, items: Default::default(), is_lazy: false, is_behind: false }
    }

    /// Takes a step; returns the result if it is a poll.
    pub(super) fn take(&mut self, step: Step) -> Option<Seen> {
        let seen = match step {
            Step::Open(item) => {
                self.open(item);
                None
            }
            Step::Poll(item, task) => {
                let (client, is_behind) = (self.world.client.downgrade(), self.is_behind);
                self.open(item).poll(task, client, is_behind)
            }
            Step::Close(item) => {
                if let Some(Item { kind, source, tasks, .. }) = self.items[item].take() {
                    drop(source);
                    let may_be_known = kind == Kind::Shutdown || self.is_behind;
                    assert!(may_be_known || tasks.iter().all(Task::is_forgotten), "{kind:?} keeps a task");
                }
                None
            }
            step => {
                self.change(step);
                None
            }
        };
        self.is_behind = self.is_lazy;
        if !self.is_lazy {
            self.world.run();
        }
        seen
    }

    fn open(&mut self, item: usize) -> &mut Item {
        self.items[item].get_or_insert_with(|| Item::new(KINDS[item], &self.world.client))
    }

    fn change(&mut self, step: Step) {
        let world = &mut self.world;
        let state = world.client.state();
        match step {
            Step::Proceed => match state {
                ConnectionState::Connecting { .. } => {
                    world.sent();
                    world.greet();
                }
                ConnectionState::Waiting { .. } => _ = world.wake_sleepers(),
                // An earlier alarm may ring first.
                _ if world.client.has_ended() => _ = (0..3).all(|_| world.wake_sleepers()),
                _ => {}
            },
            Step::Lose if state.is_connected() || matches!(state, ConnectionState::Connecting { .. }) => {
                // So that no two delays end at the same time.
                world.pass(SOON);
                world.lose_socket(CloseReason::Dropped);
            }
            Step::Fail if state.is_connected() || matches!(state, ConnectionState::Connecting { .. }) => {
                world.lose_socket(CloseReason::Closed(Some(CloseFrame { code: 4_001, reason: "no app".into() })));
            }
            Step::Connect => {
                world.client.connect();
                // During a delay, not even the application may connect more often than once per delay.
                if matches!(state, ConnectionState::Waiting { .. }) && world.run() {
                    world.wake_sleepers();
                }
            }
            Step::Disconnect => world.client.disconnect(),
            Step::Succeed(channel) => {
                let subscribe = format!(r#""pusher:subscribe","data":{{"channel":"{}""#, CHANNELS[channel]);
                self.answer(&subscribe, &succeeded(CHANNELS[channel]));
            }
            Step::Message(channel, number) if is_subscribed(world, channel) => {
                world.receive(&event(CHANNELS[channel], "message", &number.to_string()));
            }
            Step::Grant(grants) => self.grants.store(grants, Ordering::Relaxed),
            Step::Unsubscribe(channel) => world.client.unsubscribe(CHANNELS[channel]),
            Step::SignIn => world.client.signin(),
            Step::SignOut => world.client.signout(),
            Step::SignInSucceeds => self.answer(r#""pusher:signin""#, SIGNED_IN),
            Step::DropLoop => world.drop_loop(),
            _ => {}
        }
    }

    /// The server answers a message, once, if it was sent on the current connection.
    fn answer(&mut self, message: &str, answer: &str) {
        let is_connected = self.world.client.state().is_connected();
        let asked = self.world.outside().sent.iter().position(|text| is_connected && text.contains(message));
        if let Some(at) = asked {
            self.world.outside().sent.remove(at);
            self.world.receive(answer);
        }
    }

    pub(super) fn has_ended(&self) -> bool {
        self.world.client.has_ended()
    }

    pub(super) fn state(&self) -> &'static str {
        self.world.client.state().name()
    }

    /// Whether a task was woken that waited for it.
    pub(super) fn is_woken(&self, item: usize) -> bool {
        let Some(item) = &self.items[item] else { return false };
        item.waits.is_some_and(|(task, before)| item.tasks[task].wakes() > before)
    }

    /// Something whose task was not woken although it is ready, and what it returns.
    pub(super) fn forgotten(&mut self) -> Option<(Kind, Seen)> {
        let client = self.world.client.downgrade();
        for (at, kind) in KINDS.into_iter().enumerate() {
            if self.is_woken(at) {
                continue;
            }
            let Some(item) = &mut self.items[at] else { continue };
            let Some((task, _)) = item.waits else { continue };
            if let Some(seen) = item.poll(task, client.clone(), false) {
                return Some((kind, seen));
            }
        }
        None
    }

    /// Drops all handles in any order, which ends the loop.
    pub(super) fn end(self) {
        drop(self.items);
        let mut world = self.world.without_client();
        world.outside().closes = true;
        assert!(!world.run(), "dropping the last handle ends the loop");
    }
}

impl Item {
    fn new(kind: Kind, client: &Client) -> Self {
        let subscribe = |channel: usize| client.subscribe(CHANNELS[channel]).unwrap();
        let call = |handle| Source::Call { handle, running: None };
        let source = match kind {
            Kind::Stream(channel) => Source::Stream(subscribe(channel)),
            Kind::Typed(channel) => Source::Typed(subscribe(channel).typed("message")),
            Kind::Events => Source::Events(client.events()),
            Kind::States => Source::States(client.states()),
            Kind::Subscribed(channel) => call(Handle::Channel(subscribe(channel))),
            Kind::User => call(Handle::User(client.clone())),
            Kind::Shutdown => call(Handle::Shutdown(client.clone())),
        };
        Self { kind, source, tasks: Default::default(), waits: None }
    }

    fn poll(&mut self, task: usize, client: WeakClient, is_behind: bool) -> Option<Seen> {
        let waker = self.tasks[task].waker(client);
        let before = self.tasks[task].wakes();
        let polled = self.source.poll(&mut Context::from_waker(&waker));
        drop(waker);
        let (seen, other) = match polled {
            Poll::Pending => {
                self.waits = Some((task, before));
                (None, &self.tasks[1 - task..2 - task])
            }
            Poll::Ready(seen) => {
                self.waits = None;
                (Some(seen), &self.tasks[..])
            }
        };
        // Before the loop runs, it has yet to wake some of them.
        let may_be_known = self.kind == Kind::Shutdown || is_behind;
        assert!(
            may_be_known || other.iter().all(Task::is_forgotten),
            "{:?} keeps a task that does not wait",
            self.kind
        );
        seen
    }
}

impl Source {
    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Seen> {
        let ended = |event: Option<Event>| event.as_ref().map_or(Seen::End, seen);
        match self {
            Self::Stream(stream) => stream.poll_recv(context).map(ended),
            Self::Events(stream) => stream.poll_recv(context).map(ended),
            Self::Typed(stream) => stream.poll_recv(context).map(|value| match value {
                None => Seen::End,
                Some(Ok(number)) => Seen::Message(at(stream.subscription().name()), number),
                Some(Err(TypedError::Gap { channel, .. })) => Seen::Gap(at(&channel)),
                Some(Err(TypedError::Refused { channel, .. })) => Seen::Refused(at(&channel)),
                Some(Err(TypedError::Failed(_))) => Seen::State("failed"),
                Some(Err(error)) => panic!("{error}"),
            }),
            Self::States(states) => {
                states.poll_recv(context).map(|state| state.map_or(Seen::End, |state| Seen::State(state.name())))
            }
            Self::Call { handle, running } => {
                let call = running.get_or_insert_with(|| std::mem::replace(handle, Handle::Lent).call());
                let (returned, seen) = std::task::ready!(call.as_mut().poll(context));
                *handle = returned;
                *running = None;
                Poll::Ready(seen)
            }
        }
    }
}

impl Handle {
    fn call(self) -> Call {
        match self {
            Self::Channel(handle) => Box::pin(async move {
                let seen = match handle.subscribed().await {
                    Ok(()) => Seen::Done,
                    Err(SubscribeError::Channel(error)) => {
                        assert_eq!(error, SubscriptionError::Auth(refusal()));
                        Seen::Refused(at(handle.name()))
                    }
                    Err(SubscribeError::Disconnected) => Seen::Disconnected,
                    Err(SubscribeError::Failed(reason)) => failed(&reason),
                    Err(SubscribeError::Unsubscribed) => Seen::Unsubscribed,
                    Err(error) => panic!("{error}"),
                };
                (Self::Channel(handle), seen)
            }),
            Self::User(client) => Box::pin(async move {
                let seen = match client.signed_in().await {
                    Ok(user) => {
                        assert_eq!(user.id, "7");
                        Seen::Done
                    }
                    Err(SignedInError::Signin(error)) => {
                        assert_eq!(error, SigninError::Auth(refusal()));
                        Seen::SignInRefused
                    }
                    Err(SignedInError::NotRequested) => Seen::NotRequested,
                    Err(SignedInError::Disconnected) => Seen::Disconnected,
                    Err(SignedInError::Failed(reason)) => failed(&reason),
                    Err(error) => panic!("{error}"),
                };
                (Self::User(client), seen)
            }),
            Self::Shutdown(client) => Box::pin(async move {
                client.shutdown(LIMIT).await;
                (Self::Shutdown(client), Seen::Done)
            }),
            Self::Lent => unreachable!("a call is made once at a time"),
        }
    }
}

fn seen(event: &Event) -> Seen {
    match event {
        Event::StateChanged { current, .. } => Seen::State(current.name()),
        Event::SubscriptionSucceeded { channel, again, .. } => Seen::Succeeded(at(channel), *again),
        Event::SubscriptionError { channel, .. } => Seen::Refused(at(channel)),
        Event::ContinuityLost { channel, .. } => Seen::Gap(at(channel)),
        Event::Channel(event) => Seen::Message(at(event.channel()), event.data().json().unwrap()),
        Event::ConnectionError(_) => Seen::Trouble,
        Event::SignedIn { .. } => Seen::SignedIn,
        Event::UserContinuityLost { .. } => Seen::UserGap,
        Event::SigninError { .. } => Seen::SignInRefused,
        event => panic!("{event:?}"),
    }
}

fn is_subscribed(world: &World, channel: usize) -> bool {
    world.client.channel(CHANNELS[channel]).is_some_and(|channel| channel.is_subscribed)
}

fn failed(reason: &FailReason) -> Seen {
    assert_eq!(reason.to_string(), "no app (code 4001)");
    Seen::Failed
}

fn refusal() -> AuthError {
    AuthError::Handler("no such user".into())
}

fn at(channel: &str) -> usize {
    CHANNELS.iter().position(|name| *name == channel).unwrap()
}

const SIGNED_IN: &str = r#"{"event":"pusher:signin_success","data":"{\"user_data\":\"{\\\"id\\\":\\\"7\\\"}\"}"}"#;

const USER: &str = r#"{"id":"7"}"#;

/// How long a `shutdown` may take.
const LIMIT: Duration = Duration::from_secs(9);

const SOON: Duration = Duration::from_nanos(1);
