//! A chat between terminals. Start the development server, then this in two more terminals:
//!
//! ```sh
//! cargo run -p pusher-cli -- serve
//! cargo run -p pusher-blocking --example chat-blocking -- ann
//! ```

use std::io::{self, BufRead as _};
use std::thread;
use std::time::Duration;

use pusher_blocking::{Config, Endpoint, Event, HttpAuth, connect, with_causes};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).ok_or("what is your name? give it as the argument")?;
    let config = Config::new("app-key", Endpoint::host("127.0.0.1").ws_port(6001).tls(false))?;
    let client = connect(config, HttpAuth::new("http://127.0.0.1:6001/pusher/auth").param("user_id", name.as_str()))?;
    let mut room = client.subscribe("presence-room")?;
    room.subscribed(Duration::from_secs(10))?;
    println!("{} here; write something", room.member_count().unwrap_or_default());

    let typed = client.subscribe("presence-room")?;
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if let Err(error) = typed.trigger("client-message", &line) {
                eprintln!("not sent: {}", with_causes(&error));
            }
        }
        client.shutdown(Duration::from_secs(5));
    });
    for event in &mut room {
        match event {
            Event::Channel(event) => println!("{}: {}", event.user_id().unwrap_or("?"), event.data().text()),
            Event::MemberAdded { member, .. } => println!("{} came", member.id),
            Event::MemberRemoved { member, .. } => println!("{} left", member.id),
            Event::ContinuityLost { .. } => println!("(something may be missing here)"),
            _ => {}
        }
    }
    Ok(())
}
