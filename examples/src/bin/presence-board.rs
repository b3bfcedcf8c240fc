//! A board that shows who is online, printed again after every change.
//!
//! ```sh
//! cargo run -p pusher-cli -- serve
//! cargo run -p pusher-examples --bin presence-board -- presence-chat
//! cargo run -p pusher-examples --bin chat -- ann
//! ```
//!
//! The board is a member itself, but does not show itself. For another server, set the environment variables
//! `PUSHER_URL`, `PUSHER_KEY`, and `PUSHER_AUTH` for the auth endpoint.

use std::error::Error;

use pusher_tokio::{Config, Event, HttpAuth, Subscription, connect, with_causes};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let channel = std::env::args().nth(1).ok_or("which channel? for example: presence-board presence-chat")?;
    if !channel.starts_with("presence-") {
        return Err(format!("{channel} has no members: only channels named presence-… have").into());
    }
    let auth = HttpAuth::new(setting("PUSHER_AUTH", "http://127.0.0.1:6001/pusher/auth")).param("user_id", "board");
    let url = setting("PUSHER_URL", "ws://127.0.0.1:6001");
    let client = connect(Config::new(setting("PUSHER_KEY", "app-key"), url.as_str())?, auth)?;
    let mut errors = client.events();
    let mut board = client.subscribe(channel)?;
    loop {
        tokio::select! {
            event = board.recv() => match event {
                Some(
                    Event::SubscriptionSucceeded { .. }
                    | Event::MemberAdded { .. }
                    | Event::MemberRemoved { .. }
                    | Event::MemberUpdated { .. },
                ) => draw(&board),
                // Until the channel is subscribed again, the board may be out of date.
                Some(Event::ContinuityLost { .. }) => println!("(reconnected)"),
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

/// Prints the members in the order of their names.
fn draw(board: &Subscription) {
    let (Some(members), me) = (board.members(), board.me()) else { return };
    let is_other = |id: &str| me.as_ref().is_none_or(|me| me.id != id);
    let mut names: Vec<String> = members.iter().map(|member| member.id.to_string()).filter(|id| is_other(id)).collect();
    names.sort_unstable();
    println!("{} online: {}", names.len(), names.join(", "));
}
