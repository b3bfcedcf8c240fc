//! What a browser asks for.

use std::sync::{Arc, OnceLock};

use axum::extract::{DefaultBodyLimit, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::response::sse::{KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use futures_util::StreamExt as _;
use pusher_tokio::ChannelName;
use serde::Deserialize;
use tokio::sync::watch::{Receiver, Sender};

use super::feed::Feed;
use crate::http_api::HttpApi;

#[derive(Clone)]
struct Shared {
    feed: Arc<Feed>,
    api: Arc<OnceLock<HttpApi>>,
    stopped: Receiver<bool>,
}

pub(super) fn router(feed: Arc<Feed>, api: Arc<OnceLock<HttpApi>>, stopped: &Sender<bool>) -> Router {
    let shared = Shared { feed, api, stopped: stopped.subscribe() };
    Router::new()
        .route("/", get(async || page("text/html; charset=utf-8", include_str!("page/console.html"))))
        .route("/console/console.css", get(async || page("text/css; charset=utf-8", include_str!("page/console.css"))))
        .route(
            "/console/console.js",
            get(async || page("text/javascript; charset=utf-8", include_str!("page/console.js"))),
        )
        .route("/console/feed", get(follow))
        .route("/console/publish", post(publish))
        .layer(DefaultBodyLimit::max(MAX_BODY_LEN))
        .with_state(shared)
}

/// A file of the page, which may run nothing that is not its own and may not be framed.
fn page(content_type: &'static str, body: &'static str) -> Response {
    let headers: [(HeaderName, HeaderValue); 5] = [
        (header::CONTENT_TYPE, HeaderValue::from_static(content_type)),
        (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (header::CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY)),
        (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
    ];
    (headers, body).into_response()
}

async fn follow(State(shared): State<Shared>, headers: HeaderMap) -> impl IntoResponse {
    let last_seen = headers.get("last-event-id").and_then(|id| id.to_str().ok());
    let mut stopped = shared.stopped.clone();
    let end = async move {
        // A console that is gone has stopped too.
        let _ = stopped.wait_for(|stopped| *stopped).await;
    };
    Sse::new(shared.feed.follow(last_seen).take_until(Box::pin(end))).keep_alive(KeepAlive::default())
}

#[derive(Deserialize)]
struct Publication {
    channels: Vec<String>,
    event: String,
    data: String,
}

/// Only for this page: other pages may send such a request, but not with its origin.
async fn publish(
    State(shared): State<Shared>,
    headers: HeaderMap,
    Json(publication): Json<Publication>,
) -> Result<StatusCode, (StatusCode, String)> {
    if !is_from_here(&headers) {
        return Err((StatusCode::FORBIDDEN, "only the console's own page may publish".to_owned()));
    }
    let Publication { channels, event, data } = publication;
    let channels: Result<Vec<_>, _> = channels.into_iter().map(ChannelName::new).collect();
    let channels = channels.map_err(|error| (StatusCode::BAD_REQUEST, error.to_string()))?;
    let api = shared.api.get();
    let api = api.ok_or_else(|| (StatusCode::SERVICE_UNAVAILABLE, "the server has not started yet".to_owned()))?;
    let event = api.app().publish(&channels, &event, &data);
    let published = api.publish(&event).await;
    published.map_err(|failure| (StatusCode::BAD_REQUEST, failure.message().to_owned()))?;
    Ok(StatusCode::NO_CONTENT)
}

/// Whether the page that asks was loaded from here.
fn is_from_here(headers: &HeaderMap) -> bool {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let origin = text(header::ORIGIN).and_then(|origin| origin.split_once("://"));
    let origin = origin.and_then(|(_, authority)| authority.parse::<Authority>().ok());
    let host = text(header::HOST).and_then(|host| host.parse::<Authority>().ok());
    origin.is_some() && origin == host
}

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src data:; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// A payload of 10 KB, with every byte escaped, and names.
const MAX_BODY_LEN: usize = 128 * 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_page_that_was_loaded_from_here_changes_anything() {
        let table = [
            (Some("http://127.0.0.1:6001"), Some("127.0.0.1:6001"), true),
            (Some("http://localhost:6001"), Some("localhost:6001"), true),
            (Some("http://localhost:8080"), Some("localhost:6001"), false),
            (Some("https://example.com"), Some("127.0.0.1:6001"), false),
            (Some("null"), Some("127.0.0.1:6001"), false),
            (None, Some("127.0.0.1:6001"), false),
            (None, None, false),
        ];
        for (origin, host, expected) in table {
            let mut headers = HeaderMap::new();
            for (name, value) in [(header::ORIGIN, origin), (header::HOST, host)] {
                if let Some(value) = value {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            assert_eq!(is_from_here(&headers), expected, "{origin:?} {host:?}");
        }
    }
}
