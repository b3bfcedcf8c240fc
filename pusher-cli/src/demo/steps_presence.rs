//! Presence channels.

use pusher_tokio::{Event, Member};

use super::step::{Outcome, Step, step};
use super::tour::{Tour, subscription};
use super::wait::{LIMIT, Miss, next_on};

pub(super) const STEPS: &[Step] =
    &[step!("presence channel", presence), step!("member joins", join), step!("member leaves", leave)];

async fn presence(tour: &mut Tour) -> Outcome {
    let channel = tour.alice.presence.insert(tour.alice.join(&tour.names.presence).await?);
    let (me, count) = (channel.me(), channel.member_count());
    match (me, count) {
        (Some(me), Some(1)) if me.id == "alice" => Ok(format!("1 member: {}", describe(&me))),
        (me, count) => Err(Miss::failed(format!("{count:?} members, and alice is {me:?}"))),
    }
}

pub(super) async fn join(tour: &mut Tour) -> Outcome {
    tour.bob.presence = Some(tour.bob.join(&tour.names.presence).await?);
    let channel = subscription(&mut tour.alice.presence)?;
    let member = next_on(channel, LIMIT, "pusher:member_added", |event| match event {
        Event::MemberAdded { member, .. } if member.id == "bob" => Some(member),
        _ => None,
    })
    .await?;
    let count = channel.member_count().unwrap_or_default();
    Ok(format!("{}, now {count} members", describe(&member)))
}

async fn leave(tour: &mut Tour) -> Outcome {
    // Dropping the last handle of a channel unsubscribes.
    if tour.bob.presence.take().is_none() {
        return Err(Miss::failed("bob has not joined"));
    }
    let channel = subscription(&mut tour.alice.presence)?;
    let member = next_on(channel, LIMIT, "pusher:member_removed", |event| match event {
        Event::MemberRemoved { member, .. } if member.id == "bob" => Some(member),
        _ => None,
    })
    .await?;
    Ok(describe(&member))
}

fn describe(member: &Member) -> String {
    format!("{} {}", member.id, member.info.raw())
}
