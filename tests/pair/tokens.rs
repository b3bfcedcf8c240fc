//! Capability tokens: in every order of events, the client does what a reference of a few lines does.

use std::time::Duration;

use libtest_mimic::Trial;
use pusher_proto::{
    Action, AuthError, AuthResponse, AuthSubject, Client, CloseFrame, CloseReason, Config, ConnectionState, Endpoint,
    Event, Recovery, TokenError,
};
use pusher_test::Choices;

use crate::reference;
use crate::single::Single;
use crate::stage::{channel, secs};

pub(crate) fn trial() -> Trial {
    reference::trial(
        "a connection has a valid token, in every order of answers, expiries, losses and refusals",
        Step::draw,
        || {
            let (mut reference, mut client) = (Reference::new(), Subject::new());
            move |step| (reference.take(step), client.take(step))
        },
    )
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// The backend gives a token that lasts for so many seconds, if it says so.
    Answer(Option<u64>),
    /// The backend refuses.
    Refuse,
    Success,
    /// The server refuses the token.
    Error,
    Expired,
    /// The server ends the connection because it is not authorized.
    Unauthorized,
    Dropped,
    Pass(Duration),
}

/// What a step leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Asks,
    Sends,
    /// The channel is subscribed, for the first time on this socket.
    Subscribes,
    Reports(Cause),
    /// There is a connection, after a loss if it is not the first one.
    Reconnects,
    Failed,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cause {
    Backend,
    Refused,
    Timeout,
}

impl Step {
    fn draw(choices: &mut Choices) -> Self {
        match choices.below(16) {
            0 | 1 => Self::Answer(None),
            2 | 3 => Self::Answer(Some(*choices.pick(&[0, 1, 50, 119, 120, 121, 300]))),
            4 => Self::Refuse,
            5..=7 => Self::Success,
            8 => Self::Error,
            9 | 10 => Self::Expired,
            11 => Self::Unauthorized,
            12 => Self::Dropped,
            _ => Self::Pass(*choices.pick(&[Duration::from_millis(500), secs(1), secs(29), secs(60), secs(240)])),
        }
    }
}

/// The rules. Times are since the start.
struct Reference {
    now: Duration,
    phase: Phase,
    asked_at: Duration,
    /// Whether the server has said that the token has expired, and has accepted none since.
    has_expired: bool,
    is_subscribed: bool,
}

#[derive(Clone, Copy)]
enum Phase {
    /// The server decides what a connection without a token may do.
    None,
    Asking,
    Sent {
        at: Duration,
        lasts: Option<Duration>,
    },
    Held {
        renew_at: Option<Duration>,
    },
    /// The connection has ended for good.
    Failed,
}

impl Reference {
    /// After the greeting.
    fn new() -> Self {
        let now = Duration::ZERO;
        Self { now, phase: Phase::Asking, asked_at: now, has_expired: false, is_subscribed: false }
    }

    fn take(&mut self, step: Step) -> Vec<Seen> {
        match (step, self.phase) {
            (_, Phase::Failed) => Vec::new(),
            (Step::Answer(lasts), Phase::Asking) => {
                self.phase = Phase::Sent { at: self.now, lasts: lasts.map(secs) };
                vec![Seen::Sends]
            }
            (Step::Refuse, Phase::Asking) => self.lose_token(Cause::Backend),
            (Step::Success, Phase::Sent { at, lasts }) => {
                // A minute before its end, or in the middle of a shorter time.
                let renew_at = lasts.map(|lasts| at + lasts.saturating_sub(secs(60)).max(lasts / 2));
                self.phase = Phase::Held { renew_at };
                self.has_expired = false;
                let mut seen = self.subscribe();
                seen.extend(self.renew());
                seen
            }
            (Step::Error, Phase::Sent { .. }) => self.lose_token(Cause::Refused),
            (Step::Expired, phase) => {
                self.has_expired = true;
                if let Phase::None | Phase::Held { .. } = phase {
                    self.phase = Phase::Held { renew_at: Some(self.now) };
                }
                self.renew().into_iter().collect()
            }
            // A client that is about to be authorized is not to blame.
            (Step::Unauthorized, phase) if !self.has_expired && !matches!(phase, Phase::Asking) => {
                self.phase = Phase::Failed;
                vec![Seen::Failed]
            }
            (Step::Unauthorized | Step::Dropped, _) => {
                *self = Self { now: self.now, asked_at: self.now, ..Self::new() };
                vec![Seen::Reconnects, Seen::Asks]
            }
            // How long a request may take is not the subject here.
            (Step::Pass(_), Phase::Asking) => Vec::new(),
            (Step::Pass(time), _) => self.pass(time),
            (Step::Answer(_) | Step::Refuse | Step::Success | Step::Error, _) => Vec::new(),
        }
    }

