//! A stream that knows where WebSocket frames end, so that a reader's buffer can be exchanged between two of them, and
//! that stops its reader after a while.

use std::io::{self, Read, Write};
use std::mem;

use crate::pace::Pace;

/// Passes bytes on. It stops reading, with `WouldBlock`, at the end of a message on request, and in any case after as much
/// as one turn may read.
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
    pace: Pace,
    /// Why reading has stopped.
    stop: Stop,
    /// Whether bytes came since [`Paced::take_part`].
    is_fresh: bool,
    /// Bytes since [`Paced::take_len`].
    len: usize,
}

/// Why a read says `WouldBlock`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The stream has no more for now.
    Drained,
    /// The buffer should grow: the reader has everything, and it is whole.
    Held,
    /// As much was read as one turn may take. The stream may have more.
    Yielded,
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
            pace: Pace::turn(),
            stop: Stop::Drained,
            is_fresh: false,
            len: 0,
        }
    }

    /// Sets the size in bytes of the reader's buffer, `None` if it cannot grow any more.
    pub(super) const fn set_buffer_len(&mut self, len: Option<usize>) {
        self.buffer_len = len;
    }

    /// Returns why the last read said `WouldBlock`, and lets the next one go on.
    pub(super) const fn take_stop(&mut self) -> Stop {
        let stop = mem::replace(&mut self.stop, Stop::Drained);
        if matches!(stop, Stop::Held) {
            self.is_filled = false;
        }
        stop
    }

    /// Whether bytes came since the last call that belong to a message which is not complete.
    pub(super) const fn take_part(&mut self) -> bool {
        mem::replace(&mut self.is_fresh, false) && !self.scan.is_at_boundary()
    }

    /// Whether the message that is being read has more frames than any sender needs.
    pub(super) const fn is_in_splinters(&self) -> bool {
        self.scan.fragments > MAX_FRAGMENTS
    }

    /// Whether what was read so far ends with a whole message.
    pub(super) const fn is_at_boundary(&self) -> bool {
        self.scan.is_at_boundary()
    }

    /// Returns how many bytes were read since the last call.
    pub(super) const fn take_len(&mut self) -> usize {
        mem::replace(&mut self.len, 0)
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

    fn read_some(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.head.is_some() {
            return self.read_head(buffer);
        }
        let wanted = if self.is_filled { self.scan.to_boundary() } else { buffer.len() };
        if wanted == 0 {
            return self.stop(Stop::Held);
        }
        let room = buffer.len();
        let buffer = &mut buffer[..wanted.min(room)];
        let len = self.read_frames(buffer)?;
        self.scan.advance(&buffer[..len]);
        if self.is_in_splinters() {
            return Err(io::ErrorKind::InvalidData.into());
        }
        self.is_fresh |= len > 0;
        self.len += len;
        // The room shrinks from read to read until the reader starts over, so a small one says nothing.
        if len == room && self.buffer_len.is_some_and(|len| room >= len / 2) {
            self.is_filled = true;
        }
        Ok(len)
    }

    fn stop(&mut self, stop: Stop) -> io::Result<usize> {
        self.stop = stop;
        Err(io::ErrorKind::WouldBlock.into())
    }
}

impl<S: Read> Read for Paced<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.pace.pauses() {
            return self.stop(Stop::Yielded);
        }
        let read = self.read_some(buffer);
        match &read {
            Ok(len) => self.pace.count(*len),
            Err(_) if self.stop == Stop::Drained => self.pace.rest(),
            Err(_) => {}
        }
        read
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
    /// Frames of the message that has begun, and whose last frame has not come.
    fragments: u32,
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
        Self { place: Place::START, fragments: 0 }
    }

    const fn is_at_boundary(&self) -> bool {
        matches!(self.place, Place::Header(_, 0)) && self.fragments == 0
    }

    /// Returns how many bytes can be read without passing the end of a message.
    fn to_boundary(&self) -> usize {
        match self.place {
            Place::Header(_, 0) if self.fragments == 0 => 0,
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
            let is_last = header[0] & 0x80 != 0;
            self.fragments = if is_last { 0 } else { self.fragments.saturating_add(1) };
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

/// Most frames of one message: twice as many as the test suite Autobahn cuts its largest message into (9.3.1). Frames may be
/// empty, so a bound in bytes alone never ends a message that goes on for ever.
pub(super) const MAX_FRAGMENTS: u32 = 128 * 1_024;

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
