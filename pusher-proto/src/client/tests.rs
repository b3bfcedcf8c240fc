//! What transcripts do not contain: wake-ups and counters.

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use super::*;
use crate::{Action, Endpoint};

const GREETING: &str = r#"{"event":"pusher:connection_established","data":{"socket_id":"1.1"}}"#;

struct ClientEnd {
    client: Client,
    socket: SocketEpoch,
    now: Instant,
}

impl ClientEnd {
    fn connected() -> Self {
        let client = Client::new(Config::new("key", Endpoint::cluster("eu")).unwrap(), 1);
        let mut end = Self { client, socket: SocketEpoch::default(), now: Instant::ZERO };
        end.client.connect();
        end.schedules();
        end.receive(GREETING);
        end
    }

    /// Connected, and subscribed to a channel that allows client events.
    fn in_private_channel() -> (Self, ChannelName) {
        let mut end = Self::connected();
        let channel = ChannelName::new("private-chat").unwrap();
        end.client.subscribe(channel.clone());
        let request = core::iter::from_fn(|| end.client.poll_action(end.now)).find_map(|action| match action {
            Action::RequestAuth(request) => Some(request),
            _ => None,
        });
        end.client.handle_auth(request.unwrap().id, Ok(AuthResponse::new("key:5a")), end.now);
        end.schedules();
        end.receive(r#"{"event":"pusher_internal:subscription_succeeded","channel":"private-chat"}"#);
        (end, channel)
    }

    fn receive(&mut self, frame: &str) {
        self.client.handle_frame(self.socket, Frame::Text(frame.into()), self.now);
    }

    /// Drains the actions, and returns the announced wake-ups, in seconds.
    fn schedules(&mut self) -> Vec<u64> {
        let mut schedules = Vec::new();
        while let Some(action) = self.client.poll_action(self.now) {
            assert!(schedules.is_empty(), "{action:?} comes behind a wake-up");
            match action {
                Action::Connect(socket, _) => self.socket = socket,
                Action::Schedule(at) => schedules.push(at.elapsed().as_secs()),
                _ => {}
            }
        }
        schedules
    }

    /// Drains the actions, and returns the authorization request among them.
    fn request(&mut self) -> AuthId {
        let mut ids = core::iter::from_fn(|| self.client.poll_action(self.now)).filter_map(|action| match action {
            Action::RequestAuth(request) => Some(request.id),
            _ => None,
        });
        let id = ids.next().unwrap();
        assert_eq!(ids.next(), None, "one request at a time");
        id
    }

    fn wake(&mut self, seconds: u64) {
        self.now = Instant::from_elapsed(Duration::from_secs(seconds));
        self.client.handle_timeout(self.now);
    }
}

#[test]
fn a_wake_up_is_asked_for_only_if_it_must_come_earlier() {
    let mut end = ClientEnd::connected();
    assert_eq!(end.schedules(), [0_u64; 0], "the handshake asked for 10 s, which the stability needs too");
    end.wake(10);
    assert_eq!(end.schedules(), [120], "the ping");
    end.now = Instant::from_elapsed(Duration::from_secs(60));
    end.receive(r#"{"event":"x","channel":"y"}"#);
    assert_eq!(end.schedules(), [0_u64; 0], "a message only moves the deadline");
    end.wake(120);
    assert_eq!(end.schedules(), [180], "the moved deadline is asked for when the old one has come");
    end.client.subscribe(ChannelName::new("chat").unwrap());
    assert_eq!(end.schedules(), [150], "the deadline of the subscription is earlier");
}

#[test]
fn a_wake_up_that_comes_early_is_asked_for_again() {
    let mut end = ClientEnd::connected();
    end.wake(10);
    assert_eq!(end.schedules(), [120]);
    end.wake(119);
    assert_eq!(end.schedules(), [120]);
}

#[test]
fn time_that_runs_backwards_stands_still() {
    let mut end = ClientEnd::connected();
    end.wake(10);
    end.schedules();
    end.wake(120);
    end.schedules();
    end.wake(0);
    assert_eq!(end.client.poll_timeout(), Some(Instant::from_elapsed(Duration::from_secs(150))), "the pong");
}

#[test]
fn a_new_list_of_servers_begins_with_its_first_one_whatever_the_client_does() {
    let endpoints = |hosts: [&'static str; 3]| Endpoints::new(hosts.map(Endpoint::host));
    let host = |end: &mut ClientEnd| {
        let actions = core::iter::from_fn(|| end.client.poll_action(end.now));
        let connects = actions.filter_map(|action| match action {
            Action::Connect(socket, request) => Some((socket, request.host)),
            _ => None,
        });
        let (socket, host) = connects.last()?;
        end.socket = socket;
        Some(host.to_string())
    };
    let fail = |end: &mut ClientEnd| {
        end.client.handle_close(end.socket, CloseReason::Dropped, end.now);
        while end.client.poll_action(end.now).is_some() {}
        end.now = end.client.poll_timeout().unwrap_or(end.now);
    };
    let wait = |end: &mut ClientEnd| {
        while matches!(end.client.state(), crate::ConnectionState::Waiting { .. }) {
            end.now = end.client.poll_timeout().expect("a retry");
            end.client.handle_timeout(end.now);
        }
    };
    for failures in 0..5 {
        for state in ["waiting", "connecting", "connected", "disconnected"] {
            let config = Config::new("key", endpoints(["a", "b", "c"])).unwrap();
            let mut end =
                ClientEnd { client: Client::new(config, 1), socket: SocketEpoch::default(), now: Instant::ZERO };
            end.client.connect();
            assert_eq!(host(&mut end).as_deref(), Some("a"));
            for failure in 0..failures {
                fail(&mut end);
                if failure + 1 < failures || state != "waiting" {
                    wait(&mut end);
                    assert!(host(&mut end).is_some());
                }
            }
            match state {
                "connected" => end.receive(GREETING),
                "disconnected" => end.client.disconnect(),
                _ => {}
            }
            while end.client.poll_action(end.now).is_some() {}
            end.client.switch(AppKey::new("other").unwrap(), endpoints(["d", "e", "f"]));
            end.client.connect();
            for expected in ["d", "e", "f", "d"] {
                wait(&mut end);
                assert_eq!(host(&mut end).as_deref(), Some(expected), "{state} after {failures} failures");
                fail(&mut end);
            }
        }
    }
}

#[test]
fn counts_what_happened() {
    let mut end = ClientEnd::connected();
    end.client.handle_open(end.socket, end.now);
    end.client.subscribe(ChannelName::new("chat").unwrap());
    end.schedules();
    let success = r#"{"event":"pusher_internal:subscription_succeeded","channel":"chat"}"#;
    end.receive(success);
    let event = r#"{"event":"e","channel":"chat"}"#;
    for _ in 0..5_000 {
        end.receive(event);
    }
    // Events that cannot be lost wait in addition to the offered ones.
    assert_eq!(end.client.stats().queued, 4_096 + 2, "the success, and one notice of the loss");
    assert!(end.client.stats().queued_bytes > 4_096 * 30);
    end.wake(120);
    end.schedules();
    end.now = end.now + Duration::from_millis(7);
    let pong = r#"{"event":"pusher:pong"}"#;
    end.receive(pong);
    let subscribe = r#"{"event":"pusher:subscribe","data":{"channel":"chat"}}"#;
    let ping = r#"{"event":"pusher:ping","data":{}}"#;
    let stats = Stats {
        sockets: 1,
        connections: 1,
        reconnects: 0,
        failed_authorizations: 0,
        frames: 5_003,
        bytes_received: (GREETING.len() + success.len() + 5_000 * event.len() + pong.len()) as u64,
        bytes_sent: (subscribe.len() + ping.len()) as u64,
        queued: 0,
        queued_bytes: 0,
        events: 5_000,
        missed: 904,
        pings: 1,
        last_round_trip: Some(Duration::from_millis(7)),
    };
    assert_eq!(end.client.stats(), stats);
}

#[test]
fn counts_reconnects_skipped_bytes_and_authorizations_that_fail_or_are_not_answered() {
    let mut end = ClientEnd::connected();
    end.client.handle_skipped(end.socket, 1_000, end.now);
    end.client.subscribe(ChannelName::new("private-chat").unwrap());
    for retry_at in [10, 20] {
        let id = end.request();
        end.client.handle_auth(id, Err(AuthError::Network("busy".into())), end.now);
        end.wake(retry_at);
    }
    end.request();
    // The third request is not answered.
    end.wake(80);
    let stats = end.client.stats();
    assert_eq!((stats.failed_authorizations, stats.reconnects), (3, 0));
    assert_eq!(stats.bytes_received, 1_000 + GREETING.len() as u64);
    end.client.handle_close(end.socket, CloseReason::Dropped, end.now);
    end.schedules();
    end.wake(end.client.poll_timeout().unwrap().elapsed().as_secs() + 1);
    end.schedules();
    end.receive(GREETING);
    assert_eq!((end.client.stats().connections, end.client.stats().reconnects), (2, 1));
}

#[test]
fn users_of_the_watchlist_are_online_until_they_leave_or_the_sign_in_ends() {
    let mut end = ClientEnd::connected();
    let sign_in = |end: &mut ClientEnd| {
        let id = end.request();
        end.client.handle_auth(id, Ok(AuthResponse::new("key:5a").user_data(r#"{"id":"7"}"#)), end.now);
        end.schedules();
        // Before the confirmation, as one server does.
        end.receive(r#"{"event":"online","data":{"user_ids":["4"]}}"#);
        end.receive(r#"{"event":"pusher:signin_success","data":{"user_data":{"id":"7"}}}"#);
    };
    let online = |end: &ClientEnd| end.client.online().iter().map(Text::to_string).collect::<Vec<_>>();
    end.client.signin();
    sign_in(&mut end);
    assert_eq!(online(&end), ["4"]);
    let notice =
        |events: &str| format!(r#"{{"event":"pusher_internal:watchlist_events","data":{{"events":[{events}]}}}}"#);
    end.receive(&notice(r#"{"name":"online","user_ids":["2","3"]},{"name":"offline","user_ids":["4","5"]}"#));
    end.receive(&notice(r#"{"name":"idle","user_ids":["3"]}"#));
    assert_eq!(online(&end), ["2", "3"]);
    end.client.handle_close(end.socket, CloseReason::Dropped, end.now);
    end.schedules();
    assert_eq!(online(&end), ["2", "3"], "as last known");
    end.wake(end.client.poll_timeout().unwrap().elapsed().as_secs() + 1);
    end.schedules();
    end.receive(GREETING);
    sign_in(&mut end);
    assert_eq!(online(&end), ["4"], "the server says anew who is online");
    end.client.signout();
    end.schedules();
    assert_eq!(online(&end), [""; 0]);
}

#[test]
fn what_waits_to_be_sent_goes_with_its_socket() {
    let (mut end, channel) = ClientEnd::in_private_channel();
    let event = ClientEventName::new("client-x").unwrap();
    end.client.trigger(&channel, &event, &Data::string("1"), end.now).unwrap();
    end.client.handle_close(end.socket, CloseReason::Dropped, end.now);
    let actions: Vec<_> = core::iter::from_fn(|| end.client.poll_action(end.now)).collect();
    assert!(!actions.iter().any(|action| matches!(action, Action::Send(..))), "{actions:?}");
    assert!(actions.iter().any(|action| matches!(action, Action::Emit(Event::StateChanged { .. }))), "{actions:?}");
}

#[test]
fn a_bounded_number_of_client_events_waits_to_be_polled() {
    let (mut end, channel) = ClientEnd::in_private_channel();
    let event = ClientEventName::new("client-x").unwrap();
    let fill = |end: &mut ClientEnd| {
        let results = core::iter::repeat_with(|| end.client.trigger(&channel, &event, &Data::string("1"), end.now));
        let taken = results.take(10_000).take_while(Result::is_ok).count();
        (taken, end.client.trigger(&channel, &event, &Data::string("1"), end.now))
    };
    assert_eq!(fill(&mut end), (4_096, Err(TriggerError::QueueFull)));
    end.schedules();
    assert_eq!(fill(&mut end), (4_096, Err(TriggerError::QueueFull)), "a poll makes room");
}
