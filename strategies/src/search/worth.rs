//! What one pool is worth to whoever can buy and sell every token at given prices.

use alphapulse_protocol::PoolId;
use alphapulse_protocol::message::PoolKind;
use ruint::aliases::U256;

use super::prices::Prices;
use crate::market::{CURVE_ROUNDING, HotLine, Market, PoolView};
use crate::pool::Mobius;
use crate::pool::estimate::{StableCurve, WeightedCurve};
use crate::pool::ladder::RANGES_MAX;
use crate::sizing::peak;

/// Part of what a pool holds that is tried first where its line says nothing.
const START_PART: f64 = 1e-4;

/// The trade through a pool that gains most at given prices, in real numbers.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Trade {
    /// Raw units of the token that goes in.
    pub(crate) input: f64,
    /// Raw units of the token that comes out.
    pub(crate) output: f64,
    /// What the output is worth above the input.
    pub(crate) made: f64,
    /// Most that any trade this way gains: the same, but where a curve is known by a few quotes only, or not to its end.
    pub(crate) gain: f64,
    /// By how much `made` may be off what is best, where a curve is known by a few quotes only.
    pub(crate) noise: f64,
    /// What input and output are worth: errors of rounding are a part of it.
    pub(crate) volume: f64,
    /// Value by which the input rises where the rate of the prices rises by a part, for each such part; 0 where it stays, at a gap in the
    /// pool's prices.
    pub(crate) stiffness: f64,
}

impl Trade {
    /// None at all.
    /// Whether something is made by it, in numbers that can be reckoned with.
    pub(crate) fn is_good(&self) -> bool {
        let numbers = [self.input, self.output, self.made, self.volume, self.stiffness];
        self.made > 0.0 && self.input > 0.0 && numbers.iter().all(|number| number.is_finite())
    }

    const NONE: Self = Self { input: 0.0, output: 0.0, made: 0.0, gain: 0.0, noise: 0.0, volume: 0.0, stiffness: 0.0 };
}

/// The best trade one way through a pool. None where the pool is in band: its first unit already loses.
///
/// Prices of the tokens in and out, the value of one raw unit each. No trade gains more, but for the rounding of floats: ranges are walked
/// until the pool's marginal rate has come down to the prices' own; weighted and StableSwap curves have a formula, beside which contracts round
/// by few units; of other curves exact quotes near the best trade bound what is between them, or where the fee moves what the pool
/// holds does.
pub(crate) fn best_trade(market: &Market, line: &HotLine, prices: [f64; 2]) -> Option<Trade> {
    let [price_in, price_out] = prices;
    let rate = line.bound().g;
    if rate <= 0.0 || (price_in <= 0.0 && price_out <= 0.0) {
        return None;
    }
    if price_in <= 0.0 || price_out <= 0.0 {
        // Beyond what a float holds: such a pool proves nothing, and nothing is proved about it.
        return Some(Trade { gain: f64::INFINITY, ..Trade::NONE });
    }
    // Most pools are in band, which their line tells, at the least fee that they may take.
    if rate * price_out <= price_in {
        return dust_in_band(market, line, prices);
    }
    if line.kind() == PoolKind::UniswapV2 {
        return over_map(line.rate(), prices);
    }
    let view = market.pool(line.pool).ok()?;
    if view.is_ranged() {
        let mut trade = over_ranges(&view, line, prices);
        if line.kind() == PoolKind::SolidlyVolatile {
            trade.gain += price_in * FREE_UNIT;
        }
        return Some(trade);
    }
    Some(
        in_closed_form(&view, line, market.timestamp(), prices)
            .unwrap_or_else(|| over_curve(market, &view, line, prices)),
    )
}

/// A Solidly pool rounds its fee down: nearly a unit of the input goes in without. With that unit a pool gives what its map gives for so many
/// units more; above one, because the map's have paid their fee, and no fee is half of what goes in.
const FREE_UNIT: f64 = 2.0;

