//! Steady traffic.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use crate::SERVERS;
use crate::api::Api;
use crate::ledger::Mark;

/// Publishes one event after the other, until it is told to stop.
pub(crate) struct Publisher {
    number: usize,
    starts: Arc<Mutex<Vec<Instant>>>,
    stop: Stop,
    task: JoinHandle<Outcome>,
}

/// Tells the publisher to stop when it goes, also if a check fails.
struct Stop(Arc<AtomicBool>);

impl Drop for Stop {
    fn drop(&mut self) {
        self.0.store(true, Ordering::SeqCst);
    }
}

/// How the publishing went.
#[derive(Default)]
pub(crate) struct Outcome {
    /// When each event was begun.
    pub(crate) starts: Vec<Instant>,
    /// The last one that the server took.
    pub(crate) last: Option<Mark>,
    /// How many it did not take.
    pub(crate) refused: usize,
}

impl Publisher {
    /// The number of the publisher is its place in [`Published`](crate::ledger::Published).
    pub(crate) fn start(number: usize, api: Api, channel: &str, interval: Duration) -> Self {
        let starts = Arc::new(Mutex::new(Vec::new()));
        let is_stopped = Arc::new(AtomicBool::new(false));
        let (writing, stopping) = (Arc::clone(&starts), Arc::clone(&is_stopped));
        let channel = channel.to_owned();
        let task = SERVERS.spawn(async move {
            let mut outcome = Outcome::default();
            while !stopping.load(Ordering::SeqCst) {
                let mark = {
                    let mut starts = writing.lock().unwrap();
                    starts.push(Instant::now());
                    Mark { publisher: number, number: starts.len() - 1 }
                };
                match api.publish(&channel, &mark.write()).await {
                    Ok(()) => outcome.last = Some(mark),
                    Err(_) => outcome.refused += 1,
                }
                tokio::time::sleep(interval).await;
            }
            outcome
        });
        Self { number, starts, stop: Stop(is_stopped), task }
    }

    /// What was begun so far.
    pub(crate) fn latest(&self) -> Option<Mark> {
        let number = self.starts.lock().unwrap().len().checked_sub(1)?;
        Some(Mark { publisher: self.number, number })
    }

    /// Waits for the answer to the last event.
    pub(crate) fn stop(self) -> Outcome {
        drop(self.stop);
        let mut outcome = SERVERS.block_on(self.task).unwrap();
        outcome.starts = std::mem::take(&mut *self.starts.lock().unwrap());
        outcome
    }
}
