//! Calls of the application, frames, authorizations and time in any order.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use pusher_proto::{
    AppKey, AuthError, ClientEventName, CloseFrame, CloseReason, Data, Endpoint, Event, NetworkHint, TransportError,
};

use crate::end::{CHANNELS, End, answer, channel};

#[derive(Arbitrary, Debug)]
enum Input {
    Connect,
    Disconnect,
    Subscribe(u8),
    Unsubscribe(u8),
    Signin,
    Signout,
    Switch,
    Network(bool),
    Trigger(u8),
    Greet,
    Succeed(u8),
    Refuse(u8),
    Event(u8, bool),
    Sealed(u8),
    Member(u8, u8, bool),
    SignedIn,
    Error(u16, u8),
    Close(u16),
    Drop,
    Fail(u16),
    Answer(u8, u8),
    Wait(u16),
    /// Nothing is polled from here on,
    Hold,
    /// to here.
    Drain,
}

/// Plays a session that is encoded in the bytes.
pub fn session(data: &[u8]) {
    session_with(data, |_| ());
}

/// The same, passing on what the application receives.
pub fn session_with(data: &[u8], mut hear: impl FnMut(&Event)) {
    let mut bytes = Unstructured::new(data);
    let mut end = End::new();
    let mut is_held = false;
    for _ in 0..MAX_INPUTS {
        if bytes.is_empty() {
            break;
        }
        let Ok(input) = Input::arbitrary(&mut bytes) else { break };
        is_held = match input {
            Input::Hold => true,
            Input::Drain => false,
            _ => is_held,
        };
        play(&mut end, input);
        if !is_held {
            end.drain();
            end.events.iter().for_each(&mut hear);
            end.check();
        }
    }
    end.check();
}

fn play(end: &mut End, input: Input) {
    let name = |number: u8| CHANNELS[usize::from(number) % CHANNELS.len()];
    match input {
        Input::Connect => end.client.connect(),
        Input::Disconnect => end.client.disconnect(),
        Input::Subscribe(number) => end.client.subscribe(channel(name(number))),
        Input::Unsubscribe(number) => end.client.unsubscribe(&channel(name(number))),
        Input::Signin => end.client.signin(),
        Input::Signout => end.client.signout(),
        Input::Switch => {
            let key = AppKey::new("other").expect("a key");
            end.client.switch(key, Endpoint::host("other").wss_port(1).tls(false).into());
        }
        Input::Network(true) => end.client.network_changed(NetworkHint::Online),
        Input::Network(false) => end.client.network_changed(NetworkHint::Offline),
        Input::Trigger(number) => {
            let event = ClientEventName::new("client-x").expect("a name");
            let _ = end.client.trigger(&channel(name(number)), &event, &Data::string("x"), end.now);
        }
        Input::Greet => end.receive(r#"{"event":"pusher:connection_established","data":{"socket_id":"1.1"}}"#),
        Input::Succeed(number) => end.receive(&format!(
            r#"{{"event":"pusher_internal:subscription_succeeded","channel":"{}","data":{{"presence":{{"ids":["{number}"]}}}}}}"#,
            name(number)
        )),
        Input::Refuse(number) => {
            end.receive(&format!(r#"{{"event":"pusher:subscription_error","channel":"{}"}}"#, name(number)));
        }
        Input::Event(number, is_cache_miss) => {
            let event = if is_cache_miss { "pusher:cache_miss" } else { "e" };
            end.receive(&format!(r#"{{"event":"{event}","channel":"{}","data":"{number}"}}"#, name(number)));
        }
        Input::Sealed(key) => {
            let secret = pusher_proto::signing::MasterKey::new([key; 32]);
            let sealed = secret.seal(&channel("private-encrypted-c"), "x", [1; 24]);
            let frame = format!(r#"{{"event":"e","channel":"private-encrypted-c","data":{}}}"#, sealed.raw());
            end.receive(&frame);
        }
        Input::Member(number, id, is_added) => {
            let event = if is_added { "member_added" } else { "member_removed" };
            end.receive(&format!(
                r#"{{"event":"pusher_internal:{event}","channel":"{}","data":{{"user_id":{id}}}}}"#,
                name(number)
            ));
        }
        Input::SignedIn => end.receive(r#"{"event":"pusher:signin_success","data":{"user_data":"{\"id\":\"7\"}"}}"#),
        Input::Error(code, number) => {
            let message = match number % 4 {
                0 => "no".to_owned(),
                1 => format!("Existing subscription to channel {}", name(number)),
                2 => format!("No current subscription to channel {}", name(number)),
                _ => name(number).to_owned(),
            };
            end.receive(&format!(r#"{{"event":"pusher:error","data":{{"code":{code},"message":"{message}"}}}}"#));
        }
        Input::Close(code) => {
            let frame = CloseFrame { code, reason: "why".into() };
            end.lose(CloseReason::Closed(Some(frame)));
        }
        Input::Drop => end.lose(CloseReason::Dropped),
        Input::Fail(status) => {
            let retry_after = Some(Duration::from_secs(status.into()));
            end.lose(CloseReason::Failed(TransportError::Http {
                status,
                retry_after,
                location: None,
                excerpt: Box::default(),
            }));
        }
        Input::Answer(number, kind) => {
            if end.auths.is_empty() {
                return;
            }
            let request = end.auths.remove(usize::from(number) % end.auths.len());
            let result = match kind % 4 {
                0 | 1 => Ok(answer(&request)),
                2 => Err(AuthError::Timeout),
                _ => Err(AuthError::Handler("no".into())),
            };
            end.auth(request.id, result);
        }
        Input::Wait(seconds) => end.wait(Duration::from_secs(seconds.into())),
        Input::Hold | Input::Drain => {}
    }
}

/// Longest session.
const MAX_INPUTS: usize = 500;
