//! A runtime of your own: the threads of the standard library around `pusher-session`.
//!
//! One thread for each client owns the session and takes inputs from a channel: calls of the application, what was read,
//! and answers of the auth endpoint. Reading and asking block, so they have threads of their own.

use std::collections::HashMap;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::mpsc::{self, Receiver, Sender, SyncSender};
use std::thread;
use std::time::{self, Duration};

use pusher_session::pusher_proto::{
    AuthBody, AuthError, AuthRequest, AuthResponse, AuthSubject, ChannelName, CloseReason, Config, Event, Instant,
    SocketEpoch,
};
use pusher_session::{Action, Session, close_reason};

/// Where to ask for authorizations, and what to send along.
#[derive(Clone)]
pub(crate) struct Auth {
    pub(crate) url: String,
    pub(crate) user_url: String,
    pub(crate) params: Vec<(String, String)>,
}

/// A client, which ends when it is dropped.
pub(crate) struct Client {
    inputs: SyncSender<Input>,
    pub(crate) events: Receiver<Event>,
}

/// What the loop does between two turns: a call of the application, what was read, or an answer of the auth endpoint.
type Input = Box<dyn FnOnce(&mut Loop) + Send>;

impl Client {
    pub(crate) fn start(config: Config, auth: Auth, close_timeout: Duration) -> Self {
        // A server that sends more than the loop takes waits, and so do calls.
        let (inputs, incoming) = mpsc::sync_channel(16);
        let (all, events) = mpsc::channel();
        let mut seed = [0; 32];
        getrandom::fill(&mut seed).expect("the system has randomness");
        let session = Session::new(config, seed).close_timeout(close_timeout);
        let (start, to_loop) = (time::Instant::now(), inputs.clone());
        let (streams, channels) = (HashMap::new(), HashMap::new());
        let client = Loop { session, start, auth, to_loop, all, channels, streams, end: None, awaiting: Vec::new() };
        thread::spawn(move || client.run(&incoming));
        Self { inputs, events }
    }

    /// Calls the session on its thread.
    pub(crate) fn call(&self, call: impl FnOnce(&mut Session, Instant) + Send + 'static) {
        self.send(|client| {
            let now = client.now();
            call(&mut client.session, now);
        });
    }

    /// Subscribes to a channel, and returns its events.
    pub(crate) fn subscribe(&self, channel: ChannelName) -> Receiver<Event> {
        let (sender, events) = mpsc::channel();
        self.send(move |client| {
            client.channels.insert(channel.clone(), sender);
            client.session.subscribe(channel);
        });
        events
    }

    /// Says goodbye, and ends within `limit`.
    pub(crate) fn shut_down(&self, limit: Duration) {
        let (sender, ended) = mpsc::channel::<()>();
        self.send(move |client| client.leave(limit, Some(sender)));
        // Nothing is ever sent: the sender is dropped at the end.
        let _ = ended.recv_timeout(limit);
    }

    fn send(&self, input: impl FnOnce(&mut Loop) + Send + 'static) {
        // After its end, a client does nothing.
        let _ = self.inputs.send(Box::new(input));
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        self.send(|client| client.leave(Duration::from_millis(200), None));
    }
}

struct Loop {
    session: Session,
    start: time::Instant,
    auth: Auth,
    to_loop: SyncSender<Input>,
    all: Sender<Event>,
    channels: HashMap<ChannelName, Sender<Event>>,
    /// Those that are being opened have none yet.
    streams: HashMap<SocketEpoch, Option<TcpStream>>,
    /// When it ends at the latest, once the application shuts it down. The limit may be too far away to be a time.
    end: Option<Option<time::Instant>>,
    awaiting: Vec<Sender<()>>,
}

impl Loop {
    fn now(&self) -> Instant {
        Instant::from_elapsed(self.start.elapsed())
    }

