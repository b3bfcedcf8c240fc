//! The program of the device: `no_std`, with a modem behind a serial port as the only way to the network.

extern crate alloc;

use alloc::string::String;
use core::time::Duration;

use pusher_session::pusher_proto::{
    AuthError, ChannelName, CloseReason, Config, Event, Instant, InvalidConfig, SocketEpoch,
};
use pusher_session::{Action, Session};

/// What the device's hardware can do. The modem has one connection at a time.
pub(crate) trait Board {
    /// Lets the modem connect. Returns whether it has begun to.
    fn dial(&mut self, host: &str, port: u16) -> bool;
    /// Whether the modem has a connection, or is connecting.
    fn is_online(&self) -> bool;
    fn hang_up(&mut self);
    /// Puts bytes into the serial port, and returns how many it took.
    fn transmit(&mut self, bytes: &[u8]) -> usize;
    /// Takes bytes from the serial port, and returns how many there were.
    fn receive(&mut self, buffer: &mut [u8]) -> usize;
    fn uptime(&self) -> Duration;
    /// Bytes of the hardware's random number generator.
    fn random(&mut self) -> [u8; 32];
}

pub(crate) struct Device<B> {
    board: B,
    session: Session,
    socket: Option<SocketEpoch>,
}

impl<B: Board> Device<B> {
    pub(crate) fn new(mut board: B, key: &str, url: &str, channels: &[ChannelName]) -> Result<Self, InvalidConfig> {
        // A small device cannot hold more; a larger message is reported and skipped.
        let config = Config::builder(key, url).max_frame_len(4 * 1_024).build()?;
        let mut session = Session::new(config, board.random());
        for channel in channels {
            session.subscribe(channel.clone());
        }
        session.connect();
        Ok(Self { board, session, socket: None })
    }

    /// One round of the main loop: calls `show` with the name and the payload of every event.
    pub(crate) fn turn(&mut self, mut show: impl FnMut(&str, &str)) {
        let now = Instant::from_elapsed(self.board.uptime());
        while let Some(action) = self.session.poll_action(now) {
            match action {
                Action::Connect(socket, request) => {
                    // An earlier connection may not have said goodbye yet; there is only one.
                    self.board.hang_up();
                    self.socket = Some(socket);
                    if request.tls {
                        self.session.handle_end(socket, CloseReason::TlsUnavailable);
                    } else if !self.board.dial(&request.host, request.port) {
                        self.session.handle_end(socket, CloseReason::Dropped);
                    }
                }
                Action::Close(socket) => {
                    if self.socket.take_if(|current| *current == socket).is_some() {
                        self.board.hang_up();
                    }
                }
                Action::RequestAuth(request) => {
                    let answer = Err(AuthError::Handler(String::from("the device has no account")));
                    self.session.handle_auth(request.id, answer, now);
                }
                Action::CancelAuth(_) => {}
                Action::Emit(Event::Channel(event)) => show(event.event(), &event.data().text()),
                Action::Emit(event) => show(event.name(), ""),
            }
        }
        let Some(socket) = self.socket else { return };
        let len = self.board.transmit(self.session.poll_output(socket));
        self.session.handle_written(socket, len);
        let is_online = self.board.is_online();
        match self.board.receive(self.session.read_buffer(socket)) {
            0 if is_online => {}
            0 => self.session.handle_end(socket, CloseReason::Dropped),
            len => self.session.handle_read(socket, len),
        }
    }
}
