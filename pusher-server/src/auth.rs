//! Demo auth endpoints: they sign for whoever asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use axum::extract::{FromRequest as _, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use pusher_proto::signing::SigningError;
use pusher_proto::{AuthResponse, ChannelKind, ChannelName, SocketId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::hub::Shared;

#[derive(Deserialize)]
struct Question {
    socket_id: String,
    channel_name: String,
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

/// Who asks.
#[derive(Deserialize)]
struct User {
    user_id: Option<Value>,
    user_info: Option<Value>,
}

/// Allows a connection to subscribe to a channel.
pub(crate) async fn authorize(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Failure> {
    check_status(&shared)?;
    let Question { socket_id, channel_name, user } = read(request).await?;
    let channel = ChannelName::new(channel_name).map_err(Failure::bad_request)?;
    let socket_id = SocketId::new(socket_id).map_err(Failure::bad_request)?;
    if !(shared.authorize)(&channel) {
        return Err(Failure::new(StatusCode::FORBIDDEN, format_args!("{channel} is forbidden")));
    }
    let app = shared.signer();
    answer(match channel.kind() {
        ChannelKind::Public | ChannelKind::Private | ChannelKind::PrivateEncrypted => {
            app.authorize_channel(&socket_id, &channel)
        }
        ChannelKind::Presence => {
            app.authorize_channel_with_data(&socket_id, &channel, user.describe("user_id", &socket_id).to_string())
        }
    })
}

/// Says who the user of a connection is.
pub(crate) async fn authenticate(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Failure> {
    check_status(&shared)?;
    let UserQuestion { socket_id, user, watchlist } = read(request).await?;
    let socket_id = SocketId::new(socket_id).map_err(Failure::bad_request)?;
    let mut data = user.describe("id", &socket_id);
    if let Some(watchlist) = watchlist {
        data["watchlist"] = users(watchlist);
    }
    answer(shared.signer().authenticate_user(&socket_id, data.to_string()))
}

fn check_status(shared: &Shared) -> Result<(), Failure> {
    let Some(status) = shared.auth_status() else { return Ok(()) };
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
    Err(Failure::new(status, "authorization is switched off"))
}

fn answer(response: Result<AuthResponse, SigningError>) -> Result<Response, Failure> {
    let response = response.map_err(|error| match error {
        SigningError::NoMasterKey => Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error),
        error => Failure::bad_request(error),
    })?;
    Ok(([(header::CONTENT_TYPE, "application/json")], response.to_json()).into_response())
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
        // A form knows only text, so JSON in it is taken as what it says.
        let json = ["user_info", "watchlist"].contains(&name.as_str()).then(|| serde_json::from_str(&text).ok());
        let value = json.flatten().unwrap_or(Value::String(text));
        (name, value)
    });
    serde_json::from_value(fields.collect()).map_err(Failure::bad_request)
}

impl User {
    /// The user who was named, else one for this socket alone, with the id under the key `id`.
    fn describe(self, id: &str, socket_id: &SocketId) -> Value {
        let user_id = match self.user_id {
            Some(Value::String(id)) => id,
            Some(Value::Number(id)) => id.to_string(),
            Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => socket_id.to_string(),
        };
        match self.user_info {
            None => json!({ id: user_id }),
            Some(info) => json!({ id: user_id, "user_info": info }),
        }
    }
}

/// The users of a watchlist: a list, or text with commas.
fn users(watchlist: Value) -> Value {
    match watchlist {
        Value::String(list) => list.split(',').map(str::trim).filter(|user| !user.is_empty()).collect(),
        Value::Number(user) => json!([user.to_string()]),
        other => other,
    }
}
