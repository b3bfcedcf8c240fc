//! Client events, which go through a connection.

use std::time::Duration;

use pusher_tokio::{Client, ClientEventName, Data, Event, Subscription, with_causes};
use tokio::time::timeout;

use super::TriggerArgs;
use crate::failure::Failure;
use crate::{authorizer, connect};

/// Connects, subscribes to the channels, and sends the event on each. Returns the number of events.
pub(super) async fn send(args: &TriggerArgs, event: &str, data: &str) -> Result<u64, Failure> {
    let event = ClientEventName::new(event)?;
    if let Some(channel) = args.channels.iter().find(|channel| !channel.kind().needs_auth()) {
        return Err(Failure::usage(format!("{channel} is public: client events need a private or presence channel")));
    }
    let target = args.api.place.target()?;
    let credentials = &args.api.credentials;
    let config = connect::config(&credentials.key, target.endpoint()).build()?;
    let authorizer = authorizer::new(credentials.app_with_secret("")?, &args.auth, &args.channels, false)?;
    let client = pusher_tokio::connect_with(config, authorizer, &target.options()?)?;
    let result = send_on(&client, args, &event, data, &target.ws_url()).await;
    client.shutdown(GOODBYE).await;
    result
}

async fn send_on(
    client: &Client,
    args: &TriggerArgs,
    event: &ClientEventName,
    data: &str,
    url: &str,
) -> Result<u64, Failure> {
    let mut events = client.events();
    let channels = args.channels.iter().map(|channel| client.subscribe(channel));
    let channels: Vec<Subscription> = channels.collect::<Result<_, _>>()?;
    let subscribed = async {
        while !channels.iter().all(Subscription::is_subscribed) {
            let event = events.recv().await;
            let event = event.ok_or_else(|| Failure::cannot_connect(format!("the connection to {url} ended")))?;
            if let Some(failure) = connect::failure(&event, url, false, |_| false) {
                return Err(failure);
            }
        }
        Ok(())
    };
    match timeout(LIMIT, subscribed).await {
        Ok(result) => result?,
        Err(_) => {
            let seconds = LIMIT.as_secs();
            return Err(Failure::failed(format!(
                "not subscribed to every channel after {seconds} s: nothing was sent"
            )));
        }
    }
    // As a page sends it: an object stays an object.
    let data = Data::from_json(data).unwrap_or_else(|_| Data::string(data));
    for channel in &channels {
        channel
            .trigger(event.clone(), &data)
            .map_err(|error| Failure::failed(format!("{}: {error}", channel.name())))?;
    }
    // The server does not confirm client events; it only complains.
    let complaint = async {
        loop {
            match events.recv().await {
                Some(Event::ConnectionError(error)) => return with_causes(&error).to_string(),
                Some(_) => {}
                None => return "the connection ended; the event may have been sent".to_owned(),
            }
        }
    };
    match timeout(COMPLAINT, complaint).await {
        Ok(error) => Err(Failure::refused(error)),
        Err(_) => Ok(channels.len() as u64),
    }
}

/// How long connecting and subscribing may take.
const LIMIT: Duration = Duration::from_secs(15);

/// How long a server may take to complain about a client event.
const COMPLAINT: Duration = Duration::from_millis(500);

/// How long the end may take.
const GOODBYE: Duration = Duration::from_secs(2);
