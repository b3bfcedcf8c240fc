//! What only this adapter has: blocked threads.
#![cfg(test)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{RecvTimeoutError, TryRecvError};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::Duration;

use pusher_blocking::{
    AuthCall, AuthError, AuthResponse, Authorizer, ChannelName, Client, Config, ConnectionState, Endpoint, Event,
    HttpAuth, NoAuth, Options, SubscribeError, SubscriptionError, connect, connect_with,
};
use pusher_server::Server;
use pusher_server::pusher_proto::server::Publication;
use tokio::runtime::Runtime;

/// Longer than any operation takes on one machine.
const PATIENCE: Duration = Duration::from_secs(20);

struct World {
    server: Server,
    _runtime: Runtime,
}

impl World {
    fn new() -> Self {
        let runtime = Runtime::new().unwrap();
        let server = runtime.block_on(Server::start(pusher_server::Options::default())).unwrap();
        Self { server, _runtime: runtime }
    }

    fn client(&self) -> Client {
        let endpoint = Endpoint::host("localhost").ws_port(self.server.address().port()).tls(false);
        let config = Config::new("app-key", endpoint).unwrap();
        connect(config, HttpAuth::new(format!("{}/pusher/auth", self.server.http_url()))).unwrap()
    }

    fn publish(&self, channel: &str, data: &str) {
        let channel = ChannelName::new(channel).unwrap();
        self.server.handle().trigger(&Publication::new("message", [channel], data)).unwrap();
    }
}

fn texts(events: impl Iterator<Item = Event>) -> Vec<String> {
    let message = |event| if let Event::Channel(event) = event { Some(event.data().text().into_owned()) } else { None };
    events.filter_map(message).collect()
}

#[test]
fn several_threads_iterate_over_their_own_handles_until_the_end() {
    let world = World::new();
    let client = world.client();
    let readers: Vec<_> = ["chat", "private-chat", "private-chat"]
        .into_iter()
        .map(|channel| {
            let subscription = client.subscribe(channel).unwrap();
            subscription.subscribed(PATIENCE).unwrap();
            thread::spawn(move || texts(subscription))
        })
        .collect();
    world.publish("private-chat", "1");
    world.publish("chat", "2");
    let mut last = client.subscribe("last").unwrap();
    last.subscribed(PATIENCE).unwrap();
    world.publish("last", "3");
    while !matches!(last.recv_timeout(PATIENCE).unwrap(), Event::Channel(_)) {}
    client.shutdown(PATIENCE);
    let seen: Vec<_> = readers.into_iter().map(|reader| reader.join().unwrap()).collect();
    assert_eq!(seen, [["2"], ["1"], ["1"]]);
    assert_eq!(last.recv(), None);
}

#[test]
fn waiting_has_a_limit_and_looking_does_not_wait() {
    let config = Config::new("key", Endpoint::host("127.0.0.1").ws_port(9).tls(false)).unwrap();
    let client = connect_with(config, NoAuth, &Options::new().auto_connect(false)).unwrap();
    let mut chat = client.subscribe("chat").unwrap();
    let soon = Duration::from_millis(1);
    assert_eq!(chat.try_recv(), Err(TryRecvError::Empty));
    assert_eq!(chat.recv_timeout(soon), Err(RecvTimeoutError::Timeout));
    assert_eq!(chat.subscribed(soon), Err(SubscribeError::Elapsed));
    client.shutdown(PATIENCE);
    assert_eq!(chat.try_recv(), Err(TryRecvError::Disconnected));
    assert_eq!(chat.recv_timeout(PATIENCE), Err(RecvTimeoutError::Disconnected));
    assert_eq!(chat.subscribed(PATIENCE), Err(SubscribeError::Disconnected));
    assert_eq!(client.state(), ConnectionState::Disconnected);
}

#[test]
fn a_wish_wakes_the_thread_that_sleeps() {
    let world = World::new();
    let client = world.client();
    client.subscribe("first").unwrap().subscribed(PATIENCE).unwrap();
    // On its own, the thread would sleep until the server has been silent for too long, which is longer than this test
    // waits.
    for number in 0..50 {
        client.subscribe(format!("channel-{number}").as_str()).unwrap().subscribed(PATIENCE).unwrap();
    }
}

#[test]
fn a_callback_runs_in_the_thread_of_the_connection_and_can_use_the_client() {
    let world = World::new();
    let client = world.client();
    let (sender, names) = std::sync::mpsc::channel();
    let weak = client.downgrade();
    let chat = client.subscribe("chat").unwrap();
    let binding = chat.bind("message", move |_| {
        let other = weak.upgrade().map(|client| client.subscribe("other").is_ok());
        sender.send((thread::current().name().map(str::to_owned), other)).unwrap();
    });
    binding.unwrap();
    chat.subscribed(PATIENCE).unwrap();
    world.publish("chat", "1");
    assert_eq!(names.recv_timeout(PATIENCE).unwrap(), (Some("pusher".to_owned()), Some(true)));
}

/// Calls the server for most channels, and never returns for others.
struct Stuck {
    http: HttpAuth,
    /// Calls that have not returned.
    stuck: Arc<AtomicUsize>,
    /// Ends them all.
    end: Arc<(Mutex<bool>, Condvar)>,
}

