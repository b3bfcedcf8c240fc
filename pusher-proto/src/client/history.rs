//! Requests for pages of channels' histories.
//!
//! The answers do not say which request they belong to, so there is one request at a time, and the next one waits until
//! it is answered. A request that has failed keeps its place for a while, so that its late answer is not taken for that
//! of another one.

use alloc::collections::VecDeque;
use core::time::Duration;

use super::outbox::Outbox;
use crate::event::Event;
use crate::wire::history;
use crate::{ChannelName, HistoryError, HistoryId, HistoryQuery, Instant, ServerError, Text};

/// The request that was sent, and those that wait.
#[derive(Default)]
pub(crate) struct History {
    last_id: u64,
    waiting: VecDeque<Request>,
    sent: Option<Sent>,
}

/// A request of the application.
pub(crate) struct Request {
    pub(crate) id: HistoryId,
    pub(crate) channel: ChannelName,
    pub(crate) query: HistoryQuery,
}

struct Sent {
    request: Request,
    /// Until when its answer is awaited.
    deadline: Instant,
    /// Whether the application knows the outcome, so that only the place is kept.
    is_over: bool,
}

impl History {
    /// Queues a request.
    pub(crate) fn push(&mut self, channel: ChannelName, query: HistoryQuery) -> Result<HistoryId, HistoryError> {
        if self.waiting.len() >= MAX_WAITING {
            return Err(HistoryError::QueueFull);
        }
        self.last_id += 1;
        let id = HistoryId(self.last_id);
        self.waiting.push_back(Request { id, channel, query });
        Ok(id)
    }

    /// The next request, if the one before was answered.
    pub(crate) fn poll_send(&mut self, now: Instant) -> Option<Text> {
        if self.sent.is_some() {
            return None;
        }
        let request = self.waiting.pop_front()?;
        let text = history::request(&request.channel, &request.query);
        self.sent = Some(Sent { request, deadline: now + TIMEOUT, is_over: false });
        Some(text)
    }

    /// The server has sent a page of this channel. Returns the request that it answers, if the outcome is still unknown.
    pub(crate) fn take_answered(&mut self, channel: &str) -> Option<Request> {
        let sent = self.sent.take_if(|sent| *sent.request.channel == *channel)?;
        (!sent.is_over).then_some(sent.request)
    }

    /// The server has sent an error without a channel. Returns whether it was the answer to a request.
    pub(crate) fn handle_error(&mut self, error: &ServerError, triggered_lately: bool, outbox: &mut Outbox) -> bool {
        let refusal = |sent: &Sent| history::refusal(error, &sent.request.channel, triggered_lately);
        let Some(refusal) = self.sent.as_ref().and_then(refusal) else { return false };
        if let Some(Sent { request, is_over: false, .. }) = self.sent.take() {
            request.fail(refusal, outbox);
        }
        true
    }

    pub(crate) fn handle_timeout(&mut self, now: Instant, outbox: &mut Outbox) {
        let Some(sent) = self.sent.as_mut().filter(|sent| sent.deadline <= now) else { return };
        if sent.is_over {
            self.sent = None;
            return;
        }
        sent.end(HistoryError::Timeout, outbox);
        sent.deadline = now + TIMEOUT;
        // A server that does not know the request never answers, so the others do not wait for as long one after another.
        for request in self.waiting.drain(..) {
            request.fail(HistoryError::Timeout, outbox);
        }
    }

    /// Ends the requests for channels that are no longer wanted.
    pub(crate) fn retain(&mut self, is_wanted: impl Fn(&ChannelName) -> bool, outbox: &mut Outbox) {
        if let Some(sent) = self.sent.as_mut().filter(|sent| !is_wanted(&sent.request.channel)) {
            sent.end(HistoryError::NotSubscribed, outbox);
        }
        let waiting = core::mem::take(&mut self.waiting);
        for request in waiting {
            if is_wanted(&request.channel) {
                self.waiting.push_back(request);
            } else {
                request.fail(HistoryError::NotSubscribed, outbox);
            }
        }
    }

    /// The connection is lost.
    pub(crate) fn leave(&mut self, outbox: &mut Outbox) {
        if let Some(mut sent) = self.sent.take() {
            sent.end(HistoryError::NotConnected, outbox);
        }
        for request in self.waiting.drain(..) {
            request.fail(HistoryError::NotConnected, outbox);
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        self.sent.as_ref().map(|sent| sent.deadline)
    }
}

impl Sent {
    /// Reports that there will be no page, unless the outcome is known.
    fn end(&mut self, error: HistoryError, outbox: &mut Outbox) {
        if !core::mem::replace(&mut self.is_over, true) {
            self.request.fail(error, outbox);
        }
    }
}

impl Request {
    /// Reports that there will be no page.
    fn fail(&self, error: HistoryError, outbox: &mut Outbox) {
        outbox.emit(Event::History { id: self.id, channel: self.channel.clone(), result: Err(error) });
    }
}

/// How many requests may wait for the one before.
const MAX_WAITING: usize = 64;

/// How long the server may take to answer, and how long a request that has failed keeps its place.
const TIMEOUT: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests;
