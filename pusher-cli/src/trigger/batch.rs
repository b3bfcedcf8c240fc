//! Many events from a file or from another program.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::time::Duration;

use pusher_tokio::SocketId;
use pusher_tokio::pusher_proto::signing::Publish;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::failure::Failure;
use crate::http_api::HttpApi;
use crate::input;

/// Publishes the events of a file, and returns their number. Events that arrive slowly, as from `pusher listen`, are
/// published as they arrive.
pub(super) async fn publish(api: &HttpApi, path: &str) -> Result<u64, Failure> {
    let mut lines = lines(path)?;
    let mut published = 0;
    let mut batch = Vec::new();
    loop {
        let wait = if batch.is_empty() { FOREVER } else { PAUSE };
        let mut is_over = false;
        let is_due = match timeout(wait, lines.recv()).await {
            Ok(Some(line)) => {
                let line = line?;
                let event = event(api, &line.text).map_err(|error| {
                    Failure::usage(format!("{path}, line {}: {error}{}", line.number, so_far(published)))
                })?;
                batch.extend(event);
                batch.len() == MAX_BATCH_LEN
            }
            Ok(None) => {
                is_over = true;
                true
            }
            Err(_) => true,
        };
        if is_due && !batch.is_empty() {
            let sent = api.publish_batch(&batch).await;
            sent.map_err(|failure| failure.with_remark(&so_far(published)))?;
            published += batch.len() as u64;
            batch.clear();
        }
        if is_over {
            return Ok(published);
        }
    }
}

fn so_far(published: u64) -> String {
    format!("; {published} earlier events were published")
}

struct Line {
    number: u64,
    text: String,
}

/// Reads on a thread of its own, since reading files and pipes blocks.
fn lines(path: &str) -> Result<mpsc::Receiver<Result<Line, Failure>>, Failure> {
    let cannot_read = |error: &io::Error| Failure::failed(format!("cannot read {path}: {error}"));
    let mut reader: Box<dyn BufRead + Send> = match path {
        "-" => Box::new(BufReader::new(io::stdin())),
        path => Box::new(BufReader::new(File::open(path).map_err(|error| cannot_read(&error))?)),
    };
    let (sender, receiver) = mpsc::channel(MAX_BATCH_LEN);
    let path = path.to_owned();
    std::thread::Builder::new().name("reader".into()).spawn(move || {
        let lines = std::iter::from_fn(|| input::line(&mut reader).transpose());
        for (number, text) in (1..).zip(lines) {
            let is_over = text.is_err();
            let line = text.map(|text| Line { number, text });
            let line = line.map_err(|error| Failure::failed(format!("cannot read {path}: {error}")));
            if sender.blocking_send(line).is_err() || is_over {
                return;
            }
        }
    })?;
    Ok(receiver)
}

#[derive(Deserialize)]
struct Fields<'a> {
    channel: String,
    #[serde(alias = "name")]
    event: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    socket_id: Option<SocketId>,
}

/// Reads an event; `None` for an empty line.
fn event<'a>(api: &'a HttpApi, line: &str) -> Result<Option<Publish<'a>>, String> {
    if line.trim().is_empty() {
        return Ok(None);
    }
    let fields: Fields<'_> = serde_json::from_str(line).map_err(|error| {
        // The position that the error adds is within this one line.
        format!("expected a JSON object with channel, event and data: {error}")
    })?;
    let json = fields.data.map_or("null", RawValue::get);
    let event = match serde_json::from_str::<String>(json) {
        Ok(text) => api.app().publish([&fields.channel], &fields.event, &text),
        Err(_) => api.app().publish([&fields.channel], &fields.event, json),
    };
    let event = match &fields.socket_id {
        Some(socket_id) => event.exclude(socket_id),
        None => event,
    };
    api.check(&event)?;
    Ok(Some(event))
}

/// Events in one call (Pusher docs, *HTTP API reference, POST batch events*).
const MAX_BATCH_LEN: usize = 10;

/// How long an event waits for others.
const PAUSE: Duration = Duration::from_millis(50);

/// Without an event, there is nothing to wait for but the next one.
const FOREVER: Duration = Duration::from_secs(u32::MAX as u64);
