//! Division of 256-bit numbers as pools divide: mostly by numbers of one or two words, often by constants.
//!
//! The steps are those of [`division`](super::full_math::division). Everything is inlined, so that a constant divisor's
//! reciprocal is reckoned by the compiler, and no number leaves the registers.

use ruint::aliases::U256;

use super::full_math::division::{reciprocal, reciprocal_of_two, three_by_two, two_by_one};
use super::full_math::words::{join, shift_in};

/// `a / b`, rounded down; `None` for a divisor of zero.
#[inline(always)]
pub(crate) fn quotient(a: U256, b: U256) -> Option<U256> {
    let [a_0, a_1, a_2, a_3] = *a.as_limbs();
    match *b.as_limbs() {
        // The machine's own division is then the shortest way.
        [low, 0, 0, 0] if low != 0 && a_1 | a_2 | a_3 == 0 => Some(U256::from_limbs([a_0 / low, 0, 0, 0])),
        _ => Divisor::new(b).divide(a),
    }
}

/// `a / b`, rounded up; `None` for a divisor of zero.
#[inline(always)]
pub(crate) fn quotient_up(a: U256, b: U256) -> Option<U256> {
    let (quotient, is_exact) = match (*a.as_limbs(), *b.as_limbs()) {
        ([a_0, 0, 0, 0], [low, 0, 0, 0]) if low != 0 => {
            (U256::from_limbs([a_0 / low, 0, 0, 0]), a_0.is_multiple_of(low))
        }
        _ => Divisor::new(b).divide_whole(a)?,
    };
    // Not exact means `b` is two or more, so that there is room for one more.
    Some(if is_exact { quotient } else { quotient.wrapping_add(U256::ONE) })
}

/// The machine's own division, as the contracts' unchecked one: by zero it gives zero.
#[inline(always)]
pub(crate) fn over(a: U256, b: U256) -> U256 {
    quotient(a, b).unwrap_or(U256::ZERO)
}

/// What is divided by more than once: its reciprocal is reckoned once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Divisor {
    Zero,
    OneWord {
        /// Moved up, so that its highest bit is set.
        divisor: u64,
        reciprocal: u64,
        shift: u32,
    },
    TwoWords {
        /// Moved up likewise.
        divisor: u128,
        reciprocal: u64,
        shift: u32,
    },
    Longer(U256),
}

impl Divisor {
    #[inline(always)]
    pub(crate) fn new(value: U256) -> Self {
        match *value.as_limbs() {
            [0, 0, 0, 0] => Self::Zero,
            [low, 0, 0, 0] => {
                let shift = low.leading_zeros();
                let divisor = low << shift;
                Self::OneWord { divisor, reciprocal: reciprocal(divisor), shift }
            }
            [low, high, 0, 0] => {
                let divisor = join(high, low);
                let shift = divisor.leading_zeros();
                let divisor = divisor << shift;
                Self::TwoWords { divisor, reciprocal: reciprocal_of_two(divisor), shift }
            }
            _ => Self::Longer(value),
        }
    }

    /// `a` over the divisor, rounded down; `None` for a divisor of zero.
    #[inline(always)]
    pub(crate) fn divide(&self, a: U256) -> Option<U256> {
        match *self {
            Self::Longer(divisor) => Some(a.wrapping_div(divisor)),
            _ => Some(self.divide_whole(a)?.0),
        }
    }

    /// The same, and whether nothing remained.
    #[inline(always)]
    fn divide_whole(&self, a: U256) -> Option<(U256, bool)> {
        Some(match *self {
            Self::Zero => return None,
            Self::OneWord { divisor, reciprocal, shift } => by_one(a, divisor, reciprocal, shift),
            Self::TwoWords { divisor, reciprocal, shift } => by_two(a, divisor, reciprocal, shift),
            Self::Longer(divisor) => {
                let (quotient, rest) = a.div_rem(divisor);
                (quotient, rest.is_zero())
            }
        })
    }
}

#[inline(always)]
fn by_one(a: U256, divisor: u64, reciprocal: u64, shift: u32) -> (U256, bool) {
    let [a_0, a_1, a_2, a_3] = *a.as_limbs();
    let step = |rest, high, low| two_by_one(rest, shift_in(high, low, shift), divisor, reciprocal);
    let (mut q_3, mut q_2) = (0, 0);
    // What is shifted out above is less than the divisor.
    let mut rest;
    if a_3 != 0 {
        (q_3, rest) = step(shift_in(0, a_3, shift), a_3, a_2);
        (q_2, rest) = step(rest, a_2, a_1);
    } else if a_2 != 0 {
        (q_2, rest) = step(shift_in(0, a_2, shift), a_2, a_1);
    } else {
        rest = shift_in(0, a_1, shift);
    }
    let (q_1, rest) = step(rest, a_1, a_0);
    let (q_0, rest) = step(rest, a_0, 0);
    (U256::from_limbs([q_0, q_1, q_2, q_3]), rest == 0)
}

/// By a divisor of two words.
#[inline(always)]
fn by_two(a: U256, divisor: u128, reciprocal: u64, shift: u32) -> (U256, bool) {
    let [a_0, a_1, a_2, a_3] = *a.as_limbs();
    let step = |rest, high, low| three_by_two(rest, shift_in(high, low, shift), divisor, reciprocal);
    let (mut q_2, mut q_1) = (0, 0);
    let mut rest;
    if a_3 != 0 {
        rest = join(shift_in(0, a_3, shift), shift_in(a_3, a_2, shift));
        (q_2, rest) = step(rest, a_2, a_1);
        (q_1, rest) = step(rest, a_1, a_0);
    } else if a_2 != 0 {
        rest = join(shift_in(0, a_2, shift), shift_in(a_2, a_1, shift));
        (q_1, rest) = step(rest, a_1, a_0);
    } else {
        rest = join(shift_in(0, a_1, shift), shift_in(a_1, a_0, shift));
    }
    let (q_0, rest) = step(rest, a_0, 0);
    (U256::from_limbs([q_0, q_1, q_2, 0]), rest == 0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Words at which the algorithms' corrections happen, and any.
    fn number() -> impl Strategy<Value = U256> {
        let word = prop_oneof![
            2 => any::<u64>(),
            2 => Just(0),
            1 => Just(1),
            1 => Just(u64::MAX),
            1 => Just(u64::MAX - 1),
            1 => Just(1 << 63),
            1 => Just((1 << 63) - 1),
        ];
        (proptest::array::uniform4(word), 0..=256_usize).prop_map(|(limbs, shift)| U256::from_limbs(limbs) >> shift)
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60_000))]

        #[test]
        fn quotient_is_that_of_the_library(a in number(), b in number()) {
            prop_assert_eq!(quotient(a, b), a.checked_div(b));
            prop_assert_eq!(quotient_up(a, b), (!b.is_zero()).then(|| a.div_ceil(b)));
            prop_assert_eq!(Divisor::new(b).divide(a), a.checked_div(b));
        }

        #[test]
        fn quotient_is_exact_next_to_multiples(q in number(), b in number()) {
            let product = q.wrapping_mul(b);
            for a in [product, product.wrapping_add(b).wrapping_sub(U256::ONE), product.wrapping_sub(U256::ONE)] {
                prop_assert_eq!(quotient(a, b), a.checked_div(b));
                prop_assert_eq!(quotient_up(a, b), (!b.is_zero()).then(|| a.div_ceil(b)));
                prop_assert_eq!(Divisor::new(b).divide(a), a.checked_div(b));
            }
        }
    }
}
