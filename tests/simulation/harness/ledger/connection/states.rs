//! The reported states of the connection match what the client does, in the same order.
//!
//! *States follow one another*, *the state is reported*, *states come before what they cause*, and *wishes are obeyed*.

use pusher_proto::{Action, ConnectionState, Event};

use super::super::outputs::Outgoing;
use super::{Checker, Message, Scene};

/// The application can follow each change from one state to the next, and knows the state before its consequences.
#[derive(Default)]
pub(crate) struct States;

impl Checker for States {
    fn acted(&mut self, action: &Action, scene: &mut Scene<'_>) {
        let state = &scene.facts.state;
        if matches!(action, Action::Connect(..)) && !matches!(state, ConnectionState::Connecting { .. }) {
            scene.violated(STATES_FIRST, format!("a socket is opened after {state:?} was reported"));
        }
    }

    fn sent(&mut self, message: &Message<'_>, scene: &mut Scene<'_>) {
        if !scene.facts.is_connected() && !matches!(message.kind, Outgoing::Pong) {
            scene.violated(STATES_FIRST, format!("{} while {:?}", message.text, scene.facts.state));
        }
    }

    fn emitted(&mut self, event: &Event, scene: &mut Scene<'_>) {
        let Event::StateChanged { previous, current } = event else { return };
        let state = &scene.facts.state;
        if previous != state || previous == current {
            scene.violated("states follow one another", format!("{previous:?} to {current:?} after {state:?}"));
        }
    }

    fn drained(&mut self, scene: &mut Scene<'_>) {
        let (reported, is) = (&scene.facts.state, scene.client.state());
        if reported != is {
            scene.violated("the state is reported", format!("{reported:?} was reported, but it is {is:?}"));
        }
    }
}

/// After a drain, there is a connection or an attempt to connect if and only if the application wants one.
#[derive(Default)]
pub(crate) struct ConnectionWishes;

impl Checker for ConnectionWishes {
    fn drained(&mut self, scene: &mut Scene<'_>) {
        let facts = scene.facts;
        if facts.connection_wish.is_some_and(|wish| wish != facts.is_on()) {
            scene.violated("wishes are obeyed", format!("it is {:?}", facts.state));
        }
    }
}

const STATES_FIRST: &str = "states come before what they cause";
