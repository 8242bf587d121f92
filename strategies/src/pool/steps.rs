//! Quotes of concentrated liquidity whose cost does not grow with the ticks crossed: the loop's steps, summed beforehand.
//!
//! Between two stops of [`concentrated_liquidity`](super::concentrated_liquidity)'s loop (initialised ticks and the edges of
//! bitmap words, which differ by direction) nothing depends on where a swap began. A [`StepTable`] keeps those steps for
//! both directions: the stops' prices, the liquidity between them, and sums of what the steps take and give. A quote is
//! then one step from the price to the first stop, a search in the sums, and one step that uses up the rest. The first of
//! these depends on the price alone, so it is kept too; a quote from a price that the table was not told computes it.
//!
//! That is exact, to the unit, for this reason. With `a` the input of a step rounded up, `f` its fee in parts per million
//! and `k = 10^6 - f`, the contract goes all the way to the stop when `floor(r k / 10^6) >= a` for what remains, `r`. `a` is
//! an integer, so this is `r k >= a 10^6`, which is `r >= a + a f / k`, and for an integer `r`
//! `r >= a + ceil(a f / k)`: exactly the amount that the contract then takes, fee included. So a step is crossed if and only
//! if its whole cost remains, and the first stop that is not crossed is the first whose sum of costs is greater than the
//! amount. An amount equal to a sum ends the swap on that stop. An exact output crosses a step if and only if the step's
//! whole output remains.
//!
//! A table never decides an answer by itself: whatever a quote depends on is compared with the pool at hand, which costs
//! about a nanosecond for every tick crossed. One that does not fit is passed over, and the loop answers. Where a table
//! ends, because enough is held or because nothing is known of what follows, the loop goes on from there.
//!
//! To be used beside a pool's state: [`StepTable::build`] after the pool's ticks, liquidity or fee change, or whenever
//! [`StepTable::follow`], after a swap, says so; both may wait until there is time. Building keeps what has not changed.

mod answer;
mod narrow;
mod outcome;
mod quick;
mod side;
mod start;
mod walk;

use ruint::aliases::U256;

pub use outcome::StepQuote;

use self::answer::swap_without_limit;
use self::outcome::Outcome;
use self::quick::{quote_in_narrow, swap_in_narrow};
use self::side::{Extent, Side};
use self::walk::Walk;
use super::concentrated_liquidity::{Rules, SwapResult, V3View};
use super::{AmountSpecified, QuoteError};

/// Steps that a table of the ordinary size holds ahead of the price, in each direction. With the 130 bytes of each and a
/// quarter of them behind the price that makes 84 kB for a pool of so many ticks, and little for most.
pub const STEPS_AHEAD: usize = 256;

/// The steps of one pool around its price, in both directions.
///
/// Allocates while it is built for the first time, and no more once it has been as large.
#[derive(Debug, Clone)]
pub struct StepTable {
    extent: Extent,
    /// Of inputs of token 0, and of token 1.
    fees_ppm: [u32; 2],
    tick_spacing: i32,
    known_ticks: (i32, i32),
    /// Downwards, where token 0 comes in, and upwards.
    sides: [Side; 2],
    /// What a side is built into before the two change places.
    spare: Side,
}

impl Default for StepTable {
    fn default() -> Self {
        Self::new(STEPS_AHEAD)
    }
}

/// Index of a direction.
const fn index(zero_for_one: bool) -> usize {
    if zero_for_one { 0 } else { 1 }
}

impl StepTable {
    /// A table without steps, which fits no pool. It will hold up to `steps_ahead` in each direction, and a quarter as many
    /// behind the price.
    #[must_use]
    pub fn new(steps_ahead: usize) -> Self {
        Self {
            extent: Extent { ahead: steps_ahead, behind: steps_ahead / 4 },
            fees_ppm: [0; 2],
            tick_spacing: 0,
            known_ticks: (0, 0),
            sides: [Side::default(), Side::default()],
            spare: Side::default(),
        }
    }

