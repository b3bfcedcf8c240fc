//! The measurements, each in its own process. Results are printed as numbers to standard output.

mod bare;
mod core;
mod echo;
mod events;
mod held;
mod presence;

use std::env;
use std::io::{Write, stdout};
use std::sync::Arc;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use clap::{Subcommand, ValueEnum};
use pusher_tokio::{Config, Options, Strictness, Tls};
use rustls::pki_types::CertificateDer;
use rustls::{ClientConfig, RootCertStore};
use tokio::runtime::{Builder, Runtime};

use crate::Result;
use crate::clock;
use crate::runner::{READY, ROOT};

#[derive(Subcommand)]
pub(crate) enum Subject {
    /// Reads events; prints the CPU time of each in ns.
    Events { reader: Reader, url: String, count: usize },
    /// Connects many clients that stay; prints the CPU time of each in ns, and the KiB that 1/5, 2/5 … of them hold.
    Idle { kind: Idle, url: String, clients: usize },
    /// Sends a message and waits until it comes back; prints the median time of that in ns.
    Echo { kind: Echo, url: String, count: usize },
    /// Subscribes to a presence channel; prints the CPU time in ns.
    Presence { kind: Presence, url: String },
    /// Subscribes to channels and ends with their handles in memory.
    Channels { url: String, count: usize },
    /// Passes events through the core alone, with this many other channels.
    Core { frame_len: usize, count: usize, others: usize },
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Reader {
    Bare,
    Codec,
    TokioCallback,
    TokioStream,
    SmolStream,
    BlockingStream,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Idle {
    Tcp,
    Bare,
    Tokio,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Echo {
    Bare,
    Tokio,
    Blocking,
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Presence {
    Bare,
    Tokio,
}

impl Subject {
    pub(crate) fn run(self) -> Result<()> {
        match self {
            Self::Events { reader, url, count } => events::run(reader, &url, count),
            Self::Idle { kind, url, clients } => held::idle(kind, &url, clients),
            Self::Channels { url, count } => held::channels(&url, count),
            Self::Echo { kind, url, count } => echo::run(kind, &url, count),
            Self::Presence { kind, url } => presence::run(kind, &url),
            Self::Core { frame_len, count, others } => core::run(frame_len, count, others),
        }
    }
}

/// A single-threaded runtime, like that of the bare reader.
fn runtime() -> Result<Runtime> {
    Ok(Builder::new_current_thread().enable_all().build()?)
}

/// Runs a task to its end in such a runtime. To wake the future of `block_on` itself, tokio calls the kernel, as if it
/// were in another thread; programs that serve many connections do not wait there.
fn run_task<T: Send + 'static>(task: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    runtime()?.block_on(async { tokio::spawn(task).await? })
}

fn config(url: &str) -> Result<Config> {
    let builder = Config::builder("key", url);
    Ok(builder.client_event_rate_limit(Strictness::Ignore).build()?)
}

/// The defaults, with mailboxes that can hold everything that is sent, so that a thread that is not scheduled for some
/// time loses nothing.
fn options(url: &str) -> Result<Options> {
    let options = Options::new().mailbox_len(1_000_000).mailbox_bytes(1_024 * 1_024 * 1_024);
    Ok(if url.starts_with("wss:") { options.tls(Tls::rustls_0_23(trust()?)) } else { options })
}

/// A TLS configuration that trusts the server's certificate.
fn trust() -> Result<Arc<ClientConfig>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(STANDARD.decode(env::var(ROOT)?)?))?;
    let builder = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()));
    Ok(Arc::new(builder.with_safe_default_protocol_versions()?.with_root_certificates(roots).with_no_client_auth()))
}

/// Asks for events, and returns the CPU time so far.
fn ready() -> Result<Duration> {
    writeln!(stdout(), "{READY}")?;
    stdout().flush()?;
    clock::cpu()
}

fn print(numbers: &[f64]) -> Result<()> {
    let words: Vec<_> = numbers.iter().map(f64::to_string).collect();
    writeln!(stdout(), "{}", words.join(" "))?;
    Ok(())
}

fn nanos(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e9
}
