use std::collections::VecDeque;
use std::future::{Future, ready};
use std::io;
use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use pusher_proto::{AuthError, CloseReason, TransportError};

use super::HttpClient;
use crate::auth::{HttpRequest, HttpResponse};
use crate::polled::Duplex;

/// A server that sends the same bytes forever, or those that the test sets.
#[derive(Clone, Default)]
struct Peer(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    answers: VecDeque<u8>,
    endless: &'static [u8],
    is_closed: bool,
    sent: Vec<u8>,
    waker: Option<Waker>,
    read_in_poll: usize,
}

impl Duplex for Peer {
    fn poll_read(&mut self, context: &mut Context<'_>, buffer: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock().unwrap();
        if state.sent.is_empty() && !state.is_closed {
            // It answers only after a request.
            state.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        while state.answers.len() < buffer.len() && !state.endless.is_empty() {
            let endless = state.endless;
            state.answers.extend(endless);
        }
        let len = buffer.len().min(state.answers.len());
        if len == 0 && !state.is_closed {
            return Poll::Pending;
        }
        for (place, byte) in buffer.iter_mut().zip(state.answers.drain(..len)) {
            *place = byte;
        }
        state.read_in_poll += len;
        Poll::Ready(Ok(len))
    }

    fn poll_write(&mut self, _context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut state = self.0.lock().unwrap();
        state.sent.extend(bytes);
        state.waker.take().into_iter().for_each(Waker::wake);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(&mut self, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl Peer {
    fn endless(text: &'static [u8]) -> Self {
        let peer = Self::default();
        peer.0.lock().unwrap().endless = text;
        peer
    }

    fn says(&self, answer: &str) {
        self.0.lock().unwrap().answers.extend(answer.as_bytes());
    }

    fn closes(&self) {
        self.0.lock().unwrap().is_closed = true;
    }
}

#[derive(Default)]
struct Woken(AtomicUsize);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

fn request() -> HttpRequest {
    HttpRequest {
        url: "http://h/auth?token=t0ken".into(),
        headers: Vec::new(),
        content_type: "application/json",
        body: "{}".into(),
    }
}

/// Posts on a connection to `peer`, and returns the answer and how much each poll read.
fn post(client: &HttpClient, peer: &Peer) -> (Result<HttpResponse, AuthError>, Vec<usize>) {
    let request = request();
    let mut posted = pin!(client.post(&request, |_, _, _| ready(Ok(peer.clone()))));
    let woken = Arc::new(Woken::default());
    let waker = Waker::from(Arc::clone(&woken));
    let mut reads = Vec::new();
    loop {
        let before = woken.0.load(Ordering::Relaxed);
        let poll = posted.as_mut().poll(&mut Context::from_waker(&waker));
        reads.push(std::mem::take(&mut peer.0.lock().unwrap().read_in_poll));
        match poll {
            Poll::Ready(answer) => return (answer, reads),
            Poll::Pending => assert!(woken.0.load(Ordering::Relaxed) > before, "it goes on by itself: {reads:?}"),
        }
    }
}

#[test]
fn no_flood_of_an_auth_server_is_read_without_end_or_in_one_turn() {
    let floods: [&[u8]; 3] = [
        b"HTTP/1.1 103 Early Hints\r\n\r\n",
        b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>; rel=preload\r\n\r\n",
        b"a",
    ];
    for flood in floods {
        let (answer, reads) = post(&HttpClient::new(), &Peer::endless(flood));
        let Err(error) = answer else { panic!("{answer:?}") };
        assert!(reads.iter().all(|read| *read <= 16 * 1_024), "{reads:?}");
        assert!(reads.iter().sum::<usize>() <= 64 * 1_024, "{reads:?}");
        assert!(!error.to_string().contains("t0ken"), "{error}");
    }
    let peer = Peer::endless(b"HTTP/1.1 103 Early Hints\r\n\r\n");
    let (answer, _) = post(&HttpClient::new(), &peer);
    let limit = "the auth endpoint's answer is too long: at most 65536 bytes of headers and 1048576 of body";
    assert_eq!(answer, Err(AuthError::Handler(limit.into()).at("http://h/auth")));
}

#[test]
fn a_body_without_end_is_read_a_piece_at_a_time_up_to_its_limit() {
    let peer = Peer::endless(b"1\r\nx\r\n");
    peer.says("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
    let (answer, reads) = post(&HttpClient::new(), &peer);
    assert!(answer.as_ref().is_err_and(|error| matches!(error.cause(), AuthError::Handler(_))), "{answer:?}");
    assert!(reads.iter().all(|read| *read <= 16 * 1_024), "{reads:?}");
    assert!(reads.iter().sum::<usize>() <= 3 * HttpResponse::MAX_LEN, "{reads:?}");
}

#[test]
fn hints_in_front_of_an_answer_are_passed_over() {
    let peer = Peer::default();
    peer.says("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}");
    let (answer, _) = post(&HttpClient::new(), &peer);
    assert_eq!(answer, Ok(HttpResponse { body: b"{}".to_vec(), ..HttpResponse::new(200) }));
}

#[test]
fn a_connection_is_used_again_unless_the_server_closed_it_or_said_something() {
    let client = HttpClient::new();
    let (first, second, third) = (Peer::default(), Peer::default(), Peer::default());
    let ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    first.says(ok);
    assert!(post(&client, &first).0.is_ok());
    let sent = first.0.lock().unwrap().sent.len();
    first.closes();
    second.says(ok);
    assert!(post(&client, &second).0.is_ok());
    assert_eq!(first.0.lock().unwrap().sent.len(), sent, "nothing went to the one that was closed");
    second.says("HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\n\r\n");
    third.says(ok);
    assert_eq!(post(&client, &third).0, Ok(HttpResponse::new(200)), "the answer of the new connection");
}

#[test]
fn an_error_says_where_but_not_the_query() {
    let client = HttpClient::new();
    let request = request();
    let refused = || CloseReason::Failed(TransportError::Io("refused".into()));
    let mut posted = pin!(client.post(&request, |_, _, _| ready(Err::<Peer, _>(refused()))));
    let answer = posted.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert_eq!(answer, Poll::Ready(Err(AuthError::Network("refused".into()).at("http://h/auth"))));
    let closed = Peer::default();
    closed.closes();
    let (answer, _) = post(&client, &closed);
    let Err(AuthError::At { url, error }) = answer else { panic!("{answer:?}") };
    assert!(url == "http://h/auth" && matches!(*error, AuthError::Network(_)), "{url} {error:?}");
}
