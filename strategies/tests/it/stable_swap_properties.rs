//! What holds for every StableSwap pool.

use alloy::primitives::U256;
use alphapulse_strategies::pool::stable_swap::{BasePool, PriceCache, Rules, StableSwapView};
use alphapulse_strategies::pool::{QuoteError, Ramp, Way};
use proptest::prelude::*;

use crate::stable_swap_state::StablePool;

/// Timestamp at which nothing moves.
const AT: u64 = 1_700_000_000;

/// By how much the iteration's own floors let an invariant fall, in the common unit of 10^-18 coins.
const DRIFT_MAX: u64 = 64;

const FAMILIES: [Rules; 6] = [Rules::First, Rules::ThreePool, Rules::Classic, Rules::Factory, Rules::Ng, Rules::Offpeg];

fn config(cases: u32) -> ProptestConfig {
    // Seeds of failures are printed; a file of them would be written beside the sources.
    ProptestConfig { cases, failure_persistence: None, ..ProptestConfig::default() }
}

/// Pools as they exist: balances within a factor of a thousand of each other.
fn pool() -> impl Strategy<Value = StablePool> {
    let coins = prop::collection::vec((1_000_u128..1_000_000, prop::sample::select(vec![6_u32, 8, 18])), 2..=8);
    let terms = (1..5_000_u64, 0..100_000_000_u64, 0..=10_000_000_000_u64, 0..200_000_000_000_u128);
    (prop::sample::select(FAMILIES.to_vec()), coins, terms, 0..9_u32).prop_map(
        |(rules, coins, (amplification, fee, admin_fee, offpeg_fee_multiplier), size)| StablePool {
            rules,
            balances: coins.iter().map(|&(amount, decimals)| amount * 10_u128.pow(decimals + size - 3)).collect(),
            rates: coins.iter().map(|&(_, decimals)| 10_u128.pow(36 - decimals)).collect(),
            amplification: Ramp::constant(amplification * rules.amplification_precision()),
            fee,
            admin_fee,
            offpeg_fee_multiplier,
            supply: 10_u128.pow(24),
            tokens: Vec::new(),
            at: AT,
        },
    )
}

fn ways(pool: &StablePool, pick: u8) -> Way {
    let coins = u8::try_from(pool.balances.len()).expect("few coins");
    let token_in = pick % coins;
    Way { token_in, token_out: (token_in + 1 + pick / coins % (coins - 1)) % coins }
}

/// An amount of the coin, from one unit to ten times what the pool holds.
fn amount(pool: &StablePool, way: Way, share: u32) -> U256 {
    let held = U256::from(pool.balances[usize::from(way.token_in)]);
    ((held * U256::from(10)) >> (share % 100) as usize) + U256::ONE
}

fn any_word() -> impl Strategy<Value = U256> {
    prop_oneof![
        any::<[u64; 4]>().prop_map(U256::from_limbs),
        (any::<[u64; 4]>(), 0..256_usize).prop_map(|(limbs, bits)| U256::from_limbs(limbs) >> bits),
        (0..256_usize).prop_map(|bits| U256::ONE << bits),
        Just(U256::MAX),
        Just(U256::ZERO),
    ]
}

fn any_half() -> impl Strategy<Value = u128> {
    prop_oneof![
        any::<u128>(),
        (any::<u128>(), 0..128_u32).prop_map(|(value, bits)| value >> bits),
        Just(u128::MAX),
        Just(0)
    ]
}

