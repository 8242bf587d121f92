//! Geometric means, and the roots that the pools take.

use ruint::aliases::U256;
use ruint::uint;

use super::words::{E18, of, over};
use crate::pool::QuoteError;
use crate::pool::full_math::words::low_word;

/// Rounds after which the contracts give up.
pub(super) const ROUNDS_MAX: usize = 255;
/// Least argument whose product with 10^36 would pass 256 bits, in the contracts' own rounding.
const CUBE_ROOT_STEP: U256 = uint!(115_792_089_237_316_195_423_570_985_008_687_907_853_269_U256);

/// Mean of two or three numbers, the largest first, as the pools before NG take it: by Newton's steps from the
/// largest, stopped at one part in 10^18. The steps are the contract's, since the answer depends on where they stop.
pub(super) fn legacy_mean<const N: usize>(sorted: [U256; N]) -> Result<U256, QuoteError> {
    let count = U256::from(N);
    let mut d = sorted[0];
    for _ in 0..ROUNDS_MAX {
        let before = d;
        if N == 2 {
            d = ((of(d) + of(sorted[0]) * sorted[1] / d) / count).get()?;
        } else {
            let product = sorted.iter().fold(of(E18), |product, &x| product * x / d);
            let others = E18.wrapping_mul(U256::from(N - 1));
            d = (of(d) * (product + others) / E18.wrapping_mul(count)).get()?;
        }
        let step = d.abs_diff(before);
        if step <= U256::ONE || (of(step) * E18).get()? < d {
            return Ok(d);
        }
    }
    Err(QuoteError::NotConverged)
}

/// Mean of three numbers as tricrypto-NG takes it; zero where their product is too small to show.
pub(super) fn mean_of_three([a, b, c]: [U256; 3]) -> Result<U256, QuoteError> {
    let product = (of(a) * b / E18 * c / E18).get()?;
    Ok(if product.is_zero() { U256::ZERO } else { cube_root(product) })
}

/// Cube root of `x / 10^18`, times 10^18, as the contract's seven Newton steps end.
///
/// Large arguments give up digits so that the product fits: they come with 12 or 6 trailing zeros.
pub(super) fn cube_root(x: U256) -> U256 {
    let large = CUBE_ROOT_STEP.wrapping_mul(E18);
    let (scaled, zeros) = if x >= large {
        (x, uint!(1_000_000_000_000_U256))
    } else if x >= CUBE_ROOT_STEP {
        (x.wrapping_mul(E18), uint!(1_000_000_U256))
    } else {
        (x.wrapping_mul(E18).wrapping_mul(E18), U256::ONE)
    };
    settled_root(scaled).unwrap_or_else(|| seven_steps(scaled)).wrapping_mul(zeros)
}

/// One Newton step towards the cube root; the quotient by a square is taken factor by factor, which rounds the same way.
#[inline(always)]
fn cube_root_step(value: U256, root: U256) -> U256 {
    let quotient = over(over(value, root), root);
    over(root.wrapping_add(root).wrapping_add(quotient), U256::from(3))
}

/// The contract's own steps, from a power of two, whatever the rest.
#[cold]
#[inline(never)]
fn seven_steps(value: U256) -> U256 {
    let log_2 = value.bit_len().saturating_sub(1);
    // 2^(1/3) is taken for 1.26, as the contract does.
    let (numerator, denominator) = [(1, 1), (1_260, 1_000), (1_587_600, 1_000_000_u64)][log_2 % 3];
    let power = U256::ONE.wrapping_shl(log_2 / 3);
    let start = over(power.wrapping_mul(U256::from(numerator)), U256::from(denominator));
    (0..7).fold(start, |root, _| cube_root_step(value, root))
}

/// The floor `r` of the cube root, where the contract's steps are sure to end there.
///
/// The contract begins at 0.793 to 1.001 times the root `c`. A step goes to the floor of `(2y + value / y^2) / 3`, which is at least
/// `r`, and at most `c (1 + e^2)` from `c (1 + e)`: after six steps from there `e` is below 4 / 10^40, so that with `c` below 2^86 the
/// sixth ends at `r` or `r + 1`. From `r + 1` a step goes to `r`; from `r` it stays, unless `value >= r^3 + 3 r^2`, in which case
/// it goes up again. So below that the seventh ends at `r`, and how `r` was found does not matter.
fn settled_root(value: U256) -> Option<U256> {
    const THREE: U256 = U256::from_limbs([3, 0, 0, 0]);
    let root = (0..2).fold(guess(value)?, |root, _| cube_root_step(value, root));
    let square = root.checked_mul(root)?;
    let above = value.checked_sub(square.checked_mul(root)?)?;
    (above < square.wrapping_mul(THREE)).then_some(root)
}

