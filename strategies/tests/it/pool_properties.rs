//! What holds of every pool whatever its state: order, round trips, inverses, and no panic on any input.

use alloy::primitives::U256;
use alphapulse_protocol::replica::TickLiquidity;
use alphapulse_strategies::pool::concentrated_liquidity::{quote_exact_in, quote_exact_out, swap};
use alphapulse_strategies::pool::constant_product::{self, RESERVE_MAX, settle};
use alphapulse_strategies::pool::full_math::{div_ceil, mul_div_ceil, mul_div_floor};
use alphapulse_strategies::pool::sqrt_price_math::{
    Rounding, get_amount_0_delta, get_amount_1_delta, get_next_sqrt_price_from_input, get_next_sqrt_price_from_output,
};
use alphapulse_strategies::pool::swap_math::compute_swap_step;
use alphapulse_strategies::pool::tick_math::{MAX_TICK, MIN_TICK, get_sqrt_ratio_at_tick, get_tick_at_sqrt_ratio};
use alphapulse_strategies::pool::{AmountSpecified, QuoteError, V3View, check_consistency};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::data::seed;
use crate::v3_chain::FEE_TIERS;
use crate::v3_state::V3State;

/// The same cases on every run, unless `ALPHAPULSE_SEED` says otherwise.
pub(crate) fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed("properties", 7)),
        ..ProptestConfig::default()
    }
}

/// Any 256-bit number, every length equally likely.
pub(crate) fn any_word() -> impl Strategy<Value = U256> {
    (any::<[u64; 4]>(), 0_usize..=256).prop_map(|(limbs, shift)| U256::from_limbs(limbs) >> shift)
}

/// Any 128-bit number, every length equally likely.
pub(crate) fn any_half() -> impl Strategy<Value = u128> {
    (any::<u128>(), 0_u32..128).prop_map(|(value, shift)| value >> shift)
}

fn reserve() -> impl Strategy<Value = u128> {
    any_half().prop_map(|value| (value & RESERVE_MAX).max(1))
}

fn fee() -> impl Strategy<Value = u32> {
    prop_oneof![Just(3000), Just(2500), Just(0), Just(999_999), 0_u32..1_000_000]
}

/// A sound pool, by the generator that the contract tests use.
fn pool() -> impl Strategy<Value = V3State> {
    (any::<u64>(), 0..FEE_TIERS.len()).prop_map(|(seed, tier)| {
        let (fee_ppm, tick_spacing) = FEE_TIERS[tier];
        V3State::random(&mut StdRng::seed_from_u64(seed), fee_ppm, tick_spacing)
    })
}

