//! Opens a WebSocket, step by step, without blocking.

use std::collections::VecDeque;
use std::future::Future;
use std::io;
use std::mem;
use std::net::{SocketAddr, ToSocketAddrs};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::mpsc::{self, Receiver, TryRecvError};
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Instant;

use mio::Registry;
use mio::net::TcpStream;
use pusher_driver::Options;
use pusher_driver::adapter::{
    ATTEMPT_DELAY, Handshake, Hop, Limits, OptionsExt as _, Tunnel, WebSocket, take_turns, with_address,
};
use pusher_proto::{CloseReason, ConnectRequest, Text, TransportError};

use crate::stream::{Stream, Tcp, watch};

/// A WebSocket that is being opened. Dropping it abandons the attempt.
pub(crate) struct Opening {
    request: ConnectRequest,
    #[cfg(feature = "tls")]
    tls: pusher_driver::Tls,
    limits: Limits,
    /// Host and port of the TCP connection: those of the server or of the proxy.
    address: (Text, u16),
    tunnel: Option<Tunnel>,
    registry: Arc<Registry>,
    /// Wakes the loop.
    waker: Waker,
    stage: Stage,
}

enum Stage {
    Resolving(Receiver<io::Result<Vec<SocketAddr>>>),
    Connecting(Race),
    Tunnelling(Tcp, Tunnel),
    #[cfg(feature = "tls")]
    Securing(Box<rustls::StreamOwned<rustls::ClientConnection, Tcp>>),
    Upgrading(Handshake<Stream>),
    Ended,
}

/// How a stage ended.
enum Next {
    Stage(Stage),
    Wait(Stage),
    Open(Box<WebSocket<Stream>>),
}

impl Opening {
    /// Starts by resolving the host name in a helper thread, since the operating system offers no non-blocking way.
    pub(crate) fn new(
        request: ConnectRequest,
        options: &Options,
        limits: Limits,
        registry: &Arc<Registry>,
        waker: &Waker,
    ) -> Self {
        let hop = options.hop(&request.host, request.port, request.tls);
        let (sender, addresses) = mpsc::channel();
        let address = (hop.host.clone(), hop.port);
        let tunnel = resolve(hop, sender, waker.clone());
        Self {
            request,
            #[cfg(feature = "tls")]
            tls: options.trusted().clone(),
            limits,
            address,
            tunnel,
            registry: Arc::clone(registry),
            waker: waker.clone(),
            stage: Stage::Resolving(addresses),
        }
    }

    /// Returns when to continue even if no stream is ready.
    pub(crate) fn deadline(&self) -> Option<Instant> {
        match &self.stage {
            Stage::Connecting(race) => race.deadline(),
            Stage::Resolving(_) | Stage::Tunnelling(..) | Stage::Upgrading(_) | Stage::Ended => None,
            #[cfg(feature = "tls")]
            Stage::Securing(_) => None,
        }
    }

    fn advance(&mut self) -> Result<Next, CloseReason> {
        match mem::replace(&mut self.stage, Stage::Ended) {
            Stage::Resolving(addresses) => match addresses.try_recv() {
                Ok(Ok(addresses)) => Ok(Next::Stage(Stage::Connecting(Race::new(addresses)))),
                Ok(Err(error)) => Err(self.at(CloseReason::Failed(TransportError::Dns(error.to_string())))),
                Err(TryRecvError::Empty) => Ok(Next::Wait(Stage::Resolving(addresses))),
                Err(error @ TryRecvError::Disconnected) => Err(failed(&error)),
            },
            Stage::Connecting(mut race) => match race.poll(&self.registry) {
                Poll::Pending => Ok(Next::Wait(Stage::Connecting(race))),
                Poll::Ready(stream) => {
                    let stream = stream.map_err(|reason| self.at(reason))?;
                    let stream = Tcp::new(stream, self.waker.clone()).map_err(|error| failed(&error))?;
                    match self.tunnel.take() {
                        Some(tunnel) => Ok(Next::Stage(Stage::Tunnelling(stream, tunnel))),
                        None => self.secure(stream),
                    }
                }
            },
            Stage::Tunnelling(mut stream, mut tunnel) => match tunnel.poll(&mut stream) {
                Poll::Pending => Ok(Next::Wait(Stage::Tunnelling(stream, tunnel))),
                Poll::Ready(end) => {
                    end?;
                    self.secure(stream)
                }
            },
            #[cfg(feature = "tls")]
            Stage::Securing(mut stream) => match stream.conn.complete_io(&mut stream.sock) {
                Ok(_) if stream.conn.is_handshaking() => Ok(Next::Stage(Stage::Securing(stream))),
                Ok(_) => Ok(self.upgrade(Stream::Tls(stream))),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(Next::Wait(Stage::Securing(stream))),
                Err(error) => {
                    let reason = pusher_driver::adapter::handshake_error(&error);
                    Err(with_address(reason, &self.request.host, self.request.port))
                }
            },
            Stage::Upgrading(mut handshake) => match handshake.poll(&self.waker) {
                Poll::Pending => Ok(Next::Wait(Stage::Upgrading(handshake))),
                Poll::Ready(socket) => Ok(Next::Open(Box::new(socket?))),
            },
            Stage::Ended => Err(CloseReason::Dropped),
        }
    }

