//! Several channels in one request to the application's server, in the format of the plugin `pusher-js-auth`.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::iter::once;

use serde_json::value::RawValue;

use super::{AuthBody, AuthError, AuthRequest, AuthResponse, object_text, of_application, text_of};
use crate::data::json_string;
use crate::excerpt::safe_excerpt;
use crate::wire::object;

impl AuthRequest {
    /// Returns the body of a POST request for the channels of several requests, with the application's `params` after
    /// the protocol's own. All requests must be for channels of the same socket, that of the first request.
    ///
    /// In a form, the channels are numbered: `channel_name[0]`, `channel_name[1]` and so on; in JSON, `channel_name` is
    /// a list.
    ///
    /// # Examples
    ///
    /// See [`AuthResponse::batch_from_http`].
    #[must_use]
    pub fn batch_body<K: AsRef<str>, V: AsRef<str>>(requests: &[&Self], body: AuthBody, params: &[(K, V)]) -> String {
        let channels: Vec<&str> =
            requests.iter().filter_map(|request| Some(request.subject.channel()?.as_str())).collect();
        let socket_id = requests.first().map_or("", |request| request.socket_id.as_str());
        match body {
            AuthBody::Form => {
                let keys: Vec<String> = (0..channels.len()).map(|index| format!("channel_name[{index}]")).collect();
                let channels = keys.iter().map(String::as_str).zip(channels.iter().copied());
                text_of(body, once(("socket_id", socket_id)).chain(channels).chain(of_application(params)))
            }
            AuthBody::Json => {
                let names: Vec<String> = channels.into_iter().map(json_string).collect();
                let own = [("socket_id", json_string(socket_id)), ("channel_name", format!("[{}]", names.join(",")))];
                object_text(own.into_iter().chain(of_application(params).map(|(key, value)| (key, json_string(value)))))
            }
        }
    }
}

impl AuthResponse {
    /// Reads the HTTP answer to [`AuthRequest::batch_body`]: one answer for each request, in the order of `requests`.
    ///
    /// The body is an object that maps each channel to `{"status": 200, "data": {"auth": …}}`. `data` is what
    /// [`from_http`](Self::from_http) reads; `status` may be missing if it is 200. A channel that the answer does not
    /// contain is refused. If the status of the whole answer is not 200 to 299, it applies to every channel.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::{Action, AuthBody, AuthRequest, AuthResponse, ChannelName, Client, Config, Endpoint, Frame, Instant};
    ///
    /// let mut client = Client::new(Config::new("key", Endpoint::cluster("eu"))?, 1);
    /// client.connect();
    /// client.subscribe(ChannelName::new("private-a")?);
    /// client.subscribe(ChannelName::new("private-b")?);
    /// # let mut epoch = None;
    /// # while let Some(action) = client.poll_action(Instant::ZERO) {
    /// #     if let Action::Connect(socket, _) = action { epoch = Some(socket); }
    /// # }
    /// # let established = r#"{"event":"pusher:connection_established","data":{"socket_id":"1.2"}}"#;
    /// # client.handle_frame(epoch.unwrap(), Frame::Text(established.into()), Instant::ZERO);
    /// # let requests: Vec<AuthRequest> = core::iter::from_fn(|| client.poll_action(Instant::ZERO))
    /// #     .filter_map(|action| match action { Action::RequestAuth(request) => Some(request), _ => None })
    /// #     .collect();
    /// // … after the handshake, from two Action::RequestAuth(request):
    /// let requests: Vec<&AuthRequest> = requests.iter().collect();
    /// let none: &[(&str, &str)] = &[];
    /// assert_eq!(
    ///     AuthRequest::batch_body(&requests, AuthBody::Json, none),
    ///     r#"{"socket_id":"1.2","channel_name":["private-a","private-b"]}"#,
    /// );
    /// assert_eq!(
    ///     AuthRequest::batch_body(&requests, AuthBody::Form, none),
    ///     "socket_id=1.2&channel_name%5B0%5D=private-a&channel_name%5B1%5D=private-b",
    /// );
    ///
    /// let body = br#"{"private-a":{"status":200,"data":{"auth":"key:5a"}},"private-b":{"status":403}}"#;
    /// let answers = AuthResponse::batch_from_http(200, body, None, &requests);
    /// assert_eq!(answers[0].as_ref().unwrap().auth.expose(), "key:5a");
    /// assert_eq!(answers[1].as_ref().unwrap_err().status(), 403);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn batch_from_http(
        status: u16,
        body: &[u8],
        retry_after: Option<&str>,
        requests: &[&AuthRequest],
    ) -> Vec<Result<Self, AuthError>> {
        let text = String::from_utf8_lossy(body);
        let text = text.trim_start_matches('\u{feff}').trim();
        if !(200..300).contains(&status) {
            return every(&Self::from_http(status, body, retry_after), requests);
        }
        let Ok(entries) = serde_json::from_str::<BTreeMap<String, &RawValue>>(text) else {
            return every(&Err(AuthError::InvalidJson { excerpt: safe_excerpt(text) }), requests);
        };
        let answer = |request: &&AuthRequest| {
            let channel = request.subject.channel();
            let Some(entry) = channel.and_then(|channel| entries.get(channel.as_str())) else {
                return Err(AuthError::Handler(format!("the auth endpoint's answer leaves out {}", request.subject)));
            };
            entry_of(entry.get(), retry_after)
        };
        requests.iter().map(answer).collect()
    }
}

