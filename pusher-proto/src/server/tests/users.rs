use super::*;

const ANN: &str = r#"{"id":"ann","user_info":{"n":1}}"#;

fn for_user(world: &mut World, user: &str) -> Vec<String> {
    world.server.trigger(&Publication::new("e", [user_channel(user).unwrap()], "1"), world.now).unwrap();
    world.sent()
}

#[test]
fn a_user_gets_events_on_a_channel_that_only_the_user_can_have() {
    let mut world = World::new().connected(2);
    let subscribe = r##"{"event":"pusher:subscribe","data":{"channel":"#server-to-user-ann"}}"##;
    assert_eq!(world.say(1, subscribe), error(1, "Not signed in as the user of #server-to-user-ann"));
    let success = r#"1 pusher:signin_success {"user_data":"{\"id\":\"ann\",\"user_info\":{\"n\":1}}"}"#;
    assert_eq!(world.sign_in(1, ANN), [success]);
    assert_eq!(world.server.user(ConnectionId::new(1)), Some("ann"));
    assert_eq!(world.say(1, subscribe), ["1 pusher_internal:subscription_succeeded #server-to-user-ann {}"]);
    assert_eq!(for_user(&mut world, "ann"), ["1 e #server-to-user-ann 1"]);
    assert_eq!(for_user(&mut world, "bob"), [""; 0]);
    assert!(world.server.channels("", Info::default()).unwrap().is_empty());
}

#[test]
fn refuses_a_user_whom_the_application_did_not_sign() {
    let mut world = World::new().connected(1);
    let id = world.socket_id(1);
    let text = r#"{"event":"pusher:signin","data":{"auth":"key:00","user_data":"{\"id\":\"1\"}"}}"#;
    let message = format!("Invalid signature: Expected HMAC SHA256 hex digest of {id}::user::user_data");
    assert_eq!(world.say(1, text), error(1, &message));
    for data in ["", "[]", "{}", r#"{"id":""}"#] {
        let message = "The user_data of a signin must be a JSON object with an id";
        assert_eq!(world.sign_in(1, data), error(1, message), "{data}");
    }
    assert_eq!(world.server.user(ConnectionId::new(1)), None);
}

#[test]
fn watchlists_report_who_is_online_and_who_comes_and_goes() {
    let mut world = World::new().connected(4);
    world.sign_in(2, r#"{"id":"bob"}"#);
    let events = "1 pusher_internal:watchlist_events";
    let sent = world.sign_in(1, r#"{"id":"ann","watchlist":["bob","cid"]}"#);
    let both = r#"[{"name":"online","user_ids":["bob"]},{"name":"offline","user_ids":["cid"]}]"#;
    assert_eq!(sent[1..], [format!(r#"{events} {{"events":{both}}}"#)]);
    let change = |name: &str| [format!(r#"{events} {{"events":[{{"name":"{name}","user_ids":["cid"]}}]}}"#)];
    assert_eq!(world.sign_in(3, r#"{"id":"cid"}"#)[..1], change("online"));
    assert_eq!(world.sign_in(4, r#"{"id":"cid"}"#).len(), 1);
    assert_eq!(world.close(3), [""; 0]);
    assert_eq!(world.close(4), change("offline"));
    // Signing in as a different user ends the watchlist.
    world.sign_in(1, ANN);
    assert_eq!(world.close(2), [""; 0]);
}

#[test]
fn a_watchlist_may_have_a_hundred_users() {
    let user = |count: usize| {
        let watchlist: Vec<String> = (0..count).map(|number| number.to_string()).collect();
        serde_json::json!({"id": "ann", "watchlist": watchlist}).to_string()
    };
    let mut world = World::new().connected(2);
    let sent = world.sign_in(1, &user(100));
    assert!(sent.len() == 2 && sent[1].contains(r#""offline""#), "{sent:?}");
    let sent = world.sign_in(2, &user(101));
    assert!(sent.len() == 2 && sent[1].contains(r#""code":4302"#), "{sent:?}");
}

#[test]
fn a_presence_channel_takes_the_user_who_is_signed_in() {
    let mut world = World::new().connected(1);
    world.sign_in(1, ANN);
    let list = r#"{"presence":{"count":1,"ids":["ann"],"hash":{"ann":{"n":1}}}}"#;
    let sent = world.subscribe(1, "presence-a");
    assert_eq!(sent, [format!("1 pusher_internal:subscription_succeeded presence-a {list}")]);
}

#[test]
fn ends_the_connections_of_a_user() {
    let mut world = World::new().connected(3);
    world.sign_in(1, ANN);
    world.sign_in(3, ANN);
    assert_eq!(world.server.terminate_connections("ann", world.now), Ok(2));
    assert_eq!(world.sent(), ["1 closed 4009", "3 closed 4009"]);
    assert_eq!(world.server.terminate_connections("ann", world.now), Ok(0));
    assert_eq!(world.server.connections().len(), 1);
}

#[test]
fn a_connection_must_be_authorized_in_time_where_that_is_asked_for() {
    let mut world = World::with(|builder| builder.authorization_timeout(secs(10))).connected(3);
    world.subscribe(1, "a");
    world.subscribe(2, "private-a");
    world.sign_in(3, ANN);
    assert_eq!(world.advance(secs(10)), ["1 closed 4009"]);
    assert_eq!(world.advance(secs(10)), [""; 0]);
}
