//! *Every delay ends*: a waiting client tries again at the time that it has reported.

use pusher_proto::{ConnectionState, Instant};

use super::super::EPSILON;
use super::{Checker, Scene};

#[derive(Default)]
pub(crate) struct Delays {
    /// The client could not act on deadlines before this.
    resumed_at: Instant,
}

impl Checker for Delays {
    fn resumed(&mut self, scene: &mut Scene<'_>) {
        self.resumed_at = scene.facts.now;
    }

    fn ticked(&mut self, scene: &mut Scene<'_>) {
        if let ConnectionState::Waiting { retry_at, .. } = &scene.facts.state
            && scene.facts.now > (*retry_at).max(self.resumed_at) + EPSILON
        {
            scene.violated("every delay ends", format!("the client waits since {retry_at}"));
        }
    }
}
