//! Two coins: `get_y` of Twocrypto-NG v2.0.0.

use ruint::aliases::U256;
use ruint::uint;

use super::{FOUR, ONE, Solved, THREE, TWENTY_SEVEN, divider, int, power_of_ten, second_root, signed_cube_root};
use crate::pool::QuoteError;
use crate::pool::crypto_swap::newton_legacy::{
    Curvature, CurvatureBounds, FRACTION, FRACTION_MIN_NG, balance_unbounded, check_d, check_fraction,
};
use crate::pool::crypto_swap::words::{Int, IntDivisor, within};
use crate::pool::square_root::square_root;

/// The cubic's leading coefficient.
const A: Int = int(power_of_ten(32));

/// What the balances of two coins at one curvature and invariant have in common. Both are within the contract's bounds, so that nothing
/// that wraps here passes 256 bits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::pool::crypto_swap) struct TwoCoins {
    curvature: Curvature,
    d: U256,
    by_d: IntDivisor,
    d_squared: Int,
    /// `D` times `A * gamma^2`, over the precisions of both.
    d_part: Int,
    /// Four times `A * gamma^2` over the same.
    ann_part: Int,
    /// What is taken off the part of the second coefficient that has the balance in it.
    b: Int,
    /// What is added to that of the third.
    c: Int,
    /// The last coefficient, which has no balance in it.
    free: Int,
}

impl TwoCoins {
    pub(in crate::pool::crypto_swap) fn new(curvature: Curvature, d: U256) -> Result<Self, QuoteError> {
        CurvatureBounds::TWO_NG.check(curvature)?;
        check_d(d)?;
        let (amplification, gamma, big_d) = (int(curvature.a), int(curvature.gamma), Int::try_of(d)?);
        let gamma_2 = gamma.wrapping_mul(gamma);
        let ann_gamma_2 = amplification.times(gamma_2)?;
        // 4 * 10^4 * 10^4: n^n, the precision of the amplification, and what 10^36 is above the coefficients' 10^32.
        let precision = int(uint!(400_000_000_U256));
        let (e_14, e_4) = (int(power_of_ten(14)), int(power_of_ten(4)));
        let three = THREE.wrapping_mul(A);
        let gamma_e_14 = gamma.wrapping_mul(e_14);
        let one_and_gamma = ONE.wrapping_add(gamma);
        Ok(Self {
            curvature,
            d,
            by_d: IntDivisor::new(big_d),
            d_squared: big_d.times(big_d)?,
            d_part: big_d.times(ann_gamma_2)?.over(precision),
            ann_part: FOUR.wrapping_mul(ann_gamma_2).over(precision),
            b: three.plus(gamma_e_14.wrapping_add(gamma_e_14))?,
            c: three.plus(FOUR.wrapping_mul(gamma_e_14))?.plus(gamma_2.over(e_4))?,
            free: one_and_gamma.times(one_and_gamma)?.over(e_4).negated(),
        })
    }

    /// Balance of coin `i` that goes with the other.
    pub(in crate::pool::crypto_swap) fn balance(&self, x: [U256; 2], i: usize) -> Result<Solved, QuoteError> {
        let x_j = Int::try_of(x[1 - i])?;
        let by_x = IntDivisor::new(x_j);
        // The contract divides by four times the balance before it looks at it.
        if !x_j.times(FOUR)?.is_positive() {
            return Err(QuoteError::UnsafeValue);
        }
        let k0_part = ONE.wrapping_add(ONE).times(x_j)?.over_each(&self.by_d).word()?;
        let two = U256::from(2);
        within(k0_part, FRACTION.0.wrapping_mul(two), FRACTION.1.wrapping_mul(two))?;
        let Some(root) = self.root(x_j, &by_x)? else {
            return Ok(Solved { y: balance_unbounded(self.curvature, x, self.d, i)?, k0: U256::ZERO });
        };
        // Over four and over one, both towards zero.
        let y = self.d_squared.over_each(&by_x).wrapping_mul(root).over(ONE.wrapping_mul(FOUR)).word()?;
        let k0 = root.word()?;
        check_fraction(y, self.d, FRACTION_MIN_NG)?;
        Ok(Solved { y, k0 })
    }

