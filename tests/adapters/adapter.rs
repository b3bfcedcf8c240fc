//! A common interface to all adapters.

use std::ops::Deref;
use std::sync::LazyLock;
use std::sync::mpsc::RecvTimeoutError;
use std::time::Duration;

use pusher_driver::{
    Client, HttpAuth, Options, SignedInError, States, SubscribeError, Subscription, Typed, TypedError, UserInfo,
};
use pusher_proto::{Config, ConnectionState, Event, InvalidConfig};

use crate::world::{PATIENCE, SERVERS};

/// What differs between adapters: how to start, and how to wait.
pub(crate) trait Adapter: Sized + 'static {
    const NAME: &'static str;
    type Client: Deref<Target = Client> + Clone + Send;
    type Subscription: Deref<Target = Subscription> + Send;
    type States;
    type Typed;

    fn connect(config: Config, auth: HttpAuth, options: &Options) -> Result<Self::Client, InvalidConfig>;
    fn subscribe(client: &Self::Client, channel: &str) -> Self::Subscription;
    fn subscribed(subscription: &Self::Subscription) -> Result<(), SubscribeError>;
    /// The next event, or the end of the stream; `None` if neither comes within `limit`.
    fn recv_within(subscription: &mut Self::Subscription, limit: Duration) -> Option<Option<Event>>;
    fn keep(subscription: Self::Subscription);
    fn signed_in(client: &Self::Client) -> Result<UserInfo, SignedInError>;
    /// The numbers of the events `message`.
    fn typed(subscription: Self::Subscription) -> Self::Typed;
    fn next_typed(typed: &mut Self::Typed) -> Option<Result<u64, TypedError>>;
    fn states(client: &Self::Client) -> Self::States;
    fn next_state(states: &mut Self::States) -> Option<ConnectionState>;
    fn shutdown(client: &Self::Client, limit: Duration);

    /// The next event, or the end of the stream.
    fn recv(subscription: &mut Self::Subscription) -> Option<Event> {
        Self::recv_within(subscription, PATIENCE).expect("something comes")
    }
}

/// The adapters whose handles are the driver's own; they differ in the runtime that waits.
macro_rules! asynchronous {
    ($adapter:ident, $name:literal, $connect:path, $within:path) => {
        pub(crate) struct $adapter;

        impl Adapter for $adapter {
            const NAME: &'static str = $name;
            type Client = Box<Client>;
            type Subscription = Box<Subscription>;
            type States = States;
            type Typed = Typed<u64>;

            fn connect(config: Config, auth: HttpAuth, options: &Options) -> Result<Box<Client>, InvalidConfig> {
                let _entered = TOKIO.enter();
                $connect(config, auth, options).map(Box::new)
            }

            fn subscribe(client: &Box<Client>, channel: &str) -> Box<Subscription> {
                Box::new(client.subscribe(channel).unwrap())
            }

            fn subscribed(subscription: &Box<Subscription>) -> Result<(), SubscribeError> {
                $within(subscription.subscribed(), PATIENCE).unwrap()
            }

            fn recv_within(subscription: &mut Box<Subscription>, limit: Duration) -> Option<Option<Event>> {
                $within(subscription.recv(), limit)
            }

            fn keep(subscription: Box<Subscription>) {
                subscription.keep();
            }

            fn signed_in(client: &Box<Client>) -> Result<UserInfo, SignedInError> {
                $within(client.signed_in(), PATIENCE).unwrap()
            }

            fn typed(subscription: Box<Subscription>) -> Typed<u64> {
                subscription.typed("message")
            }

            fn next_typed(typed: &mut Typed<u64>) -> Option<Result<u64, TypedError>> {
                $within(typed.recv(), PATIENCE).unwrap()
            }

            fn states(client: &Box<Client>) -> States {
                client.states()
            }

            fn next_state(states: &mut States) -> Option<ConnectionState> {
                $within(states.recv(), PATIENCE).unwrap()
            }

            fn shutdown(client: &Box<Client>, limit: Duration) {
                $within(client.shutdown(limit), PATIENCE).unwrap();
            }
        }
    };
}

asynchronous!(Tokio, "tokio", pusher_tokio::connect_with, in_tokio);
asynchronous!(AsyncStd, "async-std", pusher_async_std::connect_with, in_async_std);
asynchronous!(Smol, "smol", pusher_async_std::smol::connect_with, in_smol);

