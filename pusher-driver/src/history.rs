//! Calls that wait for a page of a channel's history.

use std::collections::BTreeMap;
use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pusher_proto::{HistoryError, HistoryId, HistoryPage};

use crate::mailbox::replace_waker;
use crate::shared::Handle;

/// A request for a page of a channel's history, from [`Subscription::history`](crate::Subscription::history): a future of
/// the page.
///
/// The request is sent even if the future is not polled. Dropping it discards the answer.
///
/// # Examples
///
/// Both requests are under way at once, and the server answers them in this order:
///
/// ```no_run
/// # async fn example(chat: pusher_driver::Subscription) -> Result<(), pusher_proto::HistoryError> {
/// use pusher_proto::HistoryQuery;
///
/// let newest = chat.history(HistoryQuery::default().limit(10));
/// let oldest = chat.history(HistoryQuery::default().limit(10).oldest_first());
/// let (newest, oldest) = (newest.await?, oldest.await?);
/// # Ok(())
/// # }
/// ```
#[must_use = "the request is sent, but its page is discarded"]
pub struct HistoryRequest {
    handle: Arc<Handle>,
    stage: Stage,
}

enum Stage {
    Refused(HistoryError),
    Waiting(HistoryId),
    /// The outcome was returned.
    Over,
}

/// The requests that have no outcome yet, or one that was not taken. Each belongs to a [`HistoryRequest`], which removes
/// it when it is dropped.
#[derive(Debug, Default)]
pub(crate) struct Requests(BTreeMap<HistoryId, Request>);

#[derive(Debug)]
pub(crate) enum Request {
    Waiting(Option<Waker>),
    Over(Result<HistoryPage, HistoryError>),
}

impl Requests {
    pub(crate) fn insert(&mut self, id: HistoryId) {
        self.0.insert(id, Request::Waiting(None));
    }

    /// A request has an outcome, which is discarded if the request was dropped.
    pub(crate) fn complete(
        &mut self,
        id: HistoryId,
        result: Result<HistoryPage, HistoryError>,
        wakers: &mut Vec<Waker>,
    ) {
        let Some(request) = self.0.get_mut(&id) else { return };
        if let Request::Waiting(Some(waker)) = std::mem::replace(request, Request::Over(result)) {
            wakers.push(waker);
        }
    }
}

impl HistoryRequest {
    pub(crate) fn new(handle: &Arc<Handle>, result: Result<HistoryId, HistoryError>) -> Self {
        let stage = match result {
            Ok(id) => Stage::Waiting(id),
            Err(error) => Stage::Refused(error),
        };
        Self { handle: Arc::clone(handle), stage }
    }
}

/// After its outcome, it stays pending.
impl Future for HistoryRequest {
    type Output = Result<HistoryPage, HistoryError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let id = match std::mem::replace(&mut self.stage, Stage::Over) {
            Stage::Refused(error) => return Poll::Ready(Err(error)),
            Stage::Over => return Poll::Pending,
            Stage::Waiting(id) => id,
        };
        let mut state = self.handle.0.lock();
        if let Some(Request::Waiting(waker)) = state.history.0.get_mut(&id) {
            let replaced = replace_waker(waker, context.waker());
            drop(state);
            // Without the lock, since a waker may own the last handle.
            drop(replaced);
            self.stage = Stage::Waiting(id);
            return Poll::Pending;
        }
        let over = state.history.0.remove(&id);
        drop(state);
        match over {
            Some(Request::Over(result)) => Poll::Ready(result),
            Some(Request::Waiting(_)) | None => Poll::Ready(Err(HistoryError::NotConnected)),
        }
    }
}

impl Drop for HistoryRequest {
    fn drop(&mut self) {
        if let Stage::Waiting(id) = self.stage {
            let request = self.handle.0.lock().history.0.remove(&id);
            // Without the lock, since a waker may own the last handle.
            drop(request);
        }
    }
}

impl fmt::Debug for HistoryRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HistoryRequest")
    }
}
