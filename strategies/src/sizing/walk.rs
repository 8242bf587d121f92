//! The optimum of a route as a walk over price ranges.
//!
//! Inside one range every leg is a Möbius map, and so is their composition; its optimum is a formula. Where a leg's
//! range ends first, that leg alone moves to its next range and the rest is composed anew from where it stands. The
//! marginal rate only falls on the way, so the first optimum inside a piece is the optimum.

use crate::market::{PoolRanges, PoolView};
use crate::opportunity::HOPS_MAX;
use crate::pool::{Mobius, PriceRange, Way};

/// Where a route earns most, in floats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Estimate {
    /// Raw units of the first token.
    pub(super) input: f64,
    /// Raw units of the first token.
    pub(super) profit: f64,
}

/// A leg somewhere on its curve.
#[derive(Debug)]
struct Stand<'a> {
    ranges: PoolRanges<'a>,
    /// Output for further input, from here to the end of the range.
    mobius: Mobius,
    /// Input that the range can still take.
    capacity: f64,
}

impl<'a> Stand<'a> {
    fn start((pool, way): (PoolView<'a>, Way)) -> Option<Self> {
        let mut ranges = pool.ranges(way.zero_for_one().ok()?);
        let first = ranges.next()?;
        Some(Self { ranges, mobius: first.mobius, capacity: width(&first) })
    }

    /// Moves by `input` inside the range; returns the output.
    fn advance(&mut self, input: f64) -> f64 {
        let output = self.mobius.output(input);
        let scale = 1.0 + self.mobius.h * input;
        self.mobius = Mobius { g: self.mobius.g / (scale * scale), h: self.mobius.h / scale };
        self.capacity = (self.capacity - input).max(0.0);
        output
    }

    /// Goes on to the next range; `false` when there is none.
    fn enter_next_range(&mut self) -> bool {
        let Some(range) = self.ranges.next() else { return false };
        self.mobius = range.mobius;
        self.capacity = width(&range);
        true
    }
}

fn width(range: &PriceRange) -> f64 {
    range.input_end - range.input_start
}

/// What the legs amount to from where they stand: `rate x / (1 + curvature x)`, up to `reach`.
struct Composed {
    rate: f64,
    curvature: f64,
    /// Input at which the first leg comes to the end of its range; infinite when none does.
    reach: f64,
    /// That leg.
    leg_at_reach: usize,
}

impl Composed {
    fn of(legs: &[Stand<'_>]) -> Self {
        let mut whole = Self { rate: 1.0, curvature: 0.0, reach: f64::INFINITY, leg_at_reach: 0 };
        for (index, leg) in legs.iter().enumerate() {
            // Solves `rate x / (1 + curvature x) = capacity`; the left side stays below `rate / curvature`.
            let slack = whole.rate - whole.curvature * leg.capacity;
            if slack > 0.0 && leg.capacity / slack < whole.reach {
                whole.reach = leg.capacity / slack;
                whole.leg_at_reach = index;
            }
            whole.curvature += leg.mobius.h * whole.rate;
            whole.rate *= leg.mobius.g;
        }
        whole
    }

    /// Input at which the marginal rate has fallen to one; negative when it is below one already.
    fn optimum(&self) -> f64 {
        // sqrt(rate) - 1 without the cancellation near one.
        (self.rate - 1.0) / (self.rate.sqrt() + 1.0) / self.curvature
    }

    /// Output less input, likewise without cancellation.
    fn profit(&self, input: f64) -> f64 {
        input * (self.rate - 1.0 - self.curvature * input) / (1.0 + self.curvature * input)
    }
}

/// The most profitable input, or `None` when there is no profit or a pool sells nothing.
/// When a leg's ranges end before the rate has fallen to one, the input is what brings it there.
pub(super) fn estimate(legs: &[(PoolView<'_>, Way)]) -> Option<Estimate> {
    // One value more than the legs is never needed; fixed arrays keep this off the heap.
    let mut stands: [Option<Stand<'_>>; HOPS_MAX] = [const { None }; HOPS_MAX];
    for (stand, leg) in stands.iter_mut().zip(legs) {
        *stand = Some(Stand::start(*leg)?);
    }
    match stands {
        [Some(a), Some(b), None, ..] => walk(&mut [a, b]),
        [Some(a), Some(b), Some(c), None, ..] => walk(&mut [a, b, c]),
        [Some(a), Some(b), Some(c), Some(d), None, ..] => walk(&mut [a, b, c, d]),
        [Some(a), Some(b), Some(c), Some(d), Some(e), None] => walk(&mut [a, b, c, d, e]),
        [Some(a), Some(b), Some(c), Some(d), Some(e), Some(f)] => walk(&mut [a, b, c, d, e, f]),
        _ => None,
    }
}

/// Ends because every turn but the last uses up a range, of which each leg has at most `RANGES_MAX`.
fn walk(legs: &mut [Stand<'_>]) -> Option<Estimate> {
    let mut best = Estimate { input: 0.0, profit: 0.0 };
    loop {
        let piece = Composed::of(legs);
        let step = piece.optimum().min(piece.reach);
        // Also false for the NaN of a degenerate state.
        if !(step >= 0.0 && step.is_finite()) {
            break;
        }
        best.input += step;
        best.profit += piece.profit(step);
        if step < piece.reach {
            break;
        }
        let mut input = step;
        for leg in legs.iter_mut() {
            input = leg.advance(input);
        }
        if !legs[piece.leg_at_reach].enter_next_range() {
            break;
        }
    }
    (best.input > 0.0 && best.profit > 0.0).then_some(best)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(reserve_in: u128, reserve_out: u128, fee_ppm: u32) -> (PoolView<'static>, Way) {
        (PoolView::V2 { reserves: [reserve_in, reserve_out], fee_ppm }, Way::of_pair(true))
    }

    /// Two pairs without fee, reserves (R, R) and (R, 4R): the rate round is 4, the composed curvature
    /// 1/R + 1/R, the optimum (2 - 1) / (2/R) = R/2, the profit (2 - 1)^2 / (2/R) = R/2.
    #[test]
    fn optimum_of_two_pairs_is_the_closed_form() {
        let found = estimate(&[pair(1_000, 1_000, 0), pair(1_000, 4_000, 0)]).expect("profitable");
        assert!((found.input - 500.0).abs() < 1e-9, "{found:?}");
        assert!((found.profit - 500.0).abs() < 1e-9, "{found:?}");
    }

    #[test]
    fn a_route_that_loses_has_no_optimum() {
        assert_eq!(estimate(&[pair(1_000, 1_000, 0), pair(1_000, 1_000, 0)]), None);
        assert_eq!(estimate(&[pair(1_000, 1_000, 3000), pair(1_000, 1_001, 3000)]), None);
        assert_eq!(estimate(&[pair(0, 1_000, 0), pair(1_000, 4_000, 0)]), None);
    }

    #[test]
    fn one_leg_is_not_a_route() {
        assert_eq!(estimate(&[pair(1_000, 4_000, 0)]), None);
    }
}
