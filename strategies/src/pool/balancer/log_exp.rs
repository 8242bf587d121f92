//! Powers of 18-decimal numbers by logarithm and exponential: `LogExpMath.pow`, rounding for rounding.
//!
//! The contract's signed divisions cut towards zero, so signs are kept apart from magnitudes and all divisions here are
//! of natural numbers. Bounds at the top of each function show why its products fit 256 bits without a check, as the
//! contract's do.

use ruint::aliases::U256;

use super::fixed_point::{ONE, over};
use crate::pool::QuoteError;

const ONE_20: U256 = U256::from_limbs([7_766_279_631_452_241_920, 5, 0, 0]);
const ONE_36: U256 = U256::from_limbs([12_919_594_847_110_692_864, 54_210_108_624_275_221, 0, 0]);
const HUNDRED: U256 = U256::from_limbs([100, 0, 0, 0]);

/// Between these the contract takes the logarithm with 36 decimals: near one, 18 would leave few that count.
const NEAR_ONE: (u64, u64) = (900_000_000_000_000_000, 1_100_000_000_000_000_000);

/// Largest exponent of e, 18 decimals: past it the result does not fit 256 bits with 20 decimals.
const EXPONENT_MAX: U256 = U256::from_limbs([872_791_484_033_138_688, 7, 0, 0]);
/// Largest exponent of 1/e, 18 decimals: past it the result has no digit left.
const EXPONENT_NEGATIVE_MAX: U256 = U256::from_limbs([4_106_511_852_580_896_768, 2, 0, 0]);

/// Powers of e that are taken off first, 18 decimals, and what they come to, no decimals.
const LARGE: [(U256, U256); 2] = [
    (
        // 128
        U256::from_limbs([17_319_535_557_742_690_304, 6, 0, 0]),
        U256::from_limbs([171_843_153_341_448_192, 17_670_479_068_478_958_691, 114_249_481_722_274_167, 0]),
    ),
    (
        // 64
        U256::from_limbs([8_659_767_778_871_345_152, 3, 0, 0]),
        U256::from_limbs([17_696_838_799_657_497_472, 338_008_108, 0, 0]),
    ),
];

/// The same of 32, 16, ... 1/16, with 20 decimals both.
const SMALL: [(u128, u128); 10] = [
    (3_200_000_000_000_000_000_000, 7_896_296_018_268_069_516_100_000_000_000_000),
    (1_600_000_000_000_000_000_000, 888_611_052_050_787_263_676_000_000),
    (800_000_000_000_000_000_000, 298_095_798_704_172_827_474_000),
    (400_000_000_000_000_000_000, 5_459_815_003_314_423_907_810),
    (200_000_000_000_000_000_000, 738_905_609_893_065_022_723),
    (100_000_000_000_000_000_000, 271_828_182_845_904_523_536),
    (50_000_000_000_000_000_000, 164_872_127_070_012_814_685),
    (25_000_000_000_000_000_000, 128_402_541_668_774_148_407),
    (12_500_000_000_000_000_000, 113_314_845_306_682_631_683),
    (6_250_000_000_000_000_000, 106_449_445_891_785_942_956),
];

/// How many of [`SMALL`] the exponential takes off; its series does the rest.
const SMALL_IN_EXPONENTIAL: usize = 8;

/// A number below or above zero; zero has either sign.
#[derive(Clone, Copy)]
struct Signed {
    is_negative: bool,
    magnitude: U256,
}

