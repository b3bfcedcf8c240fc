//! The upgrade from a connected stream to an open WebSocket.

use std::fmt;
use std::io;
use std::task::{Poll, Waker};

use pusher_proto::{CloseReason, ConnectRequest};
use pusher_session::adapter::{close_reason, failed, is_end, not_upgraded, upgrade_request};
use pusher_websocket::Upgraded;

use super::limits::Limits;
use super::masks::OsMasks;
use super::open::WebSocket;
use super::stream::NonBlocking;
use crate::io::{flush, read, write};
use crate::pace::Pace;

/// An HTTP upgrade in progress.
pub struct Handshake<S: NonBlocking> {
    /// `None` once it has ended.
    upgrade: Option<Result<Upgrade<S>, CloseReason>>,
    limits: Limits,
}

struct Upgrade<S> {
    stream: S,
    handshake: pusher_websocket::Handshake,
    /// Bytes of the request that have been written.
    written: usize,
    is_flushed: bool,
    pace: Pace,
}

impl<S: NonBlocking> Handshake<S> {
    /// Starts the upgrade on a stream that is connected to the server.
    #[must_use]
    pub fn new(stream: S, request: &ConnectRequest, limits: Limits) -> Self {
        let mut key = [0; 16];
        let handshake = getrandom::fill(&mut key).map_err(|error| failed(&error)).and_then(|()| {
            pusher_websocket::Handshake::new(&upgrade_request(request), key).map_err(|error| failed(&error))
        });
        let start = |handshake| Upgrade { stream, handshake, written: 0, is_flushed: false, pace: Pace::turn() };
        Self { upgrade: Some(handshake.map(start)), limits }
    }

    /// Continues the upgrade, until it returns the result. One call does a bounded amount of work; if there is more, it
    /// wakes the task.
    pub fn poll(&mut self, waker: &Waker) -> Poll<Result<WebSocket<S>, CloseReason>> {
        let mut upgrade = match self.upgrade.take() {
            Some(Ok(upgrade)) => upgrade,
            Some(Err(reason)) => return Poll::Ready(Err(reason)),
            None => return Poll::Ready(Err(CloseReason::Dropped)),
        };
        upgrade.stream.set_waker(waker);
        match upgrade.poll(waker) {
            Poll::Ready(Ok(upgraded)) => {
                Poll::Ready(Ok(WebSocket::new(upgrade.stream, self.limits, &upgraded.leftover, OsMasks::new())))
            }
            Poll::Ready(Err(reason)) => Poll::Ready(Err(reason)),
            Poll::Pending => {
                self.upgrade = Some(Ok(upgrade));
                Poll::Pending
            }
        }
    }
}

impl<S: NonBlocking> Upgrade<S> {
    fn poll(&mut self, waker: &Waker) -> Poll<Result<Upgraded, CloseReason>> {
        let sent = self.send();
        // A server that refuses may answer and close before it has read the request.
        match &sent {
            Err(error) if error.kind() != io::ErrorKind::WouldBlock && !is_end(error) => {
                return Poll::Ready(Err(close_reason(error)));
            }
            Ok(()) | Err(_) => {}
        }
        let mut buffer = [0; READ_LEN];
        loop {
            if self.pace.pauses() {
                waker.wake_by_ref();
                return Poll::Pending;
            }
            match read(&mut self.stream, &mut buffer) {
                Ok(0) => return Poll::Ready(Err(not_upgraded(self.handshake.handle_end()))),
                Ok(len) => {
                    self.pace.count(len);
                    match self.handshake.handle_read(&buffer[..len]) {
                        Ok(None) => {}
                        Ok(Some(upgraded)) => return Poll::Ready(Ok(upgraded)),
                        Err(error) => return Poll::Ready(Err(not_upgraded(error))),
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.pace.rest();
                    return match sent {
                        Err(error) if is_end(&error) => Poll::Ready(Err(not_upgraded(self.handshake.handle_end()))),
                        Ok(()) | Err(_) => Poll::Pending,
                    };
                }
                Err(error) if is_end(&error) => {
                    return Poll::Ready(Err(not_upgraded(self.handshake.handle_end())));
                }
                Err(error) => return Poll::Ready(Err(close_reason(&error))),
            }
        }
    }

    fn send(&mut self) -> io::Result<()> {
        let request = self.handshake.request();
        while self.written < request.len() {
            self.written += write(&mut self.stream, &request[self.written..])?;
        }
        if !self.is_flushed {
            flush(&mut self.stream)?;
            self.is_flushed = true;
        }
        Ok(())
    }
}

impl<S: NonBlocking> fmt::Debug for Handshake<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handshake").field("limits", &self.limits).finish_non_exhaustive()
    }
}

/// Bytes that are read at a time; an answer has a few hundred.
const READ_LEN: usize = 1_024;
