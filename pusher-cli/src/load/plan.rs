//! The settings of a run, checked.

use std::thread::available_parallelism;
use std::time::Duration;

use pusher_tokio::ChannelName;
use serde::Serialize;

use super::args::{Kind, LoadArgs};
use super::channel::Channel;
use super::payload::Stamp;
use super::seat::EVENT;
use crate::failure::Failure;
use crate::http_api::{self, HttpApi};
use crate::target::Target;

/// The settings of a run, in the form of `--json`.
#[derive(Serialize)]
pub(super) struct Plan {
    #[serde(skip)]
    pub(super) target: Target,
    #[serde(skip)]
    pub(super) api: HttpApi,
    /// Of the server.
    pub(super) url: String,
    pub(super) clients: usize,
    #[serde(serialize_with = "in_seconds")]
    pub(super) ramp: Duration,
    pub(super) channels: usize,
    pub(super) channels_per_client: usize,
    pub(super) kind: Kind,
    pub(super) rate: f64,
    pub(super) size: usize,
    pub(super) in_flight: usize,
    #[serde(rename = "for", serialize_with = "in_seconds")]
    pub(super) duration: Duration,
    pub(super) storm: Option<f64>,
    #[serde(serialize_with = "in_seconds")]
    pub(super) storm_spread: Duration,
    pub(super) threads: usize,
    /// What the names of the channels begin with, before their numbers.
    pub(super) prefix: String,
}

impl Plan {
    pub(super) fn new(args: &LoadArgs) -> Result<Self, Failure> {
        let target = args.api.place.target()?;
        // A proxy looks for the server on its own machine.
        let is_local = target.is_this_machine() && target.proxy().is_none();
        if !is_local && !args.allow_remote {
            return Err(Failure::usage(format!(
                "{} is not on this machine: use --allow-remote if you may put load on it; hosted Pusher charges for \
                 connections and messages",
                target.ws_url()
            )));
        }
        let (clients, channels) = (size(args.clients), size(args.channels));
        let channels_per_client = size(args.channels_per_client);
        if channels_per_client > channels {
            return Err(Failure::usage(format!("--channels-per-client is more than --channels, which is {channels}")));
        }
        if clients * channels_per_client < channels {
            return Err(Failure::usage(format!(
                "{} of {channels} channels would have no subscriber: use fewer --channels, or more --clients or \
                 --channels-per-client",
                channels - clients * channels_per_client
            )));
        }
        if args.storm.is_some_and(|storm| storm >= args.duration) {
            return Err(Failure::usage("--storm has to come before the end of --for"));
        }
        // Runs at the same time do not share channels.
        let unique = format!("{:x}-{:x}", http_api::now().as_millis(), std::process::id());
        Ok(Self {
            api: args.api.api()?,
            url: target.ws_url(),
            target,
            clients,
            ramp: args.ramp,
            channels,
            channels_per_client,
            kind: args.kind,
            rate: args.rate,
            size: usize::try_from(args.size).unwrap_or_default(),
            in_flight: size(args.in_flight),
            duration: args.duration,
            storm: args.storm.map(|storm| storm.as_secs_f64()),
            storm_spread: args.storm_spread,
            threads: args.threads.map_or_else(|| available_parallelism().map_or(1, usize::from), size),
            prefix: format!("{}load-{unique}", args.kind.prefix()),
        })
    }

    pub(super) fn channels(&self) -> Result<Vec<Channel>, Failure> {
        (0..self.channels).map(|number| Ok(Channel::new(self.channel(number)?))).collect()
    }

    fn channel(&self, number: usize) -> Result<ChannelName, Failure> {
        Ok(ChannelName::new(format!("{}-{number}", self.prefix))?)
    }

    /// Publishes an event to a channel without subscribers, so that wrong credentials are reported before the ramp.
    pub(super) async fn check(&self) -> Result<(), Failure> {
        let payload = Stamp { number: 0, micros: 0 }.payload(self.size);
        let channel = ChannelName::new(format!("{}-check", self.prefix))?;
        self.api.publish(&self.api.app().publish([&channel], EVENT, &payload)).await?;
        Ok(())
    }
}

fn size(number: u32) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

fn in_seconds<S: serde::Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64(duration.as_secs_f64())
}
