//! `pusher sign`

use clap::Subcommand;
use pusher_tokio::pusher_proto::signing::{App, SigningError};
use pusher_tokio::{AuthResponse, ChannelKind, ChannelName, Data, SocketId};
use serde_json::json;

use super::{Pasted, app, channel_string, explain, user_string};
use crate::args::{Credentials, channel_name, json as json_text, notes, socket_id};
use crate::failure::Failure;
use crate::input::{Source, stdin};
use crate::{authorizer, output};

/// Flags of `pusher sign`.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct SignArgs {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Print the answer of an auth endpoint for a channel
    #[command(after_help = NOTES)]
    Channel {
        /// Name of the channel
        #[arg(value_name = "NAME", value_parser = channel_name)]
        channel: ChannelName,
        /// Socket id of the connection
        #[arg(long, value_name = "ID", value_parser = socket_id)]
        socket_id: SocketId,
        /// What to sign for a member, instead of --user-id and --user-info
        #[arg(long, value_name = "JSON", conflicts_with_all = ["user_id", "user_info"])]
        channel_data: Option<String>,
        #[command(flatten)]
        user: UserArgs,
        #[command(flatten)]
        credentials: Credentials,
    },
    /// Print the answer of an auth endpoint for a sign-in
    #[command(after_help = NOTES)]
    User {
        /// Socket id of the connection
        #[arg(long, value_name = "ID", value_parser = socket_id)]
        socket_id: SocketId,
        /// What to sign, instead of --user-id and --user-info
        #[arg(long, value_name = "JSON", conflicts_with_all = ["user_id", "user_info"])]
        user_data: Option<String>,
        #[command(flatten)]
        user: UserArgs,
        #[command(flatten)]
        credentials: Credentials,
    },
    /// Print the headers of a webhook
    #[command(after_help = NOTES)]
    Webhook {
        /// Body of the webhook, byte for byte; @FILE reads a file, - reads standard input
        #[arg(value_name = "BODY")]
        body: String,
        #[command(flatten)]
        credentials: Credentials,
        /// Print a JSON object with the headers
        #[arg(long)]
        json: bool,
    },
    /// Print the answer to a request to an auth endpoint; paste the whole request, or only its body, into standard input
    #[command(after_help = NOTES)]
    Request {
        #[command(flatten)]
        user: UserArgs,
        #[command(flatten)]
        credentials: Credentials,
    },
}

/// The user whose request is signed.
#[derive(Debug, clap::Args)]
struct UserArgs {
    /// User id, for presence channels and sign-ins
    #[arg(long, value_name = "ID")]
    user_id: Option<String>,
    /// User info, for presence channels and sign-ins
    #[arg(long, value_name = "JSON", value_parser = json_text)]
    user_info: Option<Data>,
}

pub(crate) fn sign(args: SignArgs) -> Result<(), Failure> {
    let response = match args.what {
        What::Channel { channel, socket_id, channel_data, user, credentials } => {
            for_channel(&app(&credentials)?, &socket_id, &channel, channel_data, &user)?
        }
        What::User { socket_id, user_data, user, credentials } => {
            for_user(&app(&credentials)?, &socket_id, user_data, &user)?
        }
        What::Request { user, credentials } => {
            let app = app(&credentials)?;
            let fields = Pasted::read(&stdin()?).fields();
            let missing = "the request names no socket_id: paste a form, a JSON object or a whole request";
            let socket_id = fields.get("socket_id").ok_or_else(|| Failure::usage(missing))?;
            let socket_id = SocketId::new(socket_id.as_str())?;
            match fields.get("channel_name") {
                Some(channel) => for_channel(&app, &socket_id, &ChannelName::new(channel.as_str())?, None, &user)?,
                None => for_user(&app, &socket_id, None, &user)?,
            }
        }
        What::Webhook { body, credentials, json } => return webhook(&app(&credentials)?, &body, json),
    };
    output::line(response.to_json())
}

fn for_channel(
    app: &App,
    socket_id: &SocketId,
    channel: &ChannelName,
    channel_data: Option<String>,
    user: &UserArgs,
) -> Result<AuthResponse, Failure> {
    let response = match (channel_data, &user.user_id) {
        (Some(data), _) => app.authorize_channel_with_data(socket_id, channel, data),
        (None, Some(id)) if channel.kind() == ChannelKind::Presence => {
            let info = user.user_info.clone().unwrap_or(Data::ABSENT);
            app.authorize_member(socket_id, channel, id, &info)
        }
        (None, None) if channel.kind() == ChannelKind::Presence => {
            return Err(Failure::usage(format!("{channel} needs --user-id or --channel-data")));
        }
        (None, _) => app.authorize_channel(socket_id, channel),
    };
    let response = response.map_err(|error| match error {
        SigningError::NoMasterKey => Failure::usage(format!("{channel} needs --master-key")),
        error => Failure::usage(format!("{channel}: {error}")),
    })?;
    explain(&channel_string(socket_id, channel, response.channel_data.as_deref()));
    Ok(response)
}

fn for_user(
    app: &App,
    socket_id: &SocketId,
    user_data: Option<String>,
    user: &UserArgs,
) -> Result<AuthResponse, Failure> {
    let user_data = match (user_data, &user.user_id) {
        (Some(data), _) => data,
        (None, Some(id)) => authorizer::user_data(id, &user.user_info, &[])?,
        (None, None) => return Err(Failure::usage("a sign-in needs --user-id")),
    };
    let response = app.authenticate_user(socket_id, user_data.as_str());
    let response = response.map_err(|error| Failure::usage(error.to_string()))?;
    explain(&user_string(socket_id, &user_data));
    Ok(response)
}

fn webhook(app: &App, body: &str, json: bool) -> Result<(), Failure> {
    let body = Source::from(body).read()?;
    let signature = app.sign_webhook(body.as_bytes()).map_err(|error| Failure::usage(error.to_string()))?;
    explain(&format!("the body, {} bytes, byte for byte", body.len()));
    if json {
        return output::json(&json!({ "X-Pusher-Key": app.key().as_str(), "X-Pusher-Signature": signature }));
    }
    output::line(format_args!("X-Pusher-Key: {}", app.key()))?;
    output::line(format_args!("X-Pusher-Signature: {signature}"))
}

const NOTES: &str = notes!(
    "The answer goes to standard output, and the string that was signed to standard error. The secret comes from \
     --secret-file, PUSHER_SECRET or a profile, and is not printed. The answer for an encrypted channel contains the \
     shared secret of that channel.\n\n"
    "Examples:\n  \
     pusher sign channel private-orders --socket-id 123.456 --profile local\n  \
     pusher sign channel presence-chat --socket-id 123.456 --user-id ann --profile local\n  \
     pusher sign user --socket-id 123.456 --user-id ann --profile local\n  \
     pusher sign webhook @body.json --profile local\n  \
     echo 'socket_id=123.456&channel_name=private-orders' | pusher sign request --profile local\n\n"
);
