//! `pusher verify`

use std::time::{Duration, SystemTime};

use clap::Subcommand;
use pusher_tokio::pusher_proto::signing::{ApiRequest, App, InvalidAuth, MAX_TIMESTAMP_DIFFERENCE};
use pusher_tokio::{ChannelKind, ChannelName, SocketId};
use serde::Deserialize;
use serde_json::json;

use super::{Pasted, app, channel_string, explain, user_string};
use crate::args::{Credentials, channel_name, notes, socket_id};
use crate::failure::Failure;
use crate::input::{Source, stdin};
use crate::output::{self, GOOD};

/// Flags of `pusher verify`.
#[derive(Debug, clap::Args)]
#[command(after_help = NOTES)]
pub(crate) struct VerifyArgs {
    #[command(subcommand)]
    what: What,
    /// Print a JSON object: valid, signed (the string) and, if it is not valid, the reason
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Check what an auth endpoint answered for a channel
    #[command(after_help = NOTES)]
    Channel {
        /// Name of the channel
        #[arg(value_name = "NAME", value_parser = channel_name)]
        channel: ChannelName,
        /// Socket id of the connection
        #[arg(long, value_name = "ID", value_parser = socket_id)]
        socket_id: SocketId,
        /// The auth value, KEY:SIGNATURE; without it, the answer is read from standard input
        #[arg(long, value_name = "TEXT")]
        auth: Option<String>,
        /// The channel_data of the answer, byte for byte
        #[arg(long, value_name = "JSON", requires = "auth")]
        channel_data: Option<String>,
        #[command(flatten)]
        credentials: Credentials,
    },
    /// Check what an auth endpoint answered for a sign-in
    #[command(after_help = NOTES)]
    User {
        /// Socket id of the connection
        #[arg(long, value_name = "ID", value_parser = socket_id)]
        socket_id: SocketId,
        /// The auth value, KEY:SIGNATURE; without it, the answer is read from standard input
        #[arg(long, value_name = "TEXT", requires = "user_data")]
        auth: Option<String>,
        /// The user_data of the answer, byte for byte
        #[arg(long, value_name = "JSON", requires = "auth")]
        user_data: Option<String>,
        #[command(flatten)]
        credentials: Credentials,
    },
    /// Check a webhook by its signature and its body
    #[command(after_help = NOTES)]
    Webhook {
        /// Body of the webhook, byte for byte; @FILE reads a file, - reads standard input
        #[arg(value_name = "BODY")]
        body: String,
        /// Header X-Pusher-Signature
        #[arg(long, value_name = "HEX")]
        signature: String,
        #[command(flatten)]
        credentials: Credentials,
    },
    /// Check a request pasted into standard input: a webhook, or a call to the HTTP API
    #[command(after_help = NOTES)]
    Request {
        #[command(flatten)]
        credentials: Credentials,
    },
}

/// The result of a check.
struct Verdict {
    /// What has to be signed.
    signed: String,
    /// Why the signature is not valid.
    reason: Option<String>,
}

pub(crate) fn verify(args: VerifyArgs) -> Result<(), Failure> {
    let Verdict { signed, reason } = match args.what {
        What::Channel { channel, socket_id, auth, channel_data, credentials } => {
            let answer = Answer::new(auth, channel_data)?;
            channel_auth(&app(&credentials)?, &socket_id, &channel, &answer)
        }
        What::User { socket_id, auth, user_data, credentials } => {
            let answer = Answer::new(auth, user_data)?;
            let data = answer.user_data.as_deref().or(answer.data.as_deref());
            let data = data.ok_or_else(|| Failure::usage("the answer has no user_data"))?;
            let result = app(&credentials)?.verify_user(&socket_id, data, &answer.auth);
            Verdict { signed: user_string(&socket_id, data), reason: result.err().map(|error| with_advice(error, "")) }
        }
        What::Webhook { body, signature, credentials } => {
            let app = app(&credentials)?;
            let key = app.key().as_str().to_owned();
            webhook(&app, &key, &signature, &Source::from(body.as_str()).read()?)
        }
        What::Request { credentials } => request(&app(&credentials)?, &Pasted::read(&stdin()?))?,
    };
    if args.json {
        let mut answer = json!({ "valid": reason.is_none(), "signed": signed });
        if let Some(reason) = &reason {
            answer["reason"] = reason.as_str().into();
        }
        output::json(&answer)?;
    } else {
        explain(&signed);
    }
    match reason {
        Some(reason) => Err(Failure::failed(format!("not valid: {reason}"))),
        None if args.json => Ok(()),
        None => output::line(format_args!("{GOOD}valid{GOOD:#}")),
    }
}

/// What an auth endpoint answered.
#[derive(Deserialize)]
struct Answer {
    auth: String,
    #[serde(rename = "channel_data")]
    data: Option<String>,
    user_data: Option<String>,
}

