//! The joint optimum beside a convex solver, and its plans made trade by trade on the pools' own arithmetic.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "reserves of random markets are drawn in floats"
)]

use std::collections::HashMap;

use alphapulse_protocol::{PoolId, TokenId, U256};
use alphapulse_strategies::joint::{JointOptimum, JointPlan, JointTerms};
use alphapulse_strategies::search::{Prices, best_cycles};
use alphapulse_strategies::{After, Market};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::data;
use crate::joint_peer::peer_optimum;
use crate::sketch::Sketch;
use crate::universe::Universe;

const BASE: TokenId = TokenId(0);
const TERMS: JointTerms = JointTerms { token: BASE, trade_cost: U256::ZERO };

/// How far an optimum may lie from the peer's, as a part.
const OFF_MAX: f64 = 1e-8;

fn optimum(market: &Market) -> JointOptimum<'_> {
    JointOptimum::new(market, &TERMS, &Prices::fit(market, &[BASE])).expect("the base has a price")
}

/// Makes a plan's trades one after the other, with what it says is borrowed and each pool as the trade before left it. Gives what is held more
/// than before, by token.
#[track_caller]
fn make(market: &Market, plan: &JointPlan) -> HashMap<TokenId, U256> {
    let mut held: HashMap<TokenId, U256> = plan.borrowed.iter().copied().collect();
    assert_eq!(held.len(), plan.borrowed.len(), "each token once");
    let mut after: HashMap<PoolId, After> = HashMap::new();
    for trade in &plan.trades {
        let view = market.pool(trade.pool).expect("a known pool");
        let view = after.get(&trade.pool).map_or(view, |after| view.after(after));
        let way = market.way(trade.pool, trade.token_in, trade.token_out).expect("its tokens");
        let swapped = view.swap_exact_in(way, trade.amount_in, market.timestamp()).expect("a trade that can be made");
        assert_eq!(swapped.amount_out, trade.amount_out, "{trade:?}");
        let paid = held.get_mut(&trade.token_in).expect("it is held");
        *paid = paid.checked_sub(trade.amount_in).expect("as much of it as is paid");
        *held.entry(trade.token_out).or_default() += swapped.amount_out;
        after.insert(trade.pool, swapped.after);
    }
    for (token, borrowed) in &plan.borrowed {
        let held = held.get_mut(token).expect("it was borrowed");
        *held = held.checked_sub(*borrowed).expect("it can be given back");
    }
    held.retain(|_, amount| !amount.is_zero());
    held
}

/// Makes a plan, and holds what it says against what comes of it.
#[track_caller]
fn hold(market: &Market, plan: &JointPlan) {
    let mut held = make(market, plan);
    assert_eq!(held.remove(&plan.token), Some(plan.profit));
    assert_eq!(held, plan.left.iter().copied().collect(), "nothing else is left");
}

/// So many pools between as many tokens as their square root and a few, off prices by some hundredths.
fn random_market(random: &mut StdRng, pools: usize, ranged: bool) -> Market {
    let tokens = 3 + (pools as f64).sqrt() as u32;
    let mut sketch = Sketch::with_tokens(tokens);
    let worth: Vec<f64> = (0..tokens).map(|_| 10_f64.powf(random.random_range(-2.0..2.0))).collect();
    for at in 0..pools as u32 {
        let a = if at + 1 < tokens { at + 1 } else { random.random_range(1..tokens) };
        // A few tokens have most pools.
        let b = if at + 1 < tokens { 0 } else { random.random_range(0..tokens).min(random.random_range(0..tokens)) };
        if a == b {
            continue;
        }
        let depth = 10_f64.powf(random.random_range(20.0..23.0));
        let off = 1.0 + random.random_range(-0.05..0.05);
        let fee = [100, 500, 3_000, 10_000][random.random_range(0..4)];
        if ranged && random.random_ratio(1, 3) {
            let price = worth[a as usize] / worth[b as usize] * off;
            add_ranged(&mut sketch, random, [a, b], price, depth, fee);
        } else {
            let reserves = [depth / worth[a as usize] * off, depth / worth[b as usize]].map(|reserve| reserve as u128);
            sketch.pair([a, b], reserves, fee);
        }
    }
    sketch.market()
}

