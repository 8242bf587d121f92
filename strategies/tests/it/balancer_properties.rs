//! What holds of every Balancer pool whatever its state: order, round trips, inverses, and no panic on any input.

use alloy::primitives::U256;
use alphapulse_strategies::pool::balancer::stable::{
    InvariantRounding, StableView, balance, balance_by_rounds, invariant,
};
use alphapulse_strategies::pool::balancer::weighted::{Powers, WeightedView, in_given_out, out_given_in};
use alphapulse_strategies::pool::balancer::{log_exp, stable};
use alphapulse_strategies::pool::{Ramp, Way};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::data::{cases_factor, seed};

const ONE: u64 = 1_000_000_000_000_000_000;
const WAY: Way = Way { token_in: 0, token_out: 1 };
const BACK: Way = Way { token_in: 1, token_out: 0 };

/// The same cases on every run, unless `ALPHAPULSE_SEED` says otherwise; `ALPHAPULSE_CASES` multiplies them.
fn config(count: u32) -> ProptestConfig {
    ProptestConfig {
        cases: count * u32::try_from(cases_factor()).expect("few"),
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed("balancer properties", 13)),
        ..ProptestConfig::default()
    }
}

/// Leaves a case out; a property that nearly every case leaves out fails.
fn no_quote() -> TestCaseError {
    TestCaseError::reject("the pool refuses")
}

/// Any 256-bit number, every length equally likely, some of the form of a power of two or next to it.
fn any_word() -> impl Strategy<Value = U256> {
    let any_length = (any::<[u64; 4]>(), 0_usize..=256).prop_map(|(limbs, shift)| U256::from_limbs(limbs) >> shift);
    let edge = (0_usize..256, 0_u64..3)
        .prop_map(|(shift, step)| (U256::ONE << shift).wrapping_add(U256::from(step)).wrapping_sub(U256::ONE));
    prop_oneof![any_length, edge, Just(U256::MAX)]
}

/// Any 128-bit number, every length equally likely.
fn any_half() -> impl Strategy<Value = u128> {
    (any::<u128>(), 0_u32..128).prop_map(|(value, shift)| value >> shift)
}

fn powers() -> impl Strategy<Value = Powers> {
    prop_oneof![Just(Powers::LogExp), Just(Powers::SpecialCases)]
}

fn rounding() -> impl Strategy<Value = InvariantRounding> {
    prop_oneof![Just(InvariantRounding::Directed), Just(InvariantRounding::Down)]
}

/// From a million units to 2^100.
fn sound_balance() -> impl Strategy<Value = u128> {
    (any::<u128>(), 28_u32..108).prop_map(|(value, shift)| (value >> shift).max(1_000_000))
}

fn sound_scale() -> impl Strategy<Value = u128> {
    prop_oneof![Just(18_u32), Just(6), Just(8)].prop_map(|decimals| 10_u128.pow(36 - decimals))
}

fn sound_fee() -> impl Strategy<Value = u64> {
    prop_oneof![Just(1_000_000_000_000), Just(ONE / 10), 1_000_000_000_000..ONE / 10]
}

/// A weighted pool of two that a factory would make.
#[derive(Debug, Clone)]
struct Weighted {
    balances: [u128; 2],
    scales: [u128; 2],
    weights: [u64; 2],
    swap_fee: u64,
    powers: Powers,
}

impl Weighted {
    fn view(&self) -> WeightedView<'_> {
        WeightedView {
            balances: &self.balances,
            scales: &self.scales,
            weights: &self.weights,
            swap_fee: self.swap_fee,
            powers: self.powers,
            is_paused: false,
        }
    }
}

prop_compose! {
    fn weighted()(
        balances in [sound_balance(), sound_balance()],
        scales in [sound_scale(), sound_scale()],
        weight in prop_oneof![Just(50_u64), Just(80), Just(20), 1_u64..=99],
        swap_fee in sound_fee(),
        powers in powers(),
    ) -> Weighted {
        Weighted { balances, scales, weights: [weight * (ONE / 100), (100 - weight) * (ONE / 100)], swap_fee, powers }
    }
}

/// A stable pool of two or three that a factory would make.
#[derive(Debug, Clone)]
struct Stable {
    balances: Vec<u128>,
    scales: Vec<U256>,
    amplification: u64,
    swap_fee: u64,
    rounding: InvariantRounding,
}

impl Stable {
    fn view(&self) -> StableView<'_> {
        StableView {
            balances: &self.balances,
            scales: &self.scales,
            amplification: Ramp::constant(self.amplification),
            swap_fee: self.swap_fee,
            rounding: self.rounding,
            share: None,
            rates_valid_until: u64::MAX,
            is_paused: false,
        }
    }
}

