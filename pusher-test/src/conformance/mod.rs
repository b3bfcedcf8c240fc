//! Conformance for your runtime: the scenarios that the adapters of this project pass, for a client that you have embedded
//! in a runtime of your own.
//!
//! Each scenario is a test of its own, over real sockets on this machine: the development server, an auth endpoint, and a
//! proxy in front of each that injects faults. After each one, no thread, open file or task may be left over. There are 28
//! scenarios about connections, authorization and the end of a client, which need nothing but your client, and 28 about the
//! handles of `pusher-driver`. A run takes about ten seconds.
//!
//! # What to implement
//!
//! | You have embedded | Implement | Run |
//! |---|---|---|
//! | `pusher-session` or `pusher-proto` in a loop of your own | [`Runtime`]: start, connect, subscribe, receive, shut down and so on | [`run`] |
//! | `pusher-driver`, and you wait for its futures | [`WithFutures`]: start, and wait for a future | [`run_with_handles`] |
//! | `pusher-driver`, and you wait in another way | [`WithHandles`]: start, and wait for each kind of result | [`run_with_handles`] |
//!
//! # Step by step
//!
//! 1. Add the crate, and a test without a harness, since the scenarios bring their own `main`:
//!
//!    ```toml
//!    [dev-dependencies]
//!    pusher-test = { version = "0.1", features = ["conformance"] }
//!
//!    [[test]]
//!    name = "conformance"
//!    harness = false
//!    ```
//!
//! 2. Implement [`Runtime`] in `tests/conformance.rs`. This client does nothing; use yours instead of `Client`:
//!
//!    ```no_run
//!    use std::process::ExitCode;
//!    use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
//!    use std::time::Duration;
//!
//!    use pusher_test::conformance::{self, About, Next, Runtime, Setup};
//!    use pusher_test::pusher_proto::{ChannelName, ClientEventName, Event};
//!
//!    /// Your client: here, a thread that runs the loop, and a queue of its events.
//!    struct Client {
//!        events: Receiver<Event>,
//!    }
//!
//!    struct Mine;
//!
//!    impl Runtime for Mine {
//!        type Client = Client;
//!        type Subscription = Receiver<Event>;
//!
//!        fn about(&self) -> About {
//!            About::new("mine")
//!        }
//!
//!        fn start(&self, setup: Setup) -> Client {
//!            // Start the loop with `setup.config`, and give it `setup.alive` to keep. For each request for
//!            // authorization, it posts `request.body(AuthBody::Form, &setup.auth_params)` to `setup.auth_url`, or to
//!            // `setup.user_auth_url` if the request is for the user. The loop gets the other end of this queue.
//!            let (_sender, events) = mpsc::channel();
//!            Client { events }
//!        }
//!
//!        fn connect(&self, client: &mut Client) {
//!            // `Session::connect` or `Client::connect`, on the thread of the loop.
//!        }
//!
//!        fn disconnect(&self, client: &mut Client) {
//!            // The same with `disconnect`.
//!        }
//!
//!        fn subscribe(&self, client: &mut Client, channel: &ChannelName) -> Receiver<Event> {
//!            // `subscribe`, and a queue that gets every event whose `Event::channel` is this one.
//!            let (_sender, events) = mpsc::channel();
//!            events
//!        }
//!
//!        fn unsubscribe(&self, client: &mut Client, channel: &ChannelName) {
//!            // The same with `unsubscribe`.
//!        }
//!
//!        fn trigger(&self, client: &mut Client, channel: &ChannelName, event: &ClientEventName, text: &str) {
//!            // `trigger`, with `Data::string(text)`.
//!        }
//!
//!        fn signin(&self, client: &mut Client) {
//!            // The same with `signin`.
//!        }
//!
//!        fn recv(&self, subscription: &mut Receiver<Event>, limit: Duration) -> Next {
//!            next(subscription, limit)
//!        }
//!
//!        fn next_event(&self, client: &mut Client, limit: Duration) -> Next {
//!            next(&client.events, limit)
//!        }
//!
//!        fn shut_down(&self, client: &mut Client, limit: Duration) {
//!            // `disconnect`, wait until the streams are closed, for `limit` at most, and end the loop in any case.
//!        }
//!    }
//!
//!    fn next(events: &Receiver<Event>, limit: Duration) -> Next {
//!        match events.recv_timeout(limit) {
//!            Ok(event) => Next::Event(event),
//!            Err(RecvTimeoutError::Timeout) => Next::Nothing,
//!            Err(RecvTimeoutError::Disconnected) => Next::End,
//!        }
//!    }
//!
//!    fn main() -> ExitCode {
//!        conformance::run(Mine)
//!    }
//!    ```
//!
//!    [`Runtime`] says what each method must do. The repository has a
//!    [complete runtime](https://github.com/pusher-rs/pusher/tree/main/examples/tests/threads) of this kind, in 190 lines.
//!
//! 3. Begin with one scenario, then take the next ones. A filter chooses them by a part of their names:
//!
//!    ```sh
//!    cargo test --test conformance -- "can be wanted before"
//!    cargo test --test conformance -- goodbye
//!    cargo test --test conformance
//!    ```
//!
//! `cargo test --test conformance -- --rules` prints all scenarios with the rule that each one checks and where the rule
//! comes from; `--list` prints their names.
//!
//! # When a scenario fails
//!
//! The message says what was expected, what came, and the rule:
//!
//! ```text
//! expected that the client is connected, but nothing came within 20 s; the state is waiting, and the last events were […]
//!   rule: A refused connection is reported and tried again, until the server is up
//!   from: docs/protocol.md: reports changes of its own state as events
//! ```
//!
//! | It says | Probably |
//! |---|---|
//! | nothing came within 20 s, state `initialized` | the loop does not run, or does not wake up when the application calls |
//! | nothing came within 20 s, state `connecting` | what was read is not passed on, or output is not written until the next input |
//! | ConnectionError::PongTimeout instead of an event | deadlines are handled before what was read, or reads stop while something else waits |
//! | nothing comes only where the proxy holds bytes back | connecting, writing or asking the auth endpoint blocks the loop |
//! | more threads or open files | a dropped client does not end its loop, or a thread still waits for a socket that the loop has left |
//! | `Alive` marks are held | the same, where the loop is not a thread of its own |
//! | still running after 60 s | a call of the runtime has not returned; attach a debugger |
//!
//! # What your runtime does not have
//!
//! [`About::lacks`] leaves a scenario out, with a reason, which is shown: `ignored (its WebSocket accepts any number of
//! frames)`. [`About::pool`] names threads that stay when a client ends, and [`About::warm_up`] starts what lives as long as
//! the process. With [`About::tasks`], tasks that have not ended are counted too.
//!
//! # Your server, your scenarios
//!
//! A [`Suite`] plays the scenarios with several runtimes, with a [`ForeignServer`] instead of the development server, and
//! with scenarios of your own, which get a [`Stage`].

mod backend;
mod channel;
mod faults;
mod futures;
mod handles;
mod leftovers;
mod runtime;
mod scenario;
mod scenarios;
mod server;
mod short;
mod stage;
mod suite;
mod user;

pub use channel::Channel;
pub use faults::{Cut, FaultProxy, Flow};
pub use futures::WithFutures;
pub use handles::{Logged, WithHandles};
pub use leftovers::Leftovers;
pub use pusher_driver;
pub use runtime::{About, Alive, Next, Runtime, Setup};
pub use scenario::{Needs, Scenario};
pub use server::ForeignServer;
pub use stage::{Stage, options, quick};
pub use suite::{Outcome, Suite, Verdict, run, run_with_handles};
pub use user::User;

/// Returns all scenarios, in the order in which they run.
///
/// # Examples
///
/// ```
/// for scenario in pusher_test::conformance::scenarios() {
///     println!("{}: {} ({})", scenario.name(), scenario.rule(), scenario.source());
/// }
/// ```
pub fn scenarios() -> impl Iterator<Item = &'static Scenario> {
    scenarios::all()
}
