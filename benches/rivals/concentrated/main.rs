//! Quotes of an exact input from one pool of concentrated liquidity, across 0, 1, 10 and 100 of its ticks; and of a
//! constant-product pair.
//!
//! `cargo bench --manifest-path benches/rivals/Cargo.toml --bench concentrated` prints the figures; `cargo test` with the same
//! manifest runs a few of each. What is right is what the real pool answers through `QuoterV2`, in an EVM in this process.
//! Whoever answers an input otherwise is not measured on it, and that is counted; ours must answer all. Every answer is
//! compared again while it is measured.
//!
//! Left out: `amms` 0.7.4. It builds GMP and MPFR from source by way of `rug`, which needs `m4` on the machine and does not
//! build without. Its quote is a loop around the functions of `uniswap_v3_math`; that loop is here instead.
#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

mod by_math;
mod by_sdk;
mod data;
mod workload;

#[path = "../../../strategies/tests/it/chain.rs"]
#[allow(dead_code, reason = "the tests' chain does more than quote")]
mod chain;
#[path = "../../../strategies/tests/it/contracts.rs"]
#[allow(dead_code, unused_imports, reason = "the tests know more contracts")]
mod contracts;
#[path = "../../tick_to_trade/machine.rs"]
mod machine;
#[path = "../../relay_path/pinned.rs"]
#[allow(dead_code, reason = "one thread, which stays where it is")]
mod pinned;
#[path = "../../tick_to_trade/random.rs"]
#[allow(dead_code, reason = "only some of it is drawn here")]
mod random;
#[path = "../../tick_to_trade/stats.rs"]
mod stats;
#[path = "../../../strategies/tests/it/v3_chain.rs"]
#[allow(dead_code, reason = "the tests' chain does more than quote")]
mod v3_chain;
#[path = "../../../strategies/tests/it/v3_state.rs"]
#[allow(dead_code, reason = "the tests' pools do more than quote")]
mod v3_state;

use std::hint::black_box;
use std::time::{Duration, Instant};

use alloy::primitives::U256;
use alphapulse_strategies::pool::concentrated_liquidity::quote_exact_in;
use alphapulse_strategies::pool::{PPM, StepTable, constant_product};
use anyhow::{Result, ensure};

use crate::stats::{Ratio, Samples, ratio};
use crate::v3_chain::V3Chain;
use crate::v3_state::V3State;
use crate::workload::{AMOUNTS, DEPTHS, Request};

/// Most quotes of one sample.
const QUOTES_MAX: u32 = 1_024;
/// How long a sample takes at least, if it has fewer: long beside the clock's step, and short beside the time after which
/// a system gives a core to somebody else. Who is slow is not charged for more of that than who is fast.
const SAMPLE: Duration = Duration::from_micros(300);

type Quote = Box<dyn FnMut(&Request) -> Option<U256>>;

/// Who takes part, in one depth.
struct Contender {
    name: &'static str,
    /// Least ratio to ours, where one is asked for.
    gate: Option<f64>,
    /// Whether it is ours by the table.
    is_table: bool,
    quote: Quote,
    /// Quotes of one sample.
    quotes: u32,
    /// Requests asked so far.
    asked: usize,
    /// What it is measured on: requests that it answers rightly, with the answers.
    requests: Vec<(Request, U256)>,
    wrong: usize,
    samples: Samples,
}

impl Contender {
    fn new(name: &'static str, quote: impl FnMut(&Request) -> Option<U256> + 'static) -> Self {
        let (requests, samples) = (Vec::new(), Samples::default());
        let quote = Box::new(quote);
        Self { name, gate: None, is_table: false, quote, quotes: 1, asked: 0, requests, wrong: 0, samples }
    }

    fn gated(self, least: f64) -> Self {
        Self { gate: Some(least), ..self }
    }

    fn by_table(self) -> Self {
        Self { is_table: true, ..self }
    }

    fn examine(&mut self, requests: &[(Request, U256)]) {
        self.requests =
            requests.iter().filter(|(request, right)| (self.quote)(request) == Some(*right)).copied().collect();
        self.wrong = requests.len() - self.requests.len();
    }

