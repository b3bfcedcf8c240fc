//! One server: the model of `pusher_proto` with the imperfections of real servers.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use pusher_proto::server::{Action, ConnectionId, Publication, Server, ServerConfig};
use pusher_proto::signing::MasterKey;
use pusher_proto::{ChannelKind, ChannelName, CloseFrame, CloseReason, Frame, Instant, Text};

use super::Choices;
use super::authority::app;
use super::frame::{self, SERVER_TO_USER, SUCCEEDED, Seen};
use super::mix::{Scarcity, SiteMix, Style};
use super::network::LinkId;
use crate::network::{Excess, Limit};

pub(crate) struct Site {
    pub(crate) mix: SiteMix,
    pub(crate) server: Server,
    /// Whether it accepts connections.
    pub(crate) is_up: bool,
    /// It accepts everything and answers nothing.
    pub(crate) hangs: bool,
    starts: u64,
    wake_at: Option<Instant>,
    links: BTreeMap<ConnectionId, LinkId>,
    /// Who is signed in.
    users: BTreeMap<LinkId, String>,
    /// Channels whose subscriptions get lost, and until when.
    pub(super) swallows: BTreeMap<String, Instant>,
    /// How many messages of each connection were accepted.
    pub(super) taken: BTreeMap<LinkId, Limit>,
    /// How it reacted to too many messages.
    pub(super) exceeded: Option<Excess>,
    /// Successes that never reach a client.
    suppressed: BTreeSet<(LinkId, String)>,
    pub(super) succeeded: BTreeSet<(LinkId, String)>,
    /// Subscriptions that were made twice.
    doubled: BTreeSet<(LinkId, String)>,
    /// Subscriptions with a message to which deltas may refer.
    pub(super) based: BTreeSet<(LinkId, String)>,
    /// Links on which client and server may rightly disagree.
    pub(crate) soiled: BTreeSet<LinkId>,
}

/// What a server does to its sockets.
#[derive(Debug)]
pub(crate) enum Output {
    Send(LinkId, Text),
    /// Send together with what was sent before.
    SendAlong(LinkId, Text),
    SendLater(LinkId, Text, Duration),
    Ping(LinkId),
    End(LinkId, CloseReason),
    Wake(Instant),
}

impl Site {
    pub(crate) fn new(mix: SiteMix, seed: u64) -> Self {
        Self {
            server: server(&mix, seed),
            mix,
            is_up: true,
            hangs: false,
            starts: seed,
            wake_at: None,
            links: BTreeMap::new(),
            users: BTreeMap::new(),
            swallows: BTreeMap::new(),
            taken: BTreeMap::new(),
            exceeded: None,
            suppressed: BTreeSet::new(),
            succeeded: BTreeSet::new(),
            doubled: BTreeSet::new(),
            based: BTreeSet::new(),
            soiled: BTreeSet::new(),
        }
    }

    /// Restarts without connections.
    pub(crate) fn restart(&mut self) {
        self.starts += 1_000;
        *self = Self { soiled: std::mem::take(&mut self.soiled), ..Self::new(self.mix.clone(), self.starts) };
    }

    pub(crate) fn hang(&mut self) {
        self.hangs = true;
        self.server.set_silent(true);
    }

    pub(crate) fn open(&mut self, link: LinkId, target: &str, tls: bool, now: Instant) -> Vec<Output> {
        self.links.insert(link.connection(), link);
        if self.mix.tls_only && !tls && !self.hangs {
            let frame = CloseFrame { code: 4000, reason: "TLS only".into() };
            return vec![Output::End(link, CloseReason::Closed(Some(frame)))];
        }
        self.server.handle_open(link.connection(), target, now);
        let mut outputs = Vec::new();
        while let Some(action) = self.server.poll_action(now) {
            match action {
                Action::Close(_, frame) if self.mix.leaves_open => {
                    outputs.push(Output::Send(link, frame::error(Some(frame.code), &frame.reason, None)));
                }
                action => self.output(action, &mut outputs),
            }
        }
        outputs
    }

