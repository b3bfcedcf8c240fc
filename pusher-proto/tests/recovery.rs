//! Recovery against a model of a server that numbers its messages, replays some of them, and breaks at any point: each
//! message is emitted at most once and in order, and what is missing is covered by a loss.
#![cfg(test)]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use fastrand::Rng;
use pusher_proto::{
    Action, ChannelName, Client, CloseReason, Config, Endpoint, Event, Frame, Instant, Position, Recovery, SocketEpoch,
};
use serde_json::{Value, json};

const CHANNELS: [&str; 2] = ["a", "b"];

/// How many messages the server remembers of each channel.
const BUFFER: usize = 8;

/// One channel on the server.
#[derive(Default)]
struct Stream {
    name: u64,
    serial: u64,
    buffer: VecDeque<Value>,
    is_subscribed: bool,
}

/// The server, and the frames that are under way on the current socket.
#[derive(Default)]
struct Server {
    streams: BTreeMap<&'static str, Stream>,
    last_stream: u64,
    queue: VecDeque<Value>,
    /// Whether requests to replay messages are answered on this socket.
    is_silent: bool,
}

/// A message as the client knows it: channel, stream and number.
type Id = (String, String, u64);

struct World {
    random: Rng,
    server: Server,
    client: Client,
    socket: Option<SocketEpoch>,
    now: Instant,
    /// Counts everything that happens, to compare what came first.
    moment: u64,
    /// When each message was published, and whether it was meant for this client.
    published: BTreeMap<Id, (u64, bool)>,
    emitted: BTreeSet<Id>,
    /// The newest message of each stream that was emitted.
    newest: BTreeMap<(String, String), u64>,
    /// When the first subscription of a channel succeeded, and when its last loss was reported.
    first_success: BTreeMap<String, u64>,
    last_loss: BTreeMap<String, u64>,
    recovered: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut server = Server::default();
        for channel in CHANNELS {
            server.last_stream += 1;
            server.streams.insert(channel, Stream { name: server.last_stream, ..Stream::default() });
        }
        let mut world = Self {
            random: Rng::with_seed(seed),
            server,
            client: client(seed),
            socket: None,
            now: Instant::ZERO,
            moment: 0,
            published: BTreeMap::new(),
            emitted: BTreeSet::new(),
            newest: BTreeMap::new(),
            first_success: BTreeMap::new(),
            last_loss: BTreeMap::new(),
            recovered: 0,
        };
        for channel in CHANNELS {
            world.client.subscribe(ChannelName::new(channel).unwrap());
        }
        world.client.connect();
        world.drain();
        world
    }

    fn step(&mut self) {
        self.moment += 1;
        let channel = CHANNELS[self.random.usize(..CHANNELS.len())];
        match self.random.u8(..40) {
            0..=13 => self.publish(channel),
            14..=31 => self.deliver(),
            32 => self.lose_socket(),
            33..=36 => {
                let time = self.random.u64(..60);
                self.wait(Duration::from_millis(time));
            }
            37 => {
                let time = self.random.u64(..12);
                self.wait(Duration::from_secs(time));
            }
            38 => self.roll(channel),
            _ => self.restart_process(),
        }
    }

    /// Everything that is under way arrives, and every deadline passes.
    fn settle(&mut self) {
        for _ in 0..200 {
            while self.socket.is_some() && !self.server.queue.is_empty() {
                self.deliver();
            }
            self.wait(Duration::from_millis(500));
        }
        assert!(self.client.channels().all(|channel| channel.is_subscribed()));
    }

    fn publish(&mut self, channel: &'static str) {
        let is_excluded = self.random.u8(..8) == 0;
        let stream = self.server.streams.get_mut(channel).unwrap();
        stream.serial += 1;
        let name = stream.name.to_string();
        let message = json!({
            "event": "e", "channel": channel, "data": "1", "message_id": "the same", "stream_id": name,
            "serial": stream.serial,
        });
        if stream.buffer.len() == BUFFER {
            stream.buffer.pop_front();
        }
        stream.buffer.push_back(message.clone());
        self.published.insert((channel.to_owned(), name, stream.serial), (self.moment, !is_excluded));
        // Others are not meant for this client, but use up a number and come back in a replay.
        if !is_excluded && stream.is_subscribed {
            self.server.queue.push_back(message);
        }
    }

    /// The server begins to count again, on a live connection too.
    fn roll(&mut self, channel: &'static str) {
        self.server.last_stream += 1;
        let stream = self.server.streams.get_mut(channel).unwrap();
        *stream = Stream { name: self.server.last_stream, is_subscribed: stream.is_subscribed, ..Stream::default() };
    }

    fn deliver(&mut self) {
        let (Some(socket), Some(frame)) = (self.socket, self.server.queue.pop_front()) else { return };
        self.moment += 1;
        self.client.handle_frame(socket, Frame::Text(frame.to_string().into()), self.now);
        self.drain();
    }

    fn lose_socket(&mut self) {
        let Some(socket) = self.socket.take() else { return };
        self.server.queue.clear();
        self.client.handle_close(socket, CloseReason::Dropped, self.now);
        self.drain();
    }

    /// The positions are all that another process knows.
    fn restart_process(&mut self) {
        self.lose_socket();
        let positions: Vec<(ChannelName, Position)> =
            self.client.positions().map(|(channel, position)| (channel.clone(), position.clone())).collect();
        self.client = client(self.moment);
        self.now = Instant::ZERO;
        self.client.resume_from(positions);
        for channel in CHANNELS {
            self.client.subscribe(ChannelName::new(channel).unwrap());
        }
        self.client.connect();
        self.drain();
    }

    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while let Some(at) = self.client.poll_timeout().filter(|at| *at <= until) {
            self.now = self.now.max(at);
            self.client.handle_timeout(self.now);
            self.drain();
        }
        self.now = until;
    }

    fn drain(&mut self) {
        while let Some(action) = self.client.poll_action(self.now) {
            self.moment += 1;
            match action {
                Action::Connect(socket, _) => self.open(socket),
                Action::Send(_, text) => self.receive(&serde_json::from_str(&text).unwrap()),
                Action::Emit(event) => self.check(&event),
                Action::Close(..) => {
                    self.socket = None;
                    self.server.queue.clear();
                }
                Action::RequestAuth(_) | Action::CancelAuth(_) | Action::Schedule(_) => {}
            }
        }
    }

    fn open(&mut self, socket: SocketEpoch) {
        self.socket = Some(socket);
        self.server.is_silent = self.random.u8(..6) == 0;
        self.server.streams.values_mut().for_each(|stream| stream.is_subscribed = false);
        self.server.queue.clear();
        let data = r#"{"socket_id":"1.1","activity_timeout":120}"#;
        self.server.queue.push_back(json!({ "event": "sockudo:connection_established", "data": data }));
    }

    fn receive(&mut self, frame: &Value) {
        match frame["event"].as_str().unwrap() {
            "sockudo:subscribe" => {
                let channel = CHANNELS.into_iter().find(|name| frame["data"]["channel"] == *name).unwrap();
                self.server.streams.get_mut(channel).unwrap().is_subscribed = true;
                // The position is read when the subscription is already active.
                let overtaken = self.server.queue.len();
                for _ in 0..self.random.u8(..3) {
                    self.publish(channel);
                }
                let stream = &self.server.streams[channel];
                let success = json!({
                    "event": "sockudo_internal:subscription_succeeded", "channel": channel, "data": "{}",
                    "stream_id": stream.name.to_string(), "serial": stream.serial,
                });
                let place = self.random.usize(overtaken..=self.server.queue.len());
                self.server.queue.insert(place, success);
            }
            "sockudo:resume" if !self.server.is_silent => {
                let positions = frame["data"]["channel_positions"].as_object().unwrap();
                self.server.resume(positions.iter(), &mut self.random);
            }
            "sockudo:ping" => self.server.queue.push_back(json!({ "event": "sockudo:pong" })),
            _ => {}
        }
    }

    fn check(&mut self, event: &Event) {
        let channel = event.channel().map(ToString::to_string).unwrap_or_default();
        match event {
            Event::Channel(event) => {
                let (stream, serial) = (event.stream_id().unwrap().into_owned(), event.serial().unwrap());
                let id = (channel.clone(), stream.clone(), serial);
                assert!(self.emitted.insert(id.clone()), "{id:?} is emitted twice");
                let is_covered = self.last_loss.get(&channel).is_some_and(|loss| *loss > self.published[&id].0);
                let newest = self.newest.entry((channel, stream)).or_default();
                // The answer to a request may come after its deadline. What it replays is covered by the loss.
                assert!(is_covered || *newest < serial, "{id:?} comes after {newest}");
                *newest = serial.max(*newest);
            }
            Event::ContinuityLost { .. } => {
                self.last_loss.insert(channel, self.moment);
            }
            Event::Recovered { is_proven, .. } => {
                assert!(is_proven, "streams of {channel} never come back");
                self.recovered += 1;
            }
            Event::SubscriptionSucceeded { .. } => {
                self.first_success.entry(channel).or_insert(self.moment);
            }
            Event::Lagged { .. } => panic!("everything is polled at once"),
            _ => {}
        }
    }

    /// Whatever was published after the first success was emitted, or a loss was reported after it was published.
    fn check_all(&self) {
        let meant = self.published.iter().filter(|(_, (_, is_meant))| *is_meant);
        for (id @ (channel, ..), (published, _)) in meant {
            let is_owed = self.first_success.get(channel).is_some_and(|success| success < published);
            let is_covered = self.last_loss.get(channel).is_some_and(|loss| loss > published);
            assert!(!is_owed || is_covered || self.emitted.contains(id), "{id:?} is lost without a notice");
        }
    }
}