    fn at(&self, reason: CloseReason) -> CloseReason {
        with_address(reason, &self.address.0, self.address.1)
    }

    fn upgrade(&self, stream: Stream) -> Next {
        Next::Stage(Stage::Upgrading(Handshake::new(stream, &self.request, self.limits)))
    }

    #[cfg(feature = "tls")]
    fn secure(&self, stream: Tcp) -> Result<Next, CloseReason> {
        if !self.request.tls {
            return Ok(self.upgrade(Stream::Plain(stream)));
        }
        let config = pusher_driver::adapter::client_config(&self.tls).map_err(CloseReason::Failed)?;
        let name = pusher_driver::adapter::server_name(&self.request.host)?;
        let connection = rustls::ClientConnection::new(config, name)
            .map_err(|error| CloseReason::Failed(TransportError::Tls(error.to_string())))?;
        Ok(Next::Stage(Stage::Securing(Box::new(rustls::StreamOwned::new(connection, stream)))))
    }

    /// TLS can be required even if it was not configured: a server may tell the client to reconnect with TLS.
    #[cfg(not(feature = "tls"))]
    fn secure(&self, stream: Tcp) -> Result<Next, CloseReason> {
        if self.request.tls { Err(CloseReason::TlsUnavailable) } else { Ok(self.upgrade(Stream::Plain(stream))) }
    }
}

/// Continues until there is a result. The poller wakes the loop, whatever it waits for.
impl Future for Opening {
    type Output = Result<WebSocket<Stream>, CloseReason>;

    fn poll(mut self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<Self::Output> {
        loop {
            match self.advance() {
                Ok(Next::Stage(stage)) => self.stage = stage,
                Ok(Next::Wait(stage)) => {
                    self.stage = stage;
                    return Poll::Pending;
                }
                Ok(Next::Open(socket)) => return Poll::Ready(Ok(*socket)),
                Err(reason) => return Poll::Ready(Err(reason)),
            }
        }
    }
}

/// Resolves the addresses of the first hop; returns the tunnel to use once it is reached.
fn resolve(hop: Hop, addresses: mpsc::Sender<io::Result<Vec<SocketAddr>>>, waker: Waker) -> Option<Tunnel> {
    let Hop { host, port, tunnel } = hop;
    // A failure to spawn drops the sender, which the receiver treats as a failed lookup.
    let _ = thread::Builder::new().name("pusher-dns".into()).spawn(move || {
        let found = (host.as_str(), port).to_socket_addrs();
        // The attempt may have been abandoned.
        let _ = addresses.send(found.map(Iterator::collect));
        waker.wake();
    });
    tunnel
}

/// Several addresses of one host, tried one after the other until the first success.
struct Race {
    waiting: VecDeque<SocketAddr>,
    running: Vec<TcpStream>,
    next_at: Instant,
    last: Option<io::Error>,
}

impl Race {
    fn new(addresses: Vec<SocketAddr>) -> Self {
        Self { waiting: take_turns(addresses).into(), running: Vec::new(), next_at: Instant::now(), last: None }
    }

    fn deadline(&self) -> Option<Instant> {
        (!self.waiting.is_empty()).then_some(self.next_at)
    }

