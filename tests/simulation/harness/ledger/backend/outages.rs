//! *Requests become fewer during an outage*: a subject is a channel or the user. Once there have been requests for it
//! for a minute without success, on one connection and without a call of the application about it, its requests are
//! late. No minute has more late requests than [`MOST`] and [`MOST_OF_EACH`] for each of their subjects.
//!
//! Delays between 1 s and 30 s make four requests a minute; the rest allows for chance. A client whose delays do not grow makes
//! thirty and more.

use std::collections::BTreeMap;
use std::time::Duration;

use pusher_proto::{Action, AuthError, AuthRequest, ChannelName, Event, Instant};

use super::{AppCall, Checker, Request, Scene};
use crate::simulation::reached::Rare;

#[derive(Default)]
pub(crate) struct Outages {
    /// The channel, or nothing for the user.
    subjects: BTreeMap<Option<ChannelName>, Streak>,
}

/// Failed requests in a row.
struct Streak {
    since: Instant,
    /// The late requests of the last minute.
    late: Vec<Instant>,
}

impl Checker for Outages {
    fn called(&mut self, call: &AppCall<'_>, _: &mut Scene<'_>) {
        match call {
            AppCall::Subscribe(channel) | AppCall::Unsubscribe(channel) => {
                self.subjects.remove(&Some((*channel).clone()));
            }
            AppCall::Signin | AppCall::Signout => {
                self.subjects.remove(&None);
            }
            AppCall::Connect
            | AppCall::Disconnect
            | AppCall::Switch
            | AppCall::Hint(_)
            | AppCall::Trigger
            | AppCall::Triggered(..) => {}
        }
    }

    fn answered(&mut self, request: &Request, error: Option<&AuthError>, _: &mut Scene<'_>) {
        if error.is_none_or(|error| !error.is_retryable()) {
            self.subjects.remove(&request.channel);
        }
    }

    fn emitted(&mut self, event: &Event, _: &mut Scene<'_>) {
        if matches!(event, Event::StateChanged { previous, .. } if previous.is_connected()) {
            self.subjects.clear();
        }
    }

    fn acted(&mut self, action: &Action, scene: &mut Scene<'_>) {
        if let Action::RequestAuth(request) = action {
            self.asked(request, scene);
        }
    }
}

impl Outages {
    fn asked(&mut self, request: &AuthRequest, scene: &mut Scene<'_>) {
        let now = scene.facts.now;
        let subject = request.subject.channel().cloned();
        let streak = self.subjects.entry(subject).or_insert_with(|| Streak { since: now, late: Vec::new() });
        if now < streak.since + MINUTE {
            return;
        }
        streak.late.push(now);
        scene.reach(Rare::LateRequest);
        let (mut subjects, mut requests) = (0, 0);
        for streak in self.subjects.values_mut() {
            streak.late.retain(|at| now < *at + MINUTE);
            subjects += usize::from(!streak.late.is_empty());
            requests += streak.late.len();
        }
        if requests > MOST + MOST_OF_EACH * subjects {
            let details = format!("{requests} late requests about {subjects} subjects within a minute");
            scene.violated("requests become fewer during an outage", details);
        }
    }
}

const MINUTE: Duration = Duration::from_secs(60);

/// The chance of exceeding both with delays that are uniform up to 30 s is below 10^-9 for any number of subjects.
const MOST: usize = 12;
const MOST_OF_EACH: usize = 6;
