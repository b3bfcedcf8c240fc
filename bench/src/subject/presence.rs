//! A long list of members.

use pusher_proto::signing::App;
use pusher_tokio::{Data, LocalAuth};

use super::bare::Bare;
use super::{Presence, config, nanos, options, print, runtime};
use crate::{Result, clock};

pub(super) fn run(kind: Presence, url: &str) -> Result<()> {
    runtime()?.block_on(async {
        let start = match kind {
            Presence::Bare => {
                let mut bare = Bare::connected(url, None).await?;
                let start = clock::cpu()?;
                bare.subscribe(CHANNEL).await?;
                start
            }
            Presence::Tokio => {
                let auth = LocalAuth::new(App::new("1", "key", "secret")?).user("user-1", &Data::ABSENT);
                let client = pusher_tokio::connect_with(config(url)?, auth, &options(url)?)?;
                client.subscribe("chat")?.subscribed().await?;
                let start = clock::cpu()?;
                let lobby = client.subscribe(CHANNEL)?;
                lobby.subscribed().await?;
                start
            }
        };
        print(&[nanos(clock::cpu()?.saturating_sub(start))])
    })
}

const CHANNEL: &str = "presence-lobby";
