//! TLS, with a certificate that only the test trusts.
#![cfg(test)]

use std::sync::Arc;
use std::time::Duration;

use pusher_server::Server;
use pusher_tokio::{
    Client, Config, ConnectionError, ConnectionState, Endpoint, Event, HttpAuth, Options, Tls, TransportError,
    connect_with,
};
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A server with TLS in front of it.
struct Secured {
    _server: Server,
    port: u16,
    trusting: Arc<ClientConfig>,
}

async fn secured() -> Secured {
    let server = Server::start(pusher_server::Options::default()).await.unwrap();
    let issued = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::Pkcs8(issued.signing_key.serialize_der().into());
    let provider = Arc::new(rustls::crypto::ring::default_provider());

    let tls = ServerConfig::builder_with_provider(Arc::clone(&provider)).with_safe_default_protocol_versions();
    let tls = tls.unwrap().with_no_client_auth().with_single_cert(vec![issued.cert.der().clone()], key).unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(forward(listener, TlsAcceptor::from(Arc::new(tls)), server.address()));

    let mut roots = RootCertStore::empty();
    roots.add(issued.cert.der().clone()).unwrap();
    let trusting = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let trusting = Arc::new(trusting.unwrap().with_root_certificates(roots).with_no_client_auth());
    Secured { _server: server, port, trusting }
}

async fn forward(listener: TcpListener, acceptor: TlsAcceptor, server: std::net::SocketAddr) {
    while let Ok((socket, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client that does not trust the certificate ends the handshake.
            let Ok(mut client) = acceptor.accept(socket).await else { return };
            let mut server = TcpStream::connect(server).await.unwrap();
            drop(copy_bidirectional(&mut client, &mut server).await);
        });
    }
}

fn start(port: u16, options: &Options) -> Client {
    let config = Config::new("app-key", Endpoint::host("localhost").wss_port(port)).unwrap();
    let auth = HttpAuth::new(format!("https://localhost:{port}/pusher/auth"));
    connect_with(config, auth, options).unwrap()
}

async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), future).await.unwrap()
}

#[tokio::test]
async fn socket_and_authorization_use_the_given_configuration() {
    let secured = secured().await;
    let options = Options::new().tls(Tls::rustls_0_23(Arc::clone(&secured.trusting)));
    let client = start(secured.port, &options);
    let chat = client.subscribe("private-chat").unwrap();
    within(chat.subscribed()).await.unwrap();
    assert!(rustls::crypto::CryptoProvider::get_default().is_none());
}

#[tokio::test]
async fn an_untrusted_certificate_is_a_tls_error() {
    let secured = secured().await;
    let client = start(secured.port, &Options::new());
    let mut events = client.events();
    loop {
        let Event::StateChanged { current, .. } = within(events.recv()).await.unwrap() else { continue };
        let ConnectionState::Waiting { cause, .. } = current else { continue };
        let ConnectionError::Transport(TransportError::Tls(text)) = *cause else { panic!("{cause:?}") };
        assert!(text.contains("certificate"), "{text}");
        return;
    }
}
