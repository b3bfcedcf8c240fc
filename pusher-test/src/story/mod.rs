//! Sequences of what can happen to a client, for property tests.
//!
//! A [`Story`] is drawn from [`Choices`], or by the modules `strategy` and `arbitrary`, behind the features `proptest` and
//! `arbitrary`. It is played with the core, with your [`Embedding`], or in a [`World`], and it prints as a
//! transcript, so that a failure can be pasted into a regression test.

mod legal;
mod subject;
mod wild;

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

pub use subject::Subject;
#[cfg(feature = "proptest")]
pub(crate) use wild::{answer, close, line, time, wish};

use pusher_proto::{Action, Client, CloseReason, Event};

use crate::Choices;
use crate::network::{Fault, Who};
use crate::transcript::{Call, Embedding, Failure, Input, Line, Passing, Player, Received, Setup, Stop, Transcript};
use crate::world::World;

/// What happens to a client, one line after another.
///
/// # Examples
///
/// ```
/// use pusher_test::story::Story;
/// use pusher_test::Choices;
///
/// let story = Story::legal(&mut Choices::from_seed(7));
/// let mut events = 0;
/// story.play(|_client, heard| events += heard.len())?;
/// assert!(events > 0);
/// println!("{story}");
/// # Ok::<(), pusher_test::transcript::Failure>(())
/// ```
#[derive(Clone)]
pub struct Story {
    lines: Vec<Line>,
}

impl Story {
    /// Creates a story of these lines. Lines that cannot be played when it is their turn, such as a frame before a socket was asked for,
    /// are passed over.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_test::story::Story;
    /// use pusher_test::transcript::Line;
    ///
    /// let story = Story::new([Line::Connected, Line::frame(r#"{"event":"pusher:ping"}"#)]);
    /// assert_eq!(story.lines().len(), 2);
    /// ```
    #[must_use]
    pub fn new(lines: impl IntoIterator<Item = Line>) -> Self {
        Self { lines: lines.into_iter().collect() }
    }

    /// Draws a story in which the server keeps to the protocol: a model server of any dialect answers, frames keep their order,
    /// and nothing comes from a socket after its end. Sockets break, servers close them, authorizations fail, time passes.
    ///
    /// It has at most 60 steps of up to a few lines. With a seed, all 60.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_test::story::Story;
    /// use pusher_test::Choices;
    ///
    /// let story = Story::legal(&mut Choices::from_seed(7)).to_string();
    /// assert!(story.contains("pusher:connection_established"));
    /// ```
    pub fn legal(choices: &mut Choices) -> Self {
        legal::draw(choices)
    }

