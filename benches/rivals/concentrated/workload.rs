//! The pool of the contest, and amounts that cross so many of its ticks.

use alloy::primitives::U256;
use alphapulse_strategies::pool::AmountSpecified;
use alphapulse_strategies::pool::concentrated_liquidity::{quote_exact_in, swap};
use alphapulse_strategies::pool::tick_math::get_sqrt_ratio_at_tick;

use crate::random::Random;
use crate::v3_state::V3State;

/// Initialised ticks that a quote crosses.
pub(crate) const DEPTHS: [u32; 4] = [0, 1, 10, 100];
/// Different amounts of each depth, half of them in each direction.
pub(crate) const AMOUNTS: usize = 64;

/// An amount in, and which way.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Request {
    pub(crate) zero_for_one: bool,
    pub(crate) amount: U256,
}

/// Positions between every two neighbouring ticks, of liquidity as in a busy pool of 0.3 %, and one over all of them. Three
/// edges of bitmap words lie in it.
pub(crate) fn pool() -> V3State {
    let (fee_ppm, spacing) = (3_000, 60);
    let mut random = Random::new(5);
    let tick = 200_293;
    let price = get_sqrt_ratio_at_tick(tick).expect("in the domain") + U256::from(1_u64 << 60);
    let mut state = V3State::initialised(fee_ppm, spacing, tick, price);
    let first = tick.div_euclid(spacing) - 150;
    for slot in first..first + 300 {
        let liquidity = i128::try_from(random.below(1 << 40)).expect("40 bits") << 20;
        state.modify(slot * spacing, (slot + 1) * spacing, liquidity + (1 << 58));
    }
    state.modify((first - 1_000) * spacing, (first + 1_300) * spacing, 1 << 59);
    state
}

/// Amounts that cross exactly `depth` ticks.
pub(crate) fn requests(state: &V3State, depth: u32) -> Vec<Request> {
    let mut random = Random::new(u64::from(depth) + 1);
    (0..AMOUNTS)
        .map(|at| {
            let zero_for_one = at % 2 == 0;
            let (least, most) = (input_to(state, zero_for_one, depth), input_to(state, zero_for_one, depth + 1));
            let part = U256::from(random.below(1 << 20)) + U256::ONE;
            let amount = least + ((most - least - U256::ONE) * part >> 20_usize);
            let amount = amount.max(U256::ONE);
            let quote = quote_exact_in(&state.view(), zero_for_one, amount).expect("the pool takes it");
            assert_eq!(quote.ticks_crossed, depth);
            Request { zero_for_one, amount }
        })
        .collect()
}

/// Input that brings the price exactly to the tick that is crossed `count`th; none for the first step's start.
fn input_to(state: &V3State, zero_for_one: bool, count: u32) -> U256 {
    if count == 0 {
        return U256::ZERO;
    }
    let count = usize::try_from(count).expect("few");
    let above = state.ticks.partition_point(|entry| entry.tick <= state.tick);
    let stop = if zero_for_one { state.ticks[above - count].tick } else { state.ticks[above + count - 1].tick };
    let limit = get_sqrt_ratio_at_tick(stop).expect("in the domain");
    let plenty = AmountSpecified::ExactIn(U256::ONE << 200_usize);
    swap(&state.view(), zero_for_one, plenty, limit).expect("the pool goes there").amount_in
}
