//! The HTTP API: each call returns what a reference returns, and reaches the same clients, for any subscriptions.

use alloc::collections::BTreeMap;
use alloc::vec;

use super::*;

/// The rules.
struct Reference {
    dialect: Dialect,
    counts: bool,
    channels: BTreeMap<&'static str, Channel>,
    /// Who is signed in on which connection.
    users: BTreeMap<u64, &'static str>,
}

#[derive(Default)]
struct Channel {
    subscribers: BTreeSet<u64>,
    /// In the order in which they joined, each with its connections.
    members: Vec<(&'static str, BTreeSet<u64>)>,
}

impl Reference {
    fn subscribe(&mut self, client: u64, channel: &'static str, user: &'static str) {
        let of_channel = self.channels.entry(channel).or_default();
        of_channel.subscribers.insert(client);
        if !channel.starts_with("presence-") {
            return;
        }
        match of_channel.members.iter_mut().find(|(member, _)| *member == user) {
            Some((_, clients)) => drop(clients.insert(client)),
            None => of_channel.members.push((user, [client].into())),
        }
    }

    fn is_subscribed(&self, client: u64, channel: &str) -> bool {
        self.channels.get(channel).is_some_and(|channel| channel.subscribers.contains(&client))
    }

    fn unsubscribe(&mut self, client: u64, channel: &str) {
        let Some(of_channel) = self.channels.get_mut(channel) else { return };
        of_channel.subscribers.remove(&client);
        for (_, clients) in &mut of_channel.members {
            clients.remove(&client);
        }
        of_channel.members.retain(|(_, clients)| !clients.is_empty());
        self.channels.retain(|_, channel| !channel.subscribers.is_empty());
    }

    fn close(&mut self, client: u64) {
        CHANNELS.iter().for_each(|channel| self.unsubscribe(client, channel));
        self.users.remove(&client);
    }

    /// What is wrong with an event. Of several mistakes, any may be reported.
    fn mistakes(&self, publication: &Publication) -> Vec<ApiError> {
        let (len, name) = (publication.data.len(), publication.name.as_str());
        let max = MAX_LEN;
        let empty = match self.dialect {
            Dialect::Reverb => Some(422),
            Dialect::Soketi => Some(400),
            Dialect::Pusher | Dialect::LaravelWebsockets | Dialect::Sockudo | Dialect::SockudoV2 => None,
        };
        let is_reserved =
            name.starts_with("pusher_internal:") || name.starts_with("pusher:") && self.dialect == Dialect::Pusher;
        let channels = publication.channels.len();
        let mistakes = [
            (len > max).then_some(ApiError::DataTooLarge { len, max }),
            empty.filter(|_| len == 0).map(|status| ApiError::NoData { status }),
            (!(1..=200).contains(&name.len())).then_some(ApiError::EventName),
            is_reserved.then_some(ApiError::ReservedEventName),
            (channels == 0).then_some(ApiError::NoChannel),
            (channels > 100).then_some(ApiError::TooManyChannels { len: channels, max: 100 }),
        ];
        mistakes.into_iter().flatten().collect()
    }

    fn batch_mistakes(&self, batch: &[Publication]) -> Vec<ApiError> {
        if self.dialect == Dialect::LaravelWebsockets {
            return vec![ApiError::UnknownCall];
        }
        let len = batch.len();
        let too_many = (len > 10).then_some(ApiError::TooManyEvents { len, max: 10 });
        batch.iter().flat_map(|publication| self.mistakes(publication)).chain(too_many).collect()
    }

    /// Who receives an event: each connection that it does not exclude, once for each of its channels.
    fn received(&self, publication: &Publication, socket_ids: &BTreeMap<u64, SocketId>) -> Vec<String> {
        let named = |channel: &&str| publication.channels.iter().any(|name| name.as_str() == *channel);
        let mut received = Vec::new();
        for channel in self.channels.keys().filter(|channel| named(channel)) {
            for client in &self.channels[channel].subscribers {
                let data = [&publication.data[..]].into_iter().filter(|data| !data.is_empty());
                let words = [&publication.name, *channel].into_iter().chain(data).collect::<Vec<_>>();
                if socket_ids.get(client) != publication.socket_id.as_ref() || publication.socket_id.is_none() {
                    received.push(format!("{client} {}", words.join(" ")));
                }
            }
        }
        received
    }

