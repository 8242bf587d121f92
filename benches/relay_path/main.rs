//! The relay's path, in one process over a unix socket that is real: a source made for this bench, the relay on a runtime, and
//! subscribers that each have a thread.
//!
//! `cargo bench --bench relay_path` prints what a message's way costs beside a raw socket's in the same run, how many messages
//! pass to one subscriber and to eight, what a subscriber that does not read costs the writer, and what hostile peers cost a
//! healthy one; behind `--`, `latency`, `flow`, `stall` or `attack` measures that part alone. `cargo test` runs a small version of
//! each and checks its answers, not its speed: every message in sequence, no gap but where one is due.

mod attack;
mod flow;
mod latency;
mod pinned;
mod report;
mod source;
mod stall;

#[path = "../tick_to_trade/machine.rs"]
mod machine;
#[path = "../tick_to_trade/random.rs"]
#[expect(dead_code, reason = "only what the statistics draw is drawn here")]
mod random;
#[path = "../tick_to_trade/stats.rs"]
mod stats;

use anyhow::Result;

use crate::machine::Disturbance;

/// Times the blocks of a turn under attack: a slowest percent needs more samples than a median for an interval as narrow.
const ATTACK_BLOCKS: usize = 4;

/// How much is measured.
#[derive(Debug, Clone, Copy)]
struct Scale {
    /// Rounds in which contenders take turns.
    rounds: usize,
    /// Blocks that each contender gets in a turn.
    latency_blocks: usize,
    /// Blocks that each contender of the throughput gets in a turn.
    flow_blocks: u64,
}

/// What can be measured alone, by name.
const PARTS: [&str; 4] = ["latency", "flow", "stall", "attack"];

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let is_given = |name: &str| arguments.iter().any(|argument| argument == name);
    if let [attacker, address] = arguments.as_slice()
        && attacker == attack::ATTACKER
    {
        return attack::attack(address);
    }
    if is_given("--list") {
        return Ok(());
    }
    if !is_given("--bench") {
        return check();
    }
    let is_wanted = |part: &str| is_given(part) || !PARTS.iter().any(|part| is_given(part));
    report::print_machine();
    let before = Disturbance::now();
    let scale = Scale { rounds: 20, latency_blocks: 250, flow_blocks: 2_000 };
    if is_wanted("latency") {
        report::print_latency(&latency::measure(scale.rounds, scale.latency_blocks)?);
    }
    if is_wanted("flow") {
        report::print_flow(&[
            flow::measure(scale.rounds, scale.flow_blocks, 1)?,
            flow::measure(scale.rounds, scale.flow_blocks, 8)?,
        ]);
    }
    if is_wanted("stall") {
        report::print_stall(&stall::measure(scale.rounds, scale.flow_blocks)?);
    }
    if is_wanted("attack") {
        report::print_attacked(&attack::measure(scale.rounds, scale.latency_blocks * ATTACK_BLOCKS)?);
    }
    report::print_disturbance(&Disturbance::now().since(before));
    Ok(())
}

/// The answers of every part, on a few blocks.
fn check() -> Result<()> {
    latency::measure(1, 8)?;
    flow::measure(1, 40, 1)?;
    flow::measure(1, 40, 3)?;
    stall::measure(1, 40)?;
    attack::measure(1, 8)?;
    Ok(())
}
