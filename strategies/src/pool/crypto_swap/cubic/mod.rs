//! The balance that NG pools solve for in closed form, and the price that follows from it.
//!
//! What depends on the curvature and the invariant alone is reckoned once, by [`ThreeCoins::new`] and [`TwoCoins::new`]: quotes from
//! one state share it.

mod three;
mod two;

use ruint::aliases::U256;
use ruint::uint;

use super::geometric::cube_root;
use super::newton_legacy::{Curvature, check_d};
use super::words::{A_ONE, E18, E36, Int, of, over};
use crate::pool::QuoteError;

pub(super) use self::three::ThreeCoins;
pub(super) use self::two::TwoCoins;

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
const TWENTY_SEVEN: Int = int(uint!(27_U256));

fn signed_cube_root(value: Int) -> Int {
    let root = int(cube_root(value.magnitude()));
    if value.is_negative() { root.negated() } else { root }
}

/// Cube root of half of `sum`, with the sign of `delta_1`.
fn second_root(delta_1: Int, sum: Int) -> Result<Int, QuoteError> {
    let root = int(cube_root(sum.word()? >> 1_usize));
    Ok(if delta_1.is_positive() { root } else { root.negated() })
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
}
