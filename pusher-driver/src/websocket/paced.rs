//! A stream that knows where WebSocket frames end, so that a reader's buffer can be exchanged between two of them.

use std::io::{self, Read, Write};

/// Passes bytes on, and on request stops reading at the end of a message.
pub(super) struct Paced<S> {
    pub(super) stream: S,
    /// The HTTP answer, until its end. Nothing behind it is passed on in the same read.
    head: Option<Head>,
    /// What came together with the HTTP answer.
    behind_head: Vec<u8>,
    scan: Scan,
    /// Size in bytes of the reader's buffer, unless that is the largest one.
    buffer_len: Option<usize>,
    /// Whether a read has filled the buffer, so that a larger one pays.
    is_filled: bool,
    /// Whether reading has stopped at the end of a message.
    held: bool,
    /// Bytes since [`Paced::take_len`].
    len: usize,
}

impl<S> Paced<S> {
    pub(super) const fn new(stream: S, buffer_len: Option<usize>) -> Self {
        Self {
            stream,
            head: Some(Head { line_len: 0, has_begun: false }),
            behind_head: Vec::new(),
            scan: Scan::new(),
            buffer_len,
            is_filled: false,
            held: false,
            len: 0,
        }
    }

    /// Sets the size in bytes of the reader's buffer, `None` if it cannot grow any more.
    pub(super) const fn set_buffer_len(&mut self, len: Option<usize>) {
        self.buffer_len = len;
    }

    /// Whether reading has stopped, with `WouldBlock`, because the buffer should grow: the reader has everything, and it
    /// is whole.
    pub(super) const fn is_held(&self) -> bool {
        self.held
    }

    /// Goes on after [`Paced::is_held`].
    pub(super) const fn go_on(&mut self) {
        self.held = false;
        self.is_filled = false;
    }

    /// Whether what was read so far ends with a whole message.
    pub(super) const fn is_at_boundary(&self) -> bool {
        self.scan.is_at_boundary()
    }

    /// Returns how many bytes were read since the last call.
    pub(super) const fn take_len(&mut self) -> usize {
        std::mem::replace(&mut self.len, 0)
    }
}

impl<S: Read> Paced<S> {
    fn read_head(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.stream.read(buffer)?;
        let Some(head) = &mut self.head else { return Ok(len) };
        let Some(end) = head.end(&buffer[..len]) else { return Ok(len) };
        self.head = None;
        self.behind_head = buffer[end..len].to_vec();
        Ok(end)
    }

    fn read_frames(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if !self.behind_head.is_empty() {
            let len = self.behind_head.len().min(buffer.len());
            buffer[..len].copy_from_slice(&self.behind_head[..len]);
            self.behind_head.drain(..len);
            return Ok(len);
        }
        self.stream.read(buffer)
    }
}

impl<S: Read> Read for Paced<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.head.is_some() {
            return self.read_head(buffer);
        }
        let wanted = if self.is_filled { self.scan.to_boundary() } else { buffer.len() };
        if wanted == 0 {
            self.held = true;
            return Err(io::ErrorKind::WouldBlock.into());
        }
        let room = buffer.len();
        let buffer = &mut buffer[..wanted.min(room)];
        let len = self.read_frames(buffer)?;
        self.scan.advance(&buffer[..len]);
        self.len += len;
        // The room shrinks from read to read until the reader starts over, so a small one says nothing.
        if len == room && self.buffer_len.is_some_and(|len| room >= len / 2) {
            self.is_filled = true;
        }
        Ok(len)
    }
}

impl<S: Write> Write for Paced<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

/// How far the HTTP answer has come.
struct Head {
    line_len: usize,
    /// Empty lines before the first one that is not are skipped.
    has_begun: bool,
}

impl Head {
    /// Returns where the empty line at the end of the head ends.
    fn end(&mut self, bytes: &[u8]) -> Option<usize> {
        for (at, byte) in bytes.iter().enumerate() {
            match byte {
                b'\n' if self.line_len == 0 && self.has_begun => return Some(at + 1),
                b'\n' => self.line_len = 0,
                b'\r' => {}
                _ => {
                    self.line_len += 1;
                    self.has_begun = true;
                }
            }
        }
        None
    }
}

/// Where in a sequence of frames we are (RFC 6455, section 5.2). Servers do not mask.
struct Scan {
    place: Place,
    /// Whether a message has begun whose last frame has not come.
    is_fragmented: bool,
}

