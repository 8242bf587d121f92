//! Weighted pools: the product of balances, each to the power of its weight, does not fall.

use ruint::aliases::U256;

use super::fixed_point::{ONE, add, complement, div_down, div_up, mul_down, mul_up};
use super::{Balances, TOKENS_MAX, add_fee, log_exp, places, settle, subtract_fee, swapped};
use crate::pool::{QuoteError, Swapped, Way};

/// A pool takes and gives this part of a balance at once, 18 decimals: 30 %.
const RATIO_MAX: U256 = U256::from_limbs([300_000_000_000_000_000, 0, 0, 0]);

/// By how much of itself a power may be off, 18 decimals; [`power_up`] adds it, so that the pool never loses.
const POWER_ERROR_MAX: U256 = U256::from_limbs([10_000, 0, 0, 0]);

const TWO: U256 = U256::from_limbs([2_000_000_000_000_000_000, 0, 0, 0]);
const FOUR: U256 = U256::from_limbs([4_000_000_000_000_000_000, 0, 0, 0]);

/// How a pool's contract raises to a power.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Powers {
    /// By logarithm and exponential whatever the exponent: the first contracts.
    LogExp,
    /// By products where the exponent is 1, 2 or 4.
    SpecialCases,
}

/// A weighted pool between two swaps.
#[derive(Debug, Clone, Copy)]
pub struct WeightedView<'a> {
    /// Balances by token in the vault, raw units, at most [`BALANCE_MAX`](super::BALANCE_MAX); 2..=[`TOKENS_MAX`] of
    /// them.
    pub balances: &'a [u128],
    /// What a raw amount is multiplied with before it is divided by 10^18: `10^(36 - decimals)`, by token.
    pub scales: &'a [u128],
    /// Weights by token, 18 decimals, one together; none is zero.
    pub weights: &'a [u64],
    /// Fee on the input, 18 decimals.
    pub swap_fee: u64,
    /// How the contract raises to a power.
    pub powers: Powers,
    /// Whether the pool refuses swaps.
    pub is_paused: bool,
}

/// A token's side of a swap, upscaled.
struct Side {
    balance: U256,
    weight: U256,
    scale: U256,
}

