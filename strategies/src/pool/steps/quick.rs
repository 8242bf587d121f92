//! The usual quote and swap: an exact input, all numbers of 128 bits, a table that fits and holds all of the way.

use ruint::aliases::U256;

use super::super::PPM;
use super::super::concentrated_liquidity::{SwapResult, V3View};
use super::super::tick_math::{MAX_TICK, MIN_TICK};
use super::narrow::{Range, Step};
use super::outcome::{Outcome, StepQuote};
use super::side::{Side, search};

/// Prices above this one can fall: `MIN_SQRT_RATIO + 1`, where a swap without a limit ends.
const PRICE_MIN: u128 = 4_295_128_740;

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
pub(super) fn swap_in_narrow(side: &Side, view: &V3View<'_>, zero_for_one: bool, amount: U256) -> Option<Outcome> {
    let (quick, end) = Quick::swap(side, view, zero_for_one, amount)?;
    quick.outcome(&end, amount)
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

/// A number that has 128 bits.
#[inline]
const fn narrow(value: U256) -> Option<u128> {
    match *value.as_limbs() {
        [low, high, 0, 0] => Some((high as u128) << 64 | low as u128),
        _ => None,
    }
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
        let quick = Self { side, view, zero_for_one, first: side.position(zero_for_one, view.tick)? };
        let range = quick.first_range()?;
        let end = match quick.near(range, total) {
            Step::Inside { sqrt_price, amount_out } => {
                let has_moved = sqrt_price != range.from;
                End { sqrt_price, amount_out, at: quick.first, is_on: false, has_moved }
            }
            Step::Reached => quick.far(range, total)?,
            Step::Wide => return None,
        };
        // Too much for an `int128`; V3 would give it, V4 not.
        (end.amount_out >> 127 == 0).then_some((quick, end))
    }

    fn outcome(&self, end: &End, amount_in: U256) -> Option<Outcome> {
        let node = self.side.nodes.get(end.at)?;
        let crossed = node.ticks_before.checked_sub(self.side.nodes.get(self.first)?.ticks_before)?;
        // A price that did not move leaves the tick alone, also one just crossed downwards.
        let stop = if end.is_on { Some(end.at) } else { end.at.checked_sub(1).filter(|_| end.at > self.first) };
        let tick = match stop {
            Some(stop) => *self.side.stops.get(stop)? - i32::from(self.zero_for_one),
            None => self.view.tick,
        };
        let result = SwapResult {
            amount_in,
            amount_out: U256::from(end.amount_out),
            sqrt_price_x96: U256::from(end.sqrt_price),
            tick,
            liquidity: if end.is_on { node.liquidity_after } else { node.liquidity },
            ticks_crossed: crossed + u32::from(end.is_on && node.is_initialised),
            is_partial: false,
        };
        Some(Outcome { result, is_tick_of_price: !end.is_on && end.has_moved })
    }

    /// From the price to the first node; `None` when the table is of another pool.
    #[inline]
    fn first_range(&self) -> Option<Range> {
        let node = self.side.nodes.get(self.first)?;
        let price = narrow(self.view.sqrt_price_x96).filter(|price| *price > PRICE_MIN)?;
        let to = narrow(node.sqrt_price)?;
        let start = self.side.start_price(self.first).map_or(Some(price), narrow)?;
        let is_inside = if self.zero_for_one { to <= price && price <= start } else { to >= price && price >= start };
        (is_inside && node.liquidity == self.view.liquidity).then_some(Range {
            from: price,
            to,
            liquidity: node.liquidity,
            zero_for_one: self.zero_for_one,
            fee_ppm: self.view.fee_ppm,
        })
    }

    fn is_like(&self, last: usize) -> bool {
        self.side.is_like(self.view.ticks, self.zero_for_one, self.view.tick, self.first, last)
    }

    /// A swap that ends in the first step, if it does; of another pool's table, [`Step::Wide`].
    #[inline]
    fn near(&self, range: Range, total: u128) -> Step {
        let gross = &self.side.gross;
        let before =
            self.side.start_price(self.first).and(self.first.checked_sub(1)).and_then(|before| gross.get(before));
        let whole = before.and_then(|before| gross.get(self.first)?.checked_sub(*before));
        // The first step is the end of the table's, whose whole is enough for it.
        if whole.is_some_and(|whole| total >= whole) {
            return Step::Reached;
        }
        match range.exact_in(total) {
            Step::Inside { .. } if !self.is_like(self.first) => Step::Wide,
            step => step,
        }
    }

    /// A swap that goes past the first node.
    #[inline]
    fn far(&self, range: Range, total: u128) -> Option<End> {
        let Side { nodes, gross, output, .. } = self.side;
        let (first_gross, first_output) = range.whole()?;
        let sought = gross.get(self.first)?.checked_add(total.checked_sub(first_gross)?)?;
        let found = search(gross, self.first, sought);
        let (to, &sum) = (nodes.get(found)?, gross.get(found)?);
        let before = if sum == sought { found } else { found.checked_sub(1)? };
        let passed = output.get(before)?.checked_sub(*output.get(self.first)?)?;
        let amount_out = first_output.checked_add(passed)?;
        let from = narrow(nodes.get(before)?.sqrt_price)?;
        if !self.is_like(found) {
            return None;
        }
        if sum == sought {
            return Some(End { sqrt_price: from, amount_out, at: found, is_on: true, has_moved: true });
        }
        let left = sought.checked_sub(*gross.get(before)?)?;
        match (Range { from, to: narrow(to.sqrt_price)?, liquidity: to.liquidity, ..range }).exact_in(left) {
            Step::Inside { sqrt_price, amount_out: last } => {
                let (amount_out, has_moved) = (amount_out.checked_add(last)?, sqrt_price != from);
                Some(End { sqrt_price, amount_out, at: found, is_on: false, has_moved })
            }
            Step::Reached | Step::Wide => None,
        }
    }
}