    fn poll(&mut self, registry: &Registry) -> Poll<Result<TcpStream, CloseReason>> {
        loop {
            let running = self.running.len();
            for at in (0..running).rev() {
                match is_connected(&self.running[at]) {
                    Ok(true) => return Poll::Ready(Ok(self.running.swap_remove(at))),
                    Ok(false) => {}
                    Err(error) => {
                        self.last = Some(error);
                        drop(self.running.swap_remove(at));
                    }
                }
            }
            let failed_one = self.running.len() < running;
            if !self.running.is_empty() && !failed_one && Instant::now() < self.next_at {
                return Poll::Pending;
            }
            let Some(address) = self.waiting.pop_front() else {
                if !self.running.is_empty() {
                    return Poll::Pending;
                }
                return Poll::Ready(Err(match self.last.take() {
                    Some(error) => failed(&error),
                    None => CloseReason::Failed(TransportError::Dns("the name has no addresses".into())),
                }));
            };
            self.next_at = Instant::now() + ATTEMPT_DELAY;
            let connecting = TcpStream::connect(address);
            match connecting.and_then(|mut stream| watch(&mut stream, registry).map(|()| stream)) {
                Ok(stream) => self.running.push(stream),
                Err(error) => self.last = Some(error),
            }
        }
    }
}

fn is_connected(stream: &TcpStream) -> io::Result<bool> {
    match stream.take_error()? {
        Some(error) => Err(error),
        // The error of a stream that is not connected yet differs between systems.
        None => Ok(stream.peer_addr().is_ok()),
    }
}

fn failed(error: &dyn std::error::Error) -> CloseReason {
    CloseReason::Failed(TransportError::Io(error.to_string()))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::time::Duration;

    use super::*;

    /// Races to a result, waking up as the loop does.
    fn race(addresses: &[SocketAddr]) -> Result<SocketAddr, CloseReason> {
        let mut poller = mio::Poll::new().unwrap();
        let registry = poller.registry().try_clone().unwrap();
        let mut race = Race::new(addresses.to_vec());
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if let Poll::Ready(result) = race.poll(&registry) {
                return result.map(|stream| stream.peer_addr().unwrap());
            }
            let timeout = race.deadline().map_or(PATIENCE, |at| at.saturating_duration_since(Instant::now()));
            poller.poll(&mut mio::Events::with_capacity(8), Some(timeout)).unwrap();
        }
        panic!("no result for {addresses:?}");
    }

    const PATIENCE: Duration = Duration::from_secs(20);

    fn live() -> (TcpListener, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        (listener, address)
    }

    /// An address where nothing listens any more.
    fn refusing() -> SocketAddr {
        live().1
    }

    #[test]
    fn a_live_address_is_found_wherever_it_stands_among_dead_ones() {
        let (_listener, live) = live();
        for len in 1..=5 {
            for place in 0..len {
                let mut addresses: Vec<_> = (0..len).map(|_| refusing()).collect();
                addresses[place] = live;
                assert_eq!(race(&addresses), Ok(live), "place {place} of {len}");
            }
        }
    }

    /// An address whose queue of connections is full, so that the system does not answer any more.
    fn silent() -> (TcpListener, Vec<TcpStream>, SocketAddr) {
        let (listener, address) = live();
        let mut queue: Vec<TcpStream> = Vec::new();
        while queue.len() < 5_000 && queue.iter().rev().take(8).all(|stream| stream.peer_addr().is_ok()) {
            queue.push(TcpStream::connect(address).unwrap());
            thread::yield_now();
        }
        (listener, queue, address)
    }

    #[test]
    fn an_address_that_does_not_answer_does_not_keep_others_from_being_tried() {
        let ((_listener, live), (_silent_listener, _queue, silent)) = (live(), silent());
        for addresses in [&[silent, live][..], &[silent, refusing(), live], &[silent, silent, live]] {
            assert_eq!(race(addresses), Ok(live), "{addresses:?}");
        }
    }

    #[test]
    fn the_last_failure_is_reported_if_no_address_lives() {
        for addresses in [&[refusing()][..], &[refusing(), refusing()], &[refusing(), refusing(), refusing()]] {
            let error = race(addresses).unwrap_err();
            let CloseReason::Failed(TransportError::Io(text)) = &error else { panic!("{error:?}") };
            assert!(text.contains("refused"), "{text}");
        }
        let nowhere = CloseReason::Failed(TransportError::Dns("the name has no addresses".into()));
        assert_eq!(race(&[]), Err(nowhere));
    }
}
