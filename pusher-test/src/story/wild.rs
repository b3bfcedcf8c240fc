//! Stories in which servers, the network and the clock do anything.

use std::time::Duration;

use pusher_proto::signing::MasterKey;
use pusher_proto::{AppKey, CloseFrame, CloseReason, Data, TransportError};
use serde_json::json;

use super::{Story, Subject};
use crate::Choices;
use crate::generate::{self, CHANNELS, channel};
use crate::transcript::{Answer, Call, Line, Passing, Received};

pub(crate) fn draw(choices: &mut Choices) -> Story {
    let mut lines = Vec::new();
    super::steps(choices, |choices| lines.push(line(choices)));
    Story { lines }
}

/// Draws one line.
pub(crate) fn line(choices: &mut Choices) -> Line {
    match choices.below(16) {
        0..=3 => Line::Calls((0..1 + choices.below(3) / 2).map(|_| wish(choices)).collect()),
        4 | 5 => Line::call(Call::Auth(1 + choices.below(6), answer(choices))),
        6 | 7 => passing(choices),
        _ => {
            let socket = choices.chance(24).then(|| 1 + choices.below(3));
            let is_polled = !choices.chance(24);
            Line::Receive { socket, is_polled, what: received(choices) }
        }
    }
}

/// Draws what an application may want.
pub(crate) fn wish(choices: &mut Choices) -> Call {
    wish_about(&Subject::new(), choices)
}

/// Draws what an application with these channels may want.
pub(crate) fn wish_about(subject: &Subject, choices: &mut Choices) -> Call {
    let name = subject.pick_channel(choices);
    match choices.below(16) {
        0..=2 => Call::Connect,
        3..=6 => Call::Subscribe(name),
        7 | 8 => Call::Unsubscribe(name),
        9 | 10 => {
            let data = Data::from_json(generate::json(choices)).unwrap_or(Data::ABSENT);
            let event = pusher_proto::ClientEventName::new("client-e").expect("it has the prefix");
            Call::Trigger(name, event, data)
        }
        11 => Call::Signin,
        12 => Call::Signout,
        13 => Call::Disconnect,
        14 => match choices.below(3) {
            0 => {
                let key = AppKey::new("OTHER").expect("it is not blank");
                Call::Switch(key, "cluster us2".parse().expect("it is an endpoint"))
            }
            1 => Call::Offline,
            _ => Call::Online,
        },
        _ if subject.is_about_channels() => Call::Subscribe(name),
        _ => Call::Subscribe(choices.pick(&[channel("a,b"), channel("private-Cafe"), channel("presence-")]).clone()),
    }
}

