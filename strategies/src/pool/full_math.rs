//! Products and quotients that do not lose bits on the way.

mod constant;
pub(crate) mod division;
mod inverse;
mod short;
pub(crate) mod words;

use ruint::aliases::U256;

pub(crate) use self::constant::ConstantDivisor;
pub(super) use self::inverse::{Inverse, divide_near};
pub(super) use self::short::divide_short;

use self::division::{Quotient, divide};
use self::words::{high_word, low_word};
use super::PPM;

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
    let (quotient, is_exact) = div_rem(numerator, denominator)?;
    round_up(quotient, is_exact)
}

/// `numerator / denominator`, rounded down, and whether nothing remained.
#[inline]
pub(super) fn div_rem(numerator: U256, denominator: U256) -> Result<(U256, bool), MathError> {
    let quotient = divide(numerator.as_limbs(), denominator.as_limbs()).ok_or(MathError::DivisionByZero)?;
    Ok((U256::from_limbs(quotient.words), quotient.is_exact))
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
    let product: [u64; 8] = mul(*a.as_limbs(), *b.as_limbs());
    let Quotient { words, is_exact } = divide(&product, denominator.as_limbs()).ok_or(MathError::DivisionByZero)?;
    match words {
        [a, b, c, d, 0, 0, 0, 0] => Ok((U256::from_limbs([a, b, c, d]), is_exact)),
        _ => Err(MathError::Overflow),
    }
}

/// `amount * parts / 10^6`, rounded down: what is left of an amount without its fee. `parts` is at most a million.
#[inline]
pub(super) fn mul_parts_per_million(amount: U256, parts: u32) -> Result<U256, MathError> {
    // A million has twenty bits.
    match *amount.as_limbs() {
        [low, high, 0, 0] if high >> 44 == 0 => {
            let product = (u128::from(high) << 64 | u128::from(low)) * u128::from(parts);
            Ok(U256::from(div_million(product)))
        }
        _ => mul_div_floor(amount, U256::from(parts), U256::from(PPM)),
    }
}

/// `value / 10^6`, rounded down, by a multiplication.
///
/// A million is `2^6 * 15625`, and `m = ceil(2^141 / 15625)` has 128 bits. With `n` the value without its last six bits,
/// `m n / 2^141` exceeds `n / 15625` by less than `n / 2^141`, which is below `1 / 15625`: not enough to reach the next
/// integer.
#[inline]
pub(super) const fn div_million(value: u128) -> u128 {
    const FACTOR: u128 = (1 << 127) / 15_625 * (1 << 14) + ((1_u128 << 127) % 15_625 * (1 << 14)).div_ceil(15_625);
    mul_high(value >> 6, FACTOR) >> 13
}

#[inline]
const fn mul_high(a: u128, b: u128) -> u128 {
    mul_wide(a, b).1
}

/// Lower and upper half of a product.
#[inline]
pub(super) const fn mul_wide(a: u128, b: u128) -> (u128, u128) {
    let (a_high, a_low) = (high_word(a) as u128, low_word(a) as u128);
    let (b_high, b_low) = (high_word(b) as u128, low_word(b) as u128);
    // Each sum stays below 2^128: (2^64 - 1)^2 + 2 (2^64 - 1) is 2^128 - 1.
    let middle = a_high * b_low + ((a_low * b_low) >> 64);
    let cross = a_low * b_high + low_word(middle) as u128;
    (a.wrapping_mul(b), a_high * b_high + (middle >> 64) + (cross >> 64))
}

/// `liquidity * 2^96 * price / denominator`, rounded up; the price has at most 160 bits.
///
/// # Errors
/// As [`mul_div_ceil`].
#[inline]
pub(super) fn shift_96_mul_div_ceil(liquidity: u128, sqrt_price: U256, denominator: U256) -> Result<U256, MathError> {
    let [p0, p1, p2, p3, p4] = mul_liquidity(liquidity, sqrt_price);
    let shift = |high: u64, low: u64| (high << 32) | (low >> 32);
    let numerator = [0, p0 << 32, shift(p1, p0), shift(p2, p1), shift(p3, p2), shift(p4, p3)];
    match divide(&numerator, denominator.as_limbs()) {
        Some(Quotient { words: [a, b, c, d, 0, 0], is_exact }) => round_up(U256::from_limbs([a, b, c, d]), is_exact),
        Some(_) => Err(MathError::Overflow),
        None => Err(MathError::DivisionByZero),
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
    let [p0, p1, p2, p3, p4] = mul_liquidity(liquidity, difference);
    let shift = |high: u64, low: u64| (high << 32) | (low >> 32);
    let numerator = [0, p0 << 32, shift(p1, p0), shift(p2, p1), shift(p3, p2), shift(p4, p3)];
    // Two prices multiply to 320 bits.
    let [d0, d1, d2, d3, d4, _] = mul(price(a), price(b));
    match divide(&numerator, &[d0, d1, d2, d3, d4]) {
        Some(Quotient { words: [q0, q1, q2, q3, ..], is_exact }) => (U256::from_limbs([q0, q1, q2, q3]), is_exact),
        None => (U256::ZERO, true),
    }
}

#[inline]
fn mul_liquidity(liquidity: u128, difference: U256) -> [u64; 5] {
    mul(price(difference), [low_word(liquidity), high_word(liquidity)])
}

#[inline]
fn price(value: U256) -> [u64; 3] {
    debug_assert!(value.bit_len() <= 160, "prices have 160 bits");
    let [a, b, c, _] = *value.as_limbs();
    [a, b, c]
}

/// Product of numbers of `A` and `B` words; it has `C`, their sum.
#[inline]
fn mul<const A: usize, const B: usize, const C: usize>(a: [u64; A], b: [u64; B]) -> [u64; C] {
    const { assert!(A + B == C) };
    let mut product = [0; C];
    for (at, &left) in a.iter().enumerate() {
        let mut carry = 0;
        for (by, &right) in b.iter().enumerate() {
            // At most (2^64 - 1)^2 + 2 (2^64 - 1), which is 2^128 - 1.
            let sum = u128::from(left) * u128::from(right) + u128::from(product[at + by]) + u128::from(carry);
            (product[at + by], carry) = (low_word(sum), high_word(sum));
        }
        product[at + B] = carry;
    }
    product
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
    fn parts_of_an_amount_are_those_of_a_division() {
        let by_division = |amount, parts: u32| mul_div_floor(amount, U256::from(parts), U256::from(PPM));
        let near = |amount: U256| [amount.wrapping_sub(U256::ONE), amount, amount.wrapping_add(U256::ONE)];
        for parts in [0, 1, 2, 7, 499_999, 997_000, 999_500, 999_999, PPM] {
            for bits in 0..256_usize {
                let power = U256::ONE << bits;
                // Where a quotient steps, and around powers of two.
                let step = power / U256::from(PPM) * U256::from(PPM);
                for amount in [near(power), near(step), near(power.wrapping_mul(U256::from(15_625)))].concat() {
                    assert_eq!(mul_parts_per_million(amount, parts), by_division(amount, parts), "{amount} {parts}");
                }
            }
        }
        for value in [0, 1, 999_999, 1_000_000, 1_000_001, u128::MAX, u128::MAX - 768_211_455, 1 << 127] {
            for value in [value, value.saturating_sub(1), value / 1_000_000 * 1_000_000] {
                assert_eq!(div_million(value), value / 1_000_000, "{value}");
            }
        }
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
