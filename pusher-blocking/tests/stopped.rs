//! A process that is stopped and continued, as by a shell, a debugger or the freezer of a phone. On Linux, this interrupts system
//! calls that wait, even without a handler of signals (signal(7)).
#![cfg(all(test, target_os = "linux"))]

use std::env;
use std::io::{BufRead, BufReader, Lines};
use std::process::{Child, ChildStdout, Command, Stdio};

use pusher_blocking::{ChannelName, Config, Event, NoAuth, connect};
use pusher_server::Server;
use pusher_server::pusher_proto::server::Publication;
use tokio::runtime::Runtime;

/// The variable with the URL of the server, for the process that is stopped.
const URL: &str = "PUSHER_TEST_URL";

/// What the process that is stopped does: it prints what it receives.
#[test]
#[ignore = "a part of the other test"]
fn listener() {
    let config = Config::new("app-key", env::var(URL).unwrap().as_str()).unwrap();
    for event in connect(config, NoAuth).unwrap().subscribe("chat").unwrap() {
        match event {
            Event::Channel(event) => println!("\n{} {}", event.event(), event.data().text()),
            event => println!("\n{}", event.name()),
        }
    }
}

struct Listener {
    process: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Listener {
    fn start(url: &str) -> Self {
        let mut command = Command::new(env::current_exe().expect("a test has a file"));
        let command = command.args(["--exact", "listener", "--ignored", "--nocapture"]).env(URL, url);
        let mut process = command.stdout(Stdio::piped()).spawn().expect("a test can be started");
        let lines = BufReader::new(process.stdout.take().expect("it is piped")).lines();
        Self { process, lines }
    }

    /// Waits for a line, or for the end of the process.
    fn expect(&mut self, line: &str) {
        let mut seen = Vec::new();
        while seen.last().is_none_or(|last| last != line) {
            let next = self.lines.next().and_then(Result::ok);
            seen.push(next.unwrap_or_else(|| panic!("expected {line:?}, but the process ended after {seen:?}")));
        }
    }

    /// Sends a signal.
    fn signal(&self, name: &str) {
        let pid = self.process.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().expect("there is `kill`").success());
    }

    /// Waits until the process is in this state (`proc_pid_stat(5)`).
    fn await_state(&self, is_state: fn(char) -> bool) {
        loop {
            let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.process.id())).expect("it runs");
            let (_, rest) = stat.rsplit_once(") ").expect("the state comes behind the name");
            if rest.starts_with(is_state) {
                return;
            }
            std::thread::yield_now();
        }
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

#[test]
fn a_process_that_is_stopped_and_continued_receives_what_comes_next() {
    let runtime = Runtime::new().unwrap();
    let server = runtime.block_on(Server::start(pusher_server::Options::default())).unwrap();
    let mut listener = Listener::start(&server.ws_url());
    listener.expect("pusher:subscription_succeeded");
    for round in 0..3 {
        listener.signal("-STOP");
        listener.await_state(|state| state == 'T');
        listener.signal("-CONT");
        listener.await_state(|state| state != 'T');
        let publication = Publication::new("message", [ChannelName::new("chat").unwrap()], round.to_string());
        server.handle().trigger(&publication).unwrap();
        listener.expect(&format!("message {round}"));
    }
}
