//! Numbers of 18 decimals in 256 bits: `FixedPoint` and the parts of `Math` that say how they round.
//!
//! The contract multiplies before it divides, in 256 bits, and reverts when the product does not fit; so do these, where
//! a wider product would give an answer that the contract does not.

use ruint::aliases::U256;

use crate::pool::QuoteError;
pub(crate) use crate::pool::checked::{add, mul};
use crate::pool::quotient;
pub(crate) use crate::pool::quotient::over;

/// One.
pub const ONE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// `a / b` of plain integers, rounded down.
///
/// # Errors
/// [`QuoteError::InvalidPoolState`] when `b` is zero.
#[inline(always)]
pub fn quotient_down(a: U256, b: U256) -> Result<U256, QuoteError> {
    quotient::quotient(a, b).ok_or(QuoteError::InvalidPoolState)
}

/// `a / b` of plain integers, rounded up.
///
/// # Errors
/// [`QuoteError::InvalidPoolState`] when `b` is zero.
#[inline(always)]
pub fn quotient_up(a: U256, b: U256) -> Result<U256, QuoteError> {
    quotient::quotient_up(a, b).ok_or(QuoteError::InvalidPoolState)
}

/// `a * b`, rounded down.
///
/// # Errors
/// [`QuoteError::AmountOverflow`] when the product of the scaled numbers passes 256 bits.
#[inline(always)]
pub fn mul_down(a: U256, b: U256) -> Result<U256, QuoteError> {
    Ok(over(mul(a, b)?, ONE))
}

/// `a * b`, rounded up.
///
/// # Errors
/// As [`mul_down`].
#[inline(always)]
pub fn mul_up(a: U256, b: U256) -> Result<U256, QuoteError> {
    quotient_up(mul(a, b)?, ONE)
}

/// `a / b`, rounded down.
///
/// # Errors
/// [`QuoteError::InvalidPoolState`] when `b` is zero; [`QuoteError::AmountOverflow`] when `a` passes 256 bits with 18
/// more decimals.
#[inline(always)]
pub fn div_down(a: U256, b: U256) -> Result<U256, QuoteError> {
    quotient_down(mul(a, ONE)?, b)
}

/// `a / b`, rounded up.
///
/// # Errors
/// As [`div_down`].
#[inline(always)]
pub fn div_up(a: U256, b: U256) -> Result<U256, QuoteError> {
    quotient_up(mul(a, ONE)?, b)
}

/// `1 - x`, and 0 where that is below.
#[inline]
#[must_use]
pub const fn complement(x: U256) -> U256 {
    ONE.saturating_sub(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(value: u64) -> U256 {
        U256::from(value)
    }

    #[test]
    fn products_and_quotients_round_as_their_names_say() {
        let half = number(500_000_000_000_000_000);
        assert_eq!((mul_down(number(3), half), mul_up(number(3), half)), (Ok(number(1)), Ok(number(2))));
        assert_eq!((mul_down(number(4), half), mul_up(number(4), half)), (Ok(number(2)), Ok(number(2))));
        let three = number(3) * ONE;
        assert_eq!((div_down(number(2), three), div_up(number(2), three)), (Ok(U256::ZERO), Ok(U256::ONE)));
        assert_eq!((div_down(number(6), three), div_up(number(6), three)), (Ok(number(2)), Ok(number(2))));
        assert_eq!((mul_up(U256::ZERO, ONE), div_up(U256::ZERO, ONE)), (Ok(U256::ZERO), Ok(U256::ZERO)));
    }

    #[test]
    fn what_the_contract_cannot_hold_is_an_overflow_though_the_result_would_fit() {
        assert_eq!(mul_down(U256::MAX, ONE), Err(QuoteError::AmountOverflow));
        assert_eq!(div_down(U256::MAX, U256::MAX), Err(QuoteError::AmountOverflow));
        let largest = U256::MAX / ONE;
        assert_eq!(mul_down(largest, ONE), Ok(largest));
        assert_eq!(mul_down(largest + U256::ONE, ONE), Err(QuoteError::AmountOverflow));
    }

    #[test]
    fn nothing_divides_by_zero() {
        assert_eq!(div_down(ONE, U256::ZERO), Err(QuoteError::InvalidPoolState));
        assert_eq!(div_up(U256::ZERO, U256::ZERO), Err(QuoteError::InvalidPoolState));
    }

    #[test]
    fn complement_stops_at_zero() {
        assert_eq!(complement(U256::ZERO), ONE);
        assert_eq!(complement(ONE - U256::ONE), U256::ONE);
        assert_eq!(complement(U256::MAX), U256::ZERO);
    }
}
