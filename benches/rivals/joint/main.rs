//! What it takes to find the best trades that can be made together, splits over parallel pools included.
//!
//! `cargo bench --manifest-path benches/rivals/Cargo.toml --bench joint` prints, for markets of 100 to 10,000 pools between twice as many tokens
//! as the root of that, how long it takes from nothing, and after one pool moved, beside Clarabel on the same problem at the same gap.
//! The optima are compared. `cargo test` with the same manifest runs small ones.
#![expect(clippy::print_stdout, reason = "the figures are this program's output")]

#[path = "../../tick_to_trade/machine.rs"]
mod machine;
#[path = "../search/messages.rs"]
mod messages;
#[allow(dead_code, reason = "strategies are no part of this bench")]
#[path = "../search/ours.rs"]
mod ours;
#[path = "../../../strategies/tests/it/joint_peer.rs"]
mod peer;
#[allow(dead_code, reason = "its threads are held and not let go")]
#[path = "../../relay_path/pinned.rs"]
mod pinned;
#[path = "../../tick_to_trade/random.rs"]
mod random;
#[allow(dead_code, reason = "what is deepest is not asked for")]
#[path = "../search/world.rs"]
mod world;

use std::time::{Duration, Instant};

use alphapulse_protocol::{TokenId, U256};
use alphapulse_strategies::Market;
use alphapulse_strategies::joint::{JointOptimum, JointTerms};
use alphapulse_strategies::search::{Certificate, Prices};
use anyhow::{Context as _, Result, ensure};

use crate::ours::Ours;
use crate::peer::{Peer, peer_optimum};
use crate::random::Random;
use crate::world::{DOLLAR, Pair, World, moved};

const TERMS: JointTerms = JointTerms { token: TokenId(0), trade_cost: U256::ZERO };
/// How far primal and dual are apart at most, as a part.
const GAP: f64 = 1e-8;
/// Part of the optimum that exact amounts must earn.
const PLANNED_MIN: f64 = 0.999_99;
/// Part by which one pool moves before the market is solved once more.
const MOVE: f64 = 0.01;

/// Pools between two random tokens each, their prices off by some hundredths: the scaling instance of CFMMRouter's paper (Diamandis and others,
/// An efficient algorithm for optimal routing through constant function market makers, 2023).
fn scattered(seed: u64, pool_count: usize) -> World {
    let random = &mut Random::new(seed);
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "some hundreds")]
    let token_count = (2.0 * (pool_count as f64).sqrt()).ceil() as usize;
    let values: Vec<f64> =
        (0..token_count).map(|at| if at == 0 { 1.0 } else { 10_f64.powf(random.between(-2.0, 2.0)) }).collect();
    let pairs = (0..pool_count).map(|at| {
        let a = if at + 1 < token_count { at + 1 } else { random.below(token_count) };
        let other = random.below(token_count - 1);
        let b = if at + 1 < token_count { random.below(a) } else { other + usize::from(other >= a) };
        let tokens = [a.min(b), a.max(b)];
        let depth = 10_f64.powf(random.between(3.0, 6.0));
        let off = random.between(-0.05, 0.05);
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "far below 2^112, above zero")]
        let reserve = |token: usize, part: f64| (depth * DOLLAR / values[token] * part.exp()) as u128;
        Pair { tokens, reserves: [reserve(tokens[0], off), reserve(tokens[1], -off)], fee_ppm: 3_000, depth }
    });
    World { token_count, pairs: pairs.collect() }
}

/// What one size takes.
struct Taken {
    cold: Duration,
    warm: Duration,
    steps: usize,
    /// Part of the bound that the plan's exact amounts earn.
    planned: f64,
    peer: Peer,
}

fn cold(market: &Market) -> Result<JointOptimum<'_>> {
    JointOptimum::new(market, &TERMS, &Prices::along(market, &[TERMS.token])).context("the token has a price")
}

