//! What holds of every V4 pool, and what it refuses.

use alloy::primitives::U256;
use alphapulse_protocol::replica::TickLiquidity;
use alphapulse_strategies::pool::concentrated_liquidity::{self, sqrt_price_limit_default};
use alphapulse_strategies::pool::tick_math::{MAX_TICK, MIN_TICK};
use alphapulse_strategies::pool::v4::{V4View, permission, swap_fee_ppm, takes_part_in_swaps};
use alphapulse_strategies::pool::{AmountSpecified, QuoteError, Way};
use proptest::prelude::*;
use rand::SeedableRng;
use rand::rngs::StdRng;

use crate::pool_properties::{any_half, any_word, config};
use crate::uniswap_v4_swaps::{V4State, way};
use crate::v3_chain::FEE_TIERS;
use crate::v3_state::V3State;

/// A sound pool with protocol fees.
fn pool() -> impl Strategy<Value = V4State> {
    (any::<u64>(), 0..FEE_TIERS.len(), 0..=1_000_u32, 0..=1_000_u32).prop_map(|(seed, tier, paid_0, paid_1)| {
        let (fee_ppm, tick_spacing) = FEE_TIERS[tier];
        let ranges = V3State::random(&mut StdRng::seed_from_u64(seed), fee_ppm, tick_spacing);
        V4State { ranges, protocol_fees_ppm: [paid_0, paid_1] }
    })
}

impl std::fmt::Debug for V4State {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{:?} with {:?}", self.ranges, self.protocol_fees_ppm)
    }
}

proptest! {
    #![proptest_config(config(600))]

    #[test]
    fn v4_without_protocol_fee_trades_as_v3(state in pool(), zero_for_one: bool, exact_in: bool, amount in any_half()) {
        let view = V4View { protocol_fees_ppm: [0; 2], ..state.view() };
        let specified = if exact_in { AmountSpecified::ExactIn } else { AmountSpecified::ExactOut }(U256::from(amount));
        let limit = sqrt_price_limit_default(zero_for_one);
        let (ours, v3s) = (
            view.swap(zero_for_one, specified, limit),
            concentrated_liquidity::swap(&state.ranges.view(), zero_for_one, specified, limit),
        );
        if ours != Err(QuoteError::AmountOverflow) {
            prop_assert_eq!(ours, v3s);
        }
    }

    #[test]
    fn v4_gives_no_less_for_more(state in pool(), zero_for_one: bool, a in any_half(), b in any_half()) {
        let quote = |amount| state.view().quote_exact_in(way(zero_for_one), U256::from(amount));
        if let (Ok(less), Ok(more)) = (quote(a.min(b)), quote(a.max(b))) {
            prop_assert!(less <= more);
        }
    }

    #[test]
    fn v4_round_trip_never_profits(state in pool(), zero_for_one: bool, amount in any_half()) {
        let amount = U256::from(amount);
        if let Ok(there) = state.view().swap_exact_in(way(zero_for_one), amount) {
            prop_assert_eq!(state.view().quote_exact_in(way(zero_for_one), amount), Ok(there.amount_out));
            let after = there.after;
            let view = V4View {
                sqrt_price_x96: after.sqrt_price_x96, tick: after.tick, liquidity: after.liquidity, ..state.view()
            };
            if let Ok(back) = view.quote_exact_in(way(!zero_for_one), there.amount_out) {
                prop_assert!(back <= amount);
            }
        }
    }

    #[test]
    fn v4_protocol_fee_never_gives_more(state in pool(), zero_for_one: bool, amount in any_half()) {
        let free = V4View { protocol_fees_ppm: [0; 2], ..state.view() };
        let quote = |view: V4View<'_>| view.quote_exact_in(way(zero_for_one), U256::from(amount));
        if let (Ok(with), Ok(without)) = (quote(state.view()), quote(free)) {
            prop_assert!(with <= without);
        }
    }

    #[test]
    fn v4_answers_any_input(
        fees in (any_fee(), any_fee(), any_fee()),
        tick_spacing in prop_oneof![1..40_000_i32, any::<i32>()],
        price in any_word(), tick in prop_oneof![MIN_TICK..MAX_TICK, any::<i32>()], liquidity in any_half(),
        ticks in prop::collection::vec((any::<i32>(), any::<i128>(), any::<u128>()), 0..12),
        known_ticks in prop_oneof![Just((MIN_TICK, MAX_TICK)), any::<(i32, i32)>()],
        (amount, limit, token_in, token_out) in (any_word(), any_word(), 0..3_u8, 0..3_u8),
    ) {
        let ticks: Vec<TickLiquidity> = ticks
            .into_iter()
            .map(|(tick, liquidity_net, liquidity_gross)| TickLiquidity { tick: tick % 900_000, liquidity_net, liquidity_gross })
            .collect();
        let view = V4View {
            hooks: [0; 20], lp_fee_ppm: fees.0, protocol_fees_ppm: [fees.1, fees.2], tick_spacing,
            sqrt_price_x96: price, tick, liquidity, ticks: &ticks, known_ticks,
        };
        let way = Way { token_in, token_out };
        let _ = view.quote_exact_in(way, amount);
        let _ = view.quote_exact_out(way, amount);
        let _ = view.swap_exact_in(way, amount);
        let _ = view.swap(token_in == 0, AmountSpecified::ExactIn(amount), limit);
        let _ = view.swap(token_in == 0, AmountSpecified::ExactOut(amount), limit);
    }
}

