//! Sign-ins: in every order of wishes, answers, losses and waits, the client does what a reference of a few lines does.

use std::time::Duration;

use libtest_mimic::Trial;
use pusher_proto::{Action, AuthError, AuthResponse, AuthSubject, Client, CloseReason, Config, Endpoint, Event};
use pusher_test::Choices;

use crate::reference;
use crate::single::Single;
use crate::stage::secs;

pub(crate) fn trial() -> Trial {
    reference::trial(
        "a user is signed in as the application wants, in every order of answers, losses and waits",
        Step::draw,
        || {
            let (mut reference, mut client) = (Reference::default(), Subject::new());
            move |step| (reference.take(step), client.take(step))
        },
    )
}

/// Users by their ids.
type User = &'static str;

const USERS: [User; 2] = ["zoe", "bob"];

#[derive(Clone, Copy, Debug)]
enum Step {
    Signin,
    Signout,
    /// The backend names this user, or none.
    Answer(Option<User>),
    Denied,
    /// The server confirms this user, or something unreadable.
    Success(Option<User>),
    /// The server reports an error that may be about the sign-in.
    Error,
    /// An event for this user.
    Event(User),
    Dropped,
    /// Nothing happens for a moment, or for longer than any delay.
    Moment,
    Long,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    Reconnects,
    Asks,
    Sends,
    /// The channel of the user is subscribed.
    Subscribes(User),
    SignedIn(User),
    Fails,
    /// It fails for now.
    Delays,
    Gap,
    Event,
}

impl Step {
    fn draw(choices: &mut Choices) -> Self {
        let user = *choices.pick(&USERS);
        match choices.below(20) {
            0..=2 => Self::Signin,
            3 => Self::Signout,
            4..=7 => Self::Answer(Some(user)),
            8 => Self::Answer(None),
            9 => Self::Denied,
            10..=12 => Self::Success(Some(user)),
            13 => Self::Success(None),
            14 => Self::Error,
            15 | 16 => Self::Event(user),
            17 => Self::Dropped,
            18 => Self::Moment,
            _ => Self::Long,
        }
    }
}

/// The rules.
#[derive(Default)]
struct Reference {
    phase: Phase,
    /// Whether the server may know a user of this socket: then another sign-in needs another socket.
    is_attached: bool,
    /// Whether events may have been missed since a user was signed in.
    has_gap: bool,
    /// Events for users that have arrived before the confirmation.
    held: Vec<User>,
}

#[derive(Clone, Copy, Default)]
enum Phase {
    #[default]
    None,
    Asking,
    Sent(User),
    /// The server did not answer; the sign-in will be repeated.
    Unanswered(User),
    SignedIn(User),
    Failed,
}

impl Reference {
    fn take(&mut self, step: Step) -> Vec<Seen> {
        match (step, self.phase) {
            (Step::Signin, Phase::None | Phase::Failed | Phase::Unanswered(_)) => self.ask(),
            (Step::Signout, _) => {
                *self = Self { is_attached: self.is_attached, ..Self::default() };
                Vec::new()
            }
            (Step::Answer(Some(user)), Phase::Asking) => {
                self.phase = Phase::Sent(user);
                self.is_attached = true;
                vec![Seen::Sends]
            }
            (Step::Answer(None) | Step::Denied, Phase::Asking) => self.fail(),
            (Step::Success(Some(user)), Phase::Sent(asked) | Phase::Unanswered(asked)) if user == asked => {
                self.phase = Phase::SignedIn(user);
                let mut seen = Vec::from_iter(std::mem::take(&mut self.has_gap).then_some(Seen::Gap));
                seen.push(Seen::SignedIn(user));
                seen.extend(self.held.drain(..).filter(|other| *other == user).map(|_| Seen::Event));
                seen.push(Seen::Subscribes(user));
                seen
            }
            (Step::Success(_), Phase::Sent(_) | Phase::Unanswered(_)) => self.fail(),
            (Step::Error, Phase::Sent(_)) => {
                self.is_attached = false;
                self.fail()
            }
            (Step::Event(user), Phase::SignedIn(own)) => Vec::from_iter((user == own).then_some(Seen::Event)),
            (Step::Event(user), Phase::Sent(_)) => {
                self.held.push(user);
                Vec::new()
            }
            (Step::Dropped, phase) => {
                self.has_gap |= matches!(phase, Phase::SignedIn(_));
                self.reconnect()
            }
            (Step::Long, Phase::Sent(user)) => {
                self.phase = Phase::Unanswered(user);
                self.is_attached = false;
                self.held.clear();
                [vec![Seen::Delays], self.ask()].concat()
            }
            (Step::Long, Phase::Unanswered(_)) => self.ask(),
            _ => Vec::new(),
        }
    }

