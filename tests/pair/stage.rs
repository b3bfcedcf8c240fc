//! A world with one server, and the vocabulary of the scenarios.

use std::time::Duration;

use pusher_proto::server::{Dialect, Publication, ServerConfig, ServerConfigBuilder};
use pusher_proto::signing::{App, MasterKey};
use pusher_proto::{
    Action, ChannelName, Client, ClientEventName, Config, ConfigBuilder, Data, Endpoint, Event, Frame, Instant,
};
use pusher_test::transcript;
use pusher_tests::network::{Authority, Who};
use pusher_tests::world::World;

pub(crate) const A: Who = Who::new(0);
pub(crate) const B: Who = Who::new(1);
pub(crate) const C: Who = Who::new(2);
pub(crate) const D: Who = Who::new(3);

pub(crate) const PING: &str = r#"{"event":"pusher:ping","data":{}}"#;
pub(crate) const PONG: &str = r#"{"event":"pusher:pong","data":{}}"#;

/// What a client reports about a socket that ended without a close frame.
pub(crate) const LOST: &str = "dropped without a close frame";
pub(crate) const LOST_ERROR: &str = "error dropped without a close frame";
pub(crate) const LOST_WAITING: &str = "waiting: dropped without a close frame";

/// How long a message takes to arrive.
pub(crate) const TRIP: Duration = Duration::from_millis(20);

/// Enough for anything that needs no deadline: some trips, authorizations between them.
pub(crate) const MOMENT: Duration = Duration::from_millis(500);

pub(crate) struct Stage {
    pub(crate) world: World,
    pub(crate) dialect: Dialect,
}

impl Stage {
    pub(crate) fn new(dialect: Dialect) -> Self {
        Self::with(dialect, |builder| builder)
    }

    pub(crate) fn with(dialect: Dialect, configure: impl FnOnce(ServerConfigBuilder) -> ServerConfigBuilder) -> Self {
        let builder = ServerConfig::builder(app()).dialect(dialect).subscription_counts(false);
        let config = configure(builder).build().expect("the scenario has a usable configuration");
        Self { world: World::new(config, TRIP, 1), dialect }
    }

    /// Connects one client for each of these users.
    pub(crate) fn connected(mut self, users: &[&str]) -> Self {
        for user in users {
            let who = self.add(user, |builder| builder);
            self.client(who).connect();
        }
        self.pass(MOMENT);
        for who in 0..users.len() {
            self.expect(Who::new(who), &["connected"]);
        }
        self
    }

    pub(crate) fn add(&mut self, user: &str, configure: impl FnOnce(ConfigBuilder) -> ConfigBuilder) -> Who {
        let config = configure(Config::builder("app-key", endpoint(self.dialect)));
        let config = config.build().expect("the scenario has a usable configuration");
        self.world.add(config, Authority::new(app(), user))
    }

    pub(crate) fn client(&mut self, who: Who) -> &mut Client {
        self.world.client(who)
    }

    pub(crate) fn authority(&mut self, who: Who) -> &mut Authority {
        self.world.authority(who)
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.world.run(time);
    }

    /// Passes time until something holds, at most `limit`. Returns how long that took, if it happened.
    pub(crate) fn until(&mut self, limit: Duration, mut holds: impl FnMut(&mut Self) -> bool) -> Option<Duration> {
        let start = self.world.now();
        while !holds(self) {
            if self.world.now() >= start + limit {
                return None;
            }
            self.pass(Duration::from_millis(250));
        }
        Some(self.world.now().since(start))
    }

    pub(crate) fn connect(&mut self, who: Who) {
        self.client(who).connect();
        self.pass(MOMENT);
    }

    pub(crate) fn subscribe(&mut self, who: Who, name: &str) {
        self.client(who).subscribe(channel(name));
        self.pass(MOMENT);
    }

    /// Subscribes `count` channels in one burst and returns their names.
    pub(crate) fn want_many(&mut self, who: Who, prefix: &str, count: usize) -> Vec<String> {
        let names: Vec<String> = (0..count).map(|number| format!("{prefix}{number}")).collect();
        names.iter().for_each(|name| self.client(who).subscribe(channel(name)));
        names
    }

    /// Whether client and server agree that a channel is subscribed.
    pub(crate) fn is_subscribed(&mut self, who: Who, name: &str) -> bool {
        let name = channel(name);
        let Some(id) = self.world.connection(who) else { return false };
        self.client(who).channel(&name).is_some_and(|channel| channel.is_subscribed())
            && self.world.server().is_subscribed(id, &name)
    }

