//! `pusher listen`

mod args;
pub(crate) mod describe;
mod exec;
mod terms;

use std::pin::pin;
use std::time::Duration;

use pusher_tokio::{
    ChannelName, Client, ConnectionError, ConnectionState, Diagnostic, Event, Recovery, Subscribe, Subscription,
    with_causes,
};
use tokio::time::{Instant, sleep_until};

pub(crate) use self::args::ListenArgs;
use self::exec::Commands;
use crate::failure::{Failure, SILENT_REFUSAL, is_silent_refusal};
use crate::interrupt::interrupted;
use crate::output;
use crate::target::Target;
use crate::{authorizer, connect, tapped};

pub(crate) async fn run(args: ListenArgs) -> Result<(), Failure> {
    let interrupted = interrupted()?;
    let target = args.place.target()?;
    let options = terms::options(&args)?;
    let client = client(&args, &target)?;
    let mut listener = Listener::new(target.ws_url(), client.clone(), args, options);
    let result = listener.listen(interrupted).await;
    client.shutdown(GOODBYE).await;
    let ran = listener.commands.finish().await;
    result.and(ran)
}

/// Connects with the authorizer that the flags ask for.
fn client(args: &ListenArgs, target: &Target) -> Result<Client, Failure> {
    // When to give up is decided here, by what happened before.
    let config = connect::config(&args.credentials.key, target.endpoint())
        .max_attempts(None)
        .recovery(terms::needs_version_2(args).then(Recovery::default))
        .build()?;
    let app = args.credentials.app_with_secret("")?;
    let authorizer = authorizer::new(app, &args.auth, &args.channels, args.signin)?;
    let connect = if args.verbose { tapped::connect } else { pusher_tokio::connect_with };
    Ok(connect(config, authorizer, &target.options()?)?)
}

struct Listener {
    url: String,
    client: Client,
    args: ListenArgs,
    options: Subscribe,
    counted: u64,
    /// Whether the client has been connected: then it is worth waiting for the server, however long it is away.
    was_connected: bool,
    /// In a row.
    silent_refusals: u32,
    commands: Commands,
}

impl Listener {
    fn new(url: String, client: Client, args: ListenArgs, options: Subscribe) -> Self {
        let commands = Commands::new(args.exec.clone(), args.exec_jobs);
        Self { url, client, args, options, counted: 0, was_connected: false, silent_refusals: 0, commands }
    }

