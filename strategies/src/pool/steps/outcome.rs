//! What a swap comes to.

use ruint::aliases::U256;

use super::super::QuoteError;
use super::super::concentrated_liquidity::SwapResult;
use super::super::tick_math::get_tick_at_sqrt_ratio;

/// A swap whose tick may be left to compute: a quote does not need it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Outcome {
    pub(super) result: SwapResult,
    /// Whether the tick is that of the price; else it is as in the result.
    pub(super) is_tick_of_price: bool,
}

impl Outcome {
    /// Without the tick.
    pub(super) fn quote(self) -> StepQuote {
        self.result.into()
    }

    /// With the tick.
    pub(super) fn swap(self) -> Result<SwapResult, QuoteError> {
        let Self { mut result, is_tick_of_price } = self;
        if is_tick_of_price {
            result.tick = get_tick_at_sqrt_ratio(result.sqrt_price_x96)?;
        }
        Ok(result)
    }
}

impl From<SwapResult> for Outcome {
    fn from(result: SwapResult) -> Self {
        Self { result, is_tick_of_price: false }
    }
}

/// What a swap takes and gives: a [`SwapResult`] without what only a swap that is carried out leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StepQuote {
    /// Taken by the pool in raw units, fee included.
    pub amount_in: U256,
    /// Given by the pool in raw units.
    pub amount_out: U256,
    /// Price after the swap, Q64.96.
    pub sqrt_price_x96: U256,
    /// The end of the domain ended the swap before the specified amount was used up.
    pub is_partial: bool,
}

impl From<SwapResult> for StepQuote {
    fn from(SwapResult { amount_in, amount_out, sqrt_price_x96, is_partial, .. }: SwapResult) -> Self {
        Self { amount_in, amount_out, sqrt_price_x96, is_partial }
    }
}
