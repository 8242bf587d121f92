//! Uniswap V4 pools whose swaps no hook takes part in: `PoolManager.swap` and the quotes of `V4Quoter`, bit for bit.
//!
//! The loop is [`super::concentrated_liquidity`]'s. What differs: the fee has a part for liquidity providers and one
//! for the protocol, the latter by direction; it may be the whole input; amounts are `int128`; and the quoter
//! refuses a swap that the pool cannot fill.
//!
//! A pool of a dynamic fee is priced with the fee that its state holds now: only its hook's own call changes that, and
//! a hook that may override it swap by swap takes part in swaps and is refused.

use alphapulse_protocol::replica::TickLiquidity;
use ruint::aliases::U256;

use super::concentrated_liquidity::{Rules, SwapResult, V3View, sqrt_price_limit_default, swap_by};
use super::steps::StepQuote;
use super::{AmountSpecified, PPM, QuoteError, StepTable, Swapped, Way};

/// Highest protocol fee, parts per million: `ProtocolFeeLibrary.MAX_PROTOCOL_FEE`.
pub const PROTOCOL_FEE_PPM_MAX: u32 = 1_000;

/// Highest tick spacing: `TickMath.MAX_TICK_SPACING`.
pub const TICK_SPACING_MAX: i32 = 32_767;

/// What a hook contract may do, one bit each, in the low 14 bits of its address: `Hooks`.
pub mod permission {
    /// Called before a swap, and may set its fee.
    pub const BEFORE_SWAP: u16 = 1 << 7;
    /// Called after a swap.
    pub const AFTER_SWAP: u16 = 1 << 6;
    /// Takes or gives of the specified token before a swap.
    pub const BEFORE_SWAP_RETURNS_DELTA: u16 = 1 << 3;
    /// Takes or gives of the other token after a swap.
    pub const AFTER_SWAP_RETURNS_DELTA: u16 = 1 << 2;
    /// Any part in a swap. The other ten bits concern initialisation, liquidity and donations.
    pub const SWAP: u16 = BEFORE_SWAP | AFTER_SWAP | BEFORE_SWAP_RETURNS_DELTA | AFTER_SWAP_RETURNS_DELTA;
}

/// Whether a hook contract at this address takes part in swaps; address zero is no hook.
#[inline]
#[must_use]
pub const fn takes_part_in_swaps(hooks: [u8; 20]) -> bool {
    u16::from_be_bytes([hooks[18], hooks[19]]) & permission::SWAP != 0
}

/// Everything of a pool's state that decides an amount.
#[derive(Debug, Clone, Copy)]
pub struct V4View<'a> {
    /// Address of the hook contract from the pool's key; zero when there is none.
    pub hooks: [u8; 20],
    /// Fee for liquidity providers in parts per million of the input, `0..=1_000_000`; of the pool's state, not of
    /// its key, which says nothing where the fee is dynamic.
    pub lp_fee_ppm: u32,
    /// Protocol fee in parts per million of the input, `0..=1_000`: of swaps that pay token 0, and token 1.
    pub protocol_fees_ppm: [u32; 2],
    /// Initialised ticks are multiples of this; `1..=32_767`.
    pub tick_spacing: i32,
    /// `sqrt(token1 / token0)` as Q64.96; 0 before initialisation.
    pub sqrt_price_x96: U256,
    /// Current tick. One below the price's own tick when a swap stopped exactly on a tick on its way down.
    pub tick: i32,
    /// Liquidity active at `tick`.
    pub liquidity: u128,
    /// Every initialised tick inside `known_ticks`, sorted by tick.
    pub ticks: &'a [TickLiquidity],
    /// First and last tick, both included, between which `ticks` is complete.
    pub known_ticks: (i32, i32),
}

/// What changes of a pool in a swap.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct V4After {
    /// Price, Q64.96.
    pub sqrt_price_x96: U256,
    /// Current tick.
    pub tick: i32,
    /// Active liquidity.
    pub liquidity: u128,
}

impl<'a> V4View<'a> {
    /// Output for exactly `amount_in`, as `V4Quoter.quoteExactInputSingle`.
    ///
    /// Latency: no allocation; one multiplication chain per initialised tick or bitmap word on the way.
    ///
    /// # Errors
    /// As [`Self::swap`]; [`QuoteError::TokenNotInPool`]; [`QuoteError::InsufficientLiquidity`] when the pool cannot
    /// take the whole input; [`QuoteError::AmountOverflow`] for one past `int128`, whose sign the quoter's cast turns.
    pub fn quote_exact_in(&self, way: Way, amount_in: U256) -> Result<U256, QuoteError> {
        Ok(self.fill(way, AmountSpecified::ExactIn(amount_in))?.amount_out)
    }

