//! One step of a swap inside one liquidity range: `SwapMath.computeSwapStep` of Uniswap V3 and V4, bit for bit.

use ruint::aliases::U256;

use super::full_math::{mul_div_ceil, mul_parts_per_million};
use super::sqrt_price_math::{
    Rounding, get_amount_0_delta, get_amount_1_delta, get_next_sqrt_price_from_input, get_next_sqrt_price_from_output,
};
use super::{PPM, QuoteError};

/// The side of a swap that the caller fixes, in raw units of its token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AmountSpecified {
    /// What the pool is to take, fee included.
    ExactIn(U256),
    /// What the pool is to give.
    ExactOut(U256),
}

impl AmountSpecified {
    /// The amount, whichever side it is on.
    #[inline]
    #[must_use]
    pub const fn amount(self) -> U256 {
        match self {
            Self::ExactIn(amount) | Self::ExactOut(amount) => amount,
        }
    }

    /// The same side with another amount.
    #[inline]
    #[must_use]
    pub const fn with_amount(self, amount: U256) -> Self {
        match self {
            Self::ExactIn(_) => Self::ExactIn(amount),
            Self::ExactOut(_) => Self::ExactOut(amount),
        }
    }
}

/// What one step did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwapStep {
    /// Price after the step, Q64.96; the target when the step used the whole range.
    pub sqrt_price_next_x96: U256,
    /// Taken by the range, without the fee.
    pub amount_in: U256,
    /// Given by the range.
    pub amount_out: U256,
    /// Taken on top of `amount_in` as fee.
    pub fee_amount: U256,
}

/// Swaps as much of `remaining` as the range between the two prices holds.
///
/// The direction is that of the prices: token 0 comes in when the target is not above the current price.
///
/// A fee of the whole input, which only Uniswap V4 knows, takes an exact input and gives nothing for it.
///
/// # Errors
/// [`QuoteError::InvalidPoolState`] for a price outside 1..2^160, a fee above one, or a fee of one on an exact output;
/// [`QuoteError::AmountOverflow`] when an amount needs more than 256 bits.
pub fn compute_swap_step(
    sqrt_price_current_x96: U256,
    sqrt_price_target_x96: U256,
    liquidity: u128,
    remaining: AmountSpecified,
    fee_ppm: u32,
) -> Result<SwapStep, QuoteError> {
    let kept_ppm = PPM.checked_sub(fee_ppm).ok_or(QuoteError::InvalidPoolState)?;
    let range = Range { current: sqrt_price_current_x96, target: sqrt_price_target_x96, liquidity };
    match remaining {
        AmountSpecified::ExactIn(amount) => range.exact_in(amount, fee_ppm, kept_ppm),
        AmountSpecified::ExactOut(_) if kept_ppm == 0 => Err(QuoteError::InvalidPoolState),
        AmountSpecified::ExactOut(amount) => range.exact_out(amount, fee_ppm, kept_ppm),
    }
}

/// The step that uses a whole range: what an input of plenty gives, and what an output of exactly the range's takes.
///
/// # Errors
/// As [`compute_swap_step`]; [`QuoteError::AmountOverflow`] for a fee of one where the range takes anything.
pub(super) fn whole_step(
    sqrt_price_current_x96: U256,
    sqrt_price_target_x96: U256,
    liquidity: u128,
    fee_ppm: u32,
) -> Result<SwapStep, QuoteError> {
    let kept_ppm = PPM.checked_sub(fee_ppm).ok_or(QuoteError::InvalidPoolState)?;
    Range { current: sqrt_price_current_x96, target: sqrt_price_target_x96, liquidity }.whole(fee_ppm, kept_ppm)
}

/// The step of an exact input that stays short of the target; `None` for one that reaches it. As [`compute_swap_step`]'s,
/// without what the whole range takes.
///
/// For `s` units without the fee the contract goes to the target when `s` is at least `a`, the range's input rounded up.
/// Where the next price is computed from one quotient, it tells the same:
///
/// - Token 0 comes in: the next price is `L p / (L + s p)` rounded up, the target `t` an integer. `s < a` means that `s` is
///   below the exact input, so the exact price lies above `t`, and rounded up it does all the more. `s >= a` puts the
///   exact price at `t` or below, and rounded up not above `t`.
/// - Token 1 comes in: the rise is `s / L` rounded down, and `t - p` an integer. `s >= a` holds exactly when `s / L`, not
///   rounded, is at least `t - p`, and then so it is rounded down.
///
/// # Errors
/// As [`compute_swap_step`].
pub(super) fn inner_step(
    sqrt_price_current_x96: U256,
    sqrt_price_target_x96: U256,
    liquidity: u128,
    remaining: U256,
    fee_ppm: u32,
) -> Result<Option<InnerStep>, QuoteError> {
    let kept_ppm = PPM.checked_sub(fee_ppm).ok_or(QuoteError::InvalidPoolState)?;
    let range = Range { current: sqrt_price_current_x96, target: sqrt_price_target_x96, liquidity };
    let spendable = mul_parts_per_million(remaining, kept_ppm)?;
    if liquidity == 0 {
        return Ok(None);
    }
    // Below this size the contract does not resort to its less precise formula.
    let is_one_quotient = spendable.bit_len() + sqrt_price_current_x96.bit_len() < U256::BITS;
    if !is_one_quotient && spendable >= range.amount_in_to(range.target)? {
        return Ok(None);
    }
    let zero_for_one = range.is_zero_for_one();
    let next = match get_next_sqrt_price_from_input(range.current, liquidity, spendable, zero_for_one) {
        Ok(next) => next,
        // Past 160 bits is past any target.
        Err(QuoteError::AmountOverflow) if is_one_quotient => return Ok(None),
        Err(error) => return Err(error),
    };
    let is_reached = if zero_for_one { next <= range.target } else { next >= range.target };
    if is_one_quotient && is_reached {
        return Ok(None);
    }
    Ok(Some(InnerStep { sqrt_price_next_x96: next, amount_out: range.amount_out_to(next)? }))
}

