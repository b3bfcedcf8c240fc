//! A chat between terminals: who is there, who joins and leaves, and who is typing.
//!
//! ```sh
//! cargo run -p pusher-cli -- serve
//! cargo run -p pusher-examples --bin chat -- ann
//! ```
//!
//! Terminals pass on whole lines; after `stty -icanon`, they pass on every key, so that the others see that you are
//! typing. For another server, set the environment variables `PUSHER_URL`, `PUSHER_KEY`, and `PUSHER_AUTH` for the auth
//! endpoint.

use std::error::Error;
use std::time::{Duration, Instant};

use pusher_tokio::{Config, Event, HttpAuth, connect, with_causes};
use tokio::io::AsyncReadExt as _;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let name = std::env::args().nth(1).ok_or("who are you? give your name as the argument: chat ann")?;
    let url = setting("PUSHER_URL", "ws://127.0.0.1:6001");
    let auth = HttpAuth::new(setting("PUSHER_AUTH", "http://127.0.0.1:6001/pusher/auth")).param("user_id", name);
    let client = connect(Config::new(setting("PUSHER_KEY", "app-key"), url.as_str())?, auth)?;
    let mut room = client.subscribe("presence-chat")?;
    let joined = tokio::time::timeout(Duration::from_secs(10), room.subscribed()).await;
    joined.map_err(|_| {
        format!("no answer from {url} within 10 s: is the server running? PUSHER_URL names another one")
    })??;
    let names = room
        .members()
        .into_iter()
        .flat_map(|members| members.iter().map(|member| member.id.to_string()).collect::<Vec<_>>());
    println!("here: {}; write something", names.collect::<Vec<_>>().join(", "));

    let mut keys = tokio::io::stdin();
    let (mut line, mut buffer) = (Vec::new(), [0; 1_024]);
    let mut said_typing: Option<Instant> = None;
    loop {
        tokio::select! {
            read = keys.read(&mut buffer) => {
                let len = read?;
                if len == 0 {
                    break;
                }
                for &byte in &buffer[..len] {
                    if byte != b'\n' {
                        line.push(byte);
                        continue;
                    }
                    if let Err(error) = room.trigger("client-message", &String::from_utf8_lossy(&line)) {
                        eprintln!("not sent: {}", with_causes(&error));
                    }
                    line.clear();
                }
                // Hosted Pusher accepts ten client events per second, so not every key is an event.
                if !line.is_empty() && said_typing.is_none_or(|at| at.elapsed() > TYPING_EVERY) {
                    said_typing = Some(Instant::now());
                    // A missing indicator is not worth an error message.
                    let _ = room.trigger("client-typing", &true);
                }
            }
            event = room.recv() => match event {
                Some(Event::Channel(event)) => {
                    let who = event.user_id().unwrap_or("?");
                    match event.event() {
                        "client-typing" => println!("{who} is typing …"),
                        _ => println!("{who}: {}", event.data().json::<String>().unwrap_or_default()),
                    }
                }
                Some(Event::MemberAdded { member, .. }) => println!("{} came", member.id),
                Some(Event::MemberRemoved { member, .. }) => println!("{} left", member.id),
                Some(Event::ContinuityLost { .. }) => println!("(the connection was lost: something may be missing here)"),
                Some(Event::SubscriptionError { error, retry_at: None, .. }) => return Err(error.into()),
                Some(_) => {}
                None => break,
            },
        }
    }
    client.shutdown(Duration::from_secs(5)).await;
    // A read from a terminal cannot be cancelled, and would keep main from returning.
    std::process::exit(0);
}

const TYPING_EVERY: Duration = Duration::from_secs(2);
