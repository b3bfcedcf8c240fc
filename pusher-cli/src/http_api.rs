//! The HTTP API of a server, for those who hold the application's secret.

use std::time::{Duration, SystemTime};

use pusher_driver::adapter::{client_config, proxy_url};
use pusher_tokio::pusher_proto::signing::{
    ApiAnswer, ApiCall, ApiFailure, App, ChannelState, Channels, Info, InvalidCall, Publish, Published, PublishedBatch,
    Terminated, Users,
};
use pusher_tokio::{ChannelKind, ChannelName, with_causes};
use reqwest::{Client, Method, RequestBuilder, Response, Url};

use crate::failure::Failure;
use crate::target::Target;

/// One application at one server.
pub(crate) struct HttpApi {
    app: App,
    target: Target,
    client: Client,
}

impl HttpApi {
    pub(crate) fn new(app: App, target: Target) -> Result<Self, Failure> {
        let tls = client_config(&target.tls()).map_err(|error| Failure::failed(error.to_string()))?;
        let mut client = Client::builder()
            .tls_backend_preconfigured((*tls).clone())
            .user_agent(concat!("pusher-rust/", env!("CARGO_PKG_VERSION")))
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT);
        match target.proxy() {
            Some(proxy) => {
                let proxy = reqwest::Proxy::all(proxy_url(proxy).expose());
                client = client.proxy(proxy.map_err(|_| Failure::usage("the proxy cannot be used for the HTTP API"))?);
            }
            // A proxy from the environment would look for the server on its own machine.
            None if target.is_this_machine() => client = client.no_proxy(),
            None => {}
        }
        let client = client.build().map_err(|error| Failure::failed(with_causes(&error).to_string()))?;
        // The server decides what it accepts: self-hosted ones have other names and limits.
        let app = app.relaxed_channel_names(true).max_event_len(usize::MAX).api_prefix(target.prefix());
        Ok(Self { app, target, client })
    }

    /// The application, for calls to make.
    pub(crate) const fn app(&self) -> &App {
        &self.app
    }

    /// Returns a request that is sent like the calls, for those who need the whole answer.
    pub(crate) fn get(&self, url: &str) -> Result<RequestBuilder, Failure> {
        let invalid = |error| Failure::usage(format!("{}: {error}", self.target.api_origin()));
        Ok(self.client.get(Url::parse(url).map_err(invalid)?))
    }

    /// Publishes an event.
    pub(crate) async fn publish(&self, event: &Publish<'_>) -> Result<Published, Failure> {
        let call = event.sign(now()).map_err(invalid)?;
        self.send(&call).await
    }

    /// Checks an event before it is published.
    pub(crate) fn check(&self, event: &Publish<'_>) -> Result<(), String> {
        event.sign(now()).map(drop).map_err(|error| invalid(error).message().to_owned())
    }

    /// Publishes several events.
    pub(crate) async fn publish_batch(&self, events: &[Publish<'_>]) -> Result<PublishedBatch, Failure> {
        let call = self.app.publish_batch(events, now()).map_err(invalid)?;
        self.send(&call).await
    }

    /// Asks for the channels that have subscribers, and how many each has.
    pub(crate) async fn channels(&self, prefix: &str) -> Result<Channels, Failure> {
        let info = if prefix.starts_with("presence-") { Info::ALL } else { Info::SUBSCRIPTION_COUNT };
        self.with_info(info, |info| self.app.channels(prefix, info, now())).await
    }

    /// Asks for one channel.
    pub(crate) async fn channel(&self, channel: &ChannelName) -> Result<ChannelState, Failure> {
        let info = if channel.kind() == ChannelKind::Presence { Info::ALL } else { Info::SUBSCRIPTION_COUNT };
        self.with_info(info, |info| self.app.channel(channel, info, now())).await
    }

    /// Asks for the users of a presence channel.
    pub(crate) async fn users(&self, channel: &ChannelName) -> Result<Users, Failure> {
        self.send(&self.app.users(channel, now()).map_err(invalid)?).await
    }

    /// Ends the connections of a user.
    pub(crate) async fn terminate(&self, user: &str) -> Result<Terminated, Failure> {
        self.send(&self.app.terminate(user, now()).map_err(invalid)?).await
    }

    /// Hosted Pusher counts subscriptions only for applications that have this enabled, and refuses the question for others;
    /// then it is asked again without.
    async fn with_info<T: ApiAnswer>(
        &self,
        info: Info,
        call: impl Fn(Info) -> Result<ApiCall<T>, InvalidCall>,
    ) -> Result<T, Failure> {
        let fewer = if info.user_count { Info::USER_COUNT } else { Info::NONE };
        let exchange = self.exchange(&call(info).map_err(invalid)?).await?;
        match exchange {
            Err(ApiFailure::Status { status: 400, .. }) => self.send(&call(fewer).map_err(invalid)?).await,
            answer => answer.map_err(|failure| refusal(&failure)),
        }
    }

    async fn send<T: ApiAnswer>(&self, call: &ApiCall<T>) -> Result<T, Failure> {
        self.exchange(call).await?.map_err(|failure| refusal(&failure))
    }

    async fn exchange<T: ApiAnswer>(&self, call: &ApiCall<T>) -> Result<Result<T, ApiFailure>, Failure> {
        let origin = self.target.api_origin();
        let url = Url::parse(&call.url(&origin)).map_err(|error| Failure::usage(format!("{origin}: {error}")))?;
        let method = if call.method == "POST" { Method::POST } else { Method::GET };
        let outcome = match (method == Method::POST, call.target.contains("/terminate_connections?")) {
            (true, false) => "; the event may have been published",
            (true, true) => "; the connections may have been ended",
            (false, _) => "",
        };
        let mut request = self.client.request(method, url).body(call.body.clone());
        for &(name, value) in call.headers {
            request = request.header(name, value);
        }
        let unanswered = |error| unanswered(error, &origin, outcome);
        let response = request.send().await.map_err(unanswered)?;
        let status = response.status().as_u16();
        match body(response).await.map_err(unanswered)? {
            Some(body) => Ok(call.answer(status, &body)),
            None => Err(Failure::failed(format!("the HTTP API at {origin} {TOO_LONG}{outcome}"))),
        }
    }
}

