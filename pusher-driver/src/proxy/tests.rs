use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::task::Poll;

use pusher_proto::{CloseReason, Secret, Text, TransportError};

use super::{Hop, InvalidProxy, Proxies, Proxy, proxy_url};

/// A proxy that sends the test's answers, one byte at a time.
#[derive(Default)]
struct Peer {
    incoming: VecDeque<u8>,
    sent: Vec<u8>,
    blocks: bool,
}

impl Read for Peer {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.blocks = !self.blocks;
        if self.blocks {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.incoming.read(buffer)
    }
}

impl Write for Peer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.sent.push(bytes[0]);
        Ok(1)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Returns what was sent, the result, and what is left for the server.
fn talk(proxy: Proxy, host: &str, answers: &[u8]) -> (Vec<u8>, Result<(), String>, Vec<u8>) {
    let mut hop = Hop::new(&Proxies::one(proxy), &Text::from(host), 443, true);
    let tunnel = hop.tunnel.as_mut().unwrap();
    let mut peer = Peer { incoming: answers.iter().copied().collect(), ..Peer::default() };
    let end = loop {
        match tunnel.poll(&mut peer) {
            Poll::Pending => {}
            Poll::Ready(Ok(())) => break Ok(()),
            Poll::Ready(Err(CloseReason::Failed(TransportError::Io(text)))) => break Err(text),
            Poll::Ready(Err(other)) => panic!("{other:?}"),
        }
    };
    (peer.sent, end, peer.incoming.into())
}

#[test]
fn http_tunnels_end_after_the_head_of_the_answer() {
    let (sent, end, rest) = talk(Proxy::http("p", 1), "h", b"HTTP/1.1 200 OK\r\nX: y\r\n\r\nbehind");
    assert_eq!(
        String::from_utf8(sent).unwrap(),
        concat!(
            "CONNECT h:443 HTTP/1.1\r\nHost: h:443\r\nUser-Agent: pusher-rust/",
            env!("CARGO_PKG_VERSION"),
            "\r\n\r\n"
        )
    );
    assert_eq!((end, rest.as_slice()), (Ok(()), &b"behind"[..]));
    let proxy = Proxy::http("p", 1).credentials("Aladdin", "open sesame");
    let (sent, end, _) = talk(proxy, "::1", b"HTTP/1.0 407 No\r\n\r\n");
    let sent = String::from_utf8(sent).unwrap();
    assert!(sent.starts_with("CONNECT [::1]:443 HTTP/1.1\r\n"), "{sent}");
    assert!(sent.contains("\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n"), "{sent}");
    assert_eq!(end, Err("the proxy p:1: refused with HTTP status 407".into()));
    let (_, end, _) = talk(Proxy::http("p", 1), "h", b"SSH-2.0\r\n\r\n");
    assert_eq!(end, Err("the proxy p:1: did not answer in HTTP".into()));
    let (_, end, _) = talk(Proxy::http("p", 1), "h", b"HTTP/1.1 200");
    assert_eq!(end, Err("the proxy p:1: closed without an answer".into()));
}

#[test]
fn an_answer_to_connect_without_an_end_is_a_failure() {
    let endless = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'y'; 20_000]].concat();
    let (_, end, _) = talk(Proxy::http("p", 1), "h", &endless);
    assert_eq!(end, Err("the proxy p:1: answered with more than 16384 bytes of headers".into()));
    let mut longest = [b"HTTP/1.1 200 OK\r\nX: ".to_vec(), vec![b'y'; 16_384 - 24]].concat();
    longest.extend(b"\r\n\r\n");
    let (_, end, rest) = talk(Proxy::http("p", 1), "h", &longest);
    assert_eq!((end, rest), (Ok(()), Vec::new()));
}

#[test]
fn socks_tunnels_end_after_the_reply() {
    let reply = b"\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x00\x50behind";
    let (sent, end, rest) = talk(Proxy::socks5("p", 1), "name", reply);
    assert_eq!(sent, b"\x05\x01\x00\x05\x01\x00\x03\x04name\x01\xbb");
    assert_eq!((end, rest.as_slice()), (Ok(()), &b"behind"[..]));
    let proxy = Proxy::socks5("p", 1).credentials("u", "pw");
    let reply = b"\x05\x02\x01\x00\x05\x00\x00\x03\x02ab\x00\x50";
    let (sent, end, _) = talk(proxy.clone(), "127.0.0.1", reply);
    assert_eq!(sent, b"\x05\x02\x00\x02\x01\x01u\x02pw\x05\x01\x00\x01\x7f\x00\x00\x01\x01\xbb");
    assert_eq!(end, Ok(()));
    let (_, end, _) = talk(proxy, "h", b"\x05\x02\x01\x01");
    assert_eq!(end, Err("the proxy p:1: refused the credentials".into()));
    let (_, end, _) = talk(Proxy::socks5("p", 1), "h", b"\x05\xff");
    assert_eq!(end, Err("the proxy p:1: requires other credentials".into()));
    let (_, end, _) = talk(Proxy::socks5("p", 1), "h", b"\x05\x00\x05\x05");
    assert_eq!(end, Err("the proxy p:1: the server refused the connection".into()));
}

#[test]
fn socks_replies_end_after_the_address_of_each_kind() {
    let addresses: [&[u8]; 3] = [b"\x01\x7f\x00\x00\x01", b"\x03\x0babc.example", &[&[4][..], &[7; 16]].concat()];
    for address in addresses {
        let answers = [b"\x05\x00\x05\x00\x00", address, b"\x00\x50behind"].concat();
        let (_, end, rest) = talk(Proxy::socks5("p", 1), "h", &answers);
        assert_eq!((end, rest.as_slice()), (Ok(()), &b"behind"[..]), "{address:?}");
    }
}