    /// Draws a story like [`legal`](Self::legal), about the channels and events of an application.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_test::Choices;
    /// use pusher_test::story::{Story, Subject};
    ///
    /// let subject = Subject::new().channel("private-orders".parse()?).event("created", [r#"{"id":1}"#]);
    /// let story = Story::about(&subject, &mut Choices::from_seed(7)).to_string();
    /// assert!(story.contains("private-orders"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn about(subject: &Subject, choices: &mut Choices) -> Self {
        legal::draw_about(subject, choices)
    }

    /// Draws a story in which the server, the network and the clock do anything: frames that are damaged, answers that were not
    /// requested, messages from earlier sockets, timers that fire late.
    ///
    /// It has at most 60 lines. With a seed, all 60.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_test::story::Story;
    /// use pusher_test::Choices;
    ///
    /// assert_eq!(Story::wild(&mut Choices::from_seed(7)).lines().len(), 60);
    /// ```
    pub fn wild(choices: &mut Choices) -> Self {
        wild::draw(choices)
    }

    /// Draws a story in which the server keeps to the protocol, or one in which it does not: what a property test of a runtime
    /// needs. Takes a fuzzer's bytes; every input is a story.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_test::story::Story;
    /// use pusher_test::Choices;
    ///
    /// Story::any(&mut Choices::from_bytes(*b"bytes of a fuzzer")).play(|_, _| ())?;
    /// # Ok::<(), pusher_test::transcript::Failure>(())
    /// ```
    pub fn any(choices: &mut Choices) -> Self {
        if choices.chance(128) { Self::wild(choices) } else { Self::legal(choices) }
    }

    /// Draws each of these steps from its own bytes.
    #[cfg(feature = "proptest")]
    pub(crate) fn of_legal_steps(
        dialect: pusher_proto::server::Dialect,
        subject: &Subject,
        steps: Vec<Vec<u8>>,
    ) -> Self {
        legal::draw_with(dialect, subject, |generator| {
            steps.into_iter().for_each(|bytes| generator.step(&mut Choices::from_bytes(bytes)));
        })
    }

    /// Returns the lines.
    pub fn lines(&self) -> impl ExactSizeIterator<Item = &Line> {
        self.lines.iter()
    }

    /// Plays it with the core. After each line, `then` gets the client and the events that the application receives.
    ///
    /// # Errors
    ///
    /// If the client does something that it never may: its deadline does not advance, or its actions never end.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_test::story::Story;
    /// use pusher_test::transcript::Line;
    ///
    /// let mut names = Vec::new();
    /// Story::new([Line::Connected]).play(|_, events| names.extend(events.iter().map(|event| event.name().to_string())))?;
    /// assert_eq!(names, ["state_change", "state_change"]);
    /// # Ok::<(), pusher_test::transcript::Failure>(())
    /// ```
    pub fn play(&self, mut then: impl FnMut(&Client, &[Event])) -> Result<(), Failure> {
        self.play_with(&mut setup().client(), |client, actions| {
            let events = actions.iter().filter_map(|action| match action {
                Action::Emit(event) => Some(event.clone()),
                _ => None,
            });
            then(client, &events.collect::<Vec<_>>());
        })
    }

    /// Plays it with an embedding of the core. After each line, `then` gets the embedding and its actions.
    ///
    /// # Errors
    ///
    /// If the embedding does something that it never may: its deadline does not advance, or its actions never end.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::{Action, Client, Config};
    /// use pusher_test::story::Story;
    /// use pusher_test::transcript::Line;
    ///
    /// // A `Client` is an embedding of itself.
    /// let mut embedding = Client::new(Config::new("any", "ws://localhost")?, 0);
    /// let mut sent = 0;
    /// Story::new([Line::Connected, "! subscribe chat".parse()?]).play_with(&mut embedding, |_, actions| {
    ///     sent += actions.iter().filter(|action| matches!(action, Action::Send(..))).count();
    /// })?;
    /// assert_eq!(sent, 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn play_with<E: Embedding>(
        &self,
        embedding: &mut E,
        mut then: impl FnMut(&E, &[Action]),
    ) -> Result<(), Failure> {
        let mut player = Player::new(embedding, &setup());
        for (at, line) in self.lines.iter().enumerate() {
            let actions: Vec<Action> = match player.give(line) {
                Ok(outputs) => outputs.into_iter().filter_map(|output| output.action).collect(),
                Err(Stop::Impossible(_)) => continue,
                Err(stop) => return Err(Failure::stopped(self.printed_number(at), &line.to_string(), stop)),
            };
            then(player.embedding, &actions);
        }
        Ok(())
    }

    /// Plays it with the core and with an embedding of it, which must do the same.
    ///
    /// # Errors
    ///
    /// The first difference; what the core does is what is expected.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_proto::{Client, Config};
    /// use pusher_test::story::Story;
    /// use pusher_test::Choices;
    ///
    /// let mut embedding = Client::new(Config::new("any", "ws://localhost")?, 0);
    /// Story::wild(&mut Choices::from_seed(7)).compare(&mut embedding)?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn compare<E: Embedding>(&self, embedding: &mut E) -> Result<(), Failure> {
        let transcript = Transcript::new(TITLE, self.lines.iter().cloned());
        // Its first input is in line 2, and it has no outputs.
        transcript.compare(embedding).map_err(|failure| {
            let number = self.printed_number(failure.line() - 2);
            failure.with_line(number)
        })
    }

    /// The number of the line at `at` in the printed transcript, which also has outputs, but no lines that were passed over.
    fn printed_number(&self, at: usize) -> usize {
        let until = Self { lines: self.lines[..=at].to_vec() };
        until.transcript(TITLE).last_number().unwrap_or(1)
    }

    /// Plays what the application, the network and the clock do in a world, where a model server answers. Whatever comes from
    /// servers in the story itself is left out.
    ///
    /// # Examples
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use pusher_proto::server::ServerConfig;
    /// use pusher_proto::signing::App;
    /// use pusher_proto::Config;
    /// use pusher_test::story::Story;
    /// use pusher_test::network::Authority;
    /// use pusher_test::world::World;
    /// use pusher_test::Choices;
    ///
    /// let app = App::new("1", "app-key", "app-secret")?;
    /// let mut world = World::new(ServerConfig::new(app.clone()), Duration::from_millis(20), 7);
    /// let alice = world.add(Config::new("app-key", "ws://localhost")?, Authority::new(app, "alice"));
    /// world.client(alice).connect();
    /// Story::legal(&mut Choices::from_seed(7)).play_in(&mut world, alice);
    /// assert!(world.heard(alice).any(|(_, event)| event.name() == "state_change"));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn play_in(&self, world: &mut World, who: Who) {
        for line in &self.lines {
            match line {
                Line::Connected => world.client(who).connect(),
                Line::Calls(calls) => calls.iter().for_each(|call| call_in(world, who, call)),
                Line::Receive { what: Received::Ended(CloseReason::Closed(Some(frame))), .. } => {
                    world.fault(who, Fault::Close(frame.clone()));
                }
                Line::Receive { what: Received::Ended(_), .. } => world.fault(who, Fault::Cut),
                Line::Receive { .. } => {}
                Line::Pass(Passing::Time(time) | Passing::Asleep(time) | Passing::Unnoticed(time)) => world.run(*time),
                Line::Pass(Passing::Retry) => world.run(LONGEST_DELAY),
                Line::Pass(Passing::WallForward(_) | Passing::WallBack(_)) => {}
            }
        }
    }

    /// Returns the story as a transcript, with everything that the core does. Lines that were passed over are left out.
    ///
    /// # Examples
    ///
    /// ```
    /// use pusher_test::story::Story;
    /// use pusher_test::Choices;
    ///
    /// let transcript = Story::any(&mut Choices::from_seed(7)).transcript("a story");
    /// transcript.play()?;
    /// # Ok::<(), pusher_test::transcript::Failure>(())
    /// ```
    #[must_use]
    pub fn transcript(&self, title: &str) -> Transcript {
        let played = catch_unwind(AssertUnwindSafe(|| {
            let mut core = setup().client();
            let mut player = Player::new(&mut core, &setup());
            let is_possible = |line: &&Line| !matches!(player.give(line), Err(Stop::Impossible(_)));
            let transcript = Transcript::new(title, self.lines.iter().filter(is_possible).cloned());
            transcript.bless().ok().and_then(|text| Transcript::parse(&text).ok())
        }));
        // A core that panics, which may be why the story is printed, does not hide the inputs.
        let all = || Transcript::new(title, self.lines.iter().cloned());
        played.ok().flatten().unwrap_or_else(all)
    }
}

