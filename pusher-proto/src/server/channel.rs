//! One channel with subscribers, and its members if it is a presence channel.

use alloc::collections::BTreeMap;
use core::time::Duration;

use foldhash::fast::FixedState;
use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::IgnoredAny;

use super::ConnectionId;
use crate::{Instant, Text};

#[derive(Debug)]
pub(super) struct Channel {
    /// Every subscriber, with its user on a presence channel.
    subscribers: BTreeMap<ConnectionId, Option<Text>>,
    /// In the order of joining; empty unless it is a presence channel.
    users: IndexMap<Text, User, FixedState>,
    counting: Counting,
}

/// A user as the `channel_data` of a subscription describes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) id: Text,
    /// The id as it was sent: JSON.
    pub(super) id_json: Text,
    /// JSON, as it was signed.
    pub(super) info: Option<Text>,
    /// The whole signed data.
    pub(super) data: Text,
}

impl Member {
    /// Whether there was an info, even if it was null.
    fn says_info(&self) -> bool {
        #[derive(Deserialize)]
        struct Info {
            #[serde(rename = "user_info")]
            _info: IgnoredAny,
        }

        self.info.is_some() || serde_json::from_str::<Info>(&self.data).is_ok()
    }
}

#[derive(Debug)]
struct User {
    member: Member,
    /// 0 while the user is absent: its connection was lost, and it may return.
    connections: usize,
}

/// Whether the number of subscribers may be sent at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counting {
    Free,
    Paced { until: Instant, changed: bool },
}

/// What to do about the number of subscribers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Count {
    Keep,
    Tell,
    TellAndPace(Instant),
}

impl Channel {
    pub(super) fn new(hasher_seed: u64) -> Self {
        Self {
            subscribers: BTreeMap::new(),
            users: IndexMap::with_hasher(FixedState::with_seed(hasher_seed)),
            counting: Counting::Free,
        }
    }

    /// Adds a subscriber; returns whether it is the first one of its user. It is not if the user was absent and returns.
    pub(super) fn join(&mut self, connection: ConnectionId, member: Option<Member>) -> bool {
        let Some(member) = member else {
            self.subscribers.insert(connection, None);
            return false;
        };
        self.subscribers.insert(connection, Some(member.id.clone()));
        if let Some(absent) = self.users.get_mut(&member.id).filter(|user| user.connections == 0) {
            *absent = User { member, connections: 1 };
            return false;
        }
        let user = self.users.entry(member.id.clone()).or_insert(User { member, connections: 0 });
        user.connections += 1;
        user.connections == 1
    }

    /// Removes a subscriber; returns its user if that was the user's last one.
    pub(super) fn leave(&mut self, connection: ConnectionId) -> Option<Member> {
        let id = self.subscribers.remove(&connection)??;
        let user = self.users.get_mut(&id)?;
        user.connections -= 1;
        if user.connections > 0 {
            return None;
        }
        self.users.shift_remove(&id).map(|user| user.member)
    }

    /// Removes a subscriber but keeps its user, who may return; returns the user if it has no other connection.
    pub(super) fn lose(&mut self, connection: ConnectionId) -> Option<Text> {
        let id = self.subscribers.remove(&connection)??;
        let user = self.users.get_mut(&id)?;
        user.connections -= 1;
        (user.connections == 0).then_some(id)
    }

    /// Removes a user who is absent.
    pub(super) fn remove_absent(&mut self, user: &str) -> Option<Member> {
        self.users.get(user).filter(|user| user.connections == 0)?;
        self.users.shift_remove(user).map(|user| user.member)
    }

    /// The number of subscribers changed.
    pub(super) fn count_changed(&mut self, now: Instant) -> Count {
        let few = self.subscribers.len() <= MAX_UNPACED_SUBSCRIBERS;
        match (self.counting, few) {
            (Counting::Free, true) => Count::Tell,
            (Counting::Free, false) => self.pace(now),
            (Counting::Paced { until, changed: _ }, true) => {
                self.counting = Counting::Paced { until, changed: false };
                Count::Tell
            }
            (Counting::Paced { until, changed: _ }, false) => {
                self.counting = Counting::Paced { until, changed: true };
                Count::Keep
            }
        }
    }

