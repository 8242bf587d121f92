//! The curve `x³y + xy³`, in the contracts' fixed point of 18 decimals.
//!
//! Every product is checked at 256 bits and every quotient rounds down, term by term, as the contracts' do: the order
//! of the operations is part of the price.

use ruint::aliases::U256;

use super::super::QuoteError;
use super::super::checked::add;
use super::super::quotient::quotient;

/// One, in 18 decimals: the unit that both tokens are brought to.
const ONE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// Rounds after which the contracts stop searching.
const ROUNDS_MAX: usize = 255;

/// Which contract's search for the point on the curve.
#[derive(Clone, Copy)]
pub(super) enum Search {
    /// Stops when a step moves by a unit or less, and keeps what it has after the last round.
    First,
    /// Walks on unit by unit to the smallest balance on the curve, and reverts after the last round.
    Second,
}

/// The curve of one pair of tokens.
#[derive(Clone, Copy)]
pub(super) struct StableCurve {
    /// `10^decimals` of token 0 and token 1; not zero.
    pub(super) scales: [u128; 2],
}

impl StableCurve {
    /// Output for `net`, the input without its fee.
    pub(super) fn amount_out(
        &self,
        search: Search,
        reserves: [u128; 2],
        index_in: usize,
        net: u128,
    ) -> Result<U256, QuoteError> {
        let [reserve_0, reserve_1] = reserves.map(U256::from);
        let target = self.invariant(reserve_0, reserve_1)?;
        let [scale_0, scale_1] = self.scales.map(U256::from);
        let (x, y) = (scale_up(reserve_0, scale_0)?, scale_up(reserve_1, scale_1)?);
        let (x, y, scale_in, scale_out) =
            if index_in == 0 { (x, y, scale_0, scale_1) } else { (y, x, scale_1, scale_0) };
        let x = add(scale_up(U256::from(net), scale_in)?, x)?;
        let y_after = match search {
            Search::First => first_search(x, target, y)?,
            Search::Second => self.second_search(x, target, y)?,
        };
        // Rounded down once more, to the raw units of the token that goes out.
        mul_div(sub(y, y_after)?, scale_out, ONE)
    }

    /// `xy · (x² + y²)` of raw balances: what a swap may not lower.
    pub(super) fn invariant(&self, balance_0: U256, balance_1: U256) -> Result<U256, QuoteError> {
        let [scale_0, scale_1] = self.scales.map(U256::from);
        product(scale_up(balance_0, scale_0)?, scale_up(balance_1, scale_1)?)
    }

    fn second_search(&self, x: U256, target: U256, start: U256) -> Result<U256, QuoteError> {
        let mut y = start;
        for _ in 0..ROUNDS_MAX {
            let found = product(x, y)?;
            let step = newton_step(found, target, slope(x, y)?)?;
            if found < target {
                if step.is_zero() && self.is_next_above(x, target, y)? {
                    return add(y, U256::ONE);
                }
                y = add(y, step.max(U256::ONE))?;
            } else {
                if step.is_zero() && (found == target || product(x, sub(y, U256::ONE)?)? < target) {
                    return Ok(y);
                }
                y = sub(y, step.max(U256::ONE))?;
            }
        }
        Err(QuoteError::NotConverged)
    }

    /// Whether one unit more is past the curve.
    ///
    /// The first release takes the two balances, which are in 18 decimals here, for raw ones and scales them once
    /// more; the next one does not. Nothing says which of the two a pool is, so a difference has no answer.
    fn is_next_above(&self, x: U256, target: U256, y: U256) -> Result<bool, QuoteError> {
        let next = add(y, U256::ONE)?;
        let is_above = product(x, next)? > target;
        match self.invariant(x, next) {
            Ok(scaled_twice) if (scaled_twice > target) == is_above => Ok(is_above),
            _ => Err(QuoteError::UnknownVariant),
        }
    }
}

fn first_search(x: U256, target: U256, start: U256) -> Result<U256, QuoteError> {
    let mut y = start;
    for _ in 0..ROUNDS_MAX {
        let found = cubes(x, y)?;
        let step = newton_step(found, target, slope(x, y)?)?;
        y = if found < target { add(y, step)? } else { sub(y, step)? };
        if step <= U256::ONE {
            break;
        }
    }
    Ok(y)
}

/// `xy · (x² + y²)`.
fn product(x: U256, y: U256) -> Result<U256, QuoteError> {
    let squares = add(mul_div(x, x, ONE)?, mul_div(y, y, ONE)?)?;
    mul_div(mul_div(x, y, ONE)?, squares, ONE)
}

/// `xy³ + x³y`, which differs from [`product`] in what rounding cuts off.
fn cubes(x: U256, y: U256) -> Result<U256, QuoteError> {
    add(mul_div(x, cube(y)?, ONE)?, mul_div(cube(x)?, y, ONE)?)
}

/// `3xy² + x³`.
fn slope(x: U256, y: U256) -> Result<U256, QuoteError> {
    const THREE: U256 = U256::from_limbs([3, 0, 0, 0]);
    let triple = THREE.checked_mul(x).ok_or(QuoteError::AmountOverflow)?;
    add(mul_div(triple, mul_div(y, y, ONE)?, ONE)?, cube(x)?)
}

fn cube(value: U256) -> Result<U256, QuoteError> {
    mul_div(mul_div(value, value, ONE)?, value, ONE)
}

/// Distance to the curve over its slope.
fn newton_step(found: U256, target: U256, slope: U256) -> Result<U256, QuoteError> {
    mul_div(found.abs_diff(target), ONE, slope)
}

/// Raw units to 18 decimals.
fn scale_up(amount: U256, scale: U256) -> Result<U256, QuoteError> {
    mul_div(amount, ONE, scale)
}

/// A product that must fit 256 bits, as in the contract, over a divisor.
fn mul_div(a: U256, b: U256, divisor: U256) -> Result<U256, QuoteError> {
    let product = a.checked_mul(b).ok_or(QuoteError::AmountOverflow)?;
    // Balances that are dust in 18 decimals leave a slope of zero, by which the contract divides.
    quotient(product, divisor).ok_or(QuoteError::InsufficientLiquidity)
}

fn sub(a: U256, b: U256) -> Result<U256, QuoteError> {
    a.checked_sub(b).ok_or(QuoteError::AmountOverflow)
}
