//! The end of a client, from several threads at once.

use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use pusher_driver::{Client, SubscribeError, Subscription};
use shuttle::sync::mpsc;
use shuttle::thread::{self, JoinHandle};

use crate::world::{Server, World, explore, take, wait};

#[test]
fn the_last_handle_ends_the_loop_and_closes_the_socket_once_on_whichever_thread() {
    explore(|| {
        let mut world = World::connected();
        let chat = world.subscribe("chat");
        let events = world.client.events();
        let weak = world.client.downgrade();
        let (client, server, running) = world.start();
        let dropping = [
            thread::spawn(move || drop(client)),
            thread::spawn(move || drop(chat)),
            thread::spawn(move || drop(events)),
        ];
        if let Some(client) = weak.upgrade() {
            client.connect();
        }
        running.join().unwrap();
        assert!(weak.upgrade().is_none());
        assert_eq!(server.ends(), (vec![1000], 1));
        for thread in dropping {
            thread.join().unwrap();
        }
    });
}

#[test]
fn the_last_handle_may_be_dropped_in_a_callback() {
    explore(|| {
        let mut world = World::connected();
        let chat = world.subscribe("chat");
        let mut last = Some(world.client.clone());
        chat.bind("numbered", move |_| drop(last.take())).unwrap();
        let (client, server, running) = world.start();
        server.send_numbered(1..=2);
        let dropping = thread::spawn(move || drop(chat));
        drop(client);
        running.join().unwrap();
        dropping.join().unwrap();
        assert_eq!(server.ends(), (vec![1000], 1));
    });
}

/// Checks that every waiting call returns at the end, including those that start while it happens.
fn everybody_hears(start: fn(World) -> (Client, Server, JoinHandle<()>), end: impl FnOnce(&Client)) {
    let mut world = World::connected();
    let mut old = world.subscribe("chat");
    take(&mut old);
    let mut unread = world.subscribe("chat");
    take(&mut unread);
    let (client, _server, running) = start(world);
    let reader = thread::spawn(move || wait(|context| old.poll_recv(context)));
    let mourner = {
        let client = client.clone();
        thread::spawn(move || {
            wait(|context| client.poll_shutdown(Duration::ZERO, context));
            let mut context = Context::from_waker(Waker::noop());
            (unread.poll_recv(&mut context), unread.poll_subscribed(&mut context))
        })
    };
    let late = {
        let client = client.clone();
        thread::spawn(move || {
            let (mut new, mut events) = (client.subscribe("chat").unwrap(), client.events());
            while wait(|context| new.poll_recv(context)).is_some() {}
            while wait(|context| events.poll_recv(context)).is_some() {}
            wait(|context| new.poll_subscribed(context))
        })
    };
    end(&client);
    running.join().unwrap();
    assert_eq!(mourner.join().unwrap(), (Poll::Ready(None), Poll::Ready(Err(SubscribeError::Disconnected))));
    assert_eq!(reader.join().unwrap(), None);
    assert_eq!(late.join().unwrap(), Err(SubscribeError::Disconnected));
}

#[test]
fn shutdown_ends_for_every_waiting_call_and_so_does_everything_else() {
    explore(|| everybody_hears(World::start, |client| wait(|context| client.poll_shutdown(Duration::ZERO, context))));
}

#[test]
fn a_loop_that_is_cut_off_ends_everything() {
    explore(|| everybody_hears(World::start_and_cut, |_| {}));
}

#[test]
fn shutdown_and_the_last_handle_close_the_socket_once() {
    explore(|| {
        let mut world = World::connected();
        let chat = world.subscribe("chat");
        let (client, server, running) = world.start();
        let client = Arc::new(client);
        let (sender, gone) = mpsc::channel();
        for _ in 0..2 {
            let (client, sender) = (Arc::clone(&client), sender.clone());
            thread::spawn(move || {
                wait(|context| client.poll_shutdown(Duration::ZERO, context));
                sender.send(()).unwrap();
            });
        }
        drop((client, chat));
        running.join().unwrap();
        gone.recv().unwrap();
        gone.recv().unwrap();
        assert_eq!(server.ends(), (vec![1000], 1));
    });
}

/// A waker that owns a handle, like the waker of a simple executor, which owns the task.
struct Owner(#[expect(dead_code, reason = "it is dropped")] Subscription);

impl Wake for Owner {
    fn wake(self: Arc<Self>) {}
}

#[test]
fn a_handle_may_be_dropped_with_a_waker_that_the_client_drops() {
    explore(|| {
        let mut world = World::connected();
        let handles = [world.subscribe("chat"), world.subscribe("chat"), world.subscribe("chat")];
        let mut stream = world.subscribe("chat");
        let [left, replaced, parked] = handles.map(|handle| Waker::from(Arc::new(Owner(handle))));
        world.server.line().is_silent = true;
        let news = world.client.subscribe("news").unwrap();
        world.poll(&parked);
        let (client, server, running) = world.start();
        assert!(news.poll_subscribed(&mut Context::from_waker(&left)).is_pending());
        take(&mut stream);
        assert!(stream.poll_recv(&mut Context::from_waker(&replaced)).is_pending());
        drop((left, replaced, parked));
        let sender = thread::spawn(move || server.send_numbered(1..=2));
        let dropping = thread::spawn(move || drop(news));
        assert!(wait(|context| stream.poll_recv(context)).is_some());
        sender.join().unwrap();
        dropping.join().unwrap();
        drop((client, stream));
        running.join().unwrap();
    });
}
