//! The queue between the hub and a socket, which can hold back and delay what is sent.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use pusher_proto::{CloseFrame, Text};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant as Clock, sleep_until};

/// The hub's end of a socket. Dropping it cuts the socket.
pub(crate) struct Socket {
    queue: mpsc::Sender<Queued>,
    /// Whether this socket is silent, even if the others are not.
    is_silent: bool,
    /// Whether the socket holds back what is in its queue.
    holds: watch::Sender<bool>,
    _cut: oneshot::Sender<Infallible>,
}

/// The socket's end.
pub(crate) struct Line {
    pub(crate) queue: Queue,
    pub(crate) holds: Holds,
    /// Completes when the TCP connection must end without a close frame.
    pub(crate) cut: oneshot::Receiver<Infallible>,
}

/// Messages on their way to a socket.
pub(crate) struct Queue {
    receiver: mpsc::Receiver<Queued>,
    /// What was taken from it.
    taken: VecDeque<Queued>,
}

/// Whether nothing may be sent.
pub(crate) struct Holds(watch::Receiver<bool>);

/// A message that waits to be sent.
struct Queued {
    /// When it may be sent; `None` means at once.
    due: Option<Clock>,
    outgoing: Outgoing,
}

#[derive(Debug)]
pub(crate) enum Outgoing {
    Text(Text),
    /// A WebSocket ping.
    Ping,
    /// A close frame, which is the last message.
    Close(CloseFrame),
    /// An end without a close frame, which is also the last message.
    Drop,
}

/// Why a message cannot wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum QueueError {
    Full,
    Closed,
}

/// Returns both ends for a new socket.
pub(crate) fn open(queue_len: usize, all_are_silent: bool) -> (Socket, Line) {
    let (queue, receiver) = mpsc::channel(queue_len);
    let (holds, holds_receiver) = watch::channel(all_are_silent);
    let (cut, cut_receiver) = oneshot::channel();
    let socket = Socket { queue, is_silent: false, holds, _cut: cut };
    let queue = Queue { receiver, taken: VecDeque::new() };
    (socket, Line { queue, holds: Holds(holds_receiver), cut: cut_receiver })
}

impl Socket {
    pub(crate) fn enqueue(&self, outgoing: Outgoing, delay: Duration) -> Result<(), QueueError> {
        let due = (!delay.is_zero()).then(|| Clock::now() + delay);
        self.queue.try_send(Queued { due, outgoing }).map_err(|error| match error {
            TrySendError::Full(_) => QueueError::Full,
            TrySendError::Closed(_) => QueueError::Closed,
        })
    }

    pub(crate) fn set_silent(&mut self, silent: bool, all_are_silent: bool) {
        self.is_silent = silent;
        self.update(all_are_silent);
    }

    /// Adopts whether all sockets are silent.
    pub(crate) fn update(&self, all_are_silent: bool) {
        self.holds.send_replace(self.is_silent || all_are_silent);
    }
}

impl Line {
    /// Takes the next message if it may be sent now.
    pub(crate) fn next_due(&mut self) -> Option<Outgoing> {
        // The silence may have begun after `due` was polled.
        if self.holds.get() || self.queue.taken.front()?.due.is_some_and(|due| due > Clock::now()) {
            return None;
        }
        self.queue.taken.pop_front().map(|queued| queued.outgoing)
    }
}

impl Queue {
    /// Waits until the next message may be sent, or until none will come. Cancel safe.
    pub(crate) async fn due(&mut self) {
        if self.taken.is_empty() {
            let mut batch = Vec::new();
            self.receiver.recv_many(&mut batch, MAX_BATCH_LEN).await;
            self.taken.extend(batch);
        }
        if let Some(due) = self.taken.front().and_then(|queued| queued.due).filter(|due| *due > Clock::now()) {
            sleep_until(due).await;
        }
    }
}

impl Holds {
    pub(crate) fn get(&self) -> bool {
        *self.0.borrow()
    }

    /// Waits until it may have changed.
    pub(crate) async fn changed(&mut self) {
        if self.0.changed().await.is_err() {
            // The socket is being cut, which `cut` reports.
            std::future::pending::<()>().await;
        }
    }
}

