//! Signing in (Pusher protocol, *User authentication*).
//!
//! ```text
//!  NotRequested ──wish──► Requested ──connection──► Authenticating ──► Authenticated ──► Sent ──success──► SignedIn
//!                             ▲                           ▲                               │
//!                             │ the connection is gone    └──────── Unanswered ◄──silence─┘
//!                         (everywhere)                                            a definite "no" leads to Failed
//! ```

use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::authorizations::{Authorizations, Job, Outcome};
use super::backoff::Backoff;
use super::online::Online;
use super::outbox::{MAX_HELD_BYTES, Outbox};
use crate::config::Options;
use crate::event::{Diagnostic, Event, UserEvent, WatchlistEvent};
use crate::excerpt::excerpt;
use crate::wire::envelope::Envelope;
use crate::wire::message::UserNotice;
use crate::wire::{read, write};
use crate::{AuthError, AuthResponse, Data, Instant, ServerError, SigninError, Text};

/// The sign-in: what the application wants, and the progress on this socket.
pub(crate) struct Signin {
    phase: Phase,
    wish: Wish,
    /// Whether the server may know a user of this socket; only a new socket has none.
    attached: bool,
    /// Sign-ins in a row that the server did not answer.
    failures: u32,
    /// Since when server-to-user events may have been missed.
    lost_at: Option<Instant>,
    /// Events for the user that arrived before the sign-in was confirmed.
    held: VecDeque<Envelope>,
    online: Online,
    backoff: Backoff,
}

enum Phase {
    NotRequested,
    /// Waits for a connection.
    Requested,
    /// A request to the application's server is in progress, or waits to be sent.
    Authenticating,
    /// Waits to be sent.
    Authenticated {
        auth: AuthResponse,
        id: Text,
    },
    /// The server was asked to sign in the user with this id.
    Sent {
        id: Text,
    },
    /// The server did not answer in time; the sign-in is repeated at this time.
    Unanswered {
        id: Text,
        retry_at: Instant,
    },
    SignedIn {
        id: Text,
        data: Data,
    },
    Failed,
}

#[derive(Clone, Copy, Default)]
enum Wish {
    #[default]
    None,
    SignIn,
    SignOut,
    /// Sign out and in again, perhaps as another user.
    Change,
}

/// Whether presence channels without `channel_data` can rely on a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum UserStatus<'a> {
    /// No user is signed in or about to be.
    None,
    Pending,
    SignedIn {
        id: &'a str,
        data: &'a Data,
    },
}

