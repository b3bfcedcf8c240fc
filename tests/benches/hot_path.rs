//! Time and allocations of one channel event through the core, compared with a reader that only finds the envelope.
//!
//! `cargo bench -p pusher-tests` prints a table. What an application pays to read a payload is counted:
//!
//! ```sh
//! cargo bench -p pusher-tests --no-run
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/deps/hot_path-… --decode 1000 10000 json
//! ```
//!
//! and the same with 20000 payloads of 1,000 bytes; the difference is the cost of 10,000 payloads. `json` parses them
//! with `Data::json`, `json_in` with `Data::json_in`, and `serde_json` unwraps and parses the same bytes with two calls
//! of serde_json.

use std::hint::black_box;
use std::time::{Duration, Instant};

use pusher_proto::Data;
use pusher_tests::hot_path::{FRAME_LENS, Subscriber, frame};
use serde::Deserialize;
use serde_json::value::RawValue;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--decode") {
        let number = |at: usize| arguments[at].parse::<usize>().expect("--decode LEN COUNT WAY");
        return decode(number(at + 1), number(at + 2), &arguments[at + 3]);
    }
    println!("{:>12}  {:>12}  {:>12}  {:>12}  {:>6}", "frame", "core", "allocations", "serde_json", "ratio");
    for len in FRAME_LENS {
        let mut subscriber = Subscriber::new(0);
        run(&mut subscriber, len, 1);
        let allocations = allocation_counter::measure(|| run(&mut subscriber, len, 1)).count_total;
        let core = fastest(|| run(&mut subscriber, len, EVENTS));
        let reader = fastest(|| read_envelopes(len, EVENTS));
        let ratio = core.as_secs_f64() / reader.as_secs_f64();
        // The frame itself is created in each run and not counted.
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

#[derive(Deserialize)]
struct Owned {
    _id: u64,
    _name: String,
    _place: [f64; 2],
    _tags: Vec<String>,
}

#[derive(Deserialize)]
struct Borrowed<'a> {
    _id: u64,
    _name: &'a str,
    _place: [f64; 2],
    #[serde(borrow)]
    _tags: Vec<&'a str>,
}

fn decode(len: usize, count: usize, way: &str) {
    let record = r#"{"_id":12345,"_name":"Anna Karenina","_place":[1.5,-20.25],"_tags":["a","bc","déf"]}"#;
    let json = format!("[{}]", vec![record; (len / record.len()).max(1)].join(","));
    let data = Data::string(&json);
    let mut buffer = String::new();
    for _ in 0..count {
        let records = match way {
            "json" => data.json::<Vec<Owned>>().map(|records| black_box(records).len()),
            "json_in" => data.json_in::<Vec<Borrowed<'_>>>(&mut buffer).map(|records| black_box(records).len()),
            "serde_json" => serde_json::from_str::<String>(black_box(data.raw()))
                .and_then(|text| serde_json::from_str::<Vec<Owned>>(&text))
                .map(|records| black_box(records).len()),
            _ => panic!("the ways are json, json_in and serde_json"),
        };
        assert!(records.is_ok_and(|records| records > 0));
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