/// `x^y`, both of 18 decimals, off by a relative 10^-14 at most.
///
/// # Errors
/// [`QuoteError::UnsafeValue`] where base, exponent or result lie outside what the contract's logarithm and exponential
/// reckon with.
pub fn pow(x: U256, y: U256) -> Result<U256, QuoteError> {
    if y.is_zero() {
        return Ok(ONE);
    }
    if x.is_zero() {
        return Ok(U256::ZERO);
    }
    // 2^254 / 10^20, above which the product with a logarithm might not fit.
    let exponent_bound = over(U256::ONE << 254_usize, ONE_20);
    if x.bit(255) || y >= exponent_bound {
        return Err(QuoteError::UnsafeValue);
    }
    let is_near_one = U256::from(NEAR_ONE.0) < x && x < U256::from(NEAR_ONE.1);
    // A logarithm is below 2^68 at 18 decimals and 2^118 at 36, the exponent below 2^188.
    let (is_negative, product) = if is_near_one {
        let logarithm = ln_36(x);
        let (whole, rest) = logarithm.magnitude.div_rem(ONE);
        let scaled = whole.wrapping_mul(y).wrapping_add(over(rest.wrapping_mul(y), ONE));
        (logarithm.is_negative, scaled)
    } else {
        let logarithm = ln(x);
        (logarithm.is_negative, logarithm.magnitude.wrapping_mul(y))
    };
    exp(Signed { is_negative, magnitude: over(product, ONE) })
}

/// Natural exponential, 18 decimals.
fn exp(exponent: Signed) -> Result<U256, QuoteError> {
    let Signed { is_negative, magnitude } = exponent;
    if magnitude > if is_negative { EXPONENT_NEGATIVE_MAX } else { EXPONENT_MAX } {
        return Err(QuoteError::UnsafeValue);
    }
    let power = exp_positive(magnitude);
    // At least one, so never a division by zero.
    Ok(if is_negative { over(ONE_36, power) } else { power })
}

/// `exponent` is at most [`EXPONENT_MAX`], so that every product below stays under 2^253.
fn exp_positive(exponent: U256) -> U256 {
    let (rest, large) = match LARGE.iter().find(|(power, _)| exponent >= *power) {
        Some((power, value)) => (exponent.wrapping_sub(*power), *value),
        None => (exponent, U256::ONE),
    };
    // Below 64 with 20 decimals: 73 bits.
    let mut rest = low(rest.wrapping_mul(HUNDRED));
    let mut product = ONE_20;
    for (power, value) in &SMALL[..SMALL_IN_EXPONENTIAL] {
        if rest >= *power {
            rest -= power;
            product = over(product.wrapping_mul(U256::from(*value)), ONE_20);
        }
    }
    // What remains is below 1/4: twelve terms of the series x^n / n! have 20 decimals.
    let mut term = rest;
    let mut sum = low(ONE_20) + rest;
    for n in 2..=12 {
        term = scaled_product(term, rest) / n;
        sum += term;
    }
    over(over(product.wrapping_mul(U256::from(sum)), ONE_20).wrapping_mul(large), HUNDRED)
}

/// Natural logarithm, 18 decimals; `x` is not zero and below 2^255.
fn ln(x: U256) -> Signed {
    if x < ONE {
        // The inverse has 18 decimals too: of one unit it is 10^36.
        return Signed { is_negative: true, magnitude: ln_above_one(over(ONE_36, x)) };
    }
    Signed { is_negative: false, magnitude: ln_above_one(x) }
}

/// `x` is at least one and below 2^255.
fn ln_above_one(x: U256) -> U256 {
    let (mut rest, mut sum) = (x, U256::ZERO);
    for (power, value) in LARGE {
        if rest >= value.wrapping_mul(ONE) {
            rest = over(rest, value);
            sum = sum.wrapping_add(power);
        }
    }
    // Below e^64 with 20 decimals: 160 bits, and 227 with another 20.
    rest = rest.wrapping_mul(HUNDRED);
    let mut sum = low(sum.wrapping_mul(HUNDRED));
    for (power, value) in SMALL {
        let value = U256::from(value);
        if rest >= value {
            rest = over(rest.wrapping_mul(ONE_20), value);
            sum += power;
        }
    }
    // What remains is below e^(1/16): with z = (x - 1) / (x + 1), ln x = 2 (z + z^3 / 3 + z^5 / 5 + ...).
    let above = rest.wrapping_sub(ONE_20);
    let z = low(over(above.wrapping_mul(ONE_20), rest.wrapping_add(ONE_20)));
    let z_squared = scaled_product(z, z);
    let (mut power, mut series) = (z, z);
    for n in [3, 5, 7, 9, 11] {
        power = scaled_product(power, z_squared);
        series += power / n;
    }
    U256::from((sum + 2 * series) / 100)
}

