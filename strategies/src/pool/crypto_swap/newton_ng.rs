//! Newton's method for the invariant in NG pools, which start it from what the cubic has found.

use ruint::aliases::U256;
use ruint::uint;

use super::geometric::{ROUNDS_MAX, cube_root, mean_of_three};
use super::newton_legacy::{
    Curvature, CurvatureBounds, FRACTION_MIN_NG, check_fraction, check_spread, invariant_from, newton_step, sorted,
};
use super::words::{A_ONE, E18, E36, of, over};
use crate::pool::QuoteError;
use crate::pool::square_root::square_root;

/// Invariant of twocrypto-NG v2.0.0; `k0` is the cubic's answer, or zero for none.
pub(super) fn invariant_of_two(curvature: Curvature, x: [U256; 2], k0: U256) -> Result<U256, QuoteError> {
    CurvatureBounds::TWO_NG.check(curvature)?;
    let x = sorted(x);
    check_spread(x)?;
    // Nothing here passes 256 bits but the last product, which the contract lets wrap.
    let product = x[0].wrapping_mul(x[1]);
    let start = if k0.is_zero() {
        square_root(product).wrapping_mul(U256::from(2))
    } else {
        let square = over(product.wrapping_mul(U256::from(4)), k0).wrapping_mul(E18);
        square_root(square).min(x[0].wrapping_add(x[1]))
    };
    invariant_from(curvature, x, start, FRACTION_MIN_NG)
}

/// Invariant of tricrypto-NG; `k0` is the cubic's answer, or zero for none.
///
/// Most of the loop is unchecked in the contract, and wraps here as it does there.
pub(super) fn invariant_of_three(curvature: Curvature, x: [U256; 3], k0: U256) -> Result<U256, QuoteError> {
    let x = sorted(x);
    // The contract's own bound, below which 10^18 times the sum cannot wrap.
    let x_end = (U256::MAX / E18).wrapping_mul(U256::from(27));
    if x[0] >= x_end || x[0].is_zero() {
        return Err(QuoteError::UnsafeValue);
    }
    let sum = x[0].wrapping_add(x[1]).wrapping_add(x[2]);
    let three = U256::from(3);
    let mut d = if k0.is_zero() { mean_of_three(x)?.wrapping_mul(three) } else { start_of_three(x, sum, k0)? };
    for _ in 0..ROUNDS_MAX {
        let before = d;
        let k0 = x.iter().fold(E18, |k0, &x| over(k0.wrapping_mul(x).wrapping_mul(three), d));
        let target = curvature.gamma.wrapping_add(E18);
        let g = target.abs_diff(k0).wrapping_add(U256::ONE);
        let mul_1 = over(over(E18.wrapping_mul(d), curvature.gamma).wrapping_mul(g), curvature.gamma);
        let mul_1 = over(mul_1.wrapping_mul(g).wrapping_mul(A_ONE), curvature.a);
        let mul_2 = over(E18.wrapping_mul(U256::from(6)).wrapping_mul(k0), g);
        let slope = sum
            .wrapping_add(over(sum.wrapping_mul(mul_2), E18))
            .wrapping_add(over(mul_1.wrapping_mul(three), k0))
            .wrapping_sub(over(mul_2.wrapping_mul(d), E18));
        let plus = over((of(d) * slope.wrapping_add(sum)).get()?, slope);
        let minus = over((of(d) * d).get()?, slope);
        let rest = over((of(d) * over(mul_1, slope)).get()?, E18);
        let rest = over(rest.wrapping_mul(E18.abs_diff(k0)), k0);
        let minus = if E18 > k0 { of(minus) + rest } else { of(minus) - rest }.get()?;
        d = newton_step(plus, minus);
        let step = d.abs_diff(before).wrapping_mul(uint!(100_000_000_000_000_U256));
        if step < d.max(uint!(10_000_000_000_000_000_U256)) {
            x.iter().try_for_each(|&x| check_fraction(x, d, FRACTION_MIN_NG))?;
            return Ok(d);
        }
    }
    Err(QuoteError::NotConverged)
}

/// `3 * cbrt(x0 * x1 * x2 / K0)`, with as many digits given up first as the sum demands.
fn start_of_three(x: [U256; 3], sum: U256, k0: U256) -> Result<U256, QuoteError> {
    let e24 = uint!(1_000_000_000_000_000_000_000_000_U256);
    let (taken, returned) = if sum > E36 {
        (E36, uint!(27_000_000_000_000_U256))
    } else if sum > e24 {
        (e24, uint!(27_000_000_U256))
    } else {
        (E18, uint!(27_U256))
    };
    let product = (of(x[0]) * x[1] / taken * x[2] / k0 * returned).get()?;
    Ok(cube_root(product))
}
