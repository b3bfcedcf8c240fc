//! Time and allocations of one channel event through the core, beside a reader that only finds the envelope.
//!
//! `cargo bench -p pusher-tests` prints a table. For counted instructions:
//!
//! ```sh
//! cargo bench -p pusher-tests --no-run
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/deps/hot_path-… --events 1193 10000
//! ```
//!
//! and the same with 20000 events; the difference is 10,000 events.

use std::hint::black_box;
use std::time::{Duration, Instant};

use pusher_tests::hot_path::{FRAME_LENS, Subscriber, frame};
use serde::Deserialize;
use serde_json::value::RawValue;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--events") {
        let number = |at: usize| arguments[at].parse::<usize>().expect("--events FRAME_LEN COUNT");
        let (len, count, others) =
            (number(at + 1), number(at + 2), arguments.get(at + 3).map_or(0, |_| number(at + 3)));
        return run(&mut Subscriber::new(others), len, count);
    }
    println!("{:>12}  {:>12}  {:>12}  {:>12}  {:>6}", "frame", "core", "allocations", "serde_json", "ratio");
    for len in FRAME_LENS {
        let mut subscriber = Subscriber::new(0);
        run(&mut subscriber, len, 1);
        let allocations = allocation_counter::measure(|| run(&mut subscriber, len, 1)).count_total;
        let core = fastest(|| run(&mut subscriber, len, EVENTS));
        let reader = fastest(|| read_envelopes(len, EVENTS));
        let ratio = core.as_secs_f64() / reader.as_secs_f64();
        // The frame itself is made in each run and not counted.
        let frame = allocation_counter::measure(|| drop(black_box(frame(len)))).count_total;
        println!("{len:>10} B  {core:>12?}  {:>12}  {reader:>12?}  {ratio:>6.2}", allocations - frame);
    }
}

fn run(subscriber: &mut Subscriber, len: usize, count: usize) {
    let frame = frame(len);
    for _ in 0..count {
        assert_eq!(subscriber.receive(black_box(frame.clone())), 1);
    }
}

fn read_envelopes(len: usize, count: usize) {
    #[derive(Deserialize)]
    struct Envelope<'a> {
        event: &'a str,
        channel: &'a str,
        #[serde(borrow)]
        data: &'a RawValue,
    }
    let frame = frame(len);
    for _ in 0..count {
        let envelope: Envelope<'_> = serde_json::from_str(black_box(&frame)).expect("the frame is an envelope");
        black_box((envelope.event, envelope.channel, envelope.data));
    }
}

/// The fastest of several rounds, per event.
fn fastest(round: impl FnMut()) -> Duration {
    let mut round = round;
    let rounds = (0..ROUNDS).map(|_| {
        let start = Instant::now();
        round();
        start.elapsed()
    });
    rounds.min().unwrap_or_default() / EVENTS as u32
}

const EVENTS: usize = 20_000;
const ROUNDS: usize = 15;
