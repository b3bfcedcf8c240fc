//! An adapter's stream for hyper, with limits on how much is read.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};

use hyper::rt::{Read, ReadBufCursor, Write};

use crate::polled::Duplex;

/// A stream for hyper. Without limits, hyper would read for as long as the peer sends.
pub(super) struct Io<D> {
    stream: D,
    meter: Meter,
}

/// How much one exchange may read, in this turn and in total. Shared by the stream and the exchange.
#[derive(Clone, Default)]
pub(super) struct Meter(Arc<Mutex<Counts>>);

#[derive(Default)]
struct Counts {
    /// Bytes left until other tasks on the same thread may run.
    turn_bytes: usize,
    turn_reads: usize,
    /// Since the exchange began.
    received: usize,
    limit: usize,
    is_exceeded: bool,
}

impl Meter {
    /// A request is sent: the next bytes are a head, possibly after informational ones.
    pub(super) fn expect_head(&self) {
        *self.counts() = Counts { limit: MAX_HEADS_LEN, ..Counts::default() };
        self.begin_turn();
    }

    /// The head has arrived; the body follows.
    pub(super) fn expect_body(&self, max: usize) {
        let mut counts = self.counts();
        counts.limit = counts.received + max;
    }

    /// Other tasks have run.
    pub(super) fn begin_turn(&self) {
        let mut counts = self.counts();
        (counts.turn_bytes, counts.turn_reads) = (BYTES_PER_TURN, READS_PER_TURN);
    }

    /// Whether the peer has answered anything.
    pub(super) fn has_received(&self) -> bool {
        self.counts().received > 0
    }

    pub(super) fn is_exceeded(&self) -> bool {
        self.counts().is_exceeded
    }

    fn counts(&self) -> MutexGuard<'_, Counts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Counts {
    /// How much may be read at once.
    fn allow(&mut self) -> Result<usize, Spent> {
        if self.received >= self.limit {
            self.is_exceeded = true;
            return Err(Spent::All);
        }
        if self.turn_bytes == 0 || self.turn_reads == 0 {
            return Err(Spent::Turn);
        }
        self.turn_reads -= 1;
        Ok(READ_LEN.min(self.turn_bytes).min(self.limit - self.received))
    }

    fn take(&mut self, len: usize) {
        self.received += len;
        self.turn_bytes -= len;
    }
}

/// Which limit has been used up.
enum Spent {
    Turn,
    All,
}

impl<D: Duplex> Io<D> {
    pub(super) fn new(stream: D, meter: Meter) -> Self {
        Self { stream, meter }
    }
}

impl<D: Duplex> Read for Io<D> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        mut cursor: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        let allowed = self.meter.counts().allow();
        let allowed = match allowed {
            Ok(len) => len,
            Err(Spent::Turn) => {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Err(Spent::All) => return Poll::Ready(Err(io::Error::other("the answer is too long"))),
        };
        // Reading into hyper's own buffer would need unsafe code.
        let mut buffer = [0; READ_LEN];
        let room = cursor.remaining().min(allowed);
        let len = ready!(self.stream.poll_read(context, &mut buffer[..room]))?;
        self.meter.counts().take(len);
        cursor.put_slice(&buffer[..len]);
        Poll::Ready(Ok(()))
    }
}

impl<D: Duplex> Write for Io<D> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream.poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_flush(context)
    }

    /// A connection that is not kept alive is dropped, which closes it.
    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream.poll_flush(context)
    }
}

/// The stream is never pinned in place.
impl<D> Unpin for Io<D> {}

/// The most bytes of one read; an answer has a few hundred.
const READ_LEN: usize = 4 * 1_024;

/// Bytes and reads of one turn; otherwise a flood of answers would hold up everything else on the same thread.
const BYTES_PER_TURN: usize = 16 * 1_024;
const READS_PER_TURN: usize = 16;

/// Longest head of an answer in bytes, including interim responses before it, such as early hints (status 103).
pub(super) const MAX_HEADS_LEN: usize = 64 * 1_024;
