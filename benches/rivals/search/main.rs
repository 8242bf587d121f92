//! What it takes to know, after an update of a pool, which closed routes earn more than their gas.
//!
//! `cargo bench --manifest-path benches/rivals/Cargo.toml --bench search` prints, for markets of 1,000 to 100,000 pools, how long the cyclic
//! strategy takes once a block with one changed pool is whole; beside it the same strategy over an index of all routes where that holds
//! them all, and petgraph's search for a negative cycle, which finds one if there is any. Both strategies' reports are compared after
//! every update. `cargo test` with the same manifest runs a few.
#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

#[path = "../../tick_to_trade/machine.rs"]
mod machine;
mod messages;
mod ours;
#[path = "../../relay_path/pinned.rs"]
mod pinned;
#[path = "../../tick_to_trade/random.rs"]
mod random;
#[path = "../../tick_to_trade/stats.rs"]
mod stats;
mod world;

use std::time::{Duration, Instant};

use alphapulse_strategies::MarketEvent;
use anyhow::{Result, ensure};
use petgraph::algo::find_negative_cycle;
use petgraph::graph::{DiGraph, NodeIndex};

use crate::ours::{Contender, Ours};
use crate::random::Random;
use crate::stats::{Samples, ratio};
use crate::world::{World, moved};

/// Pools whose price an update moves.
#[derive(Debug, Clone, Copy)]
struct Shock {
    name: &'static str,
    /// Parts in ten thousand.
    part: f64,
    is_deep: bool,
}

const SHOCKS: [Shock; 6] = [
    Shock { name: "5 bp, 200 deepest", part: 5.0, is_deep: true },
    Shock { name: "20 bp, 200 deepest", part: 20.0, is_deep: true },
    Shock { name: "50 bp, 200 deepest", part: 50.0, is_deep: true },
    Shock { name: "5 bp, any", part: 5.0, is_deep: false },
    Shock { name: "20 bp, any", part: 20.0, is_deep: false },
    Shock { name: "50 bp, any", part: 50.0, is_deep: false },
];

/// A market, the strategy, and perhaps the one that has all routes listed.
struct Ring {
    world: World,
    ours: Ours,
    bounded: Contender,
    indexed: Option<Contender>,
}

impl Ring {
    fn new(pools: usize, hops_max: u8, is_indexed: bool) -> Result<(Self, Duration)> {
        let world = World::new(7, pools);
        let ours = Ours::new(&world)?;
        let mut bounded = Contender::new(hops_max, false)?;
        let first = bounded.look(&ours.market, &MarketEvent::SnapshotReady);
        let mut indexed = if is_indexed { Some(Contender::new(hops_max, true)?) } else { None };
        if let Some(indexed) = &mut indexed {
            indexed.look(&ours.market, &MarketEvent::SnapshotReady);
        }
        let indexed = indexed.filter(|indexed| alphapulse_strategies::Strategy::cuts(&indexed.strategy) == 0);
        Ok((Self { world, ours, bounded, indexed }, first))
    }

    /// An update and its taking back, both looked at; the first is a sample: of ours, of the index, and of what ours does when the next
    /// block begins.
    fn turn(&mut self, pool: usize, part: f64, samples: &mut [Samples; 3]) -> Result<bool> {
        let pair = self.world.pairs[pool];
        let mut is_found = false;
        for (reserves, is_sample) in [(moved(pair, part), true), (pair.reserves, false)] {
            let begun = self.ours.begin()?;
            let between = self.bounded.look(&self.ours.market, &begun);
            if !is_sample {
                samples[2].add(between);
            }
            let event = self.ours.update(pool, reserves)?;
            let took = self.bounded.look(&self.ours.market, &event);
            let found = self.bounded.found.as_slice();
            is_found |= !found.is_empty();
            if is_sample {
                samples[0].add(took);
            }
            if let Some(indexed) = &mut self.indexed {
                let took = indexed.look(&self.ours.market, &event);
                ensure!(indexed.found.as_slice() == found, "both find the same after pool {pool} moved by {part}");
                if is_sample {
                    samples[1].add(took);
                }
            }
        }
        Ok(is_found)
    }

