//! `pusher trigger`

use std::io::{self, Read as _};

use pusher_tokio::pusher_proto::signing::{App, MasterKey};
use pusher_tokio::{ChannelKind, ChannelName};

use crate::args::{Payload, TriggerArgs};
use crate::failure::Failure;
use crate::http_api::{HttpApi, Publication};
use crate::output;

pub(crate) async fn run(args: TriggerArgs) -> Result<(), Failure> {
    let target = args.place.target()?;
    let api = HttpApi::new(App::new(args.app_id, args.key, args.secret)?, target)?;
    let mut data = read(args.data.into())?;
    if let Some(channel) = args.channels.iter().find(|channel| channel.kind() == ChannelKind::PrivateEncrypted) {
        let Some(key) = &args.master_key else {
            return Err(Failure::usage(format!("{channel} needs --master-key")));
        };
        if args.channels.len() > 1 {
            return Err(Failure::usage(format!(
                "{channel} is encrypted with a key of its own and must be the only channel"
            )));
        }
        data = seal(key, channel, &data)?;
    }
    let channels: Vec<_> = args.channels.iter().map(ChannelName::as_str).collect();
    let socket_id = args.socket_id.as_ref();
    let publication = Publication { name: &args.event, channels: &channels, data: &data, socket_id };
    let answer = api.trigger(&publication).await?;
    output::line(output::printable(answer.trim()))
}

/// Encrypts a payload, with bytes that are never drawn again.
pub(crate) fn seal(key: &MasterKey, channel: &ChannelName, data: &str) -> Result<String, Failure> {
    let mut nonce = [0; 24];
    getrandom::fill(&mut nonce).map_err(|error| Failure::failed(format!("cannot draw random bytes: {error}")))?;
    Ok(key.seal(channel, data, nonce).raw().to_owned())
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
