use super::*;

#[test]
fn data_travels_as_a_string() {
    let mut world = World::new().connected(1);
    world.subscribe(1, "a");
    world.server.trigger(&Publication::new("e", [channel_name("a")], "[\"x\"]"), world.now).unwrap();
    let text = r#"{"event":"e","channel":"a","data":"[\"x\"]"}"#;
    assert_eq!(world.server.poll_action(world.now), Some(Action::Send(ConnectionId::new(1), text.into())));
}

#[test]
fn an_event_for_a_name_that_no_client_may_use_is_refused() {
    let mut world = World::new();
    let name = channel_name("a b");
    let refused = world.server.trigger(&Publication::new("e", [name.clone()], ""), world.now);
    assert_eq!(refused, Err(ApiError::ChannelName(name)));
}

#[test]
fn the_state_of_a_channel_is_a_flat_object() {
    let attributes = Attributes { user_count: Some(1), subscription_count: Some(2) };
    let json = r#"{"occupied":true,"user_count":1,"subscription_count":2}"#;
    assert_eq!(serde_json::to_string(&ChannelState { occupied: true, attributes }).unwrap(), json);
}
