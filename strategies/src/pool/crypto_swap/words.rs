//! The contracts' 256-bit arithmetic: checked where their compiler checks, wrapping where their source asks for it.

use core::cmp::Ordering;
use core::ops::{Add, Div, Mul, Sub};

use ruint::aliases::U256;
use ruint::uint;

use crate::pool::QuoteError;
use crate::pool::checked::product;
use crate::pool::quotient::quotient;
pub(super) use crate::pool::quotient::{Divisor, over};

/// One, in the precision of prices, gamma and most ratios.
pub(super) const E18: U256 = uint!(1_000_000_000_000_000_000_U256);
/// One, in the precision of the cubic's coefficients.
pub(super) const E36: U256 = uint!(1_000_000_000_000_000_000_000_000_000_000_000_000_U256);
/// One, in the precision of fees.
pub(super) const E10: U256 = uint!(10_000_000_000_U256);
/// One, in the precision of the amplification (`A_MULTIPLIER`).
pub(super) const A_ONE: U256 = uint!(10_000_U256);

/// An unsigned word, and why an operation before it reverts. Operators check as the compiler's do, so that a formula
/// reads as it is written and the first failure is what comes out; what is reckoned after a failure means nothing.
///
/// The failure stands beside the word and not in its place, so that no operation waits for the one before it to be judged.
#[derive(Debug, Clone, Copy)]
pub(super) struct Checked {
    word: U256,
    failure: Option<QuoteError>,
}

impl Checked {
    #[inline(always)]
    pub(super) fn get(self) -> Result<U256, QuoteError> {
        self.failure.map_or(Ok(self.word), Err)
    }

    /// `self / divisor`, for one that is divided by more than once.
    #[inline(always)]
    pub(super) fn by(self, divisor: &Divisor) -> Self {
        let quotient = divisor.divide(self.word);
        self.both(self, quotient.unwrap_or(U256::ZERO), quotient.is_some(), QuoteError::UnsafeValue)
    }

    #[inline(always)]
    fn both(self, other: Self, word: U256, is_sound: bool, error: QuoteError) -> Self {
        let failure = self.failure.or(other.failure);
        Self { word, failure: if is_sound { failure } else { failure.or(Some(error)) } }
    }
}

impl From<U256> for Checked {
    #[inline(always)]
    fn from(word: U256) -> Self {
        of(word)
    }
}

/// Starts a checked formula.
#[inline(always)]
pub(super) const fn of(word: U256) -> Checked {
    Checked { word, failure: None }
}

impl<T: Into<Checked>> Add<T> for Checked {
    type Output = Self;

    #[inline(always)]
    fn add(self, other: T) -> Self {
        let other = other.into();
        let (sum, is_over) = self.word.overflowing_add(other.word);
        self.both(other, sum, !is_over, QuoteError::AmountOverflow)
    }
}

impl<T: Into<Checked>> Sub<T> for Checked {
    type Output = Self;

    #[inline(always)]
    fn sub(self, other: T) -> Self {
        let other = other.into();
        let (difference, is_under) = self.word.overflowing_sub(other.word);
        self.both(other, difference, !is_under, QuoteError::UnsafeValue)
    }
}

impl<T: Into<Checked>> Mul<T> for Checked {
    type Output = Self;

    #[inline(always)]
    fn mul(self, other: T) -> Self {
        let other = other.into();
        let product = product(self.word, other.word);
        self.both(other, product.unwrap_or(U256::ZERO), product.is_some(), QuoteError::AmountOverflow)
    }
}

/// Rounds down, as the contracts do everywhere.
impl<T: Into<Checked>> Div<T> for Checked {
    type Output = Self;

    #[inline(always)]
    fn div(self, other: T) -> Self {
        let other = other.into();
        let quotient = quotient(self.word, other.word);
        self.both(other, quotient.unwrap_or(U256::ZERO), quotient.is_some(), QuoteError::UnsafeValue)
    }
}

/// Refuses what lies outside `low..=high`, as the contracts' assertions do.
pub(super) fn within(value: U256, low: U256, high: U256) -> Result<(), QuoteError> {
    if value < low || value > high { Err(QuoteError::UnsafeValue) } else { Ok(()) }
}

