//! The HTTP endpoints of the application's backend.

use std::time::Duration;

use pusher_driver::{HttpRequest, HttpResponse};
use pusher_proto::{AuthError, AuthRequest, ChannelName, Instant, SocketId};
use serde_json::{Value, json};

use crate::network::Authority;

/// Returns how long the answer takes, and the answer; nothing if the backend does not answer.
pub(super) fn answer(
    authority: &mut Authority,
    request: &HttpRequest,
    now: Instant,
) -> Option<(Duration, Result<HttpResponse, AuthError>)> {
    let question = match Question::read(request) {
        Ok(question) => question,
        Err(error) => return Some((Duration::ZERO, Ok(response(400, error)))),
    };
    let answer = match authority.admit(&question.requests, now)? {
        Ok(()) => Ok(question.sign(authority)),
        Err(AuthError::Timeout) => return None,
        Err(AuthError::Network(error)) => Err(AuthError::Network(error)),
        Err(AuthError::Http { status, excerpt, retry_after }) => {
            // The header has whole seconds.
            let retry_after = retry_after.map(|wait| wait.as_millis().div_ceil(1_000).to_string());
            Ok(HttpResponse { retry_after, ..response(status, excerpt) })
        }
        Err(error) => Ok(response(500, error.to_string())),
    };
    Some((authority.delay, answer))
}

/// What a client asks.
struct Question {
    requests: Vec<AuthRequest>,
    /// Whether the answer has an entry for each channel.
    is_batch: bool,
}

impl Question {
    /// # Errors
    ///
    /// What is wrong with the body.
    fn read(request: &HttpRequest) -> Result<Self, String> {
        let fields = if request.content_type == "application/json" {
            json_fields(request.body.expose())?
        } else {
            form_urlencoded::parse(request.body.expose().as_bytes()).into_owned().collect()
        };
        let socket_id = fields.iter().find(|(name, _)| name == "socket_id").ok_or("socket_id is missing")?;
        let socket_id = SocketId::new(socket_id.1.as_str()).map_err(|error| error.to_string())?;
        // In a form, the fields of a list are `channel_name[0]` and so on, as in PHP and Rails.
        let is_channel = |name: &str| name == "channel_name" || name.starts_with("channel_name[");
        let channels = fields.iter().filter(|(name, _)| is_channel(name));
        let channels: Vec<_> = channels.map(|(_, channel)| ChannelName::new(channel.as_str())).collect();
        let is_batch = fields.iter().any(|(name, _)| name.starts_with("channel_name["));
        if channels.is_empty() {
            return Ok(Self { requests: vec![AuthRequest::user(socket_id)], is_batch });
        }
        let request = |channel| Ok(AuthRequest::channel(channel?, socket_id.clone()));
        let requests: Result<_, pusher_proto::InvalidName> = channels.into_iter().map(request).collect();
        Ok(Self { requests: requests.map_err(|error| error.to_string())?, is_batch })
    }

    fn sign(&self, authority: &Authority) -> HttpResponse {
        let sign = |request: &AuthRequest| match authority.sign(request) {
            Ok(signed) => (200, signed.to_json()),
            Err(error) => (403, error.to_string()),
        };
        if !self.is_batch {
            let (status, body) = sign(&self.requests[0]);
            return response(status, body);
        }
        let entry = |request: &AuthRequest| {
            let (status, body) = sign(request);
            let data = serde_json::from_str(&body).unwrap_or(Value::String(body));
            (request.subject.to_string(), json!({ "status": status, "data": data }))
        };
        let entries: serde_json::Map<String, Value> = self.requests.iter().map(entry).collect();
        response(200, Value::Object(entries).to_string())
    }
}

/// The fields of a JSON object; those of a list are named as in a form.
fn json_fields(body: &str) -> Result<Vec<(String, String)>, String> {
    let object: serde_json::Map<String, Value> = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let mut fields = Vec::new();
    for (name, value) in object {
        match value {
            Value::String(text) => fields.push((name, text)),
            Value::Array(list) => {
                let texts = list.iter().filter_map(Value::as_str);
                fields.extend(texts.map(|text| (format!("{name}[]"), text.to_owned())));
            }
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {}
        }
    }
    Ok(fields)
}

fn response(status: u16, body: impl Into<Vec<u8>>) -> HttpResponse {
    HttpResponse { body: body.into(), ..HttpResponse::new(status) }
}
