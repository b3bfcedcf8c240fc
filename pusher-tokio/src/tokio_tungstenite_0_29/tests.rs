//! One socket over an in-memory stream, poll by poll.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use pusher_driver::adapter::{Received, Socket};
use pusher_proto::{
    Action, Client, CloseFrame, CloseReason, Config, Endpoint, Frame, Instant, Secret, TransportError, with_causes,
};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _, DuplexStream, ReadBuf, duplex};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::error::UrlError;
use tokio_tungstenite::tungstenite::http::Response;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Error};

use super::socket::Tungstenite;
use super::{OpenError, Upgrade};

/// Longer than anything takes in memory.
const PATIENCE: Duration = Duration::from_secs(20);

/// A socket, and the server's end as bytes.
async fn pair(config: WebSocketConfig) -> (Tungstenite<DuplexStream>, DuplexStream) {
    let (ours, server) = duplex(1_024);
    (Tungstenite::new(WebSocketStream::from_raw_socket(ours, Role::Client, Some(config)).await), server)
}

fn upgrade() -> Upgrade {
    let endpoint = Endpoint::host("example.com").header("Origin", "https://example.com");
    let mut client = Client::new(Config::new("key", endpoint).unwrap(), 1);
    client.connect();
    loop {
        match client.poll_action(Instant::ZERO) {
            Some(Action::Connect(_, request)) => return Upgrade::new(request, 100),
            Some(_) => {}
            None => panic!("a client that connects opens a socket"),
        }
    }
}

/// Counts how often it is woken.
#[derive(Default)]
struct Count(AtomicUsize);

impl Wake for Count {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Count {
    fn waker(self: &Arc<Self>) -> Waker {
        Waker::from(Arc::clone(self))
    }

