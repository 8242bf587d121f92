//! Swaps in a concentrated-liquidity pool: `UniswapV3Pool.swap` and the quotes of `QuoterV2`, bit for bit.
//!
//! The protocol's share of the fee does not appear: it divides what liquidity providers earn and changes no amount.
//!
//! [`super::v4`] runs the same loop under the rules of `PoolManager`.

use alphapulse_protocol::replica::TickLiquidity;
use ruint::aliases::U256;

pub use super::swap_math::AmountSpecified;

use super::swap_math::compute_swap_step;
use super::tick_bitmap::{TickCursor, word_edge};
use super::tick_math::{
    MAX_SQRT_RATIO, MAX_TICK, MIN_SQRT_RATIO, MIN_TICK, get_sqrt_ratio_at_tick, get_tick_at_sqrt_ratio,
};
use super::{PPM, QuoteError};

/// Everything of a pool's state that decides an amount.
#[derive(Debug, Clone, Copy)]
pub struct V3View<'a> {
    /// Fee in parts per million of the input.
    pub fee_ppm: u32,
    /// Initialised ticks are multiples of this; positive.
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

/// What a swap takes, gives, and leaves behind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwapResult {
    /// Taken by the pool in raw units, fee included.
    pub amount_in: U256,
    /// Given by the pool in raw units.
    pub amount_out: U256,
    /// Price after the swap, Q64.96.
    pub sqrt_price_x96: U256,
    /// Tick after the swap.
    pub tick: i32,
    /// Active liquidity after the swap.
    pub liquidity: u128,
    /// Initialised ticks crossed on the way.
    pub ticks_crossed: u32,
    /// The price limit ended the swap before the specified amount was used up.
    pub is_partial: bool,
}

/// Swap of exactly `amount` in, with no price limit but the domain's end, as `QuoterV2.quoteExactInputSingle`.
///
/// An input larger than the pool can use gives a partial result (`is_partial`), as the contract does.
/// Latency: no allocation; one multiplication chain per initialised tick or bitmap word on the way.
///
/// # Errors
/// As [`swap`]; [`QuoteError::InsufficientLiquidity`] when the pool would take nothing at all.
pub fn quote_exact_in(view: &V3View<'_>, zero_for_one: bool, amount: U256) -> Result<SwapResult, QuoteError> {
    let result = swap_to_the_end(view, zero_for_one, AmountSpecified::ExactIn(amount))?;
    // The quoter refuses a callback in which nothing is owed.
    if result.amount_in.is_zero() { Err(QuoteError::InsufficientLiquidity) } else { Ok(result) }
}

/// Swap of exactly `amount` out, with no price limit but the domain's end, as `QuoterV2.quoteExactOutputSingle`.
///
/// # Errors
/// As [`swap`]; [`QuoteError::InsufficientLiquidity`] when the pool cannot deliver the whole amount.
pub fn quote_exact_out(view: &V3View<'_>, zero_for_one: bool, amount: U256) -> Result<SwapResult, QuoteError> {
    let result = swap_to_the_end(view, zero_for_one, AmountSpecified::ExactOut(amount))?;
    if result.is_partial { Err(QuoteError::InsufficientLiquidity) } else { Ok(result) }
}

/// The price limit that the quoter uses when the caller gives none: one inside the end of the domain.
#[inline]
#[must_use]
pub const fn sqrt_price_limit_default(zero_for_one: bool) -> U256 {
    if zero_for_one { MIN_SQRT_RATIO.wrapping_add(U256::ONE) } else { MAX_SQRT_RATIO.wrapping_sub(U256::ONE) }
}

/// What the two generations of the contract do differently around the same loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rules {
    /// `UniswapV3Pool`: a fee below one, amounts of `int256`.
    V3,
    /// `PoolManager`: a fee up to one, amounts of `int128` once the swap is over, an exact input that is a negative
    /// `int256` and so may be one more than a positive one.
    V4,
}

impl Rules {
    const fn fee_ppm_max(self) -> u32 {
        match self {
            Self::V3 => PPM - 1,
            Self::V4 => PPM,
        }
    }

    /// The contract's cast of what the caller asks for.
    pub(super) fn check_specified(self, specified: AmountSpecified) -> Result<(), QuoteError> {
        const INT256_MIN: U256 = U256::from_limbs([0, 0, 0, 1 << 63]);
        match (self, specified) {
            (_, AmountSpecified::ExactIn(amount)) if amount.is_zero() => Err(QuoteError::InsufficientInputAmount),
            (_, AmountSpecified::ExactOut(amount)) if amount.is_zero() => Err(QuoteError::InsufficientOutputAmount),
            (Self::V4, AmountSpecified::ExactIn(INT256_MIN)) => Ok(()),
            _ => fit_int256(specified.amount()).map(drop),
        }
    }

