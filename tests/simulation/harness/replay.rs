//! Servers that replay messages, in version 2 of Sockudo's protocol.

use std::time::Duration;

use pusher_proto::server::{RecoverySupport, ServerConfigBuilder};
use pusher_proto::{ChannelKind, ChannelName, Frame, Instant, Text};

use super::Choices;
use super::frame::{self, Seen, number_of};
use super::network::LinkId;
use super::site::{Output, Site};

/// How servers replay messages.
#[derive(Clone)]
pub(crate) struct ReplayMix {
    support: RecoverySupport,
    messages: usize,
    ttl: Duration,
    /// Chance in 256 that a request is not answered.
    silences: u8,
    /// Chance in 256 that replayed messages are sent once more after the answer.
    repeats: u8,
    /// Chance in 256 that a message is sent as a delta that does not fit.
    damages: u8,
}

impl ReplayMix {
    pub(crate) fn draw(choices: &mut Choices) -> Self {
        let support = match choices.below(8) {
            0 => RecoverySupport::Disabled,
            1 => RecoverySupport::Missing,
            _ => RecoverySupport::Enabled,
        };
        Self {
            support,
            messages: *choices.pick(&[100, 100, 10, 2]),
            ttl: Duration::from_secs(*choices.pick(&[3_600, 120, 120, 10])),
            silences: *choices.pick(&[0, 0, 60]),
            repeats: *choices.pick(&[0, 100]),
            damages: if support == RecoverySupport::Enabled { *choices.pick(&[0, 0, 30]) } else { 0 },
        }
    }

    /// Whether messages are numbered.
    pub(crate) fn has_positions(&self) -> bool {
        self.support == RecoverySupport::Enabled
    }

    pub(crate) fn has_deltas(&self) -> bool {
        self.damages > 0
    }

    /// Removes the faults.
    pub(crate) fn be_good(&mut self) {
        (self.silences, self.repeats, self.damages) = (0, 0, 0);
    }

    pub(crate) fn configure(&self, builder: ServerConfigBuilder) -> ServerConfigBuilder {
        builder.recovery(self.support).recovery_messages(self.messages).recovery_ttl(self.ttl)
    }
}

impl Site {
    /// Answers a request to replay messages. Live messages that waited for the answer were replayed as well, and follow
    /// once more.
    pub(super) fn resume(&mut self, link: LinkId, frame: Frame, choices: &mut Choices, now: Instant) -> Vec<Output> {
        let (silences, repeats) = self.mix.replay.as_ref().map_or((0, 0), |replay| (replay.silences, replay.repeats));
        if choices.chance(silences) {
            return Vec::new();
        }
        let mut outputs = self.pass(link, frame, choices, now);
        if choices.chance(repeats) {
            let is_message = |text: &Text| Seen::read(text).is_some_and(|seen| seen.position.is_some());
            let replayed = outputs.iter().filter_map(|output| match output {
                Output::Send(link, text) if is_message(text) => Some(Output::Send(*link, text.clone())),
                _ => None,
            });
            let mut repeated: Vec<Output> = replayed.collect();
            let kept = repeated.len().saturating_sub(1 + choices.below(3));
            outputs.extend(repeated.drain(kept..));
        }
        outputs
    }

    /// Sends some live messages of a channel as deltas, which never fit what the client has. As in Sockudo, a full message
    /// comes first on each connection, and again after the client has said that a delta does not fit.
    pub(super) fn with_deltas(
        &mut self,
        channel: &ChannelName,
        outputs: Vec<Output>,
        choices: &mut Choices,
    ) -> Vec<Output> {
        let damages = self.mix.replay.as_ref().map_or(0, |replay| replay.damages);
        if damages == 0 || channel.kind() == ChannelKind::PrivateEncrypted {
            return outputs;
        }
        let outputs = outputs.into_iter().map(|output| match output {
            Output::Send(link, text) => {
                let seen = Seen::read(&text).filter(|seen| seen.position.is_some());
                let Some(number) = seen.and_then(|seen| number_of(&seen.event)) else {
                    return Output::Send(link, text);
                };
                let text = if self.based.insert((link, channel.as_str().to_owned())) {
                    frame::base(&text)
                } else if choices.chance(damages) {
                    frame::unfit_delta(channel, number)
                } else {
                    text
                };
                Output::Send(link, text)
            }
            output => output,
        });
        outputs.collect()
    }
}
