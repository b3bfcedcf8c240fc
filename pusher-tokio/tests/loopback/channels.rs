//! Events on every kind of channel.

use pusher_tokio::{Data, Event, Member};

use crate::support::{auth, message, next, next_message, publish, server, start, subscribed};

#[tokio::test]
async fn events_arrive_on_public_private_and_presence_channels() {
    let server = server().await;
    let client = start(&server, auth(&server));
    for channel in ["chat", "private-chat", "presence-chat"] {
        let mut subscription = subscribed(&client, channel).await;
        publish(&server, channel, r#"{"text":"hi"}"#);
        assert_eq!(next_message(&mut subscription).await, message(r#"{"text":"hi"}"#));
    }
}

#[tokio::test]
async fn clients_see_each_other_and_talk_on_a_presence_channel() {
    let server = server().await;
    let user = |id: &str| start(&server, auth(&server).param("user_id", id).param("user_info", r#"{"age":7}"#));
    let (ann, bob) = (user("ann"), user("bob"));
    let mut with_ann = subscribed(&ann, "presence-lobby").await;
    let mut with_bob = subscribed(&bob, "presence-lobby").await;
    let Event::MemberAdded { member, .. } = next(&mut with_ann).await else { panic!("bob came") };
    assert_eq!(member, Member::new("bob", Data::from_json(r#"{"age":7}"#).unwrap()));
    assert_eq!((with_ann.member_count(), with_bob.member_count()), (Some(2), Some(2)));
    assert_eq!(with_ann.me().map(|me| me.id), Some("ann".into()));
    assert_eq!(with_bob.member("ann"), with_ann.me());

    with_ann.trigger("client-typing", "…").unwrap();
    assert_eq!(next_message(&mut with_bob).await, ("client-typing".to_owned(), "…".to_owned()));
    drop(with_ann);
    let Event::MemberRemoved { member, .. } = next(&mut with_bob).await else { panic!("ann left") };
    assert_eq!(member.id, "ann");
}

#[tokio::test]
async fn after_a_cut_the_gap_is_announced_and_events_continue() {
    let server = server().await;
    let client = start(&server, auth(&server));
    let mut chat = subscribed(&client, "private-chat").await;
    let first = client.socket_id();
    server.handle().cut_all();
    assert_eq!(next(&mut chat).await.name(), "pusher:continuity_lost");
    assert_eq!(next(&mut chat).await.name(), "pusher:subscription_succeeded");
    assert_ne!(client.socket_id(), first);
    publish(&server, "private-chat", "1");
    assert_eq!(next_message(&mut chat).await, message("1"));
}

#[tokio::test]
async fn a_burst_of_many_sizes_arrives_whole_and_in_order() {
    let server = server().await;
    let client = start(&server, auth(&server));
    let mut chat = subscribed(&client, "chat").await;
    let texts: Vec<String> = (0..2_000).map(|number| "x".repeat(number * 13 % 5_000)).collect();
    for text in &texts {
        publish(&server, "chat", text);
    }
    for text in &texts {
        assert_eq!(next_message(&mut chat).await, message(text));
    }
}
