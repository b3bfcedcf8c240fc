//! A test of an application may pause tokio's clock.
#![cfg(test)]

use std::net::TcpListener;
use std::time::Duration;

use pusher_tokio::{Config, ConnectionState, Endpoint, Event, NoAuth, connect};
use tokio::time::Instant;

/// Each delay is slept once, on the same clock that determines when it is over. A loop that reads a different clock
/// would find that it is not over, sleep again, and use up days of the paused clock in a busy loop.
#[tokio::test(start_paused = true)]
async fn delays_take_as_long_as_the_paused_clock_says() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = Endpoint::host("127.0.0.1").ws_port(listener.local_addr().unwrap().port()).tls(false);
    // Nothing listens on the port from now on.
    drop(listener);
    let start = Instant::now();
    let client = connect(Config::builder("key", endpoint).max_attempts(4).build().unwrap(), NoAuth).unwrap();
    let mut events = client.events();
    loop {
        let event = events.recv().await.unwrap();
        if matches!(event, Event::StateChanged { current: ConnectionState::Failed { .. }, .. }) {
            break;
        }
    }
    let elapsed = start.elapsed();
    // At least four delays of a second. The clock may also advance to the timeout of an attempt.
    assert!((Duration::from_secs(4)..Duration::from_secs(600)).contains(&elapsed), "{elapsed:?}");
}
