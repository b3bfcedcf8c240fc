//! Flags that several commands have.

use std::convert::Infallible;
use std::env::VarError;
use std::path::PathBuf;
use std::time::Duration;

use clap::ArgGroup;
use pusher_tokio::pusher_proto::signing::{App, InvalidMasterKey, MasterKey};
use pusher_tokio::{ChannelName, Data, InvalidName, InvalidProxy, Proxy, Secret, SocketId, Text};

use crate::failure::Failure;
use crate::http_api::HttpApi;
use crate::input;
use crate::profile;
use crate::target::Target;

/// What the help shows below the flags: remarks, examples, and the exit codes.
macro_rules! notes {
    ($($text:literal)*) => {
        concat!($($text,)* "Exit codes: 0 success, 1 failure, 2 usage error, 3 cannot connect, 4 refused by the server.")
    };
}

pub(crate) use notes;

/// What calls to the HTTP API need.
#[derive(Debug, clap::Args)]
pub(crate) struct ApiArgs {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Application id
    #[arg(long, env = "PUSHER_APP_ID", hide_env_values = true)]
    app_id: Option<String>,
    #[command(flatten)]
    pub(crate) credentials: Credentials,
}

impl ApiArgs {
    /// Returns the HTTP API of the application.
    pub(crate) fn api(&self) -> Result<HttpApi, Failure> {
        let target = self.place.target()?;
        let missing =
            || Failure::usage("the HTTP API needs the application id: use --app-id, PUSHER_APP_ID or a profile");
        HttpApi::new(self.credentials.app(self.app_id.as_deref().ok_or_else(missing)?)?, target)
    }

    /// Returns the HTTP API of the application, if there are an id and a secret for it.
    pub(crate) fn optional_api(&self) -> Result<Option<HttpApi>, Failure> {
        let Some(id) = &self.app_id else { return Ok(None) };
        let app = self.credentials.app_with_secret(id)?;
        app.map(|app| HttpApi::new(app, self.place.target()?)).transpose()
    }
}

/// The key of an application, and what it signs and encrypts with.
#[derive(Debug, clap::Args)]
pub(crate) struct Credentials {
    /// Application key
    #[arg(long, env = "PUSHER_KEY", hide_env_values = true)]
    pub(crate) key: String,
    /// Application secret; prefer --secret-file or the environment variable, since other users can see command lines
    #[arg(long, env = "PUSHER_SECRET", hide_env_values = true, value_parser = secret)]
    secret: Option<Secret>,
    /// File that contains the application secret, instead of --secret
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// Encryption master key, 32 bytes in base64, for encrypted channels; prefer --master-key-file or the variable
    #[arg(long, env = "PUSHER_ENCRYPTION_MASTER_KEY", hide_env_values = true, value_name = "BASE64", value_parser = master_key)]
    master_key: Option<MasterKey>,
    /// File that contains the encryption master key, instead of --master-key
    #[arg(long, value_name = "FILE")]
    master_key_file: Option<PathBuf>,
}

impl Credentials {
    /// Returns the application with its secret.
    pub(crate) fn app(&self, id: &str) -> Result<App, Failure> {
        let missing =
            || Failure::usage("the application secret is missing: use --secret-file, PUSHER_SECRET or a profile");
        self.app_with_secret(id)?.ok_or_else(missing)
    }

    /// Returns the application, if there is a secret.
    pub(crate) fn app_with_secret(&self, id: &str) -> Result<Option<App>, Failure> {
        let secret = match &self.secret_file {
            Some(path) => Some(Secret::from(input::secret(path)?)),
            None => self.secret.clone(),
        };
        let Some(secret) = secret else { return Ok(None) };
        let app = App::new(id, self.key.as_str(), secret)?;
        let master_key = match &self.master_key_file {
            Some(path) => {
                let key = MasterKey::from_base64(&input::secret(path)?);
                Some(key.map_err(|error| Failure::usage(format!("{}: {error}", path.display())))?)
            }
            None => self.master_key.clone(),
        };
        Ok(Some(match master_key {
            Some(key) => app.encryption_master_key(key),
            None => app,
        }))
    }
}

/// Who the client is, and who authorizes it.
#[derive(Debug, clap::Args)]
pub(crate) struct AuthArgs {
    /// Auth endpoint for private and presence channels; without it, --secret signs
    #[arg(long, value_name = "URL")]
    pub(crate) auth_url: Option<String>,
    /// Auth endpoint for sign-ins
    #[arg(long, value_name = "URL")]
    pub(crate) user_auth_url: Option<String>,
    /// Header for the auth endpoints; may be repeated. For secrets, prefer the environment variable, with one header per
    /// line [env: PUSHER_AUTH_HEADER]
    #[arg(long = "auth-header", value_name = "NAME=VALUE", value_parser = header)]
    auth_headers: Vec<(Text, Secret)>,
    /// User id on presence channels and for sign-ins [default when signing: pusher-cli]
    #[arg(long, value_name = "ID")]
    pub(crate) user_id: Option<String>,
    /// User info on presence channels and for sign-ins
    #[arg(long, value_name = "JSON", value_parser = json)]
    pub(crate) user_info: Option<Data>,
    /// After a sign-in, report when these users come online or go offline
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    pub(crate) watchlist: Vec<String>,
}

