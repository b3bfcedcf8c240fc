//! Limits, and what happens to messages beyond them.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::mem;
use std::time::Duration;

use pusher_proto::server::ConnectionId;
use pusher_proto::{CloseFrame, CloseReason, Frame, Instant, Text};
use serde_json::{Value, json};

/// At most a certain number of something in any span of time.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use pusher_test::network::Limit;
/// use pusher_test::pusher_proto::Instant;
///
/// let mut limit = Limit::new(1, Duration::from_secs(10));
/// assert_eq!(limit.take(Instant::ZERO), Ok(()));
/// assert_eq!(limit.take(Instant::ZERO + Duration::from_secs(3)), Err(Duration::from_secs(7)));
/// ```
#[derive(Clone, Debug)]
pub struct Limit {
    most: usize,
    span: Duration,
    taken: VecDeque<Instant>,
}

impl Limit {
    /// Allows `most` in any span of time of length `span`. With 0, nothing is allowed.
    #[must_use]
    pub const fn new(most: usize, span: Duration) -> Self {
        Self { most, span, taken: VecDeque::new() }
    }

    /// Takes one.
    ///
    /// # Errors
    ///
    /// How long it is until the next one is allowed; the whole span if none ever is.
    pub fn take(&mut self, now: Instant) -> Result<(), Duration> {
        let mut taken = mem::take(&mut self.taken);
        let result = self.take_from(&mut taken, now);
        self.taken = taken;
        result
    }

    /// Returns the same limit, of which nothing was taken.
    #[cfg(feature = "simulation")]
    pub(crate) const fn unused(&self) -> Self {
        Self::new(self.most, self.span)
    }

    /// Returns the `Retry-After` for this time: whole seconds, rounded up.
    pub(crate) fn retry_after(wait: Duration) -> u64 {
        wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0))
    }

    /// Takes one where earlier ones were taken at these times.
    fn take_from(&self, taken: &mut VecDeque<Instant>, now: Instant) -> Result<(), Duration> {
        while taken.front().is_some_and(|at| *at + self.span <= now) {
            taken.pop_front();
        }
        let Some(excess) = taken.len().checked_sub(self.most) else {
            taken.push_back(now);
            return Ok(());
        };
        // There are more than `most` if the limit was higher before. Without any, `most` is 0.
        Err(taken.get(excess).map_or(self.span, |at| (*at + self.span).since(now)))
    }
}

/// What a server does to a connection that sends more than the limit; see [`Gate`].
#[derive(Clone, Debug)]
pub enum Excess {
    /// Error 4301 without a channel; the message is dropped.
    Error,
    /// A close frame with code 4100.
    Close,
    /// The connection ends without a close frame.
    Drop,
}

/// Which part of a subscription gets lost; see [`Gate`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lost {
    /// What the client sends: the server never receives it.
    Question,
    /// What the server answers.
    Answer,
}

/// A gate in front of the server. Without settings, everything passes.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use pusher_test::network::{Excess, Limit, Lost};
/// use pusher_test::pusher_proto::server::ServerConfig;
/// use pusher_test::pusher_proto::signing::App;
/// use pusher_test::world::World;
///
/// let app = App::new("1", "app-key", "app-secret")?;
/// let mut world = World::new(ServerConfig::new(app), Duration::from_millis(20), 7);
/// // Sixty messages in ten seconds; further ones are answered with an error.
/// world.gate().limit = Some((Limit::new(60, Duration::from_secs(10)), Excess::Error));
/// // The server never confirms this subscription.
/// world.gate().swallows.insert(("chat".into(), Lost::Answer));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Gate {
    /// How many messages of each connection pass, and what the others cause. A change also applies to open connections.
    pub limit: Option<(Limit, Excess)>,
    /// Channels whose subscriptions get lost.
    pub swallows: BTreeSet<(Text, Lost)>,
    /// When messages of the open connections have passed.
    pub(super) taken: BTreeMap<ConnectionId, VecDeque<Instant>>,
}

/// What happens to a message of a client.
pub(super) enum Fate {
    Passes,
    IsLost,
    Answered(Text),
    Ends(CloseReason),
}

impl Gate {
    pub(super) fn meet(&mut self, id: ConnectionId, frame: &Frame, now: Instant) -> Fate {
        if let Some(fate) = self.limited(id, frame, now) {
            return fate;
        }
        let channel = |data: &Value| data.get("data")?.get("channel").cloned();
        if self.is_lost(frame, "pusher:subscribe", Lost::Question, channel) { Fate::IsLost } else { Fate::Passes }
    }

    /// What happens to a message above the limit.
    fn limited(&mut self, id: ConnectionId, frame: &Frame, now: Instant) -> Option<Fate> {
        let Frame::Text(_) = frame else { return None };
        let (limit, excess) = self.limit.as_ref()?;
        limit.take_from(self.taken.entry(id).or_default(), now).err()?;
        Some(match excess {
            Excess::Error => Fate::Answered(too_fast()),
            Excess::Close => {
                let frame = CloseFrame { code: 4100, reason: "Over capacity".into() };
                Fate::Ends(CloseReason::Closed(Some(frame)))
            }
            Excess::Drop => Fate::Ends(CloseReason::Dropped),
        })
    }

    /// A connection has ended.
    pub(super) fn forget(&mut self, id: ConnectionId) {
        self.taken.remove(&id);
    }

    /// Whether this answer of the server gets lost.
    pub(super) fn keeps(&self, frame: &Frame) -> bool {
        let channel = |data: &Value| data.get("channel").cloned();
        self.is_lost(frame, "pusher_internal:subscription_succeeded", Lost::Answer, channel)
    }

    fn is_lost(&self, frame: &Frame, event: &str, lost: Lost, channel: impl Fn(&Value) -> Option<Value>) -> bool {
        let Frame::Text(text) = frame else { return false };
        if self.swallows.is_empty() {
            return false;
        }
        let Ok(message) = serde_json::from_str::<Value>(text) else { return false };
        let channel = channel(&message);
        let Some(channel) = channel.as_ref().and_then(Value::as_str) else { return false };
        message["event"] == event && self.swallows.contains(&(channel.into(), lost))
    }
}

/// A server's error about a message above its limit (Sockudo, *Rate limit exceeded*).
fn too_fast() -> Text {
    json!({"event": "pusher:error", "data": {"code": 4301, "message": "Rate limit exceeded"}}).to_string().into()
}
