//! Division of numbers of some machine words by numbers of some, with reciprocals in place of the processor's division.
//!
//! Source: N. Möller and T. Granlund, "Improved division by invariant integers" (2011), algorithms 4 to 6, for one word of
//! the quotient; D. E. Knuth, "The Art of Computer Programming", volume 2, 4.3.1, algorithm D, for all of them. Lengths are
//! those that the numbers have, not those that their types may have: that is where the time goes.

use super::words::{high_word, join, low_word, shift_in};

/// Words of the longest numerator.
const WORDS: usize = 8;

/// A quotient rounded down, and whether nothing remained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Quotient<const N: usize> {
    pub(crate) words: [u64; N],
    pub(crate) is_exact: bool,
}

/// `numerator / denominator`, words from the lowest; `None` when the denominator is zero.
///
/// Shape: numerators of at most eight words, denominators of at most five that are not zero.
#[inline]
pub(crate) fn divide<const N: usize, const D: usize>(
    numerator: &[u64; N],
    denominator: &[u64; D],
) -> Option<Quotient<N>> {
    const { assert!(N <= WORDS && D <= 5) };
    let word = |at: usize| denominator.get(at).copied().unwrap_or(0);
    let [a, b, c, d, e] = [word(0), word(1), word(2), word(3), word(4)];
    match (a, b, c, d, e) {
        (0, 0, 0, 0, 0) => None,
        (a, 0, 0, 0, 0) => Some(by_one(numerator, a)),
        (a, b, 0, 0, 0) => Some(by_more(numerator, [a, b])),
        (a, b, c, 0, 0) => Some(by_more(numerator, [a, b, c])),
        (a, b, c, d, 0) => Some(by_more(numerator, [a, b, c, d])),
        (a, b, c, d, e) => Some(by_more(numerator, [a, b, c, d, e])),
    }
}

/// Words up to the highest that is not zero.
#[inline]
fn length(words: &[u64]) -> usize {
    words.iter().rposition(|&word| word != 0).map_or(0, |at| at + 1)
}

fn by_one<const N: usize>(numerator: &[u64; N], denominator: u64) -> Quotient<N> {
    let shift = denominator.leading_zeros();
    let divisor = denominator << shift;
    let reciprocal = reciprocal(divisor);
    let length = length(numerator);
    let mut words = [0; N];
    // What is shifted out above is less than the divisor.
    let mut remainder = numerator.get(length.wrapping_sub(1)).map_or(0, |&top| shift_in(0, top, shift));
    for at in (0..length).rev() {
        let below = at.checked_sub(1).map_or(0, |below| numerator[below]);
        (words[at], remainder) = two_by_one(remainder, shift_in(numerator[at], below, shift), divisor, reciprocal);
    }
    Quotient { words, is_exact: remainder == 0 }
}

/// By a denominator of `M` words, at least two, whose highest is not zero.
#[inline]
fn by_more<const N: usize, const M: usize>(numerator: &[u64; N], denominator: [u64; M]) -> Quotient<N> {
    let mut words = [0; N];
    let length = length(numerator);
    if length < M {
        return Quotient { words, is_exact: length == 0 };
    }
    let shift = denominator[M - 1].leading_zeros();
    let mut divisor = [0; M];
    for at in 0..M {
        divisor[at] = shift_in(denominator[at], if at > 0 { denominator[at - 1] } else { 0 }, shift);
    }
    let mut rest = [0; WORDS + 1];
    for at in 0..N {
        rest[at] = shift_in(numerator[at], if at > 0 { numerator[at - 1] } else { 0 }, shift);
    }
    rest[N] = shift_in(0, numerator[N - 1], shift);
    let top = join(divisor[M - 1], divisor[M - 2]);
    let reciprocal = reciprocal_of_two(top);
    for at in (0..=length - M).rev() {
        words[at] = one_word(&mut rest[at..=at + M], &divisor, top, reciprocal);
    }
    Quotient { words, is_exact: rest[..M].iter().all(|&word| word == 0) }
}

/// One word of the quotient; `rest`, one word longer than the divisor, becomes the remainder. Its highest words are not
/// above the divisor's.
#[inline]
fn one_word<const M: usize>(rest: &mut [u64], divisor: &[u64; M], top: u128, reciprocal: u64) -> u64 {
    let high = join(rest[M], rest[M - 1]);
    if high >= top {
        return highest_word(rest, divisor);
    }
    let (word, two) = three_by_two(high, rest[M - 2], top, reciprocal);
    let borrow = subtract_product(&mut rest[..M - 2], &divisor[..M - 2], word);
    let (two, is_short) = two.overflowing_sub(u128::from(borrow));
    (rest[M - 2], rest[M - 1], rest[M]) = (low_word(two), high_word(two), 0);
    if is_short {
        add(&mut rest[..M], divisor);
        return word - 1;
    }
    word
}

