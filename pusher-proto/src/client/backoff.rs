//! Growing random delays.

use core::time::Duration;

use crate::config::Options;

/// Draws delays. With the same seed, it draws the same delays.
pub(crate) struct Backoff {
    base: Duration,
    factor: u32,
    cap: Duration,
    rng: fastrand::Rng,
}

impl Backoff {
    pub(crate) fn new(options: &Options, seed: u64) -> Self {
        Self {
            base: options.reconnect_base,
            factor: options.reconnect_factor,
            cap: options.reconnect_cap,
            rng: fastrand::Rng::with_seed(seed),
        }
    }

    /// The delay after `failures` consecutive failures: uniform between the base and a bound that grows up to the cap.
    pub(crate) fn delay(&mut self, failures: u32) -> Duration {
        let grown = self.factor.checked_pow(failures).map_or(self.cap, |factor| self.base.saturating_mul(factor));
        self.uniform(self.base, grown.min(self.cap).max(self.base))
    }

    /// The delay of a retry that the server wants at once: uniform below the base, so that not all clients come at the
    /// same time.
    pub(crate) fn spread(&mut self) -> Duration {
        self.uniform(Duration::ZERO, self.base.saturating_sub(Duration::from_nanos(1)))
    }

    pub(crate) fn base(&self) -> Duration {
        self.base
    }

    fn uniform(&mut self, low: Duration, high: Duration) -> Duration {
        let nanos = |duration: Duration| u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        Duration::from_nanos(self.rng.u64(nanos(low)..=nanos(high)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Config, Endpoint};

    fn backoff() -> Backoff {
        Backoff::new(&Config::new("key", Endpoint::cluster("eu")).unwrap().options, 7)
    }

    #[test]
    fn lies_between_the_base_and_a_bound_that_doubles_up_to_the_cap() {
        let mut backoff = backoff();
        for (failures, bound) in [(0, 1), (1, 2), (2, 4), (3, 8), (4, 16), (5, 30), (6, 30), (400, 30)] {
            let delays: [Duration; 200] = core::array::from_fn(|_| backoff.delay(failures));
            let (low, high) = (delays.iter().min().unwrap(), delays.iter().max().unwrap());
            assert!(
                *low >= Duration::from_secs(1) && *high <= Duration::from_secs(bound),
                "{failures}: {low:?} {high:?}"
            );
            assert!(bound == 1 || *high > Duration::from_secs(bound) / 2, "{failures}: {high:?}");
        }
    }

    #[test]
    fn an_immediate_retry_is_spread_below_the_base() {
        let mut backoff = backoff();
        let spread: [Duration; 200] = core::array::from_fn(|_| backoff.spread());
        assert!(spread.iter().all(|delay| *delay < Duration::from_secs(1)));
        assert!(spread.iter().any(|delay| *delay > Duration::from_millis(500)));
    }
}
