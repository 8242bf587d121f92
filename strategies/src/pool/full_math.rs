//! Products and quotients that do not lose bits on the way.

use ruint::Uint;
use ruint::aliases::{U256, U512};

/// Why a quotient has no 256-bit value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MathError {
    /// The denominator is zero.
    DivisionByZero,
    /// The result needs more than 256 bits.
    Overflow,
}

/// `a * b / denominator`, rounded down, with a 512-bit product.
///
/// # Errors
/// [`MathError::DivisionByZero`]; [`MathError::Overflow`] when the quotient needs more than 256 bits.
#[inline]
pub fn mul_div_floor(a: U256, b: U256, denominator: U256) -> Result<U256, MathError> {
    Ok(mul_div_rem(a, b, denominator)?.0)
}

/// `a * b / denominator`, rounded up, with a 512-bit product.
///
/// # Errors
/// As [`mul_div_floor`]; rounding up past 256 bits is an overflow too.
#[inline]
pub fn mul_div_ceil(a: U256, b: U256, denominator: U256) -> Result<U256, MathError> {
    let (quotient, is_exact) = mul_div_rem(a, b, denominator)?;
    round_up(quotient, is_exact)
}

/// `numerator / denominator`, rounded up.
///
/// # Errors
/// [`MathError::DivisionByZero`].
#[inline]
pub fn div_ceil(numerator: U256, denominator: U256) -> Result<U256, MathError> {
    if denominator.is_zero() {
        return Err(MathError::DivisionByZero);
    }
    let (quotient, remainder) = numerator.div_rem(denominator);
    round_up(quotient, remainder.is_zero())
}

/// Adds one to `quotient` unless the division was exact.
fn round_up(quotient: U256, is_exact: bool) -> Result<U256, MathError> {
    if is_exact {
        return Ok(quotient);
    }
    quotient.checked_add(U256::ONE).ok_or(MathError::Overflow)
}

/// Quotient rounded down, and whether nothing remained.
fn mul_div_rem(a: U256, b: U256, denominator: U256) -> Result<(U256, bool), MathError> {
    if denominator.is_zero() {
        return Err(MathError::DivisionByZero);
    }
    if a.bit_len() + b.bit_len() <= U256::BITS {
        let (quotient, remainder) = a.wrapping_mul(b).div_rem(denominator);
        return Ok((quotient, remainder.is_zero()));
    }
    let product: U512 = a.widening_mul(b);
    let (quotient, remainder) = product.div_rem(widen(denominator));
    Ok((narrow(quotient)?, remainder.is_zero()))
}

fn widen(value: U256) -> U512 {
    let [a, b, c, d] = *value.as_limbs();
    U512::from_limbs([a, b, c, d, 0, 0, 0, 0])
}

fn narrow(value: U512) -> Result<U256, MathError> {
    match *value.as_limbs() {
        [a, b, c, d, 0, 0, 0, 0] => Ok(U256::from_limbs([a, b, c, d])),
        _ => Err(MathError::Overflow),
    }
}

/// `liquidity * difference / 2^96` and whether nothing was cut off; a shift instead of a division.
///
/// `difference` must be below 2^160, as differences of prices are; then the result is below 2^192.
pub(super) fn mul_shift_96(liquidity: u128, difference: U256) -> (U256, bool) {
    let [p0, p1, p2, p3, p4] = mul_liquidity(liquidity, difference);
    let quotient = [(p1 >> 32) | (p2 << 32), (p2 >> 32) | (p3 << 32), (p3 >> 32) | (p4 << 32), p4 >> 32];
    (U256::from_limbs(quotient), p0 == 0 && p1.trailing_zeros() >= 32)
}

/// `liquidity * 2^96 * difference / (a * b)`, rounded down, and whether nothing was cut off.
///
/// The last three must be prices or differences of prices, below 2^160, the divisors not zero, and `difference` not
/// above `a`: then the quotient is below 2^224.
pub(super) fn shift_96_div(liquidity: u128, difference: U256, a: U256, b: U256) -> (U256, bool) {
    type Wide = Uint<384, 6>;
    let [p0, p1, p2, p3, p4] = mul_liquidity(liquidity, difference);
    let shift = |high: u64, low: u64| (high << 32) | (low >> 32);
    let numerator = Wide::from_limbs([0, p0 << 32, shift(p1, p0), shift(p2, p1), shift(p3, p2), shift(p4, p3)]);
    let denominator: Wide = price(a).widening_mul(price(b));
    let (quotient, remainder) = numerator.div_rem(denominator);
    let [q0, q1, q2, q3, ..] = *quotient.as_limbs();
    (U256::from_limbs([q0, q1, q2, q3]), remainder.is_zero())
}

fn mul_liquidity(liquidity: u128, difference: U256) -> [u64; 5] {
    let product: Uint<320, 5> = price(difference).widening_mul(Uint::<128, 2>::from(liquidity));
    *product.as_limbs()
}

fn price(value: U256) -> Uint<192, 3> {
    debug_assert!(value.bit_len() <= 160, "prices have 160 bits");
    let [a, b, c, _] = *value.as_limbs();
    Uint::from_limbs([a, b, c])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotient_of_a_512_bit_product_is_exact() {
        assert_eq!(mul_div_floor(U256::MAX, U256::MAX, U256::MAX), Ok(U256::MAX));
        assert_eq!(mul_div_ceil(U256::MAX, U256::MAX, U256::MAX), Ok(U256::MAX));
    }

    #[test]
    fn result_past_256_bits_is_an_overflow() {
        assert_eq!(mul_div_floor(U256::MAX, U256::MAX, U256::MAX - U256::ONE), Err(MathError::Overflow));
    }

    /// The case of Uniswap's own `FullMath` test: the floor is `2^256 - 1` and a remainder is left.
    #[test]
    fn rounding_up_past_256_bits_is_an_overflow() {
        let a = U256::from_str_radix("535006138814359", 10).expect("digits");
        let b = U256::from_str_radix("432862656469423142931042426214547535783388063929571229938474969", 10)
            .expect("digits");
        assert_eq!(mul_div_floor(a, b, U256::from(2)), Ok(U256::MAX));
        assert_eq!(mul_div_ceil(a, b, U256::from(2)), Err(MathError::Overflow));
    }

    #[test]
    fn zero_denominator_is_an_error() {
        assert_eq!(mul_div_floor(U256::ONE, U256::ONE, U256::ZERO), Err(MathError::DivisionByZero));
        assert_eq!(mul_div_ceil(U256::MAX, U256::MAX, U256::ZERO), Err(MathError::DivisionByZero));
        assert_eq!(div_ceil(U256::ONE, U256::ZERO), Err(MathError::DivisionByZero));
    }

    #[test]
    fn shift_by_96_equals_division_by_two_to_the_96() {
        let q96 = U256::ONE << 96_usize;
        for (liquidity, difference) in
            [(u128::MAX, (U256::ONE << 160_usize) - U256::ONE), (1, q96), (3, q96 - U256::ONE), (0, U256::ONE)]
        {
            let (floor, is_exact) = mul_shift_96(liquidity, difference);
            let wide = U256::from(liquidity);
            assert_eq!(Ok(floor), mul_div_floor(wide, difference, q96));
            assert_eq!(is_exact, mul_div_floor(wide, difference, q96) == mul_div_ceil(wide, difference, q96));
        }
    }
}
