//! A connection that shows everything: a WebSocket whose frames are read one by one.

use std::fmt;
use std::future::poll_fn;

use pusher_driver::adapter::{Limits, Polled, Received, Socket as _, WebSocket};
use pusher_tokio::pusher_proto::{ConnectRequest, Frame};
use pusher_tokio::{CloseReason, Config, Options, Text};
use serde_json::Value;

use crate::stream::{Stream, open_websocket};

/// An open WebSocket.
pub(super) struct Line(WebSocket<Polled<Stream>>);

impl Line {
    /// Opens a WebSocket as the client does.
    pub(super) async fn open(
        options: &Options,
        request: &ConnectRequest,
        config: &Config,
    ) -> Result<Self, CloseReason> {
        Ok(Self(open_websocket(options.clone(), request.clone(), Limits::new(config)).await?))
    }

    pub(super) async fn send(&mut self, frame: &Value) -> Result<(), CloseReason> {
        self.0.send(&Text::from(frame.to_string()))?;
        poll_fn(|context| self.0.poll_flush(context)).await
    }

    /// Waits for the first message that `pick` accepts; earlier ones are dropped. Pings of the server are answered.
    pub(super) async fn wait<T>(&mut self, mut pick: impl FnMut(&Message) -> Option<T>) -> Result<T, CloseReason> {
        loop {
            let message = self.next().await?;
            if let Some(found) = pick(&message) {
                return Ok(found);
            }
        }
    }

    async fn next(&mut self) -> Result<Message, CloseReason> {
        loop {
            let received = poll_fn(|context| {
                let received = self.0.poll_frame(context);
                // This sends the answers to WebSocket pings.
                let _ = self.0.poll_flush(context);
                received
            });
            match received.await {
                Received::Frame(Frame::Text(text)) => {
                    let message = Message::read(&text);
                    if message.event != "pusher:ping" {
                        return Ok(message);
                    }
                    self.send(&serde_json::json!({ "event": "pusher:pong", "data": {} })).await?;
                }
                Received::Closed(reason) => return Err(reason),
                Received::Yielded => tokio::task::yield_now().await,
                Received::Frame(_) | Received::Skipped(_) | Received::Part => {}
            }
        }
    }
}

/// A text message of the server.
#[derive(Clone, Debug)]
pub(super) struct Message {
    /// Empty if the message has none.
    pub(super) event: String,
    pub(super) channel: Option<String>,
    /// The data; JSON in a string is unwrapped.
    pub(super) data: Value,
    pub(super) form: Form,
}

/// How the data of a message is written, which tells servers apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    Absent,
    Object,
    Text,
}

impl Message {
    fn read(text: &str) -> Self {
        let message: Value = serde_json::from_str(text).unwrap_or_default();
        let field = |name: &str| message[name].as_str().map(str::to_owned);
        let (data, form) = match &message["data"] {
            Value::Null => (Value::Null, Form::Absent),
            Value::String(text) => (serde_json::from_str(text).unwrap_or(Value::String(text.clone())), Form::Text),
            data => (data.clone(), Form::Object),
        };
        Self { event: field("event").unwrap_or_default(), channel: field("channel"), data, form }
    }

    /// The error, if it is one.
    pub(super) fn error(&self) -> Option<Complaint> {
        let text = |name: &str| self.data[name].as_str().unwrap_or_default().to_owned();
        match self.event.as_str() {
            "pusher:error" => Some(Complaint { code: self.data["code"].as_u64(), text: text("message") }),
            "pusher:subscription_error" | "pusher_internal:subscription_error" => {
                Some(Complaint { code: self.data["status"].as_u64(), text: text("error") })
            }
            _ => None,
        }
    }
}

/// What a server says is wrong.
#[derive(Debug)]
pub(super) struct Complaint {
    pub(super) code: Option<u64>,
    pub(super) text: String,
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "error {code}: {}", self.text),
            None => write!(f, "error: {}", self.text),
        }
    }
}
