//! The content of the log, and its spans.

use std::fmt::Write as _;
use std::sync::{Arc, Mutex, Once};

use pusher_driver::{NoAuth, Options};
use tracing::field::{Field, Visit};
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id};
use tracing::{Event, Subscriber};
use tracing_subscriber::layer::{Context, SubscriberExt as _};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::{Layer, Registry};

use crate::world::{World, config};

/// Keeps each line as `LEVEL span{field=value}: message field=value`.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

struct Fields(String);

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        let separator = if self.0.is_empty() { "" } else { " " };
        let name = if field.name() == "message" { String::new() } else { format!("{}=", field.name()) };
        write!(self.0, "{separator}{name}{value:?}").unwrap();
    }
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for Log {
    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        let mut fields = Fields(String::new());
        attributes.record(&mut fields);
        context.span(id).unwrap().extensions_mut().insert(fields);
    }

    fn on_event(&self, event: &Event<'_>, context: Context<'_, S>) {
        let mut line = event.metadata().level().to_string();
        for span in context.event_scope(event).into_iter().flatten() {
            write!(line, " {}{{{}}}", span.name(), span.extensions().get::<Fields>().unwrap().0).unwrap();
        }
        let mut fields = Fields(String::new());
        event.record(&mut fields);
        write!(line, ": {}", fields.0).unwrap();
        self.0.lock().unwrap().push(line);
    }
}

/// What is logged at this level and above while a function runs.
fn logged(level: LevelFilter, run: impl FnOnce()) -> Vec<String> {
    // Otherwise a line that another test reaches first, without a subscriber, may count as one that is wanted by none.
    static EVERYTHING_IS_WANTED: Once = Once::new();
    EVERYTHING_IS_WANTED.call_once(|| tracing::subscriber::set_global_default(Registry::default()).unwrap());
    let log = Log::default();
    tracing::subscriber::with_default(Registry::default().with(log.clone()).with(level), run);
    log.0.lock().unwrap().clone()
}

struct Bomb;

impl Drop for Bomb {
    fn drop(&mut self) {
        panic!("dropped");
    }
}

/// The loop runs, is cut off, and handles log from outside of it.
fn live_and_end(options: &Options) {
    let mut world = World::connected_with_options(options, NoAuth);
    let private = world.client.subscribe("private-chat").unwrap();
    world.run();
    let bomb = Bomb;
    let binding = private.bind("message", move |_| assert!(size_of_val(&bomb) == 0)).unwrap();
    private.unbind(binding);
    world.drop_loop();
    world.client.connect();
}

#[test]
fn every_line_has_the_span_of_its_client() {
    let lines = logged(LevelFilter::TRACE, || live_and_end(&Options::new()));
    let strays: Vec<_> = lines.iter().filter(|line| !line.contains(" pusher{key=key}: ")).collect();
    assert_eq!(strays, [""; 0]);
    let has = |text: &str| assert!(lines.iter().any(|line| line.contains(text)), "{text} is not in {lines:#?}");
    has("the drop of a value of the application panicked");
    has("the loop was dropped");
    has("connect has no effect");
}

#[test]
fn a_filter_that_lets_only_warnings_pass_keeps_the_span() {
    let lines = logged(LevelFilter::WARN, || live_and_end(&Options::new().name("orders")));
    assert!(lines.len() >= 3);
    let strays: Vec<_> = lines.iter().filter(|line| !line.contains(" pusher{name=orders}: ")).collect();
    assert_eq!(strays, [""; 0]);
}

#[test]
fn a_client_with_a_name_does_not_log_its_key() {
    let lines = logged(LevelFilter::DEBUG, || {
        let config = config();
        let mut world = World::new(config, NoAuth, &Options::new().name("orders"));
        world.run();
        world.greet();
        world.lose_socket(pusher_proto::CloseReason::Dropped);
    });
    assert!(!lines.is_empty());
    let with_key: Vec<_> = lines.iter().filter(|line| line.contains("key")).collect();
    assert_eq!(with_key, [""; 0]);
}
