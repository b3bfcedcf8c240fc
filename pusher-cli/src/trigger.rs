//! `pusher trigger`

mod args;
mod as_client;
mod batch;

use serde_json::json;

pub(crate) use self::args::TriggerArgs;
use crate::failure::Failure;
use crate::input::{Source, without_line_break};
use crate::output;

pub(crate) async fn run(args: TriggerArgs) -> Result<(), Failure> {
    let published = match &args.batch {
        Some(path) => batch::publish(&args.api.api()?, path).await?,
        None => one(&args).await?,
    };
    if args.json {
        return output::json(&json!({ "published": published }));
    }
    match (&args.batch, args.as_client) {
        (Some(_), _) => output::line(format_args!("published {published} events")),
        (None, true) => output::line("sent; servers do not confirm client events"),
        (None, false) => output::line("published"),
    }
}

/// Sends the event that the flags describe, and returns the number of events sent.
async fn one(args: &TriggerArgs) -> Result<u64, Failure> {
    let (event, data) = (args.event.as_deref().unwrap_or_default(), args.data.as_deref().unwrap_or_default());
    if args.as_client {
        return as_client::send(args, event, &payload(data)?).await;
    }
    let api = args.api.api()?;
    let data = payload(data)?;
    let mut event = match &args.user {
        Some(user) => api.app().send_to_user(user, event, &data),
        None => api.app().publish(&args.channels, event, &data),
    };
    if let Some(socket_id) = &args.socket_id {
        event = event.exclude(socket_id);
    }
    api.publish(&event).await?;
    Ok(1)
}

fn payload(argument: &str) -> Result<String, Failure> {
    let text = match Source::from(argument) {
        Source::Text(text) => return Ok(text),
        source => source.read()?,
    };
    Ok(without_line_break(&text).to_owned())
}