    pub(crate) fn count_subscribed(&mut self, who: Who, names: &[String]) -> usize {
        names.iter().filter(|name| self.is_subscribed(who, name)).count()
    }

    /// How often the connection was lost since the application was last asked.
    pub(crate) fn reconnects(&mut self, who: Who) -> usize {
        let is_loss = |event: &Event| matches!(event, Event::StateChanged { previous, .. } if previous.is_connected());
        self.world.heard(who).filter(|(_, event)| is_loss(event)).count()
    }

    /// Subscribes a channel without members and expects success.
    pub(crate) fn subscribed(&mut self, who: Who, name: &str) {
        self.subscribe(who, name);
        self.expect(who, &[&format!("subscription_succeeded {name}")]);
    }

    pub(crate) fn unsubscribe(&mut self, who: Who, name: &str) {
        self.client(who).unsubscribe(&channel(name));
        self.pass(MOMENT);
    }

    pub(crate) fn trigger(&mut self, name: &str, event: &str, data: &str) {
        self.publish(&Publication::new(event.to_owned(), [channel(name)], data.to_owned()));
    }

    pub(crate) fn trigger_for_user(&mut self, user: &str, event: &str, data: &str) {
        let channel = pusher_proto::user_channel(user).expect("the id of a user");
        self.publish(&Publication::new(event.to_owned(), [channel], data.to_owned()));
    }

    pub(crate) fn publish(&mut self, publication: &Publication) {
        let now = self.world.now();
        self.world.server().trigger(publication, now).expect("the event is within the limits");
        self.pass(MOMENT);
    }

    pub(crate) fn whisper(&mut self, who: Who, name: &str, event: &str, json: &str) {
        let (now, event) = (self.world.now(), ClientEventName::new(event).expect("the name of a client event"));
        let data = Data::from_json(json).expect("JSON");
        self.client(who).trigger(&channel(name), &event, &data, now).expect("the channel is subscribed");
        self.pass(MOMENT);
    }

    pub(crate) fn say(&mut self, who: Who, text: &str) {
        self.world.say(who, Frame::Text(text.into()));
        self.pass(MOMENT);
    }

    /// What the application of a client received, in the notation of transcripts, without attempts to connect and
    /// without what differs between any two runs.
    pub(crate) fn heard(&mut self, who: Who) -> Vec<String> {
        let heard: Vec<(Instant, Event)> = self.world.heard(who).collect();
        let lines = heard.into_iter().filter_map(|(now, event)| transcript::line(&Action::Emit(event), now));
        lines.filter_map(|line| plain(line.trim_start_matches("* "))).collect()
    }

    /// Everything that the application received since the last call.
    #[track_caller]
    pub(crate) fn expect(&mut self, who: Who, expected: &[&str]) {
        assert_eq!(self.heard(who), expected, "{} at {}", who.index(), self.world.now());
    }

    #[track_caller]
    pub(crate) fn expect_silence(&mut self, who: Who) {
        self.expect(who, &[]);
    }

    pub(crate) fn is_connected(&mut self, who: Who) -> bool {
        self.client(who).state().is_connected()
    }
}

/// The line without ids, delays and times; `None` for a mere attempt to connect.
fn plain(line: &str) -> Option<String> {
    let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
    match word {
        "connecting" | "key_retry" => None,
        "connected" => Some("connected".into()),
        "waiting" => Some(format!("waiting: {}", rest.split_once(": ")?.1)),
        "retry" => Some(format!("retry {}: {}", rest.split_once(' ')?.0, rest.split_once(": ")?.1)),
        "continuity_lost" => Some(format!("continuity_lost {}", rest.split_once(" since ")?.0)),
        "user_continuity_lost" => Some("user_continuity_lost".into()),
        _ => Some(line.to_owned()),
    }
}

fn endpoint(dialect: Dialect) -> Endpoint {
    match dialect {
        Dialect::Pusher => Endpoint::cluster("eu"),
        Dialect::Reverb => Endpoint::reverb("localhost").tls(false),
        Dialect::LaravelWebsockets => Endpoint::laravel_websockets("localhost").tls(false),
        Dialect::Soketi => Endpoint::soketi("localhost").tls(false),
        Dialect::Sockudo | Dialect::SockudoV2 => Endpoint::sockudo("localhost").tls(false),
    }
}

pub(crate) fn app() -> App {
    let app = App::new("1", "app-key", "app-secret").expect("the key is a name");
    app.encryption_master_key(MasterKey::new([7; MasterKey::LEN]))
}

pub(crate) fn channel(name: &str) -> ChannelName {
    ChannelName::new(name).expect("the name of a channel")
}

pub(crate) const fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}
