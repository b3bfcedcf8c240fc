//! The application's server, which says who may do what.

use pusher_proto::signing::App;
use pusher_proto::{AuthError, AuthRequest, AuthResponse, AuthSubject, ChannelKind, SocketId, Text};

/// Signs for one client, and lies or refuses when told to.
#[derive(Clone, Debug)]
pub struct Authority {
    /// With which application's secret it signs.
    pub app: App,
    /// The `channel_data` of presence channels; none if it relies on the sign-in.
    pub channel_data: Option<Text>,
    /// The `user_data` of sign-ins.
    pub user_data: Text,
    /// What it answers instead of signing.
    pub refusal: Option<AuthError>,
    /// Signs for another socket where the name of the channel contains this, so that the server refuses.
    pub forges: Option<Text>,
}

impl Authority {
    /// Signs for the user `id` whose info is `{"name":id}`.
    #[must_use]
    pub fn new(app: App, id: &str) -> Self {
        let channel_data = format!(r#"{{"user_id":"{id}","user_info":{{"name":"{id}"}}}}"#);
        let user_data = format!(r#"{{"id":"{id}","user_info":{{"name":"{id}"}}}}"#);
        Self { app, channel_data: Some(channel_data.into()), user_data: user_data.into(), refusal: None, forges: None }
    }

    /// # Errors
    ///
    /// When it is told to refuse, or the application cannot sign.
    pub(super) fn answer(&self, request: &AuthRequest) -> Result<AuthResponse, AuthError> {
        if let Some(refusal) = &self.refusal {
            return Err(refusal.clone());
        }
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
