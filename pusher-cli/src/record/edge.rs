//! What stands between the world and the core of a recorded session, so that no secret reaches the core: it sees a key
//! and signatures that stand for those of the application, and what it sends gets the real ones on its way out. A
//! recording contains only what this core saw and said, so it contains no secret, and it is exact.

use std::collections::{BTreeMap, VecDeque};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use pusher_tokio::pusher_proto::{ConnectRequest, Frame};
use pusher_tokio::{AuthError, AuthRequest, AuthResponse, CloseFrame, CloseReason, Text, TransportError};
use serde_json::Value;

use super::machine::KEY;
use super::redact::{Redactor, replace_texts};
use super::sealed::Vaults;

pub(super) struct Edge {
    /// The application's key.
    key: String,
    /// Every secret that is known, as it may occur in a text, and what stands for it.
    words: Vec<(String, &'static str)>,
    /// The latest signatures. Servers repeat them in errors.
    signatures: VecDeque<String>,
    /// What is signed and not sent, by the number in the signature that stands for the real one.
    signed: BTreeMap<u64, Signed>,
    /// How much was signed.
    count: u64,
    vaults: Vaults,
    /// Only if payloads and users are to be hidden as well.
    redactor: Option<Redactor>,
}

/// JSON strings of a message, as the core writes them and as the server needs them.
struct Signed(Vec<(String, String)>);

impl Edge {
    /// `secrets` are headers and other texts that must not occur in a recording.
    pub(super) fn new(key: &str, secrets: impl IntoIterator<Item = String>, redacts: bool) -> Self {
        let redactor = redacts.then(Redactor::default);
        let mut edge = Self {
            key: key.to_owned(),
            words: Vec::new(),
            signatures: VecDeque::new(),
            signed: BTreeMap::new(),
            count: 0,
            vaults: Vaults::default(),
            redactor,
        };
        edge.hide(key, KEY);
        for secret in secrets {
            // The token after a scheme, or the value of a cookie, may occur alone.
            let words = secret.split([' ', ';', '=']).filter(|word| word.len() > "Bearer".len());
            words.for_each(|word| edge.hide(word, HIDDEN));
            edge.hide(&secret, HIDDEN);
        }
        edge
    }

    /// Returns the request that opens the application's socket.
    pub(super) fn connect(&self, mut request: ConnectRequest) -> ConnectRequest {
        let encoded = percent_encoded(&self.key);
        request.target = request.target.replacen(&format!("/app/{KEY}?"), &format!("/app/{encoded}?"), 1).into();
        request
    }

    /// Returns the message for the server, with the real signature.
    pub(super) fn send(&mut self, text: Text) -> Text {
        let redacted = self.redactor.as_ref().and_then(|redactor| redactor.send(&text));
        let text = redacted.map_or(text, Text::from);
        // Quotes in names are escaped, so this is a field.
        let rest = [KEY, FOREIGN_KEY].iter().find_map(|key| text.split_once(&format!("\"auth\":\"{key}{MARK}")));
        let number = rest.and_then(|(_, rest)| rest.split('"').next()?.parse().ok());
        let Some(Signed(pairs)) = number.and_then(|number| self.signed.remove(&number)) else { return text };
        let real = pairs.iter().fold(text.as_str().to_owned(), |text, (shown, real)| text.replacen(shown, real, 1));
        real.into()
    }

    /// Returns the frame for the core.
    pub(super) fn frame(&mut self, frame: Frame) -> Frame {
        let text = match frame {
            Frame::Text(text) => text,
            // The protocol has none, so their content does not matter.
            Frame::Binary(_) => return Frame::Binary(Default::default()),
            Frame::Ping | Frame::Pong => return frame,
        };
        let text = match self.vaults.frame(&text) {
            Some(sealed) => self.redactor.as_mut().and_then(|redactor| redactor.sealed(&sealed)).unwrap_or(sealed),
            None => match self.redactor.as_mut().and_then(|redactor| redactor.frame(&text)) {
                Some(redacted) => redacted,
                None => text.as_str().to_owned(),
            },
        };
        let text = self.error(&text).unwrap_or(text);
        Frame::Text(self.hidden(&text, MIN_UNIQUE_LEN).into())
    }

