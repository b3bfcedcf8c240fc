//! What a server of version 2 sends while channels wait for what they missed.

use std::time::Duration;

use pusher_proto::{CloseReason, Event};

use crate::end::End;

/// Lines of text as frames, while a channel of each of two kinds waits for the answer to its request: each learns once what
/// became of it.
pub fn resume(data: &[u8]) {
    let mut end = End::recovering();
    let mut told = [0; CHANNELS.len()];
    let mut check = |end: &mut End| {
        end.drain();
        for event in &end.events {
            if let Event::Recovered { channel, .. } | Event::ContinuityLost { channel, .. } = event
                && let Some(place) = CHANNELS.iter().position(|name| *name == channel.as_str())
            {
                told[place] += 1;
            }
        }
        end.check();
    };
    for line in String::from_utf8_lossy(data).split('\n') {
        end.receive(line);
        check(&mut end);
    }
    end.wait(RESUME_TIMEOUT);
    check(&mut end);
    assert!(told.iter().all(|count| *count == 1) || !end.client.state().is_connected(), "{told:?} for {CHANNELS:?}");
}

impl End {
    /// Connected for the second time, with two channels that have asked for what they missed.
    fn recovering() -> Self {
        let mut end = Self::with_recovery();
        end.client.connect();
        for name in CHANNELS {
            end.client.subscribe(crate::end::channel(name));
        }
        end.greeted(1);
        end.lose(CloseReason::Dropped);
        end.drain();
        end.now = end.client.poll_timeout().expect("the client connects again");
        end.wait(Duration::ZERO);
        end.greeted(9);
        end.events.clear();
        end
    }

    fn greeted(&mut self, serial: u64) {
        self.drain();
        self.receive(r#"{"event":"sockudo:connection_established","data":{"socket_id":"1.1"}}"#);
        self.drain();
        for name in CHANNELS {
            let position = format!(r#""channel":"{name}","stream_id":"s","serial":{serial}"#);
            self.receive(&format!(r#"{{"event":"sockudo_internal:subscription_succeeded",{position}}}"#));
        }
        self.drain();
    }
}

const CHANNELS: [&str; 2] = ["chat", "cache-d"];

/// The client's default.
const RESUME_TIMEOUT: Duration = Duration::from_secs(10);
