//! A chat between terminals, on async-std. Start the development server, then this in two more terminals:
//!
//! ```sh
//! cargo run -p pusher-cli -- serve
//! cargo run -p pusher-async-std --example chat-async-std -- ann
//! ```

use std::io::{self, BufRead as _};
use std::thread;
use std::time::Duration;

use async_std::task::block_on;
use pusher_async_std::{Config, Endpoint, Event, HttpAuth, connect, with_causes};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).ok_or("what is your name? give it as the argument")?;
    let config = Config::new("app-key", Endpoint::host("127.0.0.1").ws_port(6001).tls(false))?;
    let client = connect(config, HttpAuth::new("http://127.0.0.1:6001/pusher/auth").param("user_id", name.as_str()))?;
    let mut room = client.subscribe("presence-room")?;
    block_on(room.subscribed())?;
    println!("{} here; write something", room.member_count().unwrap_or_default());

    let typed = client.subscribe("presence-room")?;
    thread::spawn(move || {
        for line in io::stdin().lock().lines().map_while(Result::ok) {
            if let Err(error) = typed.trigger("client-message", &line) {
                eprintln!("not sent: {}", with_causes(&error));
            }
        }
        block_on(client.shutdown(Duration::from_secs(5)));
    });
    block_on(async {
        while let Some(event) = room.recv().await {
            match event {
                Event::Channel(event) => println!("{}: {}", event.user_id().unwrap_or("?"), event.data().text()),
                Event::MemberAdded { member, .. } => println!("{} came", member.id),
                Event::MemberRemoved { member, .. } => println!("{} left", member.id),
                Event::ContinuityLost { .. } => println!("(something may be missing here)"),
                _ => {}
            }
        }
    });
    Ok(())
}
