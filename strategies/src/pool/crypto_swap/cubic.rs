//! The balance that NG pools solve for in closed form, and the price that follows from it.

use ruint::aliases::U256;
use ruint::uint;

use super::geometric::cube_root;
use super::newton_legacy::{
    Curvature, CurvatureBounds, FRACTION, FRACTION_MIN_NG, balance_unbounded, check_d, check_fraction,
};
use super::words::{A_ONE, E18, E36, Int, IntDivisor, of, over, within};
use crate::pool::QuoteError;
use crate::pool::square_root::square_root;

/// A balance, and the invariant's `K0` that came with it: the start of the next Newton; zero where there is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Solved {
    pub(super) y: U256,
    pub(super) k0: U256,
}

const fn int(word: U256) -> Int {
    Int::positive(word)
}

const ONE: Int = int(E18);
const THREE: Int = int(uint!(3_U256));
const FOUR: Int = int(uint!(4_U256));
const NINE: Int = int(uint!(9_U256));
const TWENTY_SEVEN: Int = int(uint!(27_U256));

/// Balance of coin `i` of three that goes with the others and `d`.
pub(super) fn balance_of_three(curvature: Curvature, x: [U256; 3], d: U256, i: usize) -> Result<Solved, QuoteError> {
    CurvatureBounds::THREE.check(curvature)?;
    check_d(d)?;
    let (j, k) = match i {
        0 => (1, 2),
        1 => (0, 2),
        _ => (0, 1),
    };
    check_fraction(x[j], d, FRACTION.0)?;
    check_fraction(x[k], d, FRACTION.0)?;
    let (x_j, x_k, big_d) = (Int::try_of(x[j])?, Int::try_of(x[k])?, Int::try_of(d)?);
    let (by_j, by_k) = (IntDivisor::new(x_j), IntDivisor::new(x_k));
    let Some(root) = root_of_three(curvature, [(x_j, &by_j), (x_k, &by_k)], big_d)? else {
        // The fallback is the old contract's loop with its check of the result.
        let y = balance_unbounded(curvature, x, d, i)?;
        check_fraction(y, d, FRACTION.0)?;
        return Ok(Solved { y, k0: U256::ZERO });
    };
    let Root { a, root } = root;
    let by_a = IntDivisor::new(a);
    let y = big_d.times(big_d)?.over(TWENTY_SEVEN).over_each(&by_k).times(big_d)?.over_each(&by_j);
    let y = y.times(root)?.over_each(&by_a).word()?;
    let k0 = ONE.times(root)?.over_each(&by_a).word()?;
    check_fraction(y, d, FRACTION_MIN_NG)?;
    Ok(Solved { y, k0 })
}

/// The cubic's root, over the leading coefficient that it was scaled with.
struct Root {
    a: Int,
    root: Int,
}

