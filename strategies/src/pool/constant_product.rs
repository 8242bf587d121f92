//! Constant-product pairs: Uniswap V2 and its forks, any fee.
//!
//! Rounding is `UniswapV2Library`'s: outputs down, inputs up and then one more when the division was exact. The
//! domain is the pair's: a swap that the pair would refuse is an error here, even where the library would quote it.
//! Inside that domain no product passes 244 bits (two `uint112` and twenty bits of fee), so 256 bits are exact.

use ruint::aliases::U256;

use super::full_math::{div_rem, divide_short, mul_wide};
use super::{PPM, QuoteError};

/// Largest reserve that a pair can store: its slots are `uint112`.
pub const RESERVE_MAX: u128 = (1 << 112) - 1;

/// Output that the pair gives for exactly `amount_in`; 0 when the input is too small to move a unit.
///
/// Units: raw token units; `fee_ppm` in parts per million of the input. Rounding: down, for the pool.
///
/// # Errors
/// [`QuoteError::InsufficientInputAmount`] for a zero input, [`QuoteError::InsufficientLiquidity`] for an empty
/// reserve, [`QuoteError::ReserveOverflow`] when the pair could not store the new reserve,
/// [`QuoteError::InvalidPoolState`] for a fee of one or more.
#[inline]
pub fn quote_exact_in(reserve_in: u128, reserve_out: u128, fee_ppm: u32, amount_in: U256) -> Result<U256, QuoteError> {
    let kept_ppm = kept_ppm(fee_ppm)?;
    if amount_in.is_zero() {
        return Err(QuoteError::InsufficientInputAmount);
    }
    check_funded(reserve_in, reserve_out)?;
    reserve_after_input(reserve_in, amount_in)?;
    // The amount has 112 bits; with the parts of a million that are kept of most it has 128 at most.
    let amount_kept = u128::try_from(amount_in).ok().and_then(|amount| amount.checked_mul(u128::from(kept_ppm)));
    let amount_out = amount_kept.and_then(|amount_kept| output_in_registers(reserve_in, reserve_out, amount_kept));
    amount_out
        .map_or_else(|| output(reserve_in, reserve_out, amount_in, kept_ppm), |amount_out| Ok(U256::from(amount_out)))
}

/// Without a number of 256 bits in memory, which would cost more than the division.
#[inline]
fn output_in_registers(reserve_in: u128, reserve_out: u128, amount_kept: u128) -> Option<u128> {
    let (low, high) = mul_wide(amount_kept, reserve_out);
    let denominator = reserve_in.checked_mul(u128::from(PPM))?.checked_add(amount_kept)?;
    divide_short([low, high, 0], [denominator, 0]).map(|(amount_out, _)| amount_out)
}

fn output(reserve_in: u128, reserve_out: u128, amount_in: U256, kept_ppm: u32) -> Result<U256, QuoteError> {
    let amount_kept = amount_in.wrapping_mul(U256::from(kept_ppm));
    let numerator = amount_kept.wrapping_mul(U256::from(reserve_out));
    let denominator = U256::from(reserve_in).wrapping_mul(U256::from(PPM)).wrapping_add(amount_kept);
    // The denominator is not below the reserve, which is not zero.
    Ok(div_rem(numerator, denominator)?.0)
}

/// Input for which the pair gives at least `amount_out`, as `UniswapV2Library.getAmountIn` asks it.
///
/// Units: raw token units; `fee_ppm` in parts per million of the input. Rounding: up, for the pool, and by a whole
/// unit when the division is exact, as the library does.
///
/// # Errors
/// [`QuoteError::InsufficientOutputAmount`] for a zero output, [`QuoteError::InsufficientLiquidity`] when the output
/// is the whole reserve or more, [`QuoteError::ReserveOverflow`] when the pair could not store the new reserve,
/// [`QuoteError::InvalidPoolState`] for a fee of one or more.
#[inline]
pub fn quote_exact_out(
    reserve_in: u128,
    reserve_out: u128,
    fee_ppm: u32,
    amount_out: U256,
) -> Result<U256, QuoteError> {
    let kept_ppm = kept_ppm(fee_ppm)?;
    if amount_out.is_zero() {
        return Err(QuoteError::InsufficientOutputAmount);
    }
    check_funded(reserve_in, reserve_out)?;
    let reserve_out = U256::from(reserve_out);
    if amount_out >= reserve_out {
        return Err(QuoteError::InsufficientLiquidity);
    }
    let numerator = U256::from(reserve_in).wrapping_mul(amount_out).wrapping_mul(U256::from(PPM));
    let denominator = reserve_out.wrapping_sub(amount_out).wrapping_mul(U256::from(kept_ppm));
    let amount_in = div_rem(numerator, denominator)?.0.wrapping_add(U256::ONE);
    reserve_after_input(reserve_in, amount_in)?;
    Ok(amount_in)
}

