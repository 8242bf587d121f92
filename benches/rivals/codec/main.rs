//! One V3-swap update: encode, decode with validation, read every field; ours beside other codecs.
//!
//! `cargo bench --manifest-path benches/rivals/Cargo.toml --bench codec` prints the figures; `cargo test` with the same
//! manifest runs a few of each. Every contender starts from the same plain struct and must give it back equal. Buffers are
//! used again, so nobody allocates who need not. Ours is compared without the frame's checksum, which no rival has; with it
//! it is a row of its own. What flatbuffers and Cap'n Proto generate was written by hand for this one message (their
//! compilers are no crates): the same calls of their runtimes.
#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

mod by_capnp;
mod by_flatbuffers;
mod by_rkyv;
mod by_us;

#[path = "../../tick_to_trade/machine.rs"]
mod machine;
#[path = "../../relay_path/pinned.rs"]
mod pinned;
#[path = "../../tick_to_trade/random.rs"]
#[expect(dead_code, reason = "only what the statistics draw is drawn here")]
mod random;
#[path = "../../tick_to_trade/stats.rs"]
mod stats;

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::stats::{Ratio, Samples, ratio};

/// The update as everybody gets it and must give it back. Wide numbers as the words that every codec has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Update {
    pub(crate) sequence: u64,
    pub(crate) event_ns: u64,
    pub(crate) pool: u32,
    pub(crate) tick: i32,
    pub(crate) liquidity: [u64; 2],
    pub(crate) sqrt_price_x96: [u64; 4],
}

/// Different updates that are taken in turn.
const UPDATES: usize = 64;
/// Times that each goes through for one sample.
const LAPS: usize = 16;

fn updates() -> Vec<Update> {
    let mut random = random::Random::new(7);
    let mut word = || u64::try_from(random.below(1 << 62)).expect("62 bits");
    (0..UPDATES)
        .map(|at| Update {
            sequence: at as u64,
            event_ns: word(),
            pool: u32::try_from(word() >> 40).expect("22 bits"),
            tick: i32::try_from(word() >> 44).expect("18 bits") - 100_000,
            liquidity: [word(), word() >> 8],
            sqrt_price_x96: [word(), word(), word() >> 32, 0],
        })
        .collect()
}

/// There and back again.
trait Codec {
    fn pass(&mut self, update: &Update) -> Result<Update>;
}

struct Json(Vec<u8>);
impl Codec for Json {
    fn pass(&mut self, update: &Update) -> Result<Update> {
        self.0.clear();
        serde_json::to_writer(&mut self.0, update)?;
        Ok(serde_json::from_slice(black_box(&self.0))?)
    }
}

/// One sample: every update some times, each checked to come back equal.
fn sample(codec: &mut impl Codec, updates: &[Update]) -> Result<std::time::Duration> {
    let started = Instant::now();
    for _ in 0..LAPS {
        for update in updates {
            ensure!(codec.pass(black_box(update))? == *update, "another update came back");
        }
    }
    Ok(started.elapsed())
}

const NAMES: [&str; 6] =
    ["ours", "ours, framed with CRC-32C", "rkyv, validated", "flatbuffers, verified", "capnp", "serde_json"];
/// Least ratio to ours, where one is asked for.
const GATES: [(usize, f64); 3] = [(2, 3.0), (3, 10.0), (4, 40.0)];

/// Everybody in turn, forth and back.
fn compete(rounds: usize, samples_each: usize) -> Result<[Samples; 6]> {
    let updates = updates();
    let mut ours = by_us::Message::default();
    let mut framed = by_us::Framed::default();
    let mut rkyv = by_rkyv::Rkyv::default();
    let mut flatbuffers = by_flatbuffers::Flatbuffers::default();
    let mut capnp = by_capnp::Capnp::default();
    let mut json = Json(Vec::new());
    let mut samples: [Samples; 6] = Default::default();
    for round in 0..=rounds {
        for at in (0..NAMES.len()).chain((0..NAMES.len()).rev()) {
            for _ in 0..samples_each {
                let elapsed = match at {
                    0 => sample(&mut ours, &updates)?,
                    1 => sample(&mut framed, &updates)?,
                    2 => sample(&mut rkyv, &updates)?,
                    3 => sample(&mut flatbuffers, &updates)?,
                    4 => sample(&mut capnp, &updates)?,
                    _ => sample(&mut json, &updates)?,
                };
                // The first round warms up.
                if round > 0 {
                    samples[at].add(elapsed);
                }
            }
            samples[at].end_block();
        }
    }
    Ok(samples)
}

fn main() -> Result<()> {
    if std::env::args().any(|argument| argument == "--list") {
        return Ok(());
    }
    if !std::env::args().any(|argument| argument == "--bench") {
        return compete(1, 1).map(|_| ());
    }
    let described = machine::describe();
    pinned::hold(0);
    println!("codec: one V3-swap update, encode + validated decode + read of every field; hot; nanoseconds for each\n");
    for (name, value) in described {
        println!("{name:<18}{value}");
    }
    let before = machine::Disturbance::now();
    let samples = compete(40, 20)?;
    let disturbance = machine::Disturbance::now().since(before);
    println!("\n{:<44}{:>8}{:>9}{:>9}{:>9}{:>10}", "", "samples", "p50", "p99", "p99.9", "max");
    for (name, samples) in NAMES.iter().zip(&samples) {
        let summary = samples.summary();
        let [p50, p99, p999, max] =
            [summary.p50, summary.p99, summary.p999, summary.max].map(|nanos| nanos as f64 / (UPDATES * LAPS) as f64);
        println!("{name:<44}{:>8}{p50:>9.2}{p99:>9.2}{p999:>9.2}{max:>10.2}", summary.count);
    }
    println!("\neach sample is {} updates; samples dropped: none; while measuring: {disturbance}", UPDATES * LAPS);
    for (at, name) in NAMES.iter().enumerate().skip(1) {
        let Ratio { value, interval: [low, high] } = ratio(&samples[0], &samples[at]);
        println!("{name} / ours: {value:.2} (95 % interval {low:.2} to {high:.2})");
        if let Some((_, least)) = GATES.iter().find(|(gated, _)| *gated == at) {
            println!("gate: at least {least}: {}", if low >= *least { "met" } else { "MISSED" });
        }
    }
    Ok(())
}
