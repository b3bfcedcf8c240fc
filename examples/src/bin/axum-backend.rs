//! A backend with axum: it serves a page, signs for its users, receives webhooks, and publishes what the users write.
//!
//! ```sh
//! cargo run -p pusher-cli -- serve
//! cargo run -p pusher-examples --bin axum-backend
//! ```
//!
//! Then open the address that it prints in two windows. For another server, set the environment variables `PUSHER_URL`
//! (the WebSocket), `PUSHER_API` (the HTTP API), `PUSHER_APP_ID`, `PUSHER_KEY` and `PUSHER_SECRET`. `LISTEN` is the
//! backend's address, and `PUSHER_JS` is the URL from which the page loads pusher-js. A name without a password is not
//! a login: replace it by your own sessions.

use std::error::Error;
use std::sync::Arc;
use std::time::SystemTime;

use axum::body::Bytes;
use axum::extract::{FromRequestParts, Query, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{AppendHeaders, Html, IntoResponse};
use axum::routing::{get, post};
use axum::{Form, Json, Router};
use pusher_tokio::pusher_proto::signing::{App, Publish};
use pusher_tokio::{ChannelKind, ChannelName, SocketId, with_causes};
use serde::Deserialize;
use serde_json::json;
use tokio::net::TcpListener;

const ROOM: &str = "presence-room";

struct Backend {
    app: App,
    api: String,
    http: reqwest::Client,
    page: String,
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let setting = |name, default: &str| std::env::var(name).unwrap_or_else(|_| default.to_owned());
    let (key, url) = (setting("PUSHER_KEY", "app-key"), setting("PUSHER_URL", "ws://127.0.0.1:6001"));
    let app = App::new(setting("PUSHER_APP_ID", "1"), key.as_str(), setting("PUSHER_SECRET", "app-secret"))?;
    // The workspace builds reqwest without a TLS provider; with its default features, you do not need this line.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let page = include_str!("axum-backend.html").replace("APP_KEY", &key).replace("PUSHER_URL", &url);
    let page = page.replace("PUSHER_JS", &setting("PUSHER_JS", "https://js.pusher.com/8.4.0/pusher.min.js"));
    let api = setting("PUSHER_API", &url.replacen("ws", "http", 1));
    let backend = Arc::new(Backend { app, api, http: reqwest::Client::new(), page });

    let address = setting("LISTEN", "127.0.0.1:8080");
    let listener = TcpListener::bind(&address).await;
    let listener =
        listener.map_err(|error| format!("cannot listen on {address}: {error}; set LISTEN to another one"))?;
    println!("open http://{}/?user=ann", listener.local_addr()?);
    let routes = Router::new()
        .route("/", get(page_of))
        .route("/pusher/auth", post(authorize))
        .route("/pusher/user-auth", post(authenticate))
        .route("/pusher/webhook", post(webhook))
        .route("/messages", post(publish));
    Ok(axum::serve(listener, routes.with_state(backend)).await?)
}

#[derive(Deserialize)]
struct Login {
    user: Option<String>,
}

async fn page_of(State(backend): State<Arc<Backend>>, Query(login): Query<Login>) -> impl IntoResponse {
    let is_name = |name: &String| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let cookie =
        login.user.filter(is_name).map(|name| (header::SET_COOKIE, format!("user={name}; HttpOnly; SameSite=Lax")));
    (AppendHeaders(cookie), Html(backend.page.clone()))
}

/// The user who sent a request.
struct User(String);

impl<S: Sync> FromRequestParts<S> for User {
    type Rejection = (StatusCode, &'static str);

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Self::Rejection> {
        let cookies = parts.headers.get(header::COOKIE).and_then(|cookies| cookies.to_str().ok()).unwrap_or_default();
        let user = cookies.split("; ").find_map(|cookie| cookie.strip_prefix("user="));
        user.map(|name| Self(name.to_owned())).ok_or((StatusCode::FORBIDDEN, "not logged in: open /?user=NAME first"))
    }
}

#[derive(Deserialize)]
struct Subscription {
    socket_id: SocketId,
    channel_name: ChannelName,
}

/// Allows users to join the room, and each user to subscribe to the private channel with their name.
async fn authorize(
    State(backend): State<Arc<Backend>>,
    User(user): User,
    Form(Subscription { socket_id, channel_name }): Form<Subscription>,
) -> Result<impl IntoResponse, Refusal> {
    let signed = match channel_name.kind() {
        ChannelKind::Presence if channel_name.as_str() == ROOM => {
            backend.app.authorize_member(&socket_id, &channel_name, &user, &json!({ "name": user }))
        }
        ChannelKind::Private if channel_name.as_str() == format!("private-{user}") => {
            backend.app.authorize_channel(&socket_id, &channel_name)
        }
        _ => return Err((StatusCode::FORBIDDEN, format!("{user} may not subscribe to {channel_name}"))),
    };
    Ok(([(header::CONTENT_TYPE, "application/json")], signed.map_err(bad_request)?.to_json()))
}

#[derive(Deserialize)]
struct SignIn {
    socket_id: SocketId,
}

async fn authenticate(
    State(backend): State<Arc<Backend>>,
    User(user): User,
    Form(SignIn { socket_id }): Form<SignIn>,
) -> Result<impl IntoResponse, Refusal> {
    let signed =
        backend.app.authenticate_user(&socket_id, json!({ "id": user, "user_info": { "name": user } }).to_string());
    Ok(([(header::CONTENT_TYPE, "application/json")], signed.map_err(bad_request)?.to_json()))
}

/// Verifies the raw body: parsed and serialised again, it would have a different signature.
async fn webhook(State(backend): State<Arc<Backend>>, headers: HeaderMap, body: Bytes) -> Result<(), Refusal> {
    let header = |name| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let webhook = backend.app.webhook(header("X-Pusher-Key"), header("X-Pusher-Signature"), &body);
    let webhook = webhook.map_err(|error| (StatusCode::UNAUTHORIZED, with_causes(&error).to_string()))?;
    for event in webhook.events {
        println!("webhook: {event:?}");
    }
    Ok(())
}

#[derive(Deserialize)]
struct Message {
    text: String,
    socket_id: Option<SocketId>,
}

/// Publishes to all pages except the one that sent the message, and notifies the user's other pages.
async fn publish(
    State(backend): State<Arc<Backend>>,
    User(user): User,
    Json(message): Json<Message>,
) -> Result<(), Refusal> {
    let mut event = backend.app.publish([ROOM], "message", &json!({ "from": user, "text": message.text }));
    if let Some(socket_id) = &message.socket_id {
        event = event.exclude(socket_id);
    }
    send(&backend, event).await?;
    send(&backend, backend.app.send_to_user(&user, "sent", &message.text)).await
}

async fn send(backend: &Backend, event: Publish<'_>) -> Result<(), Refusal> {
    let call = event.sign(SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()).map_err(bad_request)?;
    let mut request = backend.http.post(call.url(&backend.api)).body(call.body.clone());
    for &(name, value) in call.headers {
        request = request.header(name, value);
    }
    let unavailable = |error: &dyn Error| (StatusCode::BAD_GATEWAY, format!("not published: {}", with_causes(error)));
    // The signature is part of the URL, so errors must not show it.
    let response = request.send().await.map_err(|error| unavailable(&error.without_url()))?;
    let status = response.status().as_u16();
    let body = response.bytes().await.map_err(|error| unavailable(&error.without_url()))?;
    call.answer(status, &body).map(drop).map_err(|failure| unavailable(&failure))
}

type Refusal = (StatusCode, String);

fn bad_request(error: impl Error) -> Refusal {
    (StatusCode::BAD_REQUEST, error.to_string())
}