#[derive(Clone, Copy)]
enum Place {
    /// In a header: its first bytes, and how many there are.
    Header([u8; MAX_HEADER_LEN], usize),
    /// In a payload of which so many bytes are to come.
    Payload(u64),
}

impl Scan {
    const fn new() -> Self {
        Self { place: Place::START, is_fragmented: false }
    }

    const fn is_at_boundary(&self) -> bool {
        matches!(self.place, Place::Header(_, 0)) && !self.is_fragmented
    }

    /// Returns how many bytes can be read without passing the end of a message.
    fn to_boundary(&self) -> usize {
        match self.place {
            Place::Header(_, 0) if !self.is_fragmented => 0,
            Place::Header(header, len) => header_len(&header[..len]) - len,
            Place::Payload(rest) => usize::try_from(rest).unwrap_or(usize::MAX),
        }
    }

    fn advance(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            match &mut self.place {
                Place::Payload(rest) => {
                    let len = usize::try_from(*rest).unwrap_or(usize::MAX).min(bytes.len());
                    *rest -= len as u64;
                    bytes = &bytes[len..];
                    if *rest == 0 {
                        self.place = Place::START;
                    }
                }
                // The usual case: the whole header is there.
                Place::Header(_, 0) if header_len(bytes) <= bytes.len() => {
                    let (header, behind) = bytes.split_at(header_len(bytes));
                    bytes = behind;
                    self.enter(header);
                }
                Place::Header(header, len) => {
                    header[*len] = bytes[0];
                    *len += 1;
                    bytes = &bytes[1..];
                    let (header, len) = (*header, *len);
                    if len == header_len(&header[..len]) {
                        self.enter(&header[..len]);
                    }
                }
            }
        }
    }

    /// Goes on behind a whole header.
    fn enter(&mut self, header: &[u8]) {
        let is_control = header[0] & 0x08 != 0;
        if !is_control {
            self.is_fragmented = header[0] & 0x80 == 0;
        }
        self.place = match payload_len(header) {
            0 => Place::START,
            len => Place::Payload(len),
        };
    }
}

impl Place {
    const START: Self = Self::Header([0; MAX_HEADER_LEN], 0);
}

/// The length of a header of which these are the first bytes, as far as they tell.
fn header_len(header: &[u8]) -> usize {
    match header.get(1).map(|byte| byte & 0x7f) {
        Some(126) => 4,
        Some(127) => MAX_HEADER_LEN,
        Some(_) | None => 2,
    }
}

/// The payload's length, from a whole header.
fn payload_len(header: &[u8]) -> u64 {
    let extended = header.get(2..).unwrap_or_default();
    if extended.is_empty() {
        return header.get(1).map_or(0, |byte| u64::from(byte & 0x7f));
    }
    extended.iter().fold(0, |len, byte| len << 8 | u64::from(*byte))
}

/// Longest header of a frame without a mask, in bytes.
const MAX_HEADER_LEN: usize = 10;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ends_of_messages_are_known_wherever_reads_end() {
        let frame = |first: u8, header: &[u8], len: usize| [&[first][..], header, &vec![0; len]].concat();
        let messages = [
            frame(0x81, &[10], 10),
            frame(0x81, &[0], 0),
            [
                frame(0x01, &[126, 0, 200], 200),
                frame(0x89, &[4], 4),
                frame(0x00, &[0], 0),
                frame(0x80, &[127, 0, 0, 0, 0, 0, 1, 0, 2], 65_538),
            ]
            .concat(),
            frame(0x82, &[126, 1, 0], 256),
        ];
        for read_len in [1, 2, 3, 7, 100, 1_000, 100_000] {
            let mut scan = Scan::new();
            for message in &messages {
                let mut rest = &message[..];
                while !rest.is_empty() {
                    let len = if scan.is_at_boundary() { read_len } else { read_len.min(scan.to_boundary()) };
                    assert!(len > 0, "there is more of the message");
                    let (read, behind) = rest.split_at(len.min(rest.len()));
                    scan.advance(read);
                    rest = behind;
                    assert_eq!(scan.is_at_boundary(), rest.is_empty(), "{} left, read by {read_len}", rest.len());
                    assert!(scan.to_boundary() <= rest.len(), "the next message is not touched");
                }
            }
        }
    }
}
