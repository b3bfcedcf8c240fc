//! What faults of the network do to the handles.

use std::time::Duration;

use pusher_test::network::{Excess, Fault, Limit, Side};
use pusher_test::pusher_driver::{Client, Subscription};
use pusher_test::pusher_proto::{CloseFrame, ConnectionState, Event, with_causes};
use pusher_test::{Network, Simulation};

use crate::stage::*;

const DROPPED: &str = "the connection ended: dropped without a close frame";

/// A client that is subscribed to `chat` and has read its stream, and a fault of its network.
async fn with_fault(network: &Network, fault: Fault) -> Subscription {
    let mut chat = subscribed(network, "alice", "chat").await;
    names(&mut chat);
    network.fault("alice", fault);
    chat
}

/// The errors that the client reports within this time.
async fn ends(simulation: &Simulation, client: &Client, time: Duration) -> Vec<String> {
    let mut events = client.events();
    let mut ends = Vec::new();
    let end = simulation.network().now() + time;
    let mut sleep = Box::pin(simulation.sleep(time));
    while simulation.network().now() < end {
        std::future::poll_fn(|context| {
            while let std::task::Poll::Ready(Some(event)) = events.poll_recv(context) {
                if let Event::ConnectionError(error) = event {
                    ends.push(with_causes(&error).to_string());
                }
            }
            sleep.as_mut().poll(context)
        })
        .await;
    }
    ends
}

#[test]
fn a_cut_connection_is_restored_and_the_gap_is_reported() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        let mut chat = with_fault(network, Fault::Cut).await;
        let ends = ends(&simulation, &chat.client(), secs(10)).await;
        assert_eq!(ends, [DROPPED]);
        network.trigger("chat", "message", "{}");
        simulation.sleep(MOMENT).await;
        assert_eq!(names(&mut chat), [GAP, SUCCEEDED, "message"]);
        assert_eq!(chat.client().stats().reconnects, 1);
    });
}

#[test]
fn a_dead_socket_is_noticed_by_the_ping() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        let mut chat = with_fault(network, Fault::Dead).await;
        network.trigger("chat", "lost", "{}");
        // 120 s of silence, and 30 s for the pong.
        simulation.sleep(secs(149)).await;
        assert!(chat.client().state().is_connected());
        simulation.sleep(secs(10)).await;
        assert_eq!(names(&mut chat), [GAP, SUCCEEDED]);
        network.trigger("chat", "message", "{}");
        simulation.sleep(MOMENT).await;
        assert_eq!(names(&mut chat), ["message"]);
    });
}

#[test]
fn a_socket_that_the_server_has_lost_is_noticed_by_the_ping() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        let mut chat = with_fault(network, Fault::HalfOpen(Side::Server)).await;
        assert_eq!(network.server(|server, _| server.connections().count()), 0);
        simulation.sleep(secs(149)).await;
        assert!(chat.client().state().is_connected());
        simulation.sleep(secs(10)).await;
        assert_eq!(names(&mut chat), [GAP, SUCCEEDED]);
    });
}

#[test]
fn a_socket_that_only_the_client_has_lost_remains_a_member() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        let bob = subscribed(network, "bob", "presence-room").await;
        let room = subscribed(network, "alice", "presence-room").await;
        simulation.sleep(MOMENT).await;
        network.fault("alice", Fault::HalfOpen(Side::Client));
        drop(room);
        simulation.sleep(secs(10)).await;
        assert_eq!(bob.member_count(), Some(2));
        assert_eq!(network.server(|server, _| server.connections().count()), 2);
    });
}

#[test]
fn every_close_code_reaches_the_client() {
    for (code, is_final) in [(4000, true), (4009, true), (4100, false), (4200, false), (4300, false), (1006, false)] {
        let simulation = simulation();
        let network = simulation.network();
        simulation.run(async {
            let frame = CloseFrame { code, reason: "because".into() };
            let chat = with_fault(network, Fault::Close(frame)).await;
            let ends = ends(&simulation, &chat.client(), secs(60)).await;
            assert!(ends[0].ends_with("because"), "{code}: {ends:?}");
            let is_failed = matches!(chat.client().state(), ConnectionState::Failed { .. });
            assert_eq!(is_failed, is_final, "{code}");
        });
    }
}

#[test]
fn latency_delays_messages_in_both_directions() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        network.fault_all(Fault::Latency(secs(2)));
        let mut chat = subscribed(network, "alice", "chat").await;
        // The upgrade, the greeting, the subscription and its confirmation; the socket is open when the server sees it.
        assert_eq!(network.now(), secs(8));
        names(&mut chat);
        network.trigger("chat", "slow", "{}");
        network.fault("alice", Fault::Latency(Duration::ZERO));
        network.trigger("chat", "fast", "{}");
        simulation.sleep(secs(1)).await;
        assert_eq!(names(&mut chat), Vec::<String>::new());
        simulation.sleep(secs(1)).await;
        // Messages do not overtake each other.
        assert_eq!(names(&mut chat), ["slow", "fast"]);
    });
}

#[test]
fn lost_messages_never_arrive() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        let mut chat = with_fault(network, Fault::Lose(Side::Client, 2)).await;
        for event in ["one", "two", "three"] {
            network.trigger("chat", event, "{}");
        }
        simulation.sleep(MOMENT).await;
        assert_eq!(names(&mut chat), ["three"]);
        // The client asks again when the answer to its subscription does not come.
        network.fault("alice", Fault::Lose(Side::Server, 1));
        let start = network.now();
        chat.client().subscribe("news").unwrap().subscribed().await.unwrap();
        assert!(network.now() - start >= secs(10), "{:?}", network.now() - start);
    });
}