    pub(crate) fn receive(&mut self, link: LinkId, frame: Frame, choices: &mut Choices, now: Instant) -> Vec<Output> {
        if self.hangs {
            return Vec::new();
        }
        let Frame::Text(text) = &frame else { return self.pass(link, frame, choices, now) };
        let seen = Seen::read(text);
        if let Some(outputs) = self.refuse_excess(link, seen.as_ref(), choices, now) {
            return outputs;
        }
        let Some(seen) = seen else { return self.pass(link, frame, choices, now) };
        if matches!(seen.event.as_str(), "pusher:subscribe" | "pusher:unsubscribe" | "pusher:delta_sync_error") {
            self.based.remove(&(link, seen.target().to_owned()));
        }
        match seen.event.as_str() {
            "pusher:subscribe" if seen.target().starts_with(SERVER_TO_USER) => {
                vec![Output::Send(link, frame::succeeded(seen.target()))]
            }
            "pusher:subscribe" if self.swallows(seen.target(), now) => {
                self.lose_subscription(link, seen.target());
                Vec::new()
            }
            "pusher:subscribe" => {
                let outputs = self.subscribe(link, seen.target(), frame, choices, now);
                let key = (link, seen.target().to_owned());
                if self.has_subscription(link, seen.target()) {
                    self.succeeded.insert(key);
                } else if self.succeeded.contains(&key) {
                    self.soiled.insert(link);
                }
                outputs
            }
            "pusher:resume" => self.resume(link, frame, choices, now),
            "pusher:enable_delta_compression" => vec![Output::Send(link, frame::deltas_enabled())],
            "pusher:delta_sync_error" => Vec::new(),
            "pusher:signin" if self.mix.scarcity != Some(Scarcity::Signin) => self.signin(link, &seen, choices),
            _ => self.pass(link, frame, choices, now),
        }
    }

    pub(super) fn has_subscription(&self, link: LinkId, channel: &str) -> bool {
        let channel = ChannelName::new(channel);
        channel.is_ok_and(|channel| self.server.is_subscribed(link.connection(), &channel))
    }

    pub(crate) fn closed(&mut self, link: LinkId, choices: &mut Choices, now: Instant) -> Vec<Output> {
        self.users.remove(&link);
        self.server.handle_close(link.connection(), now);
        self.drain(choices, now)
    }

    pub(crate) fn timeout(&mut self, choices: &mut Choices, now: Instant) -> Vec<Output> {
        if self.wake_at.is_none_or(|at| at > now) {
            return Vec::new();
        }
        self.wake_at = None;
        self.server.handle_timeout(now);
        self.drain(choices, now)
    }

    /// Sends the event with this number.
    pub(crate) fn publish(
        &mut self,
        channel: &ChannelName,
        number: u64,
        keys: &MasterKey,
        choices: &mut Choices,
        now: Instant,
    ) -> Vec<Output> {
        let data = match channel.kind() {
            ChannelKind::PrivateEncrypted => {
                let mut nonce = [0; 24];
                nonce[..8].copy_from_slice(&number.to_le_bytes());
                keys.seal(channel, "{}", nonce).raw().to_owned()
            }
            ChannelKind::Public | ChannelKind::Private | ChannelKind::Presence => "{}".to_owned(),
        };
        let publication = Publication::new(frame::numbered(number), [channel.clone()], data);
        self.server.trigger(&publication, now).expect("an event for one channel is within every limit");
        let outputs = self.drain(choices, now);
        self.with_deltas(channel, outputs, choices)
    }

    /// Sends an event to every user who is signed in here.
    pub(crate) fn publish_to_users(&mut self, number: u64, choices: &mut Choices) -> Vec<Output> {
        let mut outputs = Vec::new();
        for (link, user) in self.users.iter().filter(|_| !self.hangs) {
            outputs.push(Output::Send(*link, frame::user_event(user, number)));
            if choices.chance(60) {
                outputs.push(Output::Send(*link, frame::watchlist("online", user)));
            }
        }
        outputs
    }

    fn subscribe(
        &mut self,
        link: LinkId,
        channel: &str,
        frame: Frame,
        choices: &mut Choices,
        now: Instant,
    ) -> Vec<Output> {
        if !choices.chance(self.mix.mischief) {
            return self.pass(link, frame, choices, now);
        }
        let refusal = |code, message: &str, about| vec![Output::Send(link, frame::error(code, message, about))];
        match choices.below(6) {
            0 => vec![Output::Send(link, frame::subscription_error(channel))],
            1 => refusal(Some(4302), "not today", Some(channel)),
            2 => refusal(Some(4009), "not today", None),
            3 => refusal(None, &format!("not today, {channel}"), None),
            4 => Vec::new(),
            _ if !self.doubled.insert((link, channel.to_owned())) => self.pass(link, frame, choices, now),
            _ => {
                // If the second answer does not reveal it, nothing does.
                if self.mix.style != Style::Named {
                    self.soiled.insert(link);
                }
                self.suppressed.insert((link, channel.to_owned()));
                let mut outputs = self.pass(link, frame.clone(), choices, now);
                self.suppressed.remove(&(link, channel.to_owned()));
                outputs.extend(self.pass(link, frame, choices, now));
                outputs
            }
        }
    }

