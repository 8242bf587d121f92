//! The section search against brute force over every input, on pools small enough for that.

use std::collections::BTreeMap;

use alloy::primitives::{Address, U256};
use alphapulse_protocol::message::PoolKind;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use super::super::swap::sqrt_price_at;
use super::super::{ConcentratedBook, PoolKey};
use super::*;

const TOKENS: u8 = 3;
const CASES: u64 = 60;

fn token(index: u8) -> Address {
    Address::repeat_byte(index + 1)
}

fn key(index: u8, pair: (u8, u8), kind: PoolKind, fee_ppm: u32, tick_spacing: i32) -> PoolKey {
    PoolKey {
        address: Address::repeat_byte(0x80 + index),
        kind,
        tokens: [token(pair.0), token(pair.1)],
        fee_ppm,
        tick_spacing,
    }
}

fn random_pair(rng: &mut StdRng) -> (u8, u8) {
    let low = rng.random_range(0..TOKENS - 1);
    (low, rng.random_range(low + 1..TOKENS))
}

fn random_pool(rng: &mut StdRng, index: u8, depth: u64) -> PoolSnapshot {
    let pair = random_pair(rng);
    if rng.random_bool(0.6) {
        let reserves = [0; 2].map(|_: u8| U256::from(rng.random_range(depth / 2..depth)));
        return PoolSnapshot {
            key: key(index, pair, PoolKind::UniswapV2, 3_000, 0),
            book: Book::ConstantProduct(reserves),
        };
    }
    let tick: i32 = rng.random_range(-4_000..4_000);
    let narrow = i128::from(rng.random_range(depth..20 * depth));
    let broad = i128::from(rng.random_range(depth..2 * depth));
    let inner = tick.div_euclid(60) * 60;
    let ticks = BTreeMap::from([(-60_000, broad), (inner - 120, narrow), (inner + 180, -narrow), (60_000, -broad)]);
    let book = ConcentratedBook {
        sqrt_price_x96: U256::from(sqrt_price_at(tick)),
        tick,
        liquidity: u128::try_from(narrow + broad).expect("positive"),
        ticks,
    };
    PoolSnapshot { key: key(index, pair, PoolKind::UniswapV3, 3_000, 60), book: Book::Concentrated(book) }
}

/// Best gain over every cycle and every input up to `input_max`.
fn brute_force(pools: &[PoolSnapshot], start: Address, input_max: u64) -> U256 {
    let mut best = Best::default();
    let mut route = Vec::new();
    visit_cycles(pools, start, start, &mut route, &mut |route| {
        let cycle = Cycle { pools, route };
        for amount in 1..=input_max {
            let amount = U256::from(amount);
            best.offer(amount, cycle.amount_out(amount));
        }
    });
    best.gain
}

#[test]
fn section_search_finds_the_brute_force_optimum() {
    let mut profitable = 0;
    for seed in 0..CASES {
        let mut rng = StdRng::seed_from_u64(seed);
        let depth = 6_000;
        let pools: Vec<PoolSnapshot> = (0..4).map(|index| random_pool(&mut rng, index, depth)).collect();
        let expected = brute_force(&pools, token(0), 2 * depth);
        let found = best_cycle(&pools, token(0)).map_or(U256::ZERO, |best| best.profit());
        assert_eq!(found, expected, "seed {seed}: {pools:?}");
        profitable += u32::from(!expected.is_zero());
    }
    assert!(profitable > 10, "the cases must be worth searching: {profitable}");
}

#[test]
fn coarse_middle_token_is_met_exactly() {
    // Token 1 has 500 units against millions of token 0: profit moves in steps of thousands.
    let pool = |index, reserves: [u64; 2]| PoolSnapshot {
        key: key(index, (0, 1), PoolKind::UniswapV2, 3_000, 0),
        book: Book::ConstantProduct(reserves.map(U256::from)),
    };
    let pools = [pool(0, [900_000, 510]), pool(1, [1_200_000, 480])];
    let expected = brute_force(&pools, token(0), 300_000);
    let found = best_cycle(&pools, token(0)).expect("the prices differ by a third");
    assert_eq!(found.profit(), expected);
}

#[test]
fn a_cycle_returns_to_its_token_and_uses_each_pool_once() {
    let mut rng = StdRng::seed_from_u64(7);
    let pools: Vec<PoolSnapshot> = (0..7).map(|index| random_pool(&mut rng, index, 1_000)).collect();
    let mut seen = 0;
    visit_cycles(&pools, token(0), token(0), &mut Vec::new(), &mut |route| {
        seen += 1;
        assert!((2..=HOPS_MAX).contains(&route.len()));
        let mut used: Vec<usize> = route.iter().map(|step| step.0).collect();
        used.sort_unstable();
        used.dedup();
        assert_eq!(used.len(), route.len());
        let end = route.iter().fold(token(0), |at, (pool, token_in)| {
            assert_eq!(at, *token_in);
            pools[*pool].other_token(at).expect("the pool holds the token")
        });
        assert_eq!(end, token(0));
    });
    assert!(seen > 0);
}
