//! Cache channels, which repeat their last event to late subscribers.

use pusher_tokio::Event;
use serde_json::json;

use super::step::{Outcome, Step, step};
use super::tour::{Tour, subscription};
use super::wait::{LIMIT, Miss, next_on, published};

pub(super) const STEPS: &[Step] = &[step!("cache miss", miss), step!("cached event", replay)];

async fn miss(tour: &mut Tour) -> Outcome {
    tour.alice.cache = Some(tour.alice.join(&tour.names.cache).await?);
    let limit = tour.optional_limit();
    let channel = subscription(&mut tour.alice.cache)?;
    let missed = next_on(channel, limit, "cache miss", |event| matches!(event, Event::CacheMiss { .. }).then_some(()));
    missed.await.map_err(|miss| tour.optional(miss))?;
    Ok("nothing was published before".into())
}

async fn replay(tour: &mut Tour) -> Outcome {
    let data = json!({ "price": 42, "of": tour.names.cache.as_str() }).to_string();
    tour.publish(&tour.names.cache, "price", &data).await?;
    // Once it has arrived anywhere, it is in the cache.
    published(subscription(&mut tour.alice.cache)?, LIMIT, "event on the cache channel", "price").await?;

    tour.bob.cache = Some(tour.bob.join(&tour.names.cache).await?);
    let limit = tour.optional_limit();
    let channel = subscription(&mut tour.bob.cache)?;
    let repeated = published(channel, limit, "cached event", "price").await.map_err(|miss| tour.optional(miss))?;
    if repeated != data {
        return Err(Miss::failed(format!("{repeated} was repeated instead of {data}")));
    }
    Ok("bob subscribed later and received it".into())
}
