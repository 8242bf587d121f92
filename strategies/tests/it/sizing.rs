//! Size and choice of routes, against enumeration and search that share no code with them.

#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "random markets are drawn in floats; which integer comes of one does not matter"
)]

use alphapulse_protocol::{PoolId, TokenId, U256};
use alphapulse_strategies::pool::Way;
use alphapulse_strategies::pool::tick_math::get_sqrt_ratio_at_tick;
use alphapulse_strategies::search::best_cycles;
use alphapulse_strategies::{Market, Opportunity};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::data;
use crate::sketch::Sketch;

/// Inputs tried one by one around a peak.
const NEIGHBOURS: u128 = 60;

/// A closed route by pools and the token that each is paid in.
type Route = Vec<(PoolId, TokenId)>;

/// Every closed route from `start` of 2 to `hops_max` hops, by trying every sequence of pools.
fn all_routes(market: &Market, start: TokenId, hops_max: usize) -> Vec<Route> {
    let pools = market.replica().pools();
    let mut open: Vec<(Route, TokenId)> = vec![(Vec::new(), start)];
    let mut closed = Vec::new();
    for _ in 0..hops_max {
        let mut longer = Vec::new();
        for (route, token) in &open {
            for (info, id) in pools.iter().zip((0..).map(PoolId)) {
                let Some(side) = info.tokens.iter().position(|held| held == token) else { continue };
                if route.iter().any(|(pool, _)| *pool == id) {
                    continue;
                }
                let mut route = route.clone();
                route.push((id, *token));
                let token = info.tokens[1 - side];
                if token == start { closed.push(route) } else { longer.push((route, token)) }
            }
        }
        open = longer;
    }
    closed.retain(|route| route.len() >= 2);
    closed
}

/// Output of a route by exact quotes, or nothing when a pool refuses or leaves a part of its input.
fn output(market: &Market, route: &[(PoolId, TokenId)], input: U256) -> Option<U256> {
    route.iter().try_fold(input, |amount, (pool, token)| {
        let zero_for_one = market.replica().pools()[pool.index()].tokens[0] == *token;
        market.pool(*pool).ok()?.hop_output(Way::of_pair(zero_for_one), amount, market.timestamp()).ok()
    })
}

/// Profit as a signed number; what no pool takes counts as the loss of all.
fn profit(market: &Market, route: &Route, input: U256) -> i128 {
    let output = output(market, route, input).unwrap_or_default();
    i128::try_from(output).expect("amounts of a test") - i128::try_from(input).expect("amounts of a test")
}

/// The integer in `1..=high` at which a function with one peak is highest, up to `NEIGHBOURS` of roughness.
fn peak_of(high: u128, at: impl Fn(u128) -> i128) -> (u128, i128) {
    let (mut low, mut high) = (1_u128, high.max(1));
    while high - low > 2 * NEIGHBOURS {
        let third = (high - low) / 3;
        let (a, b) = (low + third, high - third);
        if at(a) < at(b) { low = a } else { high = b }
    }
    let inputs = low.saturating_sub(NEIGHBOURS).max(1)..=high + NEIGHBOURS;
    inputs.map(|input| (input, at(input))).max_by_key(|(_, profit)| *profit).expect("at least one input")
}

/// The least input that buys `count` at the route's end, if any up to `high` does: by bisection of the output alone.
fn least_input(market: &Market, route: &[(PoolId, TokenId)], count: u128, high: u128) -> Option<u128> {
    let is_enough = |input: u128| output(market, route, U256::from(input)).is_some_and(|got| got >= U256::from(count));
    let (mut low, mut high) = (0, high);
    if !is_enough(high) {
        return None;
    }
    while high - low > 1 {
        let middle = low + (high - low) / 2;
        if is_enough(middle) { high = middle } else { low = middle }
    }
    Some(high)
}

