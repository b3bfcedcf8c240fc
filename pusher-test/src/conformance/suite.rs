//! Runs scenarios as tests.

use std::any::Any;
use std::env;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use libtest_mimic::{Arguments, Completion, Trial};

use super::handles::WithHandles;
use super::leftovers::Leftovers;
use super::runtime::{About, Runtime};
use super::scenario::{Needs, Play, Scenario};
use super::scenarios;
use super::server::ForeignServer;
use super::stage::{Foreign, SERVERS, Stage, silence_wanted_panics};

/// Runs every scenario that needs no handles of the driver, as `main` of a test without a harness.
///
/// The scenarios about handles are shown as ignored. The arguments are those of a test binary: a filter, `--list`,
/// `--exact` and so on, and `--rules`, which prints every scenario with its rule. Scenarios run one after another, because
/// leftovers are counted for the whole process. The panics that scenarios cause on purpose are kept out of the output by a
/// [panic hook](Suite::run).
///
/// # Examples
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use pusher_test::conformance::{self, Runtime};
///
/// fn test(runtime: impl Runtime) -> ExitCode {
///     conformance::run(runtime)
/// }
/// ```
pub fn run(runtime: impl Runtime) -> ExitCode {
    Suite::new().runtime(runtime).run()
}

/// Runs every scenario, like [`run`], with a runtime around the handles of `pusher-driver`.
///
/// # Examples
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use pusher_test::conformance::{self, WithFutures};
///
/// fn test(runtime: impl WithFutures) -> ExitCode {
///     conformance::run_with_handles(runtime)
/// }
/// ```
pub fn run_with_handles(runtime: impl WithHandles) -> ExitCode {
    Suite::new().handles(runtime).run()
}

/// Several runtimes, another server, or scenarios of your own.
///
/// # Examples
///
/// ```no_run
/// use std::process::ExitCode;
///
/// use pusher_test::conformance::{ForeignServer, Runtime, Suite};
///
/// fn test<R: Runtime + Clone>(runtime: R, server: impl ForeignServer) -> ExitCode {
///     Suite::new()
///         .runtime(runtime.clone())
///         .scenario(runtime.clone(), "a channel has a name with a dot", None, |stage| {
///             stage.user().subscribed("a.b").expect_nothing("no event was published");
///         })
///         // From here on, clients connect to this server.
///         .server(server)
///         .runtime(runtime)
///         .run()
/// }
/// ```
#[derive(Default)]
pub struct Suite {
    server: Option<Foreign>,
    planned: Vec<Planned>,
}

/// One scenario with one runtime.
struct Planned {
    name: String,
    left_out: Option<String>,
    play: Box<dyn FnOnce() -> Result<(), String> + Send>,
}

/// What came of one scenario, from [`Suite::play`].
///
/// # Examples
///
/// ```no_run
/// use pusher_test::conformance::{Runtime, Suite, Verdict};
///
/// fn failures(runtime: impl Runtime) -> usize {
///     let outcomes = Suite::new().runtime(runtime).play();
///     outcomes.iter().filter(|outcome| matches!(outcome.verdict, Verdict::Failed(_))).count()
/// }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Outcome {
    /// The runtime and the scenario.
    pub name: String,
    /// How it ended.
    pub verdict: Verdict,
}

/// How a scenario ended.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// As its rule says.
    Passed,
    /// Not as its rule says, and how.
    Failed(String),
    /// It was not played, and why.
    LeftOut(String),
}

impl Suite {
    /// Returns a suite without scenarios, for the development server.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the server for the runtimes that are added after this.
    #[must_use]
    pub fn server(mut self, server: impl ForeignServer) -> Self {
        self.server = Some(Foreign(Arc::new(server)));
        self
    }

    /// Adds the scenarios that need no handles. The others are left out.
    #[must_use]
    pub fn runtime<R: Runtime>(mut self, runtime: R) -> Self {
        let runtime = Arc::new(runtime);
        self.add_all(&runtime, scenarios::runtime::all());
        let about = runtime.about();
        for scenario in scenarios::all().filter(|scenario| scenario.needs() == Needs::Handles) {
            let left_out = Some("needs the handles of pusher-driver, and the runtime has no `WithHandles`".to_owned());
            self.planned.push(Planned { name: title(&about, scenario.name()), left_out, play: Box::new(|| Ok(())) });
        }
        self
    }

    /// Adds all scenarios.
    #[must_use]
    pub fn handles<H: WithHandles>(mut self, runtime: H) -> Self {
        let runtime = Arc::new(runtime);
        self.add_all(&runtime, scenarios::runtime::all());
        self.add_all(&runtime, scenarios::handles::all());
        self.add_all(&runtime, scenarios::backends::all());
        self
    }

