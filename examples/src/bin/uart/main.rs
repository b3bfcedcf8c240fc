//! A device without an operating system, whose serial port is played by this program: `device.rs` is the whole device.
//!
//! ```sh
//! cargo run -p pusher-cli -- serve
//! cargo run -p pusher-examples --bin uart -- sensors
//! ```
//!
//! It prints what the device shows. Other servers by environment variables: `PUSHER_URL` (without TLS) and `PUSHER_KEY`.
//! `.ci/no-std` links the same `device.rs` into a program without `std`.

mod device;

use std::error::Error;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::thread;
use std::time::{Duration, Instant};

use device::{Board, Device};
use pusher_session::pusher_proto::ChannelName;

/// A modem that connects over the network of this machine.
struct FakeBoard {
    start: Instant,
    line: Option<TcpStream>,
    is_online: bool,
}

impl Board for FakeBoard {
    fn dial(&mut self, host: &str, port: u16) -> bool {
        let line = TcpStream::connect((host, port)).and_then(|line| line.set_nonblocking(true).map(|()| line));
        self.line = line.ok();
        self.is_online = self.line.is_some();
        self.is_online
    }

    fn is_online(&self) -> bool {
        self.is_online
    }

    fn hang_up(&mut self) {
        self.line = None;
        self.is_online = false;
    }

    fn transmit(&mut self, bytes: &[u8]) -> usize {
        let Some(line) = &mut self.line else { return 0 };
        // As many as a common UART holds.
        line.write(&bytes[..bytes.len().min(16)]).unwrap_or(0)
    }

    fn receive(&mut self, buffer: &mut [u8]) -> usize {
        let Some(line) = &mut self.line else { return 0 };
        let len = buffer.len().min(16);
        match line.read(&mut buffer[..len]) {
            Ok(len) if len > 0 => len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => 0,
            Ok(_) | Err(_) => {
                self.is_online = false;
                0
            }
        }
    }

    fn uptime(&self) -> Duration {
        self.start.elapsed()
    }

    fn random(&mut self) -> [u8; 32] {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).expect("the operating system has random bytes");
        bytes
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let (key, url) = (setting("PUSHER_KEY", "app-key"), setting("PUSHER_URL", "ws://127.0.0.1:6001"));
    let channels: Result<Vec<_>, _> = std::env::args().skip(1).map(ChannelName::new).collect();
    let board = FakeBoard { start: Instant::now(), line: None, is_online: false };
    let mut device = Device::new(board, &key, &url, &channels?)?;
    loop {
        device.turn(|event, data| println!("{event} {data}"));
        thread::sleep(Duration::from_micros(200));
    }
}
