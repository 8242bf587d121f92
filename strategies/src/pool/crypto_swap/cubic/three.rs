//! Three coins: Tricrypto-NG's `get_y`.

use ruint::aliases::U256;
use ruint::uint;

use super::{FOUR, ONE, Solved, THREE, TWENTY_SEVEN, divider, int, power_of_ten, second_root, signed_cube_root};
use crate::pool::QuoteError;
use crate::pool::crypto_swap::newton_legacy::{
    Curvature, CurvatureBounds, FRACTION, FRACTION_MIN_NG, balance_unbounded, check_d, check_fraction,
};
use crate::pool::crypto_swap::words::{A_ONE, E36, Int, IntDivisor};
use crate::pool::square_root::square_root;

const NINE: Int = int(uint!(9_U256));

/// What the balances of three coins at one curvature and invariant have in common. Both are within the contract's bounds, so that nothing
/// that wraps here passes 256 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pool::crypto_swap) struct ThreeCoins {
    curvature: Curvature,
    d: U256,
    big_d: Int,
    by_d: IntDivisor,
    d_squared: Int,
    /// Its 27th part, towards zero.
    part_of_square: Int,
    gamma_2: Int,
    /// The coefficients of the cubic, as far as no balance is in them, which is all of `a` and `free`.
    a: Int,
    b: Int,
    c: Int,
    free: Int,
}

/// The cubic's root, over the leading coefficient that it was scaled with.
struct Root {
    a: Int,
    root: Int,
}

impl ThreeCoins {
    pub(in crate::pool::crypto_swap) fn new(curvature: Curvature, d: U256) -> Result<Self, QuoteError> {
        CurvatureBounds::THREE.check(curvature)?;
        check_d(d)?;
        let (gamma, big_d) = (int(curvature.gamma), Int::try_of(d)?);
        let d_squared = big_d.times(big_d)?;
        let ninth = int(E36).over(NINE);
        let one_and_gamma = ONE.wrapping_add(gamma);
        let c_first = gamma.wrapping_mul(gamma.wrapping_add(ONE.wrapping_mul(FOUR))).over(TWENTY_SEVEN);
        Ok(Self {
            curvature,
            d,
            big_d,
            by_d: IntDivisor::new(big_d),
            d_squared,
            part_of_square: d_squared.over(TWENTY_SEVEN),
            gamma_2: gamma.wrapping_mul(gamma),
            a: int(E36).over(TWENTY_SEVEN),
            b: ninth.wrapping_add(ONE.wrapping_add(ONE).wrapping_mul(gamma).over(TWENTY_SEVEN)),
            c: ninth.wrapping_add(c_first),
            free: one_and_gamma.times(one_and_gamma)?.over(TWENTY_SEVEN),
        })
    }

    /// Balance of coin `i` that goes with the others.
    pub(in crate::pool::crypto_swap) fn balance(&self, x: [U256; 3], i: usize) -> Result<Solved, QuoteError> {
        let (j, k) = match i {
            0 => (1, 2),
            1 => (0, 2),
            _ => (0, 1),
        };
        check_fraction(x[j], self.d, FRACTION.0)?;
        check_fraction(x[k], self.d, FRACTION.0)?;
        let (x_j, x_k) = (Int::try_of(x[j])?, Int::try_of(x[k])?);
        let (by_j, by_k) = (IntDivisor::new(x_j), IntDivisor::new(x_k));
        let Some(root) = self.root([(x_j, &by_j), (x_k, &by_k)])? else {
            // The fallback is the old contract's loop with its check of the result.
            let y = balance_unbounded(self.curvature, x, self.d, i)?;
            check_fraction(y, self.d, FRACTION.0)?;
            return Ok(Solved { y, k0: U256::ZERO });
        };
        let Root { a, root } = root;
        let by_a = IntDivisor::new(a);
        let y = self.part_of_square.over_each(&by_k).times(self.big_d)?.over_each(&by_j);
        let y = y.times(root)?.over_each(&by_a).word()?;
        let k0 = ONE.times(root)?.over_each(&by_a).word()?;
        check_fraction(y, self.d, FRACTION_MIN_NG)?;
        Ok(Solved { y, k0 })
    }

