//! Programs that are started here, and end here.

use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use tokio::signal::unix::{SignalKind, signal};

use crate::SERVERS;

/// A program that runs; dropping it kills it.
pub(crate) struct Running {
    child: Arc<Mutex<Child>>,
    pid: u32,
    log: PathBuf,
}

impl Running {
    /// What the program says goes to the end of `log`.
    pub(crate) fn start(command: &mut Command, log: &Path) -> Self {
        let output = File::options().create(true).append(true).open(log).unwrap();
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?}: {error}"));
        let pid = child.id();
        let child = Arc::new(Mutex::new(child));
        ALL.lock().unwrap().push(Arc::downgrade(&child));
        Self { child, pid, log: log.to_owned() }
    }

    /// Waits until it is ready. `why` it must be, and at most a minute.
    pub(crate) fn await_ready(&self, what: &str, is_ready: impl Fn() -> bool) {
        let start = Instant::now();
        while !is_ready() {
            let ended = self.child.lock().unwrap().try_wait().unwrap();
            assert!(ended.is_none() && start.elapsed() < START_LIMIT, "{what} does not start: {}", self.last_words());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Waits for its end, and returns what it said.
    pub(crate) fn finish(self) -> String {
        let is_over = || self.child.lock().unwrap().try_wait().unwrap().is_some();
        while !is_over() {
            std::thread::sleep(Duration::from_millis(20));
        }
        String::from_utf8_lossy(&fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// At once, with everything it holds.
    pub(crate) fn kill(&self) {
        end(&self.child);
    }

    /// As Ctrl-C does, and waits for the end.
    pub(crate) fn interrupt(&self) {
        drop(Command::new("kill").args(["-INT", &self.pid.to_string()]).status());
        let start = Instant::now();
        while self.child.lock().unwrap().try_wait().unwrap().is_none() {
            if start.elapsed() > END_LIMIT {
                return self.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Bytes of memory that are in use.
    pub(crate) fn memory(&self) -> u64 {
        memory_of(&self.pid.to_string())
    }

    fn last_words(&self) -> String {
        let log = fs::read(&self.log).unwrap_or_default();
        let log = String::from_utf8_lossy(&log[log.len().saturating_sub(MAX_LAST_WORDS)..]).replace(['\n', '\t'], " ");
        log.trim().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Bytes of memory that this process uses.
pub(crate) fn own_memory() -> u64 {
    memory_of("self")
}

fn memory_of(process: &str) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok()).map_or(0, |kilobytes: u64| kilobytes * 1_024)
}

/// A port that is free, below those that the system hands out by itself: clients that try to connect to a server that
/// is down would else meet themselves.
pub(crate) fn free_port() -> u16 {
    loop {
        let port = fastrand::u16(20_000..32_000);
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

pub(crate) fn listens(port: u16) -> bool {
    TcpStream::connect(("127.0.0.1", port)).is_ok()
}

/// Ends all programs when this one is told to end.
pub(crate) fn end_all_on_signals() {
    for kind in [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()] {
        SERVERS.spawn(async move {
            signal(kind).unwrap().recv().await;
            for child in ALL.lock().unwrap().iter().filter_map(Weak::upgrade) {
                end(&child);
            }
            std::process::exit(128 + kind.as_raw_value());
        });
    }
}

fn end(child: &Mutex<Child>) {
    let mut child = child.lock().unwrap();
    // It may have ended by itself.
    let _ = child.kill();
    let _ = child.wait();
}

static ALL: Mutex<Vec<Weak<Mutex<Child>>>> = Mutex::new(Vec::new());

const START_LIMIT: Duration = Duration::from_secs(30);
const END_LIMIT: Duration = Duration::from_secs(10);
const MAX_LAST_WORDS: usize = 500;
