//! What version 2 of Sockudo's protocol has besides recovery: rewinds, filters, deltas, members that change their info,
//! history, edited messages and annotations.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use pusher_driver::{Authorizer, Client, LocalAuth, Options, Subscription};
use pusher_proto::filter::Filter;
use pusher_proto::signing::CapabilityToken;
use pusher_proto::{
    AuthPurpose, AuthRequest, ChannelEvent, Config, Data, Endpoint, Event, HistoryQuery, MessageAction, Recovery,
    Subscribe, Text,
};
use pusher_test::conformance::{Cut, FaultProxy};
use serde_json::{Value, json};

use crate::api::{Api, app};
use crate::figures::wait_for;
use crate::recovery::{address, endpoint};
use crate::report::Report;
use crate::runtimes::warm_up;
use crate::servers::{Programs, Server};
use crate::{PATIENCE, SERVERS};

/// What each server has, in memory.
const BASE: &str = r#"
[connection_recovery]
enabled = true
[history]
enabled = true
backend = "memory"
retention_window_seconds = 600
"#;
const FILTERS_AND_DELTAS: &str = "[tag_filtering]\nenabled = true\n[delta_compression]\nenabled = true\n";
/// Versions of messages change what history and positions mean, so they need a server of their own.
const VERSIONS: &str = r#"
[versioned_messages]
enabled = true
driver = "memory"
[annotations]
enabled = true
"#;

pub(crate) fn run(programs: &Programs) {
    let report = Report::new("features");
    warm_up();
    let mut nodes = None;
    report.check("nodes start", || {
        nodes = Some(
            [FILTERS_AND_DELTAS, VERSIONS].map(|more| Server::sockudo_with(programs, None, &format!("{BASE}{more}"))),
        );
        String::new()
    });
    let Some([node, versioned]) = nodes else { return };
    report.check("a rewind brings the last messages first", || rewinds(&node));
    report.check("a filter lets some messages through", || filters(&node));
    report.check("deltas are rebuilt, also over cut sockets", || deltas(&node));
    report.check("a member changes its info", || members(&node));
    report.check("events for the user, and a reported gap", || user_events(&node));
    report.check("history is read page by page", || history(&node));
    report.check("tokens limit a connection, and are replaced", || tokens(&node));
    report.check("a revoked token is replaced", || revocation(&node));
    report.check("edits of a message, also over a cut", || edits(&versioned));
    report.check("a late reader gets the last version", || late(&versioned));
    report.check("reactions are counted", || reactions(&versioned));
}

/// A client, and everything that it has said.
struct Guest {
    client: Client,
    said: Arc<Mutex<Vec<Event>>>,
}

impl Guest {
    fn new(endpoint: Endpoint, user: &str, recovery: Recovery) -> Self {
        let local = LocalAuth::new(app()).user(user, &Data::ABSENT);
        let user = json!({ "id": user, "capabilities": { "subscribe": ["*"], "annotation_subscribe": ["*"] } });
        let authorize = move |request: AuthRequest| {
            let answer = match request.purpose {
                AuthPurpose::Signin => Ok(app().authenticate_user(&request.socket_id, user.to_string()).unwrap()),
                _ => local.sign(&request),
            };
            async { answer }
        };
        Self::with(endpoint, recovery, authorize)
    }

    fn with(endpoint: Endpoint, recovery: Recovery, authorize: impl Authorizer) -> Self {
        let _entered = SERVERS.enter();
        let config = Config::builder("app-key", endpoint)
            .recovery(recovery)
            .reconnect_base(Duration::from_millis(50))
            .reconnect_cap(Duration::from_millis(500));
        let client = pusher_tokio::connect_with(config.build().unwrap(), authorize, &Options::new()).unwrap();
        let said = Arc::<Mutex<Vec<Event>>>::default();
        let writer = Arc::clone(&said);
        client.bind_all(move |event| writer.lock().unwrap().push(event.clone()));
        Self { client, said }
    }

    fn at(node: &Server) -> Self {
        Self::new(node.endpoint(), "guest", Recovery::default())
    }

    fn join(&self, channel: &str, options: Subscribe) -> Subscription {
        let subscription = self.client.subscribe_with(channel, options).unwrap();
        wait_for("a subscription", PATIENCE, || subscription.is_subscribed());
        subscription
    }

    /// What was received so far, in order.
    fn received(&self) -> Vec<ChannelEvent> {
        let said = self.said.lock().unwrap();
        let events = said.iter().filter_map(|event| match event {
            Event::Channel(event) => Some(event.clone()),
            _ => None,
        });
        events.collect()
    }