/// One channel's part of the answer.
fn entry_of(entry: &str, retry_after: Option<&str>) -> Result<AuthResponse, AuthError> {
    let invalid = || AuthError::InvalidJson { excerpt: safe_excerpt(entry) };
    let [status, data] = object::fields(entry, ["status", "data"]).ok_or_else(invalid)?;
    let status = match status {
        None => 200,
        Some(status) => status.get().trim_matches('"').parse().map_err(|_| invalid())?,
    };
    AuthResponse::from_http(status, data.map_or("", RawValue::get).as_bytes(), retry_after)
}

fn every(answer: &Result<AuthResponse, AuthError>, requests: &[&AuthRequest]) -> Vec<Result<AuthResponse, AuthError>> {
    requests.iter().map(|_| answer.clone()).collect()
}

#[cfg(test)]
mod tests {
    use alloc::vec;
    use core::time::Duration;

    use super::*;
    use crate::{ChannelName, SocketId};

    fn request(channel: &str) -> AuthRequest {
        AuthRequest::channel(ChannelName::new(channel).unwrap(), SocketId::new("1.2").unwrap())
    }

    fn read(status: u16, body: &str) -> Vec<Result<AuthResponse, AuthError>> {
        let (a, b) = (request("private-a"), request("private-b"));
        AuthResponse::batch_from_http(status, body.as_bytes(), Some("7"), &[&a, &b])
    }

    #[test]
    fn every_channel_has_its_answer() {
        let body = r#"{"private-b":{"status":"503","data":"down"},"private-a":{"data":{"auth":"k:1"}},"private-c":7}"#;
        let down = AuthError::Http { status: 503, excerpt: "down".into(), retry_after: Some(Duration::from_secs(7)) };
        assert_eq!(read(200, body), [Ok(AuthResponse::new("k:1")), Err(down)]);
    }

    #[test]
    fn what_is_no_answer_is_every_channels_error() {
        let invalid = |text: &str| Err(AuthError::InvalidJson { excerpt: text.into() });
        let down =
            Err(AuthError::Http { status: 500, excerpt: "{}".into(), retry_after: Some(Duration::from_secs(7)) });
        let missing = |name| Err(AuthError::Handler(format!("the auth endpoint's answer leaves out {name}")));
        assert_eq!(read(200, "[]"), vec![invalid("[]"); 2]);
        assert_eq!(read(500, "{}"), vec![down; 2]);
        assert_eq!(read(200, "{}"), [missing("private-a"), missing("private-b")]);
        let odd = r#"{"private-a":{"status":"ok"},"private-b":[]}"#;
        assert_eq!(read(200, odd), [invalid(r#"{"status":"ok"}"#), invalid("[]")]);
        let empty = r#"{"private-a":{},"private-b":{"data":{}}}"#;
        assert_eq!(read(200, empty), [invalid(""), Err(AuthError::MissingAuth { excerpt: "{}".into() })]);
    }
}
