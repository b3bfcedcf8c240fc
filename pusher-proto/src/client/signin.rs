//! Signing in (Pusher protocol, *User authentication*).

use alloc::collections::VecDeque;
use alloc::sync::Arc;

use super::backoff::Backoff;
use super::outbox::Outbox;
use crate::config::Options;
use crate::event::{Diagnostic, Event, UserEvent};
use crate::excerpt::excerpt;
use crate::wire::envelope::Envelope;
use crate::wire::{read, write};
use crate::{AuthError, AuthId, AuthResponse, Data, Instant, ServerError, SigninError, Text};

/// Sign-in: what the application wants, and how far it has come on this socket.
pub(crate) struct Signin {
    options: Arc<Options>,
    phase: Phase,
    wish: Wish,
    /// Whether the server may know a user of this socket; only another socket forgets it.
    attached: bool,
    /// Since when server-to-user events may have been missed.
    lost_at: Option<Instant>,
    /// What the server said about the user before it confirmed the sign-in.
    held: VecDeque<Envelope>,
    backoff: Backoff,
}

enum Phase {
    NotRequested,
    /// Waits for a connection.
    Requested,
    /// Waits to be asked for.
    Queued {
        failures: u32,
    },
    Authenticating {
        id: AuthId,
        failures: u32,
        deadline: Instant,
    },
    RetryingAuth {
        failures: u32,
        retry_at: Instant,
    },
    /// Waits to be sent.
    Authenticated {
        auth: AuthResponse,
        id: Text,
    },
    /// The server was asked to sign in the user with this id.
    Sent {
        id: Text,
        deadline: Instant,
    },
    SignedIn {
        id: Text,
        data: Text,
    },
    Failed,
}

#[derive(Clone, Copy, Default)]
enum Wish {
    #[default]
    None,
    SignIn,
    SignOut,
    /// Out and in again: as somebody else, perhaps.
    Change,
}

/// What presence channels without `channel_data` may rely on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserStatus<'a> {
    /// Nobody is signed in, nor will be.
    None,
    Pending,
    SignedIn {
        id: &'a str,
        data: &'a str,
    },
}

impl Signin {
    pub(crate) fn new(options: Arc<Options>, seed: u64) -> Self {
        Self {
            phase: Phase::NotRequested,
            wish: Wish::None,
            attached: false,
            lost_at: None,
            held: VecDeque::new(),
            backoff: Backoff::new(&options, seed),
            options,
        }
    }

    pub(crate) fn signin(&mut self) {
        self.wish = match self.wish {
            Wish::None | Wish::SignIn => Wish::SignIn,
            Wish::SignOut | Wish::Change => Wish::Change,
        };
    }

    pub(crate) fn signout(&mut self) {
        self.wish = Wish::SignOut;
    }

    /// Makes what is wished for true, or starts to.
    pub(crate) fn reconcile(&mut self, outbox: &mut Outbox) {
        let wanted = match core::mem::take(&mut self.wish) {
            Wish::None => return,
            Wish::SignIn => true,
            Wish::SignOut => {
                self.forget(outbox);
                false
            }
            Wish::Change => {
                self.forget(outbox);
                true
            }
        };
        if wanted && matches!(self.phase, Phase::NotRequested | Phase::Failed) {
            self.phase = Phase::Requested;
        }
    }

    /// Sets a wanted sign-in on its way, if there is a connection. Returns whether that must be another one, since this
    /// one has a user already.
    pub(crate) fn must_reconnect(&mut self, connected: bool) -> bool {
        if !connected || !matches!(self.phase, Phase::Requested) {
            return false;
        }
        if !self.attached {
            self.phase = Phase::Queued { failures: 0 };
        }
        self.attached
    }

    /// There is a connection.
    pub(crate) fn enter(&mut self) {
        self.attached = false;
    }

    /// The connection is gone; a wanted sign-in is repeated on the next one.
    pub(crate) fn leave(&mut self, now: Instant, outbox: &mut Outbox) {
        match self.phase {
            Phase::NotRequested => return,
            Phase::Authenticating { id, .. } => outbox.cancel_auth(id),
            Phase::SignedIn { .. } => self.lost_at = self.lost_at.or(Some(now)),
            Phase::Requested
            | Phase::Queued { .. }
            | Phase::RetryingAuth { .. }
            | Phase::Authenticated { .. }
            | Phase::Sent { .. }
            | Phase::Failed => {}
        }
        self.phase = Phase::Requested;
        self.drop_held(outbox);
    }