impl WeightedView<'_> {
    /// Output for `amount_in`, raw units: what `querySwap` answers, which is what a swap gives.
    ///
    /// Rounding: against the trader at every step. The output may be zero, which the contract allows.
    ///
    /// # Errors
    /// [`QuoteError::InsufficientInputAmount`] for a zero input; [`QuoteError::InputRatioExceeded`] for more than 30 % of
    /// the balance after the fee; [`QuoteError::ReserveOverflow`] when the vault could not store the balance;
    /// [`QuoteError::Paused`], [`QuoteError::TokenNotInPool`], [`QuoteError::InvalidPoolState`];
    /// [`QuoteError::AmountOverflow`], [`QuoteError::UnsafeValue`] where the contract's arithmetic reverts.
    pub fn quote_exact_in(&self, way: Way, amount_in: U256) -> Result<U256, QuoteError> {
        Ok(self.swap_exact_in(way, amount_in)?.amount_out)
    }

    /// The swap of `amount_in`, raw units, and the balances behind it.
    ///
    /// # Errors
    /// As [`Self::quote_exact_in`].
    pub fn swap_exact_in(&self, way: Way, amount_in: U256) -> Result<Swapped<Balances>, QuoteError> {
        if amount_in.is_zero() {
            return Err(QuoteError::InsufficientInputAmount);
        }
        let way = self.check(way)?;
        let (paid, taken) = (self.side(way.0)?, self.side(way.1)?);
        let amount = upscaled(subtract_fee(amount_in, self.swap_fee)?, paid.scale)?;
        let out = out_given_in(paid.balance, paid.weight, taken.balance, taken.weight, amount, self.powers)?;
        swapped(self.balances, way, amount_in, downscaled(out, taken.scale)?)
    }

    /// Input that the contract asks for `amount_out`, raw units.
    ///
    /// Rounding: against the trader at every step, so the input may be more than the least that gives `amount_out`.
    ///
    /// # Errors
    /// [`QuoteError::InsufficientOutputAmount`] for a zero output; [`QuoteError::OutputRatioExceeded`] for more than 30 %
    /// of the balance; else as [`Self::quote_exact_in`].
    pub fn quote_exact_out(&self, way: Way, amount_out: U256) -> Result<U256, QuoteError> {
        Ok(self.priced_exact_out(way, amount_out)?.1)
    }

    /// The swap for `amount_out`, raw units: its input, and the balances behind it.
    ///
    /// # Errors
    /// As [`Self::quote_exact_out`].
    pub fn swap_exact_out(&self, way: Way, amount_out: U256) -> Result<(U256, Swapped<Balances>), QuoteError> {
        let (way, amount_in) = self.priced_exact_out(way, amount_out)?;
        Ok((amount_in, swapped(self.balances, way, amount_in, amount_out)?))
    }

    fn priced_exact_out(&self, way: Way, amount_out: U256) -> Result<((usize, usize), U256), QuoteError> {
        if amount_out.is_zero() {
            return Err(QuoteError::InsufficientOutputAmount);
        }
        let way = self.check(way)?;
        let (paid, taken) = (self.side(way.0)?, self.side(way.1)?);
        let amount = upscaled(amount_out, taken.scale)?;
        let amount_in = in_given_out(paid.balance, paid.weight, taken.balance, taken.weight, amount, self.powers)?;
        let amount_in = add_fee(div_up(amount_in, paid.scale)?, self.swap_fee)?;
        settle(self.balances, way, amount_in, amount_out)?;
        Ok((way, amount_in))
    }

    fn check(&self, way: Way) -> Result<(usize, usize), QuoteError> {
        let count = self.balances.len();
        if count > TOKENS_MAX || self.scales.len() != count || self.weights.len() != count {
            return Err(QuoteError::InvalidPoolState);
        }
        let way = places(way, count)?;
        if self.is_paused { Err(QuoteError::Paused) } else { Ok(way) }
    }

    fn side(&self, token: usize) -> Result<Side, QuoteError> {
        let (scale, weight) = (U256::from(self.scales[token]), U256::from(self.weights[token]));
        if weight.is_zero() {
            return Err(QuoteError::InvalidPoolState);
        }
        Ok(Side { balance: upscaled(U256::from(self.balances[token]), scale)?, weight, scale })
    }
}

/// A raw amount in 18 decimals, rounded down. Of most tokens it is the amount, unless 18 more decimals pass 256 bits.
#[inline(always)]
fn upscaled(amount: U256, scale: U256) -> Result<U256, QuoteError> {
    if scale == ONE && amount.as_limbs()[3] == 0 { Ok(amount) } else { mul_down(amount, scale) }
}

/// An amount of 18 decimals in raw units, rounded down.
#[inline(always)]
fn downscaled(amount: U256, scale: U256) -> Result<U256, QuoteError> {
    if scale == ONE && amount.as_limbs()[3] == 0 { Ok(amount) } else { div_down(amount, scale) }
}

/// Output for an input after fee, all upscaled: `WeightedMath._calcOutGivenIn`.
///
/// # Errors
/// [`QuoteError::InputRatioExceeded`]; [`QuoteError::InvalidPoolState`] where a divisor is zero;
/// [`QuoteError::AmountOverflow`], [`QuoteError::UnsafeValue`] where the contract's arithmetic reverts.
pub fn out_given_in(
    balance_in: U256,
    weight_in: U256,
    balance_out: U256,
    weight_out: U256,
    amount_in: U256,
    powers: Powers,
) -> Result<U256, QuoteError> {
    if amount_in > mul_down(balance_in, RATIO_MAX)? {
        return Err(QuoteError::InputRatioExceeded);
    }
    let base = div_up(balance_in, add(balance_in, amount_in)?)?;
    let power = power_up(base, div_down(weight_in, weight_out)?, powers)?;
    mul_down(balance_out, complement(power))
}

