//! Strategies whose opportunities are more than a route: against routes, against the bound, and against a search over a grid of amounts.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "reserves of random markets are drawn in floats"
)]

use alphapulse_protocol::{PoolId, TokenId, U256};
use alphapulse_strategies::joint::{JointOptimum, JointTerms};
use alphapulse_strategies::search::Prices;
use alphapulse_strategies::{
    Market, MarketEvent, Opportunity, OpportunitySink, Settings, StrategyConfig, StrategyKind, conformance, registry,
};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::data;
use crate::sketch::{self, Sketch, apply};
use crate::universe::Universe;

const BASE: TokenId = TokenId(0);

/// What a strategy of this kind reports of a market that it sees for the first time. Swaps cost so many raw units.
fn reported(market: &Market, kind: StrategyKind, hops_max: u8, swap_cost: u64) -> Vec<Opportunity> {
    // Among curves a plan takes more looks than a trading thread has time for.
    let plans = [("swap_cost", swap_cost.to_string()), ("looks_max", "1000000".to_owned())];
    let settings = if kind == StrategyKind::CYCLIC { Vec::new() } else { plans.to_vec() };
    let config = StrategyConfig {
        name: "under test".to_owned(),
        kind,
        tokens: vec![conformance::token_address(BASE.0), sketch::token_address(BASE.0)],
        hops_max,
        profit_min: U256::from(1),
        per_block_max: 64,
        settings: settings.into_iter().map(|(name, value)| (name.to_owned(), value)).collect::<Settings>(),
    };
    let mut strategy = registry::build(&config, 0).expect("a valid configuration");
    let mut sink = OpportunitySink::new(64);
    strategy.on_event(market, &MarketEvent::SnapshotReady, &mut sink);
    for found in sink.as_slice() {
        found.check(market).unwrap_or_else(|flaw| panic!("{flaw}: {found:?}"));
    }
    sink.as_slice().to_vec()
}

fn net(found: &[Opportunity], swap_cost: u64) -> f64 {
    let of = |found: &Opportunity| f64::from(found.profit()) - swap_cost as f64 * found.hops().len() as f64;
    found.iter().map(of).sum()
}

/// Markets of all kinds of pools: what leans on each other earns at least what routes earn, and never more than the bound.
#[test]
fn split_and_joint_earn_between_routes_and_the_bound() {
    let first = data::seed("split and joint", 700);
    let (mut markets, mut split_better, mut joint_better, mut plans, mut worst) = (0_u64, 0_u64, 0_u64, 0_u64, 1.0_f64);
    for seed in (first..).take(3 * data::cases_factor()) {
        let mut universe = Universe::new(seed, 2, 18);
        let (mut market, _) = universe.market();
        for block in 0..2 {
            universe.block(3).iter().for_each(|message| {
                apply(&mut market, message);
            });
            for swap_cost in [0, 1_000_000_000_000] {
                let [routes, split, joint] = [StrategyKind::CYCLIC, StrategyKind::SPLIT, StrategyKind::JOINT]
                    .map(|kind| reported(&market, kind, 4, swap_cost));
                let [of_routes, of_split, of_joint] = [&routes, &split, &joint].map(|found| net(found, swap_cost));
                let what = format!("seed {seed} block {block} cost {swap_cost}");
                // Of routes that do not pay for their swaps, none must be given up for a plan.
                let least = of_routes - 1e-12 * of_routes.abs();
                assert!(of_split >= least, "{what}: split earns {of_split}, routes {of_routes}");
                let least = of_split - 1e-12 * of_split.abs();
                assert!(of_joint >= least, "{what}: joint earns {of_joint}, split {of_split}");
                let terms = JointTerms { token: BASE, trade_cost: U256::from(swap_cost) };
                let optimum = JointOptimum::new(&market, &terms, &Prices::fit(&market, &[BASE]));
                let bound = optimum.expect("the base has a price").bound();
                let gross = net(&joint, 0);
                assert!(gross <= bound * (1.0 + 1e-9) + 1.0, "{what}: {gross} of {bound}");
                assert!(net(&split, 0) <= bound * (1.0 + 1e-9) + 1.0, "{what}");
                markets += 1;
                split_better += u64::from(of_split > 1.0001 * of_routes);
                joint_better += u64::from(of_joint > 1.0001 * of_split);
                plans += joint.iter().chain(&split).filter(|found| !found.is_route()).count() as u64;
                if swap_cost == 0 && bound > 1e12 {
                    worst = worst.min(gross / bound);
                }
            }
        }
    }
    data::report(&format!(
        "{markets} markets: split earns more than routes in {split_better}, joint more than split in {joint_better}; {plans} plans; joint at least {worst:.6} of the bound"
    ));
    assert!(split_better > 5 && joint_better > 2 && plans > 10, "{split_better}, {joint_better}, {plans}");
}

/// Two pools sell what a third one buys: every pair of amounts on a grid, by quotes alone.
#[test]
fn no_pair_of_amounts_on_a_grid_earns_more_than_a_split() {
    let mut random = StdRng::seed_from_u64(data::seed("split grid", 17));
    let mut splits = 0_u64;
    for _ in 0..30 {
        let mut sketch = Sketch::with_tokens(2);
        for (price, is_sold) in [(1.03, true), (1.03, true), (1.0, false)] {
            let depth = 1e12 * 10_f64.powf(random.random_range(-1.0..1.0));
            let price = price * random.random_range(0.995..1.005);
            let depth = if is_sold { depth } else { 20.0 * depth };
            sketch.pair([0, 1], [depth as u128, (depth * price) as u128], 500);
        }
        let market = sketch.market();
        let best = reported(&market, StrategyKind::SPLIT, 2, 0);
        let [found] = best.as_slice() else { panic!("one opportunity: {best:?}") };
        splits += u64::from(found.hops().len() == 3);
        let quote = |pool: u32, paid: u32, got: u32, amount: U256| {
            market.quote_exact_in(PoolId(pool), (TokenId(paid), TokenId(got)), amount).unwrap_or_default()
        };
        // Both ends of the grid lie beyond what a split can want of a pool that is off by five hundredths.
        let amounts = |pool: usize| {
            let held = market.lines(PoolId(pool as u32)).first().and_then(|_| match market.pool(PoolId(pool as u32)) {
                Ok(alphapulse_strategies::PoolView::V2 { reserves, .. }) => Some(reserves[0]),
                _ => None,
            });
            let held = held.expect("a constant product");
            (0..120_u128).map(move |step| U256::from(held / 2_000 * step))
        };
        let mut most = U256::ZERO;
        for a in amounts(0) {
            let bought = quote(0, 0, 1, a);
            for b in amounts(1) {
                let sold = quote(2, 1, 0, bought + quote(1, 0, 1, b));
                most = most.max(sold.saturating_sub(a + b));
            }
        }
        assert!(!most.is_zero() && found.profit() >= most, "{most} by the grid: {found:?}");
    }
    data::report(&format!("{splits} of 30 split"));
    assert!(splits > 20, "{splits}");
}
