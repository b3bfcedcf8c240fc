//! Whether a client event reaches another connection.

use pusher_tokio::{CloseReason, SocketId, with_causes};
use serde_json::json;
use tokio::time::timeout;

use super::channels::{Joined, subscribe};
use super::endpoint::authorize_socket;
use super::finding::Finding;
use super::greeting::lost;
use super::line::{Line, Message};
use super::patient::Patient;

pub(super) async fn client_event(patient: &mut Patient) -> Finding {
    if patient.private.is_none() {
        return Finding::skipped("needs the private channel");
    }
    let channel = patient.names.private.clone();
    let mut other = match second(patient).await {
        Ok(other) => other,
        Err(finding) => return finding,
    };
    let wait = patient.args.timeout / 2;
    let Some((line, _)) = patient.connected() else { return Finding::skipped("not connected") };
    let event = json!({ "event": EVENT, "channel": channel.as_str(), "data": { "from": "pusher doctor" } });
    if let Err(reason) = line.send(&event).await {
        return lost(&reason);
    }
    let arrival = other.wait(|message| (message.event == EVENT).then_some(()));
    let refusal = line.wait(Message::error);
    let outcome = timeout(wait, async {
        tokio::select! {
            arrival = arrival => arrival.map(|()| None),
            refusal = refusal => refusal.map(Some),
        }
    });
    match outcome.await {
        Ok(Ok(None)) => Finding::ok(format!("{EVENT} on {channel} reached a second connection")),
        Ok(Ok(Some(complaint))) => Finding::warning(format!("refused: {complaint}"))
            .means("clients of this application cannot send events to each other")
            .fix("enable client events for the application, if you need them"),
        Ok(Err(reason)) => lost(&reason),
        Err(_) => not_delivered(),
    }
}

pub(super) fn late(_patient: &Patient) -> Finding {
    not_delivered()
}

fn not_delivered() -> Finding {
    Finding::warning("a client event did not reach a second connection")
        .means("client events are not enabled, or the server's nodes do not reach each other")
        .fix("enable client events for the application, if you need them")
}

/// A second connection, subscribed to the private channel.
async fn second(patient: &Patient) -> Result<Line, Finding> {
    let failed = |reason: CloseReason| Finding::failed(format!("no second connection: {}", with_causes(&reason)));
    let line = Line::open(&patient.options, &patient.request, &patient.config).await;
    let mut line = line.map_err(|reason| failed(reason).fix("check the limits of the server for connections"))?;
    let greeted = line.wait(|message| {
        let id = message.data["socket_id"].as_str().and_then(|id| SocketId::new(id).ok());
        Some(id.ok_or_else(|| message.error()))
    });
    let socket_id = match greeted.await {
        Ok(Ok(socket_id)) => socket_id,
        Ok(Err(error)) => {
            let text = error.map_or_else(|| "no greeting".to_owned(), |complaint| complaint.to_string());
            return Err(Finding::failed(format!("no second connection: {text}"))
                .fix("check the limits of the server for connections"));
        }
        Err(reason) => return Err(failed(reason).fix("check the limits of the server for connections")),
    };
    let channel = &patient.names.private;
    let answer = authorize_socket(patient, &socket_id, channel).await?;
    match subscribe(&mut line, channel, Some(&answer)).await {
        Ok(Joined::Yes(_)) => Ok(line),
        Ok(Joined::No(complaint)) => Err(Finding::failed(format!("the second subscription is refused: {complaint}"))
            .fix("check the limits of the server for subscribers")),
        Err(reason) => Err(failed(reason).fix("check the logs of the server")),
    }
}

/// The name of the event.
const EVENT: &str = "client-pusher-doctor";
