//! Quotients of at most two words by an inverse that comes near enough at once, in place of a digit after the other.
//!
//! The inverse is a little too small, so the quotient that it gives is the right one or, where the quotient has at most 120
//! bits, one less: what remains says which. No bits of the numerator or denominator are moved for that but their highest.
//! Digits after one another, each corrected before the next, took twice as long; where this way does not lead to an answer,
//! they are still there ([`divide_short`]).

use super::mul_wide;
use super::short::divide_short;
use super::words::{high_word, join, low_word, shift_in};

/// What stands for a number of 128 bits when it is divided by: `2^255` by the number with its highest bit moved to the top,
/// never too much, and by less than `2^6` too little. Zero stands for none.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Inverse(u128);

impl Inverse {
    pub(crate) const fn of(denominator: u128) -> Self {
        let (top, bits) = leading([denominator, 0, 0]);
        Self(if bits == 0 { 0 } else { refined(top, inverse_of_word(top)) })
    }

    /// `numerator / denominator`, of which this is the inverse; as [`divide_short`].
    #[inline(always)]
    pub(crate) fn divide(self, numerator: [u128; 3], denominator: u128) -> Option<(u128, bool)> {
        let (top, bits) = leading(numerator);
        let shift = (255 - denominator.leading_zeros()).checked_sub(bits).filter(|_| denominator != 0);
        let near = shift.map(|shift| shifted(high_half(top, self.0), shift));
        near.and_then(|near| settle(numerator, [denominator, 0], near))
            .or_else(|| in_digits(numerator, [denominator, 0]))
    }
}

/// As [`divide_short`].
#[inline(always)]
pub(crate) fn divide_near(numerator: [u128; 3], denominator: [u128; 2]) -> Option<(u128, bool)> {
    let [d0, d1] = denominator;
    let (divisor, divisor_bits) = leading([d0, d1, 0]);
    let (top, bits) = leading(numerator);
    let is_usual = divisor_bits > 0 && divisor_bits <= DIVISOR_BITS_MAX;
    let Some(shift) = (divisor_bits + 127).checked_sub(bits).filter(|_| is_usual) else {
        return in_digits(numerator, denominator);
    };
    let inverse = inverse_of_word(divisor);
    // With less than 60 bits the inverse of a word is near enough.
    let near = if shift >= WORD_SHIFT {
        let product = u128::from(high_word(top)) * u128::from(inverse);
        u128::from(high_word(product).checked_shr(shift - 64).unwrap_or(0))
    } else {
        shifted(high_half(top, refined(divisor, inverse)), shift)
    };
    settle(numerator, denominator, near).or_else(|| in_digits(numerator, denominator))
}

/// Quotients that are moved down this far, from 128 bits, have less than 60.
const WORD_SHIFT: u32 = 69;

/// Of a quotient of 128 bits less than 2^6 may be missing. What then remains still has 256 bits.
const DIVISOR_BITS_MAX: u32 = 250;

#[cold]
#[inline(never)]
fn in_digits(numerator: [u128; 3], denominator: [u128; 2]) -> Option<(u128, bool)> {
    divide_short(numerator, denominator)
}

/// The 128 bits from the highest on, and how many bits there are in all.
#[inline(always)]
const fn leading([n0, n1, n2]: [u128; 3]) -> (u128, u32) {
    // Words are chosen before bits are moved: a shift of 128 bits by any number costs several of either.
    let (high, low, bits) = if n2 != 0 {
        (n2, n1, 384)
    } else if n1 != 0 {
        (n1, n0, 256)
    } else {
        (n0, 0, 128)
    };
    let (words, bits) = if high_word(high) != 0 {
        ([high_word(high), low_word(high), high_word(low)], bits)
    } else {
        ([low_word(high), high_word(low), low_word(low)], bits - 64)
    };
    let [first, second, third] = words;
    let shift = first.leading_zeros();
    if shift == 64 {
        return (0, 0);
    }
    (join(shift_in(first, second, shift), shift_in(second, third, shift)), bits - shift)
}

/// `2^127` by the highest word of a number whose highest bit is set, never too much for the whole number; too little by less
/// than one part in `2^61`.
#[inline(always)]
const fn inverse_of_word(top: u128) -> u64 {
    // Half of the word, rounded up past all that follows: one bit less than the quotient would need otherwise.
    let half = (high_word(top) >> 1) + 1;
    low_word((1 << 126) / half as u128)
}

/// `2^255` by `top`, from `2^127` by its highest word: a step of Newton's, from below. `top` stands for a number that goes on
/// behind it.
#[inline(always)]
const fn refined(top: u128, inverse: u64) -> u128 {
    let wide = inverse as u128;
    // By how much the product is less than one, which has its bit at 2^191 here: less than 2^130, without the lower word.
    let product = wide * high_word(top) as u128 + high_word(wide * low_word(top) as u128) as u128;
    let missing = low_word(((1 << 127) - 1 - product) >> 2);
    // Two less, for what follows the top.
    (wide << 64) + ((wide * missing as u128) >> 61) - 2
}

#[inline(always)]
const fn high_half(a: u128, b: u128) -> u128 {
    mul_wide(a, b).1
}