impl Signin {
    pub(crate) fn new(options: &Arc<Options>, seed: u64) -> Self {
        Self {
            phase: Phase::NotRequested,
            wish: Wish::None,
            attached: false,
            failures: 0,
            lost_at: None,
            held: VecDeque::new(),
            online: Online::default(),
            backoff: Backoff::new(options, seed),
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

    /// Starts whatever the application's wishes require.
    pub(crate) fn reconcile(&mut self, requests: &mut Authorizations, outbox: &mut Outbox) {
        let wanted = match core::mem::take(&mut self.wish) {
            Wish::None => return,
            Wish::SignIn => true,
            Wish::SignOut => {
                self.forget(requests, outbox);
                false
            }
            Wish::Change => {
                self.forget(requests, outbox);
                true
            }
        };
        if wanted && matches!(self.phase, Phase::NotRequested | Phase::Failed | Phase::Unanswered { .. }) {
            self.phase = Phase::Requested;
            self.failures = 0;
        }
    }

    /// Starts a wanted sign-in, if there is a connection. Returns whether a new connection is needed because this one
    /// already has a user.
    pub(crate) fn must_reconnect(&mut self, connected: bool, requests: &mut Authorizations) -> bool {
        if !connected || !matches!(self.phase, Phase::Requested) {
            return false;
        }
        if !self.attached {
            self.phase = Phase::Authenticating;
            requests.ask_for_user();
        }
        self.attached
    }

    /// There is a connection.
    pub(crate) fn enter(&mut self) {
        self.attached = false;
    }

    /// The connection is lost; a wanted sign-in is repeated on the next one.
    pub(crate) fn leave(&mut self, now: Instant, outbox: &mut Outbox) {
        match self.phase {
            Phase::NotRequested => return,
            Phase::SignedIn { .. } => self.lost_at = self.lost_at.or(Some(now)),
            Phase::Requested
            | Phase::Authenticating
            | Phase::Authenticated { .. }
            | Phase::Sent { .. }
            | Phase::Unanswered { .. }
            | Phase::Failed => {}
        }
        self.phase = Phase::Requested;
        self.failures = 0;
        self.drop_held(outbox);
    }

    /// A request for the user to the application's server has ended.
    pub(crate) fn handle_auth(&mut self, outcome: Outcome, outbox: &mut Outbox) {
        match outcome {
            Outcome::Authorized(auth) => match auth.user_data.as_deref().map(read::user_id) {
                Some(Some(id)) => self.phase = Phase::Authenticated { auth, id: id.into() },
                Some(None) => self.fail(SigninError::InvalidUserData, outbox),
                None => self.fail(SigninError::Auth(AuthError::MissingField("user_data")), outbox),
            },
            Outcome::Delayed { error, retry_at, .. } => {
                let error = SigninError::Auth(error);
                outbox.emit(Event::SigninError { error, retry_at: Some(retry_at) });
            }
            Outcome::Failed(error) | Outcome::TooLate(error) => self.fail(SigninError::Auth(error), outbox),
        }
    }

    /// The server confirmed the sign-in. The user must be the one that the application's server named.
    pub(crate) fn handle_success(&mut self, data: &Data, outbox: &mut Outbox) {
        // A late answer counts too.
        let (Phase::Sent { id: expected } | Phase::Unanswered { id: expected, .. }) = &self.phase else { return };
        let Some((id, user_data)) = read::signed_in(data) else {
            return self.fail(SigninError::InvalidUserData, outbox);
        };
        if *expected != *id {
            return self.fail(SigninError::AnotherUser { id: excerpt(&id, MAX_ID_LEN).into() }, outbox);
        }
        self.failures = 0;
        let (id, data) = (Text::from(id), Data::whole(user_data.into()));
        outbox.send(write::subscribe_name(&read::server_to_user(&id)));
        if let Some(since) = self.lost_at.take() {
            outbox.emit(Event::UserContinuityLost { since });
        }
        self.phase = Phase::SignedIn { id: id.clone(), data: data.clone() };
        // The server sends again who is online, and does not report those who left in the meantime.
        self.online.clear();
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

    /// Handles a frame that may be about the user, and returns it if it is not.
    pub(crate) fn handle_event(&mut self, envelope: Envelope, outbox: &mut Outbox) -> Option<Envelope> {
        let Some(notice) = UserNotice::read(&envelope) else { return Some(envelope) };
        match (&self.phase, notice) {
            (Phase::Sent { .. }, _) => {
                let bytes: usize = self.held.iter().map(Envelope::len).sum();
                if self.held.len() < MAX_HELD && bytes + envelope.len() <= MAX_HELD_BYTES {
                    self.held.push_back(envelope.detached());
                } else {
                    outbox.lag(1);
                }
                None
            }
            (Phase::SignedIn { id, .. }, UserNotice::Event { channel }) if channel != read::server_to_user(id) => {
                Some(envelope)
            }
            (Phase::SignedIn { .. }, notice) => {
                self.deliver(notice, &envelope, outbox);
                None
            }
            (
                Phase::NotRequested
                | Phase::Requested
                | Phase::Authenticating
                | Phase::Authenticated { .. }
                | Phase::Unanswered { .. }
                | Phase::Failed,
                _,
            ) => Some(envelope),
        }
    }

    /// The delay before the next attempt is over.
    pub(crate) fn handle_timeout(&mut self, requests: &mut Authorizations, now: Instant) {
        if matches!(self.phase, Phase::Unanswered { retry_at, .. } if retry_at <= now) {
            self.phase = Phase::Authenticating;
            requests.ask_for_user();
        }
    }

    /// The server did not answer the sign-in in time. It may be overloaded, so each attempt waits longer.
    pub(crate) fn handle_unanswered(&mut self, probable_cause: Option<ServerError>, now: Instant, outbox: &mut Outbox) {
        let Phase::Sent { id } = &self.phase else { return };
        let id = id.clone();
        self.failures = self.failures.saturating_add(1);
        let retry_at = now + self.backoff.delay(self.failures);
        self.attached = false;
        self.phase = Phase::Unanswered { id, retry_at };
        let error = SigninError::Timeout { probable_cause };
        outbox.emit(Event::SigninError { error, retry_at: Some(retry_at) });
        self.drop_held(outbox);
    }

    /// The sign-in message, if it is to be sent now.
    pub(crate) fn poll_signin(&mut self) -> Option<Text> {
        let Phase::Authenticated { auth, id } = &self.phase else { return None };
        let text = write::signin(auth);
        self.attached = true;
        self.phase = Phase::Sent { id: id.clone() };
        Some(text)
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        match self.phase {
            Phase::Unanswered { retry_at, .. } => Some(retry_at),
            Phase::NotRequested
            | Phase::Requested
            | Phase::Authenticating
            | Phase::Authenticated { .. }
            | Phase::Sent { .. }
            | Phase::SignedIn { .. }
            | Phase::Failed => None,
        }
    }

    pub(crate) const fn online(&self) -> &Online {
        &self.online
    }

    pub(crate) fn status(&self) -> UserStatus<'_> {
        match &self.phase {
            Phase::NotRequested | Phase::Failed => UserStatus::None,
            Phase::Requested
            | Phase::Authenticating
            | Phase::Authenticated { .. }
            | Phase::Sent { .. }
            | Phase::Unanswered { .. } => UserStatus::Pending,
            Phase::SignedIn { id, data } => UserStatus::SignedIn { id, data },
        }
    }

    fn forget(&mut self, requests: &mut Authorizations, outbox: &mut Outbox) {
        requests.cancel(Job::Signin, outbox);
        self.phase = Phase::NotRequested;
        self.failures = 0;
        self.lost_at = None;
        self.online.clear();
        self.drop_held(outbox);
    }

    fn fail(&mut self, error: SigninError, outbox: &mut Outbox) {
        match error {
            // The server may have a user of this socket.
            SigninError::Auth(_) | SigninError::InvalidUserData | SigninError::AnotherUser { .. } => {}
            SigninError::Refused(_) | SigninError::Timeout { .. } => self.attached = false,
        }
        self.phase = Phase::Failed;
        self.online.clear();
        outbox.emit(Event::SigninError { error, retry_at: None });
        self.drop_held(outbox);
    }

    /// Emits the event for a frame about the signed-in user.
    fn deliver(&mut self, notice: UserNotice<'_>, envelope: &Envelope, outbox: &mut Outbox) {
        let event = Text::from(envelope.event());
        let data = &envelope.data;
        // The event may be lost, since a server can send any number of them; the set of users is correct nevertheless.
        let mut notice_of = |name: Text, user_ids: Vec<Text>, data: Data| {
            self.online.handle_notice(&name, &user_ids);
            outbox.offer(Event::Watchlist(Box::new(WatchlistEvent { name, user_ids, data })));
        };
        match notice {
            UserNotice::Event { .. } => outbox.offer(Event::User(UserEvent { event, data: data.clone() })),
            UserNotice::Watchlist => read::watchlist(data, notice_of),
            UserNotice::Change => {
                read::user_ids(data, |user_ids| notice_of(event.clone(), user_ids, data.clone()));
            }
        }
    }

    fn drop_held(&mut self, outbox: &mut Outbox) {
        let count = core::mem::take(&mut self.held).len();
        if count > 0 {
            outbox.offer(Event::Diagnostic(Diagnostic::UserEventsDropped { count }));
        }
    }
}

/// Longest id of another user that is reported, in bytes.
const MAX_ID_LEN: usize = 200;

/// How many frames about the user may wait for the sign-in to be confirmed.
const MAX_HELD: usize = 64;
