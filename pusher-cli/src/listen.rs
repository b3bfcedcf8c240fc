//! `pusher listen`

mod describe;

use std::time::Duration;

use pusher_tokio::pusher_proto::signing::App;
use pusher_tokio::{
    Client, Config, ConnectionError, ConnectionState, Data, Event, HttpAuth, InvalidConfig, LocalAuth, NoAuth,
    Subscription,
};
use tokio::time::{Instant, sleep_until};

use crate::args::ListenArgs;
use crate::connect;
use crate::failure::{Failure, SILENT_REFUSAL, is_silent_refusal};
use crate::output;
use crate::target::Target;

pub(crate) async fn run(args: ListenArgs) -> Result<(), Failure> {
    let target = args.place.target()?;
    let client = client(&args, &target)?;
    let mut listener = Listener { url: target.ws_url(), client: client.clone(), args, counted: 0, silent_refusals: 0 };
    let result = listener.listen().await;
    client.shutdown(GOODBYE).await;
    result
}

fn client(args: &ListenArgs, target: &Target) -> Result<Client, Failure> {
    let mut config = connect::config(&args.key, target.endpoint());
    if args.keep_trying {
        config = config.max_attempts(None);
    }
    authorized(args, config.build()?)
}

/// Connects with the authorizer that the flags ask for.
fn authorized(args: &ListenArgs, config: Config) -> Result<Client, Failure> {
    let connected = match (&args.auth_url, &args.secret) {
        (Some(url), _) => pusher_tokio::connect(config, endpoint(args, url)),
        (None, Some(secret)) => {
            // An authorization does not contain the application's id.
            let mut app = App::new("", args.key.as_str(), secret.clone())?;
            if let Some(key) = &args.master_key {
                app = app.encryption_master_key(key.clone());
            }
            let info = args.user_info.clone().unwrap_or(Data::ABSENT);
            let user_id = args.user_id.as_deref().unwrap_or(DEFAULT_USER_ID);
            pusher_tokio::connect(config, LocalAuth::new(app).user(user_id, &info))
        }
        (None, None) => match args.channels.iter().find(|channel| channel.kind().needs_auth()) {
            Some(channel) => return Err(Failure::usage(format!("{channel} needs --secret or --auth-url"))),
            None => pusher_tokio::connect(config, NoAuth),
        },
    };
    connected.map_err(|error: InvalidConfig| error.into())
}

fn endpoint(args: &ListenArgs, url: &str) -> HttpAuth {
    let mut auth = HttpAuth::new(url);
    for (name, value) in &args.auth_headers {
        auth = auth.header(name.clone(), value.clone());
    }
    if let Some(id) = &args.user_id {
        auth = auth.param("user_id", id.as_str());
    }
    if let Some(info) = &args.user_info {
        auth = auth.param("user_info", info.raw());
    }
    auth
}

struct Listener {
    url: String,
    client: Client,
    args: ListenArgs,
    counted: u64,
    /// In a row, as far as the client has not given up.
    silent_refusals: u32,
}

impl Listener {
    async fn listen(&mut self) -> Result<(), Failure> {
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
                interrupted = tokio::signal::ctrl_c() => return Ok(interrupted?),
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => return self.time_is_up(),
            }
            if self.args.count.is_some_and(|count| self.counted >= count) {
                return Ok(());
            }
        }
    }

    fn handle(&mut self, event: &Event) -> Result<(), Failure> {
        if self.is_shown(event) {
            if self.args.json {
                output::json(&describe::Json::new(event))?;
            } else {
                output::line(describe::human(event))?;
            }
            if matches!(event, Event::Channel(_)) || !self.args.events.is_empty() {
                self.counted += 1;
            }
        }
        match event {
            Event::StateChanged { current: ConnectionState::Failed { reason }, .. } => {
                Err(Failure::connection(reason, &self.url))
            }
            Event::StateChanged { current: ConnectionState::Waiting { cause, .. }, .. } => {
                self.silent_refusals = if is_silent_refusal(cause) { self.silent_refusals + 1 } else { 0 };
                if self.args.keep_trying && self.silent_refusals == connect::TRIES {
                    output::note(SILENT_REFUSAL);
                }
                Ok(())
            }
            // The server may complain about a channel that it goes on to serve.
            Event::SubscriptionError { channel, error } => match self.client.channel(channel) {
                Some(channel) if channel.is_subscribed => Ok(()),
                Some(_) | None => Err(Failure::subscription(channel, error)),
            },
            _ => Ok(()),
        }
    }

    fn is_shown(&self, event: &Event) -> bool {
        let filter = &self.args.events;
        match event {
            Event::Diagnostic(_) => false,
            // The program ends with it and says it then.
            Event::SubscriptionError { .. } => false,
            Event::StateChanged { current: ConnectionState::Failed { .. }, .. } => false,
            // The change of state says the same to a person.
            Event::ConnectionError(error) if !self.args.json && !is_going_on(error) => false,
            event => filter.is_empty() || filter.iter().any(|name| name == event.name()),
        }
    }

    fn time_is_up(&self) -> Result<(), Failure> {
        let Some(count) = self.args.count else { return Ok(()) };
        let seconds = self.args.timeout.unwrap_or_default().as_secs_f64();
        Err(Failure::failed(format!("{} of {count} events came within {seconds} s", self.counted)))
    }
}

/// Whether the connection goes on after the error.
fn is_going_on(error: &ConnectionError) -> bool {
    matches!(error, ConnectionError::Server(_) | ConnectionError::Protocol(_))
}

/// Who signs without saying a name.
const DEFAULT_USER_ID: &str = "pusher-cli";

/// How long the end may take.
const GOODBYE: Duration = Duration::from_secs(2);
