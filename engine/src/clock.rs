//! Where the control plane gets the time that it passes to the decision path.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use alphapulse_protocol::UnixNanos;

/// A source of time that never falls.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> UnixNanos;
}

/// The wall clock at start, advanced by the monotonic clock: a step of the wall clock moves no age and expires nothing.
#[derive(Debug, Clone)]
pub struct WallClock {
    started: Instant,
    started_ns: u64,
}

impl WallClock {
    /// A clock that starts at the wall clock's time.
    #[must_use]
    pub fn start() -> Self {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Self { started: Instant::now(), started_ns: saturating_ns(since_epoch) }
    }

    /// The time now.
    #[must_use]
    pub fn now(&self) -> UnixNanos {
        UnixNanos(self.started_ns.saturating_add(saturating_ns(self.started.elapsed())))
    }
}

impl Clock for WallClock {
    fn now(&self) -> UnixNanos {
        self.now()
    }
}

/// 2^64 nanoseconds end in the year 2554.
fn saturating_ns(duration: core::time::Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

/// A clock that goes when told, for tests and scripted chains. Clones share the time.
#[derive(Debug, Clone, Default)]
pub struct ManualClock {
    now_ns: Arc<AtomicU64>,
}

impl ManualClock {
    /// A clock at `now`.
    #[must_use]
    pub fn new(now: UnixNanos) -> Self {
        Self { now_ns: Arc::new(AtomicU64::new(now.0)) }
    }

    /// Moves the clock to `now`; an earlier time than it shows is ignored.
    pub fn advance_to(&self, now: UnixNanos) {
        // Stands alone: no other memory is published with the time.
        self.now_ns.fetch_max(now.0, Ordering::Relaxed);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> UnixNanos {
        UnixNanos(self.now_ns.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wall_clock_never_falls_and_knows_the_century() {
        let clock = WallClock::start();
        let (first, second) = (clock.now(), clock.now());
        assert!(first <= second);
        // 2020-01-01 to 2554.
        assert!(first > UnixNanos(1_577_836_800_000_000_000));
    }

    #[test]
    fn the_manual_clock_goes_forward_only() {
        let clock = ManualClock::new(UnixNanos(5));
        clock.clone().advance_to(UnixNanos(9));
        clock.advance_to(UnixNanos(7));
        assert_eq!(clock.now(), UnixNanos(9));
    }
}
