//! What the server says first, and whether it answers a ping.

use pusher_tokio::{CloseReason, SocketId, with_causes};
use serde_json::json;

use super::finding::Finding;
use super::line::{Complaint, Message};
use super::patient::Patient;
use super::upgrade::without_prefix;
use crate::failure::{FIRST_MEANINGFUL_CODE, SILENT_REFUSAL};

pub(super) async fn greeting(patient: &mut Patient) -> Finding {
    let Some(line) = &mut patient.line else { return Finding::skipped("not connected") };
    match line.wait(|message| Some(read(message))).await {
        Ok(Greeting::Established { socket_id, activity_timeout }) => {
            let silence = activity_timeout.map_or_else(String::new, |secs| format!(", activity timeout {secs} s"));
            let seen = format!("protocol 7, socket {socket_id}{silence}");
            patient.socket_id = Some(socket_id);
            Finding::ok(seen)
        }
        Ok(Greeting::Error(complaint)) => explain(patient, &complaint).await,
        Ok(Greeting::Other(event)) => Finding::failed(format!("the first message is {event:?}, not a greeting"))
            .means("the server does not speak the Pusher protocol, or a proxy answers in its place")
            .fix("check the address"),
        Err(CloseReason::Closed(Some(frame))) if frame.code >= FIRST_MEANINGFUL_CODE => {
            let complaint = Complaint { code: Some(frame.code.into()), text: frame.reason.to_string() };
            explain(patient, &complaint).await
        }
        Err(CloseReason::Dropped | CloseReason::Closed(_)) => Finding::refused(SILENT_REFUSAL)
            .fix("check --key, and that the application is enabled and has connections left"),
        Err(reason) => Finding::unreachable(with_causes(&reason).to_string()).fix("check the logs of the server"),
    }
}

pub(super) fn greeting_late(_patient: &Patient) -> Finding {
    Finding::failed("the WebSocket is open, but the server sends no greeting")
        .means("the server does not speak the Pusher protocol, or is stuck")
        .fix("check the address, and the logs of the server")
}

pub(super) async fn ping(patient: &mut Patient) -> Finding {
    let Some((line, _)) = patient.connected() else { return Finding::skipped("not connected") };
    if let Err(reason) = line.send(&json!({ "event": "pusher:ping", "data": {} })).await {
        return lost(&reason);
    }
    match line.wait(|message| (message.event == "pusher:pong").then_some(message.form)).await {
        Ok(form) => {
            patient.evidence.pong = Some(form);
            Finding::ok("pusher:ping answered with pusher:pong")
        }
        Err(reason) => lost(&reason),
    }
}

pub(super) fn ping_late(_patient: &Patient) -> Finding {
    Finding::failed("no answer to pusher:ping")
        .means("clients consider the connection dead after each silence, and reconnect")
        .fix("check the logs of the server")
}

/// The connection has ended.
pub(super) fn lost(reason: &CloseReason) -> Finding {
    let finding = Finding::failed(format!("the connection ended: {}", with_causes(reason)));
    match reason {
        CloseReason::Closed(Some(frame)) => match advice(u64::from(frame.code)) {
            Some((means, fix)) => finding.means(means).fix(fix),
            None => finding.fix("check the logs of the server"),
        },
        _ => finding.fix("check the logs of the server, and time limits of proxies in front of it"),
    }
}

/// What an error code of the protocol means, and what to do (Pusher protocol, *Error codes*).
pub(super) fn advice(code: u64) -> Option<(&'static str, &'static str)> {
    Some(match code {
        4000 => ("the application accepts connections only with TLS", "use wss://"),
        4001 => ("the server has no application with this key", "check --key, and that it is a key of this server"),
        4003 => ("the application is disabled", "enable the application, or check its account"),
        4004 => ("the application has reached its limit of connections", "raise the limit, or close connections"),
        4005 => ("the server has nothing at this path", "check the path of --url"),
        4006..=4008 => ("the server does not know version 7 of the protocol", "update the server"),
        4009 => (
            "the server does not allow this connection: the origin is not allowed, or the user has to sign in first",
            "check the allowed origins of the application, and whether it requires users to sign in",
        ),
        4100 => ("the server is full at the moment", "try again later, or add capacity"),
        4200..=4299 => ("the server is closing connections, for example to restart", "try again in a moment"),
        _ => return None,
    })
}

enum Greeting {
    Established { socket_id: SocketId, activity_timeout: Option<u64> },
    Error(Complaint),
    Other(String),
}

fn read(message: &Message) -> Greeting {
    if let Some(complaint) = message.error() {
        return Greeting::Error(complaint);
    }
    let socket_id = message.data["socket_id"].as_str().and_then(|id| SocketId::new(id).ok());
    match socket_id.filter(|_| message.event == "pusher:connection_established") {
        Some(socket_id) => {
            Greeting::Established { socket_id, activity_timeout: message.data["activity_timeout"].as_u64() }
        }
        None => Greeting::Other(message.event.clone()),
    }
}

async fn explain(patient: &Patient, complaint: &Complaint) -> Finding {
    let (code, seen) = (complaint.code, complaint.to_string());
    let finding = match code {
        Some(code @ 4100..=4299) => with_advice(Finding::unreachable(seen), code),
        Some(code) => with_advice(Finding::refused(seen), code),
        None => Finding::refused(seen).fix("check --key, and the logs of the server"),
    };
    // Some servers upgrade whatever the path is, and say so only then.
    let is_about_path = matches!(code, Some(4001 | 4005)) && !patient.target.prefix().is_empty();
    match if is_about_path { without_prefix(patient).await } else { None } {
        Some(url) => finding
            .means(format!("the server is not below {}", patient.target.prefix()))
            .fix(format!("use --url {url}, without the path")),
        None => finding,
    }
}

fn with_advice(finding: Finding, code: u64) -> Finding {
    match advice(code) {
        Some((means, fix)) => finding.means(means).fix(fix),
        None => finding.fix("check the logs of the server"),
    }
}
