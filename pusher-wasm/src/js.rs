//! What `js/pusher.js` needs, which is the JavaScript API in the shape of pusher-js.

use std::cell::RefCell;
use std::error::Error;
use std::future::Future;
use std::time::Duration;

use js_sys::{JSON, Object, Promise, Reflect};
use pusher_driver::{AuthCall, Authorizer, Client, HttpAuth, Subscription, WeakClient};
use pusher_proto::{
    AuthError, AuthResponse, ChannelName, CloseReason, Config, ConfigBuilder, ConnectionError, ConnectionState, Data,
    Endpoint, Event, InvalidConfig, Members, SigninError, SubscriptionError, TokenError, TriggerError, with_causes,
};
use send_wrapper::SendWrapper;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::JsFuture;

use crate::browser::message;

#[wasm_bindgen]
extern "C" {
    /// The class `Host` of `js/pusher.js`: options, and functions to call.
    #[derive(Clone)]
    pub type Host;
    #[wasm_bindgen(method)]
    fn text(this: &Host, option: &str) -> Option<String>;
    #[wasm_bindgen(method)]
    fn number(this: &Host, option: &str) -> Option<u32>;
    // What follows calls functions of the application. An exception that is not caught here would skip the destructors
    // of everything that is being polled, and leave the client locked.
    #[wasm_bindgen(method, catch)]
    fn emit(this: &Host, kind: &str, channel: Option<&str>, event: &str, data: JsValue, more: JsValue) -> Caught<()>;
    #[wasm_bindgen(method, catch)]
    fn credentials(this: &Host, channel: Option<&str>, name: &str) -> Caught<Vec<String>>;
    #[wasm_bindgen(method, catch)]
    fn authorize(this: &Host, channel: Option<&str>, socket: &str) -> Caught<Option<Promise>>;
}

type Caught<T> = Result<T, JsValue>;

/// A client.
#[wasm_bindgen]
pub struct Core {
    client: Client,
    channels: RefCell<Vec<Subscription>>,
}

#[wasm_bindgen]
impl Core {
    /// Starts a client.
    ///
    /// # Errors
    ///
    /// If an option cannot be used.
    #[wasm_bindgen(constructor)]
    pub fn new(key: &str, host: &Host) -> Result<Core, JsError> {
        let auth = Auth(SendWrapper::new(host.clone()));
        let client = config(key, host).and_then(|config| crate::connect(config, auth));
        let client = client.map_err(|error| JsError::new(&with_causes(&error).to_string()))?;
        let parts = SendWrapper::new((host.clone(), client.downgrade()));
        client.bind_all(move |event| pass_on(&parts.0, &parts.1, event));
        Ok(Self { client, channels: RefCell::default() })
    }

    /// Connects again.
    pub fn connect(&self) {
        self.client.connect();
    }

    /// Disconnects.
    pub fn disconnect(&self) {
        self.client.disconnect();
    }

    /// Signs in.
    pub fn signin(&self) {
        self.client.signin();
    }

    /// Subscribes, or tries again after a failure.
    ///
    /// # Errors
    ///
    /// If the name is invalid.
    pub fn subscribe(&self, name: &str) -> Result<(), JsError> {
        let subscription = self.client.subscribe(name)?;
        if self.with(name, |_| Some(())).is_none() {
            // With a callback, the handle collects no events. All of them reach the callback of the client.
            subscription.bind_all(|_| {})?;
            self.channels.borrow_mut().push(subscription);
        }
        Ok(())
    }

    /// Unsubscribes.
    pub fn unsubscribe(&self, name: &str) {
        self.client.unsubscribe(name);
        self.channels.borrow_mut().retain(|channel| channel.name().as_str() != name);
    }

    /// Sends a client event with data as JSON; false if the channel is not subscribed.
    ///
    /// # Errors
    ///
    /// If such an event can never be sent.
    pub fn trigger(&self, channel: &str, event: &str, json: String) -> Result<bool, JsError> {
        match self.client.trigger(channel, event, &Data::from_json(json)?) {
            Ok(()) => Ok(true),
            Err(TriggerError::NotConnected | TriggerError::NotSubscribed) => Ok(false),
            Err(error) => Err(JsError::new(&with_causes(&error).to_string())),
        }
    }

    /// Whether a channel is subscribed.
    pub fn is_subscribed(&self, name: &str) -> bool {
        self.client.channel(name).is_some_and(|channel| channel.is_subscribed)
    }

    /// Returns the infos of the members by their ids.
    pub fn members(&self, name: &str) -> Option<Object> {
        self.with(name, |channel| channel.members().as_ref().map(infos))
    }

    /// Returns the id of this client's own member.
    pub fn me(&self, name: &str) -> Option<String> {
        self.with(name, |channel| channel.me().map(|me| me.id.to_string()))
    }

    fn with<T>(&self, name: &str, look: impl FnOnce(&Subscription) -> Option<T>) -> Option<T> {
        let channels = self.channels.borrow();
        channels.iter().find(|channel| channel.name().as_str() == name).and_then(look)
    }
}

fn config(key: &str, host: &Host) -> Result<Config, InvalidConfig> {
    let mut config = match host.text("url") {
        Some(url) => Config::builder(key, url),
        None => Config::builder(key, Endpoint::cluster(&host.text("cluster").unwrap_or_default())),
    };
    let millis = |option| host.number(option).map(|millis| Duration::from_millis(millis.into()));
    config = millis("activityTimeout").into_iter().fold(config, ConfigBuilder::activity_timeout);
    config = millis("pongTimeout").into_iter().fold(config, ConfigBuilder::pong_timeout);
    config = millis("unavailableTimeout").into_iter().fold(config, ConfigBuilder::unavailable_timeout);
    config.client_name("pusher-wasm").build()
}

