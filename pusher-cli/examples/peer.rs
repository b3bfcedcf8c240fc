//! The client as one of several on a channel: does what the lines of its input say, and prints what happens. For checks
//! with other clients.
//!
//! ```sh
//! peer ws://127.0.0.1:6001 app-key http://127.0.0.1:6001/pusher/auth http://127.0.0.1:6001/pusher/user-auth user_id=ann
//! ```
//!
//! What follows the endpoints are parameters for them. The lines are `subscribe CHANNEL`, `unsubscribe CHANNEL`,
//! `trigger CHANNEL EVENT JSON` and `signin`; the end of the input ends the program.

use std::io::{self, BufRead as _};
use std::thread;
use std::time::Duration;

use pusher_tokio::{ChannelName, Client, Config, Data, Event, HttpAuth, Subscription, connect, with_causes};
use serde_json::{Value, json};
use tokio::sync::mpsc;

type Error = Box<dyn std::error::Error>;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Error> {
    let mut args = std::env::args().skip(1);
    let mut next = |what: &str| args.next().ok_or_else(|| format!("{what} is missing"));
    let (url, key) = (next("URL")?, next("KEY")?);
    let mut auth = HttpAuth::new(next("AUTH_URL")?).user_endpoint(next("USER_AUTH_URL")?);
    for param in args {
        let (name, value) = param.split_once('=').ok_or("a parameter has the form NAME=VALUE")?;
        auth = auth.param(name, value);
    }
    let client = connect(Config::new(key, url)?, auth)?;
    let mut events = client.events();

    let (sender, mut lines) = mpsc::unbounded_channel();
    thread::spawn(move || io::stdin().lock().lines().map_while(Result::ok).try_for_each(|line| sender.send(line)));
    let mut subscriptions = Vec::new();
    loop {
        tokio::select! {
            line = lines.recv() => match line {
                Some(line) => act(&client, &line, &mut subscriptions)?,
                None => break,
            },
            event = events.recv() => match event {
                Some(event) => println!("{}", describe(&event)),
                None => break,
            },
        }
    }
    client.shutdown(Duration::from_secs(2)).await;
    Ok(())
}

fn act(client: &Client, line: &str, subscriptions: &mut Vec<Subscription>) -> Result<(), Error> {
    match *line.splitn(4, ' ').collect::<Vec<_>>() {
        ["subscribe", channel] => subscriptions.push(client.subscribe(channel)?),
        ["unsubscribe", channel] => client.unsubscribe(channel),
        ["trigger", channel, event, data] => {
            client.trigger(channel, event, &Data::from_json(data)?)?;
        }
        ["signin"] => client.signin(),
        _ => return Err(format!("unknown command {line:?}").into()),
    }
    Ok(())
}

fn describe(event: &Event) -> Value {
    let data = match event {
        Event::Channel(event) => json_of(event.data()),
        Event::Connection(event) => json_of(event.data()),
        Event::User(event) => json_of(event.data()),
        Event::Watchlist(event) => event.user_ids.iter().map(pusher_tokio::Text::as_str).collect(),
        Event::SignedIn { id, .. } => json!(id.as_str()),
        Event::StateChanged { current, .. } => json!(format!("{current:?}")),
        Event::SubscriptionSucceeded { presence: Some(presence), .. } => presence
            .members
            .iter()
            .map(|member| (member.id.to_string(), json_of(&member.info)))
            .collect::<serde_json::Map<_, _>>()
            .into(),
        Event::SubscriptionError { error, .. } => json!(with_causes(&error).to_string()),
        Event::SigninError { error, .. } => json!(with_causes(&error).to_string()),
        Event::ConnectionError(error) => json!(with_causes(&error).to_string()),
        Event::DecryptionError { error, .. } => json!(with_causes(&error).to_string()),
        Event::SubscriptionCount { count, .. } => json!(count),
        Event::MemberAdded { member, .. }
        | Event::MemberRemoved { member, .. }
        | Event::MemberUpdated { member, .. } => json!({ "id": member.id.as_str(), "info": json_of(&member.info) }),
        _ => Value::Null,
    };
    let sender = match event {
        Event::Channel(event) => event.user_id(),
        _ => None,
    };
    json!({ "channel": event.channel().map(ChannelName::as_str), "event": event.name(), "data": data, "user_id": sender })
}

/// The payload, or the text that it is where that is no JSON.
fn json_of(data: &Data) -> Value {
    data.json().unwrap_or_else(|_| json!(data.text()))
}