fn any_fee() -> impl Strategy<Value = u32> {
    prop_oneof![0..1_001_u32, 0..1_000_002_u32, any::<u32>()]
}

fn sample(state: &V3State) -> V4View<'_> {
    V4View {
        hooks: [0; 20],
        lp_fee_ppm: state.fee_ppm,
        protocol_fees_ppm: [0; 2],
        tick_spacing: state.tick_spacing,
        sqrt_price_x96: state.sqrt_price_x96,
        tick: state.tick,
        liquidity: state.liquidity,
        ticks: &state.ticks,
        known_ticks: (MIN_TICK, MAX_TICK),
    }
}

fn deep_pool() -> V3State {
    let mut state = V3State::initialised(3000, 60, 0, U256::ONE << 96_usize);
    state.modify(-600, 600, 1_000_000_000);
    state
}

#[test]
fn v4_hook_that_takes_part_in_swaps_is_refused_and_any_other_trades() {
    let state = deep_pool();
    for bit in 0..16 {
        let mut hooks = [0xAB; 20];
        hooks[18..].copy_from_slice(&(1_u16 << bit).to_be_bytes());
        let view = V4View { hooks, ..sample(&state) };
        let quote = view.quote_exact_in(way(true), U256::from(1_000));
        let takes_part = matches!(bit, 2 | 3 | 6 | 7);
        assert_eq!(takes_part_in_swaps(hooks), takes_part, "bit {bit}");
        let expected = if takes_part { Err(QuoteError::HookedPool) } else { Ok(U256::from(996)) };
        assert_eq!(quote, expected, "bit {bit}");
    }
    assert_eq!(permission::SWAP, 0b1100_1100);
    assert!(!takes_part_in_swaps([0; 20]));
}

#[test]
fn v4_fee_is_by_direction_and_the_protocol_s_comes_first() {
    assert_eq!(swap_fee_ppm(3000, 0), Ok(3000));
    assert_eq!(swap_fee_ppm(3000, 1000), Ok(3997));
    assert_eq!(swap_fee_ppm(3000, 500), Ok(3499));
    assert_eq!(swap_fee_ppm(0, 1000), Ok(1000));
    assert_eq!(swap_fee_ppm(1_000_000, 1000), Ok(1_000_000));
    assert_eq!(swap_fee_ppm(1_000_001, 0), Err(QuoteError::InvalidPoolState));
    assert_eq!(swap_fee_ppm(3000, 1001), Err(QuoteError::InvalidPoolState));
    let state = deep_pool();
    let view = V4View { protocol_fees_ppm: [1000, 0], ..sample(&state) };
    let fee = |zero_for_one| view.concentrated(zero_for_one).map(|view| view.fee_ppm);
    assert_eq!((fee(true), fee(false)), (Ok(3997), Ok(3000)));
}

#[test]
fn v4_refusals_are_named() {
    let state = deep_pool();
    let view = sample(&state);
    let full_fee = V4View { lp_fee_ppm: 1_000_000, ..view };
    let quote_in = |view: V4View<'_>, amount| view.quote_exact_in(way(true), amount);
    let quote_out = |view: V4View<'_>, amount| view.quote_exact_out(way(true), amount);
    let to = |limit| view.swap(true, AmountSpecified::ExactIn(U256::ONE), limit).map(|swap| swap.amount_out);
    let one = U256::ONE;
    let cases = [
        (quote_in(view, U256::ZERO), QuoteError::InsufficientInputAmount),
        (quote_out(view, U256::ZERO), QuoteError::InsufficientOutputAmount),
        (quote_out(full_fee, U256::ZERO), QuoteError::InsufficientOutputAmount),
        (quote_out(full_fee, one), QuoteError::InsufficientLiquidity),
        (quote_in(view, one << 100_usize), QuoteError::InsufficientLiquidity),
        (quote_out(view, one << 100_usize), QuoteError::InsufficientLiquidity),
        (quote_in(view, one << 128_usize), QuoteError::AmountOverflow),
        (quote_in(view, U256::MAX), QuoteError::AmountOverflow),
        (view.quote_exact_in(Way { token_in: 0, token_out: 2 }, one), QuoteError::TokenNotInPool),
        (quote_in(V4View { tick_spacing: 32_768, ..view }, one), QuoteError::InvalidPoolState),
        (quote_in(V4View { tick_spacing: 0, ..view }, one), QuoteError::InvalidPoolState),
        (quote_in(V4View { sqrt_price_x96: U256::ZERO, ..view }, one), QuoteError::UninitialisedPool),
        (quote_in(V4View { known_ticks: (1, 99), ..view }, one), QuoteError::OutsideKnownTicks),
        (to(view.sqrt_price_x96), QuoteError::InvalidPriceLimit),
        (to(sqrt_price_limit_default(true) - one), QuoteError::InvalidPriceLimit),
    ];
    for (index, (result, expected)) in cases.into_iter().enumerate() {
        assert_eq!(result, Err(expected), "case {index}");
    }
    // A fee of the whole input takes it and gives nothing.
    assert_eq!(quote_in(full_fee, U256::from(1_000)), Ok(U256::ZERO));
}
