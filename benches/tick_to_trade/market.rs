//! Markets to trade on: pools at rest, and shocks that open one trade each. Everything follows from a seed.

use std::collections::BTreeMap;

use alphapulse_protocol::U256;
use alphapulse_protocol::replica::{PoolState, TickLiquidity, V2State, V3State};
use alphapulse_strategies::pool::tick_math::{MAX_TICK, MIN_TICK, get_tick_at_sqrt_ratio};

use crate::random::Random;

/// The token in which trades start and profit; worth 1.
pub(crate) const NATIVE: usize = 0;
/// Raw units of one token: all have 18 decimals.
pub(crate) const UNIT: f64 = 1e18;
/// Uniswap V2 and a fork of it.
const V2_VENUES: [u16; 2] = [0, 1];
const V2_FEE_PPM: u32 = 3_000;
/// Uniswap V3 and a fork of it.
const V3_VENUES: [u16; 2] = [2, 3];
/// Fee tiers of Uniswap V3 with their tick spacings.
const V3_TIERS: [(u32, i32); 4] = [(100, 1), (500, 10), (3_000, 60), (10_000, 200)];
/// Positions in each V3 pool, about two initialised ticks each.
const POSITIONS: i32 = 24;
/// Liquidity of a V3 pool in parts of what the same depth gives a V2 pool.
const CONCENTRATION: f64 = 4.0;
/// Part of the fee by which a pool at rest may be off the true price, so that nothing pays before a shock.
const REST_BAND: f64 = 0.9;
/// Change of price that pools show which trade without opening anything.
const NOISE: f64 = 1e-6;
const Q96: f64 = 79_228_162_514_264_337_593_543_950_336.0;

/// A pool at rest.
#[derive(Debug)]
pub(crate) struct Pool {
    pub(crate) venue: u16,
    /// Positions in [`World::tokens`], the lower first.
    pub(crate) tokens: [usize; 2],
    pub(crate) fee_ppm: u32,
    /// 0 for constant product.
    pub(crate) tick_spacing: i32,
    pub(crate) state: PoolState,
    /// Worth of one side, in native tokens.
    depth: f64,
}

/// State of a pool after a swap, as far as a swap changes it.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Slot {
    V2 { reserve_0: u128, reserve_1: u128 },
    V3 { sqrt_price_x96: U256, tick: i32, liquidity: u128 },
}

/// New state of the pool at this position.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Change {
    pub(crate) pool: usize,
    pub(crate) slot: Slot,
}

/// A block that opens a trade, and the block that closes it again.
#[derive(Debug)]
pub(crate) struct Shock {
    pub(crate) changes: Vec<Change>,
    pub(crate) restore: Vec<Change>,
}

/// A market at rest: no closed route pays.
#[derive(Debug)]
pub(crate) struct World {
    /// Worth of one token in native tokens, by position.
    values: Vec<f64>,
    pub(crate) pools: Vec<Pool>,
}

impl World {
    /// Twelve pools between four tokens: what one pair of venues and a few fee tiers give.
    pub(crate) fn small() -> Self {
        let mut random = Random::new(12);
        let mut world = Self { values: vec![1.0, 1.0 / 3_000.0, 1.0 / 3_001.0, 21.0], pools: Vec::new() };
        let (v2, v3) = (V2_VENUES, V3_VENUES[0]);
        let pairs = [(0, 1), (0, 1), (0, 2), (0, 2), (1, 2), (0, 3)];
        for ((a, b), venue) in pairs.into_iter().zip([v2[0], v2[1], v2[0], v2[1], v2[0], v2[0]]) {
            world.add_v2([a, b], venue, 1_000.0, &mut random);
        }
        for (a, b, tier) in [(0, 1, 1), (0, 1, 2), (0, 2, 2), (1, 2, 0), (0, 3, 2), (1, 3, 2)] {
            world.add_v3([a, b], v3, V3_TIERS[tier], 1_000.0, &mut random);
        }
        world
    }