    /// The contract's cast of what the swap came to.
    pub(super) fn check_result(self, result: &SwapResult) -> Result<(), QuoteError> {
        // What the pool takes is negative to it, so `int128` would hold one unit more; but nobody can pay that at once.
        let is_int128 = |amount: U256| amount.bit_len() <= 127;
        match self {
            Self::V3 => Ok(()),
            Self::V4 if is_int128(result.amount_in) && is_int128(result.amount_out) => Ok(()),
            Self::V4 => Err(QuoteError::AmountOverflow),
        }
    }
}

fn swap_to_the_end(
    view: &V3View<'_>,
    zero_for_one: bool,
    specified: AmountSpecified,
) -> Result<SwapResult, QuoteError> {
    swap(view, zero_for_one, specified, sqrt_price_limit_default(zero_for_one)).map_err(|error| match error {
        // The limit is ours: a price already on it has nothing left to sell in this direction.
        QuoteError::InvalidPriceLimit => QuoteError::InsufficientLiquidity,
        other => other,
    })
}

/// `UniswapV3Pool.swap`: swaps until the amount is used up or the price reaches `sqrt_price_limit_x96`.
///
/// Token 0 comes in when `zero_for_one`. Rounding: every step rounds for the pool, as the contract does.
///
/// # Errors
/// [`QuoteError::UninitialisedPool`]; [`QuoteError::InvalidPoolState`] for a state no pool can hold;
/// [`QuoteError::InsufficientInputAmount`] or [`QuoteError::InsufficientOutputAmount`] for a zero amount;
/// [`QuoteError::AmountOverflow`] for one past `int256`; [`QuoteError::InvalidPriceLimit`];
/// [`QuoteError::OutsideKnownTicks`]; [`QuoteError::LiquidityOverflow`] when the ticks contradict the liquidity.
pub fn swap(
    view: &V3View<'_>,
    zero_for_one: bool,
    specified: AmountSpecified,
    sqrt_price_limit_x96: U256,
) -> Result<SwapResult, QuoteError> {
    swap_by(Rules::V3, view, zero_for_one, specified, sqrt_price_limit_x96)
}

/// [`swap`] under either contract's rules.
pub(super) fn swap_by(
    rules: Rules,
    view: &V3View<'_>,
    zero_for_one: bool,
    specified: AmountSpecified,
    sqrt_price_limit_x96: U256,
) -> Result<SwapResult, QuoteError> {
    check_view(rules, view)?;
    rules.check_specified(specified)?;
    check_limit(view, zero_for_one, sqrt_price_limit_x96)?;
    Run::start(view, zero_for_one, specified, sqrt_price_limit_x96).run_out(rules)
}

/// A swap without a price limit that has come to a tick by other means than the loop, which takes it from there.
///
/// `view` is the pool with price, tick and liquidity as they are there; the amounts are those since the swap began.
/// What [`swap_by`] checks of a swap before it begins has been checked.
pub(super) fn go_on_by(
    rules: Rules,
    view: &V3View<'_>,
    zero_for_one: bool,
    specified: AmountSpecified,
    (remaining, calculated, ticks_crossed): (U256, U256, u32),
) -> Result<SwapResult, QuoteError> {
    let start = Run::start(view, zero_for_one, specified, sqrt_price_limit_default(zero_for_one));
    Run { remaining, calculated, ticks_crossed, ..start }.run_out(rules)
}

pub(super) fn check_view(rules: Rules, view: &V3View<'_>) -> Result<(), QuoteError> {
    if view.sqrt_price_x96.is_zero() {
        return Err(QuoteError::UninitialisedPool);
    }
    let is_price_valid = view.sqrt_price_x96 >= MIN_SQRT_RATIO && view.sqrt_price_x96 < MAX_SQRT_RATIO;
    let is_tick_valid = (MIN_TICK..MAX_TICK).contains(&view.tick);
    if !is_price_valid || !is_tick_valid || view.tick_spacing <= 0 || view.fee_ppm > rules.fee_ppm_max() {
        return Err(QuoteError::InvalidPoolState);
    }
    if view.tick < view.known_ticks.0 || view.tick > view.known_ticks.1 {
        return Err(QuoteError::OutsideKnownTicks);
    }
    Ok(())
}

pub(super) fn check_limit(view: &V3View<'_>, zero_for_one: bool, limit: U256) -> Result<(), QuoteError> {
    let is_ahead = if zero_for_one {
        limit < view.sqrt_price_x96 && limit > MIN_SQRT_RATIO
    } else {
        limit > view.sqrt_price_x96 && limit < MAX_SQRT_RATIO
    };
    if is_ahead { Ok(()) } else { Err(QuoteError::InvalidPriceLimit) }
}

