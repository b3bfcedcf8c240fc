//! Messages that are published while the client is disconnected.

use pusher_server::pusher_proto::server::Dialect;
use pusher_server::{Options, Server};
use pusher_tokio::{Client, Event, LossReason, Recovery, RecoverySource, connect};

use crate::support::{auth, config, next, next_message, publish, subscribed};

async fn server() -> Server {
    Server::start(Options::default().dialect(Dialect::SockudoV2)).await.unwrap()
}

fn start(server: &Server) -> Client {
    connect(config(server).recovery(Recovery::default()).build().unwrap(), auth(server)).unwrap()
}

#[tokio::test]
async fn messages_of_a_pause_follow_the_recovery_once_and_in_order() {
    let server = server().await;
    let client = start(&server);
    let mut chat = subscribed(&client, "chat").await;
    publish(&server, "chat", "1");
    assert_eq!(next_message(&mut chat).await.1, "1");

    server.handle().cut_all();
    for data in ["2", "3", "4"] {
        publish(&server, "chat", data);
    }
    assert_eq!(next(&mut chat).await.name(), "pusher:subscription_succeeded");
    match next(&mut chat).await {
        Event::Recovered { replayed: 3, source: RecoverySource::Hot, is_proven: true, .. } => {}
        event => panic!("{event:?}"),
    }
    publish(&server, "chat", "5");
    for data in ["2", "3", "4", "5"] {
        assert_eq!(next_message(&mut chat).await.1, data);
    }
}

#[tokio::test]
async fn a_server_that_has_forgotten_its_messages_is_a_reported_gap() {
    let server = server().await;
    let client = start(&server);
    let mut chat = subscribed(&client, "chat").await;
    publish(&server, "chat", "1");
    assert_eq!(next_message(&mut chat).await.1, "1");

    server.handle().reset_streams();
    server.handle().cut_all();
    assert_eq!(next(&mut chat).await.name(), "pusher:subscription_succeeded");
    match next(&mut chat).await {
        Event::ContinuityLost { reason: LossReason::StreamReset, .. } => {}
        event => panic!("{event:?}"),
    }
    publish(&server, "chat", "2");
    assert_eq!(next_message(&mut chat).await.1, "2");
}
