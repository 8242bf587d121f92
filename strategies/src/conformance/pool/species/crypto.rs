//! CryptoSwap pools, brought to where they are by swaps of their own.

use alphapulse_protocol::replica::{CurveCryptoState, PoolState};
use alphapulse_protocol::values::{CurveCryptoHoldings, CurveCryptoTerms, Ramp};
use ruint::aliases::U256;

use super::{NOW, ONE, SamplePool, Species};
use crate::conformance::random::Random;
use crate::pool::Way;

/// Most swaps that a pool has seen.
const SWAPS_MAX: u64 = 8;

/// Where the numbers of whole tokens begin, which leaves room for the product of three.
const BILLION: u128 = 1_000_000_000;

/// A pool in balance, in the ramp that makes its first swap reckon its invariant; then out of the ramp, and traded in.
pub(super) fn draw(species: Species, random: &mut Random) -> SamplePool {
    let mut pool = balanced(species, random);
    swap(&mut pool, random, 100_000);
    if let PoolState::CurveCrypto(state) = &mut pool.state {
        state.terms.amplification.future_time = 0;
    }
    for _ in 0..random.below(SWAPS_MAX) {
        pool.at += random.below(2_000);
        swap(&mut pool, random, 10);
    }
    pool
}

/// Trades a part of a balance, at most one of `part`; a pool that refuses stays as it is.
fn swap(pool: &mut SamplePool, random: &mut Random, part: u128) {
    let count = pool.token_count();
    let token_in = u8::try_from(random.index(usize::from(count))).expect("few tokens");
    let way = Way { token_in, token_out: (token_in + 1) % count };
    let PoolState::CurveCrypto(state) = &pool.state else { return };
    let amount = state.holdings.balances[usize::from(token_in)] / (part * random.half_between(1, 100));
    let swapped = pool.view().and_then(|view| view.swap_exact_in(way, U256::from(amount), pool.at));
    if let Ok(swapped) = swapped {
        pool.put(&swapped.after);
    }
}

fn balanced(species: Species, random: &mut Random) -> SamplePool {
    let is_pair = matches!(species, Species::TwoCrypto | Species::TwoCryptoNg);
    let count = if is_pair { 2 } else { 3 };
    let decimals: Vec<u8> = (0..count).map(|_| random.pick(&[6, 8, 18])).collect();
    // Coin 0 in 18 decimals; of each coin there is as much worth.
    let worth = random.half_between(10_000, 100_000_000) * ONE;
    let mut price_scale = [0; 2];
    for price in price_scale.iter_mut().take(count - 1) {
        *price = ONE / 1_000 * random.half_between(100, 50_000_000);
    }
    let mut wholes = [worth; 3];
    for (whole, price) in wholes[1..].iter_mut().zip(price_scale).take(count - 1) {
        let whole_of = U256::from(worth) * U256::from(ONE) / U256::from(price);
        *whole = u128::try_from(whole_of).expect("prices are a thousandth and more");
    }
    let mut balances = [0; 3];
    for ((balance, whole), decimals) in balances.iter_mut().zip(wholes).zip(&decimals) {
        *balance = whole / 10_u128.pow(u32::from(18 - decimals));
    }
    let product = wholes.iter().take(count).map(|whole| U256::from(whole / BILLION)).product::<U256>();
    let supply = u128::try_from(product.root(count)).expect("a mean of 128-bit numbers") * BILLION;
    let holdings = CurveCryptoHoldings {
        is_not_adjusted: false,
        balances,
        price_scale,
        price_oracle: price_scale,
        last_prices: price_scale,
        last_prices_time: NOW - random.below(10_000),
        // Reckoned by the first swap.
        d: worth * count as u128,
        supply,
        virtual_price: ONE,
        xcp_profit: ONE,
    };
    let state = CurveCryptoState { terms: terms(is_pair, random), holdings };
    species.pool(&decimals, PoolState::CurveCrypto(Box::new(state)))
}

fn terms(is_pair: bool, random: &mut Random) -> CurveCryptoTerms {
    let a = (20 + random.below(60)) * if is_pair { 5_000 } else { 20_000 };
    let gamma = (5 + random.below(35)) * 10_000_000_000_000;
    let mid_fee = 1_000_000 + random.below(30_000_000);
    CurveCryptoTerms {
        is_paused: false,
        amplification: Ramp { initial: a, future: a, initial_time: NOW - 1_000, future_time: NOW + 1_000_000 },
        gamma_initial: gamma,
        gamma_future: gamma,
        mid_fee,
        out_fee: mid_fee + random.below(50_000_000),
        fee_gamma: 100_000_000_000_000 + random.below(10_000_000_000_000_000),
        allowed_extra_profit: random.pick(&[0, 2_000_000_000_000]),
        adjustment_step: random.pick(&[146_000_000_000_000, 490_000_000_000_000, 2_000_000_000_000_000]),
        ma_time: random.pick(&[600, 865]),
        admin_fee: 5_000_000_000,
    }
}
