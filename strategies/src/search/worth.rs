//! What one pool is worth to whoever can buy and sell every token at given prices.

use alphapulse_protocol::PoolId;

use super::prices::Prices;
use crate::market::{HotLine, Market};
use crate::pool::ladder::RANGES_MAX;

/// The trade through a pool that gains most at given prices, in real numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Trade {
    /// Raw units of the token that goes in.
    pub(super) input: f64,
    /// Raw units of the token that comes out.
    pub(super) output: f64,
    /// What the output is worth above the input.
    pub(super) gain: f64,
    /// What input and output are worth: errors of rounding are a part of it.
    pub(super) volume: f64,
}

/// The best trade one way through a pool. None where the pool is in band: its first unit already loses.
///
/// Prices of the tokens in and out, the value of one raw unit each. The pool's own ranges are walked until its marginal rate has come down
/// to the prices' own, so the gain is the greatest that the pool can give, but for the rounding of floats.
pub(super) fn best_trade(market: &Market, line: &HotLine, [price_in, price_out]: [f64; 2]) -> Option<Trade> {
    let rate = line.rate().g;
    if rate <= 0.0 || (price_in <= 0.0 && price_out <= 0.0) {
        return None;
    }
    if price_in <= 0.0 || price_out <= 0.0 {
        // Beyond what a float holds: such a pool proves nothing, and nothing is proved about it.
        return Some(Trade { input: 0.0, output: 0.0, gain: f64::INFINITY, volume: 0.0 });
    }
    // Most pools are in band, which their line tells.
    if rate * price_out <= price_in {
        return None;
    }
    let view = market.pool(line.pool).ok()?;
    let (mut input, mut output, mut gain) = (0.0, 0.0, 0.0);
    let mut walked = 0;
    for range in view.ranges(line.way.zero_for_one().ok()?) {
        walked += 1;
        let (g, h) = (range.mobius.g * price_out / price_in, range.mobius.h);
        if g <= 1.0 {
            break;
        }
        let width = range.input_end - range.input_start;
        let inside = (g.sqrt() - 1.0) / h;
        if inside < width {
            (input, output) = (range.input_start + inside, range.output_start + range.mobius.output(inside));
            // (sqrt(g) - 1)^2 / h, which loses no digits where g is nearly 1.
            gain += price_in * inside * (g.sqrt() - 1.0);
            break;
        }
        (input, output) = (range.input_end, range.output_end);
        gain += price_out * (range.output_end - range.output_start) - price_in * width;
        if walked == RANGES_MAX {
            // More ranges may follow, and nothing is known of them.
            gain = f64::INFINITY;
        }
    }
    if walked == 0 {
        // Out of band by its rate, on a curve of which nothing is known here.
        gain = f64::INFINITY;
    }
    Some(Trade { input, output, gain, volume: price_in * input + price_out * output })
}

/// The same over every way through a pool: a route goes through it once.
pub(super) fn best_of_pool(market: &Market, pool: PoolId, prices: &Prices) -> Option<Trade> {
    let lines = market.lines(pool).iter();
    let trades = lines.filter_map(|line| best_trade(market, line, prices.of_line(line)));
    trades.reduce(|best, other| if other.gain > best.gain { other } else { best })
}
