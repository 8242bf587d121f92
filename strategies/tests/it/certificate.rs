//! Certificates: what they say bounds every route that brute force finds, and every pool by its own quotes.

use alphapulse_protocol::{PoolId, TokenId, U256};
use alphapulse_strategies::conformance::{MarketStream, check_certificate, token_address};
use alphapulse_strategies::search::{Certificate, Prices, best_cycles};
use alphapulse_strategies::{Admission, HOPS_MAX, Market, Opportunity};

use crate::sketch::{Sketch, apply};

const BASE: TokenId = TokenId(0);

fn certificate(market: &Market) -> Certificate {
    Certificate::new(market, Prices::fit(market, &[BASE]))
}

/// Every route from the base, and every pool, against the certificate. Gives the routes, the best first.
#[track_caller]
fn hold(market: &Market, certificate: &Certificate, what: &str) -> Vec<Opportunity> {
    check_certificate(market, certificate).unwrap_or_else(|error| panic!("{what}: {error}"));
    let found = best_cycles(market, BASE, u8::try_from(HOPS_MAX).expect("few"), U256::ONE, 10_000);
    for route in &found {
        let bound = certificate.bound(BASE, route.hops().len()).expect("the base has a price");
        let profit = f64::from(route.profit());
        assert!(profit <= bound, "{what}: a route earns {profit}, above {bound}: {route:?}");
    }
    found
}

/// Random markets of pairs and ranged pools, at every stage of random streams.
#[test]
fn no_route_that_brute_force_finds_earns_more_than_the_certificate_says() {
    let (mut routes, mut tightest) = (0, f64::INFINITY);
    for seed in 0..12 {
        let mut stream = MarketStream::new(seed);
        let mut market = Market::new(Admission::allow_all(), 64);
        for message in stream.snapshot() {
            apply(&mut market, &message);
        }
        for step in 0..4 {
            assert_eq!(market.replica().token_by_address(&token_address(0)), Some(BASE));
            let certificate = certificate(&market);
            let found = hold(&market, &certificate, &format!("seed {seed}, step {step}"));
            if let Some(best) = found.first() {
                let bound = certificate.bound(BASE, HOPS_MAX).expect("priced");
                tightest = tightest.min(bound / f64::from(best.profit()));
            }
            routes += found.len();
            for message in stream.step() {
                apply(&mut market, &message);
            }
        }
    }
    assert!(routes > 1_000, "{routes}");
    assert!(tightest < 1.25, "a bound that is never near says little: {tightest}");
}

/// Pools that agree within their fees: nothing is out of band, and the bound is nothing.
#[test]
fn where_all_pools_agree_the_certificate_says_that_nothing_can_be_earned() {
    let mut sketch = Sketch::with_tokens(5);
    let worth = [1_u128, 3, 500, 7, 90];
    for (a, b) in (0..5_u32).flat_map(|a| (a + 1..5).map(move |b| (a, b))) {
        let reserves = [a, b].map(|token| 10_u128.pow(24) * u128::from(1 + a + b) / worth[token as usize]);
        sketch.pair([a, b], reserves, 3_000);
    }
    let market = sketch.market();
    let certificate = certificate(&market);
    assert_eq!(certificate.out_of_band(), [], "{certificate:?}");
    assert_eq!((certificate.bound(BASE, 4), certificate.prices().count()), (Some(0.0), 5));
    hold(&market, &certificate, "agreed");
    for (token, worth) in (0..).map(TokenId).zip(worth) {
        let price = certificate.prices().of(token).expect("priced");
        assert!((price / worth as f64 - 1.0).abs() < 0.003, "token {token:?} at {price}, not {worth}");
    }
}

/// Two pools of one pair at different prices: their one route is what the bound is about, and it is tight up to the fees.
#[test]
fn two_pools_that_disagree_are_bounded_by_little_more_than_their_route_earns() {
    let mut sketch = Sketch::with_tokens(3);
    sketch.pair([0, 1], [10_u128.pow(24), 10_u128.pow(24)], 3_000);
    sketch.pair([0, 1], [10_u128.pow(24), 11 * 10_u128.pow(23)], 3_000);
    // Nothing leads to token 2 from here.
    let market = sketch.market();
    let certificate = certificate(&market);
    let best = best_cycles(&market, BASE, 2, U256::ONE, 1)[0];
    let ratio = certificate.bound(BASE, 2).expect("priced") / f64::from(best.profit());
    assert!((1.0..1.001).contains(&ratio), "{ratio}");
    assert_eq!(certificate.bound(TokenId(2), 2), None);
    hold(&market, &certificate, "two pools");
}

/// The check must be able to fail: prices of one market say nothing of another.
#[test]
fn a_certificate_of_another_market_is_refused() {
    let pairs = |reserve| {
        let mut sketch = Sketch::with_tokens(2);
        sketch.pair([0, 1], [10_u128.pow(24), 10_u128.pow(24)], 3_000);
        sketch.pair([0, 1], [10_u128.pow(24), reserve], 3_000);
        sketch.market()
    };
    let agreed = certificate(&pairs(10_u128.pow(24)));
    let refused = check_certificate(&pairs(2 * 10_u128.pow(24)), &agreed).expect_err("it gains");
    assert_eq!((refused.pool, refused.said), (PoolId(1), 0.0));
    assert!(refused.gain > 1e22, "{refused}");
}

/// Pools that sell one way only connect their tokens all the same: a route may go there by one and back by another.
#[test]
fn pools_that_sell_one_way_only_are_priced_and_bounded() {
    let one = U256::ONE << 96;
    let mut sketch = Sketch::with_tokens(2);
    // All of its liquidity is token 1, which it sells; and all of it token 0, dearer.
    sketch.ranged([0, 1], one, 500, 60, &[(-12_000, -60, 10_u128.pow(22))]);
    sketch.ranged([0, 1], one, 500, 60, &[(600, 12_000, 10_u128.pow(22))]);
    let market = sketch.market();
    let certificate = certificate(&market);
    assert_eq!(certificate.prices().count(), 2);
    hold(&market, &certificate, "one way each");
    let mut sketch = Sketch::with_tokens(2);
    sketch.ranged([0, 1], one, 500, 60, &[(-12_000, -60, 10_u128.pow(22))]);
    sketch.ranged([0, 1], one / U256::from(2), 500, 60, &[(-13_800, 12_000, 10_u128.pow(20))]);
    let market = sketch.market();
    assert!(!hold(&market, &self::certificate(&market), "one way, and both").is_empty(), "there is a route");
}

/// What pools do not connect has a unit of its own, and bounds of its own.
#[test]
fn markets_apart_do_not_bound_each_other() {
    let mut sketch = Sketch::with_tokens(4);
    for tokens in [[0, 1], [2, 3]] {
        let scale = 10_u128.pow(if tokens[0] == 0 { 24 } else { 12 });
        sketch.pair(tokens, [scale, scale], 3_000);
        sketch.pair(tokens, [scale, scale / 10 * 11], 3_000);
    }
    let market = sketch.market();
    let certificate = Certificate::new(&market, Prices::fit(&market, &[TokenId(0), TokenId(2)]));
    for token in [0, 2].map(TokenId) {
        let best = best_cycles(&market, token, 2, U256::ONE, 1)[0];
        let ratio = certificate.bound(token, 2).expect("priced") / f64::from(best.profit());
        assert!((1.0..1.001).contains(&ratio), "{token:?}: {ratio}");
        assert_eq!(certificate.prices().unit_of(token), Some(token));
    }
    assert_eq!(certificate.prices().unit_of(TokenId(3)), Some(TokenId(2)));
}
