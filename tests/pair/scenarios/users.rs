//! Signing in and out, events for users, watchlists, and the end of a user's connections.

use pusher_proto::server::Dialect;
use pusher_tests::network::{Fault, Who};

use super::Scenario;
use crate::stage::*;

pub(super) const SCENARIOS: &[(&str, Scenario)] = &[
    ("signs in", signs_in),
    ("a wrong signature of a sign-in", wrong_signature),
    ("sign-in that the application does not have", disabled),
    ("an event for a user", event_for_user),
    ("a sign-in is repeated after a loss", after_loss),
    ("signing out takes another connection", signs_out),
    ("a watchlist", watchlist),
    ("a watchlist that is too long", long_watchlist),
    ("a presence channel for the user who is signed in", presence_by_signin),
    ("the connections of a user are terminated", terminate),
];

/// Whether this server can sign users in.
pub(super) fn has_signin(dialect: Dialect) -> bool {
    match dialect {
        Dialect::Pusher => true,
        Dialect::Reverb => false,
        Dialect::LaravelWebsockets => false,
        Dialect::Soketi => true,
        Dialect::Sockudo | Dialect::SockudoV2 => true,
    }
}

/// What a client reports about a sign-in that the server refused.
fn refused(reason: &str) -> [String; 2] {
    [format!("error {reason}"), format!("signin_error the server refused the sign-in: {reason}")]
}

fn sign_in(stage: &mut Stage, who: Who) {
    stage.client(who).signin();
    stage.pass(MOMENT);
}

