//! Pools of concentrated liquidity.

use alphapulse_protocol::FeePpm;
use alphapulse_protocol::replica::{PoolState, TickLiquidity, V3State, V4State};
use alphapulse_protocol::values::{PoolDetails, V4Details, V4Fees};
use ruint::aliases::U256;

use super::{SamplePool, Species};
use crate::conformance::random::Random;
use crate::pool::tick_math::{MAX_TICK, MIN_TICK, get_sqrt_ratio_at_tick};

/// Furthest that a price lies from one, in ticks: 5 * 10^8 times.
const PRICE_TICK_MAX: i32 = 200_000;

pub(super) fn draw(species: Species, random: &mut Random) -> SamplePool {
    let (fee, spacing) = random.pick(&[(100, 1), (500, 10), (3_000, 60), (10_000, 200)]);
    let curve = curve(random, spacing);
    let mut pool = if species == Species::UniswapV4 {
        let protocol_fee_ppm = [random.pick(&[0, 100, 1_000]), random.pick(&[0, 250])];
        let fees = V4Fees { lp_fee_ppm: fee, protocol_fee_ppm };
        let mut pool = species.pool(&[18, 18], PoolState::V4(V4State { curve, fees }));
        pool.info.details = PoolDetails::V4(V4Details { pool_id: [9; 32], hooks: [0; 20], key_fee: fee });
        pool
    } else {
        let mut pool = species.pool(&[18, 18], PoolState::V3(curve));
        pool.info.fee = FeePpm(fee);
        pool
    };
    (pool.info.tick_spacing, pool.info.known_ticks) = (spacing, (MIN_TICK, MAX_TICK));
    pool
}

/// A price somewhere inside a tick, and positions around it, one of them over all ticks.
fn curve(random: &mut Random, spacing: i32) -> V3State {
    let tick = random.between(-PRICE_TICK_MAX, PRICE_TICK_MAX);
    let [from, to] = [tick, tick + 1].map(|tick| get_sqrt_ratio_at_tick(tick).expect("far inside the domain"));
    let sqrt_price_x96 = from + (to - from) * U256::from(random.below(1_000)) / U256::from(1_000);
    let mut ticks = Vec::new();
    let shift = random.index(40);
    let widest = MAX_TICK / spacing * spacing;
    add_position(&mut ticks, (-widest, widest), liquidity(random, shift));
    for _ in 0..random.below(8) {
        let lower = (tick.div_euclid(spacing) - random.between(-3, 12)) * spacing;
        let upper = lower + random.between(1, 15) * spacing;
        add_position(&mut ticks, (lower, upper), liquidity(random, shift));
    }
    let active: i128 = ticks.iter().filter(|entry| entry.tick <= tick).map(|entry| entry.liquidity_net).sum();
    V3State { sqrt_price_x96, tick, liquidity: active.unsigned_abs(), ticks }
}

fn liquidity(random: &mut Random, shift: usize) -> i128 {
    i128::from(1_000_000 + random.below(1 << 40)) << shift
}

fn add_position(ticks: &mut Vec<TickLiquidity>, (lower, upper): (i32, i32), liquidity: i128) {
    for (tick, net) in [(lower, liquidity), (upper, -liquidity)] {
        let position = ticks.binary_search_by_key(&tick, |entry| entry.tick).unwrap_or_else(|position| {
            ticks.insert(position, TickLiquidity { tick, liquidity_net: 0, liquidity_gross: 0 });
            position
        });
        ticks[position].liquidity_net += net;
        ticks[position].liquidity_gross += net.unsigned_abs();
    }
}
