//! Quotients of at most two words, in registers.

use super::division::{reciprocal_of_two, three_by_two};
use super::words::{high_word, join, low_word, shift_in};

/// `numerator / denominator`, rounded down, and whether nothing remained; `None` when the quotient has more than two words,
/// or the denominator is zero. The pairs are of lower and higher words, which stay in registers: no length is looked for,
/// and nothing goes through memory.
#[inline(always)]
pub(crate) fn divide_short(numerator: [u128; 3], denominator: [u128; 2]) -> Option<(u128, bool)> {
    let ([mut n0, mut n1, mut n2], [mut d0, mut d1]) = (numerator, denominator);
    if d1 == 0 && high_word(d0) != 0 {
        return if n2 == 0 { divide_by_two([n0, n1], d0) } else { None };
    }
    // First by whole words and then within words: a shift of 128 bits by any number costs several of either.
    if d1 == 0 {
        // By a quotient of two words, what is this far up is zero.
        if n2 != 0 || d0 == 0 {
            return None;
        }
        (n0, n1, n2) = (0, n0, n1);
        (d0, d1) = (0, d0);
    }
    if high_word(d1) == 0 {
        if high_word(n2) != 0 {
            return None;
        }
        let up = |high: u128, low: u128| join(low_word(high), high_word(low));
        (n0, n1, n2) = (up(n0, 0), up(n1, n0), up(n2, n1));
        (d0, d1) = (up(d0, 0), up(d1, d0));
    }
    let shift = high_word(d1).leading_zeros();
    if shift_in(0, high_word(n2), shift) != 0 {
        return None;
    }
    let up = |value: u128, below: u128| {
        let middle = low_word(value);
        join(shift_in(high_word(value), middle, shift), shift_in(middle, high_word(below), shift))
    };
    (n0, n1, n2) = (up(n0, 0), up(n1, n0), up(n2, n1));
    (d0, d1) = (up(d0, 0), up(d1, d0));
    if (n2, n1) >= (d1, d0) {
        return None;
    }
    let reciprocal = reciprocal_of_two(d1);
    let (high, rest) = short_word([n1, n2], high_word(n0), [d0, d1], reciprocal);
    let (low, rest) = short_word(rest, low_word(n0), [d0, d1], reciprocal);
    Some((join(high, low), rest == [0, 0]))
}

/// A word of the quotient of `rest` with `next` below it, and what then remains. `rest` is below the divisor.
#[inline(always)]
fn short_word(rest: [u128; 2], next: u64, divisor: [u128; 2], reciprocal: u64) -> (u64, [u128; 2]) {
    let ([low, high], [d0, d1]) = (rest, divisor);
    let lowest = join(low_word(low), next);
    // Where the top is the divisor's own, the word is the highest there is, or one less; what remains may pass two words.
    let ((mut word, top), is_past) = if high >= d1 {
        let (top, is_past) = d1.overflowing_add(u128::from(high_word(low)));
        ((u64::MAX, top), is_past)
    } else {
        (three_by_two(high, high_word(low), d1, reciprocal), false)
    };
    let product = u128::from(word) * u128::from(low_word(d0));
    let upper = u128::from(word) * u128::from(high_word(d0)) + u128::from(high_word(product));
    let (mut r0, is_less) = lowest.overflowing_sub(join(low_word(upper), low_word(product)));
    let taken = u128::from(high_word(upper)) + u128::from(is_less);
    let (mut r1, is_short) = top.overflowing_sub(taken);
    if is_short && !is_past {
        word -= 1;
        let (sum, is_carried) = r0.overflowing_add(d0);
        r0 = sum;
        r1 = r1.wrapping_add(d1).wrapping_add(u128::from(is_carried));
    }
    (word, [r0, r1])
}

/// [`divide_short`] by two words, the higher of which is not zero.
#[inline(always)]
fn divide_by_two([n0, n1]: [u128; 2], denominator: u128) -> Option<(u128, bool)> {
    if n1 >= denominator {
        return None;
    }
    // What is above the denominator's highest bit is zero in the numerator's upper half too.
    let shift = high_word(denominator).leading_zeros();
    let divisor = denominator << shift;
    let words = [high_word(n1), low_word(n1), high_word(n0), low_word(n0)];
    let rest = join(shift_in(words[0], words[1], shift), shift_in(words[1], words[2], shift));
    let reciprocal = reciprocal_of_two(divisor);
    let (high, rest) = three_by_two(rest, shift_in(words[2], words[3], shift), divisor, reciprocal);
    let (low, rest) = three_by_two(rest, words[3] << shift, divisor, reciprocal);
    Some((join(high, low), rest == 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ruint::Uint;

    use super::super::division::divide;
    use super::super::division::tests::words;
    use super::*;

    fn check_short(n: [u64; 6], d: [u64; 4]) {
        let pair = |low, high| join(high, low);
        let short =
            divide_short([pair(n[0], n[1]), pair(n[2], n[3]), pair(n[4], n[5])], [pair(d[0], d[1]), pair(d[2], d[3])]);
        let expected = divide(&n, &d).and_then(|quotient| match quotient.words {
            [low, high, 0, 0, 0, 0] => Some((pair(low, high), quotient.is_exact)),
            _ => None,
        });
        assert_eq!(short, expected, "{n:?} by {d:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100_000))]

        #[test]
        fn short_quotients_are_those_of_any_division(n in words::<6>(), d in words::<4>(), factor in words::<2>(), change in 0..3_u64) {
            check_short(n, d);
            // A product, or a number beside one: quotients that fit, remainders of none or nearly all.
            let by = Uint::<256, 4>::from_limbs(d);
            let product: Uint<384, 6> = Uint::<128, 2>::from_limbs(factor).widening_mul(by);
            let near = product.wrapping_add(Uint::from(change)).wrapping_sub(Uint::ONE);
            check_short(*near.as_limbs(), d);
            let below = product.wrapping_add(Uint::<384, 6>::from_limbs([d[0], d[1], d[2], d[3], 0, 0])).wrapping_sub(Uint::ONE);
            check_short(*below.as_limbs(), d);
        }
    }

    /// What a random search seldom meets.
    #[test]
    fn rare_corrections_are_made() {
        let top = 1 << 63;
        check_short([0, 0, 0, u64::MAX, top, 0], [0, u64::MAX, top, 0]);
        check_short([0, u64::MAX, u64::MAX, 0, top, 0], [u64::MAX, u64::MAX, 0, top]);
        check_short([0, u64::MAX, u64::MAX - 1, u64::MAX, 0, top], [u64::MAX, u64::MAX, 0, top]);
        check_short([u64::MAX, u64::MAX, u64::MAX - 1, u64::MAX, u64::MAX, u64::MAX], [u64::MAX; 4]);
    }
}