    /// Decides how many quotes a sample has.
    fn calibrate(&mut self) -> Result<()> {
        while self.quotes < QUOTES_MAX {
            let started = Instant::now();
            self.sample()?;
            if started.elapsed() >= SAMPLE {
                break;
            }
            self.quotes *= 2;
        }
        Ok(())
    }

    /// Time of [`QUOTES_MAX`] quotes, by as many as a sample has; the requests in turn.
    fn sample(&mut self) -> Result<Duration> {
        let count = self.requests.len();
        ensure!(count > 0, "{} answers nothing rightly", self.name);
        let started = Instant::now();
        for _ in 0..self.quotes {
            let (request, right) = &self.requests[self.asked % count];
            self.asked += 1;
            let answer = (self.quote)(black_box(request));
            ensure!(answer == Some(*right), "{} answers otherwise than before", self.name);
        }
        Ok(started.elapsed() * (QUOTES_MAX / self.quotes))
    }
}

/// The first is who the others are held against. "After a move" is with a table that was built before the price moved by a unit,
/// as quotes are until there is time to tell the table.
fn contenders(state: &V3State, chain: Option<(V3Chain, u32)>) -> Vec<Contender> {
    let mut steps = StepTable::default();
    steps.build(&state.view(), [state.fee_ppm; 2]);
    let (by_table, whole_table, by_loop, moved) = (state.clone(), state.clone(), state.clone(), state.clone());
    let whole_steps = steps.clone();
    let before = V3State { sqrt_price_x96: state.sqrt_price_x96 + U256::ONE, ..state.clone() };
    let mut steps_before = StepTable::default();
    steps_before.build(&before.view(), [state.fee_ppm; 2]);
    let (math, sdk) = (by_math::Pool::new(state), by_sdk::Pool::new(state));
    let mut all = vec![
        Contender::new("ours, table of steps", move |request| {
            let quote = steps.quote_exact_in(&by_table.view(), request.zero_for_one, request.amount);
            quote.ok().map(|quote| quote.amount_out)
        }),
        Contender::new("ours, table of steps, with the tick", move |request| {
            let swap = whole_steps.swap_exact_in(&whole_table.view(), request.zero_for_one, request.amount);
            swap.ok().map(|swap| black_box(swap).amount_out)
        })
        .by_table(),
        Contender::new("ours, the same after a move", move |request| {
            let swap = steps_before.swap_exact_in(&moved.view(), request.zero_for_one, request.amount);
            swap.ok().map(|swap| black_box(swap).amount_out)
        })
        .by_table(),
        Contender::new("ours, step by step", move |request| {
            let swap = quote_exact_in(&by_loop.view(), request.zero_for_one, request.amount);
            swap.ok().map(|swap| black_box(swap).amount_out)
        }),
        Contender::new("uniswap-v3-sdk 7.0.0", move |request| sdk.quote(request)).gated(8.0),
        Contender::new("uniswap_v3_math 0.6.2, amms' loop", move |request| math.quote(request)).gated(8.0),
    ];
    if let Some((mut chain, fee_ppm)) = chain {
        let quote = move |request: &Request| {
            let quote = chain.quote_exact_in(fee_ppm, request.zero_for_one, request.amount, U256::ZERO);
            quote.ok().map(|(amount, _)| amount)
        };
        all.push(Contender::new("revm 43.0.3, QuoterV2 on the pool", quote).gated(300.0));
    }
    all
}

/// The pool on a chain.
fn deploy(state: &V3State) -> Option<V3Chain> {
    let mut chain = V3Chain::deploy()?;
    let pool = chain.create_pool(state.fee_ppm, state.sqrt_price_x96);
    chain.write_state(pool, state, 0);
    Some(chain)
}

