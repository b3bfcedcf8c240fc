//! Payloads of an encrypted channel, rotated keys, and auth servers that refuse them.

use std::time::Duration;

use arbitrary::{Arbitrary, Unstructured};
use pusher_proto::signing::MasterKey;
use pusher_proto::{AuthError, AuthPurpose, AuthResponse, CloseReason, Event};

use crate::end::{End, channel};
use crate::line::{Line, string};

#[derive(Arbitrary, Debug)]
enum Input<'a> {
    /// Any payload.
    Any(Line<'a>),
    /// A sealed payload.
    Sealed(u8, Form, Line<'a>),
    /// The answer to the request for a newer key.
    Grant(u8),
    Refuse(Refusal),
    Wait(u8),
    Reconnect(u8),
}

#[derive(Arbitrary, Debug)]
enum Form {
    Object,
    String,
    /// One byte was changed on the way.
    Changed(u8),
}

#[derive(Arbitrary, Debug)]
enum Refusal {
    Timeout,
    Denied,
    NoSecret,
    BadSecret,
}

/// Events sealed with one of the channel's keys reach the application in order, and nothing else does.
pub fn secretbox(data: &[u8]) {
    let mut bytes = Unstructured::new(data);
    let mut stage = Stage::connected();
    for _ in 0..MAX_INPUTS {
        if bytes.is_empty() {
            break;
        }
        let Ok(input) = Input::arbitrary(&mut bytes) else { break };
        stage.play(input);
        stage.end.check();
    }
}

struct Stage {
    end: End,
    key: u8,
    /// Events that wait for a newer key, and how long the first of them has waited.
    held: Vec<Payload>,
    waited: Duration,
}

/// An event as it was sent.
struct Payload {
    json: String,
    /// The key with which it can be opened, and its plaintext.
    sealed: Option<(u8, String)>,
}

/// What the application receives for one event: its text, or that it cannot be opened.
type Told = Result<String, ()>;

impl Stage {
    fn connected() -> Self {
        let mut end = End::new();
        end.client.connect();
        end.client.subscribe(channel(CHANNEL));
        end.drain();
        let mut stage = Self { end, key: 0, held: vec![], waited: Duration::ZERO };
        stage.enter(0);
        stage
    }

    fn play(&mut self, input: Input<'_>) {
        match input {
            Input::Any(data) => self.receive(Payload { json: data.json().into_owned(), sealed: None }),
            Input::Sealed(key, form, text) => self.receive(Payload::sealed(key % KEYS, &form, &text.0)),
            Input::Grant(key) => self.grant(key % KEYS),
            Input::Refuse(refusal) => self.refuse(&refusal),
            Input::Wait(seconds) => self.wait(Duration::from_secs((seconds % MAX_WAIT_SECS).into())),
            Input::Reconnect(key) => self.reconnect(key % KEYS),
        }
    }

    fn receive(&mut self, payload: Payload) {
        let was_held = !self.held.is_empty();
        self.end.receive(&format!(r#"{{"event":"e","channel":"{CHANNEL}","data":{}}}"#, payload.json));
        self.end.drain();
        let told = self.told();
        if was_held || self.is_refreshing() {
            assert_eq!(told, [], "what waits for a key was told: {}", payload.json);
            assert!(was_held || payload.open(&[self.key]).is_err(), "a key is asked for in vain");
            if !was_held {
                self.waited = Duration::ZERO;
            }
            self.held.push(payload);
        } else {
            assert_eq!(told, [payload.open(&[self.key])], "{}", payload.json);
        }
    }

    fn grant(&mut self, key: u8) {
        if self.answer(Ok(granted(key))) {
            let keys = [key, self.key];
            self.key = key;
            let expected: Vec<Told> = self.held.drain(..).map(|payload| payload.open(&keys)).collect();
            assert_eq!(self.told(), expected, "after another key");
        }
    }

    fn refuse(&mut self, refusal: &Refusal) {
        let answer = match refusal {
            Refusal::Timeout => {
                // The request is repeated while the events wait.
                if self.answer(Err(AuthError::Timeout)) {
                    assert_eq!(self.told(), [], "after a timeout");
                }
                return;
            }
            Refusal::Denied => Err(AuthError::Handler("no".into())),
            Refusal::NoSecret => Ok(AuthResponse::new("key:signature")),
            Refusal::BadSecret => {
                let mut answer = AuthResponse::new("key:signature");
                answer.shared_secret = Some("c2hvcnQ=".into());
                Ok(answer)
            }
        };
        if self.answer(answer) {
            self.give_up("after a refused key");
        }
    }

    /// Without a newer key, events that the current one does not open are lost.
    fn give_up(&mut self, when: &str) {
        let expected: Vec<Told> = self.held.drain(..).map(|payload| payload.open(&[self.key])).collect();
        assert_eq!(self.told(), expected, "{when}");
    }

    /// Answers the request for a newer key. Returns whether there was one.
    fn answer(&mut self, answer: Result<AuthResponse, AuthError>) -> bool {
        let Some(at) = self.end.auths.iter().position(|request| request.purpose == AuthPurpose::KeyRefresh) else {
            return false;
        };
        let request = self.end.auths.remove(at);
        self.end.auth(request.id, answer);
        self.end.drain();
        true
    }

    fn wait(&mut self, duration: Duration) {
        // Keeps the connection from ending because of silence.
        self.end.receive(r#"{"event":"pusher:ping"}"#);
        self.end.wait(duration);
        self.end.drain();
        self.waited += duration;
        if self.waited >= KEY_REFRESH_TIMEOUT {
            self.give_up("after the timeout");
        } else {
            assert_eq!(self.told(), [], "after {:?}", self.waited);
        }
    }

    /// Waiting events are lost with the connection.
    fn reconnect(&mut self, key: u8) {
        let socket = self.end.socket;
        self.end.lose(CloseReason::Dropped);
        self.end.drain();
        self.held.clear();
        for _ in 0..MAX_WAITS {
            if self.end.socket > socket {
                break;
            }
            self.end.wait(Duration::from_secs(1));
            self.end.drain();
        }
        assert!(self.end.socket > socket, "no second socket");
        assert_eq!(self.told(), [], "nothing arrived");
        self.enter(key);
    }

    /// Greets the client and confirms its channel.
    fn enter(&mut self, key: u8) {
        self.end.receive(r#"{"event":"pusher:connection_established","data":{"socket_id":"1.1"}}"#);
        self.end.drain();
        let request = self.end.auths.pop().expect("the channel needs an authorization");
        self.end.auth(request.id, Ok(granted(key)));
        self.end.drain();
        self.end.receive(&format!(r#"{{"event":"pusher_internal:subscription_succeeded","channel":"{CHANNEL}"}}"#));
        self.end.drain();
        assert_eq!(self.told(), [], "nothing was sent");
        self.key = key;
    }

    fn is_refreshing(&self) -> bool {
        self.end.auths.iter().any(|request| request.purpose == AuthPurpose::KeyRefresh)
    }

    fn told(&mut self) -> Vec<Told> {
        let told = self.end.events.drain(..).filter_map(|event| match event {
            Event::Channel(event) => Some(Ok(event.data().text().into_owned())),
            Event::DecryptionError { .. } => Some(Err(())),
            _ => None,
        });
        told.collect()
    }
}

impl Payload {
    fn sealed(key: u8, form: &Form, text: &str) -> Self {
        let sealed = master(key).seal(&channel(CHANNEL), text, [key; 24]);
        let json = match form {
            Form::Object => sealed.raw().to_owned(),
            Form::String => string(sealed.raw()),
            Form::Changed(at) => return Self { json: changed(sealed.raw(), usize::from(*at)), sealed: None },
        };
        Self { json, sealed: Some((key, text.to_owned())) }
    }

    fn open(&self, keys: &[u8]) -> Told {
        let sealed = self.sealed.as_ref().filter(|(key, _)| keys.contains(key));
        sealed.map(|(_, text)| text.clone()).ok_or(())
    }
}

/// The same with a different letter in nonce or ciphertext. The last four letters may contain bits that do not count.
fn changed(json: &str, at: usize) -> String {
    let nonce = r#"{"nonce":""#.len();
    let ciphertext = nonce + NONCE_CHARS + r#"","ciphertext":""#.len();
    let letters = (nonce..nonce + NONCE_CHARS).chain(ciphertext..json.len() - r#"====""}"#.len());
    let at = letters.clone().nth(at % letters.count()).expect("a remainder is less");
    let letter = if json.as_bytes()[at] == b'A' { "B" } else { "A" };
    format!("{}{letter}{}", &json[..at], &json[at + 1..])
}

fn granted(key: u8) -> AuthResponse {
    let mut answer = AuthResponse::new("key:signature");
    answer.shared_secret = Some(master(key).shared_secret(&channel(CHANNEL)));
    answer
}

fn master(key: u8) -> MasterKey {
    MasterKey::new([key; MasterKey::LEN])
}

const CHANNEL: &str = "private-encrypted-c";

/// Keys that the channel may have.
const KEYS: u8 = 4;

/// Letters of a nonce in base64, without padding.
const NONCE_CHARS: usize = 32;

/// How long events wait for a newer key: the default of the client.
const KEY_REFRESH_TIMEOUT: Duration = Duration::from_secs(30);

/// Less than the silence after which the client pings.
const MAX_WAIT_SECS: u8 = 60;

/// Seconds within which the client opens another socket.
const MAX_WAITS: usize = 100;

/// The largest number of inputs, less than the number of events that may wait.
const MAX_INPUTS: usize = 60;
