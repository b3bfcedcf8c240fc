//! An example of the guide on testing: an application with threads.

use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use pusher_blocking::{Client, Config, Event};
use pusher_test::Threads;
use pusher_test::network::Fault;
use pusher_test::pusher_proto::server::ServerConfig;
use pusher_test::pusher_proto::signing::App;

/// The application: returns what there is to tell when a sensor sends nothing for a minute.
fn watch(client: &Client) -> &'static str {
    let Ok(mut sensor) = client.subscribe("private-sensor") else { return "no such sensor" };
    loop {
        match sensor.recv_timeout(Duration::from_secs(60)) {
            Ok(Event::ContinuityLost { .. }) => return "there was an outage",
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout) => return "the sensor is silent",
            Err(RecvTimeoutError::Disconnected) => return "the client has ended",
        }
    }
}

#[test]
fn tells_a_silent_sensor_from_an_outage() -> Result<(), Box<dyn std::error::Error>> {
    let threads = Threads::new(ServerConfig::new(App::new("1", "app-key", "app-secret")?));
    let network = threads.network();
    for (fault, told) in [(None, "the sensor is silent"), (Some(Fault::Cut), "there was an outage")] {
        let client = network.connect("alice", Config::new("app-key", "ws://localhost")?, network.auth())?;
        let watcher = threads.spawn(move || watch(&Client::from(client)));
        for _ in 0..60 {
            threads.sleep(Duration::from_secs(59));
            network.trigger("private-sensor", "measured", "20.5");
        }
        if let Some(fault) = fault {
            network.fault("alice", fault);
        }
        assert_eq!(watcher.join().expect("the watcher does not panic"), told);
    }
    assert!(network.now() > Duration::from_secs(2 * 60 * 59));
    Ok(())
}
