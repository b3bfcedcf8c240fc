//! Failures, and how the client handles them.

use std::io;
use std::time::Duration;

use pusher_tokio::{
    AuthBody, Client, Config, ConnectionError, ConnectionState, Endpoint, Event, NoAuth, Options, SubscribeError,
    SubscriptionError, TransportError, connect, connect_with,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{auth, config, server, subscribed, within};

#[tokio::test]
async fn a_refused_authorization_is_an_error_of_the_channel() {
    let server = server().await;
    let options = Options::new().auth_body(AuthBody::Json);
    let client = connect_with(config(&server).build().unwrap(), auth(&server), &options).unwrap();
    let secret = client.subscribe("private-forbidden").unwrap();
    match within(secret.subscribed()).await {
        Err(SubscribeError::Channel(SubscriptionError::Auth(error))) if error.status() == 403 => {}
        other => panic!("{other:?}"),
    }
    drop(subscribed(&client, "private-allowed").await);
}

/// Why the client waits before it tries again.
async fn failure(client: &Client) -> ConnectionError {
    let mut events = client.events();
    if let ConnectionState::Waiting { cause, .. } = client.state() {
        return *cause;
    }
    loop {
        match within(events.recv()).await {
            Some(Event::StateChanged { current: ConnectionState::Waiting { cause, .. }, .. }) => return *cause,
            Some(_) => {}
            None => panic!("the client goes on trying"),
        }
    }
}

fn lonely(endpoint: Endpoint) -> Client {
    connect(Config::new("app-key", endpoint.tls(false)).unwrap(), NoAuth).unwrap()
}

async fn listener() -> (TcpListener, Endpoint) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    (listener, Endpoint::host("127.0.0.1").ws_port(port))
}

#[tokio::test]
async fn an_unreachable_server_is_waited_for() {
    let (listener, endpoint) = listener().await;
    drop(listener);
    let client = lonely(endpoint);
    match failure(&client).await {
        ConnectionError::Transport(TransportError::Io(_)) => {}
        other => panic!("{other:?}"),
    }
}

async fn refuse_upgrade(listener: TcpListener) -> io::Result<()> {
    let (mut socket, _) = listener.accept().await?;
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(socket.read_u8().await?);
    }
    socket.write_all(b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n").await
}

#[tokio::test]
async fn a_refused_upgrade_has_its_status() {
    let (listener, endpoint) = listener().await;
    let client = lonely(endpoint);
    within(refuse_upgrade(listener)).await.unwrap();
    let refused = TransportError::Http {
        status: 429,
        retry_after: Some(Duration::from_secs(7)),
        location: None,
        excerpt: Box::default(),
    };
    assert_eq!(failure(&client).await, ConnectionError::Transport(refused));
}

#[cfg(not(feature = "tls"))]
#[test]
fn tls_without_its_feature_is_an_error_of_the_configuration() {
    let config = Config::new("app-key", Endpoint::cluster("eu")).unwrap();
    assert_eq!(connect(config, NoAuth).unwrap_err(), pusher_tokio::InvalidConfig::TlsDisabled("tls"));
}

#[test]
fn a_client_that_is_started_outside_of_a_runtime_says_where_and_what_to_do() {
    let place = std::panic::catch_unwind(|| {
        let config = Config::new("app-key", "ws://127.0.0.1:9").unwrap();
        let _client = pusher_tokio::connect(config, NoAuth);
    });
    let message = *place.unwrap_err().downcast::<&str>().unwrap();
    assert!(message.contains("outside of a tokio runtime") && message.contains("#[tokio::main]"), "{message}");
}
