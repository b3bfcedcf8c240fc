//! A chat between terminals. Start the development server, then this in two more terminals:
//!
//! ```sh
//! cargo run -p pusher-cli -- serve
//! cargo run -p pusher-tokio --example chat-tokio -- ann
//! ```

use std::io::{self, BufRead as _};
use std::thread;
use std::time::Duration;

use pusher_tokio::{Config, Endpoint, Event, HttpAuth, connect, with_causes};
use tokio::sync::mpsc;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let name = std::env::args().nth(1).ok_or("what is your name? give it as the argument")?;
    let config = Config::new("app-key", Endpoint::host("127.0.0.1").ws_port(6001).tls(false))?;
    let client = connect(config, HttpAuth::new("http://127.0.0.1:6001/pusher/auth").param("user_id", name.as_str()))?;
    let mut room = client.subscribe("presence-room")?;
    room.subscribed().await?;
    println!("{} here; write something", room.member_count().unwrap_or_default());

    let (sender, mut lines) = mpsc::unbounded_channel();
    thread::spawn(move || io::stdin().lock().lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    loop {
        tokio::select! {
            line = lines.recv() => match line {
                Some(line) => {
                    if let Err(error) = room.trigger("client-message", &line) {
                        eprintln!("not sent: {}", with_causes(&error));
                    }
                }
                None => break,
            },
            event = room.recv() => match event {
                Some(Event::Channel(event)) => println!("{}: {}", event.user_id().unwrap_or("?"), event.data().text()),
                Some(Event::MemberAdded { member, .. }) => println!("{} came", member.id),
                Some(Event::MemberRemoved { member, .. }) => println!("{} left", member.id),
                Some(Event::ContinuityLost { .. }) => println!("(something may be missing here)"),
                Some(_) => {}
                None => break,
            },
        }
    }
    client.shutdown(Duration::from_secs(5)).await;
    Ok(())
}
