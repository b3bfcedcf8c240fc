//! What those see who watch the server, and pages beside its own routes.

use axum::http::{Request, Response};

use super::*;
use crate::{Activities, Activity};

/// One line for each activity until the socket has ended.
async fn until_the_end(activities: &mut Activities) -> Vec<String> {
    let mut seen = Vec::new();
    while let Some(activity) = timeout(Duration::from_secs(5), activities.next()).await.unwrap() {
        seen.push(match &activity {
            Activity::Opened { target, .. } => format!("opened {target}"),
            Activity::Received { text, .. } => format!("< {text}"),
            Activity::Sent { text, .. } if text.contains("connection_established") => "> greeting".to_owned(),
            Activity::Sent { text, .. } if text.contains("Invalid signature") => "> refusal".to_owned(),
            Activity::Sent { text, .. } => format!("> {text}"),
            Activity::Closing { frame, .. } => format!("closing {} {}", frame.code, frame.reason),
            Activity::Ended { .. } => "ended".to_owned(),
            Activity::Published { publication } => format!("published {}", publication.name),
            Activity::Answered { method, path, status, reason } => format!("{method} {path} {status} {reason}"),
            Activity::Missed { count } => format!("missed {count}"),
        });
        if matches!(activity, Activity::Ended { .. }) {
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
        until_the_end(&mut activities).await,
        [
            "opened /app/app-key?protocol=7&client=test&version=1",
            "> greeting",
            r#"< {"event":"pusher:subscribe","data":{"channel":"private-a","auth":"app-key:00"}}"#,
            "> refusal",
            "published e",
            "POST /apps/1/events 200 ",
            "GET /apps/other/channels 404 unknown application",
            "closing 4200 restart",
            "ended",
        ]
    );
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
