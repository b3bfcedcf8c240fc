//! WebSockets that the application opens, with a paused clock and over in-memory streams.
#![cfg(test)]

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use pusher_tokio::tokio_tungstenite_0_29::tokio_tungstenite::tungstenite::Message;
use pusher_tokio::tokio_tungstenite_0_29::tokio_tungstenite::tungstenite::protocol::CloseFrame;
use pusher_tokio::tokio_tungstenite_0_29::tokio_tungstenite::{
    WebSocketStream, accept_async, client_async_with_config,
};
use pusher_tokio::tokio_tungstenite_0_29::{OpenError, Upgrade, connect_with};
use pusher_tokio::{
    Client, Config, ConnectionError, ConnectionState, Endpoint, Event, Events, NoAuth, Options, TransportError,
    with_causes,
};
use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

type Server = WebSocketStream<DuplexStream>;

const ESTABLISHED: &str =
    r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.1\",\"activity_timeout\":120}"}"#;

/// Opens a stream to a server, and passes the server's end to the test.
async fn open(upgrade: Upgrade, servers: UnboundedSender<Server>) -> Result<WebSocketStream<DuplexStream>, OpenError> {
    let (ours, theirs) = duplex(64 * 1_024);
    tokio::spawn(async move {
        let mut server = accept_async(theirs).await.unwrap();
        server.send(Message::text(ESTABLISHED)).await.unwrap();
        servers.send(server).unwrap();
    });
    let limits = Some(upgrade.config());
    Ok(client_async_with_config(upgrade, ours, limits).await?.0)
}

fn config() -> Config {
    Config::builder("app-key", Endpoint::host("localhost").tls(false)).max_frame_len(1_000).build().unwrap()
}

/// What arrives within a while, by the paused clock.
async fn within<T>(future: impl Future<Output = Option<T>>) -> T {
    timeout(Duration::from_secs(60), future).await.unwrap().unwrap()
}

/// The code of the close frame that comes next.
async fn close_code(server: &mut Server) -> u16 {
    match within(server.next()).await.unwrap() {
        Message::Close(Some(CloseFrame { code, .. })) => code.into(),
        message => panic!("{message:?}"),
    }
}

async fn next_error(events: &mut Events) -> ConnectionError {
    loop {
        if let Event::ConnectionError(error) = within(events.recv()).await {
            return error;
        }
    }
}

async fn connected(events: &mut Events) {
    while !matches!(within(events.recv()).await, Event::StateChanged { current, .. } if current.is_connected()) {}
}

fn start() -> (Client, UnboundedReceiver<Server>) {
    let (sender, servers) = unbounded_channel();
    let client = connect_with(config(), NoAuth, &Options::new(), move |upgrade| open(upgrade, sender.clone()));
    (client.unwrap(), servers)
}

/// Reports when it is dropped, and may panic then.
struct Attempt {
    ended: Arc<AtomicUsize>,
    panics: bool,
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.ended.fetch_add(1, Ordering::SeqCst);
        assert!(!self.panics, "the test wants a panic");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_fails_or_panics_or_hangs_is_followed_by_another() {
    let (sender, _servers) = unbounded_channel();
    let (started, ended) = (AtomicUsize::new(0), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&ended);
    let client = connect_with(config(), NoAuth, &Options::new(), move |upgrade| {
        let number = started.fetch_add(1, Ordering::SeqCst);
        assert_ne!(number, 1, "the test wants a panic");
        let (sender, attempt) = (sender.clone(), Attempt { ended: Arc::clone(&count), panics: number == 3 });
        async move {
            let _attempt = attempt;
            match number {
                0 => Err(io::Error::from(io::ErrorKind::NotFound).into()),
                2 => panic!("the test wants a panic"),
                3 => pending().await,
                _ => open(upgrade, sender).await,
            }
        }
    });
    let client = client.unwrap();
    let mut events = client.events();
    let io = |text: &str| ConnectionError::Transport(TransportError::Io(text.into()));
    let errors = [
        next_error(&mut events).await,
        next_error(&mut events).await,
        next_error(&mut events).await,
        next_error(&mut events).await,
    ];
    let panicked = io("the attempt panicked");
    assert_eq!(errors, [io("entity not found"), panicked.clone(), panicked, ConnectionError::HandshakeTimeout]);
    assert_eq!(ended.load(Ordering::SeqCst), 3, "the attempt that hung was dropped");
    connected(&mut events).await;
}

#[tokio::test(start_paused = true)]
async fn a_message_above_max_frame_len_ends_the_connection_and_another_is_opened() {
    let (client, mut servers) = start();
    let mut events = client.events();
    let mut server = within(servers.recv()).await;
    server.send(Message::text("x".repeat(1_001))).await.unwrap();
    assert_eq!(close_code(&mut server).await, 1009);
    drop(server);
    let error = next_error(&mut events).await;
    assert_eq!(with_causes(&error).to_string(), "the connection ended: a frame was larger than the limit");
    connected(&mut events).await;
    within(servers.recv()).await;
}

#[tokio::test(start_paused = true)]
async fn a_ping_is_answered_and_shutdown_closes_and_waits_within_its_limit() {
    let (client, mut servers) = start();
    let mut server = within(servers.recv()).await;
    server.send(Message::Ping("p".into())).await.unwrap();
    assert_eq!(within(server.next()).await.unwrap(), Message::Pong("p".into()));
    let begin = tokio::time::Instant::now();
    // The server reads nothing, so it does not answer the close.
    client.shutdown(Duration::from_secs(1)).await;
    assert_eq!(begin.elapsed(), Duration::from_secs(1));
    assert_eq!(client.state(), ConnectionState::Disconnected);
    assert_eq!(close_code(&mut server).await, 1000);
}