/// A depth's contenders, measured in turn, forth and back.
fn compete(state: &V3State, depth: u32, rounds: usize, samples_each: usize) -> Result<Vec<Contender>> {
    let mut chain = deploy(state);
    let mut requests = Vec::new();
    for request in workload::requests(state, depth) {
        let (way, amount) = (request.zero_for_one, request.amount);
        let right = match &mut chain {
            Some(chain) => chain.quote_exact_in(state.fee_ppm, way, amount, U256::ZERO).ok().map(|(amount, _)| amount),
            None => quote_exact_in(&state.view(), way, amount).ok().map(|swap| swap.amount_out),
        };
        requests.push((request, right.expect("the pool takes it")));
    }
    let mut contenders = contenders(state, chain.map(|chain| (chain, state.fee_ppm)));
    for contender in &mut contenders {
        contender.examine(&requests);
        let is_ours = contender.name.starts_with("ours");
        ensure!(!is_ours || contender.wrong == 0, "{} answers otherwise than the pool", contender.name);
    }
    measure(&mut contenders, rounds, samples_each)?;
    Ok(contenders)
}

fn measure(contenders: &mut [Contender], rounds: usize, samples_each: usize) -> Result<()> {
    for contender in &mut *contenders {
        contender.calibrate()?;
    }
    for round in 0..=rounds {
        for at in (0..contenders.len()).chain((0..contenders.len()).rev()) {
            let contender = &mut contenders[at];
            for _ in 0..samples_each {
                let elapsed = contender.sample()?;
                // The first round warms up.
                if round > 0 {
                    contender.samples.add(elapsed);
                }
            }
            contender.samples.end_block();
        }
    }
    Ok(())
}

/// A pair's quote as the contract writes it, in 256 bits throughout.
fn pair_in_256_bits(reserve_in: u128, reserve_out: u128, fee_ppm: u32, amount: U256) -> U256 {
    let kept = amount * U256::from(PPM - fee_ppm);
    kept * U256::from(reserve_out) / (U256::from(reserve_in) * U256::from(PPM) + kept)
}

/// Ours and the same division in 256 bits, on a pair of 18 and 6 decimals.
fn pair(rounds: usize, samples_each: usize) -> Result<Vec<Contender>> {
    let (reserve_0, reserve_1, fee_ppm) = (31_204_118_402_993_511_274_318_u128, 93_877_452_118_402_u128, 3_000);
    let oriented = move |way: bool| if way { (reserve_0, reserve_1) } else { (reserve_1, reserve_0) };
    let mut random = random::Random::new(9);
    let mut requests = Vec::new();
    for at in 0..AMOUNTS {
        let zero_for_one = at % 2 == 0;
        let (reserve_in, reserve_out) = oriented(zero_for_one);
        let part = u128::try_from(random.below(1 << 16))? + 1;
        let amount = U256::from(reserve_in / (1 << 20) * part + part);
        let right = pair_in_256_bits(reserve_in, reserve_out, fee_ppm, amount);
        requests.push((Request { zero_for_one, amount }, right));
    }
    let mut contenders = vec![
        Contender::new("ours, constant product", move |request| {
            let (reserve_in, reserve_out) = oriented(request.zero_for_one);
            constant_product::quote_exact_in(reserve_in, reserve_out, fee_ppm, request.amount).ok()
        }),
        Contender::new("256 bits throughout, unchecked", move |request| {
            let (reserve_in, reserve_out) = oriented(request.zero_for_one);
            Some(pair_in_256_bits(reserve_in, reserve_out, fee_ppm, request.amount))
        }),
    ];
    for contender in &mut contenders {
        contender.examine(&requests);
        ensure!(contender.wrong == 0, "{} answers otherwise", contender.name);
    }
    measure(&mut contenders, rounds, samples_each)?;
    Ok(contenders)
}

fn quote_ns(nanos: u64) -> f64 {
    nanos as f64 / f64::from(QUOTES_MAX)
}

