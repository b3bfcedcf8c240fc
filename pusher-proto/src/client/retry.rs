//! How to react to a failure: whether to try again, and when (Pusher protocol, *Connection closure* and *Error codes*).

use core::time::Duration;

use crate::config::Options;
use crate::{CloseReason, FailReason, Text, TransportError};

/// What comes after a failure.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Plan {
    Retry(Retry),
    /// Do not try again.
    Fail(FailReason),
}

/// When to try again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    Delayed {
        at_least: Duration,
    },
    /// At once, spread over the base delay, because all clients of a restarted server reconnect.
    Spread,
    /// At once if the previous connection was stable, otherwise delayed.
    Prompt,
    /// At once, over TLS.
    OverTls,
    /// At once, in version 1 of the protocol.
    InVersion1,
}

impl Plan {
    pub(crate) const DELAYED: Self = Self::delayed(Duration::ZERO);

    const fn delayed(at_least: Duration) -> Self {
        Self::Retry(Retry::Delayed { at_least })
    }
}

/// Decides by code and reason.
pub(crate) struct Planner<'a> {
    pub(crate) options: &'a Options,
    /// Whether the current endpoint has a TLS port that was not tried.
    pub(crate) can_switch_to_tls: bool,
    /// Whether version 2 of the protocol was asked for, so that version 1 was not tried.
    pub(crate) can_fall_back: bool,
    /// Whether the server may find the connection unauthorized although nothing was refused: because the application's server
    /// has not answered yet, or because a token has expired.
    pub(crate) is_excused: bool,
}

impl Planner<'_> {
    /// `explanation` is the code of an error frame just before: Reverb and laravel-websockets send the reason in a
    /// frame and then close without a code or with 1000.
    pub(crate) fn for_close(&self, reason: &CloseReason, explanation: Option<u32>) -> Plan {
        match reason {
            CloseReason::Closed(Some(frame)) if frame.code >= 4000 || self.is_overridden(frame.code) => {
                return self.for_code(frame.code.into(), &frame.reason);
            }
            CloseReason::Failed(TransportError::Http { status: 429 | 503, retry_after: Some(delay), .. }) => {
                return Plan::delayed((*delay).min(self.options.reconnect_cap));
            }
            CloseReason::Closed(_) | CloseReason::Dropped | CloseReason::FrameTooLarge | CloseReason::Failed(_) => {}
            CloseReason::TlsUnavailable => return Plan::Fail(FailReason::TlsUnavailable),
        }
        match explanation {
            Some(code @ 4100..=4299) => self.for_code(code, &Text::default()),
            Some(_) | None => Plan::DELAYED,
        }
    }

    pub(crate) fn for_code(&self, code: u32, message: &Text) -> Plan {
        let fatal = || Plan::Fail(FailReason::Fatal { code, message: message.clone() });
        if u16::try_from(code).is_ok_and(|code| self.options.fatal_codes.contains(&code)) {
            return fatal();
        }
        if u16::try_from(code).is_ok_and(|code| self.options.retry_codes.contains(&code)) {
            return Plan::DELAYED;
        }
        match code {
            4000 if self.can_switch_to_tls => Plan::Retry(Retry::OverTls),
            UNSUPPORTED_VERSION if self.can_fall_back => Plan::Retry(Retry::InVersion1),
            // Hosted Pusher closes connections that are not authorized in time; while the backend is down, this is not
            // final. Sockudo closes those whose token has expired or was revoked; the next one may get another.
            UNAUTHORIZED if self.is_excused => Plan::DELAYED,
            4000..=4099 => fatal(),
            4100..=4199 => Plan::delayed(MIN_DELAY_OF_4100S),
            4200..=4299 => Plan::Retry(Retry::Spread),
            _ => Plan::DELAYED,
        }
    }

    fn is_overridden(&self, code: u16) -> bool {
        self.options.fatal_codes.contains(&code) || self.options.retry_codes.contains(&code)
    }
}

/// Shortest delay after a code of 4100 to 4199 (Pusher protocol, *Error codes*).
const MIN_DELAY_OF_4100S: Duration = Duration::from_secs(1);

/// Code of a connection with a version of the protocol that the server does not speak.
const UNSUPPORTED_VERSION: u32 = 4007;

/// Code of a connection that was not authorized in time.
const UNAUTHORIZED: u32 = 4009;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{CloseFrame, Config, Endpoint};

    #[test]
    fn every_range_of_codes_has_its_plan() {
        let config = Config::new("key", Endpoint::cluster("eu")).unwrap();
        let planner =
            Planner { options: &config.options, can_switch_to_tls: true, can_fall_back: true, is_excused: false };
        let fatal = |code| Plan::Fail(FailReason::Fatal { code, message: Text::default() });
        let second = Plan::delayed(Duration::from_secs(1));
        let table = [
            (1000, Plan::DELAYED),
            (1006, Plan::DELAYED),
            (1008, Plan::DELAYED),
            (3999, Plan::DELAYED),
            (4000, Plan::Retry(Retry::OverTls)),
            (4001, fatal(4001)),
            (4007, Plan::Retry(Retry::InVersion1)),
            (4099, fatal(4099)),
            (4100, second.clone()),
            (4199, second),
            (4200, Plan::Retry(Retry::Spread)),
            (4299, Plan::Retry(Retry::Spread)),
            (4300, Plan::DELAYED),
            (4400, Plan::DELAYED),
        ];
        for (code, plan) in table {
            let reason = CloseReason::Closed(Some(CloseFrame { code, reason: Text::default() }));
            assert_eq!(planner.for_close(&reason, None), plan, "{code}");
        }
    }
}
