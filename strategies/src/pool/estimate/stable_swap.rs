//! The curve that Curve's StableSwap and Balancer's stable pools share.

use super::implicit::Partials;
use super::{ONE_18, Slope, float};
use crate::pool::balancer::stable::StableView;
use crate::pool::stable_swap::{COINS_MAX, FEE_ONE, StableSwapView};
use crate::pool::{Mobius, Way};
use ruint::aliases::U256;

/// Of a StableSwap pool in a block of timestamp `at`. Units: raw. Costs the invariant's iteration where the view has none
/// at hand.
#[must_use]
pub fn stable_swap(view: &StableSwapView<'_>, way: Way, at: u64) -> Option<Mobius> {
    let curve = StableCurve::gross(view, way, at)?;
    let gross = curve.slope()?;
    let (x, y) = curve.pair()?;
    let (fee, growth) = fee(view, x, y, gross.first);
    gross.less_fee(fee, growth).osculating(curve.unit_in, curve.unit_out)
}

/// How many times as much is kept at the least fee as at the greatest: 1 where it does not move.
#[must_use]
pub fn stable_swap_fee_range(view: &StableSwapView<'_>) -> f64 {
    let base = view.fee as f64 / FEE_ONE as f64;
    let multiplier = view.offpeg_fee_multiplier as f64 / FEE_ONE as f64;
    if !view.rules.is_fee_dynamic() || multiplier <= 1.0 { 1.0 } else { (1.0 - base) / (1.0 - base * multiplier) }
}

/// Of a Balancer stable pool in a block of timestamp `at`, not to or from its own share. Units: raw.
#[must_use]
pub fn balancer_stable(view: &StableView<'_>, way: Way, at: u64) -> Option<Mobius> {
    let curve = StableCurve::of_balancer(view, way, at)?;
    curve.slope()?.osculating(curve.unit_in, curve.unit_out)
}

/// The output of a pool on the StableSwap curve in real numbers, where its fee does not move. Units: raw.
#[derive(Debug, Clone, Copy)]
pub struct StableCurve {
    ann: f64,
    /// In units of the invariant.
    balances: [f64; COINS_MAX],
    count: usize,
    token_in: usize,
    token_out: usize,
    /// Units of the curve that a raw unit of input is, after a fee on it.
    unit_in: f64,
    /// Raw units of output that a unit of the curve is, after a fee on it.
    unit_out: f64,
}

/// Steps to the input at which a rate is reached, and how near to it is near enough, as a part.
const STEPS_MAX: usize = 64;
const NEAR: f64 = 1e-14;

impl StableCurve {
    /// One way through a StableSwap pool in a block of timestamp `at`; none where it has no such way, is paused, or has a fee that moves.
    #[must_use]
    pub fn of_curve(view: &StableSwapView<'_>, way: Way, at: u64) -> Option<Self> {
        if stable_swap_fee_range(view) > 1.0 {
            return None;
        }
        let curve = Self::gross(view, way, at)?;
        Some(Self { unit_out: curve.unit_out * (1.0 - view.fee as f64 / FEE_ONE as f64), ..curve })
    }

    /// The same of a Balancer stable pool, not to or from its own share.
    #[must_use]
    pub fn of_balancer(view: &StableView<'_>, way: Way, at: u64) -> Option<Self> {
        let (solved, tokens) = view.solve(way, at).ok()?;
        let total = float(solved.invariant);
        let ann = float(solved.amplification) * solved.balances().len() as f64 / 1e3;
        let kept = 1.0 - view.swap_fee as f64 / ONE_18;
        let scale = |token: u8| view.scales.get(usize::from(token)).map(|scale| float(*scale) / ONE_18);
        let units = (kept * scale(way.token_in)? / total, total / scale(way.token_out)?);
        Some(Self::new(ann, solved.balances(), total, tokens, units))
    }

    /// Before a fee.
    fn gross(view: &StableSwapView<'_>, way: Way, at: u64) -> Option<Self> {
        let mut fresh = None;
        let solved = view.invariant_at(at, &mut fresh).ok()?;
        let (token_in, token_out) = (usize::from(way.token_in), usize::from(way.token_out));
        if view.is_paused || token_in == token_out {
            return None;
        }
        let (rate_in, rate_out) = (float(solved.rate(token_in).ok()?), float(solved.rate(token_out).ok()?));
        let total = float(solved.invariant());
        let precision = view.rules.amplification_precision() as f64;
        let ann = solved.amplification() as f64 * solved.scaled().len() as f64 / precision;
        let units = (rate_in / ONE_18 / total, total * ONE_18 / rate_out);
        Some(Self::new(ann, solved.scaled(), total, (token_in, token_out), units))
    }

    fn new(
        ann: f64,
        scaled: &[U256],
        total: f64,
        (token_in, token_out): (usize, usize),
        (unit_in, unit_out): (f64, f64),
    ) -> Self {
        let mut balances = [0.0; COINS_MAX];
        balances.iter_mut().zip(scaled).for_each(|(balance, scaled)| *balance = float(*scaled) / total);
        Self { ann, balances, count: scaled.len(), token_in, token_out, unit_in, unit_out }
    }

    fn pair(&self) -> Option<(f64, f64)> {
        let balances = self.balances.get(..self.count)?;
        Some((*balances.get(self.token_in)?, *balances.get(self.token_out)?))
    }