/// The contract's `toInt256`.
pub(super) fn fit_int256(amount: U256) -> Result<U256, QuoteError> {
    if amount.bit_len() > 255 { Err(QuoteError::AmountOverflow) } else { Ok(amount) }
}

/// Where the next step ends.
struct Stop {
    tick: i32,
    /// Net liquidity of the tick when it is initialised.
    liquidity_net: Option<i128>,
    /// Nothing is known beyond; a swap that gets here has no answer.
    is_unknown: bool,
}

/// A swap under way: the contract's `SwapState`.
struct Run<'a> {
    view: V3View<'a>,
    zero_for_one: bool,
    specified: AmountSpecified,
    limit: U256,
    cursor: TickCursor<'a>,
    remaining: U256,
    calculated: U256,
    sqrt_price: U256,
    tick: i32,
    liquidity: u128,
    ticks_crossed: u32,
}

impl<'a> Run<'a> {
    fn start(view: &V3View<'a>, zero_for_one: bool, specified: AmountSpecified, limit: U256) -> Self {
        Self {
            view: *view,
            zero_for_one,
            specified,
            limit,
            cursor: TickCursor::new(view.ticks, view.tick),
            remaining: specified.amount(),
            calculated: U256::ZERO,
            sqrt_price: view.sqrt_price_x96,
            tick: view.tick,
            liquidity: view.liquidity,
            ticks_crossed: 0,
        }
    }

    fn run_out(mut self, rules: Rules) -> Result<SwapResult, QuoteError> {
        while !self.remaining.is_zero() && self.sqrt_price != self.limit {
            self.step()?;
        }
        let result = self.finish();
        rules.check_result(&result)?;
        Ok(result)
    }

    fn step(&mut self) -> Result<(), QuoteError> {
        let stop = self.next_stop();
        let stop_price = get_sqrt_ratio_at_tick(stop.tick)?;
        let target = if self.zero_for_one { stop_price.max(self.limit) } else { stop_price.min(self.limit) };
        let is_backwards = if self.zero_for_one { target > self.sqrt_price } else { target < self.sqrt_price };
        if is_backwards {
            // Tick and price contradict each other, or the list is not sorted.
            return Err(QuoteError::InvalidPoolState);
        }
        let start_price = self.sqrt_price;
        self.trade(target)?;
        if self.sqrt_price == stop_price {
            self.arrive(&stop)?;
        } else if self.sqrt_price != start_price {
            // An amount too small to move the price leaves the tick alone, also one just crossed downwards.
            self.tick = get_tick_at_sqrt_ratio(self.sqrt_price)?;
        }
        Ok(())
    }

    /// Next initialised tick or edge of a bitmap word, whichever comes first, inside what is known.
    fn next_stop(&self) -> Stop {
        let edge = if self.can_skip_words() {
            if self.zero_for_one { MIN_TICK } else { MAX_TICK }
        } else {
            word_edge(self.tick, self.view.tick_spacing, self.zero_for_one)
        };
        let initialised = self
            .cursor
            .peek(self.zero_for_one)
            .filter(|entry| if self.zero_for_one { entry.tick >= edge } else { entry.tick <= edge });
        let (tick, liquidity_net) = match initialised {
            Some(entry) => (entry.tick, Some(entry.liquidity_net)),
            None => (edge, None),
        };
        self.inside_known(tick.clamp(MIN_TICK, MAX_TICK), liquidity_net)
    }

    /// A swap may go to the first unknown tick, but not reach it.
    fn inside_known(&self, tick: i32, liquidity_net: Option<i128>) -> Stop {
        let (first, last) = self.view.known_ticks;
        if self.zero_for_one && tick < first {
            Stop { tick: first.saturating_sub(1), liquidity_net: None, is_unknown: true }
        } else if !self.zero_for_one && tick > last {
            Stop { tick: last.saturating_add(1), liquidity_net: None, is_unknown: true }
        } else {
            Stop { tick, liquidity_net, is_unknown: false }
        }
    }

    /// Without liquidity nothing is traded, so nothing is rounded, and the edges of words can be passed over. Not
    /// when the caller set the limit: stopping on an edge leaves another tick behind than passing it.
    fn can_skip_words(&self) -> bool {
        self.liquidity == 0 && self.limit == sqrt_price_limit_default(self.zero_for_one)
    }

    fn trade(&mut self, target: U256) -> Result<(), QuoteError> {
        let remaining = self.specified.with_amount(self.remaining);
        let step = compute_swap_step(self.sqrt_price, target, self.liquidity, remaining, self.view.fee_ppm)?;
        let paid = fit_int256(step.amount_in.checked_add(step.fee_amount).ok_or(QuoteError::AmountOverflow)?)?;
        let (used, other) = match self.specified {
            AmountSpecified::ExactIn(_) => (paid, step.amount_out),
            AmountSpecified::ExactOut(_) => (step.amount_out, paid),
        };
        self.remaining = self.remaining.checked_sub(used).ok_or(QuoteError::AmountOverflow)?;
        self.calculated = fit_int256(self.calculated.checked_add(other).ok_or(QuoteError::AmountOverflow)?)?;
        self.sqrt_price = step.sqrt_price_next_x96;
        Ok(())
    }

