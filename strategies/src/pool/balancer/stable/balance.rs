//! What a token's balance must be beside the others: one square root in place of the contract's rounds.

use ruint::aliases::U256;

use super::super::fixed_point::{add, mul, quotient_down, quotient_up};
use super::{AMPLIFICATION_PRECISION, ROUNDS_MAX};
use crate::pool::QuoteError;
use crate::pool::square_root::square_root;

/// What token `place` must hold beside the other balances for that invariant, all upscaled:
/// `StableMath._getTokenBalanceGivenInvariantAndAllOtherBalances`.
///
/// # Errors
/// [`QuoteError::AmountOverflow`], [`QuoteError::NotConverged`] where the contract reverts;
/// [`QuoteError::InvalidPoolState`] where it would divide by zero; [`QuoteError::TokenNotInPool`] for a place that is none.
pub fn balance(amplification: U256, balances: &[U256], invariant: U256, place: usize) -> Result<U256, QuoteError> {
    let equation = Equation::new(amplification, balances, invariant, place)?;
    match equation.solve()? {
        Some(root) => Ok(root),
        None => equation.iterate(),
    }
}

/// [`balance`] by the contract's rounds alone: the slow form, against which the other is held.
///
/// # Errors
/// As [`balance`].
pub fn balance_by_rounds(
    amplification: U256,
    balances: &[U256],
    invariant: U256,
    place: usize,
) -> Result<U256, QuoteError> {
    Equation::new(amplification, balances, invariant, place)?.iterate()
}

/// The balance `y` that is sought solves `y^2 + (b - D) y = c`.
#[derive(Debug, Clone, Copy)]
struct Equation {
    b: U256,
    c: U256,
    invariant: U256,
    /// The contract's first guess, above the root.
    start: U256,
}

impl Equation {
    fn new(amplification: U256, balances: &[U256], invariant: U256, place: usize) -> Result<Self, QuoteError> {
        let sought = *balances.get(place).ok_or(QuoteError::TokenNotInPool)?;
        let (first, others) = balances.split_first().ok_or(QuoteError::TokenNotInPool)?;
        let count = u64::try_from(balances.len()).map(U256::from).map_err(|_| QuoteError::InvalidPoolState)?;
        let total = mul(amplification, count)?;
        let mut sum = *first;
        let mut product = mul(*first, count)?;
        for balance in others {
            product = quotient_down(mul(mul(product, *balance)?, count)?, invariant)?;
            sum = add(sum, *balance)?;
        }
        let square = mul(invariant, invariant)?;
        // `sought` is part of the product, and taken out again here; so the quotient rounds up early, as in the contract.
        let c = mul(mul(quotient_up(square, mul(total, product)?)?, AMPLIFICATION_PRECISION)?, sought)?;
        let b = add(sum.wrapping_sub(sought), mul(quotient_down(invariant, total)?, AMPLIFICATION_PRECISION)?)?;
        let start = quotient_up(add(square, c)?, add(invariant, b)?)?;
        Ok(Self { b, c, invariant, start })
    }

    /// One round of Newton's method, rounded up.
    fn round(&self, y: U256) -> Result<U256, QuoteError> {
        let slope = add(mul(y, U256::from(2))?, self.b)?.checked_sub(self.invariant);
        quotient_up(add(mul(y, y)?, self.c)?, slope.ok_or(QuoteError::AmountOverflow)?)
    }

    /// The contract's rounds.
    fn iterate(&self) -> Result<U256, QuoteError> {
        let mut current = self.start;
        for _ in 0..ROUNDS_MAX {
            let next = self.round(current)?;
            if next.abs_diff(current) <= U256::ONE {
                return Ok(next);
            }
            current = next;
        }
        Err(QuoteError::NotConverged)
    }

    /// Where the contract's rounds end, from one square root; `None` where only the rounds can tell.
    ///
    /// With `q(y) = y^2 + (b - D) y - c`, a round takes `y` to `m` or below exactly when `(y - m)^2 <= q(m)`. Let `Y` be
    /// the least `y` whose `q` is not negative. No round ends below `Y`, one from `Y` stays, and when `q(Y) >= 4`
    /// a round from above either reaches `Y` or goes down by two or more: so no two neighbours above `Y` end the rounds. From
    /// any start the distance to the root more than halves, so a root of 256 bits takes less than 255 rounds.
    fn solve(&self) -> Result<Option<U256>, QuoteError> {
        // Rounds from the start go down, so the first has the largest numbers: where it fits, all do.
        add(mul(self.start, self.start)?, self.c)?;
        add(mul(self.start, U256::from(2))?, self.b)?;
        // Without a constant part the root is zero and a round may divide by zero.
        if self.c.is_zero() {
            return Ok(None);
        }
        let is_negative = self.b < self.invariant;
        let linear = self.b.abs_diff(self.invariant);
        let discriminant = linear.checked_mul(linear).zip(self.c.checked_mul(U256::from(4)));
        let Some(discriminant) = discriminant.and_then(|(square, rest)| square.checked_add(rest)) else {
            return Ok(None);
        };
        let root = square_root(discriminant);
        // The root is `linear` at least, which therefore does not take it below zero.
        let Some(twice) = (if is_negative { root.checked_add(linear) } else { root.checked_sub(linear) }) else {
            return Ok(None);
        };
        // Between `twice / 2` and less than a half above it lies the exact root: `Y` is the next integer, or the one after.
        let least = twice.div_ceil(U256::from(2));
        for y in [least, least.wrapping_add(U256::ONE)] {
            if let Some(excess) = self.excess(y, linear, is_negative) {
                return Ok((excess >= U256::from(4)).then_some(y));
            }
        }
        Ok(None)
    }

    /// `q(y)`, or `None` when it is negative or not told within 256 bits.
    fn excess(&self, y: U256, linear: U256, is_negative: bool) -> Option<U256> {
        let factor = if is_negative { y.checked_sub(linear)? } else { y.checked_add(linear)? };
        y.checked_mul(factor)?.checked_sub(self.c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Where the square root alone would tell less than the rounds do: they may end one above the least root.
    #[test]
    fn rounds_decide_where_the_root_is_nearly_an_integer() {
        // y^2 = c for c a square: q(Y) is zero.
        for root in 2_u64..200 {
            let c = U256::from(root * root);
            for start in root..root + 200 {
                let equation = Equation { b: U256::ZERO, c, invariant: U256::ZERO, start: U256::from(start) };
                assert_eq!(equation.solve(), Ok(None), "{root} from {start}");
            }
        }
    }

    #[test]
    fn one_root_is_where_the_rounds_end_from_any_start() {
        let mut solved = 0;
        for (b, invariant) in [(0_u64, 0_u64), (7, 0), (0, 7), (100, 3), (3, 100), (1000, 1000)] {
            for c in 1_u64..300 {
                for distance in 0_u64..40 {
                    let mut equation = Equation {
                        b: U256::from(b),
                        c: U256::from(c),
                        invariant: U256::from(invariant),
                        start: U256::ZERO,
                    };
                    let Ok(Some(root)) = equation.solve() else { continue };
                    equation.start = root + U256::from(distance * distance);
                    assert_eq!(equation.iterate(), Ok(root), "{b} {invariant} {c} {distance}");
                    solved += 1;
                }
            }
        }
        assert!(solved > 50_000, "{solved}");
    }
}