    /// Input for exactly `amount_out`, as `V4Quoter.quoteExactOutputSingle`.
    ///
    /// # Errors
    /// As [`Self::quote_exact_in`]; [`QuoteError::InsufficientLiquidity`] when the pool cannot give the whole output,
    /// or its fee is the whole input.
    pub fn quote_exact_out(&self, way: Way, amount_out: U256) -> Result<U256, QuoteError> {
        Ok(self.fill(way, AmountSpecified::ExactOut(amount_out))?.amount_in)
    }

    /// The swap of what [`Self::quote_exact_in`] answers, and the pool after it.
    ///
    /// # Errors
    /// As [`Self::quote_exact_in`].
    pub fn swap_exact_in(&self, way: Way, amount_in: U256) -> Result<Swapped<V4After>, QuoteError> {
        Ok(swapped(&self.fill(way, AmountSpecified::ExactIn(amount_in))?))
    }

    /// [`Self::quote_exact_in`] by a table of the pool's steps.
    ///
    /// Latency: no allocation; two steps, a search, and a comparison of the ticks crossed.
    ///
    /// # Errors
    /// As there.
    pub fn quote_exact_in_by(&self, steps: &StepTable, way: Way, amount_in: U256) -> Result<U256, QuoteError> {
        Ok(self.quote_by(steps, way, AmountSpecified::ExactIn(amount_in))?.amount_out)
    }

    /// [`Self::quote_exact_out`] by a table of the pool's steps.
    ///
    /// # Errors
    /// As there.
    pub fn quote_exact_out_by(&self, steps: &StepTable, way: Way, amount_out: U256) -> Result<U256, QuoteError> {
        Ok(self.quote_by(steps, way, AmountSpecified::ExactOut(amount_out))?.amount_in)
    }

    /// [`Self::swap_exact_in`] by a table of the pool's steps.
    ///
    /// # Errors
    /// As there.
    pub fn swap_exact_in_by(
        &self,
        steps: &StepTable,
        way: Way,
        amount_in: U256,
    ) -> Result<Swapped<V4After>, QuoteError> {
        let specified = AmountSpecified::ExactIn(amount_in);
        let zero_for_one = fillable(way, specified)?;
        let view = self.tradable(zero_for_one, specified)?;
        Ok(swapped(&whole(steps.swap_by_v4(&view, zero_for_one, specified)?)?))
    }

    /// Makes a table fit the pool: [`StepTable::build`].
    ///
    /// # Errors
    /// As [`Self::concentrated`]; the table is then as it was.
    pub fn build_steps(&self, steps: &mut StepTable) -> Result<(), QuoteError> {
        let (down, up) = (self.concentrated(true)?, self.concentrated(false)?);
        steps.build(&down, [down.fee_ppm, up.fee_ppm]);
        Ok(())
    }

    fn quote_by(&self, steps: &StepTable, way: Way, specified: AmountSpecified) -> Result<StepQuote, QuoteError> {
        let zero_for_one = fillable(way, specified)?;
        let view = self.tradable(zero_for_one, specified)?;
        let quote = steps.quote_by_v4(&view, zero_for_one, specified)?;
        if quote.is_partial { Err(QuoteError::InsufficientLiquidity) } else { Ok(quote) }
    }

    /// `PoolManager.swap`: swaps until the amount is used up or the price reaches `sqrt_price_limit_x96`.
    ///
    /// Token 0 comes in when `zero_for_one`. Rounding: every step rounds for the pool, as the contract does.
    ///
    /// # Errors
    /// [`QuoteError::HookedPool`]; [`QuoteError::UninitialisedPool`]; [`QuoteError::InvalidPoolState`] for a state no
    /// pool can hold; [`QuoteError::InsufficientInputAmount`] or [`QuoteError::InsufficientOutputAmount`] for a zero
    /// amount; [`QuoteError::InsufficientLiquidity`] for an exact output where the fee is the whole input;
    /// [`QuoteError::AmountOverflow`] for an amount past `int256`, or one past `int128` when the swap is over;
    /// [`QuoteError::InvalidPriceLimit`] for one not strictly beyond the price and inside the domain;
    /// [`QuoteError::OutsideKnownTicks`]; [`QuoteError::LiquidityOverflow`] when the ticks contradict the liquidity.
    pub fn swap(
        &self,
        zero_for_one: bool,
        specified: AmountSpecified,
        sqrt_price_limit_x96: U256,
    ) -> Result<SwapResult, QuoteError> {
        let view = self.tradable(zero_for_one, specified)?;
        swap_by(Rules::V4, &view, zero_for_one, specified, sqrt_price_limit_x96)
    }

