//! StableSwap pools.

use alphapulse_protocol::PoolId;
use alphapulse_protocol::replica::{CurveStableState, PoolState};
use alphapulse_protocol::values::{CurveStableHoldings, CurveStableTerms, PoolDetails, Ramp, Rates};

use super::{NOW, ONE, SamplePool, Species, coins, plain_rates};
use crate::conformance::pool::sample::numbered;
use crate::conformance::random::Random;

pub(super) fn draw(species: Species, random: &mut Random) -> SamplePool {
    if species == Species::StableMeta {
        return meta(random);
    }
    let count = 2 + random.index(if species == Species::StableNg { 7 } else { 3 });
    plain(species, count, random)
}

fn plain(species: Species, count: usize, random: &mut Random) -> SamplePool {
    let (decimals, balances) = coins(random, count);
    let mut rates = plain_rates(&decimals, 36);
    // Coins whose worth grows: shares of lending pools, and of vaults.
    if matches!(species, Species::StableFirst | Species::StableNg) {
        for rate in rates.iter_mut().take(count) {
            *rate = *rate / 1_000_000 * random.half_between(1_000_000, 1_300_000);
        }
    }
    let scaled = balances.iter().zip(rates).map(|(balance, rate)| balance / 1_000_000_000 * (rate / 1_000_000_000));
    let supply = scaled.sum::<u128>() / 1_000 * random.half_between(800, 1_000);
    let is_fee_moving = matches!(species, Species::StableNg | Species::StableOffpeg);
    let terms = CurveStableTerms {
        is_paused: false,
        amplification: amplification(u64::from(species.precision()), random),
        fee: random.below(100_000_000),
        admin_fee: random.pick(&[0, 5_000_000_000, 10_000_000_000]),
        offpeg_fee_multiplier: if is_fee_moving { random.half_between(0, 200_000_000_000) } else { 0 },
    };
    let holdings = CurveStableHoldings { balances, supply, base_virtual_price: 0, base_cache_updated: 0 };
    let rates = Rates { valid_until: u64::MAX, rates };
    species.pool(&decimals, PoolState::CurveStable(Box::new(CurveStableState { terms, rates, holdings })))
}

/// A coin and the share of a pool of three.
fn meta(random: &mut Random) -> SamplePool {
    let base = plain(Species::StableClassic, 3, random);
    let mut pool = plain(Species::StableMeta, 2, random);
    let mut info = base.info;
    info.tokens = numbered(8, info.tokens.len());
    info.address = crate::conformance::pool_address(8);
    if let PoolDetails::MultiToken(details) = &mut info.details {
        details.underlying = info.tokens;
    }
    pool.base = Some(Box::new((info, base.state)));
    let PoolDetails::MultiToken(details) = &mut pool.info.details else { return pool };
    details.base_pool = Some(PoolId(0));
    let digits = details.decimals[1];
    details.decimals[1] = 18;
    if let PoolState::CurveStable(state) = &mut pool.state {
        state.holdings.balances[1] *= 10_u128.pow(u32::from(18 - digits));
        state.rates.rates[1] = ONE;
        // Half of them remember the price of the share, some of those for too long.
        if random.one_in(2) {
            state.holdings.base_virtual_price = ONE / 1_000 * random.half_between(1_000, 1_100);
            state.holdings.base_cache_updated = NOW - random.below(1_200);
        }
    }
    pool
}

/// Amplification that stands still in three of four pools.
fn amplification(precision: u64, random: &mut Random) -> Ramp {
    let mut value = || (1 + random.below(5_000)) * precision;
    let (initial, future) = (value(), value());
    if random.one_in(4) {
        return Ramp { initial, future, initial_time: NOW - 40_000, future_time: NOW + random.below(40_000) };
    }
    Ramp { initial: future, future, initial_time: 0, future_time: 0 }
}
