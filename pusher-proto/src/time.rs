//! Time, as the caller provides it.

use core::fmt;
use core::num::NonZeroU64;
use core::ops::Add;
use core::time::Duration;

/// A point in time, as the time elapsed since an origin that the caller chose.
///
/// The client never reads a clock: every input contains the current time. Any monotonic clock can be used, and a test
/// can start at [`Instant::ZERO`].
///
/// # Examples
///
/// ```
/// use core::time::Duration;
/// use pusher_proto::Instant;
///
/// let start = Instant::ZERO;
/// let later = start + Duration::from_millis(1_500);
/// assert_eq!(later.since(start), Duration::from_millis(1_500));
/// assert_eq!((later.to_string(), format!("{later:?}")), ("1.5s".into(), "Instant(1.5s)".into()));
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant {
    /// Nanoseconds since the origin, plus one, so that an `Option` takes no additional memory.
    count: NonZeroU64,
}

impl Instant {
    /// The origin.
    pub const ZERO: Self = Self { count: NonZeroU64::MIN };

    /// Returns the point in time that is `elapsed` after the origin, at most 584 years.
    #[must_use]
    pub const fn from_elapsed(elapsed: Duration) -> Self {
        Self { count: NonZeroU64::MIN.saturating_add(nanos(elapsed)) }
    }

    /// Returns the time between the origin and this point.
    #[must_use]
    pub const fn elapsed(self) -> Duration {
        Duration::from_nanos(self.count.get() - 1)
    }

    /// Returns the time between `earlier` and this point, zero if `earlier` is the later one.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.count.get().saturating_sub(earlier.count.get()))
    }
}

/// The origin.
impl Default for Instant {
    fn default() -> Self {
        Self::ZERO
    }
}

impl Add<Duration> for Instant {
    type Output = Self;

    fn add(self, duration: Duration) -> Self {
        Self { count: self.count.saturating_add(nanos(duration)) }
    }
}

impl fmt::Display for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.elapsed(), f)
    }
}

impl fmt::Debug for Instant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Instant({:?})", self.elapsed())
    }
}

const fn nanos(duration: Duration) -> u64 {
    let nanos = duration.as_nanos();
    if nanos > u64::MAX as u128 { u64::MAX } else { nanos as u64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_time_stays_where_it_is() {
        let end = Instant::from_elapsed(Duration::from_secs(1 << 40));
        assert_eq!(end.elapsed(), Duration::from_nanos(u64::MAX - 1));
        assert_eq!([end + Duration::MAX, Instant::ZERO + Duration::MAX], [end; 2]);
        assert_eq!(end.since(Instant::ZERO + Duration::from_secs(1)), end.elapsed() - Duration::from_secs(1));
    }
}