/// Messages that are taken at once, and sent between two flushes.
const MAX_BATCH_LEN: usize = 64;

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &'static str) -> Outgoing {
        Outgoing::Text(Text::from_static(text))
    }

    #[tokio::test(start_paused = true)]
    async fn messages_are_sent_when_they_are_due_and_in_order() {
        let (socket, mut line) = open(8, false);
        let start = Clock::now();
        for (message, delay) in [("a", 10), ("b", 20), ("c", 0), ("d", 15)] {
            socket.enqueue(text(message), Duration::from_secs(delay)).unwrap();
        }
        let mut sent = Vec::new();
        while sent.len() < 4 {
            line.queue.due().await;
            while let Some(Outgoing::Text(text)) = line.next_due() {
                sent.push((text.to_string(), start.elapsed().as_secs()));
            }
        }
        // What is due earlier than what precedes it waits for that.
        assert_eq!(sent, [("a", 10), ("b", 20), ("c", 20), ("d", 20)].map(|(text, at)| (text.to_owned(), at)));
    }

    #[tokio::test]
    async fn a_message_that_was_due_when_the_silence_began_is_held_back() {
        let (mut socket, mut line) = open(2, false);
        socket.enqueue(text("a"), Duration::ZERO).unwrap();
        line.queue.due().await;
        socket.set_silent(true, false);
        line.holds.changed().await;
        assert!(line.holds.get() && line.next_due().is_none());
        // One was taken from the queue.
        assert_eq!(
            ["b", "c", "d"].map(|message| socket.enqueue(text(message), Duration::ZERO).is_ok()),
            [true, true, false]
        );
        socket.set_silent(false, false);
        let sent: Vec<_> = std::iter::from_fn(|| line.next_due()).map(|sent| format!("{sent:?}")).collect();
        assert_eq!(sent, [r#"Text("a")"#]);
        line.queue.due().await;
        assert_eq!(std::iter::from_fn(|| line.next_due()).count(), 2);
    }

    /// Messages wait for what is before them. Waiting is interrupted at random, as by what the peer sends.
    #[tokio::test(start_paused = true)]
    async fn messages_leave_in_order_at_their_time_however_often_waiting_is_interrupted() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..2_000 {
            let (mut socket, mut line) = open(8, false);
            // When each message that waits is due, and the message.
            let mut waiting: VecDeque<(Clock, String)> = VecDeque::new();
            // How many of them are not in the queue any more, and what counts in its limit.
            let mut taken = 0;
            let mut is_silent = false;
            for number in 0..30 {
                match random.usize(0..6) {
                    0 | 1 => {
                        let delay = Duration::from_secs([0, 1, 5][random.usize(0..3)]);
                        let queued = socket.enqueue(Outgoing::Text(number.to_string().into()), delay);
                        let has_room = waiting.len() - taken < 8;
                        assert_eq!(queued, if has_room { Ok(()) } else { Err(QueueError::Full) });
                        if has_room {
                            waiting.push_back((Clock::now() + delay, number.to_string()));
                        }
                    }
                    2 | 3 => {
                        let patience = Duration::from_millis(random.u64(0..3_000));
                        let begin = Clock::now();
                        let is_due = tokio::time::timeout(patience, line.queue.due()).await.is_ok();
                        if taken == 0 {
                            taken = waiting.len();
                        }
                        let due = waiting.front().map(|(due, _)| (*due).max(begin));
                        assert_eq!(is_due, due.is_some_and(|due| due <= begin + patience));
                        assert_eq!(Clock::now(), due.map_or(begin + patience, |due| due.min(begin + patience)));
                    }
                    4 => {
                        is_silent = !is_silent;
                        socket.set_silent(is_silent, false);
                        assert_eq!(line.holds.get(), is_silent);
                    }
                    _ => {
                        let is_next = taken > 0 && !is_silent && waiting[0].0 <= Clock::now();
                        let expected = is_next.then(|| waiting.pop_front()).flatten().map(|(_, text)| text);
                        taken -= usize::from(is_next);
                        let sent = line.next_due().map(|sent| match sent {
                            Outgoing::Text(text) => text.to_string(),
                            other => panic!("{other:?}"),
                        });
                        assert_eq!(sent, expected);
                    }
                }
            }
        }
    }
}