#[test]
fn a_socks_reply_with_an_address_of_an_unknown_kind_is_a_failure() {
    let (_, end, _) = talk(Proxy::socks5("p", 1), "h", b"\x05\x00\x05\x00\x00\x02\x7f\x00\x00\x01\x00\x50behind");
    assert_eq!(end, Err("the proxy p:1: did not answer in SOCKS 5".into()));
}

#[test]
fn each_refusal_of_a_socks_proxy_has_its_own_message() {
    let reasons: std::collections::BTreeSet<_> = (1..=6)
        .map(|code| {
            let (_, end, _) = talk(Proxy::socks5("p", 1), "h", &[5, 0, 5, code]);
            end.unwrap_err()
        })
        .collect();
    assert_eq!(reasons.len(), 6);
}

#[test]
fn an_error_of_the_stream_ends_the_tunnel() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _buffer: &mut [u8]) -> io::Result<usize> {
            Err(io::ErrorKind::ConnectionReset.into())
        }
    }
    impl Write for Broken {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut hop = Hop::new(&Proxies::one(Proxy::http("p", 1)), &Text::from("h"), 443, true);
    assert!(matches!(hop.tunnel.as_mut().unwrap().poll(&mut Broken), Poll::Ready(Err(_))));
}

#[test]
fn an_interrupted_system_call_is_made_again() {
    struct Interrupted(bool, Peer);
    impl Read for Interrupted {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            self.1.read(buffer)
        }
    }
    impl Write for Interrupted {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0 = !self.0;
            if self.0 { Err(io::ErrorKind::Interrupted.into()) } else { self.1.write(bytes) }
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
    let mut hop = Hop::new(&Proxies::one(Proxy::http("p", 1)), &Text::from("h"), 443, true);
    let tunnel = hop.tunnel.as_mut().unwrap();
    let mut peer = Interrupted(false, Peer { incoming: b"HTTP/1.1 200 OK\r\n\r\n".to_vec().into(), ..Peer::default() });
    let end = std::iter::repeat_with(|| tunnel.poll(&mut peer)).take(1_000).find(Poll::is_ready);
    assert_eq!(end, Some(Poll::Ready(Ok(()))));
}

#[test]
fn reads_urls_and_writes_them() {
    let table = [
        ("http://[::1]", Proxy::http("::1", 80), "http://[::1]:80"),
        ("http://p:3128", Proxy::http("p", 3128), "http://p:3128"),
        ("p", Proxy::http("p", 80), "http://p:80"),
        ("socks5h://[::1]:9/", Proxy::socks5("::1", 9), "socks5h://[::1]:9"),
        ("http://a%40b:c%3Ad@p", Proxy::http("p", 80).credentials("a@b", "c:d"), "http://a%40b:c%3Ad@p:80"),
    ];
    for (text, proxy, url) in table {
        assert_eq!(proxy_url(&proxy), Secret::from(url));
        assert_eq!(text.parse(), Ok(proxy), "{text}");
    }
    let long = format!("socks5://u:{}@p", "x".repeat(256));
    let table = [
        ("https://p", InvalidProxy::Protocol("https".into())),
        ("user:secret@https://p", InvalidProxy::Url),
        ("http://", InvalidProxy::Url),
        ("http://p:0", InvalidProxy::Url),
        ("http://:80", InvalidProxy::Url),
        ("http://a b:80", InvalidProxy::Url),
        ("http://p:99999", InvalidProxy::Url),
        ("http://u:%zz@p", InvalidProxy::Url),
        ("socks5://u@p", InvalidProxy::Credentials),
        (&long, InvalidProxy::Credentials),
    ];
    for (text, error) in table {
        assert_eq!(text.parse::<Proxy>(), Err(error), "{text}");
    }
    let proxy = Proxy::http("::1", 1).credentials("u", "pw");
    let proxy = Proxy { ..proxy }.credentials("t0ken", "pw");
    let debug = format!("{proxy:?} {:?} {:?}", Proxies::one(proxy.clone()), crate::Options::new().proxy(proxy.clone()));
    assert!(!debug.contains("pw") && !debug.contains("t0ken"), "{debug}");
    assert_eq!(proxy.to_string(), "[::1]:1");
}

#[test]
fn the_environment_determines_the_proxy_and_its_exceptions() {
    let proxies = Proxies::from_env(|name| match name {
        "HTTPS_PROXY" => Some("http://secure:1".into()),
        "all_proxy" => Some("socks5://any:2".into()),
        "NO_PROXY" => Some("localhost, .example.com,10.0.0.1:80,[::1]".into()),
        _ => None,
    });
    let proxies = proxies.unwrap();
    let secure = Proxy::http("secure", 1);
    assert_eq!(proxies.find("h", 443, true), Some(&secure));
    assert_eq!(proxies.find("h", 80, false), Some(&Proxy::socks5("any", 2)));
    for (host, port) in [("localhost", 443), ("A.Example.com", 1), ("example.com", 1), ("10.0.0.1", 80), ("::1", 9)] {
        assert_eq!(proxies.find(host, port, true), None, "{host}");
    }
    for (host, port) in [("myexample.com", 443), ("10.0.0.1", 443), ("h.localhost.org", 1)] {
        assert_eq!(proxies.find(host, port, true), Some(&secure), "{host}");
    }
    assert!(Proxies::from_env(|_| Some("ftp://p".into())).is_err());
    assert!(Proxies::from_env(|_| None).unwrap().find("h", 1, true).is_none());
}
