//! One request and its answer.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::response::{IntoResponse, Response};
use pusher_server::origin::{is_address, is_local};
use pusher_tokio::pusher_proto::signing::{App, SigningError};
use pusher_tokio::{AuthResponse, ChannelKind, ChannelName, SocketId};
use serde_json::{Value, json};

use super::config::{Config, Decision, SIGNIN};
use crate::authorizer::user_data;
use crate::output::{self, CHANNEL, DIM, GOOD, WARNING, printable, time_of_day, timestamp};
use crate::signature::fields;

/// What all requests share.
pub(super) struct Backend {
    pub(super) config: Config,
    pub(super) app: App,
    pub(super) json: bool,
    /// Origins of other machines.
    pub(super) allowed: Vec<String>,
}

/// What is logged of a request, and what is answered.
struct Answer {
    subject: String,
    user: Option<String>,
    result: Result<AuthResponse, (StatusCode, String)>,
}

pub(super) async fn answer(
    State(backend): State<Arc<Backend>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    if !backend.is_addressed_by(&headers) {
        return (StatusCode::FORBIDDEN, "the request is for another host").into_response();
    }
    if method != Method::POST && method != Method::GET {
        return StatusCode::METHOD_NOT_ALLOWED.into_response();
    }
    let fields = fields(uri.query().unwrap_or_default(), &body);
    let answer = backend.decide(&fields, bearer(&headers)).await;
    backend.log(&answer);
    let (status, body) = match answer.result {
        Ok(response) => (StatusCode::OK, response.to_json()),
        Err((status, reason)) => (status, json!({ "error": reason }).to_string()),
    };
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

impl Backend {
    async fn decide(&self, fields: &BTreeMap<String, String>, token: Option<&str>) -> Answer {
        let field = |name: &str| fields.get(name).map(String::as_str);
        let known = self.config.user(token, field("user_id"));
        let user = match known {
            Some(user) => Some(user.id.clone()),
            None if self.config.has_users() => None,
            // Without users in the file, everyone is who they claim to be.
            None => field("user_id").or(field("socket_id")).map(str::to_owned),
        };
        let subject = field("channel_name").unwrap_or(SIGNIN).to_owned();
        let (rule, decision) = self.config.decide(&subject, user.as_deref());
        tokio::time::sleep(rule.map_or(self.config.delay, |rule| self.config.delay.max(rule.delay))).await;
        let refused = |reason: &str| Err((StatusCode::FORBIDDEN, reason.to_owned()));
        let result = match decision {
            Decision::Refuse(reason) => refused(reason),
            Decision::Fail(status) => {
                let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                Err((status, "a rule makes this request fail".to_owned()))
            }
            Decision::Sign => {
                let info = match known {
                    Some(user) => user.info.clone(),
                    None => field("user_info").and_then(|info| serde_json::from_str(info).ok()).unwrap_or_default(),
                };
                let watchlist = known.map(|user| user.watchlist.clone()).unwrap_or_default();
                let signed = self.sign(field("socket_id"), &subject, user.as_deref(), &info, &watchlist);
                signed.map_err(|reason| match reason {
                    Unsigned::Unknown => (StatusCode::FORBIDDEN, "the user is not known".to_owned()),
                    Unsigned::Invalid(reason) => (StatusCode::BAD_REQUEST, reason),
                })
            }
        };
        Answer { subject, user, result }
    }

    fn sign(
        &self,
        socket_id: Option<&str>,
        subject: &str,
        user: Option<&str>,
        info: &Value,
        watchlist: &[String],
    ) -> Result<AuthResponse, Unsigned> {
        let invalid = |reason: String| Unsigned::Invalid(reason);
        let socket_id = socket_id.ok_or_else(|| invalid("socket_id is missing".to_owned()))?;
        let socket_id = SocketId::new(socket_id).map_err(|error| invalid(error.to_string()))?;
        let signing = |error: SigningError| invalid(error.to_string());
        if subject == SIGNIN {
            let data = user_data(user.ok_or(Unsigned::Unknown)?, info, watchlist);
            let data = data.map_err(|error| invalid(error.to_string()))?;
            return self.app.authenticate_user(&socket_id, data).map_err(signing);
        }
        let channel = ChannelName::new(subject).map_err(|error| invalid(error.to_string()))?;
        match channel.kind() {
            ChannelKind::Presence => {
                let user = user.ok_or(Unsigned::Unknown)?;
                self.app.authorize_member(&socket_id, &channel, user, info).map_err(signing)
            }
            ChannelKind::Public | ChannelKind::Private | ChannelKind::PrivateEncrypted => {
                self.app.authorize_channel(&socket_id, &channel).map_err(signing)
            }
        }
    }

    /// A page whose name was pointed at this machine must not get signatures.
    fn is_addressed_by(&self, headers: &HeaderMap) -> bool {
        let host = headers.get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
        let is_allowed = |origin: &String| origin.split_once("://").is_some_and(|(_, authority)| authority == host);
        is_local(host) || is_address(host) || self.allowed.iter().any(is_allowed)
    }

    fn log(&self, answer: &Answer) {
        let (subject, user) = (printable(&answer.subject), answer.user.as_deref().map(printable));
        let (status, reason) = match &answer.result {
            Ok(_) => (StatusCode::OK, "signed"),
            Err((status, reason)) => (*status, reason.as_str()),
        };
        // A reader that has gone does not end the server.
        let _ = if self.json {
            let status = status.as_u16();
            output::json(&json!({
                "time": timestamp(), "subject": answer.subject, "user": answer.user, "status": status, "reason": reason,
            }))
        } else {
            let style = if status.is_success() { GOOD } else { WARNING };
            let (time, user, status) = (time_of_day(), user.unwrap_or("unknown user".into()), status.as_u16());
            output::line(format_args!(
                "{DIM}{time}{DIM:#}  {CHANNEL}{subject}{CHANNEL:#}  {user}  {style}{status} {}{style:#}",
                printable(reason)
            ))
        };
    }
}

/// Why nothing was signed.
enum Unsigned {
    Unknown,
    Invalid(String),
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::AUTHORIZATION)?.to_str().ok()?.strip_prefix("Bearer ").map(str::trim)
}
