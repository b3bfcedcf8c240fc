use alloc::format;
use alloc::string::ToString as _;

use super::super::{App, MAX_TIMESTAMP_DIFFERENCE};
use super::*;
use crate::{Data, InvalidName, SocketId};

const NOW: Duration = Duration::from_secs(1_700_000_000);

fn app() -> App {
    App::new("3", "key", "secret").unwrap()
}

fn body(event: &Publish<'_>) -> Result<String, InvalidCall> {
    event.sign(NOW).map(|call| call.body)
}

/// The path of a call, which must be signed so that a server accepts it.
fn path<T>(call: &ApiCall<T>) -> &str {
    let (path, query) = call.target.split_once('?').unwrap();
    let request = ApiRequest { method: call.method, path, body: call.body.as_bytes() };
    app().verify_request(&request, query, NOW + MAX_TIMESTAMP_DIFFERENCE).unwrap();
    path
}

#[test]
fn calls_are_signed_for_their_path_query_and_body() {
    let publish = app().publish(["a"], "e", "1").sign(NOW).unwrap();
    assert_eq!((publish.method, path(&publish)), ("POST", "/apps/3/events"));
    let app = app();
    let batch = app.publish_batch(&[app.publish(["a"], "e", "1")], NOW).unwrap();
    assert_eq!((batch.method, path(&batch)), ("POST", "/apps/3/batch_events"));
    let channels = app.channels("presence-é", Info::ALL, NOW).unwrap();
    assert_eq!((channels.method, path(&channels)), ("GET", "/apps/3/channels"));
    assert!(channels.target.contains("filter_by_prefix=presence-%C3%A9&info=user_count%2Csubscription_count&"));
    assert_eq!((channels.headers, channels.body.as_str()), (&[] as &[_], ""));
    let channel = app.channel("private-a@b;c=1,2", Info::SUBSCRIPTION_COUNT, NOW).unwrap();
    assert_eq!(path(&channel), "/apps/3/channels/private-a@b;c=1,2");
    assert_eq!(path(&app.users("presence-a", NOW).unwrap()), "/apps/3/channels/presence-a/users");
    let terminate = app.terminate("a/b?c d%", NOW).unwrap();
    assert_eq!(path(&terminate), "/apps/3/users/a%2Fb%3Fc%20d%25/terminate_connections");
    assert_eq!((terminate.method, terminate.body.as_str()), ("POST", "{}"));
}

#[test]
fn a_prefix_of_the_server_is_signed_and_one_of_the_url_is_not() {
    let prefixed = app().api_prefix("/ws/").publish(["a"], "e", "1").sign(NOW).unwrap();
    assert_eq!(path(&prefixed), "/ws/apps/3/events");
    let call = app().publish(["a"], "e", "1").sign(NOW).unwrap();
    assert_eq!(path(&call), "/apps/3/events");
    assert_eq!(call.url("https://h/ws/"), format!("https://h/ws{}", call.target));
}

