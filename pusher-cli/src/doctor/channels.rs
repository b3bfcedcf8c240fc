//! Subscriptions: one of each kind.

use std::time::Duration;

use pusher_tokio::{AuthResponse, ChannelName, CloseReason};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::finding::Finding;
use super::greeting::{advice, lost};
use super::line::{Complaint, Line, Message};
use super::patient::Patient;

pub(super) async fn public(patient: &mut Patient) -> Finding {
    let channel = patient.names.public.clone();
    let Some((line, _)) = patient.connected() else { return Finding::skipped("not connected") };
    match subscribe(line, &channel, None).await {
        Ok(Joined::Yes(message)) => {
            patient.evidence.success = Some(message.form);
            Finding::ok(format!("subscribed to {channel}"))
        }
        outcome => failure(&channel, outcome, patient),
    }
}

/// Whether a new subscriber gets the last event, or a message that there is none.
pub(super) async fn cache(patient: &mut Patient) -> Finding {
    let channel = patient.names.cache.clone();
    let wait = CACHE_WAIT.min(patient.args.timeout / 2);
    let Some((line, _)) = patient.connected() else { return Finding::skipped("not connected") };
    match subscribe(line, &channel, None).await {
        Ok(Joined::Yes(_)) => {}
        outcome => return failure(&channel, outcome, patient),
    }
    let is_of = |message: &Message| message.channel.as_deref() == Some(channel.as_str());
    let answer = line.wait(|message| is_of(message).then(|| (message.event.clone(), message.form)));
    match timeout(wait, answer).await {
        Ok(Ok((event, form))) if event == "pusher:cache_miss" => {
            patient.evidence.cache_miss = Some(form);
            Finding::ok(format!("subscribed to {channel}: nothing is cached, and the server says so"))
        }
        Ok(Ok(_)) => Finding::ok(format!("subscribed to {channel}: the last event arrived")),
        Ok(Err(reason)) => lost(&reason),
        Err(_) => Finding::ok(format!("subscribed to {channel}; this server does not cache events")),
    }
}

pub(super) async fn private(patient: &mut Patient) -> Finding {
    let (channel, answer) = (patient.names.private.clone(), patient.private.clone());
    join(patient, &channel, answer).await
}

pub(super) async fn presence(patient: &mut Patient) -> Finding {
    let (channel, answer) = (patient.names.presence.clone(), patient.presence.clone());
    join(patient, &channel, answer).await
}

pub(super) async fn encrypted(patient: &mut Patient) -> Finding {
    let (channel, answer) = (patient.names.encrypted.clone(), patient.encrypted.clone());
    let finding = join(patient, &channel, answer).await;
    if patient.is_named(&channel) { finding } else { finding.only_warns() }
}

pub(super) fn late(_patient: &Patient) -> Finding {
    Finding::failed("no answer to the subscription")
        .means("the server ignores it: some servers are silent about what they refuse")
        .fix("check the logs of the server")
}

/// How a subscription ended.
pub(super) enum Joined {
    Yes(Message),
    No(Complaint),
}

/// Subscribes, and waits for the answer.
pub(super) async fn subscribe(
    line: &mut Line,
    channel: &ChannelName,
    answer: Option<&AuthResponse>,
) -> Result<Joined, CloseReason> {
    let mut data = json!({ "channel": channel.as_str() });
    if let Some(answer) = answer {
        data["auth"] = Value::from(answer.auth.expose());
        if let Some(channel_data) = &answer.channel_data {
            data["channel_data"] = Value::from(channel_data.as_str());
        }
    }
    line.send(&json!({ "event": "pusher:subscribe", "data": data })).await?;
    line.wait(|message| {
        let is_other = message.channel.as_deref().is_some_and(|name| name != channel.as_str());
        if is_other {
            return None;
        }
        if let Some(complaint) = message.error() {
            return Some(Joined::No(complaint));
        }
        (message.event == "pusher_internal:subscription_succeeded").then(|| Joined::Yes(message.clone()))
    })
    .await
}

/// Subscribes to a channel that has been authorized.
async fn join(patient: &mut Patient, channel: &ChannelName, answer: Option<AuthResponse>) -> Finding {
    let Some(answer) = answer else { return Finding::skipped("it was not authorized") };
    let Some((line, _)) = patient.connected() else { return Finding::skipped("not connected") };
    match subscribe(line, channel, Some(&answer)).await {
        Ok(Joined::Yes(message)) => {
            let members = message.data["presence"]["count"].as_u64();
            let members = members.map_or_else(String::new, |count| match count {
                1 => ", 1 member".into(),
                count => format!(", {count} members"),
            });
            Finding::ok(format!("subscribed to {channel}{members}"))
        }
        outcome => failure(channel, outcome, patient),
    }
}

fn failure(channel: &ChannelName, outcome: Result<Joined, CloseReason>, patient: &Patient) -> Finding {
    match outcome {
        Ok(Joined::Yes(_)) => Finding::ok(format!("subscribed to {channel}")),
        Ok(Joined::No(complaint)) => {
            let finding = Finding::refused(format!("{channel} is refused: {complaint}"));
            if !channel.kind().needs_auth() {
                return finding.fix("check the rules for names of channels, and the limits of the application");
            }
            let fix = match (&patient.args.auth.auth_url, &patient.app) {
                (Some(_), None) => "give the endpoint the secret of this application; --secret lets doctor check it",
                (Some(_), Some(_)) => "check the limits of the server for members and channels",
                (None, _) => "check --secret",
            };
            finding.means("the server does not accept the signature, or a limit is reached").fix(fix)
        }
        Err(reason) => match &reason {
            CloseReason::Closed(Some(frame)) if advice(frame.code.into()).is_none() => {
                lost(&reason).means(format!("the server closes the connection over {channel}"))
            }
            _ => lost(&reason),
        },
    }
}

/// How long to wait for the cached event after the success.
const CACHE_WAIT: Duration = Duration::from_secs(1);