/// Where the highest words are the divisor's own: the quotient's word is the highest there is, or one less.
#[cold]
fn highest_word<const M: usize>(rest: &mut [u64], divisor: &[u64; M]) -> u64 {
    let borrow = subtract_product(&mut rest[..M], divisor, u64::MAX);
    let is_short = rest[M] < borrow;
    rest[M] = 0;
    if is_short {
        add(&mut rest[..M], divisor);
        return u64::MAX - 1;
    }
    u64::MAX
}

/// Takes `factor` times a number from another of as many words; what is missing above.
#[inline]
fn subtract_product(from: &mut [u64], number: &[u64], factor: u64) -> u64 {
    let mut carry = 0;
    for (word, &part) in from.iter_mut().zip(number) {
        // At most (2^64 - 1)^2 + 2^64 - 1, which is below 2^128.
        let product = u128::from(factor) * u128::from(part) + u128::from(carry);
        let (difference, is_less) = word.overflowing_sub(low_word(product));
        *word = difference;
        carry = high_word(product) + u64::from(is_less);
    }
    carry
}

/// Adds a number to another of as many words, and drops what passes them.
#[cold]
fn add(to: &mut [u64], number: &[u64]) {
    let mut is_carried = false;
    for (word, &part) in to.iter_mut().zip(number) {
        let (sum, is_first) = word.overflowing_add(part);
        let (sum, is_second) = sum.overflowing_add(u64::from(is_carried));
        (*word, is_carried) = (sum, is_first | is_second);
    }
}

/// `floor((2^128 - 1) / divisor) - 2^64` for a divisor whose highest bit is set.
#[inline(always)]
pub(crate) fn reciprocal(divisor: u64) -> u64 {
    debug_assert!(divisor >> 63 == 1, "normalised");
    // Less 2^64 divisors beforehand: with a quotient of one word the machine divides once.
    low_word(join(!divisor, u64::MAX) / u128::from(divisor))
}

/// `floor((2^192 - 1) / divisor) - 2^64` for a divisor whose highest bit is set: algorithm 6.
#[inline(always)]
pub(crate) fn reciprocal_of_two(divisor: u128) -> u64 {
    let (high, low) = (high_word(divisor), low_word(divisor));
    let value = reciprocal(high);
    // Each correction is as likely as not, so that a jump would often be the wrong one.
    let (product, is_past) = high.wrapping_mul(value).overflowing_add(low);
    let corrections = u64::from(is_past) + u64::from(is_past & (product >= high));
    let value = value.wrapping_sub(corrections);
    let product = product.wrapping_sub(high.wrapping_mul(corrections));
    let more = u128::from(value) * u128::from(low);
    let (product, is_past) = product.overflowing_add(high_word(more));
    let is_twice = is_past & (join(product, low_word(more)) >= divisor);
    value.wrapping_sub(u64::from(is_past) + u64::from(is_twice))
}

/// A word of a quotient and the remainder, of two words by one: algorithm 4. The higher word is below the divisor.
#[inline(always)]
pub(crate) fn two_by_one(high: u64, low: u64, divisor: u64, reciprocal: u64) -> (u64, u64) {
    let estimate = (u128::from(reciprocal) * u128::from(high)).wrapping_add(join(high, low));
    let mut word = high_word(estimate).wrapping_add(1);
    let mut remainder = low.wrapping_sub(word.wrapping_mul(divisor));
    // As likely as not, so that a jump would often be the wrong one.
    let is_above = u64::from(remainder > low_word(estimate));
    word = word.wrapping_sub(is_above);
    remainder = remainder.wrapping_add(divisor & is_above.wrapping_neg());
    if remainder >= divisor {
        word = word.wrapping_add(1);
        remainder -= divisor;
    }
    (word, remainder)
}

