//! Handles, mailboxes and callbacks.

use std::sync::{Arc, OnceLock, mpsc};

use pusher_driver::{HttpAuth, Overflow, SignedInError, TypedError};
use pusher_proto::{ConnectionState, Event};

use crate::adapter::Adapter;
use crate::faults::Cut;
use crate::world::{PATIENCE, WANTED_PANIC, World, next, options, text};

pub(super) fn two_handles_of_a_channel_share_it<A: Adapter>(world: &mut World<A>) {
    let (ann, bob) = (world.user(), world.user());
    let mut with_bob = bob.subscribed("presence-chat");
    let mut first = ann.subscribed("presence-chat");
    assert_eq!(next::<A>(&mut with_bob).name(), "pusher:member_added");
    let mut second = ann.subscribe("presence-chat");
    A::subscribed(&second).unwrap();
    world.publish("presence-chat", "1");
    for subscription in [&mut first, &mut second, &mut with_bob] {
        assert_eq!(text::<A>(subscription), "1");
    }
    drop(first);
    world.publish("presence-chat", "2");
    assert_eq!((text::<A>(&mut second), text::<A>(&mut with_bob)), ("2".to_owned(), "2".to_owned()));
    drop(second);
    assert_eq!(next::<A>(&mut with_bob).name(), "pusher:member_removed");
    drop(ann.subscribed("presence-chat"));
}

pub(super) fn a_kept_channel_stays_subscribed_without_a_handle<A: Adapter>(world: &mut World<A>) {
    let user = world.user();
    A::keep(user.subscribe("kept"));
    let is_success = |event: &Event| matches!(event, Event::SubscriptionSucceeded { .. });
    user.until("the channel is subscribed", is_success);
    world.publish("kept", "1");
    user.until("a message comes", |event| matches!(event, Event::Channel(event) if event.data().text() == "1"));
    world.proxy.cut(Cut::Drop);
    user.until("the channel is subscribed again", is_success);
    user.client.unsubscribe("kept");
    assert!(user.client.channel("kept").is_none());
}

pub(super) fn callbacks_that_are_bound_after_events_came_get_them_in_order<A: Adapter>(world: &mut World<A>) {
    let user = world.user();
    let late = user.subscribe("late");
    A::subscribed(&late).unwrap();
    // Another channel of the same connection shows when the events have arrived.
    let mut other = user.subscribed("other");
    for number in ["1", "2"] {
        world.publish("late", number);
    }
    world.publish("other", "");
    text::<A>(&mut other);
    let (sender, calls) = mpsc::channel();
    late.bind_all(move |event| {
        let text = match event {
            Event::Channel(event) => event.data().text().into_owned(),
            event => event.name().to_owned(),
        };
        sender.send(text).unwrap();
    })
    .unwrap();
    world.publish("late", "3");
    let expected = ["pusher:subscription_succeeded", "1", "2", "3"];
    let mut seen = Vec::new();
    while seen.len() < expected.len() {
        match calls.recv_timeout(PATIENCE).unwrap() {
            count if count == "pusher:subscription_count" => {}
            name => seen.push(name),
        }
    }
    assert_eq!(seen, expected);
}

pub(super) fn a_typed_stream_has_values_and_says_where_it_has_gaps<A: Adapter>(world: &mut World<A>) {
    let user = world.user();
    let mut numbers = A::typed(user.subscribed("numbers"));
    // One at a time, because the nodes of a cluster may change the order.
    world.publish("numbers", "1");
    assert_eq!(A::next_typed(&mut numbers), Some(Ok(1)));
    world.publish("numbers", "one");
    match A::next_typed(&mut numbers) {
        Some(Err(TypedError::Decode { event, .. })) => assert_eq!(event.data().text(), "one"),
        other => panic!("{other:?}"),
    }
    world.publish("numbers", "2");
    assert_eq!(A::next_typed(&mut numbers), Some(Ok(2)));
    world.proxy.cut(Cut::Drop);
    assert!(matches!(A::next_typed(&mut numbers), Some(Err(TypedError::Gap { .. }))));
    user.until("the channel is subscribed again", |event| matches!(event, Event::ContinuityLost { .. }));
    world.publish("numbers", "3");
    assert_eq!(A::next_typed(&mut numbers), Some(Ok(3)));
    user.client.unsubscribe("numbers");
    assert_eq!(A::next_typed(&mut numbers), None);
}