#[test]
fn a_message_that_arrives_in_parts_keeps_the_connection_alive() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        let mut chat = with_fault(network, Fault::Trickle { parts: 25, every: secs(10) }).await;
        network.trigger("chat", "large", "{}");
        simulation.sleep(secs(239)).await;
        assert_eq!(names(&mut chat), Vec::<String>::new());
        simulation.sleep(secs(2)).await;
        assert_eq!(names(&mut chat), ["large"]);
        assert_eq!(chat.client().stats().reconnects, 0);
    });
}

#[test]
fn what_a_silent_server_sends_arrives_when_it_works_again() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        let mut chat = with_fault(network, Fault::Silence).await;
        network.trigger("chat", "message", "{}");
        simulation.sleep(secs(30)).await;
        assert_eq!(names(&mut chat), Vec::<String>::new());
        network.heal("alice");
        simulation.sleep(MOMENT).await;
        assert_eq!(names(&mut chat), ["message"]);
        // If it takes longer, the client gives up the socket, and new ones are not greeted.
        network.fault("alice", Fault::Silence);
        simulation.sleep(secs(300)).await;
        assert!(!chat.client().state().is_connected());
        network.heal("alice");
        simulation.sleep(secs(60)).await;
        assert_eq!(names(&mut chat), [GAP, SUCCEEDED]);
    });
}

#[test]
fn without_network_there_are_no_new_sockets_but_open_ones_work() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        let mut chat = with_fault(network, Fault::Unreachable).await;
        network.trigger("chat", "message", "{}");
        simulation.sleep(MOMENT).await;
        assert_eq!(names(&mut chat), ["message"]);
        network.fault("alice", Fault::Cut);
        let ends = ends(&simulation, &chat.client(), secs(3_600)).await;
        assert_eq!(ends[0], DROPPED);
        assert_eq!(ends[1], "the connection failed: no route to host");
        network.heal("alice");
        simulation.sleep(secs(60)).await;
        assert!(chat.client().state().is_connected());
    });
}

#[test]
fn a_refused_upgrade_says_when_to_come_back() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        network.fault_all(Fault::RefuseUpgrade { status: 503, retry_after: Some(secs(20)) });
        let alice = client(network, "alice");
        let ends = ends(&simulation, &alice, secs(20)).await;
        assert_eq!(ends, ["the connection failed: the server refused the WebSocket upgrade with HTTP status 503"]);
        network.heal_all();
        simulation.sleep(MOMENT).await;
        assert!(alice.state().is_connected());
    });
}

#[test]
fn a_fault_concerns_the_clients_that_it_names() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        let alice = subscribed(network, "alice", "chat").await;
        let bob = subscribed(network, "bob", "chat").await;
        network.fault("alice", Fault::Cut);
        simulation.sleep(secs(10)).await;
        assert_eq!((alice.client().stats().reconnects, bob.client().stats().reconnects), (1, 0));
        network.fault_all(Fault::Cut);
        simulation.sleep(secs(10)).await;
        assert_eq!((alice.client().stats().reconnects, bob.client().stats().reconnects), (2, 1));
    });
}

#[test]
fn a_later_client_of_the_same_name_has_the_same_network_and_user() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        let first = subscribed(network, "alice", "presence-room").await;
        network.fault("alice", Fault::Latency(secs(1)));
        let start = network.now();
        let second = subscribed(network, "alice", "presence-room").await;
        assert!(network.now() - start >= secs(4));
        assert_eq!((first.member_count(), second.member_count()), (Some(1), Some(1)));
    });
}

#[test]
#[should_panic(expected = r#"no client is called "bob"; there are ["alice"]"#)]
fn a_fault_of_an_unknown_client_is_an_error_of_the_test() {
    let simulation = simulation();
    let network = simulation.network();
    let _alice = client(network, "alice");
    network.fault("bob", Fault::Cut);
}

#[test]
fn the_gate_limits_what_clients_send() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        let chat = subscribed(network, "alice", "private-chat").await;
        network.gate(|gate| gate.limit = Some((Limit::new(5, secs(10)), Excess::Drop)));
        for number in 0..10 {
            chat.trigger("client-typing", &number).unwrap();
        }
        let ends = ends(&simulation, &chat.client(), secs(1)).await;
        assert_eq!(ends, [DROPPED]);
    });
}

const WITHIN: &str = "the network was used within a closure that Network::server, gate, backend or backend_all runs";

/// Returns with what message this panics.
fn panics(use_network: impl FnOnce()) -> String {
    let result = std::panic::catch_unwind(std::panic::AssertUnwindSafe(use_network));
    let payload = result.expect_err("it does not panic");
    payload.downcast_ref::<&str>().map(ToString::to_string).expect("a message")
}

#[test]
fn using_the_network_within_one_of_its_closures_is_an_error_of_the_test() {
    let simulation = simulation();
    let network = simulation.network();
    let alice = simulation.run(subscribed(network, "alice", "chat"));
    assert_eq!(panics(|| network.server(|_, _| network.trigger("chat", "message", "{}"))), WITHIN);
    assert_eq!(panics(|| network.gate(|_| drop(network.sent("alice")))), WITHIN);
    assert_eq!(panics(|| network.backend("alice", |_| drop(client(network, "bob")))), WITHIN);
    assert_eq!(panics(|| network.backend_all(|_| network.fault("alice", Fault::Cut))), WITHIN);
    assert_eq!(panics(|| network.server(|_, _| simulation.run(simulation.sleep(MOMENT)))), WITHIN);
    // Nothing remains locked.
    simulation.run(simulation.sleep(MOMENT));
    assert!(alice.is_subscribed());
}