/// `None` where the cubic has more than one real root and the contract falls back on Newton's method.
fn root_of_three(
    curvature: Curvature,
    [(x_j, by_j), (x_k, by_k)]: [(Int, &IntDivisor); 2],
    d: Int,
) -> Result<Option<Root>, QuoteError> {
    let (amplification, gamma) = (int(curvature.a), int(curvature.gamma));
    let precision = int(A_ONE);
    let gamma_2 = gamma.wrapping_mul(gamma);
    let ninth = int(E36).over(NINE);
    let a = int(E36).over(TWENTY_SEVEN);
    let b_rest = d.wrapping_mul(d).over_each(by_j).wrapping_mul(gamma_2).times(amplification)?;
    let b_rest = b_rest.over(int(uint!(729_U256))).over(precision).over_each(by_k);
    let b = ninth.wrapping_add(ONE.wrapping_add(ONE).wrapping_mul(gamma).over(TWENTY_SEVEN)).minus(b_rest)?;
    let c_rest = gamma_2.times(x_j.wrapping_add(x_k).wrapping_sub(d))?.over(d).wrapping_mul(amplification);
    let c_rest = c_rest.over(TWENTY_SEVEN).over(precision);
    let c_first = gamma.wrapping_mul(gamma.wrapping_add(ONE.wrapping_mul(FOUR))).over(TWENTY_SEVEN);
    let c = ninth.wrapping_add(c_first).plus(c_rest)?;
    let one_and_gamma = ONE.wrapping_add(gamma);
    let free = one_and_gamma.times(one_and_gamma)?.over(TWENTY_SEVEN);
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

fn signed_cube_root(value: Int) -> Int {
    let root = int(cube_root(value.magnitude()));
    if value.is_negative() { root.negated() } else { root }
}

/// Cube root of half of `sum`, with the sign of `delta_1`.
fn second_root(delta_1: Int, sum: Int) -> Result<Int, QuoteError> {
    let root = int(cube_root(sum.word()? >> 1_usize));
    Ok(if delta_1.is_positive() { root } else { root.negated() })
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

fn divider(steps: &[(U256, U256)], value: U256) -> U256 {
    steps.iter().find(|(above, _)| value > *above).map_or(U256::ONE, |&(_, divider)| divider)
}

const fn power_of_ten(exponent: u32) -> U256 {
    let mut power = U256::ONE;
    let mut left = exponent;
    while left > 0 {
        power = power.wrapping_mul(uint!(10_U256));
        left -= 1;
    }
    power
}

/// Balance of coin `i` of two that goes with the other and `d`: NG v2.0.0.
pub(super) fn balance_of_two(curvature: Curvature, x: [U256; 2], d: U256, i: usize) -> Result<Solved, QuoteError> {
    CurvatureBounds::TWO_NG.check(curvature)?;
    check_d(d)?;
    let (x_j, big_d) = (Int::try_of(x[1 - i])?, Int::try_of(d)?);
    // The contract divides by the balance before it looks at it.
    big_d.times(big_d)?.divided(x_j.times(FOUR)?)?;
    let k0_part = ONE.wrapping_add(ONE).times(x_j)?.over(big_d).word()?;
    let two = U256::from(2);
    within(k0_part, FRACTION.0.wrapping_mul(two), FRACTION.1.wrapping_mul(two))?;
    let Some(root) = root_of_two(curvature, x_j, big_d)? else {
        return Ok(Solved { y: balance_unbounded(curvature, x, d, i)?, k0: U256::ZERO });
    };
    let y = big_d.times(big_d)?.over(x_j).wrapping_mul(root).over(FOUR).over(ONE).word()?;
    let k0 = root.word()?;
    check_fraction(y, d, FRACTION_MIN_NG)?;
    Ok(Solved { y, k0 })
}

/// `None` as in [`root_of_three`].
fn root_of_two(curvature: Curvature, x_j: Int, d: Int) -> Result<Option<Int>, QuoteError> {
    let (amplification, gamma) = (int(curvature.a), int(curvature.gamma));
    let gamma_2 = gamma.wrapping_mul(gamma);
    let ann_gamma_2 = amplification.times(gamma_2)?;
    // 4 * 10^4 * 10^4: n^n, the precision of the amplification, and what 10^36 is above the coefficients' 10^32.
    let precision = int(uint!(400_000_000_U256));
    let a = int(power_of_ten(32));
    let e_14 = int(power_of_ten(14));
    let e_4 = int(power_of_ten(4));
    let three = THREE.wrapping_mul(a);
    let gamma_e_14 = gamma.wrapping_mul(e_14);
    let b = d.times(ann_gamma_2)?.over(precision).divided(x_j)?.minus(three)?;
    let b = b.minus(gamma_e_14.wrapping_add(gamma_e_14))?;
    let ann_part = FOUR.wrapping_mul(ann_gamma_2).over(precision);
    let c = three.plus(FOUR.wrapping_mul(gamma_e_14))?.plus(gamma_2.over(e_4))?;
    let c = c.plus(ann_part.times(x_j)?.over(d))?.minus(ann_part)?;
    let one_and_gamma = ONE.wrapping_add(gamma);
    let free = one_and_gamma.times(one_and_gamma)?.over(e_4).negated();
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

/// As [`divider_of_three`], in finer steps; between 10^20 and 10^24 two digits suffice.
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

/// Prices of coins 1 and 2 in coin 0 at these balances, over the price scale, of 10^18.
pub(super) fn prices_of_three(curvature: Curvature, xp: [U256; 3], d: U256) -> Result<[U256; 2], QuoteError> {
    check_d(d)?;
    let k0 = (of(uint!(27_U256)) * xp[0] * xp[1] / d * xp[2] / d * E36 / d).get()?;
    Ok([price(curvature, k0, xp[0], xp[1], d)?, price(curvature, k0, xp[0], xp[2], d)?])
}

/// Price of coin 1 in coin 0 at these balances, over the price scale, of 10^18: NG v2.0.0.
pub(super) fn price_of_two(curvature: Curvature, xp: [U256; 2], d: U256) -> Result<U256, QuoteError> {
    check_d(d)?;
    let k0 = (of(uint!(4_U256)) * xp[0] * xp[1] / d * E36 / d).get()?;
    price(curvature, k0, xp[0], xp[1], d)
}

/// Ratio of the invariant's derivatives by `y` and by `x`, which is that of coin 0.
fn price(curvature: Curvature, k0: U256, x: U256, y: U256, d: U256) -> Result<U256, QuoteError> {
    let Curvature { a, gamma } = curvature;
    let two = U256::from(2);
    let cube = of(two) * k0 * k0 / E36 * k0 / E36;
    let one_and_gamma = gamma.wrapping_add(E18);
    let factor = gamma.wrapping_mul(two).wrapping_add(E18.wrapping_mul(U256::from(3)));
    let square = of(over(k0.wrapping_mul(k0), E36)) * factor / E18;
    let g_k0 = cube + one_and_gamma.wrapping_mul(one_and_gamma) - square;
    let weight = over(a.wrapping_mul(gamma.wrapping_mul(gamma)), A_ONE);
    let side = |x: U256| g_k0 + of(weight) * x / d * k0 / E36;
    let numerator = (of(x) * side(y) / y * E18).get()?;
    Ok(over(numerator, side(x).get()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The row of KyberSwap's test of this function.
    #[test]
    fn prices_of_three_coins_are_the_contract_s() {
        let curvature = Curvature { a: uint!(540_000_U256), gamma: uint!(80_500_000_000_000_U256) };
        let xp = [
            uint!(3_848_079_558_071_253_519_125_552_U256),
            uint!(4_044_947_947_211_999_230_664_846_U256),
            uint!(4_100_762_045_474_938_390_484_016_U256),
        ];
        let prices = prices_of_three(curvature, xp, uint!(11_990_883_592_660_056_140_229_065_U256));
        assert_eq!(prices, Ok([uint!(959_209_273_598_579_670_U256), uint!(948_357_297_280_457_582_U256)]));
    }

    #[test]
    fn divider_keeps_the_digits_that_fit() {
        assert_eq!(divider_of_three(power_of_ten(20)), U256::ONE);
        assert_eq!(divider_of_three(power_of_ten(20) + U256::ONE), power_of_ten(2));
        assert_eq!(divider_of_two(power_of_ten(24)), power_of_ten(2));
        assert_eq!(divider_of_two(U256::MAX), power_of_ten(30));
    }
}
