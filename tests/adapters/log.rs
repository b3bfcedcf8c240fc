//! Every line that a client logs is in the client's span, whatever the scenario.

use std::mem;
use std::sync::{Mutex, PoisonError};

use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt as _};
use tracing_subscriber::registry::{LookupSpan, Registry};

/// Log lines of clients that were not in a client's span.
static STRAYS: Mutex<Vec<String>> = Mutex::new(Vec::new());

struct Watch;

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Watch {
    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let line = event.metadata();
        let is_of_a_client = CLIENTS.iter().any(|target| line.target().starts_with(target));
        let in_span = || context.event_scope(event).into_iter().flatten().any(|span| span.name() == "pusher");
        if is_of_a_client && !in_span() {
            let stray = format!("{} {} {}", line.level(), line.target(), line.name());
            STRAYS.lock().unwrap_or_else(PoisonError::into_inner).push(stray);
        }
    }
}

/// Starts to watch the log of all threads.
pub(crate) fn watch() {
    let _ = tracing::subscriber::set_global_default(Registry::default().with(Watch));
}

/// Fails the scenario if a line was not in a client's span.
pub(crate) fn check() -> Result<(), String> {
    let strays = mem::take(&mut *STRAYS.lock().unwrap_or_else(PoisonError::into_inner));
    match &*strays {
        [] => Ok(()),
        strays => Err(format!("logged outside of the client's span: {strays:#?}")),
    }
}

const CLIENTS: [&str; 4] = ["pusher_driver", "pusher_tokio", "pusher_async_std", "pusher_blocking"];