/// A call in a world, which has one application, and whose auth servers answer by themselves. Nothing is printed.
fn call_in(world: &mut World, who: Who, call: &Call) {
    let now = world.now();
    match call.input() {
        Some(Input::Switch(..)) | None => {}
        // A refused event is not sent, as in any application that ignores the result.
        Some(input) => drop(input.give(world.client(who), now)),
    }
}

impl fmt::Display for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.transcript(TITLE).fmt(f)
    }
}

/// The transcript, since this is what property tests print.
impl fmt::Debug for Story {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f)?;
        fmt::Display::fmt(self, f)
    }
}

/// The options of every story: none.
pub(crate) fn setup() -> Setup {
    Setup::default()
}

/// Draws steps until the choices are exhausted, but at most [`MAX_STEPS`].
fn steps(choices: &mut Choices, mut step: impl FnMut(&mut Choices)) {
    for _ in 0..MAX_STEPS {
        if choices.is_exhausted() {
            break;
        }
        choices.mark();
        step(choices);
    }
}

/// The title of a story that is printed.
const TITLE: &str = "a story";

/// The most steps of a story.
pub(crate) const MAX_STEPS: usize = 60;

/// The longest delay before a client connects again, unless a server asks for a longer one.
const LONGEST_DELAY: std::time::Duration = std::time::Duration::from_secs(31);
