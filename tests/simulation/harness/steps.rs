//! What happens at random: the application's calls, and faults.

use std::time::Duration;

use pusher_proto::{
    AppKey, ChannelName, ClientEventName, CloseFrame, CloseReason, Data, Frame, NetworkHint, TriggerError, with_causes,
};

use super::actor::Attention;
use super::agenda::Task;
use super::frame;
use super::ledger::AppCall;
use super::mix::{Call, HOSTS, KEY, LinkTrouble, Op, SiteTrouble, endpoint};
use super::network::{Direction, LinkId, Packet};
use super::world::World;

impl World {
    pub(crate) fn step(&mut self) {
        let op = self.mix.op(&mut self.choices);
        let who = self.choices.below(self.actors.len());
        match op {
            Op::Publish => self.publish(),
            Op::PublishToUser => self.publish_to_users(),
            Op::Rotate => {
                let knows = self.choices.chance(160);
                self.journal.remark(|| "new keys".into());
                self.authority.rotate(knows);
            }
            Op::Call(call) => {
                let may_call = match self.actors[who].attention {
                    Attention::Awake => true,
                    // Unsubscribing before the next poll affects events that wait to be polled.
                    Attention::NotPolling => matches!(call, Call::Unsubscribe),
                    Attention::Asleep => false,
                };
                if may_call {
                    self.call(who, call);
                    self.drain(who);
                }
            }
            Op::Link(trouble) => self.trouble_link(trouble),
            Op::Site(trouble) => self.trouble_site(trouble),
            Op::Outage => self.begin_outage(),
            Op::Swallow => {
                let site = self.choices.below(HOSTS.len());
                let channel = self.wanted_channel(who);
                self.swallow(site, &channel);
            }
            Op::Error => self.send_error(),
            Op::OddFrame => self.send_odd_frame(),
        }
    }

    fn call(&mut self, who: usize, call: Call) {
        match call {
            Call::Subscribe => {
                for _ in 0..=self.choices.below(3) {
                    let channel = self.channel();
                    self.subscribe(who, &channel);
                }
            }
            Call::Unsubscribe => {
                let channel = self.wanted_channel(who);
                self.unsubscribe(who, &channel);
            }
            Call::Resubscribe => {
                let channel = self.wanted_channel(who);
                self.unsubscribe(who, &channel);
                // Without a poll in between, this changes nothing.
                if self.choices.chance(128) {
                    self.drain(who);
                }
                self.subscribe(who, &channel);
            }
            Call::Trigger => {
                for _ in 0..=self.choices.below(2) {
                    self.trigger(who);
                }
            }
            Call::Signin => self.signin(who),
            Call::Signout => self.signout(who),
            Call::Resignin => {
                self.signout(who);
                self.signin(who);
            }
            Call::Connect => self.connect(who),
            Call::Disconnect => self.disconnect(who),
            Call::Reconnect => {
                self.disconnect(who);
                self.connect(who);
            }
            Call::Switch => self.switch(who),
            Call::Hint => {
                let hint = *self.choices.pick(&[NetworkHint::Online, NetworkHint::Offline]);
                self.journal.note(who, || format!("! {hint:?}").to_lowercase());
                let actor = &mut self.actors[who];
                actor.called(&AppCall::Hint(hint), &mut self.journal);
                actor.client.network_changed(hint);
            }
            Call::StopPolling => self.stop_polling(who),
            Call::Sleep => self.sleep(who),
        }
    }

    pub(crate) fn connect(&mut self, who: usize) {
        self.journal.note(who, || "! connect".into());
        self.actors[who].called(&AppCall::Connect, &mut self.journal);
        self.actors[who].client.connect();
        self.drain(who);
    }

    fn disconnect(&mut self, who: usize) {
        self.journal.note(who, || "! disconnect".into());
        self.actors[who].called(&AppCall::Disconnect, &mut self.journal);
        self.actors[who].client.disconnect();
    }

    fn switch(&mut self, who: usize) {
        let key = *self.choices.pick(&[KEY, KEY, KEY, "OTHER"]);
        let site = self.choices.below(HOSTS.len());
        self.switch_to(who, key, site);
    }

    pub(crate) fn switch_to(&mut self, who: usize, key: &'static str, site: usize) {
        self.journal.note(who, || format!("! switch {key} ws://{}:80 wss_port 443", HOSTS[site]));
        self.actors[who].has_right_key = key == KEY;
        self.actors[who].called(&AppCall::Switch, &mut self.journal);
        self.actors[who].client.switch(AppKey::new(key).expect("a key is a key"), endpoint(site).into());
    }

    pub(crate) fn subscribe(&mut self, who: usize, channel: &ChannelName) {
        self.journal.note(who, || format!("! subscribe {channel}"));
        self.actors[who].called(&AppCall::Subscribe(channel), &mut self.journal);
        self.actors[who].client.subscribe(channel.clone());
    }

