//! Servers that do not answer a subscription.

use pusher_proto::server::Dialect;
use pusher_tests::world::Lost;

use super::Scenario;
use crate::stage::*;

pub(super) const SCENARIOS: &[(&str, Scenario)] =
    &[("unsubscribing ends the tries for a subscription that is not answered", unsubscribed)];

fn unsubscribed(dialect: Dialect) {
    for lost in [Lost::Question, Lost::Answer] {
        let mut stage = Stage::new(dialect).connected(&["a"]);
        stage.world.gate().swallows.insert(("chat".into(), lost));
        stage.client(A).subscribe(channel("chat"));
        stage.pass(secs(45));
        stage.unsubscribe(A, "chat");
        stage.world.sent(A).for_each(drop);
        stage.heard(A);
        stage.world.gate().swallows.clear();
        stage.pass(secs(180));
        stage.expect_silence(A);
        let sent: Vec<_> = stage.world.sent(A).filter(|text| text.contains("subscribe")).collect();
        assert!(sent.is_empty(), "{sent:?}");
        let id = stage.world.connection(A).expect("it is connected");
        assert!(!stage.world.server().is_subscribed(id, &channel("chat")));
    }
}