    fn arrive(&mut self, stop: &Stop) -> Result<(), QuoteError> {
        if stop.is_unknown {
            return Err(QuoteError::OutsideKnownTicks);
        }
        if let Some(net) = stop.liquidity_net {
            let change = if self.zero_for_one { net.wrapping_neg() } else { net };
            self.liquidity = self.liquidity.checked_add_signed(change).ok_or(QuoteError::LiquidityOverflow)?;
            self.cursor.cross(self.zero_for_one);
            self.ticks_crossed = self.ticks_crossed.saturating_add(1);
        }
        self.tick = if self.zero_for_one { stop.tick - 1 } else { stop.tick };
        Ok(())
    }

    fn finish(self) -> SwapResult {
        let used = self.specified.amount().wrapping_sub(self.remaining);
        let (amount_in, amount_out) = match self.specified {
            AmountSpecified::ExactIn(_) => (used, self.calculated),
            AmountSpecified::ExactOut(_) => (self.calculated, used),
        };
        SwapResult {
            amount_in,
            amount_out,
            sqrt_price_x96: self.sqrt_price,
            tick: self.tick,
            liquidity: self.liquidity,
            ticks_crossed: self.ticks_crossed,
            is_partial: !self.remaining.is_zero(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TICKS: [TickLiquidity; 2] = [
        TickLiquidity { tick: -60, liquidity_net: 1_000_000, liquidity_gross: 1_000_000 },
        TickLiquidity { tick: 60, liquidity_net: -1_000_000, liquidity_gross: 1_000_000 },
    ];

    fn view() -> V3View<'static> {
        V3View {
            fee_ppm: 3000,
            tick_spacing: 60,
            sqrt_price_x96: U256::ONE << 96_usize,
            tick: 0,
            liquidity: 1_000_000,
            ticks: &TICKS,
            known_ticks: (MIN_TICK, MAX_TICK),
        }
    }

    fn exact_in(view: &V3View<'_>, amount: u64) -> Result<SwapResult, QuoteError> {
        quote_exact_in(view, true, U256::from(amount))
    }

    /// The pool recomputes its tick only when the price moves: after stopping on a tick on its way down, a payment
    /// that the fee eats up must not bring the tick back.
    #[test]
    fn amount_too_small_to_move_the_price_leaves_the_tick_alone() {
        let sqrt_price_x96 = get_sqrt_ratio_at_tick(30).expect("in the domain");
        for tick in [29, 30] {
            let result = exact_in(&V3View { tick, sqrt_price_x96, ..view() }, 1).expect("one unit can be sold");
            assert_eq!((result.sqrt_price_x96, result.tick), (sqrt_price_x96, tick));
        }
    }

    #[test]
    fn refusals_are_named() {
        let price = |sqrt_price_x96| V3View { sqrt_price_x96, ..view() };
        let cases = [
            (exact_in(&view(), 0), QuoteError::InsufficientInputAmount),
            (quote_exact_out(&view(), true, U256::ZERO), QuoteError::InsufficientOutputAmount),
            (quote_exact_out(&view(), true, U256::from(1_000_000)), QuoteError::InsufficientLiquidity),
            (quote_exact_in(&view(), true, U256::ONE << 255_usize), QuoteError::AmountOverflow),
            (exact_in(&price(U256::ZERO), 1), QuoteError::UninitialisedPool),
            (exact_in(&price(U256::MAX), 1), QuoteError::InvalidPoolState),
            (exact_in(&V3View { fee_ppm: PPM, ..view() }, 1), QuoteError::InvalidPoolState),
            (exact_in(&V3View { tick_spacing: 0, ..view() }, 1), QuoteError::InvalidPoolState),
            (exact_in(&V3View { known_ticks: (1, 99), ..view() }, 1), QuoteError::OutsideKnownTicks),
            (exact_in(&V3View { liquidity: 0, ticks: &[], ..view() }, 1), QuoteError::InsufficientLiquidity),
            (
                swap(&view(), true, AmountSpecified::ExactIn(U256::ONE), view().sqrt_price_x96),
                QuoteError::InvalidPriceLimit,
            ),
            (exact_in(&V3View { liquidity: 5, ..view() }, 9_000), QuoteError::LiquidityOverflow),
        ];
        for (index, (result, expected)) in cases.into_iter().enumerate() {
            assert_eq!(result, Err(expected), "case {index}");
        }
    }
}