fn add_ranged(sketch: &mut Sketch, random: &mut StdRng, [a, b]: [u32; 2], price: f64, depth: f64, fee: u32) {
    let price = if a < b { price } else { 1.0 / price };
    let tokens = [a.min(b), a.max(b)];
    let sqrt = U256::from((price.sqrt() * 2_f64.powi(64)) as u128) << 32_usize;
    let tick = (price.ln() / 1.0001_f64.ln()).floor() as i32;
    let near = tick.div_euclid(10) * 10;
    let liquidity = depth as u128;
    let mut positions = vec![(-887_270, 887_270, liquidity)];
    for _ in 0..random.random_range(0..4) {
        let lower = near + 10 * random.random_range(-80..60);
        positions.push((lower, lower + 10 * random.random_range(1..60), liquidity * random.random_range(1..9)));
    }
    sketch.ranged(tokens, sqrt, fee, 10, &positions);
}

#[test]
fn the_optimum_is_that_of_a_convex_solver() {
    let seed = data::seed("joint optimum beside clarabel", 20_261_129);
    let mut random = StdRng::seed_from_u64(seed);
    let (mut worst, mut instances, mut unsolved, mut least) = (0.0_f64, 0, 0, 1.0_f64);
    let sizes = [10, 10, 10, 10, 30, 30, 30, 30, 30, 30, 100, 100, 100, 300, 300, 1_000, 2_000];
    for pools in sizes.repeat(2 * data::cases_factor()) {
        let ranged = random.random_ratio(1, 2);
        let market = random_market(&mut random, pools, ranged);
        let ours = optimum(&market);
        let Some(peer) = peer_optimum(&market, BASE, 1e-10) else {
            unsolved += 1;
            continue;
        };
        instances += 1;
        let off = (ours.bound() - peer.value).abs() / peer.value;
        worst = worst.max(off);
        assert!(off < OFF_MAX, "{pools} pools: {} is not {} (gap {})", ours.bound(), peer.value, peer.gap);
        let bound = ours.bound();
        let plan = ours.plan().expect("there is something to gain");
        hold(&market, &plan);
        assert!(f64::from(plan.profit) <= bound, "{pools} pools: more than the bound");
        least = least.min(f64::from(plan.profit) / bound);
    }
    data::report(&format!(
        "joint optimum beside clarabel: {instances} instances and {unsolved} that it did not finish, at worst {worst:.1e} apart; plans reach {:.6} % of it at least",
        least * 100.0
    ));
    // Where tokens wait for each other in a circle, whole units cost a plan some parts in a hundred thousand.
    assert!(least > 0.999_9, "{least}");
    assert!(instances > 4 * unsolved, "the peer solved {instances} and not {unsolved}");
}

/// What pools of both ways through one pair gain together is known in closed form.
#[test]
fn parallel_pools_share_a_trade_by_their_depths() {
    let mut sketch = Sketch::with_tokens(2);
    let unit = 10_u128.pow(24);
    sketch.pair([0, 1], [unit, unit], 0);
    for _ in 0..4 {
        sketch.pair([0, 1], [unit / 4, unit / 4 * 11 / 10], 0);
    }
    let market = sketch.market();
    let plan = optimum(&market).plan().expect("they disagree");
    hold(&market, &plan);
    // Four pools of a quarter are one: then both end at one price, and the product of both stays.
    let merged = two_pairs([1e24, 1e24], [1e24, 1.1e24]);
    assert!((f64::from(plan.profit) / merged - 1.0).abs() < 1e-9, "{} is not {merged}", plan.profit);
    assert_eq!((plan.trades.len(), plan.left.len()), (5, 0));
}

