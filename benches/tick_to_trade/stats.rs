//! Samples, percentiles, and how sure a ratio is.

use std::time::Duration;

use crate::random::Random;

/// Resamples behind an interval.
const RESAMPLES: usize = 2_000;

/// Times in nanoseconds, in blocks as they were measured. None is ever dropped.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    all: Vec<u64>,
    block_medians: Vec<f64>,
    open: Vec<u64>,
}

impl Samples {
    pub(crate) fn add(&mut self, time: Duration) {
        self.open.push(nanos(time));
    }

    /// Ends a block.
    pub(crate) fn end_block(&mut self) {
        if self.open.is_empty() {
            return;
        }
        self.all.extend_from_slice(&self.open);
        self.open.sort_unstable();
        self.block_medians.push(self.open[self.open.len() / 2] as f64);
        self.open.clear();
    }

    pub(crate) fn summary(&self) -> Summary {
        let mut sorted = self.all.clone();
        sorted.sort_unstable();
        // Nearest rank: the value that this part of the samples does not exceed.
        let at = |part: u64| {
            let rank = (sorted.len() as u64 * part).div_ceil(1_000).max(1);
            sorted[usize::try_from(rank).expect("a count") - 1]
        };
        Summary { count: sorted.len(), p50: at(500), p99: at(990), p999: at(999), max: at(1_000) }
    }
}

/// What samples amount to, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Summary {
    pub(crate) count: usize,
    pub(crate) p50: u64,
    pub(crate) p99: u64,
    pub(crate) p999: u64,
    pub(crate) max: u64,
}

/// How many times as long as `ours` the other's typical sample is.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ratio {
    /// Ratio of the medians.
    pub(crate) value: f64,
    /// Ends of the bootstrap interval that holds 95 % of resampled ratios.
    pub(crate) interval: [f64; 2],
}

/// Compares two contenders whose blocks were measured side by side: blocks are drawn in pairs, so that what slowed the
/// machine down for both does not count as a difference.
pub(crate) fn ratio(ours: &Samples, other: &Samples) -> Ratio {
    let pairs: Vec<(f64, f64)> = ours.block_medians.iter().copied().zip(other.block_medians.iter().copied()).collect();
    let mut random = Random::new(pairs.len() as u64);
    let mut drawn: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let sample: Vec<(f64, f64)> = pairs.iter().map(|_| pairs[random.below(pairs.len())]).collect();
            median(sample.iter().map(|pair| pair.1)) / median(sample.iter().map(|pair| pair.0))
        })
        .collect();
    drawn.sort_by(f64::total_cmp);
    let value = other.summary().p50 as f64 / ours.summary().p50 as f64;
    Ratio { value, interval: [drawn[RESAMPLES / 40], drawn[RESAMPLES - 1 - RESAMPLES / 40]] }
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("centuries do not pass in a bench")
}
