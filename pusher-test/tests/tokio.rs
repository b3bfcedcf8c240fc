//! Clients in memory for an application that uses tokio, in paused time.
#![cfg(test)]

use std::time::Duration;

use pusher_test::network::Fault;
use pusher_test::pusher_proto::server::ServerConfig;
use pusher_test::pusher_proto::signing::App;
use pusher_test::{Network, tokio::network};
use pusher_tokio::{Client, Config, Event, Options};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

/// Tasks of a runtime with several threads can cause faults.
const fn is_shared<T: Send + Sync>() {}
const _: () = is_shared::<Network>();

const HOUR: Duration = Duration::from_secs(60 * 60);

fn start() -> Network {
    network(ServerConfig::new(App::new("1", "app-key", "app-secret").unwrap()))
}

/// An application that knows nothing of the test: it reports gaps, and publishes how many messages it has seen every
/// minute.
async fn application(client: Client, reports: mpsc::UnboundedSender<String>) {
    let mut orders = client.subscribe("private-orders").unwrap();
    let mut seen = 0;
    let mut minutes = tokio::time::interval(Duration::from_secs(60));
    minutes.tick().await;
    loop {
        tokio::select! {
            event = orders.recv() => match event {
                Some(Event::Channel(_)) => seen += 1,
                Some(Event::ContinuityLost { .. }) => reports.send("gap".into()).unwrap(),
                Some(_) => {}
                None => return,
            },
            _ = minutes.tick() => reports.send(format!("{seen} seen")).unwrap(),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_application_runs_in_paused_time_with_its_clients() {
    let (network, begin) = (start(), Instant::now());
    let client = network.connect("alice", Config::new("app-key", "ws://localhost").unwrap(), network.auth()).unwrap();
    let (reports, mut reported) = mpsc::unbounded_channel();
    let running = tokio::spawn(application(client.clone(), reports));

    sleep(Duration::from_secs(90)).await;
    network.trigger("private-orders", "new", "{}");
    sleep(Duration::from_secs(60)).await;
    network.fault("alice", Fault::Cut);
    sleep(Duration::from_secs(15)).await;
    client.shutdown(Duration::from_secs(1)).await;
    running.await.unwrap();

    let reports: Vec<String> = std::iter::from_fn(|| reported.try_recv().ok()).collect();
    assert_eq!(reports, ["0 seen", "1 seen", "gap"]);
    assert_eq!(begin.elapsed().as_secs(), 165);
}

#[tokio::test(start_paused = true)]
async fn a_day_takes_a_moment() {
    let (network, real) = (start(), std::time::Instant::now());
    let client = network.connect("alice", Config::new("app-key", "ws://localhost").unwrap(), network.auth()).unwrap();
    let chat = client.subscribe("private-chat").unwrap();
    chat.subscribed().await.unwrap();
    sleep(24 * HOUR).await;
    assert!(chat.is_subscribed());
    assert_eq!(client.stats().reconnects, 0);
    assert!(real.elapsed() < 24 * HOUR / 100, "{:?}", real.elapsed());
}

#[tokio::test(start_paused = true)]
async fn delays_take_as_long_as_in_the_simulation() {
    let network = start();
    let options = Options::new().auto_connect(false);
    let config = Config::new("app-key", "ws://localhost").unwrap();
    let client = network.connect_with("alice", config, network.auth(), &options).unwrap();
    network.fault_all(Fault::Latency(Duration::from_secs(2)));
    client.connect();
    client.subscribe("chat").unwrap().subscribed().await.unwrap();
    assert_eq!(network.now().as_secs(), 8);
    assert_eq!(network.server(|server, _| server.connections().count()), 1);
}

#[tokio::test(start_paused = true)]
async fn every_task_ends_with_the_network_and_its_clients() {
    let network = start();
    let tasks = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let client = network.connect("alice", Config::new("app-key", "ws://localhost").unwrap(), network.auth()).unwrap();
    sleep(Duration::from_secs(1)).await;
    assert_eq!(tasks(), 2);
    drop((client, network));
    sleep(Duration::from_secs(10)).await;
    assert_eq!(tasks(), 0);
}

#[test]
#[should_panic(expected = "outside of a tokio runtime")]
fn a_network_outside_of_a_runtime_is_an_error_of_the_test() {
    drop(start());
}

#[tokio::test(flavor = "multi_thread")]
async fn several_threads_use_one_network() {
    let network = start();
    let clients = (0..8).map(|number| {
        let network = network.clone();
        tokio::spawn(async move {
            let name = format!("client-{number}");
            let config = Config::new("app-key", "ws://localhost").unwrap();
            let client = network.connect(&name, config, network.auth()).unwrap();
            let mut room = client.subscribe("presence-room").unwrap();
            room.subscribed().await.unwrap();
            network.trigger("presence-room", &name, "{}");
            while room.recv().await.is_some_and(|event| event.name() != name) {}
        })
    });
    for client in clients.collect::<Vec<_>>() {
        client.await.unwrap();
    }
}

#[tokio::test]
async fn without_paused_time_everything_takes_real_time() {
    let (network, real) = (start(), std::time::Instant::now());
    let client = network.connect("alice", Config::new("app-key", "ws://localhost").unwrap(), network.auth()).unwrap();
    client.subscribe("private-chat").unwrap().subscribed().await.unwrap();
    // The upgrade, the greeting, the authorization, the subscription and its confirmation take 20 ms each.
    assert!(real.elapsed() >= Duration::from_millis(100), "{:?}", real.elapsed());
}