#[test]
fn data_are_sent_as_the_official_libraries_send_them() {
    let app = app();
    let sent = |event: Publish<'_>| {
        let body: serde_json::Value = serde_json::from_str(&body(&event).unwrap()).unwrap();
        body["data"].as_str().unwrap().to_string()
    };
    assert_eq!(sent(app.publish(["a"], "e", "text")), "text");
    assert_eq!(sent(app.publish(["a"], "e", r#"{"a":1}"#)), r#"{"a":1}"#);
    assert_eq!(sent(app.publish(["a"], "e", &[1, 2])), "[1,2]");
    assert_eq!(sent(app.publish(["a"], "e", &())), "null");
    assert_eq!(sent(app.publish(["a"], "e", &Data::ABSENT)), "null");
    assert_eq!(sent(app.publish(["a"], "e", &Data::string("\u{1f600}"))), "\u{1f600}");
    let unwritable = alloc::collections::BTreeMap::from([([1], 1)]);
    assert!(matches!(body(&app.publish(["a"], "e", &unwritable)), Err(InvalidCall::Data(_))));
}

#[test]
fn an_event_for_a_user_goes_to_the_users_channel() {
    let app = app().relaxed_channel_names(false);
    let sent = body(&app.send_to_user("ann \"", "e", "1")).unwrap();
    assert_eq!(sent, r##"{"name":"e","channels":["#server-to-user-ann \""],"data":"1"}"##);
    for id in ["", "a\nb"] {
        assert_eq!(body(&app.send_to_user(id, "e", "1")), Err(InvalidCall::UserId), "{id:?}");
    }
    for id in ["", ".", "..", "\0"] {
        assert_eq!(app.terminate(id, NOW), Err(InvalidCall::UserId), "{id:?}");
    }
}

#[test]
fn what_every_server_refuses_is_refused_here() {
    let app = app();
    let names = |len| (0..len).map(|number| format!("c{number}"));
    let long = "x".repeat(201);
    let channel = |name: &str| ChannelName::new(name).unwrap();
    let table = [
        (app.publish(names(0), "e", "1"), InvalidCall::NoChannel),
        (app.publish(names(101), "e", "1"), InvalidCall::TooManyChannels { len: 101, max: 100 }),
        (app.publish(["#a"], "e", "1"), InvalidCall::Channel { name: "#a".into(), reason: InvalidName::Reserved }),
        (app.publish(["a b"], "e", "1"), InvalidCall::ChannelNotPortable { channel: channel("a b") }),
        (app.publish([&long], "e", "1"), InvalidCall::ChannelNotPortable { channel: channel(&long) }),
        (app.publish(["a"], "", "1"), InvalidCall::EventName { len: 0 }),
        (app.publish(["a"], &long, "1"), InvalidCall::EventName { len: 201 }),
        (app.publish(["a"], "pusher:x", "1"), InvalidCall::ReservedEventName),
        (app.publish(["a"], "pusher_internal:x", "1"), InvalidCall::ReservedEventName),
        (app.publish(["a"], "e", &"x".repeat(10_241)), InvalidCall::DataTooLarge { len: 10_241, max: 10_240 }),
        (app.publish(["a"], "e", "1").exclude(&SocketId::new("1").unwrap()), InvalidCall::SocketId),
    ];
    for (event, error) in table {
        assert_eq!(body(&event), Err(error), "{event:?}");
    }
    assert!(body(&app.publish(names(100), "x".repeat(200), &"x".repeat(10_240))).is_ok());
    let larger = app.clone().max_event_len(20_000).relaxed_channel_names(true);
    assert!(body(&larger.publish(["a b:c"], "e", &"x".repeat(10_241))).is_ok());

    assert_eq!(app.users("a", NOW), Err(InvalidCall::NotPresence { channel: channel("a") }));
    assert_eq!(app.channels("", Info::USER_COUNT, NOW), Err(InvalidCall::UserCountWithoutPresence));
    assert_eq!(app.channel("a", Info::ALL, NOW), Err(InvalidCall::UserCountWithoutPresence));
    let ambiguous = app.channels("a&b", Info::NONE, NOW);
    assert!(matches!(ambiguous, Err(InvalidCall::Request(InvalidRequest::Param { .. }))));
}

#[test]
fn a_batch_has_one_to_ten_events_each_on_one_channel() {
    let app = app();
    let event = app.publish(["a"], "e", "1");
    let refused = |events: &[Publish<'_>]| app.publish_batch(events, NOW).unwrap_err();
    assert_eq!(refused(&[]), InvalidCall::NoEvent);
    assert_eq!(refused(&alloc::vec![event.clone(); 11]), InvalidCall::TooManyEvents { len: 11, max: 10 });
    assert_eq!(refused(&[app.publish(["a", "b"], "e", "1")]), InvalidCall::BatchChannels { len: 2 });
    assert_eq!(refused(&[event.clone(), app.publish(["a"], "", "1")]), InvalidCall::EventName { len: 0 });
    assert!(app.publish_batch(&alloc::vec![event; 10], NOW).is_ok());
}

#[test]
fn an_answer_is_read_whichever_server_wrote_it() {
    let count = |user_count| Attributes { user_count: Some(user_count), subscription_count: None };
    let publish = app().publish(["a"], "e", "1").sign(NOW).unwrap();
    for body in ["{}", r#"{"ok":true}"#, "", "ok", r#"{"channels":[]}"#, r#"{"error":null}"#, "\u{feff}{}\n"] {
        assert_eq!(publish.answer(200, body.as_bytes()), Ok(Published::default()), "{body}");
    }
    let info = publish.answer(200, br#"{"channels":{"presence-a":{"user_count":2},"b":[]}}"#).unwrap();
    let expected = [("presence-a".into(), count(2)), ("b".into(), Attributes::default())];
    assert_eq!(info.channels, expected.into());

    let app = app();
    let batch = app.publish_batch(&[app.publish(["a"], "e", "1")], NOW).unwrap();
    assert_eq!(
        batch.answer(200, br#"{"batch":[{"user_count":1},{}]}"#).unwrap().events,
        [count(1), Attributes::default()]
    );
    assert_eq!(batch.answer(200, b"{}").unwrap().events, []);

    let channels = app.channels("", Info::NONE, NOW).unwrap();
    assert_eq!(channels.answer(200, br#"{"channels":[]}"#), Ok(Channels::default()));
    let state = app.channel("a", Info::NONE, NOW).unwrap().answer(200, br#"{"occupied":true,"subscription_count":3}"#);
    assert_eq!(state.unwrap().attributes.subscription_count, Some(3));
    let users = app.users("presence-a", NOW).unwrap();
    assert_eq!(users.answer(200, br#"{"users":[{"id":"ann"},{"id":7}]}"#).unwrap().ids, ["ann", "7"]);
    assert_eq!(app.terminate("ann", NOW).unwrap().answer(200, b"{}"), Ok(Terminated {}));
}

#[test]
fn an_error_is_an_error_whatever_its_status() {
    let call = app().publish(["a"], "e", "1").sign(NOW).unwrap();
    let table = [
        (
            200,
            r#"{"error":"The secret authentication failed","code":401}"#,
            "the HTTP API refused the id, key or secret of the application: status 401: The secret authentication failed",
            (true, false),
        ),
        (
            200,
            r#"{"error":"too large","code":413}"#,
            "the HTTP API answered with status 413: too large",
            (false, false),
        ),
        (200, r#"{"error":{"no":1}}"#, r#"the HTTP API answered with status 200: {"no":1}"#, (false, false)),
        (503, "", "the HTTP API answered with status 503", (false, true)),
        (500, r#"{"message":"Server Error"}"#, "the HTTP API answered with status 500: Server Error", (false, true)),
        (400, "Missing channel\n", "the HTTP API answered with status 400: Missing channel", (false, false)),
        (429, "slow down", "the HTTP API answered with status 429: slow down", (false, true)),
        (302, "", "the HTTP API answered with status 302", (false, false)),
        (200, "<html>", "the answer does not come from the HTTP API; check the URL: <html>", (false, false)),
        (
            200,
            r#"{"channels":7}"#,
            r#"the answer does not come from the HTTP API; check the URL: {"channels":7}"#,
            (false, false),
        ),
    ];
    for (status, body, text, (is_refusal, is_retryable)) in table {
        let failure = call.answer(status, body.as_bytes()).unwrap_err();
        assert_eq!(failure.to_string(), text);
        assert_eq!((failure.is_refusal(), failure.is_retryable()), (is_refusal, is_retryable), "{text}");
    }
    let signature = "da454824c97ba181a32ccc17a72625ba02771f50b50e1e7430e47a1f3f457e6c";
    let failure = call.answer(401, format!("you sent {signature}").as_bytes()).unwrap_err();
    assert!(!failure.to_string().contains(signature), "{failure}");
    let channels = app().channels("", Info::NONE, NOW).unwrap();
    assert!(matches!(channels.answer(200, b"{}"), Err(ApiFailure::Unreadable { .. })));
}

/// The status says what a failure means; only that of a success leaves it to the body.
#[test]
fn every_status_has_one_meaning_wherever_it_stands() {
    let call = app().terminate("ann", NOW).unwrap();
    let meaning = |status: u16| {
        let is_refusal = [401, 403, 404].contains(&status);
        (is_refusal, [408, 429].contains(&status) || (500..=599).contains(&status))
    };
    for status in 100..=999 {
        let is_success = (200..=299).contains(&status);
        assert_eq!(call.answer(status, b"{}").is_ok(), is_success, "{status}");
        for code in CODES {
            let answer = call.answer(status, format!(r#"{{"error":"no","code":{code}}}"#).as_bytes());
            let failure = answer.unwrap_err();
            let expected = if is_success { code } else { status };
            assert_eq!((failure.is_refusal(), failure.is_retryable()), meaning(expected), "{status} {code}");
            assert!(failure.to_string().contains(&format!(" {expected}: no")), "{status} {code}: {failure}");
        }
    }
}

/// Those on both sides of every border.
const CODES: [u16; 20] =
    [100, 199, 200, 299, 300, 400, 401, 402, 403, 404, 405, 407, 408, 409, 428, 429, 430, 499, 500, 600];

#[test]
fn the_signature_of_a_call_does_not_print() {
    let call = app().publish(["a"], "e", "1").sign(NOW).unwrap();
    let expected = r#"ApiCall { method: "POST", target: /apps/3/events?…, body: 40 bytes, .. }"#;
    assert_eq!(format!("{call:?}"), expected);
}

#[cfg(not(feature = "encryption"))]
#[test]
fn an_encrypted_channel_needs_the_feature() {
    let channel = ChannelName::new("private-encrypted-a").unwrap();
    let refused = body(&app().publish([&channel], "e", "1"));
    assert_eq!(refused, Err(InvalidCall::NoEncryption { channel }));
}

#[cfg(feature = "encryption")]
mod encrypted {
    use crypto_secretbox::aead::Aead as _;
    use crypto_secretbox::{KeyInit as _, XSalsa20Poly1305};

    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use serde_json::Value;

    use super::super::super::MasterKey;
    use super::*;

    const CHANNEL: &str = "private-encrypted-a";

    fn app() -> App {
        super::app().encryption_master_key(MasterKey::new([7; 32]))
    }

    /// Opens the data of an event as a client does, from the shared secret.
    fn open(channel: &str, data: &Value) -> String {
        let sealed: Value = serde_json::from_str(data.as_str().unwrap()).unwrap();
        let part = |name: &str| STANDARD.decode(sealed[name].as_str().unwrap()).unwrap();
        let secret = MasterKey::new([7; 32]).shared_secret(&ChannelName::new(channel).unwrap());
        let key = STANDARD.decode(secret.expose()).unwrap();
        let cipher = XSalsa20Poly1305::new_from_slice(&key).unwrap();
        let nonce: [u8; 24] = part("nonce").try_into().unwrap();
        String::from_utf8(cipher.decrypt((&nonce).into(), part("ciphertext").as_slice()).unwrap()).unwrap()
    }

    #[test]
    fn an_event_for_an_encrypted_channel_is_encrypted_with_its_key() {
        let sent = body(&app().publish([CHANNEL], "e", &["secret"])).unwrap();
        assert!(!sent.contains(r#"secret"#), "{sent}");
        let sent: Value = serde_json::from_str(&sent).unwrap();
        assert_eq!(open(CHANNEL, &sent["data"]), r#"["secret"]"#);
    }

    #[test]
    fn an_encrypted_channel_is_the_only_one_of_its_event() {
        let refused = Err(InvalidCall::EncryptedWithOthers { channel: ChannelName::new(CHANNEL).unwrap() });
        for channels in [[CHANNEL, "a"], ["a", CHANNEL], [CHANNEL, CHANNEL], [CHANNEL, "private-encrypted-b"]] {
            assert_eq!(body(&app().publish(channels, "e", "1")), refused, "{channels:?}");
        }
        let refused = Err(InvalidCall::NoMasterKey { channel: ChannelName::new(CHANNEL).unwrap() });
        assert_eq!(body(&super::app().publish([CHANNEL], "e", "1")), refused);
    }

    #[test]
    fn each_event_of_a_batch_is_encrypted_for_its_own_channel() {
        let app = app();
        let events = [CHANNEL, "a", "private-encrypted-b", CHANNEL].map(|channel| app.publish([channel], "e", "1"));
        let call = app.publish_batch(&events, NOW).unwrap();
        let sent: Value = serde_json::from_str(&call.body).unwrap();
        let [first, plain, other, again] = [0, 1, 2, 3].map(|place| &sent["batch"][place]["data"]);
        assert_eq!(plain, "1");
        for (channel, data) in [(CHANNEL, first), ("private-encrypted-b", other), (CHANNEL, again)] {
            assert_eq!(open(channel, data), "1");
        }
        assert!(first != again, "a nonce was used twice");
    }

    #[test]
    fn the_nonce_is_another_one_for_another_second_channel_or_text() {
        let nonce = |channel: &str, text: &str, seconds| {
            let call = app().publish([channel], "e", text).sign(Duration::from_secs(seconds)).unwrap();
            let sent: Value = serde_json::from_str(&call.body).unwrap();
            let sealed: Value = serde_json::from_str(sent["data"].as_str().unwrap()).unwrap();
            sealed["nonce"].to_string()
        };
        let nonces = [
            nonce(CHANNEL, "1", 1),
            nonce(CHANNEL, "1", 2),
            nonce(CHANNEL, "2", 1),
            nonce("private-encrypted-b", "1", 1),
        ];
        let different: alloc::collections::BTreeSet<_> = nonces.iter().collect();
        assert_eq!(different.len(), nonces.len());
    }

    #[test]
    fn the_limit_counts_what_is_sent() {
        let text = "x".repeat(9_000);
        let refused = body(&app().publish([CHANNEL], "e", &text));
        assert!(matches!(refused, Err(InvalidCall::DataTooLarge { len: 12_000.., max: 10_240 })), "{refused:?}");
    }
}
