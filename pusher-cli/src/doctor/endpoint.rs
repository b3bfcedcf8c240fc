//! The application's endpoints: what they answer, and what that means.

use pusher_driver::Credentials;
use pusher_driver::adapter::{HttpAuthExt as _, HttpClient};
use pusher_tokio::{
    AuthBody, AuthError, AuthRequest, AuthResponse, AuthSubject, ChannelKind, ChannelName, HttpResponse, SocketId,
};

use super::answer;
use super::finding::Finding;
use super::patient::Patient;
use super::upgrade::one_line;
use crate::mask;
use crate::stream::post;

pub(super) async fn private(patient: &mut Patient) -> Finding {
    let channel = patient.names.private.clone();
    let (answer, finding) = authorize(patient, &channel).await;
    patient.private = answer;
    finding
}

pub(super) async fn presence(patient: &mut Patient) -> Finding {
    let channel = patient.names.presence.clone();
    let (answer, finding) = authorize(patient, &channel).await;
    patient.presence = answer;
    finding
}

pub(super) async fn encrypted(patient: &mut Patient) -> Finding {
    let channel = patient.names.encrypted.clone();
    let (answer, finding) = authorize(patient, &channel).await;
    patient.encrypted = answer;
    // Most applications have no encrypted channels.
    if patient.is_named(&channel) { finding } else { finding.only_warns() }
}

pub(super) async fn user(patient: &mut Patient) -> Finding {
    if patient.args.auth.user_auth_url.is_none() {
        return Finding::skipped("needs --user-auth-url");
    }
    let Some(socket_id) = patient.socket_id.clone() else { return Finding::skipped("not connected") };
    match ask(patient, &AuthRequest::user(socket_id.clone())).await {
        Ok(response) => match answer::judge_user(patient, &socket_id, &response) {
            Some(finding) => finding,
            None => {
                patient.user = Some(response);
                Finding::ok("the endpoint answers with a signed user")
            }
        },
        Err(finding) => finding,
    }
}

pub(super) fn late(_patient: &Patient) -> Finding {
    Finding::failed("the endpoint does not answer in time")
        .means("clients wait for each channel, and retry")
        .fix("check what the endpoint waits for: a server with one worker cannot call itself")
}

/// Asks the endpoint about a channel, or signs for it where there is none.
async fn authorize(patient: &Patient, channel: &ChannelName) -> (Option<AuthResponse>, Finding) {
    let Some(socket_id) = patient.socket_id.clone() else { return (None, Finding::skipped("not connected")) };
    if patient.args.auth.auth_url.is_none() {
        return match patient.sign(&socket_id, channel) {
            Some(response) => (Some(response), Finding::skipped("no --auth-url: signed with the secret")),
            None if channel.kind() == ChannelKind::PrivateEncrypted => {
                (None, Finding::skipped("needs --auth-url, or --secret and --master-key"))
            }
            None => (None, Finding::skipped("needs --auth-url or --secret")),
        };
    }
    match ask(patient, &AuthRequest::channel(channel.clone(), socket_id.clone())).await {
        Ok(response) => match answer::judge(patient, &socket_id, channel, &response) {
            Some(finding) => {
                let answer = (!finding.is_failed()).then_some(response);
                (answer, finding)
            }
            None => (Some(response), Finding::ok(format!("the endpoint signs for {channel}{}", checked(patient)))),
        },
        Err(finding) => (None, finding),
    }
}

/// Asks an endpoint as the client does; also for the second connection of a check.
pub(super) async fn ask(patient: &Patient, request: &AuthRequest) -> Result<AuthResponse, Finding> {
    let http = patient.endpoint.request(&[request], AuthBody::Form, Credentials::new());
    let http = http.map_err(|error| Finding::failed(error.to_string()))?;
    let answer = post(&HttpClient::new(), &patient.options, &http).await;
    let response = answer.map_err(|error| {
        Finding::failed(error.to_string())
            .means("the application's server cannot be reached, so no private channel works")
            .fix("check the URL of the endpoint, and that the application runs")
    })?;
    if !(200..300).contains(&response.status) {
        return Err(refusal(patient, &response, &request.subject));
    }
    response.authorization().map_err(|error| unusable(&error, &response))
}

/// A second socket's authorization for a channel: from the endpoint, or by the secret.
pub(super) async fn authorize_socket(
    patient: &Patient,
    socket_id: &SocketId,
    channel: &ChannelName,
) -> Result<AuthResponse, Finding> {
    if patient.args.auth.auth_url.is_some() {
        return ask(patient, &AuthRequest::channel(channel.clone(), socket_id.clone())).await;
    }
    patient.sign(socket_id, channel).ok_or_else(|| Finding::skipped("needs --auth-url or --secret"))
}