/// Most of token 0 that two pairs without fees give, by the closed form for a route of two.
fn two_pairs(dear: [f64; 2], cheap: [f64; 2]) -> f64 {
    let g = cheap[1] / cheap[0] * dear[0] / dear[1];
    let h = 1.0 / cheap[0] + cheap[1] / cheap[0] / dear[1];
    (g.sqrt() - 1.0).powi(2) / h
}

#[test]
fn where_pools_agree_nothing_is_planned() {
    let mut sketch = Sketch::with_tokens(3);
    for pair in [[0, 1], [1, 2], [0, 2]] {
        sketch.pair(pair, [10_u128.pow(24); 2], 3_000);
    }
    let market = sketch.market();
    let optimum = optimum(&market);
    assert!(optimum.bound() < 1.0);
    assert_eq!(optimum.plan(), None);
}

/// What a trade costs where it costs something: a millionth of what a pool holds.
const COST: U256 = U256::from_limbs([1_000_000_000_000_000, 0, 0, 0]);

/// Plans of one block after another, the one without costs made before the next block's swaps. `look` is given each market, plan and bound,
/// before costs and after.
fn replay(mut universe: Universe, blocks: usize, mut look: impl FnMut(&Market, &[(Option<JointPlan>, f64); 2])) {
    let (mut market, _) = universe.market();
    for _ in 0..blocks {
        let prices = Prices::fit(&market, &[BASE]);
        let found = [U256::ZERO, COST].map(|trade_cost| {
            let terms = JointTerms { token: BASE, trade_cost };
            let best = JointOptimum::new(&market, &terms, &prices).expect("the base has a price");
            let bound = best.bound_after_costs();
            (best.plan(), bound)
        });
        found.iter().filter_map(|(plan, _)| plan.as_ref()).for_each(|plan| hold(&market, plan));
        look(&market, &found);
        found[0].0.iter().for_each(|plan| universe.take(&plan.trades));
        for message in universe.block(3) {
            crate::sketch::apply(&mut market, &message);
        }
    }
}

#[test]
fn plans_earn_nearly_all_that_is_there_block_by_block() {
    let blocks = 150 * data::cases_factor();
    let (mut earned, mut bounds) = ([0.0; 2], [0.0; 2]);
    replay(Universe::new(5, 1, 40), blocks, |_, found| {
        for (at, ((plan, bound), cost)) in found.iter().zip([U256::ZERO, COST]).enumerate() {
            bounds[at] += bound;
            let Some(plan) = plan else { continue };
            let net = plan.net(cost).expect("more than it costs");
            assert!(f64::from(net) <= *bound, "{net} of {bound}");
            earned[at] += f64::from(plan.profit) - f64::from(cost) * plan.trades.len() as f64;
        }
    });
    let [before, after] = [0, 1].map(|at| earned[at] / bounds[at]);
    data::report(&format!(
        "joint plans of {blocks} blocks earn {:.4} % of the optimum, {:.4} % after costs",
        before * 100.0,
        after * 100.0
    ));
    assert!((0.99..=1.0).contains(&before), "{before}");
    assert!((0.97..=1.0).contains(&after), "{after}");
}

/// Where fees move the bound is loose, but no route that is found alone may earn more than the plan of all.
#[test]
fn a_plan_through_curves_earns_no_less_than_the_best_route() {
    let (mut plans, mut more) = (0, 0);
    for seed in 0..3 {
        replay(Universe::new(60 + seed, 3, 16), 4 * data::cases_factor(), |market, [(plan, _), _]| {
            let route = best_cycles(market, BASE, 4, U256::ONE, 1).first().map_or(U256::ZERO, |route| route.profit());
            let profit = plan.as_ref().map_or(U256::ZERO, |plan| plan.profit);
            assert!(profit >= route, "a route earns {route}, the plan {profit}");
            plans += usize::from(plan.is_some());
            more += usize::from(profit > route);
        });
    }
    data::report(&format!("{plans} plans through curves, {more} of them better than the best route"));
    assert!(plans > 8 && more > plans / 2, "{more} of {plans}");
}