#[inline(always)]
const fn shifted(value: u128, shift: u32) -> u128 {
    // In words: a shift of 128 bits by any number costs several of either.
    let (high, low) = if shift >= 64 { (0, high_word(value)) } else { (high_word(value), low_word(value)) };
    if shift >= 128 {
        return 0;
    }
    let within = shift & 63;
    join(high >> within, low >> within | (high << 1) << (63 - within))
}

/// The quotient that is `near` or one more; `None` when it is neither, which happens past 120 bits.
#[inline(always)]
fn settle([n0, n1, _]: [u128; 3], [d0, d1]: [u128; 2], near: u128) -> Option<(u128, bool)> {
    // What remains has 256 bits: what lies above is zero after all.
    let (low, high) = mul_wide(near, d0);
    let high = high.wrapping_add(near.wrapping_mul(d1));
    let (r0, is_less) = n0.overflowing_sub(low);
    let r1 = n1.wrapping_sub(high).wrapping_sub(u128::from(is_less));
    let (s0, is_less) = r0.overflowing_sub(d0);
    let (s1, is_first) = r1.overflowing_sub(d1);
    let (s1, is_second) = s1.overflowing_sub(u128::from(is_less));
    let is_near = is_first | is_second;
    let (rest, quotient) = if is_near { ([r0, r1], near) } else { ([s0, s1], near.wrapping_add(1)) };
    let [low, high] = rest;
    let is_settled = is_near || (high, low) < (d1, d0);
    is_settled.then_some((quotient, low | high == 0))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ruint::Uint;

    use super::super::division::tests::words;
    use super::*;

    fn check(n: [u64; 6], d: [u64; 4]) {
        let pair = |low, high| join(high, low);
        let numerator = [pair(n[0], n[1]), pair(n[2], n[3]), pair(n[4], n[5])];
        let denominator = [pair(d[0], d[1]), pair(d[2], d[3])];
        let expected = divide_short(numerator, denominator);
        assert_eq!(divide_near(numerator, denominator), expected, "{n:?} by {d:?}");
        let [d0, _] = denominator;
        let expected = divide_short(numerator, [d0, 0]);
        assert_eq!(Inverse::of(d0).divide(numerator, d0), expected, "{n:?} by {d0}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200_000))]

        #[test]
        fn quotients_are_those_of_any_division(
            n in words::<6>(), d in words::<4>(), factor in words::<2>(), less in 0..128_usize, change in 0..3_u64,
        ) {
            check(n, d);
            // A product, or a number beside one: quotients that fit, remainders of none or nearly all.
            for d in [d, [d[0], d[1], d[2], 0], [d[0], d[1], 0, 0]] {
                let by = Uint::<256, 4>::from_limbs(d);
                let factor = Uint::<128, 2>::from_limbs(factor) >> less;
                let product: Uint<384, 6> = factor.widening_mul(by);
                let near = product.wrapping_add(Uint::from(change)).wrapping_sub(Uint::ONE);
                check(*near.as_limbs(), d);
                let below = product.wrapping_add(Uint::<384, 6>::from_limbs([d[0], d[1], d[2], d[3], 0, 0]));
                check(*below.wrapping_sub(Uint::ONE).as_limbs(), d);
            }
        }

        /// That it has to be corrected once at most is why it is fast.
        #[test]
        fn quotients_of_120_bits_need_no_digits(d in words::<4>(), factor in words::<2>(), rest in words::<4>()) {
            let d = Uint::<256, 4>::from_limbs(d) >> 1_usize;
            prop_assume!(!d.is_zero());
            let factor = Uint::<128, 2>::from_limbs(factor) >> 8_usize;
            let product: Uint<384, 6> = factor.widening_mul(d);
            let rest = Uint::<256, 4>::from_limbs(rest) % d;
            let [a, b, c, e] = *rest.as_limbs();
            let n = *product.wrapping_add(Uint::from_limbs([a, b, c, e, 0, 0])).as_limbs();
            let pair = |low, high| join(high, low);
            let numerator = [pair(n[0], n[1]), pair(n[2], n[3]), pair(n[4], n[5])];
            let [a, b, c, e] = *d.as_limbs();
            let (top, bits) = leading([pair(a, b), pair(c, e), 0]);
            let (numerator_top, numerator_bits) = leading(numerator);
            let shift = bits + 127 - numerator_bits;
            let near = shifted(high_half(numerator_top, refined(top, inverse_of_word(top))), shift);
            let exact = u128::try_from(factor).expect("120 bits");
            prop_assert!(near == exact || near + 1 == exact, "{} {}", near, exact);
            prop_assert!(settle(numerator, [pair(a, b), pair(c, e)], near).is_some());
        }
    }

    #[test]
    fn ends_of_what_words_hold_are_divided_alike() {
        let ends = [0, 1, 2, u64::MAX, u64::MAX - 1, 1 << 63, (1 << 63) - 1, (1 << 63) + 1];
        for low in ends {
            for high in ends {
                for top in ends {
                    check([low, high, top, 0, 0, 0], [high, low, 0, 0]);
                    check([0, low, high, top, 0, 0], [low, high, top, 0]);
                    check([high, top, low, low, 0, 0], [top, high, low, 0]);
                    check([low, top, high, low, top, 0], [low, high, low, top]);
                }
            }
        }
    }
}