    /// Whether it was woken since the last call.
    fn take(&self) -> bool {
        self.0.swap(0, Ordering::SeqCst) > 0
    }
}

fn text(text: &str) -> Poll<Received> {
    Poll::Ready(Received::Frame(Frame::Text(text.into())))
}

fn failed(error: TransportError) -> CloseReason {
    CloseReason::Failed(error)
}

/// The code of a close frame of a client, which comes next.
async fn close_code(server: &mut DuplexStream) -> u16 {
    let mut head = [0; 8];
    timeout(PATIENCE, server.read_exact(&mut head)).await.unwrap().unwrap();
    let [kind, _, a, b, _, _, high, low] = head;
    assert_eq!(kind, 0x88, "a close frame");
    u16::from_be_bytes([high ^ a, low ^ b])
}

#[tokio::test]
async fn a_socket_wakes_for_bytes_and_reports_those_of_an_incomplete_message_once() {
    let (mut socket, mut server) = pair(upgrade().config()).await;
    let count = Arc::<Count>::default();
    let (waker, mut poll) = (count.waker(), Vec::new());
    let context = &mut Context::from_waker(&waker);
    assert_eq!(socket.poll_frame(context), Poll::Pending);
    assert!(!count.take());
    for bytes in [&b"\x81\x05he"[..], b"l", b"lo\x81\x02h", b"i\x89\x00"] {
        server.write_all(bytes).await.unwrap();
        assert!(count.take(), "{bytes:?}");
        loop {
            poll.push(socket.poll_frame(context));
            if poll.last() == Some(&Poll::Pending) {
                break;
            }
        }
    }
    let part = Poll::Ready(Received::Part);
    let ping = Poll::Ready(Received::Frame(Frame::Ping));
    // The beginning of the next message is not reported, because the message before was a sign of life.
    let expected = [
        part.clone(),
        Poll::Pending,
        part,
        Poll::Pending,
        text("hello"),
        Poll::Pending,
        text("hi"),
        ping,
        Poll::Pending,
    ];
    assert_eq!(poll, expected);
    assert_eq!(socket.poll_flush(context), Poll::Ready(Ok(())));
    let mut pong = [0; 6];
    timeout(PATIENCE, server.read_exact(&mut pong)).await.unwrap().unwrap();
    assert_eq!(pong[..2], [0x8A, 0x80]);
}

#[tokio::test]
async fn what_a_server_does_wrong_ends_the_connection_with_its_close_code() {
    let websocket = |text: &str| failed(TransportError::WebSocket(text.into()));
    let table = [
        (&b"\x81\x65"[..], CloseReason::FrameTooLarge, 1009),
        (b"\x01\x40", CloseReason::FrameTooLarge, 1009),
        (b"\x83\x00", websocket("Encountered invalid opcode: 3"), 1002),
        (b"\x81\x01\xFF", websocket("UTF-8 encoding error: invalid utf-8 sequence of 1 bytes from index 0"), 1007),
    ];
    let context = &mut Context::from_waker(Waker::noop());
    for (bytes, reason, code) in table {
        let (mut socket, mut server) = pair(upgrade().config()).await;
        server.write_all(bytes).await.unwrap();
        if bytes == b"\x01\x40" {
            // Two frames of a message that is too large, each within the limit.
            server.write_all(&[0; 64]).await.unwrap();
            server.write_all(b"\x80\x40").await.unwrap();
            server.write_all(&[0; 64]).await.unwrap();
        }
        assert_eq!(socket.poll_frame(context), Poll::Ready(Received::Closed(reason)));
        assert_eq!(socket.poll_close(context), Poll::Ready(()));
        assert_eq!(close_code(&mut server).await, code);
    }
}

#[tokio::test]
async fn an_end_without_a_close_frame_is_a_lost_connection() {
    let (mut socket, server) = pair(upgrade().config()).await;
    drop(server);
    let context = &mut Context::from_waker(Waker::noop());
    assert_eq!(socket.poll_frame(context), Poll::Ready(Received::Closed(CloseReason::Dropped)));
    assert_eq!(socket.poll_close(context), Poll::Ready(()));
}

#[tokio::test]
async fn a_close_of_the_server_is_answered_and_ends_the_socket() {
    let (mut socket, mut server) = pair(upgrade().config()).await;
    server.write_all(b"\x88\x06\x10\x04busy").await.unwrap();
    let context = &mut Context::from_waker(Waker::noop());
    let frame = CloseFrame { code: 4100, reason: "busy".into() };
    let closed = Received::Closed(CloseReason::Closed(Some(frame)));
    assert_eq!(socket.poll_frame(context), Poll::Ready(closed));
    assert_eq!(socket.poll_close(context), Poll::Ready(()));
    assert_eq!(close_code(&mut server).await, 4100);
}

#[tokio::test]
async fn our_close_waits_for_that_of_the_server_and_yields_while_it_sends_other_messages() {
    let (mut socket, mut server) = pair(upgrade().config()).await;
    let count = Arc::<Count>::default();
    let waker = count.waker();
    let context = &mut Context::from_waker(&waker);
    socket.close(CloseFrame { code: 1000, reason: "".into() });
    assert_eq!(socket.poll_close(context), Poll::Pending);
    assert_eq!(close_code(&mut server).await, 1000);
    server.write_all(&b"\x89\x00".repeat(300)).await.unwrap();
    count.take();
    assert_eq!(socket.poll_close(context), Poll::Pending);
    assert!(count.take(), "there is more");
    server.write_all(b"\x88\x02\x03\xE8").await.unwrap();
    assert_eq!(socket.poll_close(context), Poll::Ready(()));
}

#[tokio::test]
async fn a_server_that_does_not_read_is_given_up_at_the_limit_of_the_stream() {
    let config = upgrade().config().write_buffer_size(1_024).max_write_buffer_size(8 * 1_024);
    let (mut socket, mut server) = pair(config).await;
    let count = Arc::<Count>::default();
    let waker = count.waker();
    let context = &mut Context::from_waker(&waker);
    let message = "x".repeat(1_000);
    // One kilobyte is in the stream, and eight wait.
    for _ in 0..9 {
        socket.send(message.as_str().into()).unwrap();
    }
    assert_eq!(socket.poll_flush(context), Poll::Pending);
    let full = failed(TransportError::Io("the server does not read".into()));
    assert_eq!(socket.send(message.as_str().into()), Err(full));
    server.read_exact(&mut [0; 1_024]).await.unwrap();
    assert!(count.take(), "the server has read");
    assert_eq!(socket.poll_flush(context), Poll::Pending);
}

/// A stream that panics.
struct Bomb;

impl AsyncRead for Bomb {
    fn poll_read(self: Pin<&mut Self>, _: &mut Context<'_>, _: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        panic!("as the test wants")
    }
}

impl AsyncWrite for Bomb {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, _: &[u8]) -> Poll<io::Result<usize>> {
        panic!("as the test wants")
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        panic!("as the test wants")
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        panic!("as the test wants")
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("as the test wants")
    }
}

