//! Requests to the application's server: which are wanted, which are in progress, and when a failed one is repeated.
//!
//! ```text
//!            ask                  poll                     answer
//!  (nothing) ───► Ready ────────────────────► Asked ─────────────────► (done)
//!                   ▲    a place, no pause      │ trouble that may pass
//!                   └────────── Delayed ◄───────┘
//! ```
//!
//! The other parts say what to request, and receive the result; only this one counts, waits and repeats.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;

use super::backoff::Backoff;
use super::outbox::Outbox;
use crate::config::Options;
use crate::{
    AuthError, AuthId, AuthPurpose, AuthRequest, AuthResponse, AuthSubject, ChannelName, Instant, SocketId, Text,
};

/// What a request is for; there is at most one request for each job. Channels are identified by their position in
/// insertion order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Job {
    Token,
    Signin,
    Channel(u64),
    Key(u64),
}

/// The result of a request.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) job: Job,
    pub(crate) subject: AuthSubject,
    pub(crate) outcome: Outcome,
}

#[derive(Debug)]
pub(crate) enum Outcome {
    Authorized(AuthResponse),
    /// A temporary failure: the request is repeated at this time, after this many failures in a row.
    Delayed {
        error: AuthError,
        retry_at: Instant,
        failures: u32,
    },
    Failed(AuthError),
    /// The answer would come too late to be useful; this was the last error.
    TooLate(AuthError),
}

/// All requests of one client.
pub(crate) struct Authorizations {
    options: Arc<Options>,
    backoff: Backoff,
    /// The current connection; without one, nothing is requested.
    socket_id: Option<SocketId>,
    last_id: u64,
    /// The number of failed requests since the start.
    pub(crate) failed: u64,
    jobs: BTreeMap<Job, Request>,
    /// Jobs that may be requested, by line and turn.
    ready: BTreeMap<(Line, u64), Job>,
    asked: BTreeMap<AuthId, Job>,
    timers: BTreeSet<(Instant, Job)>,
    channels_endpoint: Endpoint,
    user_endpoint: Endpoint,
}

struct Request {
    subject: AuthSubject,
    purpose: AuthPurpose,
    phase: Phase,
    /// Temporary failures in a row.
    failures: u32,
    /// When the answer becomes useless, and the last error before that.
    given_up_at: Option<Instant>,
    last_error: Option<AuthError>,
    /// The URL of the request, if it is known.
    url: Option<Text>,
    timer: Option<Instant>,
}

#[derive(Clone, Copy)]
enum Phase {
    /// Waits for this turn.
    Ready(u64),
    Asked(AuthId),
    Delayed,
}

/// Jobs of one line are requested in the order in which they joined it; a repeated job goes to the end.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Line {
    User,
    Channels,
    Keys,
}

/// How requests for one purpose are handled.
struct Policy {
    line: Line,
    patience: Patience,
}

/// For how long a request is repeated.
enum Patience {
    AsLongAsWanted,
    /// For [`key_refresh_timeout`](crate::ConfigBuilder::key_refresh_timeout).
    WhileEventsWait,
}

/// All differences between purposes. Common to all are [`auth_timeout`](crate::ConfigBuilder::auth_timeout) for each
/// request, [`auth_retries`](crate::ConfigBuilder::auth_retries), growing delays, and pauses that the server asks for.
const fn policy(purpose: AuthPurpose) -> Policy {
    match purpose {
        AuthPurpose::Subscribe | AuthPurpose::Resubscribe => {
            Policy { line: Line::Channels, patience: Patience::AsLongAsWanted }
        }
        AuthPurpose::KeyRefresh => Policy { line: Line::Keys, patience: Patience::WhileEventsWait },
        AuthPurpose::Signin | AuthPurpose::Token => Policy { line: Line::User, patience: Patience::AsLongAsWanted },
    }
}

/// One server of the application. If it is too busy, this affects every request; if it fails for one channel, only the
/// requests of that channel.
struct Endpoint {
    /// How many requests may be in progress, at most `max`. A server that was too busy gets one at a time at first.
    window: usize,
    max: usize,
    asked: usize,
    /// Until when nothing is requested, and whether the server has asked for this.
    paused_until: Option<Instant>,
    must_pause: bool,
    /// Temporary failures in a row, of any requests.
    failures: u32,
    /// Pauses in a row.
    pauses: u32,
    /// Successes since the window last grew.
    successes: usize,
    /// Whether the latest request was for a key, so that a channel comes next.
    was_key: bool,
}

impl Authorizations {
    pub(crate) fn new(options: Arc<Options>, seed: u64) -> Self {
        Self {
            backoff: Backoff::new(&options, seed),
            socket_id: None,
            last_id: 0,
            failed: 0,
            jobs: BTreeMap::new(),
            ready: BTreeMap::new(),
            asked: BTreeMap::new(),
            timers: BTreeSet::new(),
            channels_endpoint: Endpoint::new(options.auth_window),
            user_endpoint: Endpoint::new(1),
            options,
        }
    }