    fn attributes(&self, channel: &str, info: Info) -> Attributes {
        let of_channel = self.channels.get(channel);
        let count = |is_asked: bool, count: fn(&Channel) -> usize| is_asked.then(|| of_channel.map_or(0, count));
        Attributes {
            user_count: count(info.user_count && channel.starts_with("presence-"), |channel| channel.members.len()),
            subscription_count: count(info.subscription_count && self.counts, |channel| channel.subscribers.len()),
        }
    }

    /// What cannot be asked about channels of which some are not presence channels.
    fn info_mistakes(&self, info: Info, are_presence: bool) -> Vec<ApiError> {
        let users = (info.user_count && !are_presence).then_some(ApiError::UserCountWithoutPresence);
        let counts = (info.subscription_count && !self.counts).then_some(ApiError::SubscriptionCountsDisabled);
        users.into_iter().chain(counts).collect()
    }
}

/// Checks that a call fails if it must, and with one of the reasons.
fn check<T: PartialEq + core::fmt::Debug>(
    found: Result<T, ApiError>,
    mistakes: &[ApiError],
    expected: T,
    story: &str,
) -> bool {
    match found {
        Ok(found) => {
            assert_eq!((mistakes, found), (&[][..], expected), "{story}");
            true
        }
        Err(error) => {
            assert!(mistakes.contains(&error), "{error:?} instead of one of {mistakes:?}, {story}");
            false
        }
    }
}

/// A linear congruential generator: any irregular order will do.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % n
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn info(&mut self) -> Info {
        self.pick(&[Info::NONE, Info::USER_COUNT, Info::SUBSCRIPTION_COUNT, Info::ALL])
    }

    fn publication(&mut self, socket_ids: &BTreeMap<u64, SocketId>) -> Publication {
        // Most are good.
        let is_odd = self.below(4) == 0;
        let name = if is_odd { self.pick(&["", "pusher:x", "pusher_internal:x", "x", "y"]) } else { "e" };
        let name =
            if name == "x" || name == "y" { "x".repeat(if name == "x" { 200 } else { 201 }) } else { name.into() };
        let len = if is_odd { self.pick(&[0, 1, MAX_LEN, MAX_LEN + 1]) } else { 1 + self.below(3) };
        let count = if is_odd { self.pick(&[0, 1, 100, 101]) } else { 1 + self.below(4) };
        let channels: Vec<_> = (0..count).map(|_| channel_name(self.pick(&CHANNELS))).collect();
        let socket_id = socket_ids.values().nth(self.below(2 * socket_ids.len())).cloned();
        Publication { socket_id, info: self.info(), ..Publication::new(name, channels, "d".repeat(len)) }
    }
}

/// One after the other for each client; the order of different clients does not matter.
fn by_client(mut sent: Vec<String>) -> Vec<String> {
    sent.sort_by_key(|line| line.split(' ').next().map(ToString::to_string));
    sent
}