proptest! {
    #![proptest_config(config(4_000))]

    #[test]
    fn stable_pool_gives_no_less_for_more(state in pool(), pick: u8, share_a: u32, share_b: u32) {
        let way = ways(&state, pick);
        let (a, b) = (amount(&state, way, share_a), amount(&state, way, share_b));
        let quote = |amount| state.view().quote_exact_in(way, amount, AT);
        if let (Ok(less), Ok(more)) = (quote(a.min(b)), quote(a.max(b))) {
            // The fee off the peg grows with the amount, and may take more of the last units than they add.
            let is_fee_fixed = !matches!(state.rules, Rules::Ng | Rules::Offpeg);
            prop_assert!(!is_fee_fixed || less <= more, "{less} for the smaller, {more} for the larger");
            prop_assert!(more < U256::from(state.balances[usize::from(way.token_out)]));
        }
    }

    #[test]
    fn stable_round_trip_never_profits(state in pool(), pick: u8, share: u32) {
        let way = ways(&state, pick);
        let amount = amount(&state, way, share);
        if let Ok(there) = state.view().swap_exact_in(way, amount, AT) {
            let mut after = state.clone();
            after.apply(&there.after);
            let back = Way { token_in: way.token_out, token_out: way.token_in };
            if let Ok(returned) = after.view().swap_exact_in(back, there.amount_out, AT) {
                // What the floors of the iteration let the invariant fall may come back, without a fee to cover it.
                let rate = U256::from(state.rates[usize::from(way.token_in)]);
                let slack = U256::from(DRIFT_MAX) * U256::from(1_000_000_000_000_000_000_u64) / rate;
                prop_assert!(returned.amount_out <= amount + slack, "{} for {amount}", returned.amount_out);
            }
        }
    }

    #[test]
    fn stable_quote_does_not_depend_on_the_invariant_being_at_hand(state in pool(), other in pool(), pick: u8, share: u32) {
        let way = ways(&state, pick);
        let amount = amount(&state, way, share);
        let view = state.view();
        let (solved, foreign) = (view.solve(AT), other.view().solve(AT));
        for held in [solved, foreign].into_iter().flatten() {
            let with = StableSwapView { solved: Some(&held), ..view };
            prop_assert_eq!(with.quote_exact_in(way, amount, AT), view.quote_exact_in(way, amount, AT));
            prop_assert_eq!(with.swap_exact_in(way, amount, AT), view.swap_exact_in(way, amount, AT));
            prop_assert_eq!(with.quote_exact_out(way, amount, AT), view.quote_exact_out(way, amount, AT));
        }
    }

    #[test]
    fn stable_quote_and_swap_differ_by_the_rounding_of_the_fee(state in pool(), pick: u8, share: u32) {
        let way = ways(&state, pick);
        let amount = amount(&state, way, share);
        if let (Ok(quoted), Ok(swapped)) =
            (state.view().quote_exact_in(way, amount, AT), state.view().swap_exact_in(way, amount, AT))
        {
            let off = if matches!(state.rules, Rules::First | Rules::ThreePool | Rules::Offpeg) { 1 } else { 0 };
            prop_assert!(quoted.abs_diff(swapped.amount_out) <= U256::from(off), "{quoted} {}", swapped.amount_out);
        }
    }

    #[test]
    fn stable_swap_moves_what_it_says(state in pool(), pick: u8, share: u32) {
        let way = ways(&state, pick);
        let amount = amount(&state, way, share);
        if let Ok(swapped) = state.view().swap_exact_in(way, amount, AT) {
            let (own, other) = (usize::from(way.token_in), usize::from(way.token_out));
            for (coin, &before) in state.balances.iter().enumerate() {
                let (before, after) = (U256::from(before), U256::from(swapped.after.balances[coin]));
                if coin == other {
                    prop_assert!(before - after >= swapped.amount_out || state.rules == Rules::First);
                } else if coin == own {
                    prop_assert!(after <= before + amount && before + amount - after <= U256::ONE);
                } else {
                    prop_assert_eq!(before, after);
                }
            }
            // What stays of the fee raises the invariant, except in the first pools, which round what they store down.
            let mut next = state.clone();
            next.apply(&swapped.after);
            if let (Ok(before), Ok(after)) = (state.view().solve(AT), next.view().solve(AT)) {
                let slack = U256::from(DRIFT_MAX);
                let is_rounding = state.rules == Rules::First;
                prop_assert!(is_rounding || after.invariant() + slack >= before.invariant(), "{before:?} {after:?}");
            }
        }
    }

    #[test]
    fn stable_pool_answers_any_input(
        rules in prop::sample::select(FAMILIES.to_vec()),
        balances in prop::collection::vec(any_half(), 0..10), rates in prop::collection::vec(any_half(), 0..10),
        (initial, future, initial_time, future_time, at) in any::<(u64, u64, u64, u64, u64)>(),
        (fee, admin_fee, valid_until) in prop_oneof![(0..=10_000_000_000_u64, 0..=10_000_000_000_u64, Just(u64::MAX)), any::<(u64, u64, u64)>()],
        (multiplier, supply, price) in (any_half(), any_half(), any_half()),
        (token_in, token_out, is_cached, updated) in (0..10_u8, 0..10_u8, any::<bool>(), any::<u64>()),
        amount in any_word(),
    ) {
        let count = balances.len().min(rates.len());
        let state = StablePool {
            rules,
            balances: balances[..count].to_vec(),
            rates: rates[..count].to_vec(),
            amplification: Ramp { initial, future, initial_time, future_time },
            fee,
            admin_fee,
            offpeg_fee_multiplier: multiplier,
            supply,
            tokens: Vec::new(),
            at,
        };
        let plain = StableSwapView { valid_until, ..state.view() };
        let price_cache = is_cached.then_some(PriceCache { price, updated });
        let meta = state.view_over(Some(BasePool { pool: &plain, price_cache }));
        let way = Way { token_in, token_out };
        for view in [plain, meta] {
            let _ = view.quote_exact_in(way, amount, at);
            let _ = view.swap_exact_in(way, amount, at);
            let _ = view.quote_exact_out(way, amount, at);
            let _ = view.input_by_first_formula(way, amount, at);
            let _ = view.quote_underlying(way, amount, at);
            let _ = view.calc_withdraw_one_coin(amount, token_in, at);
            let _ = view.calc_token_amount(&vec![amount; count], is_cached, at);
            let _ = view.virtual_price(at);
        }
    }
}

