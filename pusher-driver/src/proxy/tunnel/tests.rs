//! Exchanges with proxies that answer anything, over streams that take and give any number of bytes: the tunnel does what
//! a reference does, which has the whole answer in front of it.

use std::io::{self, Read, Write};
use std::task::Poll;

use pusher_proto::adapter::USER_AGENT;
use pusher_proto::{CloseReason, TransportError};

use super::Tunnel;
use crate::proxy::Proxy;

/// One exchange.
#[derive(Clone, Copy, Debug)]
struct Setting {
    is_http: bool,
    has_credentials: bool,
    host: &'static str,
}

impl Setting {
    fn all() -> impl Iterator<Item = Self> {
        let hosts = ["name.example", "127.0.0.1", "::1"];
        (0..4 * hosts.len()).map(move |number| Self {
            is_http: number & 1 == 0,
            has_credentials: number & 2 == 0,
            host: hosts[number / 4],
        })
    }

    fn tunnel(self) -> Tunnel {
        let proxy = if self.is_http { Proxy::http("p", 1) } else { Proxy::socks5("p", 1) };
        let proxy = if self.has_credentials { proxy.credentials("Aladdin", "open sesame") } else { proxy };
        Tunnel::new(&proxy, &self.host.into(), 443)
    }

    /// Answers with which the proxy connects, each with what it answers to one request.
    fn answers(self) -> Vec<Vec<Vec<u8>>> {
        if self.is_http {
            let heads = ["HTTP/1.1 200 OK\r\nX: y\r\n\r\n", "HTTP/1.0 204\r\n\r\n"];
            return heads.map(|head| vec![head.into()]).into();
        }
        let method: &[&[u8]] = if self.has_credentials { &[&[5, 2], &[1, 0]] } else { &[&[5, 0]] };
        let addresses = [b"\x01\x7f\x00\x00\x01".to_vec(), b"\x03\x04name".to_vec(), [&[4][..], &[7; 16]].concat()];
        let replies = addresses.map(|address| [&[5, 0, 0], &*address, &[1, 0xbb]].concat());
        replies.map(|reply| method.iter().map(|part| part.to_vec()).chain([reply]).collect()).into()
    }
}

/// What becomes of an exchange.
#[derive(Debug, PartialEq)]
struct Outcome {
    /// What the proxy receives.
    sent: String,
    /// How much of what it sends belongs to its answers, since the rest comes from the server; or the reason for a failure.
    end: Result<usize, String>,
}

/// The rules: the proxy receives one request after the other, and each follows from the whole answer to the one before.
fn expected(setting: Setting, answer: &[u8]) -> Outcome {
    let (mut sent, mut taken) = (Vec::new(), 0);
    let talk = if setting.is_http { http } else { socks };
    let end = talk(setting, &mut Answer { bytes: answer, taken: &mut taken }, &mut sent);
    let end = end.map(|()| taken).map_err(|reason| format!("the proxy p:1: {reason}"));
    Outcome { sent: sent.escape_ascii().to_string(), end }
}

struct Answer<'a> {
    bytes: &'a [u8],
    taken: &'a mut usize,
}

impl<'a> Answer<'a> {
    fn take(&mut self, len: usize) -> Result<&'a [u8], String> {
        let rest = &self.bytes[*self.taken..];
        *self.taken += len.min(rest.len());
        rest.get(..len).ok_or_else(|| "closed without an answer".into())
    }
}

fn http(setting: Setting, answer: &mut Answer<'_>, sent: &mut Vec<u8>) -> Result<(), String> {
    let authority = if setting.host == "::1" { "[::1]:443".into() } else { format!("{}:443", setting.host) };
    // The encoding of the example in RFC 7617.
    let credentials = "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n";
    let credentials = if setting.has_credentials { credentials } else { "" };
    *sent =
        format!("CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: {USER_AGENT}\r\n{credentials}\r\n")
            .into_bytes();
    let end = answer.bytes.windows(4).take(MAX_LEN - 3).position(|end| end == b"\r\n\r\n");
    let Some(end) = end else {
        answer.take(MAX_LEN)?;
        return Err(format!("answered with more than {MAX_LEN} bytes of headers"));
    };
    let head = answer.take(end + 4)?;
    let line = head.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let words: Vec<_> = line.split(|byte| *byte == b' ').collect();
    let status = words.get(1).and_then(|status| std::str::from_utf8(status).ok()?.parse::<u16>().ok());
    let is_text = std::str::from_utf8(line).is_ok();
    match status.filter(|_| words[0].starts_with(b"HTTP/1.") && is_text) {
        Some(200..300) => Ok(()),
        Some(status) => Err(format!("refused with HTTP status {status}")),
        None => Err("did not answer in HTTP".into()),
    }
}

