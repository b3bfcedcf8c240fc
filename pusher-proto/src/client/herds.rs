//! What happens to many clients at the same time must not make them all come back at the same time.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;

use super::*;
use crate::{Action, AuthRequest, ConnectionState, Endpoint, TransportError};

struct End {
    client: Client,
    socket: SocketEpoch,
    requests: Vec<AuthRequest>,
    /// When something is tried again.
    retry_at: Option<Instant>,
}

impl End {
    /// A client that connects.
    fn new(seed: u64) -> Self {
        let client = Client::new(Config::new("key", Endpoint::cluster("eu")).unwrap(), seed);
        let mut end = Self { client, socket: SocketEpoch::default(), requests: Vec::new(), retry_at: None };
        end.client.connect();
        end.drain();
        end
    }

    fn greeted(mut self) -> Self {
        self.receive(r#"{"event":"pusher:connection_established","data":{"socket_id":"1.1"}}"#);
        self
    }

    fn receive(&mut self, frame: &str) {
        self.client.handle_frame(self.socket, Frame::Text(frame.into()), Instant::ZERO);
        self.drain();
    }

    fn lose(&mut self, reason: CloseReason) {
        self.client.handle_close(self.socket, reason, Instant::ZERO);
        self.drain();
    }

    /// Answers the request for a channel or the user.
    fn refuse(&mut self, error: &AuthError) {
        let request = self.requests.pop().expect("a request");
        self.client.handle_auth(request.id, Err(error.clone()), Instant::ZERO);
        self.drain();
    }

    fn drain(&mut self) {
        while let Some(action) = self.client.poll_action(Instant::ZERO) {
            match action {
                Action::Connect(socket, _) => self.socket = socket,
                Action::RequestAuth(request) => self.requests.push(request),
                Action::Emit(
                    Event::StateChanged { current: ConnectionState::Waiting { retry_at, .. }, .. }
                    | Event::SubscriptionError { retry_at: Some(retry_at), .. }
                    | Event::SigninError { retry_at: Some(retry_at), .. },
                ) => self.retry_at = Some(retry_at),
                _ => {}
            }
        }
    }
}

/// The delays of many clients, in order.
fn delays(incident: impl Fn(&mut End), is_greeted: bool) -> Vec<Duration> {
    let delay = |seed| {
        let mut end = End::new(seed);
        if is_greeted {
            end = end.greeted();
        }
        incident(&mut end);
        end.retry_at.expect("another attempt").elapsed()
    };
    let mut delays: Vec<_> = (0..HERD).map(delay).collect();
    delays.sort_unstable();
    delays
}

fn closed(code: u16) -> CloseReason {
    CloseReason::Closed(Some(CloseFrame { code, reason: "why".into() }))
}

fn busy(status: u16, retry_after: Option<Duration>) -> AuthError {
    AuthError::Http { status, excerpt: String::new(), retry_after }
}

fn upgrade(retry_after: Option<Duration>) -> CloseReason {
    CloseReason::Failed(TransportError::Http { status: 503, retry_after, location: None, excerpt: Box::default() })
}

#[test]
fn clients_come_back_at_different_times_whatever_has_happened_to_all_of_them() {
    let channel = || ChannelName::new("private-a").expect("a name");
    let subscribe = |end: &mut End, error: &AuthError| {
        end.client.subscribe(channel());
        end.drain();
        end.refuse(error);
    };
    let sign_in = |end: &mut End, error: &AuthError| {
        end.client.signin();
        end.drain();
        end.refuse(error);
    };
    let five = Some(Duration::from_secs(5));
    type Incident<'a> = Box<dyn Fn(&mut End) + 'a>;
    let incidents: [(&str, bool, u64, Incident<'_>); 10] = [
        ("the connection drops", true, 1, Box::new(|end| end.lose(CloseReason::Dropped))),
        ("the server restarts", true, 0, Box::new(|end| end.lose(closed(4200)))),
        ("the server is over capacity", true, 1, Box::new(|end| end.lose(closed(4100)))),
        ("an upgrade is refused", false, 1, Box::new(|end| end.lose(upgrade(None)))),
        ("an upgrade is refused for a time", false, 5, Box::new(|end| end.lose(upgrade(five)))),
        ("the backend fails", true, 1, Box::new(|end| subscribe(end, &busy(500, None)))),
        ("the backend is busy for a time", true, 5, Box::new(|end| subscribe(end, &busy(429, five)))),
        ("the backend cannot be reached", true, 1, Box::new(|end| subscribe(end, &AuthError::Network("no".into())))),
        ("the backend for users fails", true, 1, Box::new(|end| sign_in(end, &busy(500, None)))),
        ("the backend for users is busy for a time", true, 5, Box::new(|end| sign_in(end, &busy(503, five)))),
    ];
    for (what, is_greeted, least, incident) in incidents {
        let delays = delays(incident, is_greeted);
        let (first, last) = (delays[0], delays[delays.len() - 1]);
        assert!(first >= Duration::from_secs(least), "{what}: {first:?}");
        let spread = last - first;
        assert!(
            spread > Duration::from_millis(800) && spread <= Duration::from_secs(1),
            "{what}: {first:?} to {last:?}"
        );
        // No two of them at once.
        assert!(delays.windows(2).all(|pair| pair[0] < pair[1]), "{what}: {delays:?}");
    }
}

const HERD: u64 = 64;
