//! Figures for people.

use std::time::{Duration, Instant};

/// The middle one, the 99th percentile and the largest.
pub(crate) fn spread(mut times: Vec<Duration>) -> String {
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100].as_secs_f64();
    format!("median {:.2} s, p99 {:.2} s, max {:.2} s", at(50), at(99), at(100))
}

pub(crate) fn mebibytes(bytes: u64) -> f64 {
    kibibytes(bytes) / 1_024.0
}

pub(crate) fn kibibytes(bytes: u64) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a figure with one digit")]
    let bytes = bytes as f64;
    bytes / 1_024.0
}

/// Waits, and tells how long it took.
pub(crate) fn wait_for(what: &str, limit: Duration, is_true: impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    while !is_true() {
        assert!(start.elapsed() < limit, "{what}: not within {limit:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
    start.elapsed()
}