    /// Makes the table fit the pool. `fees_ppm` are of inputs of token 0 and of token 1; `view`'s own is not read.
    ///
    /// Steps that are as they were are not computed again. A state that no pool can hold gives a table without steps.
    /// Latency: no allocation once the table has been as large; some nanoseconds for each step that is kept, a price and two
    /// amounts for each new one.
    pub fn build(&mut self, view: &V3View<'_>, fees_ppm: [u32; 2]) {
        for (zero_for_one, fee_ppm) in [true, false].into_iter().zip(fees_ppm) {
            let view = V3View { fee_ppm, ..*view };
            let at = index(zero_for_one);
            if self.fees_ppm[at] != fee_ppm {
                // What steps took is no more what they take.
                self.sides[at].clear();
                self.fees_ppm[at] = fee_ppm;
            }
            Walk::run(&view, zero_for_one, self.extent, &self.sides[at], &mut self.spare);
            core::mem::swap(&mut self.sides[at], &mut self.spare);
        }
        (self.tick_spacing, self.known_ticks) = (view.tick_spacing, view.known_ticks);
    }

    /// Notes where the price is now, after a swap; whether enough is held around it. When not, quotes stay as they are, but
    /// some take the loop's time until the table is built again.
    ///
    /// Latency: a search among the steps, and the two amounts of the step to the first of them, each way.
    pub fn follow(&mut self, view: &V3View<'_>) -> bool {
        let mut is_roomy = true;
        for ((zero_for_one, side), fee_ppm) in [true, false].into_iter().zip(&mut self.sides).zip(self.fees_ppm) {
            let Some(at) = side.position(zero_for_one, view.tick) else {
                is_roomy = false;
                continue;
            };
            side.at = at;
            side.start = side.start_of(at, view, zero_for_one, fee_ppm);
            is_roomy &= side.is_roomy(at, self.extent);
        }
        is_roomy
    }

    /// Whether the table says of a pool, in one direction, what the pool's own ticks say, as far as it goes.
    ///
    /// Quotes check what they depend on by themselves; this is for whoever wants to know how old a table is.
    /// Latency: about a nanosecond for each tick.
    #[must_use]
    pub fn is_fitting(&self, view: &V3View<'_>, zero_for_one: bool) -> bool {
        let Some(side) = self.side(view, zero_for_one) else { return false };
        side.position(zero_for_one, view.tick).is_some_and(|first| {
            let is_liquidity_same = side.nodes.get(first).is_some_and(|node| node.liquidity == view.liquidity);
            let last = side.stops.len().saturating_sub(1);
            is_liquidity_same && side.is_like(view.ticks, zero_for_one, view.tick, first, last)
        })
    }

    /// Steps held ahead of the price where it was last looked at, in one direction.
    #[must_use]
    pub fn steps_ahead(&self, zero_for_one: bool) -> usize {
        let side = &self.sides[index(zero_for_one)];
        side.stops.len().saturating_sub(side.at)
    }

