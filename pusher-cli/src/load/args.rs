//! The flags of `pusher load`.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use serde::Serialize;

use super::payload::MIN_SIZE;
use crate::args::{ApiArgs, notes, seconds};

/// Flags of `pusher load`.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct LoadArgs {
    #[command(flatten)]
    pub(super) api: ApiArgs,
    /// Clients, each with a connection of its own; up to 50,000
    #[arg(long, value_name = "N", default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=50_000))]
    pub(super) clients: u32,
    /// Time over which the clients start, at even intervals
    #[arg(long, value_name = "SECONDS", default_value = "5", value_parser = span)]
    pub(super) ramp: Duration,
    /// Channels, which are assigned to the clients in turn; up to 10,000
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(super) channels: u32,
    /// Channels that each client subscribes to; up to 100
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub(super) channels_per_client: u32,
    /// Kind of the channels; the program signs for them with the secret, and encrypted ones need the master key
    #[arg(long, value_enum, default_value_t)]
    pub(super) kind: Kind,
    /// Events per second, over all channels, up to 20,000; 0 only connects
    #[arg(long, value_name = "N", default_value = "10", value_parser = rate)]
    pub(super) rate: f64,
    /// Size of each payload in bytes, up to 65,536
    #[arg(long, value_name = "BYTES", default_value_t = 200, value_parser = clap::value_parser!(u64).range(MIN_SIZE..=65_536))]
    pub(super) size: u64,
    /// Largest number of unanswered calls of the HTTP API
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=256))]
    pub(super) in_flight: u32,
    /// How long events are published, once the clients are subscribed
    #[arg(long = "for", value_name = "SECONDS", default_value = "30", value_parser = span)]
    pub(super) duration: Duration,
    /// Close all connections at once, this long after the first event, and measure how long it takes until all clients are
    /// subscribed again
    #[arg(long, value_name = "SECONDS", value_parser = seconds)]
    pub(super) storm: Option<Duration>,
    /// Time over which the clients reconnect after the storm; 0 for all at once
    #[arg(long, value_name = "SECONDS", default_value = "1", value_parser = span, requires = "storm")]
    pub(super) storm_spread: Duration,
    /// Threads for the clients [default: as many as there are processors]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub(super) threads: Option<u32>,
    /// Put this load on another machine. It can slow down or stop a server that others use, and hosted Pusher counts each
    /// connection and message, and charges for them
    #[arg(long)]
    pub(super) allow_remote: bool,
    /// Print one JSON object with the settings and all figures; percentiles are in milliseconds, other times in seconds
    #[arg(long)]
    pub(super) json: bool,
    /// Write the figures of each second to this file
    #[arg(long, value_name = "FILE")]
    pub(super) csv: Option<PathBuf>,
    /// Draw the figures over time into this file
    #[arg(long, value_name = "FILE")]
    pub(super) svg: Option<PathBuf>,
}

/// What channels are published on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    #[default]
    Public,
    Private,
    Presence,
    Encrypted,
}

impl Kind {
    pub(super) const fn prefix(self) -> &'static str {
        match self {
            Self::Public => "",
            Self::Private => "private-",
            Self::Presence => "presence-",
            Self::Encrypted => "private-encrypted-",
        }
    }

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Public => "public",
            Self::Private => "private",
            Self::Presence => "presence",
            Self::Encrypted => "encrypted",
        }
    }
}

/// Reads a time that may be 0, of a day at most.
fn span(text: &str) -> Result<Duration, &'static str> {
    let span = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    span.filter(|span| *span <= MAX_SPAN).ok_or("expected a number of seconds from 0 to 86400")
}

fn rate(text: &str) -> Result<f64, &'static str> {
    let rate = text.parse().ok().filter(|rate: &f64| (0.0..=MAX_RATE).contains(rate));
    rate.ok_or("expected a number of events per second from 0 to 20000")
}

/// A day.
const MAX_SPAN: Duration = Duration::from_secs(86_400);

/// In events per second; more would measure this program.
const MAX_RATE: f64 = 20_000.0;

const NOTES: &str = notes!(
    "Channels have unique names and are assigned in turn: with --channels-per-client 2, the first client subscribes to \
     channels 0 and 1, the second to 2 and 3, and so on, starting over after the last one. When all clients are subscribed, or \
     10 s after the ramp, events are published through the HTTP API, on one channel after the other. The clients run on \
     --threads threads, the publisher on another one.\n\n\
     Latency is the time from when an event is due, according to --rate, until the client passes it to a callback. Both \
     times are from the clock of this process. When all --in-flight calls are unanswered, events wait, and the wait is part of \
     their latency. Events that are due at the same time share a call, up to ten. Events that are still waiting at the end are \
     reported and not sent.\n\n\
     An event is lost if the client was subscribed before it was sent, stayed subscribed, and did not receive it within 5 s \
     after the server accepted it. It is missed if the connection was down. Clients reconnect as usual after a lost \
     connection. The storm closes connections with a close frame.\n\n\
     The exit code is 1 if events were lost, if events were missed outside of the storm, if the HTTP API did not accept an \
     event, or if a client was not subscribed at the end. Ctrl-C ends the run early and prints the results.\n\n"
    "Examples:\n  \
     pusher load --profile local --clients 1000 --ramp 10 --rate 50 --for 30\n  \
     pusher load --profile local --clients 500 --storm 15 --svg storm.svg\n  \
     pusher load --profile local --kind presence --rate 100 --json --csv load.csv\n  \
     pusher load --profile staging --allow-remote --clients 50 --rate 1 --size 1000\n\n"
);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_and_times_have_bounds() {
        assert_eq!((rate("0"), rate("0.5"), rate("20000")), (Ok(0.0), Ok(0.5), Ok(20_000.0)));
        for text in ["-1", "20000.1", "NaN", "inf", ""] {
            assert!(rate(text).is_err(), "{text}");
        }
        assert_eq!((span("0"), span("86400")), (Ok(Duration::ZERO), Ok(MAX_SPAN)));
        for text in ["-1", "86401", "NaN", "inf", ""] {
            assert!(span(text).is_err(), "{text}");
        }
    }
}
