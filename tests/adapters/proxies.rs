//! Real HTTP and SOCKS proxies, from Debian packages.

use std::env;
use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use pusher_driver::adapter::OptionsExt as _;
use pusher_driver::{Options, Proxy};
use pusher_proto::{ConnectionError, Event, TransportError};
use pusher_test::conformance::{FaultProxy, Stage, User, WithHandles, options, quick};

use crate::tls::{Front, expect_one_error};
use crate::{MINUTE, Scenario};

/// Scenarios, and the programs that they need.
pub(crate) fn all<H: WithHandles>() -> Vec<(Option<&'static str>, Scenario<H>)> {
    vec![
        (None, ("a_proxy_that_never_ends_its_answer_is_no_way_to_the_auth_server", endless::<H>)),
        (TINYPROXY, ("tinyproxy_socket_and_authorization_go_through_http_connect", through_http::<H>)),
        (TINYPROXY, ("tinyproxy_credentials_are_checked", through_http_with_credentials::<H>)),
        (TINYPROXY, ("tinyproxy_tls_goes_through_http_connect", tls_through_http::<H>)),
        (TINYPROXY, ("tinyproxy_each_scheme_has_its_own_proxy", through_the_proxy_of_the_scheme::<H>)),
        (MICROSOCKS, ("microsocks_tls_goes_through_socks5", tls_through_socks::<H>)),
        (MICROSOCKS, ("microsocks_socket_and_authorization_go_through_socks5", through_socks::<H>)),
        (MICROSOCKS, ("microsocks_credentials_are_checked", through_socks_with_credentials::<H>)),
    ]
}

pub(crate) fn is_installed(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|paths| env::split_paths(&paths).any(|path| path.join(program).is_file()))
}

const TINYPROXY: Option<&str> = Some("tinyproxy");
const MICROSOCKS: Option<&str> = Some("microsocks");

fn through_http<H: WithHandles>(stage: &mut Stage<H>) {
    let proxy = Running::tinyproxy("");
    expect_way(stage, &proxy, |port| Proxy::http("127.0.0.1", port));
}

fn through_http_with_credentials<H: WithHandles>(stage: &mut Stage<H>) {
    let proxy = Running::tinyproxy("BasicAuth user secret\n");
    expect_way(stage, &proxy, |port| Proxy::http("127.0.0.1", port).credentials("user", "secret"));
    expect_refusal(stage, Proxy::http("127.0.0.1", proxy.port), "407");
    expect_refusal(stage, Proxy::http("127.0.0.1", proxy.port).credentials("user", "wrong"), "40");
}

fn through_socks<H: WithHandles>(stage: &mut Stage<H>) {
    let proxy = Running::microsocks(&[]);
    expect_way(stage, &proxy, |port| Proxy::socks5("127.0.0.1", port));
}

fn through_socks_with_credentials<H: WithHandles>(stage: &mut Stage<H>) {
    let proxy = Running::microsocks(&["-u", "user", "-P", "secret"]);
    expect_way(stage, &proxy, |port| Proxy::socks5("127.0.0.1", port).credentials("user", "secret"));
    expect_refusal(stage, Proxy::socks5("127.0.0.1", proxy.port), "credentials");
    expect_refusal(stage, Proxy::socks5("127.0.0.1", proxy.port).credentials("user", "wrong"), "credentials");
}

fn tls_through_http<H: WithHandles>(stage: &mut Stage<H>) {
    let proxy = Running::tinyproxy("");
    expect_way_with_tls(stage, &proxy, |port| Proxy::http("127.0.0.1", port));
}

fn tls_through_socks<H: WithHandles>(stage: &mut Stage<H>) {
    let proxy = Running::microsocks(&[]);
    expect_way_with_tls(stage, &proxy, |port| Proxy::socks5("127.0.0.1", port));
}

fn through_the_proxy_of_the_scheme<H: WithHandles>(stage: &mut Stage<H>) {
    let proxy = Running::tinyproxy("");
    // The port of the other proxy was just free.
    let other = format!("http://127.0.0.1:{}", free_port());
    let proxies = |options: Options, way: &FaultProxy, scheme: &str| {
        let variable = format!("{scheme}_proxy");
        let var = |name: &str| match name {
            name if name == variable => Some(format!("http://{}", way.address())),
            "all_proxy" => Some(other.clone()),
            _ => None,
        };
        options.proxies_of(var).unwrap()
    };
    let way = FaultProxy::new(proxy.address());
    let options = proxies(options(), &way, "http");
    expect_events(stage, stage.handles(stage.config(), stage.auth(), &options), &way);
    let (way, front) = (FaultProxy::new(proxy.address()), Front::trusted(stage.address()));
    let options = proxies(front.trusting(), &way, "https");
    expect_events(stage, stage.handles(quick(front.config()), front.auth(), &options), &way);
}

