//! A concentrated pool's state that a test owns: random, or moved along by what happened to a real pool.

use alloy::primitives::{I256, U256};
use alphapulse_protocol::replica::TickLiquidity;
use alphapulse_strategies::pool::concentrated_liquidity::sqrt_price_limit_default;
use alphapulse_strategies::pool::tick_math::{MAX_TICK, MIN_TICK, get_sqrt_ratio_at_tick};
use alphapulse_strategies::pool::{SwapResult, V3View};
use rand::Rng;
use rand::rngs::StdRng;

#[derive(Debug, Clone)]
pub(crate) struct V3State {
    pub(crate) fee_ppm: u32,
    pub(crate) tick_spacing: i32,
    pub(crate) sqrt_price_x96: U256,
    pub(crate) tick: i32,
    pub(crate) liquidity: u128,
    pub(crate) ticks: Vec<TickLiquidity>,
}

impl V3State {
    /// A pool as `initialize` leaves it.
    pub(crate) fn initialised(fee_ppm: u32, tick_spacing: i32, tick: i32, sqrt_price_x96: U256) -> Self {
        Self { fee_ppm, tick_spacing, sqrt_price_x96, tick, liquidity: 0, ticks: Vec::new() }
    }

    pub(crate) fn view(&self) -> V3View<'_> {
        V3View {
            fee_ppm: self.fee_ppm,
            tick_spacing: self.tick_spacing,
            sqrt_price_x96: self.sqrt_price_x96,
            tick: self.tick,
            liquidity: self.liquidity,
            ticks: &self.ticks,
            known_ticks: (MIN_TICK, MAX_TICK),
        }
    }

    pub(crate) fn apply(&mut self, swap: &SwapResult) {
        self.sqrt_price_x96 = swap.sqrt_price_x96;
        self.tick = swap.tick;
        self.liquidity = swap.liquidity;
    }

    /// Adds liquidity to a range, or takes it away.
    pub(crate) fn modify(&mut self, lower: i32, upper: i32, change: i128) {
        self.modify_tick(lower, change, change);
        self.modify_tick(upper, change, -change);
        if lower <= self.tick && self.tick < upper {
            self.liquidity = self.liquidity.checked_add_signed(change).expect("a position is not overdrawn");
        }
    }

    fn modify_tick(&mut self, tick: i32, gross: i128, net: i128) {
        let index = self.ticks.partition_point(|entry| entry.tick < tick);
        if self.ticks.get(index).is_none_or(|entry| entry.tick != tick) {
            self.ticks.insert(index, TickLiquidity { tick, liquidity_net: 0, liquidity_gross: 0 });
        }
        let entry = &mut self.ticks[index];
        entry.liquidity_gross = entry.liquidity_gross.checked_add_signed(gross).expect("not overdrawn");
        entry.liquidity_net += net;
        if entry.liquidity_gross == 0 {
            self.ticks.remove(index);
        }
    }

    /// A random price and a random set of ranges: dense around the price, or anywhere; deep, or nearly dry.
    pub(crate) fn random(random: &mut StdRng, fee_ppm: u32, tick_spacing: i32) -> Self {
        let (tick, sqrt_price_x96) = random_price(random);
        let mut state = Self::initialised(fee_ppm, tick_spacing, tick, sqrt_price_x96);
        let positions = [0, 1, 2, 3, 8, 30, 60, 90, 120, 150][random.random_range(0..10)];
        let liquidity_max = liquidity_per_tick_max(tick_spacing) / (positions + 1);
        for _ in 0..positions {
            let (lower, upper) = state.random_range_of_ticks(random);
            let liquidity = log_uniform(random, liquidity_max);
            state.modify(lower, upper, i128::try_from(liquidity).expect("a share of what a tick may hold"));
        }
        state
    }

    /// The domain's end, past it, the price itself, behind it, or the price of a tick or one beside it.
    pub(crate) fn random_limit(&self, random: &mut StdRng, zero_for_one: bool) -> U256 {
        let default = sqrt_price_limit_default(zero_for_one);
        let steps = match random.random_range(0..16) {
            0 => return if zero_for_one { default - U256::ONE } else { default + U256::ONE },
            1 => return self.sqrt_price_x96,
            2 => return sqrt_price_limit_default(!zero_for_one),
            3..=8 => return default,
            9..=12 => random.random_range(0..100),
            _ => 256,
        };
        let slot = self.tick.div_euclid(self.tick_spacing);
        let slot = if zero_for_one { slot - steps } else { slot + steps + 1 };
        let slot = if steps == 256 { slot.div_euclid(256) * 256 } else { slot };
        let target = (slot * self.tick_spacing).clamp(MIN_TICK + 1, MAX_TICK - 1);
        let price = get_sqrt_ratio_at_tick(target).expect("in the domain");
        price + U256::from(random.random_range(0..3_u32).saturating_sub(1))
    }

    /// A range that may be minted: near the price three times out of four.
    pub(crate) fn random_range_of_ticks(&self, random: &mut StdRng) -> (i32, i32) {
        let spacing = self.tick_spacing;
        let (first, last) = usable_slots(spacing);
        let slot = self.tick.div_euclid(spacing);
        let (a, b) = match random.random_range(0..8) {
            0 => (first, last),
            1 => (random.random_range(first..=last), random.random_range(first..=last)),
            _ => (slot + random.random_range(-110..=110), slot + random.random_range(-110..=110)),
        };
        let lower = a.min(b).clamp(first, last - 1);
        let upper = a.max(b).clamp(lower + 1, last);
        (lower * spacing, upper * spacing)
    }
}

