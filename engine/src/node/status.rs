//! How a node stands, for people and machines that ask.

use alphapulse_protocol::BlockRef;
use serde::Serialize;

use crate::core::CoreCounters;
use crate::ledger::Totals;

/// Samples kept per latency; older ones are overwritten.
const SAMPLES_MAX: usize = 65_536;

/// A node's figures at one moment.
#[derive(Debug, Clone, Default)]
pub struct NodeStatus {
    /// Newest whole block.
    pub head: Option<BlockRef>,
    /// Books.
    pub totals: Totals,
    /// What the decision path did.
    pub core: CoreCounters,
    /// What the feed brought.
    pub feed: FeedCounters,
    /// Last frame of a block that held opportunities, to the last decision on it without simulation.
    pub decide: Latency,
    /// Last frame of a block to the hand-over of a signed transaction, simulation included.
    pub submit: Latency,
    /// Why trading stopped, if it did.
    pub halted: Option<String>,
}

/// What the feed brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct FeedCounters {
    /// Frames taken.
    pub frames: u64,
    /// Frames that were no message; each cost the feed.
    pub malformed: u64,
    /// Messages that did not continue the market; each cost the feed.
    pub discontinuities: u64,
    /// Times the feed was joined again.
    pub rejoins: u64,
    /// Gaps that the relay told of, each repaired by what followed.
    pub gaps: u64,
}

/// Percentiles of a latency in nanoseconds; all zero without samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Latency {
    /// Samples ever taken; percentiles cover the newest 65,536.
    pub count: u64,
    /// Median.
    pub p50_ns: u64,
    /// 99th percentile.
    pub p99_ns: u64,
    /// 99.9th percentile.
    pub p999_ns: u64,
    /// Greatest.
    pub max_ns: u64,
}

/// Samples of a latency, all memory taken at the start.
#[derive(Debug)]
pub(super) struct LatencySamples {
    samples: Vec<u64>,
    count: u64,
}

impl LatencySamples {
    pub(super) fn new() -> Self {
        Self { samples: Vec::with_capacity(SAMPLES_MAX), count: 0 }
    }

    pub(super) fn record(&mut self, elapsed: std::time::Duration) {
        let nanos = u64::try_from(elapsed.as_nanos()).unwrap_or(u64::MAX);
        if self.samples.len() < SAMPLES_MAX {
            self.samples.push(nanos);
        } else {
            let slot = usize::try_from(self.count % SAMPLES_MAX as u64).expect("below SAMPLES_MAX");
            self.samples[slot] = nanos;
        }
        self.count += 1;
    }

    pub(super) fn latency(&self) -> Latency {
        let mut sorted = self.samples.clone();
        sorted.sort_unstable();
        let at = |per_mille: usize| {
            let rank = (sorted.len() * per_mille).div_ceil(1000);
            sorted.get(rank.saturating_sub(1)).copied().unwrap_or(0)
        };
        Latency { count: self.count, p50_ns: at(500), p99_ns: at(990), p999_ns: at(999), max_ns: at(1000) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn percentiles_are_samples_by_nearest_rank() {
        let mut samples = LatencySamples::new();
        assert_eq!(samples.latency(), Latency::default());
        (1..=1000).for_each(|nanos| samples.record(Duration::from_nanos(nanos)));
        let latency = samples.latency();
        assert_eq!((latency.p50_ns, latency.p99_ns, latency.p999_ns, latency.max_ns), (500, 990, 999, 1000));
    }

    #[test]
    fn old_samples_make_room() {
        let mut samples = LatencySamples::new();
        (0..SAMPLES_MAX).for_each(|_| samples.record(Duration::from_nanos(1)));
        (0..SAMPLES_MAX).for_each(|_| samples.record(Duration::from_nanos(2)));
        let latency = samples.latency();
        assert_eq!((latency.count, latency.p50_ns), (2 * SAMPLES_MAX as u64, 2));
    }
}
