//! How time passes.

use std::future::pending;
use std::time::{Duration, Instant};

use pusher_test::Simulation;
use pusher_test::network::Fault;
use pusher_test::pusher_driver::{Client, NoAuth};
use pusher_test::pusher_proto::server::ServerConfig;

use crate::stage::*;

const DAY: Duration = secs(24 * 60 * 60);

#[test]
fn a_day_takes_a_moment() {
    let simulation = simulation();
    let network = simulation.network();
    let start = Instant::now();
    simulation.run(async {
        let chat = subscribed(network, "alice", "private-chat").await;
        simulation.sleep(DAY).await;
        assert!(chat.is_subscribed());
        // At least one ping in two minutes.
        let pings = network.sent("alice").iter().filter(|text| text.contains("pusher:ping")).count();
        assert!(pings >= 24 * 30 - 1, "{pings}");
    });
    assert!(network.now() >= DAY);
    assert!(start.elapsed() < DAY / 100, "{:?}", start.elapsed());
}

/// Everything that a run does, with its times.
fn log(seed: u64) -> Vec<String> {
    let simulation = Simulation::with_seed(ServerConfig::new(app()), seed);
    let network = simulation.network();
    simulation.run(async {
        let watch = |client: Client| {
            let network = network.clone();
            simulation.spawn(async move {
                let (mut log, mut events) = (Vec::new(), client.events());
                drop(client);
                while let Some(event) = events.recv().await {
                    log.push(format!("{:?} {event:?}", network.now()));
                    if network.now() > secs(600) {
                        break;
                    }
                }
                log
            })
        };
        let rooms =
            [subscribed(network, "alice", "presence-room").await, subscribed(network, "bob", "presence-room").await];
        let logs = rooms.each_ref().map(|room| watch(room.client()));
        for _ in 0..20 {
            network.fault_all(Fault::Cut);
            simulation.sleep(secs(31)).await;
        }
        network.trigger("presence-room", "end", "{}");
        let mut all = Vec::new();
        for log in logs {
            all.extend(log.await);
        }
        all.extend(network.sent("alice").iter().map(ToString::to_string));
        all
    })
}

#[test]
fn equal_seeds_give_equal_runs_and_others_do_not() {
    let once = log(7);
    assert!(once.len() > 100, "{}", once.len());
    assert_eq!(once, log(7));
    assert_ne!(once, log(8));
}

#[test]
#[should_panic(
    expected = "nothing is ready and no timer is set at 0ns: the future waits for something that cannot happen"
)]
fn a_deadlock_is_reported() {
    simulation().run(pending::<()>());
}

#[test]
#[should_panic(expected = "the future did not end within 3600s of virtual time")]
fn a_future_that_waits_in_vain_is_reported_although_the_client_is_busy() {
    let simulation = simulation().limit(secs(3_600));
    simulation.run(async {
        let mut chat = subscribed(simulation.network(), "alice", "chat").await;
        while let Some(event) = chat.recv().await {
            assert_ne!(event.name(), "never");
        }
    });
}

#[test]
#[should_panic(expected = "a task wakes itself again and again")]
fn a_task_that_never_waits_is_reported() {
    simulation().run(std::future::poll_fn(|context| {
        context.waker().wake_by_ref();
        std::task::Poll::<()>::Pending
    }));
}

#[test]
#[should_panic(expected = "called within a future that it runs")]
fn a_run_within_a_run_is_reported() {
    let simulation = simulation();
    simulation.run(async { simulation.run(async {}) });
}

#[test]
fn what_was_started_continues_in_the_next_run() {
    let simulation = simulation();
    let network = simulation.network();
    let chat = simulation.run(subscribed(network, "alice", "chat"));
    let counter = simulation.spawn({
        let sleeps = [simulation.sleep(secs(5)), simulation.sleep(secs(10))];
        async move {
            for sleep in sleeps {
                sleep.await;
            }
        }
    });
    simulation.run(simulation.sleep(secs(3)));
    assert!(chat.is_subscribed());
    simulation.run(counter);
    assert_eq!(network.now().as_secs(), 10);
}

#[test]
fn the_last_handle_closes_the_connection() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        drop(subscribed(network, "alice", "chat").await);
        simulation.sleep(MOMENT).await;
        assert_eq!(network.server(|server, _| server.connections().count()), 0);
    });
}

#[test]
fn a_machine_that_slept_checks_its_connection() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        let chat = subscribed(network, "alice", "chat").await;
        network.fault("alice", Fault::Dead);
        network.advance_wall_clock(8 * secs(3_600));
        simulation.sleep(secs(20)).await;
        assert_eq!(chat.client().stats().reconnects, 1);
    });
}

#[test]
fn an_own_authorizer_and_shutdown_work_as_in_every_adapter() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        let client = network.connect("alice", config(), NoAuth).unwrap();
        assert!(client.subscribe("private-chat").unwrap().subscribed().await.is_err());
        client.shutdown(secs(1)).await;
        assert!(client.has_ended());
    });
}
