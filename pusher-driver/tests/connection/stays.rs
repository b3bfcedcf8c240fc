//! Handles of a channel that was unsubscribed, and subscribed again by others.

use std::sync::mpsc;
use std::task::Poll;

use pusher_driver::{BindError, BindingId, SubscribeError, Subscription};
use pusher_proto::{AuthRequest, AuthResponse, Event, HistoryError, HistoryQuery, TriggerError};

use crate::world::{World, event, now};

const ROOM: &str = "presence-room";

type Use = fn(&mut Subscription, BindingId);
type Prepare = fn(&mut World, &mut Subscription);
type End = fn(Subscription);

/// Uses of a handle, and the result if its channel was unsubscribed. The id is that of a callback of a later handle.
const USES: [(&str, Use); 12] = [
    ("getters", |old, _| {
        assert!(!old.is_subscribed() && !old.knows_members());
        assert_eq!((old.subscription_count(), old.member_count(), old.me()), (None, None, None));
        assert_eq!((old.members(), old.member("1")), (None, None));
    }),
    ("trigger", |old, _| assert_eq!(old.trigger("client-x", &1), Err(TriggerError::NotSubscribed))),
    ("update_presence", |old, _| assert_eq!(old.update_presence(&1), Err(TriggerError::NotSubscribed))),
    ("history", |old, _| {
        assert_eq!(now(old.history(HistoryQuery::default())), Poll::Ready(Err(HistoryError::NotSubscribed)));
    }),
    ("subscribed", |old, _| assert_eq!(now(old.subscribed()), Poll::Ready(Err(SubscribeError::Unsubscribed)))),
    ("recv", |old, _| assert_ended(old)),
    ("bind", |old, _| assert_eq!(old.bind("message", |_| ()), Err(BindError::Unsubscribed))),
    ("bind_all", |old, _| assert_eq!(old.bind_all(|_| ()), Err(BindError::Unsubscribed))),
    ("unbind", |old, id| assert!(!old.unbind(id))),
    ("unbind_event", |old, _| assert_eq!(old.unbind_event("message"), 0)),
    ("unbind_all", |old, _| assert_eq!(old.unbind_all(), 0)),
    ("nothing", |_, _| {}),
];

/// What the handle was used for before its channel was unsubscribed.
const BEFORE: [(&str, Prepare); 4] = [
    ("nothing", |_, _| {}),
    ("its stream", |_, old| while now(old.recv()).is_ready() {}),
    ("callbacks", |_, old| {
        old.bind_all(|_| ()).unwrap();
    }),
    ("callbacks, then its stream", |world, old| {
        old.bind_all(|_| ()).unwrap();
        world.run();
        while now(old.recv()).is_ready() {}
    }),
];

/// What a handle can end as.
const ENDS: [End; 3] = [drop, Subscription::keep, |old| drop(old.typed::<u64>("message"))];

#[test]
fn a_handle_of_an_earlier_stay_sees_and_changes_nothing_of_the_later_one() {
    for (before, prepare) in BEFORE {
        for (first, use_first) in USES {
            for (second, use_second) in USES {
                for end in ENDS {
                    let (mut world, mut old) = in_room();
                    prepare(&mut world, &mut old);
                    world.client.unsubscribe(ROOM);
                    world.run();
                    let mut later = Later::new(&mut world);
                    use_first(&mut old, later.id);
                    use_second(&mut old, later.id);
                    world.run();
                    assert_eq!(world.sent(), [""; 0], "{before}, {first}, {second}");
                    later.receives(&mut world);
                    assert_ended(&mut old);
                    end(old);
                    later.receives(&mut world);
                    later.leaves(&mut world);
                }
            }
        }
    }
}

/// The stream has nothing more than what it had before: no message, since they all came later.
fn assert_ended(old: &mut Subscription) {
    while let Poll::Ready(Some(event)) = now(old.recv()) {
        assert!(!matches!(event, Event::Channel(_)));
    }
    assert_eq!(now(old.recv()), Poll::Ready(None));
}

fn in_room() -> (World, Subscription) {
    let answer = AuthResponse::new("key:5a").channel_data(r#"{"user_id":"1"}"#);
    let mut world = World::connected(move |_: AuthRequest| std::future::ready(Ok(answer.clone())));
    let old = world.client.subscribe(ROOM).unwrap();
    enter(&mut world);
    (world, old)
}

fn enter(world: &mut World) {
    world.run();
    let data = r#"{\"presence\":{\"count\":1,\"ids\":[\"1\"],\"hash\":{\"1\":{}}}}"#;
    world.receive(&event(ROOM, "pusher_internal:subscription_succeeded", data));
    world.sent();
}

/// The later handles: one with a callback, and one with a stream.
struct Later {
    bound: Subscription,
    id: BindingId,
    calls: mpsc::Receiver<String>,
    read: Subscription,
}

impl Later {
    fn new(world: &mut World) -> Self {
        let [bound, mut read] = [(); 2].map(|()| world.client.subscribe(ROOM).unwrap());
        let (sender, calls) = mpsc::channel();
        let id = bound.bind("message", move |event| sender.send(event.name().into()).unwrap()).unwrap();
        enter(world);
        assert!(matches!(now(read.recv()), Poll::Ready(Some(Event::SubscriptionSucceeded { .. }))));
        Self { bound, id, calls, read }
    }

    /// Each of them receives a message once.
    fn receives(&mut self, world: &mut World) {
        world.receive(&event(ROOM, "message", ""));
        assert_eq!(self.calls.try_iter().collect::<Vec<_>>(), ["message"]);
        assert!(matches!(now(self.read.recv()), Poll::Ready(Some(Event::Channel(_)))));
        assert!(now(self.read.recv()).is_pending());
        assert!(self.bound.is_subscribed() && self.read.is_subscribed());
        assert_eq!(self.bound.member_count(), Some(1));
    }

    /// The channel is unsubscribed as soon as they do not need it any more.
    fn leaves(self, world: &mut World) {
        assert!(self.bound.unbind(self.id));
        drop((self.bound, self.read));
        world.run();
        assert_eq!(world.sent(), [format!(r#"{{"event":"pusher:unsubscribe","data":{{"channel":"{ROOM}"}}}}"#)]);
    }
}