/// Draws an answer of the auth server.
pub(crate) fn answer(choices: &mut Choices) -> Answer {
    let secret = MasterKey::new(generate::MASTER_KEY).shared_secret(&channel("private-encrypted-c"));
    match choices.below(8) {
        0..=2 => Answer::ok(
            json!({"auth": "KEY:signature", "channel_data": r#"{"user_id":"7"}"#, "user_data": r#"{"id":"7"}"#,
                "shared_secret": secret.expose()})
            .to_string(),
        ),
        3 => Answer::Http { status: 403, retry_after: None, body: "no".to_owned() },
        4 => {
            let retry_after = choices.chance(128).then(|| choices.below(400).to_string());
            Answer::Http { status: *choices.pick(&[503, 429, 500]), retry_after, body: String::new() }
        }
        5 => Answer::Network("no route to host".to_owned()),
        6 => Answer::Timeout,
        _ => Answer::ok(
            (*choices.pick(&["", "{}", "<html>", r#"{"auth":7}"#, r#"{"auth":"KEY:signature"}"#])).to_owned(),
        ),
    }
}

/// Draws a time step: mostly seconds, sometimes minutes, with a timer that is sometimes late.
pub(crate) fn passing(choices: &mut Choices) -> Line {
    let time = time(choices);
    Line::Pass(match choices.below(16) {
        0..=8 => Passing::Time(time),
        9 => Passing::Asleep(time),
        10 => Passing::Unnoticed(time),
        11 => Passing::WallForward(time),
        _ => Passing::Retry,
    })
}

/// Draws a time.
pub(crate) fn time(choices: &mut Choices) -> Duration {
    match choices.below(3) {
        0 => Duration::from_millis(100 * choices.below(50) as u64),
        1 => Duration::from_secs(1 + choices.below(30) as u64),
        _ => Duration::from_secs(*choices.pick(&[30, 120, 150, 600])),
    }
}

/// Draws the end of a socket.
pub(crate) fn close(choices: &mut Choices) -> CloseReason {
    match choices.below(8) {
        0..=2 => CloseReason::Dropped,
        3..=5 => {
            let code = *choices.pick(&[1000, 1001, 1006, 1011, 4000, 4001, 4009, 4100, 4200, 4201, 4301, 0]);
            CloseReason::Closed(Some(CloseFrame { code, reason: (*choices.pick(&["", "why"])).into() }))
        }
        6 => CloseReason::Closed(None),
        _ => match choices.below(4) {
            0 => CloseReason::Failed(TransportError::Io("connection refused".into())),
            1 => CloseReason::Failed(TransportError::http(*choices.pick(&[200, 404, 429, 503]))),
            2 => CloseReason::Failed(TransportError::Dns("no such host".into())),
            _ => CloseReason::FrameTooLarge,
        },
    }
}

fn received(choices: &mut Choices) -> Received {
    match choices.below(16) {
        0..=2 => Received::Established((*choices.pick(&["1.1", "1.1", "22.7"])).to_owned(), None),
        3..=6 => Received::Text(scripted(choices)),
        7 | 8 => {
            let dialect = generate::dialect(choices);
            Received::Text(generate::frame(choices, dialect))
        }
        9 | 10 => Received::Text(generate::hostile_frame(choices)),
        11 | 12 => Received::Ended(close(choices)),
        13 => Received::Open,
        14 => choices.pick(&[Received::Ping, Received::Pong, Received::Binary, Received::Part]).clone(),
        _ => Received::Skipped(1 + choices.below(65_536) as u64),
    }
}

/// A frame about one of the channels, whether or not it is its turn.
fn scripted(choices: &mut Choices) -> String {
    let name = *choices.pick(&CHANNELS);
    let number = choices.below(8);
    let frame = match choices.below(9) {
        0 | 1 => {
            let data = json!({"presence": {"count": 1, "ids": [number], "hash": {number.to_string(): {}}}});
            json!({"event": "pusher_internal:subscription_succeeded", "channel": name, "data": data.to_string()})
        }
        2 => json!({"event": "pusher:subscription_error", "channel": name, "data": {"status": 401}}),
        3 => json!({"event": choices.pick(&["e", "pusher:cache_miss"]), "channel": name, "data": number.to_string()}),
        4 => {
            let sealed =
                MasterKey::new([*choices.pick(&[7, 8]); 32]).seal(&channel("private-encrypted-c"), "{}", [1; 24]);
            let data: serde_json::Value = serde_json::from_str(sealed.raw()).unwrap_or_default();
            json!({"event": "e", "channel": "private-encrypted-c", "data": data})
        }
        5 => {
            let event = choices.pick(&["pusher_internal:member_added", "pusher_internal:member_removed"]);
            json!({"event": event, "channel": name, "data": {"user_id": number}})
        }
        6 => json!({"event": "pusher:signin_success", "data": {"user_data": r#"{"id":"7"}"#}}),
        7 => {
            let code = *choices.pick(&[4009, 4100, 4200, 4301, 4302, 4303]);
            let message = match number % 4 {
                0 => "no".to_owned(),
                1 => format!("Existing subscription to channel {name}"),
                2 => format!("No current subscription to channel {name}"),
                _ => name.to_owned(),
            };
            json!({"event": "pusher:error", "data": {"code": code, "message": message}})
        }
        _ => {
            json!({"event": "pusher_internal:subscription_count", "channel": name, "data": {"subscription_count": number}})
        }
    };
    frame.to_string()
}
