//! Swarm testing: every seed has its own configuration and its own mix of faults, many of which are absent.

use std::time::Duration;

use pusher_proto::server::Dialect;
use pusher_proto::{Config, Endpoint, Endpoints, Recovery};

use super::Choices;
use super::busy::{MessageLimit, RequestLimit};
use super::replay::ReplayMix;

/// The parameters of one run.
pub(crate) struct Mix {
    pub(crate) clients: usize,
    /// Steps before the faults end.
    pub(crate) steps: usize,
    /// How often each operation comes.
    weights: Vec<usize>,
    /// Longest time between two steps, in milliseconds.
    longest_gap: usize,
    pub(crate) endpoints: Endpoints,
    pub(crate) limits: Limits,
    pub(crate) site: SiteMix,
    /// Chances in 256.
    pub(crate) auth_trouble: u8,
    /// How many requests the backend accepts.
    pub(crate) request_limit: Option<RequestLimit>,
    pub(crate) connect_trouble: u8,
    /// Whether frames may still come from a socket that was closed.
    pub(crate) late_packets: bool,
    /// Longest transit time of a packet, in milliseconds.
    pub(crate) longest_way: usize,
}

/// How servers behave.
#[derive(Clone)]
pub(crate) struct SiteMix {
    pub(crate) dialect: Dialect,
    pub(crate) activity_timeout: Duration,
    pub(crate) style: Style,
    /// Whether a socket that is denied gets an error frame and stays open.
    pub(crate) leaves_open: bool,
    pub(crate) tls_only: bool,
    /// Chances in 256 that a subscription or a sign-in is not simply passed on.
    pub(crate) mischief: u8,
    /// Chance in 256 that a success is sent twice.
    pub(crate) duplicates: u8,
    /// Chance in 256 that a success is held back.
    pub(crate) holds: u8,
    /// The resource that is scarce, if any.
    pub(crate) scarcity: Option<Scarcity>,
    /// How many messages of a connection it accepts.
    pub(crate) message_limit: Option<MessageLimit>,
    /// How it replays messages, in version 2.
    pub(crate) replay: Option<ReplayMix>,
}

/// A limit of the server that is so low that it leads to refusals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scarcity {
    Enabled,
    Quota,
    Capacity,
    Authorization,
    ClientEventRate,
    ClientEvents,
    Signin,
    Members,
    Subscriptions,
    CacheTtl,
    CachedEvents,
}

const SCARCITIES: [Scarcity; 11] = [
    Scarcity::Quota,
    Scarcity::Capacity,
    Scarcity::Authorization,
    Scarcity::ClientEventRate,
    Scarcity::ClientEvents,
    Scarcity::Signin,
    Scarcity::Members,
    Scarcity::Subscriptions,
    Scarcity::CacheTtl,
    Scarcity::CachedEvents,
    Scarcity::Enabled,
];

/// How servers report a refusal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Style {
    /// With a message that names it.
    Named,
    /// With an error that names nothing.
    Vague,
    /// Not at all.
    Mute,
}

/// The options of the client.
#[derive(Clone)]
pub(crate) struct Limits {
    pub(crate) activity_timeout: Duration,
    pub(crate) pong_timeout: Duration,
    pub(crate) auth_window: usize,
    pub(crate) subscribe_window: usize,
    pub(crate) max_pending_events: usize,
    pub(crate) held_encrypted_events: usize,
    pub(crate) buffered_client_events: usize,
    keep_client_events: bool,
    max_attempts: Option<u32>,
    pub(crate) auth_retries: Option<u32>,
    presence_by_signin: bool,
    /// Whether and how the client recovers, with version 2 of the protocol.
    pub(crate) recovery: Option<Recovery>,
    /// Whether servers number messages and replay them.
    pub(crate) has_positions: bool,
}

/// What happens in a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Op {
    Publish,
    PublishToUser,
    Rotate,
    Call(Call),
    Link(LinkTrouble),
    Site(SiteTrouble),
    /// The backend goes down.
    Outage,
    /// Subscriptions of one channel get lost.
    Swallow,
    /// An error frame without a reason.
    Error,
    OddFrame,
}

/// What an application does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Subscribe,
    Connect,
    Unsubscribe,
    Resubscribe,
    Trigger,
    Signin,
    Signout,
    Resignin,
    Switch,
    Disconnect,
    Reconnect,
    Hint,
    StopPolling,
    Sleep,
}

/// What happens to a socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LinkTrouble {
    Cut,
    Close,
    ErrorThenDrop,
    Sever,
    StallDown,
    StallUp,
}

/// What happens to a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum SiteTrouble {
    Restart,
    Hang,
    Refuse,
}