fn print(contenders: &[Contender]) {
    println!("{:<38}{:>8}{:>7}{:>10}{:>10}{:>10}{:>11}", "", "samples", "of", "p50", "p99", "p99.9", "max");
    for Contender { name, samples, quotes, .. } in contenders {
        let summary = samples.summary();
        let [p50, p99, p999, max] = [summary.p50, summary.p99, summary.p999, summary.max].map(quote_ns);
        println!("{name:<38}{:>8}{quotes:>7}{p50:>10.1}{p99:>10.1}{p999:>10.1}{max:>11.1}", summary.count);
    }
    println!();
    let Some((ours, others)) = contenders.split_first() else { return };
    for other in others {
        print_ratio(other, ours);
    }
    // A rival's quote ends with the tick of the price, so these of ours are the like of it.
    let (alike, rivals): (Vec<_>, Vec<_>) = others.iter().partition(|other| other.gate.is_none());
    for rival in rivals {
        for ours in alike.iter().filter(|ours| ours.is_table) {
            print_ratio(rival, ours);
        }
    }
}

/// How often one's time the other's is, and whether that is what was asked for.
fn print_ratio(Contender { name, gate, samples, requests, wrong, .. }: &Contender, ours: &Contender) {
    let Ratio { value, interval: [low, high] } = ratio(&ours.samples, samples);
    println!("{name} / {}: {value:.2} (95 % interval {low:.2} to {high:.2})", ours.name);
    if *wrong > 0 {
        println!("peer wrong: {wrong} of {}", wrong + requests.len());
    }
    if let Some(least) = gate {
        println!("gate: at least {least}: {}", if low >= *least { "met" } else { "MISSED" });
    }
}

/// How each one's time grows between two depths, per tick.
fn print_growth(by_depth: &[Vec<Contender>]) {
    println!("\n== growth: nanoseconds for each further tick, from p50s\n");
    println!("{:<38}{:>10}{:>10}{:>10}", "", "0 to 1", "1 to 10", "10 to 100");
    let Some(names) = by_depth.first() else { return };
    for (at, Contender { name, .. }) in names.iter().enumerate() {
        let p50: Vec<f64> = by_depth.iter().map(|all| quote_ns(all[at].samples.summary().p50)).collect();
        let slope = |from: usize| (p50[from + 1] - p50[from]) / f64::from(DEPTHS[from + 1] - DEPTHS[from]);
        println!("{name:<38}{:>10.2}{:>10.2}{:>10.2}", slope(0), slope(1), slope(2));
    }
}

/// What building the table costs.
fn print_building(state: &V3State) {
    let mut steps = StepTable::default();
    let mut time = |what: &str| {
        let laps = 200;
        let started = Instant::now();
        for _ in 0..laps {
            if what == "anew" {
                steps = StepTable::default();
            }
            steps.build(black_box(&state.view()), [state.fee_ppm; 2]);
        }
        let each = started.elapsed() / laps;
        let held = steps.steps_ahead(true) + steps.steps_ahead(false);
        println!("table built {what}, {held} steps ahead in both directions: {:.1} us", each.as_secs_f64() * 1e6);
    };
    time("anew");
    time("again, all steps kept");
}

fn main() -> Result<()> {
    if std::env::args().any(|argument| argument == "--list") {
        return Ok(());
    }
    let state = workload::pool();
    if !std::env::args().any(|argument| argument == "--bench") {
        for depth in DEPTHS {
            compete(&state, depth, 1, 1)?;
        }
        return pair(1, 1).map(|_| ());
    }
    let described = machine::describe();
    pinned::hold(0);
    println!("concentrated: quote of an exact input, wei-equal to the real pool; hot; nanoseconds for each\n");
    for (name, value) in described {
        println!("{name:<18}{value}");
    }
    println!("\npool: {} initialised ticks, spacing {}, {} ppm", state.ticks.len(), state.tick_spacing, state.fee_ppm);
    let before = machine::Disturbance::now();
    let mut by_depth = Vec::new();
    for depth in DEPTHS {
        println!("\n== {depth} ticks crossed\n");
        let contenders = compete(&state, depth, 40, 20)?;
        print(&contenders);
        by_depth.push(contenders);
    }
    print_growth(&by_depth);
    println!("\n== constant product\n");
    print(&pair(40, 20)?);
    println!();
    print_building(&state);
    let disturbance = machine::Disturbance::now().since(before);
    println!(
        "\na sample is 300 us of quotes or more, at most {QUOTES_MAX}; samples dropped: none; while measuring: {disturbance}"
    );
    Ok(())
}
