//! Tick to trade: from the bytes of a block's frames to the bytes of a signed transaction, hot, against a bot composed the
//! way public searcher bots are (see [`rival`]), in one process.
//!
//! `cargo bench --bench tick_to_trade` prints percentiles, ratios, stages and floors, then criterion's figures of the same;
//! `cargo test` runs every check once. Both sides get the same pools and the same blocks and are held to the same answer
//! on each of them: a valid transaction of the same account over the same route, ours at a profit that is not below the
//! rival's by more than one part in 10^12.

mod account;
mod contest;
mod feed;
mod floors;
mod machine;
mod market;
mod ours;
mod random;
mod report;
mod rival;
mod stages;
mod stats;

use std::time::Duration;

use anyhow::Result;
use criterion::Criterion;

use crate::contest::{Contender, Contest};
use crate::market::World;

/// A market with its shape of blocks.
struct Workload {
    name: &'static str,
    world: World,
    /// Pools that change in a block.
    touched: usize,
    /// How many of the deepest pools take a shock in turn.
    deepest: usize,
    /// Rounds of measurement.
    rounds: usize,
}

fn workloads() -> [Workload; 2] {
    [
        Workload { name: "12_pools_3_touched", world: World::small(), touched: 3, deepest: 12, rounds: 80 },
        Workload { name: "1000_pools_20_touched", world: World::hubs(), touched: 20, deepest: 200, rounds: 40 },
    ]
}

/// What the command line asks for. Criterion knows fewer options than a test may be given, so it is asked only when cargo
/// runs a bench.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    List,
    Check,
    /// `cargo bench` with a filter or an option of criterion's.
    Criterion,
    /// Plain `cargo bench`.
    Report,
}

impl Mode {
    fn from_args() -> Self {
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let is_given = |name: &str| arguments.iter().any(|argument| argument == name);
        if is_given("--list") {
            Self::List
        } else if !is_given("--bench") {
            Self::Check
        } else if arguments.len() > 1 {
            Self::Criterion
        } else {
            Self::Report
        }
    }
}

fn main() -> Result<()> {
    let mode = Mode::from_args();
    if mode == Mode::List {
        return Ok(());
    }
    if mode == Mode::Report {
        report::print_machine();
    }
    for workload in workloads() {
        let mut contest = Contest::new(&workload.world, workload.touched, workload.deepest)?;
        contest.check()?;
        if mode == Mode::Report {
            report::print(workload.name, workload.rounds, &mut contest)?;
        }
        if mode != Mode::Check {
            bench(workload.name, &mut contest);
        }
    }
    Ok(())
}

/// Criterion's figures of the same paths.
fn bench(name: &str, contest: &mut Contest) {
    let mut criterion = Criterion::default()
        .warm_up_time(Duration::from_millis(500))
        .measurement_time(Duration::from_secs(2))
        .sample_size(20)
        .configure_from_args();
    let mut group = criterion.benchmark_group(format!("tick_to_trade/{name}"));
    for contender in Contender::ALL {
        let mut at = 0;
        group.bench_function(contender.name(), |bencher| {
            bencher.iter_custom(|rounds| {
                let mut elapsed = Duration::ZERO;
                for _ in 0..rounds {
                    elapsed += contest.run(contender, at).expect("every block was checked");
                    at += 1;
                }
                elapsed
            });
        });
    }
    group.finish();
    criterion.final_summary();
}