/// Reserves after the pair has taken `amount_in` and given `amount_out`, by the pair's own checks: `(in, out)`.
///
/// # Errors
/// [`QuoteError::InsufficientOutputAmount`] or [`QuoteError::InsufficientInputAmount`] for a zero amount,
/// [`QuoteError::InsufficientLiquidity`] when the output is the whole reserve or more,
/// [`QuoteError::ReserveOverflow`] as in [`quote_exact_in`], [`QuoteError::InvariantViolated`] when the pair's
/// constant-product check fails, [`QuoteError::InvalidPoolState`] for a fee of one or more.
pub fn settle(
    reserve_in: u128,
    reserve_out: u128,
    fee_ppm: u32,
    amount_in: U256,
    amount_out: U256,
) -> Result<(u128, u128), QuoteError> {
    kept_ppm(fee_ppm)?;
    if amount_out.is_zero() {
        return Err(QuoteError::InsufficientOutputAmount);
    }
    let taken = u128::try_from(amount_out).map_err(|_| QuoteError::InsufficientLiquidity)?;
    if taken >= reserve_out {
        return Err(QuoteError::InsufficientLiquidity);
    }
    if amount_in.is_zero() {
        return Err(QuoteError::InsufficientInputAmount);
    }
    check_funded(reserve_in, reserve_out)?;
    let reserve_in_after = reserve_after_input(reserve_in, amount_in)?;
    let reserve_out_after = reserve_out - taken;
    let scale = U256::from(PPM);
    let adjusted_in =
        U256::from(reserve_in_after).wrapping_mul(scale).wrapping_sub(amount_in.wrapping_mul(U256::from(fee_ppm)));
    let product_after = adjusted_in.wrapping_mul(U256::from(reserve_out_after));
    let product_before = U256::from(reserve_in).wrapping_mul(U256::from(reserve_out)).wrapping_mul(scale);
    if product_after < product_before {
        return Err(QuoteError::InvariantViolated);
    }
    Ok((reserve_in_after, reserve_out_after))
}

/// What the pair keeps of each million units of input.
fn kept_ppm(fee_ppm: u32) -> Result<u32, QuoteError> {
    PPM.checked_sub(fee_ppm).filter(|&kept| kept > 0).ok_or(QuoteError::InvalidPoolState)
}

fn check_funded(reserve_in: u128, reserve_out: u128) -> Result<(), QuoteError> {
    if reserve_in == 0 || reserve_out == 0 {
        return Err(QuoteError::InsufficientLiquidity);
    }
    if reserve_in > RESERVE_MAX || reserve_out > RESERVE_MAX {
        return Err(QuoteError::ReserveOverflow);
    }
    Ok(())
}

fn reserve_after_input(reserve_in: u128, amount_in: U256) -> Result<u128, QuoteError> {
    u128::try_from(amount_in)
        .ok()
        .and_then(|amount| reserve_in.checked_add(amount))
        .filter(|&after| after <= RESERVE_MAX)
        .ok_or(QuoteError::ReserveOverflow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_reserve_cannot_be_bought() {
        assert_eq!(quote_exact_out(100, 100, 3000, U256::from(100)), Err(QuoteError::InsufficientLiquidity));
        assert_eq!(quote_exact_out(100, 100, 3000, U256::MAX), Err(QuoteError::InsufficientLiquidity));
        assert!(quote_exact_out(100, 100, 3000, U256::from(99)).is_ok());
    }

    #[test]
    fn input_that_fills_the_reserve_to_its_limit_is_the_largest_accepted() {
        let room = U256::from(RESERVE_MAX - 1000);
        assert!(quote_exact_in(1000, 1000, 3000, room).is_ok());
        assert_eq!(quote_exact_in(1000, 1000, 3000, room + U256::ONE), Err(QuoteError::ReserveOverflow));
        assert_eq!(quote_exact_in(1000, 1000, 3000, U256::MAX), Err(QuoteError::ReserveOverflow));
    }

    #[test]
    fn fee_of_the_whole_input_is_refused() {
        assert_eq!(quote_exact_in(10, 10, PPM, U256::ONE), Err(QuoteError::InvalidPoolState));
        assert_eq!(quote_exact_out(10, 10, u32::MAX, U256::ONE), Err(QuoteError::InvalidPoolState));
        assert_eq!(settle(10, 10, u32::MAX, U256::ONE, U256::ONE), Err(QuoteError::InvalidPoolState));
    }

    #[test]
    fn input_too_small_to_move_a_unit_buys_nothing() {
        assert_eq!(quote_exact_in(1_000_000, 10, 3000, U256::ONE), Ok(U256::ZERO));
    }

    #[test]
    fn zero_amounts_are_refused() {
        assert_eq!(quote_exact_in(10, 10, 0, U256::ZERO), Err(QuoteError::InsufficientInputAmount));
        assert_eq!(quote_exact_out(10, 10, 0, U256::ZERO), Err(QuoteError::InsufficientOutputAmount));
    }
}
