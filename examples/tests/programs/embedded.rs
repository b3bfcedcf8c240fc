//! The programs that embed the client into a loop of their own.

use pusher_server::pusher_proto::ChannelName;
use pusher_server::pusher_proto::server::Publication;

use crate::support::{Program, server};

fn event(channel: &str, data: &str) -> Publication {
    Publication::new("published", [ChannelName::new(channel).unwrap()], data)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_around_mio_authorizes_receives_and_reconnects() {
    let server = server().await;
    let mut program = Program::start(env!("CARGO_BIN_EXE_mio-loop"), &["news", "private-orders"], &server);
    program.line_with("SubscriptionSucceeded").await;
    program.line_with("SubscriptionSucceeded").await;
    for channel in ["news", "private-orders"] {
        server.handle().trigger(&event(channel, "1")).unwrap();
        assert_eq!(program.line_with("published").await, format!("{channel} published: 1"));
    }
    // More than one read.
    let long = "x".repeat(10_000);
    server.handle().trigger(&event("news", &long)).unwrap();
    assert_eq!(program.line_with("published").await, format!("news published: {long}"));
    server.handle().cut_all();
    program.line_with("ContinuityLost").await;
    program.line_with("ContinuityLost").await;
    server.handle().trigger(&event("news", "again")).unwrap();
    assert_eq!(program.line_with("published").await, "news published: again");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_game_receives_events_in_its_frames_and_reconnects() {
    let server = server().await;
    let mut program = Program::start(env!("CARGO_BIN_EXE_game-loop"), &["world"], &server);
    program.line_with("SubscriptionSucceeded").await;
    server.handle().trigger(&event("world", "1")).unwrap();
    assert!(program.line_with("published").await.ends_with(": published 1"));
    server.handle().close_all(4200, "restart");
    program.line_with("ContinuityLost").await;
    server.handle().trigger(&event("world", "2")).unwrap();
    assert!(program.line_with("published").await.ends_with(": published 2"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_receives_events_over_a_serial_port_and_skips_what_it_cannot_hold() {
    let server = server().await;
    let mut program = Program::start(env!("CARGO_BIN_EXE_uart"), &["sensors"], &server);
    program.line_with("pusher:subscription_succeeded").await;
    server.handle().trigger(&event("sensors", &"x".repeat(9_000))).unwrap();
    server.handle().trigger(&event("sensors", "21")).unwrap();
    program.line_with("error").await;
    assert_eq!(program.next_line().await.unwrap(), "published 21");
    server.handle().cut_all();
    program.line_with("pusher:continuity_lost").await;
}