    fn pass(&mut self, time: Duration) -> Vec<Seen> {
        let end = self.now + time;
        match self.phase {
            Phase::Sent { at, .. } if at + ANSWER_TIMEOUT <= end => {
                self.now = end;
                self.lose_token(Cause::Timeout)
            }
            Phase::Held { renew_at: Some(at) } if at.max(self.asked_at + PAUSE) <= end => {
                // The story continues when it is asked for.
                self.now = self.now.max(at).max(self.asked_at + PAUSE);
                self.renew().into_iter().collect()
            }
            _ => {
                self.now = end;
                Vec::new()
            }
        }
    }

    /// Asks for another token if it is time, but not twice in a second.
    fn renew(&mut self) -> Option<Seen> {
        let Phase::Held { renew_at: Some(at) } = self.phase else { return None };
        if at.max(self.asked_at + PAUSE) > self.now {
            return None;
        }
        self.phase = Phase::Asking;
        self.asked_at = self.now;
        Some(Seen::Asks)
    }

    fn lose_token(&mut self, cause: Cause) -> Vec<Seen> {
        self.phase = Phase::None;
        [vec![Seen::Reports(cause)], self.subscribe()].concat()
    }

    /// Channels wait for the first token of a socket, or for the end of the attempt to get one.
    fn subscribe(&mut self) -> Vec<Seen> {
        if std::mem::replace(&mut self.is_subscribed, true) { Vec::new() } else { vec![Seen::Subscribes] }
    }
}

/// The real client.
struct Subject {
    single: Single,
}

impl Subject {
    fn new() -> Self {
        let config = Config::builder("app-key", Endpoint::sockudo("localhost"));
        let config = config.recovery(Recovery::default().tokens(true)).build().expect("a valid configuration");
        let mut subject = Self { single: Single::new(config) };
        subject.single.client.subscribe(channel("chat"));
        assert_eq!(subject.single.poll(see), [Seen::Reconnects, Seen::Asks]);
        subject
    }

    fn take(&mut self, step: Step) -> Vec<Seen> {
        match step {
            Step::Answer(lasts) => {
                let answer = AuthResponse::new("token");
                self.single.answer(Ok(match lasts {
                    Some(lasts) => answer.expires_in(secs(lasts)),
                    None => answer,
                }));
            }
            Step::Refuse => {
                self.single.answer(Err(AuthError::Http { status: 403, excerpt: "no".into(), retry_after: None }));
            }
            Step::Success => self.single.receive(r#"{"event":"sockudo:auth_success","data":{}}"#),
            Step::Error => self.single.receive(
                r#"{"event":"sockudo:error","data":{"code":4009,"message":"Authentication error: capability token"}}"#,
            ),
            Step::Expired => self.single.receive(r#"{"event":"sockudo:token_expired","data":{"code":40142}}"#),
            Step::Unauthorized => self.single.close(CloseReason::Closed(Some(CloseFrame::new(4009, "")))),
            Step::Dropped => self.single.close(CloseReason::Dropped),
            Step::Pass(time) => return self.single.pass(time, see),
        }
        let mut seen = self.single.poll(see);
        seen.extend(self.single.pass(Duration::ZERO, see));
        seen
    }
}

fn see(_: &Client, action: Action) -> Option<Seen> {
    Some(match action {
        Action::Connect(..) => Seen::Reconnects,
        Action::Send(_, text) if text.contains("sockudo:auth") => Seen::Sends,
        Action::Send(_, text) if text.contains("sockudo:subscribe") => Seen::Subscribes,
        Action::RequestAuth(request) => {
            assert_eq!(request.subject, AuthSubject::Token);
            Seen::Asks
        }
        Action::Emit(Event::TokenError { error, .. }) => Seen::Reports(match error {
            TokenError::Auth(_) => Cause::Backend,
            TokenError::Refused(_) => Cause::Refused,
            TokenError::Timeout => Cause::Timeout,
            error => panic!("{error}"),
        }),
        Action::Emit(Event::StateChanged { current: ConnectionState::Failed { .. }, .. }) => Seen::Failed,
        Action::Send(_, text) => panic!("{text}"),
        _ => return None,
    })
}

/// How long a server may take to accept a token, and the least time between two requests for one.
const ANSWER_TIMEOUT: Duration = secs(30);
const PAUSE: Duration = secs(1);