fn invalid(error: InvalidCall) -> Failure {
    match error {
        InvalidCall::NoMasterKey { channel } => Failure::usage(format!("{channel} needs --master-key")),
        error => Failure::usage(error.to_string()),
    }
}

fn refusal(failure: &ApiFailure) -> Failure {
    let text = failure.to_string();
    if failure.is_refusal() { Failure::refused(text) } else { Failure::failed(text) }
}

/// Without an answer, a call certainly had no effect only if there was no connection.
fn unanswered(error: reqwest::Error, origin: &str, outcome: &str) -> Failure {
    let (is_unsent, is_late) = (error.is_connect(), error.is_timeout());
    // The signature is part of the URL.
    let error = error.without_url();
    let causes = with_causes(&error);
    if is_unsent {
        return Failure::cannot_connect(format!("cannot reach the HTTP API at {origin}: {causes}"));
    }
    let seconds = TIMEOUT.as_secs();
    Failure::failed(match is_late {
        true => format!("the HTTP API at {origin} did not answer within {seconds} s{outcome}"),
        false => format!("the HTTP API at {origin} did not answer: {causes}{outcome}"),
    })
}

/// Reads the body of an answer; `None` if it has no end.
pub(crate) async fn body(mut response: Response) -> Result<Option<Vec<u8>>, reqwest::Error> {
    let mut body = Vec::new();
    while let Some(chunk) = response.chunk().await? {
        if body.len() + chunk.len() > MAX_BODY_LEN {
            return Ok(None);
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Some(body))
}

pub(crate) fn now() -> Duration {
    SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
}

/// Bytes of an answer: the names of more than 100,000 channels or users.
const MAX_BODY_LEN: usize = 64 << 20;

/// What is said of a longer answer.
pub(crate) const TOO_LONG: &str = "answers with more than 64 MiB";

/// How long a call may take.
const TIMEOUT: Duration = Duration::from_secs(10);

/// How long connecting may take; less than [`TIMEOUT`], so that the error tells whether there was a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