impl Authorizer for Stuck {
    fn authorize(&self, call: &AuthCall) -> Result<AuthResponse, AuthError> {
        if !call.request().subject.to_string().contains("stuck") {
            return self.http.authorize(call);
        }
        self.stuck.fetch_add(1, Ordering::SeqCst);
        let (is_over, changed) = &*self.end;
        drop(changed.wait_while(is_over.lock().unwrap(), |is_over| !*is_over).unwrap());
        Err(AuthError::NotConfigured)
    }
}

#[test]
fn an_authorizer_can_be_chosen_at_run_time() {
    let world = World::new();
    let endpoint = Endpoint::host("localhost").ws_port(world.server.address().port()).tls(false);
    for with_endpoint in [true, false] {
        let authorizer = match with_endpoint {
            true => HttpAuth::new(format!("{}/pusher/auth", world.server.http_url())).boxed(),
            false => NoAuth.boxed(),
        };
        let client = connect(Config::new("app-key", endpoint.clone()).unwrap(), authorizer.boxed()).unwrap();
        let is_subscribed = client.subscribe("private-chat").unwrap().subscribed(PATIENCE).is_ok();
        assert_eq!(is_subscribed, with_endpoint);
    }
    let invalid = HttpAuth::new("ftp://h").boxed();
    assert!(connect(Config::new("app-key", endpoint).unwrap(), invalid).is_err());
}

#[test]
fn calls_that_never_return_stop_no_other_and_are_bounded() {
    let world = World::new();
    let endpoint = Endpoint::host("localhost").ws_port(world.server.address().port()).tls(false);
    let config = Config::builder("app-key", endpoint).auth_timeout(Duration::from_millis(50)).auth_retries(0);
    let (stuck, end) = (Arc::new(AtomicUsize::new(0)), Arc::<(Mutex<bool>, Condvar)>::default());
    let http = HttpAuth::new(format!("{}/pusher/auth", world.server.http_url()));
    let authorizer = Stuck { http, stuck: Arc::clone(&stuck), end: Arc::clone(&end) };
    let client = connect(config.build().unwrap(), authorizer).unwrap();
    let error = |channel: &str| match client.subscribe(channel).unwrap().subscribed(PATIENCE) {
        Err(SubscribeError::Channel(SubscriptionError::Auth(error))) => error,
        other => panic!("{other:?}"),
    };
    for _ in 0..3 {
        assert_eq!(error("private-stuck"), AuthError::Timeout);
    }
    for _ in 0..3 {
        let refused = AuthError::Network("3 earlier calls for private-stuck have not returned".into());
        assert_eq!(error("private-stuck"), refused);
    }
    assert_eq!(stuck.load(Ordering::SeqCst), 3);
    // More than wait for the application at a time.
    for number in 0..12 {
        assert_eq!(error(&format!("private-stuck-{number}")), AuthError::Timeout);
    }
    let mut other = client.subscribe("private-other").unwrap();
    // A busy machine may need more than the limit above.
    while other.subscribed(PATIENCE) == Err(SubscribeError::Channel(SubscriptionError::Auth(AuthError::Timeout))) {
        other = client.subscribe("private-other").unwrap();
    }
    other.subscribed(PATIENCE).unwrap();
    *end.0.lock().unwrap() = true;
    end.1.notify_all();
    client.shutdown(PATIENCE);
}

/// Answers all calls of a batch but one, for which it waits.
struct HangsOnOne {
    http: HttpAuth,
    end: Arc<(Mutex<bool>, Condvar)>,
}

impl Authorizer for HangsOnOne {
    fn authorize(&self, call: &AuthCall) -> Result<AuthResponse, AuthError> {
        self.http.authorize(call)
    }

    fn authorize_many(&self, calls: Vec<AuthCall>) {
        let (hanging, others): (Vec<_>, Vec<_>) =
            calls.into_iter().partition(|call| call.request().subject.to_string().contains("hanging"));
        for call in others {
            let answer = self.authorize(&call);
            call.answer(answer);
        }
        if !hanging.is_empty() {
            let (is_over, changed) = &*self.end;
            drop(changed.wait_while(is_over.lock().unwrap(), |is_over| !*is_over).unwrap());
        }
    }
}

/// More channels than there are threads, and one call that keeps its batch from ending.
#[test]
fn calls_that_wait_for_a_thread_start_as_soon_as_others_are_answered() {
    let world = World::new();
    let endpoint = Endpoint::host("localhost").ws_port(world.server.address().port()).tls(false);
    let config = Config::builder("app-key", endpoint).auth_window(100).auth_timeout(2 * PATIENCE);
    let end = Arc::<(Mutex<bool>, Condvar)>::default();
    let http = HttpAuth::new(format!("{}/pusher/auth", world.server.http_url()));
    let options = Options::new().auto_connect(false);
    let authorizer = HangsOnOne { http, end: Arc::clone(&end) };
    let client = connect_with(config.build().unwrap(), authorizer, &options).unwrap();
    let _hanging = client.subscribe("private-hanging").unwrap();
    let others: Vec<_> = (0..80).map(|number| client.subscribe(format!("private-{number}")).unwrap()).collect();
    client.connect();
    for other in &others {
        other.subscribed(PATIENCE).unwrap();
    }
    *end.0.lock().unwrap() = true;
    end.1.notify_all();
    client.shutdown(PATIENCE);
}

#[cfg(not(feature = "tls"))]
#[test]
fn tls_without_its_feature_is_an_error_of_the_configuration() {
    let config = Config::new("app-key", Endpoint::cluster("eu")).unwrap();
    let refused = connect(config, NoAuth).unwrap_err();
    assert!(refused.to_string().contains(r#"enable the feature "tls""#), "{refused}");
}
