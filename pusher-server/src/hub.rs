//! The model server behind its lock, and the dispatch of its actions to the sockets.

use std::collections::{BTreeMap, BTreeSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use pusher_proto::server::{Action, ApiError, Attributes, ConnectionId, Dialect, Publication, Server as Model};
use pusher_proto::signing::{App, MasterKey};
use pusher_proto::{ChannelName, Frame, Instant, SocketId, Text};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant as Clock, sleep_until};
use tracing::{debug, warn};

use crate::activity::{Activity, Announcer, start};
use crate::journal::Journal;
use crate::line::{self, Line, Outgoing, QueueError, Socket};
use crate::message::Envelope;
use crate::options::{Authorize, Options};
use crate::pages::Pages;
use crate::report::{self, Standing, complaint};

/// The state that all tasks of a server share.
pub(crate) struct Shared {
    pub(crate) app: App,
    pub(crate) dialect: Dialect,
    pub(crate) authorize: Authorize,
    pub(crate) any_origin: bool,
    pub(crate) pages: Option<Pages>,
    pub(crate) announcer: Arc<Announcer>,
    unknown_sockets: bool,
    origin: Clock,
    queue_len: usize,
    state: Mutex<State>,
    /// Notified when the last socket has ended.
    drained: Notify,
    /// Notified whenever the state may have changed.
    changed: Notify,
    listening: watch::Sender<bool>,
}

/// The lock is never held across an `await`.
pub(crate) struct State {
    pub(crate) model: Model,
    pub(crate) sockets: BTreeMap<ConnectionId, Socket>,
    opened: u64,
    wake_at: watch::Sender<Option<Instant>>,
    /// What clients have sent.
    pub(crate) journal: Journal,
    /// Whether all sockets are silent.
    is_silent: bool,
    /// How long everything that is sent waits first.
    pub(crate) delay: Duration,
    pub(crate) auth: AuthFaults,
    /// Requests that the auth endpoints did not grant.
    pub(crate) refusals: u64,
    /// The application that the auth endpoints sign for. Its encryption master key may have been replaced.
    signer: App,
    announcer: Arc<Announcer>,
}

/// What the auth endpoints do instead of signing at once.
#[derive(Clone, Default)]
pub(crate) struct AuthFaults {
    /// The status that they answer with.
    pub(crate) status: Option<u16>,
    /// The channels for which they answer 403.
    pub(crate) refused: BTreeSet<ChannelName>,
    /// How long they wait before they answer.
    pub(crate) delay: Duration,
}

impl Shared {
    pub(crate) fn new(options: &Options) -> Self {
        let announcer = Arc::new(Announcer::new());
        let state = State {
            model: Model::new(options.config.clone(), options.seed),
            sockets: BTreeMap::new(),
            opened: 0,
            wake_at: watch::Sender::new(None),
            journal: Journal::default(),
            is_silent: false,
            delay: Duration::ZERO,
            auth: AuthFaults::default(),
            refusals: 0,
            signer: options.config.app().clone(),
            announcer: Arc::clone(&announcer),
        };
        Self {
            app: options.config.app().clone(),
            dialect: options.config.dialect(),
            authorize: options.authorize.clone(),
            any_origin: options.any_origin,
            pages: options.pages.clone(),
            announcer,
            unknown_sockets: options.unknown_sockets,
            origin: Clock::now(),
            queue_len: options.queue_len,
            state: Mutex::new(state),
            drained: Notify::new(),
            changed: Notify::new(),
            listening: watch::Sender::new(true),
        }
    }

    /// Calls `change` with the model, and performs the resulting actions.
    pub(crate) fn with_model<R>(&self, change: impl FnOnce(&mut Model, Instant) -> R) -> R {
        self.with_state(|state, now| change(&mut state.model, now))
    }

    /// Calls `change` with everything, and performs the actions of the model.
    pub(crate) fn with_state<R>(&self, change: impl FnOnce(&mut State, Instant) -> R) -> R {
        let now = self.now();
        let mut state = self.state();
        let result = change(&mut state, now);
        state.act(now);
        drop(state);
        self.changed.notify_waiters();
        result
    }

    /// Waits until `look` finds something.
    pub(crate) async fn found<T>(&self, mut look: impl FnMut(&State) -> Option<T>) -> T {
        loop {
            let mut changed = pin!(self.changed.notified());
            // Before looking, so that no change between looking and waiting is missed.
            changed.as_mut().enable();
            if let Some(found) = look(&self.state()) {
                return found;
            }
            changed.await;
        }
    }

    /// Publishes an event, and tells those who watch.
    pub(crate) fn trigger(&self, publication: &Publication) -> Result<BTreeMap<ChannelName, Attributes>, ApiError> {
        let infos = self.with_model(|model, now| model.trigger(publication, now))?;
        report::published(publication, &self.announcer);
        Ok(infos)
    }