/// A signed word in two's complement.
///
/// `plus`, `minus`, `times` and `divided` revert as the compiler's operators do; `wrapping_*` and [`Int::over`] are
/// the machine's own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Int(U256);

impl Int {
    const MIN: Self = Self(U256::from_limbs([0, 0, 0, 1 << 63]));

    /// For constants: the word must be below 2^255.
    #[inline(always)]
    pub(super) const fn positive(word: U256) -> Self {
        Self(word)
    }

    /// As the contracts convert: a word of 2^255 or more reverts.
    #[inline(always)]
    pub(super) fn try_of(word: U256) -> Result<Self, QuoteError> {
        if Self(word).is_negative() { Err(QuoteError::AmountOverflow) } else { Ok(Self(word)) }
    }

    /// As the contracts convert back: a negative number reverts.
    #[inline(always)]
    pub(super) fn word(self) -> Result<U256, QuoteError> {
        if self.is_negative() { Err(QuoteError::UnsafeValue) } else { Ok(self.0) }
    }

    #[inline(always)]
    pub(super) const fn is_negative(self) -> bool {
        self.0.as_limbs()[3] >> 63 == 1
    }

    #[inline(always)]
    pub(super) fn is_positive(self) -> bool {
        !self.is_negative() && !self.0.is_zero()
    }

    /// Distance from zero; 2^255 for the least number.
    #[inline(always)]
    pub(super) fn magnitude(self) -> U256 {
        if self.is_negative() { self.0.wrapping_neg() } else { self.0 }
    }

    #[inline(always)]
    pub(super) fn negated(self) -> Self {
        Self(self.0.wrapping_neg())
    }

    /// The least number has no absolute value and reverts.
    #[inline(always)]
    pub(super) fn abs(self) -> Result<Self, QuoteError> {
        if self == Self::MIN { Err(QuoteError::AmountOverflow) } else { Ok(Self(self.magnitude())) }
    }

    #[inline(always)]
    pub(super) fn wrapping_add(self, other: Self) -> Self {
        Self(self.0.wrapping_add(other.0))
    }

    #[inline(always)]
    pub(super) fn wrapping_sub(self, other: Self) -> Self {
        Self(self.0.wrapping_sub(other.0))
    }

    #[inline(always)]
    pub(super) fn wrapping_mul(self, other: Self) -> Self {
        Self(self.0.wrapping_mul(other.0))
    }

    #[inline(always)]
    pub(super) fn plus(self, other: Self) -> Result<Self, QuoteError> {
        let sum = self.wrapping_add(other);
        let is_over = self.is_negative() == other.is_negative() && sum.is_negative() != self.is_negative();
        if is_over { Err(QuoteError::AmountOverflow) } else { Ok(sum) }
    }

    #[inline(always)]
    pub(super) fn minus(self, other: Self) -> Result<Self, QuoteError> {
        let difference = self.wrapping_sub(other);
        let is_over = self.is_negative() != other.is_negative() && difference.is_negative() != self.is_negative();
        if is_over { Err(QuoteError::AmountOverflow) } else { Ok(difference) }
    }

    #[inline(always)]
    pub(super) fn times(self, other: Self) -> Result<Self, QuoteError> {
        let magnitude = product(self.magnitude(), other.magnitude()).ok_or(QuoteError::AmountOverflow)?;
        Self::signed(self.is_negative() != other.is_negative(), magnitude)
    }

    #[inline(never)]
    pub(super) fn divided(self, other: Self) -> Result<Self, QuoteError> {
        let magnitude = quotient(self.magnitude(), other.magnitude()).ok_or(QuoteError::UnsafeValue)?;
        Self::signed(self.is_negative() != other.is_negative(), magnitude)
    }

    /// The machine's own division: towards zero, and zero by zero.
    #[inline(always)]
    pub(super) fn over(self, other: Self) -> Self {
        let magnitude = Self(over(self.magnitude(), other.magnitude()));
        if self.is_negative() == other.is_negative() { magnitude } else { magnitude.negated() }
    }

