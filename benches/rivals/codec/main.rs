//! One V3-swap update: encode, decode with validation, read every field; ours beside other codecs.
//!
//! `cargo bench --manifest-path benches/rivals/Cargo.toml --bench codec` prints the figures; `cargo test` with the same
//! manifest runs a few of each. Every contender starts from the same plain struct and must give it back equal. Rivals that
//! can be kept from allocating are there twice: with buffers that are used again, and as their documentation shows them. Ours is compared without the frame's checksum, which no rival has; with it
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
#[expect(dead_code, reason = "this process stays where it is held")]
mod pinned;
#[path = "../../tick_to_trade/random.rs"]
#[expect(dead_code, reason = "only what the statistics draw is drawn here")]
mod random;
#[path = "../../tick_to_trade/stats.rs"]
mod stats;

use std::hint::black_box;
use std::time::{Duration, Instant};

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

impl Update {
    /// Whether another is the same. Word by word and without a branch: a comparison of wider pieces would read across what
    /// was just written in narrower ones, and cost more than the codec at hand.
    #[inline(always)]
    pub(crate) fn is_equal(&self, other: &Self) -> bool {
        let words = self.liquidity.iter().chain(&self.sqrt_price_x96);
        let others = other.liquidity.iter().chain(&other.sqrt_price_x96);
        let difference = words.zip(others).fold(0, |difference, (word, other)| difference | (word ^ other));
        let small = (self.pool ^ other.pool) | (self.tick ^ other.tick).cast_unsigned();
        (self.sequence ^ other.sequence) | (self.event_ns ^ other.event_ns) | difference | u64::from(small) == 0
    }
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

/// There and back again; whether it came back equal.
trait Codec {
    fn pass(&mut self, update: &Update) -> Result<bool>;
}

struct Json(Vec<u8>);
impl Codec for Json {
    fn pass(&mut self, update: &Update) -> Result<bool> {
        self.0.clear();
        serde_json::to_writer(&mut self.0, update)?;
        let read = serde_json::from_slice(black_box(&self.0))?;
        Ok(update.is_equal(&read))
    }
}

/// No codec at all: the struct copied, read again where it lies and compared. Nobody can be faster.
struct Floor(Update);
impl Codec for Floor {
    fn pass(&mut self, update: &Update) -> Result<bool> {
        self.0 = *update;
        Ok(black_box(&self.0).is_equal(update))
    }
}

/// One sample: every update some times, each checked to come back equal.
fn sample(codec: &mut impl Codec, updates: &[Update]) -> Result<Duration> {
    let started = Instant::now();
    for _ in 0..LAPS {
        for update in updates {
            ensure!(codec.pass(black_box(update))?, "another update came back");
        }
    }
    Ok(started.elapsed())
}

type Sample = dyn FnMut(&[Update]) -> Result<Duration>;

/// Who takes part.
struct Contender {
    name: &'static str,
    /// Least ratio to ours, where one is asked for.
    gate: Option<f64>,
    sample: Box<Sample>,
    samples: Samples,
}

fn contender(name: &'static str, gate: Option<f64>, mut codec: impl Codec + 'static) -> Contender {
    let sample = Box::new(move |updates: &[Update]| sample(&mut codec, updates));
    Contender { name, gate, sample, samples: Samples::default() }
}

/// The first is who the others are held against.
fn contenders() -> [Contender; 10] {
    [
        contender("ours, a swap expected", None, by_us::Swap::default()),
        contender("ours, any message", None, by_us::AnyMessage::default()),
        contender("ours, any message, framed with CRC-32C", None, by_us::Framed::default()),
        contender("rkyv, validated, buffer kept", Some(3.0), by_rkyv::Rkyv::default()),
        contender("rkyv, validated, to_bytes", Some(3.0), by_rkyv::Allocating),
        contender("flatbuffers, verified, builder kept", Some(10.0), by_flatbuffers::Flatbuffers::default()),
        contender("capnp, scratch space kept", Some(40.0), by_capnp::Capnp::default()),
        contender("capnp, default builder and reader", Some(40.0), by_capnp::Allocating),
        contender("serde_json", None, Json(Vec::new())),
        contender("floor: the struct copied and read, no codec", None, Floor(updates()[0])),
    ]
}

/// Everybody in turn, forth and back.
fn compete(rounds: usize, samples_each: usize) -> Result<[Contender; 10]> {
    let updates = updates();
    let mut contenders = contenders();
    for round in 0..=rounds {
        for at in (0..contenders.len()).chain((0..contenders.len()).rev()) {
            let Contender { sample, samples, .. } = &mut contenders[at];
            for _ in 0..samples_each {
                let elapsed = sample(&updates)?;
                // The first round warms up.
                if round > 0 {
                    samples.add(elapsed);
                }
            }
            samples.end_block();
        }
    }
    Ok(contenders)
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
    let [ours, others @ ..] = compete(40, 20)?;
    let disturbance = machine::Disturbance::now().since(before);
    println!("\n{:<44}{:>8}{:>9}{:>9}{:>9}{:>10}", "", "samples", "p50", "p99", "p99.9", "max");
    for Contender { name, samples, .. } in core::iter::once(&ours).chain(&others) {
        let summary = samples.summary();
        let [p50, p99, p999, max] =
            [summary.p50, summary.p99, summary.p999, summary.max].map(|nanos| nanos as f64 / (UPDATES * LAPS) as f64);
        println!("{name:<44}{:>8}{p50:>9.2}{p99:>9.2}{p999:>9.2}{max:>10.2}", summary.count);
    }
    let [.., floor] = &others;
    let (fastest, floor) = (ours.samples.summary().p50 as f64, floor.samples.summary().p50 as f64);
    println!("\neach sample is {} updates; samples dropped: none; while measuring: {disturbance}", UPDATES * LAPS);
    for Contender { name, gate, samples, .. } in &others {
        let Ratio { value, interval: [low, high] } = ratio(&ours.samples, samples);
        println!("{name} / ours: {value:.2} (95 % interval {low:.2} to {high:.2})");
        if let Some(least) = gate {
            let needed = fastest * value / least;
            let missed = if needed < floor { "MISSED, and out of reach: it lies under the floor" } else { "MISSED" };
            println!("gate: at least {least}: {}", if low >= *least { "met" } else { missed });
        }
    }
    Ok(())
}