proptest! {
    #![proptest_config(config(2_000))]

    #[test]
    fn full_math_brackets_the_true_quotient(a in any_word(), b in any_word(), denominator in any_word()) {
        let (floor, ceil) = (mul_div_floor(a, b, denominator), mul_div_ceil(a, b, denominator));
        prop_assert_eq!(div_ceil(a, denominator).is_err(), denominator.is_zero());
        if let (Ok(floor), Ok(ceil)) = (floor, ceil) {
            // floor * denominator <= a * b <= ceil * denominator, in 512 bits.
            let product: ruint::aliases::U512 = a.widening_mul(b);
            let below: ruint::aliases::U512 = floor.widening_mul(denominator);
            let above: ruint::aliases::U512 = ceil.widening_mul(denominator);
            prop_assert!(below <= product && product <= above);
            prop_assert!(ceil - floor <= U256::ONE && (ceil == floor) == (below == product));
        } else {
            let bound: ruint::aliases::U512 = U256::MAX.widening_mul(denominator);
            let product: ruint::aliases::U512 = a.widening_mul(b);
            prop_assert!(denominator.is_zero() || product > bound);
        }
    }

    #[test]
    fn v2_gives_no_less_for_more(
        reserve_in in reserve(), reserve_out in reserve(), fee in fee(), a in any_half(), b in any_half(),
    ) {
        let quote = |amount| constant_product::quote_exact_in(reserve_in, reserve_out, fee, U256::from(amount));
        if let (Ok(less), Ok(more)) = (quote(a.min(b)), quote(a.max(b))) {
            prop_assert!(less <= more && more < U256::from(reserve_out));
        }
    }

    #[test]
    fn v2_round_trip_never_profits(
        reserve_in in reserve(), reserve_out in reserve(), fee in fee(), amount in any_half(),
    ) {
        let amount = U256::from(amount);
        if let Ok(there) = constant_product::quote_exact_in(reserve_in, reserve_out, fee, amount)
            && let Ok((after_in, after_out)) = settle(reserve_in, reserve_out, fee, amount, there)
        {
            let back = constant_product::quote_exact_in(after_out, after_in, fee, there);
            prop_assert!(back.is_ok_and(|back| back <= amount), "{back:?} for {amount}");
        }
    }

    #[test]
    fn v2_exact_in_and_exact_out_are_inverse(
        reserve_in in reserve(), reserve_out in reserve(), fee in fee(), amount in any_half(),
    ) {
        let amount = U256::from(amount);
        if let Ok(out) = constant_product::quote_exact_in(reserve_in, reserve_out, fee, amount) && !out.is_zero() {
            let needed = constant_product::quote_exact_out(reserve_in, reserve_out, fee, out);
            // One more than the smallest input when the division is exact, which may not fit the pair.
            let is_inverse = needed.map_or_else(
                |error| error == QuoteError::ReserveOverflow,
                |needed| needed <= amount + U256::ONE,
            );
            prop_assert!(is_inverse, "{needed:?} for {amount}");
        }
        if let Ok(needed) = constant_product::quote_exact_out(reserve_in, reserve_out, fee, amount) {
            let given = constant_product::quote_exact_in(reserve_in, reserve_out, fee, needed);
            prop_assert!(given.is_ok_and(|given| given >= amount), "{given:?} for {amount}");
        }
    }

    #[test]
    fn v2_answers_any_input(
        reserve_in in any_half(), reserve_out in any_half(), fee in any::<u32>(), a in any_word(), b in any_word(),
    ) {
        let _ = constant_product::quote_exact_in(reserve_in, reserve_out, fee, a);
        let _ = constant_product::quote_exact_out(reserve_in, reserve_out, fee, a);
        let _ = settle(reserve_in, reserve_out, fee, a, b);
    }

    #[test]
    fn a_tick_s_price_has_that_tick(tick in MIN_TICK..MAX_TICK) {
        let price = get_sqrt_ratio_at_tick(tick).expect("in the domain");
        prop_assert_eq!(get_tick_at_sqrt_ratio(price), Ok(tick));
        if tick > MIN_TICK {
            prop_assert_eq!(get_tick_at_sqrt_ratio(price - U256::ONE), Ok(tick - 1));
        }
    }

    #[test]
    fn v3_arithmetic_answers_any_input(
        a in any_word(), b in any_word(), amount in any_word(), liquidity in any_half(), fee in any::<u32>(),
        tick in any::<i32>(), flag in any::<bool>(),
    ) {
        let rounding = if flag { Rounding::Up } else { Rounding::Down };
        let _ = get_amount_0_delta(a, b, liquidity, rounding);
        let _ = get_amount_1_delta(a, b, liquidity, rounding);
        let _ = get_next_sqrt_price_from_input(a, liquidity, amount, flag);
        let _ = get_next_sqrt_price_from_output(a, liquidity, amount, flag);
        let _ = compute_swap_step(a, b, liquidity, AmountSpecified::ExactIn(amount), fee);
        let _ = compute_swap_step(a, b, liquidity, AmountSpecified::ExactOut(amount), fee);
        let _ = get_sqrt_ratio_at_tick(tick);
        let _ = get_tick_at_sqrt_ratio(a);
    }
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn v3_gives_no_less_for_more(state in pool(), zero_for_one: bool, a in any_half(), b in any_half()) {
        let quote = |amount| quote_exact_in(&state.view(), zero_for_one, U256::from(amount));
        if let (Ok(less), Ok(more)) = (quote(a.min(b)), quote(a.max(b))) {
            prop_assert!(less.amount_out <= more.amount_out && less.amount_in <= more.amount_in);
        }
    }

    #[test]
    fn v3_round_trip_never_profits(state in pool(), zero_for_one: bool, amount in any_half()) {
        if let Ok(there) = quote_exact_in(&state.view(), zero_for_one, U256::from(amount)) {
            let mut after = state.clone();
            after.apply(&there);
            check_consistency(&after.view()).expect("a swap leaves a sound pool");
            if let Ok(back) = quote_exact_in(&after.view(), !zero_for_one, there.amount_out) {
                prop_assert!(back.amount_out <= there.amount_in);
            }
        }
    }

    #[test]
    fn v3_exact_in_and_exact_out_are_inverse(state in pool(), zero_for_one: bool, amount in any_half()) {
        let amount = U256::from(amount >> 32);
        if let Ok(given) = quote_exact_in(&state.view(), zero_for_one, amount) && !given.amount_out.is_zero() {
            let needed = quote_exact_out(&state.view(), zero_for_one, given.amount_out).expect("just delivered");
            // The same output may need the whole of a step where the input ended inside it: an output that equals
            // the step's, after rounding down, is taken for all of it.
            let is_at_step_end = get_sqrt_ratio_at_tick(needed.tick + i32::from(zero_for_one)) == Ok(needed.sqrt_price_x96);
            prop_assert!(needed.amount_in <= given.amount_in || is_at_step_end);
        }
        if let Ok(needed) = quote_exact_out(&state.view(), zero_for_one, amount) {
            let given = quote_exact_in(&state.view(), zero_for_one, needed.amount_in).expect("just taken");
            prop_assert!(given.amount_out >= amount);
        }
    }

    /// A window of knowledge gives the full answer or none, and the full answer whenever the swap stays inside.
    #[test]
    fn v3_knows_what_it_does_not_know(
        state in pool(), zero_for_one: bool, amount in any_half(), down in 0..20_000_i32, up in 0..20_000_i32,
    ) {
        let amount = U256::from(amount);
        let (first, last) = (state.tick - down, state.tick + up);
        let ticks: Vec<TickLiquidity> =
            state.ticks.iter().copied().filter(|entry| (first..=last).contains(&entry.tick)).collect();
        let window = V3View { ticks: &ticks, known_ticks: (first, last), ..state.view() };
        for (full, part) in [
            (quote_exact_in(&state.view(), zero_for_one, amount), quote_exact_in(&window, zero_for_one, amount)),
            (quote_exact_out(&state.view(), zero_for_one, amount), quote_exact_out(&window, zero_for_one, amount)),
        ] {
            if part != Err(QuoteError::OutsideKnownTicks) {
                prop_assert_eq!(full, part);
            } else if let Ok(full) = full {
                prop_assert!(!(first..=last).contains(&full.tick), "{full:?} stays inside");
            }
        }
    }

    #[test]
    fn v3_answers_any_input(
        fee_ppm in prop_oneof![fee(), any::<u32>()],
        tick_spacing in prop_oneof![1..20_000_i32, any::<i32>()],
        price in prop_oneof![any_word(), (MIN_TICK..MAX_TICK).prop_map(|tick| get_sqrt_ratio_at_tick(tick).expect("in the domain"))],
        tick in prop_oneof![MIN_TICK..MAX_TICK, any::<i32>()],
        liquidity in any_half(),
        ticks in prop::collection::vec((any::<i32>(), any::<i128>(), any::<u128>()), 0..12),
        known_ticks in prop_oneof![Just((MIN_TICK, MAX_TICK)), any::<(i32, i32)>()],
        (amount, limit, zero_for_one, is_tick_of_price) in (any_word(), any_word(), any::<bool>(), any::<bool>()),
    ) {
        let ticks: Vec<TickLiquidity> = ticks
            .into_iter()
            .map(|(tick, liquidity_net, liquidity_gross)| TickLiquidity { tick: tick % 900_000, liquidity_net, liquidity_gross })
            .collect();
        let tick = if is_tick_of_price { get_tick_at_sqrt_ratio(price).unwrap_or(tick) } else { tick };
        let view = V3View { fee_ppm, tick_spacing, sqrt_price_x96: price, tick, liquidity, ticks: &ticks, known_ticks };
        let _ = quote_exact_in(&view, zero_for_one, amount);
        let _ = quote_exact_out(&view, zero_for_one, amount);
        let _ = swap(&view, zero_for_one, AmountSpecified::ExactIn(amount), limit);
        let _ = swap(&view, zero_for_one, AmountSpecified::ExactOut(amount), limit);
        let _ = check_consistency(&view);
        prop_assert!(view.ranges(zero_for_one).count() <= alphapulse_strategies::pool::RANGES_MAX);
    }
}