    fn measure(&mut self, shock: &Shock, updates: usize) -> Result<([Samples; 3], usize)> {
        let deepest = self.world.deepest(200);
        let (mut samples, mut found) = (<[Samples; 3]>::default(), 0);
        let random = &mut Random::new(11);
        for at in 0..updates {
            let pool =
                if shock.is_deep { deepest[random.below(deepest.len())] } else { random.below(self.world.pairs.len()) };
            let part = shock.part / 1e4 * if random.below(2) == 0 { 1.0 } else { -1.0 };
            found += usize::from(self.turn(pool, part, &mut samples)?);
            if at % 50 == 49 {
                samples.iter_mut().for_each(Samples::end_block);
            }
        }
        samples.iter_mut().for_each(Samples::end_block);
        Ok((samples, found))
    }
}

fn print(pools: usize, hops_max: u8, updates: usize) -> Result<()> {
    let (mut ring, first) = Ring::new(pools, hops_max, pools <= 1_000)?;
    println!(
        "\n== {pools} pools, {} tokens, up to {hops_max} hops; nanoseconds; the first look at all took {first:?}\n",
        ring.world.token_count
    );
    println!("{:<28}{:>9}{:>9}{:>9}{:>11}{:>11}{:>8}", "", "samples", "p50", "p90", "p99", "max", "found");
    for shock in &SHOCKS {
        let ([bounded, indexed, between], found) = ring.measure(shock, updates)?;
        let summary = bounded.summary();
        println!(
            "{:<28}{:>9}{:>9}{:>9}{:>11}{:>11}{found:>8}",
            shock.name,
            summary.count,
            summary.p50,
            bounded.at(0.9),
            summary.p99,
            summary.max
        );
        let summary = between.summary();
        println!(
            "{:<28}{:>9}{:>9}{:>9}{:>11}{:>11}",
            "  when the next one begins",
            "",
            summary.p50,
            between.at(0.9),
            summary.p99,
            summary.max
        );
        if ring.indexed.is_some() {
            let ratio = ratio(&bounded, &indexed);
            println!(
                "{:<28}{:>9}{:>9}{:>9}{:>11}{:>11}  {:.1} times ours ({:.1} to {:.1})",
                "  index of all routes",
                "",
                indexed.summary().p50,
                indexed.at(0.9),
                indexed.summary().p99,
                indexed.summary().max,
                ratio.value,
                ratio.interval[0],
                ratio.interval[1]
            );
        }
    }
    Ok(())
}

/// Petgraph's search over the rates' logarithms, from the token that changed.
fn negative_cycle(world: &World, rounds: usize) -> (Duration, bool) {
    let mut graph = DiGraph::<(), f64>::new();
    let nodes: Vec<NodeIndex> = (0..world.token_count).map(|_| graph.add_node(())).collect();
    for pair in &world.pairs {
        let kept = 1.0 - f64::from(pair.fee_ppm) / 1e6;
        let rate = pair.reserves[1] as f64 / pair.reserves[0] as f64;
        let [a, b] = pair.tokens.map(|token| nodes[token]);
        graph.add_edge(a, b, -(rate * kept).ln());
        graph.add_edge(b, a, -(kept / rate).ln());
    }
    let mut is_any = false;
    let started = Instant::now();
    for _ in 0..rounds {
        is_any |= find_negative_cycle(&graph, nodes[0]).is_some();
    }
    (started.elapsed() / u32::try_from(rounds).expect("few"), is_any)
}

fn main() -> Result<()> {
    if std::env::args().any(|argument| argument == "--list") {
        return Ok(());
    }
    if !std::env::args().any(|argument| argument == "--bench") {
        let (mut ring, _) = Ring::new(300, 3, true)?;
        ensure!(ring.indexed.is_some(), "the index holds all routes");
        let found =
            SHOCKS.iter().map(|shock| ring.measure(shock, 20).map(|(_, found)| found)).sum::<Result<usize>>()?;
        ensure!(found > 0, "nothing was found");
        return Ok(());
    }
    pinned::hold(0);
    println!("search: the cyclic strategy after a block with one changed pool\n");
    for (name, value) in machine::describe() {
        println!("{name:<18}{value}");
    }
    let before = machine::Disturbance::now();
    for pools in [1_000, 10_000, 100_000] {
        print(pools, 4, 2_000)?;
    }
    print(1_000, 3, 2_000)?;
    let world = World::new(7, 5_000);
    let (took, is_any) = negative_cycle(&world, 3);
    println!("\npetgraph find_negative_cycle, 1,000 tokens, 5,000 pools: {took:?}; found one: {is_any}");
    println!("\nsamples dropped: none; over the whole run: {}", machine::Disturbance::now().since(before));
    Ok(())
}
