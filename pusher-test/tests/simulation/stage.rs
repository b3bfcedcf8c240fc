//! What the tests share.

use std::task::{Context, Poll, Waker};
use std::time::Duration;

use pusher_test::pusher_driver::{Client, Subscription};
use pusher_test::pusher_proto::server::ServerConfig;
use pusher_test::pusher_proto::signing::{App, MasterKey};
use pusher_test::pusher_proto::{Config, Event};
use pusher_test::{Network, Simulation};

/// Enough for anything that needs no deadline.
pub(crate) const MOMENT: Duration = Duration::from_millis(500);

pub(crate) fn app() -> App {
    let app = App::new("1", "app-key", "app-secret").unwrap();
    app.encryption_master_key(MasterKey::new([7; MasterKey::LEN]))
}

pub(crate) fn simulation() -> Simulation {
    Simulation::new(ServerConfig::builder(app()).subscription_counts(false).build().unwrap())
}

pub(crate) fn config() -> Config {
    Config::new("app-key", "ws://localhost").unwrap()
}

pub(crate) fn client(network: &Network, name: &str) -> Client {
    network.connect(name, config(), network.auth()).unwrap()
}

/// A client that is subscribed to a channel.
pub(crate) async fn subscribed(network: &Network, name: &str, channel: &str) -> Subscription {
    let subscription = client(network, name).subscribe(channel).unwrap();
    subscription.subscribed().await.unwrap();
    subscription
}

/// The events that wait in a stream.
pub(crate) fn waiting(subscription: &mut Subscription) -> Vec<Event> {
    let mut context = Context::from_waker(Waker::noop());
    std::iter::from_fn(|| match subscription.poll_recv(&mut context) {
        Poll::Ready(event) => event,
        Poll::Pending => None,
    })
    .collect()
}

/// The names of the events that wait in a stream.
pub(crate) fn names(subscription: &mut Subscription) -> Vec<String> {
    waiting(subscription).iter().map(|event| event.name().to_owned()).collect()
}

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

pub(crate) const SUCCEEDED: &str = "pusher:subscription_succeeded";
pub(crate) const GAP: &str = "pusher:continuity_lost";
