//! Channels that are refused to alice.

use pusher_tokio::{ChannelName, Event, SubscriptionError, with_causes};

use super::step::{Outcome, Step, step};
use super::tour::Tour;
use super::wait::{LIMIT, Miss, next};

pub(super) const STEPS: &[Step] =
    &[step!("refused authorization", refused_authorization), step!("wrong signature", wrong_signature)];

async fn refused_authorization(tour: &mut Tour) -> Outcome {
    match refusal(tour, &tour.names.forbidden).await? {
        SubscriptionError::Auth(error) if error.status() == 403 => Ok(error.cause().to_string()),
        error => Err(Miss::failed(with_causes(&error).to_string())),
    }
}

async fn wrong_signature(tour: &mut Tour) -> Outcome {
    match refusal(tour, &tour.names.forged).await? {
        SubscriptionError::Refused(error) => Ok(error.to_string()),
        // Some servers do not answer at all.
        error @ SubscriptionError::Timeout { .. } if tour.is_lenient => {
            Err(Miss::Unsupported(with_causes(&error).to_string()))
        }
        error => Err(Miss::failed(with_causes(&error).to_string())),
    }
}

async fn refusal(tour: &Tour, channel: &ChannelName) -> Result<SubscriptionError, Miss> {
    let mut channel = tour.alice.subscribe(channel)?;
    next(&mut channel, LIMIT, "refusal", |event| match event {
        Event::SubscriptionError { error, .. } => Some(Ok(error)),
        Event::SubscriptionSucceeded { .. } => Some(Err(Miss::failed("the channel was subscribed anyway"))),
        _ => None,
    })
    .await?
}
