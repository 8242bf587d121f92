//! Balancer pools.

use alphapulse_protocol::replica::{BalancerStableState, BalancerWeightedState, PoolState};
use alphapulse_protocol::values::{
    BalancerStableHoldings, BalancerStableTerms, BalancerWeightedTerms, PerToken, PoolDetails, Ramp, Rates,
};

use super::{NOW, ONE, SamplePool, Species, coins};
use crate::conformance::random::Random;

/// A hundredth, in weights: the least that a factory takes.
const WEIGHT_MIN: u64 = 10_000_000_000_000_000;

/// What a composable pool mints of its own share at the start.
const SHARE_MINTED: u128 = 1 << 111;

pub(super) fn weighted(species: Species, random: &mut Random) -> SamplePool {
    let count = 2 + random.index(7);
    let (decimals, balances) = coins(random, count);
    let terms = BalancerWeightedTerms { is_paused: false, swap_fee: swap_fee(random), weights: weights(count, random) };
    species.pool(&decimals, PoolState::BalancerWeighted(Box::new(BalancerWeightedState { terms, balances })))
}

/// Hundredths that are one together. Some pools are alike on all sides, so that powers of one are asked for.
fn weights(count: usize, random: &mut Random) -> PerToken<u64> {
    let mut weights = [0; 8];
    if random.one_in(3) && 100 % count == 0 {
        weights[..count].fill(100 / count as u64 * WEIGHT_MIN);
        return weights;
    }
    let mut left = 100 - count as u64;
    for weight in &mut weights[1..count] {
        let more = random.below(left + 1);
        left -= more;
        *weight = (1 + more) * WEIGHT_MIN;
    }
    weights[0] = (1 + left) * WEIGHT_MIN;
    weights
}

pub(super) fn stable(species: Species, random: &mut Random) -> SamplePool {
    let count = 2 + random.index(4);
    let (mut decimals, mut balances) = coins(random, count);
    let mut rates = [0; 8];
    for rate in rates.iter_mut().take(count) {
        let moved = random.half_between(500, 2_000);
        *rate = ONE / 1_000 * random.pick(&[1_000, moved]);
    }
    let share = (species == Species::BalancerStableDown).then(|| random.index(count + 1));
    if let Some(place) = share {
        decimals.insert(place, 18);
        balances.copy_within(place..7, place + 1);
        rates.copy_within(place..7, place + 1);
        (balances[place], rates[place]) = (SHARE_MINTED, ONE);
    }
    let terms = BalancerStableTerms {
        is_paused: false,
        yield_fee_exempt: 0,
        amplification: amplification(random),
        swap_fee: swap_fee(random),
        protocol_swap_fee: 0,
        protocol_yield_fee: 0,
    };
    let rates = Rates { valid_until: u64::MAX, rates };
    let supply = if share.is_some() { SHARE_MINTED + ONE } else { 0 };
    let holdings = BalancerStableHoldings { balances, supply, ..BalancerStableHoldings::default() };
    let state = BalancerStableState { terms, rates, last_join_exit_rates: rates, holdings };
    let mut pool = species.pool(&decimals, PoolState::BalancerStable(Box::new(state)));
    if let PoolDetails::MultiToken(details) = &mut pool.info.details {
        details.bpt_index = share.and_then(|place| u8::try_from(place).ok());
    }
    pool
}

/// From a millionth to a tenth: what a factory takes.
fn swap_fee(random: &mut Random) -> u64 {
    random.pick(&[1_000_000_000_000, 400_000_000_000_000, 3_000_000_000_000_000, 100_000_000_000_000_000])
}

fn amplification(random: &mut Random) -> Ramp {
    let mut value = || (1 + random.below(5_000)) * 1_000;
    let (initial, future) = (value(), value());
    if random.one_in(4) {
        return Ramp { initial, future, initial_time: NOW - 80_000, future_time: NOW + random.below(80_000) };
    }
    Ramp { initial: future, future, initial_time: 0, future_time: 0 }
}
