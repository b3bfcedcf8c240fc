//! *an outage is reported once*: `Unavailable` comes at most once between two connections.

use pusher_proto::{ConnectionState, Event};

use super::{Checker, Scene};

#[derive(Default)]
pub(crate) struct Outages {
    is_reported: bool,
}

impl Checker for Outages {
    fn emitted(&mut self, event: &Event, scene: &mut Scene<'_>) {
        if matches!(event, Event::Unavailable) && std::mem::replace(&mut self.is_reported, true) {
            scene.violated("an outage is reported once", "unavailable for the second time");
        }
        let Event::StateChanged { current, .. } = event else { return };
        match current {
            ConnectionState::Connected { .. } | ConnectionState::Disconnected | ConnectionState::Failed { .. } => {
                self.is_reported = false;
            }
            ConnectionState::Initialized | ConnectionState::Connecting { .. } | ConnectionState::Waiting { .. } => {}
        }
    }
}
