//! What holds of every CryptoSwap pool: no panic on any input, more for more, and no profit from there and back.

use alloy::primitives::U256;
use alphapulse_strategies::pool::crypto_swap::{
    CryptoSwapGeneration, CryptoSwapState, CryptoSwapTerms, CryptoSwapView,
};
use alphapulse_strategies::pool::{QuoteError, Way};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use crate::data::seed;

const GENERATIONS: [CryptoSwapGeneration; 4] = [
    CryptoSwapGeneration::TwoCrypto,
    CryptoSwapGeneration::TriCrypto,
    CryptoSwapGeneration::TwoCryptoNg,
    CryptoSwapGeneration::TriCryptoNg,
];
const NOW: u64 = 1_700_000_000;
const ONE: u128 = 1_000_000_000_000_000_000;

/// The same cases on every run, unless `ALPHAPULSE_SEED` says otherwise.
fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        failure_persistence: None,
        rng_seed: RngSeed::Fixed(seed("crypto properties", 23)),
        ..ProptestConfig::default()
    }
}

fn generation() -> impl Strategy<Value = CryptoSwapGeneration> {
    (0..GENERATIONS.len()).prop_map(|index| GENERATIONS[index])
}

/// Any 256-bit number, every length equally likely.
fn any_word() -> impl Strategy<Value = U256> {
    (any::<[u64; 4]>(), 0_usize..=256).prop_map(|(limbs, shift)| U256::from_limbs(limbs) >> shift)
}

/// Any 128-bit number, every length equally likely.
fn any_half() -> impl Strategy<Value = u128> {
    (any::<u128>(), 0_u32..128).prop_map(|(value, shift)| value >> shift)
}

/// Any 64-bit number, every length equally likely.
fn any_quarter() -> impl Strategy<Value = u64> {
    (any::<u64>(), 0_u32..64).prop_map(|(value, shift)| value >> shift)
}

/// A number near the one given in one case of two, else any.
fn near(value: u128) -> impl Strategy<Value = u128> {
    prop_oneof![(1_u128..4_000).prop_map(move |part| value / 1_000 * part), any_half()]
}

fn near_quarter(value: u64) -> impl Strategy<Value = u64> {
    prop_oneof![(1_u64..3_000).prop_map(move |part| value / 1_000 * part), any_quarter()]
}

/// A pool of any numbers at all, some of which are like those of real pools.
fn any_pool() -> impl Strategy<Value = CryptoSwapView> {
    let terms = (
        (near_quarter(1_000_000), near_quarter(1_000_000)),
        (near_quarter(100_000_000_000_000), near_quarter(100_000_000_000_000)),
        (near_quarter(NOW), near_quarter(3_000_000), near_quarter(30_000_000), near_quarter(500_000_000_000_000)),
        (any_quarter(), any_quarter(), any_quarter()),
    );
    let state = (
        (near_quarter(NOW), any::<bool>(), near_quarter(NOW)),
        [near(1_000 * ONE), near(1_000 * ONE), near(1_000 * ONE)],
        ([near(ONE), near(ONE)], [near(ONE), near(ONE)], [near(ONE), near(ONE)]),
        (near(3_000 * ONE), near(1_000 * ONE), near(ONE), near(ONE)),
    );
    (generation(), [near_quarter(1_000), near_quarter(1_000), near_quarter(1_000)], terms, state).prop_map(
        |(generation, precisions, (a, gamma, rest, moves), (times, balances, prices, values))| CryptoSwapView {
            generation,
            precisions,
            terms: CryptoSwapTerms {
                is_paused: false,
                initial_a: a.0,
                future_a: a.1,
                initial_gamma: gamma.0,
                future_gamma: gamma.1,
                initial_time: rest.0,
                mid_fee: rest.1,
                out_fee: rest.2,
                fee_gamma: rest.3,
                allowed_extra_profit: moves.0,
                adjustment_step: moves.1,
                ma_time: moves.2,
            },
            state: CryptoSwapState {
                future_time: times.0,
                is_not_adjusted: times.1,
                last_prices_time: times.2,
                balances,
                price_scale: prices.0,
                price_oracle: prices.1,
                last_prices: prices.2,
                d: values.0,
                supply: values.1,
                virtual_price: values.2,
                xcp_profit: values.3,
            },
        },
    )
}

/// A sound pool with a market around its price scale, and a way through it. It was never used: a first swap in a ramp
/// gives it an invariant.
fn sound_pool() -> impl Strategy<Value = (CryptoSwapView, Way)> {
    let numbers = ([500_u128..2_000, 500..2_000, 500..2_000], 1_u128..1_000_000, [0_u32..4, 0..4, 0..4]);
    (generation(), numbers, 20_u64..80, 5_u64..40, 0_u8..3, 1_u8..3).prop_map(
        |(generation, (parts, size, digits), a, gamma, token_in, turn)| {
            let count = if generation.coin_count() == 2 { 2 } else { 3 };
            let precisions = digits.map(|digits| 10_u64.pow(4 * digits));
            let price_scale = [1_500 * ONE, ONE / 30];
            let prices = [ONE, price_scale[0], price_scale[1]];
            let balances = [0, 1, 2].map(|coin| {
                let scaled = parts[coin] * size * ONE;
                scaled / u128::from(precisions[coin]) / (prices[coin] / ONE).max(1) * if coin == 2 { 30 } else { 1 }
            });
            let terms = CryptoSwapTerms {
                initial_a: a * 20_000,
                future_a: a * 20_000,
                initial_gamma: gamma * 10_000_000_000_000,
                future_gamma: gamma * 10_000_000_000_000,
                initial_time: NOW - 1_000,
                mid_fee: 3_000_000,
                out_fee: 30_000_000,
                fee_gamma: 500_000_000_000_000,
                adjustment_step: 490_000_000_000_000,
                allowed_extra_profit: 2_000_000_000_000,
                ma_time: 600,
                ..CryptoSwapTerms::default()
            };
            let state = CryptoSwapState {
                future_time: NOW + 1_000,
                balances,
                price_scale,
                price_oracle: price_scale,
                last_prices: price_scale,
                last_prices_time: NOW,
                supply: ONE,
                ..CryptoSwapState::default()
            };
            let way = Way {
                token_in: token_in % count,
                token_out: (token_in % count + (turn - 1) % (count - 1) + 1) % count,
            };
            (CryptoSwapView { generation, precisions, terms, state }, way)
        },
    )
}