    fn unsubscribe(&mut self, who: usize, channel: &ChannelName) {
        self.journal.note(who, || format!("! unsubscribe {channel}"));
        self.actors[who].called(&AppCall::Unsubscribe(channel), &mut self.journal);
        self.actors[who].client.unsubscribe(channel);
    }

    pub(crate) fn signin(&mut self, who: usize) {
        self.journal.note(who, || "! signin".into());
        self.actors[who].called(&AppCall::Signin, &mut self.journal);
        self.actors[who].client.signin();
    }

    fn signout(&mut self, who: usize) {
        self.journal.note(who, || "! signout".into());
        self.actors[who].called(&AppCall::Signout, &mut self.journal);
        self.actors[who].client.signout();
    }

    fn trigger(&mut self, who: usize) {
        let channel = self.wanted_channel(who);
        self.last_event += 1;
        let event = format!("client-{}", frame::numbered(self.last_event));
        self.journal.note(who, || format!("! trigger {channel} {event} {{}}"));
        let event = ClientEventName::new(event).expect("it begins as it must");
        let data = Data::from_json("{}").expect("it is JSON");
        let now = self.now;
        self.actors[who].called(&AppCall::Trigger, &mut self.journal);
        let result =
            self.actors[who].change(&mut self.journal, now, |client| client.trigger(&channel, &event, &data, now));
        match result {
            Ok(()) => self.actors[who].called(&AppCall::Triggered(&channel, &event), &mut self.journal),
            Err(TriggerError::QueueFull) => {}
            Err(error) => self.journal.note(who, || format!("* trigger_error: {}", with_causes(&error))),
        }
    }

    fn stop_polling(&mut self, who: usize) {
        let time = self.short_or_long();
        self.journal.note(who, || format!("# does not poll for {time:?}"));
        self.actors[who].attention = Attention::NotPolling;
        self.actors[who].ledger.stop_polling();
        self.agenda.plan(self.now + time, Task::WakeUp(who));
    }

    fn sleep(&mut self, who: usize) {
        let time = self.short_or_long() * (1 + self.choices.below(5) as u32);
        self.journal.note(who, || format!("# the machine sleeps for {time:?}"));
        self.actors[who].attention = Attention::Asleep;
        self.agenda.plan(self.now + time, Task::WakeUp(who));
    }

    fn short_or_long(&mut self) -> Duration {
        let longest = *self.choices.pick(&[500, 8_000, 60_000, 60_000]);
        self.choices.millis(longest / 4, longest)
    }

    fn publish(&mut self) {
        let channel = self.channel();
        let site = self.choices.below(HOSTS.len());
        for _ in 0..=self.choices.below(4) {
            self.publish_on(site, &channel);
        }
    }

    pub(crate) fn publish_on(&mut self, site: usize, channel: &ChannelName) -> u64 {
        self.last_event += 1;
        let (number, keys) = (self.last_event, self.authority.master_key());
        if !self.sites[site].is_up {
            return number;
        }
        let outputs = self.sites[site].publish(channel, number, &keys, &mut self.choices, self.now);
        self.journal.published.add(&self.sites[site].server, channel, number);
        self.put_out(site, outputs);
        number
    }

    fn publish_to_users(&mut self) {
        let site = self.choices.below(HOSTS.len());
        self.last_event += 1;
        let outputs = self.sites[site].publish_to_users(self.last_event, &mut self.choices);
        self.put_out(site, outputs);
    }

    fn trouble_link(&mut self, trouble: LinkTrouble) {
        let alive = self.network.alive();
        if alive.is_empty() {
            return;
        }
        let id = *self.choices.pick(&alive);
        let until = self.now + self.choices.millis(500, 45_000);
        self.journal.remark(|| format!("{trouble:?} of link {}", id.0));
        match trouble {
            LinkTrouble::Cut => self.cut(id),
            LinkTrouble::Close => {
                let reason = match self.choices.below(8) {
                    0 => CloseReason::Closed(None),
                    1 => CloseReason::FrameTooLarge,
                    _ => CloseReason::Closed(Some(self.close_frame())),
                };
                self.end_from_site(id, reason);
            }
            LinkTrouble::ErrorThenDrop => {
                let code = *self.choices.pick(&[4200, 4201, 4100, 4009]);
                let text = frame::error(Some(code), "trouble", None);
                self.send_down(id, Packet::Frame(Frame::Text(text)), None);
                self.end_from_site(id, CloseReason::Dropped);
            }
            LinkTrouble::Sever => {
                if let Some(link) = self.network.get(id) {
                    link.severed = true;
                }
            }
            LinkTrouble::StallDown => self.network.stall(id, Direction::Down, until),
            LinkTrouble::StallUp => self.network.stall(id, Direction::Up, until),
        }
    }