    fn texts(&self) -> Vec<String> {
        self.received().iter().map(|event| event.data().text().into_owned()).collect()
    }

    fn await_texts(&self, expected: &[&str]) {
        wait_for("events", PATIENCE, || self.texts().len() >= expected.len());
        assert_eq!(self.texts(), expected);
    }

    fn has_said(&self, is_it: impl Fn(&Event) -> bool) -> bool {
        self.said.lock().unwrap().iter().any(is_it)
    }
}

fn publish(api: &Api, channel: &str, data: &str) {
    publish_tagged(api, channel, data, &json!({}));
}

/// Returns what the server says about the message.
fn publish_tagged(api: &Api, channel: &str, data: &str, tags: &Value) -> Value {
    // Only an answer with information says what identifies the message.
    let (name, info) = ("message", "subscription_count");
    api.post("events", &json!({ "name": name, "channel": channel, "data": data, "tags": tags, "info": info }))
}

fn rewinds(node: &Server) -> String {
    let api = node.api();
    ["1", "2", "3", "4", "5"].iter().for_each(|data| publish(&api, "rewound", data));
    let guest = Guest::at(node);
    let room = guest.join("rewound", Subscribe::rewind(3));
    publish(&api, "rewound", "6");
    guest.await_texts(&["3", "4", "5", "6"]);
    let is_replayed: Vec<_> = guest.received().iter().map(ChannelEvent::is_replayed).collect();
    assert_eq!(is_replayed, [true, true, true, false]);
    let is_end = |event: &Event| matches!(event, Event::RewindComplete { replayed: 3, is_complete: false, .. });
    assert!(guest.has_said(is_end), "no end of the rewind");
    drop(room);
    "3 of 5".to_owned()
}

fn filters(node: &Server) -> String {
    let (api, guest) = (node.api(), Guest::at(node));
    let asset = |name: &str| Subscribe::default().filter(Filter::eq("asset", name).check().unwrap());
    let trade = |data: &str, name: &str| publish_tagged(&api, "trades", data, &json!({ "asset": name }));
    let room = guest.join("trades", asset("BTC"));
    trade("1", "BTC");
    trade("2", "ETH");
    trade("3", "BTC");
    guest.await_texts(&["1", "3"]);
    let again = guest.client.subscribe_with("trades", asset("ETH")).unwrap();
    // The server does not answer in a way that shows when it has the new filter.
    wait_for("the new filter", PATIENCE, || {
        trade("4", "ETH");
        guest.texts().last().is_some_and(|text| text == "4")
    });
    trade("5", "BTC");
    trade("6", "ETH");
    wait_for("the last one", PATIENCE, || guest.texts().last().is_some_and(|text| text == "6"));
    assert!(!guest.texts().contains(&"5".to_owned()));
    drop((room, again));
    "one filter, and then another".to_owned()
}

/// Messages of 2 KB of which a few bytes change.
fn deltas(node: &Server) -> String {
    let proxy = FaultProxy::new(address(node));
    let guest = Guest::new(endpoint(proxy.address()), "guest", Recovery::default().deltas(true));
    let room = guest.join("prices", Subscribe::default());
    let api = node.api();
    let expected: Vec<String> =
        (0..COUNT).map(|number| format!("{}{number}", "price of everything ".repeat(100))).collect();
    for (number, data) in expected.iter().enumerate() {
        publish(&api, "prices", data);
        if number % 20 == 10 {
            proxy.cut(Cut::Drop);
        }
        if number % 20 == 15 {
            // Whole messages are replayed, so the next ones wait until it is deltas again.
            wait_for("the replay", PATIENCE, || guest.texts().len() == number + 1 && room.is_subscribed());
        }
    }
    wait_for("all events", PATIENCE, || guest.texts().len() >= COUNT);
    assert_eq!(guest.texts(), expected);
    let (bytes, whole) = (guest.client.stats().bytes_received, expected.iter().map(String::len).sum::<usize>() as u64);
    assert!(bytes < whole * 2 / 3, "{bytes} bytes received, {whole} published");
    drop(room);
    format!("{COUNT} events, {whole} bytes of data, {bytes} bytes received")
}

const COUNT: usize = 60;

fn members(node: &Server) -> String {
    let [ann, bob] = ["ann", "bob"].map(|user| Guest::new(node.endpoint(), user, Recovery::default()));
    let rooms = [&ann, &bob].map(|guest| guest.join("presence-room", Subscribe::default()));
    rooms[0].update_presence(&json!({ "mood": "fine" })).unwrap();
    let is_update = |event: &Event| {
        matches!(event, Event::MemberUpdated { member, .. }
            if &*member.id == "ann" && member.info.raw().contains("fine"))
    };
    wait_for("the new info", PATIENCE, || [&ann, &bob].iter().all(|guest| guest.has_said(is_update)));
    "both hear of it".to_owned()
}

