//! What the application's backend does to the handles, over HTTP.

use std::time::Duration;

use pusher_test::network::{Authority, Flapping, Limit};
use pusher_test::pusher_driver::{HttpAuth, Options, SubscribeError, Subscription};
use pusher_test::pusher_proto::server::Publication;
use pusher_test::pusher_proto::signing::MasterKey;
use pusher_test::pusher_proto::{AuthBody, AuthError, ChannelName, Event, SubscriptionError};

use crate::stage::*;

fn status(status: u16) -> AuthError {
    AuthError::Http { status, excerpt: String::new(), retry_after: None }
}

#[test]
fn two_clients_see_each_other_in_a_presence_channel() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        let mut alice = subscribed(network, "alice", "presence-room").await;
        let bob = subscribed(network, "bob", "presence-room").await;
        simulation.sleep(MOMENT).await;
        assert_eq!(names(&mut alice), [SUCCEEDED, "pusher:member_added"]);
        let ids = |room: &Subscription| -> Vec<String> {
            room.members().unwrap().iter().map(|member| member.id.to_string()).collect()
        };
        assert_eq!((ids(&alice), ids(&bob)), (vec!["alice".into(), "bob".into()], vec!["alice".into(), "bob".into()]));
        assert_eq!(bob.me().unwrap().id, "bob");
        drop(bob);
        simulation.sleep(MOMENT).await;
        assert_eq!(names(&mut alice), ["pusher:member_removed"]);
    });
}

#[test]
fn the_user_signs_in() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        let alice = client(network, "alice");
        alice.signin();
        assert_eq!(alice.signed_in().await.unwrap().id, "alice");
    });
}

#[test]
fn a_slow_backend_delays_the_subscription_and_one_that_does_not_answer_times_out() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        let alice = client(network, "alice");
        network.backend("alice", |backend| backend.delay = secs(5));
        alice.subscribe("private-chat").unwrap().subscribed().await.unwrap();
        assert!((secs(5)..secs(6)).contains(&network.now()), "{:?}", network.now());
        network.backend("alice", |backend| backend.is_silent = true);
        let mut news = alice.subscribe("private-news").unwrap();
        simulation.sleep(secs(20)).await;
        let errors = waiting(&mut news);
        assert!(
            matches!(&errors[..], [Event::SubscriptionError { error: SubscriptionError::Auth(error), .. }]
                if *error.cause() == AuthError::Timeout),
            "{errors:?}"
        );
    });
}

#[test]
fn a_failing_backend_is_asked_again_and_a_refusal_is_final() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        let alice = client(network, "alice");
        network.backend("alice", |backend| backend.refusal = Some(status(503)));
        let chat = alice.subscribe("private-chat").unwrap();
        simulation.sleep(secs(60)).await;
        assert!(network.posts("alice").len() > 3);
        network.backend("alice", |backend| backend.refusal = None);
        chat.subscribed().await.unwrap();

        network.backend_all(|backend| backend.refusal = Some(status(403)));
        let refused = alice.subscribe("private-news").unwrap().subscribed().await;
        let Err(SubscribeError::Channel(SubscriptionError::Auth(error))) = refused else { panic!("{refused:?}") };
        assert_eq!(error.to_string(), "http://backend.test/pusher/auth: authorization denied with status 403");
        // Later clients have the same backend.
        assert!(client(network, "bob").subscribe("private-news").unwrap().subscribed().await.is_err());
    });
}

#[test]
fn an_unreachable_backend_is_asked_again() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        let alice = subscribed(network, "alice", "chat").await.client();
        network.fault("alice", pusher_test::network::Fault::Unreachable);
        let chat = alice.subscribe("private-chat").unwrap();
        simulation.sleep(secs(20)).await;
        assert!(!chat.is_subscribed());
        network.heal("alice");
        chat.subscribed().await.unwrap();
        assert_eq!(alice.stats().reconnects, 0);
    });
}

#[test]
fn a_flapping_backend_authorizes_while_it_works() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        network.backend_all(|backend| backend.flapping = Some(Flapping { works: secs(1), fails: secs(59) }));
        let alice = subscribed(network, "alice", "private-one").await.client();
        simulation.sleep(secs(2)).await;
        let two = alice.subscribe("private-two").unwrap();
        two.subscribed().await.unwrap();
        assert_eq!(network.now().as_secs() % 60, 0, "{:?}", network.now());
    });
}

