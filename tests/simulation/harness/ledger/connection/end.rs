//! *Nothing after the end*: while the application wants no connection, none is started, and nothing is sent or
//! requested. A client without a connection does nothing at all until the application calls it.

use pusher_proto::{Action, Event};

use super::super::facts::is_on;
use super::{AppCall, Checker, Scene};

#[derive(Default)]
pub(crate) struct End {
    /// The application has called since the last drain.
    was_called: bool,
    /// This drain must have no actions, since there is no connection and the application did not call.
    must_be_quiet: bool,
    /// Whatever else the application has called, it wants no connection.
    must_stay_off: bool,
}

impl Checker for End {
    fn called(&mut self, call: &AppCall<'_>, _: &mut Scene<'_>) {
        self.was_called |= !matches!(call, AppCall::Triggered(..));
    }

    fn drain_begins(&mut self, scene: &mut Scene<'_>) {
        let is_on = scene.facts.is_on();
        let was_called = std::mem::take(&mut self.was_called);
        self.must_be_quiet = !is_on && !was_called;
        self.must_stay_off = !scene.facts.connection_wish.unwrap_or(is_on);
    }

    fn acted(&mut self, action: &Action, scene: &mut Scene<'_>) {
        let state = &scene.facts.state;
        if self.must_be_quiet {
            scene.violated(NOTHING, format!("{action:?} while {state:?}"));
        }
        let needs_connection = matches!(action, Action::Connect(..) | Action::Send(..) | Action::RequestAuth(_));
        if needs_connection && (self.must_stay_off || !is_on(state)) {
            scene.violated(NOTHING, format!("{action:?} while {state:?}, and no connection is wanted"));
        }
    }

    fn emitted(&mut self, event: &Event, scene: &mut Scene<'_>) {
        if let Event::StateChanged { previous, current } = event
            && self.must_stay_off
            && is_on(current)
        {
            scene.violated(NOTHING, format!("{previous:?} becomes {current:?}, and no connection is wanted"));
        }
    }
}

const NOTHING: &str = "nothing after the end";