/// In version 2, events for a user come through a channel that the client subscribes to by itself.
fn user_events(node: &Server) -> String {
    let (api, proxy) = (node.api(), FaultProxy::new(address(node)));
    let guest = Guest::new(endpoint(proxy.address()), "ann", Recovery::default());
    let send = |data: &str| publish(&api, "#server-to-user-ann", data);
    let has = |data: &str| guest.has_said(|event| matches!(event, Event::User(event) if event.data().text() == data));
    guest.client.signin();
    // The subscription follows the sign-in, and its success is not told.
    wait_for("the first event", PATIENCE, || {
        send("1");
        has("1")
    });
    proxy.cut(Cut::Drop);
    let is_gap = |event: &Event| matches!(event, Event::UserContinuityLost { .. });
    wait_for("a gap", PATIENCE, || guest.has_said(is_gap));
    wait_for("the next event", PATIENCE, || {
        send("2");
        has("2")
    });
    "before and after a cut".to_owned()
}

fn history(node: &Server) -> String {
    let (api, guest) = (node.api(), Guest::at(node));
    let room = guest.join("remembered", Subscribe::default());
    (0..5).for_each(|number| publish(&api, "remembered", &number.to_string()));
    guest.await_texts(&["0", "1", "2", "3", "4"]);
    let mut query = Some(HistoryQuery::default().limit(2));
    let mut read = Vec::new();
    while let Some(next) = query.take() {
        let page = SERVERS.block_on(room.history(next)).unwrap();
        read.extend(page.items().iter().map(|item| item.event().unwrap().data().text().into_owned()));
        query = page.next();
    }
    assert_eq!(read, ["4", "3", "2", "1", "0"]);
    "5 messages in pages of 2".to_owned()
}

/// A client that gets tokens which are valid for this time, and allow `news-a`.
fn with_tokens(node: &Server, id: &'static str, lifetime: Duration) -> (Guest, Arc<AtomicUsize>) {
    let made = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&made);
    let authorize = move |request: AuthRequest| {
        assert_eq!(request.purpose, AuthPurpose::Token);
        let number = count.fetch_add(1, Ordering::Relaxed);
        let token = CapabilityToken::new(format!("{id}-{number}"), "ann").allow("news-a", ["subscribe"]);
        let answer = app().sign_token(&token, SystemTime::UNIX_EPOCH.elapsed().unwrap(), lifetime).unwrap();
        async { Ok(answer) }
    };
    (Guest::with(node.endpoint(), Recovery::default().tokens(true), authorize), made)
}

fn tokens(node: &Server) -> String {
    let (guest, made) = with_tokens(node, "short", Duration::from_secs(2));
    let room = guest.join("news-a", Subscribe::default());
    let _refused = guest.client.subscribe("news-b").unwrap();
    let is_refused =
        |event: &Event| matches!(event, Event::SubscriptionError { channel, .. } if **channel == *"news-b");
    wait_for("a refusal", PATIENCE, || guest.has_said(is_refused));
    wait_for("more tokens", PATIENCE, || made.load(Ordering::Relaxed) >= 4);
    publish(&node.api(), "news-a", "1");
    guest.await_texts(&["1"]);
    assert!(room.is_subscribed() && guest.client.stats().connections == 1);
    assert!(!guest.has_said(|event| matches!(event, Event::TokenError { .. })), "a token is missing");
    "4 tokens on one connection".to_owned()
}

fn revocation(node: &Server) -> String {
    let (guest, made) = with_tokens(node, "long", Duration::from_secs(3_600));
    let room = guest.join("news-a", Subscribe::default());
    node.api().post("revocations", &json!({ "jti": "long-0" }));
    let is_back = || guest.client.stats().connections == 2 && room.is_subscribed();
    wait_for("another connection", PATIENCE, is_back);
    assert!(made.load(Ordering::Relaxed) >= 2);
    "on the next connection".to_owned()
}

