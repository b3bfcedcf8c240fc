//! The core with the settings of a recording. Recording and replaying drive the same one.

use std::collections::BTreeMap;

use pusher_tokio::Config;
use pusher_tokio::pusher_proto::{Action, AuthId, Client, Instant, SocketEpoch};

use super::format::{Input, id};
use crate::failure::Failure;
use crate::target::Target;

/// What determines the outputs of a session, apart from its inputs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Setup {
    /// The URL of the server.
    pub(super) server: String,
    /// The version that the client tells the server.
    pub(super) version: String,
    /// Determines the random delays.
    pub(super) seed: u64,
}

impl Setup {
    /// The configuration of every recorded session, with a key that stands for the application's.
    pub(super) fn config(&self) -> Result<Config, Failure> {
        let target = Target::from_url(&self.server)?;
        let config = Config::builder(KEY, target.endpoint()).client_name("pusher-cli");
        Ok(config.client_version(self.version.as_str()).max_attempts(None).build()?)
    }
}

pub(super) struct Machine {
    core: Client,
    /// The socket of the last `Connect`.
    socket: SocketEpoch,
    /// Authorization requests without an answer, by their ids in the recording.
    requests: BTreeMap<String, AuthId>,
}

impl Machine {
    pub(super) fn new(setup: &Setup) -> Result<Self, Failure> {
        let core = Client::new(setup.config()?, setup.seed);
        Ok(Self { core, socket: SocketEpoch::default(), requests: BTreeMap::new() })
    }

    pub(super) fn core(&self) -> &Client {
        &self.core
    }

    /// Whether this request waits for an answer.
    pub(super) fn awaits(&self, id: &str) -> bool {
        self.requests.contains_key(id)
    }

    /// # Errors
    ///
    /// If it is the answer to a request that does not wait for one.
    pub(super) fn handle(&mut self, input: Input, now: Instant) -> Result<(), String> {
        let (core, socket) = (&mut self.core, self.socket);
        match input {
            Input::Connect => core.connect(),
            Input::Disconnect => core.disconnect(),
            Input::Subscribe(channel) => core.subscribe(channel),
            Input::Signin => core.signin(),
            Input::Auth(id, answer) => {
                let known = self.requests.remove(&id).ok_or_else(|| format!("no authorization #{id} is requested"))?;
                core.handle_auth(known, answer, now);
            }
            Input::Open => core.handle_open(socket, now),
            Input::Frame(frame) => core.handle_frame(socket, frame, now),
            Input::Part => core.handle_part(socket, now),
            Input::Skipped(len) => core.handle_skipped(socket, len, now),
            Input::Closed(reason) => core.handle_close(socket, reason, now),
            Input::Timeout => core.handle_timeout(now),
        }
        Ok(())
    }

    /// Returns the next output.
    pub(super) fn poll(&mut self, now: Instant) -> Option<Action> {
        let action = self.core.poll_action(now)?;
        match &action {
            Action::Connect(socket, _) => self.socket = *socket,
            Action::RequestAuth(request) => drop(self.requests.insert(id(request.id), request.id)),
            Action::CancelAuth(cancelled) => drop(self.requests.remove(&id(*cancelled))),
            Action::Send(..) | Action::Close(..) | Action::Schedule(_) | Action::Emit(_) => {}
        }
        Some(action)
    }
}

/// What stands for the application's key.
pub(super) const KEY: &str = "app-key";