fn two_coins(rules: Rules) -> StablePool {
    StablePool {
        rules,
        balances: vec![10_u128.pow(24), 2 * 10_u128.pow(24)],
        rates: vec![10_u128.pow(18); 2],
        amplification: Ramp::constant(200 * rules.amplification_precision()),
        fee: 4_000_000,
        admin_fee: 5_000_000_000,
        offpeg_fee_multiplier: 20_000_000_000,
        supply: 3 * 10_u128.pow(24),
        tokens: Vec::new(),
        at: AT,
    }
}

#[test]
fn stable_refusals_name_their_cause() {
    let way = Way { token_in: 0, token_out: 1 };
    let amount = U256::from(10_u128.pow(18));
    for rules in FAMILIES {
        let state = two_coins(rules);
        let view = state.view();
        for way in [(0, 0), (0, 2), (2, 0), (255, 1)].map(|(token_in, token_out)| Way { token_in, token_out }) {
            assert_eq!(view.quote_exact_in(way, amount, AT), Err(QuoteError::TokenNotInPool), "{rules:?} {way:?}");
        }
        let paused = StableSwapView { is_paused: true, ..view };
        assert!(paused.quote_exact_in(way, amount, AT).is_ok(), "a view answers all the same");
        assert_eq!(paused.swap_exact_in(way, amount, AT), Err(QuoteError::Paused));
        let dated = StableSwapView { valid_until: AT - 1, ..view };
        assert_eq!(dated.quote_exact_in(way, amount, AT), Err(QuoteError::RatesExpired));
        assert!(dated.quote_exact_in(way, amount, AT - 1).is_ok());
        let zero = view.swap_exact_in(way, U256::ZERO, AT);
        assert_eq!(zero == Err(QuoteError::InsufficientInputAmount), rules == Rules::Ng, "{rules:?}: {zero:?}");
        assert_eq!(view.quote_exact_in(way, U256::MAX, AT), Err(QuoteError::AmountOverflow));
        assert_eq!(
            view.quote_exact_out(way, amount, AT) == Err(QuoteError::ExactOutputNotOffered),
            !matches!(rules, Rules::First | Rules::Ng),
            "{rules:?}"
        );
    }
}

#[test]
fn stable_quote_follows_a_ramp() {
    let state = two_coins(Rules::Classic);
    let ramp = Ramp { initial: 1_000, future: 100_000, initial_time: AT, future_time: AT + 1_000 };
    let view = StableSwapView { amplification: ramp, ..state.view() };
    let solved = view.solve(AT).expect("a sound pool");
    let held = StableSwapView { solved: Some(&solved), ..view };
    let way = Way { token_in: 0, token_out: 1 };
    let amount = U256::from(10_u128.pow(23));
    for at in [AT, AT + 500, AT + 1_000] {
        let constant = StableSwapView { amplification: Ramp::constant(ramp.at(at).expect("a ramp")), ..view };
        assert_eq!(held.quote_exact_in(way, amount, at), constant.quote_exact_in(way, amount, at), "{at}");
    }
    assert_ne!(held.quote_exact_in(way, amount, AT), held.quote_exact_in(way, amount, AT + 1_000));
}

#[test]
fn stable_fee_grows_off_the_peg() {
    let way = Way { token_in: 0, token_out: 1 };
    for rules in [Rules::Ng, Rules::Offpeg] {
        let state = two_coins(rules);
        let flat = StableSwapView { offpeg_fee_multiplier: 10_000_000_000, ..state.view() };
        let amount = U256::from(10_u128.pow(21));
        let (grown, fixed) = (state.view().quote_exact_in(way, amount, AT), flat.quote_exact_in(way, amount, AT));
        assert!(grown.expect("a sound pool") < fixed.expect("a sound pool"), "{rules:?}");
    }
}