fn endless<H: WithHandles>(stage: &mut Stage<H>) {
    for (begin, repeat) in [("HTTP/1.1 200 OK\r\nX: ", "y"), ("", "HTTP/1.1 103 Early Hints\r\n\r\n")] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let options = options().proxy(Proxy::http("127.0.0.1", listener.local_addr().unwrap().port()));
        let proxy = thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            assert_ne!(client.read(&mut [0; 4_096]).unwrap(), 0, "a request");
            client.write_all(begin.as_bytes()).unwrap();
            // Until the client gives up.
            while client.write_all(repeat.repeat(1_024).as_bytes()).is_ok() {}
        });
        let config = stage.config().reconnect_base(MINUTE).reconnect_cap(MINUTE);
        let mut user = stage.handles(config, stage.auth(), &options);
        user.connect();
        let error = user.until("the proxy's answer is an error", |event| matches!(event, Event::ConnectionError(_)));
        assert!(format!("{error:?}").contains("the proxy 127.0.0.1:"), "{error:?}");
        assert_eq!(stage.connection_count(), 0);
        drop(user);
        proxy.join().unwrap();
    }
}

/// The client uses TLS with the server, not with the proxy, and reports its errors like those of a direct connection.
fn expect_way_with_tls<H: WithHandles>(stage: &Stage<H>, proxy: &Running, at: fn(u16) -> Proxy) {
    let front = Front::trusted(stage.address());
    let way = FaultProxy::new(proxy.address());
    let trusting = front.trusting().proxy(at(way.address().port()));
    expect_events(stage, stage.handles(quick(front.config()), front.auth(), &trusting), &way);
    expect_one_error(stage, &front, &options().proxy(at(proxy.port)), "UnknownIssuer");
}

fn expect_way<H: WithHandles>(stage: &Stage<H>, proxy: &Running, at: fn(u16) -> Proxy) {
    let way = FaultProxy::new(proxy.address());
    let options = options().proxy(at(way.address().port()));
    expect_events(stage, stage.handles(stage.config(), stage.auth(), &options), &way);
}

fn expect_events<H: WithHandles>(stage: &Stage<H>, mut user: User<H>, way: &FaultProxy) {
    user.connect();
    let mut orders = user.subscribed("private-orders");
    stage.publish("private-orders", "1");
    orders.expect_text("1");
    assert_eq!(way.accepted(), 2, "the socket and the authorization");
}

fn expect_refusal<H: WithHandles>(stage: &Stage<H>, proxy: Proxy, excerpt: &str) {
    let mut user = stage.handles(stage.config(), stage.auth(), &options().proxy(proxy));
    user.connect();
    let error = user.until("an error", |event| matches!(event, Event::ConnectionError(_)));
    let Event::ConnectionError(ConnectionError::Transport(TransportError::Io(text))) = error else {
        panic!("{error:?}")
    };
    assert!(text.starts_with("the proxy 127.0.0.1:") && text.contains(excerpt), "{text}");
}

/// A proxy that runs until it is dropped.
struct Running {
    port: u16,
    process: Child,
    config: Option<PathBuf>,
}

impl Running {
    fn address(&self) -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], self.port))
    }

    fn tinyproxy(more: &str) -> Self {
        let port = free_port();
        let path = env::temp_dir().join(format!("tinyproxy-{}-{port}.conf", std::process::id()));
        fs::write(&path, format!("Port {port}\nListen 127.0.0.1\nAllow 127.0.0.1\nLogLevel Critical\n{more}")).unwrap();
        Self::start(port, Command::new("tinyproxy").arg("-d").arg("-c").arg(&path), Some(path))
    }

    fn microsocks(arguments: &[&str]) -> Self {
        let port = free_port();
        let mut command = Command::new("microsocks");
        Self::start(port, command.args(["-i", "127.0.0.1", "-p", &port.to_string()]).args(arguments), None)
    }

    fn start(port: u16, command: &mut Command, config: Option<PathBuf>) -> Self {
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let running = Self { port, process, config };
        let start = Instant::now();
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            assert!(start.elapsed() < MINUTE, "the proxy does not listen");
            thread::sleep(Duration::from_millis(1));
        }
        running
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
        if let Some(path) = &self.config {
            let _ = fs::remove_file(path);
        }
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}
