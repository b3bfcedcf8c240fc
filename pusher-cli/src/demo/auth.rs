//! Authorization on the tour: honest, but for the channels that shall be refused.

use pusher_tokio::pusher_proto::signing::App;
use pusher_tokio::{
    AuthCall, AuthError, AuthResponse, Authorizer, ChannelName, Data, HttpAuth, InvalidName, LocalAuth,
};

/// Answers for one guest.
pub(super) struct TourAuth {
    honest: Honest,
    forger: LocalAuth,
    forbidden: ChannelName,
    forged: ChannelName,
}

enum Honest {
    /// The auth endpoint of the development server.
    Endpoint(HttpAuth),
    /// The secret of a foreign application.
    Secret(LocalAuth),
}

impl TourAuth {
    /// `forbidden` gets no signature, and `forged` gets a wrong one.
    pub(super) fn new(
        app: &App,
        endpoint: Option<&str>,
        user: (&str, &Data),
        [forbidden, forged]: [&ChannelName; 2],
    ) -> Result<Self, InvalidName> {
        let (id, info) = user;
        let forger = App::new(app.id(), app.key().as_str(), "not the secret of this application")?;
        Ok(Self {
            honest: match endpoint {
                Some(url) => Honest::Endpoint(HttpAuth::new(url).param("user_id", id).param("user_info", info.raw())),
                None => Honest::Secret(LocalAuth::new(app.clone()).user(id, info)),
            },
            forger: LocalAuth::new(forger),
            forbidden: forbidden.clone(),
            forged: forged.clone(),
        })
    }
}

impl Authorizer for TourAuth {
    async fn authorize(&self, call: &AuthCall) -> Result<AuthResponse, AuthError> {
        let channel = call.subject.channel();
        if channel == Some(&self.forged) {
            return self.forger.authorize(call).await;
        }
        match &self.honest {
            // The endpoint itself forbids it.
            Honest::Endpoint(endpoint) => endpoint.authorize(call).await,
            Honest::Secret(_) if channel == Some(&self.forbidden) => AuthResponse::from_http(403, b"", None),
            Honest::Secret(secret) => secret.authorize(call).await,
        }
    }
}
