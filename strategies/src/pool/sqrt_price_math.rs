//! How far an amount moves a price, and what amount a price move takes: `SqrtPriceMath` of Uniswap V3.
//!
//! Prices are Q64.96 square roots below 2^160, amounts raw token units.

use ruint::aliases::U256;

use super::QuoteError;
use super::full_math::{div_ceil, mul_div_ceil, mul_div_floor, mul_shift_96, shift_96_div, shift_96_mul_div_ceil};

/// Which way an amount that does not come out even is rounded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// Towards zero: what the pool gives.
    Down,
    /// Away from zero: what the pool takes.
    Up,
}

/// Token 0 between two prices: `getAmount0Delta`, `liquidity * 2^96 * (upper - lower) / (upper * lower)`.
///
/// # Errors
/// [`QuoteError::InvalidPoolState`] for a zero price or one past 160 bits.
pub fn get_amount_0_delta(
    sqrt_price_a: U256,
    sqrt_price_b: U256,
    liquidity: u128,
    rounding: Rounding,
) -> Result<U256, QuoteError> {
    let (lower, upper) = ordered(sqrt_price_a, sqrt_price_b)?;
    // The contract divides by one price and then by the other, rounding the same way twice. That equals rounding
    // once after a division by their product, which is faster: the quotient is short.
    let (floor, is_exact) = shift_96_div(liquidity, upper.wrapping_sub(lower), upper, lower);
    let round_up = rounding == Rounding::Up && !is_exact;
    // The floor has at most 224 bits, so one more fits.
    Ok(floor.wrapping_add(U256::from(u8::from(round_up))))
}

/// Token 1 between two prices: `getAmount1Delta`, `liquidity * (upper - lower) / 2^96`.
///
/// # Errors
/// [`QuoteError::InvalidPoolState`] for a zero price or one past 160 bits.
pub fn get_amount_1_delta(
    sqrt_price_a: U256,
    sqrt_price_b: U256,
    liquidity: u128,
    rounding: Rounding,
) -> Result<U256, QuoteError> {
    let (lower, upper) = ordered(sqrt_price_a, sqrt_price_b)?;
    let (floor, is_exact) = mul_shift_96(liquidity, upper.wrapping_sub(lower));
    let round_up = rounding == Rounding::Up && !is_exact;
    // The floor has at most 192 bits, so one more fits.
    Ok(floor.wrapping_add(U256::from(u8::from(round_up))))
}

/// Price after the pool took `amount_in`: `getNextSqrtPriceFromInput`; never past the exact price.
///
/// # Errors
/// [`QuoteError::InvalidPoolState`] for a price outside 1..2^160, [`QuoteError::InsufficientLiquidity`] without
/// liquidity, [`QuoteError::AmountOverflow`] when the new price needs more than 160 bits.
pub fn get_next_sqrt_price_from_input(
    sqrt_price: U256,
    liquidity: u128,
    amount_in: U256,
    zero_for_one: bool,
) -> Result<U256, QuoteError> {
    check_state(sqrt_price, liquidity)?;
    if zero_for_one {
        price_after_adding_token_0(sqrt_price, liquidity, amount_in)
    } else {
        let rise = token_1_quotient(liquidity, amount_in, Rounding::Down)?;
        fit_price(sqrt_price.checked_add(rise).ok_or(QuoteError::AmountOverflow)?)
    }
}

/// Price after the pool gave `amount_out`: `getNextSqrtPriceFromOutput`; always at or past the exact price.
///
/// # Errors
/// [`QuoteError::InvalidPoolState`] for a price outside 1..2^160, [`QuoteError::InsufficientLiquidity`] when the
/// liquidity cannot give that much, [`QuoteError::AmountOverflow`] when the new price needs more than 160 bits.
pub fn get_next_sqrt_price_from_output(
    sqrt_price: U256,
    liquidity: u128,
    amount_out: U256,
    zero_for_one: bool,
) -> Result<U256, QuoteError> {
    check_state(sqrt_price, liquidity)?;
    if zero_for_one {
        let fall = token_1_quotient(liquidity, amount_out, Rounding::Up)?;
        if sqrt_price <= fall {
            return Err(QuoteError::InsufficientLiquidity);
        }
        Ok(sqrt_price.wrapping_sub(fall))
    } else {
        price_after_removing_token_0(sqrt_price, liquidity, amount_out)
    }
}

fn price_after_adding_token_0(sqrt_price: U256, liquidity: u128, amount: U256) -> Result<U256, QuoteError> {
    if amount.is_zero() {
        return Ok(sqrt_price);
    }
    let numerator = U256::from(liquidity) << 96_usize;
    let denominator = amount.checked_mul(sqrt_price).and_then(|product| numerator.checked_add(product));
    if let Some(denominator) = denominator {
        return fit_price(shift_96_mul_div_ceil(liquidity, sqrt_price, denominator)?);
    }
    // The contract's less precise formula for amounts whose product with the price passes 256 bits.
    let denominator = numerator.wrapping_div(sqrt_price).checked_add(amount).ok_or(QuoteError::AmountOverflow)?;
    fit_price(div_ceil(numerator, denominator)?)
}

fn price_after_removing_token_0(sqrt_price: U256, liquidity: u128, amount: U256) -> Result<U256, QuoteError> {
    if amount.is_zero() {
        return Ok(sqrt_price);
    }
    let numerator = U256::from(liquidity) << 96_usize;
    let denominator = amount
        .checked_mul(sqrt_price)
        .and_then(|product| numerator.checked_sub(product))
        .filter(|denominator| !denominator.is_zero())
        .ok_or(QuoteError::InsufficientLiquidity)?;
    fit_price(shift_96_mul_div_ceil(liquidity, sqrt_price, denominator)?)
}

/// `amount * 2^96 / liquidity`: the price move that an amount of token 1 makes.
fn token_1_quotient(liquidity: u128, amount: U256, rounding: Rounding) -> Result<U256, QuoteError> {
    const Q96: U256 = U256::from_limbs([0, 1 << 32, 0, 0]);
    let liquidity = U256::from(liquidity);
    Ok(match rounding {
        Rounding::Down => mul_div_floor(amount, Q96, liquidity)?,
        Rounding::Up => mul_div_ceil(amount, Q96, liquidity)?,
    })
}

fn ordered(a: U256, b: U256) -> Result<(U256, U256), QuoteError> {
    let (lower, upper) = if a > b { (b, a) } else { (a, b) };
    if lower.is_zero() || upper.bit_len() > 160 {
        return Err(QuoteError::InvalidPoolState);
    }
    Ok((lower, upper))
}

fn check_state(sqrt_price: U256, liquidity: u128) -> Result<(), QuoteError> {
    if sqrt_price.is_zero() || sqrt_price.bit_len() > 160 {
        return Err(QuoteError::InvalidPoolState);
    }
    if liquidity == 0 { Err(QuoteError::InsufficientLiquidity) } else { Ok(()) }
}

/// A price as the contract can store it, in `uint160`.
fn fit_price(sqrt_price: U256) -> Result<U256, QuoteError> {
    if sqrt_price.bit_len() > 160 { Err(QuoteError::AmountOverflow) } else { Ok(sqrt_price) }
}