prop_compose! {
    fn stable_pool()(
        size in 1_000_000_000_000_u128..1 << 90,
        parts in proptest::collection::vec(1_u128..1000, 2..=5),
        rates in proptest::collection::vec(ONE / 2..ONE * 2, 5),
        amplification in 1_000_u64..=5_000_000,
        swap_fee in sound_fee(),
        rounding in rounding(),
    ) -> Stable {
        let balances: Vec<u128> = parts.iter().map(|part| size / part).collect();
        let scales = rates[..balances.len()].iter().copied().map(U256::from).collect();
        Stable { balances, scales, amplification, swap_fee, rounding }
    }
}

proptest! {
    #![proptest_config(config(1_500))]

    #[test]
    fn no_weighted_pool_panics(
        balances in proptest::collection::vec(any_half(), 0..10),
        scales in proptest::collection::vec(any_half(), 0..10),
        weights in proptest::collection::vec(any::<u64>(), 0..10),
        swap_fee in any::<u64>(),
        powers in powers(),
        is_paused in any::<bool>(),
        way in (0_u8..10, 0_u8..10),
        amount in any_word(),
    ) {
        let view = WeightedView {
            balances: &balances, scales: &scales, weights: &weights, swap_fee, powers, is_paused,
        };
        let way = Way { token_in: way.0, token_out: way.1 };
        let swap = view.swap_exact_in(way, amount).map(|swapped| swapped.amount_out);
        prop_assert_eq!(view.quote_exact_in(way, amount), swap);
        let swap = view.swap_exact_out(way, amount).map(|(amount_in, _)| amount_in);
        prop_assert_eq!(view.quote_exact_out(way, amount), swap);
    }

    #[test]
    fn no_weighted_formula_panics(words in proptest::array::uniform5(any_word()), powers in powers()) {
        let [a, b, c, d, amount] = words;
        let _ = out_given_in(a, b, c, d, amount, powers);
        let _ = in_given_out(a, b, c, d, amount, powers);
        let _ = log_exp::pow(a, b);
        let _ = log_exp::pow(a, U256::from(ONE));
        let _ = stable::scale(u8::try_from(c.bit_len() & 0x1f).expect("five bits"), d);
    }

    #[test]
    fn no_stable_pool_panics(
        balances in proptest::collection::vec(any_half(), 0..10),
        scales in proptest::collection::vec(any_word(), 0..10),
        ramp in any::<[u64; 4]>(),
        swap_fee in any::<u64>(),
        rounding in rounding(),
        share in proptest::option::of(0_u8..10),
        way in (0_u8..10, 0_u8..10),
        amount in any_word(),
        at in any::<u64>(),
    ) {
        let [initial, future, initial_time, future_time] = ramp;
        let amplification = Ramp { initial, future, initial_time, future_time };
        let way = Way { token_in: way.0, token_out: way.1 };
        let rates_valid_until = u64::MAX;
        let view = StableView {
            balances: &balances, scales: &scales, amplification, swap_fee, rounding, share, rates_valid_until,
            is_paused: false,
        };
        let swap = view.swap_exact_in(way, amount, at).map(|swapped| swapped.amount_out);
        prop_assert_eq!(view.quote_exact_in(way, amount, at), swap);
        let swap = view.swap_exact_out(way, amount, at).map(|(amount_in, _)| amount_in);
        prop_assert_eq!(view.quote_exact_out(way, amount, at), swap);
    }

    #[test]
    fn no_stable_formula_panics_and_the_root_is_where_rounds_end(
        amplification in any_word(),
        balances in proptest::collection::vec(any_word(), 0..6),
        wanted in any_word(),
        place in 0_usize..6,
        rounding in rounding(),
    ) {
        let _ = invariant(amplification, &balances, rounding);
        let slow = balance_by_rounds(amplification, &balances, wanted, place);
        prop_assert_eq!(balance(amplification, &balances, wanted, place), slow);
    }

    #[test]
    fn weighted_round_trip_never_profits(pool in weighted(), part in 1_u128..1_000_000) {
        let amount = U256::from((pool.balances[0] / part).max(1));
        let Ok(there) = pool.view().swap_exact_in(WAY, amount) else { return Err(no_quote()) };
        prop_assume!(!there.amount_out.is_zero());
        let after = Weighted { balances: [there.after[0], there.after[1]], ..pool };
        let Ok(back) = after.view().quote_exact_in(BACK, there.amount_out) else { return Err(no_quote()) };
        prop_assert!(back <= amount, "{} back for {}", back, amount);
    }

    #[test]
    fn weighted_exact_out_and_back_never_profits(pool in weighted(), part in 1_u128..1_000_000) {
        let amount = U256::from((pool.balances[1] / part).max(1));
        let Ok((paid, there)) = pool.view().swap_exact_out(WAY, amount) else { return Err(no_quote()) };
        let after = Weighted { balances: [there.after[0], there.after[1]], ..pool };
        let Ok(back) = after.view().quote_exact_in(BACK, amount) else { return Err(no_quote()) };
        prop_assert!(back <= paid, "{} back for {}", back, paid);
    }

    #[test]
    fn stable_exact_out_and_back_never_profits(pool in stable_pool(), part in 1_u128..1_000_000) {
        let amount = U256::from((pool.balances[1] / part).max(1));
        let Ok((paid, there)) = pool.view().swap_exact_out(WAY, amount, 0) else { return Err(no_quote()) };
        let after = Stable { balances: there.after[..pool.balances.len()].to_vec(), ..pool };
        let Ok(back) = after.view().quote_exact_in(BACK, amount, 0) else { return Err(no_quote()) };
        prop_assert!(back <= paid, "{} back for {}", back, paid);
    }

    #[test]
    fn more_into_a_weighted_pool_gives_less_by_the_power_s_error_at_most(
        pool in weighted(), part in 1_u128..1_000_000, more in 0_u128..1 << 60,
    ) {
        let amount = (pool.balances[0] / part).max(1);
        let quote = |amount: u128| pool.view().quote_exact_in(WAY, U256::from(amount));
        if let (Ok(less), Ok(greater)) = (quote(amount), quote(amount + more)) {
            // The contract's power is exact to 10^-14 and not monotone below that.
            let slack = U256::from(pool.balances[1] / 100_000_000_000_000 + 1);
            prop_assert!(less <= greater + slack, "{} then {}", less, greater);
        }
        let quote = |amount: u128| pool.view().quote_exact_out(WAY, U256::from(amount));
        if let (Ok(less), Ok(greater)) = (quote(amount), quote(amount + more)) {
            let slack = U256::from(pool.balances[0] / 10_000_000_000_000 + 1);
            prop_assert!(less <= greater + slack, "{} then {}", less, greater);
        }
    }

    #[test]
    fn stable_round_trip_never_profits(pool in stable_pool(), part in 1_u128..1_000_000) {
        let amount = U256::from((pool.balances[0] / part).max(1));
        let Ok(there) = pool.view().swap_exact_in(WAY, amount, 0) else { return Err(no_quote()) };
        prop_assume!(!there.amount_out.is_zero());
        let after = Stable { balances: there.after[..pool.balances.len()].to_vec(), ..pool };
        let Ok(back) = after.view().quote_exact_in(BACK, there.amount_out, 0) else { return Err(no_quote()) };
        prop_assert!(back <= amount, "{} back for {}", back, amount);
    }

    #[test]
    fn more_into_a_stable_pool_never_gives_less(
        pool in stable_pool(), part in 1_u128..1_000_000, more in 0_u128..1 << 60,
    ) {
        let amount = (pool.balances[0] / part).max(1);
        let quote = |amount: u128| pool.view().quote_exact_in(WAY, U256::from(amount), 0);
        let (Ok(less), Ok(greater)) = (quote(amount), quote(amount + more)) else { return Err(no_quote()) };
        prop_assert!(less <= greater, "{} then {}", less, greater);
        let quote = |amount: u128| pool.view().quote_exact_out(WAY, U256::from(amount), 0);
        let (Ok(less), Ok(greater)) = (quote(amount), quote(amount + more)) else { return Err(no_quote()) };
        prop_assert!(less <= greater, "{} then {}", less, greater);
    }

    #[test]
    fn stable_root_is_where_the_rounds_end(
        pool in stable_pool(), part in 1_u128..1_000_000, place in 0_usize..2,
    ) {
        let mut balances: Vec<U256> = pool.balances.iter().copied().map(U256::from).collect();
        let amplification = U256::from(pool.amplification);
        let Ok(kept) = invariant(amplification, &balances, pool.rounding) else { return Err(no_quote()) };
        balances[1 - place] += U256::from(pool.balances[1 - place] / part);
        let root = balance(amplification, &balances, kept, place);
        prop_assert_eq!(root, balance_by_rounds(amplification, &balances, kept, place));
        prop_assert!(root.is_ok());
    }
}