fn socks(setting: Setting, answer: &mut Answer<'_>, sent: &mut Vec<u8>) -> Result<(), String> {
    let not_socks = || "did not answer in SOCKS 5".to_owned();
    sent.extend::<&[u8]>(if setting.has_credentials { &[5, 2, 0, 2] } else { &[5, 1, 0] });
    match (answer.take(2)?, setting.has_credentials) {
        ([5, 0], _) => {}
        ([5, 2], true) => {
            sent.extend(b"\x01\x07Aladdin\x0bopen sesame");
            if answer.take(2)?[1] != 0 {
                return Err("refused the credentials".into());
            }
        }
        ([5, 2], false) => return Err("wants credentials".into()),
        ([5, _], _) => return Err("requires other credentials".into()),
        _ => return Err(not_socks()),
    }
    sent.extend([5, 1, 0]);
    sent.extend(match setting.host {
        "127.0.0.1" => vec![1, 127, 0, 0, 1],
        "::1" => [&[4][..], &[0; 15], &[1]].concat(),
        name => [&[3, name.len() as u8], name.as_bytes()].concat(),
    });
    sent.extend([1, 0xbb]);
    let head = answer.take(2)?;
    match head {
        [5, 0] => {}
        [5, 2] => return Err("its rules do not allow this connection".into()),
        [5, 3] => return Err("the network is unreachable".into()),
        [5, 4] => return Err("the host is unreachable".into()),
        [5, 5] => return Err("the server refused the connection".into()),
        [5, 6] => return Err("the connection took too long".into()),
        [5, _] => return Err("refused the connection".into()),
        _ => return Err(not_socks()),
    }
    let len = match answer.take(2)?[1] {
        1 => 4,
        3 => answer.take(1)?[0].into(),
        4 => 16,
        _ => return Err(not_socks()),
    };
    answer.take(len + 2).map(drop)
}

/// A proxy that sends an answer, whatever it receives, over a stream that takes and gives some bytes at a time.
struct Peer<'a> {
    answer: &'a [u8],
    /// Where the answers to requests end, if that is known.
    ends: &'a [usize],
    taken: usize,
    unflushed: Vec<u8>,
    sent: Vec<u8>,
    /// What the stream does next.
    pattern: u64,
    /// After how many calls the stream breaks.
    breaks_in: usize,
}

impl<'a> Peer<'a> {
    fn new(answer: &'a [u8], pattern: u64) -> Self {
        let (unflushed, sent) = (Vec::new(), Vec::new());
        Self { answer, ends: &[], taken: 0, unflushed, sent, pattern, breaks_in: usize::MAX }
    }

    /// Whether a call succeeds, and with how many bytes at most.
    fn call(&mut self) -> io::Result<usize> {
        self.breaks_in = self.breaks_in.checked_sub(1).ok_or(io::ErrorKind::ConnectionReset)?;
        self.pattern = self.pattern.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        match self.pattern >> 60 {
            0..4 => Err(io::ErrorKind::WouldBlock.into()),
            4 | 5 => Err(io::ErrorKind::Interrupted.into()),
            len => Ok(len as usize - 5),
        }
    }
}

impl Read for Peer<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let len = self.call()?.min(buffer.len());
        assert!(self.unflushed.is_empty(), "an answer is awaited to a request that was not sent");
        let len = (&self.answer[self.taken..]).read(&mut buffer[..len])?;
        self.taken += len;
        Ok(len)
    }
}

impl Write for Peer<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let len = self.call()?.min(bytes.len());
        let is_between = self.ends.is_empty() || self.ends.contains(&self.taken);
        assert!(is_between, "a request is sent in the middle of an answer");
        self.unflushed.extend(&bytes[..len]);
        Ok(len)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.call()?;
        self.sent.append(&mut self.unflushed);
        Ok(())
    }
}