/// The root of a number of at least 96 bits, to two thirds of its own bits or to 40.
fn guess(value: U256) -> Option<U256> {
    const BITS_MIN: usize = 96;
    if value.bit_len() < BITS_MIN {
        return None;
    }
    let shift = value.bit_len().saturating_sub(124).next_multiple_of(3);
    let upper = u128::try_from(value >> shift).ok()?;
    // Its highest 60 bits or so, by four steps in a machine word; then one step in two.
    let highest = low_word(upper >> 63);
    let log_2 = highest.ilog2();
    let start = ([1_024_u64, 1_290, 1_625][(log_2 % 3) as usize] << (log_2 / 3)) >> 10;
    let root = (0..4).fold(start, |root, _| (2 * root + highest / (root * root)) / 3);
    let quotient = (upper >> 42) / u128::from(root * root);
    let root = ((u128::from(root) << 22) + quotient) / 3;
    Some(U256::from(root).wrapping_shl(shift / 3))
}

/// Root of `x / 10^18`, times 10^18: tricrypto's own Newton steps, which may end a unit above the floor.
pub(super) fn legacy_square_root(x: U256) -> Result<U256, QuoteError> {
    if x.is_zero() {
        return Ok(x);
    }
    let two = U256::from(2);
    let (mut root, mut next) = (x, ((of(x) + E18) / two).get()?);
    for _ in 0..=ROUNDS_MAX {
        if next == root {
            return Ok(root);
        }
        root = next;
        next = ((of(x) * E18 / next + next) / two).get()?;
    }
    Err(QuoteError::NotConverged)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cube_root_of_cubes_is_near() {
        for root in [1_u64, 2, 10, 1_000, 1_000_000, 1_000_000_000] {
            let cube = U256::from(root).pow(U256::from(3)).wrapping_mul(E18);
            let error = cube_root(cube).abs_diff(U256::from(root).wrapping_mul(E18));
            assert!(error <= U256::ONE, "{root}");
        }
        assert_eq!(cube_root(U256::ZERO), U256::ZERO);
    }

    /// Among them the values where the steps go up and down for ever.
    #[test]
    fn cube_root_is_where_the_contract_s_steps_end() {
        let mut settled = 0;
        let mut state = 1_u64;
        for _ in 0..20_000 {
            let limbs = [0; 4].map(|_: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                state ^ state >> 29
            });
            let [root_shift, any_shift] =
                [limbs[2] % 80, limbs[3] % 160].map(|shift| usize::try_from(shift).expect("small"));
            let root = U256::from_limbs([limbs[0], limbs[1], 0, 0]) >> (43 + root_shift);
            let [square, cube] = [2_u64, 3].map(|power| root.wrapping_pow(U256::from(power)));
            let edge = cube.wrapping_add(square.wrapping_mul(U256::from(3)));
            let any = U256::from_limbs(limbs) >> any_shift;
            for value in [cube, cube.wrapping_sub(U256::ONE), edge, edge.wrapping_sub(U256::ONE), any] {
                if let Some(root) = settled_root(value) {
                    assert_eq!(root, seven_steps(value), "{value}");
                    settled += 1;
                }
            }
        }
        assert!(settled > 40_000, "{settled}");
        let edge = U256::from(1_u64 << 40);
        let edge = edge.pow(U256::from(3)) + edge * edge * U256::from(3);
        assert_eq!((settled_root(edge), settled_root(edge - U256::ONE)), (None, Some(U256::from(1_u64 << 40))));
    }

    #[test]
    fn means_of_equal_numbers_are_the_number() {
        assert_eq!(legacy_mean([E18; 3]), Ok(E18));
        assert_eq!(legacy_mean([E18; 2]), Ok(E18));
        assert_eq!(mean_of_three([E18; 3]), Ok(E18));
        assert_eq!(legacy_mean([U256::ZERO; 3]), Err(QuoteError::UnsafeValue));
        assert_eq!(legacy_square_root(E18), Ok(E18));
    }
}
