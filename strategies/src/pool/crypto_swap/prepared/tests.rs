//! Every answer beside the way of 256 bits, and that ordinary pools have one.

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use ruint::Uint;
use ruint::aliases::U256;

use super::super::{CryptoSwapGeneration, CryptoSwapState, CryptoSwapTerms, CryptoSwapView};
use super::fee::{Fee, SHORT_ERROR};
use super::words::{Invariant, OneWord, Short, Three, TwoWords, product, times_word};
use super::{ONE, Prepared};
use crate::pool::Way;

fn wide(words: Three) -> U256 {
    U256::from_limbs([words[0], words[1], words[2], 0])
}

fn word() -> impl Strategy<Value = u64> {
    (prop_oneof![3 => any::<u64>(), 1 => Just(u64::MAX), 1 => Just(1), 1 => Just(1 << 63)], 0..64_u32)
        .prop_map(|(word, shift)| word >> shift)
}

fn three() -> impl Strategy<Value = Three> {
    prop::array::uniform3(prop_oneof![4 => word(), 1 => Just(0)])
}

fn short_of(a: U256, b: U256) -> Option<u128> {
    u128::try_from(a.checked_div(b)?).ok()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(20_000))]

    #[test]
    fn short_divisors_divide_as_long_ones(a in three(), high in prop_oneof![Just(0), word()], low in word()) {
        let divisor = u128::from(high) << 64 | u128::from(low);
        let expected = short_of(wide(a), U256::from(divisor));
        if let Some(by) = Short::new(divisor) {
            prop_assert_eq!(by.two_words_of(a), expected);
        }
        if let Some(by) = TwoWords::new(divisor) {
            prop_assert_eq!(by.one_word_of(a), expected.and_then(|quotient| u64::try_from(quotient).ok()));
        }
        if let Some(by) = OneWord::new(low) {
            let a = u128::from(a[1]) << 64 | u128::from(a[0]);
            prop_assert_eq!(by.one_word_of(a), u64::try_from(a / u128::from(low)).ok());
        }
    }

    #[test]
    fn numbers_moved_up_divide_as_they_were(a in word(), factor in word(), divisor in any::<u128>(), shift in 0..64_u32) {
        let divisor = divisor >> shift;
        let expected = short_of(U256::from(a) * U256::from(factor), U256::from(divisor));
        let expected = expected.and_then(|quotient| u64::try_from(quotient).ok());
        if let Some(by) = TwoWords::new(divisor)
            && let Some(up) = by.moved_up(u128::from(a))
        {
            prop_assert_eq!(by.normal_word_of(times_word(up, factor)), expected);
        }
        #[expect(clippy::cast_possible_truncation, reason = "any word will do")]
        if let Some(by) = OneWord::new(divisor as u64)
            && let Some(up) = by.moved_up(a)
        {
            let expected = u128::from(a) * u128::from(factor) / u128::from(divisor as u64);
            prop_assert_eq!(by.normal_word_of(u128::from(up) * u128::from(factor)), u64::try_from(expected).ok());
        }
    }

    /// Next to multiples of the divisor too, where a factor that is too large would show.
    #[test]
    fn invariant_divisors_are_exact(a in three(), divisor in word(), below in 0..2_u64) {
        let Some(by) = Invariant::new(divisor) else { return Ok(()) };
        let divisor = U256::from(divisor);
        let multiple = (wide(a) / divisor * divisor).saturating_sub(U256::from(below));
        for a in [wide(a), multiple] {
            let [low, middle, high, _] = *a.as_limbs();
            if let Some(quotient) = by.divide([low, middle, high]) {
                prop_assert_eq!(wide(quotient), a / divisor);
            }
        }
    }

    /// What is taken for sure is: the part between the fees differs by no more than the margin was made for.
    #[test]
    fn fees_in_short_err_less_than_their_margin(
        sizes in prop::array::uniform3(64..96_u32),
        parts in prop::array::uniform3(1..u64::MAX),
        is_alike in any::<bool>(),
        (gamma, shift, count) in (1..ONE, 0..60_u32, 2..4_usize),
    ) {
        let size = |at: usize| if is_alike { sizes[0] } else { sizes[at] };
        let mut xp = [0, 1, 2].map(|at| (u128::from(parts[at]) << 32) >> (96 - size(at)));
        if count == 2 {
            xp[2] = 0;
        }
        let gamma = (gamma >> shift).max(1);
        let terms = CryptoSwapTerms { fee_gamma: gamma, mid_fee: 1_000_000, out_fee: 9_000_000, ..CryptoSwapTerms::default() };
        let fee = Fee::new(&terms, count);
        let Some((short, exact)) = fee.and_then(|fee| Some((fee.part_in_short(xp)?, fee.part(xp)?))) else { return Ok(()) };
        prop_assert!(short.abs_diff(exact) <= SHORT_ERROR * (ONE / gamma + 1), "{short} {exact}");
    }

    #[test]
    fn products_are_whole_or_none(a in any::<u128>(), b in any::<u128>(), shifts in (0..128_u32, 0..128_u32)) {
        let (a, b) = (a >> shifts.0, b >> shifts.1);
        if let Some(found) = product(a, b) {
            prop_assert_eq!(Uint::<256, 4>::from(a) * Uint::<256, 4>::from(b), wide(found));
        }
    }
}

