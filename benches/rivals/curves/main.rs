//! Quotes of an exact input from Curve's pools, beside `curve-math`, and from weighted pools of Balancer, beside `balancer-maths-rust`.
//!
//! `cargo bench --manifest-path benches/rivals/Cargo.toml --bench curves` prints the figures; `cargo test` with the same manifest
//! runs a few of each; quoted names of pools after `--` choose among them. Everybody answers every amount of a workload, and all answers must be equal to the unit, before and
//! while they are measured. Ours quotes with what the market makes when a pool's state has moved: of StableSwap pools
//! the invariant, of CryptoSwap pools reciprocals and scaled balances; without it, as a caller who keeps nothing, is a row of its own, and what the peers always do. Estimates, by which
//! search ranks, stand against the peer's exact quotes: it has no others.
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

use anyhow::{Result, bail, ensure};

use crate::pools::{Estimate, Quote, Workload, workloads};
use crate::stats::{Ratio, Samples, ratio};

/// Times that each amount goes through for one sample.
const LAPS: usize = 4;
/// Least ratio of the peer's time to ours: SPEED, exact quotes.
const GATE: f64 = 3.0;
/// The same of an estimate against the peer's exact quote, which is what it has.
const GATE_ESTIMATE: f64 = 20.0;
/// What an estimate may be off for a hundredth of the pool: it agrees in slope and curvature where nothing is sold.
const ESTIMATE_ERROR_MAX: f64 = 0.01;

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

/// The same of an estimate, of which nothing is compared while it is measured.
fn sample_estimate(estimate: &Estimate, workload: &Workload, amounts: &[f64]) -> Duration {
    let started = Instant::now();
    for _ in 0..LAPS {
        for (amount, float) in workload.amounts.iter().zip(amounts) {
            black_box(estimate(black_box(*amount), black_box(*float)));
        }
    }
    started.elapsed()
}

/// Worst relative error of ours.
fn estimate_error(workload: &Workload, amounts: &[f64]) -> f64 {
    let ours = workload.estimates.iter().take(2);
    let errors = ours.flat_map(|(_, estimate)| {
        let all = workload.amounts.iter().zip(amounts).zip(&workload.answers);
        all.map(|((amount, float), answer)| (estimate(*amount, *float) / f64::from(*answer) - 1.0).abs())
    });
    errors.fold(0.0, f64::max)
}

/// Estimates in turn, forth and back.
fn compete_estimates(workload: &Workload, rounds: usize, samples_each: usize) -> Result<(f64, Vec<Samples>)> {
    let amounts: Vec<f64> = workload.amounts.iter().map(|amount| f64::from(*amount)).collect();
    let error = estimate_error(workload, &amounts);
    ensure!(error < ESTIMATE_ERROR_MAX, "{}: an estimate is off by {error}", workload.name);
    let all = in_turn(workload.estimates.len(), rounds, samples_each, |at| {
        Ok(sample_estimate(&workload.estimates[at].1, workload, &amounts))
    })?;
    Ok((error, all))
}

fn report_estimates(workload: &Workload, (error, all): &(f64, Vec<Samples>)) {
    let quotes = (workload.amounts.len() * LAPS) as f64;
    let Some((peer, ours)) = all.split_last() else { return };
    for ((name, _), samples) in workload.estimates.iter().zip(ours) {
        let summary = samples.summary();
        let [p50, p99] = [summary.p50, summary.p99].map(|nanos| nanos as f64 / quotes);
        let Ratio { value, interval: [low, high] } = ratio(samples, peer);
        let is_met = if low >= GATE_ESTIMATE { "met" } else { "MISSED" };
        let is_quick = if p50 <= workload.estimate_max_ns { "met" } else { "missed" };
        println!(
            "{:<24}{name:<26}{p50:>10.1}{p99:>10.1}   peer / it: {value:.2} (95 % interval {low:.2} to {high:.2}), gate {GATE_ESTIMATE}: {is_met}; goal {} ns: {is_quick}; off by {error:.1e} at most",
            workload.name, workload.estimate_max_ns
        );
    }
}

/// Everybody in turn, forth and back; ours first.
fn compete(workload: &Workload, rounds: usize, samples_each: usize) -> Result<Vec<Samples>> {
    in_turn(workload.contenders.len(), rounds, samples_each, |at| sample(&workload.contenders[at].1, workload))
}

fn in_turn(
    count: usize,
    rounds: usize,
    samples_each: usize,
    mut sample: impl FnMut(usize) -> Result<Duration>,
) -> Result<Vec<Samples>> {
    let mut all: Vec<Samples> = (0..count).map(|_| Samples::default()).collect();
    for round in 0..=rounds {
        for at in (0..all.len()).chain((0..all.len()).rev()) {
            for _ in 0..samples_each {
                let elapsed = sample(at)?;
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

/// The workloads that the command line names, or all.
fn asked_for(mut workloads: Vec<Workload>) -> Result<Vec<Workload>> {
    let names: Vec<String> = std::env::args().skip(1).filter(|word| !word.starts_with('-')).collect();
    if let Some(unknown) = names.iter().find(|name| workloads.iter().all(|workload| workload.name != **name)) {
        let known: Vec<&str> = workloads.iter().map(|workload| workload.name.as_str()).collect();
        bail!("there are no pools called `{unknown}`, but: {}", known.join(", "));
    }
    workloads.retain(|workload| names.is_empty() || names.contains(&workload.name));
    Ok(workloads)
}

fn main() -> Result<()> {
    if std::env::args().any(|argument| argument == "--list") {
        return Ok(());
    }
    let workloads = asked_for(workloads()?)?;
    if !std::env::args().any(|argument| argument == "--bench") {
        return workloads.iter().try_for_each(|workload| {
            compete(workload, 1, 1)?;
            compete_estimates(workload, 1, 1).map(drop)
        });
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
    println!("\nestimates: slope and curvature of one way through a pool, and an output by them\n");
    for workload in &workloads {
        report_estimates(workload, &compete_estimates(workload, 20, 10)?);
    }
    println!("\n{}", machine::Disturbance::now().since(before));
    Ok(())
}
