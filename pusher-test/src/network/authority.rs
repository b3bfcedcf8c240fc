//! The application's server, which authorizes channels and users.

use std::time::Duration;

use pusher_proto::signing::App;
use pusher_proto::{AuthError, AuthRequest, AuthResponse, AuthSubject, ChannelKind, Instant, SocketId, Text};

use super::busy::Limit;

/// Signs for one client, and forges, refuses or is busy when told to.
#[derive(Clone, Debug)]
pub struct Authority {
    /// The application whose secret it signs with.
    pub app: App,
    /// The `channel_data` of presence channels; none if it relies on the sign-in.
    pub channel_data: Option<Text>,
    /// The `user_data` of sign-ins.
    pub user_data: Text,
    /// The error that it returns instead of signing.
    pub refusal: Option<AuthError>,
    /// Signs for another socket if the name of the channel contains this, so that the server refuses.
    pub forges: Option<Text>,
    /// Whether it does not answer at all.
    pub is_silent: bool,
    /// How many requests it accepts. It answers further ones with 429.
    pub limit: Option<Limit>,
    /// Whether a 429 has a `Retry-After`, in whole seconds.
    pub says_when: bool,
    /// All requests, with their times.
    pub asked: Vec<(Instant, AuthRequest)>,
}

impl Authority {
    /// Signs for the user `id` whose info is `{"name":id}`.
    #[must_use]
    pub fn new(app: App, id: &str) -> Self {
        let channel_data = format!(r#"{{"user_id":"{id}","user_info":{{"name":"{id}"}}}}"#);
        let user_data = format!(r#"{{"id":"{id}","user_info":{{"name":"{id}"}}}}"#);
        Self {
            app,
            channel_data: Some(channel_data.into()),
            user_data: user_data.into(),
            refusal: None,
            forges: None,
            is_silent: false,
            limit: None,
            says_when: true,
            asked: Vec::new(),
        }
    }

    /// Returns nothing if it does not answer.
    pub(crate) fn answer(&mut self, request: &AuthRequest, now: Instant) -> Option<Result<AuthResponse, AuthError>> {
        self.asked.push((now, request.clone()));
        if self.is_silent {
            return None;
        }
        if let Some(refusal) = &self.refusal {
            return Some(Err(refusal.clone()));
        }
        if let Some(Err(wait)) = self.limit.as_mut().map(|limit| limit.take(now)) {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let retry_after = self.says_when.then(|| Duration::from_secs(seconds));
            return Some(Err(AuthError::Http { status: 429, excerpt: String::new(), retry_after }));
        }
        Some(self.sign(request))
    }

    /// # Errors
    ///
    /// If the application cannot sign.
    fn sign(&self, request: &AuthRequest) -> Result<AuthResponse, AuthError> {
        let subject = request.subject.channel().map_or("user", |channel| channel.as_str());
        let is_forged = self.forges.as_deref().is_some_and(|part| subject.contains(part));
        let elsewhere = SocketId::new("1.1").expect("two numbers make a socket id");
        let socket_id = if is_forged { &elsewhere } else { &request.socket_id };
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
}
