//! The messages that a subscription begins with.

use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use super::Published;
use super::streams::Replayed;
use crate::data::json_string;
use crate::server::{ConnectionId, Server};
use crate::{ChannelName, Instant, Text};

/// How far a subscription goes back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server) enum Rewind {
    /// The last messages that its filter lets through, this many.
    Count(u64),
    /// Those that are not older than this.
    Time(Duration),
}

/// What a subscription begins with.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::server) struct Rewound<'a> {
    /// The oldest one first.
    pub(in crate::server) messages: Vec<Replayed<'a>>,
    /// Whether there are more messages than were asked for, or than are sent at once.
    pub(in crate::server) is_cut: bool,
    /// Whether messages of the time in question may have been forgotten.
    pub(in crate::server) has_forgotten: bool,
}

impl Server {
    /// Sends the messages that a new subscription asks for, and `rewind_complete`. No live message can come in between.
    pub(in crate::server) fn rewind(&mut self, id: ConnectionId, channel: &ChannelName, wanted: Option<Rewind>) {
        let (Some(wanted), Some(connection)) = (wanted, self.connections.get(&id)) else { return };
        let filter = connection.filters.get(channel);
        let passes = |event: &Published| filter.is_none_or(|filter| filter.passes(event));
        let rewound = self.streams.rewind(channel, wanted, passes, self.now);
        let frames: Vec<Text> =
            rewound.messages.iter().map(|Replayed { event, stamp }| event.in_version_2(Some(stamp))).collect();
        let (is_cut, has_forgotten) = (rewound.is_cut, rewound.has_forgotten);
        let data = format!(
            r#"{{"historical_count":{},"live_count":0,"complete":{},"truncated_by_limit":{is_cut},"truncated_by_retention":{has_forgotten}}}"#,
            frames.len(),
            !is_cut && !has_forgotten,
        );
        for frame in frames {
            self.send_as_is(id, frame);
        }
        let channel = json_string(channel);
        self.send(id, format!(r#"{{"event":"pusher:rewind_complete","channel":{channel},"data":{data}}}"#).into());
    }
}

/// Picks from the messages of a channel, of which the oldest one comes first.
pub(super) fn pick<'a>(
    messages: impl DoubleEndedIterator<Item = (Instant, Replayed<'a>)> + Clone,
    wanted: Rewind,
    passes: impl Fn(&Published) -> bool,
    now: Instant,
) -> Rewound<'a> {
    let oldest = messages.clone().next();
    match wanted {
        Rewind::Count(count) => {
            let limit = usize::try_from(count).unwrap_or(usize::MAX).min(MAX_PAGE_LEN);
            let mut newest_first = messages.map(|(_, message)| message).rev();
            let mut picked: Vec<_> =
                newest_first.by_ref().filter(|message| passes(message.event)).take(limit).collect();
            picked.reverse();
            // Sockudo also says so if more was asked for than it sends at once, even if there is nothing more.
            let is_cut = newest_first.next().is_some() || (count > MAX_PAGE_LEN as u64 && oldest.is_some());
            let has_forgotten = !is_cut && oldest.is_some_and(|(_, message)| message.stamp.serial > 1);
            Rewound { messages: picked, is_cut, has_forgotten }
        }
        Rewind::Time(time) => {
            // Sockudo sends the oldest messages of that time, not the newest ones, and always says that there are more.
            let recent = messages.filter(|(at, _)| now.since(*at) <= time).map(|(_, message)| message);
            let picked = recent.filter(|message| passes(message.event)).take(MAX_PAGE_LEN).collect();
            let has_forgotten = oldest.is_some_and(|(at, _)| now.since(at) <= time);
            Rewound { messages: picked, is_cut: true, has_forgotten }
        }
    }
}

/// Messages that are sent at once (Sockudo 5.2.0, default of `max_page_size`).
const MAX_PAGE_LEN: usize = 100;