/// Publishes a message and returns what identifies it.
fn create(api: &Api, channel: &str, data: &str) -> String {
    let answer = publish_tagged(api, channel, data, &json!({}));
    answer["channels"][channel]["message_serial"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
}

fn edit(api: &Api, channel: &str, serial: &str, action: &str, body: &Value) {
    api.post(&format!("channels/{channel}/messages/{serial}/{action}"), body);
}

/// What events say: their payload, and what happened to which message.
fn versions(guest: &Guest) -> Vec<(String, MessageAction, Text)> {
    let versions = guest.received().into_iter().map(|event| {
        let version = event.version().unwrap_or_else(|| panic!("{event:?} has no version"));
        (event.data().text().into_owned(), version.action, version.message_serial)
    });
    versions.collect()
}

fn edits(node: &Server) -> String {
    let (api, proxy) = (node.api(), FaultProxy::new(address(node)));
    let guest = Guest::new(endpoint(proxy.address()), "guest", Recovery::default());
    let room = guest.join("edited", Subscribe::default());
    let message = create(&api, "edited", "Hello");
    edit(&api, "edited", &message, "append", &json!({ "data": " world" }));
    wait_for("two events", PATIENCE, || guest.received().len() == 2);
    guest.client.disconnect();
    edit(&api, "edited", &message, "append", &json!({ "data": "!" }));
    edit(&api, "edited", &message, "update", &json!({ "data": "Bye", "client_id": "ann" }));
    guest.client.connect();
    wait_for("a recovery", PATIENCE, || guest.has_said(|event| matches!(event, Event::Recovered { replayed: 2, .. })));
    edit(&api, "edited", &message, "delete", &json!({ "client_id": "ann" }));
    wait_for("five events", PATIENCE, || guest.received().len() == 5);
    let version = |data: &str, action| (data.to_owned(), action, Text::from(&*message));
    let expected = [
        version("Hello", MessageAction::Create),
        version("Hello world", MessageAction::Append),
        version("Hello world!", MessageAction::Append),
        version("Bye", MessageAction::Update),
        // The publisher of the deletion may leave the payload.
        version("Bye", MessageAction::Delete),
    ];
    assert_eq!(versions(&guest), expected);
    assert_eq!(guest.received()[3].user_id(), Some("ann"));
    drop(room);
    "5 versions, 2 of them replayed".to_owned()
}

fn late(node: &Server) -> String {
    let api = node.api();
    let messages = ["a", "b"].map(|data| create(&api, "late", data));
    edit(&api, "late", &messages[1], "append", &json!({ "data": "c" }));
    let guest = Guest::at(node);
    let room = guest.join("late", Subscribe::rewind(10));
    wait_for("two messages", PATIENCE, || guest.received().len() == 2);
    let version = |data: &str, action, message: &str| (data.to_owned(), action, Text::from(message));
    let expected =
        [version("a", MessageAction::Create, &messages[0]), version("bc", MessageAction::Append, &messages[1])];
    assert_eq!(versions(&guest), expected);
    let page = SERVERS.block_on(room.history(HistoryQuery::default().oldest_first())).unwrap();
    let items: Vec<_> = page.items().iter().map(|item| item.event().unwrap()).collect();
    let past: Vec<_> = items.iter().map(|event| (event.data().text(), event.version().unwrap().action)).collect();
    assert_eq!(past, [("a".into(), MessageAction::Create), ("bc".into(), MessageAction::Append)]);
    assert_eq!(items[0].event(), "message");
    "by a rewind and by history".to_owned()
}

fn reactions(node: &Server) -> String {
    let (api, guest) = (node.api(), Guest::at(node));
    guest.client.signin();
    wait_for("a sign-in", PATIENCE, || guest.client.user().is_some());
    let room = guest.join("liked", Subscribe::default().annotations());
    let message = create(&api, "liked", "Hello");
    let like = json!({ "type": "reaction:distinct.v1", "clientId": "ann", "name": "like" });
    api.post(&format!("channels/liked/messages/{message}/annotations"), &like);
    let summaries = || guest.received().iter().flat_map(ChannelEvent::annotation_summaries).collect::<Vec<_>>();
    let annotations = || guest.received().iter().filter_map(ChannelEvent::annotation).collect::<Vec<_>>();
    wait_for("a reaction", PATIENCE, || !summaries().is_empty() && !annotations().is_empty());
    let (summary, annotation) = (summaries().swap_remove(0), annotations().swap_remove(0));
    assert_eq!((&*summary.message_serial, &*summary.annotation_type), (&*message, "reaction:distinct.v1"));
    assert_eq!((summary.counts[0].name.as_deref(), summary.counts[0].total), (Some("like"), 1));
    assert_eq!(summary.counts[0].client_ids, ["ann"]);
    assert_eq!((&*annotation.message_serial, annotation.name.as_deref()), (&*message, Some("like")));
    assert_eq!((annotation.client_id.as_deref(), annotation.is_deleted), (Some("ann"), false));
    drop(room);
    "the annotation and its count".to_owned()
}
