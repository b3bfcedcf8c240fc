//! *Queues are bounded*: no more events wait for the application than the client is configured to keep.

use pusher_proto::Event;

use super::{Checker, Scene};

#[derive(Default)]
pub(crate) struct Queue {
    /// Events in this drain to which the bound applies.
    events: usize,
}

impl Checker for Queue {
    fn drain_begins(&mut self, _: &mut Scene<'_>) {
        self.events = 0;
    }

    fn emitted(&mut self, event: &Event, _: &mut Scene<'_>) {
        // The bound does not apply to events that are kept once instead of in a queue.
        let is_state = matches!(
            event,
            Event::StateChanged { .. }
                | Event::Unavailable
                | Event::Lagged { .. }
                | Event::SubscriptionSucceeded { .. }
                | Event::SubscriptionError { .. }
                | Event::ContinuityLost { .. }
                | Event::Recovered { .. }
                | Event::SignedIn { .. }
                | Event::SigninError { .. }
                | Event::UserContinuityLost { .. }
                | Event::Diagnostic(_)
        );
        if !is_state {
            self.events += 1;
        }
    }

    fn drained(&mut self, scene: &mut Scene<'_>) {
        if self.events > scene.facts.limits.max_pending_events {
            scene.violated("queues are bounded", format!("{} events waited", self.events));
        }
    }
}
