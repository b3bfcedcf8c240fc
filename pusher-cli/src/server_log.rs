//! What a development server does, in lines for people.

use std::collections::BTreeMap;
use std::fmt::{Debug, Write as _};
use std::time::Duration;

use pusher_server::Handle;
use pusher_tokio::ChannelName;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::{Context, SubscriberExt as _};

use crate::failure::Failure;
use crate::output::{self, CHANNEL, DIM, WARNING, printable, time_of_day};

/// Prints what the server logs: connections, subscriptions, client events, publications, and what it refuses, with the reason.
pub(crate) fn install() {
    let is_ours = |metadata: &Metadata<'_>| metadata.target().starts_with("pusher_server");
    let subscriber = tracing_subscriber::registry().with(Lines.with_filter(filter_fn(is_ours)));
    // This fails only if a logger is installed already, which then prints.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// Prints how many connections are subscribed to which channels, whenever that changes. Returns only when the lines
/// can no longer be written.
pub(crate) async fn watch_channels(server: &Handle) -> Failure {
    let mut before = BTreeMap::new();
    loop {
        let mut now: BTreeMap<ChannelName, usize> = BTreeMap::new();
        for channel in server.connections().into_iter().flat_map(|connection| connection.channels) {
            *now.entry(channel).or_default() += 1;
        }
        if let Err(failure) = print_changes(&before, &now) {
            return failure;
        }
        before = now;
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

fn print_changes(before: &BTreeMap<ChannelName, usize>, now: &BTreeMap<ChannelName, usize>) -> Result<(), Failure> {
    for (channel, count) in now {
        if before.get(channel) != Some(count) {
            print_channel(channel, *count)?;
        }
    }
    for channel in before.keys().filter(|channel| !now.contains_key(*channel)) {
        print_channel(channel, 0)?;
    }
    Ok(())
}

fn print_channel(channel: &str, count: usize) -> Result<(), Failure> {
    let (time, channel) = (time_of_day(), printable(channel));
    output::line(format_args!("{DIM}{time}{DIM:#}  {CHANNEL}{channel}{CHANNEL:#}  {count} subscribed"))
}

struct Lines;

impl<S: Subscriber> Layer<S> for Lines {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let mut line = Line::default();
        event.record(&mut line);
        let (time, Line { message, fields }) = (time_of_day(), line);
        let (message, fields) = (printable(&message), printable(&fields));
        let is_warning = *event.metadata().level() <= Level::INFO;
        // The next line that is not a log line reports that the reader has gone.
        let _ = if is_warning {
            output::line(format_args!("{DIM}{time}{DIM:#}  {WARNING}{message}{fields}{WARNING:#}"))
        } else {
            output::line(format_args!("{DIM}{time}{DIM:#}  {message}{DIM}{fields}{DIM:#}"))
        };
    }
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => write!(self.message, "{value:?}"),
            name => write!(self.fields, "  {name} {value:?}"),
        };
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        if !value.is_empty() {
            let _ = write!(self.fields, "  {} {value}", field.name());
        }
    }
}

/// Short enough to look immediate, long enough to cost nothing.
const LOOK_EVERY: Duration = Duration::from_millis(250);
