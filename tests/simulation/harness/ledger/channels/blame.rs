//! *An error that names a channel is about that channel*: if the channel that it names is wanted, no other channel
//! fails.

use pusher_proto::{ChannelName, Event, SubscriptionError};

use super::{Checker, Scene};

#[derive(Default)]
pub(crate) struct Blame;

impl Checker for Blame {
    fn emitted(&mut self, event: &Event, scene: &mut Scene<'_>) {
        let Event::SubscriptionError { channel, error: SubscriptionError::Refused(error), .. } = event else { return };
        let names = |channel: &ChannelName| error.message.split([' ', ',', ':']).any(|word| word == channel.as_str());
        if !names(channel) && scene.facts.channels.wanted().any(names) {
            let details = format!("{channel} is refused because of {:?}", error.message);
            scene.violated("an error that names a channel is about that channel", details);
        }
    }
}
