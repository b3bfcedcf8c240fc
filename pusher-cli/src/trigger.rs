//! `pusher trigger`

use std::io::{self, Read as _};

use pusher_tokio::pusher_proto::signing::App;

use crate::args::{Payload, TriggerArgs};
use crate::failure::Failure;
use crate::http_api::HttpApi;
use crate::output;

pub(crate) async fn run(args: TriggerArgs) -> Result<(), Failure> {
    let target = args.place.target()?;
    let mut app = App::new(args.app_id, args.key, args.secret)?;
    if let Some(key) = args.master_key {
        app = app.encryption_master_key(key);
    }
    let api = HttpApi::new(app, target)?;
    let data = read(args.data.into())?;
    let mut event = api.app().publish(&args.channels, &args.event, &data);
    if let Some(socket_id) = &args.socket_id {
        event = event.exclude(socket_id);
    }
    api.publish(&event).await?;
    output::line("published")
}

fn read(payload: Payload) -> Result<String, Failure> {
    let mut text = match payload {
        Payload::Text(text) => return Ok(text),
        Payload::File(path) => std::fs::read_to_string(&path)
            .map_err(|error| Failure::failed(format!("cannot read {}: {error}", path.display())))?,
        Payload::Stdin => {
            let mut text = String::new();
            let read = io::stdin().read_to_string(&mut text);
            read.map_err(|error| Failure::failed(format!("cannot read standard input: {error}")))?;
            text
        }
    };
    // Editors and `echo` end a text with a line break that nobody means.
    if text.ends_with('\n') {
        text.pop();
    }
    if text.ends_with('\r') {
        text.pop();
    }
    Ok(text)
}