    /// The time between two counts may be over.
    pub(super) fn pace_ended(&mut self, now: Instant) -> Count {
        match self.counting {
            Counting::Free => Count::Keep,
            Counting::Paced { until, changed: _ } if now < until => Count::Keep,
            Counting::Paced { until: _, changed: false } => {
                self.counting = Counting::Free;
                Count::Keep
            }
            Counting::Paced { until: _, changed: true } => self.pace(now),
        }
    }

    /// Whether there are neither subscribers nor users who may return.
    pub(super) fn is_empty(&self) -> bool {
        self.subscribers.is_empty() && self.users.is_empty()
    }

    pub(super) fn has_room_for(&self, member: &Member, max_members: usize) -> bool {
        self.users.len() < max_members || self.users.contains_key(&member.id)
    }

    pub(super) fn subscribers(&self) -> impl ExactSizeIterator<Item = ConnectionId> {
        self.subscribers.keys().copied()
    }

    /// The user of a subscriber, on a presence channel.
    pub(super) fn member_of(&self, connection: ConnectionId) -> Option<&Member> {
        let id = self.subscribers.get(&connection)?.as_ref()?;
        self.users.get(id).map(|user| &user.member)
    }

    /// In the order of joining.
    pub(super) fn members(&self) -> impl ExactSizeIterator<Item = &Member> {
        self.users.values().map(|user| &user.member)
    }

    /// Whether there is a subscriber without a user.
    pub(super) fn has_strangers(&self) -> bool {
        self.subscribers.values().any(Option::is_none)
    }

    /// Whether the member list would contain a member without info. If there is a subscriber without a user, there is
    /// no list.
    pub(super) fn has_member_without_info(&self) -> bool {
        !self.has_strangers() && self.members().any(|member| !member.says_info())
    }

    fn pace(&mut self, now: Instant) -> Count {
        let until = now + COUNT_PACE;
        self.counting = Counting::Paced { until, changed: false };
        Count::TellAndPace(until)
    }
}

/// Number of subscribers above which a channel sends their count less often (Pusher docs, *Subscription count events*).
const MAX_UNPACED_SUBSCRIBERS: usize = 100;