    /// A thousand pools around six hubs: several deep pools between each two hubs; of the rest three quarters lead to a
    /// hub, and popular tokens have most of them. Depths are log-normal.
    pub(crate) fn hubs() -> Self {
        const POOLS: usize = 1_000;
        const HUBS: usize = 6;
        const TOKENS: usize = 240;
        let mut random = Random::new(1_000);
        let values =
            (0..TOKENS).map(|token| if token == NATIVE { 1.0 } else { 10_f64.powf(random.between(-3.5, 0.5)) });
        let mut world = Self { values: values.collect(), pools: Vec::with_capacity(POOLS) };
        for a in 0..HUBS {
            for b in a + 1..HUBS {
                for _ in 0..4 + random.below(6) {
                    world.add_any([a, b], 500.0 * 10_f64.powf(0.5 * random.normal()), &mut random);
                }
            }
        }
        while world.pools.len() < POOLS {
            let token = |random: &mut Random| HUBS + random.popular(TOKENS - HUBS);
            let a = token(&mut random);
            let b = if random.below(4) < 3 { random.below(HUBS) } else { token(&mut random) };
            world.add_any([a, b], 20.0 * 10_f64.powf(0.7 * random.normal()), &mut random);
        }
        world
    }

    pub(crate) const fn token_count(&self) -> usize {
        self.values.len()
    }

    /// Adds a pool of a random venue and tier, unless the pair has it already: the executor knows a pool by these.
    fn add_any(&mut self, tokens: [usize; 2], depth: f64, random: &mut Random) {
        let tokens = [tokens[0].min(tokens[1]), tokens[0].max(tokens[1])];
        // Fees of 1, 5, 30, 30 and 100 basis points, the second 30 being V2's.
        let (venue, tier) = match random.below(5) {
            4 => (V2_VENUES[random.below(2)], None),
            tier => (V3_VENUES[random.below(2)], Some(V3_TIERS[tier])),
        };
        let fee_ppm = tier.map_or(V2_FEE_PPM, |(fee_ppm, _)| fee_ppm);
        let is_known = |pool: &Pool| (pool.tokens, pool.venue, pool.fee_ppm) == (tokens, venue, fee_ppm);
        if tokens[0] == tokens[1] || self.pools.iter().any(is_known) {
            return;
        }
        match tier {
            None => self.add_v2(tokens, venue, depth, random),
            Some(tier) => self.add_v3(tokens, venue, tier, depth, random),
        }
    }

    fn add_v2(&mut self, tokens: [usize; 2], venue: u16, depth: f64, random: &mut Random) {
        let [reserve_0, reserve_1] = self.reserves(tokens, V2_FEE_PPM, depth, random).map(to_u128);
        let state = PoolState::V2(V2State { reserve_0, reserve_1 });
        self.pools.push(Pool { venue, tokens, fee_ppm: V2_FEE_PPM, tick_spacing: 0, state, depth });
    }

    fn add_v3(&mut self, tokens: [usize; 2], venue: u16, tier: (u32, i32), depth: f64, random: &mut Random) {
        let (fee_ppm, tick_spacing) = tier;
        let [reserve_0, reserve_1] = self.reserves(tokens, fee_ppm, depth * CONCENTRATION, random);
        let sqrt_price_x96 = to_u256((reserve_1 / reserve_0).sqrt() * Q96);
        let tick = get_tick_at_sqrt_ratio(sqrt_price_x96).expect("prices are far from the ends of the domain");
        let share = to_u128((reserve_0 * reserve_1).sqrt() / f64::from(POSITIONS)).cast_signed();
        let ticks = positions(tick, tick_spacing, share);
        let liquidity = liquidity_at(&ticks, tick);
        let state = PoolState::V3(V3State { sqrt_price_x96, tick, liquidity, ticks });
        self.pools.push(Pool { venue, tokens, fee_ppm, tick_spacing, state, depth });
    }

    /// Reserves of a constant-product pool of this depth, at a price within the fee of the true one.
    fn reserves(&self, tokens: [usize; 2], fee_ppm: u32, depth: f64, random: &mut Random) -> [f64; 2] {
        let band = REST_BAND * f64::from(fee_ppm) * 1e-6;
        let off = (1.0 + random.between(-band, band)).sqrt();
        let [value_0, value_1] = tokens.map(|token| self.values[token]);
        [depth / value_0 * UNIT / off, depth / value_1 * UNIT * off]
    }

