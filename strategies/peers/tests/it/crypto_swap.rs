//! CryptoSwap quotes beside those of `curve-math`. A pool begins in balance and is moved by its own swaps, price scale and all.

use alphapulse_strategies::pool::Way;
use alphapulse_strategies::pool::crypto_swap::{
    CryptoSwapGeneration, CryptoSwapState, CryptoSwapTerms, CryptoSwapView,
};
use curve_math::Pool;
use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use ruint::aliases::U256;

use crate::tally::{Tally, Verdict};
use crate::{SWAPS_PER_POOL, sized};

const ONE: u128 = 1_000_000_000_000_000_000;
/// Seconds between two swaps of a pool.
const STEP: u64 = 12;

fn random_pool(generation: CryptoSwapGeneration, random: &mut SmallRng) -> CryptoSwapView {
    let coins = generation.coin_count();
    let decimals: [u32; 3] = core::array::from_fn(|_| [6, 8, 18][random.random_range(0..3)]);
    let mut price_scale = [0; 2];
    for price in &mut price_scale[..coins - 1] {
        *price = ONE / 1_000 * random.random_range(1..50_000_000_u128) / 1_000;
    }
    // Worth of each coin's balance in coin 0.
    let worth = ONE * 10_u128.pow(random.random_range(2..8));
    let mut balances = [0; 3];
    for (coin, balance) in balances[..coins].iter_mut().enumerate() {
        let price = coin.checked_sub(1).map_or(ONE, |k| price_scale[k]);
        let amount =
            U256::from(worth) * U256::from(ONE) / U256::from(price) / U256::from(10_u128.pow(18 - decimals[coin]));
        *balance = u128::try_from(amount).expect("a balance");
    }
    let a_unit = 10_000 * (coins as u64).pow(coins as u32);
    let terms = CryptoSwapTerms {
        future_a: random.random_range(a_unit / 10..a_unit * 40),
        future_gamma: 10_u64.pow(random.random_range(11..15)) * random.random_range(1..10),
        mid_fee: random.random_range(500_000..30_000_000),
        out_fee: random.random_range(30_000_000..100_000_000),
        fee_gamma: 10_u64.pow(random.random_range(13..17)),
        allowed_extra_profit: 2_000_000_000_000,
        adjustment_step: 146_000_000_000_000,
        ma_time: 866,
        ..CryptoSwapTerms::default()
    };
    let state = CryptoSwapState {
        balances,
        price_scale,
        price_oracle: price_scale,
        last_prices: price_scale,
        d: worth * coins as u128,
        supply: worth,
        virtual_price: ONE,
        xcp_profit: ONE,
        ..CryptoSwapState::default()
    };
    CryptoSwapView { generation, precisions: decimals.map(|decimals| 10_u64.pow(18 - decimals)), terms, state }
}

fn peer(pool: &CryptoSwapView) -> Pool {
    let CryptoSwapView { terms, state, .. } = pool;
    let balances = state.balances.map(U256::from);
    let precisions = pool.precisions.map(U256::from);
    let scales = state.price_scale.map(U256::from);
    let [d, ann, gamma] = [U256::from(state.d), U256::from(terms.future_a), U256::from(terms.future_gamma)];
    let [mid_fee, out_fee, fee_gamma] = [terms.mid_fee, terms.out_fee, terms.fee_gamma].map(U256::from);
    let pair = |[a, b, _]: [U256; 3]| [a, b];
    macro_rules! pool {
        ($kind:ident, $balances:expr, $precisions:expr, $price_scale:expr) => {
            Pool::$kind {
                balances: $balances,
                precisions: $precisions,
                price_scale: $price_scale,
                d,
                ann,
                gamma,
                mid_fee,
                out_fee,
                fee_gamma,
            }
        };
    }
    match pool.generation {
        CryptoSwapGeneration::TwoCrypto => pool!(TwoCryptoV1, pair(balances), pair(precisions), scales[0]),
        CryptoSwapGeneration::TwoCryptoNg => pool!(TwoCryptoNG, pair(balances), pair(precisions), scales[0]),
        CryptoSwapGeneration::TriCrypto => pool!(TriCryptoV1, balances, precisions, scales),
        CryptoSwapGeneration::TriCryptoNg => pool!(TriCryptoNG, balances, precisions, scales),
    }
}

fn compare(generation: CryptoSwapGeneration, seed: u64) {
    let mut tally = Tally::new(seed);
    let seed = tally.seed;
    let mut random = SmallRng::seed_from_u64(seed);
    let coins = u8::try_from(generation.coin_count()).expect("few coins");
    while tally.next_pool() {
        let mut pool = random_pool(generation, &mut random);
        for at in (0..SWAPS_PER_POOL).map(|swap| swap * STEP) {
            let token_in = random.random_range(0..coins);
            let way = Way { token_in, token_out: (token_in + random.random_range(1..coins)) % coins };
            let held = pool.state.balances[usize::from(token_in)];
            let amount_in = U256::from(sized(&mut random, 129 - held.leading_zeros()));
            let ours = pool.quote_exact_in(way, amount_in, at);
            if let Some(prepared) = pool.prepare() {
                let quick = prepared.quote_exact_in(&pool, way, amount_in, at);
                assert_eq!(quick, ours, "seed {seed}: {way:?} {amount_in} of {pool:?}");
            }
            let theirs = peer(&pool).get_amount_out(usize::from(way.token_in), usize::from(way.token_out), amount_in);
            tally.add(match (ours, theirs) {
                (Ok(ours), Some(theirs)) if ours == theirs => Verdict::Equal,
                (Err(_), None) => Verdict::Refused,
                (Ok(U256::ZERO), None) => Verdict::Nothing,
                _ => panic!("seed {seed}: {ours:?} here, {theirs:?} there, {way:?} {amount_in} of {pool:?}"),
            });
            if let Ok(swapped) = pool.swap_exact_in(way, amount_in, at) {
                pool.state = swapped.after;
            }
        }
    }
    tally.finish(&format!("curve_crypto {generation:?} by curve-math"));
}

#[test]
fn pools_of_two_equal_curve_math() {
    compare(CryptoSwapGeneration::TwoCrypto, 21);
}

#[test]
fn ng_pools_of_two_equal_curve_math() {
    compare(CryptoSwapGeneration::TwoCryptoNg, 22);
}

#[test]
fn pools_of_three_equal_curve_math() {
    compare(CryptoSwapGeneration::TriCrypto, 23);
}

#[test]
fn ng_pools_of_three_equal_curve_math() {
    compare(CryptoSwapGeneration::TriCryptoNg, 24);
}
