//! Callbacks.

use std::sync::{Arc, OnceLock, mpsc};

use pusher_proto::Event;

use crate::conformance::handles::WithHandles;
use crate::conformance::stage::{PATIENCE, Stage, WANTED_PANIC};

pub(super) fn callbacks_that_are_bound_after_events_came_get_them_in_order<H: WithHandles>(stage: &mut Stage<H>) {
    let mut user = stage.user();
    let late = user.subscribe("late");
    late.expect_outcome();
    // Another channel of the same connection shows when the events have arrived.
    let mut other = user.subscribed("other");
    for number in ["1", "2"] {
        stage.publish("late", number);
    }
    stage.publish("other", "");
    other.expect_text("");
    let (sender, calls) = mpsc::channel();
    let bound = late.handle().bind_all(move |event| {
        let text = match event {
            Event::Channel(event) => event.data().text().into_owned(),
            event => event.name().to_owned(),
        };
        // The scenario may have ended.
        let _ = sender.send(text);
    });
    bound.expect("a callback can be bound to a channel that is subscribed");
    stage.publish("late", "3");
    let expected = ["pusher:subscription_succeeded", "1", "2", "3"];
    let mut seen = Vec::new();
    while seen.len() < expected.len() {
        match calls.recv_timeout(PATIENCE) {
            Ok(count) if count == "pusher:subscription_count" => {}
            Ok(name) => seen.push(name),
            Err(_) => panic!("expected calls of the callback with {expected:?}, but these came within 20 s: {seen:?}"),
        }
    }
    assert_eq!(seen, expected, "the calls of the callback");
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        std::panic::panic_any(WANTED_PANIC);
    }
}

pub(super) fn a_panicking_drop_does_not_stop_others<H: WithHandles>(stage: &mut Stage<H>) {
    let mut user = stage.user();
    let mut chat = user.subscribed("chat");
    // Two at once would abort the process if one ran while the other is unwinding.
    for _ in 0..2 {
        let (weak, bomb) = (user.handle().downgrade(), Bomb);
        let id = Arc::new(OnceLock::new());
        let own_id = Arc::clone(&id);
        let bound = user.handle().bind("message", move |_| {
            let _owned = &bomb;
            if let (Some(client), Some(id)) = (weak.upgrade(), own_id.get()) {
                client.unbind(*id);
            }
        });
        id.set(bound.expect("a callback can be bound to any name")).expect("it is set once");
    }
    for number in ["1", "2"] {
        stage.publish("chat", number);
        chat.expect_text(number);
    }
    // Callbacks that are bound until the end are dropped in the loop, too.
    for _ in 0..2 {
        let bomb = Bomb;
        user.handle().bind_all(move |_| {
            let _owned = &bomb;
        });
    }
    user.shut_down(PATIENCE);
    chat.expect_end();
}

pub(super) fn a_panicking_callback_does_not_stop_others<H: WithHandles>(stage: &mut Stage<H>) {
    let mut user = stage.user();
    let mut chat = user.subscribed("chat");
    let bound = chat.handle().bind("message", |_| std::panic::panic_any(WANTED_PANIC));
    bound.expect("a callback can be bound to any name");
    let (sender, calls) = mpsc::channel();
    // The scenario may have ended.
    let bound = chat.handle().bind("message", move |event| drop(sender.send(event.name().to_owned())));
    bound.expect("a callback can be bound to any name");
    for number in ["1", "2"] {
        stage.publish("chat", number);
        let call = calls.recv_timeout(PATIENCE);
        assert_eq!(call.as_deref(), Ok("message"), "the call of the callback after the one that panics");
        chat.expect_text(number);
    }
    let name = chat.handle().name().clone();
    drop(chat);
    // Bindings keep the channel.
    assert!(user.handle().channel(&name).is_some(), "expected that bindings keep the channel, but it is unsubscribed");
}
