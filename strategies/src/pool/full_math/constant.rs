//! Division by constants, by one multiplication.

use super::words::{high_word, low_word};

/// What numbers of 128 bits are divided by, over and over.
///
/// The factor is `2^k / odd`, rounded up: it has less than one unit too much, by which the product of a number below 2^127 rises by less than
/// 2^127. As `2^k` is at least `2^127 * odd`, that is less than one part in `odd` of a unit of the quotient, and no quotient rises to the next.
/// Source: T. Granlund and P. L. Montgomery, "Division by invariant integers using multiplication" (1994), theorem 4.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ConstantDivisor {
    factor: u128,
    /// Powers of two in the divisor.
    before: u32,
    after: u32,
}

impl ConstantDivisor {
    /// For constants: the odd part of the divisor is above 1 and below 2^126.
    pub(crate) const fn new(divisor: u128) -> Self {
        let before = divisor.trailing_zeros();
        let odd = divisor >> before;
        assert!(odd > 1 && odd >> 126 == 0, "an odd part between 1 and 2^126");
        let bits = 128 - odd.leading_zeros();
        // 2^(127 + bits) by long division, bit by bit.
        let (mut factor, mut rest, mut left) = (0_u128, 1_u128, 127 + bits);
        while left > 0 {
            rest <<= 1;
            factor <<= 1;
            if rest >= odd {
                rest -= odd;
                factor += 1;
            }
            left -= 1;
        }
        Self { factor: factor + 1, before, after: bits - 1 }
    }

    /// `number / divisor`, rounded down. By an odd divisor only numbers below 2^127 are divided.
    #[inline(always)]
    pub(crate) const fn divide(self, number: u128) -> u128 {
        debug_assert!(number >> self.before >> 127 == 0, "short enough for the factor");
        high_half(number >> self.before, self.factor) >> self.after
    }
}

/// The two higher words of a product.
#[inline(always)]
const fn high_half(a: u128, b: u128) -> u128 {
    let (a_0, a_1, b_0, b_1) = (low_word(a) as u128, high_word(a) as u128, low_word(b) as u128, high_word(b) as u128);
    let (first, second) = (a_0 * b_1, a_1 * b_0);
    let middle = high_word(a_0 * b_0) as u128 + low_word(first) as u128 + low_word(second) as u128;
    a_1 * b_1 + high_word(first) as u128 + high_word(second) as u128 + high_word(middle) as u128
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn divisor() -> impl Strategy<Value = u128> {
        let any = (any::<u128>(), 1..125_u32).prop_map(|(divisor, shift)| divisor >> shift);
        let decimal = (1..36_u32, 1..16_u128).prop_map(|(power, factor)| 10_u128.pow(power) * factor);
        prop_oneof![any, decimal, 3..100_u128].prop_filter("a power of two", |divisor| {
            !divisor.is_power_of_two() && (1_u128 << 2..1 << 126).contains(divisor)
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(100_000))]

        /// Next to multiples too, where a factor that is too large would show.
        #[test]
        fn quotient_is_the_machine_s(divisor in divisor(), number in any::<u128>(), shift in 0..128_u32, below in 0..2_u128) {
            let by = ConstantDivisor::new(divisor);
            let number = number >> shift.max(u32::from(divisor % 2 == 1));
            let largest = u128::MAX >> (divisor % 2);
            for number in [number, (number / divisor * divisor).saturating_sub(below), largest, largest / divisor * divisor - below] {
                prop_assert_eq!(by.divide(number), number / divisor);
            }
        }
    }
}