/// The best profit by a search over the input, and, where a token on the way is coarse, over each count of that token
/// with the least input that buys it: between two such inputs profit falls by the wasted input, so over the input alone
/// it has many small peaks.
fn peak(market: &Market, route: &Route, input_max: u128) -> i128 {
    let (input, mut best) = peak_of(input_max, |input| profit(market, route, U256::from(input)));
    for stop in 1..route.len() {
        let (prefix, suffix) = route.split_at(stop);
        let count = output(market, prefix, U256::from(input)).unwrap_or_default();
        // Where a unit is worth little, the search over the input has found the peak.
        if count > U256::from(1_u128 << 50) {
            continue;
        }
        let at_count = |count: u128| {
            let input = least_input(market, prefix, count, input.saturating_mul(4))?;
            let output = output(market, suffix, U256::from(count))?;
            Some(i128::try_from(output).expect("amounts of a test") - input.cast_signed())
        };
        let (_, found) = peak_of(count.to::<u128>().saturating_mul(2), |count| at_count(count).unwrap_or(i128::MIN));
        best = best.max(found);
    }
    best
}

fn route_of(found: &Opportunity) -> Route {
    found.hops().iter().map(|hop| (hop.pool, hop.token_in)).collect()
}

fn found_profit(found: &Opportunity) -> i128 {
    i128::try_from(found.profit()).expect("amounts of a test")
}

/// Routes compared with their peaks.
#[derive(Debug, Default)]
struct Tally {
    routes: u64,
    at_the_peak: u64,
    /// Greatest share of a peak that was lost.
    share_lost: f64,
    /// The same, after leaving out what one unit of the route's coarsest token is worth.
    share_lost_past_a_unit: f64,
}

impl Tally {
    /// Compares every route of `best_cycles` with its peak; a route that it does not have counts as one that earns 0.
    fn check(&mut self, market: &Market, hops_max: u8) {
        let found = best_cycles(market, TokenId(0), hops_max, U256::ZERO, usize::MAX);
        for route in all_routes(market, TokenId(0), usize::from(hops_max)) {
            let best = peak(market, &route, 1 << 100);
            let ours = found.iter().find(|found| route_of(found) == route);
            if best <= 0 {
                continue;
            }
            let lost = best - ours.map_or(0, found_profit);
            let past_a_unit = lost as f64 - ours.map_or(0.0, value_of_coarsest_unit);
            self.routes += 1;
            self.at_the_peak += u64::from(lost <= 0);
            self.share_lost = self.share_lost.max(lost as f64 / best as f64);
            self.share_lost_past_a_unit = self.share_lost_past_a_unit.max(past_a_unit / best as f64);
        }
    }
}

/// Worth of one unit of the token with the smallest count on the route, in units of the route's first token.
fn value_of_coarsest_unit(found: &Opportunity) -> f64 {
    let least = found.hops().iter().map(|hop| hop.amount_in).min().expect("a route has hops");
    f64::from(found.amount_in()) / f64::from(least)
}

fn random_reserves(random: &mut StdRng, values: &[f64], tokens: [u32; 2]) -> [u128; 2] {
    // The same worth on both sides, but for up to 4 %.
    let worth = 10_f64.powf(random.random_range(20.0..26.0));
    let noise = random.random_range(0.96..1.04);
    [worth / values[tokens[0] as usize] * noise, worth / values[tokens[1] as usize]].map(|reserve| reserve as u128)
}

fn random_market(random: &mut StdRng, values: &[f64], pools: usize) -> Market {
    let count = u32::try_from(values.len()).expect("few tokens");
    let mut sketch = Sketch::with_tokens(count);
    for _ in 0..pools {
        let first = random.random_range(0..count);
        let second = (first + random.random_range(1..count)) % count;
        let tokens = [first, second];
        let fee = [100, 500, 2_500, 3_000, 10_000][random.random_range(0..5)];
        let [reserve_0, reserve_1] = random_reserves(random, values, tokens);
        if random.random_bool(0.5) {
            sketch.pair(tokens, [reserve_0, reserve_1], fee);
            continue;
        }
        let price = reserve_1 as f64 / reserve_0 as f64;
        let tick = (price.ln() / 1.0001_f64.ln()) as i32;
        let sqrt_price = get_sqrt_ratio_at_tick(tick).expect("inside the domain");
        let sqrt_price = sqrt_price + U256::from(random.random_range(0..1_u64 << 20));
        let liquidity = (reserve_0 as f64 * reserve_1 as f64).sqrt();
        let spacing = [1, 10, 60, 200][random.random_range(0..4)];
        let mut positions = vec![(-887_200 / spacing * spacing, 887_200 / spacing * spacing, liquidity as u128)];
        for _ in 0..random.random_range(0..12) {
            let lower = tick.div_euclid(spacing) + random.random_range(-12..8);
            let upper = lower + random.random_range(1..12);
            let share = random.random_range(0.1..20.0);
            positions.push((lower * spacing, upper * spacing, (liquidity * share) as u128));
        }
        sketch.ranged(tokens, sqrt_price, fee, spacing, &positions);
    }
    sketch.market()
}

