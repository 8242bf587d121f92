//! Samples, percentiles, and how sure a ratio is.

use std::time::Duration;

use crate::random::Random;

/// Resamples behind an interval.
const RESAMPLES: usize = 1_000;

/// Times in nanoseconds, in blocks as they were measured. None is ever dropped.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    blocks: Vec<Vec<u64>>,
    open: Vec<u64>,
}

impl Samples {
    pub(crate) fn add(&mut self, time: Duration) {
        self.open.push(nanos(time));
    }

    /// Ends a block.
    pub(crate) fn end_block(&mut self) {
        if !self.open.is_empty() {
            self.blocks.push(std::mem::take(&mut self.open));
        }
    }

    /// Nearest rank: the value that this part of the samples does not exceed.
    #[allow(dead_code, reason = "not every bench asks for a rank of its own")]
    pub(crate) fn at(&self, part: f64) -> u64 {
        let mut sorted = self.blocks.concat();
        sorted.sort_unstable();
        let rank = (sorted.len() as f64 * part).ceil().max(1.0);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a rank among them")]
        let rank = rank as usize;
        sorted[rank.min(sorted.len()) - 1]
    }

    pub(crate) fn summary(&self) -> Summary {
        let mut sorted = self.blocks.concat();
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
    ratio_at(ours, other, 0.5)
}

/// The same of the value that one sample in a hundred exceeds.
#[allow(dead_code, reason = "not every bench compares its slowest samples")]
pub(crate) fn ratio_at_p99(ours: &Samples, other: &Samples) -> Ratio {
    ratio_at(ours, other, 0.99)
}

fn ratio_at(ours: &Samples, other: &Samples, part: f64) -> Ratio {
    let count = ours.blocks.len();
    assert_eq!(count, other.blocks.len(), "both had their turn in every round");
    let mut random = Random::new(count as u64);
    let mut resampled: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let drawn: Vec<usize> = (0..count).map(|_| random.below(count)).collect();
            quantile(other, &drawn, part) / quantile(ours, &drawn, part)
        })
        .collect();
    resampled.sort_by(f64::total_cmp);
    let all: Vec<usize> = (0..count).collect();
    let tail = RESAMPLES / 40;
    Ratio {
        value: quantile(other, &all, part) / quantile(ours, &all, part),
        interval: [resampled[tail], resampled[RESAMPLES - 1 - tail]],
    }
}

/// Quantile of all samples of the drawn blocks.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a place among the samples")]
fn quantile(samples: &Samples, drawn: &[usize], part: f64) -> f64 {
    let mut pooled: Vec<u64> = drawn.iter().flat_map(|at| samples.blocks[*at].iter().copied()).collect();
    let place = (pooled.len() as f64 * part) as usize;
    *pooled.select_nth_unstable(place).1 as f64
}

pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).expect("centuries do not pass in a bench")
}
