//! When clients reconnect after an outage: the core without sockets, in virtual time.

use std::time::Duration;

use pusher_proto::{Action, Client, CloseReason, Config, Endpoint, Frame, Instant, SocketEpoch, TransportError};

use crate::Result;

/// How long the server is away.
pub(crate) const OUTAGE: Duration = Duration::from_secs(30);

/// What the clients did, as times since the loss of all connections.
pub(crate) struct Reconnects {
    /// Every attempt to connect.
    pub(crate) attempts: Vec<Duration>,
    /// For each client, how long it was without a connection after the server was back. Sorted.
    pub(crate) late: Vec<Duration>,
}

impl Reconnects {
    /// Simulates an outage that this many clients with default options notice at the same moment.
    pub(crate) fn play(clients: u64) -> Result<Self> {
        let (mut attempts, mut late) = (Vec::new(), Vec::new());
        for seed in 1..=clients {
            let back = play(seed, &mut attempts)?;
            late.push(back.saturating_sub(OUTAGE));
        }
        late.sort_unstable();
        Ok(Self { attempts, late })
    }

    /// Returns how many attempts there were in each second.
    pub(crate) fn by_second(&self) -> Vec<u32> {
        let last = self.attempts.iter().max().map_or(0, Duration::as_secs);
        let mut seconds = vec![0; usize::try_from(last).unwrap_or_default() + 1];
        for attempt in &self.attempts {
            seconds[usize::try_from(attempt.as_secs()).unwrap_or_default()] += 1;
        }
        seconds
    }

    /// Returns the delay that this percentage of the clients did not exceed.
    pub(crate) fn percentile(&self, percent: usize) -> Duration {
        self.late[(self.late.len() * percent / 100).min(self.late.len() - 1)]
    }
}

/// Simulates one client, and returns when it is connected again.
fn play(seed: u64, attempts: &mut Vec<Duration>) -> Result<Duration> {
    let mut client = Client::new(Config::new("key", Endpoint::cluster("eu"))?, seed);
    client.connect();
    let mut now = Instant::ZERO;
    let socket = next_attempt(&mut client, &mut now)?;
    client.handle_open(socket, now);
    client.handle_frame(socket, Frame::Text(GREETING.into()), now);
    while client.poll_action(now).is_some() {}
    // Long enough to count as a stable connection.
    let loss = now + Duration::from_secs(60);
    now = loss;
    client.handle_close(socket, CloseReason::Dropped, now);
    loop {
        let socket = next_attempt(&mut client, &mut now)?;
        let after = now.since(loss);
        attempts.push(after);
        if after >= OUTAGE {
            return Ok(after);
        }
        client.handle_close(socket, CloseReason::Failed(TransportError::Io("connection refused".into())), now);
    }
}

fn next_attempt(client: &mut Client, now: &mut Instant) -> Result<SocketEpoch> {
    loop {
        while let Some(action) = client.poll_action(*now) {
            if let Action::Connect(socket, _) = action {
                return Ok(socket);
            }
        }
        *now = client.poll_timeout().ok_or("the client does not try again")?;
        client.handle_timeout(*now);
    }
}

const GREETING: &str = r#"{"event":"pusher:connection_established","data":"{\"socket_id\":\"1.1\"}"}"#;