#[test]
fn a_throttled_backend_says_when_it_may_be_asked_again() {
    for (says_when, most) in [(true, 30), (false, 80)] {
        let simulation = simulation();
        let network = simulation.network();
        simulation.run(async {
            network.backend_all(|backend| {
                (backend.limit, backend.says_when) = (Some(Limit::new(2, secs(10))), says_when);
            });
            let alice = client(network, "alice");
            let subscriptions: Vec<_> =
                (0..12).map(|number| alice.subscribe(format!("private-{number}")).unwrap()).collect();
            for subscription in &subscriptions {
                subscription.subscribed().await.unwrap();
            }
            let asked = network.posts("alice").len();
            assert!((12..most).contains(&asked), "{says_when}: {asked}");
        });
    }
}

#[test]
fn a_signature_for_an_earlier_socket_is_refused_by_the_server() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        let mut chat = subscribed(network, "alice", "private-chat").await;
        names(&mut chat);
        network.backend("alice", |backend| backend.signs_for_earlier_socket = true);
        network.fault("alice", pusher_test::network::Fault::Cut);
        simulation.sleep(secs(30)).await;
        assert_eq!(names(&mut chat), ["pusher:subscription_error"]);
        assert!(!chat.is_subscribed());
    });
}

#[test]
fn a_new_master_key_is_requested_when_an_event_needs_it() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        let mut chat = subscribed(network, "alice", "private-encrypted-chat").await;
        names(&mut chat);
        let channel = ChannelName::new("private-encrypted-chat").unwrap();
        let key = MasterKey::new([8; MasterKey::LEN]);
        network.backend_all(|backend| backend.rotate_master_key(key.clone()));
        let sealed = key.seal(&channel, r#"{"text":"hello"}"#, [1; 24]);
        let publication = Publication::new("message", [channel], sealed.text().as_ref());
        network.server(|server, now| server.trigger(&publication, now)).unwrap();
        simulation.sleep(secs(5)).await;
        let events = waiting(&mut chat);
        let [Event::Channel(event)] = &events[..] else { panic!("{events:?}") };
        assert_eq!(event.data().text(), r#"{"text":"hello"}"#);
    });
}

#[test]
fn the_configuration_of_http_authorization_is_used() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        let auth = HttpAuth::new("https://example.com/auth")
            .batch_endpoint("https://example.com/auth/batch?v=2")
            .param("tenant", "7")
            .headers_with(|_| [("Authorization", "Bearer t0ken")]);
        for body in [AuthBody::Form, AuthBody::Json] {
            let options = Options::new().auth_body(body);
            let client = network.connect_with("alice", config(), auth.clone(), &options).unwrap();
            let rooms = ["private-a", "presence-b"].map(|channel| client.subscribe(channel).unwrap());
            for room in &rooms {
                room.subscribed().await.unwrap();
            }
            let posts = network.posts("alice");
            let [post] = &posts[..] else { panic!("{posts:?}") };
            assert_eq!(
                (post.url.as_str(), post.content_type),
                ("https://example.com/auth/batch?v=2", body.content_type())
            );
            assert!(post.body.expose().contains("tenant"));
            assert_eq!((post.headers[0].0.as_str(), post.headers[0].1.expose()), ("Authorization", "Bearer t0ken"));
        }
    });
}

#[test]
fn an_expired_token_is_renewed() {
    let simulation = simulation();
    let network = simulation.network().clone();
    simulation.run(async {
        let weak = network.clone();
        let renew = move |_: &_| weak.backend("alice", |backend| backend.refusal = None);
        let client = network.connect("alice", config(), network.auth().on_unauthorized(renew)).unwrap();
        network.backend("alice", |backend| backend.refusal = Some(status(401)));
        client.subscribe("private-chat").unwrap().subscribed().await.unwrap();
        assert_eq!(network.posts("alice").len(), 2);
        assert!(network.now() < Duration::from_secs(1));
    });
}

#[test]
fn a_later_client_of_the_same_name_has_a_backend_that_was_not_asked() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        let alice = client(network, "alice");
        network.backend("alice", |backend| {
            backend.limit = Some(Limit::new(1, secs(3_600)));
            backend.signs_for_earlier_socket = true;
        });
        alice.subscribe("private-chat").unwrap().subscribed().await.unwrap();
        drop(subscribed(network, "alice", "private-chat").await);
        assert!(network.now() < secs(1), "{:?}", network.now());
        let mut asked = Vec::new();
        network.backend("alice", |backend| asked.push(backend.asked().len()));
        assert_eq!(asked, [1, 1]);
    });
}

#[test]
fn the_requests_of_the_latest_client_are_returned() {
    let simulation = simulation();
    let network = simulation.network();
    simulation.run(async {
        drop(subscribed(network, "alice", "private-old").await);
        drop(subscribed(network, "alice", "private-new").await);
        let asked = network.backend("alice", Authority::asked);
        let subjects: Vec<String> = asked.iter().map(|(_, request)| request.subject.to_string()).collect();
        assert_eq!(subjects, ["private-new"]);
        assert_eq!(network.backend("alice", Authority::asked), []);
    });
}
