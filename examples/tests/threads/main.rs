//! A runtime of your own, and the scenarios of `pusher_test::conformance` that it passes.
//!
//! ```sh
//! cargo test -p pusher-examples --test threads
//! cargo test -p pusher-examples --test threads -- --rules
//! ```

mod runtime;

use std::process::ExitCode;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use pusher_session::pusher_proto::{ChannelName, ClientEventName, Data, Event};
use pusher_test::conformance::{self, About, Next, Runtime, Setup};

use crate::runtime::{Auth, Client};

fn main() -> ExitCode {
    conformance::run(Threads)
}

struct Threads;

impl Runtime for Threads {
    type Client = Client;
    type Subscription = Receiver<Event>;

    fn about(&self) -> About {
        About::new("threads")
    }

    fn start(&self, setup: Setup) -> Client {
        // All of a client is in its threads, which are counted, so `setup.alive` is not needed.
        let auth = Auth { url: setup.auth_url, user_url: setup.user_auth_url, params: setup.auth_params };
        Client::start(setup.config, auth, setup.close_timeout)
    }

    fn connect(&self, client: &mut Client) {
        client.call(|session, _| session.connect());
    }

    fn disconnect(&self, client: &mut Client) {
        client.call(|session, _| session.disconnect());
    }

    fn subscribe(&self, client: &mut Client, channel: &ChannelName) -> Receiver<Event> {
        client.subscribe(channel.clone())
    }

    fn unsubscribe(&self, client: &mut Client, channel: &ChannelName) {
        let channel = channel.clone();
        client.call(move |session, _| session.unsubscribe(&channel));
    }

    fn trigger(&self, client: &mut Client, channel: &ChannelName, event: &ClientEventName, text: &str) {
        let (channel, event, data) = (channel.clone(), event.clone(), Data::string(text));
        client.call(move |session, now| {
            session.trigger(&channel, &event, &data, now).expect("the channel is subscribed");
        });
    }

    fn signin(&self, client: &mut Client) {
        client.call(|session, _| session.signin());
    }

    fn recv(&self, subscription: &mut Receiver<Event>, limit: Duration) -> Next {
        next(subscription, limit)
    }

    fn next_event(&self, client: &mut Client, limit: Duration) -> Next {
        next(&client.events, limit)
    }

    fn shut_down(&self, client: &mut Client, limit: Duration) {
        client.shut_down(limit);
    }
}

fn next(events: &Receiver<Event>, limit: Duration) -> Next {
    match events.recv_timeout(limit) {
        Ok(event) => Next::Event(event),
        Err(RecvTimeoutError::Timeout) => Next::Nothing,
        Err(RecvTimeoutError::Disconnected) => Next::End,
    }
}
