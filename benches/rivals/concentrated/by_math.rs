//! `uniswap_v3_math`, whose functions are a pool's parts: the loop around them is the one that `amms` has.

use std::collections::HashMap;

use alloy::primitives::{I256, U256};
use uniswap_v3_math::swap_math::compute_swap_step;
use uniswap_v3_math::tick_bitmap::{flip_tick, next_initialized_tick_within_one_word};
use uniswap_v3_math::tick_math::{
    MAX_SQRT_RATIO, MAX_TICK, MIN_SQRT_RATIO, MIN_TICK, get_sqrt_ratio_at_tick, get_tick_at_sqrt_ratio,
};

use crate::v3_state::V3State;
use crate::workload::Request;

/// A pool as `amms` keeps it.
pub(crate) struct Pool {
    state: V3State,
    bitmap: HashMap<i16, U256>,
    nets: HashMap<i32, i128>,
}

impl Pool {
    pub(crate) fn new(state: &V3State) -> Self {
        let mut bitmap = HashMap::new();
        for entry in &state.ticks {
            flip_tick(&mut bitmap, entry.tick, state.tick_spacing).expect("a tick of the spacing");
        }
        let nets = state.ticks.iter().map(|entry| (entry.tick, entry.liquidity_net)).collect();
        Self { state: state.clone(), bitmap, nets }
    }

    pub(crate) fn quote(&self, request: &Request) -> Option<U256> {
        let Request { zero_for_one, amount } = *request;
        let limit = if zero_for_one { MIN_SQRT_RATIO + U256::ONE } else { MAX_SQRT_RATIO - U256::ONE };
        let V3State { mut sqrt_price_x96, mut tick, mut liquidity, tick_spacing, fee_ppm, .. } = self.state;
        let (mut remaining, mut output) = (I256::from_raw(amount), U256::ZERO);
        while !remaining.is_zero() && sqrt_price_x96 != limit {
            let before = sqrt_price_x96;
            let (next, is_initialised) =
                next_initialized_tick_within_one_word(&self.bitmap, tick, tick_spacing, zero_for_one).ok()?;
            let next = next.clamp(MIN_TICK, MAX_TICK);
            let stop = get_sqrt_ratio_at_tick(next).ok()?;
            let target = if zero_for_one { stop.max(limit) } else { stop.min(limit) };
            let (price, taken, given, fee) =
                compute_swap_step(sqrt_price_x96, target, liquidity, remaining, fee_ppm).ok()?;
            sqrt_price_x96 = price;
            remaining = remaining.overflowing_sub(I256::from_raw(taken.overflowing_add(fee).0)).0;
            output += given;
            if sqrt_price_x96 == stop {
                if is_initialised {
                    let net = self.nets.get(&next).copied().unwrap_or(0);
                    liquidity = liquidity.checked_add_signed(if zero_for_one { -net } else { net })?;
                }
                tick = if zero_for_one { next - 1 } else { next };
            } else if sqrt_price_x96 != before {
                tick = get_tick_at_sqrt_ratio(sqrt_price_x96).ok()?;
            }
        }
        std::hint::black_box((tick, liquidity));
        Some(output)
    }
}