    /// There is a connection.
    pub(crate) fn enter(&mut self, socket_id: SocketId) {
        self.socket_id = Some(socket_id);
    }

    /// The connection is lost, and no answer is valid for the next one. What is known about the servers stays.
    pub(crate) fn leave(&mut self, outbox: &mut Outbox) {
        debug_assert!(self.is_balanced(), "requests in progress were counted wrongly");
        self.socket_id = None;
        self.jobs.clear();
        self.ready.clear();
        self.timers.clear();
        for id in core::mem::take(&mut self.asked).into_keys() {
            outbox.cancel_auth(id);
        }
        self.channels_endpoint.asked = 0;
        self.user_endpoint.asked = 0;
    }

    /// Whether the counts are those of the requests.
    fn is_balanced(&self) -> bool {
        let users = self.asked.values().filter(|job| matches!(job, Job::Token | Job::Signin)).count();
        let is_asked = |request: &&Request| matches!(request.phase, Phase::Asked(_));
        let is_timed = |request: &&Request| request.timer.is_some();
        self.user_endpoint.asked == users
            && self.channels_endpoint.asked == self.asked.len() - users
            && self.jobs.values().filter(is_asked).count() == self.asked.len()
            && self.jobs.values().filter(is_timed).count() == self.timers.len()
    }

    pub(crate) fn ask_for_channel(&mut self, order: u64, channel: &ChannelName, purpose: AuthPurpose) {
        self.ask(Job::Channel(order), AuthSubject::Channel(channel.clone()), purpose, None);
    }

    /// Requests a newer key. `failures` is how often this has failed before.
    pub(crate) fn ask_for_key(&mut self, order: u64, channel: &ChannelName, failures: u32, now: Instant) {
        let subject = AuthSubject::Channel(channel.clone());
        self.ask(Job::Key(order), subject, AuthPurpose::KeyRefresh, Some(now));
        if let Some(request) = self.jobs.get_mut(&Job::Key(order)) {
            request.failures = failures;
        }
    }

    pub(crate) fn ask_for_user(&mut self) {
        self.ask(Job::Signin, AuthSubject::User, AuthPurpose::Signin, None);
    }

    pub(crate) fn ask_for_token(&mut self) {
        self.ask(Job::Token, AuthSubject::Token, AuthPurpose::Token, None);
    }

    /// The answer is no longer needed.
    pub(crate) fn cancel(&mut self, job: Job, outbox: &mut Outbox) {
        let Some(request) = self.remove(job) else { return };
        if let Phase::Asked(id) = request.phase {
            outbox.cancel_auth(id);
        }
    }

    /// The number of unfinished requests.
    pub(crate) fn len(&self) -> usize {
        self.jobs.len()
    }

    /// The number of unfinished requests, and of those that can be sent: if both are unchanged, there is nothing new to
    /// do.
    pub(crate) fn load(&self) -> (usize, usize) {
        (self.jobs.len(), self.ready.len())
    }

    /// The application's server answered, or could not be reached. `None` if no request waits for this answer.
    pub(crate) fn handle_answer(
        &mut self,
        id: AuthId,
        answer: Result<AuthResponse, AuthError>,
        now: Instant,
    ) -> Option<Answer> {
        let job = *self.asked.get(&id)?;
        self.settle(job, answer, now)
    }

    /// A request is on its way to this URL.
    pub(crate) fn note_url(&mut self, id: AuthId, url: Text) {
        let request = self.asked.get(&id).and_then(|job| self.jobs.get_mut(job));
        if let Some(request) = request {
            request.url = Some(url);
        }
    }

    /// Acts on passed deadlines up to one that another part must know about. To be called until it returns `None`.
    pub(crate) fn handle_timeout(&mut self, now: Instant, outbox: &mut Outbox) -> Option<Answer> {
        self.channels_endpoint.reopen(now);
        self.user_endpoint.reopen(now);
        while let Some(timer @ (_, job)) = self.timers.first().copied().filter(|(at, _)| *at <= now) {
            // Remove the timer in any case, so that the loop ends.
            self.timers.remove(&timer);
            self.arm(job, None);
            let Some(request) = self.jobs.get_mut(&job) else { continue };
            let is_useless = request.given_up_at.is_some_and(|at| at <= now);
            if let Phase::Asked(id) = request.phase {
                outbox.cancel_auth(id);
                if !is_useless {
                    let error = request.timeout();
                    return self.settle(job, Err(error), now);
                }
                self.failed += 1;
            }
            if is_useless {
                let request = self.remove(job)?;
                let error = request.last_error.clone().unwrap_or_else(|| request.timeout());
                return Some(Answer { job, subject: request.subject, outcome: Outcome::TooLate(error) });
            }
            self.make_ready(job);
        }
        None
    }

