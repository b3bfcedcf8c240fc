//! The application's server, which authorizes channels and users.

use std::time::Duration;

use pusher_proto::signing::{App, MasterKey};
use pusher_proto::{AuthError, AuthRequest, AuthResponse, AuthSubject, ChannelKind, Instant, SocketId, Text};
use serde_json::json;

use super::busy::Limit;
use super::record::Record;

/// The application's auth server, as one client sees it: signs, and forges, refuses, or is slow or busy when told to.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use pusher_test::network::{Authority, Flapping, Limit};
/// use pusher_test::pusher_proto::AuthError;
/// use pusher_test::pusher_proto::signing::{App, MasterKey};
///
/// let mut backend = Authority::new(App::new("1", "app-key", "app-secret")?, "alice");
/// // Slow, and down for ten seconds of every minute:
/// backend.delay = Duration::from_secs(2);
/// backend.flapping = Some(Flapping { works: Duration::from_secs(50), fails: Duration::from_secs(10) });
/// // Throttled: further requests are answered with 429 and `Retry-After`.
/// backend.limit = Some(Limit::new(5, Duration::from_secs(10)));
/// // Down:
/// backend.refusal = Some(AuthError::Http { status: 503, excerpt: String::new(), retry_after: None });
/// // A new key for encrypted channels:
/// backend.rotate_master_key(MasterKey::new([8; MasterKey::LEN]));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Authority {
    /// The application whose secret it signs with.
    pub app: App,
    /// The `channel_data` of presence channels; none if it relies on the sign-in.
    pub channel_data: Option<Text>,
    /// The `user_data` of sign-ins.
    pub user_data: Text,
    /// How long it takes to answer, in addition to the network's latency.
    pub delay: Duration,
    /// The error that it returns instead of signing. In-memory clients ask by HTTP: for them, `Timeout` is silence, `Http` is
    /// this status, `Network` is an unreachable backend, and every other error is the status 500.
    pub refusal: Option<AuthError>,
    /// Whether it fails again and again.
    pub flapping: Option<Flapping>,
    /// Signs for another socket if the name of the channel contains this, so that the server refuses. For the user, the
    /// name is `user`.
    pub forges: Option<Text>,
    /// Signs for the socket of an earlier request instead of the current one, if there was one, like a backend with a
    /// cache.
    pub signs_for_earlier_socket: bool,
    /// Whether it does not answer at all.
    pub is_silent: bool,
    /// How many requests it accepts. It answers further ones with 429.
    pub limit: Option<Limit>,
    /// Whether a 429 has a `Retry-After`, in whole seconds.
    pub says_when: bool,
    asked: Record<(Instant, AuthRequest)>,
    /// The socket of the latest request.
    socket: Option<SocketId>,
    /// The latest socket before it.
    earlier_socket: Option<SocketId>,
}

/// A backend that fails again and again: it works, answers 503, works, and so on, beginning at the start of the world.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use pusher_test::network::Flapping;
///
/// let flapping = Flapping { works: Duration::from_secs(5), fails: Duration::from_secs(1) };
/// assert!(!flapping.fails_at(Duration::from_secs(4)) && flapping.fails_at(Duration::from_millis(5_500)));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flapping {
    /// How long it works.
    pub works: Duration,
    /// How long it then fails.
    pub fails: Duration,
}

impl Flapping {
    /// Whether it fails at this time after the start.
    #[must_use]
    pub fn fails_at(&self, elapsed: Duration) -> bool {
        let period = self.works.as_nanos() + self.fails.as_nanos();
        elapsed.as_nanos().checked_rem(period).is_some_and(|at| at >= self.works.as_nanos())
    }
}

impl Authority {
    /// Signs for the user `id` whose info is `{"name":id}`.
    #[must_use]
    pub fn new(app: App, id: &str) -> Self {
        let user = |field: &str| json!({ field: id, "user_info": { "name": id } }).to_string();
        Self {
            app,
            channel_data: Some(user("user_id").into()),
            user_data: user("id").into(),
            delay: Duration::ZERO,
            refusal: None,
            flapping: None,
            forges: None,
            signs_for_earlier_socket: false,
            is_silent: false,
            limit: None,
            says_when: true,
            asked: Record::new(),
            socket: None,
            earlier_socket: None,
        }
    }

    /// Returns a backend with the same settings, which was not asked anything.
    #[cfg(feature = "simulation")]
    pub(crate) fn unasked(&self) -> Self {
        let limit = self.limit.as_ref().map(Limit::unused);
        Self { limit, asked: Record::new(), socket: None, earlier_socket: None, ..self.clone() }
    }

    /// Returns a backend with the same settings for another user, which was not asked anything.
    #[cfg(feature = "simulation")]
    pub(crate) fn unasked_for(&self, id: &str) -> Self {
        let Self { channel_data, user_data, .. } = Self::new(self.app.clone(), id);
        let channel_data = channel_data.filter(|_| self.channel_data.is_some());
        Self { channel_data, user_data, ..self.unasked() }
    }

