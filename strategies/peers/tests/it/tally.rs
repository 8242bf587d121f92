//! What a comparison counted, and its line for who sums all of them up.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::time::Instant;

/// Swaps of each family.
const SWAPS: u64 = 20_000;

fn variable(name: &str, default: u64) -> u64 {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

/// How the two answered one swap.
pub(crate) enum Verdict {
    Equal,
    /// Both say that there is no such swap.
    Refused,
    /// Zero here, and the peer has no other word for that than a refusal.
    Nothing,
    /// They differ, and why is known.
    Named(&'static str),
}

/// The swaps of one family.
pub(crate) struct Tally {
    pub(crate) seed: u64,
    started: Instant,
    swaps: u64,
    done: u64,
    pools: u64,
    equal: u64,
    nothing: u64,
    refused: u64,
    named: BTreeMap<&'static str, u64>,
}

impl Tally {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            seed: variable("ALPHAPULSE_SEED", seed),
            started: Instant::now(),
            swaps: SWAPS * variable("ALPHAPULSE_CASES", 1),
            done: 0,
            pools: 0,
            equal: 0,
            nothing: 0,
            refused: 0,
            named: BTreeMap::new(),
        }
    }

    /// Whether another pool is due.
    pub(crate) fn next_pool(&mut self) -> bool {
        let is_due = self.done < self.swaps;
        self.pools += u64::from(is_due);
        is_due
    }

    pub(crate) fn add(&mut self, verdict: Verdict) {
        self.done += 1;
        match verdict {
            Verdict::Equal => self.equal += 1,
            Verdict::Refused => self.refused += 1,
            Verdict::Nothing => self.nothing += 1,
            Verdict::Named(reason) => *self.named.entry(reason).or_default() += 1,
        }
    }

    /// Prints what was seen; `kind` as in `curve_stable Ng by curve-math`.
    pub(crate) fn finish(self, kind: &str) {
        let Self { seed, started, done, pools, equal, nothing, refused, named, .. } = self;
        let mut out = io::stderr().lock();
        writeln!(
            out,
            "{kind}: seed {seed}, {pools} pools, {done} swaps, {equal} equal, {nothing} for nothing, {refused} refused by both"
        )
        .expect("standard error is open");
        for (reason, count) in named {
            writeln!(out, "  {count} differ: {reason}").expect("standard error is open");
        }
        assert!(equal * 2 > done, "too few swaps are answered by both");
        // Kind, pools, swaps, mismatches, seed and seconds, as the comparisons with bytecode print them.
        let seconds = started.elapsed().as_secs();
        writeln!(out, "compared\t{kind}\t{pools}\t{done}\t0\t{seed}\t{seconds}").expect("standard error is open");
    }
}