/// The same of three words by two: algorithm 5. The two higher words are below the divisor.
#[inline(always)]
pub(crate) fn three_by_two(high: u128, low: u64, divisor: u128, reciprocal: u64) -> (u64, u128) {
    let estimate = (u128::from(reciprocal) * u128::from(high_word(high))).wrapping_add(high);
    let mut word = high_word(estimate);
    let middle = low_word(high).wrapping_sub(word.wrapping_mul(high_word(divisor)));
    let product = u128::from(word) * u128::from(low_word(divisor));
    let mut remainder = join(middle, low).wrapping_sub(product).wrapping_sub(divisor);
    // As likely as not, so that a jump would often be the wrong one.
    let is_below = u64::from(high_word(remainder) < low_word(estimate));
    word = word.wrapping_add(is_below);
    let (high, low) = (high_word(divisor), low_word(divisor));
    let mask = is_below.wrapping_sub(1);
    remainder = remainder.wrapping_add(join(high & mask, low & mask));
    if remainder >= divisor {
        word = word.wrapping_add(1);
        remainder -= divisor;
    }
    (word, remainder)
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;
    use ruint::Uint;

    use super::*;

    /// Words at which the algorithms' corrections happen, and any.
    pub(in crate::pool::full_math) fn word() -> impl Strategy<Value = u64> {
        prop_oneof![
            3 => Just(0),
            1 => Just(1),
            2 => Just(u64::MAX),
            1 => Just(u64::MAX - 1),
            1 => Just(1 << 63),
            1 => Just((1 << 63) - 1),
            6 => any::<u64>(),
            2 => (0..64_u32).prop_map(|shift| u64::MAX >> shift),
        ]
    }

    pub(in crate::pool::full_math) fn words<const N: usize>() -> impl Strategy<Value = [u64; N]> {
        prop::collection::vec(word(), N).prop_map(|words| words.try_into().expect("as many as asked for"))
    }

    fn check(numerator: [u64; 8], denominator: [u64; 5]) {
        let [a, b, c, d, e] = denominator;
        let (wide, by) = (Uint::<512, 8>::from_limbs(numerator), Uint::<512, 8>::from_limbs([a, b, c, d, e, 0, 0, 0]));
        let expected = by.checked_rem(by).map(|_| wide.div_rem(by));
        let expected =
            expected.map(|(quotient, rest)| Quotient { words: *quotient.as_limbs(), is_exact: rest.is_zero() });
        assert_eq!(divide(&numerator, &denominator), expected, "{numerator:?} by {denominator:?}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100_000))]

        #[test]
        fn quotient_is_the_one_of_long_division(numerator in words(), denominator in words()) {
            check(numerator, denominator);
        }

        /// Products, and the numbers beside them: the remainder is none, or nearly all of the denominator.
        #[test]
        fn quotient_of_a_product_is_its_factor(factor in words::<3>(), denominator in words::<5>(), change in 0..3_u64) {
            let product: Uint<512, 8> = Uint::<192, 3>::from_limbs(factor).widening_mul(Uint::<320, 5>::from_limbs(denominator));
            let near = product.wrapping_add(Uint::from(change)).wrapping_sub(Uint::ONE);
            check(*near.as_limbs(), denominator);
        }

        #[test]
        fn short_numerators_divide_alike(numerator in words::<4>(), denominator in words::<2>()) {
            let [a, b, c, d] = numerator;
            let wide = divide(&[a, b, c, d, 0, 0, 0, 0], &denominator);
            let short = divide(&numerator, &denominator);
            prop_assert_eq!(short.map(|short| short.is_exact), wide.map(|wide| wide.is_exact));
            prop_assert_eq!(short.map(|short| short.words.to_vec()), wide.map(|wide| wide.words[..4].to_vec()));
        }
    }

    /// What a random search seldom meets: the correction of algorithm D, and a quotient's word of all ones.
    #[test]
    fn rare_corrections_are_made() {
        let top = 1 << 63;
        check([0, 0, 0, top, 0, 0, 0, 0], [1, 0, top, 0, 0]);
        check([3, 0, 0, top, 0, 0, 0, 0], [u64::MAX, 0, top, 0, 0]);
        check([0, u64::MAX - 1, 0, top, 0, 0, 0, 0], [u64::MAX, 0, top, 0, 0]);
        check([u64::MAX, u64::MAX, u64::MAX, u64::MAX, u64::MAX - 1, 0, 0, 0], [u64::MAX, u64::MAX, 0, 0, 0]);
        check([0, 0, 0, 0, u64::MAX - 1, top - 1, top, 0], [u64::MAX, u64::MAX, top, 0, 0]);
        check([0, 0, 0, u64::MAX, top, 0, 0, 0], [0, u64::MAX, top, 0, 0]);
        check([7, 0, 0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1]);
        check([0; 8], [0; 5]);
    }
}
