//! Members of presence channels in version 2: lost connections, and what members say about themselves.

use super::version_2::{connect, frames, say, world};
use super::*;

/// Alice (client 1) and Bob (client 2) in a room.
fn room(build: impl FnOnce(ServerConfigBuilder) -> ServerConfigBuilder) -> World {
    let mut world = world(build);
    for (client, user) in [(1, ALICE), (2, BOB)] {
        connect(&mut world, client, "protocol=2");
        world.enter(client, "presence-room", user);
    }
    world
}

fn lose(world: &mut World, client: u64) -> Vec<String> {
    world.server.handle_loss(ConnectionId::new(client), world.now);
    frames(world)
}

fn advance(world: &mut World, time: Duration) -> Vec<String> {
    world.now = world.now + time;
    world.server.handle_timeout(world.now);
    frames(world)
}

const ALICE: &str = r#"{"user_id":"alice","user_info":{"name":"alice"}}"#;
const BOB: &str = r#"{"user_id":"bob"}"#;
const REMOVED: &str =
    r#"{"event":"sockudo_internal:member_removed","channel":"presence-room","data":"{\"user_id\":\"alice\"}"}"#;

#[test]
fn a_member_who_returns_in_time_is_not_noticed() {
    let mut world = room(|builder| builder);
    assert_eq!(lose(&mut world, 1), [""; 0]);
    assert_eq!(world.users("presence-room"), ["alice", "bob"]);
    assert_eq!(advance(&mut world, secs(14)), [""; 0]);
    connect(&mut world, 3, "protocol=2");
    let answer = world.enter(3, "presence-room", ALICE);
    assert!(answer.len() == 1 && answer[0].contains(r#""count":2,"ids":["alice","bob"]"#), "{answer:?}");
    assert_eq!(advance(&mut world, secs(20)), [""; 0]);
    assert_eq!(lose(&mut world, 3), [""; 0]);
    assert_eq!(advance(&mut world, secs(15)), [REMOVED], "the second absence has its own time");
}

#[test]
fn a_member_who_does_not_return_has_left_after_the_grace() {
    let mut world = room(|builder| builder.presence_grace(secs(3)));
    lose(&mut world, 1);
    assert_eq!(advance(&mut world, secs(2)), [""; 0]);
    assert_eq!(advance(&mut world, secs(1)), [REMOVED]);
    assert_eq!(world.users("presence-room"), ["bob"]);
    connect(&mut world, 3, "protocol=2");
    let added = world.enter(3, "presence-room", ALICE).pop().unwrap();
    assert!(added.starts_with("2 sockudo_internal:member_added"), "{added}");
}

#[test]
fn a_clean_end_an_unsubscription_and_version_1_are_reported_at_once() {
    let mut world = room(|builder| builder);
    assert_eq!(world.unsubscribe(1, "presence-room").len(), 1);
    world.enter(1, "presence-room", ALICE);
    assert_eq!(world.close(1).len(), 1);
    world.server.handle_open(ConnectionId::new(3), "/app/key?protocol=7", world.now);
    world.enter(3, "presence-room", ALICE);
    assert_eq!(lose(&mut world, 3), [REMOVED]);
    let mut world = room(|builder| builder.presence_grace(Duration::ZERO));
    assert_eq!(lose(&mut world, 1), [REMOVED]);
}

#[test]
fn a_member_with_another_connection_is_not_absent() {
    let mut world = room(|builder| builder);
    connect(&mut world, 3, "protocol=2");
    world.enter(3, "presence-room", ALICE);
    lose(&mut world, 1);
    assert_eq!(advance(&mut world, secs(20)), [""; 0]);
    assert_eq!(world.users("presence-room"), ["alice", "bob"]);
}

#[test]
fn a_returned_member_who_closes_has_left_at_once() {
    let mut world = room(|builder| builder);
    lose(&mut world, 1);
    connect(&mut world, 3, "protocol=2");
    world.enter(3, "presence-room", ALICE);
    assert_eq!(world.close(3).len(), 1);
    assert_eq!(advance(&mut world, secs(20)), [""; 0]);
}

#[test]
fn a_client_that_does_not_answer_pings_may_return() {
    let mut world = room(|builder| builder);
    world.now = world.now + secs(60);
    say(&mut world, 2, r#"{"event":"sockudo:ping"}"#);
    assert_eq!(advance(&mut world, Duration::ZERO), ["ping"]);
    assert_eq!(advance(&mut world, secs(30)), ["closed 4201"]);
    world.now = world.now + secs(15);
    world.server.handle_timeout(world.now);
    assert!(frames(&mut world).iter().any(|frame| frame == REMOVED));
}

#[test]
fn a_channel_whose_members_are_all_absent_ends_with_the_last_absence() {
    let mut world = room(|builder| builder);
    lose(&mut world, 1);
    lose(&mut world, 2);
    assert_eq!(world.users("presence-room"), ["alice", "bob"]);
    advance(&mut world, secs(15));
    assert!(!world.server.channel(&channel_name("presence-room"), Info::default()).unwrap().occupied);
}

#[test]
fn an_update_reaches_all_members_including_its_sender() {
    let mut world = room(|builder| builder);
    world.server.handle_open(ConnectionId::new(3), "/app/key?protocol=7", world.now);
    world.enter(3, "presence-room", r#"{"user_id":"carol"}"#);
    let update = r#"{"event":"sockudo:presence_update","data":"{\"channel\":\"presence-room\",\"data\":{\"status\":\"busy\"}}"}"#;
    let updated = r#"{"event":"sockudo_internal:presence_update","channel":"presence-room","data":"{\"user_id\":\"alice\",\"user_info\":{\"status\":\"busy\"}}"}"#;
    assert_eq!(say(&mut world, 1, update), [updated, updated]);
    connect(&mut world, 4, "protocol=2");
    let answer = world.enter(4, "presence-room", r#"{"user_id":"dora"}"#).remove(0);
    assert!(answer.contains(r#""alice":{"name":"alice"}"#), "later members see the older information: {answer}");
    assert_eq!(say(&mut world, 3, update), [""; 0], "version 1 does not have it");
}

#[test]
fn an_update_that_is_not_one_is_refused() {
    let mut world = room(|builder| builder);
    let error = |message: &str| {
        [format!(r#"{{"event":"sockudo:error","data":{{"code":4000,"message":"{message}"}},"message_id":"<id>"}}"#)]
    };
    let mut refused = |data: &str| say(&mut world, 1, &format!(r#"{{"event":"sockudo:presence_update"{data}}}"#));
    for data in [
        "",
        r#","data":{"channel":"presence-room","data":{}}"#,
        r#","data":"{}""#,
        r#","data":"x""#,
        r#","data":"{\"channel\":7}""#,
    ] {
        assert_eq!(refused(data), error("presence_update channel is required"), "{data}");
    }
    for channel in ["presence-other", "a", ""] {
        let data = format!(r#","data":"{{\"channel\":\"{channel}\",\"data\":{{}}}}""#);
        assert_eq!(refused(&data), error("presence_update requires active membership"), "{channel}");
    }
    let info = |len: usize| format!(r#","data":"{{\"channel\":\"presence-room\",\"data\":\"{}\"}}""#, "y".repeat(len));
    assert_eq!(refused(&info(1_023)), error("presence_update data exceeds 1024 bytes"));
    assert_eq!(refused(&info(1_022)).len(), 2);
}
