//! Servers whose certificates only the tests know, and hosted Pusher, which is one of them here.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use pusher_server::{Options, Server};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd};
use rustls::ServerConfig;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::support::{Running, pusher, pusher_with, server, tcp_server};

#[tokio::test(flavor = "multi_thread")]
async fn a_private_ca_is_trusted_by_every_command_that_gets_its_certificate() {
    let server = server().await;
    let authority = Authority::new("private-ca");
    let acceptor = authority.acceptor(&["127.0.0.1"]);
    let target = server.address();
    let (address, _) = tcp_server(move |stream| forward(acceptor.clone(), stream, target)).await;
    let (wss, https) = (format!("wss://{address}"), format!("https://{address}/pusher/auth"));
    let ca_file = authority.file.to_str().unwrap();

    let listen = ["listen", "--url", &wss, "--key", "app-key", "--auth-url", &https, "-c", "private-a", "--count", "1"];
    let credentials = ["--url", &wss, "--app-id", "1", "--key", "app-key", "--secret", "app-secret"];
    let trigger = [&["trigger"][..], &credentials, &["-c", "private-a", "-e", "x", "-d", "{}"]].concat();
    let demo = [&["demo"][..], &credentials].concat();
    for args in [&listen[..], &trigger, &demo] {
        pusher(args).await.expect_failure(3, "UnknownIssuer");
    }

    let mut listening = Running::start(&[&listen[..], &["--ca-file", ca_file]].concat());
    listening.line_with("pusher:subscription_succeeded").await;
    let run = pusher(&[&trigger[..], &["--ca-file", ca_file]].concat()).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(listening.end().await.code, Some(0));
    let run = pusher(&[&demo[..], &["--ca-file", ca_file]].concat()).await;
    assert_eq!(run.code, Some(0), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn insecure_accepts_a_certificate_that_is_not_trusted_and_says_so() {
    let server = server().await;
    let acceptor = Authority::new("insecure").acceptor(&["other.example"]);
    let target = server.address();
    let (address, _) = tcp_server(move |stream| forward(acceptor.clone(), stream, target)).await;
    let wss = format!("wss://{address}");
    let trigger = ["trigger", "--url", &wss, "--app-id", "1", "--key", "app-key", "--secret", "app-secret"];
    let trigger = [&trigger[..], &["-c", "a", "-e", "x", "-d", "{}"]].concat();
    pusher(&trigger).await.expect_failure(3, "invalid peer certificate");
    let run = pusher(&[&trigger[..], &["--insecure"]].concat()).await;
    assert_eq!((run.code, run.stdout.as_str()), (Some(0), "published\n"), "{run:?}");
    assert_eq!(run.stderr, "note: --insecure: TLS certificates are not checked\n");
    let doctor = pusher(&["doctor", "--url", &wss, "--key", "app-key", "--insecure"]).await;
    assert_eq!(doctor.code, Some(0), "{doctor:?}");
    assert!(doctor.stdout.contains("   means  the certificate was not checked\n"), "{doctor:?}");
    let listen = ["listen", "--url", &wss, "--key", "app-key", "-c", "a", "--insecure"];
    Running::start(&listen).line_with("pusher:subscription_succeeded").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_proxy_is_taken_by_every_command_even_to_this_machine() {
    let server = server().await;
    let url = server.ws_url();
    let (proxy, mut connections) = tcp_server(move |mut stream| async move {
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            request.push(stream.read_u8().await.unwrap());
        }
        let request = String::from_utf8(request).unwrap();
        // HTTP without TLS has no tunnel.
        let target = request.split_once("127.0.0.1:").unwrap().1;
        let port: String = target.chars().take_while(char::is_ascii_digit).collect();
        let mut server = TcpStream::connect(format!("127.0.0.1:{port}")).await.unwrap();
        if request.starts_with("CONNECT ") {
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
        } else {
            let origin = format!("http://127.0.0.1:{port}");
            server.write_all(request.replacen(&origin, "", 1).as_bytes()).await.unwrap();
        }
        let _ = copy_bidirectional(&mut stream, &mut server).await;
    })
    .await;
    let proxy = format!("http://{proxy}");
    let listen = ["listen", "--url", &url, "--key", "app-key", "-c", "a", "--count", "1", "--proxy", &proxy];
    let mut listening = Running::start(&listen);
    listening.line_with("pusher:subscription_succeeded").await;
    connections.recv().await.unwrap();
    let trigger = ["trigger", "--url", &url, "--app-id", "1", "--key", "app-key", "--secret", "app-secret"];
    let run = pusher(&[&trigger[..], &["-c", "a", "-e", "x", "-d", "{}", "--proxy", &proxy]].concat()).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    connections.recv().await.unwrap();
    assert_eq!(listening.end().await.code, Some(0));

    let doctor = ["doctor", "--url", &url, "--key", "app-key", "--secret", "app-secret", "--proxy", &proxy];
    let run = pusher(&doctor).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert!(run.stdout.contains("  proxy 127.0.0.1:"), "{run:?}");

    let run = pusher(&[&listen[..9], &["--proxy", "http://ann:tofu@h:port"]].concat()).await;
    run.expect_failure(2, "the proxy is not a URL");
    assert!(!run.stderr.contains("tofu"), "{run:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_certificates_is_an_error() {
    let listen = ["listen", "--url", "wss://127.0.0.1", "--key", "k", "-c", "a", "--ca-file"];
    let empty = directory().join("empty.pem");
    std::fs::write(&empty, "nothing here\n").unwrap();
    let broken = directory().join("broken.pem");
    std::fs::write(&broken, "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").unwrap();
    for (path, part) in [
        (PathBuf::from("/no/such/file"), "No such file"),
        (empty, "the file contains no PEM certificate"),
        (broken, "cannot use "),
    ] {
        let run = pusher(&[&listen[..], &[path.to_str().unwrap()]].concat()).await;
        run.expect_failure(1, part);
        run.expect_failure(1, path.to_str().unwrap());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_is_reached_at_its_hosts_through_the_proxy_of_the_environment() {
    // It is asked under the names of the cluster.
    let server = Server::start(Options::default().allow_any_origin(true)).await.unwrap();
    let authority = Authority::new("cluster");
    let acceptor = authority.acceptor(&["ws-eu.pusher.com", "api-eu.pusher.com"]);
    let target = server.address();
    let (proxy, _) = tcp_server(move |mut stream| {
        let acceptor = acceptor.clone();
        async move {
            let mut request = Vec::new();
            while !request.ends_with(b"\r\n\r\n") {
                request.push(stream.read_u8().await.unwrap());
            }
            let request = String::from_utf8(request).unwrap();
            assert!(
                request.starts_with("CONNECT ws-eu.pusher.com:443 ")
                    || request.starts_with("CONNECT api-eu.pusher.com:443 "),
                "{request}"
            );
            stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.unwrap();
            forward(acceptor, stream, target).await;
        }
    })
    .await;
    let proxy = format!("http://{proxy}");
    let env = [("HTTPS_PROXY", proxy.as_str())];
    let place = ["--cluster", "eu", "--ca-file", authority.file.to_str().unwrap()];

    let listen = [&["listen", "--key", "app-key", "-c", "a", "--count", "1"][..], &place].concat();
    let mut listening = Running::start_with(&env, &listen);
    listening.line_with("pusher:subscription_succeeded").await;
    let trigger = ["trigger", "--app-id", "1", "--key", "app-key", "--secret", "app-secret"];
    let run = pusher_with(&env, &[&trigger[..], &place, &["-c", "a", "-e", "x", "-d", "{}"]].concat()).await;
    assert_eq!(run.code, Some(0), "{run:?}");
    assert_eq!(listening.end().await.code, Some(0));
}

/// A certificate authority, and the file with its certificate.
pub(crate) struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    file: PathBuf,
}

impl Authority {
    pub(crate) fn new(name: &str) -> Self {
        let mut params = CertificateParams::new([]).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, name);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let file = directory().join(format!("{name}.pem"));
        let base64 = STANDARD.encode(issuer.as_ref().der());
        std::fs::write(&file, format!("-----BEGIN CERTIFICATE-----\n{base64}\n-----END CERTIFICATE-----\n")).unwrap();
        Self { issuer, file }
    }

    pub(crate) fn file(&self) -> &str {
        self.file.to_str().unwrap()
    }

    /// Speaks TLS with a certificate of this authority.
    pub(crate) fn acceptor(&self, names: &[&str]) -> TlsAcceptor {
        self.acceptor_until(names, 4_000)
    }

    /// The same with a certificate that expires when this year begins.
    pub(crate) fn acceptor_until(&self, names: &[&str], year: i32) -> TlsAcceptor {
        let key = KeyPair::generate().unwrap();
        let names = names.iter().map(|name| (*name).to_owned());
        let mut params = CertificateParams::new(names.collect::<Vec<_>>()).unwrap();
        params.not_after = date_time_ymd(year, 1, 1);
        let certificate: CertificateDer<'static> = params.signed_by(&key, &self.issuer).unwrap().der().clone();
        let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let config = config.with_no_client_auth().with_single_cert(vec![certificate], key).unwrap();
        TlsAcceptor::from(Arc::new(config))
    }
}

pub(crate) async fn forward(acceptor: TlsAcceptor, stream: TcpStream, server: std::net::SocketAddr) {
    // A client that does not trust the certificate ends the handshake.
    let Ok(mut client) = acceptor.accept(stream).await else { return };
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    let _ = copy_bidirectional(&mut client, &mut server).await;
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_TARGET_TMPDIR"))
}
