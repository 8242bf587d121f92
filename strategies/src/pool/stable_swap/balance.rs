//! The balance of one coin that all others and the invariant leave.
//!
//! The contracts find it as a root of `q(y) = y^2 + (b - d) y - c` by the iteration `y <- (y^2 + c) / (2y + b - d)`,
//! floored, from `y = d` until two values differ by at most one. Here it is computed without that loop, and is the same
//! number, for this reason. Let `f` be one step, and `r` the largest integer with `q(r) <= 0`.
//!
//! - Where the denominator is positive, `f(y) >= m` exactly when `y^2 + c >= m (2y + b - d)`, which is
//!   `(y - m)^2 >= q(m)`.
//! - With `m = r` that always holds: from the first step on, no iterate is below `r`.
//! - From above `r` the distance at least halves with every step, so 255 steps suffice for numbers whose square has 256
//!   bits.
//! - `f(y) >= y - 1`, the condition to stop, means `q(y - 1) <= 1`. If `q(r + 1) > 1` that puts `y - 1` at `r` or below:
//!   `y` is `r + 1` or `r`. `f(r + 1) >= r + 1` would need `q(r + 1) <= 0`, and `f(r) >= r + 1` would need
//!   `q(r + 1) <= 1`, so either way the step ends at `r`.
//!
//! The denominator at `r` is `s` or `s - 1`, with `s` the floored root of the discriminant. It is positive but for `b = d`
//! and `c = 0`, where `q(r + 1) = 1`: an `s` of one means `b - d` is one either way, and then the denominator is one.
//!
//! So the contract returns `r` unless `q(r + 1) = 1`, and then, and where numbers are so large that one of these steps
//! would not hold, its loop is run as it is. `r` itself is `(d - b + s) / 2`, floored: `q(y) <= 0` is
//! `2y - (d - b) <= s` for integers.

use ruint::aliases::U256;

use super::super::QuoteError;
use super::super::checked::product;
use super::super::square_root::square_root;
use super::arithmetic::{add, div, mul, sub};
use super::invariant::STEPS_MAX;
use super::rules::Rules;

/// Balance of coin `index` in a pool of invariant `invariant` with all other coins at `scaled`; its own entry is not read.
///
/// Units: the common unit of all coins; `amplification` as stored. Rounding: the contract's, at most one above the root.
/// Latency: no loop but over the coins.
///
/// # Errors
/// [`QuoteError::InsufficientLiquidity`] when another coin is absent or there is no invariant,
/// [`QuoteError::AmountOverflow`] where the contract overflows, [`QuoteError::NotConverged`] where it gives up.
pub fn balance(
    rules: Rules,
    scaled: &[U256],
    index: usize,
    amplification: u64,
    invariant: U256,
) -> Result<U256, QuoteError> {
    Quadratic::new(rules, scaled, index, amplification, invariant)?.root()
}

/// The equation `y^2 + (b - d) y = c` of one coin's balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quadratic {
    /// Sum of the other coins, and the invariant over the amplification.
    pub b: U256,
    /// Product term.
    pub c: U256,
    /// The invariant.
    pub d: U256,
}

impl Quadratic {
    fn new(
        rules: Rules,
        scaled: &[U256],
        index: usize,
        amplification: u64,
        invariant: U256,
    ) -> Result<Self, QuoteError> {
        let count = scaled.len() as u64;
        let coins = U256::from(count);
        let precision = U256::from(rules.amplification_precision());
        let ann = U256::from(u128::from(amplification) * u128::from(count));
        let d = invariant;
        let (mut sum, mut c) = (U256::ZERO, d);
        for (coin, &balance) in scaled.iter().enumerate() {
            if coin != index {
                sum = add(sum, balance)?;
                c = div(mul(c, d)?, mul(balance, coins)?)?;
            }
        }
        // Both fit: amplification and coins have 67 bits.
        let c = div(mul(mul(c, d)?, precision)?, ann.wrapping_mul(coins))?;
        let b = add(sum, div(mul(d, precision)?, ann)?)?;
        Ok(Self { b, c, d })
    }

