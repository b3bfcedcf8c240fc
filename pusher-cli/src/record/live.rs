//! The loop of a recorded session: the core, its socket, and what asks for authorizations.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use pusher_driver::adapter::{Limits, Polled, Received, Socket as _, WebSocket};
use pusher_tokio::pusher_proto::{Action, Instant};
use pusher_tokio::{AuthError, AuthRequest, AuthResponse, CloseFrame, CloseReason, Options};
use tokio::task::{AbortHandle, JoinSet};
use tokio::time::{sleep, timeout};

use super::edge::Edge;
use super::format::{Input, id};
use crate::authorizer::Source;
use crate::stream::{Stream, open_websocket};

pub(super) struct Live {
    edge: Edge,
    options: Options,
    limits: Limits,
    source: Arc<Source>,
    origin: tokio::time::Instant,
    link: Link,
    /// Answers of the auth server that are on their way.
    asking: JoinSet<Answered>,
    asked: Vec<(String, AbortHandle)>,
    /// Sockets that are being closed.
    leaving: JoinSet<()>,
    wake_at: Option<Instant>,
    /// Whether the socket had more than fits into one turn.
    is_flooded: bool,
}

type Socket = WebSocket<Polled<Stream>>;

type Answered = (AuthRequest, Result<AuthResponse, AuthError>);

enum Link {
    None,
    Opening(Pin<Box<dyn Future<Output = Result<Socket, CloseReason>> + Send>>),
    Open(Box<Socket>),
    /// It did not take a message.
    Failed(CloseReason),
}

impl Live {
    pub(super) fn new(edge: Edge, options: Options, limits: Limits, source: Source) -> Self {
        Self {
            edge,
            options,
            limits,
            source: Arc::new(source),
            origin: tokio::time::Instant::now(),
            link: Link::None,
            asking: JoinSet::new(),
            asked: Vec::new(),
            leaving: JoinSet::new(),
            wake_at: None,
            is_flooded: false,
        }
    }

    /// Returns the time, as exact as it is recorded.
    pub(super) fn now(&self) -> Instant {
        let micros = u64::try_from(self.origin.elapsed().as_micros()).unwrap_or(u64::MAX);
        Instant::from_elapsed(Duration::from_micros(micros))
    }

    /// Returns when the session is as old as this.
    pub(super) fn time_of(&self, at: Instant) -> tokio::time::Instant {
        self.origin.checked_add(at.elapsed()).unwrap_or_else(tokio::time::Instant::now)
    }

    /// Waits for the next input. What the socket has counts before a deadline, unless it always has more.
    pub(super) async fn next(&mut self) -> Input {
        if std::mem::take(&mut self.is_flooded) && self.is_due() {
            self.wake_at = None;
            return Input::Timeout;
        }
        loop {
            let wait = self.wake_at.map(|at| at.since(self.now()));
            tokio::select! {
                biased;
                input = poll_fn(|context| poll_link(&mut self.link, context)) => match input {
                    Input::Frame(frame) => return Input::Frame(self.edge.frame(frame)),
                    Input::Closed(reason) => return Input::Closed(self.edge.closed(reason)),
                    input => {
                        self.is_flooded = input == Input::Part;
                        return input;
                    }
                },
                Some(answered) = self.asking.join_next(), if !self.asking.is_empty() => {
                    // An aborted one is not waited for any more.
                    let Ok((request, answer)) = answered else { continue };
                    self.asked.retain(|(asked, _)| *asked != id(request.id));
                    return Input::Auth(id(request.id), self.edge.answer(&request, answer));
                }
                () = sleep(wait.unwrap_or_default()), if wait.is_some() => {
                    // Timers are coarser than the clock.
                    if self.is_due() {
                        self.wake_at = None;
                        return Input::Timeout;
                    }
                }
            }
        }
    }

    fn is_due(&self) -> bool {
        self.wake_at.is_some_and(|at| at <= self.now())
    }

    /// Does what the core says.
    pub(super) fn perform(&mut self, action: &Action) {
        match action {
            Action::Connect(_, request) => {
                let request = self.edge.connect(request.clone());
                self.link = Link::Opening(Box::pin(open_websocket(self.options.clone(), request, self.limits)));
            }
            Action::Send(_, text) => {
                let text = self.edge.send(text.clone());
                if let Link::Open(socket) = &mut self.link {
                    if let Err(reason) = socket.send(&text) {
                        self.link = Link::Failed(reason);
                    }
                }
            }
            Action::Close(_, frame) => self.close(frame),
            Action::RequestAuth(request) => {
                let (source, options, request) = (Arc::clone(&self.source), self.options.clone(), request.clone());
                let asked = id(request.id);
                let handle = self.asking.spawn(async move {
                    let answer = source.answer(&request, &options).await;
                    (request, answer)
                });
                self.asked.push((asked, handle));
            }
            Action::CancelAuth(cancelled) => self.asked.retain(|(asked, handle)| {
                let is_cancelled = *asked == id(*cancelled);
                if is_cancelled {
                    handle.abort();
                }
                !is_cancelled
            }),
            Action::Schedule(at) => self.wake_at = Some(*at),
            Action::Emit(_) => {}
        }
    }

    /// Waits until all sockets are closed, for a while.
    pub(super) async fn leave(&mut self) {
        let leaving = async { while self.leaving.join_next().await.is_some() {} };
        // One that does not answer is cut.
        let _ = timeout(GOODBYE, leaving).await;
    }

    fn close(&mut self, frame: &CloseFrame) {
        if let Link::Open(mut socket) = std::mem::replace(&mut self.link, Link::None) {
            socket.close(frame);
            self.leaving.spawn(async move {
                let closing = poll_fn(|context| socket.poll_close(context.waker()));
                let _ = timeout(GOODBYE, closing).await;
            });
        }
    }
}

fn poll_link(link: &mut Link, context: &mut Context<'_>) -> Poll<Input> {
    let input = match link {
        Link::None => return Poll::Pending,
        Link::Failed(reason) => Input::Closed(reason.clone()),
        Link::Opening(opening) => match ready!(opening.as_mut().poll(context)) {
            Ok(socket) => {
                *link = Link::Open(Box::new(socket));
                Input::Open
            }
            Err(reason) => Input::Closed(reason),
        },
        Link::Open(socket) => {
            let received = socket.poll_frame(context);
            // Answers to pings leave here, and what the core has sent.
            let flushed = socket.poll_flush(context);
            match (received, flushed) {
                (Poll::Ready(Received::Frame(frame)), _) => Input::Frame(frame),
                (Poll::Ready(Received::Skipped(len)), _) => Input::Skipped(len),
                (Poll::Ready(Received::Part | Received::Yielded), _) => Input::Part,
                (Poll::Ready(Received::Closed(reason)), _) => Input::Closed(reason),
                (Poll::Pending, Poll::Ready(Err(reason))) => Input::Closed(reason),
                (Poll::Pending, _) => return Poll::Pending,
            }
        }
    };
    if matches!(input, Input::Closed(_)) {
        *link = Link::None;
    }
    Poll::Ready(input)
}

/// How long the end of a socket may take.
const GOODBYE: Duration = Duration::from_secs(2);
