//! Memory of idle connections and channels.

use std::any::Any;
use std::process;

use futures_util::StreamExt;
use pusher_tokio::NoAuth;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::bare::Bare;
use super::{Idle, config, nanos, options, print, run_task, runtime};
use crate::{Result, clock};

/// How often memory is measured while clients are added.
const SAMPLES: usize = 5;

pub(super) fn idle(kind: Idle, url: &str, clients: usize) -> Result<()> {
    clock::raise_open_files()?;
    let url = url.to_owned();
    run_task(async move {
        // What is allocated only once does not count.
        let mut held = vec![connected(kind, &url).await?];
        let (start, resident) = (clock::cpu()?, clock::resident()?);
        let mut numbers = Vec::new();
        for sample in 1..=SAMPLES {
            while held.len() <= clients * sample / SAMPLES {
                held.push(connected(kind, &url).await?);
            }
            numbers.push(clock::resident()? - resident);
        }
        numbers.insert(0, nanos(clock::cpu()?.saturating_sub(start)) / clients as f64);
        print(&numbers)?;
        // Nothing is dropped, so that valgrind sees what is held.
        process::exit(0)
    })
}

async fn connected(kind: Idle, url: &str) -> Result<Box<dyn Any + Send>> {
    Ok(match kind {
        Idle::Tcp => {
            let stream = TcpStream::connect(url.trim_start_matches("ws://")).await?;
            let task: JoinHandle<Result<()>> = tokio::spawn(async move {
                stream.ready(Interest::READABLE).await?;
                Ok(())
            });
            Box::new(task)
        }
        Idle::Bare => {
            let config = WebSocketConfig::default().read_buffer_size(4 * 1_024);
            let mut bare = Bare::subscribed(url, "chat", Some(config)).await?;
            Box::new(tokio::spawn(async move { while bare.0.next().await.is_some() {} }))
        }
        Idle::Tokio => {
            let client = pusher_tokio::connect_with(config(url)?, NoAuth, &options(url)?)?;
            let chat = client.subscribe("chat")?;
            chat.subscribed().await?;
            Box::new((client, chat))
        }
    })
}

pub(super) fn channels(url: &str, count: usize) -> Result<()> {
    runtime()?.block_on(async {
        let client = pusher_tokio::connect_with(config(url)?, NoAuth, &options(url)?)?;
        let mut channels = Vec::with_capacity(count);
        for n in 0..count {
            channels.push(client.subscribe(format!("channel-{n:06}"))?);
        }
        for channel in &mut channels {
            // Take the confirmation out of the mailbox.
            channel.recv().await.ok_or("the stream has ended")?;
        }
        // Nothing is dropped, so that valgrind sees what is held.
        process::exit(0)
    })
}
