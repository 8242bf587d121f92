//! Everybody told of the same blocks in turn, what it took them, and whether they came to the same state.

use std::time::Duration;

use anyhow::Result;

use crate::by_us::{Ours, Times};
use crate::floors::Chase;
use crate::rival::Rival;
use crate::stats::{Ratio, Samples, ratio};
use crate::world::{Mix, Spread, World};

/// Least ratio of the rival's time to ours.
const GATE_RATIO: f64 = 10.0;
/// Most nanoseconds of an update of ours that is hot.
const GATE_HOT_NS: f64 = 40.0;

/// A way of going through a market.
struct Row {
    name: &'static str,
    mix: Mix,
    spread: Spread,
    is_cold: bool,
}

const fn row(name: &'static str, mix: Mix, spread: Spread) -> Row {
    Row { name, mix, spread, is_cold: false }
}

const HOT: [Row; 4] = [
    row("hot, Sync", Mix::Sync, Spread::Few),
    row("hot, Swap", Mix::Swap, Spread::Few),
    row("hot, Mint and Burn", Mix::Liquidity, Spread::Few),
    row("hot, mixed", Mix::All, Spread::Few),
];
const SPREAD: [Row; 2] = [row("Zipf, mixed", Mix::All, Spread::Zipf), row("uniform, mixed", Mix::All, Spread::Uniform)];
const COLD: [Row; 3] = [
    Row { name: "cold, Sync", mix: Mix::Sync, spread: Spread::Uniform, is_cold: true },
    Row { name: "cold, Swap", mix: Mix::Swap, spread: Spread::Uniform, is_cold: true },
    Row { name: "cold, mixed", mix: Mix::All, spread: Spread::Uniform, is_cold: true },
];

/// A market in everybody's form.
struct Contest {
    world: World,
    ours: Ours,
    rivals: Vec<Box<dyn Rival>>,
}

/// Times per update, in picoseconds.
#[derive(Default)]
struct Measured {
    applied: Samples,
    closed: Samples,
    /// Both.
    whole: Samples,
    rivals: Vec<RivalTimes>,
}

struct RivalTimes {
    name: &'static str,
    /// Whether the like of it is our whole block.
    is_whole: bool,
    samples: Samples,
}

/// Rounds, and samples of each side in each of them.
#[derive(Clone, Copy)]
struct Effort {
    blocks: usize,
    rounds: usize,
    samples: usize,
}

pub(crate) fn per_update(time: Duration, updates: usize) -> Duration {
    let picos = time.as_nanos() * 1_000 / updates.max(1) as u128;
    Duration::from_nanos(u64::try_from(picos).expect("a block is short"))
}

impl Contest {
    fn new(pool_count: usize, rivals: fn(&World) -> Vec<Box<dyn Rival>>) -> Result<Self> {
        let world = World::new(pool_count);
        let (ours, rivals) = (Ours::new(&world)?, rivals(&world));
        Ok(Self { world, ours, rivals })
    }

    /// Everybody in turn, forth and back; then everybody's state.
    fn compete(&mut self, row: &Row, effort: Effort, chase: Option<&mut Chase>) -> Result<Measured> {
        let blocks = self.world.blocks(row.mix, row.spread, effort.blocks);
        self.ours.load(&blocks);
        self.rivals.iter_mut().for_each(|rival| rival.load(&blocks));
        let mut chase = chase.filter(|_| row.is_cold);
        let mut evict = || {
            if let Some(chase) = &mut chase {
                chase.evict();
            }
        };
        let rivals = self.rivals.iter().map(|rival| RivalTimes {
            name: rival.name(),
            is_whole: rival.is_whole_block(),
            samples: Samples::default(),
        });
        let mut measured = Measured { rivals: rivals.collect(), ..Measured::default() };
        // The first round warms up.
        for is_kept in core::iter::once(false).chain(core::iter::repeat_n(true, effort.rounds)) {
            let keep = |samples: &mut Samples, time| {
                if is_kept {
                    samples.add(time);
                }
            };
            let count = self.rivals.len() + 1;
            for at in (0..count).chain((0..count).rev()) {
                for _ in 0..effort.samples {
                    evict();
                    let Some(at) = at.checked_sub(1) else {
                        self.ours.prepare();
                        let Times { updates, applied, closed } = self.ours.run()?;
                        keep(&mut measured.applied, per_update(applied, updates));
                        keep(&mut measured.closed, per_update(closed, updates));
                        keep(&mut measured.whole, per_update(applied + closed, updates));
                        continue;
                    };
                    self.rivals[at].prepare();
                    let (updates, elapsed) = self.rivals[at].run()?;
                    keep(&mut measured.rivals[at].samples, per_update(elapsed, updates));
                }
            }
            measured.end_block();
        }
        self.check()?;
        Ok(measured)
    }

