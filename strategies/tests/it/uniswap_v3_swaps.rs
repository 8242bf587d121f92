//! A pool followed through real mints, burns and swaps: our state equals the contract's after every one.

use alloy::primitives::{Address, U256};
use alphapulse_strategies::pool::concentrated_liquidity::{sqrt_price_limit_default, swap};
use alphapulse_strategies::pool::tick_math::{MAX_TICK, MIN_TICK, get_sqrt_ratio_at_tick};
use alphapulse_strategies::pool::{AmountSpecified, StepTable, SwapResult, check_consistency};
use rand::Rng;
use rand::rngs::StdRng;

use crate::contracts::V3Pool;
use crate::data::{Comparison, cases_factor, report};
use crate::v3_chain::{FEE_TIERS, V3Chain, tick};
use crate::v3_state::{SwapValues, V3State, log_uniform, ours_as_event, random_price};

const POOLS: usize = 48;
const ACTIONS_PER_POOL: u32 = 60;
const SWAPS_MIN: u32 = 1_500;

/// What happened to a pool on the chain, and our own copy of it, which only ever learns from events.
struct Followed {
    chain: V3Chain,
    pool: Address,
    state: V3State,
    /// Built when it is due, or now and then; so also asked when it is old.
    steps: StepTable,
    /// Token id and liquidity left of each position.
    positions: Vec<(U256, (i32, i32), u128)>,
    swaps: u32,
    changes: u32,
    on_a_tick: u32,
}

#[test]
fn v3_state_equals_the_pool_after_every_real_swap_mint_and_burn() {
    let Some(base) = V3Chain::deploy() else { return };
    let comparison = Comparison::of("uniswap_v3 by the pool", 11);
    let mut random = comparison.random();
    let pools = POOLS * cases_factor();
    let (mut swaps, mut changes, mut on_a_tick) = (0, 0, 0);
    for index in 0..pools {
        let mut followed = Followed::create(&base, &mut random, FEE_TIERS[index % FEE_TIERS.len()]);
        for _ in 0..ACTIONS_PER_POOL {
            followed.act(&mut random);
        }
        followed.check_against_chain();
        swaps += followed.swaps;
        changes += followed.changes;
        on_a_tick += followed.on_a_tick;
    }
    report(&format!("v3 swaps on the real pool: {swaps}, mints and burns: {changes}, stopped on a tick: {on_a_tick}"));
    assert!(swaps >= SWAPS_MIN && changes >= 400 && on_a_tick >= 100);
    comparison.finish(pools, swaps);
}

impl Followed {
    fn create(base: &V3Chain, random: &mut StdRng, (fee_ppm, tick_spacing): (u32, i32)) -> Self {
        let (_, sqrt_price) = random_price(random);
        let mut chain = base.fork();
        let pool = chain.create_pool(fee_ppm, sqrt_price);
        let slot_0 = chain.chain.call(pool, &V3Pool::slot0Call {}).expect("the pool answers");
        let state = V3State::initialised(fee_ppm, tick_spacing, slot_0.tick.as_i32(), sqrt_price);
        let steps = StepTable::new([4, 256][random.random_range(0..2)]);
        let mut followed =
            Self { chain, pool, state, steps, positions: Vec::new(), swaps: 0, changes: 0, on_a_tick: 0 };
        for _ in 0..random.random_range(3..20) {
            followed.mint(random);
        }
        followed
    }

    fn act(&mut self, random: &mut StdRng) {
        match random.random_range(0..10) {
            0 => self.mint(random),
            1 => self.burn(random),
            _ => self.swap(random),
        }
        check_consistency(&self.state.view()).expect("a followed pool stays sound");
    }

    fn mint(&mut self, random: &mut StdRng) {
        let range = self.state.random_range_of_ticks(random);
        let bits = 1 << random.random_range(20..100);
        let amounts = (U256::from(log_uniform(random, bits)), U256::from(log_uniform(random, bits)));
        // Amounts too small for one unit of liquidity, or too large for a tick, are the contract's to refuse.
        let Ok(sent) = self.chain.mint(self.state.fee_ppm, range, amounts) else { return };
        let event: V3Pool::Mint = sent.event(self.pool);
        self.state.modify(range.0, range.1, i128::try_from(event.amount).expect("below the tick's maximum"));
        self.positions.push((sent.value.tokenId, range, event.amount));
        self.changes += 1;
    }

    fn burn(&mut self, random: &mut StdRng) {
        if self.positions.is_empty() {
            return;
        }
        let index = random.random_range(0..self.positions.len());
        let (token_id, range, left) = self.positions[index];
        let amount = if random.random() { left } else { log_uniform(random, left) };
        let sent = self.chain.burn(token_id, amount).expect("the owner may burn");
        let event: V3Pool::Burn = sent.event(self.pool);
        assert_eq!(event.amount, amount);
        self.state.modify(range.0, range.1, -i128::try_from(amount).expect("below the tick's maximum"));
        self.positions[index].2 -= amount;
        self.positions.retain(|(_, _, left)| *left > 0);
        self.changes += 1;
    }