    async fn listen(&mut self, interrupted: impl Future<Output = ()>) -> Result<(), Failure> {
        let mut interrupted = pin!(interrupted);
        let mut events = self.client.events();
        let subscribe = |channel| self.client.subscribe_with(channel, self.options.clone());
        let channels = self.args.channels.iter().map(subscribe);
        let _subscriptions: Vec<Subscription> = channels.collect::<Result<_, _>>()?;
        if self.args.signin {
            self.client.signin();
        }
        let deadline = self.args.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            tokio::select! {
                // While all commands are busy, events wait in the mailbox, which is bounded and reports what it lost.
                event = events.recv(), if self.commands.has_room() => match event {
                    Some(event) => self.handle(&event)?,
                    None => return Ok(()),
                },
                () = self.commands.next(), if self.commands.is_running() => {}
                () = &mut interrupted => return Ok(()),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => return self.time_is_up(),
            }
            if self.args.count.is_some_and(|count| self.counted >= count) {
                return Ok(());
            }
        }
    }

    fn handle(&mut self, event: &Event) -> Result<(), Failure> {
        // An event that ends the program is reported only as its error.
        self.follow(event)?;
        if !self.is_shown(event) {
            return Ok(());
        }
        if self.args.json {
            output::json(&describe::Json::new(event))?;
        } else if is_about_connection(event) {
            output::remark(describe::human(event));
        } else {
            output::line(describe::human(event))?;
        }
        if self.is_counted(event) {
            self.counted += 1;
            self.commands.start(event)?;
        }
        Ok(())
    }

    /// Updates what is known; returns an error if the event ends the program.
    fn follow(&mut self, event: &Event) -> Result<(), Failure> {
        let is_patient = self.was_connected || self.args.keep_trying;
        if let Some(failure) = connect::failure(event, &self.url, is_patient, |channel| self.is_subscribed(channel)) {
            return Err(failure);
        }
        match event {
            Event::StateChanged { current: ConnectionState::Waiting { cause, .. }, .. } => {
                self.silent_refusals = if is_silent_refusal(cause) { self.silent_refusals + 1 } else { 0 };
                if self.silent_refusals == connect::TRIES {
                    output::note(SILENT_REFUSAL);
                }
            }
            Event::StateChanged { current: ConnectionState::Connected { .. }, .. } => {
                self.was_connected = true;
                self.silent_refusals = 0;
            }
            // Without its filter, a subscription brings what the user does not want.
            Event::Diagnostic(Diagnostic::RecoveryUnsupported) if terms::has_terms(&self.args) => {
                return Err(Failure::failed(WITHOUT_TERMS));
            }
            _ => {}
        }
        Ok(())
    }

    fn is_shown(&self, event: &Event) -> bool {
        let is_selected = self.args.events.is_empty() || self.is_selected(event);
        match self.args.json {
            true => !matches!(event, Event::Diagnostic(_)) && is_selected,
            false => is_for_people(event) && (is_about_connection(event) || is_selected),
        }
    }

    /// Whether the event is one of those that --count and --exec are about.
    fn is_counted(&self, event: &Event) -> bool {
        match self.args.events.is_empty() {
            true => matches!(event, Event::Channel(_) | Event::User(_)),
            false => self.is_selected(event),
        }
    }

    fn is_selected(&self, event: &Event) -> bool {
        self.args.events.iter().any(|pattern| pattern.matches(event.name()))
    }

    fn is_subscribed(&self, channel: &ChannelName) -> bool {
        self.client.channel(channel).is_some_and(|channel| channel.is_subscribed)
    }

    /// A success only if the program was listening and received as many events as were asked for.
    fn time_is_up(&self) -> Result<(), Failure> {
        let seconds = self.args.timeout.unwrap_or_default().as_secs_f64();
        match self.client.state() {
            ConnectionState::Connected { .. } => {}
            ConnectionState::Waiting { cause, .. } => {
                let cause = with_causes(cause.as_ref());
                return Err(Failure::cannot_connect(format!(
                    "not connected to {} after {seconds} s: {cause}",
                    self.url
                )));
            }
            _ => return Err(Failure::cannot_connect(format!("not connected to {} after {seconds} s", self.url))),
        }
        if let Some(channel) = self.args.channels.iter().find(|channel| !self.is_subscribed(channel)) {
            return Err(Failure::failed(format!("{channel} is not subscribed after {seconds} s")));
        }
        if self.args.signin && self.client.user().is_none() {
            return Err(Failure::failed(format!("not signed in after {seconds} s")));
        }
        match self.args.count {
            None => Ok(()),
            Some(count) => {
                Err(Failure::failed(format!("{} of {count} events arrived within {seconds} s", self.counted)))
            }
        }
    }
}

/// Whether a person wants to know this at all.
pub(crate) fn is_for_people(event: &Event) -> bool {
    match event {
        Event::Diagnostic(diagnostic) => {
            matches!(
                diagnostic,
                Diagnostic::KeyRetry { .. } | Diagnostic::ForeignKey { .. } | Diagnostic::RecoveryUnsupported
            )
        }
        // The change of state says the same.
        Event::ConnectionError(error) => is_going_on(error),
        _ => true,
    }
}

/// Whether the connection goes on after the error.
fn is_going_on(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::Server(_) | ConnectionError::Protocol(_))
}

/// Whether a person wants to know this beside the events.
pub(crate) fn is_about_connection(event: &Event) -> bool {
    matches!(event, Event::StateChanged { .. } | Event::ConnectionError(_) | Event::Unavailable | Event::Diagnostic(_))
}

/// Why the program ends on a server without version 2.
const WITHOUT_TERMS: &str =
    "--rewind and --filter need Sockudo: the server speaks protocol version 1, which has neither";

/// How long the end may take.
const GOODBYE: Duration = Duration::from_secs(2);
