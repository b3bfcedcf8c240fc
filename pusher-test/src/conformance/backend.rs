//! An auth endpoint whose answers a scenario determines, byte for byte.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::time::Duration;

use pusher_driver::HttpAuth;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

use super::faults::next_connection;
use super::stage::{PATIENCE, SERVERS};

/// An HTTP server that only knows where a request ends.
pub(crate) struct Backend {
    address: SocketAddr,
    requests: Receiver<String>,
    /// How many connections there were.
    connections: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

/// The answer to a request.
#[derive(Clone, Debug)]
pub(crate) enum Answer {
    /// These bytes; the connection stays.
    Say(String),
    /// The first text, then the second one repeatedly.
    Flood(&'static str, &'static str),
    /// The same with pauses, so that each read returns little.
    Trickle(&'static str),
    /// Nothing, and the connection ends.
    Close,
    /// Nothing.
    Hang,
}

impl Answer {
    pub(crate) fn new(status: &str, headers: &str, body: &str) -> Self {
        Self::Say(format!("HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len()))
    }
}

impl Backend {
    /// Answers the first request with the first answer, and so on; the last answer is used for all further requests.
    pub(crate) fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let listener = SERVERS.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port for an auth endpoint");
        let address = listener.local_addr().expect("the auth endpoint's port");
        let (sender, requests) = mpsc::channel();
        let answers: Vec<Answer> = answers.into_iter().collect();
        let connections = Arc::new(AtomicUsize::new(0));
        let accepted = Arc::clone(&connections);
        let accepting = SERVERS.spawn(async move {
            let count = Arc::new(AtomicUsize::new(0));
            loop {
                let (stream, _) = next_connection(|| listener.accept()).await;
                accepted.fetch_add(1, Ordering::SeqCst);
                let (answers, sender, count) = (answers.clone(), sender.clone(), Arc::clone(&count));
                tokio::spawn(async move {
                    // The client may abandon the request.
                    let _ = serve(stream, &answers, &sender, &count).await;
                });
            }
        });
        Self { address, requests, connections, accepting }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}/broadcasting/auth", self.address)
    }

    pub(crate) fn auth(&self) -> HttpAuth {
        HttpAuth::new(format!("{}?token=t0ken", self.url()))
    }

    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The next request: its head, an empty line, its body.
    pub(crate) fn request(&self) -> String {
        self.requests
            .recv_timeout(PATIENCE)
            .expect("expected a request to the auth endpoint, but none came within 20 s")
    }
}

impl Drop for Backend {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn serve(
    mut stream: TcpStream,
    answers: &[Answer],
    requests: &Sender<String>,
    count: &AtomicUsize,
) -> io::Result<()> {
    loop {
        let request = read_request(&mut stream).await?;
        let place = count.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1);
        // The scenario may have ended.
        let _ = requests.send(request);
        match &answers[place] {
            Answer::Say(text) => stream.write_all(text.as_bytes()).await?,
            Answer::Flood(first, then) => {
                let flood = then.repeat(16 * 1_024 / then.len());
                stream.write_all(first.as_bytes()).await?;
                loop {
                    stream.write_all(flood.as_bytes()).await?;
                }
            }
            Answer::Trickle(text) => loop {
                stream.write_all(text.as_bytes()).await?;
                tokio::time::sleep(Duration::from_millis(2)).await;
            },
            Answer::Close => return Ok(()),
            Answer::Hang => drop(stream.read(&mut [0; 1]).await?),
        }
    }
}

async fn read_request(stream: &mut TcpStream) -> io::Result<String> {
    let mut request = String::new();
    while !is_complete(&request) {
        let mut buffer = [0; 4_096];
        let len = stream.read(&mut buffer).await?;
        if len == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        request += &String::from_utf8_lossy(&buffer[..len]);
    }
    Ok(request)
}

fn is_complete(request: &str) -> bool {
    let Some((head, body)) = request.split_once("\r\n\r\n") else { return false };
    let len = head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-length: ")?.parse().ok());
    body.len() >= len.unwrap_or(0)
}
