//! The model server behind its lock, and the dispatch of its actions to the sockets.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use pusher_proto::server::{Action, ApiError, Attributes, ConnectionId, Dialect, Publication, Server as Model};
use pusher_proto::signing::{App, MasterKey};
use pusher_proto::{ChannelName, CloseFrame, Frame, Instant, SocketId, Text};
use tokio::sync::{Notify, mpsc, oneshot, watch};
use tokio::time::{Instant as Clock, sleep_until};
use tracing::{debug, warn};

use crate::activity::{Activity, Announcer, start};
use crate::options::{Authorize, Options};
use crate::pages::Pages;
use crate::report::{self, Received, Standing, complaint};

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
    listening: watch::Sender<bool>,
}

/// The lock is never held across an `await`.
struct State {
    model: Model,
    sockets: BTreeMap<ConnectionId, Socket>,
    opened: u64,
    wake_at: watch::Sender<Option<Instant>>,
    /// The status that the auth endpoints answer with instead of signing.
    auth_status: Option<u16>,
    /// The application that they sign for. Its encryption master key may have been replaced.
    signer: App,
    announcer: Arc<Announcer>,
}

/// The hub's end of a socket. Dropping it cuts the socket.
struct Socket {
    queue: mpsc::Sender<Outgoing>,
    _cut: oneshot::Sender<Infallible>,
}

/// The socket's end of the channels between both.
pub(crate) struct Lines {
    pub(crate) queue: mpsc::Receiver<Outgoing>,
    /// Completes when the TCP connection must end without a close frame.
    pub(crate) cut: oneshot::Receiver<Infallible>,
}

/// A message that waits to be sent.
pub(crate) enum Outgoing {
    Text(Text),
    /// A WebSocket ping.
    Ping,
    /// A close frame, which is the last message.
    Close(CloseFrame),
    /// An end without a close frame, which is also the last message.
    Drop,
}

impl Shared {
    pub(crate) fn new(options: &Options) -> Self {
        let announcer = Arc::new(Announcer::new());
        let state = State {
            model: Model::new(options.config.clone(), options.seed),
            sockets: BTreeMap::new(),
            opened: 0,
            wake_at: watch::Sender::new(None),
            auth_status: None,
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
            listening: watch::Sender::new(true),
        }
    }

    /// Calls `change` with the model, and performs the resulting actions.
    pub(crate) fn with_model<R>(&self, change: impl FnOnce(&mut Model, Instant) -> R) -> R {
        let now = self.now();
        let mut state = self.state();
        let result = change(&mut state.model, now);
        state.act(now);
        result
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

    pub(crate) fn open(&self, target: &str) -> (ConnectionId, Lines) {
        let now = self.now();
        let mut state = self.state();
        state.opened += 1;
        let id = ConnectionId::new(state.opened);
        debug!(connection = %id, "socket opened");
        self.announcer.announce(|| Activity::Opened { connection: id, target: start(target).to_string() });
        let (queue, receiver) = mpsc::channel(self.queue_len);
        let (cut, cut_receiver) = oneshot::channel();
        state.sockets.insert(id, Socket { queue, _cut: cut });
        state.model.handle_open(id, target, now);
        state.act(now);
        if self.announcer.is_watched() {
            let socket_id = state.model.connections().find_map(|(known, socket)| (known == id).then(|| socket.clone()));
            if let Some(socket_id) = socket_id {
                self.announcer.announce(|| Activity::Connected { connection: id, socket_id });
            }
        }
        (id, Lines { queue: receiver, cut: cut_receiver })
    }

    pub(crate) fn receive(&self, id: ConnectionId, frame: Frame) {
        if let Frame::Text(text) = &frame {
            self.announcer.announce(|| Activity::Received { connection: id, text: start(text) });
        }
        let message = if report::is_wanted(&self.announcer) { Received::read(&frame) } else { None };
        let now = self.now();
        let mut state = self.state();
        let Some(message) = message else {
            state.model.handle_frame(id, frame, now);
            state.act(now);
            return;
        };
        // Only the channel that the message names, because checking all of them would cost more with every
        // subscription.
        let channel = message.channel();
        let before = Standing::of(id, channel.as_ref(), &state.model);
        state.model.handle_frame(id, frame, now);
        let complaint = state.act(now);
        let after = Standing::of(id, channel.as_ref(), &state.model);
        drop(state);
        message.report(id, channel.as_ref(), [before, after], complaint, &self.announcer);
    }

    /// Whether the auth endpoints sign for this socket.
    pub(crate) fn signs_for(&self, socket_id: &SocketId) -> bool {
        self.unknown_sockets || self.state().model.connections().any(|(_, known)| known == socket_id)
    }

    pub(crate) fn closed(&self, id: ConnectionId) {
        debug!(connection = %id, "socket closed");
        let now = self.now();
        let mut state = self.state();
        state.cut(id, now);
        state.act(now);
        if state.sockets.is_empty() {
            self.drained.notify_one();
        }
    }

    /// Ends every TCP connection of a socket without a close frame.
    pub(crate) fn cut_all(&self) {
        let now = self.now();
        let mut state = self.state();
        while let Some((&id, _)) = state.sockets.first_key_value() {
            state.cut(id, now);
        }
        state.act(now);
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

    pub(crate) fn set_auth_status(&self, status: Option<u16>) {
        self.state().auth_status = status;
    }

    pub(crate) fn auth_status(&self) -> Option<u16> {
        self.state().auth_status
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

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic cannot leave the model in an inconsistent state, since nothing in it calls foreign code.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Does what the model says. Returns the last complaint that was sent, if it is reported.
    fn act(&mut self, now: Instant) -> Option<String> {
        let mut said = None;
        while let Some(action) = self.model.poll_action(now) {
            match action {
                Action::Send(id, text) => {
                    self.announcer.announce(|| Activity::Sent { connection: id, text: start(&text) });
                    if report::is_wanted(&self.announcer) {
                        said = complaint(&text).or(said);
                    }
                    self.enqueue(id, Outgoing::Text(text), now);
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
                Action::Ping(id) => self.enqueue(id, Outgoing::Ping, now),
                Action::Schedule(at) => {
                    self.wake_at.send_replace(Some(at));
                }
            }
        }
        said
    }

    fn enqueue(&mut self, id: ConnectionId, outgoing: Outgoing, now: Instant) {
        let Some(socket) = self.sockets.get(&id) else { return };
        match socket.queue.try_send(outgoing) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => {
                warn!(connection = %id, "the client reads too slowly, its socket is cut");
                self.cut(id, now);
            }
            Err(mpsc::error::TrySendError::Closed(_)) => self.cut(id, now),
        }
    }

    fn cut(&mut self, id: ConnectionId, now: Instant) {
        if self.sockets.remove(&id).is_some() {
            self.announcer.announce(|| Activity::Ended { connection: id });
        }
        self.model.handle_close(id, now);
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
        let (_, mut lines) = shared.open("/app/app-key?protocol=7");
        let start = Clock::now();
        let mut seen = Vec::new();
        while seen.len() < 3 {
            let what = match lines.queue.recv().await {
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