impl AuthArgs {
    /// The headers for the auth endpoints: those of the environment, and of the flags.
    pub(crate) fn headers(&self) -> Result<Vec<(Text, Secret)>, Failure> {
        let of_env = variable(AUTH_HEADER)?.unwrap_or_default();
        let of_env = of_env.lines().filter(|line| !line.trim().is_empty()).map(header);
        let of_env = of_env.collect::<Result<Vec<_>, _>>();
        let of_env = of_env.map_err(|error| Failure::usage(format!("{AUTH_HEADER}: {error}")))?;
        Ok([of_env, self.auth_headers.clone()].concat())
    }
}

/// Where the server is.
#[derive(Debug, clap::Args)]
#[command(group = ArgGroup::new("server").args(["url", "cluster", "host"]))]
pub(crate) struct Place {
    /// Server, such as ws://127.0.0.1:6001 or wss://example.com/prefix [env: PUSHER_URL]
    #[arg(long)]
    url: Option<String>,
    /// Cluster of hosted Pusher, such as eu
    #[arg(long, value_name = "NAME")]
    cluster: Option<String>,
    /// Host of a server, as an alternative to --url
    #[arg(long)]
    host: Option<String>,
    /// Port of --host [default: 80, or 443 with --tls]
    #[arg(long, requires = "host")]
    port: Option<u16>,
    /// Use TLS with --host
    #[arg(long, requires = "host")]
    tls: bool,
    /// Also trust the certificates in this PEM file, such as that of a private CA
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
    /// Accept every TLS certificate: anyone between you and the server can then read and change what is sent
    #[arg(long, conflicts_with = "ca_file")]
    insecure: bool,
    /// Proxy for connections to the server, such as http://host:3128 or socks5://host:1080; for its password, prefer
    /// HTTPS_PROXY, HTTP_PROXY or ALL_PROXY
    #[arg(long, value_name = "URL", value_parser = proxy)]
    proxy: Option<Proxy>,
}

impl Place {
    pub(crate) const fn is_insecure(&self) -> bool {
        self.insecure
    }

    pub(crate) fn target(&self) -> Result<Target, Failure> {
        let target = match self {
            Self { url: Some(url), .. } => Target::from_url(url),
            Self { cluster: Some(name), .. } => Target::cluster(name),
            Self { host: Some(host), port, tls, .. } => Target::host(host, *port, *tls),
            Self { url: None, cluster: None, host: None, .. } => match (profile::server(), variable("PUSHER_URL")?) {
                (Some(url), _) => Target::from_url(url),
                (None, Some(url)) => Target::from_url(&url),
                (None, None) => {
                    Err(Failure::usage("no server given: use --url, --cluster, --host, PUSHER_URL or a profile"))
                }
            },
        };
        let target = target?.through(self.proxy.clone());
        if self.insecure { target.trusting_all() } else { target.trusting(self.ca_file.as_deref()) }
    }
}

/// Reads an environment variable that clap must not read: clap would treat its value as a flag that conflicts with others
/// or requires them.
fn variable(name: &str) -> Result<Option<String>, Failure> {
    match std::env::var(name) {
        Ok(value) => Ok(Some(value).filter(|value| !value.is_empty())),
        Err(VarError::NotPresent) => Ok(None),
        Err(VarError::NotUnicode(_)) => Err(Failure::usage(format!("{name} is not UTF-8"))),
    }
}

/// Headers for the auth endpoint, one per line.
const AUTH_HEADER: &str = "PUSHER_AUTH_HEADER";

pub(crate) fn secret(text: &str) -> Result<Secret, Infallible> {
    Ok(Secret::from(text))
}

fn proxy(text: &str) -> Result<Proxy, InvalidProxy> {
    text.parse()
}

pub(crate) fn master_key(text: &str) -> Result<MasterKey, InvalidMasterKey> {
    MasterKey::from_base64(text)
}

pub(crate) fn channel_name(text: &str) -> Result<ChannelName, InvalidName> {
    ChannelName::new(text)
}

pub(crate) fn socket_id(text: &str) -> Result<SocketId, InvalidName> {
    SocketId::new(text)
}

pub(crate) fn json(text: &str) -> Result<Data, serde_json::Error> {
    Data::from_json(text)
}

/// Its error does not repeat the text, which may contain a token.
fn header(text: &str) -> Result<(Text, Secret), &'static str> {
    let is_of_name = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let header = text.split_once('=').map(|(name, value)| (name.trim(), value.trim()));
    // In `Authorization: Basic bmFtZQ==`, the first = is part of the value.
    let header = header.filter(|(name, _)| !name.is_empty() && name.bytes().all(is_of_name));
    let (name, value) = header.ok_or("expected NAME=VALUE, such as Authorization=\"Bearer TOKEN\"")?;
    Ok((name.into(), value.into()))
}

pub(crate) fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().ok().and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.filter(|duration| !duration.is_zero()).ok_or("expected a number of seconds greater than 0")
}