pub(crate) static TOKIO: LazyLock<tokio::runtime::Runtime> = LazyLock::new(|| tokio::runtime::Runtime::new().unwrap());

/// Tasks of the tokio adapter that have not ended.
pub(crate) fn tokio_tasks() -> usize {
    TOKIO.metrics().num_alive_tasks()
}

pub(crate) fn in_tokio<T>(future: impl Future<Output = T>, limit: Duration) -> Option<T> {
    TOKIO.block_on(async { tokio::time::timeout(limit, future).await.ok() })
}

fn in_async_std<T>(future: impl Future<Output = T>, limit: Duration) -> Option<T> {
    async_std::task::block_on(async { async_std::future::timeout(limit, future).await.ok() })
}

fn in_smol<T>(future: impl Future<Output = T>, limit: Duration) -> Option<T> {
    let late = async {
        smol::Timer::after(limit).await;
        None
    };
    smol::block_on(smol::future::or(async { Some(future.await) }, late))
}

/// Starts the threads of all runtimes, which live as long as the process.
pub(crate) fn warm_up() {
    let soon = Duration::from_nanos(1);
    for runtime in [&TOKIO, &SERVERS] {
        runtime.block_on(async { tokio::time::sleep(soon).await });
    }
    async_std::task::block_on(async_std::task::spawn(async_std::task::sleep(soon)));
    smol::block_on(smol::spawn(smol::Timer::after(soon)));
}

pub(crate) struct Blocking;

/// A handle of `pusher-blocking`, for scenarios that know the driver's.
#[derive(Clone)]
pub(crate) struct Handle<T>(T);

impl Deref for Handle<pusher_blocking::Client> {
    type Target = Client;

    fn deref(&self) -> &Client {
        self.0.as_ref()
    }
}

impl Deref for Handle<pusher_blocking::Subscription> {
    type Target = Subscription;

    fn deref(&self) -> &Subscription {
        self.0.as_ref()
    }
}

impl Adapter for Blocking {
    const NAME: &'static str = "blocking";
    type Client = Handle<pusher_blocking::Client>;
    type Subscription = Handle<pusher_blocking::Subscription>;
    type States = pusher_blocking::States;
    type Typed = pusher_blocking::Typed<u64>;

    fn connect(config: Config, auth: HttpAuth, options: &Options) -> Result<Self::Client, InvalidConfig> {
        pusher_blocking::connect_with(config, auth, options).map(Handle).map_err(|error| match error {
            pusher_blocking::StartError::Config(error) => error,
            error => panic!("{error}"),
        })
    }

    fn subscribe(client: &Self::Client, channel: &str) -> Self::Subscription {
        Handle(client.0.subscribe(channel).unwrap())
    }

    fn subscribed(subscription: &Self::Subscription) -> Result<(), SubscribeError> {
        subscription.0.subscribed(PATIENCE)
    }

    fn recv_within(subscription: &mut Self::Subscription, limit: Duration) -> Option<Option<Event>> {
        match subscription.0.recv_timeout(limit) {
            Ok(event) => Some(Some(event)),
            Err(RecvTimeoutError::Disconnected) => Some(None),
            Err(RecvTimeoutError::Timeout) => None,
        }
    }

    fn keep(subscription: Self::Subscription) {
        subscription.0.keep();
    }

    fn signed_in(client: &Self::Client) -> Result<UserInfo, SignedInError> {
        client.0.signed_in(PATIENCE)
    }

    fn typed(subscription: Self::Subscription) -> Self::Typed {
        subscription.0.typed("message")
    }

    fn next_typed(typed: &mut Self::Typed) -> Option<Result<u64, TypedError>> {
        match typed.recv_timeout(PATIENCE) {
            Ok(item) => Some(item),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("nothing comes"),
        }
    }

    fn states(client: &Self::Client) -> Self::States {
        client.0.states()
    }

    fn next_state(states: &mut Self::States) -> Option<ConnectionState> {
        match states.recv_timeout(PATIENCE) {
            Ok(state) => Some(state),
            Err(RecvTimeoutError::Disconnected) => None,
            Err(RecvTimeoutError::Timeout) => panic!("no state comes"),
        }
    }

    fn shutdown(client: &Self::Client, limit: Duration) {
        client.0.shutdown(limit);
    }
}
