//! Square roots of 256-bit integers, for those who need the exact floor and no iteration.

use ruint::aliases::U256;

/// Largest integer whose square is not above `value`.
///
/// Karatsuba's method: the root of the upper half is that of the machine, and one division brings the lower half of its
/// digits, at most one too high.
#[must_use]
pub fn square_root(value: U256) -> U256 {
    if let Ok(narrow) = u128::try_from(value) {
        return U256::from(narrow.isqrt());
    }
    // Shifted so that one of the two upper bits is set; an even shift halves into one of the root.
    let shift = value.leading_zeros() & !1;
    let [first, second, third, fourth] = *(value << shift).as_limbs();
    let upper = (u128::from(fourth) << 64) | u128::from(third);
    let high = upper.isqrt();
    let rest = U256::from(upper - high * high);
    let (quotient, rest) = ((rest << 64_usize) | U256::from(second)).div_rem(U256::from(high) << 1_usize);
    let root = (U256::from(high) << 64_usize).wrapping_add(quotient);
    let is_too_high = ((rest << 64_usize) | U256::from(first)) < quotient.wrapping_mul(quotient);
    let root = if is_too_high { root.wrapping_sub(U256::ONE) } else { root };
    root >> (shift / 2)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(bits_max: usize) -> impl Strategy<Value = U256> {
        (any::<[u64; 4]>(), 0..=bits_max)
            .prop_map(|(limbs, bits)| if bits == 0 { U256::ZERO } else { U256::from_limbs(limbs) >> (256 - bits) })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn root_is_the_largest_whose_square_is_not_above(value in number(256)) {
            let root = square_root(value);
            prop_assert!(root.checked_mul(root).is_some_and(|square| square <= value));
            let next = root + U256::ONE;
            prop_assert!(next.checked_mul(next).is_none_or(|square| square > value));
        }
    }

    #[test]
    fn square_root_is_the_floor_at_every_width() {
        for bits in 0..256_usize {
            for value in [U256::ONE << bits, U256::MAX >> bits, (U256::ONE << bits) | U256::from(bits)] {
                check_root(value);
                let root = square_root(value);
                check_root(root.wrapping_mul(root));
                check_root(root.wrapping_mul(root).saturating_sub(U256::ONE));
            }
        }
        assert_eq!(square_root(U256::ZERO), U256::ZERO);
    }

    fn check_root(value: U256) {
        let root = square_root(value);
        assert!(root * root <= value, "{value}");
        let next = root + U256::ONE;
        assert!(next.checked_mul(next).is_none_or(|square| square > value), "{value}");
    }

    #[test]
    fn roots_next_to_squares_are_exact() {
        for bits in 1..128_usize {
            let root = (U256::ONE << bits) - U256::ONE;
            assert_eq!(square_root(root * root), root);
            assert_eq!(square_root(root * root - U256::ONE), root - U256::ONE);
            assert_eq!(square_root(root * root + root + root), root);
        }
        assert_eq!(square_root(U256::MAX), (U256::ONE << 128_usize) - U256::ONE);
    }
}
