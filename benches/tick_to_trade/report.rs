//! The measurement and what is printed of it.
#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

use std::time::Duration;

use anyhow::Result;

use crate::contest::{Contender, Contest, SHOCKS};
use crate::machine::{self, Disturbance};
use crate::rival::Form;
use crate::stages::STAGES;
use crate::stats::{Ratio, Samples, Summary, ratio};
use crate::{floors, rival};

/// Turns of the passes that look inside.
const INSIDE: usize = 32 * SHOCKS;

/// Prints what was measured on, once.
pub(crate) fn print_machine() {
    println!("tick_to_trade: frame bytes in, signed EIP-1559 transaction out; hot; times in microseconds\n");
    for (name, value) in machine::describe() {
        println!("{name:<18}{value}");
    }
}

/// Measures one workload and prints it. In each of `rounds` every contender has two blocks of [`SHOCKS`] turns.
pub(crate) fn print(name: &str, rounds: usize, contest: &mut Contest) -> Result<()> {
    println!("\n== {name}: {SHOCKS} shocks in turn, chosen from {}\n", contest.candidates());
    let before = Disturbance::now();
    let samples = compete(rounds, contest)?;
    let disturbance = Disturbance::now().since(before);
    println!("{:<44}{:>8}{:>10}{:>10}{:>10}{:>10}", "", "samples", "p50", "p99", "p99.9", "max");
    for (contender, samples) in Contender::ALL.iter().zip(&samples) {
        row(contender.name(), &samples.summary());
    }
    println!("\nsamples dropped: none; while measuring: {disturbance}");
    for (index, contender) in Contender::ALL.iter().enumerate().skip(1) {
        let Ratio { value, interval: [low, high] } = ratio(&samples[0], &samples[index]);
        println!("{} / ours: {value:.2} (95 % interval {low:.2} to {high:.2})", contender.name());
    }
    print_inside(contest)
}

/// Contenders in turn, forth and back, so that a drift of the machine meets all of them.
fn compete(rounds: usize, contest: &mut Contest) -> Result<[Samples; 4]> {
    let mut samples: [Samples; 4] = Default::default();
    let there = 0..Contender::ALL.len();
    let order: Vec<usize> = there.clone().chain(there.rev()).collect();
    // The first round warms caches, branch predictors and the runtime.
    for round in 0..=rounds {
        for index in &order {
            for at in 0..SHOCKS {
                let elapsed = contest.run(Contender::ALL[*index], at)?;
                if round > 0 {
                    samples[*index].add(elapsed);
                }
            }
            samples[*index].end_block();
        }
    }
    Ok(samples)
}

fn print_inside(contest: &mut Contest) -> Result<()> {
    let (mut stages, mut total): ([Samples; STAGES.len()], _) = (Default::default(), Samples::default());
    let mut example = None;
    for at in 0..INSIDE {
        let (stamps, signed) = contest.run_in_stages(at)?;
        for (samples, duration) in stages.iter_mut().zip(stamps.durations()) {
            samples.add(duration);
        }
        total.add(stamps.total());
        example = Some(signed);
    }
    println!("\nour stages, in a pass of their own (each stamp reads the clock)");
    for (name, samples) in STAGES.iter().zip(&mut stages) {
        print_samples(name, samples);
    }
    print_samples("total", &mut total);

    let (mut searched, mut executed, mut sized) = (Samples::default(), Samples::default(), 0);
    for at in 0..INSIDE {
        let rival::Taken { elapsed, until_searched, found, .. } = contest.run_rival(Form::Parsed, at)?;
        searched.add(until_searched);
        executed.add(elapsed - until_searched);
        sized += found.sized;
    }
    println!("\nthe rival's halves, {:.1} routes sized per block", sized as f64 / INSIDE as f64);
    print_samples("hand-over, decode, apply, search, size", &mut searched);
    print_samples("hand-over, calldata, sign", &mut executed);

    println!("\nfloors");
    for (name, summary) in floors::measure(&example.expect("there was a pass").raw)? {
        row(&name, &summary);
    }
    Ok(())
}

fn print_samples(name: &str, samples: &mut Samples) {
    samples.end_block();
    row(name, &samples.summary());
}

fn row(name: &str, summary: &Summary) {
    let Summary { count, p50, p99, p999, max } = *summary;
    let [p50, p99, p999, max] = [p50, p99, p999, max].map(micros);
    println!("{name:<44}{count:>8}{p50:>10}{p99:>10}{p999:>10}{max:>10}");
}

fn micros(nanos: u64) -> String {
    format!("{:.2}", Duration::from_nanos(nanos).as_secs_f64() * 1e6)
}