/// Passes an event on to JavaScript.
fn pass_on(host: &Host, client: &WeakClient, event: &Event) {
    let nothing = JsValue::UNDEFINED;
    let text = |error: &dyn Error| JsValue::from(with_causes(error).to_string());
    let (kind, data, more) = match event {
        Event::Channel(event) => ("channel", parsed(event.data()), event.user_id().into()),
        Event::Connection(event) => ("client", parsed(event.data()), nothing),
        Event::User(event) => ("user", parsed(event.data()), nothing),
        Event::Watchlist(event) => ("watchlist", parsed(&event.data), nothing),
        Event::StateChanged { current: ConnectionState::Waiting { retry_at, .. }, .. } => {
            let client = client.upgrade();
            ("state", "waiting".into(), client.map(|client| client.duration_until(*retry_at).as_secs_f64()).into())
        }
        Event::StateChanged { current: ConnectionState::Connected { socket_id }, .. } => {
            ("state", "connected".into(), socket_id.as_str().into())
        }
        Event::StateChanged { current, .. } => ("state", current.name().into(), nothing),
        Event::Unavailable => ("state", event.name().into(), nothing),
        Event::ConnectionError(error) => ("error", text(error), code(error).into()),
        Event::SubscriptionError { error, .. } => match error {
            SubscriptionError::Auth(auth) => ("refused", text(error), auth.status().into()),
            SubscriptionError::Refused(server) => ("refused", text(error), server.code.into()),
            _ => ("refused", text(error), nothing),
        },
        Event::SigninError { error, .. } => match error {
            SigninError::Auth(auth) => ("refused", text(error), auth.status().into()),
            _ => ("refused", text(error), nothing),
        },
        Event::TokenError { error, .. } => match error {
            TokenError::Auth(auth) => ("refused", text(error), auth.status().into()),
            _ => ("refused", text(error), nothing),
        },
        Event::SubscriptionSucceeded { .. } => ("succeeded", nothing.clone(), nothing),
        Event::SubscriptionCount { count, .. } => ("count", (*count as f64).into(), nothing),
        Event::MemberAdded { member, .. }
        | Event::MemberRemoved { member, .. }
        | Event::MemberUpdated { member, .. } => ("member", member.id.as_str().into(), parsed(&member.info)),
        Event::SignedIn { data, .. } => ("signin", data.text().as_ref().into(), nothing),
        Event::DecryptionError { event, error, .. } => ("lost", event.as_str().into(), text(error)),
        Event::CacheMiss { .. } | Event::ContinuityLost { .. } => ("channel", Object::new().into(), nothing),
        Event::UserContinuityLost { .. } => ("user", Object::new().into(), nothing),
        _ => return,
    };
    // What a callback throws was reported, if the page can report it.
    let _ = host.emit(kind, event.channel().map(ChannelName::as_str), event.name(), data, more);
}

/// The code that the server sent, if it sent one.
fn code(error: &ConnectionError) -> Option<u32> {
    match error {
        ConnectionError::Refused(error) | ConnectionError::Server(error) => error.code,
        ConnectionError::Closed { reason: CloseReason::Closed(frame), .. } => Some(frame.as_ref()?.code.into()),
        _ => None,
    }
}

/// Parses data as pusher-js does: a string that is not JSON stays a string.
fn parsed(data: &Data) -> JsValue {
    if data.is_absent() {
        return JsValue::NULL;
    }
    let text = data.text();
    JSON::parse(&text).unwrap_or_else(|_| text.as_ref().into())
}

fn infos(members: &Members) -> Object {
    let infos = Object::new();
    for member in members.iter() {
        // Setting a property of a new object cannot fail.
        let _ = Reflect::set(&infos, &member.id.as_str().into(), &parsed(&member.info));
    }
    infos
}

/// Asks the endpoints, or the functions, of the application.
struct Auth(SendWrapper<Host>);

impl Auth {
    fn http(&self) -> HttpAuth {
        // Nothing is sent to the stand-in, because `credentials` throws if there is no endpoint.
        let url = |option| self.0.text(option).unwrap_or_else(|| "https://endpoint.invalid".into());
        HttpAuth::new(url("channelEndpoint")).user_endpoint(url("userEndpoint"))
    }
}

impl Authorizer for Auth {
    fn authorize(&self, call: &AuthCall) -> impl Future<Output = Result<AuthResponse, AuthError>> + Send {
        SendWrapper::new(async move {
            let (host, request) = (&self.0, call.request());
            let channel = request.subject.channel().map(ChannelName::as_str);
            let thrown = |error| AuthError::Handler(message(&error));
            if let Some(promise) = host.authorize(channel, request.socket_id.as_str()).map_err(thrown)? {
                let json = JsFuture::from(promise).await.map_err(thrown)?;
                return AuthResponse::from_http(200, json.as_string().unwrap_or_default().as_bytes(), None);
            }
            let pairs = |name| host.credentials(channel, name).map_err(thrown);
            let http = self.http();
            let http = pairs("headers")?.chunks_exact(2).fold(http, |http, pair| http.header(&pair[0], &*pair[1]));
            let http = pairs("params")?.chunks_exact(2).fold(http, |http, pair| http.param(&pair[0], &*pair[1]));
            http.authorize(call).await
        })
    }

    fn validate(&self) -> Result<(), InvalidConfig> {
        self.http().validate()
    }
}
