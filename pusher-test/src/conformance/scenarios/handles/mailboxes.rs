//! Handles that share a channel, and what is left for slow readers.

use pusher_driver::Overflow;
use pusher_proto::Event;

use crate::conformance::faults::Cut;
use crate::conformance::handles::WithHandles;
use crate::conformance::runtime::Next;
use crate::conformance::stage::{Stage, options};

pub(super) fn two_handles_of_a_channel_share_it<H: WithHandles>(stage: &mut Stage<H>) {
    let (mut ann, mut bob) = (stage.user(), stage.user());
    let mut with_bob = bob.subscribed("presence-chat");
    let mut first = ann.subscribed("presence-chat");
    with_bob.expect_event("pusher:member_added");
    let mut second = ann.subscribe("presence-chat");
    second.expect_outcome();
    stage.publish("presence-chat", "1");
    for subscription in [&mut first, &mut second, &mut with_bob] {
        subscription.expect_text("1");
    }
    drop(first);
    stage.publish("presence-chat", "2");
    second.expect_text("2");
    with_bob.expect_text("2");
    drop(second);
    with_bob.expect_event("pusher:member_removed");
    let _again = ann.subscribed("presence-chat");
}

pub(super) fn a_kept_channel_stays_subscribed_without_a_handle<H: WithHandles>(stage: &mut Stage<H>) {
    let runtime = stage.runtime().clone();
    let mut user = stage.user();
    runtime.keep(user.subscribe("kept").into_handle());
    let is_success = |event: &Event| matches!(event, Event::SubscriptionSucceeded { .. });
    user.until("the channel is subscribed", is_success);
    stage.publish("kept", "1");
    user.until("a message comes", |event| matches!(event, Event::Channel(event) if event.data().text() == "1"));
    stage.proxy().cut(Cut::Drop);
    user.until("the channel is subscribed again", is_success);
    user.unsubscribe("kept");
    assert!(
        user.handle().channel("kept").is_none(),
        "expected that a kept channel can be unsubscribed, but it is there"
    );
}

pub(super) fn a_slow_reader_loses_the_oldest_events<H: WithHandles>(stage: &mut Stage<H>) {
    assert_eq!(read_late(stage, Overflow::DropOldest), ["lost 7", "7", "8", "9"], "what a slow reader gets");
}

pub(super) fn a_slow_reader_loses_the_newest_events<H: WithHandles>(stage: &mut Stage<H>) {
    assert_eq!(read_late(stage, Overflow::DropNewest), ["0", "1", "2", "lost 7"], "what a slow reader gets");
}

pub(super) fn a_slow_reader_loses_its_stream<H: WithHandles>(stage: &mut Stage<H>) {
    assert_eq!(read_late(stage, Overflow::Close), ["0", "1", "2", "lost 7", "end"], "what a slow reader gets");
}

/// What is left of ten events for a slow reader with room for three. Other streams are not held up in the meantime.
fn read_late<H: WithHandles>(stage: &Stage<H>, overflow: Overflow) -> Vec<String> {
    let options = options().mailbox_len(3).overflow(overflow);
    let mut user = stage.handles(stage.config(), stage.auth(), &options);
    user.connect();
    let mut slow = user.subscribed("slow");
    // A count may still be on its way, so all counts are over before the messages.
    let mut quick = user.subscribed("quick");
    slow.expect_nothing("no event was published");
    for number in 0..10 {
        stage.publish("slow", &number.to_string());
        stage.publish("quick", &number.to_string());
        quick.expect_text(&number.to_string());
    }
    assert_eq!(user.handle().stats().missed, 7, "events that are lost, of ten with room for three");
    let mut seen = Vec::new();
    loop {
        seen.push(match slow.poll() {
            Next::Event(Event::Channel(event)) => event.data().text().into_owned(),
            Next::Event(Event::Lagged { missed }) => format!("lost {missed}"),
            Next::Event(event) => panic!("expected what is left of the messages, but this came: {event:?}"),
            Next::End => "end".to_owned(),
            Next::Nothing => return seen,
        });
        if seen.last().is_some_and(|last| last == "end") {
            return seen;
        }
    }
}

/// While no stream is read, as many events arrive as on a channel with 33 events per second in ten minutes.
pub(super) fn a_reader_that_stops_for_long_does_not_hold_up_others<H: WithHandles>(stage: &mut Stage<H>) {
    const ROOM: usize = 1_000;
    const ROUNDS: usize = 20;
    let mut user = stage.handles(stage.config(), stage.auth(), &options().mailbox_len(ROOM));
    user.connect();
    let mut stopped = user.subscribed("stopped");
    let mut quick = user.subscribed("quick");
    stopped.expect_nothing("no event was published");
    let payload = "x".repeat(100);
    for round in 0..ROUNDS {
        for _ in 0..ROOM {
            stage.publish("stopped", &payload);
        }
        stage.publish("quick", &round.to_string());
        quick.expect_text(&round.to_string());
        drop(user.subscribed(&format!("private-{round}")));
    }
    let missed = (ROOM * (ROUNDS - 1)) as u64;
    assert_eq!(stopped.poll(), Next::Event(Event::Lagged { missed }), "the number of events that are lost comes first");
    for _ in 0..ROOM {
        stopped.expect_text(&payload);
    }
    assert_eq!(stopped.poll(), Next::Nothing, "no more than there is room for");
    // If reading had stopped for longer than the pong timeout, the connection would have ended.
    let is_loss = |event: &Event| matches!(event, Event::ContinuityLost { .. } | Event::ConnectionError(_));
    user.expect_none("that the connection stays", is_loss);
}
