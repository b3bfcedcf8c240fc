//! How long a message takes to the server and back.

use std::time::{Duration, Instant};

use futures_util::{SinkExt, StreamExt};
use pusher_proto::signing::App;
use pusher_tokio::{ClientEventName, Data, Event, LocalAuth};
use tokio_tungstenite::tungstenite::Message;

use super::bare::Bare;
use super::{Echo, config, nanos, options, print, run_task};
use crate::Result;

pub(super) fn run(kind: Echo, url: &str, count: usize) -> Result<()> {
    let mut times = match kind {
        Echo::Bare => run_task(bare(url.into(), count)),
        Echo::Tokio => run_task(tokio(url.into(), count)),
        Echo::Blocking => blocking(url, count),
    }?;
    times.sort_unstable();
    print(&[nanos(times[count / 2])])
}

async fn bare(url: String, count: usize) -> Result<Vec<Duration>> {
    let mut bare = Bare::subscribed(&url, CHANNEL, None).await?;
    let mut times = Vec::with_capacity(count);
    let message = format!(r#"{{"event":"{EVENT}","channel":"{CHANNEL}","data":{DATA}}}"#);
    for _ in 0..count {
        let start = Instant::now();
        bare.0.send(Message::text(message.as_str())).await?;
        bare.0.next().await.ok_or("the connection has ended")??;
        times.push(start.elapsed());
    }
    Ok(times)
}

async fn tokio(url: String, count: usize) -> Result<Vec<Duration>> {
    let client = pusher_tokio::connect_with(config(&url)?, auth()?, &options(&url)?)?;
    let mut times = Vec::with_capacity(count);
    let mut echo = client.subscribe(CHANNEL)?;
    echo.subscribed().await?;
    let (event, data) = (ClientEventName::new(EVENT)?, Data::from_json(DATA)?);
    for _ in 0..count {
        let start = Instant::now();
        echo.trigger(&event, &data)?;
        while !is_echo(&echo.recv().await.ok_or("the stream has ended")?) {}
        times.push(start.elapsed());
    }
    Ok(times)
}

fn blocking(url: &str, count: usize) -> Result<Vec<Duration>> {
    let mut times = Vec::with_capacity(count);
    let client = pusher_blocking::connect_with(config(url)?, auth()?, &options(url)?)?;
    let mut echo = client.subscribe(CHANNEL)?;
    echo.subscribed(Duration::from_secs(10))?;
    let (event, data) = (ClientEventName::new(EVENT)?, Data::from_json(DATA)?);
    for _ in 0..count {
        let start = Instant::now();
        echo.trigger(&event, &data)?;
        while !is_echo(&echo.recv().ok_or("the stream has ended")?) {}
        times.push(start.elapsed());
    }
    Ok(times)
}

fn is_echo(event: &Event) -> bool {
    matches!(event, Event::Channel(_))
}

/// The server does not check signatures.
fn auth() -> Result<LocalAuth> {
    Ok(LocalAuth::new(App::new("1", "key", "secret")?))
}

const CHANNEL: &str = "private-echo";
const EVENT: &str = "client-echo";
const DATA: &str =
    r#"{"text":"a message of about one hundred bytes, as people write them to each other all day long"}"#;
