//! Events of one channel, read in all ways.

use std::hint::black_box;
use std::time::Duration;

use futures_util::StreamExt;
use pusher_tokio::{Event, NoAuth};
use pusher_websocket::{Limits, Message, Received, WebSocket};
use tokio::io::AsyncReadExt;
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite;

use super::bare::Bare;
use super::{Reader, config, nanos, options, print, ready, runtime};
use crate::{Result, clock};

pub(super) fn run(reader: Reader, url: &str, count: usize) -> Result<()> {
    let start = match reader {
        Reader::Bare => runtime()?.block_on(bare(url, count)),
        Reader::Codec => runtime()?.block_on(codec(url, count)),
        Reader::TokioCallback => runtime()?.block_on(tokio_callback(url, count)),
        Reader::TokioStream => runtime()?.block_on(tokio_stream(url, count)),
        Reader::SmolStream => smol::block_on(smol_stream(url, count)),
        Reader::BlockingStream => blocking_stream(url, count),
    }?;
    print(&[nanos(clock::cpu()?.saturating_sub(start)) / count as f64])
}

async fn bare(url: &str, count: usize) -> Result<Duration> {
    let mut bare = Bare::subscribed(url, CHANNEL, None).await?;
    let start = ready()?;
    let mut read = 0;
    while read < count {
        if let tungstenite::Message::Text(text) = bare.0.next().await.ok_or("the connection has ended")?? {
            drop(black_box(text));
            read += 1;
        }
    }
    Ok(start)
}

async fn codec(url: &str, count: usize) -> Result<Duration> {
    // Nothing has been read ahead, since nothing is sent before `ready`.
    let mut stream = Bare::subscribed(url, CHANNEL, None).await?.0.into_inner();
    let mut socket = WebSocket::new(Limits::new(), b"", || [0; 4]);
    let start = ready()?;
    let mut read = 0;
    while read < count {
        match socket.poll_message()? {
            Received::Message(Message::Text(text)) => {
                drop(black_box(text));
                read += 1;
            }
            Received::Drained => {
                let len = stream.read(socket.read_buffer()).await?;
                if len == 0 {
                    return Err("the connection has ended".into());
                }
                socket.handle_read(len);
            }
            _ => {}
        }
    }
    Ok(start)
}

async fn tokio_callback(url: &str, count: usize) -> Result<Duration> {
    let client = pusher_tokio::connect_with(config(url)?, NoAuth, &options(url)?)?;
    let chat = client.subscribe(CHANNEL)?;
    let (done, is_done) = oneshot::channel();
    let (mut done, mut rest) = (Some(done), count);
    chat.bind("message", move |event| {
        black_box(event);
        rest -= 1;
        if rest == 0 {
            // The other end waits below.
            done.take().map(|done| done.send(()));
        }
    })?;
    chat.subscribed().await?;
    let start = ready()?;
    is_done.await?;
    Ok(start)
}

async fn tokio_stream(url: &str, count: usize) -> Result<Duration> {
    let client = pusher_tokio::connect_with(config(url)?, NoAuth, &options(url)?)?;
    let mut chat = client.subscribe(CHANNEL)?;
    chat.subscribed().await?;
    let reader = tokio::spawn(async move {
        let mut read = 0;
        while read < count {
            read += usize::from(is_message(chat.recv().await)?);
        }
        Ok(())
    });
    let start = ready()?;
    reader.await?.map(|()| start)
}

/// The connection is a task of smol's global executor, which has its own thread.
async fn smol_stream(url: &str, count: usize) -> Result<Duration> {
    let client = pusher_async_std::smol::connect_with(config(url)?, NoAuth, &options(url)?)?;
    let mut chat = client.subscribe(CHANNEL)?;
    chat.subscribed().await?;
    let start = ready()?;
    let mut read = 0;
    while read < count {
        read += usize::from(is_message(chat.recv().await)?);
    }
    Ok(start)
}

fn blocking_stream(url: &str, count: usize) -> Result<Duration> {
    let client = pusher_blocking::connect_with(config(url)?, NoAuth, &options(url)?)?;
    let mut chat = client.subscribe(CHANNEL)?;
    chat.subscribed(Duration::from_secs(10))?;
    let start = ready()?;
    let mut read = 0;
    while read < count {
        read += usize::from(is_message(chat.recv())?);
    }
    Ok(start)
}

/// Checks what a stream returned. No event may be lost, since losing events is cheaper than reading them.
fn is_message(event: Option<Event>) -> Result<bool> {
    match event {
        Some(Event::Channel(event)) => {
            drop(black_box(event));
            Ok(true)
        }
        Some(Event::Lagged { .. }) => Err("the stream has lost events".into()),
        Some(_) => Ok(false),
        None => Err("the stream has ended".into()),
    }
}

/// The channel of the frames.
const CHANNEL: &str = "chat";