    fn run(mut self, incoming: &Receiver<Input>) {
        loop {
            while let Some(action) = self.session.poll_action(self.now()) {
                self.act(action);
            }
            for (socket, stream) in &mut self.streams {
                if let Some(stream) = stream {
                    write(&mut self.session, *socket, stream);
                }
            }
            let until_end = self.end.flatten().map(|at| at.saturating_duration_since(time::Instant::now()));
            if self.end.is_some() && (!self.session.has_streams() || until_end == Some(Duration::ZERO)) {
                break;
            }
            let until_deadline = self.session.poll_timeout().map(|at| at.since(self.now()));
            let has_output = self.streams.keys().any(|socket| !self.session.poll_output(*socket).is_empty());
            let until_write = has_output.then_some(WRITE_AGAIN);
            let limit = [until_end, until_deadline, until_write].into_iter().flatten().min();
            if let Ok(input) = incoming.recv_timeout(limit.unwrap_or(Duration::MAX)) {
                input(&mut self);
            }
        }
        // Threads that read end with their streams.
        for stream in self.streams.into_values().flatten() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn leave(&mut self, limit: Duration, awaiting: Option<Sender<()>>) {
        self.session.disconnect();
        self.end = Some(time::Instant::now().checked_add(limit));
        self.awaiting.extend(awaiting);
    }

    fn act(&mut self, action: Action) {
        let to_loop = self.to_loop.clone();
        match action {
            Action::Connect(socket, request) if request.tls => {
                self.session.handle_end(socket, CloseReason::TlsUnavailable);
            }
            Action::Connect(socket, request) => {
                self.streams.insert(socket, None);
                thread::spawn(move || read(socket, (request.host.as_str(), request.port), &to_loop));
            }
            Action::Close(socket) => {
                if let Some(Some(stream)) = self.streams.remove(&socket) {
                    let _ = stream.shutdown(Shutdown::Both);
                }
            }
            Action::RequestAuth(request) => {
                let auth = self.auth.clone();
                thread::spawn(move || {
                    let answer =
                        ask(&auth, &request).unwrap_or_else(|error| Err(AuthError::Network(error.to_string())));
                    let input = move |client: &mut Self| client.session.handle_auth(request.id, answer, client.now());
                    to_loop.send(Box::new(input))
                });
            }
            // The answer is ignored when it comes.
            Action::CancelAuth(_) => {}
            Action::Emit(event) => {
                let event = event.detached();
                if let Some(events) = event.channel().and_then(|channel| self.channels.get(channel)) {
                    let _ = events.send(event.clone());
                }
                let _ = self.all.send(event);
            }
        }
    }
}

/// The thread of a stream. It ends with the stream, or with the loop.
fn read(socket: SocketEpoch, address: (&str, u16), to_loop: &SyncSender<Input>) {
    let reason =
        read_all(socket, address, to_loop).map_or_else(|error| close_reason(&error), |()| CloseReason::Dropped);
    let _ = to_loop.send(Box::new(move |client| client.session.handle_end(socket, reason)));
}

fn read_all(socket: SocketEpoch, address: (&str, u16), to_loop: &SyncSender<Input>) -> io::Result<()> {
    let send = |input: Input| to_loop.send(input).map_err(|_| ErrorKind::NotConnected);
    let mut stream = TcpStream::connect(address)?;
    let writer = stream.try_clone()?;
    writer.set_nodelay(true)?;
    writer.set_write_timeout(Some(WRITE_AGAIN))?;
    // If the session has given the socket up in the meantime, the stream is dropped.
    send(Box::new(move |client| drop(client.streams.get_mut(&socket).map(|place| place.replace(writer)))))?;
    let mut buffer = vec![0; 16 * 1_024];
    loop {
        match stream.read(&mut buffer)? {
            0 => return Ok(()),
            len => {
                let bytes = buffer[..len].to_vec();
                send(Box::new(move |client| client.session.handle_bytes(socket, &bytes)))?;
            }
        }
    }
}

/// Writes what there is to write, until the peer does not take more for now.
fn write(session: &mut Session, socket: SocketEpoch, stream: &mut TcpStream) {
    while let output @ [_, ..] = session.poll_output(socket) {
        match stream.write(output) {
            Ok(len) => session.handle_written(socket, len),
            // If the stream has failed, reading says so.
            Err(_) => return,
        }
    }
}

/// Asks the auth endpoint. Any HTTP client will do.
fn ask(auth: &Auth, request: &AuthRequest) -> io::Result<Result<AuthResponse, AuthError>> {
    let is_user = request.subject == AuthSubject::User;
    let url = if is_user { &auth.user_url } else { &auth.url };
    let (host, path) = url.trim_start_matches("http://").split_once('/').ok_or(ErrorKind::InvalidInput)?;
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let body = request.body(AuthBody::Form, &auth.params);
    let (kind, len) = (AuthBody::Form.content_type(), body.len());
    let head =
        format!("POST /{path} HTTP/1.0\r\nHost: {host}\r\nContent-Type: {kind}\r\nContent-Length: {len}\r\n\r\n");
    stream.write_all((head + &body).as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    let (head, body) = answer.split_once("\r\n\r\n").ok_or(ErrorKind::UnexpectedEof)?;
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).ok_or(ErrorKind::InvalidData)?;
    Ok(AuthResponse::from_http(status, body.as_bytes(), None))
}

const WRITE_AGAIN: Duration = Duration::from_millis(10);
