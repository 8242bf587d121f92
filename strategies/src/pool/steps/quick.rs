//! The usual quote and swap: an exact input, all numbers of 128 bits, a table that fits and holds all of the way.

use ruint::aliases::U256;

use super::super::PPM;
use super::super::concentrated_liquidity::{SwapResult, V3View};
use super::super::tick_math::{MAX_TICK, MIN_TICK, tick_at_narrow};
use super::narrow::{Range, Step};
use super::outcome::StepQuote;
use super::side::{Side, search};
use super::start::{Start, narrow};

/// What [`swap_without_limit`](super::answer::swap_without_limit) answers in that case, under either contract's rules, but for
/// what only a swap leaves behind; `None` in any other, and in that of an error.
#[inline]
pub(super) fn quote_in_narrow(side: &Side, view: &V3View<'_>, zero_for_one: bool, amount: U256) -> Option<StepQuote> {
    let (_, End { sqrt_price, amount_out, .. }) = Quick::swap(side, view, zero_for_one, amount)?;
    let (amount_out, sqrt_price_x96) = (U256::from(amount_out), U256::from(sqrt_price));
    Some(StepQuote { amount_in: amount, amount_out, sqrt_price_x96, is_partial: false })
}

/// The same with all that a swap leaves behind.
#[inline]
pub(super) fn swap_in_narrow(side: &Side, view: &V3View<'_>, zero_for_one: bool, amount: U256) -> Option<SwapResult> {
    let (quick, end) = Quick::swap(side, view, zero_for_one, amount)?;
    quick.result(&end, amount)
}

/// The step that uses up the rest.
struct Last {
    /// The node that it does not go beyond.
    at: usize,
    range: Range,
    /// Nothing when the steps before used up all, on the node.
    amount_in: u128,
    amount_out_before: u128,
}

/// Where a swap ends.
struct End {
    sqrt_price: u128,
    amount_out: u128,
    /// The node that its last step did not go beyond.
    at: usize,
    /// Whether it went to the node.
    is_on: bool,
    /// Whether the last step moved the price.
    has_moved: bool,
}

/// A swap under way, from before node `first`.
struct Quick<'a> {
    side: &'a Side,
    view: &'a V3View<'a>,
    zero_for_one: bool,
    first: usize,
}

impl<'a> Quick<'a> {
    #[inline(always)]
    fn swap(side: &'a Side, view: &'a V3View<'a>, zero_for_one: bool, amount: U256) -> Option<(Self, End)> {
        // An amount of 127 bits is an `int128` and an `int256`; a price of 128 bits is below the upper end of the domain.
        let total = narrow(amount).filter(|total| *total > 0 && total >> 127 == 0)?;
        let is_tick_known = view.tick >= view.known_ticks.0 && view.tick <= view.known_ticks.1;
        if view.fee_ppm >= PPM || !is_tick_known || !(MIN_TICK..MAX_TICK).contains(&view.tick) {
            return None;
        }
        let (quick, end) = match &side.start {
            Some(start) if start.is_of(view) => {
                let quick = Self { side, view, zero_for_one, first: side.at };
                let end = quick.end(&quick.last(start, total)?)?;
                (quick, end)
            }
            _ => {
                let quick = Self { side, view, zero_for_one, first: side.position(zero_for_one, view.tick)? };
                let end = quick.end_from_elsewhere(total)?;
                (quick, end)
            }
        };
        // Too much for an `int128`; V3 would give it, V4 not.
        (end.amount_out >> 127 == 0).then_some((quick, end))
    }

    fn result(&self, end: &End, amount_in: U256) -> Option<SwapResult> {
        let node = self.side.nodes.get(end.at)?;
        let crossed = node.ticks_before.checked_sub(self.side.nodes.get(self.first)?.ticks_before)?;
        Some(SwapResult {
            amount_in,
            amount_out: U256::from(end.amount_out),
            sqrt_price_x96: U256::from(end.sqrt_price),
            tick: self.tick(end)?,
            liquidity: if end.is_on { node.liquidity_after } else { node.liquidity },
            ticks_crossed: crossed + u32::from(end.is_on && node.is_initialised),
            is_partial: false,
        })
    }

