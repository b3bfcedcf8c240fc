//! Subscribing, leaving, and the events for subscribers.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;

use super::admission;
use super::broadcast::{Broadcast, Kind};
use super::cache;
use super::channel::{Channel, Count, Member};
use super::deltas::{self, Series};
use super::dialect::{Again, Caching, Signins};
use super::message::{ClientEvent, SUBSCRIBE, Subscribe, Unsubscribe};
use super::recovery::{Published, Rewind, Tags, stamped};
use super::refusal::Refusal;
use super::terms::{self, Terms};
use super::timers::Timer;
use super::{ConnectionId, Publication, Server};
use crate::wire::read::SERVER_TO_USER;
use crate::{ChannelKind, ChannelName, ClientEventName};

impl Server {
    pub(super) fn subscribe(&mut self, id: ConnectionId, request: &Subscribe) -> Result<(), Refusal> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let (config, profile) = (&self.config, self.config.profile());
        let options = config.options();
        if request.in_string && !profile.wire.reads_strings {
            return Err(Refusal::DataString(SUBSCRIBE));
        }
        let name = admission::channel_name(&request.channel, config)?;
        let user = connection.user.as_ref();
        if let Some(owner) = name.strip_prefix(SERVER_TO_USER) {
            let is_owner = user.is_some_and(|user| user.member.id == owner);
            if profile.names.reserves_hash && !is_owner {
                return Err(Refusal::NotSignedIn(name));
            }
        }
        let again = connection.channels.contains(&name);
        if again && profile.again == Again::Refused {
            return Err(Refusal::AlreadySubscribed(name));
        }
        if !again && connection.channels.len() >= options.max_subscriptions {
            return Err(Refusal::TooManySubscriptions { channel: name, max: options.max_subscriptions });
        }
        let user_is_member = matches!(&profile.signin, Signins::Known(signin) if signin.is_member);
        let member = admission::member(config, &name, request, user.filter(|_| user_is_member));
        // Sockudo's task ends before it checks the signature.
        if let Err(refusal @ (Refusal::NoMember(_) | Refusal::NoPresenceCache(_))) = member {
            return Err(refusal);
        }
        if self.refused.contains(&name) {
            return Err(admission::wrong_signature(&connection.socket_id, &name, request));
        }
        admission::check_auth(config, &connection.socket_id, &name, request)?;
        let member = member?;
        let is_version_2 = connection.version_2.is_some();
        let Terms { filter, rewind, deltas } = match terms::read(config, is_version_2, &name, request) {
            Ok(terms) => terms,
            Err((code, message)) => {
                self.send_refusal(id, code, &message);
                return Ok(());
            }
        };
        if again {
            let channel = self.channels.get(&name);
            if !profile.members.lists_without_info && channel.is_some_and(Channel::has_member_without_info) {
                return Err(Refusal::MemberWithoutInfo(name));
            }
            connection.adopt(&name, filter, deltas);
            // In version 2, a member that is there already gets no answer.
            if !is_version_2 || name.kind() != ChannelKind::Presence {
                self.confirm(id, &name);
                self.rewind(id, &name, rewind);
            }
            return Ok(());
        }
        let max = options.max_members;
        let has_room = |member| self.channels.get(&name).map_or(max > 0, |channel| channel.has_room_for(member, max));
        if !member.as_ref().is_none_or(has_room) {
            return Err(Refusal::ChannelFull { channel: name, max });
        }
        connection.channels.insert(name.clone());
        connection.adopt(&name, filter, deltas);
        self.join(id, &name, member, rewind)
    }

    /// Adds a connection to a channel, and notifies both.
    fn join(
        &mut self,
        id: ConnectionId,
        name: &ChannelName,
        member: Option<Member>,
        rewind: Option<Rewind>,
    ) -> Result<(), Refusal> {
        if let Some(member) = &member {
            self.end_absence(name, &member.id);
        }
        let profile = self.config.profile();
        let channel = self.channels.entry(name.clone()).or_insert_with(|| Channel::new(self.hasher_seed));
        let is_new_user = channel.join(id, member.clone());
        let lists = profile.members.lists_without_info || !channel.has_member_without_info();
        if lists {
            self.confirm(id, name);
            self.rewind(id, name, rewind);
        }
        if let Some(member) = member.filter(|_| is_new_user) {
            let frame = profile.member_added(name, &member);
            self.broadcast(name, &Broadcast::about_members(frame).except(Some(id)));
        }
        if !lists {
            return Err(Refusal::MemberWithoutInfo(name.clone()));
        }
        if self.caches(name) {
            self.send_cached(id, name);
        }
        self.count_changed(name);
        Ok(())
    }

    fn confirm(&mut self, id: ConnectionId, name: &ChannelName) {
        let is_version_2 = self.connections.get(&id).is_some_and(|connection| connection.version_2.is_some());
        let has_position = is_version_2 && self.numbers_messages();
        let Some(channel) = self.channels.get(name) else { return };
        // It is read when the subscription is already active.
        let position = has_position.then(|| self.streams.position(name, &mut self.uuids, self.now));
        let attach_serial = position.as_ref().map(|(_, serial)| *serial).filter(|_| self.config.options().rewind);
        let profile = self.config.profile();
        let success = match name.kind() {
            ChannelKind::Public | ChannelKind::Private | ChannelKind::PrivateEncrypted => {
                profile.subscription_succeeded(name, attach_serial)
            }
            ChannelKind::Presence => profile.presence_succeeded(name, channel, attach_serial),
        };
        let Some((stream, serial)) = position else { return self.send(id, success) };
        let message_id = self.uuids.draw();
        self.send_as_is(id, stamped(&success, Some(&message_id), Some((&stream, serial))));
    }

    /// Repeats the last event of a cache channel.
    fn send_cached(&mut self, id: ConnectionId, name: &ChannelName) {
        let Some(cache::Event { frame, message_id }) = self.cache.get(name, self.now).cloned() else {
            return self.send(id, self.config.profile().cache_miss(name));
        };
        let is_version_2 = self.connections.get(&id).is_some_and(|connection| connection.version_2.is_some());
        let frame = if is_version_2 { stamped(&frame, message_id.as_deref(), None) } else { frame };
        self.send_as_is(id, frame);
    }

    pub(super) fn unsubscribe(&mut self, id: ConnectionId, request: &Unsubscribe) -> Result<(), Refusal> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let name = admission::channel_name(&request.channel, &self.config)?;
        if !connection.channels.remove(&name) {
            return Err(Refusal::NotSubscribed(name));
        }
        connection.filters.remove(&name);
        connection.deltas.forget(&name);
        self.leave(id, &name);
        Ok(())
    }

    pub(super) fn leave(&mut self, id: ConnectionId, name: &ChannelName) {
        let Some(channel) = self.channels.get_mut(name) else { return };
        let gone = channel.leave(id);
        self.left(name, gone);
    }

    /// A subscriber, and perhaps its user, has left a channel.
    pub(super) fn left(&mut self, name: &ChannelName, gone: Option<Member>) {
        let Some(channel) = self.channels.get(name) else { return };
        if channel.is_empty() {
            self.channels.remove(name);
            if self.config.profile().cache == Caching::WhileOccupied {
                self.cache.remove(name);
            }
            return;
        }
        let zero_leaves = self.config.profile().members.zero_leaves;
        if let Some(member) = gone.filter(|member| zero_leaves || member.id != "0") {
            let frame = self.config.profile().member_removed(name, &member);
            self.broadcast(name, &Broadcast::about_members(frame));
        }
        self.count_changed(name);
    }

    /// Sends a client event to the other subscribers, and in version 2 to the sender as well if it wants. Cache channels do
    /// not keep it.
    pub(super) fn forward(&mut self, id: ConnectionId, event: &ClientEvent<'_>) -> Result<(), Refusal> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let (config, profile) = (&self.config, self.config.profile());
        let (options, rules) = (config.options(), &profile.client_events);
        let name = admission::channel_name(&event.channel, config)?;
        if !options.client_events {
            return Err(Refusal::ClientEventsDisabled(name));
        }
        if !connection.take_client_event(options, self.now) {
            return Err(Refusal::ClientEventRate(name));
        }
        ClientEventName::new(event.event.as_ref()).map_err(Refusal::ClientEventName)?;
        // The protocol does not prohibit client events on encrypted channels; clients just have no way to encrypt them.
        if rules.needs_private_channel && name.kind() == ChannelKind::Public {
            return Err(Refusal::ClientEventOnPublicChannel(name));
        }
        if rules.needs_subscription && !connection.channels.contains(&name) {
            let socket_id = connection.socket_id.clone();
            return Err(Refusal::ClientEventNotSubscribed { channel: name, socket_id });
        }
        if event.data.len() > options.max_event_len {
            return Err(Refusal::ClientEventTooLarge { channel: name, max: options.max_event_len });
        }
        let data =
            if rules.unwraps { profile.wire.value(&unwrapped(event.data)?).into_owned() } else { event.data.into() };
        let sender = self.channels.get(&name).and_then(|channel| channel.member_of(id));
        let frame = profile.client_event(event, &data, sender);
        let echoes = connection.version_2.is_some_and(|wanted| wanted.echo);
        let event = Published { name: event.event.as_ref().into(), frame, tags: Tags::new() };
        let stamp = self.stamp(&name, &event);
        self.broadcast(&name, &Broadcast::published(event, stamp).except(Some(id).filter(|_| !echoes)));
        Ok(())
    }

    pub(super) fn publish(&mut self, publication: &Publication, name: &ChannelName) {
        let except = publication.socket_id.as_ref().and_then(|id| self.sockets.get(id).copied());
        let frame = self.config.profile().event(&publication.name, name, &publication.data);
        let event = Published { name: publication.name.clone(), frame, tags: publication.tags.clone() };
        let stamp = self.stamp(name, &event);
        if self.caches(name) && self.is_kept(name) {
            let message_id = stamp.as_ref().map(|stamp| stamp.message_id.clone());
            self.cache.put(name, cache::Event { frame: event.frame.clone(), message_id }, self.now);
        }
        let series = self.series(publication, name);
        let broadcast = Broadcast::published(event, stamp).in_series(series).except(except);
        let Some(connections) = self.connections_of_user(name) else { return self.broadcast(name, &broadcast) };
        let is_version_2 =
            |id: &ConnectionId| self.connections.get(id).is_some_and(|connection| connection.version_2.is_some());
        let signed_in: Vec<ConnectionId> = connections.into_iter().filter(|id| !is_version_2(id)).collect();
        for id in signed_in {
            self.send(id, broadcast.event.frame.clone());
        }
        // In version 2, signing in is not enough.
        self.broadcast(name, &broadcast.only_version_2());
    }

    /// The series in which an event can be sent as a delta.
    fn series(&self, publication: &Publication, channel: &ChannelName) -> Option<Series> {
        let has_deltas = self.config.profile().has_version_2 && publication.delta;
        if !has_deltas || channel.kind() == ChannelKind::PrivateEncrypted {
            return None;
        }
        let field = self.config.options().conflation_key.as_deref();
        let conflation_key = field.and_then(|field| deltas::conflation_key(&publication.data, field));
        Some(Series { channel: channel.clone(), event: publication.name.clone(), conflation_key })
    }

    /// Whether the channel repeats its last event to new subscribers.
    fn caches(&self, name: &ChannelName) -> bool {
        name.is_cache()
            && match self.config.profile().cache {
                Caching::Never => false,
                Caching::Always => true,
                Caching::WhileOccupied => name.kind() != ChannelKind::PrivateEncrypted,
            }
    }

    fn is_kept(&self, name: &ChannelName) -> bool {
        self.config.profile().cache != Caching::WhileOccupied || self.channels.contains_key(name)
    }

    fn count_changed(&mut self, name: &ChannelName) {
        let counts = self.counts() && name.kind() != ChannelKind::Presence && !name.starts_with('#');
        let Some(channel) = self.channels.get_mut(name).filter(|_| counts) else { return };
        let count = channel.count_changed(self.now);
        self.tell_count(name, count);
    }

    /// Whether channels report how many subscribers they have.
    fn counts(&self) -> bool {
        self.config.options().subscription_counts && self.config.profile().has_counts
    }

    pub(super) fn tell_count(&mut self, name: &ChannelName, count: Count) {
        match count {
            Count::Keep => return,
            Count::Tell => {}
            Count::TellAndPace(until) => self.timers.arm(until, Timer::Count(name.clone())),
        }
        let count = self.channels.get(name).map_or(0, |channel| channel.subscribers().len());
        let frame = self.config.profile().subscription_count(name, count);
        self.broadcast(name, &Broadcast::new(frame, Kind::Other));
    }
}

/// An object, an array or null, or a string that contains one of these.
fn unwrapped(data: &str) -> Result<Cow<'_, str>, Refusal> {
    let data = match serde_json::from_str::<String>(data) {
        Ok(inner) => Cow::Owned(inner),
        Err(_) => Cow::Borrowed(data),
    };
    let is_json = serde_json::from_str::<serde::de::IgnoredAny>(&data).is_ok();
    if is_json && (data.trim_start().starts_with(['{', '[']) || data.trim() == "null") {
        Ok(data)
    } else {
        Err(Refusal::InvalidData("A client event"))
    }
}
