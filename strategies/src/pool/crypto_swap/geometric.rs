//! Geometric means, and the roots that the pools take.

use ruint::aliases::U256;
use ruint::uint;

use super::words::{E18, of, over};
use crate::pool::QuoteError;

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

/// Cube root of `x / 10^18`, times 10^18: seven Newton steps from a power of two, whatever the rest.
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
    let log_2 = scaled.bit_len().saturating_sub(1);
    // 2^(1/3) is taken for 1.26, as the contract does.
    let (numerator, denominator) = [(1, 1), (1_260, 1_000), (1_587_600, 1_000_000_u64)][log_2 % 3];
    let power = U256::ONE.wrapping_shl(log_2 / 3);
    let mut root = over(power.wrapping_mul(U256::from(numerator)), U256::from(denominator));
    for _ in 0..7 {
        let quotient = over(scaled, root.wrapping_mul(root));
        root = over(root.wrapping_add(root).wrapping_add(quotient), U256::from(3));
    }
    root.wrapping_mul(zeros)
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

    #[test]
    fn means_of_equal_numbers_are_the_number() {
        assert_eq!(legacy_mean([E18; 3]), Ok(E18));
        assert_eq!(legacy_mean([E18; 2]), Ok(E18));
        assert_eq!(mean_of_three([E18; 3]), Ok(E18));
        assert_eq!(legacy_mean([U256::ZERO; 3]), Err(QuoteError::UnsafeValue));
        assert_eq!(legacy_square_root(E18), Ok(E18));
    }
}