pub(super) fn a_stream_of_states_continues_with_the_latest<A: Adapter>(world: &mut World<A>) {
    let user = world.user_with(world.config(), world.auth(), &options());
    let mut states = A::states(&user.client);
    assert_eq!(A::next_state(&mut states), Some(ConnectionState::Initialized));
    user.client.connect();
    let mut next_socket = || loop {
        if let Some(ConnectionState::Connected { socket_id }) = A::next_state(&mut states) {
            return socket_id;
        }
    };
    let first = next_socket();
    world.proxy.cut(Cut::Drop);
    assert_ne!(next_socket(), first);
    A::shutdown(&user.client, PATIENCE);
    assert_eq!(A::next_state(&mut states), Some(ConnectionState::Disconnected));
    assert_eq!(A::next_state(&mut states), None);
}

pub(super) fn a_signed_in_user_is_waited_for_and_sees_who_is_online<A: Adapter>(world: &mut World<A>) {
    let url = format!("http://{}/pusher/user-auth", world.auth_proxy.address());
    let sign_in = |auth: HttpAuth| {
        let user = world.user_with(world.config(), auth.user_endpoint(url.as_str()), &options());
        assert_eq!(A::signed_in(&user.client), Err(SignedInError::NotRequested));
        user.client.signin();
        user.client.connect();
        let id = A::signed_in(&user.client).unwrap().id;
        (user, id)
    };
    let (ann, id) = sign_in(world.auth().param("user_id", "ann").param("watchlist", "bob"));
    assert_eq!(id, "ann");
    // Sockudo reports that a user came online only if they have a watchlist, too.
    let (bob, id) = sign_in(world.auth().param("user_id", "bob").param("watchlist", "ann"));
    assert_eq!(id, "bob");
    ann.until("the other user is online", |event| matches!(event, Event::Watchlist { name, .. } if name == "online"));
    assert!(ann.client.online().iter().eq(["bob"]));
    A::shutdown(&bob.client, PATIENCE);
    world.proxy.cut(Cut::Drop);
    ann.until("the user is signed in again", |event| matches!(event, Event::UserContinuityLost { .. }));
    assert_eq!(A::signed_in(&ann.client).map(|user| user.id), Ok("ann".into()));
    assert_eq!(ann.client.stats().reconnects, 1);
}

pub(super) fn a_slow_reader_loses_the_oldest_events<A: Adapter>(world: &mut World<A>) {
    assert_eq!(read_late(world, Overflow::DropOldest), ["lost 7", "7", "8", "9"]);
}

pub(super) fn a_slow_reader_loses_the_newest_events<A: Adapter>(world: &mut World<A>) {
    assert_eq!(read_late(world, Overflow::DropNewest), ["0", "1", "2", "lost 7"]);
}

pub(super) fn a_slow_reader_loses_its_stream<A: Adapter>(world: &mut World<A>) {
    assert_eq!(read_late(world, Overflow::Close), ["0", "1", "2", "lost 7", "end"]);
}

/// What is left of ten events for a slow reader with room for three. Other streams are not held up in the meantime.
fn read_late<A: Adapter>(world: &World<A>, overflow: Overflow) -> Vec<String> {
    let options = options().mailbox_len(3).overflow(overflow);
    let user = world.user_with(world.config(), world.auth(), &options);
    user.client.connect();
    let mut slow = user.subscribed("slow");
    // A count may still be on its way, so all counts are over before the messages.
    let mut quick = user.subscribed("quick");
    while A::recv_within(&mut slow, std::time::Duration::ZERO).is_some() {}
    for number in 0..10 {
        world.publish("slow", &number.to_string());
        world.publish("quick", &number.to_string());
        assert_eq!(text::<A>(&mut quick), number.to_string());
    }
    assert_eq!(user.client.stats().missed, 7);
    let mut seen = Vec::new();
    while let Some(event) = A::recv_within(&mut slow, std::time::Duration::ZERO) {
        seen.push(match event {
            Some(Event::Channel(event)) => event.data().text().into_owned(),
            Some(Event::Lagged { missed }) => format!("lost {missed}"),
            Some(event) => panic!("{event:?}"),
            None => {
                seen.push("end".to_owned());
                break;
            }
        });
    }
    seen
}

