//! A WebSocket over streams that a test controls.

mod reading;
mod sending;
mod upgrading;

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use pusher_proto::{
    Action, Client, CloseFrame, CloseReason, Config, ConnectRequest, Endpoint, Frame, Instant, Text, TransportError,
};
use pusher_session::adapter::MAX_OUTPUT_LEN;
use sha1::{Digest, Sha1};

use super::open::WRITE_BUFFER_LEN;
use super::{Handshake, Limits, NonBlocking, WebSocket};
use crate::socket::{Received, Socket};

/// A stream whose peer is the test.
#[derive(Clone, Default)]
struct Pipe(Arc<Mutex<Ends>>);

#[derive(Default)]
struct Ends {
    to_client: VecDeque<u8>,
    from_client: Vec<u8>,
    is_closed: bool,
    is_stuffed: bool,
    is_flushed: bool,
    /// Whether the peer never stops, see [`Flood`].
    floods: bool,
    /// The task that waits for the stream.
    waker: Option<Waker>,
    /// The error that every call returns.
    error: Option<io::ErrorKind>,
}

impl Pipe {
    fn give(&self, bytes: &[u8]) {
        self.0.lock().unwrap().to_client.extend(bytes);
    }

    fn sent(&self) -> Vec<u8> {
        std::mem::take(&mut self.0.lock().unwrap().from_client)
    }

    fn open(&self) -> WebSocket<Self> {
        let mut handshake = Handshake::new(self.clone(), &request(), limits());
        assert!(handshake.poll(Waker::noop()).is_pending());
        self.give(switching_protocols(&String::from_utf8(self.sent()).unwrap()).as_bytes());
        let Poll::Ready(Ok(socket)) = handshake.poll(Waker::noop()) else { panic!("the handshake is complete") };
        socket
    }
}

impl NonBlocking for Pipe {
    fn set_waker(&mut self, waker: &Waker) {
        self.0.lock().unwrap().waker = Some(waker.clone());
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut ends = self.0.lock().unwrap();
        if let Some(error) = ends.error {
            return Err(error.into());
        }
        if ends.to_client.is_empty() && !ends.is_closed {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        ends.to_client.read(buffer)
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut ends = self.0.lock().unwrap();
        if let Some(error) = ends.error {
            return Err(error.into());
        }
        if ends.is_stuffed {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        ends.is_flushed = false;
        ends.from_client.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.lock().unwrap().is_flushed = true;
        Ok(())
    }
}

fn limits() -> Limits {
    let config = Config::builder("key", Endpoint::cluster("eu")).max_frame_len(1_000_000).build().unwrap();
    Limits::new(&config)
}

fn request() -> ConnectRequest {
    request_to(Endpoint::host("::1").ws_port(80).tls(false).header("Origin", "https://example.com"))
}

fn request_to(endpoint: Endpoint) -> ConnectRequest {
    let mut client = Client::new(Config::new("key", endpoint).unwrap(), 1);
    client.connect();
    loop {
        match client.poll_action(Instant::ZERO) {
            Some(Action::Connect(_, request)) => return request,
            Some(_) => {}
            None => panic!("a client that connects opens a socket"),
        }
    }
}

fn switching_protocols(request: &str) -> String {
    let key = request.lines().find_map(|line| line.strip_prefix("Sec-WebSocket-Key: ")).unwrap();
    let accept = Sha1::digest(format!("{key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11"));
    let accept = STANDARD.encode(accept);
    // As sent by some proxies.
    let headers = "Connection: keep-alive, Upgrade\r\nUpgrade: WebSocket\r\n";
    format!("HTTP/1.1 101 Switching Protocols\r\n{headers}Sec-WebSocket-Accept: {accept}\r\n\r\n")
}

fn server_frame(first_byte: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first_byte];
    match payload.len() {
        len @ 0..=125 => frame.push(len as u8),
        len @ 126..=0xffff => {
            frame.push(126);
            frame.extend((len as u16).to_be_bytes());
        }
        len => {
            frame.push(127);
            frame.extend((len as u64).to_be_bytes());
        }
    }
    frame.extend(payload);
    frame
}

/// Payload of a short frame of the client, which is masked.
fn unmasked(frame: &[u8]) -> Vec<u8> {
    let (mask, masked) = frame[2..].split_at(4);
    masked.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask).collect()
}

fn text(len: usize) -> (Vec<u8>, Frame) {
    let text = "x".repeat(len);
    (server_frame(TEXT, text.as_bytes()), Frame::Text(text.into()))
}

/// A stream that always has more of the same.
struct Flood {
    pipe: Pipe,
    bytes: &'static [u8],
    at: usize,
    reads: Arc<Mutex<usize>>,
}

impl Flood {
    /// An open socket that continues with these bytes forever, and how often it was read.
    fn open(bytes: &'static [u8]) -> (WebSocket<Self>, Arc<Mutex<usize>>) {
        let reads = Arc::new(Mutex::new(0));
        let pipe = Pipe::default();
        let flood = Self { pipe: pipe.clone(), bytes, at: 0, reads: Arc::clone(&reads) };
        let mut handshake = Handshake::new(flood, &request(), limits());
        assert!(handshake.poll(Waker::noop()).is_pending());
        pipe.give(switching_protocols(&String::from_utf8(pipe.sent()).unwrap()).as_bytes());
        let Poll::Ready(Ok(socket)) = handshake.poll(Waker::noop()) else { panic!("the handshake is complete") };
        pipe.0.lock().unwrap().floods = true;
        (socket, reads)
    }
}

impl NonBlocking for Flood {
    fn set_waker(&mut self, waker: &Waker) {
        self.pipe.set_waker(waker);
    }
}

impl Read for Flood {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.pipe.0.lock().unwrap().floods {
            return self.pipe.read(buffer);
        }
        *self.reads.lock().unwrap() += 1;
        for byte in &mut *buffer {
            *byte = self.bytes[self.at];
            self.at = (self.at + 1) % self.bytes.len();
        }
        Ok(buffer.len())
    }
}

impl Write for Flood {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.pipe.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pipe.flush()
    }
}

#[derive(Default)]
struct Wakes(AtomicUsize);

impl std::task::Wake for Wakes {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// An empty frame that neither begins nor ends a message.
const CONTINUATION: [u8; 2] = [0x00, 0x00];
const TEXT: u8 = 0x81;
const PING: u8 = 0x89;
const CLOSE: u8 = 0x88;

struct NoTask;

impl std::task::Wake for NoTask {
    fn wake(self: Arc<Self>) {}
}
