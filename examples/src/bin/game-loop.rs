//! A game loop: `poll` once per frame, without threads, async or a poller.
//!
//! ```sh
//! cargo run -p pusher-cli -- serve
//! cargo run -p pusher-examples --bin game-loop -- world
//! ```
//!
//! It prints the events of each frame. Other servers by environment variables: `PUSHER_URL` (without TLS) and `PUSHER_KEY`.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::thread;
use std::time::{self, Duration};

use pusher_session::pusher_proto::{
    AuthError, ChannelName, CloseReason, Config, ConnectRequest, Event, Instant, InvalidConfig, SocketEpoch,
};
use pusher_session::{Action, Session, close_reason};

/// The network, as a game sees it.
struct Network {
    session: Session,
    start: time::Instant,
    /// One stream is enough: an earlier one that is saying goodbye may be dropped.
    stream: Option<(SocketEpoch, TcpStream)>,
}

impl Network {
    fn new(key: &str, url: &str, seed: [u8; 32]) -> Result<Self, InvalidConfig> {
        let mut session = Session::new(Config::new(key, url)?, seed);
        session.connect();
        Ok(Self { session, start: time::Instant::now(), stream: None })
    }

    /// Does what there is to do, never waits, and passes on the events.
    fn poll(&mut self, mut on_event: impl FnMut(Event)) {
        for _ in 0..READS_PER_FRAME {
            let has_read = self.read();
            let now = Instant::from_elapsed(self.start.elapsed());
            while let Some(action) = self.session.poll_action(now) {
                match action {
                    Action::Connect(socket, request) => match open(&request) {
                        Ok(stream) => self.stream = Some((socket, stream)),
                        Err(error) => self.session.handle_end(socket, close_reason(&error)),
                    },
                    Action::Close(socket) => drop(self.stream.take_if(|(current, _)| *current == socket)),
                    Action::RequestAuth(request) => {
                        let answer = Err(AuthError::Handler("this game has public channels only".into()));
                        self.session.handle_auth(request.id, answer, now);
                    }
                    Action::CancelAuth(_) => {}
                    Action::Emit(event) => on_event(event),
                }
            }
            self.write();
            if !has_read {
                return;
            }
        }
    }

    /// Returns whether there may be more.
    fn read(&mut self) -> bool {
        let Some((socket, stream)) = &mut self.stream else { return false };
        match stream.read(self.session.read_buffer(*socket)) {
            Ok(0) => self.session.handle_end(*socket, CloseReason::Dropped),
            Ok(len) => self.session.handle_read(*socket, len),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => return false,
            Err(error) => self.session.handle_end(*socket, close_reason(&error)),
        }
        true
    }

    fn write(&mut self) {
        let Some((socket, stream)) = &mut self.stream else { return };
        while let output @ [_, ..] = self.session.poll_output(*socket) {
            // If the stream has failed, reading says so.
            let Ok(len) = stream.write(output) else { return };
            self.session.handle_written(*socket, len);
        }
    }
}

/// Connects, which std can do in no other way than waiting. A game that minds does it in a thread, or takes `mio`.
fn open(request: &ConnectRequest) -> io::Result<TcpStream> {
    if request.tls {
        return Err(io::Error::other("this program has no TLS"));
    }
    let address = (request.host.as_str(), request.port).to_socket_addrs()?.next();
    let stream = TcpStream::connect_timeout(&address.ok_or(ErrorKind::AddrNotAvailable)?, Duration::from_millis(200))?;
    stream.set_nonblocking(true)?;
    Ok(stream)
}

fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let mut network =
        Network::new(&setting("PUSHER_KEY", "app-key"), &setting("PUSHER_URL", "ws://127.0.0.1:6001"), seed)?;
    for channel in std::env::args().skip(1) {
        network.session.subscribe(ChannelName::new(channel)?);
    }
    for frame in 0_u64.. {
        network.poll(|event| match event {
            Event::Channel(event) => println!("frame {frame}: {} {}", event.event(), event.data().text()),
            event => println!("frame {frame}: {event:?}"),
        });
        // Move the world, and draw it.
        thread::sleep(Duration::from_millis(16));
    }
    Ok(())
}

/// Buffers of up to 64 KiB that one frame reads.
const READS_PER_FRAME: usize = 4;
