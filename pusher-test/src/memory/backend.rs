//! The HTTP endpoints of the application's backend.

use std::time::Duration;

use pusher_driver::{HttpRequest, HttpResponse};
use pusher_proto::{AuthError, AuthRequest, ChannelName, Instant, SocketId};
use serde_json::{Value, json};

use crate::network::{Authority, Limit};

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
            let retry_after = retry_after.map(|wait| Limit::retry_after(wait).to_string());
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

/// The texts of a JSON object. Channels in a list are named as in a form.
///
/// # Errors
///
/// What is wrong with the body. A request about channels that cannot be read is not one about the user.
fn json_fields(body: &str) -> Result<Vec<(String, String)>, String> {
    let object: serde_json::Map<String, Value> = serde_json::from_str(body).map_err(|error| error.to_string())?;
    let mut fields = Vec::new();
    for (name, value) in object {
        match value {
            Value::String(text) => fields.push((name, text)),
            channels if name == "channel_name" => {
                let channels: Vec<String> =
                    serde_json::from_value(channels).map_err(|error| format!("channel_name: {error}"))?;
                if channels.is_empty() {
                    return Err("channel_name is empty".into());
                }
                fields.extend(channels.into_iter().map(|channel| ("channel_name[]".to_owned(), channel)));
            }
            Value::Array(_) | Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => {}
        }
    }
    Ok(fields)
}

fn response(status: u16, body: impl Into<Vec<u8>>) -> HttpResponse {
    HttpResponse { body: body.into(), ..HttpResponse::new(status) }
}

#[cfg(test)]
mod tests {
    use pusher_proto::signing::App;

    use super::*;

    fn status(content_type: &'static str, body: &str) -> (u16, String) {
        let mut authority = Authority::new(App::new("1", "app-key", "app-secret").unwrap(), "alice");
        let request = HttpRequest {
            url: "http://backend.test".into(),
            headers: Vec::new(),
            content_type,
            body: body.to_owned().into(),
        };
        let (_, answer) = answer(&mut authority, &request, Instant::ZERO).unwrap();
        let answer = answer.unwrap();
        let text = String::from_utf8(answer.body).unwrap();
        let word = ["user_data", "auth"].into_iter().find(|word| text.contains(word));
        (answer.status, word.unwrap_or(&text).to_owned())
    }

    #[test]
    fn a_request_whose_channels_cannot_be_read_does_not_sign_the_user_in() {
        for channels in ["[]", "[1]", r#"["private-a",1]"#, "null", "7", "{}", r#"[["private-a"]]"#] {
            let (status, text) =
                status("application/json", &format!(r#"{{"socket_id":"1.2","channel_name":{channels}}}"#));
            assert_eq!(status, 400, "{channels}: {text}");
        }
        assert_eq!(status("application/x-www-form-urlencoded", "socket_id=1.2&channel_name=").0, 400);
    }

    #[test]
    fn other_fields_of_a_request_are_ignored() {
        let json = |fields: &str| status("application/json", &format!(r#"{{"socket_id":"1.2",{fields}}}"#));
        assert_eq!(json(r#""tenant":[7],"flags":null"#), (200, "user_data".to_owned()));
        assert_eq!(json(r#""channel_name":"private-a","tenant":7"#), (200, "auth".to_owned()));
        assert_eq!(json(r#""channel_name":["private-a"]"#), (200, "auth".to_owned()));
    }

    #[test]
    fn a_retry_after_is_rounded_up_to_whole_seconds() {
        let app = App::new("1", "app-key", "app-secret").unwrap();
        let times = [(0, "0"), (1, "1"), (1_000_000_000, "1"), (1_000_000_001, "2"), (2_500_000_000, "3")];
        for (nanos, seconds) in times {
            let mut authority = Authority::new(app.clone(), "alice");
            let retry_after = Some(Duration::from_nanos(nanos));
            authority.refusal = Some(AuthError::Http { status: 503, excerpt: String::new(), retry_after });
            let body = "socket_id=1.2".to_owned().into();
            let content_type = "application/x-www-form-urlencoded";
            let request = HttpRequest { url: "http://backend.test".into(), headers: Vec::new(), content_type, body };
            let (_, answer) = answer(&mut authority, &request, Instant::ZERO).unwrap();
            assert_eq!(answer.unwrap().retry_after.as_deref(), Some(seconds), "{nanos} ns");
        }
    }
}
