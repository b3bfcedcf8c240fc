//! Demo auth endpoints, which sign for anyone.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{FromRequest as _, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use pusher_proto::signing::SigningError;
use pusher_proto::{AuthResponse, ChannelKind, ChannelName, SocketId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::sleep;

use crate::failure::Failure;
use crate::hub::Shared;

#[derive(Deserialize)]
struct Question {
    socket_id: String,
    channel_name: String,
    #[serde(flatten)]
    user: User,
}

/// A request for several channels at once, in the format of the plugin `pusher-js-auth`.
#[derive(Deserialize)]
struct BatchQuestion {
    socket_id: String,
    channel_name: Vec<String>,
    #[serde(flatten)]
    user: User,
}

#[derive(Deserialize)]
struct UserQuestion {
    socket_id: String,
    #[serde(flatten)]
    user: User,
    watchlist: Option<Value>,
}

/// The user that the request names.
#[derive(Deserialize)]
struct User {
    user_id: Option<Value>,
    user_info: Option<Value>,
}

/// Allows a connection to subscribe to a channel.
pub(crate) async fn authorize(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Failure> {
    check_status(&shared)?;
    let Question { socket_id, channel_name, user } = read(request).await?;
    let socket_id = known_socket(&shared, socket_id)?;
    Ok(json(sign(&shared, &socket_id, channel_name, &user)?.to_json()))
}

/// Decides for each of several channels whether a connection may subscribe to it.
pub(crate) async fn authorize_many(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Failure> {
    check_status(&shared)?;
    let BatchQuestion { socket_id, channel_name: channels, user } = read(request).await?;
    let socket_id = known_socket(&shared, socket_id)?;
    let entry = |channel: String| {
        let entry = match sign(&shared, &socket_id, channel.clone(), &user) {
            Ok(response) => format!(r#"{{"status":200,"data":{}}}"#, response.to_json()),
            Err(failure) => failure.to_entry(),
        };
        format!("{}:{entry}", Value::String(channel))
    };
    let entries: Vec<String> = channels.into_iter().map(entry).collect();
    Ok(json(format!("{{{}}}", entries.join(","))))
}

fn sign(shared: &Shared, socket_id: &SocketId, channel: String, user: &User) -> Result<AuthResponse, Failure> {
    let channel = ChannelName::new(channel).map_err(Failure::bad_request)?;
    if !(shared.authorize)(&channel) || shared.auth().refused.contains(&channel) {
        return Err(Failure::new(StatusCode::FORBIDDEN, format_args!("{channel} is forbidden")));
    }
    let app = shared.signer();
    let response = match channel.kind() {
        ChannelKind::Public | ChannelKind::Private | ChannelKind::PrivateEncrypted => {
            app.authorize_channel(socket_id, &channel)
        }
        ChannelKind::Presence => app.authorize_member(socket_id, &channel, &user.id(socket_id), &user.user_info),
    };
    response.map_err(failure)
}

/// Signs in the user of a connection.
pub(crate) async fn authenticate(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Failure> {
    check_status(&shared)?;
    let UserQuestion { socket_id, user, watchlist } = read(request).await?;
    let socket_id = known_socket(&shared, socket_id)?;
    let mut data = user.describe(&socket_id);
    if let Some(watchlist) = watchlist {
        data["watchlist"] = users(watchlist);
    }
    let response = shared.signer().authenticate_user(&socket_id, data.to_string());
    Ok(json(response.map_err(failure)?.to_json()))
}

/// Reads the id of a socket that is connected here. Others may belong to other servers with the same secret.
fn known_socket(shared: &Shared, socket_id: String) -> Result<SocketId, Failure> {
    let socket_id = SocketId::new(socket_id).map_err(Failure::bad_request)?;
    if shared.signs_for(&socket_id) {
        return Ok(socket_id);
    }
    Err(Failure::new(StatusCode::FORBIDDEN, format_args!("socket {socket_id} is not connected to this server")))
}

/// Answers later if the endpoints are slow, and counts what is not granted.
pub(crate) async fn delay(State(shared): State<Arc<Shared>>, request: Request, next: Next) -> Response {
    let delay = shared.auth().delay;
    let response = next.run(request).await;
    if !response.status().is_success() {
        shared.count_refusal();
    }
    sleep(delay).await;
    response
}

fn check_status(shared: &Shared) -> Result<(), Failure> {
    let Some(status) = shared.auth().status else { return Ok(()) };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
    Err(Failure::new(status, "authorization is switched off"))
}

fn failure(error: SigningError) -> Failure {
    match error {
        SigningError::NoMasterKey => Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error),
        error => Failure::bad_request(error),
    }
}

fn json(body: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], body).into_response()
}

async fn read<T: DeserializeOwned>(request: Request) -> Result<T, Failure> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if content_type.is_some_and(|value| value.starts_with("application/json")) {
        let Json(question) = Json::from_request(request, &()).await.map_err(Failure::bad_request)?;
        return Ok(question);
    }
    let form: Result<Form<BTreeMap<String, String>>, _> = Form::from_request(request, &()).await;
    let Form(fields) = form.map_err(Failure::bad_request)?;
    let fields = fields.into_iter().map(|(name, text)| {
        // A form contains only text, so JSON in it is parsed.
        let json = ["user_info", "watchlist"].contains(&name.as_str()).then(|| serde_json::from_str(&text).ok());
        let value = json.flatten().unwrap_or(Value::String(text));
        (name, value)
    });
    serde_json::from_value(with_lists(fields)).map_err(Failure::bad_request)
}

/// Fields named `channel_name[0]` and so on are a list, as in PHP and Rails.
fn with_lists(fields: impl Iterator<Item = (String, Value)>) -> Value {
    let mut object = serde_json::Map::new();
    for (name, value) in fields {
        match name.split_once('[') {
            Some((name, _)) => match object.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
                Value::Array(list) => list.push(value),
                single => *single = value,
            },
            None => drop(object.insert(name, value)),
        }
    }
    Value::Object(object)
}

impl User {
    /// The id of the named user, or an id for this socket only.
    fn id(&self, socket_id: &SocketId) -> String {
        match &self.user_id {
            Some(Value::String(id)) => id.clone(),
            Some(Value::Number(id)) => id.to_string(),
            Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => socket_id.to_string(),
        }
    }

    /// The data of a sign-in.
    fn describe(self, socket_id: &SocketId) -> Value {
        let id = self.id(socket_id);
        match self.user_info {
            None => serde_json::json!({ "id": id }),
            Some(info) => serde_json::json!({ "id": id, "user_info": info }),
        }
    }
}

/// The users of a watchlist: a list, or text with commas.
fn users(watchlist: Value) -> Value {
    match watchlist {
        Value::String(list) => list.split(',').map(str::trim).filter(|user| !user.is_empty()).collect(),
        Value::Number(user) => serde_json::json!([user.to_string()]),
        other => other,
    }
}
