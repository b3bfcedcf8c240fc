//! Who authorizes the client: an endpoint, or the secret, if it is known.

use pusher_tokio::pusher_proto::signing::App;
use pusher_tokio::{
    AuthCall, AuthError, AuthResponse, AuthSubject, Authorizer, BoxedAuthorizer, ChannelName, Data, HttpAuth,
    LocalAuth, NoAuth,
};
use serde::Serialize;
use serde_json::json;

use crate::args::AuthArgs;
use crate::failure::Failure;

/// Returns what authorizes these channels, and the sign-in if one is wanted.
pub(crate) fn new(
    app: Option<App>,
    args: &AuthArgs,
    channels: &[ChannelName],
    signs_in: bool,
) -> Result<BoxedAuthorizer, Failure> {
    let private = channels.iter().find(|channel| channel.kind().needs_auth());
    if args.auth_url.is_some() || args.user_auth_url.is_some() {
        if let Some(channel) = private.filter(|_| args.auth_url.is_none()) {
            return Err(Failure::usage(format!("{channel} needs --auth-url")));
        }
        if signs_in && args.user_auth_url.is_none() {
            return Err(Failure::usage("--signin needs --user-auth-url"));
        }
        return Ok(endpoint(args)?.boxed());
    }
    if !args.headers()?.is_empty() {
        return Err(Failure::usage("headers are for auth endpoints: use --auth-url or --user-auth-url"));
    }
    match (app, private) {
        (Some(app), _) => Ok(Signer::new(app, args)?.boxed()),
        (None, Some(channel)) => Err(Failure::usage(format!("{channel} needs --secret or --auth-url"))),
        (None, None) if signs_in => Err(Failure::usage("--signin needs --secret or --user-auth-url")),
        (None, None) => Ok(NoAuth.boxed()),
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
struct Signer {
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
}

impl Authorizer for Signer {
    async fn authorize(&self, call: &AuthCall) -> Result<AuthResponse, AuthError> {
        match &call.request().subject {
            AuthSubject::Channel(_) => self.channels.authorize(call).await,
            AuthSubject::User => {
                let signed = self.app.authenticate_user(&call.request().socket_id, self.user_data.as_str());
                signed.map_err(|error| AuthError::Handler(error.to_string()))
            }
        }
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
