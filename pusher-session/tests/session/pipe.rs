//! The server's end of a stream.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::rc::Rc;

use tungstenite::protocol::frame::coding::CloseCode;
use tungstenite::{Message, WebSocket};

/// Both directions of a stream.
#[derive(Clone, Default)]
pub(crate) struct Pipe(Rc<RefCell<Bytes>>);

#[derive(Default)]
struct Bytes {
    to_server: VecDeque<u8>,
    to_client: VecDeque<u8>,
}

impl Pipe {
    pub(crate) fn give_server(&self, bytes: &[u8]) {
        self.0.borrow_mut().to_server.extend(bytes);
    }

    pub(crate) fn give_client(&self, bytes: &[u8]) {
        self.0.borrow_mut().to_client.extend(bytes);
    }

    /// The next bytes for the client, at most `len`.
    pub(crate) fn take_client(&self, len: usize) -> Vec<u8> {
        let waiting = &mut self.0.borrow_mut().to_client;
        let len = waiting.len().min(len);
        waiting.drain(..len).collect()
    }

    /// Path and query of the upgrade request, once all of it has come.
    fn target(&self) -> Option<String> {
        let head = String::from_utf8_lossy(self.0.borrow_mut().to_server.make_contiguous()).into_owned();
        let is_complete = head.ends_with("\r\n\r\n");
        is_complete.then(|| head.split(' ').nth(1).unwrap().to_owned())
    }
}

impl Read for Pipe {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self.0.borrow_mut().to_server.read(buffer) {
            Ok(0) => Err(io::ErrorKind::WouldBlock.into()),
            result => result,
        }
    }
}

impl Write for Pipe {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.give_client(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A stream with the server at its other end.
pub(crate) struct Line {
    pub(crate) pipe: Pipe,
    /// What the server wrote first, in place of an upgrade.
    answer: Option<&'static [u8]>,
    socket: Option<WebSocket<Pipe>>,
    /// Whether the server has ended the stream, once everything before was read.
    pub(crate) is_ended: bool,
}

/// What came from the client.
pub(crate) enum Heard {
    Opened(String),
    Text(String),
    Control,
    Closed(Option<u16>),
}

impl Line {
    pub(crate) fn new(answer: Option<&'static [u8]>) -> Self {
        Self { pipe: Pipe::default(), answer, socket: None, is_ended: false }
    }

    pub(crate) fn hear(&mut self) -> Option<Heard> {
        let Some(socket) = &mut self.socket else {
            let target = self.pipe.target()?;
            if let Some(answer) = self.answer.take() {
                self.pipe.give_client(answer);
                self.is_ended = true;
            }
            if self.is_ended {
                return None;
            }
            self.socket = Some(tungstenite::accept(self.pipe.clone()).unwrap());
            return Some(Heard::Opened(target));
        };
        match socket.read() {
            Ok(Message::Text(text)) => Some(Heard::Text(text.as_str().to_owned())),
            Ok(Message::Close(frame)) => {
                let _ = socket.flush();
                Some(Heard::Closed(frame.map(|frame| frame.code.into())))
            }
            Ok(_) => Some(Heard::Control),
            Err(tungstenite::Error::Io(error)) if error.kind() == io::ErrorKind::WouldBlock => None,
            // Both have closed, and the server ends the stream (RFC 6455, section 7.1.1).
            Err(_) => {
                self.is_ended = true;
                None
            }
        }
    }

    pub(crate) fn send(&mut self, message: Message) {
        if let Some(socket) = &mut self.socket {
            let _ = socket.send(message);
        }
    }

    pub(crate) fn close(&mut self, code: u16, reason: &str) {
        let frame = tungstenite::protocol::CloseFrame { code: CloseCode::from(code), reason: reason.to_owned().into() };
        if let Some(socket) = &mut self.socket {
            let _ = socket.close(Some(frame));
            let _ = socket.flush();
        }
    }
}