    /// [`Self::over`], for a divisor that is divided by more than once.
    #[inline(never)]
    pub(super) fn over_each(self, divisor: &IntDivisor) -> Self {
        if divisor.is_one {
            return self;
        }
        let magnitude = Self(divisor.magnitude.divide(self.magnitude()).unwrap_or(U256::ZERO));
        if self.is_negative() == divisor.is_negative { magnitude } else { magnitude.negated() }
    }

    /// Division by 2^96 towards minus infinity: the machine's own shift.
    #[inline(always)]
    pub(super) fn shifted_96(self) -> Self {
        Self(self.0.arithmetic_shr(96))
    }

    #[inline(always)]
    fn signed(is_negative: bool, magnitude: U256) -> Result<Self, QuoteError> {
        let number = if is_negative { Self(magnitude.wrapping_neg()) } else { Self(magnitude) };
        let is_sound = number.0.is_zero() || number.is_negative() == is_negative;
        if is_sound { Ok(number) } else { Err(QuoteError::AmountOverflow) }
    }
}

/// A signed word that is divided by more than once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct IntDivisor {
    magnitude: Divisor,
    is_negative: bool,
    is_one: bool,
}

impl IntDivisor {
    #[inline(always)]
    pub(super) fn new(value: Int) -> Self {
        let is_one = value.0 == U256::ONE;
        Self { magnitude: Divisor::new(value.magnitude()), is_negative: value.is_negative(), is_one }
    }
}

impl PartialOrd for Int {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Int {
    fn cmp(&self, other: &Self) -> Ordering {
        other.is_negative().cmp(&self.is_negative()).then(self.0.cmp(&other.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int(value: i64) -> Int {
        let magnitude = Int::positive(U256::from(value.unsigned_abs()));
        if value < 0 { magnitude.negated() } else { magnitude }
    }

    #[test]
    fn signed_arithmetic_is_that_of_small_integers() {
        let values = [-9_i64, -7, -3, -1, 0, 1, 2, 7, 10];
        for (a, b) in values.into_iter().flat_map(|a| values.map(|b| (a, b))) {
            assert_eq!(int(a).plus(int(b)), Ok(int(a + b)));
            assert_eq!(int(a).minus(int(b)), Ok(int(a - b)));
            assert_eq!(int(a).times(int(b)), Ok(int(a * b)));
            assert_eq!(int(a).over(int(b)), int(a.checked_div(b).unwrap_or(0)));
            assert_eq!(int(a).over_each(&IntDivisor::new(int(b))), int(a.checked_div(b).unwrap_or(0)));
            assert_eq!(int(a).divided(int(b)), a.checked_div(b).map(int).ok_or(QuoteError::UnsafeValue));
            assert_eq!(int(a).cmp(&int(b)), a.cmp(&b));
        }
    }

    #[test]
    fn signed_results_past_255_bits_revert() {
        let max = Int::positive(U256::MAX >> 1_usize);
        assert_eq!(Int::MIN.minus(max), Err(QuoteError::AmountOverflow));
        assert_eq!(max.plus(int(1)), Err(QuoteError::AmountOverflow));
        assert_eq!(Int::MIN.times(int(-1)), Err(QuoteError::AmountOverflow));
        assert_eq!(Int::MIN.divided(int(-1)), Err(QuoteError::AmountOverflow));
        assert_eq!(Int::MIN.over(int(-1)), Int::MIN);
        assert_eq!(Int::MIN.abs(), Err(QuoteError::AmountOverflow));
        assert_eq!(Int::MIN.times(int(1)), Ok(Int::MIN));
        assert_eq!(max.plus(int(-1)), max.minus(int(1)));
    }

    #[test]
    fn first_failure_of_a_formula_comes_out() {
        let failed = of(U256::ONE) / U256::ZERO * U256::MAX * U256::MAX;
        assert_eq!(failed.get(), Err(QuoteError::UnsafeValue));
        assert_eq!((of(U256::MAX) * U256::MAX / U256::ZERO).get(), Err(QuoteError::AmountOverflow));
    }
}
