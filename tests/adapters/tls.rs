//! TLS, with certificates that exist only in the tests.

use std::net::SocketAddr;
use std::sync::Arc;

use pusher_driver::{HttpAuth, Options, Tls};
use pusher_proto::{Config, ConnectionError, Endpoint, Event, TransportError};
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use pusher_test::conformance::{Stage, WithHandles, options, quick};

use crate::runtimes::TOKIO;
use crate::{MINUTE, Scenario};

pub(crate) fn all<H: WithHandles>() -> Vec<Scenario<H>> {
    vec![
        ("tls_socket_and_authorization_accept_a_certificate_with_its_root", accepts::<H>),
        ("tls_a_configuration_that_offers_http2_is_used_with_http1", offers_http2::<H>),
        ("tls_a_certificate_without_its_root_is_one_error", refuses_an_unknown_root::<H>),
        ("tls_a_certificate_for_another_name_is_one_error", refuses_another_name::<H>),
        ("tls_an_expired_certificate_is_one_error", refuses_an_expired_certificate::<H>),
    ]
}

fn accepts<H: WithHandles>(stage: &mut Stage<H>) {
    let front = Front::trusted(stage.address());
    let mut user = stage.handles(quick(front.config()), front.auth(), &front.trusting());
    user.connect();
    drop(user.subscribed("private-orders"));
    assert!(CryptoProvider::get_default().is_none(), "the process default is left alone");
}

fn offers_http2<H: WithHandles>(stage: &mut Stage<H>) {
    let front = Front::trusted(stage.address());
    let options = front.trusting_with(&[b"h2", b"http/1.1"]);
    let mut user = stage.handles(quick(front.config()), front.auth(), &options);
    user.connect();
    drop(user.subscribed("private-orders"));
}

fn refuses_an_unknown_root<H: WithHandles>(stage: &mut Stage<H>) {
    let front = Front::trusted(stage.address());
    expect_one_error(stage, &front, &options(), "UnknownIssuer");
}

fn refuses_another_name<H: WithHandles>(stage: &mut Stage<H>) {
    let front = Front::new(Certificate::new("elsewhere.example", 2100), stage.address());
    expect_one_error(stage, &front, &front.trusting(), "localhost");
}

fn refuses_an_expired_certificate<H: WithHandles>(stage: &mut Stage<H>) {
    let front = Front::new(Certificate::new("localhost", 2001), stage.address());
    expect_one_error(stage, &front, &front.trusting(), "expired");
}

/// Expects one attempt with one error that says what is wrong, and with which server.
pub(crate) fn expect_one_error<H: WithHandles>(stage: &Stage<H>, front: &Front, options: &Options, excerpt: &str) {
    let config = quick(front.config()).reconnect_base(MINUTE).reconnect_cap(MINUTE);
    let mut user = stage.handles(config, front.auth(), options);
    user.connect();
    let error = user.until("an error", |event| matches!(event, Event::ConnectionError(_)));
    let Event::ConnectionError(ConnectionError::Transport(TransportError::Tls(text))) = error else {
        panic!("{error:?}")
    };
    assert!(text.contains(excerpt) && text.contains(&format!("localhost:{}", front.port)), "{text}");
    user.disconnect();
    user.until_state("disconnected", |state| *state == pusher_proto::ConnectionState::Disconnected);
    assert!(!user.rest().iter().any(|event| matches!(event, Event::ConnectionError(_))));
}

/// A certificate, signed by itself.
struct Certificate {
    der: CertificateDer<'static>,
    key: PrivateKeyDer<'static>,
}

impl Certificate {
    fn new(name: &str, last_year: i32) -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new([name.to_owned()]).unwrap();
        params.not_before = date_time_ymd(2000, 1, 1);
        params.not_after = date_time_ymd(last_year, 1, 1);
        let der = params.self_signed(&key).unwrap().der().clone();
        Self { der, key: PrivateKeyDer::Pkcs8(key.serialize_der().into()) }
    }
}

/// TLS in front of a server.
pub(crate) struct Front {
    port: u16,
    root: CertificateDer<'static>,
    accepting: JoinHandle<()>,
}

impl Front {
    /// A front whose certificate clients trust if they trust its root.
    pub(crate) fn trusted(server: SocketAddr) -> Self {
        Self::new(Certificate::new("localhost", 2100), server)
    }

    fn new(certificate: Certificate, server: SocketAddr) -> Self {
        let tls = ServerConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let root = certificate.der.clone();
        let mut tls = tls.with_no_client_auth().with_single_cert(vec![certificate.der], certificate.key).unwrap();
        // Like most servers, it would choose HTTP/2, although it does not support it.
        tls.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        let listener = TOKIO.block_on(TcpListener::bind("127.0.0.1:0")).unwrap();
        let port = listener.local_addr().unwrap().port();
        let accepting = TOKIO.spawn(accept(listener, TlsAcceptor::from(Arc::new(tls)), server));
        Self { port, root, accepting }
    }

    pub(crate) fn config(&self) -> pusher_proto::ConfigBuilder {
        Config::builder("app-key", Endpoint::host("localhost").wss_port(self.port))
    }

    pub(crate) fn auth(&self) -> HttpAuth {
        HttpAuth::new(format!("https://localhost:{}/pusher/auth", self.port))
    }

    pub(crate) fn trusting(&self) -> Options {
        self.trusting_with(&[])
    }

    /// With a configuration that offers these protocols (ALPN).
    fn trusting_with(&self, protocols: &[&[u8]]) -> Options {
        let mut roots = RootCertStore::empty();
        roots.add(self.root.clone()).unwrap();
        let tls = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions().unwrap();
        let mut tls = tls.with_root_certificates(roots).with_no_client_auth();
        tls.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        options().tls(Tls::rustls_0_23(tls))
    }
}

impl Drop for Front {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, acceptor: TlsAcceptor, server: SocketAddr) {
    while let Ok((socket, _)) = listener.accept().await {
        let acceptor = acceptor.clone();
        tokio::spawn(async move {
            // A client that does not trust the certificate ends the handshake.
            let Ok(mut client) = acceptor.accept(socket).await else { return };
            if client.get_ref().1.alpn_protocol() == Some(b"h2") {
                return;
            }
            let Ok(mut server) = TcpStream::connect(server).await else { return };
            drop(copy_bidirectional(&mut client, &mut server).await);
        });
    }
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}