impl Answer {
    /// Takes the flags, or reads JSON from standard input.
    fn new(auth: Option<String>, data: Option<String>) -> Result<Self, Failure> {
        match auth {
            Some(auth) => Ok(Self { auth, data, user_data: None }),
            None => serde_json::from_str(&stdin()?).map_err(|error| {
                Failure::failed(format!("the answer is not a JSON object with auth, and texts as data: {error}"))
            }),
        }
    }
}

fn channel_auth(app: &App, socket_id: &SocketId, channel: &ChannelName, answer: &Answer) -> Verdict {
    let data = answer.data.as_deref();
    let signed = channel_string(socket_id, channel, data);
    let Err(error) = app.verify_channel(socket_id, channel, data, &answer.auth) else {
        return Verdict { signed, reason: None };
    };
    let is_valid_without_data = app.verify_channel(socket_id, channel, None, &answer.auth).is_ok();
    let advice = match (channel.kind(), data) {
        (ChannelKind::Presence, None) => "; a presence channel is signed with its channel_data",
        (_, Some(_)) if is_valid_without_data => "; it was signed without the channel_data",
        _ => "",
    };
    Verdict { signed, reason: Some(with_advice(error, advice)) }
}

fn with_advice(error: InvalidAuth, advice: &str) -> String {
    match (error, advice) {
        (InvalidAuth::Signature, "") => {
            format!("{error}; it was made with another secret, for another socket id, or for other data")
        }
        (error, advice) => format!("{error}{advice}"),
    }
}

fn webhook(app: &App, key: &str, signature: &str, body: &str) -> Verdict {
    // Copied text often ends with a line break that was not sent.
    let candidates = [body, body.trim_end_matches(['\r', '\n'])];
    let valid = candidates.into_iter().find(|body| app.verify_webhook(key, signature, body.as_bytes()).is_ok());
    let signed = format!("the body, {} bytes, byte for byte", valid.unwrap_or(body).len());
    let reason = app.verify_webhook(key, signature, body.as_bytes()).err().filter(|_| valid.is_none());
    let reason = reason.map(|error| match error {
        InvalidAuth::Signature => format!("{error}; it was made with another secret, or for a body with other bytes"),
        error => error.to_string(),
    });
    Verdict { signed, reason }
}

fn request(app: &App, pasted: &Pasted) -> Result<Verdict, Failure> {
    if let Some(signature) = pasted.header("X-Pusher-Signature") {
        let key = pasted.header("X-Pusher-Key").unwrap_or_default();
        return Ok(webhook(app, key, signature, &pasted.body));
    }
    let mut params: Vec<(String, String)> = form_urlencoded::parse(pasted.query.as_bytes()).into_owned().collect();
    let find = |name: &str| params.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    if find("auth_signature").is_none() {
        return Err(Failure::usage(
            "the request is neither a webhook (with the header X-Pusher-Signature) nor a call to the HTTP API (with its first line)",
        ));
    }
    // Whether it is too old depends on when it arrived.
    let time = find("auth_timestamp").and_then(|time| time.parse().ok()).map(Duration::from_secs);
    params.retain(|(name, _)| name != "auth_signature");
    params.sort_unstable();
    let query: Vec<_> = params.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let signed = format!("{}\n{}\n{}", pasted.method, pasted.path, query.join("&"));
    let check = |body: &str| {
        let call = ApiRequest { method: &pasted.method, path: &pasted.path, body: body.as_bytes() };
        app.verify_request(&call, &pasted.query, time.unwrap_or_default())
    };
    let result =
        check(&pasted.body).or_else(|error| check(pasted.body.trim_end_matches(['\r', '\n'])).map_err(|_| error));
    let now = SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default();
    if let Some(age) = time.map(|time| time.abs_diff(now)).filter(|age| *age > MAX_TIMESTAMP_DIFFERENCE) {
        output::note(&format!(
            "the time of the request is {} s off; servers accept {} s",
            age.as_secs(),
            MAX_TIMESTAMP_DIFFERENCE.as_secs()
        ));
    }
    Ok(Verdict { signed, reason: result.err().map(|error| error.to_string()) })
}

const NOTES: &str = notes!(
    "The string that has to be signed goes to standard error. The exit code is 1 if the signature is not valid.\n\n"
    "Examples:\n  \
     pusher verify channel private-orders --socket-id 123.456 --auth KEY:SIGNATURE --profile local\n  \
     curl -s -d 'socket_id=123.456&channel_name=private-orders' http://localhost/broadcasting/auth \\\n    \
     | pusher verify channel private-orders --socket-id 123.456 --profile local\n  \
     pusher verify webhook @body.json --signature HEX --profile local\n  \
     pusher verify request --profile local < request.txt\n\n"
);
