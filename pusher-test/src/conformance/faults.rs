//! A TCP proxy that injects faults.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::world::SERVERS;

/// Forwards connections from its own port to one address.
pub(crate) struct FaultProxy {
    address: SocketAddr,
    control: watch::Sender<Control>,
    accepted: Arc<AtomicUsize>,
    /// Each holds a clone.
    connections: Arc<()>,
    accepting: JoinHandle<()>,
}

#[derive(Clone, Copy)]
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
pub(crate) enum Flow {
    Pass,
    /// They wait, and both ends assume that the other is still there.
    Silence,
    /// A few at a time.
    Trickle,
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// With the end of the stream.
    Drop,
    /// With a reset.
    Reset,
}

impl FaultProxy {
    pub(crate) fn new(target: SocketAddr) -> Self {
        let control =
            watch::Sender::new(Control { flow: Flow::Pass, cuts: 0, cut: Cut::Drop, floods: 0, flood: Flood::PINGS });
        let listener = SERVERS.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let address = listener.local_addr().unwrap();
        let subscriber = control.clone();
        let accepted = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&accepted);
        let connections = Arc::new(());
        let connection = Arc::clone(&connections);
        let accepting = SERVERS.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                count.fetch_add(1, Ordering::Relaxed);
                let (control, connection) = (subscriber.subscribe(), Arc::clone(&connection));
                tokio::spawn(async move {
                    forward(client, target, control).await;
                    drop(connection);
                });
            }
        });
        Self { address, control, accepted, connections, accepting }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Connections so far.
    pub(crate) fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }

    /// Connections that go through it.
    pub(crate) fn connection_count(&self) -> usize {
        // This handle and the listener hold it too.
        Arc::strong_count(&self.connections) - 2
    }

    pub(crate) fn set(&self, flow: Flow) {
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
    pub(crate) fn cut(&self, cut: Cut) {
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

async fn forward(mut client: TcpStream, target: SocketAddr, mut control: watch::Receiver<Control>) {
    let Ok(mut server) = TcpStream::connect(target).await else { return };
    client.set_nodelay(true).unwrap();
    server.set_nodelay(true).unwrap();
    let begin = *control.borrow();
    let mut flooding = control.clone();
    let (mut from_client, mut to_client) = client.split();
    let (from_server, to_server) = server.split();
    let cut = async {
        // When the proxy is dropped, it cuts the connections first.
        control.wait_for(|control| control.cuts != begin.cuts).await.map(|control| control.cut).ok()
    };
    let passing = async {
        let pumps = (flooding.clone(), flooding.clone());
        let flood = tokio::select! {
            _ = pump(&mut from_client, to_server, pumps.0) => return,
            _ = pump(from_server, &mut to_client, pumps.1) => return,
            control = flooding.wait_for(|control| control.floods != begin.floods) => control.map(|control| control.flood),
        };
        let Ok(flood) = flood else { return };
        let mut buffer = [0; 4_096];
        tokio::select! {
            () = async { while from_client.read(&mut buffer).await.is_ok_and(|len| len > 0) {} } => {}
            _ = pour(to_client, flood) => {}
        }
    };
    let cut = tokio::select! {
        () = passing => None,
        cut = cut => cut,
    };
    if cut == Some(Cut::Reset) {
        client.set_zero_linger().unwrap();
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
) -> io::Result<()> {
    let mut buffer = [0; 4_096];
    loop {
        let len = from.read(&mut buffer).await?;
        let Ok(flow) = control.wait_for(|control| control.flow != Flow::Silence).await.map(|control| control.flow)
        else {
            return Ok(());
        };
        if len == 0 {
            return Ok(());
        }
        if flow == Flow::Pass {
            to.write_all(&buffer[..len]).await?;
            continue;
        }
        for piece in buffer[..len].chunks(TRICKLE_LEN) {
            to.write_all(piece).await?;
            tokio::time::sleep(TRICKLE_DELAY).await;
        }
    }
}

const TRICKLE_LEN: usize = 7;
const TRICKLE_DELAY: Duration = Duration::from_millis(1);
