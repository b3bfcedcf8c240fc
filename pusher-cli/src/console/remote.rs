//! `pusher console`: the page for a server that is not of this program, as a client sees it.

use std::net::Ipv4Addr;
use std::time::Duration;

use axum::extract::Request;
use axum::http::{StatusCode, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use pusher_server::origin::{is_address, is_local};
use pusher_tokio::pusher_proto::signing::{Attributes, Channels};
use pusher_tokio::{Client, ConnectionState, Event, Events, Members, Subscription, with_causes};
use tokio::net::TcpListener;
use tokio::time::{MissedTickBehavior, interval};

use super::args::ConsoleArgs;
use super::entry::{Channel, Connection, Counts, Entry, State};
use super::feed::Feed;
use super::{Console, MAX_LISTED};
use crate::failure::Failure;
use crate::http_api::HttpApi;
use crate::interrupt::interrupted;
use crate::output::{self, BOLD, DIM};
use crate::{authorizer, connect};

pub(crate) async fn run(args: ConsoleArgs) -> Result<(), Failure> {
    let interrupted = interrupted()?;
    let target = args.api.place.target()?;
    let credentials = &args.api.credentials;
    let config = connect::config(&credentials.key, target.endpoint()).max_attempts(None).build()?;
    let authorizer = authorizer::new(credentials.app_with_secret("")?, &args.auth, &args.channels, false)?;
    let console = Console::new();
    if let Some(api) = args.api.optional_api()? {
        // The console is new.
        let _ = console.api.set(api);
    }
    let address = (Ipv4Addr::LOCALHOST, args.page_port);
    let cannot_listen = |error| Failure::failed(format!("cannot listen on 127.0.0.1:{}: {error}", args.page_port));
    let listener = TcpListener::bind(address).await.map_err(cannot_listen)?;
    let router = console.router.clone().layer(middleware::from_fn(only_for_this_machine));

    let client = pusher_tokio::connect_with(config, authorizer, &target.options()?)?;
    let mut events = client.events();
    let subscriptions = args.channels.iter().map(|channel| client.subscribe(channel));
    let subscriptions: Vec<Subscription> = subscriptions.collect::<Result<_, _>>()?;
    output::line(format_args!("{BOLD}console{BOLD:#} of {} at http://{}/", target.ws_url(), listener.local_addr()?))?;
    let mut remote = Remote { url: target.ws_url(), client: client.clone(), subscriptions, counts: Counts::default() };
    let result = tokio::select! {
        () = interrupted => Ok(()),
        served = axum::serve(listener, router) => served.map_err(Failure::from),
        followed = remote.follow(&console.feed, console.api.get(), &mut events) => followed,
    };
    console.stop();
    client.shutdown(GOODBYE).await;
    result?;
    output::line(format_args!("{DIM}stopped{DIM:#}"))
}

/// A page of another site whose name was pointed at this machine must not read what the console shows.
async fn only_for_this_machine(request: Request, next: Next) -> Response {
    let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok()).unwrap_or_default();
    if is_local(host) || is_address(host) {
        return next.run(request).await;
    }
    (StatusCode::FORBIDDEN, "the console is for localhost").into_response()
}

struct Remote {
    url: String,
    client: Client,
    subscriptions: Vec<Subscription>,
    counts: Counts,
}

impl Remote {
    /// Feeds the pages for as long as the client may connect.
    async fn follow(&mut self, feed: &Feed, api: Option<&HttpApi>, events: &mut Events) -> Result<(), Failure> {
        let (mut refresh, mut ask) = (interval(REFRESH_EVERY), interval(ASK_EVERY));
        refresh.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ask.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut listed = Listed::default();
        // A call that takes its time does not hold back the events.
        let mut asking = None;
        loop {
            tokio::select! {
                event = events.recv() => match event {
                    Some(event) => {
                        if let Event::StateChanged { current: ConnectionState::Failed { reason }, .. } = &event {
                            return Err(Failure::given_up(reason, &self.url));
                        }
                        self.counts.count(&event);
                        if let Some(entry) = entry(&event) {
                            feed.add(&entry);
                        }
                    }
                    None => return Ok(()),
                },
                // Without a reader, the server is not asked.
                _ = ask.tick(), if asking.is_none() && feed.has_readers() => {
                    asking = api.map(|api| Box::pin(api.channels("")));
                }
                answer = async { Some(asking.as_mut()?.await) }, if asking.is_some() => {
                    asking = None;
                    if let Some(entry) = answer.and_then(|answer| listed.take(answer)) {
                        feed.add(&entry);
                    }
                }
                _ = refresh.tick() => feed.set(&self.state(api.is_some(), &listed)),
            }
        }
    }

