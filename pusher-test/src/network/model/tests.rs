//! What the model keeps, which its users do not see.

use std::time::Duration;

use pusher_proto::server::{Publication, ServerConfig};
use pusher_proto::signing::App;
use pusher_proto::{ChannelName, CloseFrame, CloseReason, Frame};

use super::{MAX_HELD, Model};
use crate::network::{Authority, Excess, Fault, Limit, Side, Who};

const ALICE: Who = Who(0);

/// A model with a client whose socket is open and has sent one message through a limit.
fn model() -> Model {
    let app = App::new("1", "app-key", "app-secret").unwrap();
    let mut model = Model::new(ServerConfig::new(app.clone()), Duration::from_millis(20), 7);
    model.add(Authority::new(app, "alice"));
    model.gate().limit = Some((Limit::new(2, Duration::from_secs(10)), Excess::Drop));
    model.open(ALICE, "/app/app-key?protocol=7".into());
    pass(&mut model, Duration::from_secs(1));
    say(&mut model, r#"{"event":"pusher:subscribe","data":{"channel":"chat"}}"#);
    assert_eq!((model.links.len(), model.gate.taken.len()), (1, 1));
    model
}

fn say(model: &mut Model, text: &str) {
    let id = model.link(ALICE).unwrap();
    model.send(id, Frame::Text(text.into()));
    pass(model, Duration::from_secs(1));
}

fn pass(model: &mut Model, time: Duration) {
    let end = model.now() + time;
    model.settle();
    while let Some(at) = model.next().filter(|at| *at <= end) {
        model.advance(at);
        while let Some(delivery) = model.next_due() {
            let _arrival = model.deliver(delivery);
            model.settle();
        }
        model.handle_timeout();
        model.settle();
    }
    model.advance(end);
}

/// Checks that nothing is left of the socket once the server has noticed that it has ended, within some minutes.
#[track_caller]
fn assert_forgotten(model: &mut Model) {
    pass(model, Duration::from_secs(600));
    assert_eq!((model.links.len(), model.gate.taken.len(), model.link(ALICE)), (0, 0, None));
    assert_eq!(model.server().connections().count(), 0);
}

#[test]
fn nothing_is_left_of_a_socket_that_a_fault_has_ended() {
    for fault in [Fault::Cut, Fault::HalfOpen(Side::Client), Fault::Close(CloseFrame::new(4200, "restart"))] {
        let mut model = model();
        model.fault(ALICE, &fault);
        assert_forgotten(&mut model);
    }
}

#[test]
fn nothing_is_left_of_a_dead_socket_that_is_reset() {
    for fault in [Fault::Cut, Fault::HalfOpen(Side::Client)] {
        let mut model = model();
        model.fault(ALICE, &Fault::Dead);
        model.fault(ALICE, &fault);
        assert_forgotten(&mut model);
    }
}

#[test]
fn nothing_is_left_of_a_socket_that_the_client_ends_after_the_server_has_lost_it() {
    for fault in [Fault::HalfOpen(Side::Server), Fault::Dead] {
        let mut model = model();
        let id = model.link(ALICE).unwrap();
        model.fault(ALICE, &fault);
        model.close(id, CloseReason::Dropped);
        assert_forgotten(&mut model);
    }
}

#[test]
fn nothing_is_left_of_a_connection_that_the_gate_ends() {
    let mut model = model();
    say(&mut model, r#"{"event":"pusher:ping","data":{}}"#);
    say(&mut model, r#"{"event":"pusher:ping","data":{}}"#);
    assert_forgotten(&mut model);
}

#[test]
fn nothing_is_left_of_what_a_silent_server_holds_when_it_is_too_much() {
    let mut model = model();
    model.fault(ALICE, &Fault::Silence);
    let publication = Publication::new("message", [ChannelName::new("chat").unwrap()], "{}");
    let publish = |model: &mut Model| {
        let now = model.now();
        model.server().trigger(&publication, now).unwrap();
        model.settle();
    };
    for _ in 0..MAX_HELD {
        publish(&mut model);
    }
    assert_eq!(model.links.values().map(|link| link.held.len()).sum::<usize>(), MAX_HELD);
    publish(&mut model);
    assert_eq!(model.server().connections().count(), 0);
    assert_eq!(model.links.values().map(|link| link.held.len()).sum::<usize>(), 0);
    assert_eq!(model.under_way.len(), 1);
    assert_forgotten(&mut model);
}
