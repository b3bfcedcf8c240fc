//! Members of presence channels in version 2: a grace period after a lost connection, and updates of their information.

use alloc::collections::BTreeMap;
use alloc::string::String;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::broadcast::Broadcast;
use super::timers::Timer;
use super::{ConnectionId, Server};
use crate::{ChannelKind, ChannelName, Instant, Text};

/// The deadlines of users who are still members of a channel, but have lost their last connection to it.
pub(super) type Absences = BTreeMap<(ChannelName, Text), Instant>;

impl Server {
    /// Removes a connection that has broken. Its members may return.
    pub(super) fn lose(&mut self, id: ConnectionId) {
        let is_version_2 = self.connections.get(&id).is_some_and(|connection| connection.version_2.is_some());
        let grace = self.config.options().presence_grace;
        if !is_version_2 || grace.is_zero() {
            return self.forget(id);
        }
        let Some(connection) = self.remove(id) else { return };
        for name in &connection.channels {
            if name.kind() != ChannelKind::Presence || self.absences.len() >= MAX_ABSENCES {
                self.leave(id, name);
            } else if let Some(user) = self.channels.get_mut(name).and_then(|channel| channel.lose(id)) {
                let until = self.now + grace;
                self.timers.arm(until, Timer::Absence(name.clone(), user.clone()));
                self.absences.insert((name.clone(), user), until);
            }
        }
        if let Some(user) = &connection.user {
            self.user_left(id, user);
        }
    }

    /// Ends the absence of a user who subscribes the channel again.
    pub(super) fn end_absence(&mut self, channel: &ChannelName, user: &Text) {
        let key = (channel.clone(), user.clone());
        if let Some(until) = self.absences.remove(&key) {
            self.timers.disarm(until, Timer::Absence(key.0, key.1));
        }
    }

    /// Removes a user who has not returned in time.
    pub(super) fn absence_ended(&mut self, channel: &ChannelName, user: &Text) {
        let key = (channel.clone(), user.clone());
        // After a crash, the deadline may be that of an earlier absence.
        if self.absences.get(&key).is_none_or(|until| *until > self.now) {
            return;
        }
        self.absences.remove(&key);
        let gone = self.channels.get_mut(channel).and_then(|channel| channel.remove_absent(user));
        self.left(channel, gone);
    }

    /// Sends the new information about a member to all subscribers, including the member. As on Sockudo 5.2.0, later
    /// subscribers still get the information from its subscription. Clients of version 1 can neither send nor receive updates.
    pub(super) fn update_presence(&mut self, id: ConnectionId, data: Option<&str>) {
        let Some(connection) = self.connections.get(&id).filter(|connection| connection.version_2.is_some()) else {
            return;
        };
        // Sockudo accepts JSON inside a string, but not an object.
        let update = data.and_then(|data| serde_json::from_str::<String>(data).ok());
        let update = update.as_deref().and_then(|json| serde_json::from_str::<Update<'_>>(json).ok());
        let Some(Update { channel, data }) = update else {
            return self.send_refusal(id, 4000, "presence_update channel is required");
        };
        let info = data.map_or("null", RawValue::get);
        if info.len() > MAX_INFO_LEN {
            let message = alloc::format!("presence_update data exceeds {MAX_INFO_LEN} bytes");
            return self.send_refusal(id, 4000, &message);
        }
        let name = ChannelName::internal(channel).ok().filter(|name| connection.channels.contains(name));
        let channel = name.as_ref().and_then(|name| self.channels.get(name));
        let (Some(name), Some(member)) = (&name, channel.and_then(|channel| channel.member_of(id))) else {
            return self.send_refusal(id, 4000, "presence_update requires active membership");
        };
        let frame = self.config.profile().presence_update(name, &member.id, info);
        self.broadcast(name, &Broadcast::about_members(frame).only_version_2());
    }
}

/// The data of an update.
#[derive(Deserialize)]
struct Update<'a> {
    channel: String,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// Absent users of all channels together. Further ones leave at once.
const MAX_ABSENCES: usize = 10_000;

/// Largest information about a member, in bytes (Sockudo 5.2.0).
const MAX_INFO_LEN: usize = 1_024;
