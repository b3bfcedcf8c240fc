//! Members that are present, join, leave and change.

use pusher_proto::server::Dialect;
use pusher_tests::network::Fault;

use super::Scenario;
use crate::stage::*;

pub(super) const SCENARIOS: &[(&str, Scenario)] = &[
    ("members come and go", come_and_go),
    ("a user with two connections comes and goes once", two_connections),
    ("what changed during a loss is told with the list", changed_during_loss),
    ("ids that are numbers", numeric_ids),
    ("a user without info", without_info),
    ("members with the ids 0 and 1", array_members),
    ("authorization without channel_data", without_channel_data),
];

fn come_and_go(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a", "b"]);
    stage.subscribe(A, "presence-chat");
    stage.expect(A, &[r#"subscription_succeeded presence-chat members [a={"name":"a"}]"#]);
    stage.subscribe(B, "presence-chat");
    stage.expect(B, &[r#"subscription_succeeded presence-chat members [a={"name":"a"} b={"name":"b"}]"#]);
    stage.expect(A, &[r#"member_added presence-chat b={"name":"b"}"#]);
    stage.unsubscribe(B, "presence-chat");
    stage.expect(A, &[r#"member_removed presence-chat b={"name":"b"}"#]);
    let channel = stage.client(A).channel(&channel("presence-chat")).expect("it is subscribed");
    assert_eq!(channel.me().map(|me| me.id.to_string()), Some("a".into()));
}

fn two_connections(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a", "b", "b"]);
    for who in [A, B, C] {
        stage.subscribe(who, "presence-chat");
    }
    let added = r#"member_added presence-chat b={"name":"b"}"#;
    assert_eq!(stage.heard(A)[1..], [added]);
    stage.unsubscribe(B, "presence-chat");
    stage.expect_silence(A);
    stage.client(C).disconnect();
    stage.pass(MOMENT);
    stage.expect(A, &[r#"member_removed presence-chat b={"name":"b"}"#]);
}

fn changed_during_loss(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a", "b", "c"]);
    for who in [A, B, C] {
        stage.subscribe(who, "presence-chat");
    }
    stage.heard(A);
    stage.world.fault(A, Fault::Unreachable);
    stage.world.fault(A, Fault::Cut);
    stage.pass(secs(1));
    stage.client(C).disconnect();
    stage.unsubscribe(B, "presence-chat");
    stage.authority(B).channel_data = Some(r#"{"user_id":"b","user_info":{"name":"bea"}}"#.into());
    stage.subscribe(B, "presence-chat");
    let late = stage.add("d", |builder| builder);
    stage.connect(late);
    stage.subscribe(late, "presence-chat");
    stage.world.heal(A);
    stage.pass(secs(30));
    let heard = stage.heard(A);
    let [.., lost, succeeded] = heard.as_slice() else { panic!("{heard:?}") };
    assert_eq!(lost, "continuity_lost presence-chat");
    let members = r#"members [b={"name":"bea"} d={"name":"d"} a={"name":"a"}]"#;
    let difference = r#"joined [d={"name":"d"}], left [c={"name":"c"}], changed [b={"name":"bea"}]"#;
    assert_eq!(*succeeded, format!("subscription_succeeded presence-chat again {members}, {difference}"));
}

fn numeric_ids(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a", "b"]);
    stage.authority(B).channel_data = Some(r#"{"user_id":7,"user_info":{"name":"b"}}"#.into());
    stage.subscribe(A, "presence-chat");
    stage.heard(A);
    stage.subscribe(B, "presence-chat");
    let is_taken = match dialect {
        Dialect::Pusher => true,
        Dialect::Reverb => true,
        Dialect::LaravelWebsockets => true,
        Dialect::Soketi => true,
        Dialect::Sockudo | Dialect::SockudoV2 => false,
    };
    if !is_taken {
        let reason = "Channel error: Missing user_id in channel_data (code 4300)";
        let refused = format!("subscription_error presence-chat: the server refused the subscription: {reason}");
        assert_eq!(stage.heard(B).last(), Some(&refused));
        return stage.expect_silence(A);
    }
    stage.expect(B, &[r#"subscription_succeeded presence-chat members [a={"name":"a"} 7={"name":"b"}]"#]);
    stage.expect(A, &[r#"member_added presence-chat 7={"name":"b"}"#]);
    let channel = stage.client(B).channel(&channel("presence-chat")).expect("it is subscribed");
    assert_eq!(channel.me().map(|me| me.id.to_string()), Some("7".into()));
    stage.unsubscribe(B, "presence-chat");
    stage.expect(A, &[r#"member_removed presence-chat 7={"name":"b"}"#]);
}

fn without_info(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a", "b"]);
    stage.authority(B).channel_data = Some(r#"{"user_id":"b"}"#.into());
    stage.subscribe(A, "presence-chat");
    stage.heard(A);
    stage.subscribe(B, "presence-chat");
    let (listed, added) = match dialect {
        Dialect::Pusher => ("b", "b"),
        // It adds the member and then fails to list it; null would be enough.
        Dialect::Reverb => {
            let refused = "subscription_error presence-chat: the server refused the subscription";
            let format = "Invalid message format (code 4200)";
            stage.expect(B, &[&format!("error {format}"), &format!("{refused}: {format}")]);
            return stage.expect(A, &["member_added presence-chat b"]);
        }
        Dialect::LaravelWebsockets => ("b=[]", "b"),
        Dialect::Soketi => ("b", "b"),
        Dialect::Sockudo | Dialect::SockudoV2 => ("b={}", "b={}"),
    };
    stage.expect(B, &[&format!(r#"subscription_succeeded presence-chat members [a={{"name":"a"}} {listed}]"#)]);
    stage.expect(A, &[&format!("member_added presence-chat {added}")]);
}

fn array_members(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["0", "1", "1"]);
    for who in [A, B] {
        stage.subscribe(who, "presence-chat");
    }
    let list = r#"subscription_succeeded presence-chat members [0={"name":"0"} 1={"name":"1"}]"#;
    stage.expect(B, &[list]);
    stage.client(A).disconnect();
    stage.pass(MOMENT);
    match dialect {
        Dialect::Pusher => stage.expect(B, &[r#"member_removed presence-chat 0={"name":"0"}"#]),
        // PHP treats the id 0 as missing, so it is not reported when this user leaves.
        Dialect::Reverb => stage.expect_silence(B),
        Dialect::LaravelWebsockets => stage.expect(B, &[r#"member_removed presence-chat 0={"name":"0"}"#]),
        Dialect::Soketi => stage.expect(B, &[r#"member_removed presence-chat 0={"name":"0"}"#]),
        Dialect::Sockudo | Dialect::SockudoV2 => stage.expect(B, &[r#"member_removed presence-chat 0={"name":"0"}"#]),
    }
}

fn without_channel_data(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.authority(A).channel_data = None;
    stage.subscribe(A, "presence-chat");
    // Such a subscription could cost the connection, so it is not sent.
    let missing = "the authorization of a presence channel has no channel_data";
    stage.expect(A, &[&format!("subscription_error presence-chat: {missing}")]);
    assert_eq!(stage.world.sent(A).count(), 0);
}
