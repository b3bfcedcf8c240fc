//! An event loop of your own: `mio`, one thread for the connection, and a `Session`.
//!
//! ```sh
//! cargo run -p pusher-cli -- serve
//! cargo run -p pusher-examples --bin mio-loop -- chat private-orders
//! ```
//!
//! It prints events as lines. Other servers by environment variables: `PUSHER_URL` (without TLS), `PUSHER_KEY` and
//! `PUSHER_AUTH`. For TLS, put `rustls::StreamOwned` around the TCP stream.

use std::error::Error;
use std::io::{self, ErrorKind, Read, Write};
use std::net::ToSocketAddrs;
use std::sync::{Arc, mpsc};
use std::thread;
use std::time::{self, Duration};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Registry, Token, Waker};
use pusher_session::pusher_proto::{
    AuthBody, AuthError, AuthRequest, AuthResponse, ChannelName, CloseReason, Config, ConnectRequest, Event, Instant,
    SocketEpoch,
};
use pusher_session::{Action, Session, close_reason};

fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let auth_url = setting("PUSHER_AUTH", "http://127.0.0.1:6001/pusher/auth");
    let config = Config::new(setting("PUSHER_KEY", "app-key"), setting("PUSHER_URL", "ws://127.0.0.1:6001"))?;
    let mut seed = [0; 32];
    getrandom::fill(&mut seed)?;
    let mut session = Session::new(config, seed);
    for channel in std::env::args().skip(1) {
        session.subscribe(ChannelName::new(channel)?);
    }
    session.connect();

    let start = time::Instant::now();
    let now = || Instant::from_elapsed(start.elapsed());
    let mut poll = Poll::new()?;
    let mut readiness = Events::with_capacity(16);
    let waker = Arc::new(Waker::new(poll.registry(), Token(1))?);
    let (to_loop, answers) = mpsc::channel();
    // The one in use, and others that are saying goodbye.
    let mut streams: Vec<(SocketEpoch, TcpStream)> = Vec::new();
    let mut has_more = false;
    loop {
        while let Some(action) = session.poll_action(now()) {
            match action {
                Action::Connect(socket, request) => match open(&request, poll.registry()) {
                    Ok(stream) => streams.push((socket, stream)),
                    Err(error) => session.handle_end(socket, close_reason(&error)),
                },
                Action::Close(socket) => streams.retain(|(other, _)| *other != socket),
                Action::RequestAuth(request) => {
                    let (to_loop, waker, url) = (to_loop.clone(), Arc::clone(&waker), auth_url.clone());
                    thread::spawn(move || {
                        let answer = authorize(&url, &request);
                        let answer = answer.unwrap_or_else(|error| Err(AuthError::Network(error.to_string())));
                        // The loop may have ended.
                        let _ = to_loop.send((request.id, answer)).map(|()| waker.wake());
                    });
                }
                // An answer that comes all the same is ignored.
                Action::CancelAuth(_) => {}
                Action::Emit(Event::Channel(event)) => {
                    println!("{} {}: {}", event.channel(), event.event(), event.data().text());
                }
                Action::Emit(event) => println!("{event:?}"),
            }
        }
        for (socket, stream) in &mut streams {
            write(&mut session, *socket, stream);
        }
        let until_deadline = session.poll_timeout().map(|at| at.since(now()));
        match poll.poll(&mut readiness, if has_more { Some(Duration::ZERO) } else { until_deadline }) {
            Err(error) if error.kind() != ErrorKind::Interrupted => return Err(error.into()),
            Ok(()) | Err(_) => {}
        }
        while let Ok((id, answer)) = answers.try_recv() {
            session.handle_auth(id, answer, now());
        }
        has_more = false;
        for (socket, stream) in &mut streams {
            // The poller reports changes only: read until the stream has no more, one buffer in each turn.
            has_more |= read(&mut session, *socket, stream);
        }
    }
}

/// Begins to connect. Looking up the name blocks; a program that minds does it in a thread.
fn open(request: &ConnectRequest, registry: &Registry) -> io::Result<TcpStream> {
    if request.tls {
        return Err(io::Error::other("this program has no TLS"));
    }
    let address = (request.host.as_str(), request.port).to_socket_addrs()?.next();
    let mut stream = TcpStream::connect(address.ok_or(ErrorKind::AddrNotAvailable)?)?;
    registry.register(&mut stream, Token(0), Interest::READABLE | Interest::WRITABLE)?;
    Ok(stream)
}

fn write(session: &mut Session, socket: SocketEpoch, stream: &mut TcpStream) {
    while let output @ [_, ..] = session.poll_output(socket) {
        match stream.write(output) {
            Ok(len) => session.handle_written(socket, len),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            // Not connected yet, or the peer is slow. If the stream has failed, reading says so.
            Err(_) => break,
        }
    }
}

/// Returns whether there may be more.
fn read(session: &mut Session, socket: SocketEpoch, stream: &mut TcpStream) -> bool {
    match stream.read(session.read_buffer(socket)) {
        Ok(0) => session.handle_end(socket, CloseReason::Dropped),
        Ok(len) => session.handle_read(socket, len),
        Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected) => return false,
        Err(error) if error.kind() == ErrorKind::Interrupted => {}
        Err(error) => session.handle_end(socket, close_reason(&error)),
    }
    true
}

/// Asks the auth endpoint. Any HTTP client will do.
fn authorize(url: &str, request: &AuthRequest) -> io::Result<Result<AuthResponse, AuthError>> {
    let (host, path) = url.trim_start_matches("http://").split_once('/').ok_or(ErrorKind::InvalidInput)?;
    let body = request.body(AuthBody::Form, &[("", ""); 0]);
    let mut stream = std::net::TcpStream::connect(host)?;
    let (kind, len) = (AuthBody::Form.content_type(), body.len());
    write!(
        stream,
        "POST /{path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\n\r\n{body}"
    )?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(ErrorKind::InvalidData)?;
    Ok(AuthResponse::from_http(status, body.as_bytes(), None))
}
