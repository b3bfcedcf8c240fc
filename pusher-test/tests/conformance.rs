//! The conformance scenarios with runtimes that do not conform, and what the scenarios set.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use std::{fs, panic};

use pusher_test::conformance::{About, Next, Outcome, Runtime, Scenario, Setup, Suite, Verdict, quick, scenarios};
use pusher_test::pusher_proto::{
    Action, ChannelName, Client, ClientEventName, Config, Endpoint, Event, Frame, Instant, SocketEpoch,
};

/// Does nothing. Only one scenario is played with it.
struct Idle(&'static str);

impl Runtime for Idle {
    type Client = ();
    type Subscription = ();

    fn about(&self) -> About {
        let others = scenarios().filter(|scenario| scenario.name() != self.0);
        others.fold(About::new("idle"), |about, scenario| about.lacks(scenario.name(), "it is not the one"))
    }

    fn start(&self, _: Setup) {}
    fn connect(&self, (): &mut ()) {}
    fn disconnect(&self, (): &mut ()) {}
    fn subscribe(&self, (): &mut (), _: &ChannelName) {}
    fn unsubscribe(&self, (): &mut (), _: &ChannelName) {}
    fn trigger(&self, (): &mut (), _: &ChannelName, _: &ClientEventName, _: &str) {}
    fn signin(&self, (): &mut ()) {}
    fn shut_down(&self, (): &mut (), _: Duration) {}

    fn recv(&self, (): &mut (), _: Duration) -> Next {
        Next::Event(Event::Lagged { missed: 1 })
    }

    fn next_event(&self, (): &mut (), _: Duration) -> Next {
        Next::End
    }
}

fn play(scenario: &'static str) -> Vec<Outcome> {
    Suite::new().runtime(Idle(scenario)).play()
}

fn failure(scenario: &'static str) -> String {
    let mut failures = play(scenario).into_iter().filter_map(|outcome| match outcome.verdict {
        Verdict::Failed(why) => Some(why),
        _ => None,
    });
    failures.next().expect("a runtime that does nothing fails")
}

#[test]
fn a_failure_says_what_was_expected_what_came_and_the_rule() {
    assert_eq!(
        failure("a_dropped_connection_is_replaced"),
        "expected that the client is connected, but the events ended; the state is initialized, and the last events: none\n  \
         rule: After the stream has ended, each channel gets ContinuityLost, its success and new events, on another \
         connection\n  \
         from: docs/protocol.md: Once per outage for each channel that was subscribed before it"
    );
}

#[test]
fn every_scenario_is_an_outcome_and_what_is_left_out_has_a_reason() {
    let outcomes = play("a_dropped_connection_is_replaced");
    assert_eq!(outcomes.len(), scenarios().count());
    assert_eq!(outcomes[0].name, "idle: a client waits for a server that is not up yet");
    assert_eq!(outcomes[0].verdict, Verdict::LeftOut("it is not the one".into()));
    let last = outcomes.last().map(|outcome| &outcome.verdict);
    let reason = "needs the handles of pusher-driver, and the runtime has no `WithHandles`";
    assert_eq!(last, Some(&Verdict::LeftOut(reason.into())));
}

#[test]
fn a_scenario_of_ones_own_fails_by_a_panic_and_its_stage_has_a_server() {
    let outcomes = Suite::new()
        .scenario(Idle(""), "the server is up", None, |stage| assert_eq!(stage.connection_count(), 0))
        .scenario(Idle(""), "it fails", None, |_| panic!("as it should"))
        .scenario(Idle(""), "a program is missing", Some("it is not installed".into()), |_| panic!("it is left out"))
        .play();
    let verdicts: Vec<_> = outcomes.into_iter().map(|outcome| outcome.verdict).collect();
    let expected =
        [Verdict::Passed, Verdict::Failed("as it should".into()), Verdict::LeftOut("it is not installed".into())];
    assert_eq!(verdicts, expected);
}

/// A hook that the application installs after the first run sees every later panic.
#[test]
fn the_panic_hook_is_installed_once() {
    let _ = Suite::new().play();
    let seen = Arc::new(AtomicUsize::new(0));
    let (count, print) = (Arc::clone(&seen), panic::take_hook());
    panic::set_hook(Box::new(move |info| {
        if info.payload().downcast_ref::<&str>() == Some(&"as the scenario wants") {
            count.fetch_add(1, Ordering::SeqCst);
        }
        print(info);
    }));
    let _ = Suite::new().play();
    assert!(panic::catch_unwind(|| panic!("as the scenario wants")).is_err());
    assert_eq!(seen.load(Ordering::SeqCst), 1);
}

#[test]
fn scenarios_wait_five_seconds_for_a_pong() {
    let config = quick(Config::builder("app-key", Endpoint::host("127.0.0.1").tls(false)));
    let mut client = Client::new(config.build().expect("a configuration"), 1);
    client.connect();
    let mut socket = SocketEpoch::default();
    while let Some(action) = client.poll_action(Instant::ZERO) {
        if let Action::Connect(epoch, _) = action {
            socket = epoch;
        }
    }
    let greeting = r#"{"event":"pusher:connection_established","data":{"socket_id":"1.1"}}"#;
    client.handle_frame(socket, Frame::Text(greeting.into()), Instant::ZERO);
    while client.poll_action(Instant::ZERO).is_some() {}
    let [ping, end] = [1, 6].map(|seconds| Instant::ZERO + Duration::from_secs(seconds));
    client.handle_timeout(ping);
    while client.poll_action(ping).is_some() {}
    assert_eq!(client.poll_timeout(), Some(end));
}

#[test]
fn every_scenario_quotes_a_document_that_has_the_words() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let is_quoted = |source: &str| {
        let Some((document, words)) = source.split_once(": ").filter(|(name, _)| name.starts_with("docs/")) else {
            return true;
        };
        // Lines of prose end anywhere.
        let document = fs::read_to_string(root.join(document)).expect("a document of the project");
        document.split_whitespace().collect::<Vec<_>>().join(" ").contains(words)
    };
    let wrong: Vec<&str> = scenarios().map(Scenario::source).filter(|source| !is_quoted(source)).collect();
    assert_eq!(wrong, [""; 0]);
}