/// While no stream is read, as many events arrive as on a channel with 33 events per second in ten minutes.
pub(super) fn a_reader_that_stops_for_long_does_not_hold_up_others<A: Adapter>(world: &mut World<A>) {
    const ROOM: usize = 1_000;
    const ROUNDS: usize = 20;
    let user = world.user_with(world.config(), world.auth(), &options().mailbox_len(ROOM));
    user.client.connect();
    let mut stopped = user.subscribed("stopped");
    let mut quick = user.subscribed("quick");
    while A::recv_within(&mut stopped, std::time::Duration::ZERO).is_some() {}
    let payload = "x".repeat(100);
    for round in 0..ROUNDS {
        for _ in 0..ROOM {
            world.publish("stopped", &payload);
        }
        world.publish("quick", &round.to_string());
        assert_eq!(text::<A>(&mut quick), round.to_string());
        drop(user.subscribed(&format!("private-{round}")));
    }
    let lost = ROOM * (ROUNDS - 1);
    match A::recv(&mut stopped) {
        Some(Event::Lagged { missed }) => assert_eq!(missed, lost as u64),
        other => panic!("{other:?}"),
    }
    for _ in 0..ROOM {
        assert_eq!(text::<A>(&mut stopped), payload);
    }
    assert_eq!(A::recv_within(&mut stopped, std::time::Duration::ZERO), None, "no more than there is room for");
    // A delayed answer to a ping would have ended the connection.
    let is_loss = |event: &Event| matches!(event, Event::ContinuityLost { .. } | Event::ConnectionError(_));
    assert!(!user.log.try_iter().any(|event| is_loss(&event)));
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        std::panic::panic_any(WANTED_PANIC);
    }
}

pub(super) fn a_panicking_drop_does_not_stop_others<A: Adapter>(world: &mut World<A>) {
    let user = world.user();
    let mut chat = user.subscribed("chat");
    // Two at once would abort the process if one ran while the other is unwinding.
    for _ in 0..2 {
        let (weak, bomb) = (user.client.downgrade(), Bomb);
        let id = Arc::new(OnceLock::new());
        let own_id = Arc::clone(&id);
        let bound = user.client.bind("message", move |_| {
            let _owned = &bomb;
            weak.upgrade().unwrap().unbind(*own_id.get().unwrap());
        });
        id.set(bound.unwrap()).unwrap();
    }
    for number in ["1", "2"] {
        world.publish("chat", number);
        assert_eq!(text::<A>(&mut chat), number);
    }
    // Callbacks that are bound until the end are dropped in the loop, too.
    for _ in 0..2 {
        let bomb = Bomb;
        user.client.bind_all(move |_| {
            let _owned = &bomb;
        });
    }
    A::shutdown(&user.client, PATIENCE);
    while A::recv(&mut chat).is_some() {}
}

pub(super) fn a_panicking_callback_does_not_stop_others<A: Adapter>(world: &mut World<A>) {
    let user = world.user();
    let mut chat = user.subscribed("chat");
    chat.bind("message", |_| std::panic::panic_any(WANTED_PANIC)).unwrap();
    let (sender, calls) = mpsc::channel();
    chat.bind("message", move |event| sender.send(event.name().to_owned()).unwrap()).unwrap();
    for number in ["1", "2"] {
        world.publish("chat", number);
        assert_eq!(calls.recv_timeout(PATIENCE).unwrap(), "message");
        assert_eq!(text::<A>(&mut chat), number);
    }
    let name = chat.name().clone();
    drop(chat);
    // Bindings keep the channel.
    assert!(user.client.channel(&name).is_some());
}
