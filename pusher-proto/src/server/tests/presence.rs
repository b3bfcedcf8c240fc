use super::*;

const ANN: &str = r#"{"user_id":"ann","user_info":{"n": 1}}"#;
const BOB: &str = r#"{"user_id":7}"#;

#[test]
fn a_new_member_gets_the_list_and_the_others_get_the_member() {
    let mut world = World::new().connected(2);
    let list = r#"{"presence":{"count":1,"ids":["ann"],"hash":{"ann":{"n": 1}}}}"#;
    let succeeded = "pusher_internal:subscription_succeeded presence-a";
    assert_eq!(world.enter(1, "presence-a", ANN), [format!("1 {succeeded} {list}")]);
    let list = r#"{"presence":{"count":2,"ids":["ann","7"],"hash":{"ann":{"n": 1},"7":null}}}"#;
    let added = r#"1 pusher_internal:member_added presence-a {"user_id":"7"}"#;
    assert_eq!(world.enter(2, "presence-a", BOB), [format!("2 {succeeded} {list}"), added.into()]);
}

#[test]
fn a_user_with_two_connections_comes_and_goes_once() {
    let mut world = World::new().connected(3);
    world.enter(1, "presence-a", BOB);
    let added = r#"1 pusher_internal:member_added presence-a {"user_id":"ann","user_info":{"n": 1}}"#;
    assert_eq!(world.enter(2, "presence-a", ANN)[1..], [added]);
    assert_eq!(world.enter(3, "presence-a", ANN).len(), 1);
    assert_eq!(world.unsubscribe(2, "presence-a"), [""; 0]);
    let removed = r#"1 pusher_internal:member_removed presence-a {"user_id":"ann"}"#;
    assert_eq!(world.close(3), [removed]);
    assert_eq!(world.close(1), [""; 0]);
}

#[test]
fn a_full_channel_refuses_a_new_user() {
    let mut world = World::with(|builder| builder.max_members(1)).connected(3);
    world.enter(1, "presence-a", ANN);
    assert_eq!(world.enter(2, "presence-a", ANN).len(), 1);
    assert_eq!(world.enter(3, "presence-a", BOB), error(3, "Channel presence-a has 1 members and is full"));
    let mut empty = World::with(|builder| builder.max_members(0)).connected(1);
    assert_eq!(empty.enter(1, "presence-a", ANN), error(1, "Channel presence-a has 0 members and is full"));
    assert!(empty.server.channels.is_empty());
}

#[test]
fn a_presence_channel_needs_to_know_who_subscribes() {
    let mut world = World::new().connected(1);
    let message = "Subscription to presence-a needs channel_data: a JSON object with a user_id";
    assert_eq!(world.subscribe(1, "presence-a"), error(1, message));
    assert_eq!(world.enter(1, "presence-a", "{}"), error(1, message));
}

#[test]
fn a_member_may_be_as_large_as_the_limits_allow_and_no_larger() {
    let mut world = World::new().connected(1);
    let member = |id: usize, len: usize| {
        let data = format!(r#"{{"user_id":"{}","user_info":""}}"#, "é".repeat(id));
        let info = "x".repeat(len - data.len());
        data.replace(r#""""#, &format!(r#""{info}""#))
    };
    let sent = world.enter(1, "presence-a", &member(128, 1_024));
    assert!(sent[0].starts_with("1 pusher_internal:subscription_succeeded presence-a"), "{sent:?}");
    let long = "The user_id for presence-b is longer than 128 characters";
    assert_eq!(world.enter(1, "presence-b", &member(129, 1_024)), error(1, long));
    let large = "The channel_data for presence-b is larger than 1024 bytes";
    assert_eq!(world.enter(1, "presence-b", &member(1, 1_025)), error(1, large));
}

#[test]
fn a_cache_channel_may_have_members() {
    let mut world = World::new().connected(1);
    let sent = world.enter(1, "presence-cache-a", BOB);
    assert_eq!(sent[1..], ["1 pusher:cache_miss presence-cache-a {}"]);
}