fn checked(patient: &Patient) -> &'static str {
    if patient.app.is_some() { ", and the signature is right" } else { "; without --secret, only its form was checked" }
}

/// What a status other than 200 means.
fn refusal(patient: &Patient, response: &HttpResponse, subject: &AuthSubject) -> Finding {
    let status = response.status;
    let body = String::from_utf8_lossy(&response.body);
    let location = response.location.as_deref().filter(|_| (300..400).contains(&status)).map(mask::url);
    let to = location.as_ref().map_or_else(String::new, |location| format!(", redirected to {location}"));
    let said = if is_html(&body) || body.trim().is_empty() { String::new() } else { format!(": {}", message(&body)) };
    let seen = format!("status {status}{to}{said}");
    let finding = if status < 500 { Finding::refused(seen) } else { Finding::failed(seen) };
    match status {
        300..=399 if location.as_ref().is_some_and(|location| location.to_lowercase().contains("login")) => finding
            .means("the endpoint does not know who is asking, and redirects to the login page (Laravel: auth)")
            .fix("identify the user: --auth-header Cookie=… or --auth-header \"Authorization=Bearer …\""),
        300..=399 => finding
            .means("clients do not follow redirects of the endpoint, which would carry headers elsewhere")
            .fix("use the address that it redirects to: https, or the path without a trailing slash"),
        401 => finding
            .means("the endpoint does not know who is asking: no session and no token, or they have expired")
            .fix("identify the user: --auth-header Cookie=… or --auth-header \"Authorization=Bearer …\""),
        403 => forbidden(patient, finding, subject),
        404 | 405 => finding
            .means("there is no endpoint at this URL that accepts POST")
            .fix("check the path: Laravel has /broadcasting/auth once Broadcast::routes() is called"),
        419 => finding
            .means("Laravel's protection against CSRF: the request lacks the token of the session, or the session has expired")
            .fix("send X-CSRF-TOKEN, or use Broadcast::routes with the middleware of your API, which needs no such token"),
        422 => finding
            .means("the endpoint did not receive a parameter that it needs; clients send socket_id and channel_name as a form")
            .fix("check what the endpoint reads, and whether it expects JSON"),
        429 => finding
            .means("the endpoint limits how often it may be called, and clients call it once for each channel")
            .fix("raise the limit for this path"),
        500..=599 => finding
            .means("the application failed while signing")
            .fix("check the logs of the application"),
        _ => finding.fix("check the logs of the application"),
    }
}

fn forbidden(patient: &Patient, finding: Finding, subject: &AuthSubject) -> Finding {
    let Some(channel) = subject.channel() else {
        return finding.means("the endpoint does not sign this user in").fix("check the rules of the application");
    };
    if patient.is_named(channel) {
        return finding
            .means(format!("the user may not join {channel}"))
            .fix("check the rules of the application (Laravel: routes/channels.php), and who the user is");
    }
    finding
        .only_warns()
        .means(format!("the endpoint works, but has no rule that allows {channel}"))
        .fix("use --channel to name a channel that this user may join")
}

/// What a success without an authorization means.
fn unusable(error: &AuthError, response: &HttpResponse) -> Finding {
    let body = String::from_utf8_lossy(&response.body);
    if is_html(&body) {
        let title = title(&body).map_or_else(String::new, |title| format!(", with the title {title:?}"));
        return Finding::failed(format!("status {}, and a page of HTML{title}", response.status))
            .means("the URL is that of a page, such as a login form, or of a single-page application")
            .fix("check the path of --auth-url: it must answer POST with JSON");
    }
    if body.trim().is_empty() {
        return Finding::failed(format!("status {}, and no body", response.status))
            .means("the endpoint signs nothing (Laravel: the broadcast driver is log or null)")
            .fix("make it answer with {\"auth\":\"key:signature\"} (Laravel: set BROADCAST_CONNECTION)");
    }
    Finding::failed(error.to_string())
        .means("clients need a JSON object with auth, and for presence channels channel_data as a string")
        .fix("return what the server library of Pusher returns, unchanged")
}

fn is_html(body: &str) -> bool {
    body.trim_start().starts_with('<')
}

fn title(body: &str) -> Option<String> {
    let (_, rest) = body.split_once("<title>")?;
    let (title, _) = rest.split_once("</title>")?;
    Some(one_line(title))
}

/// The message of a JSON error in the form that frameworks use, or the start of the body.
fn message(body: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let said = ["message", "error"].iter().find_map(|name| json[*name].as_str());
    one_line(said.unwrap_or(body))
}