    /// What the contract's loop returns, without it; see the [module](self).
    ///
    /// # Errors
    /// As [`Quadratic::iterate`].
    pub fn root(&self) -> Result<U256, QuoteError> {
        match self.direct() {
            Some(root) => root,
            None => self.iterate(),
        }
    }

    /// `None` where only the loop tells.
    fn direct(&self) -> Option<Result<U256, QuoteError>> {
        let Self { b, c, d } = *self;
        // The first step's numbers are the largest of all unless the root lies above `d`: they decide the reverts.
        if product(d, d).and_then(|square| square.checked_add(c)).is_none() {
            return Some(Err(QuoteError::AmountOverflow));
        }
        let distance = d.abs_diff(b);
        let discriminant = product(distance, distance)?.checked_add(product(c, U256::from(4))?)?;
        let root_of_discriminant = square_root(discriminant);
        let twice = if d >= b {
            distance.wrapping_add(root_of_discriminant)
        } else {
            root_of_discriminant.wrapping_sub(distance)
        };
        let root: U256 = twice >> 1_usize;
        // Above `d` the first step jumps over the root, and the numbers of the second are larger than those of the first.
        if root > d {
            return None;
        }
        let next = root.wrapping_add(U256::ONE);
        // Modulo 2^256 is exact: the value is positive and not above the slope, which has 129 bits.
        let value_at_next = next.wrapping_mul(next.wrapping_add(b).wrapping_sub(d)).wrapping_sub(c);
        (value_at_next != U256::ONE).then_some(Ok(root))
    }

    /// The contract's own loop.
    ///
    /// # Errors
    /// [`QuoteError::AmountOverflow`], [`QuoteError::InsufficientLiquidity`] for a denominator that is not positive,
    /// [`QuoteError::NotConverged`] after 255 steps.
    #[cold]
    pub fn iterate(&self) -> Result<U256, QuoteError> {
        let Self { b, c, d } = *self;
        let mut y = d;
        for _ in 0..STEPS_MAX {
            let before = y;
            let denominator = sub(add(mul(U256::from(2), y)?, b)?, d)?;
            y = div(add(mul(y, y)?, c)?, denominator)?;
            if y.abs_diff(before) <= U256::ONE {
                return Ok(y);
            }
        }
        Err(QuoteError::NotConverged)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(bits_max: usize) -> impl Strategy<Value = U256> {
        (any::<[u64; 4]>(), 0..=bits_max)
            .prop_map(|(limbs, bits)| if bits == 0 { U256::ZERO } else { U256::from_limbs(limbs) >> (256 - bits) })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]

        #[test]
        fn answer_without_iteration_is_the_loop_s(b in number(256), c in number(256), d in number(256)) {
            let equation = Quadratic { b, c, d };
            prop_assert_eq!(equation.root(), equation.iterate());
        }

        #[test]
        fn answer_without_iteration_is_the_loop_s_among_sizes_of_pools(
            b in number(100), c in number(200), d in number(100),
        ) {
            let equation = Quadratic { b, c, d };
            prop_assert_eq!(equation.root(), equation.iterate());
        }
    }

    /// Where exceptions live: all small equations.
    #[test]
    fn answer_without_iteration_is_the_loop_s_for_every_small_equation() {
        let mut exceptions = 0;
        for d in 0..24_u64 {
            for b in 0..48_u64 {
                for c in 0..400_u64 {
                    let equation = Quadratic { b: U256::from(b), c: U256::from(c), d: U256::from(d) };
                    exceptions += u32::from(equation.direct().is_none());
                    assert_eq!(equation.root(), equation.iterate(), "{equation:?}");
                }
            }
        }
        assert!(exceptions > 0, "the loop is never needed");
    }
}
