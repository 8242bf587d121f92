//! Latencies in buckets, each power of two cut into 32: a reading is at most 1/32 above the truth, and never below it.
//!
//! Our own and not `hdrhistogram`: its recorders hand whole histograms over a channel and may allocate where they record,
//! and whoever reads waits for them. Here a recording is two additions to atomics, from any thread.

use core::sync::atomic::{AtomicU64, Ordering};
use core::{array, fmt};
use std::time::Instant;

/// Each power of two is cut into so many buckets, as a power of two.
const FINE_BITS: u32 = 5;
const FINE: usize = 1 << FINE_BITS;
/// Enough for every 64-bit number: 15 KiB, of which one latency's spread touches a few cache lines.
const BUCKETS: usize = (u64::BITS - FINE_BITS + 1) as usize * FINE;

/// Counts nanoseconds. Never blocks and never allocates after it was made.
///
/// Every number stands alone, so `Relaxed` is enough: a reading in the midst of a recording may miss it in one of them.
pub(crate) struct Histogram {
    counts: Box<[AtomicU64; BUCKETS]>,
    sum_ns: AtomicU64,
    max_ns: AtomicU64,
}

impl Default for Histogram {
    fn default() -> Self {
        let counts = Box::new(array::from_fn(|_| AtomicU64::new(0)));
        Self { counts, sum_ns: AtomicU64::new(0), max_ns: AtomicU64::new(0) }
    }
}

impl fmt::Debug for Histogram {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Histogram").field("max_ns", &self.max_ns).finish_non_exhaustive()
    }
}

impl Histogram {
    /// Counts the time between two moments of the monotonic clock.
    pub(crate) fn record(&self, since: Instant, until: Instant) {
        let passed = until.saturating_duration_since(since).as_nanos();
        self.record_ns(u64::try_from(passed).unwrap_or(u64::MAX));
    }

    fn record_ns(&self, nanos: u64) {
        self.counts[bucket(nanos)].fetch_add(1, Ordering::Relaxed);
        self.sum_ns.fetch_add(nanos, Ordering::Relaxed);
        // A maximum is seldom raised, and looking is cheaper than raising.
        if nanos > self.max_ns.load(Ordering::Relaxed) {
            self.max_ns.fetch_max(nanos, Ordering::Relaxed);
        }
    }

    /// What was counted so far.
    pub(crate) fn read(&self) -> Reading {
        let counts: Vec<u64> = self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect();
        Reading {
            count: counts.iter().sum(),
            counts,
            sum_ns: self.sum_ns.load(Ordering::Relaxed),
            max_ns: self.max_ns.load(Ordering::Relaxed),
        }
    }
}

/// A histogram as it stood.
#[derive(Debug, Clone)]
pub(crate) struct Reading {
    counts: Vec<u64>,
    /// Of all buckets together, so that a quantile is never looked for behind the last.
    pub(crate) count: u64,
    pub(crate) sum_ns: u64,
    pub(crate) max_ns: u64,
}

impl Reading {
    /// The time within which so many of a thousand were done, rounded up by at most 1/32; 0 when nothing was counted.
    pub(crate) fn quantile_ns(&self, per_mille: u32) -> u64 {
        let rank = (u128::from(self.count) * u128::from(per_mille)).div_ceil(1000).max(1);
        let mut seen = 0;
        for (index, count) in self.counts.iter().enumerate() {
            seen += u128::from(*count);
            if seen >= rank {
                return highest(index).min(self.max_ns);
            }
        }
        0
    }

    /// How many took at most `nanos`; exact for a power of two, because buckets end there.
    pub(crate) fn at_most(&self, nanos: u64) -> u64 {
        self.counts[..=bucket(nanos)].iter().sum()
    }
}

/// Buckets end with their highest number, as Prometheus counts: 1024 ns are in the bucket that ends at 1024.
fn bucket(nanos: u64) -> usize {
    let below = nanos.saturating_sub(1);
    let magnitude = (u64::BITS - below.leading_zeros()).saturating_sub(FINE_BITS + 1);
    let within = usize::try_from(below >> magnitude).expect("shifted until it is below 64");
    magnitude as usize * FINE + within
}

/// Highest number of a bucket.
fn highest(index: usize) -> u64 {
    let magnitude = (index / FINE).saturating_sub(1);
    let within = (index - magnitude * FINE) as u64;
    (within + 1).saturating_mul(1 << magnitude)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Numbers of every size, those near the ends of buckets among them.
    fn nanos() -> impl Strategy<Value = u64> {
        (0..64_u32, any::<u64>(), 0..3_u64).prop_map(|(shift, number, near)| match near {
            0 => number >> shift,
            near => (1_u64 << shift).wrapping_add(near).wrapping_sub(2),
        })
    }

    proptest! {
        #[test]
        fn quantiles_are_those_of_the_sorted_numbers_within_a_thirty_second(
            mut numbers in prop::collection::vec(nanos(), 1..200),
            per_mille in 1..=1000_u32,
        ) {
            let histogram = Histogram::default();
            numbers.iter().for_each(|nanos| histogram.record_ns(*nanos));
            let read = histogram.read();
            numbers.sort_unstable();
            let rank = (numbers.len() * per_mille as usize).div_ceil(1000);
            let truth = numbers[rank - 1];
            let said = read.quantile_ns(per_mille);
            prop_assert!(truth <= said, "{said} is below {truth}");
            prop_assert!(u128::from(said) <= u128::from(truth) + u128::from(truth / 32).max(1), "{said} for {truth}");
            prop_assert_eq!(read.count, numbers.len() as u64);
            prop_assert_eq!(read.max_ns, numbers[numbers.len() - 1]);
            prop_assert_eq!(read.sum_ns, numbers.iter().fold(0_u64, |sum, nanos| sum.wrapping_add(*nanos)));
        }

        #[test]
        fn counts_up_to_a_power_of_two_are_exact(
            numbers in prop::collection::vec(nanos(), 0..200),
            power in 0..64_u32,
        ) {
            let histogram = Histogram::default();
            numbers.iter().for_each(|nanos| histogram.record_ns(*nanos));
            let limit = 1_u64 << power;
            let truth = numbers.iter().filter(|nanos| **nanos <= limit).count();
            prop_assert_eq!(histogram.read().at_most(limit), truth as u64);
        }
    }

    #[test]
    fn every_bucket_follows_the_one_before_it() {
        for index in 1..BUCKETS {
            assert_eq!(bucket(highest(index)), index);
            assert_eq!(bucket(highest(index - 1) + 1), index);
        }
        assert_eq!((bucket(0), bucket(u64::MAX), highest(BUCKETS - 1)), (0, BUCKETS - 1, u64::MAX));
    }

    #[test]
    fn nothing_counted_is_zero() {
        assert_eq!(Histogram::default().read().quantile_ns(999), 0);
    }
}
