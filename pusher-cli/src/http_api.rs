//! The HTTP API of a server, for those who hold the application's secret.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use pusher_driver::adapter::with_causes;
use pusher_tokio::SocketId;
use pusher_tokio::pusher_proto::signing::{ApiRequest, App};
use reqwest::{Client, Method, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::target::Target;

/// One application at one server.
pub(crate) struct HttpApi {
    app: App,
    target: Target,
    client: Client,
}

/// An event to publish (Pusher docs, *HTTP API reference, POST event*).
#[derive(Debug)]
pub(crate) struct Publication<'a> {
    pub(crate) name: &'a str,
    /// Channels, or `#server-to-user-` with the id of a user.
    pub(crate) channels: &'a [&'a str],
    pub(crate) data: &'a str,
    pub(crate) socket_id: Option<&'a SocketId>,
}

/// The fields as the API wants them.
#[derive(Serialize)]
struct Body<'a> {
    name: &'a str,
    channels: &'a [&'a str],
    data: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    socket_id: Option<&'a str>,
}

impl HttpApi {
    pub(crate) fn new(app: App, target: Target) -> Result<Self, Failure> {
        let tls = target.tls().client_config().map_err(|error| Failure::failed(error.to_string()))?;
        let mut client = Client::builder()
            .tls_backend_preconfigured((*tls).clone())
            .user_agent(concat!("pusher-rust/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT);
        if target.is_this_machine() {
            // A proxy of the environment would look for the server on its own machine.
            client = client.no_proxy();
        }
        let client = client.build().map_err(|error| Failure::failed(with_causes(&error)))?;
        Ok(Self { app, target, client })
    }

    /// Publishes an event and returns the body of the answer.
    pub(crate) async fn trigger(&self, publication: &Publication<'_>) -> Result<String, Failure> {
        let body = Body {
            name: publication.name,
            channels: publication.channels,
            data: publication.data,
            socket_id: publication.socket_id.map(SocketId::as_str),
        };
        self.call(Method::POST, "events", &[], serde_json::to_vec(&body)?).await
    }

    /// Asks for `path` below `/apps/{id}/`.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &str, params: &[(&str, &str)]) -> Result<T, Failure> {
        Ok(serde_json::from_str(&self.call(Method::GET, path, params, Vec::new()).await?)?)
    }

    async fn call(
        &self,
        method: Method,
        path: &str,
        params: &[(&str, &str)],
        body: Vec<u8>,
    ) -> Result<String, Failure> {
        let origin = self.target.api_origin();
        let mut url = Url::parse(&origin).map_err(|error| Failure::usage(format!("{origin}: {error}")))?;
        url.set_path(&format!("{}/apps/{}/{path}", self.target.prefix(), self.app.id()));
        let request = ApiRequest { method: method.as_str(), path: url.path(), body: &body };
        let query = self.app.sign_request(&request, params, seconds_since_epoch());
        url.set_query(Some(&query.map_err(|error| Failure::failed(error.to_string()))?));
        let publishes = method == Method::POST;
        let request = self.client.request(method, url).header("Content-Type", "application/json").body(body);
        let unanswered = |error| unanswered(error, &origin, publishes);
        let response = request.send().await.map_err(unanswered)?;
        let status = response.status().as_u16();
        check(status, response.text().await.map_err(unanswered)?)
    }
}

/// A call without an answer has had no effect only if there was no connection to send it on.
fn unanswered(error: reqwest::Error, origin: &str, publishes: bool) -> Failure {
    let (is_unsent, is_late) = (error.is_connect(), error.is_timeout());
    // The signature is part of the URL.
    let causes = with_causes(&error.without_url());
    if is_unsent {
        return Failure::cannot_connect(format!("cannot reach the HTTP API at {origin}: {causes}"));
    }
    let outcome = if publishes { "; the event may have been published" } else { "" };
    let seconds = TIMEOUT.as_secs();
    Failure::failed(match is_late {
        true => format!("the HTTP API at {origin} did not answer within {seconds} s{outcome}"),
        false => format!("the HTTP API at {origin} did not answer: {causes}{outcome}"),
    })
}

/// Returns the body of a success. soketi reports errors with status 200 too; its body then has an `error` and a `code`.
fn check(status: u16, body: String) -> Result<String, Failure> {
    let json = serde_json::from_str::<serde_json::Value>(&body).unwrap_or_default();
    let is_success = (200..300).contains(&status);
    if is_success && json["error"].is_null() {
        return Ok(body);
    }
    let inner = json["code"].as_u64().and_then(|code| u16::try_from(code).ok());
    let status = if is_success { inner.unwrap_or(status) } else { status };
    let words = json["error"].as_str().map_or(body, str::to_owned);
    let excerpt: String = words.trim().chars().take(MAX_EXCERPT_LEN).collect();
    let separator = if excerpt.is_empty() { "" } else { ": " };
    let answer = format!("status {status}{separator}{excerpt}");
    Err(match status {
        401 | 403 | 404 => {
            Failure::refused(format!("the HTTP API refused the id, key or secret of the application: {answer}"))
        }
        _ => Failure::failed(format!("the HTTP API answered with {answer}")),
    })
}

fn seconds_since_epoch() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs())
}

/// How long a call may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long it may take until there is a connection; less than [`TIMEOUT`], which says nothing about whether there is one.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Longest excerpt of an answer, in characters.
const MAX_EXCERPT_LEN: usize = 300;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_in_the_body_of_a_200_is_an_error() {
        let refused = r#"{"error":"The secret authentication failed","code":401}"#;
        let failure = check(200, refused.into()).unwrap_err();
        assert!(failure.message().ends_with("status 401: The secret authentication failed"), "{}", failure.message());
        let failure = check(200, r#"{"error":"The data is too large","code":413}"#.into()).unwrap_err();
        assert_eq!(failure.message(), "the HTTP API answered with status 413: The data is too large");
        assert_eq!(check(200, r#"{"ok":true}"#.into()).unwrap(), r#"{"ok":true}"#);
        assert_eq!(check(200, "ok".into()).unwrap(), "ok");
        assert!(check(500, "<html>".into()).unwrap_err().message().contains("status 500: <html>"));
    }
}
