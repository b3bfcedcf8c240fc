//! How much memory a peer can make the core hold, whatever it sends and however rarely the application polls.

mod mailboxes;

use pusher_proto::{
    Action, AuthResponse, ChannelName, Client, Config, Endpoint, Frame, Instant, Members, SocketEpoch, Text,
};

/// A connected client with a channel of each kind that the bounds concern.
struct Victim {
    client: Client,
    socket: SocketEpoch,
}

impl Victim {
    fn new() -> Self {
        let config = Config::new("key", Endpoint::cluster("eu")).expect("the defaults are a configuration");
        let mut victim = Self { client: Client::new(config, 1), socket: SocketEpoch::default() };
        victim.client.connect();
        victim.client.signin();
        victim.poll();
        victim.receive(r#"{"event":"pusher:connection_established","data":{"socket_id":"1.1"}}"#);
        for name in ["chat", "presence-room", "private-encrypted-c"] {
            victim.client.subscribe(ChannelName::new(name).expect("these are names"));
        }
        victim.poll();
        let success = r#"{"event":"pusher_internal:subscription_succeeded","channel":"#;
        victim.receive(&format!(r#"{success}"chat"}}"#));
        victim.receive(&format!(r#"{success}"private-encrypted-c"}}"#));
        victim.receive(&format!(
            r#"{success}"presence-room","data":{{"presence":{{"count":1,"ids":["1"],"hash":{{"1":{{}}}}}}}}}}"#
        ));
        victim.poll();
        victim
    }

    fn receive(&mut self, frame: &str) {
        self.client.handle_frame(self.socket, Frame::Text(Text::from(frame)), NOW);
    }

    /// Polls, and only grants authorization requests.
    fn poll(&mut self) {
        while let Some(action) = self.client.poll_action(NOW) {
            match action {
                Action::Connect(socket, _) => self.socket = socket,
                Action::RequestAuth(request) => {
                    let answer = AuthResponse::from_http(
                        200,
                        br#"{"auth":"key:5a","channel_data":"{\"user_id\":\"1\"}","user_data":"{\"id\":\"1\"}",
                             "shared_secret":"SXQgTXVzdCBCZSBUaGlydHkgVHdvIENoYXJhY3RlcnM="}"#,
                        None,
                    );
                    self.client.handle_auth(request.id, answer, NOW);
                }
                Action::Send(..)
                | Action::Close(..)
                | Action::CancelAuth(_)
                | Action::Schedule(_)
                | Action::Emit(_) => {}
            }
        }
    }
}

/// Frames that are repeated, and the most additional bytes that the core may hold if it is not polled. `{}` is replaced
/// by a counter.
const ENDLESS: [(&str, u64); 14] = [
    (r#"{"event":"message","channel":"chat","data":"0123456789012345678901234567890123456789"}"#, 3 * MB),
    (r#"{"event":"message","channel":"nobody-{}","data":"x"}"#, 3 * MB),
    (r#"{"event":"message","data":"{}"}"#, 3 * MB),
    (
        r#"{"event":"message","channel":"private-encrypted-c","data":{"nonce":"YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh","ciphertext":"apL0qZR9te81NiHa/vGNcba/Nu4+759ecPfk5J5CnNwE7g=="}}"#,
        3 * MB,
    ),
    (r##"{"event":"message","channel":"#server-to-user-1","data":"{}"}"##, 3 * MB),
    (r#"{"event":"pusher:error","data":{"code":4009,"message":"no {}"}}"#, 3 * MB),
    (r#"{"event":"pusher:error","data":{"message":"Existing subscription to channel {}"}}"#, 3 * MB),
    (r#"{"event":"pusher:subscription_error","channel":"chat","data":{"error":"{}"}}"#, 3 * MB),
    (r#"{"event":"pusher:ping","data":{}}"#, KB),
    (r#"{"event":"pusher:signin_success","data":{"user_data":"{\"id\":\"{}\"}"}}"#, 3 * MB),
    (r#"{"event":"pusher_internal:subscription_succeeded","channel":"stray-{}"}"#, 3 * MB),
    (r#"{"event":"pusher_internal:subscription_count","channel":"chat","data":{"subscription_count":{}}}"#, 3 * MB),
    (
        r#"{"event":"pusher_internal:member_added","channel":"presence-room","data":{"user_id":"1","user_info":{}}}"#,
        3 * MB,
    ),
    ("this is not JSON {}", 3 * MB),
];

#[test]
fn endless_frames_that_are_not_polled_hold_a_few_megabytes() {
    for (frame, bound) in ENDLESS {
        let mut victim = Victim::new();
        let held = allocation_counter::measure(|| {
            for number in 0..MANY {
                victim.receive(&frame.replace("{}", &number.to_string()));
            }
        });
        println!("{:>9} of {bound:>9} bytes  {frame}", held.bytes_max);
        assert!(held.bytes_max <= bound, "{} bytes for {frame}", held.bytes_max);
    }
}

#[test]
fn frames_without_end_that_are_polled_hold_next_to_nothing() {
    for (frame, _) in ENDLESS {
        let mut victim = Victim::new();
        let held = allocation_counter::measure(|| {
            for number in 0..MANY {
                victim.receive(&frame.replace("{}", &number.to_string()));
                victim.poll();
            }
        });
        println!("{:>9} bytes  {frame}", held.bytes_max);
        assert!(held.bytes_max <= 96 * KB, "{} bytes for {frame}", held.bytes_max);
    }
}

/// The same for frames of a megabyte, whose `{}` is replaced by text. What an event waits for does not arrive.
const LARGE: [(&str, u64); 7] = [
    (r#"{"event":"message","channel":"chat","data":"{}"}"#, 66 * MB),
    (r#"{"event":"message","data":"{}"}"#, 66 * MB),
    (r#"{"event":"mess\u0061ge","channel":"chat","data":"1","other":"{}"}"#, 67 * MB),
    (
        r#"{"event":"message","channel":"private-encrypted-c","data":{"nonce":"YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh","ciphertext":"{}"}}"#,
        18 * MB,
    ),
    (r##"{"event":"message","channel":"#server-to-user-1","data":"{}"}"##, 18 * MB),
    (r#"{"event":"message","channel":"{}"}"#, 2 * MB),
    (r#"{"event":"pusher:error","data":{"code":4009,"message":"{}"}}"#, 2 * MB),
];

#[test]
fn large_frames_are_held_up_to_a_bound() {
    let text = "A".repeat(MB as usize);
    for (frame, bound) in LARGE {
        let frame = frame.replace("{}", &text);
        let mut victim = Victim::new();
        let held = allocation_counter::measure(|| (0..80).for_each(|_| victim.receive(&frame)));
        println!("{:>9} of {bound:>9} bytes  {}", held.bytes_max, &frame[..60]);
        assert!(held.bytes_max <= bound, "{} bytes for {}", held.bytes_max, &frame[..60]);
    }
}

#[test]
fn a_roster_holds_its_text_and_little_more_and_ends_at_a_bound() {
    let mut victim = Victim::new();
    let members: Vec<String> = (0..100_000).map(|id| format!(r#""user-{id}":{{"name":"User {id}"}}"#)).collect();
    let text: usize = members.iter().map(String::len).sum();
    let frame = format!(
        r#"{{"event":"pusher_internal:subscription_succeeded","channel":"presence-room","data":{{"presence":{{"hash":{{{}}}}}}}}}"#,
        members.join(",")
    );
    let held = allocation_counter::measure(|| {
        victim.receive(&frame);
        victim.poll();
    });
    println!("{} bytes stay of a roster of {text}, {} at most", held.bytes_current, held.bytes_max);
    let bound = 2 * text + 24 * 100_000;
    assert!(held.bytes_current <= bound as i64, "{} bytes stay", held.bytes_current);
    let room = victim.client.channel(&ChannelName::new("presence-room").expect("a name"));
    assert_eq!(room.and_then(|channel| channel.members()).map(Members::len), Some(100_000));

    let info = "x".repeat(10_000);
    let held = allocation_counter::measure(|| {
        for number in 0..20_000 {
            victim.receive(&format!(r#"{{"event":"pusher_internal:member_added","channel":"presence-room","data":{{"user_id":"new-{number}","user_info":"{info}"}}}}"#));
            victim.poll();
        }
    });
    println!("{} bytes for members without end", held.bytes_max);
    assert!(held.bytes_max <= 70 * MB, "{} bytes", held.bytes_max);
}

#[test]
fn a_snapshot_of_the_smallest_members_holds_a_few_times_its_size_even_if_all_members_change() {
    let mut victim = Victim::new();
    for first in [1_000_000, 5_000_000] {
        let ids: Vec<String> = (first..first + MANY_MEMBERS).map(|id| id.to_string()).collect();
        let frame = format!(
            r#"{{"event":"pusher_internal:subscription_succeeded","channel":"presence-room","data":"{{\"presence\":{{\"ids\":[{}]}}}}"}}"#,
            ids.join(",")
        );
        victim.client.unsubscribe(&name("presence-room"));
        let held = allocation_counter::measure(|| victim.receive(&frame));
        println!("{} bytes for a snapshot of {}", held.bytes_max, frame.len());
        assert!(held.bytes_max <= 10 * frame.len() as u64, "{} bytes", held.bytes_max);
    }
}

#[test]
fn a_change_of_a_held_list_copies_a_part_of_it() {
    let mut victim = Victim::new();
    for id in 0..100_000 {
        victim.receive(&format!(r#"{{"event":"pusher_internal:member_added","channel":"presence-room","data":{{"user_id":"user-{id}","user_info":{{"name":"User {id}"}}}}}}"#));
        victim.poll();
    }
    let room = name("presence-room");
    let changes = 1_000;
    let copied = allocation_counter::measure(|| {
        for id in 0..changes {
            let members = victim.client.channel(&room).and_then(|channel| channel.members()).cloned();
            let verb = if id % 2 == 0 { "added" } else { "removed" };
            let id = id / 2 + 100_000;
            victim.receive(&format!(r#"{{"event":"pusher_internal:member_{verb}","channel":"presence-room","data":{{"user_id":"user-{id}","user_info":{{"name":"User {id}"}}}}}}"#));
            victim.poll();
            assert!(members.is_some_and(|members| members.len() >= 100_000));
        }
    });
    println!("{} bytes copied for each change", copied.bytes_total / changes);
    assert!(copied.bytes_total <= 48 * KB * changes, "{} bytes", copied.bytes_total / changes);
}

#[test]
fn a_watchlist_of_the_smallest_ids_holds_a_few_times_its_size() {
    let mut victim = Victim::new();
    victim.receive(r#"{"event":"pusher:signin_success","data":{"user_data":"{\"id\":\"1\"}"}}"#);
    victim.poll();
    let ids = vec!["1"; 1_000_000].join(",");
    for frame in [
        format!(
            r#"{{"event":"pusher_internal:watchlist_events","data":{{"events":[{{"name":"online","user_ids":[{ids}]}}]}}}}"#
        ),
        format!(r#"{{"event":"online","data":{{"user_ids":[{ids}]}}}}"#),
        format!(r#"{{"event":"pusher_internal:watchlist_events","data":{{"events":[{ids}]}}}}"#),
    ] {
        let held = allocation_counter::measure(|| victim.receive(&frame));
        println!("{} bytes for a watchlist of {}", held.bytes_max, frame.len());
        assert!(held.bytes_max <= 6 * frame.len() as u64, "{} bytes", held.bytes_max);
        victim.poll();
    }
}

#[test]
fn what_waits_for_keys_is_bounded_for_all_channels_together() {
    let mut victim = Victim::new();
    let names: Vec<String> = (0..20).map(|number| format!("private-encrypted-{number}")).collect();
    for channel in &names {
        victim.client.subscribe(name(channel));
    }
    victim.poll();
    for channel in &names {
        victim.receive(&format!(r#"{{"event":"pusher_internal:subscription_succeeded","channel":"{channel}"}}"#));
    }
    victim.poll();
    let text = "A".repeat(MB as usize);
    let held = allocation_counter::measure(|| {
        for channel in names.iter().cycle().take(200) {
            victim.receive(&format!(r#"{{"event":"message","channel":"{channel}","data":{{"nonce":"YWFhYWFhYWFhYWFhYWFhYWFhYWFhYWFh","ciphertext":"{text}"}}}}"#));
        }
    });
    println!("{} bytes wait for keys", held.bytes_max);
    assert!(held.bytes_max <= 72 * MB, "{} bytes", held.bytes_max);
}

fn name(text: &str) -> ChannelName {
    ChannelName::new(text).expect("these are names")
}

/// As many as fit into a frame of 16 MiB, or fewer in a debug build.
const MANY_MEMBERS: u64 = if cfg!(debug_assertions) { 200_000 } else { 1_950_000 };

const NOW: Instant = Instant::ZERO;
const KB: u64 = 1_024;
const MB: u64 = 1_024 * KB;
/// A million, or fewer in a debug build.
const MANY: usize = if cfg!(debug_assertions) { 50_000 } else { 1_000_000 };
