//! Who and what takes part in the tour.

use std::time::Duration;

use pusher_server::Server;
use pusher_server::pusher_proto::server::Dialect;
use pusher_tokio::pusher_proto::signing::{App, Publish};
use pusher_tokio::{
    ChannelName, Client, Data, Endpoint, Events, InvalidName, Options, Secret, Subscription, with_causes,
};

use super::args::DemoArgs;
use super::auth::{MasterKeyCell, TourAuth};
use super::proxy::Proxy;
use super::steps_recovery::RecoveryStage;
use super::wait::{LIMIT, Miss};
use crate::connect;
use crate::failure::Failure;
use crate::http_api::HttpApi;
use crate::target::Target;

/// Everything that steps share.
pub(super) struct Tour {
    pub(super) target: Target,
    /// The development server, if the tour has its own.
    pub(super) server: Option<Server>,
    /// Whether the server may lack features.
    pub(super) is_lenient: bool,
    pub(super) api: HttpApi,
    pub(super) master_key: MasterKeyCell,
    pub(super) proxy: Proxy,
    pub(super) names: Names,
    /// Connects through the proxy.
    pub(super) alice: Guest,
    pub(super) bob: Guest,
    pub(super) carol: Guest,
    /// What the steps about recovery have started.
    pub(super) recovery: Option<RecoveryStage>,
}

/// One client.
pub(super) struct Guest {
    pub(super) client: Client,
    pub(super) events: Events,
    pub(super) public: Option<Subscription>,
    pub(super) private: Option<Subscription>,
    pub(super) presence: Option<Subscription>,
    pub(super) cache: Option<Subscription>,
    pub(super) encrypted: Option<Subscription>,
}

/// The channels of this tour, with unique names.
pub(super) struct Names {
    pub(super) public: ChannelName,
    pub(super) private: ChannelName,
    pub(super) presence: ChannelName,
    pub(super) cache: ChannelName,
    pub(super) encrypted: ChannelName,
    /// It is not authorized.
    pub(super) forbidden: ChannelName,
    /// Its signature is wrong.
    pub(super) forged: ChannelName,
    /// Its messages are numbered.
    pub(super) numbered: ChannelName,
}

impl Tour {
    pub(super) async fn new(args: &DemoArgs) -> Result<Self, Failure> {
        let (target, app, server) = place(args).await?;
        let is_lenient = server.is_none() || args.dialect != Dialect::Pusher;
        let proxy = Proxy::start(target.clone()).await?;
        let names = Names::new()?;
        let master_key = MasterKeyCell::default();
        let endpoint = server.as_ref().map(|server| format!("{}/pusher/auth", server.http_url()));
        let guest = |id: &str, name: &str, line: Endpoint| {
            let info = Data::from_serialize(&serde_json::json!({ "name": name }))?;
            let auth = TourAuth::new(&app, endpoint.as_deref(), (id, &info), [&names.forbidden, &names.forged])?;
            Guest::new(&app, line, auth.master_key(&master_key), &Options::new().tls(target.tls()))
        };
        let alice = guest("alice", "Alice", target.behind(proxy.port()))?;
        let bob = guest("bob", "Bob", target.endpoint())?;
        let carol = guest("carol", "Carol", target.endpoint())?;
        let api = HttpApi::new(app, target.clone())?;
        Ok(Self { target, server, is_lenient, api, master_key, proxy, names, alice, bob, carol, recovery: None })
    }

    /// Publishes an event on one channel.
    pub(super) async fn publish(&self, channel: &str, event: &str, data: &str) -> Result<(), Miss> {
        self.send(&self.api.app().publish([channel], event, data)).await
    }

    /// Publishes an event.
    pub(super) async fn send(&self, event: &Publish<'_>) -> Result<(), Miss> {
        match self.api.publish(event).await {
            Ok(_) => Ok(()),
            // With the wrong secret, none of the following steps would work.
            Err(failure) if failure.is_refusal() => Err(Miss::Over(failure)),
            Err(failure) => Err(Miss::failed(failure.message())),
        }
    }