impl Server {
    fn resume<'a>(&mut self, positions: impl Iterator<Item = (&'a String, &'a Value)>, random: &mut Rng) {
        let (mut recovered, mut failed, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
        for (channel, position) in positions {
            let stream = &self.streams[channel.as_str()];
            let name = stream.name.to_string();
            let serial = position["serial"].as_u64().unwrap();
            let missed = stream.serial.saturating_sub(serial) as usize;
            let code = if position["stream_id"] != name {
                Some("stream_reset")
            } else if missed > stream.buffer.len() {
                Some("position_expired")
            } else {
                None
            };
            if let Some(code) = code {
                let mut failure =
                    json!({ "code": code, "reason": "x", "expected_stream_id": name, "current_stream_id": name });
                self.queue.push_back(json!({
                    "event": "sockudo:resume_failed", "channel": channel, "data": failure.to_string(),
                }));
                failure["channel"] = channel.as_str().into();
                failed.push(failure);
                continue;
            }
            let replay: Vec<Value> = stream.buffer.iter().rev().take(missed).rev().cloned().collect();
            let last = replay.last().map(|last| json!({ "stream_id": name, "serial": last["serial"] }));
            recovered.push(json!({ "channel": channel, "source": "hot", "replayed": missed, "position": last }));
            // Live messages that waited for the replay are not compared with it.
            repeated.extend(replay.iter().rev().take(random.usize(..3)).rev().cloned());
            self.queue.extend(replay);
        }
        let data = json!({ "recovered": recovered, "failed": failed }).to_string();
        self.queue.push_back(json!({ "event": "sockudo:resume_success", "data": data }));
        self.queue.extend(repeated);
    }
}

fn client(seed: u64) -> Client {
    let config = Config::builder("app-key", Endpoint::sockudo("h")).recovery(Recovery::default());
    Client::new(config.build().unwrap(), seed)
}

#[test]
fn every_message_is_emitted_once_in_order_or_covered_by_a_loss() {
    let (mut recovered, mut lost, mut emitted) = (0, 0, 0);
    for seed in 0..600 {
        let outcome = std::panic::catch_unwind(|| {
            let mut world = World::new(seed);
            for _ in 0..300 {
                world.step();
            }
            world.settle();
            world.check_all();
            (world.recovered, world.last_loss.len(), world.emitted.len())
        });
        let Ok(counts) = outcome else { panic!("with the seed {seed}") };
        recovered += counts.0;
        lost += counts.1;
        emitted += counts.2;
    }
    assert!(recovered > 600 && lost > 200 && emitted > 20_000, "{recovered} {lost} {emitted}");
}
