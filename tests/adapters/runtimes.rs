//! The adapters, as the scenarios use them: how to start, and how to wait.

use std::sync::LazyLock;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use pusher_driver::{Client, HttpAuth, Options, SignedInError, SubscribeError, Subscription, TypedError, UserInfo};
use pusher_proto::{ChannelName, Config, ConnectionState, Event, InvalidConfig};
use pusher_test::conformance::{About, Next, WithFutures, WithHandles};

use crate::check;

/// Runs the tasks of `pusher-tokio`.
pub(crate) static TOKIO: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());

pub(crate) struct Tokio;
pub(crate) struct AsyncStd;
pub(crate) struct Smol;
pub(crate) struct Blocking;

impl Tokio {
    pub(crate) const NAME: &str = "tokio";
}

impl AsyncStd {
    pub(crate) const NAME: &str = "async-std";
}

impl Smol {
    pub(crate) const NAME: &str = "smol";
}

impl Blocking {
    pub(crate) const NAME: &str = "blocking";
}

/// What all adapters have in common. Each one keeps threads for blocking calls, such as name resolution, and worker
/// threads: runtimes keep them for a while or permanently.
pub(crate) fn about(name: &str) -> About {
    let about = About::new(name).tasks(|| TOKIO.metrics().num_alive_tasks()).warm_up(warm_up).check(check);
    ["blocking-", "tokio-", "async-std/", "async-io", "smol-"].into_iter().fold(about, About::pool)
}

/// Starts the threads of all runtimes, which live as long as the process.
pub(crate) fn warm_up() {
    let soon = Duration::from_nanos(1);
    TOKIO.block_on(async { tokio::time::sleep(soon).await });
    async_std::task::block_on(async_std::task::spawn(async_std::task::sleep(soon)));
    smol::block_on(smol::spawn(smol::Timer::after(soon)));
}

impl WithFutures for Tokio {
    fn about(&self) -> About {
        about(Self::NAME)
    }

    fn start(&self, config: Config, auth: HttpAuth, options: &Options) -> Result<Client, InvalidConfig> {
        let _entered = TOKIO.enter();
        pusher_tokio::connect_with(config, auth, options)
    }

    fn within<T>(&self, future: impl Future<Output = T>, limit: Duration) -> Option<T> {
        in_tokio(future, limit)
    }
}

pub(crate) fn in_tokio<T>(future: impl Future<Output = T>, limit: Duration) -> Option<T> {
    TOKIO.block_on(async { tokio::time::timeout(limit, future).await.ok() })
}

impl WithFutures for AsyncStd {
    fn about(&self) -> About {
        about(Self::NAME)
    }

    fn start(&self, config: Config, auth: HttpAuth, options: &Options) -> Result<Client, InvalidConfig> {
        pusher_async_std::connect_with(config, auth, options)
    }

    fn within<T>(&self, future: impl Future<Output = T>, limit: Duration) -> Option<T> {
        async_std::task::block_on(async { async_std::future::timeout(limit, future).await.ok() })
    }
}

impl WithFutures for Smol {
    fn about(&self) -> About {
        about(Self::NAME)
    }

    fn start(&self, config: Config, auth: HttpAuth, options: &Options) -> Result<Client, InvalidConfig> {
        pusher_async_std::smol::connect_with(config, auth, options)
    }

    fn within<T>(&self, future: impl Future<Output = T>, limit: Duration) -> Option<T> {
        let late = async {
            smol::Timer::after(limit).await;
            None
        };
        smol::block_on(smol::future::or(async { Some(future.await) }, late))
    }
}

impl WithHandles for Blocking {
    type Client = pusher_blocking::Client;
    type Subscription = pusher_blocking::Subscription;
    type States = pusher_blocking::States;
    type Typed = pusher_blocking::Typed<u64>;

    fn about(&self) -> About {
        about(Self::NAME)
    }

    fn start(&self, config: Config, auth: HttpAuth, options: &Options) -> Result<Self::Client, InvalidConfig> {
        pusher_blocking::connect_with(config, auth, options).map_err(|error| match error {
            pusher_blocking::StartError::Config(error) => error,
            error => panic!("{error}"),
        })
    }

    fn client<'c>(&self, client: &'c Self::Client) -> &'c Client {
        client.as_ref()
    }

    fn subscription<'s>(&self, subscription: &'s Self::Subscription) -> &'s Subscription {
        subscription.as_ref()
    }

    fn subscribe(&self, client: &Self::Client, channel: &ChannelName) -> Self::Subscription {
        client.subscribe(channel.clone()).unwrap()
    }

    fn subscribed(&self, subscription: &Self::Subscription, limit: Duration) -> Result<(), SubscribeError> {
        subscription.subscribed(limit)
    }

    fn recv(&self, subscription: &mut Self::Subscription, limit: Duration) -> Next {
        next(subscription.recv_timeout(limit))
    }

    fn keep(&self, subscription: Self::Subscription) {
        subscription.keep();
    }

    fn signed_in(&self, client: &Self::Client, limit: Duration) -> Result<UserInfo, SignedInError> {
        client.signed_in(limit)
    }

    fn typed(&self, subscription: Self::Subscription, event: &str) -> Self::Typed {
        subscription.typed(event)
    }

    fn next_typed(&self, typed: &mut Self::Typed, limit: Duration) -> Option<Option<Result<u64, TypedError>>> {
        item(typed.recv_timeout(limit))
    }

    fn states(&self, client: &Self::Client) -> Self::States {
        client.states()
    }

    fn next_state(&self, states: &mut Self::States, limit: Duration) -> Option<Option<ConnectionState>> {
        item(states.recv_timeout(limit))
    }

    fn shut_down(&self, client: &Self::Client, limit: Duration) {
        client.shutdown(limit);
    }
}

fn next(event: Result<Event, RecvTimeoutError>) -> Next {
    item(event).map_or(Next::Nothing, |event| event.map_or(Next::End, Next::Event))
}

fn item<T>(item: Result<T, RecvTimeoutError>) -> Option<Option<T>> {
    match item {
        Ok(item) => Some(Some(item)),
        Err(RecvTimeoutError::Disconnected) => Some(None),
        Err(RecvTimeoutError::Timeout) => None,
    }
}
