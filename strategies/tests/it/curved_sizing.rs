//! Sizes of routes through curves of every kind, against a search over exact quotes that knows nothing of slopes.

use alphapulse_protocol::{TokenId, U256};
use alphapulse_strategies::search::enumerate_cycles;
use alphapulse_strategies::{Hop, Market, Opportunity};

use crate::data;
use crate::universe::Universe;

/// Share of the greatest profit that may be missed.
const LOST: f64 = 1e-9;

/// What a route gives for an input by exact quotes, less the input; the loss of all where a pool refuses.
fn profit(market: &Market, hops: &[Hop], input: U256) -> f64 {
    let step = |amount: U256, hop: &Hop| {
        let way = market.way(hop.pool, hop.token_in, hop.token_out).ok()?;
        market.pool(hop.pool).ok()?.hop_output(way, amount, market.timestamp()).ok()
    };
    let output = hops.iter().try_fold(input, step).unwrap_or_default();
    if output > input { f64::from(output - input) } else { -f64::from(input - output) }
}

/// The greatest profit near an input: thirds of what lies between a sixteenth and sixteen times it.
fn greatest(market: &Market, hops: &[Hop], near: U256) -> f64 {
    let (mut low, mut high) = ((near >> 4_usize).max(U256::ONE), near << 4_usize);
    let mut best = f64::NEG_INFINITY;
    while high - low > U256::from(3) {
        let third = (high - low) / U256::from(3);
        let (a, b) = (low + third, high - third);
        let (at_a, at_b) = (profit(market, hops, a), profit(market, hops, b));
        best = best.max(at_a).max(at_b);
        if at_a < at_b { low = a } else { high = b }
    }
    best
}

/// What a unit of the route's coarsest token is worth: less than that no search over inputs can tell.
fn unit(found: &Opportunity) -> f64 {
    let input = f64::from(found.amount_in());
    found.hops().iter().map(|hop| input / f64::from(hop.amount_out)).fold(1.0, f64::max)
}

#[test]
fn routes_through_curves_earn_what_a_search_over_quotes_finds() {
    let first = data::seed("curved sizing", 900);
    let (mut routes, mut worst, mut below) = (0_u64, 0.0_f64, 0_u64);
    for seed in (first..).take(10 * data::cases_factor()) {
        let (market, _) = Universe::new(seed, 3, 14).market();
        for token in [0, 1, 2] {
            let found = enumerate_cycles(&market, TokenId(token), 4, U256::from(10).pow(U256::from(12)), usize::MAX);
            let is_curved = |found: &&Opportunity| {
                found.hops().iter().any(|hop| !market.pool(hop.pool).is_ok_and(|view| view.is_ranged()))
            };
            for route in found.iter().filter(is_curved) {
                let best = greatest(&market, route.hops(), route.amount_in());
                let lost = best - f64::from(route.profit()) - 2.0 * unit(route);
                routes += 1;
                below += u64::from(lost > 0.0);
                worst = worst.max(lost / best);
                assert!(lost <= best * LOST, "seed {seed}: {lost} of {best} lost: {route:?}");
            }
        }
    }
    data::report(&format!("{routes} routes through curves; {below} below the search, at worst by {worst:e}"));
    assert!(routes > 300, "{routes}");
}
