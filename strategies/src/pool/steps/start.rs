//! The step that a swap begins with: from a price that is no stop. Where the price was last looked at, the whole of it is known
//! before anybody asks.

use ruint::aliases::U256;

use super::super::concentrated_liquidity::V3View;
use super::narrow::Range;
use super::side::Side;

/// Prices above this one can fall: `MIN_SQRT_RATIO + 1`, where a swap without a limit ends.
const PRICE_MIN: u128 = 4_295_128_740;

/// The first step from a price, with what it takes to get to its end and what that gives.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    /// That of the price, which lies in the step.
    pub(super) tick: i32,
    pub(super) range: Range,
    /// Input, fee included.
    pub(super) gross: u128,
    pub(super) output: u128,
}

impl Start {
    /// Whether a pool is where this begins.
    #[inline]
    pub(super) fn is_of(&self, view: &V3View<'_>) -> bool {
        let [low, high, above, top] = *view.sqrt_price_x96.as_limbs();
        let is_price_same = (u128::from(high) << 64 | u128::from(low)) == self.range.from && above | top == 0;
        is_price_same && view.tick == self.tick && view.liquidity == self.range.liquidity
    }
}

impl Side {
    /// The first step from where a pool is, before node `at`; `None` when it takes more than 128 bits.
    pub(super) fn start_of(&self, at: usize, view: &V3View<'_>, zero_for_one: bool, fee_ppm: u32) -> Option<Start> {
        let range = self.range_from(at, view.sqrt_price_x96, zero_for_one, fee_ppm)?;
        range.whole().map(|(gross, output)| Start { tick: view.tick, range, gross, output })
    }

    /// From a price to node `at`; `None` when the price is not in the step that ends there, or has more than 128 bits.
    #[inline]
    pub(super) fn range_from(&self, at: usize, price: U256, zero_for_one: bool, fee_ppm: u32) -> Option<Range> {
        let node = self.nodes.get(at)?;
        let from = narrow(price).filter(|from| *from > PRICE_MIN)?;
        let to = narrow(node.sqrt_price)?;
        let start = self.start_price(at).map_or(Some(from), narrow)?;
        let is_inside = if zero_for_one { to <= from && from <= start } else { to >= from && from >= start };
        let range = Range { from, to, liquidity: node.liquidity, inverse: node.inverse, zero_for_one, fee_ppm };
        is_inside.then_some(range)
    }
}

/// A number that has 128 bits.
#[inline]
pub(super) const fn narrow(value: U256) -> Option<u128> {
    match *value.as_limbs() {
        [low, high, 0, 0] => Some((high as u128) << 64 | low as u128),
        _ => None,
    }
}