    /// Returns the requests since the last call, with their times; the last 65,536 at most.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use pusher_test::network::Authority;
    /// use pusher_test::pusher_proto::server::ServerConfig;
    /// use pusher_test::pusher_proto::signing::App;
    /// use pusher_test::pusher_proto::{ChannelName, Config};
    /// use pusher_test::world::World;
    ///
    /// let app = App::new("1", "app-key", "app-secret")?;
    /// let mut world = World::new(ServerConfig::new(app.clone()), Duration::from_millis(20), 7);
    /// let alice = world.add(Config::new("app-key", "ws://localhost")?, Authority::new(app, "alice"));
    /// world.client(alice).connect();
    /// world.client(alice).subscribe(ChannelName::new("private-chat")?);
    /// world.run(Duration::from_secs(1));
    ///
    /// let asked = world.authority(alice).asked();
    /// assert_eq!(asked.len(), 1);
    /// assert_eq!(asked[0].1.subject.to_string(), "private-chat");
    /// assert!(world.authority(alice).asked().is_empty());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn asked(&mut self) -> Vec<(Instant, AuthRequest)> {
        self.asked.take().collect()
    }

    /// Derives the keys of encrypted channels from another key from now on. Publish with it too: events that are sealed
    /// with it make clients request the new key.
    pub fn rotate_master_key(&mut self, key: MasterKey) {
        self.app = self.app.clone().encryption_master_key(key);
    }

    /// Returns how long the answer takes, and the answer; nothing if it does not answer.
    pub(super) fn answer(
        &mut self,
        request: &AuthRequest,
        now: Instant,
    ) -> Option<(Duration, Result<AuthResponse, AuthError>)> {
        let admitted = self.admit(std::slice::from_ref(request), now)?;
        Some((self.delay, admitted.and_then(|()| self.sign(request))))
    }

    /// Takes one call with all these requests. Returns nothing if it does not answer.
    pub(crate) fn admit(&mut self, requests: &[AuthRequest], now: Instant) -> Option<Result<(), AuthError>> {
        requests.iter().for_each(|request| self.remember(request, now));
        if self.is_silent {
            return None;
        }
        if let Some(refusal) = &self.refusal {
            return Some(Err(refusal.clone()));
        }
        if self.flapping.is_some_and(|flapping| flapping.fails_at(now.elapsed())) {
            return Some(Err(AuthError::Http { status: 503, excerpt: String::new(), retry_after: None }));
        }
        if let Some(Err(wait)) = self.limit.as_mut().map(|limit| limit.take(now)) {
            let retry_after = self.says_when.then(|| Duration::from_secs(Limit::retry_after(wait)));
            return Some(Err(AuthError::Http { status: 429, excerpt: String::new(), retry_after }));
        }
        Some(Ok(()))
    }

    fn remember(&mut self, request: &AuthRequest, now: Instant) {
        self.asked.push((now, request.clone()));
        if self.socket.as_ref() != Some(&request.socket_id) {
            self.earlier_socket = self.socket.replace(request.socket_id.clone());
        }
    }

    /// Signs a request that was [admitted](Self::admit).
    ///
    /// # Errors
    ///
    /// If the application cannot sign.
    pub(crate) fn sign(&self, request: &AuthRequest) -> Result<AuthResponse, AuthError> {
        let socket_id = &self.signed_socket(request);
        let signed = match &request.subject {
            AuthSubject::Token => return Err(AuthError::NotConfigured),
            AuthSubject::User => self.app.authenticate_user(socket_id, self.user_data.clone()),
            AuthSubject::Channel(channel) => match (channel.kind(), &self.channel_data) {
                (ChannelKind::Presence, Some(data)) => {
                    self.app.authorize_channel_with_data(socket_id, channel, data.clone())
                }
                (ChannelKind::Presence, None)
                | (ChannelKind::Public | ChannelKind::Private | ChannelKind::PrivateEncrypted, _) => {
                    self.app.authorize_channel(socket_id, channel)
                }
            },
        };
        signed.map_err(|error| AuthError::Handler(error.to_string()))
    }

    /// The socket that the signature is for.
    fn signed_socket(&self, request: &AuthRequest) -> SocketId {
        let subject = request.subject.channel().map_or("user", |channel| channel.as_str());
        if self.forges.as_deref().is_some_and(|part| subject.contains(part)) {
            return SocketId::new("1.1").expect("two numbers make a socket id");
        }
        let earlier = self.earlier_socket.as_ref().filter(|_| self.signs_for_earlier_socket);
        earlier.unwrap_or(&request.socket_id).clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backend_with_a_cache_signs_for_the_latest_other_socket() {
        let mut authority = Authority::new(App::new("1", "app-key", "app-secret").unwrap(), "alice");
        authority.signs_for_earlier_socket = true;
        let signed = |socket: &str| {
            let request = AuthRequest::user(SocketId::new(socket).unwrap());
            authority.admit(std::slice::from_ref(&request), Instant::ZERO).unwrap().unwrap();
            authority.signed_socket(&request).to_string()
        };
        let sockets = ["1.1", "1.1", "2.2", "2.2", "3.3", "1.1", "1.1"];
        assert_eq!(sockets.map(signed), ["1.1", "1.1", "1.1", "1.1", "2.2", "3.3", "3.3"]);
    }
}