    /// Shocks of `touched` pools each: one of the `deepest` pools moves past its fee, the others hardly.
    pub(crate) fn shocks(&self, count: usize, touched: usize, deepest: usize) -> Vec<Shock> {
        let mut random = Random::new(count as u64);
        let mut by_depth: Vec<usize> = (0..self.pools.len()).collect();
        by_depth.sort_by(|a, b| self.pools[*b].depth.total_cmp(&self.pools[*a].depth));
        by_depth.truncate(deepest);
        (0..count).map(|at| self.shock(by_depth[at % by_depth.len()], touched, &mut random)).collect()
    }

    fn shock(&self, pool: usize, touched: usize, random: &mut Random) -> Shock {
        let size = f64::from(self.pools[pool].fee_ppm) * 1e-6 + random.between(0.008, 0.03);
        let factor = if random.below(2) == 0 { 1.0 + size } else { 1.0 / (1.0 + size) };
        let mut changes = vec![Change { pool, slot: self.pools[pool].moved(factor) }];
        while changes.len() < touched {
            let other = random.below(self.pools.len());
            if changes.iter().all(|change| change.pool != other) {
                let factor = 1.0 + random.between(-NOISE, NOISE);
                changes.push(Change { pool: other, slot: self.pools[other].moved(factor) });
            }
        }
        let restore = changes.iter().map(|change| Change { slot: self.pools[change.pool].slot(), ..*change }).collect();
        Shock { changes, restore }
    }
}

impl Pool {
    /// The state at rest.
    pub(crate) const fn slot(&self) -> Slot {
        match &self.state {
            PoolState::V2(V2State { reserve_0, reserve_1 }) => {
                Slot::V2 { reserve_0: *reserve_0, reserve_1: *reserve_1 }
            }
            PoolState::V3(V3State { sqrt_price_x96, tick, liquidity, .. }) => {
                Slot::V3 { sqrt_price_x96: *sqrt_price_x96, tick: *tick, liquidity: *liquidity }
            }
            _ => panic!("the world has pools of two kinds"),
        }
    }

    /// The state after swaps that multiplied the price of token 0 by `factor`.
    fn moved(&self, factor: f64) -> Slot {
        let root = factor.sqrt();
        match &self.state {
            PoolState::V2(state) => Slot::V2 {
                reserve_0: to_u128(state.reserve_0 as f64 / root),
                reserve_1: to_u128(state.reserve_1 as f64 * root),
            },
            PoolState::V3(state) => {
                let sqrt_price_x96 = to_u256(f64::from(state.sqrt_price_x96) * root);
                let tick = get_tick_at_sqrt_ratio(sqrt_price_x96).expect("shocks are a few percent");
                Slot::V3 { sqrt_price_x96, tick, liquidity: liquidity_at(&state.ticks, tick) }
            }
            _ => panic!("the world has pools of two kinds"),
        }
    }
}

/// Ticks of positions around `tick`, each half again as wide as the one before, each of the same liquidity.
fn positions(tick: i32, spacing: i32, liquidity: i128) -> Vec<TickLiquidity> {
    let centre = tick.div_euclid(spacing);
    let (lowest, highest) = (MIN_TICK / spacing, MAX_TICK / spacing);
    let mut ticks: BTreeMap<i32, (i128, u128)> = BTreeMap::new();
    let mut half_width = 2;
    for _ in 0..POSITIONS {
        let (lower, upper) = ((centre - half_width).max(lowest), (centre + half_width).min(highest));
        for (index, net) in [(lower, liquidity), (upper, -liquidity)] {
            let entry = ticks.entry(index * spacing).or_default();
            *entry = (entry.0 + net, entry.1 + liquidity.unsigned_abs());
        }
        half_width = half_width * 3 / 2;
    }
    let tick = |(tick, (liquidity_net, liquidity_gross))| TickLiquidity { tick, liquidity_net, liquidity_gross };
    ticks.into_iter().map(tick).collect()
}

fn liquidity_at(ticks: &[TickLiquidity], tick: i32) -> u128 {
    let net: i128 = ticks.iter().take_while(|known| known.tick <= tick).map(|known| known.liquidity_net).sum();
    u128::try_from(net).expect("positions are added whole")
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "amounts of a made-up market; saturates")]
const fn to_u128(value: f64) -> u128 {
    value as u128
}

fn to_u256(value: f64) -> U256 {
    U256::try_from(value).expect("made-up prices are positive and far below 2^256")
}
