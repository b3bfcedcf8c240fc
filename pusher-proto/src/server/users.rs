//! Signing in: users, their connections, and watchlists.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use super::admission;
use super::connection::User;
use super::dialect::{Delivery, Signin, Signins, Terminate, Watchlist};
use super::message::SignIn;
use super::refusal::Refusal;
use super::{ApiError, ConnectionId, Server};
use crate::wire::read::SERVER_TO_USER;
use crate::{ChannelName, CloseFrame, Instant, Text};

/// Who is signed in, and whose watchlists contain them.
#[derive(Debug, Default)]
pub(super) struct Users {
    connections: BTreeMap<Text, BTreeSet<ConnectionId>>,
    watchers: BTreeMap<Text, BTreeSet<ConnectionId>>,
}

impl Users {
    /// Returns whether it is the user's first connection.
    fn add(&mut self, id: ConnectionId, user: &User) -> bool {
        for watched in &user.watchlist {
            self.watchers.entry(watched.clone()).or_default().insert(id);
        }
        let connections = self.connections.entry(user.member.id.clone()).or_default();
        connections.insert(id);
        connections.len() == 1
    }

    /// Returns whether it was the user's last connection.
    fn remove(&mut self, id: ConnectionId, user: &User) -> bool {
        for watched in &user.watchlist {
            remove(&mut self.watchers, watched, id);
        }
        remove(&mut self.connections, &user.member.id, id)
    }

    fn connections(&self, user_id: &str) -> impl Iterator<Item = ConnectionId> {
        self.connections.get(user_id).into_iter().flatten().copied()
    }

    fn watchers(&self, user_id: &str) -> impl Iterator<Item = ConnectionId> {
        self.watchers.get(user_id).into_iter().flatten().copied()
    }

    fn is_online(&self, user_id: &str) -> bool {
        self.connections.contains_key(user_id)
    }
}

/// Returns whether nothing is left under `key`.
fn remove(map: &mut BTreeMap<Text, BTreeSet<ConnectionId>>, key: &Text, id: ConnectionId) -> bool {
    let Some(ids) = map.get_mut(key) else { return false };
    ids.remove(&id);
    let is_empty = ids.is_empty();
    if is_empty {
        map.remove(key);
    }
    is_empty
}

impl Server {
    /// Ends the connections of a user, as the real server does: most servers end those on which the user is signed in,
    /// Reverb those on which the user is a member of a presence channel. Returns how many there were.
    ///
    /// # Errors
    ///
    /// If the server has no such call. On Reverb, also if a connection is subscribed to a channel that is not a
    /// presence channel; some connections may already have been ended then.
    pub fn terminate_connections(&mut self, user_id: &str, now: Instant) -> Result<usize, ApiError> {
        self.advance(now);
        let (ending, ids, result) = match self.config.profile().terminate {
            Terminate::Unknown => return Err(ApiError::UnknownCall),
            Terminate::SignedIn(ending) => (ending, self.users.connections(user_id).collect(), Ok(())),
            Terminate::Members(ending) => {
                let (ids, result) = self.connections_of_member(user_id);
                (ending, ids, result)
            }
        };
        let ids: BTreeSet<ConnectionId> = ids;
        for id in &ids {
            let frame = CloseFrame { code: 4009, reason: Text::from_static("You got disconnected by the app.") };
            self.end(*id, frame, ending);
        }
        result.map(|()| ids.len())
    }

    /// Treats each subscriber as the member that it is on its first channel. A subscriber that is not a member there,
    /// like all those of a public channel, ends the search with an error.
    fn connections_of_member(&self, user_id: &str) -> (BTreeSet<ConnectionId>, Result<(), ApiError>) {
        let (mut seen, mut found) = (BTreeSet::new(), BTreeSet::new());
        for channel in self.channels.values() {
            for id in channel.subscribers().filter(|id| seen.insert(*id)) {
                match channel.member_of(id) {
                    Some(member) if member.id == user_id => drop(found.insert(id)),
                    Some(_) => {}
                    None => return (found, Err(ApiError::Internal)),
                }
            }
        }
        (found, Ok(()))
    }

