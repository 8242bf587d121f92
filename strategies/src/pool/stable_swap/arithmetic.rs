//! 256-bit arithmetic that refuses where the contracts revert.

use ruint::aliases::U256;

use super::super::QuoteError;
pub(super) use super::super::checked::{add, mul};
pub(super) use super::super::quotient::over;
use super::super::quotient::quotient;
use super::FEE_ONE;

/// One, in rates and virtual prices.
pub(super) const ONE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

const FEE_DENOMINATOR: U256 = U256::from_limbs([FEE_ONE, 0, 0, 0]);

/// Below zero is a balance that the pool does not have.
#[inline(always)]
pub(super) fn sub(a: U256, b: U256) -> Result<U256, QuoteError> {
    a.checked_sub(b).ok_or(QuoteError::InsufficientLiquidity)
}

/// Rounds down. A divisor of zero is a coin, or a pool, of which there is nothing.
#[inline(always)]
pub(super) fn div(a: U256, b: U256) -> Result<U256, QuoteError> {
    quotient(a, b).ok_or(QuoteError::InsufficientLiquidity)
}

/// Raw units to the common unit of all coins, rounded down.
#[inline(always)]
pub(super) fn scale(amount: U256, rate: U256) -> Result<U256, QuoteError> {
    Ok(over(mul(amount, rate)?, ONE))
}

/// The common unit back to raw units, rounded down.
#[inline(always)]
pub(super) fn unscale(amount: U256, rate: U256) -> Result<U256, QuoteError> {
    div(mul(amount, ONE)?, rate)
}

/// Part `fee` of `amount`, of [`FEE_ONE`], rounded down: for the trader.
#[inline(always)]
pub(super) fn part(amount: U256, fee: U256) -> Result<U256, QuoteError> {
    Ok(over(mul(amount, fee)?, FEE_DENOMINATOR))
}
