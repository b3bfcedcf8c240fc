//! Threads that wait for a subscription, and what ends their wait.

use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use pusher_driver::{AuthCall, Authorizer, Client, Options, SubscribeError};
use pusher_proto::{AuthError, AuthResponse, SubscriptionError};
use shuttle::thread;

use crate::world::{Server, World, explore, take, wait};

type Waited = Result<(), SubscribeError>;

/// How the waits of two threads for a channel end, when a third does `end`.
fn waited(end: impl FnOnce(&Client, &Server)) -> [Waited; 2] {
    let world = World::connected();
    world.server.line().is_silent = true;
    let chat = Arc::new(world.client.subscribe("chat").unwrap());
    let (client, server, _running) = world.start();
    let waiters = [(); 2].map(|()| {
        let chat = Arc::clone(&chat);
        thread::spawn(move || wait(|context| chat.poll_subscribed(context)))
    });
    end(&client, &server);
    waiters.map(|waiter| waiter.join().unwrap())
}

#[test]
fn a_confirmation_ends_all_waits() {
    explore(|| {
        let waited = waited(|_, server| {
            let succeeded = r#"{"event":"pusher_internal:subscription_succeeded","channel":"chat","data":"{}"}"#;
            server.send(succeeded);
        });
        assert_eq!(waited, [Ok(()), Ok(())]);
    });
}

#[test]
fn leaving_the_channel_ends_all_waits() {
    explore(|| {
        let waited = waited(|client, _| client.unsubscribe("chat"));
        assert_eq!(waited, [Err(SubscribeError::Unsubscribed), Err(SubscribeError::Unsubscribed)]);
    });
}

#[test]
fn streams_end_before_a_wait_returns_that_the_channel_was_left() {
    explore(|| {
        let mut world = World::connected();
        let mut chat = world.subscribe("chat");
        take(&mut chat);
        let client = world.client.clone();
        let leaving = thread::spawn(move || client.unsubscribe("chat"));
        let mut context = Context::from_waker(Waker::noop());
        if chat.poll_subscribed(&mut context) == Poll::Ready(Err(SubscribeError::Unsubscribed)) {
            assert_eq!(chat.poll_recv(&mut context), Poll::Ready(None));
        }
        leaving.join().unwrap();
    });
}

#[test]
fn a_disconnect_ends_all_waits() {
    explore(|| {
        let waited = waited(|client, _| client.disconnect());
        assert_eq!(waited, [Err(SubscribeError::Disconnected), Err(SubscribeError::Disconnected)]);
    });
}

/// Answers from its own thread.
struct Elsewhere;

impl Authorizer for Elsewhere {
    async fn authorize(&self, _call: &AuthCall) -> Result<AuthResponse, AuthError> {
        Err(AuthError::NotConfigured)
    }

    async fn authorize_many(&self, calls: Vec<AuthCall>) {
        for call in calls {
            thread::spawn(move || {
                // A dropped call counts as refused.
                if !call.request().subject.to_string().contains("refused") {
                    call.answer(Ok(AuthResponse::new("key:5a")));
                }
            });
        }
    }
}

#[test]
fn an_authorization_from_another_thread_is_heard() {
    explore(|| {
        let world = World::connected_with(Elsewhere, &Options::new());
        let (client, _server, _running) = world.start();
        let waiters = ["private-granted", "private-refused", "private-left"].map(|channel| {
            let chat = client.subscribe(channel).unwrap();
            thread::spawn(move || wait(|context| chat.poll_subscribed(context)))
        });
        client.unsubscribe("private-left");
        let [granted, refused, left] = waiters.map(|waiter| waiter.join().unwrap());
        assert_eq!(granted, Ok(()));
        let unanswered = AuthError::Handler("the authorizer did not answer".into());
        assert_eq!(refused, Err(SubscribeError::Channel(SubscriptionError::Auth(unanswered))));
        assert!(matches!(left, Ok(()) | Err(SubscribeError::Unsubscribed)), "{left:?}");
    });
}
