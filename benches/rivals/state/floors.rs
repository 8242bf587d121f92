//! What the machine takes for a look into memory, and for a look at the clock, in the same run.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::random::Random;

/// More than the caches of any machine at hand give to one guest.
const LINES: usize = 1 << 23;
const STEPS: usize = 200;

/// A cache line.
#[derive(Clone, Copy)]
#[repr(align(64))]
struct Line(usize);

/// Lines of memory, each naming the next to be read, in one circle through all of them.
pub(crate) struct Chase {
    lines: Vec<Line>,
    at: usize,
}

impl Chase {
    pub(crate) fn new() -> Self {
        let mut random = Random::new(3);
        let mut lines: Vec<Line> = (0..LINES).map(Line).collect();
        // Sattolo: one circle, not several.
        for last in (1..LINES).rev() {
            lines.swap(last, random.below(last));
        }
        Self { lines, at: 0 }
    }

    /// Time of one step, from many.
    pub(crate) fn step(&mut self) -> Duration {
        let started = Instant::now();
        for _ in 0..STEPS {
            self.at = self.lines[self.at].0;
        }
        black_box(self.at);
        started.elapsed() / u32::try_from(STEPS).expect("few")
    }

    /// Reads all lines, so that nothing else is left in a cache.
    pub(crate) fn evict(&mut self) {
        black_box(self.lines.iter().fold(0, |sum: usize, line| sum.wrapping_add(line.0)));
    }
}

/// Two readings of the clock.
pub(crate) fn clock() -> Duration {
    let started = Instant::now();
    black_box(started).elapsed()
}
