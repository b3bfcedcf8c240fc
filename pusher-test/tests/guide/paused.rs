//! An example of the guide on testing: an application that uses tokio.

use std::time::Duration;

use pusher_test::network::Fault;
use pusher_test::pusher_proto::server::ServerConfig;
use pusher_test::pusher_proto::signing::App;
use pusher_tokio::{Client, Config, Event};
use tokio::sync::watch;

/// The application: shows how many orders there are, and loads them again after a gap.
async fn show(client: Client, shown: watch::Sender<String>) {
    let Ok(mut orders) = client.subscribe("private-orders") else { return };
    let mut count = 0;
    while let Some(event) = orders.recv().await {
        if event.is_gap() {
            shown.send_replace("loading".into());
            // Stands for a request to the application's server.
            tokio::time::sleep(Duration::from_secs(2)).await;
        } else if let Event::Channel(_) = event {
            count += 1;
        }
        shown.send_replace(format!("{count} orders"));
    }
}

#[tokio::test(start_paused = true)]
async fn loads_the_orders_again_after_an_outage_of_an_hour() -> Result<(), Box<dyn std::error::Error>> {
    let network = pusher_test::tokio::network(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    let client = network.connect("alice", Config::new("app-key", "ws://localhost")?, network.auth())?;
    let (shown, mut screen) = watch::channel(String::new());
    tokio::spawn(show(client, shown));
    tokio::time::sleep(Duration::from_secs(1)).await;
    network.trigger("private-orders", "new", "{}");
    screen.wait_for(|text| text == "1 orders").await?;

    network.fault("alice", Fault::Unreachable);
    network.fault("alice", Fault::Cut);
    tokio::time::sleep(Duration::from_secs(60 * 60)).await;
    network.heal("alice");
    screen.wait_for(|text| text == "loading").await?;
    screen.wait_for(|text| text == "1 orders").await?;
    // The client tries again every 30 s.
    assert!(network.now() < Duration::from_secs(60 * 60 + 60));
    Ok(())
}
