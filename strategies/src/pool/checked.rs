//! Sums and products that revert where a contract's 256 bits would.

use ruint::aliases::U256;

use super::QuoteError;
use super::full_math::words::{high_word, low_word};

/// `a + b`.
#[inline(always)]
pub(crate) fn add(a: U256, b: U256) -> Result<U256, QuoteError> {
    a.checked_add(b).ok_or(QuoteError::AmountOverflow)
}

/// `a * b`.
#[inline(always)]
pub(crate) fn mul(a: U256, b: U256) -> Result<U256, QuoteError> {
    product(a, b).ok_or(QuoteError::AmountOverflow)
}

/// `a * b`, if 256 bits hold it: in as many steps as the numbers have words, for those that pools multiply have few.
#[inline(always)]
pub(crate) fn product(a: U256, b: U256) -> Option<U256> {
    let ([_, a_1, a_2, a_3], [_, b_1, b_2, b_3]) = (*a.as_limbs(), *b.as_limbs());
    if a_2 | a_3 | b_2 | b_3 == 0 {
        Some(of_halves(a, b))
    } else if b_1 | b_2 | b_3 == 0 {
        by_word(a, b)
    } else if a_1 | a_2 | a_3 == 0 {
        by_word(b, a)
    } else {
        a.checked_mul(b)
    }
}

/// The product of two numbers of 128 bits.
#[inline(always)]
fn of_halves(a: U256, b: U256) -> U256 {
    let ([a_0, a_1, ..], [b_0, b_1, ..]) = (*a.as_limbs(), *b.as_limbs());
    let [a_0, a_1, b_0, b_1] = [a_0, a_1, b_0, b_1].map(u128::from);
    let low = a_0 * b_0;
    // At most (2^64 - 1)^2 and one word more: it fits.
    let middle = a_1 * b_0 + (low >> 64);
    let (middle, is_carried) = middle.overflowing_add(a_0 * b_1);
    let high = a_1 * b_1 + (middle >> 64) + (u128::from(is_carried) << 64);
    U256::from_limbs([low_word(low), low_word(middle), low_word(high), high_word(high)])
}

/// The product of a number and a number of one word.
#[inline(always)]
fn by_word(a: U256, b: U256) -> Option<U256> {
    let factor = u128::from(b.as_limbs()[0]);
    let mut limbs = *a.as_limbs();
    let mut carry = 0;
    for limb in &mut limbs {
        let part = u128::from(*limb) * factor + carry;
        (*limb, carry) = (low_word(part), part >> 64);
    }
    (carry == 0).then_some(U256::from_limbs(limbs))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number() -> impl Strategy<Value = U256> {
        let word = prop_oneof![any::<u64>(), Just(0), Just(1), Just(u64::MAX)];
        (proptest::array::uniform4(word), 0..=256_usize).prop_map(|(limbs, shift)| U256::from_limbs(limbs) >> shift)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn product_is_that_of_the_library(a in number(), b in number()) {
            prop_assert_eq!(product(a, b), a.checked_mul(b));
        }
    }
}
