//! The cost of one message, here and in `tungstenite`, without any further processing: text in, a `Text` out.
//!
//! `--only ours|theirs LEN COUNT` reads this many messages and does nothing else, for counting instructions; the
//! difference of two counts is the cost of the messages alone:
//!
//! ```sh
//! valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/deps/frames-… --only ours 100 10000
//! ```

use std::hint::black_box;
use std::io::{self, ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use pusher_websocket::{Limits, Message, Received, WebSocket};
use tungstenite::protocol::{Role, WebSocketConfig, WebSocketContext};

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    if let Some(at) = arguments.iter().position(|argument| argument == "--only") {
        let number = |at: usize| arguments[at].parse().expect("a length and a count");
        let (len, count) = (number(at + 2), number(at + 3));
        let read = if arguments[at + 1] == "ours" { ours } else { theirs };
        assert_eq!(read(&mut Stream::new(len, count)), count);
        return;
    }
    println!("{:>8} {:>12} {:>12} {:>8}", "bytes", "ours, ns", "theirs, ns", "ratio");
    for len in [100, 1_000, 10_000] {
        let count = 200_000_000 / (len + 400);
        let (mut best, mut their_best) = (Duration::MAX, Duration::MAX);
        for _ in 0..5 {
            best = best.min(measure(ours, len, count));
            their_best = their_best.min(measure(theirs, len, count));
        }
        let each = |duration: Duration| duration.as_secs_f64() * 1e9 / count as f64;
        let ratio = best.as_secs_f64() / their_best.as_secs_f64();
        println!("{len:>8} {:>12.1} {:>12.1} {ratio:>8.2}", each(best), each(their_best));
    }
}

fn measure(read: fn(&mut Stream) -> usize, len: usize, count: usize) -> Duration {
    let mut stream = Stream::new(len, count);
    let start = Instant::now();
    assert_eq!(read(&mut stream), count);
    start.elapsed()
}

fn ours(stream: &mut Stream) -> usize {
    let mut socket = WebSocket::new(Limits::new(), b"", || [1, 2, 3, 4]);
    let mut count = 0;
    loop {
        match socket.poll_message() {
            Ok(Received::Message(Message::Text(text))) => {
                black_box(&text);
                count += 1;
            }
            Ok(Received::Message(_) | Received::More) => {}
            Ok(Received::Drained) => match stream.read(socket.read_buffer()) {
                Ok(len) if len > 0 => socket.handle_read(len),
                _ => return count,
            },
            Err(violation) => panic!("{violation}"),
        }
    }
}

fn theirs(stream: &mut Stream) -> usize {
    // As large as our buffer becomes under load, since this buffer cannot grow.
    let config = WebSocketConfig::default().read_buffer_size(64 * 1_024);
    let mut context = WebSocketContext::new(Role::Client, Some(config));
    let mut count = 0;
    loop {
        match context.read(stream) {
            Ok(tungstenite::Message::Text(text)) => {
                black_box(&text);
                count += 1;
            }
            Ok(_) => {}
            Err(_) => return count,
        }
    }
}

/// A number of frames, returned like by a kernel: as much as the reader has room for.
struct Stream {
    frames: Vec<u8>,
    at: usize,
    rest: usize,
}

impl Stream {
    fn new(len: usize, count: usize) -> Self {
        let header = match len {
            0..=125 => vec![0x81, len.to_le_bytes()[0]],
            _ => [&[0x81, 126][..], &len.to_be_bytes()[6..]].concat(),
        };
        let frame = [header, vec![b'x'; len]].concat();
        let rest = frame.len() * count;
        // Whole frames, and more than a read takes.
        Self { frames: frame.repeat(200_000 / frame.len() + 1), at: 0, rest }
    }
}

impl Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = buffer.len().min(self.rest).min(self.frames.len() - self.at);
        if len == 0 {
            return Err(ErrorKind::WouldBlock.into());
        }
        buffer[..len].copy_from_slice(&self.frames[self.at..self.at + len]);
        self.at = (self.at + len) % self.frames.len();
        self.rest -= len;
        Ok(len)
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
