//! A demo auth endpoint: it signs for whoever asks.

use std::sync::Arc;

use axum::extract::{FromRequest as _, Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::{Form, Json};
use pusher_proto::signing::SigningError;
use pusher_proto::{ChannelKind, ChannelName, SocketId};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::failure::Failure;
use crate::hub::Shared;

#[derive(Deserialize)]
struct Question {
    socket_id: String,
    channel_name: String,
    user_id: Option<Value>,
    user_info: Option<Value>,
}

pub(crate) async fn authorize(State(shared): State<Arc<Shared>>, request: Request) -> Result<Response, Failure> {
    if let Some(status) = shared.auth_status() {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::FORBIDDEN);
        return Err(Failure::new(status, "authorization is switched off"));
    }
    let question = read(request).await?;
    let channel = ChannelName::new(question.channel_name.as_str()).map_err(Failure::bad_request)?;
    let socket_id = SocketId::new(question.socket_id.as_str()).map_err(Failure::bad_request)?;
    if !(shared.authorize)(&channel) {
        return Err(Failure::new(StatusCode::FORBIDDEN, format_args!("{channel} is forbidden")));
    }
    let response = match channel.kind() {
        ChannelKind::Public | ChannelKind::Private | ChannelKind::PrivateEncrypted => {
            shared.app.authorize_channel(&socket_id, &channel)
        }
        ChannelKind::Presence => {
            shared.app.authorize_channel_with_data(&socket_id, &channel, member(&question).to_string())
        }
    };
    let response = response.map_err(|error| match error {
        SigningError::NoMasterKey => Failure::new(StatusCode::INTERNAL_SERVER_ERROR, error),
        error => Failure::bad_request(error),
    })?;
    Ok(([(header::CONTENT_TYPE, "application/json")], response.to_json()).into_response())
}

async fn read(request: Request) -> Result<Question, Failure> {
    let content_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    if content_type.is_some_and(|value| value.starts_with("application/json")) {
        let Json(question) = Json::from_request(request, &()).await.map_err(Failure::bad_request)?;
        return Ok(question);
    }
    let Form(mut question): Form<Question> = Form::from_request(request, &()).await.map_err(Failure::bad_request)?;
    // A form knows only text, so JSON in it is taken as what it says.
    if let Some(Value::String(info)) = &question.user_info {
        question.user_info = Some(serde_json::from_str(info).unwrap_or_else(|_| info.as_str().into()));
    }
    Ok(question)
}

/// Who subscribes: the user who was named, else one for this socket alone.
fn member(question: &Question) -> Value {
    let id = match &question.user_id {
        Some(Value::String(id)) => id.clone(),
        Some(Value::Number(id)) => id.to_string(),
        Some(Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_)) | None => question.socket_id.clone(),
    };
    match &question.user_info {
        None => json!({ "user_id": id }),
        Some(info) => json!({ "user_id": id, "user_info": info }),
    }
}
