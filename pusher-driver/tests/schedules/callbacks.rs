//! Callbacks that other threads bind and unbind.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::time::Duration;

use pusher_proto::Event;
use shuttle::sync::Mutex;
use shuttle::thread;

use crate::world::{World, explore, number, wait};

/// The numbers that a callback was called with.
type Calls = Arc<Mutex<Vec<u64>>>;

fn record(calls: &Calls) -> impl FnMut(&Event) + Send + 'static {
    let calls = Arc::clone(calls);
    move |event| calls.lock().unwrap().extend(number(event))
}

#[test]
fn an_unbound_callback_gets_the_event_that_is_being_handled_at_most() {
    explore(|| {
        let (kept, gone) = (Calls::default(), Calls::default());
        let mut world = World::connected();
        let chat = Arc::new(world.subscribe("chat"));
        world.client.bind("numbered", record(&kept)).unwrap();
        let id = chat.bind("numbered", record(&gone)).unwrap();
        let (client, server, running) = world.start();
        let unbinders = [(); 2].map(|()| {
            let (chat, server, gone) = (Arc::clone(&chat), server.clone(), Arc::clone(&gone));
            thread::spawn(move || {
                let removed = chat.unbind(id);
                let sent = server.line().numbered;
                let called = gone.lock().unwrap().len();
                (removed, sent, called)
            })
        });
        server.send_numbered(1..=3);
        let [first, second] = unbinders.map(|unbinder| unbinder.join().unwrap());
        assert_ne!(first.0, second.0, "one of them removes it");
        while kept.lock().unwrap().len() < 3 {
            thread::yield_now();
        }
        drop((chat, client));
        running.join().unwrap();
        assert_eq!(*kept.lock().unwrap(), [1, 2, 3]);
        let gone = Arc::into_inner(gone).expect("the callback is dropped").into_inner().unwrap();
        assert_eq!(gone, (1..=gone.len() as u64).collect::<Vec<_>>());
        for (_, sent, called) in [first, second] {
            assert!(gone.len() <= called + 1 && gone.len() as u64 <= sent, "{gone:?} {called} {sent}");
        }
    });
}

#[test]
fn a_bound_callback_gets_every_later_event() {
    explore(|| {
        let calls = Calls::default();
        let mut world = World::connected();
        let chat = world.subscribe("chat");
        let (client, server, running) = world.start();
        let sender = {
            let server = server.clone();
            thread::spawn(move || server.send_numbered(1..=3))
        };
        chat.bind("numbered", record(&calls)).unwrap();
        let sent = server.line().numbered;
        sender.join().unwrap();
        server.send_numbered(4..=4);
        while calls.lock().unwrap().last() != Some(&4) {
            thread::yield_now();
        }
        client.unsubscribe(chat.name());
        drop((chat, client));
        running.join().unwrap();
        let calls = Arc::into_inner(calls).expect("the callback is dropped").into_inner().unwrap();
        assert!(calls[0] <= sent + 1, "{calls:?} {sent}");
        assert_eq!(calls, (calls[0]..=4).collect::<Vec<_>>());
    });
}

#[test]
fn a_panicking_callback_harms_nothing_else_on_any_thread() {
    explore(|| {
        let calls = Calls::default();
        let mut world = World::connected();
        let mut chat = world.subscribe("chat");
        // Without the hook, which would report a failed schedule.
        world.client.bind_all(|_| resume_unwind(Box::new("as the test wants")));
        world.client.bind("numbered", record(&calls)).unwrap();
        let (client, server, running) = world.start();
        let other = client.clone();
        let busy = thread::spawn(move || {
            let id = other.bind_all(|_| resume_unwind(Box::new("as the test wants")));
            (other.state().is_connected(), other.unbind(id))
        });
        let reader = thread::spawn(move || {
            let mut numbers = Vec::new();
            while let Some(event) = wait(|context| chat.poll_recv(context)) {
                numbers.extend(number(&event));
            }
            numbers
        });
        server.send_numbered(1..=3);
        while calls.lock().unwrap().len() < 3 {
            thread::yield_now();
        }
        assert_eq!(busy.join().unwrap(), (true, true));
        wait(|context| client.poll_shutdown(Duration::ZERO, context));
        running.join().unwrap();
        assert_eq!(reader.join().unwrap(), [1, 2, 3]);
        assert_eq!(*calls.lock().unwrap(), [1, 2, 3]);
    });
}
