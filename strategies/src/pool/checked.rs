//! Sums and products that revert where a contract's 256 bits would.

use ruint::aliases::U256;

use super::QuoteError;

/// `a + b`.
#[inline]
pub(crate) fn add(a: U256, b: U256) -> Result<U256, QuoteError> {
    a.checked_add(b).ok_or(QuoteError::AmountOverflow)
}

/// `a * b`.
#[inline]
pub(crate) fn mul(a: U256, b: U256) -> Result<U256, QuoteError> {
    a.checked_mul(b).ok_or(QuoteError::AmountOverflow)
}
