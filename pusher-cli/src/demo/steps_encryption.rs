//! Encrypted channels, whose payloads no server can read.

use serde_json::json;

use super::step::{Outcome, Step, step};
use super::tour::{Tour, subscription};
use super::wait::{LIMIT, Miss, published};

pub(super) const STEPS: &[Step] = &[step!("encrypted channel", encrypted), step!("key rotation", rotation)];

async fn encrypted(tour: &mut Tour) -> Outcome {
    tour.alice.encrypted = Some(tour.alice.join(&tour.names.encrypted).await?);
    exchange(tour, "hush").await?;
    Ok("decrypted by alice".into())
}

/// The publisher has a new key, which alice notices only when she cannot decrypt an event.
async fn rotation(tour: &mut Tour) -> Outcome {
    tour.master_key.rotate();
    exchange(tour, "first with the new key").await?;
    exchange(tour, "second with the new key").await?;
    Ok("alice fetched the new key; no event lost".into())
}

async fn exchange(tour: &mut Tour, words: &str) -> Result<(), Miss> {
    let data = json!({ "secret": words }).to_string();
    let app = tour.api.app().clone().encryption_master_key(tour.master_key.get());
    tour.send(&app.publish([&tour.names.encrypted], "secret", &data)).await?;
    let channel = subscription(&mut tour.alice.encrypted)?;
    let arrived = published(channel, LIMIT, "encrypted event", "secret").await?;
    if arrived == data { Ok(()) } else { Err(Miss::failed(format!("{arrived} arrived instead of {data}"))) }
}