    fn signin(&mut self, link: LinkId, seen: &Seen, choices: &mut Choices) -> Vec<Output> {
        let user_data = seen.field("user_data").unwrap_or("{}");
        let user = serde_json::from_str::<serde_json::Value>(user_data).ok();
        let user = user.as_ref().and_then(|user| user.get("id")?.as_str()).unwrap_or("nobody").to_owned();
        let mut outputs = Vec::new();
        if choices.chance(self.mix.mischief) {
            match choices.below(3) {
                0 => return vec![Output::Send(link, frame::error(Some(4200), "Invalid message format", None))],
                1 => return Vec::new(),
                _ => outputs.push(Output::Send(link, frame::watchlist("online", &user))),
            }
        }
        self.users.insert(link, user);
        outputs.push(Output::Send(link, frame::signin_success(user_data)));
        outputs
    }

    pub(super) fn pass(&mut self, link: LinkId, frame: Frame, choices: &mut Choices, now: Instant) -> Vec<Output> {
        self.server.handle_frame(link.connection(), frame, now);
        self.drain(choices, now)
    }

    /// The server's actions, with its imperfections.
    pub(crate) fn drain(&mut self, choices: &mut Choices, now: Instant) -> Vec<Output> {
        let mut outputs = Vec::new();
        while let Some(action) = self.server.poll_action(now) {
            match action {
                Action::Send(connection, text) => {
                    if let Some(link) = self.links.get(&connection).copied() {
                        self.dress(link, text, choices, &mut outputs);
                    }
                }
                action => self.output(action, &mut outputs),
            }
        }
        outputs
    }

    fn output(&mut self, action: Action, outputs: &mut Vec<Output>) {
        match action {
            Action::Send(connection, text) => {
                outputs.extend(self.links.get(&connection).map(|link| Output::Send(*link, text)));
            }
            Action::Close(connection, frame) => {
                let reason = CloseReason::Closed(Some(frame));
                outputs.extend(self.links.get(&connection).map(|link| Output::End(*link, reason)));
            }
            Action::Drop(connection) => {
                let reason = CloseReason::Dropped;
                outputs.extend(self.links.get(&connection).map(|link| Output::End(*link, reason)));
            }
            Action::Ping(connection) => {
                outputs.extend(self.links.get(&connection).map(|link| Output::Ping(*link)));
            }
            Action::Schedule(at) => {
                self.wake_at = Some(at);
                outputs.push(Output::Wake(at));
            }
        }
    }

    fn dress(&mut self, link: LinkId, text: Text, choices: &mut Choices, outputs: &mut Vec<Output>) {
        let seen = Seen::read(&text).expect("the model server sends JSON");
        if seen.is("pusher:error") {
            match self.mix.style {
                Style::Named => outputs.push(Output::Send(link, text)),
                Style::Vague => outputs.push(Output::Send(link, frame::error(Some(4009), "Unauthorized", None))),
                Style::Mute => {}
            }
            return;
        }
        if !seen.is(SUCCEEDED) {
            return outputs.push(Output::Send(link, text));
        }
        let channel = seen.channel.unwrap_or_default();
        let is_presence = channel.starts_with("presence-");
        if self.suppressed.contains(&(link, channel)) {
            return;
        }
        if !is_presence && choices.chance(self.mix.holds) {
            let longest = *choices.pick(&[3_000, 45_000]);
            let delay = choices.millis(longest / 2, longest);
            return outputs.push(Output::SendLater(link, text, delay));
        }
        outputs.push(Output::Send(link, text.clone()));
        if choices.chance(self.mix.duplicates) {
            outputs.push(Output::SendAlong(link, text));
        }
    }
}

fn server(mix: &SiteMix, seed: u64) -> Server {
    let builder = ServerConfig::builder(app()).dialect(mix.dialect).activity_timeout(mix.activity_timeout);
    let builder = match mix.scarcity {
        None => builder,
        Some(Scarcity::Enabled) => builder.enabled(false),
        Some(Scarcity::Quota) => builder.connection_quota(1),
        Some(Scarcity::Capacity) => builder.capacity(1),
        Some(Scarcity::Authorization) => builder.authorization_timeout(Duration::from_secs(10)),
        Some(Scarcity::ClientEventRate) => builder.client_event_rate(1),
        Some(Scarcity::ClientEvents) => builder.client_events(false),
        Some(Scarcity::Signin) => builder.signin(false),
        Some(Scarcity::Members) => builder.max_members(1),
        Some(Scarcity::Subscriptions) => builder.max_subscriptions(2),
        Some(Scarcity::CacheTtl) => builder.cache_ttl(Duration::from_secs(5)),
        Some(Scarcity::CachedEvents) => builder.max_cached_events(1),
    };
    let builder = match &mix.replay {
        None => builder,
        Some(replay) => replay.configure(builder),
    };
    Server::new(builder.build().expect("every mix is a configuration"), seed)
}