#[test]
fn sizes_are_within_a_billionth_of_the_peak() {
    let mut random = StdRng::seed_from_u64(data::seed("sizing", 11));
    let mut tally = Tally::default();
    for _ in 0..24 {
        let values: Vec<f64> = (0..4).map(|_| 10_f64.powf(random.random_range(-1.0..1.0))).collect();
        tally.check(&random_market(&mut random, &values, 9), 4);
    }
    data::report(&format!("{tally:?}"));
    assert!(tally.routes > 300, "too few routes: {}", tally.routes);
    assert!(tally.share_lost < 1e-9, "{tally:?}");
}

/// With tokens of few decimals a single unit can be worth more than a billionth of the profit, and which amounts the
/// pools round least is a question of luck: what is lost to that stays below one unit of the coarsest token.
#[test]
fn a_coarse_token_costs_less_than_one_unit_of_it() {
    let mut random = StdRng::seed_from_u64(data::seed("coarse sizing", 12));
    let mut tally = Tally::default();
    for _ in 0..8 {
        // Like tokens of 18, 8 and 6 decimals.
        let values: Vec<f64> =
            [0.0, 10.0, 12.0].into_iter().map(|power| 10_f64.powf(power + random.random_range(-1.0..1.0))).collect();
        tally.check(&random_market(&mut random, &values, 5), 3);
    }
    data::report(&format!("{tally:?}"));
    assert!(tally.routes > 20, "too few routes: {}", tally.routes);
    assert!(tally.share_lost_past_a_unit < 1e-9, "{tally:?}");
}

/// Six pairs with reserves of 5 to 4,000 units between three tokens.
fn tiny_market(random: &mut StdRng) -> Market {
    let mut sketch = Sketch::with_tokens(3);
    for _ in 0..6 {
        let first = random.random_range(0..3);
        let second = (first + random.random_range(1..3)) % 3;
        let fee = [0, 3_000, 10_000][random.random_range(0..3)];
        let size = 10_f64.powf(random.random_range(1.0..3.3));
        let reserves = [0, 1].map(|_| (size * random.random_range(0.5..2.0)) as u128);
        sketch.pair([first, second], reserves, fee);
    }
    sketch.market()
}

#[test]
fn in_tiny_pools_no_input_earns_a_unit_per_hop_more() {
    let mut random = StdRng::seed_from_u64(data::seed("tiny sizing", 13));
    let (mut routes, mut exact) = (0_u32, 0_u32);
    for _ in 0..200 {
        let market = tiny_market(&mut random);
        let found = best_cycles(&market, TokenId(0), 4, U256::ZERO, usize::MAX);
        let all = all_routes(&market, TokenId(0), 4);
        assert!(found.iter().all(|found| all.contains(&route_of(found))), "a route that is not one");
        for route in all {
            // An input as large as the largest reserve moves every price fourfold.
            let best = (1..4_000_u64).map(|input| profit(&market, &route, U256::from(input))).max().expect("inputs");
            let ours = found.iter().find(|found| route_of(found) == route).map_or(0, found_profit);
            let lost = best - ours;
            assert!(lost < i128::try_from(route.len()).expect("few hops"), "{route:?} lost {lost}");
            routes += u32::from(best > 0);
            exact += u32::from(best > 0 && lost <= 0);
        }
    }
    data::report(&format!("{routes} profitable routes, {exact} sized exactly"));
    assert!(routes > 1_000 && exact * 100 > routes * 95, "{exact} of {routes} sized exactly");
}