    /// Returns the end of a socket for the core.
    pub(super) fn closed(&mut self, reason: CloseReason) -> CloseReason {
        let mut shown = |text: &str| self.shown(text);
        match reason {
            CloseReason::Closed(Some(frame)) => {
                CloseReason::Closed(Some(CloseFrame::new(frame.code, shown(&frame.reason))))
            }
            CloseReason::Failed(error) => CloseReason::Failed(match error {
                TransportError::Dns(text) => TransportError::Dns(shown(&text)),
                TransportError::Io(text) => TransportError::Io(shown(&text)),
                TransportError::Tls(text) => TransportError::Tls(shown(&text)),
                TransportError::Upgrade(text) => TransportError::Upgrade(shown(&text)),
                TransportError::WebSocket(text) => TransportError::WebSocket(shown(&text)),
                TransportError::Http { status, retry_after, location, excerpt } => TransportError::Http {
                    status,
                    retry_after,
                    location: location.map(|location| shown(&location).into()),
                    excerpt: shown(&excerpt).into(),
                },
                error => TransportError::Io(shown(&error.to_string())),
            }),
            reason => reason,
        }
    }

    /// Returns an answer of the auth server for the core, and keeps what it needs to be used.
    pub(super) fn answer(
        &mut self,
        request: &AuthRequest,
        answer: Result<AuthResponse, AuthError>,
    ) -> Result<AuthResponse, AuthError> {
        let response = answer.map_err(|error| self.refused(error))?;
        let auth = response.auth.expose();
        // The client reports signatures with the key of another application.
        let (key, signature) = auth.split_once(':').unwrap_or(("", auth));
        let key = if key == self.key { KEY } else { FOREIGN_KEY };
        self.count += 1;
        let shown = format!("{key}{MARK}{}", self.count);
        if self.signatures.len() == MAX_SIGNATURES {
            self.signatures.pop_front();
        }
        self.signatures.push_back(signature.to_owned());
        let mut pairs = vec![(field("auth", &shown), field("auth", auth))];
        let mut replaced = AuthResponse::new(shown);
        for (name, text, replaced) in [
            ("channel_data", &response.channel_data, &mut replaced.channel_data),
            ("user_data", &response.user_data, &mut replaced.user_data),
        ] {
            let Some(text) = text else { continue };
            let shown = match &mut self.redactor {
                Some(redactor) => redactor.user_data(text),
                None => text.as_str().to_owned(),
            };
            let shown = self.hidden_in_json(&shown);
            pairs.push((field(name, &shown), field(name, text)));
            *replaced = Some(shown.into());
        }
        if let Some(secret) = &response.shared_secret {
            self.hide(secret.expose(), HIDDEN);
            replaced.shared_secret = Some(match request.subject.channel() {
                Some(channel) => self.vaults.secret(channel, secret.expose()).into(),
                None => HIDDEN.into(),
            });
        }
        self.signed.insert(self.count, Signed(pairs));
        // Answers for newer keys are never sent.
        if self.signed.len() > MAX_SIGNATURES {
            self.signed.pop_first();
        }
        Ok(replaced)
    }

    fn refused(&mut self, error: AuthError) -> AuthError {
        match error {
            AuthError::Network(text) => AuthError::Network(self.shown(&text)),
            AuthError::Http { status, excerpt, retry_after } => {
                AuthError::Http { status, excerpt: self.said(&excerpt), retry_after }
            }
            AuthError::InvalidJson { excerpt } => AuthError::InvalidJson { excerpt: self.said(&excerpt) },
            AuthError::MissingAuth { excerpt } => AuthError::MissingAuth { excerpt: self.said(&excerpt) },
            AuthError::Handler(text) => AuthError::Handler(self.shown(&text)),
            AuthError::At { url, error } => self.refused(*error).at(self.shown(&url)),
            AuthError::Timeout | AuthError::BadSecret | AuthError::NotConfigured => error,
            // Those about fields of the answer have no form in a recording, and are as final as this one.
            error => AuthError::Handler(self.shown(&error.to_string())),
        }
    }

