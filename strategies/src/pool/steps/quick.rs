//! The usual quote: an exact input, all numbers of 128 bits, a table that fits and holds all of the way.

use ruint::aliases::U256;

use super::super::PPM;
use super::super::concentrated_liquidity::V3View;
use super::super::tick_math::{MAX_TICK, MIN_TICK};
use super::answer::{StepQuote, search};
use super::narrow::{Range, Step};
use super::side::Side;

/// Prices above this one can fall: `MIN_SQRT_RATIO + 1`, where a swap without a limit ends.
const PRICE_MIN: u128 = 4_295_128_740;

/// What [`swap_without_limit`](super::answer::swap_without_limit) answers in that case, under either contract's rules;
/// `None` in any other, and in that of an error.
pub(super) fn quote_in_narrow(side: &Side, view: &V3View<'_>, zero_for_one: bool, amount: U256) -> Option<StepQuote> {
    // An amount of 127 bits is an `int128` and an `int256`; a price of 128 bits is below the upper end of the domain.
    let total = narrow(amount).filter(|total| *total > 0 && total >> 127 == 0)?;
    let is_tick_known = view.tick >= view.known_ticks.0 && view.tick <= view.known_ticks.1;
    if view.fee_ppm >= PPM || !is_tick_known || !(MIN_TICK..MAX_TICK).contains(&view.tick) {
        return None;
    }
    let quick = Quick { side, view, zero_for_one, first: side.position(zero_for_one, view.tick)? };
    let range = quick.first_range()?;
    let (sqrt_price, amount_out) = match quick.near(range, total) {
        Step::Inside { sqrt_price, amount_out } => (sqrt_price, amount_out),
        Step::Reached => quick.far(range, total)?,
        Step::Wide => return None,
    };
    if amount_out >> 127 != 0 {
        // Too much for an `int128`; V3 would give it, V4 not.
        return None;
    }
    let (amount_out, sqrt_price_x96) = (U256::from(amount_out), U256::from(sqrt_price));
    Some(StepQuote { amount_in: amount, amount_out, sqrt_price_x96, is_partial: false })
}

/// A number that has 128 bits.
#[inline]
const fn narrow(value: U256) -> Option<u128> {
    match *value.as_limbs() {
        [low, high, 0, 0] => Some((high as u128) << 64 | low as u128),
        _ => None,
    }
}

/// A quote under way, from before node `first`.
struct Quick<'a> {
    side: &'a Side,
    view: &'a V3View<'a>,
    zero_for_one: bool,
    first: usize,
}

impl Quick<'_> {
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

    /// A quote that ends in the first step, if it does; of another pool's table, [`Step::Wide`].
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

    /// Price and output of a quote that goes past the first node.
    #[inline]
    fn far(&self, range: Range, total: u128) -> Option<(u128, u128)> {
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
            return Some((from, amount_out));
        }
        let left = sought.checked_sub(*gross.get(before)?)?;
        match (Range { from, to: narrow(to.sqrt_price)?, liquidity: to.liquidity, ..range }).exact_in(left) {
            Step::Inside { sqrt_price, amount_out: last } => Some((sqrt_price, amount_out.checked_add(last)?)),
            Step::Reached | Step::Wide => None,
        }
    }
}
