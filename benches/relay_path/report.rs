//! What is printed.
#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

use std::time::Duration;

use crate::attack::Attacked;
use crate::flow::{Flow, UPDATES};
use crate::latency::Latency;
use crate::machine;
use crate::stall::Stall;
use crate::stats::{Ratio, Samples, Summary, ratio, ratio_at_p99};

/// Times a raw socket that ours may take.
const SOCKET_RATIO_MAX: f64 = 1.3;
/// Messages in a second through one subscriber, and to each of eight.
const MESSAGES_MIN: [(usize, f64); 2] = [(1, 2e6), (8, 1e6)];
/// Part by which a stalled subscriber may move the writer's cost before the cost counts as dependent on it.
const STALL_RATIO_MAX: f64 = 1.05;

/// Times that an attack may make of the healthy's slowest percent.
const ATTACK_RATIO_MAX: f64 = 1.1;

pub(crate) fn print_machine() {
    println!("relay_path: a relay, its unix socket and its subscribers in one process\n");
    for (name, value) in machine::describe() {
        println!("{name:<18}{value}");
    }
}

fn verdict(is_met: bool) -> &'static str {
    if is_met { "met" } else { "MISSED" }
}

/// Whether a ratio keeps within its gate, by its interval: one that crosses the gate shows neither.
fn verdict_at_most(most: f64, [low, high]: [f64; 2]) -> &'static str {
    if high <= most {
        "met"
    } else if low > most {
        "MISSED"
    } else {
        "undecided, the interval crosses it"
    }
}

pub(crate) fn print_latency(latency: &Latency) {
    println!("\n== one way of a block of {} bytes in one write, reader asleep; microseconds\n", latency.bytes);
    println!("{:<52}{:>8}{:>9}{:>9}{:>9}{:>9}", "", "samples", "p50", "p99", "p99.9", "max");
    row("floor: raw unix socket, blocking read", &latency.raw);
    row("relay's bytes through our client", &latency.feed);
    row("the same, with a waker for other inputs", &latency.waker);
    row("whole way: node's logs, relay, socket, our client", &latency.whole);
    println!();
    for (name, samples) in [("ours", &latency.feed), ("ours with a waker", &latency.waker)] {
        let Ratio { value, interval } = ratio(&latency.raw, samples);
        let [low, high] = interval;
        println!("{name} / raw, p50: {value:.2} (95 % interval {low:.2} to {high:.2})");
        println!("gate: at most {SOCKET_RATIO_MAX}: {}", verdict_at_most(SOCKET_RATIO_MAX, interval));
    }
}

pub(crate) fn print_flow(flows: &[Flow]) {
    println!("\n== messages in a second, blocks of {UPDATES} V3 swaps, every message decoded and in sequence\n");
    for flow in flows {
        let Summary { count, p50, .. } = flow.per_thousand.summary();
        let rates = [p50, flow.per_thousand.summary().max].map(|nanos| 1e12 / nanos as f64);
        let (_, least) = MESSAGES_MIN.into_iter().find(|(count, _)| *count == flow.subscribers).expect("a known count");
        println!(
            "to {} subscriber(s): median {:.2} M each, slowest of {count} turns {:.2} M; {:.2} M deliveries",
            flow.subscribers,
            rates[0] / 1e6,
            rates[1] / 1e6,
            rates[0] / 1e6 * flow.subscribers as f64,
        );
        println!("gate: at least {} M: {}", least / 1e6, verdict(rates[0] >= least));
    }
}

pub(crate) fn print_stall(stall: &Stall) {
    println!("\n== the writer's time for a block of {UPDATES} V3 swaps, ingest included; microseconds\n");
    println!("{:<52}{:>8}{:>9}{:>9}{:>9}{:>9}", "", "turns", "p50", "p99", "p99.9", "max");
    row("no subscriber", &stall.alone);
    row("one that does not read, lapped", &stall.one);
    row("eight that do not read, lapped", &stall.eight);
    println!();
    for (name, samples) in [("one", &stall.one), ("eight", &stall.eight)] {
        let Ratio { value, interval } = ratio(&stall.alone, samples);
        let [low, high] = interval;
        println!("{name} stalled / none: {value:.3} (95 % interval {low:.3} to {high:.3})");
        if name == "one" {
            println!("gate: independent, at most {STALL_RATIO_MAX}: {}", verdict_at_most(STALL_RATIO_MAX, interval));
        }
    }
}

pub(crate) fn print_attacked(attacked: &Attacked) {
    println!("\n== whole way of a block to a healthy subscriber beside hostile peers; microseconds\n");
    println!("{:<52}{:>8}{:>9}{:>9}{:>9}{:>9}", "", "samples", "p50", "p99", "p99.9", "max");
    row("nobody attacks", &attacked.quiet);
    row("the same attack on a bystander", &attacked.bystander);
    row("attack on the relay", &attacked.relay);
    println!("\n{} hostile connections to the relay", attacked.connections);
    for (name, other) in [("nobody attacked", &attacked.quiet), ("a bystander attacked", &attacked.bystander)] {
        let Ratio { value, interval } = ratio_at_p99(other, &attacked.relay);
        let [low, high] = interval;
        println!("attacked / {name}, p99: {value:.2} (95 % interval {low:.2} to {high:.2})");
        println!("gate: at most {ATTACK_RATIO_MAX}: {}", verdict_at_most(ATTACK_RATIO_MAX, interval));
    }
}

pub(crate) fn print_disturbance(disturbance: &str) {
    println!("\nsamples dropped: none; over the whole run: {disturbance}");
}

fn row(name: &str, samples: &Samples) {
    let Summary { count, p50, p99, p999, max } = samples.summary();
    let [p50, p99, p999, max] = [p50, p99, p999, max].map(micros);
    println!("{name:<52}{count:>8}{p50:>9}{p99:>9}{p999:>9}{max:>9}");
}

fn micros(nanos: u64) -> String {
    format!("{:.2}", Duration::from_nanos(nanos).as_secs_f64() * 1e6)
}