#[test]
fn a_pool_that_runs_dry_is_sized_to_its_end() {
    let mut sketch = Sketch::with_tokens(2);
    // Sells token 1 at about 1 until a price of 0.9512; the pair pays 2 for it, in depth.
    let one = get_sqrt_ratio_at_tick(0).expect("inside the domain");
    let narrow = sketch.ranged([0, 1], one, 500, 10, &[(-500, 500, 10_u128.pow(24))]);
    let deep = sketch.pair([1, 0], [10_u128.pow(26), 2 * 10_u128.pow(26)], 3_000);
    let market = sketch.market();
    let found = best_cycles(&market, TokenId(0), 2, U256::ZERO, 1);
    let route = vec![(narrow, TokenId(0)), (deep, TokenId(1))];
    assert_eq!(route_of(&found[0]), route);
    let best = peak(&market, &route, 1 << 100);
    let lost = (best - found_profit(&found[0])) as f64 / best as f64;
    assert!(lost < 1e-9, "lost {lost:e}");
    let more = found[0].amount_in() + found[0].amount_in() / U256::from(1_000);
    assert_eq!(output(&market, &route, more), None, "the pool takes no more");
}

/// A stable pair's pool has a position on every tick: an arbitrage of a few per cent crosses hundreds.
#[test]
fn a_route_that_crosses_hundreds_of_ticks_is_sized_to_its_peak() {
    let mut sketch = Sketch::with_tokens(2);
    let one = get_sqrt_ratio_at_tick(0).expect("inside the domain");
    let positions: Vec<_> =
        (-600..600_i32).map(|tick| (tick, tick + 1, 10_u128.pow(24) + u128::from(tick.unsigned_abs()))).collect();
    let dense = sketch.ranged([0, 1], one, 100, 1, &positions);
    let deep = sketch.pair([1, 0], [10_u128.pow(27), 104 * 10_u128.pow(25)], 500);
    let market = sketch.market();
    let route = vec![(dense, TokenId(0)), (deep, TokenId(1))];
    let found = best_cycles(&market, TokenId(0), 2, U256::ZERO, 1);
    assert_eq!(route_of(&found[0]), route);
    let best = peak(&market, &route, 1 << 100);
    let lost = (best - found_profit(&found[0])) as f64 / best as f64;
    assert!(lost < 1e-9, "lost {lost:e}");
}

#[test]
fn best_cycles_keeps_the_best_and_obeys_its_bounds() {
    let mut random = StdRng::seed_from_u64(data::seed("best cycles", 14));
    let values = [1.0, 2.0, 0.5, 1.0];
    let market = random_market(&mut random, &values, 20);
    let all = best_cycles(&market, TokenId(0), 4, U256::ZERO, usize::MAX);
    assert!(all.len() > 40, "too few routes to choose from: {}", all.len());
    assert!(all.is_sorted_by(|a, b| a.profit() >= b.profit()));
    for limit in [0, 1, 7, 40, all.len()] {
        assert_eq!(best_cycles(&market, TokenId(0), 4, U256::ZERO, limit), all[..limit]);
    }
    let least = all[5].profit();
    assert_eq!(best_cycles(&market, TokenId(0), 4, least, usize::MAX), all[..6]);
    assert_eq!(best_cycles(&market, TokenId(0), 4, least + U256::from(1), usize::MAX), all[..5]);
    assert!(best_cycles(&market, TokenId(0), 3, U256::ZERO, usize::MAX).iter().all(|found| found.hops().len() <= 3));
    assert!(best_cycles(&market, TokenId(0), 1, U256::ZERO, usize::MAX).is_empty());
    assert!(best_cycles(&market, TokenId(9), 4, U256::ZERO, usize::MAX).is_empty(), "a token nobody knows");
}
