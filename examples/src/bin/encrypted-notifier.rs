//! Encrypted notifications that no server can read: one program publishes them, another prints them.
//!
//! ```sh
//! cargo run -p pusher-cli -- serve
//! cargo run -p pusher-examples --bin encrypted-notifier -- listen
//! cargo run -p pusher-examples --bin encrypted-notifier -- send "the backup is done"
//! ```
//!
//! Only `send` needs the secrets: `PUSHER_APP_ID`, `PUSHER_SECRET` and `PUSHER_MASTER_KEY` (32 bytes in base64).
//! `listen` gets the channel's key from the auth endpoint `PUSHER_AUTH`. Both use `PUSHER_URL` and `PUSHER_KEY`, and
//! `send` also uses `PUSHER_API`.

use std::error::Error;
use std::time::SystemTime;

use pusher_tokio::pusher_proto::signing::{App, MasterKey};
use pusher_tokio::{Config, Event, HttpAuth, connect, with_causes};
use serde::{Deserialize, Serialize};

const CHANNEL: &str = "private-encrypted-notices";

/// The published data: any type that serde can serialise and deserialise.
#[derive(Serialize, Deserialize)]
struct Notice {
    text: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["listen"] => listen().await,
        ["send", text] => send(&Notice { text: text.to_owned() }).await,
        _ => Err("usage: encrypted-notifier listen, or encrypted-notifier send TEXT".into()),
    }
}

async fn listen() -> Result<(), Box<dyn Error>> {
    let auth = HttpAuth::new(setting("PUSHER_AUTH", "http://127.0.0.1:6001/pusher/auth"));
    let url = setting("PUSHER_URL", "ws://127.0.0.1:6001");
    let client = connect(Config::new(setting("PUSHER_KEY", "app-key"), url.as_str())?, auth)?;
    let mut errors = client.events();
    let mut notices = client.subscribe(CHANNEL)?;
    loop {
        tokio::select! {
            event = notices.recv() => match event {
                Some(Event::SubscriptionSucceeded { again: false, .. }) => println!("listening on {CHANNEL}"),
                Some(Event::Channel(event)) => match event.data().json::<Notice>() {
                    Ok(notice) => println!("{}", notice.text),
                    Err(error) => eprintln!("not a notice: {error}"),
                },
                Some(Event::DecryptionError { error, .. }) => {
                    eprintln!("cannot decrypt: {}; has the sender the master key of the auth endpoint?", with_causes(&error));
                }
                Some(Event::ContinuityLost { .. }) => println!("(the connection was lost: notices may be missing here)"),
                Some(Event::SubscriptionError { error, retry_at: None, .. }) => return Err(error.into()),
                Some(Event::SubscriptionError { error, .. }) => eprintln!("{}; retrying", with_causes(&error)),
                Some(_) => {}
                None => return Ok(()),
            },
            Some(event) = errors.recv() => if let Event::ConnectionError(error) = event {
                eprintln!("{url}: {}; retrying", with_causes(&error));
            },
        }
    }
}

async fn send(notice: &Notice) -> Result<(), Box<dyn Error>> {
    let master_key = setting("PUSHER_MASTER_KEY", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=");
    let master_key = MasterKey::from_base64(&master_key).map_err(|error| format!("PUSHER_MASTER_KEY: {error}"))?;
    let app = App::new(
        setting("PUSHER_APP_ID", "1"),
        setting("PUSHER_KEY", "app-key"),
        setting("PUSHER_SECRET", "app-secret"),
    )?
    .encryption_master_key(master_key);
    let call = app.publish([CHANNEL], "notice", notice).sign(SystemTime::UNIX_EPOCH.elapsed()?)?;

    // The workspace builds reqwest without a TLS provider; with its default features, you do not need this line.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let mut request = reqwest::Client::new().post(call.url(&setting("PUSHER_API", "http://127.0.0.1:6001")));
    for &(name, value) in call.headers {
        request = request.header(name, value);
    }
    let response = request.body(call.body.clone()).send().await;
    // The signature is part of the URL, so errors must not show it.
    let response = response.map_err(|error| format!("PUSHER_API cannot be reached: {}", error.without_url()))?;
    let status = response.status().as_u16();
    call.answer(status, &response.bytes().await.map_err(reqwest::Error::without_url)?)?;
    Ok(())
}

fn setting(name: &str, default: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| default.to_owned())
}