    /// `None` where the cubic has more than one real root and the contract falls back on Newton's method.
    fn root(&self, [(x_j, by_j), (x_k, by_k)]: [(Int, &IntDivisor); 2]) -> Result<Option<Root>, QuoteError> {
        let (gamma_2, amplification) = (self.gamma_2, int(self.curvature.a));
        // By 729 and 27, and each by the amplification's precision: towards zero twice is towards zero once.
        let [b_part, c_part] = [uint!(729_U256), uint!(27_U256)].map(|part| int(part.wrapping_mul(A_ONE)));
        let b_rest = self.d_squared.over_each(by_j).wrapping_mul(gamma_2).times(amplification)?;
        let b = self.b.minus(b_rest.over(b_part).over_each(by_k))?;
        let above_d = x_j.wrapping_add(x_k).wrapping_sub(self.big_d);
        let c_rest = gamma_2.times(above_d)?.over_each(&self.by_d).wrapping_mul(amplification);
        let c = self.c.plus(c_rest.over(c_part))?;
        let (a, free) = (self.a, self.free);
        let spread = THREE.wrapping_mul(a).times(c)?.divided(b)?.minus(b)?.abs()?;
        let cut = IntDivisor::new(int(divider_of_three(spread.word()?)));
        let (a, b, c, free) = if a.abs()? > b.abs()? {
            let factor = a.over(b).abs()?;
            let scaled = |value: Int| Ok::<_, QuoteError>(value.times(factor)?.over_each(&cut));
            (a.wrapping_mul(factor).over_each(&cut), scaled(b)?, scaled(c)?, scaled(free)?)
        } else {
            let factor = b.over(a).abs()?;
            let by_factor = IntDivisor::new(factor);
            let scaled = |value: Int| value.over_each(&by_factor).over_each(&cut);
            (a.divided(factor)?.over_each(&cut), scaled(b), scaled(c), scaled(free))
        };
        let by_b = IntDivisor::new(b);
        let three_ac = THREE.wrapping_mul(a).times(c)?;
        let delta_0 = three_ac.over_each(&by_b).minus(b)?;
        let last = TWENTY_SEVEN.times(a.times(a)?)?.over_each(&by_b).times(free)?.over_each(&by_b);
        let delta_1 = THREE.times(three_ac)?.over_each(&by_b).minus(b.wrapping_add(b))?.minus(last)?;
        let square = FOUR.times(delta_0.times(delta_0)?)?.over_each(&by_b).times(delta_0)?;
        let square = delta_1.times(delta_1)?.plus(square)?;
        if !square.is_positive() {
            return Ok(None);
        }
        let square_root = int(square_root(square.word()?));
        let b_root = signed_cube_root(b);
        let second = second_root(
            delta_1,
            if delta_1.is_positive() { delta_1.plus(square_root)? } else { delta_1.minus(square_root)?.negated() },
        )?;
        let c_1 = b_root.times(b_root)?.over(ONE).times(second)?.over(ONE);
        let root = b.plus(b.times(delta_0)?.divided(c_1)?)?.minus(c_1)?.over(THREE);
        Ok(Some(Root { a, root }))
    }
}

/// What the coefficients are cut by, so that their cubes fit: from `10^20` on, four digits for four digits.
fn divider_of_three(spread: U256) -> U256 {
    const STEPS: [(U256, U256); 8] = [
        (power_of_ten(48), power_of_ten(30)),
        (power_of_ten(44), power_of_ten(26)),
        (power_of_ten(40), power_of_ten(22)),
        (power_of_ten(36), power_of_ten(18)),
        (power_of_ten(32), power_of_ten(14)),
        (power_of_ten(28), power_of_ten(10)),
        (power_of_ten(24), power_of_ten(6)),
        (power_of_ten(20), power_of_ten(2)),
    ];
    divider(&STEPS, spread)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divider_keeps_the_digits_that_fit() {
        assert_eq!(divider_of_three(power_of_ten(20)), U256::ONE);
        assert_eq!(divider_of_three(power_of_ten(20) + U256::ONE), power_of_ten(2));
    }
}