    /// Publishes several events, or none of them.
    pub(crate) fn trigger_batch(&self, batch: &[Publication]) -> Result<Vec<Attributes>, ApiError> {
        let infos = self.with_model(|model, now| model.trigger_batch(batch, now))?;
        for publication in batch {
            report::published(publication, &self.announcer);
        }
        Ok(infos)
    }

    pub(crate) fn open(&self, target: &str) -> (ConnectionId, Line) {
        let now = self.now();
        let mut state = self.state();
        state.opened += 1;
        let id = ConnectionId::new(state.opened);
        debug!(connection = %id, "socket opened");
        self.announcer.announce(|| Activity::Opened { connection: id, target: start(target).to_string() });
        let (socket, line) = line::open(self.queue_len, state.is_silent);
        state.sockets.insert(id, socket);
        state.model.handle_open(id, target, now);
        state.act(now);
        if self.announcer.is_watched() {
            let socket_id = state.model.connections().find_map(|(known, socket)| (known == id).then(|| socket.clone()));
            if let Some(socket_id) = socket_id {
                self.announcer.announce(|| Activity::Connected { connection: id, socket_id });
            }
        }
        drop(state);
        self.changed.notify_waiters();
        (id, line)
    }

    pub(crate) fn receive(&self, id: ConnectionId, frame: Frame) {
        if let Frame::Text(text) = &frame {
            self.announcer.announce(|| Activity::Received { connection: id, text: start(text) });
        }
        let message = if report::is_wanted(&self.announcer) { Envelope::read(&frame) } else { None };
        let Some(message) = message else {
            return self.with_state(|state, now| state.take(id, frame, now));
        };
        let now = self.now();
        let mut state = self.state();
        // Only the channel that the message names, because checking all of them would cost more with every
        // subscription.
        let channel = message.channel();
        let before = Standing::of(id, channel.as_ref(), &state.model);
        state.take(id, frame, now);
        let complaint = state.act(now);
        let after = Standing::of(id, channel.as_ref(), &state.model);
        drop(state);
        self.changed.notify_waiters();
        message.report(id, channel.as_ref(), [before, after], complaint, &self.announcer);
    }

    /// Whether the auth endpoints sign for this socket.
    pub(crate) fn signs_for(&self, socket_id: &SocketId) -> bool {
        self.unknown_sockets || self.state().model.connections().any(|(_, known)| known == socket_id)
    }

    /// A socket has ended; `is_clean` if the client has closed it.
    pub(crate) fn closed(&self, id: ConnectionId, is_clean: bool) {
        debug!(connection = %id, "socket closed");
        if is_clean {
            self.with_model(|model, now| model.handle_close(id, now));
        }
        self.cut(id);
    }

    /// Ends the TCP connection of a socket without a close frame. Returns whether there was one.
    pub(crate) fn cut(&self, id: ConnectionId) -> bool {
        let (was_open, is_last) = self.with_state(|state, now| {
            let was_open = state.sockets.contains_key(&id);
            state.cut(id, now);
            (was_open, state.sockets.is_empty())
        });
        if is_last {
            self.drained.notify_one();
        }
        was_open
    }

    /// Ends every TCP connection of a socket without a close frame.
    pub(crate) fn cut_all(&self) {
        self.with_state(|state, now| {
            while let Some((&id, _)) = state.sockets.first_key_value() {
                state.cut(id, now);
            }
        });
        self.drained.notify_one();
    }

    /// Waits until no socket is left.
    pub(crate) async fn drained(&self) {
        while !self.state().sockets.is_empty() {
            self.drained.notified().await;
        }
    }

    pub(crate) fn stop_listening(&self) {
        self.listening.send_replace(false);
    }

    /// Waits until the server must stop accepting connections.
    pub(crate) fn stopped_listening(&self) -> impl Future<Output = ()> + use<> {
        let mut listening = self.listening.subscribe();
        async move {
            // A dropped sender means the same.
            let _ = listening.wait_for(|listening| !listening).await;
        }
    }

    /// Changes what the auth endpoints do.
    pub(crate) fn set_auth(&self, change: impl FnOnce(&mut AuthFaults)) {
        change(&mut self.state().auth);
    }

    pub(crate) fn auth(&self) -> AuthFaults {
        self.state().auth.clone()
    }

    pub(crate) fn count_refusal(&self) {
        self.state().refusals += 1;
    }

    pub(crate) fn refusals(&self) -> u64 {
        self.state().refusals
    }

    pub(crate) fn rotate_master_key(&self, key: MasterKey) {
        let mut state = self.state();
        state.signer = state.signer.clone().encryption_master_key(key);
    }

    /// The application as the auth endpoints know it.
    pub(crate) fn signer(&self) -> App {
        self.state().signer.clone()
    }

    /// The time since the Unix epoch.
    pub(crate) fn wall_clock() -> Duration {
        SystemTime::UNIX_EPOCH.elapsed().unwrap_or_default()
    }

