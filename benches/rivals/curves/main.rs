//! Quotes of an exact input from Curve's pools, beside `curve-math`.
//!
//! `cargo bench --manifest-path benches/rivals/Cargo.toml --bench curves` prints the figures; `cargo test` with the same manifest
//! runs a few of each. Everybody answers every amount of a workload, and all answers must be equal to the unit, before and
//! while they are measured. Ours quotes StableSwap pools with the invariant solved when the state moved, as the market
//! does; without it, as a caller who keeps nothing, is a row of its own, and what `curve-math` always does.
#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

mod pools;

#[path = "../../tick_to_trade/machine.rs"]
mod machine;
#[path = "../../relay_path/pinned.rs"]
#[allow(dead_code, reason = "one thread, which stays where it is")]
mod pinned;
#[path = "../../tick_to_trade/random.rs"]
#[allow(dead_code, reason = "only some of it is drawn here")]
mod random;
#[path = "../../tick_to_trade/stats.rs"]
#[allow(dead_code, reason = "only medians and p99 are printed")]
mod stats;

use std::hint::black_box;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};

use crate::pools::{Quote, Workload, workloads};
use crate::stats::{Ratio, Samples, ratio};

/// Times that each amount goes through for one sample.
const LAPS: usize = 4;
/// Least ratio of the peer's time to ours: SPEED, exact quotes.
const GATE: f64 = 3.0;

/// One sample: every amount some times, each answer compared.
fn sample(quote: &Quote, workload: &Workload) -> Result<Duration> {
    let started = Instant::now();
    for _ in 0..LAPS {
        for (amount, answer) in workload.amounts.iter().zip(&workload.answers) {
            ensure!(quote(black_box(*amount)) == Some(*answer), "another answer for {amount}");
        }
    }
    Ok(started.elapsed())
}

/// Everybody in turn, forth and back; ours first.
fn compete(workload: &Workload, rounds: usize, samples_each: usize) -> Result<Vec<Samples>> {
    let mut all: Vec<Samples> = workload.contenders.iter().map(|_| Samples::default()).collect();
    for round in 0..=rounds {
        for at in (0..all.len()).chain((0..all.len()).rev()) {
            for _ in 0..samples_each {
                let elapsed = sample(&workload.contenders[at].1, workload)?;
                // The first round warms up.
                if round > 0 {
                    all[at].add(elapsed);
                }
            }
            all[at].end_block();
        }
    }
    Ok(all)
}

fn report(workload: &Workload, all: &[Samples]) {
    let quotes = (workload.amounts.len() * LAPS) as f64;
    for (at, ((name, _), samples)) in workload.contenders.iter().zip(all).enumerate() {
        let summary = samples.summary();
        let [p50, p99] = [summary.p50, summary.p99].map(|nanos| nanos as f64 / quotes);
        print!("{:<24}{name:<26}{p50:>10.1}{p99:>10.1}", workload.name);
        if at > 0 {
            let Ratio { value, interval: [low, high] } = ratio(&all[0], samples);
            print!("   {value:.2} (95 % interval {low:.2} to {high:.2})");
            if !name.starts_with("ours") {
                print!(", gate {GATE}: {}", if low >= GATE { "met" } else { "MISSED" });
            }
        }
        println!();
    }
}

fn main() -> Result<()> {
    if std::env::args().any(|argument| argument == "--list") {
        return Ok(());
    }
    let workloads = workloads()?;
    if !std::env::args().any(|argument| argument == "--bench") {
        return workloads.iter().try_for_each(|workload| compete(workload, 1, 1).map(drop));
    }
    let described = machine::describe();
    pinned::hold(0);
    println!("curves: one exact quote; hot; nanoseconds for each\n");
    for (name, value) in described {
        println!("{name:<18}{value}");
    }
    println!("\n{:<24}{:<26}{:>10}{:>10}   time / ours", "", "", "p50", "p99");
    let before = machine::Disturbance::now();
    for workload in &workloads {
        report(workload, &compete(workload, 20, 10)?);
    }
    println!("\n{}", machine::Disturbance::now().since(before));
    Ok(())
}
