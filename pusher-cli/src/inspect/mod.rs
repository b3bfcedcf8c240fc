//! `pusher channels`, `channel`, `users` and `terminate`: what the HTTP API knows.

mod view;

use std::time::Duration;

use pusher_tokio::ChannelName;
use pusher_tokio::pusher_proto::signing::Attributes;
use serde_json::json;

use self::view::{View, show, table};
use crate::args::{ApiArgs, channel_name, notes, seconds};
use crate::failure::Failure;
use crate::output;

/// Flags of `pusher channels`.
#[derive(Debug, clap::Args)]
#[command(after_help = CHANNELS_NOTES)]
pub(crate) struct ChannelsArgs {
    /// List only channels whose names begin with this
    #[arg(long, value_name = "TEXT", default_value = "", hide_default_value = true)]
    prefix: String,
    #[command(flatten)]
    api: ApiArgs,
    #[command(flatten)]
    view: ViewArgs,
}

/// Flags of `pusher channel`.
#[derive(Debug, clap::Args)]
#[command(after_help = CHANNEL_NOTES)]
pub(crate) struct ChannelArgs {
    /// Name of the channel
    #[arg(value_name = "NAME", value_parser = channel_name)]
    channel: ChannelName,
    #[command(flatten)]
    api: ApiArgs,
    #[command(flatten)]
    view: ViewArgs,
}

/// Flags of `pusher users`.
#[derive(Debug, clap::Args)]
#[command(after_help = USERS_NOTES)]
pub(crate) struct UsersArgs {
    /// Name of the presence channel
    #[arg(value_name = "NAME", value_parser = channel_name)]
    channel: ChannelName,
    #[command(flatten)]
    api: ApiArgs,
    #[command(flatten)]
    view: ViewArgs,
}

/// Flags of `pusher terminate`.
#[derive(Debug, clap::Args)]
#[command(after_help = TERMINATE_NOTES)]
pub(crate) struct TerminateArgs {
    /// Id of the user
    #[arg(value_name = "USER")]
    user: String,
    #[command(flatten)]
    api: ApiArgs,
    /// Print a JSON object: terminated (the user)
    #[arg(long)]
    json: bool,
}

/// How the answer is printed.
#[derive(Debug, clap::Args)]
pub(crate) struct ViewArgs {
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// Repeat the request at this interval, and print what changed: in place in a terminal, otherwise one document per change
    #[arg(long, value_name = "SECONDS", num_args = 0..=1, default_missing_value = "2", value_parser = seconds)]
    watch: Option<Duration>,
}

pub(crate) async fn channels(args: ChannelsArgs) -> Result<(), Failure> {
    let api = args.api.api()?;
    show(&args.view, async || {
        let channels = api.channels(&args.prefix).await?.channels;
        let rows = channels.iter().map(|(name, attributes)| {
            let Attributes { subscription_count, user_count } = attributes;
            vec![name.clone(), number(*subscription_count), number(*user_count)]
        });
        let human = match channels.is_empty() {
            true => "no channel has subscribers".to_owned(),
            false => table(&["CHANNEL", "SUBSCRIBERS", "USERS"], rows.collect()),
        };
        Ok(View { human, json: json!({ "channels": channels }) })
    })
    .await
}

pub(crate) async fn channel(args: ChannelArgs) -> Result<(), Failure> {
    let api = args.api.api()?;
    let name = &args.channel;
    show(&args.view, async || {
        let state = api.channel(name).await?;
        let Attributes { subscription_count, user_count } = state.attributes;
        let occupied = if state.occupied { "yes" } else { "no" };
        let row = vec![name.to_string(), occupied.into(), number(subscription_count), number(user_count)];
        let human = table(&["CHANNEL", "OCCUPIED", "SUBSCRIBERS", "USERS"], vec![row]);
        Ok(View { human, json: serde_json::to_value(state)? })
    })
    .await
}

pub(crate) async fn users(args: UsersArgs) -> Result<(), Failure> {
    let api = args.api.api()?;
    show(&args.view, async || {
        let ids = api.users(&args.channel).await?.ids;
        let users: Vec<_> = ids.iter().map(|id| json!({ "id": id })).collect();
        let human = match ids.is_empty() {
            true => format!("{} has no users", args.channel),
            false => table(&["USER"], ids.into_iter().map(|id| vec![id]).collect()),
        };
        Ok(View { human, json: json!({ "users": users }) })
    })
    .await
}

pub(crate) async fn terminate(args: TerminateArgs) -> Result<(), Failure> {
    args.api.api()?.terminate(&args.user).await?;
    match args.json {
        true => output::json(&json!({ "terminated": args.user })),
        false => {
            output::line(format_args!("ended the connections of {}, if there were any", output::printable(&args.user)))
        }
    }
}

/// Values that the server did not send are left out.
fn number(count: Option<usize>) -> String {
    count.map_or_else(|| "-".to_owned(), |count| count.to_string())
}

const CHANNELS_NOTES: &str = notes!(
    "A number that the server does not report is shown as -. Servers count users only on presence channels, and only if \
     --prefix presence- selects these alone.\n\n"
    "Examples:\n  \
     pusher channels --profile local\n  \
     pusher channels --profile local --prefix presence- --watch\n  \
     pusher channels --profile local --watch 10 --json\n\n"
);

const CHANNEL_NOTES: &str = notes!("Example:\n  pusher channel presence-chat --profile local\n\n");

const USERS_NOTES: &str = notes!("Example:\n  pusher users presence-chat --profile local --watch\n\n");

const TERMINATE_NOTES: &str = notes!(
    "The connections on which the user is signed in are closed; the clients do not reconnect. Laravel Reverb and \
     laravel-websockets have no such users.\n\n"
    "Example:\n  pusher terminate ann --profile local\n\n"
);