/// What rounding may gain where the pool is in band by its map. A Solidly pool's first unit loses by the map, and each more loses more; of
/// other curves the contract's powers and iterations stop within some units, on either side.
#[inline]
fn dust_in_band(market: &Market, line: &HotLine, [price_in, price_out]: [f64; 2]) -> Option<Trade> {
    let gain = match line.kind() {
        PoolKind::SolidlyVolatile | PoolKind::SolidlyStable => {
            line.bound().g * price_out * (1.0 + FREE_UNIT) - price_in
        }
        PoolKind::UniswapV2 | PoolKind::UniswapV3 | PoolKind::UniswapV4 => return None,
        _ => market.pool(line.pool).ok()?.curve_units(line.way, market.timestamp()) * price_out,
    };
    (gain > 0.0).then_some(Trade { gain, ..Trade::NONE })
}

/// The same where an estimate will do: of a curve whose slope has no formula, as the map at no input has it.
pub(crate) fn likely_trade(market: &Market, line: &HotLine, prices: [f64; 2]) -> Option<Trade> {
    let has_formula = |kind| {
        use PoolKind::{BalancerStable, BalancerWeighted, UniswapV2, UniswapV3, UniswapV4};
        matches!(kind, UniswapV2 | UniswapV3 | UniswapV4 | BalancerWeighted | BalancerStable)
    };
    if has_formula(line.kind()) { best_trade(market, line, prices) } else { over_map(line.rate(), prices) }
}

/// Over one map that goes on for ever.
fn over_map(map: Mobius, [price_in, price_out]: [f64; 2]) -> Option<Trade> {
    let root = (map.g * price_out / price_in).sqrt();
    let input = (root - 1.0) / map.h;
    let output = map.output(input);
    // (sqrt(g) - 1)^2 / h, which loses no digits where g is nearly 1.
    let gain = price_in * input * (root - 1.0);
    let (volume, stiffness) = (price_in * input + price_out * output, 0.5 * price_in * root / map.h);
    let is_any = root > 1.0 && input.is_finite() && output > 0.0;
    is_any.then_some(Trade { input, output, made: gain, gain, noise: 0.0, volume, stiffness })
}

/// Input at which a map's marginal rate has come down to the prices'.
fn most_at(map: Mobius, [price_in, price_out]: [f64; 2]) -> Option<f64> {
    let above = map.g * price_out / price_in;
    let input = (above.sqrt() - 1.0) / map.h;
    (above > 1.0 && input > 0.0 && input.is_finite()).then_some(input)
}

fn over_ranges(view: &PoolView<'_>, line: &HotLine, [price_in, price_out]: [f64; 2]) -> Trade {
    let (mut input, mut output, mut gain, mut stiffness) = (0.0, 0.0, 0.0, 0.0);
    let (mut walked, mut most) = (0, None);
    for range in line.way.zero_for_one().into_iter().flat_map(|zero_for_one| view.ranges(zero_for_one)) {
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
            stiffness = price_in * g.sqrt() / (2.0 * h);
            break;
        }
        (input, output) = (range.input_end, range.output_end);
        gain += price_out * (range.output_end - range.output_start) - price_in * width;
        if walked == RANGES_MAX {
            // More ranges may follow, and only what bounds them all is known of them.
            most = Some(bound_of_line(line, [price_in, price_out]));
        }
    }
    if walked == 0 {
        most = Some(bound_of_line(line, [price_in, price_out]));
    }
    Trade {
        input,
        output,
        made: gain,
        gain: most.unwrap_or(gain),
        noise: 0.0,
        volume: price_in * input + price_out * output,
        stiffness,
    }
}

/// What the map that bounds a line's output gains.
fn bound_of_line(line: &HotLine, [price_in, price_out]: [f64; 2]) -> f64 {
    let Mobius { g, h } = line.bound();
    let above = (g * price_out / price_in).sqrt() - 1.0;
    if above > 0.0 { price_in * above * above / h } else { 0.0 }
}

