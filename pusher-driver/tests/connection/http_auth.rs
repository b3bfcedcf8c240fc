//! What an [`HttpAuth`] asks its endpoints, and what it makes of their answers.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::task::Poll;
use std::time::Duration;

use pusher_driver::adapter::{AuthUrl, head};
use pusher_driver::{Credentials, HttpAuth, HttpResponse, Options, SubscribeError};
use pusher_proto::{AuthBody, AuthError, AuthRequest, Event, Recovery, SubscriptionError, TokenError};

use crate::world::{Outside, World, config, now, succeeded};

fn answer(status: u16, body: &str) -> Option<Result<HttpResponse, AuthError>> {
    Some(Ok(HttpResponse { body: body.into(), ..HttpResponse::new(status) }))
}

#[test]
fn the_endpoint_is_asked_with_headers_and_parameters() {
    let auth = HttpAuth::new("https://example.com/auth")
        .header("X-App", "1")
        .param("tenant", "7")
        .headers_with(|request| [("X-Subject", request.subject.to_string())]);
    let mut world = World::connected(auth);
    world.outside().post_answer = answer(200, r#"{"auth":"key:5a"}"#);
    let chat = world.client.subscribe("private-chat").unwrap();
    world.run();
    let post = world.outside().posts.remove(0);
    assert_eq!(
        (post.url.as_str(), post.content_type),
        ("https://example.com/auth", "application/x-www-form-urlencoded")
    );
    assert_eq!(post.body.expose(), "socket_id=1.1&channel_name=private-chat&tenant=7");
    let headers = [("X-App".into(), "1".into()), ("X-Subject".into(), "private-chat".into())];
    assert_eq!(post.headers, headers);
    assert_eq!(world.sent(), [r#"{"event":"pusher:subscribe","data":{"channel":"private-chat","auth":"key:5a"}}"#]);
    world.receive(&succeeded("private-chat"));
    assert_eq!(now(chat.subscribed()), Poll::Ready(Ok(())));
}

#[test]
fn the_endpoint_is_asked_in_json_if_the_options_say_so() {
    let auth = HttpAuth::new("https://example.com/auth").param("tenant", "7");
    let mut world = World::connected_with_options(&Options::new().auth_body(AuthBody::Json), auth);
    let _chat = world.client.subscribe("private-chat").unwrap();
    world.run();
    let post = world.outside().posts.remove(0);
    assert_eq!(post.content_type, "application/json");
    assert_eq!(post.body.expose(), r#"{"socket_id":"1.1","channel_name":"private-chat","tenant":"7"}"#);
}

#[test]
fn the_body_has_the_format_that_the_sent_content_type_says_wherever_that_comes_from() {
    const FORM: &str = "application/x-www-form-urlencoded";
    const TYPES: [Option<&str>; 5] =
        [None, Some(FORM), Some("application/json"), Some("Application/JSON; charset=utf-8"), Some("text/plain")];
    for body in [AuthBody::Form, AuthBody::Json] {
        for place in 0..TYPES.len().pow(3) {
            let [always, made, late] = [0, 1, 2].map(|digit| TYPES[place / TYPES.len().pow(digit) % TYPES.len()]);
            let with = |name, value: Option<&'static str>| value.map(|value| (name, value));
            let mut auth = HttpAuth::new("https://example.com/auth").headers_with(move |_| with("content-type", made));
            if let Some(value) = always {
                auth = auth.header("CONTENT-TYPE", value);
            }
            let auth = auth.credentials_with(move |_: AuthRequest| async move {
                let credentials = Credentials::new();
                Ok(late.map_or(credentials.clone(), |value| credentials.header("Content-type", value)))
            });
            let mut world = World::connected_with_options(&Options::new().auth_body(body), auth);
            let _chat = world.client.subscribe("private-chat").unwrap();
            world.run();
            let post = world.outside().posts.remove(0);
            let head = head(&post, &AuthUrl::parse(&post.url).unwrap()).unwrap();
            let sent: Vec<_> = head.iter().filter(|(name, _)| name.eq_ignore_ascii_case("content-type")).collect();
            let last = late.or(made).or(always);
            let [(_, sent)] = sent[..] else { panic!("{sent:?}") };
            assert_eq!(sent.expose(), last.unwrap_or(body.content_type()));
            let is_json = match last.map(str::to_ascii_lowercase) {
                Some(value) if value.starts_with("application/json") => true,
                Some(value) if value == FORM => false,
                _ => body == AuthBody::Json,
            };
            assert_eq!(post.body.expose().starts_with('{'), is_json, "{always:?}, {made:?}, {late:?}");
        }
    }
}

#[test]
fn a_batch_endpoint_is_asked_once_for_all_channels() {
    let auth = HttpAuth::new("https://example.com/auth")
        .batch_endpoint("https://example.com/auth/batch")
        .user_endpoint("https://example.com/user-auth")
        .param("tenant", "7");
    let mut world = World::connected(auth);
    world.outside().post_answer = answer(200, r#"{"private-a":{"data":{"auth":"key:5a"}},"private-b":{"status":403}}"#);
    let (first, second) = (world.client.subscribe("private-a").unwrap(), world.client.subscribe("private-b").unwrap());
    world.client.signin();
    world.run();
    let posts: Vec<_> = world.outside().posts.drain(..).map(|post| (post.url, post.body.expose().to_owned())).collect();
    let batch = "socket_id=1.1&channel_name%5B0%5D=private-a&channel_name%5B1%5D=private-b&tenant=7".to_owned();
    let user = "socket_id=1.1&tenant=7".to_owned();
    assert_eq!(
        posts,
        [("https://example.com/user-auth".into(), user), ("https://example.com/auth/batch".into(), batch)]
    );
    assert_eq!(world.sent(), [r#"{"event":"pusher:subscribe","data":{"channel":"private-a","auth":"key:5a"}}"#]);
    world.receive(&succeeded("private-a"));
    assert_eq!(now(first.subscribed()), Poll::Ready(Ok(())));
    let error = AuthError::Http { status: 403, excerpt: String::new(), retry_after: None };
    let error = error.at("https://example.com/auth/batch");
    assert_eq!(now(second.subscribed()), Poll::Ready(Err(SubscribeError::Channel(SubscriptionError::Auth(error)))));
}

#[test]
fn a_batch_that_fails_is_every_channels_failure() {
    let auth = HttpAuth::new("https://example.com/auth").batch_endpoint("https://example.com/auth/batch");
    let mut world = World::connected(auth);
    world.outside().post_answer = Some(Err(AuthError::Handler("no way there".into())));
    let both = ["private-a", "private-b"].map(|channel| world.client.subscribe(channel).unwrap());
    world.run();
    assert_eq!(world.outside().posts.len(), 1);
    let error = AuthError::Handler("no way there".into()).at("https://example.com/auth/batch");
    let error = SubscribeError::Channel(SubscriptionError::Auth(error));
    for subscription in both {
        assert_eq!(now(subscription.subscribed()), Poll::Ready(Err(error.clone())));
    }
}

#[test]
fn credentials_may_come_later_or_not_at_all() {
    let auth = HttpAuth::new("https://example.com/auth").param("tenant", "7").credentials_with(
        |request: AuthRequest| async move {
            std::future::ready(()).await;
            if request.subject.to_string() == "private-b" {
                return Err(AuthError::Handler("no token".into()));
            }
            Ok(Credentials::new().header("Authorization", "Bearer 5a").param("who", "me"))
        },
    );
    let mut world = World::connected(auth);
    world.outside().post_answer = answer(200, r#"{"auth":"key:5a"}"#);
    let _first = world.client.subscribe("private-a").unwrap();
    let second = world.client.subscribe("private-b").unwrap();
    world.run();
    let post = world.outside().posts.remove(0);
    assert_eq!(post.body.expose(), "socket_id=1.1&channel_name=private-a&tenant=7&who=me");
    assert_eq!(post.headers, [("Authorization".into(), "Bearer 5a".into())]);
    assert_eq!(world.outside().posts.len(), 0);
    let error = SubscribeError::Channel(SubscriptionError::Auth(AuthError::Handler("no token".into())));
    assert_eq!(now(second.subscribed()), Poll::Ready(Err(error)));
}

#[test]
fn the_user_has_an_endpoint_of_its_own() {
    let auth = HttpAuth::new("https://example.com/auth").user_endpoint("https://example.com/user-auth");
    let mut world = World::connected(auth);
    world.outside().post_answer = answer(200, r#"{"auth":"key:5a","user_data":"{\"id\":\"7\"}"}"#);
    world.client.signin();
    world.run();
    let post = world.outside().posts.remove(0);
    assert_eq!((post.url.as_str(), post.body.expose()), ("https://example.com/user-auth", "socket_id=1.1"));
    world.receive(r#"{"event":"pusher:signin_success","data":"{\"user_data\":\"{\\\"id\\\":\\\"7\\\"}\"}"}"#);
    assert_eq!(world.client.user().unwrap().id, "7");
    world.client.signout();
    world.run();
    assert_eq!(world.client.user(), None);
}

#[test]
fn tokens_have_an_endpoint_of_their_own() {
    let auth = HttpAuth::new("https://example.com/auth").token_endpoint("https://example.com/token");
    let recovery = config().recovery(Recovery::default().tokens(true));
    let mut world = World::new(recovery, auth, &Options::new());
    world.outside().post_answer = answer(200, r#"{"auth":"a.b.c","expires_in":60}"#);
    world.run();
    let _news = world.client.subscribe("news").unwrap();
    world.receive(r#"{"event":"sockudo:connection_established","data":"{\"socket_id\":\"1.1\"}"}"#);
    let post = world.outside().posts.remove(0);
    assert_eq!((post.url.as_str(), post.body.expose()), ("https://example.com/token", "socket_id=1.1"));
    assert_eq!(world.sent(), [r#"{"event":"sockudo:auth","data":{"token":"a.b.c"}}"#]);
    world.receive(r#"{"event":"sockudo:auth_success","data":{}}"#);
    assert_eq!(world.sent(), [r#"{"event":"sockudo:subscribe","data":{"channel":"news"}}"#]);
    let wrong = HttpAuth::new("https://example.com/auth").token_endpoint("nowhere").validate().unwrap_err();
    assert!(wrong.to_string().contains("token"), "{wrong}");
}

#[test]
fn without_an_endpoint_for_tokens_there_is_none() {
    let recovery = config().recovery(Recovery::default().tokens(true));
    let mut world = World::new(recovery, HttpAuth::new("https://example.com/auth"), &Options::new());
    let mut events = world.client.events();
    world.run();
    world.receive(r#"{"event":"sockudo:connection_established","data":"{\"socket_id\":\"1.1\"}"}"#);
    let error = TokenError::Auth(AuthError::NotConfigured);
    let expected = Event::TokenError { error, retry_at: None };
    let mut received = std::iter::from_fn(|| match now(events.recv()) {
        Poll::Ready(event) => event,
        Poll::Pending => None,
    });
    assert!(received.any(|event| event == expected));
}

#[test]
fn a_request_is_sent_once_more_after_a_renewal_and_the_last_answer_counts() {
    const STATUSES: [u16; 6] = [200, 302, 401, 403, 419, 503];
    let body = |status| if status == 200 { r#"{"auth":"key:5a"}"# } else { "why" };
    for (first, second) in STATUSES.into_iter().flat_map(|first| STATUSES.map(|second| (first, second))) {
        for has_function in [false, true] {
            let outside = Arc::new(OnceLock::<Arc<Mutex<Outside>>>::new());
            let (later, (sender, renewals)) = (Arc::clone(&outside), std::sync::mpsc::channel());
            let mut auth = HttpAuth::new("https://example.com/auth?token=1");
            if has_function {
                // A third answer would be a success.
                let answers = Mutex::new([second, 200].into_iter());
                auth = auth.on_unauthorized(move |request| {
                    let status = answers.lock().unwrap().next().unwrap();
                    later.get().unwrap().lock().unwrap().post_answer = answer(status, body(status));
                    sender.send(request.subject.to_string()).unwrap();
                });
            }
            let mut world = World::connected(auth);
            outside.set(world.clock()).ok().unwrap();
            world.outside().post_answer = answer(first, body(first));
            let chat = world.client.subscribe("private-chat").unwrap();
            world.run();
            let is_renewed = has_function && matches!(first, 302 | 401 | 419);
            assert_eq!(renewals.try_iter().count(), usize::from(is_renewed), "{first}, then {second}");
            assert_eq!(world.outside().posts.len(), 1 + usize::from(is_renewed), "{first}, then {second}");
            let last = if is_renewed { second } else { first };
            assert_eq!(world.sent().len(), usize::from(last == 200), "{first}, then {second}");
            let error = AuthError::Http { status: last, excerpt: "why".into(), retry_after: None };
            let error = SubscribeError::Channel(SubscriptionError::Auth(error.at("https://example.com/auth")));
            // The server has yet to confirm, or the request is sent again later.
            let is_pending = matches!(last, 200 | 503);
            let expected = if is_pending { Poll::Pending } else { Poll::Ready(Err(error)) };
            assert_eq!(now(chat.subscribed()), expected, "{first}, then {second}");
        }
    }
}

#[test]
fn everything_in_the_request_is_made_anew_after_a_renewal() {
    let session = Arc::new(AtomicUsize::new(1));
    let [renewing, header, param, late] = [(); 4].map(|()| Arc::clone(&session));
    let value = |session: &AtomicUsize| session.load(Ordering::Relaxed).to_string();
    let auth = HttpAuth::new("https://example.com/auth")
        .on_unauthorized(move |_| _ = renewing.fetch_add(1, Ordering::Relaxed))
        .headers_with(move |_| [("X-Made", value(&header))])
        .params_with(move |_| [("made", value(&param))])
        .credentials_with(move |_: AuthRequest| {
            let value = value(&late);
            async move { Ok(Credentials::new().header("X-Late", value.as_str()).param("late", value)) }
        });
    let mut world = World::connected(auth);
    world.outside().post_answer = answer(401, "");
    let _chat = world.client.subscribe("private-chat").unwrap();
    world.run();
    let posts = std::mem::take(&mut world.outside().posts);
    assert_eq!(posts.len(), 2);
    for (post, session) in posts.iter().zip(["1", "2"]) {
        assert_eq!(post.headers, ["X-Made", "X-Late"].map(|name| (name.into(), session.into())));
        assert!(post.body.expose().ends_with(&format!("&made={session}&late={session}")), "{}", post.body.expose());
    }
}

#[test]
fn a_call_that_is_no_longer_awaited_is_dropped() {
    let mut world = World::connected(HttpAuth::new("https://example.com/auth"));
    let first = world.client.subscribe("private-a").unwrap();
    let _second = world.client.subscribe("private-b").unwrap();
    world.run();
    assert_eq!(world.outside().posts.len(), 2);
    assert_eq!(world.outside().dropped_posts, 0);
    drop(first);
    world.run();
    assert_eq!(world.outside().dropped_posts, 1);
    world.client.disconnect();
    world.run();
    assert_eq!(world.outside().dropped_posts, 2);
}

#[test]
fn a_channel_that_was_wanted_before_the_connection_is_authorized_with_the_greeting() {
    let mut world = World::new(crate::world::config(), HttpAuth::new("https://example.com/auth"), &Options::new());
    let _chat = world.client.subscribe("private-chat").unwrap();
    world.run();
    world.greet();
    assert_eq!(world.outside().posts.len(), 1);
}

#[test]
fn an_endpoint_that_takes_too_long_is_given_up_and_named_without_its_query() {
    let config = crate::world::config().auth_timeout(Duration::from_secs(1)).auth_retries(0);
    let auth = HttpAuth::new("https://example.com/auth?token=1");
    for auth in [auth.clone(), auth.batch_endpoint("https://example.com/auth/batch?token=1")] {
        let mut world = World::new(config.clone(), auth, &Options::new());
        world.run();
        world.greet();
        let channels = ["private-a", "private-b"].map(|name| world.client.subscribe(name).unwrap());
        world.run();
        let posts = world.outside().posts.len();
        world.pass(Duration::from_secs(1));
        world.wake_sleepers();
        let url = if posts == 1 { "https://example.com/auth/batch" } else { "https://example.com/auth" };
        for channel in channels {
            let error = SubscribeError::Channel(SubscriptionError::Auth(AuthError::Timeout.at(url)));
            assert_eq!(now(channel.subscribed()), Poll::Ready(Err(error)));
        }
        assert_eq!(world.outside().dropped_posts, posts);
    }
}
