//! The routes, and the HTTP API with its signatures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{self, Bytes};
use axum::extract::ws::WebSocketUpgrade;
use axum::extract::ws::rejection::WebSocketUpgradeRejection;
use axum::extract::{DefaultBodyLimit, FromRequest, Path, Query, Request, State};
use axum::http::{HeaderMap, Method, StatusCode, Uri, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use pusher_proto::adapter::SERVER_TO_USER;
use pusher_proto::server::{Attributes, ChannelState, Info, Publication};
use pusher_proto::signing::ApiRequest;
use pusher_proto::{ChannelName, InvalidName, SocketId};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use tokio::time::timeout;
use tower_http::cors::{AllowHeaders, Any, CorsLayer};
use tracing::debug;

use crate::activity::{Activity, start};
use crate::auth;
use crate::failure::{Failure, Reason};
use crate::hub::Shared;
use crate::origin::{is_address, is_local};
use crate::socket;

pub(crate) fn router(shared: Arc<Shared>) -> Router {
    Router::new()
        .route("/app/{key}", get(connect))
        .merge(
            api(&shared)
                .merge(auth_endpoints(&shared))
                .route_layer(middleware::from_fn_with_state(Arc::clone(&shared), announce)),
        )
        .fallback(connect_elsewhere)
        .layer(DefaultBodyLimit::max(MAX_BODY_LEN))
        .layer(middleware::from_fn_with_state(Arc::clone(&shared), guard))
        .with_state(shared)
}

fn api(shared: &Arc<Shared>) -> Router<Arc<Shared>> {
    Router::new()
        .route("/apps/{id}/events", post(events))
        .route("/apps/{id}/batch_events", post(batch_events))
        .route("/apps/{id}/channels", get(channels))
        .route("/apps/{id}/channels/{channel}", get(channel))
        .route("/apps/{id}/channels/{channel}/users", get(users))
        .route("/apps/{id}/users/{user}/terminate_connections", post(terminate_connections))
        .route_layer(middleware::map_response_with_state(Arc::clone(shared), failed_as_dialect))
}

/// Reports how a call was answered to those who watch the server.
async fn announce(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let (method, path) = (request.method().to_string(), request.uri().path().to_owned());
    let response = next.run(request).await;
    shared.announcer.announce(|| {
        let reason = response.extensions().get().map_or("", |Reason(reason)| reason);
        let (path, reason) = (start(&path).to_string(), start(reason).to_string());
        Activity::Answered { method, path, status: response.status().as_u16(), reason }
    });
    response
}

/// soketi reports failed calls with status 200, and the error only in the body.
async fn failed_as_dialect(State(shared): State<Arc<Shared>>, mut response: Response) -> Response {
    let status = response.status();
    if status.is_client_error() || status.is_server_error() {
        let reported = StatusCode::from_u16(shared.dialect.api_status(status.as_u16()));
        *response.status_mut() = reported.unwrap_or(status);
    }
    response
}

/// Allows pages of any origin to read the answers, because a page under development has its own origin.
fn auth_endpoints(shared: &Arc<Shared>) -> Router<Arc<Shared>> {
    let any_origin = CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::POST])
        // Not `Any`, which does not include `Authorization`.
        .allow_headers(AllowHeaders::mirror_request());
    Router::new()
        .route("/pusher/auth", post(auth::authorize))
        .route("/pusher/auth/batch", post(auth::authorize_many))
        .route("/pusher/user-auth", post(auth::authenticate))
        .route_layer(middleware::from_fn_with_state(Arc::clone(shared), auth::delay))
        .route_layer(any_origin)
}

/// Refuses requests that a foreign page may have caused, and abandons those that are sent incompletely.
async fn guard(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    if !shared.any_origin && !is_of_this_machine(request.headers()) {
        let reason = "Host and Origin must be this machine, unless any origin is allowed";
        return Failure::new(StatusCode::FORBIDDEN, reason).into_response();
    }
    match timeout(REQUEST_TIMEOUT, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Failure::new(StatusCode::REQUEST_TIMEOUT, "the request did not arrive in time").into_response(),
    }
}

fn is_of_this_machine(headers: &HeaderMap) -> bool {
    let header = |name| headers.get(name).map(|value| value.to_str().unwrap_or_default());
    let page = header(header::ORIGIN).map(|origin| origin.split_once("://").map_or("", |(_, authority)| authority));
    header(header::HOST).is_none_or(|host| is_local(host) || is_address(host)) && page.is_none_or(is_local)
}