fn talk(setting: Setting, peer: &mut Peer<'_>) -> Outcome {
    let mut tunnel = setting.tunnel();
    let end = loop {
        match tunnel.poll(peer) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => break Ok(peer.taken),
            Poll::Ready(Err(CloseReason::Failed(TransportError::Io(text)))) => break Err(text),
            Poll::Ready(Err(other)) => panic!("{other:?}"),
        }
    };
    peer.sent.append(&mut peer.unflushed);
    Outcome { sent: peer.sent.escape_ascii().to_string(), end }
}

fn check(setting: Setting, mut peer: Peer<'_>) {
    let outcome = talk(setting, &mut peer);
    assert_eq!(outcome, expected(setting, peer.answer), "{setting:?}, {}", peer.answer.escape_ascii());
}

#[test]
fn a_tunnel_reads_exactly_the_answer_however_the_stream_is_cut() {
    for setting in Setting::all() {
        for answers in setting.answers() {
            let ends: Vec<usize> = (0..=answers.len()).map(|count| answers[..count].concat().len()).collect();
            let whole = [answers.concat(), b"\x16\x03\x01 from the server".to_vec()].concat();
            assert_eq!(expected(setting, &whole).end, Ok(ends[answers.len()]));
            for len in 0..=whole.len() {
                for pattern in 0..8 {
                    check(setting, Peer { ends: &ends, ..Peer::new(&whole[..len], pattern) });
                }
            }
        }
    }
}

#[test]
fn a_proxy_that_answers_something_else_is_refused_with_a_reason() {
    // Credentials change nothing in HTTP.
    for setting in
        Setting::all().filter(|setting| setting.host == "::1" && !(setting.is_http && setting.has_credentials))
    {
        for answers in setting.answers() {
            let whole = [answers.concat(), b"\x16\x03\x01".to_vec()].concat();
            for at in 0..whole.len() {
                for byte in 0..=u8::MAX {
                    let mut answer = whole.clone();
                    answer[at] = byte;
                    check(setting, Peer::new(&answer, byte.into()));
                }
            }
        }
    }
}

#[test]
fn the_head_of_an_answer_is_bounded() {
    let setting = Setting { is_http: true, has_credentials: false, host: "name.example" };
    for len in MAX_LEN - 5..=MAX_LEN + 5 {
        let begin = b"HTTP/1.1 200 OK\r\nX: ";
        let answer = [begin, &*vec![b'y'; len - begin.len() - 4], b"\r\n\r\n"].concat();
        check(setting, Peer::new(&answer, len as u64));
        check(setting, Peer::new(&answer[..len - 4], len as u64));
    }
}

#[test]
fn a_stream_that_breaks_ends_the_tunnel_wherever_it_breaks() {
    for setting in Setting::all() {
        let answers = &setting.answers()[0].concat();
        for breaks_in in 0..1_000 {
            let mut peer = Peer { breaks_in, ..Peer::new(answers, 1) };
            let end = talk(setting, &mut peer).end;
            if end.is_ok() {
                assert!(breaks_in > answers.len(), "one byte at a time");
                break;
            }
            let reset = io::Error::from(io::ErrorKind::ConnectionReset);
            assert_eq!(end, Err(format!("the proxy p:1: {reset}")), "{setting:?} after {breaks_in} calls");
        }
    }
}

#[test]
fn a_stream_that_takes_nothing_ends_the_tunnel() {
    struct Full;
    impl Read for Full {
        fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }
    impl Write for Full {
        fn write(&mut self, _bytes: &[u8]) -> io::Result<usize> {
            Ok(0)
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    for setting in Setting::all() {
        assert!(matches!(setting.tunnel().poll(&mut Full), Poll::Ready(Err(_))), "{setting:?}");
    }
}

#[test]
fn a_name_that_is_too_long_for_the_protocol_is_refused() {
    for (len, is_refused) in [(255, false), (256, true)] {
        let host = "x".repeat(len).leak();
        let setting = Setting { is_http: false, has_credentials: false, host };
        let end = talk(setting, &mut Peer::new(&setting.answers()[0].concat(), 1)).end;
        let refusal = "the proxy p:1: cannot carry a name longer than 255 bytes";
        assert_eq!(end.err().as_deref(), is_refused.then_some(refusal), "{len}");
    }
}

/// Longest head of an answer to `CONNECT` in bytes.
const MAX_LEN: usize = 16_384;