    fn ask(&mut self) -> Vec<Seen> {
        if self.is_attached {
            self.phase = Phase::Asking;
            return self.reconnect();
        }
        self.phase = Phase::Asking;
        vec![Seen::Asks]
    }

    /// On a new socket, a wanted sign-in begins anew.
    fn reconnect(&mut self) -> Vec<Seen> {
        self.is_attached = false;
        self.held.clear();
        if matches!(self.phase, Phase::None) {
            return vec![Seen::Reconnects];
        }
        self.phase = Phase::Asking;
        vec![Seen::Reconnects, Seen::Asks]
    }

    fn fail(&mut self) -> Vec<Seen> {
        self.phase = Phase::Failed;
        self.held.clear();
        vec![Seen::Fails]
    }
}

/// The real client.
struct Subject {
    single: Single,
}

impl Subject {
    fn new() -> Self {
        let config = Config::new("app-key", Endpoint::sockudo("localhost")).expect("a valid configuration");
        let mut subject = Self { single: Single::new(config) };
        assert_eq!(subject.single.poll(see), [Seen::Reconnects]);
        subject
    }

    fn take(&mut self, step: Step) -> Vec<Seen> {
        match step {
            Step::Signin => self.single.client.signin(),
            Step::Signout => self.single.client.signout(),
            Step::Answer(user) => {
                let answer = AuthResponse::new("key:5a");
                self.single.answer(Ok(match user {
                    Some(user) => answer.user_data(user_data(user)),
                    None => answer,
                }));
            }
            Step::Denied => {
                self.single.answer(Err(AuthError::Http { status: 403, excerpt: "no".into(), retry_after: None }));
            }
            Step::Success(user) => {
                let data = user.map_or_else(|| "7".into(), user_data);
                let data = serde_json::json!({ "user_data": data }).to_string();
                let frame = serde_json::json!({ "event": "pusher:signin_success", "data": data });
                self.single.receive(&frame.to_string());
            }
            Step::Error => self.single.receive(r#"{"event":"pusher:error","data":{"code":4009,"message":"no"}}"#),
            Step::Event(user) => {
                let channel = format!("#server-to-user-{user}");
                self.single.receive(&serde_json::json!({ "event": "e", "channel": channel, "data": "" }).to_string());
            }
            Step::Dropped => self.single.close(CloseReason::Dropped),
            Step::Moment => return self.single.pass(Duration::from_millis(500), see),
            Step::Long => return self.single.pass(secs(90), see),
        }
        self.single.poll(see)
    }
}

fn see(client: &Client, action: Action) -> Option<Seen> {
    let known = |id: &str| USERS.into_iter().find(|user| *user == id).expect("one of the users");
    Some(match action {
        Action::Connect(..) => Seen::Reconnects,
        Action::Send(_, text) if text.contains("pusher:signin") => Seen::Sends,
        Action::Send(_, text) => {
            Seen::Subscribes(USERS.into_iter().find(|user| text.contains(user)).expect("the channel of a user"))
        }
        Action::RequestAuth(request) => {
            assert_eq!(request.subject, AuthSubject::User);
            Seen::Asks
        }
        Action::Emit(Event::SignedIn { id, .. }) => {
            assert_eq!(client.user().map(|user| user.id), Some(id.as_str()));
            Seen::SignedIn(known(&id))
        }
        Action::Emit(Event::SigninError { retry_at: None, .. }) => Seen::Fails,
        Action::Emit(Event::SigninError { .. }) => Seen::Delays,
        Action::Emit(Event::UserContinuityLost { .. }) => Seen::Gap,
        Action::Emit(Event::User(_)) => Seen::Event,
        _ => return None,
    })
}

fn user_data(user: User) -> String {
    serde_json::json!({ "id": user }).to_string()
}