/// Over a curve whose slope has a formula; none for the others.
fn in_closed_form(view: &PoolView<'_>, line: &HotLine, at: u64, [price_in, price_out]: [f64; 2]) -> Option<Trade> {
    let rate = price_in / price_out;
    let (way, stable) = (line.way, |curve: StableCurve| {
        let (input, growth) = curve.input_at(rate)?;
        Some((input, curve.output(input)?, growth, curve.resolution()))
    });
    let (input, output, growth, resolution) = match view {
        PoolView::Weighted(pool) => {
            let curve = pool.with_view(|view| WeightedCurve::new(view, way))?;
            let (input, growth) = curve.input_at(rate);
            (input, curve.output(input), growth, 0.0)
        }
        PoolView::StableSwap(pool) => pool.with_view(|view| StableCurve::of_curve(view, way, at)).and_then(stable)?,
        PoolView::BalancerStable(pool) => {
            pool.with_view(|view| StableCurve::of_balancer(view, way, at)).and_then(stable)?
        }
        _ => return None,
    };
    let (paid, got) = (price_in * input, price_out * output);
    let gain = got - paid + price_out * (view.curve_units(way, at) + resolution);
    Some(Trade { input, output, made: got - paid, gain, noise: 0.0, volume: paid + got, stiffness: price_in * growth })
}

/// Raw units of either token that a pool must hold for its quotes to lie on a curve.
const UNITS_HELD_MIN: f64 = 1e6;

fn over_curve(market: &Market, view: &PoolView<'_>, line: &HotLine, prices: [f64; 2]) -> Trade {
    let [price_in, price_out] = prices;
    let at = market.timestamp();
    let [held_in, held_out] =
        [line.way.token_in, line.way.token_out].map(|token| view.held(token).map(|held| held as f64));
    // A unit may be rounded away on either side, one go in without a fee, and the contract's iteration end some units off.
    let free = match line.kind() {
        PoolKind::SolidlyStable => FREE_UNIT * price_in,
        PoolKind::CurveCrypto => view.curve_units(line.way, at) * price_out,
        _ => 0.0,
    };
    let unit = price_in + price_out + free;
    // It gives no more than it holds, and but for rounding no better than at its first unit and its least fee.
    let above = (price_out - price_in / line.bound().g).max(0.0);
    let most = held_out.map_or(f64::INFINITY, |held| held * above + 2.0 * unit);
    // Its fee may fall on the way, and then what lies between two quotes is not known; nor is it of a pool that holds so few units that the
    // contract's own rounding bends its curve.
    let is_fine = |held: Option<f64>| held.is_some_and(|held| held >= UNITS_HELD_MIN);
    let is_concave = line.bound().g <= line.g * (1.0 + 2.0 * CURVE_ROUNDING) && is_fine(held_in) && is_fine(held_out);
    let start = most_at(line.rate(), prices).or(held_in.map(|held| held * START_PART)).unwrap_or(1.0);
    let quote = |input: f64| {
        let amount_in = U256::try_from(input.floor()).ok().filter(|amount| !amount.is_zero())?;
        let output = view.hop_output(line.way, amount_in, at).ok()?;
        Some((f64::from(amount_in), f64::from(output)))
    };
    let found = peak(start, |input| quote(input).map(|(paid, got)| price_out * got - price_in * paid));
    let Some((found, (input, output))) = found.and_then(|found| Some((found, quote(found.top.at)?))) else {
        return Trade { gain: most, ..Trade::NONE };
    };
    let gain = if is_concave { found.bound(2.0 * unit).max(0.0).min(most) } else { most };
    let stiffness = found.bend().map_or(0.0, |bend| price_in * price_in / bend);
    let made = price_out * output - price_in * input;
    Trade {
        input,
        output,
        made,
        gain,
        noise: (gain - made).max(0.0),
        volume: price_in * input + price_out * output,
        stiffness,
    }
}

/// The same over every way through a pool: a route goes through it once.
pub(super) fn best_of_pool(market: &Market, pool: PoolId, prices: &Prices) -> Option<Trade> {
    let lines = market.lines(pool).iter();
    let trades = lines.filter_map(|line| best_trade(market, line, prices.of_line(line)));
    trades.reduce(|best, other| if other.gain > best.gain { other } else { best })
}
