//! The last billionth: which amounts the pools round least.
//!
//! Where a unit of some token on the way is worth something beside the profit, the profit goes up and down like a saw over the inputs: between
//! two inputs that buy the same count of that token the dearer one is wasted. So the counts are gone through, each with the least input that
//! buys it.

use ruint::aliases::U256;

use super::exact::{Amounts, Path, waste};
use crate::market::PoolView;
use crate::pool::Way;

/// Counts tried at most on either side.
const COUNTS_MAX: usize = 16_384;
/// Part of the profit by which rounding is left as it is.
const WASTE_IGNORED: f64 = 1e-10;
/// Counts by which the middle is found, on either side.
const SAMPLES: u32 = 96;
/// Part of an input below which it does not matter how much less would do.
const FINE: f64 = 1e-15;
/// Powers of two around an input between which the edges of jumps are looked for.
const EDGE_SHIFTS: [usize; 2] = [1, 4];
/// Doublings of a step until it is too long.
const DOUBLINGS_MAX: usize = 256;
/// Units by which each stop of a route may round: the pool's output, and the fee that it keeps.
const ROUNDINGS: f64 = 2.0;

/// The best amounts around `start`, which are near the best in real numbers; never worse than `start`. `most` is what no amounts exceed, where
/// that is known.
///
/// In real numbers the profit is concave in each amount, and what rounding takes is bounded: so where a count earns less than the best by more
/// than that, all beyond it do.
pub(super) fn polish(path: &Path<'_>, start: Amounts, most: Option<f64>) -> Amounts {
    let stops = start.as_slice();
    let wasted = ROUNDINGS * waste(&start) + curved_waste(path, stops);
    let Some((coarsest, count)) = stops.iter().enumerate().min_by_key(|(_, amount)| **amount) else { return start };
    if wasted <= WASTE_IGNORED * gain(&start) {
        return start;
    }
    let (route, mut best) = (Counted { path, near: &start, stop: coarsest }, start);
    // Among ranges the estimate is the middle already.
    let is_ranged = path.legs().iter().all(|(pool, _)| pool.is_ranged());
    if !is_ranged {
        edge(path, stops[0], &mut best);
    }
    let middle = if is_ranged { *count } else { route.middle(*count, &mut best, wasted) };
    let is_best = |best: &Amounts| most.is_some_and(|most| gain(best) + 1.0 > most);
    let mut sides = [Some(middle), route.below(middle)];
    for _ in 0..COUNTS_MAX {
        if is_best(&best) || sides == [None, None] {
            break;
        }
        for (side, is_up) in sides.iter_mut().zip([true, false]) {
            let Some(count) = *side else { continue };
            let tried = route.amounts(count);
            let reached = tried.map_or(count, |tried| tried.as_slice()[coarsest]);
            // What a pool refuses tells nothing about the next.
            let is_open = tried.is_none_or(|tried| gain(&tried) + wasted >= gain(&best));
            *side = if is_up { reached.checked_add(U256::ONE) } else { route.below(count) }.filter(|_| is_open);
            best = tried.filter(|tried| gain(tried) > gain(&best)).unwrap_or(best);
        }
    }
    best
}

/// Searches the inputs around one by thirds, as who takes the profit for one hill would.
///
/// A curve that is iterated to a tolerance jumps where it takes a turn more or less, and the best may be at the edge of such a jump, far from
/// the middle: there this ends as often as not.
fn edge(path: &Path<'_>, near: U256, best: &mut Amounts) {
    for shift in EDGE_SHIFTS {
        let (mut low, mut high) = ((near >> shift).max(U256::ONE), near.saturating_mul(U256::ONE << shift));
        while high - low > U256::from(3) {
            let third = (high - low) / U256::from(3);
            let tried = [low + third, high - third].map(|input| path.forward(input).ok());
            let [left, right] = tried.map(|tried| tried.map_or(f64::NEG_INFINITY, |tried| gain(&tried)));
            for tried in tried.into_iter().flatten() {
                *best = if tried.profit() > best.profit() { tried } else { *best };
            }
            if left < right { low += third } else { high -= third }
        }
    }
}

/// A route by what arrives at one of its stops.
struct Counted<'p, 'a> {
    path: &'p Path<'a>,
    near: &'p Amounts,
    stop: usize,
}

impl Counted<'_, '_> {
    /// The least input for which so much arrives.
    fn input(&self, count: U256) -> Option<U256> {
        let mut legs = self.path.legs()[..self.stop].iter().zip(self.near.as_slice()).rev();
        legs.try_fold(count, |amount, (leg, near)| least_input(self.path, leg, amount, *near))
    }