    /// Whether this request was ours; if so the answer has been used.
    pub(crate) fn handle_auth(
        &mut self,
        answered: AuthId,
        answer: &Result<AuthResponse, AuthError>,
        now: Instant,
        outbox: &mut Outbox,
    ) -> bool {
        let Phase::Authenticating { id, failures, .. } = self.phase else { return false };
        if id != answered {
            return false;
        }
        match answer {
            Ok(auth) => match auth.user_data.as_deref().map(read::user_id) {
                Some(Some(id)) => self.phase = Phase::Authenticated { auth: auth.clone(), id: id.into() },
                Some(None) => self.fail(SigninError::InvalidUserData, outbox),
                None => self.fail(SigninError::Auth(AuthError::MissingField("user_data")), outbox),
            },
            Err(error) if error.is_retryable() && failures < self.options.auth_retries => {
                let failures = failures + 1;
                let delay = self.backoff.delay(failures).max(error.retry_after());
                self.phase = Phase::RetryingAuth { failures, retry_at: now + delay };
                let diagnostic = Diagnostic::SigninRetry { retry_at: now + delay, error: error.clone() };
                outbox.offer(Event::Diagnostic(diagnostic));
            }
            Err(error) => self.fail(SigninError::Auth(error.clone()), outbox),
        }
        true
    }

    /// The server confirmed. It says as whom, and that must be the one whom the application's server named.
    pub(crate) fn handle_success(&mut self, data: &Data, outbox: &mut Outbox) {
        let Phase::Sent { id: expected, .. } = &self.phase else { return };
        let Some((id, user_data)) = read::signed_in(data) else {
            return self.fail(SigninError::InvalidUserData, outbox);
        };
        if *expected != *id {
            return self.fail(SigninError::AnotherUser { id: excerpt(&id, MAX_ID_LEN).into() }, outbox);
        }
        let (id, data) = (Text::from(id), Text::from(user_data));
        outbox.send(write::subscribe_name(&read::server_to_user(&id)));
        if let Some(since) = self.lost_at.take() {
            outbox.emit(Event::UserContinuityLost { since });
        }
        self.phase = Phase::SignedIn { id: id.clone(), data: data.clone() };
        outbox.emit(Event::SignedIn { id, data });
        for envelope in core::mem::take(&mut self.held) {
            self.handle_event(envelope, outbox);
        }
    }

    /// The server refused the sign-in.
    pub(crate) fn handle_refused(&mut self, error: ServerError, outbox: &mut Outbox) {
        if matches!(self.phase, Phase::Sent { .. }) {
            self.fail(SigninError::Refused(error), outbox);
        }
    }

    /// A frame that may be about the user. Gives it back if it is not.
    pub(crate) fn handle_event(&mut self, envelope: Envelope, outbox: &mut Outbox) -> Option<Envelope> {
        match &self.phase {
            Phase::Sent { .. } if is_about_a_user(&envelope) => {
                let bytes: usize = self.held.iter().map(Envelope::len).sum();
                if self.held.len() < MAX_HELD && bytes + envelope.len() <= MAX_HELD_BYTES {
                    self.held.push_back(envelope.detached());
                } else {
                    outbox.lag(1);
                }
                None
            }
            Phase::SignedIn { id, .. } if is_about_a_user(&envelope) => {
                let channel = read::server_to_user(id);
                deliver(envelope, &channel, outbox)
            }
            Phase::NotRequested
            | Phase::Requested
            | Phase::Queued { .. }
            | Phase::Authenticating { .. }
            | Phase::RetryingAuth { .. }
            | Phase::Authenticated { .. }
            | Phase::Sent { .. }
            | Phase::SignedIn { .. }
            | Phase::Failed => Some(envelope),
        }
    }

    /// Returns whether the server did not answer in time.
    pub(crate) fn handle_timeout(&mut self, now: Instant, outbox: &mut Outbox) -> bool {
        match self.phase {
            Phase::Authenticating { id, deadline, .. } if deadline <= now => {
                outbox.cancel_auth(id);
                self.handle_auth(id, &Err(AuthError::Timeout), now, outbox);
                false
            }
            Phase::RetryingAuth { failures, retry_at } if retry_at <= now => {
                self.phase = Phase::Queued { failures };
                false
            }
            Phase::Sent { deadline, .. } => deadline <= now,
            _ => false,
        }
    }

