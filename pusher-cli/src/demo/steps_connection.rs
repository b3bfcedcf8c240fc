//! The connection: established, lost and regained, closed.

use std::time::Instant;

use pusher_tokio::{ConnectionState, Event, Member, SocketId, with_causes};
use serde_json::json;

use super::step::{Outcome, Step, step};
use super::steps_presence;
use super::tour::{self, Guest, Tour, subscription};
use super::wait::{LIMIT, Miss, next, next_on, published};
use crate::failure::Failure;

pub(super) const ARRIVAL: &[Step] = &[step!("connect", connect)];

pub(super) const LOSS: &[Step] = &[
    step!("lost socket", lose_socket),
    step!("changes meanwhile", change_meanwhile),
    step!("reconnect", reconnect),
    step!("continuity notice", continuity),
    step!("roster difference", roster_difference),
];

pub(super) const GOODBYE: &[Step] = &[step!("goodbye", goodbye)];

async fn connect(tour: &mut Tour) -> Outcome {
    let url = tour.target.ws_url();
    tour.alice.client.connect();
    match connected(&mut tour.alice, &url).await {
        Ok(socket_id) => Ok(format!("socket {socket_id} at {url}")),
        // Without a connection there is nothing to see.
        Err(miss @ (Miss::Failed(_) | Miss::Late { .. })) => {
            Err(Miss::Over(Failure::cannot_connect(format!("cannot connect to {url}: {miss}"))))
        }
        Err(miss) => Err(miss),
    }
}

async fn connected(guest: &mut Guest, url: &str) -> Result<SocketId, Miss> {
    next(&mut guest.events, LIMIT, "greeting from the server", |event| match event {
        Event::StateChanged { current: ConnectionState::Connected { socket_id }, .. } => Some(Ok(socket_id)),
        Event::StateChanged { current: ConnectionState::Failed { reason }, .. } => {
            Some(Err(Miss::Over(Failure::given_up(&reason, url))))
        }
        _ => None,
    })
    .await?
}

async fn lose_socket(tour: &mut Tour) -> Outcome {
    // A member who leaves while alice is away must have been there before. If he does not come, the step about the roster fails.
    let _ = steps_presence::join(tour).await;
    tour.proxy.cut();
    next(&mut tour.alice.events, LIMIT, "sign of the lost socket", |event| match event {
        Event::StateChanged { current: ConnectionState::Waiting { cause, .. }, .. } => {
            Some(with_causes(&cause).to_string())
        }
        _ => None,
    })
    .await
}

async fn change_meanwhile(tour: &mut Tour) -> Outcome {
    // Dropping the last handle of a channel unsubscribes.
    tour.bob.presence = None;
    let mut presence = tour.carol.join(&tour.names.presence).await?;
    while presence.member("bob").is_some() {
        next_on(&mut presence, LIMIT, "pusher:member_removed for bob", |event| {
            matches!(event, Event::MemberRemoved { .. }).then_some(())
        })
        .await?;
    }
    tour.carol.presence = Some(presence);
    Ok("alice offline: bob leaves, carol joins".into())
}

async fn reconnect(tour: &mut Tour) -> Outcome {
    tour.proxy.mend();
    let url = tour.target.ws_url();
    let socket_id = connected(&mut tour.alice, &url).await?;
    Ok(format!("automatically, as socket {socket_id}"))
}

async fn continuity(tour: &mut Tour) -> Outcome {
    let channel = subscription(&mut tour.alice.public)?;
    next_on(channel, LIMIT, "continuity notice", |event| matches!(event, Event::ContinuityLost { .. }).then_some(()))
        .await?;
    let channel = subscription(&mut tour.alice.public)?;
    let mut notices = 1;
    next_on(channel, LIMIT, "second subscription", |event| match event {
        Event::SubscriptionSucceeded { .. } => Some(()),
        Event::ContinuityLost { .. } => {
            notices += 1;
            None
        }
        _ => None,
    })
    .await?;
    let data = json!({ "order": 7, "by": tour.names.public.as_str() }).to_string();
    tour.publish(&tour.names.public, "order.paid", &data).await?;
    let channel = subscription(&mut tour.alice.public)?;
    let arrived = published(channel, LIMIT, "event after the gap", "order.paid").await?;
    if notices != 1 || arrived != data {
        return Err(Miss::failed(format!("{notices} notices, then {arrived}")));
    }
    Ok("reported once; the next event arrived".into())
}

async fn roster_difference(tour: &mut Tour) -> Outcome {
    let channel = subscription(&mut tour.alice.presence)?;
    let presence = next_on(channel, LIMIT, "list of members after the gap", |event| match event {
        Event::SubscriptionSucceeded { presence: Some(presence), .. } if presence.difference.is_some() => {
            Some(presence)
        }
        _ => None,
    })
    .await?;
    let difference = presence.difference.unwrap_or_default();
    let ids = |members: &mut dyn Iterator<Item = Member>| {
        members.map(|member| member.id.as_str().to_owned()).collect::<Vec<_>>().join(", ")
    };
    let (joined, left) = (ids(&mut difference.joined()), ids(&mut difference.left()));
    if (joined.as_str(), left.as_str()) != ("carol", "bob") {
        return Err(Miss::failed(format!("joined: {joined:?}, left: {left:?}")));
    }
    Ok(format!("joined: {joined}, left: {left}"))
}

async fn goodbye(tour: &mut Tour) -> Outcome {
    let started = Instant::now();
    tour.alice.client.shutdown(tour::GOODBYE).await;
    if started.elapsed() >= tour::GOODBYE {
        return Err(Miss::Late { what: "end of the connection", limit: tour::GOODBYE });
    }
    let mut last = None;
    while let Some(event) = tour.alice.events.recv().await {
        if let Event::StateChanged { current, .. } = event {
            last = Some(current);
        }
    }
    match last {
        Some(ConnectionState::Disconnected) => Ok("closed cleanly, and every stream ended".into()),
        state => Err(Miss::failed(format!("the last state is {state:?}"))),
    }
}
