//! Who authorizes the client: an endpoint, or the secret, if it is known.

use pusher_driver::Credentials;
use pusher_driver::adapter::{HttpAuthExt as _, HttpClient};
use pusher_tokio::pusher_proto::signing::App;
use pusher_tokio::{
    AuthBody, AuthCall, AuthError, AuthRequest, AuthResponse, AuthSubject, Authorizer, BoxedAuthorizer, ChannelName,
    Data, HttpAuth, LocalAuth, NoAuth, Options,
};
use serde::Serialize;
use serde_json::json;

use crate::args::AuthArgs;
use crate::failure::Failure;
use crate::stream::post;

/// Returns what authorizes these channels, and the sign-in if one is wanted.
pub(crate) fn new(
    app: Option<App>,
    args: &AuthArgs,
    channels: &[ChannelName],
    signs_in: bool,
) -> Result<BoxedAuthorizer, Failure> {
    Ok(match source(app, args, channels, signs_in)? {
        Source::Endpoint(endpoint) => Authorizer::boxed(*endpoint),
        Source::Signer(signer) => Authorizer::boxed(*signer),
        Source::None => NoAuth.boxed(),
    })
}

/// What authorizes, for a client of the library or without one.
pub(crate) enum Source {
    Endpoint(Box<HttpAuth>),
    Signer(Box<Signer>),
    None,
}

/// Returns the same as [`new`] for a command that asks on its own.
pub(crate) fn source(
    app: Option<App>,
    args: &AuthArgs,
    channels: &[ChannelName],
    signs_in: bool,
) -> Result<Source, Failure> {
    let private = channels.iter().find(|channel| channel.kind().needs_auth());
    if args.auth_url.is_some() || args.user_auth_url.is_some() {
        if let Some(channel) = private.filter(|_| args.auth_url.is_none()) {
            return Err(Failure::usage(format!("{channel} needs --auth-url")));
        }
        if signs_in && args.user_auth_url.is_none() {
            return Err(Failure::usage("--signin needs --user-auth-url"));
        }
        return Ok(Source::Endpoint(Box::new(endpoint(args)?)));
    }
    if !args.headers()?.is_empty() {
        return Err(Failure::usage("headers are for auth endpoints: use --auth-url or --user-auth-url"));
    }
    match (app, private) {
        (Some(app), _) => Ok(Source::Signer(Box::new(Signer::new(app, args)?))),
        (None, Some(channel)) => Err(Failure::usage(format!("{channel} needs --secret or --auth-url"))),
        (None, None) if signs_in => Err(Failure::usage("--signin needs --secret or --user-auth-url")),
        (None, None) => Ok(Source::None),
    }
}

fn endpoint(args: &AuthArgs) -> Result<HttpAuth, Failure> {
    let (channels, users) = (args.auth_url.as_deref(), args.user_auth_url.as_deref());
    let auth = HttpAuth::new(channels.or(users).unwrap_or_default());
    let auth = match users {
        Some(url) => auth.user_endpoint(url),
        None => auth,
    };
    with_fields(auth, args)
}

/// Adds the headers of the flags, and what they say of the user.
pub(crate) fn with_fields(mut auth: HttpAuth, args: &AuthArgs) -> Result<HttpAuth, Failure> {
    for (name, value) in args.headers()? {
        auth = auth.header(name, value);
    }
    if let Some(id) = &args.user_id {
        auth = auth.param("user_id", id.as_str());
    }
    if let Some(info) = &args.user_info {
        auth = auth.param("user_info", info.raw());
    }
    if !args.watchlist.is_empty() {
        auth = auth.param("watchlist", args.watchlist.join(","));
    }
    Ok(auth)
}

/// Signs for the user that the flags describe.
pub(crate) struct Signer {
    app: App,
    channels: LocalAuth,
    /// What a sign-in says of the user.
    user_data: String,
}

impl Signer {
    fn new(app: App, args: &AuthArgs) -> Result<Self, Failure> {
        let id = args.user_id.as_deref().unwrap_or(DEFAULT_USER_ID);
        let info = args.user_info.clone().unwrap_or(Data::ABSENT);
        let user_data = user_data(id, &info, &args.watchlist)?;
        Ok(Self { channels: LocalAuth::new(app.clone()).user(id, &info), app, user_data })
    }

    fn sign(&self, request: &AuthRequest) -> Result<AuthResponse, AuthError> {
        match &request.subject {
            AuthSubject::Channel(_) | AuthSubject::Token => self.channels.sign(request),
            AuthSubject::User => {
                let signed = self.app.authenticate_user(&request.socket_id, self.user_data.as_str());
                signed.map_err(|error| AuthError::Handler(error.to_string()))
            }
        }
    }
}

impl Authorizer for Signer {
    async fn authorize(&self, call: &AuthCall) -> Result<AuthResponse, AuthError> {
        self.sign(call.request())
    }
}

impl Source {
    /// Answers a request as the client's authorizer does.
    pub(crate) async fn answer(&self, request: &AuthRequest, options: &Options) -> Result<AuthResponse, AuthError> {
        let endpoint = match self {
            Self::Endpoint(endpoint) => endpoint,
            Self::Signer(signer) => return signer.sign(request),
            Self::None => return Err(AuthError::NotConfigured),
        };
        let http = endpoint.request(&[request], AuthBody::Form, Credentials::new())?;
        let response = post(&HttpClient::new(), options, &http).await;
        // There is one answer for each request.
        endpoint.answers(response, &[request]).pop().unwrap_or(Err(AuthError::NotConfigured))
    }
}

/// What a sign-in says of the user (Pusher docs, *Authenticating users*).
pub(crate) fn user_data(id: &str, info: &impl Serialize, watchlist: &[String]) -> Result<String, serde_json::Error> {
    let mut user = json!({ "id": id });
    let info = serde_json::to_value(info)?;
    if !info.is_null() {
        user["user_info"] = info;
    }
    if !watchlist.is_empty() {
        user["watchlist"] = watchlist.into();
    }
    Ok(user.to_string())
}

/// Who the client is when `--user-id` is not given.
const DEFAULT_USER_ID: &str = "pusher-cli";
