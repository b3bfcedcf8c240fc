//! *Retryable failures are retried*: the error contains the time, unless the configured number of retries is used up.
//! *Definite answers are final*: the error has no time of another attempt. *Every delay ends*.

use std::time::Duration;

use pusher_proto::{AuthError, Event, Instant, SigninError, SubscriptionError};

use super::super::facts::retry_at;
use super::{Checker, Scene};
use crate::simulation::reached::Rare;

#[derive(Default)]
pub(crate) struct Patience;

/// Whether another attempt may succeed.
enum Trouble {
    /// The backend failed in a retryable way.
    OfBackend,
    /// The server did not answer.
    OfServer,
    Definite,
}

impl Checker for Patience {
    fn emitted(&mut self, event: &Event, scene: &mut Scene<'_>) {
        let trouble = match event {
            Event::SubscriptionError { error: SubscriptionError::Auth(error), .. }
            | Event::SigninError { error: SigninError::Auth(error), .. } => of_backend(error),
            Event::SubscriptionError { error: SubscriptionError::Timeout { .. }, .. }
            | Event::SigninError { error: SigninError::Timeout { .. }, .. } => Trouble::OfServer,
            Event::SubscriptionError { .. } | Event::SigninError { .. } => Trouble::Definite,
            _ => return,
        };
        let is_signin = matches!(event, Event::SigninError { .. });
        match (trouble, retry_at(event)) {
            (Trouble::OfBackend, None) if scene.facts.limits.auth_retries.is_some() => {}
            (Trouble::OfBackend | Trouble::OfServer, None) => {
                scene.violated("retryable failures are retried", format!("{event:?}"));
            }
            (Trouble::Definite, Some(at)) => {
                scene.violated("definite answers are final", format!("{event:?} is tried again at {at}"));
            }
            (Trouble::Definite, None) => {}
            (Trouble::OfBackend, Some(at)) => {
                scene.reach(if is_signin { Rare::SigninRetry } else { Rare::AuthRetry });
                ends(at, event, scene);
            }
            (Trouble::OfServer, Some(at)) => {
                scene.reach(if is_signin { Rare::SigninTimeoutRetry } else { Rare::SubscribeRetry });
                ends(at, event, scene);
            }
        }
    }
}

fn of_backend(error: &AuthError) -> Trouble {
    if error.is_retryable() { Trouble::OfBackend } else { Trouble::Definite }
}

fn ends(at: Instant, event: &Event, scene: &mut Scene<'_>) {
    let now = scene.facts.now;
    if (at < now && !scene.facts.was_unpolled) || at > now + LONGEST_DELAY {
        scene.violated("every delay ends", format!("{event:?} at {now}"));
    }
}

/// The longest delay, or the longest `Retry-After` of the simulation and what it is spread over.
const LONGEST_DELAY: Duration = Duration::from_secs(60);
