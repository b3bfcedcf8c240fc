//! A worker with a copy of a backend's state: events keep it up to date, and after a gap it is loaded again.
//!
//! ```sh
//! cargo run -p pusher-cli -- serve
//! echo '[{"id":1,"status":"new"}]' > orders.json && python3 -m http.server 8000
//! cargo run -p pusher-examples --bin refetch-worker -- http://127.0.0.1:8000/orders.json
//! cargo run -p pusher-cli -- trigger --url ws://127.0.0.1:6001 --app-id 1 --key app-key --secret app-secret \
//!     -c private-orders -e order.changed -d '{"id":2,"status":"paid"}'
//! ```
//!
//! The first success of a subscription is a gap as well, because nothing was received before it. Therefore the state is
//! always loaded after the channel is subscribed, and nothing that happens in between is lost. Events that arrive while
//! the state is being loaded may already be part of it; applying them again is harmless because they contain the whole
//! order. For another server, set the environment variables `PUSHER_URL`, `PUSHER_KEY` and `PUSHER_SECRET`.

use std::collections::BTreeMap;
use std::error::Error;
use std::time::Duration;

use pusher_tokio::pusher_proto::signing::App;
use pusher_tokio::{Config, Event, LocalAuth, connect, with_causes};
use serde::Deserialize;

#[derive(Deserialize)]
struct Order {
    id: u64,
    status: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let source =
        std::env::args().nth(1).ok_or("where is the state? refetch-worker http://127.0.0.1:8000/orders.json")?;
    // The workspace builds reqwest without a TLS provider; with its default features, you do not need this line.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let http = reqwest::Client::builder().timeout(Duration::from_secs(10)).build()?;
    let (key, url) = (setting("PUSHER_KEY", "app-key"), setting("PUSHER_URL", "ws://127.0.0.1:6001"));
    let auth = LocalAuth::new(App::new("", key.as_str(), setting("PUSHER_SECRET", "app-secret"))?);
    let client = connect(Config::new(key, url.as_str())?, auth)?;
    let mut errors = client.events();
    let mut events = client.subscribe("private-orders")?;
    let mut orders = BTreeMap::new();
    loop {
        let event = tokio::select! {
            event = events.recv() => event,
            Some(event) = errors.recv() => {
                if let Event::ConnectionError(error) = event {
                    eprintln!("{url}: {}; retrying", with_causes(&error));
                }
                continue;
            }
        };
        match event {
            Some(event) if event.is_gap() => {
                orders = load(&http, &source).await;
                println!("loaded {} orders", orders.len());
            }
            Some(Event::Channel(event)) if event.event() == "order.changed" => match event.data().json::<Order>() {
                Ok(order) => {
                    println!("order {} is {}", order.id, order.status);
                    orders.insert(order.id, order.status);
                }
                Err(error) => eprintln!("not an order: {error}: {}", event.data().text()),
            },
            Some(Event::SubscriptionError { error, retry_at: None, .. }) => return Err(error.into()),
            Some(Event::SubscriptionError { error, .. }) => eprintln!("{}; retrying", with_causes(&error)),
            Some(_) => {}
            None => return Ok(()),
        }
    }
}

/// Loads the state, however long it takes. Events wait in the meantime; if there are too many, that is the next gap.
async fn load(http: &reqwest::Client, source: &str) -> BTreeMap<u64, String> {
    loop {
        match try_load(http, source).await {
            Ok(orders) => return orders.into_iter().map(|order| (order.id, order.status)).collect(),
            Err(error) => eprintln!("cannot load {source}: {error}; retrying in 2 s"),
        }
        tokio::time::sleep(Duration::from_secs(2)).await;
    }
}

async fn try_load(http: &reqwest::Client, source: &str) -> Result<Vec<Order>, Box<dyn Error>> {
    let response = http.get(source).send().await?.error_for_status()?;
    Ok(serde_json::from_slice(&response.bytes().await?)?)
}