/// The shortest time between two counts of such a channel (as above).
const COUNT_PACE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use alloc::vec::Vec;

    use super::*;

    fn secs(secs: u64) -> Instant {
        Instant::ZERO + Duration::from_secs(secs)
    }

    fn member(id: &str, info: Option<&str>) -> Option<Member> {
        let id = Text::from(id);
        Some(Member { id_json: id.clone(), id, info: info.map(Text::from), data: Text::default() })
    }

    #[test]
    fn a_user_is_there_from_its_first_to_its_last_connection() {
        let mut channel = Channel::new(1);
        let [a, b, c] = [1, 2, 3].map(ConnectionId::new);
        assert!(channel.join(a, member("x", Some("{}"))));
        assert!(!channel.join(b, member("x", Some("[]"))));
        assert!(channel.join(c, member("1\"", None)));
        let infos: Vec<_> = channel.members().map(|member| member.info.as_deref()).collect();
        assert_eq!(infos, [Some("{}"), None]);
        assert_eq!(channel.leave(a), None);
        assert_eq!(channel.leave(a), None);
        assert_eq!(channel.leave(b), member("x", Some("{}")));
        assert_eq!(channel.member_of(c), member("1\"", None).as_ref());
        assert_eq!(channel.members().len(), 1);
    }

    /// Who is there, as a list in the order of joining: the id, the info that is shown, and the connections.
    type Reference = Vec<(&'static str, &'static str, Vec<u64>)>;

    #[test]
    fn members_are_who_joined_with_what_they_joined_with_in_every_order_of_steps() {
        let mut random = fastrand::Rng::with_seed(1);
        for _ in 0..5_000 {
            let (mut channel, mut reference) = (Channel::new(1), Reference::new());
            for _ in 0..20 {
                let (number, user) = (random.u64(1..4), ["x", "y"][random.usize(0..2)]);
                let connection = ConnectionId::new(number);
                let place = reference.iter().position(|(_, _, connections)| connections.contains(&number));
                match (random.usize(0..5), place) {
                    (0 | 1, None) => {
                        let info = ["1", "2", "3"][random.usize(0..3)];
                        let known = reference.iter_mut().find(|(id, ..)| *id == user);
                        let is_new = known.is_none();
                        match known {
                            // Who returns may have another info; a further connection changes nothing.
                            Some((_, shown, connections)) => {
                                if connections.is_empty() {
                                    *shown = info;
                                }
                                connections.push(number);
                            }
                            None => reference.push((user, info, Vec::from([number]))),
                        }
                        assert_eq!(channel.join(connection, member(user, Some(info))), is_new);
                    }
                    (2, Some(place)) => {
                        let (id, info, connections) = &mut reference[place];
                        connections.retain(|other| *other != number);
                        let gone = connections.is_empty().then(|| member(id, Some(info))).flatten();
                        reference.retain(|(other, ..)| gone.as_ref().is_none_or(|gone| gone.id != *other));
                        assert_eq!(channel.leave(connection), gone);
                    }
                    (3, Some(place)) => {
                        let (id, _, connections) = &mut reference[place];
                        connections.retain(|other| *other != number);
                        let absent = connections.is_empty().then(|| Text::from(*id));
                        assert_eq!(channel.lose(connection), absent);
                    }
                    (4, _) => {
                        let place =
                            reference.iter().position(|(id, _, connections)| *id == user && connections.is_empty());
                        let gone =
                            place.map(|place| reference.remove(place)).and_then(|(id, info, _)| member(id, Some(info)));
                        assert_eq!(channel.remove_absent(user), gone);
                    }
                    (2, None) => assert_eq!(channel.leave(connection), None),
                    (3, None) => assert_eq!(channel.lose(connection), None),
                    _ => {}
                }
                let members: Vec<_> = channel.members().cloned().collect();
                let shown: Vec<_> = reference.iter().filter_map(|(id, info, _)| member(id, Some(info))).collect();
                assert_eq!(members, shown);
                for number in 1..4 {
                    let of = reference.iter().find(|(_, _, connections)| connections.contains(&number));
                    let of = of.and_then(|(id, info, _)| member(id, Some(info)));
                    assert_eq!(channel.member_of(ConnectionId::new(number)), of.as_ref());
                }
                assert_eq!(channel.is_empty(), reference.is_empty());
                let count = reference.iter().map(|(_, _, connections)| connections.len()).sum::<usize>();
                assert_eq!(channel.subscribers().len(), count);
            }
        }
    }

    #[test]
    fn a_full_channel_takes_only_users_that_are_there() {
        let mut channel = Channel::new(1);
        channel.join(ConnectionId::new(1), member("x", None));
        assert!(channel.has_room_for(&member("x", None).unwrap(), 1));
        assert!(!channel.has_room_for(&member("y", None).unwrap(), 1));
    }

    #[test]
    fn above_a_hundred_subscribers_the_count_is_sent_every_five_seconds() {
        let mut channel = Channel::new(1);
        for id in 0..100 {
            channel.join(ConnectionId::new(id), None);
            assert_eq!(channel.count_changed(secs(0)), Count::Tell);
        }
        channel.join(ConnectionId::new(100), None);
        assert_eq!(channel.count_changed(secs(1)), Count::TellAndPace(secs(6)));
        channel.join(ConnectionId::new(101), None);
        assert_eq!(channel.count_changed(secs(2)), Count::Keep);
        assert_eq!(channel.pace_ended(secs(3)), Count::Keep);
        assert_eq!(channel.pace_ended(secs(6)), Count::TellAndPace(secs(11)));
        assert_eq!(channel.pace_ended(secs(11)), Count::Keep);
        channel.leave(ConnectionId::new(0));
        assert_eq!(channel.count_changed(secs(12)), Count::TellAndPace(secs(17)));
        channel.leave(ConnectionId::new(1));
        assert_eq!(channel.count_changed(secs(12)), Count::Tell);
    }
}
