//! The conformance scenarios with runtimes that do not conform.

use std::time::Duration;

use pusher_test::conformance::{About, Next, Outcome, Runtime, Setup, Suite, Verdict, scenarios};
use pusher_test::pusher_proto::{ChannelName, ClientEventName, Event};

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
        "expected that the client is connected, but the events ended; the state is initialized, and the last events were []\n  \
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