fn signs_in(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.subscribed(A, "private-chat");
    sign_in(&mut stage, A);
    let signed_in = r#"signed_in a {"id":"a","user_info":{"name":"a"}}"#;
    match dialect {
        Dialect::Pusher => stage.expect(A, &[signed_in]),
        // It answers this like every unknown message.
        Dialect::Reverb => assert_eq!(stage.heard(A), refused("Invalid message format (code 4200)")),
        Dialect::LaravelWebsockets => {
            stage.expect_silence(A);
            stage.pass(secs(30));
            stage.expect(A, &["retry user: the server did not answer the sign-in"]);
        }
        Dialect::Soketi => stage.expect(A, &[signed_in]),
        Dialect::Sockudo | Dialect::SockudoV2 => stage.expect(A, &[signed_in]),
    }
    let id = stage.world.connection(A).expect("it is connected");
    let user = stage.world.server().user(id).map(str::to_owned);
    assert_eq!(user, has_signin(dialect).then(|| "a".to_owned()));
    assert_eq!(stage.client(A).user().map(|user| user.id.to_owned()), user);
    stage.trigger("private-chat", "e", "1");
    stage.expect(A, &[r#"event private-chat e "1""#]);
}

fn wrong_signature(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.authority(A).forges = Some("user".into());
    let socket_id = stage.client(A).socket_id().cloned().expect("it is connected");
    sign_in(&mut stage, A);
    let heard = stage.heard(A);
    let mut goes_on = true;
    match dialect {
        Dialect::Pusher => {
            let digest = format!("Expected HMAC SHA256 hex digest of {socket_id}::user::user_data");
            assert_eq!(heard, refused(&format!("Invalid signature: {digest}")));
        }
        Dialect::Reverb => assert_eq!(heard, refused("Invalid message format (code 4200)")),
        Dialect::LaravelWebsockets => assert_eq!(heard, [""; 0]),
        // It closes with the code, which is final.
        Dialect::Soketi => {
            goes_on = false;
            let failed = "failed: the connection is not authorized or was terminated (code 4009)".to_owned();
            let closed = ["error closed with 4009".to_owned(), failed];
            assert_eq!(heard, [refused("Connection not authorized. (code 4009)"), closed].concat());
        }
        Dialect::Sockudo | Dialect::SockudoV2 => {
            let reason = "Authentication error: Connection not authorized for signin. (code 4009)";
            assert_eq!(heard, refused(reason));
        }
    }
    assert!(stage.client(A).user().is_none());
    assert_eq!(stage.is_connected(A), goes_on);
}

fn disabled(dialect: Dialect) {
    let mut stage = Stage::with(dialect, |builder| builder.signin(false)).connected(&["a"]);
    sign_in(&mut stage, A);
    stage.pass(secs(40));
    let heard = stage.heard(A);
    let unanswered = "retry user: the server did not answer the sign-in";
    match dialect {
        Dialect::Pusher => {
            assert_eq!(heard, refused("To sign users in, you must enable this feature for the application"));
        }
        Dialect::Reverb => assert_eq!(heard, refused("Invalid message format (code 4200)")),
        Dialect::LaravelWebsockets => assert_eq!(heard, [unanswered]),
        Dialect::Soketi => assert_eq!(heard, [unanswered]),
        Dialect::Sockudo | Dialect::SockudoV2 => {
            let reason = "Authentication error: Connection not authorized for signin. (code 4009)";
            assert_eq!(heard, refused(reason));
        }
    }
    stage.subscribed(A, "chat");
}

fn event_for_user(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a", "a", "b"]);
    for who in [A, B, C] {
        sign_in(&mut stage, who);
        stage.heard(who);
    }
    stage.trigger_for_user("a", "notice", r#"{"n":1}"#);
    let notice = r#"user_event notice "{\"n\":1}""#;
    for who in [A, B] {
        match dialect {
            Dialect::Pusher => stage.expect(who, &[notice]),
            Dialect::Reverb => stage.expect_silence(who),
            Dialect::LaravelWebsockets => stage.expect_silence(who),
            Dialect::Soketi => stage.expect(who, &[notice]),
            Dialect::Sockudo | Dialect::SockudoV2 => stage.expect(who, &[notice]),
        }
    }
    stage.expect_silence(C);
}

fn after_loss(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    sign_in(&mut stage, A);
    stage.heard(A);
    stage.world.fault(A, Fault::Cut);
    stage.pass(secs(3));
    let heard = stage.heard(A);
    let signed_in = r#"signed_in a {"id":"a","user_info":{"name":"a"}}"#;
    if has_signin(dialect) {
        assert_eq!(heard[heard.len() - 2..], ["user_continuity_lost", signed_in]);
    }
    stage.trigger_for_user("a", "notice", "1");
    assert_eq!(stage.heard(A).contains(&r#"user_event notice "1""#.to_owned()), has_signin(dialect));
}

fn signs_out(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.subscribed(A, "chat");
    sign_in(&mut stage, A);
    stage.heard(A);
    stage.client(A).signout();
    stage.pass(MOMENT);
    stage.trigger_for_user("a", "notice", "1");
    // The server still knows the user of this connection, but the client ignores its events.
    let ignored = "diagnostic ignored event notice on #server-to-user-a, which is not subscribed";
    assert_eq!(stage.heard(A), if has_signin(dialect) { vec![ignored] } else { vec![] });
    stage.authority(A).user_data = r#"{"id":"other"}"#.into();
    sign_in(&mut stage, A);
    stage.pass(secs(2));
    let heard = stage.heard(A);
    if has_signin(dialect) {
        assert_eq!(heard.last().map(String::as_str), Some(r#"signed_in other {"id":"other"}"#), "{heard:?}");
        assert!(heard.contains(&"subscription_succeeded chat again".to_owned()), "{heard:?}");
    }
}

fn watchlist(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a", "b", "c"]);
    stage.authority(A).user_data = r#"{"id":"a","watchlist":["b","c"]}"#.into();
    stage.authority(C).user_data = r#"{"id":"c","watchlist":[]}"#.into();
    sign_in(&mut stage, B);
    sign_in(&mut stage, A);
    sign_in(&mut stage, C);
    stage.client(B).disconnect();
    stage.pass(MOMENT);
    let heard = stage.heard(A);
    let signed_in = r#"signed_in a {"id":"a","watchlist":["b","c"]}"#.to_owned();
    let change = |name, id| format!(r#"watchlist {name} ["{id}"] {{"name":"{name}","user_ids":["{id}"]}}"#);
    let notice = |name, id| format!(r#"watchlist {name} ["{id}"] {{"user_ids":["{id}"]}}"#);
    match dialect {
        Dialect::Pusher => {
            let (first, later) =
                ([change("online", "b"), change("offline", "c")], [change("online", "c"), change("offline", "b")]);
            assert_eq!(heard, [&[signed_in], &first[..], &later[..]].concat());
        }
        Dialect::Reverb => assert_eq!(heard, refused("Invalid message format (code 4200)")),
        Dialect::LaravelWebsockets => assert_eq!(heard, [""; 0]),
        Dialect::Soketi => assert_eq!(heard, [signed_in]),
        // Before the success, it reports who is online, and later only that users come online who have a watchlist,
        // too.
        Dialect::Sockudo | Dialect::SockudoV2 => {
            assert_eq!(heard, [signed_in, notice("online", "b"), notice("offline", "c"), notice("online", "c")]);
        }
    }
    let online: &[&str] = match dialect {
        Dialect::Pusher => &["c"],
        Dialect::Reverb | Dialect::LaravelWebsockets | Dialect::Soketi => &[],
        Dialect::Sockudo | Dialect::SockudoV2 => &["b", "c"],
    };
    assert!(stage.client(A).online().iter().eq(online.iter().copied()));
    stage.client(A).signout();
    stage.pass(MOMENT);
    assert!(stage.client(A).online().is_empty());
}

fn long_watchlist(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    let users: Vec<String> = (0..101).map(|user| format!("\"{user}\"")).collect();
    stage.authority(A).user_data = format!(r#"{{"id":"a","watchlist":[{}]}}"#, users.join(",")).into();
    sign_in(&mut stage, A);
    let heard = stage.heard(A);
    let signed_in = r#"signed_in a {"id":"a","watchlist":["0","1","#;
    let is_signed_in = heard.first().is_some_and(|line| line.starts_with(signed_in));
    assert_eq!(is_signed_in, has_signin(dialect));
    let error = "error The watchlist has more than 100 users (code 4302)";
    match dialect {
        Dialect::Pusher => assert_eq!(heard[1..], [error]),
        Dialect::Reverb => assert_eq!(heard, refused("Invalid message format (code 4200)")),
        Dialect::LaravelWebsockets => assert_eq!(heard, [""; 0]),
        Dialect::Soketi => assert_eq!(heard.len(), 1),
        Dialect::Sockudo | Dialect::SockudoV2 => assert_eq!(heard[1..], [error]),
    }
}

fn presence_by_signin(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a"]);
    stage.authority(A).channel_data = None;
    stage.client(A).signin();
    stage.subscribe(A, "presence-chat");
    let heard = stage.heard(A);
    let missing = "subscription_error presence-chat: the authorization of a presence channel has no channel_data";
    match dialect {
        Dialect::Pusher => {
            let signed_in = r#"signed_in a {"id":"a","user_info":{"name":"a"}}"#;
            let members = r#"subscription_succeeded presence-chat members [a={"name":"a"}]"#;
            assert_eq!(heard, [signed_in, members]);
        }
        Dialect::Reverb => assert!(heard.contains(&missing.to_owned()), "{heard:?}"),
        Dialect::LaravelWebsockets => assert!(heard.contains(&missing.to_owned()), "{heard:?}"),
        Dialect::Soketi => assert!(heard.contains(&missing.to_owned()), "{heard:?}"),
        Dialect::Sockudo | Dialect::SockudoV2 => assert!(heard.contains(&missing.to_owned()), "{heard:?}"),
    }
    assert!(stage.is_connected(A));
}

fn terminate(dialect: Dialect) {
    let mut stage = Stage::new(dialect).connected(&["a", "b"]);
    for who in [A, B] {
        sign_in(&mut stage, who);
        stage.subscribe(who, "presence-chat");
        stage.heard(who);
    }
    stage.heard(A);
    let now = stage.world.now();
    let result = stage.world.server().terminate_connections("a", now).map_err(|error| error.status());
    stage.pass(TRIP);
    let heard = stage.heard(A);
    let reason = "You got disconnected by the app.";
    let failed = "failed: the connection is not authorized or was terminated (code 4009)";
    let error = format!("error {reason} (code 4009)");
    let closed = format!("error closed with 4009: {reason}");
    match dialect {
        Dialect::Pusher => assert_eq!((result, heard), (Ok(1), vec![closed, format!("failed: {reason} (code 4009)")])),
        // It knows users only from presence channels, and drops their sockets.
        Dialect::Reverb => assert_eq!((result, heard), (Ok(1), vec![LOST_ERROR.into(), LOST_WAITING.into()])),
        Dialect::LaravelWebsockets => assert_eq!((result, heard), (Err(404), vec![])),
        Dialect::Soketi => {
            assert_eq!((result, heard), (Ok(1), vec![error, "error closed with 4009".into(), failed.into()]));
        }
        Dialect::Sockudo | Dialect::SockudoV2 => {
            assert_eq!((result, heard), (Ok(1), vec![error, closed, format!("failed: {reason} (code 4009)")]));
        }
    }
    assert!(stage.is_connected(B));
}
