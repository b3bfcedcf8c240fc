use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::Duration;

use pusher_blocking::{Client, ConnectionState, Event, SubscribeError};
use pusher_proto::Config;
use pusher_proto::server::ServerConfig;
use pusher_proto::signing::App;

use super::Threads;
use crate::network::Fault;

fn started() -> Threads {
    Threads::new(ServerConfig::new(App::new("1", "app-key", "app-secret").unwrap()))
}

fn client(threads: &Threads, name: &str) -> Client {
    let (network, config) = (threads.network(), Config::new("app-key", "ws://localhost").unwrap());
    network.connect(name, config, network.auth()).unwrap().into()
}

fn panic_of(work: impl FnOnce()) -> String {
    let panic = catch_unwind(AssertUnwindSafe(work)).unwrap_err();
    *panic.downcast::<String>().unwrap()
}

#[test]
fn the_limit_of_a_method_that_blocks_is_virtual() {
    let threads = started();
    let client = client(&threads, "alice");
    threads.network().backend("alice", |backend| backend.is_silent = true);
    let chat = client.subscribe("private-chat").unwrap();
    assert_eq!(chat.subscribed(Duration::from_secs(600)), Err(SubscribeError::Elapsed));
    assert_eq!(threads.network().now(), Duration::from_secs(600));
}

#[test]
fn an_outage_of_an_hour_is_over_at_once() {
    let threads = started();
    let client = client(&threads, "alice");
    client.subscribe("chat").unwrap().subscribed(Duration::from_secs(1)).unwrap();
    threads.network().fault("alice", Fault::Unreachable);
    threads.network().fault("alice", Fault::Cut);
    threads.sleep(Duration::from_secs(3_600));
    threads.network().heal("alice");
    let mut states = client.states();
    while !states.recv().unwrap().is_connected() {}
    assert!(threads.network().now() < Duration::from_secs(3_640), "{:?}", threads.network().now());
}

#[test]
fn no_time_passes_while_a_thread_runs() {
    let threads = started();
    let time = threads.clone();
    let (sender, receiver) = mpsc::channel();
    let thread = threads.spawn(move || {
        // Sleeps in real time, like a thread that computes.
        receiver.recv().unwrap();
        let before = time.network().now();
        time.sleep(Duration::from_secs(1));
        (before, time.network().now())
    });
    let other = threads.clone();
    let sleeper = threads.spawn(move || other.sleep(Duration::from_secs(5)));
    thread::sleep(Duration::from_millis(20));
    sender.send(()).unwrap();
    assert_eq!(thread.join().unwrap(), (Duration::ZERO, Duration::from_secs(1)));
    sleeper.join().unwrap();
    assert_eq!(threads.network().now(), Duration::from_secs(5));
}

#[test]
fn a_condition_is_seen_at_the_time_when_a_callback_makes_it_true() {
    let threads = started();
    let client = client(&threads, "alice");
    let mut chat = client.subscribe("chat").unwrap();
    chat.subscribed(Duration::from_secs(1)).unwrap();
    let seen = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&seen);
    client.bind("message", move |_| _ = count.fetch_add(1, Ordering::Relaxed)).unwrap();
    threads.sleep(Duration::from_secs(1));
    let before = threads.network().now();
    threads.network().trigger("chat", "message", "1");
    threads.wait_until(|| (seen.load(Ordering::Relaxed) == 1).then_some(()));
    assert_eq!(threads.network().now() - before, Duration::from_millis(20));
    assert!(chat.find(|event| matches!(event, Event::Channel(_))).is_some());
}

#[test]
fn threads_that_hand_over_to_each_other_need_no_time() {
    let threads = started();
    let (to_worker, jobs) = mpsc::channel::<u32>();
    let (to_main, results) = mpsc::channel::<u32>();
    let time = threads.clone();
    let worker = threads.spawn(move || {
        for _ in 0..3 {
            let job = time.wait_until(|| jobs.try_recv().ok());
            to_main.send(job * 2).unwrap();
        }
    });
    let mut doubled = Vec::new();
    for job in 1..=3 {
        to_worker.send(job).unwrap();
        doubled.push(threads.wait_until(|| results.try_recv().ok()));
    }
    worker.join().unwrap();
    assert_eq!((doubled, threads.network().now()), (vec![2, 4, 6], Duration::ZERO));
}

#[test]
fn what_a_thread_does_before_it_waits_is_seen_by_one_that_waits_already() {
    let threads = started();
    let (jobs, results, looks) =
        (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (time, worker_jobs, worker_results, worker_looks) =
        (threads.clone(), jobs.clone(), results.clone(), looks.clone());
    let worker = threads.spawn(move || {
        time.wait_until(|| {
            worker_looks.fetch_add(1, Ordering::SeqCst);
            (worker_jobs.load(Ordering::SeqCst) > 0).then_some(())
        });
        worker_results.store(1, Ordering::SeqCst);
    });
    while looks.load(Ordering::SeqCst) == 0 {
        thread::yield_now();
    }
    jobs.store(1, Ordering::SeqCst);
    threads.wait_until(|| (results.load(Ordering::SeqCst) > 0).then_some(()));
    worker.join().unwrap();
    assert_eq!(threads.network().now(), Duration::ZERO);
}

#[test]
fn a_thread_of_the_application_counts_from_its_first_wait() {
    let threads = started();
    let client = client(&threads, "alice");
    let (sender, states) = mpsc::channel();
    thread::spawn(move || {
        for state in client.states() {
            if sender.send(state).is_err() {
                break;
            }
        }
    });
    let connected = threads.wait_until(|| states.try_iter().find(ConnectionState::is_connected));
    assert!(connected.is_connected());
}

#[test]
fn a_thread_that_waits_for_something_else_is_reported() {
    let threads = started();
    let (sender, receiver) = mpsc::channel::<()>();
    threads.spawn(move || receiver.recv().ok());
    let panic = panic_of(|| threads.sleep(Duration::from_secs(1)));
    assert!(panic.starts_with("time stands still: 1 of 2 threads neither wait for a client nor end"), "{panic}");
    drop(sender);
}

#[test]
fn a_condition_that_can_never_become_true_is_reported() {
    let threads = started();
    let panic = panic_of(|| threads.wait_until(|| None));
    assert!(panic.starts_with("nothing is ready and no timer is set at 0ns"), "{panic}");
    let threads = started();
    let _client = client(&threads, "alice");
    let panic = panic_of(|| threads.wait_until(|| None));
    assert!(panic.contains("within 2592000s of virtual time"), "{panic}");
}

#[test]
fn the_panic_of_a_thread_is_its_result() {
    let threads = started();
    let thread = threads.spawn(|| panic!("out of milk"));
    let panic = thread.join().unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"out of milk"));
    threads.sleep(Duration::from_secs(1));
}

#[test]
fn a_client_outlives_its_time() {
    let threads = started();
    let client = client(&threads, "alice");
    drop(threads);
    let panic = panic_of(|| drop(client.events().recv()));
    assert_eq!(panic, "the Threads that this client's time belongs to were dropped");
}