    /// Returns what the application's server said, which may be about a user.
    fn said(&mut self, excerpt: &str) -> String {
        if self.redactor.is_some() { "x".repeat(excerpt.chars().count()) } else { self.shown(excerpt) }
    }

    /// Returns a sentence for the recording.
    fn shown(&mut self, text: &str) -> String {
        let redacted = self.redactor.as_mut().map(|redactor| redactor.text(text));
        self.without_secrets(redacted.as_deref().unwrap_or(text))
    }

    /// Returns an error of the server, which may repeat a key, even one that is a word of the protocol.
    fn error(&self, text: &str) -> Option<String> {
        let mut frame: Value = serde_json::from_str(text).ok()?;
        if !ERRORS.contains(&frame.get("event")?.as_str()?) {
            return None;
        }
        let changed = self.hide_in(frame.get_mut("data")?);
        changed.then(|| frame.to_string())
    }

    /// Returns JSON whose texts contain no secrets, or the text without them if it is not JSON.
    fn hidden_in_json(&self, json: &str) -> String {
        let Ok(mut value) = serde_json::from_str::<Value>(json) else { return self.without_secrets(json) };
        if self.hide_in(&mut value) { value.to_string() } else { json.to_owned() }
    }

    /// Hides secrets in all texts of a value. Returns whether there were any.
    fn hide_in(&self, value: &mut Value) -> bool {
        replace_texts(value, &mut |text| self.without_secrets(text))
    }

    /// Hides a text from now on.
    fn hide(&mut self, secret: &str, shown: &'static str) {
        if secret.len() < MIN_SECRET_LEN || secret == shown || self.words.iter().any(|(word, _)| word == secret) {
            return;
        }
        // In JSON, quotes and the like are always escaped, and slashes by some servers.
        let escaped = Value::from(secret).to_string().trim_matches('"').to_owned();
        let mut forms = vec![secret.to_owned(), escaped.replace('/', "\\/"), escaped, percent_encoded(secret)];
        forms.sort_unstable();
        forms.dedup();
        self.words.extend(forms.into_iter().map(|form| (form, shown)));
        // A secret may contain another one.
        self.words.sort_by_key(|(word, _)| std::cmp::Reverse(word.len()));
    }

    fn without_secrets(&self, text: &str) -> String {
        self.hidden(text, 0)
    }

    /// Returns the text without secrets of at least this length.
    fn hidden(&self, text: &str, min_len: usize) -> String {
        let signatures = self.signatures.iter().map(|signature| (signature, HIDDEN));
        let words = self.words.iter().map(|(word, shown)| (word, *shown)).chain(signatures);
        let mut text = text.to_owned();
        for (word, shown) in words.filter(|(word, _)| word.len() >= min_len.max(MIN_SECRET_LEN)) {
            if text.contains(word.as_str()) {
                text = text.replace(word.as_str(), shown);
            }
        }
        text
    }
}

/// The text as a part of a URL, as the core writes it.
fn percent_encoded(text: &str) -> String {
    utf8_percent_encode(text, UNRESERVED).to_string()
}

/// A field of a message as the core writes it. Quotes inside of strings are escaped, so it occurs only as a field.
fn field(name: &str, text: &str) -> String {
    format!("\"{name}\":{}", Value::from(text))
}

/// The messages of the protocol that are errors.
const ERRORS: [&str; 3] = ["pusher:error", "pusher:subscription_error", "pusher_internal:subscription_error"];

/// What is escaped in a URL (RFC 3986, section 2.3).
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What stands between the key and the number of a signature in a recording.
const MARK: &str = ":signature-";

/// What stands for the key of another application.
const FOREIGN_KEY: &str = "other-key";

/// What stands for other secrets.
const HIDDEN: &str = "hidden";

/// Shorter texts are not replaced anywhere.
const MIN_SECRET_LEN: usize = 6;

/// A text of this length does not occur by chance. A shorter key, such as `orders`, may be a part of a channel's name.
const MIN_UNIQUE_LEN: usize = 16;

/// Signatures that may still be sent, or that an error of the server may be about: more than the client has unanswered at a
/// time.
const MAX_SIGNATURES: usize = 256;
