//! The HTTP API: whether it is there, and accepts our id, key and secret.

use pusher_tokio::pusher_proto::signing::{ApiFailure, Info};
use pusher_tokio::with_causes;

use super::clock::MAX_SKEW;
use super::finding::Finding;
use super::patient::Patient;
use crate::http_api::{TOO_LONG, body, now};

pub(super) async fn api(patient: &mut Patient) -> Finding {
    match (&patient.args.app_id, &patient.app) {
        (Some(_), Some(_)) => {}
        (None, Some(_)) => return Finding::skipped("needs --app-id"),
        (Some(_) | None, None) => return Finding::skipped("needs --app-id and --secret"),
    }
    let call = match patient.api.app().channels("", Info::default(), now()) {
        Ok(call) => call,
        Err(error) => return Finding::failed(error.to_string()).fix("check --app-id"),
    };
    let origin = patient.target.api_origin();
    let answer = match patient.api.get(&call.url(&origin)) {
        Ok(request) => request.send().await,
        Err(failure) => return Finding::failed(failure.message()),
    };
    let (status, body) = match answer {
        Ok(answer) => (answer.status().as_u16(), body(answer).await),
        Err(error) => return unanswered(&error.without_url(), &origin),
    };
    let body = match body {
        Ok(Some(body)) => body,
        Ok(None) => return Finding::failed(format!("the HTTP API at {origin} {TOO_LONG}")),
        Err(error) => return unanswered(&error.without_url(), &origin),
    };
    match call.answer(status, &body) {
        Ok(channels) => {
            patient.is_secret_proven = true;
            let count = channels.channels.len();
            let plural = if count == 1 { "" } else { "s" };
            Finding::ok(format!("id, key and secret accepted; {count} channel{plural} with subscribers"))
        }
        Err(failure) => {
            let finding = explain(&failure, status);
            if failure.is_refusal() {
                // A secret that was refused must not be used to judge the endpoint's signatures.
                patient.app = None;
            }
            finding
        }
    }
}

pub(super) fn api_late(patient: &Patient) -> Finding {
    Finding::unreachable(format!("the HTTP API at {} does not answer", patient.target.api_origin()))
        .fix("check the logs of the server, and what a proxy in front of it does with /apps")
}

fn unanswered(error: &reqwest::Error, origin: &str) -> Finding {
    Finding::unreachable(format!("cannot reach the HTTP API at {origin}: {}", with_causes(error)))
        .fix("check that the server serves its HTTP API at this address, and what a proxy does with /apps")
}

fn explain(failure: &ApiFailure, http_status: u16) -> Finding {
    match failure {
        ApiFailure::Refused { status, message } | ApiFailure::Status { status: status @ 400..=499, message } => {
            let hidden = if http_status == *status { "" } else { ", in an answer with status 200" };
            let said = if message.is_empty() { String::new() } else { format!(": {message}") };
            let finding = Finding::refused(format!("refused with status {status}{hidden}{said}"));
            let message = message.to_lowercase();
            if message.contains("timestamp") {
                finding
                    .means(format!("the clocks of this machine and the server are more than {MAX_SKEW} s apart"))
                    .fix("set both clocks by NTP")
            } else if *status == 404 {
                finding
                    .means("the server has no application with this id, or no HTTP API at this path")
                    .fix("check --app-id, and that a proxy in front of the server passes /apps on")
            } else if message.contains("auth_key") || message.contains("app key") {
                finding.means("the key does not belong to this id").fix("check --app-id and --key")
            } else {
                finding
                    .means(
                        "the key is known, but the signature does not match: the secret belongs to another application",
                    )
                    .fix("check --secret, and --app-id: both must belong to --key")
            }
        }
        ApiFailure::Status { .. } => Finding::failed(failure.to_string())
            .means("the server, or a proxy in front of it, failed")
            .fix("check the logs of the server"),
        failure => Finding::failed(failure.to_string())
            .means("another web server answers at the address of the HTTP API")
            .fix("check that a proxy in front of the server passes /apps on, not only /app"),
    }
}