/// First and last multiple of the spacing inside the tick domain, in slots.
fn usable_slots(spacing: i32) -> (i32, i32) {
    (MIN_TICK / spacing, MAX_TICK / spacing)
}

/// `Tick.tickSpacingToMaxLiquidityPerTick`.
fn liquidity_per_tick_max(spacing: i32) -> u128 {
    let (first, last) = usable_slots(spacing);
    u128::MAX / u128::try_from(last - first + 1).expect("positive")
}

/// A tick and a price inside it: on its lower edge, just crossed downwards, or anywhere.
pub(crate) fn random_price(random: &mut StdRng) -> (i32, U256) {
    let tick = match random.random_range(0..10) {
        0 => random.random_range(MIN_TICK..MAX_TICK),
        1 => random.random_range(MIN_TICK..MIN_TICK + 3000),
        2 => random.random_range(MAX_TICK - 3000..MAX_TICK),
        _ => random.random_range(-200_000..200_000),
    };
    let lower = get_sqrt_ratio_at_tick(tick).expect("in the domain");
    let next = get_sqrt_ratio_at_tick(tick + 1).expect("in the domain");
    match random.random_range(0..4) {
        0 => (tick, lower),
        1 if tick < MAX_TICK - 1 => (tick, next),
        _ => (tick, lower + random_below(random, next - lower)),
    }
}

/// Uniform in the number of bits, in `1..=max`.
pub(crate) fn log_uniform(random: &mut StdRng, max: u128) -> u128 {
    let bits = random.random_range(1..=128 - max.leading_zeros());
    (random.random::<u128>() >> (128 - bits)).clamp(1, max)
}

pub(crate) fn random_below(random: &mut StdRng, bound: U256) -> U256 {
    U256::from_limbs(random.random()) % bound
}

/// Amounts by token, price, liquidity and tick, as a swap's event tells them.
pub(crate) type SwapValues = (I256, I256, U256, u128, i32);

/// Our swap in the event's words.
pub(crate) fn ours_as_event(swap: &SwapResult, zero_for_one: bool) -> SwapValues {
    let taken = I256::try_from(swap.amount_in).expect("an int256 by contract");
    let given = -I256::try_from(swap.amount_out).expect("an int256 by contract");
    let (amount_0, amount_1) = if zero_for_one { (taken, given) } else { (given, taken) };
    (amount_0, amount_1, swap.sqrt_price_x96, swap.liquidity, swap.tick)
}