/// Natural logarithm with 36 decimals of a number of 18 near one.
fn ln_36(x: U256) -> Signed {
    // Below 2^121, and 2^237 times 10^36 of what differs from one.
    let x = x.wrapping_mul(ONE);
    let is_negative = x < ONE_36;
    let z = over(x.abs_diff(ONE_36).wrapping_mul(ONE_36), x.wrapping_add(ONE_36));
    let z_squared = over(z.wrapping_mul(z), ONE_36);
    let (mut power, mut series) = (z, z);
    for n in [3_u64, 5, 7, 9, 11, 13, 15] {
        power = over(power.wrapping_mul(z_squared), ONE_36);
        series = series.wrapping_add(over(power, U256::from(n)));
    }
    Signed { is_negative, magnitude: series << 1_usize }
}

/// `a * b` of 20 decimals, below 2^128 each as is the result; narrow where the product is.
fn scaled_product(a: u128, b: u128) -> u128 {
    match a.checked_mul(b) {
        Some(product) => product / low(ONE_20),
        None => low(over(U256::from(a).wrapping_mul(U256::from(b)), ONE_20)),
    }
}

/// The value, of a number below 2^128.
const fn low(value: U256) -> u128 {
    let [low, high, a, b] = *value.as_limbs();
    debug_assert!(a == 0 && b == 0, "narrow by the bounds of each caller");
    (low as u128) | ((high as u128) << 64)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decimal(text: &str) -> U256 {
        text.parse().expect("digits")
    }

    #[test]
    fn constants_are_the_powers_that_they_stand_for() {
        assert_eq!(ONE_20, decimal("100000000000000000000"));
        assert_eq!(ONE_36, ONE * ONE);
        assert_eq!(EXPONENT_MAX, U256::from(130) * ONE);
        assert_eq!(EXPONENT_NEGATIVE_MAX, U256::from(41) * ONE);
        let powers = LARGE.map(|(power, _)| power);
        assert_eq!(powers, [U256::from(128) * ONE, U256::from(64) * ONE]);
        assert_eq!(LARGE[0].1, decimal("38877084059945950922200000000000000000000000000000000000"));
        assert_eq!(LARGE[1].1, decimal("6235149080811616882910000000"));
        for (pair, index) in SMALL.windows(2).zip(0..) {
            assert_eq!(pair[0].0, 2 * pair[1].0);
            // The square of each value is the one before it, as far as 20 decimals tell.
            let square = U256::from(pair[1].1) * U256::from(pair[1].1) / ONE_20;
            let distance = square.abs_diff(U256::from(pair[0].1));
            assert!(distance * decimal("10000000000000000000") <= square, "entry {index}");
        }
    }

    #[test]
    fn trivial_powers_need_no_logarithm() {
        assert_eq!(pow(U256::ZERO, U256::ZERO), Ok(ONE));
        assert_eq!(pow(U256::MAX, U256::ZERO), Ok(ONE));
        assert_eq!(pow(U256::ZERO, U256::MAX), Ok(U256::ZERO));
        assert_eq!(pow(ONE, ONE), Ok(ONE));
    }

    #[test]
    fn powers_end_where_the_contract_s_do() {
        let refused = Err(QuoteError::UnsafeValue);
        assert_eq!(pow(U256::ONE << 255_usize, ONE), refused);
        assert!(pow((U256::ONE << 255_usize) - U256::ONE, U256::ONE).is_ok());
        let bound = (U256::ONE << 254_usize) / ONE_20;
        assert_eq!(pow(ONE, bound), refused);
        assert_eq!(pow(ONE, bound - U256::ONE), Ok(ONE));
        // e to the power of 130 and of -41, and a step beyond: `y` is the logarithm's multiple.
        let e = decimal("2718281828459045235");
        assert!(pow(e, U256::from(130) * ONE).is_ok());
        assert_eq!(pow(e, U256::from(130) * ONE + U256::from(1000)), refused);
        let inverse = decimal("367879441171442321");
        assert!(pow(inverse, U256::from(41) * ONE - U256::from(1000)).is_ok());
        assert_eq!(pow(inverse, U256::from(41) * ONE + U256::from(1000)), refused);
    }
}