    /// `None` where the cubic has more than one real root and the contract falls back on Newton's method.
    fn root(&self, x_j: Int, by_x: &IntDivisor) -> Result<Option<Int>, QuoteError> {
        let (a, free, three) = (A, self.free, THREE.wrapping_mul(A));
        let b = self.d_part.over_each(by_x).minus(self.b)?;
        let c = self.c.plus(self.ann_part.times(x_j)?.over_each(&self.by_d))?.minus(self.ann_part)?;
        let delta_0 = three.times(c)?.divided(b)?.minus(b)?;
        let last = TWENTY_SEVEN.times(a.times(a)?)?.divided(b)?.times(free)?.divided(b)?;
        let delta_1 = THREE.times(delta_0)?.plus(b)?.minus(last)?;
        let least = delta_0.abs()?.min(delta_1.abs()?).min(a);
        let cut = IntDivisor::new(int(divider_of_two(least.word()?)));
        let [a, b, c, free] = [a, b, c, free].map(|value| value.over_each(&cut));
        let by_b = IntDivisor::new(b);
        let delta_0 = THREE.wrapping_mul(a).wrapping_mul(c).over_each(&by_b).minus(b)?;
        let last = TWENTY_SEVEN.wrapping_mul(a.times(a)?).over_each(&by_b).wrapping_mul(free).over_each(&by_b);
        let delta_1 = THREE.times(delta_0)?.plus(b)?.minus(last)?;
        let square = FOUR.times(delta_0.times(delta_0)?)?.over_each(&by_b).wrapping_mul(delta_0);
        let square = delta_1.times(delta_1)?.plus(square)?;
        if !square.is_positive() {
            return Ok(None);
        }
        let square_root = int(square_root(square.word()?));
        let b_root = signed_cube_root(b);
        let second = second_root(
            delta_1,
            if delta_1.is_positive() { delta_1.wrapping_add(square_root) } else { square_root.wrapping_sub(delta_1) },
        )?;
        let c_1 = b_root.times(b_root)?.over(ONE).wrapping_mul(second).over(ONE);
        let scaled_b = ONE.wrapping_mul(b);
        let root = ONE.wrapping_mul(c_1).minus(scaled_b)?.minus(scaled_b.divided(c_1)?.times(delta_0)?)?;
        Ok(Some(root.divided(THREE.wrapping_mul(a))?))
    }
}

/// As that of three coins, in finer steps; between 10^20 and 10^24 two digits suffice.
fn divider_of_two(least: U256) -> U256 {
    const STEPS: [(U256, U256); 14] = [
        (power_of_ten(48), power_of_ten(30)),
        (power_of_ten(46), power_of_ten(28)),
        (power_of_ten(44), power_of_ten(26)),
        (power_of_ten(42), power_of_ten(24)),
        (power_of_ten(40), power_of_ten(22)),
        (power_of_ten(38), power_of_ten(20)),
        (power_of_ten(36), power_of_ten(18)),
        (power_of_ten(34), power_of_ten(16)),
        (power_of_ten(32), power_of_ten(14)),
        (power_of_ten(30), power_of_ten(12)),
        (power_of_ten(28), power_of_ten(10)),
        (power_of_ten(26), power_of_ten(8)),
        (power_of_ten(24), power_of_ten(6)),
        (power_of_ten(20), power_of_ten(2)),
    ];
    divider(&STEPS, least)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn divider_keeps_the_digits_that_fit() {
        assert_eq!(divider_of_two(power_of_ten(24)), power_of_ten(2));
        assert_eq!(divider_of_two(U256::MAX), power_of_ten(30));
    }
}