async fn connect(State(shared): State<Arc<Shared>>, uri: Uri, upgrade: WebSocketUpgrade) -> Response {
    socket::upgrade(upgrade, target(&uri), shared)
}

/// A WebSocket with an unknown path is refused with a close code. Other requests may be for pages.
async fn connect_elsewhere(
    State(shared): State<Arc<Shared>>,
    uri: Uri,
    upgrade: Result<WebSocketUpgrade, WebSocketUpgradeRejection>,
    request: Request,
) -> Response {
    match (upgrade, &shared.pages) {
        (Ok(upgrade), _) => socket::upgrade(upgrade, target(&uri), shared),
        (Err(_), Some(pages)) => {
            let (head, body) = request.into_parts();
            match body::to_bytes(body, MAX_BODY_LEN).await {
                Ok(body) => pages(Request::from_parts(head, body)).await,
                Err(error) => Failure::new(StatusCode::PAYLOAD_TOO_LARGE, error).into_response(),
            }
        }
        (Err(_), None) => Failure::new(StatusCode::NOT_FOUND, "not found").into_response(),
    }
}

fn target(uri: &Uri) -> String {
    uri.path_and_query().map_or_else(String::new, ToString::to_string)
}

/// An authenticated call.
struct Call {
    params: Params,
    body: Bytes,
}

#[derive(Deserialize)]
struct Params {
    info: Option<String>,
    filter_by_prefix: Option<String>,
}

impl Params {
    fn info(&self) -> Info {
        self.info.as_deref().map(Info::from_list).unwrap_or_default()
    }
}

impl FromRequest<Arc<Shared>> for Call {
    type Rejection = Failure;

    async fn from_request(request: Request, shared: &Arc<Shared>) -> Result<Self, Failure> {
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let body = Bytes::from_request(request, shared).await;
        let body = body.map_err(|error| Failure::new(error.status(), error.body_text()))?;
        let app_id = uri.path().strip_prefix("/apps/").and_then(|rest| rest.split('/').next());
        if app_id != Some(shared.app.id()) {
            let status = StatusCode::from_u16(shared.dialect.unknown_app_status()).unwrap_or(StatusCode::NOT_FOUND);
            return Err(Failure::new(status, "unknown application"));
        }
        let call = ApiRequest { method: method.as_str(), path: uri.path(), body: &body };
        let query = uri.query().unwrap_or("");
        let now = Some(Shared::wall_clock()).filter(|_| shared.dialect.checks_timestamp());
        let now = now.or_else(|| timestamp(&uri)).unwrap_or_default();
        let verified = shared.app.verify_request(&call, query, now);
        verified.map_err(|error| Failure::new(StatusCode::UNAUTHORIZED, error))?;
        let Query(params) = Query::try_from_uri(&uri).map_err(Failure::bad_request)?;
        Ok(Self { params, body })
    }
}

#[derive(Deserialize)]
struct Signed {
    auth_timestamp: u64,
}

/// When a call says that it was signed.
fn timestamp(uri: &Uri) -> Option<Duration> {
    let Query(Signed { auth_timestamp }) = Query::try_from_uri(uri).ok()?;
    Some(Duration::from_secs(auth_timestamp))
}

#[derive(Deserialize)]
struct EventBody {
    name: String,
    data: Box<RawValue>,
    channel: Option<String>,
    channels: Option<Vec<String>>,
    socket_id: Option<String>,
    info: Option<String>,
    tags: Option<BTreeMap<String, String>>,
    delta: Option<bool>,
}

impl EventBody {
    fn publication(self) -> Result<Publication, Failure> {
        let channels = self.channels.unwrap_or_default().into_iter().chain(self.channel);
        let channels: Result<Vec<_>, _> = channels.map(|name| channel_name(&name)).collect();
        // Data should be a string; other JSON is used unchanged.
        let data = serde_json::from_str(self.data.get()).unwrap_or_else(|_| self.data.get().to_owned());
        let mut publication = Publication::new(self.name, channels.map_err(Failure::bad_request)?, data);
        publication.socket_id = self.socket_id.map(SocketId::new).transpose().map_err(Failure::bad_request)?;
        let tags = self.tags.unwrap_or_default().into_iter();
        publication.tags = tags.map(|(key, value)| (key.into(), value.into())).collect();
        publication.delta = self.delta.unwrap_or(true);
        publication.info = self.info.as_deref().map(Info::from_list).unwrap_or_default();
        Ok(publication)
    }
}

