//! What it takes to bring pools to their new state: ours beside pools kept in hash maps and told by logs.
//!
//! `cargo bench --manifest-path benches/rivals/Cargo.toml --bench state` prints the figures; `cargo test` with the same manifest
//! runs a few of each. Ours is [`Market::apply`] of a message as it came off the wire, its decoding and its note for undoing
//! included, but for the checksum of its frame, which the codec's bench has. A block's beginning and end stand in a row of
//! their own: undo, admission, and the rates that search reads. The others find the pool by its address and have it take the
//! log, which alloy decodes; they keep nothing for undoing and derive nothing. Everybody has to end with the same reserves,
//! prices, liquidity and ticks.
//!
//! `amms` 0.7.4 itself competes in `../amms`: it builds GMP and MPFR from source by way of `rug`, which needs `m4` on the machine,
//! and a TLS library in C by way of its `alloy`. Here its place is taken by a store of the same shape, written anew, that keeps
//! nothing for undoing.
//!
//! "Cold" means that half a gigabyte was read before each block; its messages and logs are in the cache, as if they had just
//! come.
//!
//! [`Market::apply`]: alphapulse_strategies::Market::apply
#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

mod by_shape;
mod by_us;
mod contest;
mod floors;
mod logs;
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

use crate::by_us::Times;
use crate::contest::{line, per_update, print_all, try_all};
use crate::floors::Chase;
use crate::rival::Rival;
use crate::stats::Samples;
use crate::world::World;

fn rivals(world: &World) -> Vec<Box<dyn Rival>> {
    vec![Box::new(by_shape::Shape::new(world))]
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
        try_all(rivals)?;
        return metas(3, 1).map(|_| ());
    }
    let described = machine::describe();
    pinned::hold(0);
    println!("state: one update of a pool; nanoseconds for each\n");
    for (name, value) in described {
        println!("{name:<18}{value}");
    }
    let before = machine::Disturbance::now();
    let mut chase = Chase::new();
    print_all(rivals, (40, 25), &mut chase)?;
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
