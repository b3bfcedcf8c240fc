//! `pusher listen`

mod describe;

use std::pin::pin;
use std::time::Duration;

use pusher_tokio::pusher_proto::signing::App;
use pusher_tokio::{
    Authorizer as _, ChannelName, Client, ConnectionError, ConnectionState, Data, Diagnostic, Event, HttpAuth,
    LocalAuth, NoAuth, Options, Subscription,
};
use tokio::time::{Instant, sleep_until};

use crate::args::ListenArgs;
use crate::connect;
use crate::failure::{Failure, SILENT_REFUSAL, is_silent_refusal};
use crate::interrupt::interrupted;
use crate::output;
use crate::target::Target;

pub(crate) async fn run(args: ListenArgs) -> Result<(), Failure> {
    let interrupted = interrupted()?;
    let target = args.place.target()?;
    let client = client(&args, &target)?;
    let mut listener = Listener::new(target.ws_url(), client.clone(), args);
    let result = listener.listen(interrupted).await;
    client.shutdown(GOODBYE).await;
    result
}

/// Connects with the authorizer that the flags ask for.
fn client(args: &ListenArgs, target: &Target) -> Result<Client, Failure> {
    // When to give up is decided here, by what happened before.
    let config = connect::config(&args.key, target.endpoint()).max_attempts(None).build()?;
    let options = options(target)?;
    let authorizer = match (&args.auth_url, &args.secret) {
        (Some(url), _) => endpoint(args, url)?.boxed(),
        (None, Some(secret)) => {
            // An authorization does not contain the application's id.
            let mut app = App::new("", args.key.as_str(), secret.clone())?;
            if let Some(key) = &args.master_key {
                app = app.encryption_master_key(key.clone());
            }
            let info = args.user_info.clone().unwrap_or(Data::ABSENT);
            let user_id = args.user_id.as_deref().unwrap_or(DEFAULT_USER_ID);
            LocalAuth::new(app).user(user_id, &info).boxed()
        }
        (None, None) => match args.channels.iter().find(|channel| channel.kind().needs_auth()) {
            Some(channel) => return Err(Failure::usage(format!("{channel} needs --secret or --auth-url"))),
            None => NoAuth.boxed(),
        },
    };
    Ok(pusher_tokio::connect_with(config, authorizer, &options)?)
}

/// The way to the server: as for the HTTP API, through the proxy that the environment names.
fn options(target: &Target) -> Result<Options, Failure> {
    let options = Options::new().tls(target.tls());
    if target.is_this_machine() {
        return Ok(options);
    }
    options.proxy_from_env().map_err(|error| Failure::usage(format!("the environment: {error}")))
}

fn endpoint(args: &ListenArgs, url: &str) -> Result<HttpAuth, Failure> {
    let mut auth = HttpAuth::new(url);
    for (name, value) in args.auth_headers()? {
        auth = auth.header(name, value);
    }
    if let Some(id) = &args.user_id {
        auth = auth.param("user_id", id.as_str());
    }
    if let Some(info) = &args.user_info {
        auth = auth.param("user_info", info.raw());
    }
    Ok(auth)
}

struct Listener {
    url: String,
    client: Client,
    args: ListenArgs,
    counted: u64,
    /// Whether the server has greeted before: one that did is worth waiting for, however long it is away.
    was_connected: bool,
    /// Channels that have been subscribed before.
    /// In a row.
    silent_refusals: u32,
}

impl Listener {
    fn new(url: String, client: Client, args: ListenArgs) -> Self {
        Self { url, client, args, counted: 0, was_connected: false, silent_refusals: 0 }
    }

    async fn listen(&mut self, interrupted: impl Future<Output = ()>) -> Result<(), Failure> {
        let mut interrupted = pin!(interrupted);
        let mut events = self.client.events();
        let channels = self.args.channels.iter().map(|channel| self.client.subscribe(channel));
        let _subscriptions: Vec<Subscription> = channels.collect::<Result<_, _>>()?;
        let deadline = self.args.timeout.and_then(|timeout| Instant::now().checked_add(timeout));
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => self.handle(&event)?,
                    None => return Ok(()),
                },
                () = &mut interrupted => return Ok(()),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => return self.time_is_up(),
            }
            if self.args.count.is_some_and(|count| self.counted >= count) {
                return Ok(());
            }
        }
    }

    fn handle(&mut self, event: &Event) -> Result<(), Failure> {
        // What ends the program is reported once, as its error.
        self.follow(event)?;
        if !self.is_shown(event) {
            return Ok(());
        }
        if self.args.json {
            output::json(&describe::Json::new(event))?;
        } else {
            output::line(describe::human(event))?;
        }
        if matches!(event, Event::Channel(_)) || !self.args.events.is_empty() {
            self.counted += 1;
        }
        Ok(())
    }

    /// Draws the conclusions from an event; an error if it ends the program.
    fn follow(&mut self, event: &Event) -> Result<(), Failure> {
        match event {
            Event::StateChanged { current: ConnectionState::Failed { reason }, .. } => {
                return Err(Failure::given_up(reason, &self.url));
            }
            Event::StateChanged { current: ConnectionState::Waiting { attempt, cause, .. }, .. } => {
                let is_patient = self.was_connected || self.args.keep_trying;
                if !is_patient && *attempt >= connect::TRIES {
                    return Err(Failure::no_connection(cause, &self.url));
                }
                self.silent_refusals = if is_silent_refusal(cause) { self.silent_refusals + 1 } else { 0 };
                if self.silent_refusals == connect::TRIES {
                    output::note(SILENT_REFUSAL);
                }
            }
            Event::StateChanged { current: ConnectionState::Connected { .. }, .. } => {
                self.was_connected = true;
                self.silent_refusals = 0;
            }
            // The server may complain about a channel and serve it all the same. What may pass is tried again by the client.
            Event::SubscriptionError { channel, error, retry_at: None } if !self.is_subscribed(channel) => {
                return Err(Failure::subscription(channel, error));
            }
            _ => {}
        }
        Ok(())
    }

    fn is_shown(&self, event: &Event) -> bool {
        let filter = &self.args.events;
        match event {
            Event::Diagnostic(Diagnostic::KeyRetry { .. } | Diagnostic::ForeignKey { .. }) => !self.args.json,
            Event::Diagnostic(_) => false,
            // The change of state says the same to a person.
            Event::ConnectionError(error) if !self.args.json && !is_going_on(error) => false,
            event => filter.is_empty() || filter.iter().any(|name| name == event.name()),
        }
    }

    fn is_subscribed(&self, channel: &ChannelName) -> bool {
        self.client.channel(channel).is_some_and(|channel| channel.is_subscribed)
    }

    /// It is a success only if the program was listening, and to as many events as were asked for.
    fn time_is_up(&self) -> Result<(), Failure> {
        let seconds = self.args.timeout.unwrap_or_default().as_secs_f64();
        match self.client.state() {
            ConnectionState::Connected { .. } => {}
            ConnectionState::Waiting { cause, .. } => {
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
        match self.args.count {
            None => Ok(()),
            Some(count) => {
                Err(Failure::failed(format!("{} of {count} events arrived within {seconds} s", self.counted)))
            }
        }
    }
}

/// Whether the connection goes on after the error.
fn is_going_on(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::Server(_) | ConnectionError::Protocol(_))
}

/// The user on presence channels when `--user-id` is not given.
const DEFAULT_USER_ID: &str = "pusher-cli";

/// How long the end may take.
const GOODBYE: Duration = Duration::from_secs(2);