/// Every operation with its usual weight.
const OPS: [(Op, usize); 30] = [
    (Op::Publish, 12),
    (Op::Call(Call::Subscribe), 8),
    (Op::Call(Call::Connect), 2),
    (Op::Call(Call::Unsubscribe), 4),
    (Op::Call(Call::Resubscribe), 2),
    (Op::Call(Call::Trigger), 4),
    (Op::Call(Call::Signin), 2),
    (Op::Call(Call::Signout), 1),
    (Op::Call(Call::Resignin), 1),
    (Op::Call(Call::Switch), 1),
    (Op::Call(Call::Disconnect), 1),
    (Op::Call(Call::Reconnect), 1),
    (Op::Call(Call::Hint), 2),
    (Op::Call(Call::StopPolling), 3),
    (Op::Call(Call::Sleep), 1),
    (Op::PublishToUser, 3),
    (Op::Link(LinkTrouble::Cut), 2),
    (Op::Link(LinkTrouble::Close), 2),
    (Op::Link(LinkTrouble::ErrorThenDrop), 1),
    (Op::Link(LinkTrouble::Sever), 1),
    (Op::Link(LinkTrouble::StallDown), 2),
    (Op::Link(LinkTrouble::StallUp), 1),
    (Op::Site(SiteTrouble::Restart), 1),
    (Op::Site(SiteTrouble::Hang), 1),
    (Op::Rotate, 4),
    (Op::Error, 3),
    (Op::OddFrame, 2),
    (Op::Site(SiteTrouble::Refuse), 1),
    (Op::Outage, 1),
    (Op::Swallow, 1),
];

/// The place of [`Op::Publish`] among the operations.
const PUBLISH: usize = 0;

/// The first few operations are never absent: without them nothing else matters.
const INDISPENSABLE: usize = 3;

impl Mix {
    pub(crate) fn draw(choices: &mut Choices) -> Self {
        let weights = OPS.iter().enumerate().map(|(at, (_, usual))| {
            let factors: &[usize] = if at < INDISPENSABLE { &[1, 1, 2] } else { &[0, 0, 1, 1, 4] };
            usual * choices.pick(factors)
        });
        let weights = weights.collect();
        let (mut limits, site) = (Limits::draw(choices), SiteMix::draw(choices));
        // Reverb shows the members of a channel to no client if one of them has no channel_data.
        limits.presence_by_signin &= site.dialect != Dialect::Reverb;
        Self {
            weights,
            clients: 1 + choices.below(3),
            steps: 20 + choices.below(180),
            longest_gap: *choices.pick(&[300, 2_000, 10_000, 60_000]),
            endpoints: endpoints(choices),
            limits,
            site,
            auth_trouble: *choices.pick(&[0, 30, 110]),
            request_limit: RequestLimit::draw(choices),
            connect_trouble: *choices.pick(&[0, 30, 110]),
            late_packets: choices.chance(100),
            longest_way: *choices.pick(&[30, 30, 400, 3_000]),
        }
    }

    /// Makes clients ask for version 2 of Sockudo's protocol. Most servers speak it.
    pub(crate) fn ask_for_version_2(&mut self, choices: &mut Choices) {
        let timeout = Duration::from_secs(*choices.pick(&[10, 2]));
        let held_messages = *choices.pick(&[1_000, 1_000, 3]);
        let recovery = Recovery::default().resume_timeout(timeout).held_messages(held_messages);
        self.limits.recovery = Some(recovery);
        if choices.chance(VERSION_1_SERVERS) {
            return;
        }
        let replay = ReplayMix::draw(choices);
        self.site.dialect = Dialect::SockudoV2;
        self.limits.has_positions = replay.has_positions();
        self.limits.recovery = Some(recovery.deltas(replay.has_deltas()));
        self.site.replay = Some(replay);
        self.weights[PUBLISH] *= 3;
    }

    pub(crate) fn op(&self, choices: &mut Choices) -> Op {
        let at = choices.weighted(self.weights.iter().copied());
        at.map_or(Op::Publish, |at| OPS[at].0)
    }

    pub(crate) fn gap(&self, choices: &mut Choices) -> Duration {
        let longest = if choices.chance(60) { self.longest_gap } else { self.longest_gap / 10 };
        choices.millis(0, longest)
    }

    pub(crate) fn config(&self) -> Config {
        let Limits { activity_timeout, pong_timeout, .. } = self.limits;
        let builder = Config::builder(KEY, self.endpoints.clone())
            .client_version("0.1.0")
            .activity_timeout(activity_timeout)
            .pong_timeout(pong_timeout)
            .auth_window(self.limits.auth_window)
            .subscribe_window(self.limits.subscribe_window)
            .max_pending_events(self.limits.max_pending_events)
            .held_encrypted_events(self.limits.held_encrypted_events)
            .max_buffered_client_events(self.limits.buffered_client_events)
            .keep_client_events(self.limits.keep_client_events)
            .max_attempts(self.limits.max_attempts)
            .auth_retries(self.limits.auth_retries)
            .presence_by_signin(self.limits.presence_by_signin);
        let builder = match self.limits.recovery {
            Some(recovery) => builder.recovery(recovery),
            None => builder,
        };
        builder.build().expect("every mix is a configuration")
    }

