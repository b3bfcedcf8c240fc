//! The application's own server: signs, is slow, fails, and rotates keys.

use std::collections::BTreeMap;
use std::time::Duration;

use pusher_proto::signing::{App, MasterKey};
use pusher_proto::{AuthError, AuthId, AuthRequest, AuthResponse, ChannelKind, ChannelName, Instant, SocketId};

use super::Choices;
use super::busy::{Outage, RequestLimit};
use super::mix::KEY;

pub(crate) struct Authority {
    /// The version of the keys with which events are sealed.
    version: u8,
    /// The version of the keys that it returns: an old one, until it knows the newest.
    known_version: u8,
    open: BTreeMap<(usize, AuthId), Case>,
    /// What it does with all requests, and until when.
    pub(crate) outage: Option<(Outage, Instant)>,
    pub(crate) limit: Option<RequestLimit>,
    /// What every signature is for.
    signed: BTreeMap<String, Signed>,
}

struct Case {
    request: AuthRequest,
    user: String,
    verdict: Verdict,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) socket_id: SocketId,
    /// The channel, or nothing for the user.
    pub(crate) channel: Option<ChannelName>,
}

#[derive(Clone, Copy, Debug)]
enum Verdict {
    Granted,
    /// Signed with another secret.
    Forged,
    /// Without what this kind of channel needs.
    Incomplete,
    Unavailable,
    Busy,
    /// Too many requests, with a `Retry-After` in seconds or without.
    Throttled(Option<u64>),
    Forbidden,
    Unreachable,
    Nonsense,
}

impl Authority {
    pub(crate) fn new(limit: Option<RequestLimit>) -> Self {
        Self { version: 1, known_version: 1, open: BTreeMap::new(), outage: None, limit, signed: BTreeMap::new() }
    }

    /// Takes a request; returns when it will be answered, if ever. `trouble` is the chance of a failure, in 256.
    pub(crate) fn ask(
        &mut self,
        client: usize,
        user: String,
        request: &AuthRequest,
        trouble: u8,
        choices: &mut Choices,
        now: Instant,
    ) -> Option<Duration> {
        let (mut verdict, mut delay) = (Verdict::Granted, Some(choices.millis(5, 200)));
        if choices.chance(trouble) {
            match choices.below(12) {
                0 => delay = Some(choices.millis(1_000, 14_000)),
                1 | 2 => delay = Some(choices.millis(14_000, 40_000)),
                3 => delay = None,
                4 => verdict = Verdict::Forged,
                5 => verdict = Verdict::Incomplete,
                6 | 7 => verdict = Verdict::Unavailable,
                8 => verdict = Verdict::Busy,
                9 => verdict = Verdict::Forbidden,
                10 => verdict = Verdict::Unreachable,
                _ => verdict = Verdict::Nonsense,
            }
        }
        if let Some(wait) = self.limit.as_mut().and_then(|limit| limit.limit.take(now).err()) {
            let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
            let says_when = self.limit.as_ref().is_some_and(|limit| limit.says_when);
            verdict = Verdict::Throttled(says_when.then_some(seconds));
        }
        match self.outage.filter(|(_, until)| now < *until).map(|(outage, _)| outage) {
            None => {}
            Some(Outage::Unavailable) => verdict = Verdict::Unavailable,
            Some(Outage::Throttled) => verdict = Verdict::Throttled(None),
            Some(Outage::Unreachable) => verdict = Verdict::Unreachable,
            Some(Outage::Silent) => delay = None,
        }
        self.open.insert((client, request.id), Case { request: request.clone(), user, verdict });
        delay
    }

    /// Returns the answer to a request, also in the notation of transcripts.
    pub(crate) fn answer(&mut self, client: usize, id: AuthId) -> Option<(Result<AuthResponse, AuthError>, String)> {
        let case = self.open.remove(&(client, id))?;
        let http = |status: u16, body: &str, retry_after: Option<&str>| {
            let words = retry_after.map_or_else(String::new, |after| format!("retry-after={after} "));
            (AuthResponse::from_http(status, body.as_bytes(), retry_after), format!("{status} {words}{body}"))
        };
        let answer = match case.verdict {
            Verdict::Granted | Verdict::Forged | Verdict::Incomplete => {
                let response = self.sign(&case);
                let signed = Signed {
                    socket_id: case.request.socket_id.clone(),
                    channel: case.request.subject.channel().cloned(),
                };
                self.signed.insert(response.auth.expose().to_owned(), signed);
                http(200, &response.to_json(), None)
            }
            Verdict::Unavailable => http(500, "", None),
            Verdict::Busy => http(503, "", Some("7")),
            Verdict::Throttled(after) => http(429, "", after.map(|seconds| seconds.to_string()).as_deref()),
            Verdict::Forbidden => http(403, "no", None),
            Verdict::Nonsense => http(200, "<html>", None),
            Verdict::Unreachable => (Err(AuthError::Network("no route".into())), "network no route".into()),
        };
        Some(answer)
    }

    pub(crate) fn signed(&self, auth: &str) -> Option<&Signed> {
        self.signed.get(auth)
    }

    /// Events are sealed with new keys from now on; the authority may know them at once or later.
    pub(crate) fn rotate(&mut self, knows: bool) {
        self.version += 1;
        if knows {
            self.known_version = self.version;
        }
    }

    pub(crate) fn be_good(&mut self) {
        self.known_version = self.version;
    }

    /// The keys that events are sealed with.
    pub(crate) fn master_key(&self) -> MasterKey {
        MasterKey::new([self.version; MasterKey::LEN])
    }

    fn sign(&self, case: &Case) -> AuthResponse {
        let secret = if matches!(case.verdict, Verdict::Forged) { "another" } else { SECRET };
        let incomplete = matches!(case.verdict, Verdict::Incomplete);
        let app = App::new("1", KEY, secret).expect("a key is a key");
        let app = app.encryption_master_key(MasterKey::new([self.known_version; MasterKey::LEN]));
        let (socket_id, user) = (&case.request.socket_id, &case.user);
        let response = match case.request.subject.channel() {
            None => app.authenticate_user(socket_id, format!(r#"{{"id":"{user}"}}"#)),
            Some(channel) if channel.kind() == ChannelKind::Presence && !incomplete => {
                let data = format!(r#"{{"user_id":"{user}","user_info":{{"version":{}}}}}"#, self.version);
                app.authorize_channel_with_data(socket_id, channel, data)
            }
            Some(channel) => app.authorize_channel(socket_id, channel),
        };
        let mut response = response.expect("servers give socket ids that can be signed");
        if incomplete {
            response.shared_secret = None;
            response.user_data = None;
        }
        response
    }
}

/// The application as its servers know it.
pub(crate) fn app() -> App {
    App::new("1", KEY, SECRET).expect("a key is a key")
}

const SECRET: &str = "secret";
