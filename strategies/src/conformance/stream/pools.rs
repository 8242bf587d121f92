//! Pools of a random market: how they are founded, traded in, and given and taken liquidity.

use alphapulse_protocol::message::{Pool, V2Reserves, V3Liquidity, V3Swap, V3Tick};
use alphapulse_protocol::replica::{PoolInfo, PoolState, TickLiquidity};
use alphapulse_protocol::{FeePpm, PoolId, TokenId, VenueId};
use ruint::aliases::U256;

use super::{MarketStream, TOKENS, pool_address};
use crate::market::PoolView;
use crate::pool::concentrated_liquidity::{AmountSpecified, sqrt_price_limit_default, swap};
use crate::pool::constant_product::{quote_exact_in, settle};
use crate::pool::tick_math::{MAX_TICK, MIN_TICK, get_sqrt_ratio_at_tick};

/// How far a pool's price lies from its tokens' values: up to 3 %.
const PRICE_SPREAD: i32 = 300;
const LAST_TOKEN: i32 = TOKENS.cast_signed() - 1;

impl MarketStream {
    pub(super) fn add_pool(&mut self, id: PoolId) {
        let token_0 = self.random.between(0, LAST_TOKEN - 1);
        let token_1 = self.random.between(token_0 + 1, LAST_TOKEN).unsigned_abs();
        let token_0 = token_0.unsigned_abs();
        let tokens = [TokenId(token_0), TokenId(token_1)];
        let value = self.values[token_0 as usize] - self.values[token_1 as usize];
        let tick = value + self.random.between(-PRICE_SPREAD, PRICE_SPREAD);
        let fee = [100, 500, 3_000, 10_000][self.random.index(4)];
        let pool = Pool::uniswap_v2(id, VenueId(0), pool_address(id.0), tokens, FeePpm(fee));
        if self.random.one_in(2) {
            self.put(pool);
            self.put_reserves(id, tick);
        } else {
            let spacing = [1, 10, 60, 200][self.random.index(4)];
            self.put(pool.with_ticks(spacing, (MIN_TICK, MAX_TICK)));
            self.put_positions(id, tick, spacing);
        }
    }

    /// Reserves of some size at a price.
    fn put_reserves(&mut self, id: PoolId, tick: i32) {
        let sqrt_price = get_sqrt_ratio_at_tick(tick).expect("values lie well inside the domain");
        let size = U256::from(1_000 + self.random.below(1 << 40)) << 30_usize;
        let (reserve_0, reserve_1) = ((size << 96_usize) / sqrt_price, (size * sqrt_price) >> 96_usize);
        self.put(V2Reserves::new(id, reserve_0.to::<u128>(), reserve_1.to::<u128>()));
    }

    /// A slot and the ticks of some positions around it, one of them very wide.
    fn put_positions(&mut self, id: PoolId, tick: i32, spacing: i32) {
        let mut ticks: Vec<TickLiquidity> = Vec::new();
        let widest = MAX_TICK / spacing * spacing;
        self.add_position(&mut ticks, -widest, widest);
        for _ in 0..self.random.below(6) {
            let (lower, upper) = self.range_around(tick, spacing);
            self.add_position(&mut ticks, lower, upper);
        }
        let active: i128 = ticks.iter().filter(|entry| entry.tick <= tick).map(|entry| entry.liquidity_net).sum();
        let sqrt_price = get_sqrt_ratio_at_tick(tick).expect("values lie well inside the domain");
        self.put(V3Swap::new(id, sqrt_price, tick, active.unsigned_abs()));
        for entry in ticks {
            self.put(V3Tick::new(id, entry.tick, entry.liquidity_net, entry.liquidity_gross));
        }
    }

    fn range_around(&mut self, tick: i32, spacing: i32) -> (i32, i32) {
        let middle = tick.div_euclid(spacing);
        let lower = middle - self.random.between(-3, 12);
        (lower * spacing, (lower + self.random.between(1, 15)) * spacing)
    }