    fn state(&self, can_publish: bool, listed: &Listed) -> State {
        let own = self.client.socket_id().map(|socket_id| Connection {
            id: format!("{socket_id} (this console)"),
            user: None,
            channels: self.subscriptions.iter().map(|channel| channel.name().to_string()).collect(),
        });
        State {
            server: format!("{}, as a client sees it", self.url),
            can_publish,
            connection_count: None,
            connections: own.into_iter().collect(),
            channels: self.channels(listed),
            counts: self.counts,
        }
    }

    /// The channels of this client, and those that the server lists.
    fn channels(&self, listed: &Listed) -> Vec<Channel> {
        let own = self.subscriptions.iter().filter(|channel| channel.is_subscribed()).map(|channel| {
            let members = channel.members();
            let users = members.iter().flat_map(Members::iter).take(MAX_LISTED);
            let counted = channel.subscription_count().and_then(|count| usize::try_from(count).ok());
            Channel {
                name: channel.name().to_string(),
                count: counted.or(channel.member_count()),
                users: users.map(|member| member.id.to_string()).collect(),
            }
        });
        let mut channels: Vec<Channel> = own.collect();
        let others = listed.channels.iter().filter(|(name, _)| channels.iter().all(|channel| channel.name != *name));
        let others: Vec<Channel> = others
            .map(|(name, attributes)| {
                let count = attributes.subscription_count.or(attributes.user_count);
                Channel { name: name.clone(), count, users: Vec::new() }
            })
            .collect();
        channels.extend(others);
        channels
    }
}

/// What the HTTP API said last.
#[derive(Default)]
struct Listed {
    channels: Vec<(String, Attributes)>,
    failure: Option<String>,
}

impl Listed {
    /// Takes the channels that have subscribers. Returns an entry for a failure that is new.
    fn take(&mut self, answer: Result<Channels, Failure>) -> Option<Entry> {
        match answer {
            Ok(answer) => {
                self.channels = answer.channels.into_iter().take(MAX_LISTED).collect();
                self.failure = None;
                None
            }
            Err(failure) => {
                self.channels.clear();
                let text = failure.message().to_owned();
                let entry = (self.failure.as_ref() != Some(&text)).then(|| Entry::new("call").note(&text).bad(true));
                self.failure = Some(text);
                entry
            }
        }
    }
}

impl Counts {
    fn count(&mut self, event: &Event) {
        match event {
            Event::Channel(event) if is_client_event(event.event()) => self.client_events += 1,
            Event::Channel(_) => self.events += 1,
            Event::SubscriptionError { retry_at: None, .. } => self.refused += 1,
            _ => {}
        }
    }
}

/// What the page shows of an event, if anything.
fn entry(event: &Event) -> Option<Entry> {
    let named = |kind| match event.channel() {
        Some(channel) => Entry::new(kind).channel(channel),
        None => Entry::new(kind),
    };
    Some(match event {
        Event::Channel(event) => {
            let entry = named(if is_client_event(event.event()) { "client event" } else { "event" });
            let entry = entry.event(event.event(), &event.data().text());
            match event.user_id() {
                Some(user) => entry.note(&format!("from {user}")),
                None => entry,
            }
        }
        Event::StateChanged { current, .. } => match current {
            ConnectionState::Connected { socket_id } => Entry::new("connected").who(Some(socket_id)),
            ConnectionState::Waiting { cause, .. } => {
                Entry::new("disconnected").note(&with_causes(cause.as_ref()).to_string()).bad(true)
            }
            _ => return None,
        },
        Event::ConnectionError(error) => Entry::new("state").note(&with_causes(error).to_string()).bad(true),
        Event::SubscriptionSucceeded { .. } => named("subscribed"),
        Event::SubscriptionError { error, .. } => named("refused").note(&with_causes(error).to_string()).bad(true),
        Event::ContinuityLost { .. } => {
            named("missed").note("the connection was lost: events may be missing here").bad(true)
        }
        Event::Lagged { missed } => {
            let note = format!("{missed} events, which arrived faster than the console could show them");
            Entry::new("missed").note(&note).bad(true)
        }
        Event::DecryptionError { event, error, .. } => {
            named("event").event(event, "").note(&with_causes(error).to_string()).bad(true)
        }
        Event::MemberAdded { member, .. } => named("joined").note(&member.id),
        Event::MemberRemoved { member, .. } => named("left").note(&member.id),
        Event::CacheMiss { .. } => named("cache miss"),
        _ => return None,
    })
}

fn is_client_event(name: &str) -> bool {
    name.starts_with("client-")
}

/// How often the pages learn of counts and lists, when these have changed.
const REFRESH_EVERY: Duration = Duration::from_millis(500);

/// How often the HTTP API is asked for channels: often enough for a person, and seldom enough for a server that counts calls.
const ASK_EVERY: Duration = Duration::from_secs(3);

/// How long the end may take.
const GOODBYE: Duration = Duration::from_secs(2);
