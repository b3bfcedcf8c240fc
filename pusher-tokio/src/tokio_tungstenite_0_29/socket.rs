//! Uses a stream of the application as the loop's socket.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;
use futures_util::{Sink, Stream};
use pusher_driver::adapter::{Fragile, Received, Socket, guard};
use pusher_proto::{CloseFrame, CloseReason, Frame, Text, TransportError};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::CloseFrame as TungsteniteCloseFrame;
use tokio_tungstenite::tungstenite::{self, Message};

use super::error::{close_code, close_reason};

/// A stream of the application, whose code may panic.
pub(super) struct Tungstenite<S> {
    /// `None` once it has panicked.
    stream: Option<Fragile<WebSocketStream<S>>>,
    alarm: Arc<Alarm>,
    /// Wakes `alarm`.
    waker: Waker,
    /// Whether the peer has begun to close.
    is_peer_closing: bool,
}

/// Wakes the loop, and remembers that it did.
///
/// The library does not report bytes of an incomplete message, which count as a sign of life. However, if the stream
/// wakes its reader but returns no message, it received such bytes, or the peer accepted some of ours.
#[derive(Default)]
struct Alarm {
    rang: AtomicBool,
    task: AtomicWaker,
}

impl Wake for Alarm {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.rang.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Tungstenite<S> {
    pub(super) fn new(stream: WebSocketStream<S>) -> Self {
        let alarm = Arc::<Alarm>::default();
        let waker = Waker::from(Arc::clone(&alarm));
        Self { stream: Some(Fragile::new(stream)), alarm, waker, is_peer_closing: false }
    }

    /// Uses the stream. A stream that panics is not used again.
    fn stream<T>(&mut self, run: impl FnOnce(Pin<&mut WebSocketStream<S>>) -> T) -> Result<T, CloseReason> {
        let stream = self.stream.as_mut();
        let result = stream.and_then(|stream| guard("the application's stream", || run(Pin::new(&mut **stream))));
        result.ok_or_else(|| {
            self.stream = None;
            CloseReason::Failed(TransportError::Io("the stream panicked".into()))
        })
    }

    /// Queues a message, which works even while the stream accepts nothing.
    fn queue(&mut self, message: Message) -> Result<(), CloseReason> {
        self.stream(|stream| stream.start_send(message))?.map_err(|error| close_reason(&error))
    }

    fn poll_message(&mut self, context: &mut Context<'_>) -> Poll<Received> {
        let received = match self.stream(|stream| stream.poll_next(context)) {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(Some(Ok(message)))) => received(message),
            Ok(Poll::Ready(Some(Err(error)))) => Received::Closed(self.fail(&error)),
            Ok(Poll::Ready(None)) => Received::Closed(CloseReason::Dropped),
            Err(reason) => Received::Closed(reason),
        };
        Poll::Ready(received)
    }

    /// Sends a close frame with what the peer did wrong.
    fn fail(&mut self, error: &tungstenite::Error) -> CloseReason {
        if let Some(code) = close_code(error) {
            // If it cannot be queued, the connection ends without it.
            let _ = self.queue(Message::Close(Some(TungsteniteCloseFrame { code, reason: Default::default() })));
        }
        close_reason(error)
    }
}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Socket for Tungstenite<S> {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Received> {
        self.alarm.task.register(context.waker());
        let rang = self.alarm.rang.swap(false, Ordering::Acquire);
        let waker = self.waker.clone();
        let polled = self.poll_message(&mut Context::from_waker(&waker));
        self.is_peer_closing |= matches!(polled, Poll::Ready(Received::Closed(CloseReason::Closed(_))));
        if polled.is_pending() && rang { Poll::Ready(Received::Part) } else { polled }
    }

    fn send(&mut self, text: Text) -> Result<(), CloseReason> {
        self.queue(Message::text(text.as_str()))
    }

    fn poll_flush(&mut self, context: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        match self.stream(|stream| stream.poll_flush(context)) {
            Ok(flushed) => flushed.map_err(|error| close_reason(&error)),
            Err(reason) => Poll::Ready(Err(reason)),
        }
    }

    fn close(&mut self, frame: CloseFrame) {
        let frame = TungsteniteCloseFrame { code: frame.code.into(), reason: frame.reason.as_str().into() };
        // If it cannot be queued, `poll_close` finds the same.
        let _ = self.queue(Message::Close(Some(frame)));
    }

    fn poll_close(&mut self, context: &mut Context<'_>) -> Poll<()> {
        match self.poll_flush(context) {
            Poll::Ready(Ok(())) if self.is_peer_closing => return Poll::Ready(()),
            Poll::Ready(Err(_)) => return Poll::Ready(()),
            Poll::Ready(Ok(())) | Poll::Pending => {}
        }
        for _ in 0..MESSAGES_PER_POLL {
            match self.poll_message(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Received::Closed(_)) => return Poll::Ready(()),
                Poll::Ready(_) => {}
            }
        }
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

fn received(message: Message) -> Received {
    match message {
        // A copy, because only the library's own type is known to be UTF-8 without another check.
        Message::Text(text) => Received::Frame(Frame::Text(text.as_str().into())),
        Message::Binary(bytes) => Received::Frame(Frame::Binary(bytes)),
        Message::Ping(_) => Received::Frame(Frame::Ping),
        Message::Pong(_) => Received::Frame(Frame::Pong),
        Message::Close(frame) => Received::Closed(CloseReason::Closed(
            frame.map(|frame| CloseFrame { code: frame.code.into(), reason: frame.reason.as_str().into() }),
        )),
        // Reading returns none of these.
        Message::Frame(_) => Received::Part,
    }
}

/// Messages that are read from a closing socket before other tasks on the same thread run.
const MESSAGES_PER_POLL: usize = 256;