#[derive(Deserialize)]
struct BatchBody {
    batch: Vec<EventBody>,
}

/// `None` if nothing was requested.
#[derive(Default, Serialize)]
struct EventAnswer {
    #[serde(skip_serializing_if = "Option::is_none")]
    channels: Option<BTreeMap<String, Attributes>>,
}

#[derive(Default, Serialize)]
struct BatchAnswer {
    #[serde(skip_serializing_if = "Option::is_none")]
    batch: Option<Vec<Attributes>>,
}

#[derive(Serialize)]
struct ChannelsAnswer {
    channels: BTreeMap<String, Attributes>,
}

#[derive(Serialize)]
struct UsersAnswer {
    users: Vec<User>,
}

#[derive(Serialize)]
struct User {
    id: String,
}

#[derive(Serialize)]
struct Empty {}

async fn events(State(shared): State<Arc<Shared>>, call: Call) -> Result<Json<EventAnswer>, Failure> {
    let publication = parse::<EventBody>(&call.body)?.publication()?;
    let infos = shared.trigger(&publication)?;
    let asked = publication.info != Info::default();
    Ok(Json(EventAnswer { channels: asked.then(|| by_name(infos)) }))
}

async fn batch_events(State(shared): State<Arc<Shared>>, call: Call) -> Result<Json<BatchAnswer>, Failure> {
    let batch = parse::<BatchBody>(&call.body)?.batch;
    let batch: Vec<_> = batch.into_iter().map(EventBody::publication).collect::<Result<_, _>>()?;
    let infos = shared.trigger_batch(&batch)?;
    let asked = batch.iter().any(|publication| publication.info != Info::default());
    Ok(Json(BatchAnswer { batch: asked.then_some(infos) }))
}

async fn channels(State(shared): State<Arc<Shared>>, call: Call) -> Result<Json<ChannelsAnswer>, Failure> {
    let prefix = call.params.filter_by_prefix.as_deref().unwrap_or("");
    let channels = shared.with_model(|model, _| model.channels(prefix, call.params.info()))?;
    Ok(Json(ChannelsAnswer { channels: by_name(channels) }))
}

async fn channel(
    State(shared): State<Arc<Shared>>,
    Path((_, channel)): Path<(String, String)>,
    call: Call,
) -> Result<Json<ChannelState>, Failure> {
    let channel = ChannelName::new(channel).map_err(Failure::bad_request)?;
    Ok(Json(shared.with_model(|model, _| model.channel(&channel, call.params.info()))?))
}

async fn users(
    State(shared): State<Arc<Shared>>,
    Path((_, channel)): Path<(String, String)>,
    _call: Call,
) -> Result<Json<UsersAnswer>, Failure> {
    let channel = ChannelName::new(channel).map_err(Failure::bad_request)?;
    let users = shared.with_model(|model, _| model.users(&channel))?;
    Ok(Json(UsersAnswer { users: users.into_iter().map(|id| User { id: id.to_string() }).collect() }))
}

async fn terminate_connections(
    State(shared): State<Arc<Shared>>,
    Path((_, user)): Path<(String, String)>,
    _call: Call,
) -> Result<Json<Empty>, Failure> {
    let count = shared.with_model(|model, now| model.terminate_connections(&user, now))?;
    debug!(user, count, "terminated connections");
    Ok(Json(Empty {}))
}

/// The name of a channel, or of the channel for a user's events.
fn channel_name(name: &str) -> Result<ChannelName, InvalidName> {
    match name.strip_prefix(SERVER_TO_USER) {
        Some(user) => pusher_proto::user_channel(user),
        None => ChannelName::new(name),
    }
}

fn parse<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, Failure> {
    serde_json::from_slice(body).map_err(Failure::bad_request)
}

fn by_name(infos: BTreeMap<ChannelName, Attributes>) -> BTreeMap<String, Attributes> {
    infos.into_iter().map(|(channel, attributes)| (channel.to_string(), attributes)).collect()
}

/// How long the head of a request may take to arrive, and then the rest of it.
pub(crate) const REQUEST_TIMEOUT: Duration = Duration::from_secs(30);

/// Largest body in bytes: a batch of ten events of 10 KB, with every byte escaped.
const MAX_BODY_LEN: usize = 1_024 * 1_024;
