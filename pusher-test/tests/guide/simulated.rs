//! An example of the guide on testing: an application that needs no runtime.

use std::time::Duration;

use pusher_test::Simulation;
use pusher_test::network::Fault;
use pusher_test::pusher_driver::Client;
use pusher_test::pusher_proto::server::ServerConfig;
use pusher_test::pusher_proto::signing::App;
use pusher_test::pusher_proto::{AuthError, Config};

/// The application: returns who else is in the room.
async fn others(client: Client) -> Vec<String> {
    let Ok(room) = client.subscribe("presence-room") else { return Vec::new() };
    if room.subscribed().await.is_err() {
        return Vec::new();
    }
    let (me, members) = (room.me(), room.members().unwrap_or_default());
    members.iter().filter(|member| Some(member) != me.as_ref()).map(|member| member.id.to_string()).collect()
}

#[test]
fn finds_the_others_although_the_backend_is_down_for_a_minute() -> Result<(), Box<dyn std::error::Error>> {
    let simulation = Simulation::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    let network = simulation.network();
    let config = Config::new("app-key", "ws://localhost")?;
    let bob = network.connect("bob", config.clone(), network.auth())?;
    let room = bob.subscribe("presence-room")?;
    simulation.run(room.subscribed())?;

    let alice = network.connect("alice", config, network.auth())?;
    network.fault("alice", Fault::Latency(Duration::from_millis(300)));
    let unavailable = AuthError::Http { status: 503, excerpt: String::new(), retry_after: None };
    network.backend("alice", |backend| backend.refusal = Some(unavailable.clone()));
    let found = simulation.spawn(others(alice));
    simulation.run(simulation.sleep(Duration::from_secs(60)));
    network.backend("alice", |backend| backend.refusal = None);
    assert_eq!(simulation.run(found), ["bob"]);
    Ok(())
}