#[test]
fn calls_return_and_send_what_the_subscriptions_at_this_moment_say() {
    for seed in 0..STORIES {
        let mut random = Random(seed);
        let dialect = random.pick(&Dialect::ALL);
        let counts = random.below(2) == 0;
        let config =
            |builder: ServerConfigBuilder| builder.dialect(dialect).subscription_counts(counts).max_event_len(MAX_LEN);
        let mut world = World::with(config).connected(CLIENTS);
        let mut socket_ids: BTreeMap<u64, SocketId> =
            (1..=CLIENTS).map(|client| (client, world.socket_id(client))).collect();
        let mut reference = Reference { dialect, counts, channels: BTreeMap::new(), users: BTreeMap::new() };
        // Reverb goes by the members of presence channels instead.
        let has_users = !matches!(dialect, Dialect::Reverb | Dialect::LaravelWebsockets);
        for number in 0..STEPS {
            let story = format!("step {number} of seed {seed}, {dialect}");
            let client = random.pick(&Vec::from_iter(socket_ids.keys().copied()));
            let (channel, user, info) = (random.pick(&CHANNELS), random.pick(&USERS), random.info());
            let name = channel_name(channel);
            match random.below(16) {
                0..=4 if !reference.is_subscribed(client, channel) => {
                    reference.subscribe(client, channel, user);
                    if channel.starts_with("presence-") {
                        world.enter(client, channel, &format!(r#"{{"user_id":"{user}","user_info":{{}}}}"#));
                    } else {
                        world.subscribe(client, channel);
                    }
                }
                5 => {
                    reference.unsubscribe(client, channel);
                    world.unsubscribe(client, channel);
                }
                6 if socket_ids.len() > 2 => {
                    reference.close(client);
                    world.close(client);
                    socket_ids.remove(&client);
                }
                7 | 8 => {
                    let publication = random.publication(&socket_ids);
                    let infos = publication
                        .channels
                        .iter()
                        .map(|channel| (channel.clone(), reference.attributes(channel, publication.info)));
                    let found = world.server.trigger(&publication, world.now);
                    let mut received = reference.received(&publication, &socket_ids);
                    if !check(found, &reference.mistakes(&publication), infos.collect(), &story) {
                        received.clear();
                    }
                    assert_eq!(by_client(world.sent()), by_client(received), "{story}: {publication:?}");
                }
                9 | 10 => {
                    let len = random.pick(&[0, 1, 2, 3, 10, 11]);
                    let batch: Vec<_> = (0..len).map(|_| random.publication(&socket_ids)).collect();
                    let first = |publication: &Publication| {
                        let first = publication.channels.first();
                        first.map(|channel| reference.attributes(channel, publication.info)).unwrap_or_default()
                    };
                    let found = world.server.trigger_batch(&batch, world.now);
                    let mut received: Vec<_> =
                        batch.iter().flat_map(|publication| reference.received(publication, &socket_ids)).collect();
                    if !check(found, &reference.batch_mistakes(&batch), batch.iter().map(first).collect(), &story) {
                        received.clear();
                    }
                    assert_eq!(by_client(world.sent()), by_client(received), "{story}: {batch:?}");
                }
                11 => {
                    let prefix = random.pick(&["", "presence-", "presence-a", "a", "p", "private-", "x"]);
                    let occupied = reference.channels.keys().filter(|channel| channel.starts_with(prefix));
                    let expected = occupied.map(|channel| (channel_name(channel), reference.attributes(channel, info)));
                    let mistakes = reference.info_mistakes(info, prefix.starts_with("presence-"));
                    check(world.server.channels(prefix, info), &mistakes, expected.collect(), &story);
                }
                12 => {
                    let occupied = reference.channels.contains_key(channel);
                    let expected = ChannelState { occupied, attributes: reference.attributes(channel, info) };
                    let mistakes = reference.info_mistakes(info, channel.starts_with("presence-"));
                    check(world.server.channel(&name, info), &mistakes, expected, &story);
                }
                13 => {
                    let members = reference.channels.get(channel).map(|channel| &channel.members);
                    let expected = members.into_iter().flatten().map(|(user, _)| Text::from(*user)).collect();
                    let mistakes = (!channel.starts_with("presence-")).then_some(ApiError::NotPresence);
                    check(world.server.users(&name), mistakes.as_slice(), expected, &story);
                }
                14 if has_users => {
                    world.sign_in(client, &format!(r#"{{"id":"{user}"}}"#));
                    reference.users.insert(client, user);
                }
                15 if dialect == Dialect::LaravelWebsockets => {
                    check(world.server.terminate_connections(user, world.now), &[ApiError::UnknownCall], 0, &story);
                }
                15 if has_users && socket_ids.len() > 4 => {
                    let of_user = |(client, of): (&u64, &&str)| (*of == user).then_some(*client);
                    let ending: Vec<u64> = reference.users.iter().filter_map(of_user).collect();
                    let found = world.server.terminate_connections(user, world.now);
                    check(found, &[], ending.len(), &story);
                    let closed = world.sent().into_iter().filter(|line| line.contains(" closed "));
                    let expected: Vec<_> = ending.iter().map(|client| format!("{client} closed 4009")).collect();
                    assert_eq!(closed.collect::<Vec<_>>(), expected, "{story}");
                    for client in ending {
                        reference.close(client);
                        socket_ids.remove(&client);
                    }
                }
                _ => {}
            }
            world.sent();
        }
    }
}

const CHANNELS: [&str; 5] = ["a", "b", "private-a", "presence-a", "presence-ab"];
const USERS: [&str; 3] = ["1", "2", "10"];
const CLIENTS: u64 = 6;

/// Largest data of an event, in bytes.
const MAX_LEN: usize = 10_240;
const STORIES: u64 = 400;
const STEPS: usize = 60;
