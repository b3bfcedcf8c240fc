//! The application's server, which authorizes channels and users.

use std::time::Duration;

use pusher_proto::signing::{App, MasterKey};
use pusher_proto::{AuthError, AuthRequest, AuthResponse, AuthSubject, ChannelKind, Instant, SocketId, Text};
use serde_json::json;

use super::busy::Limit;

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
    /// The error that it returns instead of signing.
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
    /// All requests, with their times; the last 65,536 at least.
    pub asked: Vec<(Instant, AuthRequest)>,
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
            asked: Vec::new(),
        }
    }

    /// Returns the same backend for another user, without what it was asked.
    #[cfg(feature = "simulation")]
    pub(crate) fn like(other: &Self, id: &str) -> Self {
        let Self { channel_data, user_data, asked, .. } = Self::new(other.app.clone(), id);
        let channel_data = channel_data.filter(|_| other.channel_data.is_some());
        Self { channel_data, user_data, asked, ..other.clone() }
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
        if self.asked.len() >= 2 * MAX_ASKED {
            self.asked.drain(..MAX_ASKED);
        }
        self.asked.extend(requests.iter().map(|request| (now, request.clone())));
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
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let retry_after = self.says_when.then(|| Duration::from_secs(seconds));
            return Some(Err(AuthError::Http { status: 429, excerpt: String::new(), retry_after }));
        }
        Some(Ok(()))
    }

    /// # Errors
    ///
    /// If the application cannot sign.
    pub(crate) fn sign(&self, request: &AuthRequest) -> Result<AuthResponse, AuthError> {
        let socket_id = &self.signed_socket(request);
        let signed = match &request.subject {
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
        let mut sockets = self.asked.iter().rev().map(|(_, asked)| &asked.socket_id);
        let earlier = sockets.find(|socket_id| self.signs_for_earlier_socket && **socket_id != request.socket_id);
        earlier.unwrap_or(&request.socket_id).clone()
    }
}

/// Requests that are kept.
const MAX_ASKED: usize = 65_536;
