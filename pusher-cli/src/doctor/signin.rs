//! Whether the server signs the user in.

use pusher_server::pusher_proto::server::Dialect;
use serde_json::json;

use super::finding::Finding;
use super::greeting::lost;
use super::patient::Patient;

pub(super) async fn signin(patient: &mut Patient) -> Finding {
    let Some(user) = patient.user.clone() else { return Finding::skipped("needs --user-auth-url") };
    if matches!(patient.server, Some(Dialect::Reverb | Dialect::LaravelWebsockets)) {
        return unsupported();
    }
    let Some((line, _)) = patient.connected() else { return Finding::skipped("not connected") };
    let user_data = user.user_data.as_deref().unwrap_or_default();
    let frame = json!({ "event": "pusher:signin", "data": { "auth": user.auth.expose(), "user_data": user_data } });
    if let Err(reason) = line.send(&frame).await {
        return lost(&reason);
    }
    let answer = line.wait(|message| match message.error() {
        Some(error) => Some(Err(error)),
        None => (message.event == "pusher:signin_success").then(|| Ok(message.data["user_data"].clone())),
    });
    match answer.await {
        Ok(Ok(_)) => Finding::ok("signed in"),
        Ok(Err(complaint)) => Finding::refused(format!("the sign-in is refused: {complaint}"))
            .means("the server does not accept the signature, or users cannot sign in to this application")
            .fix("give the endpoint the secret of this application, and enable user authentication on the server"),
        Err(reason) => lost(&reason),
    }
}

pub(super) fn late(_patient: &Patient) -> Finding {
    Finding::failed("no answer to the sign-in")
        .means("the server does not know sign-in, or the application has user authentication disabled")
        .fix("enable user authentication on the server")
}

fn unsupported() -> Finding {
    Finding::warning("this server has no sign-in")
        .means("events for users do not arrive, and users cannot be terminated by sign-in")
        .fix("use a private channel for each user")
}
