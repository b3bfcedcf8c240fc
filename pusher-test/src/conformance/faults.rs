//! A TCP proxy that injects faults.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::stage::SERVERS;

/// A TCP proxy that injects faults: it forwards connections from its own port to one address.
///
/// # Examples
///
/// ```
/// use std::io::Read;
/// use std::net::{TcpListener, TcpStream};
///
/// use pusher_test::conformance::{Cut, FaultProxy};
///
/// let server = TcpListener::bind("127.0.0.1:0")?;
/// let proxy = FaultProxy::new(server.local_addr()?);
/// let mut client = TcpStream::connect(proxy.address())?;
/// let (_connection, _) = server.accept()?;
/// assert_eq!(proxy.accepted(), 1);
///
/// proxy.cut(Cut::Drop);
/// assert_eq!(client.read(&mut [0])?, 0);
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Debug)]
pub struct FaultProxy {
    address: SocketAddr,
    control: watch::Sender<Control>,
    accepted: Arc<AtomicUsize>,
    requests: Arc<AtomicUsize>,
    /// Each connection holds a clone.
    connections: Arc<()>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy, Debug)]
struct Control {
    flow: Flow,
    /// Connections that were opened before this count changed are cut.
    cuts: usize,
    cut: Cut,
    /// Connections that were opened before this count changed are flooded.
    floods: usize,
    flood: Flood,
}

/// What a connection receives from a server that ignores it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flood {
    /// Once.
    pub(crate) begin: &'static [u8],
    /// Without end.
    pub(crate) repeat: &'static [u8],
}

impl Flood {
    /// Ping frames.
    pub(crate) const PINGS: Self = Self { begin: &[], repeat: &[0x89, 0] };

    /// A message in empty frames, none of which is the last one.
    pub(crate) const FRAGMENTS: Self = Self { begin: &[0x01, 0], repeat: &[0, 0] };
}

/// What happens to bytes, in both directions, on all connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flow {
    /// They pass.
    Pass,
    /// They wait, and both ends assume that the other is still there.
    Silence,
    /// A few at a time.
    Trickle,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Cut {
    /// With the end of the stream.
    Drop,
    /// With a reset.
    Reset,
}

impl FaultProxy {
    /// Returns a proxy on a free port of 127.0.0.1.
    ///
    /// # Panics
    ///
    /// If the system has no port left, or on a thread that runs tasks of tokio: the proxy has a runtime of its own, and
    /// waits for it.
    #[must_use]
    pub fn new(target: SocketAddr) -> Self {
        let control =
            watch::Sender::new(Control { flow: Flow::Pass, cuts: 0, cut: Cut::Drop, floods: 0, flood: Flood::PINGS });
        let listener = SERVERS.block_on(TcpListener::bind("127.0.0.1:0")).expect("a free port for a proxy");
        let address = listener.local_addr().expect("the proxy's port");
        let subscriber = control.clone();
        let accepted = Arc::new(AtomicUsize::new(0));
        let requests = Arc::new(AtomicUsize::new(0));
        let counts = (Arc::clone(&accepted), Arc::clone(&requests));
        let connections = Arc::new(());
        let connection = Arc::downgrade(&connections);
        let accepting = SERVERS.spawn(async move {
            loop {
                let (client, _) = next_connection(|| listener.accept()).await;
                let Some(connection) = connection.upgrade() else { return };
                let control = subscriber.subscribe();
                // Before the connection is counted, because a test that has seen the count may cut the connection.
                let begin = *control.borrow();
                counts.0.fetch_add(1, Ordering::SeqCst);
                let requests = Arc::clone(&counts.1);
                tokio::spawn(async move {
                    forward(client, target, begin, control, &requests).await;
                    drop(connection);
                });
            }
        });
        Self { address, control, accepted, requests, connections, accepting }
    }

