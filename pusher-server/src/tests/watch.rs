//! What those see who watch the server, and pages beside its own routes.

use axum::http::{Request, Response};

use super::*;
use crate::{Activities, Activity};

/// One line for each activity, until one starts with `last`.
async fn until(last: &str, activities: &mut Activities) -> Vec<String> {
    let mut seen = Vec::new();
    while let Some(activity) = timeout(Duration::from_secs(5), activities.next()).await.unwrap() {
        seen.push(match &activity {
            Activity::Opened { target, .. } => format!("opened {target}"),
            Activity::Received { text, .. } => format!("< {text}"),
            Activity::Sent { text, .. } if text.contains("connection_established") => "> greeting".to_owned(),
            Activity::Sent { text, .. } if text.contains("Invalid signature") => "> refusal".to_owned(),
            Activity::Sent { text, .. } => format!("> {text}"),
            Activity::Closing { frame, .. } => format!("closing {} {}", frame.code, frame.reason),
            Activity::Connected { .. } => "connected".to_owned(),
            Activity::Subscribed { channel, .. } => format!("subscribed {channel}"),
            Activity::Unsubscribed { channel, .. } => format!("unsubscribed {channel}"),
            Activity::SignedIn { user_id, .. } => format!("signed in {user_id}"),
            Activity::Refused { event, channel, .. } => {
                format!("refused {event} {}", channel.as_deref().unwrap_or("-"))
            }
            Activity::ClientEvent { channel, event, data, .. } => format!("client event {event} {channel} {data}"),
            Activity::Ended { .. } => "ended".to_owned(),
            Activity::Published { publication } => format!("published {}", publication.name),
            Activity::Answered { method, path, status, reason } => format!("{method} {path} {status} {reason}"),
            Activity::Missed { count } => format!("missed {count}"),
        });
        if seen.last().is_some_and(|line| line.starts_with(last)) {
            break;
        }
    }
    seen
}

#[tokio::test]
async fn a_watcher_sees_connections_messages_and_calls_in_their_order() {
    let server = start().await;
    let mut activities = server.handle().activities();
    let (mut client, _) = Client::connect(&server).await;
    client.send(r#"{"event":"pusher:subscribe","data":{"channel":"private-a","auth":"app-key:00"}}"#).await;
    client.event().await;
    call(&server, "POST /apps/1/events", &[], r#"{"name":"e","channels":["a"],"data":"1"}"#, 0).await;
    call(&server, "GET /apps/other/channels", &[], "", 0).await;
    server.handle().close_all(4200, "restart");
    client.close_code().await;
    drop(client);
    assert_eq!(
        until("ended", &mut activities).await,
        [
            "opened /app/app-key?protocol=7&client=test&version=1",
            "> greeting",
            "connected",
            r#"< {"event":"pusher:subscribe","data":{"channel":"private-a","auth":"app-key:00"}}"#,
            "> refusal",
            "refused pusher:subscribe private-a",
            "published e",
            "POST /apps/1/events 200 ",
            "GET /apps/other/channels 404 unknown application",
            "closing 4200 restart",
            "ended",
        ]
    );
}

#[tokio::test]
async fn a_subscription_whose_data_is_a_string_is_seen_as_well() {
    let server = start().await;
    let (mut client, _) = Client::connect(&server).await;
    let mut activities = server.handle().activities();
    client.send(r#"{"event":"pusher:subscribe","data":"{\"channel\":\"a\"}"}"#).await;
    let seen = until("subscribed", &mut activities).await;
    assert_eq!(seen.last().map(String::as_str), Some("subscribed a"), "{seen:?}");
}

#[tokio::test]
async fn a_watcher_that_does_not_read_misses_the_oldest_and_learns_how_many() {
    let server = start().await;
    let mut activities = server.handle().activities();
    let publication = Publication::new("e", [ChannelName::new("a").unwrap()], "1");
    for _ in 0..5_000 {
        server.handle().trigger(&publication).unwrap();
    }
    assert_eq!(activities.next().await, Some(Activity::Missed { count: 5_000 - 4_096 }));
    assert_eq!(activities.next().await, Some(Activity::Published { publication }));
}

#[tokio::test]
async fn what_became_of_a_message_is_reported_in_every_dialect() {
    for dialect in Dialect::ALL {
        let options = Options::default().dialect(dialect).sign_for_unknown_sockets(true);
        let server = Server::start(options).await.unwrap();
        let mut activities = server.handle().activities();
        let (mut client, socket_id) = Client::connect(&server).await;
        let (_, auth) = ask(&server, FORM, &format!("socket_id={socket_id}&channel_name=private-a")).await;
        client.subscribe(&json!({ "channel": "private-a", "auth": auth["auth"] })).await;
        client.send(r#"{"event":"client-x","channel":"private-a","data":{"n":1}}"#).await;
        client.send(r#"{"event":"pusher:unsubscribe","data":{"channel":"private-a"}}"#).await;
        client.send(r#"{"event":"pusher:subscribe","data":{"channel":"private-b","auth":"app-key:5e cret"}}"#).await;
        let seen = until("refused", &mut activities).await;
        let expected = [
            "subscribed private-a",
            r#"client event client-x private-a {"n":1}"#,
            "unsubscribed private-a",
            "refused pusher:subscribe private-b",
        ];
        let is_report = |line: &&String| !line.starts_with(['<', '>', 'o', 'P']) && *line != "connected";
        let reports: Vec<_> = seen.iter().filter(is_report).collect();
        assert_eq!(reports, expected, "{dialect}");
    }
}

#[tokio::test]
async fn a_watcher_holds_only_the_start_of_what_a_client_sends() {
    let server = start().await;
    let mut activities = server.handle().activities();
    let (mut client, _) = Client::connect(&server).await;
    client.send(json!({ "event": "x", "data": "é".repeat(100_000) }).to_string()).await;
    while let Some(activity) = timeout(Duration::from_secs(5), activities.next()).await.unwrap() {
        if let Activity::Received { text, .. } = activity {
            assert!((16 * 1_024 - 1..=16 * 1_024).contains(&text.len()), "{}", text.len());
            break;
        }
    }
}

#[tokio::test]
async fn connections_are_listed_with_their_channels() {
    let server = start().await;
    let (mut client, socket_id) = Client::connect(&server).await;
    client.subscribe(&json!({ "channel": "b" })).await;
    client.subscribe(&json!({ "channel": "a" })).await;
    let connections = server.handle().connections();
    let seen: Vec<_> = connections.iter().map(|state| (state.socket_id.as_str(), state.channels.as_slice())).collect();
    let channels = ["a", "b"].map(|name| ChannelName::new(name).unwrap());
    assert_eq!(seen, [(socket_id.as_str(), channels.as_slice())]);
}

#[tokio::test]
async fn requests_that_are_not_the_servers_own_are_answered_by_the_pages() {
    let pages = |request: Request<_>| async move { Response::new(format!("page of {}", request.uri())) };
    let server = Server::start(Options::default().pages(pages)).await.unwrap();
    let get = |path: &str| http_client().get(format!("{}{path}", server.http_url()));
    let page = get("/a?b").send().await.unwrap();
    assert_eq!((page.status().as_u16(), page.text().await.unwrap().as_str()), (200, "page of /a?b"));
    assert_eq!(get("/apps/1/channels").send().await.unwrap().status(), 401);
    let foreign = get("/a").header("Origin", "https://example.com").send().await.unwrap();
    assert_eq!(foreign.status(), 403);
}