const GENERATIONS: [CryptoSwapGeneration; 4] = [
    CryptoSwapGeneration::TwoCrypto,
    CryptoSwapGeneration::TriCrypto,
    CryptoSwapGeneration::TwoCryptoNg,
    CryptoSwapGeneration::TriCryptoNg,
];

/// A pool of a size and of terms as mainnet has them, somewhat out of balance, and parts of a coin to sell of it.
fn pool() -> impl Strategy<Value = (CryptoSwapView, Way, u64)> {
    let terms = (4_001..2_000_000_u64, 33..54_u32, 1_000_000..9_000_000_u64, 1..9_u64, 40..60_u32);
    let sizes = (64..86_u32, prop::array::uniform3(600..1_600_u64), prop::array::uniform2(1..100_000_u64));
    (0..4_usize, terms, sizes, any::<u64>(), 0..6_usize, prop::array::uniform3(0..13_u32)).prop_map(
        |(generation, (a, gamma, mid, out, fee_gamma), (size, parts, prices), part, way, decimals)| {
            let generation = GENERATIONS[generation];
            let count = generation.coin_count();
            let each = 1_u128 << size;
            let prices = prices.map(|price| u128::from(price) * u128::from(ONE) / 100);
            let precisions = decimals.map(|missing| 10_u64.pow(missing));
            let mut balances = [0; 3];
            for at in 0..count {
                let scaled = U256::from(each) * U256::from(parts[at]) / U256::from(1_000);
                let price = at.checked_sub(1).map_or(u128::from(ONE), |k| prices[k]);
                let raw = scaled * U256::from(ONE) / U256::from(price) / U256::from(precisions[at]);
                balances[at] = u128::try_from(raw).unwrap_or(1);
            }
            let terms = CryptoSwapTerms {
                future_a: a,
                future_gamma: (1 << gamma) + 1,
                mid_fee: mid,
                out_fee: mid * out,
                fee_gamma: (1 << fee_gamma) - 1,
                ..CryptoSwapTerms::default()
            };
            let state = CryptoSwapState { balances, price_scale: prices, ..CryptoSwapState::default() };
            let mut view = CryptoSwapView { generation, precisions, terms, state };
            view.state.d = invariant(&view);
            let ways = [(0, 1), (1, 0), (0, 2), (2, 0), (1, 2), (2, 1)];
            let (token_in, token_out) = ways[if count == 2 { way % 2 } else { way }];
            (view, Way { token_in, token_out }, part)
        },
    )
}

