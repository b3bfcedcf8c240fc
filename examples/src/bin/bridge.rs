//! A bridge from channels to other programs: one JSON object per line on standard output.
//!
//! ```sh
//! cargo run -p pusher-cli -- serve
//! cargo run -p pusher-examples --bin bridge -- chat private-orders | jq .
//! ```
//!
//! Each line is something that happened on a channel: an event, a success, a change of members, or a gap
//! (`ContinuityLost`). Problems are printed to standard error. For another server, set the environment variables
//! `PUSHER_URL`, `PUSHER_KEY` and `PUSHER_SECRET`. The program signs for private channels with the secret, so run it
//! only on your own machines.

use std::error::Error;
use std::io::{ErrorKind, Write as _};

use pusher_tokio::pusher_proto::signing::App;
use pusher_tokio::{Config, Data, Event, LocalAuth, connect, with_causes};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let channels: Vec<String> = std::env::args().skip(1).collect();
    if channels.is_empty() {
        return Err("which channels? for example: bridge chat private-orders".into());
    }
    let (key, url) = (setting("PUSHER_KEY", "app-key"), setting("PUSHER_URL", "ws://127.0.0.1:6001"));
    let app = App::new("", key.as_str(), setting("PUSHER_SECRET", "app-secret"))?;
    let auth = LocalAuth::new(app).user("bridge", &Data::ABSENT);
    let client = connect(Config::new(key, url.as_str())?, auth)?;
    // One stream for everything keeps the order between channels.
    let mut events = client.events();
    for channel in channels {
        client.subscribe(channel)?.keep();
    }
    while let Some(event) = events.recv().await {
        match &event {
            Event::ConnectionError(error) => eprintln!("{url}: {}; retrying", with_causes(error)),
            Event::SubscriptionError { channel, error, retry_at: None } => {
                return Err(format!("{channel}: {}", with_causes(error)).into());
            }
            Event::SubscriptionError { channel, error, .. } => eprintln!("{channel}: {}; retrying", with_causes(error)),
            event if event.channel().is_some() || event.is_gap() => match write(event) {
                // The reader has closed the pipe, such as `head` after its last line.
                Err(error) if error.kind() == ErrorKind::BrokenPipe => return Ok(()),
                written => written?,
            },
            _ => {}
        }
    }
    Ok(())
}

fn write(event: &Event) -> std::io::Result<()> {
    let mut stdout = std::io::stdout().lock();
    writeln!(stdout, "{}", serde_json::to_string(event)?)?;
    stdout.flush()
}