    fn swap(&mut self, random: &mut StdRng) {
        let zero_for_one = random.random();
        let limit = self.random_limit(random, zero_for_one);
        let amount = U256::from(log_uniform(random, self.state.liquidity.max(1 << 20)));
        let is_exact_in = random.random_bool(0.6);
        let (specified, sent) = if is_exact_in {
            let sent = self.chain.swap_exact_in(self.state.fee_ppm, zero_for_one, amount, limit);
            (AmountSpecified::ExactIn(amount), sent)
        } else {
            let sent = self.chain.swap_exact_out(self.state.fee_ppm, zero_for_one, amount, limit);
            (AmountSpecified::ExactOut(amount), sent)
        };
        let effective = if limit.is_zero() { sqrt_price_limit_default(zero_for_one) } else { limit };
        let ours = swap(&self.state.view(), zero_for_one, specified, effective);
        let is_refused = ours.is_err()
            || ours.is_ok_and(|swap| {
                // The router refuses to settle nothing, and an output short of the request without a limit.
                let is_short = !is_exact_in && limit.is_zero() && swap.is_partial;
                is_short || (swap.amount_in.is_zero() && swap.amount_out.is_zero())
            });
        let Ok(sent) = sent else {
            assert!(is_refused, "the chain refuses {specified:?} on {:?}, we answer {ours:?}", self.state);
            return;
        };
        let ours = ours.unwrap_or_else(|error| panic!("{error} for {specified:?} on {:?}", self.state));
        let event: V3Pool::Swap = sent.event(self.pool);
        assert_eq!(ours_as_event(&ours, zero_for_one), event_values(&event), "{specified:?} on {:?}", self.state);
        if limit.is_zero() {
            let by_table = self.swap_by_table(random, zero_for_one, specified);
            assert_eq!(
                ours_as_event(&by_table, zero_for_one),
                event_values(&event),
                "{specified:?} on {:?}",
                self.state
            );
        }
        self.state.apply(&ours);
        self.swaps += 1;
        let is_on_a_tick = get_sqrt_ratio_at_tick(ours.tick + 1) == Ok(ours.sqrt_price_x96)
            || get_sqrt_ratio_at_tick(ours.tick) == Ok(ours.sqrt_price_x96);
        self.on_a_tick += u32::from(is_on_a_tick);
    }

    fn swap_by_table(&mut self, random: &mut StdRng, zero_for_one: bool, specified: AmountSpecified) -> SwapResult {
        let view = self.state.view();
        if !self.steps.follow(&view) || random.random_ratio(1, 4) {
            self.steps.build(&view, [view.fee_ppm; 2]);
        }
        let swap = match specified {
            AmountSpecified::ExactIn(amount) => self.steps.swap_exact_in(&view, zero_for_one, amount),
            AmountSpecified::ExactOut(amount) => self.steps.swap_exact_out(&view, zero_for_one, amount),
        };
        swap.unwrap_or_else(|error| panic!("{error} for {specified:?} on {:?}", self.state))
    }

    /// No limit, the exact price of a tick (initialised or a word's edge among them), or one near it.
    fn random_limit(&self, random: &mut StdRng, zero_for_one: bool) -> U256 {
        let spacing = self.state.tick_spacing;
        let steps = match random.random_range(0..4) {
            0 | 1 => return U256::ZERO,
            2 => random.random_range(0..100),
            _ => 256,
        };
        let slot = self.state.tick.div_euclid(spacing);
        let slot = if zero_for_one { slot - steps } else { slot + steps + 1 };
        let slot = if steps == 256 { slot.div_euclid(256) * 256 } else { slot };
        let target = (slot * spacing).clamp(MIN_TICK + 1, MAX_TICK - 1);
        let price = get_sqrt_ratio_at_tick(target).expect("in the domain");
        price + U256::from(random.random_range(0..3_u32).saturating_sub(1))
    }

    /// Reads the contract's whole state once more, by its getters.
    fn check_against_chain(&mut self) {
        let chain = &mut self.chain.chain;
        let slot_0 = chain.call(self.pool, &V3Pool::slot0Call {}).expect("the pool answers");
        assert_eq!(slot_0.sqrtPriceX96.to::<U256>(), self.state.sqrt_price_x96);
        assert_eq!(slot_0.tick.as_i32(), self.state.tick);
        let liquidity = chain.call(self.pool, &V3Pool::liquidityCall {}).expect("the pool answers");
        assert_eq!(liquidity, self.state.liquidity);
        for entry in &self.state.ticks {
            let call = V3Pool::ticksCall { tick: tick(entry.tick) };
            let found = chain.call(self.pool, &call).expect("the pool answers");
            assert!(found.initialized);
            assert_eq!((found.liquidityGross, found.liquidityNet), (entry.liquidity_gross, entry.liquidity_net));
        }
    }
}

fn event_values(event: &V3Pool::Swap) -> SwapValues {
    (event.amount0, event.amount1, event.sqrtPriceX96.to(), event.liquidity, event.tick.as_i32())
}
