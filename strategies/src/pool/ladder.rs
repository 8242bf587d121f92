//! A concentrated pool as search sees it: liquidity ranges in the order in which a swap uses them up.
//!
//! Floats for ranking and sizing only. Bitmap words do not appear: their edges round an amount by less than a float.

use core::iter::FusedIterator;

use ruint::aliases::U256;

use super::concentrated_liquidity::{V3View, sqrt_price_limit_default};
use super::mobius::{Mobius, kept_share};
use super::tick_bitmap::TickCursor;
use super::tick_math::{
    MAX_SQRT_RATIO, MAX_TICK, MIN_SQRT_RATIO, MIN_TICK, get_sqrt_ratio_at_tick, get_tick_at_sqrt_ratio,
};

/// Most ranges that one ladder yields: a bound on work per pool. A ladder cut off here ends like one whose liquidity
/// ends here, which understates what the pool can give and so never invents profit. With a position on every tick and
/// the narrowest spacing it spans a price move of 10 % (1.0001^1024); ranges are made as they are asked for.
pub const RANGES_MAX: usize = 1024;

/// One stretch of constant liquidity, between two cumulative inputs.
///
/// For a total input `x` in `input_start..=input_end` the total output is
/// `output_start + mobius.output(x - input_start)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct PriceRange {
    /// Gross input, fee included, that brings the price to the start of the range.
    pub input_start: f64,
    /// Output given up to the start of the range.
    pub output_start: f64,
    /// Gross input that brings the price to the end of the range.
    pub input_end: f64,
    /// Output given up to the end of the range.
    pub output_end: f64,
    /// Output inside the range as a function of input inside it.
    pub mobius: Mobius,
}

impl<'a> V3View<'a> {
    /// The pool's ranges from the current price on, in one direction; at most [`RANGES_MAX`], empty for a state no
    /// pool can hold. Ranges without liquidity are left out; the price jumps over them. Ends where knowledge ends.
    #[must_use]
    pub fn ranges(&self, zero_for_one: bool) -> Ranges<'a> {
        let is_known = self.tick >= self.known_ticks.0 && self.tick <= self.known_ticks.1;
        let is_price_valid = self.sqrt_price_x96 >= MIN_SQRT_RATIO && self.sqrt_price_x96 < MAX_SQRT_RATIO;
        Ranges {
            view: *self,
            zero_for_one,
            cursor: TickCursor::new(self.ticks, self.tick),
            sqrt_price: self.sqrt_price_x96,
            liquidity: self.liquidity,
            input: 0.0,
            output: 0.0,
            left: RANGES_MAX,
            is_finished: !(is_known && is_price_valid),
        }
    }

    /// The map of the first of [`V3View::ranges`]. Where that range goes on for more than a tick, its end is not asked for:
    /// most of the time went into that.
    #[must_use]
    pub fn first_map(&self, zero_for_one: bool) -> Option<Mobius> {
        if self.is_surely_in_a_range(zero_for_one) {
            let (liquidity, sqrt_price) = (self.liquidity as f64, price(self.sqrt_price_x96));
            return Some(Mobius::liquidity_range(liquidity, sqrt_price, self.fee_ppm, zero_for_one));
        }
        self.ranges(zero_for_one).next().map(|range| range.mobius)
    }

    /// Whether there is liquidity between the price and an initialised tick that is known not to be at the price.
    fn is_surely_in_a_range(&self, zero_for_one: bool) -> bool {
        let known = self.known_ticks.0.max(MIN_TICK)..=self.known_ticks.1.min(MAX_TICK);
        let above = self.tick.saturating_add(1);
        // One below the price's own after a swap down that ended on a tick.
        let is_tick_of_price =
            get_tick_at_sqrt_ratio(self.sqrt_price_x96).is_ok_and(|tick| tick == self.tick || tick == above);
        self.liquidity > 0
            && known.contains(&self.tick)
            && is_tick_of_price
            && TickCursor::new(self.ticks, self.tick).peek(zero_for_one).is_some_and(|next| {
                let is_apart = if zero_for_one { next.tick < self.tick } else { next.tick > above };
                is_apart && known.contains(&next.tick)
            })
    }
}

/// Iterator of [`V3View::ranges`]. Does not allocate.
#[derive(Debug, Clone)]
pub struct Ranges<'a> {
    view: V3View<'a>,
    zero_for_one: bool,
    cursor: TickCursor<'a>,
    sqrt_price: U256,
    liquidity: u128,
    input: f64,
    output: f64,
    left: usize,
    is_finished: bool,
}

impl Iterator for Ranges<'_> {
    type Item = PriceRange;

    fn next(&mut self) -> Option<PriceRange> {
        while self.left > 0 && !self.is_finished {
            let liquidity = self.liquidity;
            let (start, end) = (self.sqrt_price, self.advance()?);
            if liquidity > 0 && start != end {
                self.left -= 1;
                return Some(self.range(start, end, liquidity));
            }
        }
        None
    }
}

impl FusedIterator for Ranges<'_> {}

impl Ranges<'_> {
    /// Moves to the next initialised tick, or to the end of what is known; `None` when the state contradicts itself.
    fn advance(&mut self) -> Option<U256> {
        let (first, last) = (self.view.known_ticks.0.max(MIN_TICK), self.view.known_ticks.1.min(MAX_TICK));
        let next = self.cursor.peek(self.zero_for_one).filter(|entry| (first..=last).contains(&entry.tick));
        let limit = sqrt_price_limit_default(self.zero_for_one);
        let price = match next {
            Some(entry) => get_sqrt_ratio_at_tick(entry.tick).ok()?,
            None if self.zero_for_one && first > MIN_TICK => get_sqrt_ratio_at_tick(first - 1).ok()?,
            None if !self.zero_for_one && last < MAX_TICK => get_sqrt_ratio_at_tick(last + 1).ok()?,
            None => limit,
        };
        let price = if self.zero_for_one { price.max(limit) } else { price.min(limit) };
        let is_backwards = if self.zero_for_one { price > self.sqrt_price } else { price < self.sqrt_price };
        if is_backwards {
            self.is_finished = true;
            return None;
        }
        match next {
            Some(entry) if price != limit => {
                let net = entry.liquidity_net;
                let change = if self.zero_for_one { net.wrapping_neg() } else { net };
                self.liquidity = self.liquidity.checked_add_signed(change).unwrap_or(0);
                self.cursor.cross(self.zero_for_one);
            }
            // Nothing is sold beyond: the range that ends here is the last.
            _ => self.is_finished = true,
        }
        self.sqrt_price = price;
        Some(price)
    }

    fn range(&mut self, start: U256, end: U256, liquidity: u128) -> PriceRange {
        let (liquidity, from, to) = (liquidity as f64, price(start), price(end));
        // The difference is taken before it becomes a float: prices of neighbouring ticks share their first digits.
        let distance = price(start.abs_diff(end));
        let (token_0, token_1) = (liquidity * distance / (from * to), liquidity * distance);
        let (net_input, output) = if self.zero_for_one { (token_0, token_1) } else { (token_1, token_0) };
        let (input_start, output_start) = (self.input, self.output);
        self.input += net_input / kept_share(self.view.fee_ppm);
        self.output += output;
        PriceRange {
            input_start,
            output_start,
            input_end: self.input,
            output_end: self.output,
            mobius: Mobius::liquidity_range(liquidity, from, self.view.fee_ppm, self.zero_for_one),
        }
    }
}

/// Q64.96 as a float.
fn price(sqrt_price_x96: U256) -> f64 {
    const Q96: f64 = (1_u128 << 96) as f64;
    f64::from(sqrt_price_x96) / Q96
}
