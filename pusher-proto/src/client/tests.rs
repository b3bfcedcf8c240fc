//! What transcripts leave out: wake-ups and counters.

use alloc::vec::Vec;
use core::time::Duration;

use super::*;
use crate::{Action, Endpoint};

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
        end.receive(r#"{"event":"pusher:connection_established","data":{"socket_id":"1.1"}}"#);
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

    /// Drains, and returns the wake-ups that were asked for, in seconds.
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
fn counts_what_happened() {
    let mut end = ClientEnd::connected();
    end.client.handle_open(end.socket, end.now);
    end.client.subscribe(ChannelName::new("chat").unwrap());
    end.schedules();
    end.receive(r#"{"event":"pusher_internal:subscription_succeeded","channel":"chat"}"#);
    for _ in 0..5_000 {
        end.receive(r#"{"event":"e","channel":"chat"}"#);
    }
    end.wake(120);
    end.schedules();
    end.now = end.now + Duration::from_millis(7);
    end.receive(r#"{"event":"pusher:pong"}"#);
    let stats = Stats {
        sockets: 1,
        connections: 1,
        frames: 5_003,
        events: 5_000,
        missed: 904,
        pings: 1,
        last_round_trip: Some(Duration::from_millis(7)),
    };
    assert_eq!(end.client.stats(), stats);
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
fn only_so_many_client_events_wait_until_somebody_polls() {
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
