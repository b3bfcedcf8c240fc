//! Running programs, and their output.

use std::process::Stdio;
use std::time::Duration;

use pusher_server::{Options, Server};
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// A program that was started, and ends with the test.
pub(crate) struct Program {
    child: Child,
    stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Program {
    /// Starts a program with arguments, at `server`.
    pub(crate) fn start(path: &str, args: &[&str], server: &Server) -> Self {
        let mut child = command(path, args, server)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { stdin: child.stdin.take(), lines, child }
    }

    /// The next line that contains `part`; others before it are skipped.
    pub(crate) async fn line_with(&mut self, part: &str) -> String {
        loop {
            let line = self.next_line().await;
            let line = line.unwrap_or_else(|| panic!("the program ended before it printed {part:?}"));
            if line.contains(part) {
                return line;
            }
        }
    }

    pub(crate) async fn next_line(&mut self) -> Option<String> {
        timeout(LIMIT, self.lines.next_line()).await.expect("the program printed nothing for a while").unwrap()
    }

    pub(crate) async fn write(&mut self, text: &str) {
        let stdin = self.stdin.as_mut().unwrap();
        stdin.write_all(text.as_bytes()).await.unwrap();
        stdin.flush().await.unwrap();
    }

    /// Ends the input, and waits until the program ends with a success.
    pub(crate) async fn close_input(mut self) {
        self.stdin = None;
        let status = timeout(LIMIT, self.child.wait()).await.expect("the program did not end with its input").unwrap();
        assert!(status.success(), "{status}");
    }
}

/// Runs a program to its end; returns whether it was a success, and its errors.
pub(crate) async fn run(path: &str, args: &[&str], server: &Server) -> (bool, String) {
    let output = timeout(LIMIT, command(path, args, server).kill_on_drop(true).output()).await;
    let output = output.expect("the program did not end").unwrap();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

pub(crate) async fn server() -> Server {
    Server::start(Options::default()).await.unwrap()
}

fn command(path: &str, args: &[&str], server: &Server) -> Command {
    let mut command = Command::new(path);
    command
        .args(args)
        .env("PUSHER_URL", server.ws_url())
        .env("PUSHER_API", server.http_url())
        .env("PUSHER_AUTH", format!("{}/pusher/auth", server.http_url()))
        .env("LISTEN", "127.0.0.1:0")
        .env("PUSHER_JS", "/pusher.js");
    for name in ["PUSHER_APP_ID", "PUSHER_KEY", "PUSHER_SECRET", "PUSHER_MASTER_KEY"] {
        command.env_remove(name);
    }
    command
}

pub(crate) const LIMIT: Duration = Duration::from_secs(60);