    fn add_position(&mut self, ticks: &mut Vec<TickLiquidity>, lower: i32, upper: i32) {
        let liquidity = i128::from(1_000 + self.random.below(1 << 40)) << 30;
        for (tick, net) in [(lower, liquidity), (upper, -liquidity)] {
            let position = ticks.binary_search_by_key(&tick, |entry| entry.tick).unwrap_or_else(|position| {
                ticks.insert(position, TickLiquidity { tick, liquidity_net: 0, liquidity_gross: 0 });
                position
            });
            ticks[position].liquidity_net += net;
            ticks[position].liquidity_gross += net.unsigned_abs();
        }
    }

    pub(super) fn change_a_pool(&mut self) {
        let index = self.random.index(self.truth.pools().len());
        let id = PoolId(u32::try_from(index).expect("a small market"));
        let info = self.truth.pools()[index];
        let state = self.truth.states()[index].clone();
        match &state {
            PoolState::V2(_) => self.trade_reserves(id, &info, &state),
            PoolState::V3(v3) => match self.random.below(4) {
                0 => {
                    let (lower, upper) = self.range_around(v3.tick, info.tick_spacing);
                    let liquidity = i128::from(self.random.below(1 << 40)) << 30;
                    self.put(V3Liquidity::new(id, lower, upper, liquidity));
                }
                1 => self.burn(id, &v3.ticks),
                _ => self.trade_ranges(id, &info, &state),
            },
            other => unreachable!("the stream makes no pool of {other:?}"),
        }
    }

    /// Takes liquidity out between two neighbouring ticks, which leaves no sum negative.
    fn burn(&mut self, id: PoolId, ticks: &[TickLiquidity]) {
        let is_range = |pair: &&[TickLiquidity]| pair[0].liquidity_net > 0 && pair[1].liquidity_net < 0;
        if let Some([lower, upper]) = ticks.windows(2).find(is_range) {
            let most = lower.liquidity_net.min(-upper.liquidity_net);
            // Now and then all of it, so that ticks vanish.
            let taken = if self.random.one_in(3) { most } else { most / 2 };
            self.put(V3Liquidity::new(id, lower.tick, upper.tick, -taken));
        }
    }

    fn trade_reserves(&mut self, id: PoolId, info: &PoolInfo, state: &PoolState) {
        let Ok(PoolView::V2 { reserves, fee_ppm }) = PoolView::new((info, state), |_| None) else { return };
        let zero_for_one = self.random.one_in(2);
        let [reserve_in, reserve_out] = if zero_for_one { reserves } else { [reserves[1], reserves[0]] };
        let amount_in = U256::from((reserve_in >> (5 + self.random.below(8))).max(1));
        let after = quote_exact_in(reserve_in, reserve_out, fee_ppm, amount_in)
            .and_then(|amount_out| settle(reserve_in, reserve_out, fee_ppm, amount_in, amount_out));
        // A pair traded to its limit stays as it is.
        let Ok((reserve_in, reserve_out)) = after else { return };
        let [reserve_0, reserve_1] = if zero_for_one { [reserve_in, reserve_out] } else { [reserve_out, reserve_in] };
        self.put(V2Reserves::new(id, reserve_0, reserve_1));
    }

    /// A swap that stays within some five per cent of the tokens' values.
    fn trade_ranges(&mut self, id: PoolId, info: &PoolInfo, state: &PoolState) {
        let Ok(PoolView::V3(view)) = PoolView::new((info, state), |_| None) else { return };
        let value = self.values[info.tokens[0].index()] - self.values[info.tokens[1].index()];
        let target = value + self.random.between(-PRICE_SPREAD, PRICE_SPREAD);
        let zero_for_one = view.tick > target;
        let limit = get_sqrt_ratio_at_tick(target).unwrap_or(sqrt_price_limit_default(zero_for_one));
        let amount = AmountSpecified::ExactIn(U256::from(1_u128 << (40 + self.random.below(40))));
        // A price that is on its target already does not move.
        if let Ok(swap) = swap(&view, zero_for_one, amount, limit) {
            self.put(V3Swap::new(id, swap.sqrt_price_x96, swap.tick, swap.liquidity));
        }
    }
}