    /// Returns where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Returns the number of connections so far.
    #[must_use]
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// Returns the number of HTTP requests with the method `POST` so far, also those that it holds back.
    #[must_use]
    pub fn request_count(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Returns the number of connections that go through it.
    #[must_use]
    pub fn connection_count(&self) -> usize {
        // This handle holds it too.
        Arc::strong_count(&self.connections) - 1
    }

    /// Sets what happens to bytes from now on, also to those that it holds back.
    pub fn set(&self, flow: Flow) {
        self.control.send_modify(|control| control.flow = flow);
    }

    /// Lets all connections be flooded from now on. New ones are not.
    pub(crate) fn flood(&self, flood: Flood) {
        self.control.send_modify(|control| {
            control.flood = flood;
            control.floods += 1;
        });
    }

    /// Ends all connections. New ones are accepted.
    pub fn cut(&self, cut: Cut) {
        self.control.send_modify(|control| {
            control.cut = cut;
            control.cuts += 1;
        });
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut(Cut::Drop);
    }
}

/// Returns the next connection. A failed attempt is repeated: the peer may have gone already, and the process may have no
/// file descriptor left for a while.
pub(crate) async fn next_connection<T, F: Future<Output = io::Result<T>>>(mut accept: impl FnMut() -> F) -> T {
    loop {
        match accept().await {
            Ok(connection) => return connection,
            Err(_) => tokio::time::sleep(ACCEPT_DELAY).await,
        }
    }
}

/// Forwards a connection until it ends or is cut. `begin` is what the proxy was told before it accepted the connection.
async fn forward(
    mut client: TcpStream,
    target: SocketAddr,
    begin: Control,
    mut control: watch::Receiver<Control>,
    requests: &AtomicUsize,
) {
    let passing = pass(&mut client, target, begin, control.clone(), requests);
    let cut = async {
        // When the proxy is dropped, it cuts the connections first.
        control.wait_for(|control| control.cuts != begin.cuts).await.map(|control| control.cut).ok()
    };
    let cut = tokio::select! {
        () = passing => None,
        cut = cut => cut,
    };
    if cut == Some(Cut::Reset) {
        #[expect(
            deprecated,
            reason = "the oldest tokio that is supported has no `set_zero_linger`; zero does not block"
        )]
        client.set_linger(Some(Duration::ZERO)).expect("a socket that is open can be reset");
    }
}

/// Connects to the target and passes bytes in both directions, until one of them ends or the connection is flooded.
async fn pass(
    client: &mut TcpStream,
    target: SocketAddr,
    begin: Control,
    mut control: watch::Receiver<Control>,
    requests: &AtomicUsize,
) {
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    // If this fails, the connection has ended, and the next read says so.
    let _ = client.set_nodelay(true).and(server.set_nodelay(true));
    let (mut from_client, mut to_client) = client.split();
    let (from_server, to_server) = server.split();
    let pumps = (control.clone(), control.clone());
    let flood = tokio::select! {
        _ = pump(&mut from_client, to_server, pumps.0, Some(requests)) => return,
        _ = pump(from_server, &mut to_client, pumps.1, None) => return,
        control = control.wait_for(|control| control.floods != begin.floods) => control.map(|control| control.flood),
    };
    let Ok(flood) = flood else { return };
    let mut buffer = [0; 4_096];
    tokio::select! {
        () = async { while from_client.read(&mut buffer).await.is_ok_and(|len| len > 0) {} } => {}
        _ = pour(to_client, flood) => {}
    }
}

async fn pour(mut to: impl AsyncWriteExt + Unpin, flood: Flood) -> io::Result<()> {
    to.write_all(flood.begin).await?;
    let piece = flood.repeat.repeat(16 * 1_024);
    loop {
        to.write_all(&piece).await?;
    }
}

async fn pump(
    mut from: impl AsyncReadExt + Unpin,
    mut to: impl AsyncWriteExt + Unpin,
    mut control: watch::Receiver<Control>,
    requests: Option<&AtomicUsize>,
) -> io::Result<()> {
    let mut buffer = [0; 4_096];
    let mut matched = 0;
    let mut count = |bytes: &[u8]| {
        if let Some(requests) = requests {
            requests.fetch_add(count_posts(bytes, &mut matched), Ordering::Relaxed);
        }
    };
    loop {
        let len = from.read(&mut buffer).await?;
        count(&buffer[..len]);
        let (mut held, mut has_ended) = (buffer[..len].to_vec(), len == 0);
        let flow = loop {
            let flow = control.borrow_and_update().flow;
            if flow != Flow::Silence {
                break flow;
            }
            // A request is counted even if it arrives in parts.
            tokio::select! {
                changed = control.changed() => if changed.is_err() { return Ok(()) },
                len = from.read(&mut buffer), if !has_ended && held.len() < MAX_HELD => {
                    let read = &buffer[..len?];
                    count(read);
                    has_ended = read.is_empty();
                    held.extend(read);
                }
            }
        };
        if flow == Flow::Trickle {
            for piece in held.chunks(TRICKLE_LEN) {
                to.write_all(piece).await?;
                tokio::time::sleep(TRICKLE_DELAY).await;
            }
        } else {
            to.write_all(&held).await?;
        }
        if has_ended {
            return Ok(());
        }
    }
}

/// Counts requests in the next bytes of a connection. `matched` is how much of the last one's beginning came before.
fn count_posts(bytes: &[u8], matched: &mut usize) -> usize {
    let mut count = 0;
    for &byte in bytes {
        *matched = match POST.get(*matched) {
            Some(&next) if next == byte => *matched + 1,
            _ => usize::from(byte == POST[0]),
        };
        if *matched == POST.len() {
            count += 1;
            *matched = 0;
        }
    }
    count
}

/// The beginning of a request to an auth endpoint. Bodies are forms or JSON and do not contain it.
const POST: &[u8] = b"POST /";

/// Between two attempts to accept a connection.
const ACCEPT_DELAY: Duration = Duration::from_millis(5);

