//! One WebSocket: passes messages to the model and back.

use std::iter;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use axum::extract::ws::{self, Message, Utf8Bytes, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use futures_util::SinkExt as _;
use pusher_proto::adapter::start_of;
use pusher_proto::server::ConnectionId;
use pusher_proto::{CloseFrame, Frame, Text};
use tokio::time::timeout;
use tracing::debug;

use crate::hub::Shared;
use crate::line::{Line, Outgoing};

/// Upgrades a request with the path and query `target` to a socket.
pub(crate) fn upgrade(upgrade: WebSocketUpgrade, target: String, shared: Arc<Shared>) -> Response {
    upgrade
        .read_buffer_size(READ_BUFFER_LEN)
        .max_message_size(MAX_MESSAGE_LEN)
        .max_frame_size(MAX_MESSAGE_LEN)
        .on_upgrade(move |socket| run(socket, target, shared))
}

async fn run(mut socket: WebSocket, target: String, shared: Arc<Shared>) {
    let (id, mut line) = shared.open(&target);
    // Whether the library would answer a WebSocket ping or a close frame with the next read.
    let mut owes_answer = false;
    let mut is_clean = false;
    loop {
        let holds = line.holds.get();
        owes_answer &= holds;
        tokio::select! {
            _ = &mut line.cut => break,
            () = line.holds.changed() => {}
            received = socket.recv(), if !owes_answer => match received {
                Some(Ok(message)) => {
                    owes_answer = matches!(message, Message::Ping(_) | Message::Close(_));
                    is_clean = matches!(message, Message::Close(_));
                    receive(&shared, id, message);
                }
                Some(Err(error)) => {
                    debug!(connection = %id, %error, "socket failed");
                    break;
                }
                None => break,
            },
            () = line.queue.due(), if !holds => match send(&mut socket, &mut line).await {
                Sent::All => {}
                Sent::Last => {
                    finish(&mut socket, &mut line).await;
                    break;
                }
                Sent::Dropped | Sent::Failed => break,
            },
        }
    }
    shared.closed(id, is_clean);
}

fn receive(shared: &Shared, id: ConnectionId, message: Message) {
    let frame = match message {
        Message::Text(text) => Frame::Text(Text::from(text.as_str())),
        Message::Binary(bytes) => Frame::Binary(bytes),
        Message::Ping(_) => Frame::Ping,
        Message::Pong(_) => Frame::Pong,
        // The library answers it, and then the socket ends.
        Message::Close(_) => return,
    };
    shared.receive(id, frame);
}

/// How sending ended.
enum Sent {
    All,
    /// A close frame was the last message.
    Last,
    /// The socket ends without one.
    Dropped,
    Failed,
}

/// Sends what is due.
async fn send(socket: &mut WebSocket, line: &mut Line) -> Sent {
    let batch: Vec<_> = iter::from_fn(|| line.next_due()).collect();
    let sending = async {
        for outgoing in batch {
            match outgoing {
                Outgoing::Text(text) => socket.feed(text_message(text)).await?,
                Outgoing::Ping => socket.feed(Message::Ping(Bytes::new())).await?,
                Outgoing::Drop => {
                    socket.flush().await?;
                    return Ok(Sent::Dropped);
                }
                Outgoing::Close(frame) => {
                    socket.send(close_message(&frame)).await?;
                    return Ok(Sent::Last);
                }
            }
        }
        socket.flush().await?;
        Ok::<_, axum::Error>(Sent::All)
    };
    tokio::select! {
        _ = &mut line.cut => Sent::Failed,
        sent = timeout(SEND_TIMEOUT, sending) => match sent {
            Ok(Ok(sent)) => sent,
            Ok(Err(_)) | Err(_) => Sent::Failed,
        },
    }
}

/// Waits for the client's side of a close.
async fn finish(socket: &mut WebSocket, line: &mut Line) {
    let closing = async { while let Some(Ok(_)) = socket.recv().await {} };
    tokio::select! {
        _ = &mut line.cut => {}
        // A client that does not answer loses its socket anyway.
        _ = timeout(CLOSE_TIMEOUT, closing) => {}
    }
}

fn text_message(text: Text) -> Message {
    Message::Text(Utf8Bytes::try_from(text.into_bytes()).expect("a Text is UTF-8"))
}

fn close_message(frame: &CloseFrame) -> Message {
    let reason = Utf8Bytes::from(start_of(&frame.reason, MAX_REASON_LEN));
    Message::Close(Some(ws::CloseFrame { code: frame.code, reason }))
}

/// Clients send little, so the library's default buffer of 128 KiB would be a waste.
const READ_BUFFER_LEN: usize = 4 * 1_024;

/// Above this length, the socket fails; the model refuses messages above its own, smaller limit and continues.
const MAX_MESSAGE_LEN: usize = 1_024 * 1_024;

/// How long a client may accept nothing.
const SEND_TIMEOUT: Duration = Duration::from_secs(30);

/// How long a client may take to answer a close frame.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest reason of a close frame in bytes (RFC 6455, sections 5.5 and 5.5.1).
const MAX_REASON_LEN: usize = 123;
