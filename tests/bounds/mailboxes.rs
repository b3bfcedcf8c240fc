//! The same for the mailboxes of handles: events that wait for a stream that is not read.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use allocation_counter::AllocationInfo;
use pusher_driver::adapter::{Engine, Received, Step, SystemClock};
use pusher_driver::{Client, Options};
use pusher_proto::{AppKey, AuthResponse, Config, Endpoint, Frame, SocketEpoch, Text};

use super::{KB, MB};

/// A client whose loop is this test.
struct Loop {
    client: Client,
    engine: Engine,
    socket: SocketEpoch,
    user_data: Text,
}

impl Loop {
    fn new() -> Self {
        let config = Config::new("key", Endpoint::cluster("eu")).expect("the defaults are a configuration");
        let (client, engine) =
            Engine::new(config, &Options::new(), Arc::new(SystemClock::new())).expect("the defaults are options");
        let user_data = Text::from_static(r#"{"id":"1"}"#);
        let mut new = Self { client, engine, socket: SocketEpoch::default(), user_data };
        new.run();
        new
    }

    /// Switches to another server and back, which is a reconnect without a delay.
    fn reconnect(&mut self) {
        let key = AppKey::new("key").expect("this is a key");
        self.client.switch(key, Endpoint::cluster("eu")).expect("this is a server");
        self.run();
    }

    /// Performs the engine's steps, and grants its authorization requests.
    fn run(&mut self) {
        self.engine.tick();
        self.engine.sync();
        while let Some(step) = self.engine.next_step() {
            match step {
                Step::Connect(socket, _) => {
                    self.socket = socket;
                    self.engine.handle_open(socket);
                    self.receive(r#"{"event":"pusher:connection_established","data":{"socket_id":"1.1"}}"#);
                }
                Step::Authorize(calls) => {
                    for call in calls {
                        let answer = AuthResponse::new("key:5a")
                            .channel_data(r#"{"user_id":"1"}"#)
                            .user_data(self.user_data.as_str());
                        call.answer(Ok(answer));
                    }
                    self.engine.sync();
                }
                Step::Send(..) | Step::Close(..) | Step::CancelAuth(_) | Step::Schedule(_) => {}
            }
        }
        self.engine.run_callbacks();
        self.engine.wake_consumers();
    }

    fn receive(&mut self, frame: &str) {
        self.engine.handle_received(self.socket, [Received::Frame(Frame::Text(Text::from(frame)))]);
    }
}

fn check(what: &str, held: &AllocationInfo, bound: u64) {
    println!("{} bytes stay, {} at most: {what}", held.bytes_current, held.bytes_max);
    assert!(held.bytes_max <= bound, "{} bytes: {what}", held.bytes_max);
}

#[test]
fn lists_of_members_of_many_reconnects_stay_within_the_bytes_of_the_mailboxes() {
    let mut world = Loop::new();
    let _room = world.client.subscribe("presence-room").expect("this is a name");
    world.run();
    let held = allocation_counter::measure(|| {
        for round in 0..150 {
            let ids: Vec<String> = (0..30_000).map(|id| format!("{}", 100_000 * (round + 1) + id)).collect();
            world.receive(&format!(
                r#"{{"event":"pusher_internal:subscription_succeeded","channel":"presence-room","data":{{"presence":{{"ids":[{}]}}}}}}"#,
                ids.join(",")
            ));
            world.reconnect();
        }
    });
    check("150 lists of 30,000 members", &held, 80 * MB);
}

#[test]
fn the_user_of_many_reconnects_stays_within_the_bytes_of_the_mailboxes() {
    let mut world = Loop::new();
    let name = "x".repeat(4 * MB as usize);
    world.user_data = format!(r#"{{"id":"1","name":"{name}"}}"#).into();
    let _events = world.client.events();
    world.client.signin();
    world.run();
    let success = format!(r#"{{"event":"pusher:signin_success","data":{{"user_data":{{"id":"1","name":"{name}"}}}}}}"#);
    let held = allocation_counter::measure(|| {
        for _ in 0..30 {
            world.receive(&success);
            world.reconnect();
        }
    });
    check("30 users of 4 MB", &held, 100 * MB);
}

#[test]
fn small_events_that_wait_do_not_hold_the_buffers_that_they_came_in() {
    let mut world = Loop::new();
    let _chat = world.client.subscribe("chat").expect("this is a name");
    world.run();
    world.receive(r#"{"event":"pusher_internal:subscription_succeeded","channel":"chat"}"#);
    let frame = format!(r#"{{"event":"message","channel":"chat","data":"{}"}}"#, "x".repeat(3 * KB as usize));
    let held = allocation_counter::measure(|| {
        for _ in 0..2_000 {
            let mut buffer = Vec::with_capacity(256 * KB as usize);
            buffer.extend_from_slice(frame.as_bytes());
            let text = Text::from_utf8(bytes::Bytes::from(buffer)).expect("a string is UTF-8");
            world.engine.handle_received(world.socket, [Received::Frame(Frame::Text(text))]);
        }
    });
    check("2,000 events of 3 KB from buffers of 256 KB", &held, 12 * MB);
}

#[test]
fn kept_channels_hold_no_events_while_everything_is_read_through_the_stream_of_the_client() {
    let mut world = Loop::new();
    let mut events = world.client.events();
    let context = &mut Context::from_waker(Waker::noop());
    let mut play = |world: &mut Loop, rounds: usize| {
        let payload = "x".repeat(KB as usize);
        let mut read = 0;
        for _ in 0..rounds {
            for channel in 0..50 {
                world.receive(&format!(r#"{{"event":"message","channel":"c-{channel}","data":"{payload}"}}"#));
                while let Poll::Ready(Some(event)) = events.poll_recv(context) {
                    read += usize::from(event.name() == "message");
                }
            }
        }
        read
    };
    for channel in 0..50 {
        world.client.subscribe(format!("c-{channel}")).expect("this is a name").keep();
    }
    world.run();
    for channel in 0..50 {
        world.receive(&format!(
            r#"{{"event":"pusher_internal:subscription_succeeded","channel":"c-{channel}","data":{{}}}}"#
        ));
    }
    play(&mut world, 1);
    let mut read = 0;
    let held = allocation_counter::measure(|| read = play(&mut world, 200));
    assert_eq!(read, 10_000, "kept channels stay subscribed");
    assert_eq!(world.client.stats().missed, 0);
    check("10,000 events of 1 KB on 50 kept channels", &held, 100 * KB);
}
