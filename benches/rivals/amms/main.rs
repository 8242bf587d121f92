//! What it takes to bring pools to their new state: ours beside `amms`, told of the same blocks by logs.
//!
//! `cargo bench --manifest-path benches/rivals/amms/Cargo.toml` prints the figures; `cargo test` with the same manifest runs a few
//! of each. The contest is that of `../state`, where it says how ours is told. `amms` takes part twice: its pool alone (found in its
//! map, `sync` of the log: no undo), beside our updates; and its `StateSpace::sync` of a block (which keeps each pool as it was, to go back), beside
//! our whole block, whose end derives what search reads besides. Nobody listens to its `tracing` events.
#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

mod by_amms;

#[path = "../state/by_us.rs"]
mod by_us;
#[path = "../state/contest.rs"]
mod contest;
#[path = "../state/floors.rs"]
#[allow(dead_code, reason = "the bench of all shapes prints the floors")]
mod floors;
#[path = "../state/logs.rs"]
mod logs;
#[path = "../../tick_to_trade/machine.rs"]
mod machine;
#[path = "../../relay_path/pinned.rs"]
#[allow(dead_code, reason = "one thread, which stays where it is")]
mod pinned;
#[path = "../../tick_to_trade/random.rs"]
#[allow(dead_code, reason = "only some of it is drawn here")]
mod random;
#[path = "../state/rival.rs"]
mod rival;
#[path = "../../tick_to_trade/stats.rs"]
#[allow(dead_code, reason = "not all that is counted is printed")]
mod stats;
#[path = "../state/world.rs"]
mod world;

use anyhow::Result;

use crate::by_amms::{Pools, Space};
use crate::contest::{print_all, try_all};
use crate::floors::Chase;
use crate::rival::Rival;
use crate::world::World;

fn rivals(world: &World) -> Vec<Box<dyn Rival>> {
    vec![Box::new(Pools::new(world)), Box::new(Space::new(world))]
}

fn main() -> Result<()> {
    if std::env::args().any(|argument| argument == "--list") {
        return Ok(());
    }
    if !std::env::args().any(|argument| argument == "--bench") {
        return try_all(rivals);
    }
    let described = machine::describe();
    pinned::hold(0);
    println!("state beside amms 0.7.4: one update of a pool; nanoseconds for each\n");
    for (name, value) in described {
        println!("{name:<18}{value}");
    }
    let before = machine::Disturbance::now();
    let mut chase = Chase::new();
    print_all(rivals, (20, 15), &mut chase)?;
    println!(
        "\na sample is a block of about {} updates; samples dropped: none; while measuring: {}",
        world::UPDATES,
        machine::Disturbance::now().since(before)
    );
    Ok(())
}