    pub(crate) fn handle_unanswered(&mut self, probable_cause: Option<ServerError>, outbox: &mut Outbox) {
        self.fail(SigninError::Timeout { probable_cause }, outbox);
    }

    /// Whether the application's server is to be asked now, under this id.
    pub(crate) fn poll_auth(&mut self, id: impl FnOnce() -> AuthId, now: Instant) -> Option<AuthId> {
        let Phase::Queued { failures } = self.phase else { return None };
        let id = id();
        self.phase = Phase::Authenticating { id, failures, deadline: now + self.options.auth_timeout };
        Some(id)
    }

    /// The sign-in, if it is to be sent now.
    pub(crate) fn poll_signin(&mut self, now: Instant) -> Option<Text> {
        let Phase::Authenticated { auth, id } = &self.phase else { return None };
        let text = write::signin(auth);
        self.attached = true;
        self.phase = Phase::Sent { id: id.clone(), deadline: now + self.options.signin_timeout };
        Some(text)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Authenticating { deadline, .. } | Phase::Sent { deadline, .. } => Some(deadline),
            Phase::RetryingAuth { retry_at, .. } => Some(retry_at),
            Phase::NotRequested
            | Phase::Requested
            | Phase::Queued { .. }
            | Phase::Authenticated { .. }
            | Phase::SignedIn { .. }
            | Phase::Failed => None,
        }
    }

    pub(crate) fn status(&self) -> UserStatus<'_> {
        match &self.phase {
            Phase::NotRequested | Phase::Failed => UserStatus::None,
            Phase::Requested
            | Phase::Queued { .. }
            | Phase::Authenticating { .. }
            | Phase::RetryingAuth { .. }
            | Phase::Authenticated { .. }
            | Phase::Sent { .. } => UserStatus::Pending,
            Phase::SignedIn { id, data } => UserStatus::SignedIn { id, data },
        }
    }

    fn forget(&mut self, outbox: &mut Outbox) {
        if let Phase::Authenticating { id, .. } = self.phase {
            outbox.cancel_auth(id);
        }
        self.phase = Phase::NotRequested;
        self.lost_at = None;
        self.drop_held(outbox);
    }

    fn fail(&mut self, error: SigninError, outbox: &mut Outbox) {
        match error {
            // The server has a user of this socket, whoever that is.
            SigninError::Auth(_) | SigninError::InvalidUserData | SigninError::AnotherUser { .. } => {}
            SigninError::Refused(_) | SigninError::Timeout { .. } => self.attached = false,
        }
        self.phase = Phase::Failed;
        outbox.emit(Event::SigninError { error });
        self.drop_held(outbox);
    }

    fn drop_held(&mut self, outbox: &mut Outbox) {
        let count = core::mem::take(&mut self.held).len();
        if count > 0 {
            outbox.offer(Event::Diagnostic(Diagnostic::UserEventsDropped { count }));
        }
    }
}

/// Whether a frame is a watchlist notice or an event for a user: which user, the sign-in tells.
fn is_about_a_user(envelope: &Envelope) -> bool {
    match envelope.channel() {
        None => matches!(envelope.event(), "online" | "offline" | WATCHLIST),
        Some(channel) => channel.starts_with(read::SERVER_TO_USER) && !envelope.event().starts_with("pusher"),
    }
}

fn deliver(envelope: Envelope, channel: &str, outbox: &mut Outbox) -> Option<Envelope> {
    let event = Text::from(envelope.event());
    match (envelope.channel(), &*event) {
        (Some(found), _) if found == channel => outbox.offer(Event::User(UserEvent { event, data: envelope.data })),
        (Some(_), _) => return Some(envelope),
        (None, WATCHLIST) => read::watchlist(&envelope.data, |name, user_ids, data| {
            outbox.offer(Event::Watchlist { name, user_ids, data });
        }),
        // Sockudo sends each change as a frame of its own.
        (None, _) => {
            read::user_ids(&envelope.data, |user_ids| {
                let (name, data) = (event.clone(), envelope.data.clone());
                outbox.offer(Event::Watchlist { name, user_ids, data });
            });
        }
    }
    None
}

/// The event that carries changes of the watchlist.
const WATCHLIST: &str = "pusher_internal:watchlist_events";

/// Longest id of another user that is reported, in bytes.
const MAX_ID_LEN: usize = 200;

/// Most frames about the user that wait for the sign-in to be confirmed.
const MAX_HELD: usize = 64;
const MAX_HELD_BYTES: usize = 16 * 1_024 * 1_024;
