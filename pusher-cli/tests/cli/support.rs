//! Runs the program and reads what it says.

use std::future::pending;
use std::net::SocketAddr;
use std::process::{Output, Stdio};
use std::time::Duration;

use pusher_server::{Options, Server};
use serde_json::Value;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::process::{Child, ChildStderr, ChildStdout, Command};
use tokio::sync::mpsc::{self, Receiver};
use tokio::time::timeout;

/// How a run ended.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Run {
    /// Panics unless the run failed with this code and one sentence that contains `part`.
    pub(crate) fn expect_failure(&self, code: i32, part: &str) {
        assert_eq!(self.code, Some(code), "{self:?}");
        let errors: Vec<_> = self.stderr.lines().filter(|line| line.starts_with("error:")).collect();
        assert!(errors.len() == 1 && errors[0].contains(part), "{self:?}");
    }

    /// The lines of standard output, as JSON.
    pub(crate) fn json(&self) -> Vec<Value> {
        self.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Runs the program to its end.
pub(crate) async fn pusher(args: &[&str]) -> Run {
    pusher_with(&[], args).await
}

/// Runs the program to its end, with these variables in its environment.
pub(crate) async fn pusher_with(env: &[(&str, &str)], args: &[&str]) -> Run {
    let output = timeout(LIMIT, command(args).envs(env.iter().copied()).stdin(Stdio::null()).output()).await;
    let Output { status, stdout, stderr } = output.expect("the program should have ended").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// Runs the program to its end, with this text at standard input.
pub(crate) async fn pusher_fed(args: &[&str], input: &str) -> Run {
    let mut command = command(args);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A program that ends early does not read everything.
    let _ = stdin.write_all(input.as_bytes()).await;
    drop(stdin);
    let output = timeout(LIMIT, child.wait_with_output()).await;
    let Output { status, stdout, stderr } = output.expect("the program should have ended").unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Run { code: status.code(), stdout: text(stdout), stderr: text(stderr) }
}

/// A run that is still going on; it is killed when this is dropped.
pub(crate) struct Running {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
    errors: Lines<BufReader<ChildStderr>>,
    seen: String,
    seen_errors: String,
}

impl Running {
    pub(crate) fn start(args: &[&str]) -> Self {
        Self::start_with(&[], args)
    }

    pub(crate) fn start_with(env: &[(&str, &str)], args: &[&str]) -> Self {
        let mut command = command(args);
        command.envs(env.iter().copied()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let errors = BufReader::new(child.stderr.take().unwrap()).lines();
        Self { child, lines, errors, seen: String::new(), seen_errors: String::new() }
    }

    /// Reads until a line of standard output contains `part`, and returns that line.
    pub(crate) async fn line_with(&mut self, part: &str) -> String {
        read_until(&mut self.lines, &mut self.seen, part).await
    }

    /// Reads until a line of standard error contains `part`, and returns that line.
    pub(crate) async fn error_with(&mut self, part: &str) -> String {
        read_until(&mut self.errors, &mut self.seen_errors, part).await
    }

    /// Sends a signal, such as `INT`.
    #[cfg(unix)]
    pub(crate) async fn signal(&self, name: &str) {
        let id = self.child.id().expect("the program should still run").to_string();
        assert!(Command::new("kill").args(["-s", name, &id]).status().await.unwrap().success());
    }

    /// Waits for the end.
    pub(crate) async fn end(mut self) -> Run {
        read_all(&mut self.lines, &mut self.seen).await;
        read_all(&mut self.errors, &mut self.seen_errors).await;
        let status = timeout(LIMIT, self.child.wait()).await.expect("the program should have ended").unwrap();
        Run { code: status.code(), stdout: self.seen, stderr: self.seen_errors }
    }
}

async fn read_until(lines: &mut Lines<impl AsyncBufRead + Unpin>, seen: &mut String, part: &str) -> String {
    loop {
        let line = timeout(LIMIT, lines.next_line()).await;
        let line = line.unwrap_or_else(|_| panic!("no line with {part} after:\n{seen}")).unwrap();
        let line = line.unwrap_or_else(|| panic!("no line with {part} in:\n{seen}"));
        *seen += &line;
        seen.push('\n');
        if line.contains(part) {
            return line;
        }
    }
}

async fn read_all(lines: &mut Lines<impl AsyncBufRead + Unpin>, seen: &mut String) {
    while let Some(line) = timeout(LIMIT, lines.next_line()).await.expect("the end").unwrap() {
        *seen += &line;
        seen.push('\n');
    }
}

fn command(args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_pusher"));
    for (name, _) in std::env::vars_os() {
        let lower = name.to_string_lossy().to_ascii_lowercase();
        // A proxy of the environment does not know the servers on this machine.
        if lower.starts_with("pusher_") || lower.ends_with("_proxy") {
            command.env_remove(name);
        }
    }
    command.args(args).kill_on_drop(true);
    command
}

/// A development server with the application `1`, `app-key`, `app-secret`.
pub(crate) async fn server() -> Server {
    Server::start(Options::default()).await.unwrap()
}

/// A development server that restarts on one address.
pub(crate) async fn server_at(options: Options, address: SocketAddr) -> Server {
    Server::start(options.address(address)).await.unwrap()
}

/// A URL where nobody listens, as long as the socket lives: it holds the port.
pub(crate) fn nowhere() -> (String, TcpSocket) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, 1], 0).into()).unwrap();
    (format!("ws://{}", socket.local_addr().unwrap()), socket)
}

/// A server that takes every WebSocket and drops it without a word.
pub(crate) async fn silent_server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("ws://{}", listener.local_addr().unwrap());
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(async move { drop(tokio_tungstenite::accept_async(stream).await) });
        }
    });
    url
}

/// A TCP server that does with each connection what `serve` does, and says that one has come.
pub(crate) async fn tcp_server<F>(serve: impl Fn(TcpStream) -> F + Send + 'static) -> (SocketAddr, Receiver<()>)
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (sender, receiver) = mpsc::channel(64);
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
            // Few tests want to know.
            let _ = sender.try_send(());
        }
    });
    (address, receiver)
}

/// Keeps a connection open and never answers.
pub(crate) async fn hang(stream: TcpStream) {
    let _stream = stream;
    pending::<()>().await;
}

/// Longer than any run should take on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

/// A client of a library, without the proxies of the environment.
pub(crate) fn http_client() -> reqwest::Client {
    // Only the first call installs it.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().build().unwrap()
}