    /// Memory that the table has taken for its steps, in bytes.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.sides.iter().chain([&self.spare]).map(Side::heap_bytes).sum()
    }

    /// As [`quote_exact_in`](super::concentrated_liquidity::quote_exact_in), of the pool `view`.
    ///
    /// Latency: no allocation; two steps, a search, and a comparison of the ticks crossed.
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn quote_exact_in(&self, view: &V3View<'_>, zero_for_one: bool, amount: U256) -> Result<StepQuote, QuoteError> {
        if let Some(quote) = self.quote_in_narrow(view, zero_for_one, amount) {
            return Ok(quote);
        }
        Ok(self.exact_in(view, zero_for_one, amount)?.quote())
    }

    /// As [`quote_exact_out`](super::concentrated_liquidity::quote_exact_out), of the pool `view`.
    ///
    /// # Errors
    /// As there.
    #[inline]
    pub fn quote_exact_out(
        &self,
        view: &V3View<'_>,
        zero_for_one: bool,
        amount: U256,
    ) -> Result<StepQuote, QuoteError> {
        Ok(self.exact_out(view, zero_for_one, amount)?.quote())
    }

    /// [`Self::quote_exact_in`] with all that the swap leaves behind: the logarithm of the price on top.
    ///
    /// # Errors
    /// As there.
    pub fn swap_exact_in(&self, view: &V3View<'_>, zero_for_one: bool, amount: U256) -> Result<SwapResult, QuoteError> {
        if let Some(swap) = self.swap_in_narrow(view, zero_for_one, amount) {
            return Ok(swap);
        }
        self.exact_in(view, zero_for_one, amount)?.swap()
    }

    /// [`Self::quote_exact_out`] with all that the swap leaves behind: the logarithm of the price on top.
    ///
    /// # Errors
    /// As there.
    pub fn swap_exact_out(
        &self,
        view: &V3View<'_>,
        zero_for_one: bool,
        amount: U256,
    ) -> Result<SwapResult, QuoteError> {
        self.exact_out(view, zero_for_one, amount)?.swap()
    }

    fn exact_in(&self, view: &V3View<'_>, zero_for_one: bool, amount: U256) -> Result<Outcome, QuoteError> {
        let outcome = self.swap_to_the_end(Rules::V3, view, zero_for_one, AmountSpecified::ExactIn(amount))?;
        // The quoter refuses a callback in which nothing is owed.
        if outcome.quote().amount_in.is_zero() { Err(QuoteError::InsufficientLiquidity) } else { Ok(outcome) }
    }

    fn exact_out(&self, view: &V3View<'_>, zero_for_one: bool, amount: U256) -> Result<Outcome, QuoteError> {
        let outcome = self.swap_to_the_end(Rules::V3, view, zero_for_one, AmountSpecified::ExactOut(amount))?;
        if outcome.quote().is_partial { Err(QuoteError::InsufficientLiquidity) } else { Ok(outcome) }
    }

    /// A quote with no price limit but the domain's end, under the rules of V4.
    pub(super) fn quote_by_v4(
        &self,
        view: &V3View<'_>,
        zero_for_one: bool,
        specified: AmountSpecified,
    ) -> Result<StepQuote, QuoteError> {
        if let AmountSpecified::ExactIn(amount) = specified
            && let Some(quote) = self.quote_in_narrow(view, zero_for_one, amount)
        {
            return Ok(quote);
        }
        Ok(self.swap_to_the_end(Rules::V4, view, zero_for_one, specified)?.quote())
    }

    /// [`Self::quote_by_v4`] with all that the swap leaves behind.
    pub(super) fn swap_by_v4(
        &self,
        view: &V3View<'_>,
        zero_for_one: bool,
        specified: AmountSpecified,
    ) -> Result<SwapResult, QuoteError> {
        if let AmountSpecified::ExactIn(amount) = specified
            && let Some(swap) = self.swap_in_narrow(view, zero_for_one, amount)
        {
            return Ok(swap);
        }
        self.swap_to_the_end(Rules::V4, view, zero_for_one, specified)?.swap()
    }

    /// A swap with no price limit but the domain's end, under either contract's rules.
    fn swap_to_the_end(
        &self,
        rules: Rules,
        view: &V3View<'_>,
        zero_for_one: bool,
        specified: AmountSpecified,
    ) -> Result<Outcome, QuoteError> {
        swap_without_limit(rules, self.side(view, zero_for_one), view, zero_for_one, specified).map_err(|error| {
            match error {
                // The limit is ours: a price already on it has nothing left to sell in this direction.
                QuoteError::InvalidPriceLimit => QuoteError::InsufficientLiquidity,
                other => other,
            }
        })
    }

    /// The usual quote of an exact input; `None` where it takes more to answer.
    #[inline]
    fn quote_in_narrow(&self, view: &V3View<'_>, zero_for_one: bool, amount: U256) -> Option<StepQuote> {
        quote_in_narrow(self.side(view, zero_for_one)?, view, zero_for_one, amount)
    }

    /// The same of a swap.
    #[inline]
    fn swap_in_narrow(&self, view: &V3View<'_>, zero_for_one: bool, amount: U256) -> Option<SwapResult> {
        swap_in_narrow(self.side(view, zero_for_one)?, view, zero_for_one, amount)
    }

    /// The steps of a direction, unless they are another pool's for sure.
    fn side(&self, view: &V3View<'_>, zero_for_one: bool) -> Option<&Side> {
        let at = index(zero_for_one);
        let is_same = self.fees_ppm[at] == view.fee_ppm
            && self.tick_spacing == view.tick_spacing
            && self.known_ticks == view.known_ticks;
        is_same.then_some(&self.sides[at])
    }
}

#[cfg(test)]
mod tests;