    /// The pool in one direction, once it may be swapped in that way at all.
    fn tradable(&self, zero_for_one: bool, specified: AmountSpecified) -> Result<V3View<'a>, QuoteError> {
        if takes_part_in_swaps(self.hooks) {
            return Err(QuoteError::HookedPool);
        }
        let view = self.concentrated(zero_for_one)?;
        let is_exact_out = matches!(specified, AmountSpecified::ExactOut(amount) if !amount.is_zero());
        if view.fee_ppm == PPM && is_exact_out {
            return Err(QuoteError::InsufficientLiquidity);
        }
        Ok(view)
    }

    /// The pool of Uniswap V3 that trades alike in one direction: the same ranges, and both fees as one.
    ///
    /// # Errors
    /// [`QuoteError::InvalidPoolState`] for a fee or a tick spacing that no pool can hold.
    pub fn concentrated(&self, zero_for_one: bool) -> Result<V3View<'a>, QuoteError> {
        let [paid_0, paid_1] = self.protocol_fees_ppm;
        let fee_ppm = swap_fee_ppm(self.lp_fee_ppm, if zero_for_one { paid_0 } else { paid_1 })?;
        if self.tick_spacing > TICK_SPACING_MAX {
            return Err(QuoteError::InvalidPoolState);
        }
        Ok(V3View {
            fee_ppm,
            tick_spacing: self.tick_spacing,
            sqrt_price_x96: self.sqrt_price_x96,
            tick: self.tick,
            liquidity: self.liquidity,
            ticks: self.ticks,
            known_ticks: self.known_ticks,
        })
    }

    /// The whole amount or nothing, with no price limit but the domain's end.
    fn fill(&self, way: Way, specified: AmountSpecified) -> Result<SwapResult, QuoteError> {
        let zero_for_one = fillable(way, specified)?;
        let result = self.swap(zero_for_one, specified, sqrt_price_limit_default(zero_for_one)).map_err(|error| {
            match error {
                // The limit is ours: a price already on it has nothing left to sell in this direction.
                QuoteError::InvalidPriceLimit => QuoteError::InsufficientLiquidity,
                other => other,
            }
        })?;
        whole(result)
    }
}

/// Whether token 0 comes in, for an amount that the quoter's cast lets pass.
fn fillable(way: Way, specified: AmountSpecified) -> Result<bool, QuoteError> {
    let zero_for_one = match (way.token_in, way.token_out) {
        (0, 1) => true,
        (1, 0) => false,
        _ => return Err(QuoteError::TokenNotInPool),
    };
    if specified.amount().bit_len() > 127 { Err(QuoteError::AmountOverflow) } else { Ok(zero_for_one) }
}

fn whole(result: SwapResult) -> Result<SwapResult, QuoteError> {
    if result.is_partial { Err(QuoteError::InsufficientLiquidity) } else { Ok(result) }
}

const fn swapped(result: &SwapResult) -> Swapped<V4After> {
    let after = V4After { sqrt_price_x96: result.sqrt_price_x96, tick: result.tick, liquidity: result.liquidity };
    Swapped { amount_out: result.amount_out, after }
}

/// Fee of a swap: the protocol's comes first, the liquidity providers' from what is left, the product rounded down.
///
/// # Errors
/// [`QuoteError::InvalidPoolState`] for fees that no pool can hold.
pub fn swap_fee_ppm(lp_fee_ppm: u32, protocol_fee_ppm: u32) -> Result<u32, QuoteError> {
    if lp_fee_ppm > PPM || protocol_fee_ppm > PROTOCOL_FEE_PPM_MAX {
        return Err(QuoteError::InvalidPoolState);
    }
    // At most a million times a thousand, which 32 bits hold; the result lies between the larger fee and one.
    Ok(protocol_fee_ppm + lp_fee_ppm - protocol_fee_ppm * lp_fee_ppm / PPM)
}