    /// Adds a scenario of your own, which fails by a panic. With a reason in `left_out`, it is shown as ignored.
    #[must_use]
    pub fn scenario<R: Runtime>(
        mut self,
        runtime: R,
        name: &str,
        left_out: Option<String>,
        play: impl FnOnce(&mut Stage<R>) + Send + 'static,
    ) -> Self {
        self.add(&Arc::new(runtime), name, None, left_out, play);
        self
    }

    fn add_all<R: Runtime>(&mut self, runtime: &Arc<R>, scenarios: Vec<(&'static Scenario, Play<R>)>) {
        let about = runtime.about();
        for (scenario, play) in scenarios {
            let of_server = self.server.as_ref().and_then(|Foreign(server)| match scenario.is_for_any_server() {
                true => server.lacks(scenario.name()),
                false => Some("needs the development server".to_owned()),
            });
            let left_out = about.reason_without(scenario.name()).or(of_server);
            self.add(runtime, scenario.name(), Some(scenario), left_out, play);
        }
    }

    fn add<R: Runtime>(
        &mut self,
        runtime: &Arc<R>,
        name: &str,
        scenario: Option<&'static Scenario>,
        left_out: Option<String>,
        play: impl FnOnce(&mut Stage<R>) + Send + 'static,
    ) {
        let (name, runtime, server) = (title(&runtime.about(), name), Arc::clone(runtime), self.server.clone());
        let title = name.clone();
        let play = move || {
            play_one(&runtime, server, play, title).map_err(|failure| match scenario {
                Some(scenario) => format!("{failure}\n  rule: {}\n  from: {}", scenario.rule(), scenario.source()),
                None => failure,
            })
        };
        self.planned.push(Planned { name, left_out, play: Box::new(play) });
    }

    /// Runs all scenarios as tests, like [`run`].
    ///
    /// The first run in a process installs a panic hook, which stays: it hides the panics that scenarios cause on purpose, and
    /// passes all others on to the hook before it.
    #[must_use = "the process ends with it"]
    pub fn run(self) -> ExitCode {
        if env::args().any(|argument| argument == "--rules") {
            for scenario in scenarios::all() {
                println!("{scenario}\n");
            }
            return ExitCode::SUCCESS;
        }
        let mut arguments = Arguments::from_args();
        // Leftovers are counted for the whole process.
        arguments.test_threads = Some(1);
        silence_wanted_panics();
        let trials = self.planned.into_iter().map(|Planned { name, left_out, play }| {
            Trial::ignorable_test(name, move || match left_out {
                Some(reason) => Ok(Completion::ignored_with(reason)),
                None => Ok(play().map(|()| Completion::Completed)?),
            })
        });
        libtest_mimic::run(&arguments, trials.collect()).exit_code()
    }

    /// Plays all scenarios one after another and returns what came of them, for programs with reports of their own.
    ///
    /// Like [`run`](Self::run), it installs a panic hook, once.
    #[must_use]
    pub fn play(self) -> Vec<Outcome> {
        silence_wanted_panics();
        let outcomes = self.planned.into_iter().map(|Planned { name, left_out, play }| {
            let verdict = match left_out {
                Some(reason) => Verdict::LeftOut(reason),
                None => play().map_or_else(Verdict::Failed, |()| Verdict::Passed),
            };
            Outcome { name, verdict }
        });
        outcomes.collect()
    }
}

impl std::fmt::Debug for Suite {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names = self.planned.iter().map(|planned| &planned.name);
        f.debug_struct("Suite").field("server", &self.server).field("scenarios", &names.collect::<Vec<_>>()).finish()
    }
}

fn title(about: &About, name: &str) -> String {
    format!("{}: {}", about.name(), name.replace('_', " "))
}

fn play_one<R: Runtime>(
    runtime: &Arc<R>,
    server: Option<Foreign>,
    play: impl FnOnce(&mut Stage<R>),
    title: String,
) -> Result<(), String> {
    let about = runtime.about();
    // A call of the runtime that does not return cannot be interrupted, but at least it is known which one it is.
    let watchdog = SERVERS.spawn(async move {
        tokio::time::sleep(LONG).await;
        eprintln!(
            "{title}: still running after {LONG:?}, so a call of the runtime has not returned; see its backtrace"
        );
    });
    (about.warm_up)();
    let before = Leftovers::now(&about);
    let played = catch_unwind(AssertUnwindSafe(|| {
        let mut stage = Stage::new(Arc::clone(runtime), server);
        play(&mut stage);
        stage.end();
        before.expect_nothing_more();
    }));
    watchdog.abort();
    match played {
        Ok(()) => (about.check)(),
        Err(panic) => Err(text(&*panic)),
    }
}

/// Longer than any scenario waits for one thing.
const LONG: Duration = Duration::from_secs(60);

/// The message of a panic.
fn text(panic: &(dyn Any + Send)) -> String {
    match (panic.downcast_ref::<&str>(), panic.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => "a panic without a message".to_owned(),
    }
}
