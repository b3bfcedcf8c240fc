//! The options of recovery.

use core::time::Duration;

use crate::config::{InvalidConfig, check_positive};

/// How a client proves that it has missed nothing while it was disconnected, on servers that can replay messages. Turn it on
/// with [`ConfigBuilder::recovery`](crate::ConfigBuilder::recovery).
///
/// The client asks for version 2 of the protocol, which Sockudo speaks. There, each message has a position in its channel.
/// After a reconnect, the client has the server replay what follows the last position that it knows, and each channel gets
/// an [`Event::Recovered`](crate::Event::Recovered) or, if nothing can be proven, an
/// [`Event::ContinuityLost`](crate::Event::ContinuityLost) with the reason. Until then, events of the channel are held back,
/// so that they keep their order.
///
/// On a server without version 2, the same program works, also if the server refuses that version: the client reports
/// [`Diagnostic::RecoveryUnsupported`](crate::Diagnostic::RecoveryUnsupported) once per connection, and every gap as
/// `ContinuityLost`.
///
/// # Examples
///
/// ```
/// use core::time::Duration;
/// use pusher_proto::{Config, Endpoint, Recovery};
///
/// let recovery = Recovery::default().resume_timeout(Duration::from_secs(5)).held_messages(200);
/// Config::builder("app-key", Endpoint::sockudo("realtime.example.com")).recovery(recovery).build()?;
/// # Ok::<(), pusher_proto::InvalidConfig>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Recovery {
    pub(crate) resume_timeout: Duration,
    pub(crate) held_messages: usize,
    pub(crate) held_bytes: usize,
    pub(crate) seen_window: usize,
    pub(crate) deltas: bool,
    pub(crate) tokens: bool,
}

impl Default for Recovery {
    fn default() -> Self {
        Self {
            resume_timeout: Duration::from_secs(10),
            held_messages: 1_000,
            held_bytes: 4 * 1_024 * 1_024,
            seen_window: 256,
            deltas: false,
            tokens: false,
        }
    }
}

impl Recovery {
    /// Sets how long the server may take to answer a request to replay messages. A server that was built without this
    /// feature never answers. Default 10 s; must be greater than 0.
    #[must_use]
    pub const fn resume_timeout(mut self, resume_timeout: Duration) -> Self {
        self.resume_timeout = resume_timeout;
        self
    }

    /// Sets how many events of a channel may be held back while it recovers. With one more, the client gives up:
    /// `ContinuityLost` with [`LossReason::Overflow`](crate::LossReason::Overflow), and then the events.
    /// [`max_pending_events`](crate::ConfigBuilder::max_pending_events) applies as well. Default 1,000; must be greater than
    /// 0.
    #[must_use]
    pub const fn held_messages(mut self, held_messages: usize) -> Self {
        self.held_messages = held_messages;
        self
    }

    /// Sets how many bytes of frames a channel may hold back, as [`held_messages`](Self::held_messages). All channels
    /// together hold at most 64 MiB. Default 4 MiB; must be greater than 0.
    #[must_use]
    pub const fn held_bytes(mut self, held_bytes: usize) -> Self {
        self.held_bytes = held_bytes;
        self
    }

    /// Sets how many positions of each channel are remembered, so that a message that the server sends twice is emitted
    /// once. Positions that follow one another count as one. Default 256; must be greater than 0, and at most 65,536.
    #[must_use]
    pub const fn seen_window(mut self, seen_window: usize) -> Self {
        self.seen_window = seen_window;
        self
    }

    /// Sets whether the server may send an event as the difference to an earlier one, which needs less traffic where events
    /// resemble each other. The client keeps up to 4 MiB of earlier events. If a difference cannot be applied, the client
    /// asks for the event as it does after a lost connection, so none is lost. Default false. Servers on which this is not
    /// enabled send whole events.
    #[cfg(feature = "delta")]
    #[cfg_attr(docsrs, doc(cfg(feature = "delta")))]
    #[must_use]
    pub const fn deltas(mut self, deltas: bool) -> Self {
        self.deltas = deltas;
        self
    }

    /// Sets whether the client gets a capability token from the application's server, which says what the connection may do
    /// ([`AuthPurpose::Token`](crate::AuthPurpose::Token)). Default false.
    ///
    /// The client asks for a token on each connection, and sends it before it subscribes to anything. It asks for another one a
    /// minute before the token expires, or when half of its time has passed, if that is later
    /// ([`AuthResponse::expires_in`](crate::AuthResponse::expires_in)), and when the server says that it has expired,
    /// but not more than once a second. If it gets none, [`Event::TokenError`](crate::Event::TokenError) says why, and the server
    /// decides what the connection may do. Tokens and sign-in exclude each other on Sockudo.
    #[must_use]
    pub const fn tokens(mut self, tokens: bool) -> Self {
        self.tokens = tokens;
        self
    }

    /// Checks the options of a configuration.
    pub(crate) fn check(_: &'static str, recovery: &Option<Self>) -> Result<(), InvalidConfig> {
        let Some(Self { resume_timeout, held_messages, held_bytes, seen_window, deltas: _, tokens: _ }) = recovery
        else {
            return Ok(());
        };
        check_positive("resume_timeout", resume_timeout)?;
        check_positive("held_messages", held_messages)?;
        check_positive("held_bytes", held_bytes)?;
        check_positive("seen_window", seen_window)?;
        if *seen_window > MAX_SEEN_WINDOW {
            return Err(InvalidConfig::TooLarge { name: "seen_window", max: MAX_SEEN_WINDOW });
        }
        Ok(())
    }
}

/// The largest number of positions that a channel remembers: 1 MiB.
const MAX_SEEN_WINDOW: usize = 65_536;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Endpoint};

    #[test]
    fn refuses_options_of_recovery_that_cannot_work() {
        let default = Recovery::default;
        let table = [
            (default().resume_timeout(Duration::ZERO), InvalidConfig::Zero("resume_timeout")),
            (default().held_messages(0), InvalidConfig::Zero("held_messages")),
            (default().held_bytes(0), InvalidConfig::Zero("held_bytes")),
            (default().seen_window(0), InvalidConfig::Zero("seen_window")),
            (default().seen_window(65_537), InvalidConfig::TooLarge { name: "seen_window", max: 65_536 }),
        ];
        for (recovery, error) in table {
            let builder = Config::builder("key", Endpoint::sockudo("h")).recovery(recovery);
            assert_eq!(builder.build().unwrap_err(), error);
        }
    }
}