    fn slope(&self) -> Option<Slope> {
        Curve { ann: self.ann, balances: self.balances.get(..self.count)? }.output(self.token_in, self.token_out)
    }

    /// With so much more of the token that goes in, in units of the curve, and what is left then of the other.
    fn after(&self, input: f64) -> Option<Self> {
        let mut after = *self;
        *after.balances.get_mut(self.token_in)? += input;
        let count = self.count as f64;
        let (mut others, mut k) = (0.0, 1.0 / count);
        for (token, balance) in after.balances.get(..self.count)?.iter().enumerate() {
            if token != self.token_out {
                others += balance;
                k /= count * balance;
            }
        }
        // ann y^2 + b y = k, by the form that loses no digits.
        let b = self.ann * (others - 1.0) + 1.0;
        let root = (b * b + 4.0 * self.ann * k).sqrt();
        let left = if b > 0.0 { 2.0 * k / (root + b) } else { (root - b) / (2.0 * self.ann) };
        *after.balances.get_mut(self.token_out)? = left;
        Some(after)
    }

    /// Raw units of output that floats of the balances' size do not tell apart.
    #[must_use]
    pub const fn resolution(&self) -> f64 {
        self.unit_out * 1e-15
    }

    /// Output for an input.
    #[must_use]
    pub fn output(&self, input: f64) -> Option<f64> {
        let (_, before) = self.after(0.0)?.pair()?;
        let (_, after) = self.after(input * self.unit_in)?.pair()?;
        Some((before - after) * self.unit_out)
    }

    /// Input at which the marginal rate has come down to this, and by how much it grows where the rate falls by a part of itself; nothing where
    /// the rate is never as high. By steps to where the osculating map of the place reached has that rate.
    #[must_use]
    pub fn input_at(&self, rate: f64) -> Option<(f64, f64)> {
        let (mut input, mut growth) = (0.0_f64, 0.0);
        for _ in 0..STEPS_MAX {
            let map = self.after(input)?.slope()?.osculating(self.unit_in, self.unit_out)?;
            let above = (map.g / rate).sqrt() - 1.0;
            growth = 0.5 / map.h;
            let step = above / map.h * self.unit_in;
            if (input == 0.0 && above <= 0.0) || !step.is_finite() {
                return Some((0.0, 0.0));
            }
            input = (input + step).max(0.5 * input);
            if above.abs() <= NEAR {
                break;
            }
        }
        Some((input / self.unit_in, growth))
    }
}

/// `ann (S - 1) + 1 = 1 / (n^n P)`, of balances in units of the invariant.
struct Curve<'b> {
    ann: f64,
    balances: &'b [f64],
}

impl Curve<'_> {
    fn output(&self, token_in: usize, token_out: usize) -> Option<Slope> {
        let (x, y) = (*self.balances.get(token_in)?, *self.balances.get(token_out)?);
        let count = self.balances.len() as f64;
        let k: f64 = self.balances.iter().map(|balance| 1.0 / (count * balance)).product();
        let partials = Partials {
            x: self.ann + k / x,
            y: self.ann + k / y,
            xx: -2.0 * k / (x * x),
            xy: -k / (x * y),
            yy: -2.0 * k / (y * y),
        };
        Some(partials.output())
    }
}

/// The fee at no input, and how it grows with the input: it goes by the middle of the way between both balances, before
/// and after.
fn fee(view: &StableSwapView<'_>, a: f64, b: f64, slope: f64) -> (f64, f64) {
    let base = view.fee as f64 / FEE_ONE as f64;
    let multiplier = view.offpeg_fee_multiplier as f64 / FEE_ONE as f64;
    if !view.rules.is_fee_dynamic() || multiplier <= 1.0 {
        return (base, 0.0);
    }
    let sum = a + b;
    let peg = 4.0 * a * b / (sum * sum);
    let peg_growth = 4.0 * (b - a) / (sum * sum * sum) * (b + a * slope) / 2.0;
    let divisor = (multiplier - 1.0) * peg + 1.0;
    let fee = multiplier * base / divisor;
    (fee, -fee * (multiplier - 1.0) * peg_growth / divisor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_where_the_slope_has_come_down() {
        let scaled = [2, 5, 3].map(|tenths| U256::from(tenths) * U256::from(10_u64.pow(17)));
        // The invariant of these balances is not quite their sum; what is left of the last follows from it.
        let curve = StableCurve::new(120.0, &scaled, 1e18, (0, 1), (1e-6, 2e6)).after(0.0).expect("three coins");
        let output = |x: f64| curve.output(x).expect("three coins");
        let slope = |x: f64| (output(x + 1.0) - output(x - 1.0)) / 2.0;
        let rate = slope(1.0);
        for part in [0.9999, 0.99, 0.8, 0.2] {
            let (input, growth) = curve.input_at(part * rate).expect("three coins");
            assert!((slope(input) / (part * rate) - 1.0).abs() < 1e-6, "{part}: {input}");
            let (further, _) = curve.input_at(part * rate * (1.0 - 1e-6)).expect("three coins");
            assert!(((further - input) / (1e-6 * growth) - 1.0).abs() < 1e-3, "{part}: {growth}");
        }
        assert_eq!(curve.input_at(1.01 * rate), Some((0.0, 0.0)));
    }
}
