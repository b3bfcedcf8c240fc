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
        // A form contains only text, so JSON in it is parsed. A list with commas may look like a number.
        let may_be_json = name == "user_info" || name == "watchlist" && text.trim_start().starts_with('[');
        let json = may_be_json.then(|| serde_json::from_str(&text).ok());
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
        self.user_id.as_ref().and_then(id_text).unwrap_or_else(|| socket_id.to_string())
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
        Value::Array(list) => list.into_iter().map(|user| id_text(&user).map_or(user, Value::String)).collect(),
        Value::Number(user) => serde_json::json!([user.to_string()]),
        other => other,
    }
}

/// The id of a user, which may be a number.
fn id_text(id: &Value) -> Option<String> {
    match id {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use axum::body::Body;

    use super::*;

    /// Reads the id and the watchlist of a sign-in.
    async fn user(content_type: &str, body: String) -> (String, Value) {
        let request = Request::post("/").header(header::CONTENT_TYPE, content_type).body(Body::from(body)).unwrap();
        let Ok(UserQuestion { socket_id, user, watchlist }) = read(request).await else { panic!("not read") };
        (user.id(&SocketId::new(socket_id).unwrap()), users(watchlist.unwrap_or_default()))
    }

    /// A field of a form.
    fn escaped(text: &str) -> String {
        text.bytes().map(|byte| format!("%{byte:02X}")).collect()
    }

    #[tokio::test]
    async fn an_id_is_the_text_that_was_sent_whatever_it_looks_like() {
        for id in
            ["7", "007", "7.50", "1e3", "-0", "12345678901234567890123", "null", "true", "[1]", "{}", "\"7\"", " 7 "]
        {
            let form = format!("socket_id=1.1&user_id={0}&watchlist={0}", escaped(id));
            let (read, watched) = user("application/x-www-form-urlencoded", form).await;
            assert_eq!(read, id);
            let expected = if id == "[1]" { "1" } else { id.trim() };
            assert_eq!(watched, serde_json::json!([expected]));
            let json = serde_json::json!({ "socket_id": "1.1", "user_id": id, "watchlist": [id, "b"] });
            let (read, watched) = user("application/json", json.to_string()).await;
            assert_eq!((read.as_str(), watched), (id, serde_json::json!([id, "b"])));
        }
        for id in ["7", "-7", "18446744073709551615"] {
            let json = format!(r#"{{"socket_id":"1.1","user_id":{id},"watchlist":[{id},"b"]}}"#);
            let (read, watched) = user("application/json", json).await;
            assert_eq!((read.as_str(), watched), (id, serde_json::json!([id, "b"])));
        }
        for none in ["null", "true", "[]", "{}"] {
            let json = format!(r#"{{"socket_id":"1.1","user_id":{none}}}"#);
            assert_eq!(user("application/json", json).await.0, "1.1");
        }
    }

    #[tokio::test]
    async fn a_watchlist_is_a_list_or_text_with_commas() {
        for (list, users) in [
            ("1,2", serde_json::json!(["1", "2"])),
            (" ann , bob ,", serde_json::json!(["ann", "bob"])),
            ("[1,\"ann\"]", serde_json::json!(["1", "ann"])),
            ("", serde_json::json!([])),
        ] {
            let form = format!("socket_id=1.1&watchlist={}", escaped(list));
            assert_eq!(user("application/x-www-form-urlencoded", form).await.1, users, "{list}");
        }
    }
}
