//! The span that distinguishes the log lines of one client from those of another.

use pusher_proto::{AppKey, Text};
use tracing::Span;

/// The span that every log line of one client is in.
#[derive(Clone, Debug)]
pub struct LogSpan(Span);

impl LogSpan {
    /// Returns the span of a client. It has the level `ERROR`, so that a filter that accepts any line also accepts the
    /// span.
    pub(crate) fn new(name: Option<&Text>, key: &AppKey) -> Self {
        Self(match name {
            Some(name) => tracing::error_span!("pusher", %name),
            None => tracing::error_span!("pusher", %key),
        })
    }

    /// Runs a function in the span.
    pub fn in_scope<T>(&self, run: impl FnOnce() -> T) -> T {
        self.0.in_scope(run)
    }
}