    /// How long to wait for a feature that not every server has.
    pub(super) fn optional_limit(&self) -> Duration {
        if self.is_lenient { OPTIONAL_LIMIT } else { LIMIT }
    }

    /// The outcome if such a feature was not seen.
    pub(super) fn optional(&self, miss: Miss) -> Miss {
        match miss {
            Miss::Late { .. } if self.is_lenient => Miss::Unsupported(miss.to_string()),
            miss => miss,
        }
    }

    pub(super) async fn end(self) {
        for guest in [&self.alice, &self.bob, &self.carol] {
            guest.client.shutdown(GOODBYE).await;
        }
        if let Some(stage) = self.recovery {
            stage.end().await;
        }
        if let Some(server) = self.server {
            server.shutdown().await;
        }
    }
}

/// The server of the tour, and the application on it.
async fn place(args: &DemoArgs) -> Result<(Target, App, Option<Server>), Failure> {
    let Some(url) = &args.url else {
        let server = Server::start(pusher_server::Options::default().dialect(args.dialect)).await;
        let server = server.map_err(|error| Failure::failed(format!("cannot start a server: {error}")))?;
        return Ok((Target::from_url(&server.ws_url())?, server.app().clone(), Some(server)));
    };
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    let secret = args.secret.clone().unwrap_or_else(|| Secret::from(""));
    let target = Target::from_url(url)?.trusting(args.ca_file.as_deref())?;
    Ok((target, App::new(text(&args.app_id), text(&args.key), secret)?, None))
}

impl Guest {
    fn new(app: &App, line: Endpoint, auth: TourAuth, options: &Options) -> Result<Self, Failure> {
        let config =
            connect::config(app.key().as_str(), line).subscribe_timeout(ANSWER_TIMEOUT).signin_timeout(ANSWER_TIMEOUT);
        let client = pusher_tokio::connect_with(config.build()?, auth, &options.clone().auto_connect(false))?;
        let events = client.events();
        Ok(Self { client, events, public: None, private: None, presence: None, cache: None, encrypted: None })
    }

    /// Connects, unless that is done, and asks for a channel.
    pub(super) fn subscribe(&self, channel: &ChannelName) -> Result<Subscription, Miss> {
        self.client.connect();
        self.client.subscribe(channel).map_err(|error| Miss::failed(error.to_string()))
    }

    /// Connects, unless that is done, and waits until a channel is subscribed.
    pub(super) async fn join(&self, channel: &ChannelName) -> Result<Subscription, Miss> {
        let channel = self.subscribe(channel)?;
        match tokio::time::timeout(LIMIT, channel.subscribed()).await {
            Ok(Ok(())) => Ok(channel),
            Ok(Err(error)) => Err(Miss::failed(format!("{}: {}", channel.name(), with_causes(&error)))),
            Err(_) => Err(Miss::Late { what: "answer to the subscription", limit: LIMIT }),
        }
    }
}

impl Names {
    fn new() -> Result<Self, InvalidName> {
        let run = format!("{:x}-{:x}", jiff::Timestamp::now().as_millisecond(), std::process::id());
        let name = |prefix: &str| ChannelName::new(format!("{prefix}tour-{run}"));
        Ok(Self {
            public: name("")?,
            private: name("private-")?,
            presence: name("presence-")?,
            cache: name("cache-")?,
            encrypted: name("private-encrypted-")?,
            forbidden: name("private-forbidden-")?,
            forged: name("private-forged-")?,
            numbered: name("numbered-")?,
        })
    }
}

/// A channel that an earlier step has subscribed.
pub(super) fn subscription(channel: &mut Option<Subscription>) -> Result<&mut Subscription, Miss> {
    channel.as_mut().ok_or_else(|| Miss::failed("no earlier step subscribed the channel"))
}

/// Long enough for any server that has the feature.
const OPTIONAL_LIMIT: Duration = Duration::from_secs(2);

/// How long a server may leave a subscription or a sign-in unanswered; less than a step waits, so that the client reports it
/// itself.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(8);

/// How long a goodbye may take.
pub(super) const GOODBYE: Duration = Duration::from_secs(3);
