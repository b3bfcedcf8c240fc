//! Public and private channels.

use pusher_tokio::{Data, Event, with_causes};
use serde_json::json;

use super::step::{Outcome, Step, step};
use super::tour::{Tour, subscription};
use super::wait::{LIMIT, Miss, complaint, next_on, published};

pub(super) const STEPS: &[Step] = &[
    step!("public channel", public),
    step!("HTTP API event", publish),
    step!("private channel", private),
    step!("client event", client_event),
    step!("subscription count", subscription_count),
];

async fn public(tour: &mut Tour) -> Outcome {
    let channel = tour.alice.public.insert(tour.alice.join(&tour.names.public).await?);
    Ok(channel.name().to_string())
}

async fn publish(tour: &mut Tour) -> Outcome {
    let data = json!({ "order": 7, "by": tour.names.public.as_str() }).to_string();
    tour.publish(&tour.names.public, "order.created", &data).await?;
    let channel = subscription(&mut tour.alice.public)?;
    let arrived = published(channel, LIMIT, "published event", "order.created").await?;
    if arrived != data {
        return Err(Miss::failed(format!("{arrived} arrived instead of {data}")));
    }
    Ok(format!("order.created {arrived}"))
}

async fn private(tour: &mut Tour) -> Outcome {
    tour.alice.private = Some(tour.alice.join(&tour.names.private).await?);
    let by = if tour.server.is_some() { "the auth endpoint" } else { "a signature with the secret" };
    Ok(format!("authorized by {by}"))
}

async fn client_event(tour: &mut Tour) -> Outcome {
    let data = json!({ "who": "bob", "on": tour.names.private.as_str() }).to_string();
    let name = "client-typing";
    let payload = Data::from_json(data.as_str()).map_err(|error| Miss::failed(error.to_string()))?;
    let channel = tour.bob.private.insert(tour.bob.join(&tour.names.private).await?);
    channel.trigger(name, &payload).map_err(|error| Miss::failed(with_causes(&error).to_string()))?;

    let is_lenient = tour.is_lenient;
    let channel = subscription(&mut tour.alice.private)?;
    let arrived = tokio::select! {
        arrived = published(channel, LIMIT, "client event", name) => arrived?,
        // An application may forbid client events.
        complaint = complaint(&mut tour.bob.events) => {
            return Err(if is_lenient { Miss::Unsupported(complaint) } else { Miss::Failed(complaint) });
        }
    };
    if arrived != data {
        return Err(Miss::failed(format!("{arrived} arrived instead of {data}")));
    }
    Ok(format!("{name} went from bob to alice"))
}

async fn subscription_count(tour: &mut Tour) -> Outcome {
    tour.bob.public = Some(tour.bob.join(&tour.names.public).await?);
    let limit = tour.optional_limit();
    let channel = subscription(&mut tour.alice.public)?;
    let count = next_on(channel, limit, "subscription count", |event| match event {
        Event::SubscriptionCount { count, .. } if count >= 2 => Some(count),
        _ => None,
    })
    .await;
    let count = count.map_err(|miss| tour.optional(miss))?;
    Ok(format!("{count} connections on {}", tour.names.public))
}
