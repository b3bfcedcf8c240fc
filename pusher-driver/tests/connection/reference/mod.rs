//! Stories of random steps, in which every stream and every waiting call of a client does what a reference of a few lines
//! does.

mod rules;
mod subject;
mod tasks;

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use self::rules::Reference;
use self::subject::Subject;
use crate::world::Random;

/// Something that tasks wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Stream(usize),
    Typed(usize),
    Events,
    States,
    Subscribed(usize),
    User,
    Shutdown,
}

impl Kind {
    const fn channel(self) -> Option<usize> {
        match self {
            Self::Stream(channel) | Self::Typed(channel) | Self::Subscribed(channel) => Some(channel),
            Self::Events | Self::States | Self::User | Self::Shutdown => None,
        }
    }
}

#[derive(Clone, Copy, Debug)]
enum Step {
    /// Creates a stream or a call, unless there is one.
    Open(usize),
    /// One of two tasks polls it. If there is none, it is created. A call whose result was returned is made again.
    Poll(usize, usize),
    Close(usize),
    /// The server greets, or time passes until the next attempt or the end of a `shutdown`.
    Proceed,
    Lose,
    /// The server does not want this client.
    Fail,
    Connect,
    Disconnect,
    Succeed(usize),
    Message(usize, u64),
    /// From now on, the backend grants everything, or nothing.
    Grant(bool),
    Unsubscribe(usize),
    SignIn,
    SignOut,
    SignInSucceeds,
    DropLoop,
}

/// What a stream or a call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Seen {
    State(&'static str),
    /// The reason why a connection ended.
    Trouble,
    /// A channel, and whether it has been subscribed before.
    Succeeded(usize, bool),
    Refused(usize),
    Gap(usize),
    Message(usize, u64),
    SignedIn,
    UserGap,
    SignInRefused,
    /// The end of a stream.
    End,
    /// The success of a call.
    Done,
    NotRequested,
    Disconnected,
    Failed,
    Unsubscribed,
}

impl Step {
    fn draw(random: &mut Random, number: u64) -> Self {
        // Half of the steps concern a few of them, so that rare sequences occur.
        let few = [1, 4, 8, 9, 11];
        let item = if random.below(2) == 0 { few[random.below(few.len())] } else { random.below(KINDS.len()) };
        let channel = random.below(CHANNELS.len());
        match random.below(64) {
            0..=3 => Self::Open(item),
            4..=27 => Self::Poll(item, random.below(2)),
            28..=30 => Self::Close(item),
            31..=39 => Self::Proceed,
            40..=42 => Self::Lose,
            43 => Self::Fail,
            44..=46 => Self::Connect,
            47 => Self::Disconnect,
            48..=52 => Self::Succeed(channel),
            53 | 54 => Self::Message(channel, number),
            55 | 56 => Self::Grant(random.below(2) > 0),
            57 => Self::Unsubscribe(channel),
            58 | 59 => Self::SignIn,
            60 => Self::SignOut,
            61 | 62 => Self::SignInSucceeds,
            _ if random.below(4) == 0 => Self::DropLoop,
            _ => Self::Succeed(channel),
        }
    }
}

/// Fails if the test waits for itself, because a waker is woken or dropped under the lock of the client.
fn without_deadlock(test: impl FnOnce() + Send + 'static) {
    let (sender, end) = mpsc::channel();
    let running = thread::spawn(move || {
        test();
        sender.send(()).unwrap();
    });
    if let Err(mpsc::RecvTimeoutError::Timeout) = end.recv_timeout(Duration::from_secs(300)) {
        panic!("a waker was woken or dropped under the lock, which takes forever");
    }
    running.join().unwrap();
}

#[test]
fn streams_and_calls_return_what_they_should_and_wake_the_tasks_that_wait_for_it() {
    without_deadlock(|| {
        for seed in 0..STORIES {
            let mut random = Random(seed);
            let (mut reference, mut subject) = (Reference::new(seed % 2 == 0), Subject::new(seed % 2 == 0));
            let mut story = Vec::new();
            for number in 0..STEPS {
                let step = Step::draw(&mut random, number);
                story.push(step);
                let (expected, seen) = (reference.take(step), subject.take(step));
                assert_eq!(subject.state(), reference.state(), "seed {seed}: {story:?}");
                assert_eq!(seen, expected, "seed {seed}: {story:?}");
                for (item, kind) in KINDS.iter().enumerate() {
                    let expected = reference.is_woken(item);
                    assert_eq!(subject.is_woken(item), expected, "seed {seed}: whether {kind:?} is woken in {story:?}");
                }
            }
            subject.end();
        }
    });
}

/// The loop sees several changes at once.
#[test]
fn no_task_is_left_asleep_and_no_call_is_over_too_soon_however_rarely_the_loop_runs() {
    without_deadlock(|| {
        for seed in 0..STORIES {
            let mut random = Random(seed);
            let mut subject = Subject::new(seed % 2 == 0);
            let mut story = Vec::new();
            let mut will_connect = false;
            for number in 0..STEPS {
                let step = Step::draw(&mut random, number);
                story.push(step);
                subject.is_lazy = random.below(4) > 0;
                let seen = subject.take(step);
                will_connect = match step {
                    Step::Open(_) | Step::Poll(..) | Step::Close(_) => will_connect && !subject.has_ended(),
                    Step::Connect => !subject.has_ended(),
                    _ => false,
                };
                let is_over = matches!(seen, Some(Seen::Disconnected | Seen::Failed));
                assert!(!(will_connect && is_over), "seed {seed}: a call says that it is over after {story:?}");
                if !subject.is_lazy {
                    let forgotten = subject.forgotten();
                    assert_eq!(forgotten, None, "seed {seed}: it is ready, but its task sleeps after {story:?}");
                }
            }
            subject.end();
        }
    });
}

const CHANNELS: [&str; 2] = ["private-chat", "news"];

/// The channel that needs an authorization.
const PRIVATE: usize = 0;

const KINDS: [Kind; 15] = [
    Kind::Stream(0),
    Kind::Stream(0),
    Kind::Typed(0),
    Kind::Stream(1),
    Kind::Events,
    Kind::Events,
    Kind::States,
    Kind::States,
    Kind::Subscribed(0),
    Kind::Subscribed(0),
    Kind::Subscribed(1),
    Kind::User,
    Kind::User,
    Kind::Shutdown,
    Kind::Shutdown,
];

const STORIES: u64 = 1_000;
const STEPS: u64 = 60;