/// Bytes that are read during a silence, in each direction. Further ones wait in the sockets.
const MAX_HELD: usize = 64 * 1_024;

const TRICKLE_LEN: usize = 7;
const TRICKLE_DELAY: Duration = Duration::from_millis(1);

#[cfg(test)]
mod tests {
    use std::io::{self, Read as _, Write as _};
    use std::net::TcpStream;
    use std::time::Duration;

    use tokio::net::{TcpListener, TcpSocket};

    use super::{Cut, FaultProxy, Flood, Flow, SERVERS, next_connection};
    use crate::conformance::stage::{PATIENCE, wait_until};

    /// A server that accepts no connection, and the connections that fill its queue: further ones wait.
    fn busy_server() -> (TcpListener, Vec<TcpStream>) {
        let socket = TcpSocket::new_v4().expect("a socket");
        socket.bind("127.0.0.1:0".parse().expect("an address")).expect("a free port");
        let listener = SERVERS.block_on(async { socket.listen(1) }).expect("a listener");
        let address = listener.local_addr().expect("its address");
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok();
        let queue = std::iter::from_fn(connect).collect();
        (listener, queue)
    }

    /// A connection that the proxy has accepted, while its own connection to the target waits.
    fn half_open(proxy: &FaultProxy) -> TcpStream {
        let client = TcpStream::connect(proxy.address()).expect("the proxy listens");
        client.set_read_timeout(Some(PATIENCE)).expect("a socket with a time limit");
        wait_until("the proxy has accepted a connection", || proxy.accepted() == 1, || "it has not".into());
        client
    }

    #[test]
    #[cfg_attr(not(target_os = "linux"), ignore = "other systems keep a queue of another length")]
    fn a_connection_is_cut_while_the_proxy_still_connects_to_the_target() {
        let (listener, _queue) = busy_server();
        let proxy = FaultProxy::new(listener.local_addr().expect("its address"));
        let mut client = half_open(&proxy);
        assert_eq!(proxy.connection_count(), 1);
        proxy.cut(Cut::Drop);
        assert_eq!(client.read(&mut [0]).expect("the end of the stream"), 0);
        wait_until("no connection is left", || proxy.connection_count() == 0, || "there is one".into());
    }

    #[test]
    #[cfg_attr(not(target_os = "linux"), ignore = "other systems keep a queue of another length")]
    fn a_connection_is_flooded_once_the_target_accepts_it() {
        let (listener, queue) = busy_server();
        let proxy = FaultProxy::new(listener.local_addr().expect("its address"));
        let mut client = half_open(&proxy);
        proxy.flood(Flood::PINGS);
        let _accepted: Vec<_> = queue.iter().map(|_| SERVERS.block_on(listener.accept()).expect("it waits")).collect();
        let mut ping = [0; 2];
        client.read_exact(&mut ping).expect("a ping");
        assert_eq!(ping, Flood::PINGS.repeat);
    }

    #[test]
    fn a_failed_accept_is_repeated() {
        let mut results = vec![Ok(7), Err(io::ErrorKind::ConnectionAborted.into()), Err(io::Error::other("no file"))];
        let next = next_connection(|| std::future::ready(results.pop().expect("three attempts")));
        assert_eq!(SERVERS.block_on(next), 7);
    }

    #[test]
    fn connections_are_counted_after_the_listener_has_ended() {
        let target = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let proxy = FaultProxy::new(target.local_addr().expect("its address"));
        proxy.accepting.abort();
        wait_until("the listener has ended", || proxy.accepting.is_finished(), || "it has not".into());
        assert_eq!(proxy.connection_count(), 0);
    }

    #[test]
    fn requests_are_counted_in_a_silence_however_their_bytes_arrive() {
        let target = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
        let proxy = FaultProxy::new(target.local_addr().expect("its address"));
        proxy.set(Flow::Silence);
        let mut client = TcpStream::connect(proxy.address()).expect("the proxy listens");
        client.set_nodelay(true).expect("a socket");
        for part in [&b"PO"[..], b"ST /pusher/auth HTTP/1.1\r\n\r\n"] {
            client.write_all(part).expect("the proxy reads");
        }
        wait_until("the request is counted", || proxy.request_count() == 1, || "it is not".into());
        proxy.set(Flow::Pass);
        let (mut server, _) = target.accept().expect("the proxy connects");
        let mut head = [0; 18];
        server.read_exact(&mut head).expect("what was held back");
        assert_eq!(&head, b"POST /pusher/auth ");
    }

    #[test]
    fn requests_are_counted_however_their_bytes_arrive() {
        let bytes = b"POST /a HTTP/1.1\r\n\r\nPOPOST /b HTTP/1.1\r\n\r\n";
        for split in 0..bytes.len() {
            let mut matched = 0;
            let counts = [&bytes[..split], &bytes[split..]].map(|part| super::count_posts(part, &mut matched));
            assert_eq!(counts.iter().sum::<usize>(), 2, "split at {split}");
        }
    }
}
