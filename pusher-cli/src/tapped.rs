//! The library's client with a socket that shows its frames. The client itself reports only their lengths.

use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use pusher_driver::adapter::{Clock, Connection, HttpClient, Limits, Polled, Received, Runtime, Socket, WebSocket};
use pusher_tokio::pusher_proto::{ConnectRequest, Instant};
use pusher_tokio::{
    AuthError, BoxedAuthorizer, Client, CloseFrame, CloseReason, Config, HttpRequest, HttpResponse, InvalidConfig,
    Options, Text,
};

use crate::frames::{Direction, show, show_end, show_received};
use crate::stream::{Stream, open_websocket, post};

/// Starts a client as `pusher_tokio::connect_with` does.
pub(crate) fn connect(config: Config, authorizer: BoxedAuthorizer, options: &Options) -> Result<Client, InvalidConfig> {
    let runtime = Tapped {
        origin: tokio::time::Instant::now(),
        limits: Limits::new(&config),
        options: options.clone(),
        http: Arc::default(),
    };
    let (client, connection) = Connection::new(config, authorizer, runtime, options)?;
    tokio::spawn(connection);
    Ok(client)
}

/// What a client needs from tokio.
#[derive(Debug)]
struct Tapped {
    origin: tokio::time::Instant,
    limits: Limits,
    options: Options,
    http: Arc<HttpClient>,
}

impl Clock for Tapped {
    fn now(&self) -> Instant {
        Instant::from_elapsed(self.origin.elapsed())
    }
}

impl Runtime for Tapped {
    type Socket = Shown;

    fn connect(
        &self,
        request: ConnectRequest,
    ) -> impl Future<Output = Result<Self::Socket, CloseReason>> + Send + 'static {
        let opening = open_websocket(self.options.clone(), request, self.limits);
        async move { Ok(Shown(opening.await?)) }
    }

    fn sleep(&self, duration: Duration) -> impl Future<Output = ()> + Send + 'static {
        tokio::time::sleep(duration)
    }

    fn post(&self, request: HttpRequest) -> impl Future<Output = Result<HttpResponse, AuthError>> + Send + 'static {
        let (http, options) = (Arc::clone(&self.http), self.options.clone());
        async move { post(&http, &options, &request).await }
    }
}

/// A WebSocket whose frames are shown.
struct Shown(WebSocket<Polled<Stream>>);

impl Socket for Shown {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Received> {
        let received = self.0.poll_frame(context);
        if let Poll::Ready(received) = &received {
            show_one(received);
        }
        received
    }

    fn next_ready(&mut self) -> Option<Received> {
        self.0.next_ready().inspect(show_one)
    }

    fn send(&mut self, text: Text) -> Result<(), CloseReason> {
        show(Direction::Sent, &text);
        self.0.send(&text)
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        self.0.poll_flush(context)
    }

    fn close(&mut self, frame: CloseFrame) {
        show_end(Direction::Sent, &CloseReason::Closed(Some(frame.clone())));
        self.0.close(&frame);
    }

    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()> {
        self.0.poll_close(context.waker())
    }
}

fn show_one(received: &Received) {
    match received {
        Received::Frame(frame) => show_received(frame),
        Received::Closed(reason) => show_end(Direction::Received, reason),
        Received::Skipped(_) | Received::Part | Received::Yielded => {}
    }
}
