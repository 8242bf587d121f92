//! What it takes to bring pools to their new state: ours beside pools kept in hash maps and told by logs.
//!
//! `cargo bench --manifest-path benches/rivals/Cargo.toml --bench state` prints the figures; `cargo test` with the same manifest
//! runs a few of each. Ours is [`Market::apply`] of a message as it came off the wire, its decoding and its note for undoing
//! included, but for the checksum of its frame, which the codec's bench has. A block's beginning and end stand in a row of
//! their own: undo, admission, and the rates that search reads. The others find the pool by its address and have it take the
//! log, which alloy decodes; they keep nothing for undoing and derive nothing. Everybody has to end with the same reserves,
//! prices, liquidity and ticks.
//!
//! Left out: `amms` 0.7.4. It builds GMP and MPFR from source by way of `rug`, which needs `m4` on the machine, and a TLS library
//! in C by way of its `alloy`. Its place is taken by a store of the same shape, written anew.
//!
//! "Cold" means that half a gigabyte was read before each block; its messages and logs are in the cache, as if they had just
//! come.
//!
//! [`Market::apply`]: alphapulse_strategies::Market::apply
#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

mod by_shape;
mod by_us;
mod floors;
mod metas;
mod rival;
mod world;

#[path = "../../tick_to_trade/machine.rs"]
mod machine;
#[path = "../../relay_path/pinned.rs"]
#[allow(dead_code, reason = "one thread, which stays where it is")]
mod pinned;
#[path = "../../tick_to_trade/random.rs"]
#[allow(dead_code, reason = "only some of it is drawn here")]
mod random;
#[path = "../../tick_to_trade/stats.rs"]
#[allow(dead_code, reason = "not all that is counted is printed")]
mod stats;

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
    rivals: Vec<(&'static str, Samples)>,
}

/// Rounds, and samples of each side in each of them.
#[derive(Clone, Copy)]
struct Effort {
    blocks: usize,
    rounds: usize,
    samples: usize,
}

fn per_update(time: Duration, updates: usize) -> Duration {
    let picos = time.as_nanos() * 1_000 / updates.max(1) as u128;
    Duration::from_nanos(u64::try_from(picos).expect("a block is short"))
}

impl Contest {
    fn new(pool_count: usize) -> Result<Self> {
        let world = World::new(pool_count);
        let ours = Ours::new(&world)?;
        let rivals: Vec<Box<dyn Rival>> = vec![Box::new(by_shape::Shape::new(&world))];
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
        let rivals = self.rivals.iter().map(|rival| (rival.name(), Samples::default()));
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
                        continue;
                    };
                    self.rivals[at].prepare();
                    let (updates, elapsed) = self.rivals[at].run()?;
                    keep(&mut measured.rivals[at].1, per_update(elapsed, updates));
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
        self.rivals.iter_mut().for_each(|(_, samples)| samples.end_block());
    }
}

fn line(name: &str, samples: &Samples) -> f64 {
    let summary = samples.summary();
    let [p50, p99, max] = [summary.p50, summary.p99, summary.max].map(|picos| picos as f64 / 1_000.0);
    println!("{name:<46}{:>8}{p50:>10.1}{p99:>10.1}{max:>11.1}", summary.count);
    p50
}

fn report(pools: usize, row: &Row, measured: &Measured) {
    let name = format!("{pools} pools, {}", row.name);
    let p50 = line(&format!("{name}: ours"), &measured.applied);
    line("    beginning and end of the block", &measured.closed);
    for (name, samples) in &measured.rivals {
        line(&format!("    {name}"), samples);
        let Ratio { value, interval: [low, high] } = ratio(&measured.applied, samples);
        let is_met = if low >= GATE_RATIO { "met" } else { "MISSED" };
        println!(
            "    {name} / ours: {value:.2} (95 % interval {low:.2} to {high:.2}); gate: at least {GATE_RATIO}: {is_met}"
        );
    }
    if row.spread == Spread::Few && matches!(row.mix, Mix::Sync | Mix::Swap) {
        let is_met = if p50 <= GATE_HOT_NS { "met" } else { "MISSED" };
        println!("    gate: at most {GATE_HOT_NS} ns: {is_met}");
    }
}

/// Blocks over a market of meta pools, per meta pool: in which nothing happens, and in which their base changes.
fn metas(count: u32, samples: usize) -> Result<[Samples; 2]> {
    let (mut ours, blocks) = metas::market(count)?;
    let mut all = [Samples::default(), Samples::default()];
    for (all, block) in all.iter_mut().zip(blocks) {
        ours.load_sent(vec![block]);
        for _ in 0..samples {
            ours.prepare();
            let Times { applied, closed, .. } = ours.run()?;
            all.add(per_update(applied + closed, count as usize));
        }
        all.end_block();
    }
    Ok(all)
}

fn print_floors(chase: &mut Chase) {
    let time = |name: &str, step: &mut dyn FnMut() -> Duration| {
        let mut samples = Samples::default();
        for _ in 0..2_000 {
            samples.add(step() * 1_000);
        }
        samples.end_block();
        line(name, &samples);
    };
    time("floor: one look into memory, nothing cached", &mut || chase.step());
    time("floor: two readings of the clock", &mut floors::clock);
}

fn main() -> Result<()> {
    if std::env::args().any(|argument| argument == "--list") {
        return Ok(());
    }
    if !std::env::args().any(|argument| argument == "--bench") {
        let mut contest = Contest::new(1_000)?;
        let effort = Effort { blocks: 3, rounds: 1, samples: 1 };
        for row in HOT.iter().chain(&SPREAD).chain(&COLD) {
            contest.compete(row, effort, None)?;
        }
        return metas(3, 1).map(|_| ());
    }
    let described = machine::describe();
    pinned::hold(0);
    println!("state: one update of a pool; nanoseconds for each\n");
    for (name, value) in described {
        println!("{name:<18}{value}");
    }
    println!("\n{:<46}{:>8}{:>10}{:>10}{:>11}", "", "samples", "p50", "p99", "max");
    let before = machine::Disturbance::now();
    let mut chase = Chase::new();
    for pools in [1_000, 10_000, 100_000] {
        let mut contest = Contest::new(pools)?;
        for row in HOT.iter().chain(&SPREAD) {
            let measured = contest.compete(row, Effort { blocks: 100, rounds: 40, samples: 25 }, None)?;
            report(pools, row, &measured);
        }
        if pools == 100_000 {
            for row in &COLD {
                let measured = contest.compete(row, Effort { blocks: 20, rounds: 10, samples: 4 }, Some(&mut chase))?;
                report(pools, row, &measured);
            }
        }
    }
    let [idle, changed] = metas(500, 400)?;
    line("a meta pool, in a block without changes", &idle);
    line("a meta pool, in a block that changes its base", &changed);
    print_floors(&mut chase);
    println!(
        "\na sample is a block of about {} updates; samples dropped: none; while measuring: {}",
        world::UPDATES,
        machine::Disturbance::now().since(before)
    );
    Ok(())
}