    /// The connections that receive an event for a user; `None` if the subscribers of the user's channel do.
    pub(super) fn connections_of_user(&self, channel: &ChannelName) -> Option<Vec<ConnectionId>> {
        let user_id = channel.strip_prefix(SERVER_TO_USER)?;
        match &self.config.profile().signin {
            Signins::Unknown => None,
            Signins::Known(signin) => match signin.delivery {
                Delivery::Subscribers => None,
                Delivery::Connections => Some(self.users.connections(user_id).collect()),
            },
        }
    }

    pub(super) fn sign_in(&mut self, id: ConnectionId, request: &SignIn) -> Result<(), Refusal> {
        let Some(connection) = self.connections.get_mut(&id) else { return Ok(()) };
        let Signins::Known(signin) = &self.config.profile().signin else {
            return Err(Refusal::UnknownEvent("pusher:signin".into()));
        };
        if !self.config.options().signin {
            return Err(Refusal::SigninDisabled);
        }
        let mut user = admission::user(&self.config, &connection.socket_id, request, signin.numeric_ids)?;
        let is_too_long = user.watchlist.len() > MAX_WATCHLIST_LEN;
        if is_too_long || signin.watchlist == Watchlist::None {
            user.watchlist.clear();
        }
        self.sign_out(id);
        if self.users.add(id, &user) {
            self.tell_watchers(signin, &user, "online");
        }
        let watched: Vec<Text> = user.watchlist.iter().cloned().collect();
        if let Some(connection) = self.connections.get_mut(&id) {
            connection.user = Some(user);
        }
        let profile = self.config.profile();
        let auth = signin.repeats_auth.then_some(request.auth.as_str());
        let success = profile.signin_success(signin.success, auth, &request.user_data);
        let (online, offline): (BTreeSet<&Text>, BTreeSet<&Text>) =
            watched.iter().partition(|watched| self.users.is_online(watched));
        let changes = [("online", online), ("offline", offline)].into_iter().filter(|(_, users)| !users.is_empty());
        let changes: Vec<_> = changes.collect();
        let frames = match signin.watchlist {
            Watchlist::None => Vec::from([success]),
            Watchlist::Events if changes.is_empty() => Vec::from([success]),
            Watchlist::Events => Vec::from([success, profile.watchlist_events(&changes)]),
            Watchlist::Notices => {
                let notices = changes.iter().map(|(name, users)| profile.watchlist_notice(name, users));
                notices.chain([success]).collect()
            }
        };
        for frame in frames {
            self.send(id, frame);
        }
        if is_too_long && signin.watchlist != Watchlist::None { Err(Refusal::WatchlistTooLong) } else { Ok(()) }
    }

    /// Forgets the user of a connection.
    pub(super) fn sign_out(&mut self, id: ConnectionId) {
        let user = self.connections.get_mut(&id).and_then(|connection| connection.user.take());
        if let Some(user) = user {
            self.user_left(id, &user);
        }
    }

    /// A connection with a user has ended.
    pub(super) fn user_left(&mut self, id: ConnectionId, user: &User) {
        let Signins::Known(signin) = &self.config.profile().signin else { return };
        if self.users.remove(id, user) {
            self.tell_watchers(signin, user, "offline");
        }
    }

    fn tell_watchers(&mut self, signin: &Signin, user: &User, change: &str) {
        let user_id = &user.member.id;
        let profile = self.config.profile();
        let frame = match signin.watchlist {
            Watchlist::Events => profile.watchlist_events(&[(change, [user_id].into())]),
            Watchlist::Notices if user.has_watchlist && change == "online" => {
                profile.watchlist_notice(change, &[user_id].into())
            }
            Watchlist::None | Watchlist::Notices => return,
        };
        let watchers: Vec<ConnectionId> = self.users.watchers(user_id).collect();
        for watcher in watchers {
            self.send(watcher, frame.clone());
        }
    }
}

/// Users that a watchlist may have (Pusher docs, *Watchlist events*).
const MAX_WATCHLIST_LEN: usize = 100;
