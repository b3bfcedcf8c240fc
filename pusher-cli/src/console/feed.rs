//! Passes what happens on to the pages.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use axum::response::sse::Event;
use futures_util::stream::{self, Stream};
use serde::Serialize;
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::RecvError;

use super::entry::{Entry, State};

/// The latest entries and state, for any number of pages.
pub(super) struct Feed {
    /// Distinguishes this run of the program from an earlier one, whose numbers a page may still have.
    run: u128,
    past: Mutex<Past>,
    live: broadcast::Sender<Arc<Message>>,
}

#[derive(Default)]
struct Past {
    last: u64,
    entries: VecDeque<Arc<Message>>,
    state: Option<Arc<Message>>,
}

struct Message {
    kind: &'static str,
    /// The number of an entry; none for a state.
    number: Option<u64>,
    json: String,
}

impl Feed {
    pub(super) fn new() -> Self {
        let run = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default().as_millis();
        Self { run, past: Mutex::default(), live: broadcast::Sender::new(MAX_WAITING) }
    }

    pub(super) fn add(&self, entry: &Entry) {
        let mut past = self.past();
        past.last += 1;
        let Some(message) = message("entry", Some(past.last), entry) else { return };
        if past.entries.len() == MAX_ENTRIES {
            past.entries.pop_front();
        }
        past.entries.push_back(Arc::clone(&message));
        // Without pages, nothing is sent.
        let _ = self.live.send(message);
    }

    /// Replaces the state, if it is another one.
    pub(super) fn set(&self, state: &State) {
        let mut past = self.past();
        let Some(message) = message("state", None, state) else { return };
        if past.state.as_ref().is_none_or(|before| before.json != message.json) {
            past.state = Some(Arc::clone(&message));
            let _ = self.live.send(message);
        }
    }

    /// What a page gets that has seen the entries up to this id: later ones that are still kept, the state, and from then on
    /// everything that happens.
    pub(super) fn follow(
        self: &Arc<Self>,
        last_seen: Option<&str>,
    ) -> impl Stream<Item = Result<Event, Infallible>> + use<> {
        let (run, seen) = last_seen.and_then(|id| id.split_once('-')).unwrap_or_default();
        let seen: u64 = if run == self.run.to_string() { seen.parse().unwrap_or_default() } else { 0 };
        let past = self.past();
        let missed = past.entries.iter().filter(|message| message.number > Some(seen)).chain(&past.state);
        let missed: Vec<_> = missed.map(Arc::clone).collect();
        let live = self.live.subscribe();
        drop(past);
        let feed = Arc::clone(self);
        stream::unfold((missed.into_iter(), live), move |(mut missed, mut live)| {
            let feed = Arc::clone(&feed);
            async move {
                if let Some(message) = missed.next() {
                    return Some((Ok(feed.event(&message)), (missed, live)));
                }
                loop {
                    match live.recv().await {
                        Ok(message) => return Some((Ok(feed.event(&message)), (missed, live))),
                        Err(RecvError::Lagged(count)) => {
                            let note = format!("{count} entries, which arrived faster than this page could show them");
                            let missed_entry = Entry::new("missed").note(&note).bad(true);
                            if let Some(message) = message("entry", None, &missed_entry) {
                                return Some((Ok(feed.event(&message)), (missed, live)));
                            }
                        }
                        Err(RecvError::Closed) => return None,
                    }
                }
            }
        })
    }

    /// Whether a page is open.
    pub(super) fn has_readers(&self) -> bool {
        self.live.receiver_count() > 0
    }

    fn event(&self, message: &Message) -> Event {
        let event = Event::default().event(message.kind).data(&message.json);
        match message.number {
            Some(number) => event.id(format!("{}-{number}", self.run)),
            None => event,
        }
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn message(kind: &'static str, number: Option<u64>, value: &impl Serialize) -> Option<Arc<Message>> {
    let json = serde_json::to_string(value).ok()?;
    Some(Arc::new(Message { kind, number, json }))
}

/// How many entries are kept for pages that are opened later.
const MAX_ENTRIES: usize = 500;

/// Messages that wait for the slowest page; then it misses the oldest.
const MAX_WAITING: usize = 1_024;

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt as _, StreamExt as _};

    use super::*;

    /// What a page gets without waiting, as the lines of the stream.
    fn lines(feed: &Arc<Feed>, last_seen: Option<&str>) -> Vec<String> {
        let mut stream = Box::pin(feed.follow(last_seen));
        let mut lines = Vec::new();
        while let Some(Some(Ok(event))) = stream.next().now_or_never() {
            lines.push(format!("{event:?}"));
        }
        lines
    }

    #[test]
    fn a_page_that_comes_back_gets_only_what_it_has_not_seen() {
        let feed = Arc::new(Feed::new());
        for _ in 0..3 {
            feed.add(&Entry::new("event"));
        }
        assert_eq!(lines(&feed, None).len(), 3);
        assert_eq!(lines(&feed, Some(&format!("{}-2", feed.run))).len(), 1);
        assert_eq!(lines(&feed, Some("17-2")).len(), 3, "the id is of another run");
        assert_eq!(lines(&feed, Some("nonsense")).len(), 3);
    }

    #[test]
    fn old_entries_make_room_for_new_ones() {
        let feed = Arc::new(Feed::new());
        for _ in 0..MAX_ENTRIES + 7 {
            feed.add(&Entry::new("event"));
        }
        assert_eq!(lines(&feed, None).len(), MAX_ENTRIES);
    }

    #[test]
    fn a_state_that_has_not_changed_is_not_sent_again() {
        let feed = Arc::new(Feed::new());
        feed.set(&State::default());
        let mut page = Box::pin(feed.follow(None));
        assert!(page.next().now_or_never().is_some());
        feed.set(&State::default());
        assert!(page.next().now_or_never().is_none());
        feed.set(&State { can_publish: true, ..State::default() });
        assert!(page.next().now_or_never().is_some());
    }
}
