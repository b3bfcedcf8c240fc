//! Code that the tests share.

use std::future::Future;
use std::time::Duration;

use pusher_server::Server;
use pusher_server::pusher_proto::server::Publication;
use pusher_tokio::{ChannelName, Client, Config, ConfigBuilder, Endpoint, Event, HttpAuth, Subscription, connect};

/// Longer than any operation takes on one machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future).await.unwrap()
}

pub(crate) async fn server() -> Server {
    Server::start(pusher_server::Options::default()).await.unwrap()
}

/// The configuration with the server's host name, which usually also has an IPv6 address on which nothing listens.
pub(crate) fn config(server: &Server) -> ConfigBuilder {
    let endpoint = Endpoint::host("localhost").ws_port(server.address().port()).tls(false);
    let soon = Duration::from_millis(10);
    Config::builder("app-key", endpoint).reconnect_base(soon).reconnect_cap(soon)
}

pub(crate) fn auth(server: &Server) -> HttpAuth {
    HttpAuth::new(format!("{}/pusher/auth", server.http_url()))
}

pub(crate) fn start(server: &Server, auth: HttpAuth) -> Client {
    connect(config(server).build().unwrap(), auth).unwrap()
}

pub(crate) async fn subscribed(client: &Client, channel: &str) -> Subscription {
    let mut subscription = client.subscribe(channel).unwrap();
    within(subscription.subscribed()).await.unwrap();
    assert_eq!(next(&mut subscription).await.name(), "pusher:subscription_succeeded");
    subscription
}

/// The next event, skipping subscription counts.
pub(crate) async fn next(subscription: &mut Subscription) -> Event {
    loop {
        match within(subscription.recv()).await.unwrap() {
            Event::SubscriptionCount { .. } => {}
            event => return event,
        }
    }
}

/// Name and text of the next event, which must be one of the application's.
pub(crate) async fn next_message(subscription: &mut Subscription) -> (String, String) {
    match next(subscription).await {
        Event::Channel(event) => (event.event().to_owned(), event.data().text().into_owned()),
        event => panic!("{event:?}"),
    }
}

pub(crate) fn publish(server: &Server, channel: &str, data: &str) {
    let channel = ChannelName::new(channel).unwrap();
    server.handle().trigger(&Publication::new("message", [channel], data)).unwrap();
}

pub(crate) fn message(data: &str) -> (String, String) {
    ("message".to_owned(), data.to_owned())
}