    #[inline]
    fn tick(&self, end: &End) -> Option<i32> {
        if !end.is_on && end.has_moved {
            return tick_at_narrow(end.sqrt_price);
        }
        // A price that did not move leaves the tick alone, also one just crossed downwards.
        let stop = if end.is_on { Some(end.at) } else { end.at.checked_sub(1).filter(|_| end.at > self.first) };
        match stop {
            Some(stop) => Some(*self.side.stops.get(stop)? - i32::from(self.zero_for_one)),
            None => Some(self.view.tick),
        }
    }

    #[inline(always)]
    fn last(&self, &Start { range, gross, output, .. }: &Start, total: u128) -> Option<Last> {
        if total < gross { Some(self.near(range, total)) } else { self.far(range, (gross, output), total) }
    }

    /// A swap from a price that the table was not told.
    #[inline(never)]
    fn end_from_elsewhere(&self, total: u128) -> Option<End> {
        let V3View { sqrt_price_x96, liquidity, fee_ppm, .. } = *self.view;
        let first = self.side.range_from(self.first, sqrt_price_x96, self.zero_for_one, fee_ppm)?;
        let first = Some(first).filter(|first| first.liquidity == liquidity)?;
        // The first step is the end of one of the table's. What is small beside that one is seldom enough: then trying takes
        // less time than telling, else telling less than trying in vain.
        let is_crossed = match self.whole_of_first() {
            Some(whole) if total >= whole => true,
            Some(whole) if total < whole / 4 => false,
            _ => first.is_crossed_by(total)?,
        };
        let end = if is_crossed { None } else { self.end(&self.near(first, total)) };
        end.or_else(|| self.end(&self.far(first, first.whole()?, total)?))
    }

    /// Input of the table's step to the first node.
    #[inline]
    fn whole_of_first(&self) -> Option<u128> {
        let gross = &self.side.gross;
        let before = self.side.start_price(self.first).and(self.first.checked_sub(1))?;
        gross.get(self.first)?.checked_sub(*gross.get(before)?)
    }

    /// The first step is the last.
    #[inline(always)]
    const fn near(&self, range: Range, total: u128) -> Last {
        Last { at: self.first, range, amount_in: total, amount_out_before: 0 }
    }

    /// The last step of a swap that goes past the first node.
    #[inline(always)]
    fn far(&self, first: Range, (first_gross, first_output): (u128, u128), total: u128) -> Option<Last> {
        let Side { nodes, gross, output, .. } = self.side;
        let sought = gross.get(self.first)?.checked_add(total.checked_sub(first_gross)?)?;
        let at = search(gross, self.first, sought);
        let (to, &sum) = (nodes.get(at)?, gross.get(at)?);
        let before = if sum == sought { at } else { at.checked_sub(1)? };
        let passed = output.get(before)?.checked_sub(*output.get(self.first)?)?;
        let from = narrow(nodes.get(before)?.sqrt_price)?;
        Some(Last {
            at,
            range: Range { from, to: narrow(to.sqrt_price)?, liquidity: to.liquidity, inverse: to.inverse, ..first },
            amount_in: sought.checked_sub(*gross.get(before)?)?,
            amount_out_before: first_output.checked_add(passed)?,
        })
    }

    #[inline(always)]
    fn end(&self, last: &Last) -> Option<End> {
        let &Last { at, range, amount_in, amount_out_before } = last;
        if !self.side.is_like(self.view.ticks, self.zero_for_one, self.view.tick, self.first, at) {
            return None;
        }
        if amount_in == 0 {
            return Some(End {
                sqrt_price: range.from,
                amount_out: amount_out_before,
                at,
                is_on: true,
                has_moved: true,
            });
        }
        match range.exact_in(amount_in) {
            Step::Inside { sqrt_price, amount_out } => {
                let (amount_out, has_moved) = (amount_out_before.checked_add(amount_out)?, sqrt_price != range.from);
                Some(End { sqrt_price, amount_out, at, is_on: false, has_moved })
            }
            Step::Reached | Step::Wide => None,
        }
    }
}
