//! DNS and TCP: of the proxy, if there is one.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use pusher_driver::adapter::{Hop, OptionsExt as _};
use tokio::net::{TcpStream, lookup_host};
use tokio::time::timeout;

use super::finding::Finding;
use super::patient::Patient;

pub(super) async fn dns(patient: &mut Patient) -> Finding {
    let hop = hop(patient);
    match addresses(&hop).await {
        Ok(addresses) if addresses.is_empty() => no_address(&hop, "the name has no address"),
        Ok(addresses) => {
            let addresses: Vec<_> = addresses.iter().map(|address| address.ip().to_string()).collect();
            Finding::ok(format!("{}{}", whose(&hop), addresses.join(", ")))
        }
        Err(error) => no_address(&hop, &error.to_string()),
    }
}

pub(super) fn dns_late(patient: &Patient) -> Finding {
    no_address(&hop(patient), "the resolver does not answer")
}

pub(super) async fn tcp(patient: &mut Patient) -> Finding {
    let hop = hop(patient);
    let addresses = match addresses(&hop).await {
        Ok(addresses) => addresses,
        Err(error) => return no_address(&hop, &error.to_string()),
    };
    // All at once, and each with its own outcome before the check is over.
    let limit = patient.args.timeout.mul_f64(SHARE_OF_EACH);
    let attempts = join_all(addresses.into_iter().map(|address| attempt(address, limit))).await;
    let lines: Vec<_> = attempts.iter().map(ToString::to_string).collect();
    let seen = format!("{}{}", whose(&hop), lines.join("; "));
    let failures: Vec<_> = attempts.iter().filter_map(|attempt| attempt.outcome.as_ref().err()).collect();
    if failures.is_empty() {
        return Finding::ok(seen);
    }
    if failures.len() < attempts.len() {
        return Finding::warning(seen)
            .means("clients that try the wrong address first have to wait before they try another")
            .fix("remove the addresses that do not answer from DNS, or make the server listen on them");
    }
    let is_refused = failures.iter().any(|error| error.kind() == io::ErrorKind::ConnectionRefused);
    let finding = Finding::unreachable(seen);
    if is_refused {
        finding
            .means("the machine answers, but nothing listens on this port")
            .fix("start the server, or check the port of --url")
    } else {
        finding
            .means("packets do not reach the server, or it does not answer")
            .fix("check host and port, and the firewalls and security groups in between")
    }
}

pub(super) fn tcp_late(patient: &Patient) -> Finding {
    Finding::unreachable(format!("no connection to {} in time", patient.target.ws_url()))
        .fix("check host and port, and the firewalls and security groups in between")
}

/// One address, and the result of connecting to it.
struct Attempt {
    address: SocketAddr,
    outcome: io::Result<Duration>,
}

async fn attempt(address: SocketAddr, limit: Duration) -> Attempt {
    let started = Instant::now();
    let outcome = match timeout(limit, TcpStream::connect(address)).await {
        Ok(connected) => connected.map(|_| started.elapsed()),
        Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, format!("no answer in {:.1} s", limit.as_secs_f64()))),
    };
    Attempt { address, outcome }
}

impl std::fmt::Display for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.outcome {
            Ok(took) => write!(f, "{} in {:.1} ms", self.address, took.as_secs_f64() * 1_000.0),
            Err(error) => write!(f, "{}: {error}", self.address),
        }
    }
}

fn hop(patient: &Patient) -> Hop {
    patient.options.hop(&patient.request.host, patient.request.port, patient.request.tls)
}

async fn addresses(hop: &Hop) -> io::Result<Vec<SocketAddr>> {
    let mut addresses: Vec<_> = lookup_host((hop.host.to_string(), hop.port)).await?.collect();
    addresses.dedup();
    Ok(addresses)
}

fn whose(hop: &Hop) -> &'static str {
    if hop.tunnel.is_some() { "proxy " } else { "" }
}

fn no_address(hop: &Hop, why: &str) -> Finding {
    Finding::unreachable(format!("cannot resolve {}{}: {why}", whose(hop), hop.host))
        .means("the name does not exist, or this machine cannot resolve it")
        .fix("check the spelling of the host, and the DNS of this machine")
}

/// The share of a check's time that one address may take, so that the check can still report which ones did not answer.
const SHARE_OF_EACH: f64 = 0.9;
