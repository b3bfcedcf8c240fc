//! Detects what a scenario has left behind.

use std::fs;
use std::time::{Duration, Instant};

use crate::adapter::tokio_tasks;
use crate::world::{PATIENCE, SERVERS};

/// The resources at one moment.
#[derive(Debug)]
pub(crate) struct Count {
    /// Names of all threads except those of thread pools, which come and go.
    threads: Vec<String>,
    file_descriptors: usize,
    tokio_tasks: usize,
    server_tasks: usize,
}

impl Count {
    pub(crate) fn now() -> Self {
        Self {
            threads: threads(),
            file_descriptors: file_descriptors(),
            tokio_tasks: tokio_tasks(),
            server_tasks: SERVERS.metrics().num_alive_tasks(),
        }
    }

    /// Waits until there is nothing more than before.
    pub(crate) fn expect_nothing_more(&self) {
        let start = Instant::now();
        loop {
            let now = Self::now();
            let is_clean = now.threads.len() <= self.threads.len()
                && now.threads.iter().all(|name| self.threads.contains(name))
                && now.file_descriptors <= self.file_descriptors
                && now.tokio_tasks <= self.tokio_tasks
                && now.server_tasks <= self.server_tasks;
            if is_clean {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "left over: {now:#?} instead of {self:#?}");
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

fn threads() -> Vec<String> {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return Vec::new() };
    // A thread may end after it was listed.
    let names = tasks.flatten().flat_map(|task| fs::read_to_string(task.path().join("comm")));
    let mut names: Vec<_> = names.filter(|name| !POOLS.iter().any(|pool| name.starts_with(pool))).collect();
    names.sort();
    names
}

/// Threads for blocking calls, such as name resolution, and worker threads: runtimes keep them for a while or
/// permanently. Worker threads may not have their names yet when a scenario begins.
const POOLS: [&str; 5] = ["blocking-", "tokio-", "async-std/", "async-io", "smol-"];

fn file_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