/// What an exact input that ends inside a range comes to; it takes all of the input.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct InnerStep {
    /// Price after the step, Q64.96.
    pub(super) sqrt_price_next_x96: U256,
    /// Given by the range.
    pub(super) amount_out: U256,
}

/// A stretch of prices with one liquidity.
struct Range {
    current: U256,
    target: U256,
    liquidity: u128,
}

impl Range {
    fn whole(&self, fee_ppm: u32, kept_ppm: u32) -> Result<SwapStep, QuoteError> {
        let amount_in = self.amount_in_to(self.target)?;
        Ok(SwapStep {
            sqrt_price_next_x96: self.target,
            amount_in,
            amount_out: self.amount_out_to(self.target)?,
            fee_amount: fee_on(amount_in, fee_ppm, kept_ppm)?,
        })
    }

    fn exact_in(&self, remaining: U256, fee_ppm: u32, kept_ppm: u32) -> Result<SwapStep, QuoteError> {
        let spendable = mul_parts_per_million(remaining, kept_ppm)?;
        let amount_in_whole = self.amount_in_to(self.target)?;
        if spendable >= amount_in_whole {
            return Ok(SwapStep {
                sqrt_price_next_x96: self.target,
                amount_in: amount_in_whole,
                amount_out: self.amount_out_to(self.target)?,
                fee_amount: fee_on(amount_in_whole, fee_ppm, kept_ppm)?,
            });
        }
        let next = get_next_sqrt_price_from_input(self.current, self.liquidity, spendable, self.is_zero_for_one())?;
        // Less than the whole range's input moves the price less than to its end, and rounding keeps it short of it.
        // So the contract's case of an input that is used up exactly on the target cannot arise here.
        debug_assert_ne!(next, self.target, "an input below the whole range's stops inside it");
        let amount_in = self.amount_in_to(next)?;
        let fee_amount = remaining.checked_sub(amount_in).ok_or(QuoteError::AmountOverflow)?;
        Ok(SwapStep { sqrt_price_next_x96: next, amount_in, amount_out: self.amount_out_to(next)?, fee_amount })
    }

    fn exact_out(&self, remaining: U256, fee_ppm: u32, kept_ppm: u32) -> Result<SwapStep, QuoteError> {
        let amount_out_whole = self.amount_out_to(self.target)?;
        let next = if remaining >= amount_out_whole {
            self.target
        } else {
            get_next_sqrt_price_from_output(self.current, self.liquidity, remaining, self.is_zero_for_one())?
        };
        let amount_in = self.amount_in_to(next)?;
        let amount_out = if next == self.target { amount_out_whole } else { self.amount_out_to(next)? };
        Ok(SwapStep {
            sqrt_price_next_x96: next,
            amount_in,
            // Rounding the price away from the exact one may release a unit more than was asked.
            amount_out: amount_out.min(remaining),
            fee_amount: fee_on(amount_in, fee_ppm, kept_ppm)?,
        })
    }

    fn is_zero_for_one(&self) -> bool {
        self.current >= self.target
    }

    fn amount_in_to(&self, price: U256) -> Result<U256, QuoteError> {
        if self.is_zero_for_one() {
            get_amount_0_delta(price, self.current, self.liquidity, Rounding::Up)
        } else {
            get_amount_1_delta(self.current, price, self.liquidity, Rounding::Up)
        }
    }

    fn amount_out_to(&self, price: U256) -> Result<U256, QuoteError> {
        if self.is_zero_for_one() {
            get_amount_1_delta(price, self.current, self.liquidity, Rounding::Down)
        } else {
            get_amount_0_delta(self.current, price, self.liquidity, Rounding::Down)
        }
    }
}

fn fee_on(amount_in: U256, fee_ppm: u32, kept_ppm: u32) -> Result<U256, QuoteError> {
    // Where the fee keeps nothing of an exact input, only a range that needs none is used whole.
    if kept_ppm == 0 && amount_in.is_zero() {
        return Ok(U256::ZERO);
    }
    Ok(mul_div_ceil(amount_in, U256::from(fee_ppm), U256::from(kept_ppm))?)
}