    /// The next request, if the window has room for it.
    pub(crate) fn poll(&mut self, now: Instant) -> Option<AuthRequest> {
        if self.ready.is_empty() {
            return None;
        }
        let socket_id = self.socket_id.clone()?;
        let line = self.next_line(now)?;
        let (&at, &job) = self.ready.range((line, 0)..=(line, u64::MAX)).next()?;
        self.ready.remove(&at);
        self.last_id += 1;
        let id = AuthId(self.last_id);
        self.asked.insert(id, job);
        let endpoint = self.endpoint(job);
        endpoint.asked += 1;
        endpoint.was_key = line == Line::Keys;
        self.arm(job, Some(now + self.options.auth_timeout));
        let request = self.jobs.get_mut(&job)?;
        request.phase = Phase::Asked(id);
        request.url = None;
        Some(AuthRequest { id, subject: request.subject.clone(), socket_id, purpose: request.purpose })
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let timer = self.timers.first().map(|(at, _)| *at);
        let pauses = [Line::User, Line::Channels, Line::Keys].into_iter().filter(|line| self.is_waiting(*line));
        let pauses = pauses.filter_map(|line| self.endpoint_of(line).paused_until);
        timer.into_iter().chain(pauses).min()
    }

    /// `since` is when events began to wait for the answer.
    fn ask(&mut self, job: Job, subject: AuthSubject, purpose: AuthPurpose, since: Option<Instant>) {
        let given_up_at = match policy(purpose).patience {
            Patience::AsLongAsWanted => None,
            Patience::WhileEventsWait => since.map(|since| since + self.options.key_refresh_timeout),
        };
        let phase = Phase::Delayed;
        let request =
            Request { subject, purpose, phase, failures: 0, given_up_at, last_error: None, url: None, timer: None };
        self.jobs.insert(job, request);
        self.make_ready(job);
    }

    /// Decides what an answer means.
    fn settle(&mut self, job: Job, answer: Result<AuthResponse, AuthError>, now: Instant) -> Option<Answer> {
        let max = self.options.auth_retries.unwrap_or(u32::MAX);
        let error = match answer {
            Ok(response) => {
                self.endpoint(job).succeed();
                return self.finish(job, Outcome::Authorized(response));
            }
            Err(error) => error,
        };
        self.failed += 1;
        let is_pause = error.asks_for_a_pause();
        let failures = self.jobs.get(&job)?.failures;
        if !error.is_retryable() {
            // A refusal is an answer, so the server works.
            self.endpoint(job).succeed();
            return self.finish(job, Outcome::Failed(error));
        }
        // A request without an answer says nothing about others, and does no harm while it lasts.
        if !is_pause && *error.cause() != AuthError::Timeout {
            self.pause_if_nothing_works(job, now);
        }
        if failures >= max && !is_pause {
            return self.finish(job, Outcome::Failed(error));
        }
        self.release(job);
        let retry_at = if is_pause {
            // All requests wait as long as the server asks, and this does not count as a failure of the refused one.
            let until = now + error.retry_after() + self.backoff.spread();
            self.endpoint(job).must_pause = true;
            self.endpoint(job).pause(until)
        } else {
            let retry_at = now + self.backoff.delay(failures.saturating_add(1)).max(error.retry_after());
            self.endpoint(job).paused_until.max(Some(retry_at)).unwrap_or(retry_at)
        };
        let request = self.jobs.get_mut(&job)?;
        let failures = failures.saturating_add(u32::from(!is_pause));
        request.failures = failures;
        // Only jobs that wait for a limited time report it again.
        request.last_error = request.given_up_at.map(|_| error.clone());
        request.phase = Phase::Delayed;
        let subject = request.subject.clone();
        self.arm(job, Some(retry_at));
        Some(Answer { job, subject, outcome: Outcome::Delayed { error, retry_at, failures } })
    }

    /// Notes a failure. If all requests fail, the server is assumed to be down; one request at a time then probes it
    /// while all others wait.
    fn pause_if_nothing_works(&mut self, job: Job, now: Instant) {
        let endpoint = self.endpoint(job);
        endpoint.failures = endpoint.failures.saturating_add(1);
        if endpoint.failures as usize >= endpoint.max.saturating_mul(FAILURES_OF_A_SERVER) && endpoint.is_open(now) {
            endpoint.pauses = endpoint.pauses.saturating_add(1);
            let pauses = endpoint.pauses;
            let until = now + self.backoff.delay(pauses);
            self.endpoint(job).pause(until);
        }
    }

    fn finish(&mut self, job: Job, outcome: Outcome) -> Option<Answer> {
        let request = self.remove(job)?;
        Some(Answer { job, subject: request.subject, outcome })
    }