    /// Everybody goes on to the end of the last block, and must have come to the same state.
    fn check(&mut self) -> Result<()> {
        self.ours.finish()?;
        self.ours.check(&self.world)?;
        for rival in &mut self.rivals {
            while !rival.is_at_end() {
                rival.prepare();
                rival.run()?;
            }
            rival.check(&self.world)?;
        }
        Ok(())
    }
}

impl Measured {
    fn end_block(&mut self) {
        self.applied.end_block();
        self.closed.end_block();
        self.whole.end_block();
        self.rivals.iter_mut().for_each(|rival| rival.samples.end_block());
    }
}

pub(crate) fn line(name: &str, samples: &Samples) -> f64 {
    let summary = samples.summary();
    let [p50, p99, max] = [summary.p50, summary.p99, summary.max].map(|picos| picos as f64 / 1_000.0);
    println!("{name:<46}{:>8}{p50:>10.1}{p99:>10.1}{max:>11.1}", summary.count);
    p50
}

fn report(pools: usize, row: &Row, measured: &Measured) {
    let name = format!("{pools} pools, {}", row.name);
    let p50 = line(&format!("{name}: ours"), &measured.applied);
    line("    beginning and end of the block", &measured.closed);
    for RivalTimes { name, is_whole, samples } in &measured.rivals {
        line(&format!("    {name}"), samples);
        // A whole block's like is our updates too: they can be taken back, and what the end derives is nobody else's.
        let with_ends = Some((&measured.whole, " with the block's beginning and end")).filter(|_| *is_whole);
        for (ours, what) in core::iter::once((&measured.applied, "")).chain(with_ends) {
            let Ratio { value, interval: [low, high] } = ratio(ours, samples);
            let is_met = if low >= GATE_RATIO { "met" } else { "MISSED" };
            println!(
                "    {name} / ours{what}: {value:.2} (95 % interval {low:.2} to {high:.2}); gate: at least {GATE_RATIO}: {is_met}"
            );
        }
    }
    if row.spread == Spread::Few && matches!(row.mix, Mix::Sync | Mix::Swap) {
        let is_met = if p50 <= GATE_HOT_NS { "met" } else { "MISSED" };
        println!("    gate: at most {GATE_HOT_NS} ns: {is_met}");
    }
}

/// Everybody once, in every way, so that the answers are compared.
pub(crate) fn try_all(rivals: fn(&World) -> Vec<Box<dyn Rival>>) -> Result<()> {
    let mut contest = Contest::new(1_000, rivals)?;
    let effort = Effort { blocks: 3, rounds: 1, samples: 1 };
    HOT.iter().chain(&SPREAD).chain(&COLD).try_for_each(|row| contest.compete(row, effort, None).map(drop))
}

/// Measures and prints all rows, over markets of three sizes.
pub(crate) fn print_all(
    rivals: fn(&World) -> Vec<Box<dyn Rival>>,
    (rounds, samples): (usize, usize),
    chase: &mut Chase,
) -> Result<()> {
    println!("\n{:<46}{:>8}{:>10}{:>10}{:>11}", "", "samples", "p50", "p99", "max");
    for pools in [1_000, 10_000, 100_000] {
        let mut contest = Contest::new(pools, rivals)?;
        for row in HOT.iter().chain(&SPREAD) {
            let measured = contest.compete(row, Effort { blocks: 100, rounds, samples }, None)?;
            report(pools, row, &measured);
        }
        let cold = COLD.iter().filter(|_| pools == 100_000);
        for row in cold {
            let measured = contest.compete(row, Effort { blocks: 20, rounds: 10, samples: 4 }, Some(chase))?;
            report(pools, row, &measured);
        }
    }
    Ok(())
}