fn measure(pools: usize, rounds: usize) -> Result<Taken> {
    let world = scattered(3, pools);
    let mut ours = Ours::new(&world)?;
    let best = cold(&ours.market)?;
    let prices = best.prices();
    let peer = peer_optimum(&ours.market, TERMS.token, GAP).context("the peer finishes")?;
    let off = (best.bound() - peer.value).abs() / peer.value;
    ensure!(off < 10.0 * GAP + peer.gap, "{pools} pools: {} is not {}", best.bound(), peer.value);
    let (bound, steps) = (best.bound(), best.steps());
    let planned = f64::from(best.plan().context("there is something to earn")?.profit) / bound;
    ensure!(planned > PLANNED_MIN && planned <= 1.0, "{pools} pools: the plan earns {planned} of the optimum");
    let least = |run: &mut dyn FnMut() -> Result<f64>| -> Result<Duration> {
        let mut taken = Vec::with_capacity(rounds);
        for _ in 0..rounds {
            let started = Instant::now();
            ensure!(run()? > 0.0, "something is earned");
            taken.push(started.elapsed());
        }
        taken.sort_unstable();
        Ok(taken[rounds / 2])
    };
    let cold_taken = least(&mut || Ok(cold(&ours.market)?.bound()))?;
    ours.update(pools / 2, moved(world.pairs[pools / 2], MOVE))?;
    let again = cold(&ours.market)?.bound();
    let warm = |market: &Market| Ok(JointOptimum::new(market, &TERMS, &prices).context("as before")?.bound());
    let reached: f64 = warm(&ours.market)?;
    ensure!((reached / again - 1.0).abs() < GAP, "{pools} pools: {reached} from before, {again} from nothing");
    let warm_taken = least(&mut || warm(&ours.market))?;
    Ok(Taken { cold: cold_taken, warm: warm_taken, steps, planned, peer })
}

fn main() -> Result<()> {
    if std::env::args().any(|argument| argument == "--list") {
        return Ok(());
    }
    if !std::env::args().any(|argument| argument == "--bench") {
        measure(30, 1)?;
        measure(100, 1)?;
        return Ok(());
    }
    pinned::hold(0);
    println!("joint: the best trades of all pools together\n");
    for (name, value) in machine::describe() {
        println!("{name:<18}{value}");
    }
    let before = machine::Disturbance::now();
    println!(
        "\n{:>8}{:>14}{:>14}{:>7}{:>18}{:>16}{:>9}",
        "pools", "from nothing", "after a move", "steps", "plan / optimum", "clarabel", "times"
    );
    for (pools, rounds) in [(100, 400), (300, 200), (1_000, 100), (3_000, 40), (10_000, 20)] {
        let Taken { cold, warm, steps, planned, peer } = measure(pools, rounds)?;
        let times = peer.took.as_secs_f64() / cold.as_secs_f64();
        println!(
            "{pools:>8}{:>14}{:>14}{steps:>7}{planned:>18.12}{:>16}{times:>9.1}",
            format!("{cold:.1?}"),
            format!("{warm:.1?}"),
            format!("{:.1?}", peer.took)
        );
    }
    println!("\nprices of a market of hubs, nearly all of whose pools are in band\n");
    println!("{:>8}{:>14}{:>20}", "pools", "took", "dollars out of band");
    for pools in [1_000, 10_000, 100_000] {
        let ours = Ours::new(&World::new(7, pools))?;
        let started = Instant::now();
        let prices = Prices::fit(&ours.market, &[TERMS.token]);
        let took = started.elapsed();
        let bound =
            Certificate::new(&ours.market, prices).bound_of_all(TERMS.token).context("the token has a price")?;
        ensure!(bound < DOLLAR, "{bound} raw units are out of band");
        println!("{pools:>8}{:>14}{:>20.1e}", format!("{took:.1?}"), bound / DOLLAR);
    }
    println!("\nsamples dropped: none; over the whole run: {}", machine::Disturbance::now().since(before));
    Ok(())
}