    /// The line whose turn it is, if its server accepts requests.
    fn next_line(&self, now: Instant) -> Option<Line> {
        if self.is_waiting(Line::User) && self.user_endpoint.has_place(now) {
            return Some(Line::User);
        }
        if !self.channels_endpoint.has_place(now) {
            return None;
        }
        // Events wait for a newer key, but a server that keeps causing such requests must not keep channels from being
        // authorized.
        match (self.is_waiting(Line::Keys), self.is_waiting(Line::Channels)) {
            (false, false) => None,
            (false, true) => Some(Line::Channels),
            (true, true) if self.channels_endpoint.was_key => Some(Line::Channels),
            (true, _) => Some(Line::Keys),
        }
    }

    fn is_waiting(&self, line: Line) -> bool {
        self.ready.range((line, 0)..=(line, u64::MAX)).next().is_some()
    }

    fn make_ready(&mut self, job: Job) {
        let Some(request) = self.jobs.get_mut(&job) else { return };
        let (line, given_up_at) = (policy(request.purpose).line, request.given_up_at);
        let last = self.ready.range((line, 0)..=(line, u64::MAX)).next_back();
        let turn = last.map_or(0, |((_, turn), _)| turn + 1);
        request.phase = Phase::Ready(turn);
        self.ready.insert((line, turn), job);
        self.arm(job, given_up_at);
    }

    /// The request is no longer in progress.
    fn release(&mut self, job: Job) {
        let Some(Phase::Asked(id)) = self.jobs.get(&job).map(|request| request.phase) else { return };
        self.asked.remove(&id);
        let endpoint = self.endpoint(job);
        endpoint.asked = endpoint.asked.saturating_sub(1);
    }

    fn remove(&mut self, job: Job) -> Option<Request> {
        self.arm(job, None);
        self.release(job);
        let request = self.jobs.remove(&job)?;
        if let Phase::Ready(turn) = request.phase {
            self.ready.remove(&(policy(request.purpose).line, turn));
        }
        Some(request)
    }

    /// Sets the timer of a job to this time, or to when its answer becomes useless.
    fn arm(&mut self, job: Job, at: Option<Instant>) {
        let Some(request) = self.jobs.get_mut(&job) else { return };
        let at = at.into_iter().chain(request.given_up_at.filter(|_| at.is_some())).min();
        if let Some(before) = core::mem::replace(&mut request.timer, at) {
            self.timers.remove(&(before, job));
        }
        if let Some(at) = at {
            self.timers.insert((at, job));
        }
    }

    fn endpoint(&mut self, job: Job) -> &mut Endpoint {
        match job {
            Job::Token | Job::Signin => &mut self.user_endpoint,
            Job::Channel(_) | Job::Key(_) => &mut self.channels_endpoint,
        }
    }

    fn endpoint_of(&self, line: Line) -> &Endpoint {
        match line {
            Line::User => &self.user_endpoint,
            Line::Channels | Line::Keys => &self.channels_endpoint,
        }
    }
}

impl Request {
    /// The error of an answer that did not come in time.
    fn timeout(&self) -> AuthError {
        match &self.url {
            Some(url) => AuthError::Timeout.at(url.clone()),
            None => AuthError::Timeout,
        }
    }
}

impl Endpoint {
    fn new(max: usize) -> Self {
        Self {
            window: max,
            max,
            asked: 0,
            paused_until: None,
            must_pause: false,
            failures: 0,
            pauses: 0,
            successes: 0,
            was_key: false,
        }
    }

    fn is_open(&self, now: Instant) -> bool {
        self.paused_until.is_none_or(|until| until <= now)
    }

    fn has_place(&self, now: Instant) -> bool {
        self.asked < self.window && self.is_open(now)
    }

    /// Pauses all requests until then, and sends one at a time afterwards. Returns when the pause ends.
    fn pause(&mut self, until: Instant) -> Instant {
        let until = self.paused_until.map_or(until, |before| before.max(until));
        self.paused_until = Some(until);
        self.window = 1;
        self.successes = 0;
        until
    }

    fn reopen(&mut self, now: Instant) {
        if self.is_open(now) {
            self.paused_until = None;
            self.must_pause = false;
        }
    }

    /// The server works: after a whole window of answers, one more request may be in progress.
    fn succeed(&mut self) {
        self.failures = 0;
        self.pauses = 0;
        if !self.must_pause {
            self.paused_until = None;
        }
        self.successes += 1;
        if self.successes >= self.window && self.window < self.max {
            self.window += 1;
            self.successes = 0;
        }
    }
}

/// How many windows of requests must fail, without a success between them, before the server itself is assumed to have
/// failed and not single channels.
const FAILURES_OF_A_SERVER: usize = 2;

#[cfg(test)]
mod tests;
