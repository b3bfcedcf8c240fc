//! Authorization without a server.

use pusher_proto::signing::App;
use pusher_proto::signing::SigningError;
use pusher_proto::{AuthError, AuthRequest, AuthResponse, AuthSubject, ChannelKind, ChannelName, Data, SocketId, Text};

/// Signs with the application's secret instead of calling a server: for programs that belong to the application, such
/// as workers, and for tests. Do not use it in programs that you give to users, because they could read the secret.
///
/// # Examples
///
/// ```
/// use pusher_driver::LocalAuth;
/// use pusher_proto::Data;
/// use pusher_proto::signing::App;
///
/// let app = App::new("app-id", "app-key", "app-secret")?;
/// let auth = LocalAuth::new(app).user("worker-7", &Data::ABSENT);
/// # Ok::<(), pusher_proto::InvalidName>(())
/// ```
#[derive(Clone, Debug)]
#[must_use]
pub struct LocalAuth {
    app: App,
    user: Option<User>,
}

#[derive(Clone, Debug)]
struct User {
    id: Text,
    info: Data,
    user_data: Text,
}

impl LocalAuth {
    /// Returns an authorizer for this application. Presence channels and sign-in also need a [`user`](Self::user).
    pub const fn new(app: App) -> Self {
        Self { app, user: None }
    }

    /// Sets who this client is on presence channels and when it signs in.
    pub fn user(mut self, id: &str, info: &Data) -> Self {
        let json = Data::string(id);
        let member = if info.is_absent() { String::new() } else { format!(r#","user_info":{}"#, info.raw()) };
        let user_data = format!(r#"{{"id":{}{member}}}"#, json.raw());
        self.user = Some(User { id: id.into(), info: info.clone(), user_data: user_data.into() });
        self
    }

    /// Answers a request.
    ///
    /// # Errors
    ///
    /// If the request needs a user and there is none, if it is for an encrypted channel and there is no master key, or
    /// if [`App::authorize_channel`] does not sign the name.
    pub fn sign(&self, request: &AuthRequest) -> Result<AuthResponse, AuthError> {
        let signed = match (&request.subject, &self.user) {
            (AuthSubject::Channel(channel), user) => self.sign_channel(&request.socket_id, channel, user.as_ref()),
            (AuthSubject::User, Some(user)) => self.app.authenticate_user(&request.socket_id, user.user_data.clone()),
            (AuthSubject::User, None) | (AuthSubject::Token, _) => return Err(AuthError::NotConfigured),
        };
        signed.map_err(|error| AuthError::Handler(error.to_string()))
    }

    fn sign_channel(
        &self,
        socket_id: &SocketId,
        channel: &ChannelName,
        user: Option<&User>,
    ) -> Result<AuthResponse, SigningError> {
        match (channel.kind(), user) {
            (ChannelKind::Presence, Some(user)) => self.app.authorize_member(socket_id, channel, &user.id, &user.info),
            (ChannelKind::Presence, None)
            | (ChannelKind::Public | ChannelKind::Private | ChannelKind::PrivateEncrypted, _) => {
                self.app.authorize_channel(socket_id, channel)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_nothing_that_is_valid_for_another_channel() {
        let auth = LocalAuth::new(App::new("1", "key", "secret").unwrap()).user("ann", &Data::ABSENT);
        let sign = |channel: &str| {
            let (socket_id, channel) = (SocketId::new("1.2").unwrap(), ChannelName::new(channel).unwrap());
            auth.sign_channel(&socket_id, &channel, auth.user.as_ref()).map(drop)
        };
        for channel in ["private-admin:x", r#"presence-a:{"user_id":"root"}"#, "public"] {
            assert_eq!(sign(channel), Err(SigningError::ChannelName), "{channel}");
        }
        assert_eq!((sign("private-admin"), sign("presence-a")), (Ok(()), Ok(())));
    }

    #[test]
    fn a_member_always_has_an_info() {
        let (socket_id, channel) = (SocketId::new("1.2").unwrap(), ChannelName::new("presence-a").unwrap());
        for (info, expected) in [(Data::ABSENT, "null"), (Data::from_json("[1]").unwrap(), "[1]")] {
            let auth = LocalAuth::new(App::new("1", "key", "secret").unwrap()).user("ann", &info);
            let response = auth.sign_channel(&socket_id, &channel, auth.user.as_ref()).unwrap();
            let expected = format!(r#"{{"user_id":"ann","user_info":{expected}}}"#);
            assert_eq!(response.channel_data.as_deref(), Some(expected.as_str()));
        }
    }
}
