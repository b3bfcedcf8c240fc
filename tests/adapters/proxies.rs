//! Real HTTP and SOCKS proxies, from Debian packages.

use std::env;
use std::fs;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use pusher_driver::Proxy;
use pusher_proto::{ConnectionError, Event, TransportError};

use crate::Scenario;
use crate::adapter::Adapter;
use crate::faults::FaultProxy;
use crate::tls::Front;
use crate::world::{User, World, options, quick, text, wait_until};

/// Scenarios, and the programs that they need.
pub(crate) fn all<A: Adapter>() -> Vec<(&'static str, Scenario<A>)> {
    vec![
        (TINYPROXY, ("tinyproxy_socket_and_authorization_go_through_http_connect", through_http::<A>)),
        (TINYPROXY, ("tinyproxy_credentials_are_checked", through_http_with_credentials::<A>)),
        (TINYPROXY, ("tinyproxy_tls_goes_through_http_connect", tls_through_http::<A>)),
        (MICROSOCKS, ("microsocks_tls_goes_through_socks5", tls_through_socks::<A>)),
        (MICROSOCKS, ("microsocks_socket_and_authorization_go_through_socks5", through_socks::<A>)),
        (MICROSOCKS, ("microsocks_credentials_are_checked", through_socks_with_credentials::<A>)),
    ]
}

pub(crate) fn is_installed(program: &str) -> bool {
    env::var_os("PATH").is_some_and(|paths| env::split_paths(&paths).any(|path| path.join(program).is_file()))
}

const TINYPROXY: &str = "tinyproxy";
const MICROSOCKS: &str = "microsocks";

fn through_http<A: Adapter>(world: &mut World<A>) {
    let proxy = Running::tinyproxy("");
    expect_way(world, &proxy, |port| Proxy::http("127.0.0.1", port));
}

fn through_http_with_credentials<A: Adapter>(world: &mut World<A>) {
    let proxy = Running::tinyproxy("BasicAuth user secret\n");
    expect_way(world, &proxy, |port| Proxy::http("127.0.0.1", port).credentials("user", "secret"));
    expect_refusal(world, Proxy::http("127.0.0.1", proxy.port), "407");
    expect_refusal(world, Proxy::http("127.0.0.1", proxy.port).credentials("user", "wrong"), "40");
}

fn through_socks<A: Adapter>(world: &mut World<A>) {
    let proxy = Running::microsocks(&[]);
    expect_way(world, &proxy, |port| Proxy::socks5("127.0.0.1", port));
}

fn through_socks_with_credentials<A: Adapter>(world: &mut World<A>) {
    let proxy = Running::microsocks(&["-u", "user", "-P", "secret"]);
    expect_way(world, &proxy, |port| Proxy::socks5("127.0.0.1", port).credentials("user", "secret"));
    expect_refusal(world, Proxy::socks5("127.0.0.1", proxy.port), "credentials");
    expect_refusal(world, Proxy::socks5("127.0.0.1", proxy.port).credentials("user", "wrong"), "credentials");
}

fn tls_through_http<A: Adapter>(world: &mut World<A>) {
    let proxy = Running::tinyproxy("");
    expect_way_with_tls(world, &proxy, |port| Proxy::http("127.0.0.1", port));
}

fn tls_through_socks<A: Adapter>(world: &mut World<A>) {
    let proxy = Running::microsocks(&[]);
    expect_way_with_tls(world, &proxy, |port| Proxy::socks5("127.0.0.1", port));
}

/// The client uses TLS with the server, not with the proxy.
fn expect_way_with_tls<A: Adapter>(world: &World<A>, proxy: &Running, at: fn(u16) -> Proxy) {
    let front = Front::trusted(world.server().address());
    let way = FaultProxy::new(proxy.address());
    let user = world.user_with(quick(front.config()), front.auth(), &front.trusting().proxy(at(way.address().port())));
    expect_events(world, &user, &way);
}

fn expect_way<A: Adapter>(world: &World<A>, proxy: &Running, at: fn(u16) -> Proxy) {
    let way = FaultProxy::new(proxy.address());
    let user = world.user_with(world.config(), world.auth(), &options().proxy(at(way.address().port())));
    expect_events(world, &user, &way);
}

fn expect_events<A: Adapter>(world: &World<A>, user: &User<A>, way: &FaultProxy) {
    user.client.connect();
    let mut orders = user.subscribed("private-orders");
    world.publish("private-orders", "1");
    assert_eq!(text::<A>(&mut orders), "1");
    assert_eq!(way.accepted(), 2, "the socket and the authorization");
}

fn expect_refusal<A: Adapter>(world: &World<A>, proxy: Proxy, excerpt: &str) {
    let user = world.user_with(world.config(), world.auth(), &options().proxy(proxy));
    user.client.connect();
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
        Self::start(port, Command::new(TINYPROXY).arg("-d").arg("-c").arg(&path), Some(path))
    }

    fn microsocks(arguments: &[&str]) -> Self {
        let port = free_port();
        let mut command = Command::new(MICROSOCKS);
        Self::start(port, command.args(["-i", "127.0.0.1", "-p", &port.to_string()]).args(arguments), None)
    }

    fn start(port: u16, command: &mut Command, config: Option<PathBuf>) -> Self {
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let running = Self { port, process, config };
        wait_until("the proxy listens", || TcpStream::connect(("127.0.0.1", port)).is_ok());
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
