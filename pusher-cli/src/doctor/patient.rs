//! What the checks share: the server, the application, and what earlier checks found.

use pusher_server::pusher_proto::server::Dialect;
use pusher_tokio::pusher_proto::signing::App;
use pusher_tokio::pusher_proto::{Action, Client, ConnectRequest, Instant};
use pusher_tokio::{
    AuthResponse, ChannelKind, ChannelName, Config, Data, HttpAuth, InvalidName, Options, SocketId, Text,
};

use super::args::DoctorArgs;
use super::line::{Form, Line};
use crate::args::AuthArgs;
use crate::failure::Failure;
use crate::http_api::HttpApi;
use crate::target::Target;
use crate::{authorizer, connect};

pub(super) struct Patient {
    pub(super) args: DoctorArgs,
    pub(super) target: Target,
    pub(super) options: Options,
    pub(super) config: Config,
    pub(super) request: ConnectRequest,
    /// With an empty secret if none is given.
    pub(super) api: HttpApi,
    /// Only with a secret, unless the server has refused it.
    pub(super) app: Option<App>,
    /// Whether the HTTP API has accepted the secret.
    pub(super) is_secret_proven: bool,
    /// Only with an endpoint, for channels or for users.
    pub(super) endpoint: HttpAuth,
    pub(super) names: Names,
    pub(super) line: Option<Line>,
    pub(super) socket_id: Option<SocketId>,
    pub(super) evidence: Evidence,
    pub(super) server: Option<Dialect>,
    /// What authorizes the channels, and the user.
    pub(super) private: Option<AuthResponse>,
    pub(super) presence: Option<AuthResponse>,
    pub(super) encrypted: Option<AuthResponse>,
    pub(super) user: Option<AuthResponse>,
}

/// The channels to subscribe to.
pub(super) struct Names {
    pub(super) public: ChannelName,
    pub(super) cache: ChannelName,
    pub(super) private: ChannelName,
    pub(super) presence: ChannelName,
    pub(super) encrypted: ChannelName,
}

/// How the server writes what differs between servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Evidence {
    pub(super) pong: Option<Form>,
    pub(super) success: Option<Form>,
    pub(super) cache_miss: Option<Form>,
}

impl Patient {
    pub(super) fn new(args: DoctorArgs) -> Result<Self, Failure> {
        let target = args.place.target()?;
        let options = target.options()?;
        let key = &args.credentials.key;
        let config = connect::config(key, target.endpoint()).build()?;
        let request = request(&config)?;
        // An authorization does not contain the application's id.
        let id = args.app_id.as_deref().unwrap_or_default();
        let app = args.credentials.app_with_secret(id)?;
        let has_secret = app.is_some();
        let app = app.map_or_else(|| App::new(id, key.as_str(), ""), Ok)?;
        let api = HttpApi::new(app, target.clone())?;
        let app = has_secret.then(|| api.app().clone());
        let endpoint = endpoint(&args.auth)?;
        let names = Names::new(&args.channels)?;
        Ok(Self {
            args,
            target,
            options,
            config,
            request,
            api,
            app,
            is_secret_proven: false,
            endpoint,
            names,
            line: None,
            socket_id: None,
            evidence: Evidence::default(),
            server: None,
            private: None,
            presence: None,
            encrypted: None,
            user: None,
        })
    }

    /// The connection and its socket id. Checks that need the greeting are not run without.
    pub(super) fn connected(&mut self) -> Option<(&mut Line, &SocketId)> {
        Some((self.line.as_mut()?, self.socket_id.as_ref()?))
    }

    /// Whether the user has named this channel.
    pub(super) fn is_named(&self, channel: &ChannelName) -> bool {
        self.args.channels.contains(channel)
    }

    /// Signs for a channel with the secret; `None` without one, and for an encrypted channel without a master key.
    pub(super) fn sign(&self, socket_id: &SocketId, channel: &ChannelName) -> Option<AuthResponse> {
        let app = self.app.as_ref()?;
        let signed = if channel.kind() == ChannelKind::Presence {
            let info = self.args.auth.user_info.clone().unwrap_or(Data::ABSENT);
            let info = serde_json::from_str::<serde_json::Value>(info.raw()).unwrap_or_default();
            app.authorize_member(socket_id, channel, self.args.auth.user_id.as_deref().unwrap_or(USER_ID), &info)
        } else {
            app.authorize_channel(socket_id, channel)
        };
        signed.ok()
    }
}

impl Names {
    /// Takes the names that the user gave, and makes unique ones for the rest.
    fn new(named: &[ChannelName]) -> Result<Self, InvalidName> {
        let run = format!("doctor-{:x}-{:x}", jiff::Timestamp::now().as_millisecond(), std::process::id());
        let name = |prefix: &str, is_meant: fn(&ChannelName) -> bool| {
            let named = named.iter().find(|channel| is_meant(channel)).cloned();
            named.map_or_else(|| ChannelName::new(format!("{prefix}{run}")), Ok)
        };
        let is_cache = |channel: &ChannelName| channel.as_str().starts_with("cache-");
        Ok(Self {
            public: name("", |channel| {
                channel.kind() == ChannelKind::Public && !channel.as_str().starts_with("cache-")
            })?,
            cache: name("cache-", is_cache)?,
            private: name("private-", |channel| channel.kind() == ChannelKind::Private)?,
            presence: name("presence-", |channel| channel.kind() == ChannelKind::Presence)?,
            encrypted: name("private-encrypted-", |channel| channel.kind() == ChannelKind::PrivateEncrypted)?,
        })
    }
}

/// The request that the client would open a socket with.
fn request(config: &Config) -> Result<ConnectRequest, Failure> {
    let mut client = Client::new(config.clone(), 0);
    client.connect();
    let mut actions = std::iter::from_fn(|| client.poll_action(Instant::ZERO));
    let request = actions.find_map(|action| match action {
        Action::Connect(_, request) => Some(request),
        _ => None,
    });
    request.ok_or_else(|| Failure::failed("the client does not connect"))
}

fn endpoint(args: &AuthArgs) -> Result<HttpAuth, Failure> {
    let url = |url: &Option<String>| Text::from(url.as_deref().unwrap_or("http://localhost"));
    let endpoint = HttpAuth::new(url(&args.auth_url)).user_endpoint(url(&args.user_auth_url));
    endpoint.validate()?;
    authorizer::with_fields(endpoint, args)
}

/// The user on the presence channel where none is given.
const USER_ID: &str = "pusher-doctor";