/// The invariant of the balances; a guess where the contract finds none.
fn invariant(view: &CryptoSwapView) -> u128 {
    let curvature = view.curvature(1).expect("there is no ramp");
    let scaled = view.scaled(view.state.balances.map(U256::from)).expect("short");
    let solved = view.generation.invariant(curvature, scaled, U256::ZERO);
    solved.ok().and_then(|d| u128::try_from(d).ok()).unwrap_or(u128::from(ONE))
}

/// Counts ordinary pools, those of them that have an answer in few words, and those that have one at all.
#[test]
fn ordinary_pools_have_their_own_answer() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut counts = [(0_u32, 0_u32); 4];
    for _ in 0..40_000 {
        let (view, way, part) = pool().new_tree(&mut runner).expect("a pool").current();
        let balance = view.state.balances[usize::from(way.token_in)];
        let amount = U256::from(balance / u128::from(3 + part % 1_000_000) + u128::from(part % 7));
        let expected = view.quote_exact_in(way, amount, 1);
        let Some(prepared) = view.prepare() else { continue };
        assert_eq!(prepared.quote_exact_in(&view, way, amount, 1), expected, "{view:?} {way:?} {amount}");
        let own = prepared.output((way.token_in.into(), way.token_out.into()), amount);
        if let Some(own) = own {
            assert_eq!(Ok(U256::from(own)), expected, "{view:?} {way:?} {amount}");
        }
        let at = GENERATIONS.iter().position(|known| *known == view.generation).expect("one of them");
        counts[at].0 += u32::from(expected.is_ok());
        counts[at].1 += u32::from(own.is_some());
    }
    for (generation, (answers, own)) in GENERATIONS.iter().zip(counts) {
        assert!(answers > 3_000 && own * 10 >= answers * 9, "{generation:?}: {own} of {answers}");
    }
}

/// A pool that has moved, or whose terms have, is quoted as it is.
#[test]
fn other_states_are_quoted_as_they_are() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut moved = 0;
    for _ in 0..2_000 {
        let (view, way, part) = pool().new_tree(&mut runner).expect("a pool").current();
        let Some(prepared) = view.prepare() else { continue };
        let amount = U256::from(view.state.balances[usize::from(way.token_in)] / u128::from(3 + part % 1_000));
        let mut others = [view; 6];
        others[0].state.balances[usize::from(way.token_out)] /= 2;
        others[1].state.price_scale[0] += 1_000_000_000;
        others[2].state.d += 1_000_000_000;
        others[3].terms.future_a += 100;
        others[4].terms.mid_fee += 1_000;
        others[5].state.future_time = 2;
        for other in others {
            let expected = other.quote_exact_in(way, amount, 1);
            assert_eq!(prepared.quote_exact_in(&other, way, amount, 1), expected);
            moved += u32::from(expected.is_ok() && expected != view.quote_exact_in(way, amount, 1));
        }
    }
    assert!(moved > 1_000, "{moved}");
}

#[test]
fn paused_pools_and_wrong_ways_are_refused() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let mut pools = core::iter::repeat_with(|| pool().new_tree(&mut runner).expect("a pool").current());
    let (view, way, prepared) =
        pools.find_map(|(view, way, _)| Some((view, way, view.prepare()?))).expect("most are ordinary");
    let mut paused = view;
    paused.terms.is_paused = true;
    let nowhere = Way { token_in: 0, token_out: 0 };
    for (view, way, amount) in [(paused, way, 9), (view, nowhere, 9), (view, way, 0)] {
        let amount = U256::from(amount);
        let refused = prepared.quote_exact_in(&view, way, amount, 1);
        assert_eq!(refused, view.quote_exact_in(way, amount, 1));
        assert!(refused.is_err());
    }
    assert_eq!(Prepared::new(&CryptoSwapView { state: CryptoSwapState::default(), ..view }), None);
}
