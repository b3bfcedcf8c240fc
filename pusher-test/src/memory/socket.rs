//! A WebSocket in memory.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use pusher_driver::adapter::{Received, Socket};
use pusher_proto::server::ConnectionId;
use pusher_proto::{CloseFrame, CloseReason, Frame, Text, TransportError};

use super::hub::Shared;
use crate::network::Who;

/// A socket whose other side is the model server.
pub(super) struct MemorySocket {
    shared: Arc<Shared>,
    who: Who,
    id: ConnectionId,
}

/// A socket that is being opened.
pub(super) struct Opening(Option<MemorySocket>);

impl Opening {
    pub(super) fn new(shared: Arc<Shared>, who: Who, target: Text) -> Self {
        let id = shared.change(|hub| hub.open(who, target));
        Self(Some(MemorySocket { shared, who, id }))
    }
}

impl Future for Opening {
    type Output = Result<MemorySocket, CloseReason>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let Some(socket) = &self.0 else { return Poll::Pending };
        let id = socket.id;
        let polled = socket.shared.lock().poll_open(id, context);
        polled.map(|failure| match (failure, self.0.take()) {
            (None, Some(socket)) => Ok(socket),
            (Some(Received::Closed(reason)), _) => Err(reason),
            (Some(_) | None, _) => Err(CloseReason::Failed(TransportError::Upgrade("no answer".into()))),
        })
    }
}

impl Socket for MemorySocket {
    fn poll_frame(&mut self, context: &mut Context<'_>) -> Poll<Received> {
        self.shared.lock().poll_received(self.id, context)
    }

    fn next_ready(&mut self) -> Option<Received> {
        self.shared.lock().received(self.id)
    }

    fn send(&mut self, text: Text) -> Result<(), CloseReason> {
        self.shared.change(|hub| {
            hub.clients[self.who.0].sent.push(text.clone());
            hub.model.send(self.id, Frame::Text(text));
        });
        Ok(())
    }

    fn poll_flush(&mut self, _context: &mut Context<'_>) -> Poll<Result<(), CloseReason>> {
        Poll::Ready(Ok(()))
    }

    fn close(&mut self, frame: CloseFrame) {
        self.shared.change(|hub| hub.model.close(self.id, CloseReason::Closed(Some(frame))));
    }

    fn poll_close(&mut self, _context: &mut Context<'_>) -> Poll<()> {
        Poll::Ready(())
    }
}

impl Drop for MemorySocket {
    fn drop(&mut self) {
        self.shared.change(|hub| {
            // Nothing happens if it was closed before.
            hub.model.close(self.id, CloseReason::Dropped);
            hub.forget(self.id);
        });
    }
}
