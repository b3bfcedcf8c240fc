use super::*;

#[test]
fn an_event_reaches_each_subscriber_of_each_channel_but_the_excluded_one() {
    let mut world = World::new().connected(3);
    for (client, channel) in [(1, "a"), (2, "a"), (2, "b"), (3, "b")] {
        world.subscribe(client, channel);
    }
    let channels = ["a", "b", "a"].map(channel_name);
    let publication =
        Publication { socket_id: Some(world.socket_id(2)), ..Publication::new("e", channels, r#"{"say":"hi"}"#) };
    let infos = world.server.trigger(&publication, world.now).unwrap();
    assert_eq!(world.sent(), [r#"1 e a {"say":"hi"}"#, r#"3 e b {"say":"hi"}"#]);
    assert_eq!(infos.into_values().collect::<Vec<_>>(), [Attributes::default(); 2]);
}

#[test]
fn data_travels_as_a_string() {
    let mut world = World::new().connected(1);
    world.subscribe(1, "a");
    world.server.trigger(&Publication::new("e", [channel_name("a")], "[\"x\"]"), world.now).unwrap();
    let text = r#"{"event":"e","channel":"a","data":"[\"x\"]"}"#;
    assert_eq!(world.server.poll_action(world.now), Some(Action::Send(ConnectionId::new(1), text.into())));
}

#[test]
fn an_answer_contains_the_counts_that_were_requested() {
    let mut world = World::with(|builder| builder.subscription_counts(true)).connected(2);
    world.enter(1, "presence-a", r#"{"user_id":"1"}"#);
    world.enter(2, "presence-a", r#"{"user_id":"1"}"#);
    world.subscribe(2, "a");
    let info = Info::from_list("subscription_count, user_count,x");
    let presence = Attributes { user_count: Some(1), subscription_count: Some(2) };
    let public = Attributes { user_count: None, subscription_count: Some(1) };

    let publication = Publication { info, ..Publication::new("e", ["presence-a", "a"].map(channel_name), "") };
    let infos = world.server.trigger(&publication, world.now).unwrap();
    assert_eq!(infos.into_values().collect::<Vec<_>>(), [public, presence]);
    assert_eq!(world.server.trigger_batch(&[publication], world.now), Ok([presence].into()));

    let presences = world.server.channels("presence-", info).unwrap();
    assert_eq!(presences.into_iter().collect::<Vec<_>>(), [(channel_name("presence-a"), presence)]);
    let both = world.server.channels("", Info::default()).unwrap();
    let unasked = ["a", "presence-a"].map(|name| (channel_name(name), Attributes::default()));
    assert_eq!(both.into_iter().collect::<Vec<_>>(), unasked);
    let state = ChannelState { occupied: true, attributes: presence };
    assert_eq!(world.server.channel(&channel_name("presence-a"), info), Ok(state));
    let nobody = world.server.channel(&channel_name("b"), Info::default()).unwrap();
    assert!(!nobody.occupied);
    assert_eq!(world.server.users(&channel_name("presence-a")), Ok(["1".into()].into()));
    assert_eq!(world.server.users(&channel_name("presence-b")), Ok(Vec::new()));
    let json = r#"{"occupied":true,"user_count":1,"subscription_count":2}"#;
    assert_eq!(serde_json::to_string(&state).unwrap(), json);
}

#[test]
fn refuses_what_passes_a_limit_or_makes_no_sense() {
    let mut world = World::new().connected(1);
    world.subscribe(1, "a");
    let publish = |name: &str, channels: usize, len: usize| {
        let channels = (0..channels).map(|_| channel_name("a"));
        Publication::new(name, channels, "x".repeat(len))
    };
    let table = [
        (publish("e", 1, 10_241), 413, ApiError::DataTooLarge { len: 10_241, max: 10_240 }),
        (publish("", 1, 1), 400, ApiError::EventName),
        (publish(&"x".repeat(201), 1, 1), 400, ApiError::EventName),
        (publish("e", 0, 1), 400, ApiError::NoChannel),
        (publish("e", 101, 1), 400, ApiError::TooManyChannels { len: 101, max: 100 }),
    ];
    for (publication, status, error) in table {
        let batch = [publish("e", 1, 1), publication];
        assert_eq!(world.server.trigger(&batch[1], world.now).unwrap_err(), error);
        assert_eq!(world.server.trigger_batch(&batch, world.now).unwrap_err().status(), status);
    }
    let batch = [(); 11].map(|()| publish("e", 1, 1));
    let error = ApiError::TooManyEvents { len: 11, max: 10 };
    assert_eq!(world.server.trigger_batch(&batch, world.now), Err(error));
    assert_eq!(world.sent(), [""; 0]);
    let name = channel_name("a b");
    let refused = world.server.trigger(&Publication::new("e", [name.clone()], ""), world.now);
    assert_eq!(refused, Err(ApiError::ChannelName(name)));
}

#[test]
fn takes_as_much_as_the_limits_allow() {
    let mut world = World::new().connected(1);
    world.subscribe(1, "a");
    let channels = (0..100).map(|number| channel_name(if number == 0 { "a" } else { "b" }));
    let batch = alloc::vec![Publication::new("x".repeat(200), channels, "x".repeat(10_240)); 10];
    assert!(world.server.trigger_batch(&batch, world.now).is_ok());
    assert_eq!(world.sent().len(), 10);
}

#[test]
fn refuses_attributes_that_a_channel_does_not_have() {
    let world = World::new();
    let (users, counts) = (Info::from_list("user_count"), Info::from_list("subscription_count"));
    let without_presence = ApiError::UserCountWithoutPresence;
    assert_eq!(world.server.channels("", users), Err(without_presence.clone()));
    assert_eq!(world.server.channel(&channel_name("a"), users), Err(without_presence));
    assert_eq!(world.server.channel(&channel_name("a"), counts), Err(ApiError::SubscriptionCountsDisabled));
    assert_eq!(world.server.users(&channel_name("a")), Err(ApiError::NotPresence));
}
