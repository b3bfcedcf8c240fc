//! Authorization on the tour: correct, except for the channels that are to be refused.

use std::sync::{Arc, Mutex, PoisonError};

use pusher_tokio::pusher_proto::signing::{App, MasterKey};
use pusher_tokio::{
    AuthCall, AuthError, AuthResponse, AuthSubject, Authorizer, ChannelKind, ChannelName, Data, HttpAuth, InvalidName,
    LocalAuth,
};
use serde_json::json;

/// Authorizes one guest.
pub(super) struct TourAuth {
    app: App,
    honest: Honest,
    forger: LocalAuth,
    user: String,
    master_key: MasterKeyCell,
    forbidden: ChannelName,
    forged: ChannelName,
}

enum Honest {
    /// The auth endpoint of the development server.
    Endpoint(HttpAuth),
    /// The secret of a foreign application.
    Secret(LocalAuth),
}

/// The master key of encrypted channels, which changes on the tour. Servers do not know it.
#[derive(Clone)]
pub(super) struct MasterKeyCell(Arc<Mutex<MasterKey>>);

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
            app: app.clone(),
            honest: match endpoint {
                Some(url) => Honest::Endpoint(HttpAuth::new(url).param("user_id", id).param("user_info", info.raw())),
                None => Honest::Secret(LocalAuth::new(app.clone()).user(id, info)),
            },
            forger: LocalAuth::new(forger),
            user: id.into(),
            master_key: MasterKeyCell::default(),
            forbidden: forbidden.clone(),
            forged: forged.clone(),
        })
    }

    /// Uses the master key that the tour publishes with.
    pub(super) fn master_key(self, master_key: &MasterKeyCell) -> Self {
        Self { master_key: master_key.clone(), ..self }
    }

    /// Only the application knows who watches whom.
    fn user(&self, call: &AuthCall) -> Result<AuthResponse, AuthError> {
        let watchlist = if self.user == "alice" { vec!["bob"] } else { vec![] };
        let user_data = json!({ "id": self.user, "user_info": {}, "watchlist": watchlist }).to_string();
        let response = self.app.authenticate_user(&call.request().socket_id, user_data);
        response.map_err(|error| AuthError::Handler(error.to_string()))
    }
}

impl Authorizer for TourAuth {
    async fn authorize(&self, call: &AuthCall) -> Result<AuthResponse, AuthError> {
        let channel = match &call.request().subject {
            AuthSubject::User => return self.user(call),
            AuthSubject::Token => return Err(AuthError::NotConfigured),
            AuthSubject::Channel(channel) => channel,
        };
        if *channel == self.forged {
            return self.forger.authorize(call).await;
        }
        if channel.kind() == ChannelKind::PrivateEncrypted {
            return LocalAuth::new(self.app.clone().encryption_master_key(self.master_key.get())).authorize(call).await;
        }
        match &self.honest {
            // The endpoint itself forbids it.
            Honest::Endpoint(endpoint) => endpoint.authorize(call).await,
            Honest::Secret(_) if *channel == self.forbidden => AuthResponse::from_http(403, b"", None),
            Honest::Secret(secret) => secret.authorize(call).await,
        }
    }
}

impl MasterKeyCell {
    pub(super) fn get(&self) -> MasterKey {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn rotate(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = MasterKey::new([2; MasterKey::LEN]);
    }
}

impl Default for MasterKeyCell {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(MasterKey::new([1; MasterKey::LEN]))))
    }
}
