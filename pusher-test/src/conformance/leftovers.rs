//! Detects what a scenario has left behind.

use std::fs;
use std::time::{Duration, Instant};

use super::runtime::{About, Counter, Runtime};
use super::stage::{PATIENCE, SERVERS};

/// The threads, file descriptors and tasks of this process at one moment. On systems without `/proc`, only tasks are
/// counted.
///
/// # Examples
///
/// ```
/// use pusher_test::conformance::{About, Leftovers};
///
/// let before = Leftovers::now(&About::new("threads"));
/// std::thread::spawn(|| ()).join().expect("it does not panic");
/// before.expect_nothing_more();
/// ```
pub struct Leftovers {
    pools: Vec<String>,
    tasks: Counter,
    count: Count,
}

#[derive(Debug)]
struct Count {
    /// Names of all threads except those of pools, which come and go.
    threads: Vec<String>,
    file_descriptors: usize,
    tasks: usize,
    server_tasks: usize,
}

impl Leftovers {
    /// Counts what there is now.
    #[must_use]
    pub fn now(about: &About) -> Self {
        let pools: Vec<_> = SERVER_POOLS.iter().map(|&pool| pool.to_owned()).chain(about.pools.clone()).collect();
        let count = Count::now(&pools, &about.tasks);
        Self { pools, tasks: about.tasks.clone(), count }
    }

    /// The same, for a runtime.
    #[must_use]
    pub fn of<R: Runtime>(runtime: &R) -> Self {
        Self::now(&runtime.about())
    }

    /// Waits until there is nothing more than before.
    ///
    /// # Panics
    ///
    /// If there is something more after 20 s.
    pub fn expect_nothing_more(&self) {
        let start = Instant::now();
        loop {
            let more = self.count.more(Count::now(&self.pools, &self.tasks));
            if more.is_empty() {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "expected that nothing is left over when the clients are dropped, but there is {}; if a thread belongs \
                 to a pool that stays, see `About::pool`, and if it starts with the first client, `About::warm_up`",
                more.join(", and ")
            );
            std::thread::sleep(Duration::from_millis(1));
        }
    }
}

impl std::fmt::Debug for Leftovers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leftovers").field("pools", &self.pools).field("count", &self.count).finish_non_exhaustive()
    }
}

impl Count {
    fn now(pools: &[String], tasks: &Counter) -> Self {
        // This also starts the runtime of the servers, which has files and threads of its own.
        let server_tasks = SERVERS.metrics().num_alive_tasks();
        Self { threads: threads(pools), file_descriptors: file_descriptors(), tasks: tasks(), server_tasks }
    }

    /// Says what there is in `now` that was not there before.
    fn more(&self, now: Self) -> Vec<String> {
        let mut more = Vec::new();
        let mut threads = now.threads;
        for name in &self.threads {
            threads.iter().position(|other| other == name).map(|place| threads.swap_remove(place));
        }
        if !threads.is_empty() {
            more.push(format!("{} threads too many ({})", threads.len(), threads.join(", ")));
        }
        let counts = [
            ("open files", self.file_descriptors, now.file_descriptors),
            ("tasks of the runtime", self.tasks, now.tasks),
            ("tasks of the scenario's servers", self.server_tasks, now.server_tasks),
        ];
        let grown = counts.into_iter().filter(|(_, before, now)| now > before);
        more.extend(grown.map(|(what, before, now)| format!("{now} {what} instead of {before}")));
        more
    }
}

fn threads(pools: &[String]) -> Vec<String> {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return Vec::new() };
    // A thread may end after it was listed.
    let names = tasks.flatten().flat_map(|task| fs::read_to_string(task.path().join("comm")));
    let names = names.map(|name| name.trim_end().to_owned());
    names.filter(|name| !pools.iter().any(|pool| name.starts_with(pool.as_str()))).collect()
}

/// Worker threads of the scenario's servers. They may not have their names yet when a scenario begins.
const SERVER_POOLS: [&str; 1] = ["tokio-"];

fn file_descriptors() -> usize {
    fs::read_dir("/proc/self/fd").map_or(0, Iterator::count)
}
