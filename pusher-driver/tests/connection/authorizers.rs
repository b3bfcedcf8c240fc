//! Authorizers of the application: functions, batches, slow ones and ones that panic.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use pusher_driver::{AuthCall, Authorizer, HttpAuth, NoAuth, Options, SubscribeError};
use pusher_proto::{AuthError, AuthPurpose, AuthRequest, AuthResponse, SubscriptionError};

use crate::world::{World, now, succeeded};

#[test]
fn a_function_may_authorize() {
    let mut world = World::connected(async |request: AuthRequest| {
        assert_eq!(request.purpose, AuthPurpose::Subscribe);
        Ok(AuthResponse::new("key:5a"))
    });
    let _chat = world.client.subscribe("private-chat").unwrap();
    world.run();
    assert_eq!(world.sent().len(), 1);
}

struct Batch;

impl Authorizer for Batch {
    async fn authorize(&self, _call: &AuthCall) -> Result<AuthResponse, AuthError> {
        pending().await
    }

    async fn authorize_many(&self, calls: Vec<AuthCall>) {
        let count = calls.len();
        for call in calls {
            call.answer(Ok(AuthResponse::new(format!("key:{count}"))));
        }
    }
}

#[test]
fn calls_that_come_together_can_be_answered_together() {
    let mut world = World::connected(Batch);
    let _a = world.client.subscribe("private-a").unwrap();
    let _b = world.client.subscribe("private-b").unwrap();
    world.run();
    let sent = world.sent();
    assert!(sent.len() == 2 && sent.iter().all(|frame| frame.contains(r#""auth":"key:2""#)), "{sent:?}");
}

#[test]
fn an_authorizer_that_is_chosen_at_run_time_does_what_it_does_itself() {
    let choose = |is_batched: bool| match is_batched {
        true => Batch.boxed(),
        false => (async |request: AuthRequest| Ok(AuthResponse::new(format!("key:{}", request.subject)))).boxed(),
    };
    for (is_batched, auths) in [(true, ["key:2", "key:2"]), (false, ["key:private-a", "key:private-b"])] {
        let mut world = World::connected(choose(is_batched).boxed());
        let _a = world.client.subscribe("private-a").unwrap();
        let _b = world.client.subscribe("private-b").unwrap();
        world.run();
        let sent = world.sent();
        let has = |auth: &str| sent.iter().any(|frame| frame.contains(&format!(r#""auth":"{auth}""#)));
        assert!(sent.len() == 2 && auths.into_iter().all(has), "{sent:?}");
    }
    assert!(HttpAuth::new("ftp://h").boxed().validate().is_err());
}

/// Never answers, and reports when it is dropped.
struct Stuck(Arc<AtomicUsize>);

impl Authorizer for Stuck {
    async fn authorize(&self, _call: &AuthCall) -> Result<AuthResponse, AuthError> {
        pending().await
    }

    async fn authorize_many(&self, calls: Vec<AuthCall>) {
        struct Guard<'a>(&'a AtomicUsize);
        impl Drop for Guard<'_> {
            fn drop(&mut self) {
                self.0.fetch_add(1, Ordering::Relaxed);
            }
        }
        let _guard = Guard(&self.0);
        pending::<()>().await;
        drop(calls);
    }
}

#[test]
fn calls_that_came_together_are_dropped_when_none_is_awaited() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let mut world = World::connected(Stuck(Arc::clone(&dropped)));
    let (first, second) = (world.client.subscribe("private-a").unwrap(), world.client.subscribe("private-b").unwrap());
    world.run();
    drop(first);
    world.run();
    assert_eq!(dropped.load(Ordering::Relaxed), 0);
    drop(second);
    world.run();
    assert_eq!(dropped.load(Ordering::Relaxed), 1);
    let third = world.client.subscribe("private-c").unwrap();
    world.run();
    drop(third);
    world.run();
    assert_eq!(dropped.load(Ordering::Relaxed), 2);
}

/// Passes its calls on without answering them.
struct Handing(std::sync::mpsc::Sender<AuthCall>);

impl Authorizer for Handing {
    async fn authorize(&self, _call: &AuthCall) -> Result<AuthResponse, AuthError> {
        pending().await
    }

    async fn authorize_many(&self, calls: Vec<AuthCall>) {
        for call in calls {
            self.0.send(call).unwrap();
        }
    }
}

#[test]
fn a_call_knows_whether_it_is_still_awaited() {
    let (sender, calls) = std::sync::mpsc::channel();
    let mut world = World::connected(Handing(sender));
    let chat = world.client.subscribe("private-chat").unwrap();
    world.run();
    let call = calls.recv().unwrap();
    assert!(!call.is_cancelled());
    drop(chat);
    world.run();
    assert!(call.is_cancelled());
}

struct Silent;

impl Authorizer for Silent {
    async fn authorize(&self, _call: &AuthCall) -> Result<AuthResponse, AuthError> {
        panic!("as the test wants")
    }
}

#[test]
fn a_panicking_authorizer_refuses_and_the_connection_continues() {
    let mut world = World::connected(Silent);
    let chat = world.client.subscribe("private-chat").unwrap();
    assert!(world.run());
    let error = AuthError::Handler("the authorizer did not answer".into());
    let error = SubscribeError::Channel(SubscriptionError::Auth(error));
    assert_eq!(now(chat.subscribed()), Poll::Ready(Err(error)));
    assert!(world.client.state().is_connected());
}

/// Panics when it is dropped.
struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("as the test wants");
    }
}

#[test]
fn one_call_that_panics_or_whose_drop_panics_stops_no_other() {
    let mut world = World::connected(async |request: AuthRequest| {
        let name = request.subject.to_string();
        if name.contains("panics") {
            panic!("as the test wants");
        }
        if name.contains("bomb") {
            let _bomb = Bomb;
            return pending().await;
        }
        Ok(AuthResponse::new("key:5a"))
    });
    let names = ["private-panics", "private-bomb-1", "private-bomb-2", "private-good"];
    let mut channels: Vec<_> = names.iter().map(|name| world.client.subscribe(*name).unwrap()).collect();
    assert!(world.run());
    let sent = world.sent();
    assert!(sent.len() == 1 && sent[0].contains("private-good"), "{sent:?}");
    assert!(matches!(now(channels[0].subscribed()), Poll::Ready(Err(SubscribeError::Channel(_)))));
    channels.truncate(1);
    assert!(world.run(), "calls that are cancelled are dropped");
    let again = world.client.subscribe("private-good").unwrap();
    assert!(world.run());
    world.receive(&succeeded("private-good"));
    assert_eq!(now(again.subscribed()), Poll::Ready(Ok(())));
}

#[test]
fn an_authorizer_of_the_application_that_takes_too_long_is_given_up() {
    let config = crate::world::config().auth_timeout(Duration::from_secs(1)).auth_retries(0);
    let mut world = World::new(config, async |_: AuthRequest| pending().await, &Options::new());
    world.run();
    world.greet();
    let chat = world.client.subscribe("private-chat").unwrap();
    world.run();
    world.pass(Duration::from_secs(1));
    world.wake_sleepers();
    let error = SubscribeError::Channel(SubscriptionError::Auth(AuthError::Timeout));
    assert_eq!(now(chat.subscribed()), Poll::Ready(Err(error)));
}

#[test]
fn without_an_authorizer_public_channels_work() {
    let mut world = World::connected(NoAuth);
    let _chat = world.client.subscribe("chat").unwrap();
    world.run();
    assert_eq!(world.sent().len(), 1);
}