    fn now(&self) -> Instant {
        Instant::from_elapsed(self.origin.elapsed())
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave the model in an inconsistent state, since nothing in it calls foreign code.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes what a client has sent.
    fn take(&mut self, id: ConnectionId, frame: Frame, now: Instant) {
        self.journal.write(id, &frame);
        self.model.handle_frame(id, frame, now);
    }

    pub(crate) fn set_silent(&mut self, silent: bool) {
        self.is_silent = silent;
        for socket in self.sockets.values() {
            socket.update(silent);
        }
    }

    /// Ends silences and the delay. What is already waiting for its time still does.
    pub(crate) fn send_at_once(&mut self) {
        self.delay = Duration::ZERO;
        self.is_silent = false;
        for socket in self.sockets.values_mut() {
            socket.set_silent(false, false);
        }
    }

    /// Returns whether there is such a socket.
    pub(crate) fn set_connection_silent(&mut self, id: ConnectionId, silent: bool) -> bool {
        let socket = self.sockets.get_mut(&id);
        socket.map(|socket| socket.set_silent(silent, self.is_silent)).is_some()
    }

    /// Does what the model says. Returns the last complaint that was sent, if it is reported.
    fn act(&mut self, now: Instant) -> Option<String> {
        let mut said = None;
        while let Some(action) = self.model.poll_action(now) {
            match action {
                Action::Send(id, text) => {
                    if report::is_wanted(&self.announcer) {
                        said = complaint(&text).or(said);
                    }
                    self.say(id, text, now);
                }
                Action::Close(id, frame) => {
                    debug!(connection = %id, code = frame.code, reason = %frame.reason, "closing");
                    self.announcer.announce(|| Activity::Closing { connection: id, frame: frame.clone() });
                    self.enqueue(id, Outgoing::Close(frame), now);
                }
                Action::Drop(id) => {
                    debug!(connection = %id, "dropping");
                    self.enqueue(id, Outgoing::Drop, now);
                }
                Action::Ping(id) => {
                    self.enqueue(id, Outgoing::Ping, now);
                }
                Action::Schedule(at) => {
                    self.wake_at.send_replace(Some(at));
                }
            }
        }
        said
    }

    /// Sends a text message. Returns whether there is a socket for it.
    pub(crate) fn say(&mut self, id: ConnectionId, text: Text, now: Instant) -> bool {
        if self.sockets.contains_key(&id) {
            self.announcer.announce(|| Activity::Sent { connection: id, text: start(&text) });
        }
        self.enqueue(id, Outgoing::Text(text), now)
    }

    /// Queues a message for a socket. Returns whether there is one.
    pub(crate) fn enqueue(&mut self, id: ConnectionId, outgoing: Outgoing, now: Instant) -> bool {
        let Some(socket) = self.sockets.get(&id) else { return false };
        let queued = socket.enqueue(outgoing, self.delay);
        match queued {
            Ok(()) => return true,
            Err(QueueError::Full) => {
                warn!(connection = %id, "the client reads too slowly, its socket is cut");
                self.cut(id, now);
            }
            Err(QueueError::Closed) => self.cut(id, now),
        }
        false
    }

    fn cut(&mut self, id: ConnectionId, now: Instant) {
        if self.sockets.remove(&id).is_some() {
            self.announcer.announce(|| Activity::Ended { connection: id });
        }
        self.model.handle_loss(id, now);
    }
}

/// Calls the model at its deadlines, until the server is dropped.
pub(crate) fn keep_time(shared: &Arc<Shared>) -> impl Future<Output = ()> + use<> {
    let origin = shared.origin;
    let mut wake_at = shared.state().wake_at.subscribe();
    let shared = Arc::downgrade(shared);
    async move {
        let mut next: Option<Instant> = None;
        loop {
            let deadline = next.and_then(|at| origin.checked_add(at.elapsed()));
            tokio::select! {
                changed = wake_at.changed() => {
                    if changed.is_err() {
                        return;
                    }
                    next = *wake_at.borrow_and_update();
                }
                () = sleep_until(deadline.unwrap_or(origin)), if deadline.is_some() => {
                    let Some(shared) = shared.upgrade() else { return };
                    next = shared.with_model(|model, now| {
                        model.handle_timeout(now);
                        model.poll_timeout()
                    });
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pings_and_closes_a_socket_that_sends_nothing() {
        let shared = Arc::new(Shared::new(&Options::default()));
        tokio::spawn(keep_time(&shared));
        let (_, mut line) = shared.open("/app/app-key?protocol=7");
        let start = Clock::now();
        let mut seen = Vec::new();
        while seen.len() < 3 {
            line.queue.due().await;
            let what = match line.next_due() {
                Some(Outgoing::Text(text)) if text.contains("pusher:ping") => "ping",
                Some(Outgoing::Text(_)) => "greeting",
                Some(Outgoing::Ping) => "control ping",
                Some(Outgoing::Close(_)) => "close",
                Some(Outgoing::Drop) => "drop",
                None => "end",
            };
            seen.push((what, start.elapsed().as_secs()));
        }
        assert_eq!(seen, [("greeting", 0), ("ping", 130), ("close", 160)]);
    }
}