#[tokio::test]
async fn a_stream_that_panics_has_failed_and_is_not_used_again() {
    let context = &mut Context::from_waker(Waker::noop());
    let panicked = || failed(TransportError::Io("the stream panicked".into()));
    let uses: [fn(&mut Tungstenite<Bomb>, &mut Context<'_>); 4] = [
        |socket, context| assert!(matches!(socket.poll_frame(context), Poll::Ready(Received::Closed(_)))),
        |socket, context| assert!(matches!(socket.poll_flush(context), Poll::Ready(Err(_)))),
        |socket, _| socket.close(CloseFrame { code: 1000, reason: "".into() }),
        |socket, context| assert_eq!(socket.poll_close(context), Poll::Ready(())),
    ];
    for first in uses {
        let stream = WebSocketStream::from_raw_socket(Bomb, Role::Client, None).await;
        let mut socket = Tungstenite::new(stream);
        first(&mut socket, context);
        assert_eq!(socket.send("more".into()), Err(panicked()));
        assert_eq!(socket.poll_frame(context), Poll::Ready(Received::Closed(panicked())));
        assert_eq!(socket.poll_flush(context), Poll::Ready(Err(panicked())));
        assert_eq!(socket.poll_close(context), Poll::Ready(()));
    }
    drop(Tungstenite::new(WebSocketStream::from_raw_socket(Bomb, Role::Client, None).await));
}

#[test]
fn an_upgrade_has_what_the_endpoint_says_and_leaves_the_default_port_out() {
    let request = upgrade().into_client_request().unwrap();
    assert!(request.uri().path_and_query().unwrap().as_str().starts_with("/app/key?protocol=7&"));
    let field = |name: &str| request.headers()[name].to_str().unwrap().to_owned();
    assert_eq!((field("host"), field("origin")), ("example.com".into(), "https://example.com".into()));
    assert_eq!(field("user-agent"), concat!("pusher-rust/", env!("CARGO_PKG_VERSION")));

    let mut other = upgrade().request().clone();
    other.port = 6001;
    other.headers = ["User-Agent", "Cookie", "Cookie"].map(|name| (name.into(), Secret::from("mine"))).into();
    let request = Upgrade::new(other.clone(), 100).into_client_request().unwrap();
    assert_eq!(request.headers()["host"], "example.com:6001");
    assert_eq!(request.headers().get_all("user-agent").iter().collect::<Vec<_>>(), ["mine"]);
    assert_eq!(request.headers().get_all("cookie").iter().count(), 2);

    other.headers = vec![("Host".into(), Secret::from("tenant.example"))];
    let request = Upgrade::new(other, 100).into_client_request().unwrap();
    assert_eq!(request.headers().get_all("host").iter().collect::<Vec<_>>(), ["tenant.example"]);
}

#[test]
fn a_header_of_the_handshake_is_refused_and_not_left_out() {
    for name in ["Connection", "upgrade", "Sec-WebSocket-Key", "Sec-WebSocket-Version"] {
        let mut request = upgrade().request().clone();
        request.headers = vec![(name.into(), Secret::from("secret"))];
        let error = Upgrade::new(request, 100).into_client_request().unwrap_err();
        let name = name.to_ascii_lowercase();
        assert_eq!(error.to_string(), format!("IO error: the header {name:?} belongs to the handshake"));
    }
}

#[test]
fn an_error_while_opening_says_what_the_clients_own_would() {
    let refused = Response::builder().status(503).header("Retry-After", "7").header("Location", "/busy?token=1");
    let refused = Error::Http(Box::new(refused.body(Some(b"come back".to_vec())).unwrap()));
    let refusal = TransportError::refusal(503, Some(Duration::from_secs(7)), Some("/busy"), "come back");
    let bare = Error::Http(Box::new(Response::builder().status(404).header("Retry-After", "soon").body(None).unwrap()));
    let handshake = tungstenite::error::ProtocolError::HandshakeIncomplete;
    let table = [
        (refused, refusal),
        (bare, TransportError::http(404)),
        (Error::Io(io::ErrorKind::PermissionDenied.into()), TransportError::Io("permission denied".into())),
        (
            Error::Io(io::ErrorKind::ConnectionReset.into()),
            TransportError::Upgrade("IO error: connection reset".into()),
        ),
        (
            Error::Protocol(handshake),
            TransportError::Upgrade("WebSocket protocol error: Handshake not finished".into()),
        ),
        (Error::Url(UrlError::NoHostName), TransportError::Upgrade("URL error: No host name in the URL".into())),
    ];
    for (error, expected) in table {
        let error = OpenError::from(error);
        assert_eq!(with_causes(&error).to_string(), format!("the WebSocket could not be opened: {expected}"));
        assert_eq!(CloseReason::from(error), failed(expected));
    }
    let io = OpenError::from(io::Error::from(io::ErrorKind::NotFound));
    assert_eq!(io, TransportError::Io("entity not found".into()).into());
}

#[test]
fn the_limits_are_those_of_the_configuration() {
    let config = upgrade().config();
    assert_eq!((config.max_message_size, config.max_frame_size), (Some(100), Some(100)));
    assert_eq!(config.max_write_buffer_size, 16 * 1_024 * 1_024);
}