/// Input before fee for an output, all upscaled: `WeightedMath._calcInGivenOut`.
///
/// # Errors
/// [`QuoteError::OutputRatioExceeded`]; else as [`out_given_in`].
pub fn in_given_out(
    balance_in: U256,
    weight_in: U256,
    balance_out: U256,
    weight_out: U256,
    amount_out: U256,
    powers: Powers,
) -> Result<U256, QuoteError> {
    if amount_out > mul_down(balance_out, RATIO_MAX)? {
        return Err(QuoteError::OutputRatioExceeded);
    }
    // At most 30 % of the balance, so this does not pass below zero.
    let base = div_up(balance_out, balance_out.saturating_sub(amount_out))?;
    let power = power_up(base, div_up(weight_out, weight_in)?, powers)?;
    // The base is at least one and the error is added: so is the power.
    mul_up(balance_in, power.checked_sub(ONE).ok_or(QuoteError::UnsafeValue)?)
}

/// `x^y` from above, both of 18 decimals.
fn power_up(x: U256, y: U256, powers: Powers) -> Result<U256, QuoteError> {
    if powers == Powers::SpecialCases {
        if y == ONE {
            return Ok(x);
        }
        if y == TWO {
            return mul_up(x, x);
        }
        if y == FOUR {
            let square = mul_up(x, x)?;
            return mul_up(square, square);
        }
    }
    let raw = log_exp::pow(x, y)?;
    add(raw, add(mul_up(raw, POWER_ERROR_MAX)?, U256::ONE)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WAY: Way = Way { token_in: 0, token_out: 1 };

    fn pool() -> WeightedView<'static> {
        WeightedView {
            balances: &[1_000_000_000, 2_000_000_000],
            scales: &[1_000_000_000_000_000_000; 2],
            weights: &[500_000_000_000_000_000; 2],
            swap_fee: 0,
            powers: Powers::SpecialCases,
            is_paused: false,
        }
    }

    #[test]
    fn pool_takes_and_gives_three_tenths_at_once() {
        let (input, output) = (U256::from(300_000_000), U256::from(600_000_000));
        assert!(pool().quote_exact_in(WAY, input).is_ok());
        assert_eq!(pool().quote_exact_in(WAY, input + U256::ONE), Err(QuoteError::InputRatioExceeded));
        assert!(pool().quote_exact_out(WAY, output).is_ok());
        assert_eq!(pool().quote_exact_out(WAY, output + U256::ONE), Err(QuoteError::OutputRatioExceeded));
    }

    #[test]
    fn pool_that_cannot_swap_says_why() {
        let paused = WeightedView { is_paused: true, ..pool() };
        assert_eq!(paused.quote_exact_in(WAY, ONE), Err(QuoteError::Paused));
        assert_eq!(paused.quote_exact_in(WAY, U256::ZERO), Err(QuoteError::InsufficientInputAmount));
        assert_eq!(pool().quote_exact_out(WAY, U256::ZERO), Err(QuoteError::InsufficientOutputAmount));
        for (token_in, token_out) in [(0, 0), (0, 2), (2, 0)] {
            let way = Way { token_in, token_out };
            assert_eq!(pool().quote_exact_in(way, ONE), Err(QuoteError::TokenNotInPool), "{way:?}");
        }
        let torn = WeightedView { weights: &[1], ..pool() };
        assert_eq!(torn.quote_exact_in(WAY, ONE), Err(QuoteError::InvalidPoolState));
        let weightless = WeightedView { weights: &[0, 1], ..pool() };
        assert_eq!(weightless.quote_exact_in(WAY, U256::ONE), Err(QuoteError::InvalidPoolState));
    }

    #[test]
    fn whole_input_stays_in_the_pool() {
        let pool = WeightedView { swap_fee: 100_000_000_000_000_000, ..pool() };
        let swap = pool.swap_exact_in(WAY, U256::from(1_000_000)).expect("a sound pool");
        assert_eq!(swap.after[0], 1_001_000_000);
        assert_eq!(U256::from(swap.after[1]) + swap.amount_out, U256::from(2_000_000_000));
    }
}