    /// The amounts of that input.
    fn amounts(&self, count: U256) -> Option<Amounts> {
        self.path.forward(self.input(count)?).ok()
    }

    /// The next count below that some input brings: pools' own steps may be of many units.
    fn below(&self, count: U256) -> Option<U256> {
        let less = match self.stop {
            0 => count.checked_sub(U256::ONE),
            _ => self
                .path
                .forward(self.input(count)?.checked_sub(U256::ONE)?)
                .ok()
                .map(|less| less.as_slice()[self.stop]),
        };
        less.map(|less| less.min(count.saturating_sub(U256::ONE))).filter(|less| !less.is_zero())
    }

    /// The count in the middle of those that may be the best: where the profit would balance on the part of it that stands out. Rounding moves
    /// single profits, and hardly that of many.
    fn middle(&self, count: U256, best: &mut Amounts, wasted: f64) -> U256 {
        let reach = f64::from(count) * (4.0 * wasted / gain(best).max(1.0)).sqrt().min(0.25);
        let stride = U256::try_from((reach / f64::from(SAMPLES)).floor()).unwrap_or(U256::ZERO);
        if stride <= U256::ONE {
            return count;
        }
        let first = count.saturating_sub(stride * U256::from(SAMPLES));
        let counts = (0..=2 * SAMPLES).map(|step| first + stride * U256::from(step)).filter(|count| !count.is_zero());
        let tried: Vec<(U256, Amounts)> = counts.filter_map(|count| Some((count, self.amounts(count)?))).collect();
        for (_, amounts) in &tried {
            if gain(amounts) > gain(best) {
                *best = *amounts;
            }
        }
        let floor = gain(best) - 4.0 * wasted;
        let (mut weights, mut moment) = (0.0, 0.0);
        for (count, amounts) in &tried {
            let weight = (gain(amounts) - floor).max(0.0);
            weights += weight;
            moment += weight * f64::from(*count);
        }
        U256::try_from((moment / weights).floor()).ok().filter(|middle| !middle.is_zero()).unwrap_or(count)
    }
}

/// What contracts of curves may give more or less than their curves, in units of the route's first token.
fn curved_waste(path: &Path<'_>, stops: &[U256]) -> f64 {
    let curves = path.legs().iter().zip(&stops[1..]).filter(|((pool, _), _)| !pool.is_ranged());
    curves
        .map(|((pool, way), output)| f64::from(stops[0]) / f64::from(*output) * pool.curve_units(*way, path.at()))
        .sum()
}

/// Output less input, below zero for a loss.
fn gain(amounts: &Amounts) -> f64 {
    amounts.profit().map_or_else(|| -f64::from(amounts.loss()), f64::from)
}

/// The least input of a pool that buys so much, found by its quotes from the one for that output on, or from a given one.
fn least_input(path: &Path<'_>, (pool, way): &(PoolView<'_>, Way), amount_out: U256, near: U256) -> Option<U256> {
    let is_enough = |input: U256| pool.hop_output(*way, input, path.at()).is_ok_and(|output| output >= amount_out);
    let first = pool.quote_exact_out(*way, amount_out, path.at()).unwrap_or(near).max(U256::ONE);
    let fine = U256::try_from(f64::from(first) * FINE).unwrap_or(U256::ZERO).max(U256::ONE);
    let (mut short, mut enough) = enclose(first, fine, &is_enough)?;
    while enough - short > fine {
        let middle = short + ((enough - short) >> 1_usize);
        if is_enough(middle) {
            enough = middle;
        } else {
            short = middle;
        }
    }
    Some(enough)
}

/// An input that is not enough and one that is, the nearer to the first the fewer doublings are needed.
fn enclose(first: U256, step: U256, is_enough: &impl Fn(U256) -> bool) -> Option<(U256, U256)> {
    let steps = core::iter::successors(Some(step), |step| step.checked_mul(U256::from(2))).take(DOUBLINGS_MAX);
    let mut last = first;
    if is_enough(first) {
        for step in steps {
            let next = first.saturating_sub(step);
            if next.is_zero() || !is_enough(next) {
                return Some((next, last));
            }
            last = next;
        }
    } else {
        for step in steps {
            let next = first.checked_add(step)?;
            if is_enough(next) {
                return Some((last, next));
            }
            last = next;
        }
    }
    None
}