    /// Both ends see at once that the socket is lost.
    pub(crate) fn cut(&mut self, id: LinkId) {
        self.end_from_site(id, CloseReason::Dropped);
        // What was in transit is lost.
        let Some(link) = self.network.get(id).filter(|link| link.client_open) else { return };
        link.severed = false;
        self.arrive(id, Packet::End(CloseReason::Dropped));
    }

    fn end_from_site(&mut self, id: LinkId, reason: CloseReason) {
        let Some(site) = self.network.get(id).map(|link| link.site) else { return };
        self.send_down(id, Packet::End(reason), None);
        if let Some(link) = self.network.get(id) {
            link.server_open = false;
        }
        let outputs = self.sites[site].closed(id, &mut self.choices, self.now);
        self.put_out(site, outputs);
    }

    fn send_error(&mut self) {
        let alive = self.network.alive();
        if alive.is_empty() {
            return;
        }
        let id = *self.choices.pick(&alive);
        let code = *self.choices.pick(&[Some(4009), Some(4301), Some(4302), Some(4200), None]);
        let message = *self.choices.pick(&["Unauthorized", "Invalid message format"]);
        self.send_down(id, Packet::Frame(Frame::Text(frame::error(code, message, None))), None);
    }

    fn send_odd_frame(&mut self) {
        let alive = self.network.alive();
        if alive.is_empty() {
            return;
        }
        let id = *self.choices.pick(&alive);
        let channel = self.channel();
        let text = |json: &str| Frame::Text(json.into());
        let frame = match self.choices.below(9) {
            0 => text("no JSON"),
            1 => text(r#"{"event":"pusher:ping"}"#),
            2 => Frame::Ping,
            3 => Frame::Binary(vec![1].into()),
            4 => text(r#"{"event":"pusher_internal:unheard_of","channel":"chat"}"#),
            5 => text(r#"{"event":"pusher:connection_established","data":{"socket_id":"9.9"}}"#),
            6 => Frame::Text(frame::subscription_error(&channel)),
            7 => Frame::Text(frame::member_added(&channel, "u0", self.choices.below(3))),
            _ => Frame::Text(frame::succeeded(&channel)),
        };
        if let Frame::Text(text) = &frame
            && (text.contains(frame::SUCCEEDED) || text.contains("subscription_error") || text.contains("member_added"))
        {
            let site = self.network.get(id).map_or(0, |link| link.site);
            self.sites[site].soiled.insert(id);
        }
        self.send_down(id, Packet::Frame(frame), None);
    }

    fn trouble_site(&mut self, trouble: SiteTrouble) {
        let site = self.choices.below(HOSTS.len());
        let time = self.choices.millis(1_000, 60_000);
        self.journal.remark(|| format!("{trouble:?} of {} for {time:?}", HOSTS[site]));
        match trouble {
            SiteTrouble::Restart => {
                self.kill_site(site);
                self.sites[site].is_up = false;
                self.agenda.plan(self.now + time, Task::SiteUp(site));
            }
            SiteTrouble::Hang => {
                self.sites[site].hang();
                self.agenda.plan(self.now + time * 4, Task::SiteKilled(site));
            }
            SiteTrouble::Refuse => {
                let frame = self.close_frame();
                self.sites[site].server.set_refusal(Some(frame));
                self.agenda.plan(self.now + Duration::from_millis(1) + time, Task::SiteAdmits(site));
            }
        }
    }

    /// Any code of any range.
    fn close_frame(&mut self) -> CloseFrame {
        let first = *self.choices.pick(&CODE_RANGES);
        CloseFrame { code: first + self.choices.below(100) as u16, reason: "trouble".into() }
    }

    fn channel(&mut self) -> ChannelName {
        ChannelName::new(*self.choices.pick(&CHANNELS)).expect("the name of a channel")
    }

    /// Usually a channel that this client wants.
    fn wanted_channel(&mut self, who: usize) -> ChannelName {
        let wanted: Vec<ChannelName> = self.actors[who].ledger.wanted().cloned().collect();
        if wanted.is_empty() || self.choices.chance(30) { self.channel() } else { self.choices.pick(&wanted).clone() }
    }
}

/// All channels: of every kind, and some whose names are parts of others.
pub(crate) const CHANNELS: [&str; 10] = [
    "chat",
    "cache-news",
    "private-chat",
    "private-chat-2",
    "private-cache-news",
    "private-encrypted-a",
    "private-encrypted-cache-b",
    "presence-room",
    "presence-room-2",
    "news",
];

/// The starts of ranges of close codes with different meanings.
const CODE_RANGES: [u16; 8] = [1000, 3000, 4000, 4100, 4200, 4200, 4300, 4400];