    /// The corresponding lines of a transcript.
    pub(crate) fn options(&self) -> String {
        let limits = &self.limits;
        let mut text = String::new();
        let ports = ["ws://a.test:80 wss_port 443", "ws://b.test:80 wss_port 443"];
        for place in 0..self.endpoint_count() {
            text += &format!("= endpoint {}\n", ports[place % ports.len()]);
        }
        for (name, value) in [
            ("activity_timeout", format!("{}s", limits.activity_timeout.as_secs())),
            ("pong_timeout", format!("{}s", limits.pong_timeout.as_secs())),
            ("auth_window", limits.auth_window.to_string()),
            ("subscribe_window", limits.subscribe_window.to_string()),
            ("max_pending_events", limits.max_pending_events.to_string()),
            ("held_encrypted_events", limits.held_encrypted_events.to_string()),
            ("max_buffered_client_events", limits.buffered_client_events.to_string()),
            ("keep_client_events", limits.keep_client_events.to_string()),
            ("presence_by_signin", limits.presence_by_signin.to_string()),
        ] {
            text += &format!("= {name} {value}\n");
        }
        if let Some(retries) = limits.auth_retries {
            text += &format!("= auth_retries {retries}\n");
        }
        if let Some(recovery) = &limits.recovery {
            text += &format!("# {recovery:?}\n= recovery default\n");
        }
        if let Some(attempts) = limits.max_attempts {
            text += &format!("= max_attempts {attempts}\n");
        }
        text
    }

    fn endpoint_count(&self) -> usize {
        if self.endpoints == Endpoints::new([endpoint(0)]) { 1 } else { 2 }
    }
}

impl SiteMix {
    fn draw(choices: &mut Choices) -> Self {
        let dialects = [
            Dialect::Pusher,
            Dialect::Pusher,
            Dialect::Reverb,
            Dialect::LaravelWebsockets,
            Dialect::Soketi,
            Dialect::Sockudo,
        ];
        let dialect = *choices.pick(&dialects);
        Self {
            dialect,
            activity_timeout: Duration::from_secs(*choices.pick(&[120, 30, 5])),
            style: *choices.pick(&[Style::Named, Style::Vague, Style::Mute]),
            leaves_open: choices.chance(80),
            tls_only: choices.chance(40),
            mischief: *choices.pick(&[0, 20, 80]),
            duplicates: *choices.pick(&[0, 60]),
            holds: *choices.pick(&[0, 0, 60]),
            scarcity: if choices.chance(60) { Some(*choices.pick(&SCARCITIES)) } else { None },
            message_limit: MessageLimit::draw(choices),
            replay: None,
        }
    }

    /// Removes the server's faults.
    pub(crate) fn be_good(&mut self) {
        self.style = Style::Named;
        (self.mischief, self.duplicates, self.holds) = (0, 0, 0);
        self.scarcity = None;
        self.message_limit = None;
        if let Some(replay) = &mut self.replay {
            replay.be_good();
        }
    }
}

impl Limits {
    fn draw(choices: &mut Choices) -> Self {
        Self {
            activity_timeout: Duration::from_secs(*choices.pick(&[120, 20])),
            pong_timeout: Duration::from_secs(*choices.pick(&[30, 8])),
            auth_window: *choices.pick(&[8, 2]),
            subscribe_window: *choices.pick(&[256, 2]),
            max_pending_events: *choices.pick(&[4_096, 6]),
            held_encrypted_events: *choices.pick(&[256, 3]),
            buffered_client_events: *choices.pick(&[0, 3]),
            keep_client_events: choices.chance(128),
            max_attempts: *choices.pick(&[None, None, None, Some(3)]),
            auth_retries: *choices.pick(&[None, None, Some(3), Some(0)]),
            presence_by_signin: choices.chance(128),
            recovery: None,
            has_positions: false,
        }
    }
}

fn endpoints(choices: &mut Choices) -> Endpoints {
    if choices.chance(128) { Endpoints::new([endpoint(0), endpoint(1)]) } else { endpoint(0).into() }
}

/// The endpoint of a site.
pub(crate) fn endpoint(site: usize) -> Endpoint {
    Endpoint::host(HOSTS[site]).tls(false).ws_port(80).wss_port(443)
}

/// Chance in 256 that the servers speak only version 1 although the clients ask for version 2.
const VERSION_1_SERVERS: u8 = 32;

/// The application that every site serves.
pub(crate) const KEY: &str = "KEY";

pub(crate) const HOSTS: [&str; 2] = ["a.test", "b.test"];