/// What the solvers' last digits may be off by: they stop at one part in 10^14.
fn noise(balance: u128) -> U256 {
    U256::from(balance / 10_000_000_000_000 + 2)
}

/// A part of the balance, from the smallest to half of it.
fn amount(view: &CryptoSwapView, way: Way, part: u64) -> U256 {
    U256::from(view.state.balances[usize::from(way.token_in)] / u128::from(part))
}

proptest! {
    #![proptest_config(config(4_000))]

    #[test]
    fn crypto_answers_any_input(
        view in any_pool(), amount in any_word(), at in near_quarter(NOW), token_in: u8, token_out: u8, in_pool: bool,
    ) {
        let way = if in_pool {
            Way { token_in: token_in % 2, token_out: 1 - token_in % 2 }
        } else {
            Way { token_in, token_out }
        };
        let quote = view.quote_exact_in(way, amount, at);
        if let Ok(swapped) = view.swap_exact_in(way, amount, at) {
            prop_assert_eq!(quote, Ok(swapped.amount_out));
        }
        let needed = view.quote_exact_out(way, amount, at);
        let is_ng = matches!(view.generation, CryptoSwapGeneration::TwoCryptoNg | CryptoSwapGeneration::TriCryptoNg);
        prop_assert!(is_ng || needed.is_err());
    }
}

proptest! {
    #![proptest_config(config(1_000))]

    #[test]
    fn crypto_gives_no_less_for_more(
        (view, way) in sound_pool(), a in 2_u64..1_000_000_000, b in 2_u64..1_000_000_000,
    ) {
        let quote = |part| view.quote_exact_in(way, amount(&view, way, part), NOW);
        if let (Ok(less), Ok(more)) = (quote(a.max(b)), quote(a.min(b))) {
            let balance = view.state.balances[usize::from(way.token_out)];
            prop_assert!(less <= more + noise(balance) && more < U256::from(balance), "{less} {more}");
        }
    }

    #[test]
    fn crypto_round_trip_never_profits((view, way) in sound_pool(), part in 2_u64..1_000_000_000) {
        let paid = amount(&view, way, part);
        if let Ok(there) = view.swap_exact_in(way, paid, NOW) {
            let after = CryptoSwapView { state: there.after, ..view };
            let back = Way { token_in: way.token_out, token_out: way.token_in };
            if let Ok(returned) = after.quote_exact_in(back, there.amount_out, NOW) {
                let slack = noise(view.state.balances[usize::from(way.token_in)]);
                prop_assert!(returned <= paid + slack, "{returned} for {paid}");
            }
        }
    }

    #[test]
    fn crypto_exact_out_is_near_exact_in((view, way) in sound_pool(), part in 20_u64..100_000_000) {
        let wanted = U256::from(view.state.balances[usize::from(way.token_out)] / u128::from(part));
        match view.quote_exact_out(way, wanted, NOW) {
            Ok(needed) if !needed.is_zero() => {
                let given = view.quote_exact_in(way, needed, NOW).unwrap_or_default();
                // A unit of the input may be worth many of the output.
                let unit = view.quote_exact_in(way, needed + U256::ONE, NOW).unwrap_or_default().abs_diff(given);
                let slack = noise(view.state.balances[usize::from(way.token_out)]) + wanted / U256::from(10_000) + unit;
                prop_assert!(given.abs_diff(wanted) <= slack, "{given} for {wanted}");
            }
            Ok(_) => {}
            Err(error) => prop_assert!(
                error == QuoteError::ExactOutputNotOffered || wanted.is_zero() || error == QuoteError::UnsafeValue
            ),
        }
    }
}

/// The generator's pools do quote: else the properties above would say nothing.
#[test]
fn crypto_pools_of_every_generation_swap() {
    use proptest::strategy::ValueTree;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut swapped = [0; GENERATIONS.len()];
    for _ in 0..400 {
        let (view, way) = sound_pool().new_tree(&mut runner).expect("the generator refuses nothing").current();
        let is_swapped = view.swap_exact_in(way, amount(&view, way, 1_000), NOW).is_ok();
        let index = GENERATIONS.iter().position(|&generation| generation == view.generation).expect("one of four");
        swapped[index] += u32::from(is_swapped);
    }
    assert!(swapped.iter().all(|&count| count >= 40), "{swapped:?}");
}
