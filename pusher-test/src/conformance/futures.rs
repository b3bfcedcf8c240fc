//! Runtimes that wait for the futures of `pusher-driver`.

use std::time::Duration;

use pusher_driver::{
    Client, HttpAuth, Options, SignedInError, States, SubscribeError, Subscription, Typed, TypedError, UserInfo,
};
use pusher_proto::{ChannelName, Config, ConnectionState, InvalidConfig};

use super::handles::WithHandles;
use super::runtime::{About, Next};

/// A runtime that drives the loop of `pusher-driver` and waits for its futures.
///
/// # Examples
///
/// An adapter for tokio:
///
/// ```
/// use std::time::Duration;
///
/// use pusher_driver::{Client, HttpAuth, Options};
/// use pusher_proto::{Config, InvalidConfig};
/// use pusher_test::conformance::{About, WithFutures};
///
/// struct Tokio(tokio::runtime::Runtime);
///
/// impl WithFutures for Tokio {
///     fn about(&self) -> About {
///         let metrics = self.0.metrics();
///         About::new("tokio").pool("tokio-").tasks(move || metrics.num_alive_tasks())
///     }
///
///     fn start(&self, config: Config, auth: HttpAuth, options: &Options) -> Result<Client, InvalidConfig> {
///         let _entered = self.0.enter();
///         // The function that starts clients in your adapter.
///         pusher_tokio::connect_with(config, auth, options)
///     }
///
///     fn within<T>(&self, future: impl Future<Output = T>, limit: Duration) -> Option<T> {
///         self.0.block_on(async { tokio::time::timeout(limit, future).await.ok() })
///     }
/// }
/// ```
pub trait WithFutures: Send + Sync + 'static {
    /// Describes the runtime to the scenarios.
    fn about(&self) -> About;

    /// Starts a client, and the loop that drives it.
    ///
    /// # Errors
    ///
    /// As those of the driver.
    fn start(&self, config: Config, auth: HttpAuth, options: &Options) -> Result<Client, InvalidConfig>;

    /// Waits for a future, for `limit` at most. A limit of zero polls it once.
    fn within<T>(&self, future: impl Future<Output = T>, limit: Duration) -> Option<T>;
}

impl<F: WithFutures> WithHandles for F {
    type Client = Client;
    type Subscription = Subscription;
    type States = States;
    type Typed = Typed<u64>;

    fn about(&self) -> About {
        WithFutures::about(self)
    }

    fn start(&self, config: Config, auth: HttpAuth, options: &Options) -> Result<Client, InvalidConfig> {
        WithFutures::start(self, config, auth, options)
    }

    fn client<'c>(&self, client: &'c Client) -> &'c Client {
        client
    }

    fn subscription<'s>(&self, subscription: &'s Subscription) -> &'s Subscription {
        subscription
    }

    fn subscribe(&self, client: &Client, channel: &ChannelName) -> Subscription {
        client.subscribe(channel).unwrap_or_else(|error| panic!("{channel} was expected to be a name, but: {error}"))
    }

    fn subscribed(&self, subscription: &Subscription, limit: Duration) -> Result<(), SubscribeError> {
        self.within(subscription.subscribed(), limit).unwrap_or(Err(SubscribeError::Elapsed))
    }

    fn recv(&self, subscription: &mut Subscription, limit: Duration) -> Next {
        match self.within(subscription.recv(), limit) {
            Some(Some(event)) => Next::Event(event),
            Some(None) => Next::End,
            None => Next::Nothing,
        }
    }

    fn keep(&self, subscription: Subscription) {
        subscription.keep();
    }

    fn signed_in(&self, client: &Client, limit: Duration) -> Result<UserInfo, SignedInError> {
        self.within(client.signed_in(), limit).unwrap_or(Err(SignedInError::Elapsed))
    }

    fn typed(&self, subscription: Subscription, event: &str) -> Typed<u64> {
        subscription.typed(event)
    }

    fn next_typed(&self, typed: &mut Typed<u64>, limit: Duration) -> Option<Option<Result<u64, TypedError>>> {
        self.within(typed.recv(), limit)
    }

    fn states(&self, client: &Client) -> States {
        client.states()
    }

    fn next_state(&self, states: &mut States, limit: Duration) -> Option<Option<ConnectionState>> {
        self.within(states.recv(), limit)
    }

    fn shut_down(&self, client: &Client, limit: Duration) {
        let done = self.within(client.shutdown(limit), limit.saturating_add(super::stage::PATIENCE));
        assert!(
            done.is_some(),
            "shutdown was expected to return within {limit:?}, and did not return 20 s later either"
        );
    }
}
