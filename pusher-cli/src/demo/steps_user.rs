//! Users who sign in.

use std::time::Duration;

use pusher_tokio::{Event, SigninError, with_causes};
use serde_json::json;

use super::step::{Outcome, Step, step};
use super::tour::{Guest, Tour};
use super::wait::{LIMIT, Miss, next};

pub(super) const STEPS: &[Step] =
    &[step!("sign-in", sign_in), step!("server-to-user event", server_to_user), step!("watchlist notice", watchlist)];

async fn sign_in(tour: &mut Tour) -> Outcome {
    let is_lenient = tour.is_lenient;
    sign_in_as(&mut tour.alice, is_lenient).await
}

async fn server_to_user(tour: &mut Tour) -> Outcome {
    need_user(&tour.alice)?;
    let data = json!({ "for": "alice", "on": tour.names.public.as_str() }).to_string();
    // The server subscribes the user's own channel after the sign-in, but does not say when: earlier events are lost.
    for _ in 0..ATTEMPTS {
        tour.send(&tour.api.app().send_to_user("alice", "note", &data)).await?;
        let arrived = next(&mut tour.alice.events, PAUSE, "event for the user", |event| match event {
            Event::User(event) if event.event() == "note" && event.data().text() == data => Some(()),
            _ => None,
        });
        match arrived.await {
            Err(Miss::Late { .. }) => {}
            arrived => return arrived.map(|()| format!("note {data}")),
        }
    }
    Err(Miss::Late { what: "event for the user", limit: PAUSE * ATTEMPTS })
}

/// Alice watches bob, who signs in now.
async fn watchlist(tour: &mut Tour) -> Outcome {
    need_user(&tour.alice)?;
    let is_lenient = tour.is_lenient;
    sign_in_as(&mut tour.bob, is_lenient).await?;
    let limit = tour.optional_limit();
    let notice = next(&mut tour.alice.events, limit, "watchlist notice", |event| match event {
        Event::Watchlist(event) if event.name == *"online" && event.user_ids.iter().any(|id| id == "bob") => Some(()),
        _ => None,
    });
    notice.await.map_err(|miss| tour.optional(miss))?;
    Ok("alice's watchlist reports bob online".into())
}

async fn sign_in_as(guest: &mut Guest, is_lenient: bool) -> Outcome {
    guest.client.signin();
    let end = next(&mut guest.events, LIMIT, "answer to the sign-in", |event| match event {
        Event::SignedIn { id, .. } => Some(Ok(id)),
        Event::SigninError { error, .. } => Some(Err(error)),
        _ => None,
    });
    match end.await? {
        Ok(id) => Ok(format!("as {id}")),
        Err(error @ (SigninError::Refused(_) | SigninError::Timeout { .. })) if is_lenient => {
            Err(Miss::Unsupported(with_causes(&error).to_string()))
        }
        Err(error) => Err(Miss::failed(with_causes(&error).to_string())),
    }
}

/// How often, and at which intervals, an event is published until it arrives.
const ATTEMPTS: u32 = 10;
const PAUSE: Duration = Duration::from_secs(1);

/// Without a sign-in there is nothing to see.
fn need_user(guest: &Guest) -> Result<(), Miss> {
    match guest.client.user() {
        Some(_) => Ok(()),
        None => Err(Miss::Unsupported("no user is signed in".into())),
    }
}
