//! The curve that Curve's StableSwap and Balancer's stable pools share.

use super::implicit::Partials;
use super::{ONE_18, Slope, float};
use crate::pool::balancer::stable::StableView;
use crate::pool::stable_swap::{COINS_MAX, FEE_ONE, StableSwapView};
use crate::pool::{Mobius, Way};

/// Of a StableSwap pool in a block of timestamp `at`. Units: raw. Costs the invariant's iteration where the view has none
/// at hand.
#[must_use]
pub fn stable_swap(view: &StableSwapView<'_>, way: Way, at: u64) -> Option<Mobius> {
    let mut fresh = None;
    let solved = view.invariant_at(at, &mut fresh).ok()?;
    let (token_in, token_out) = (usize::from(way.token_in), usize::from(way.token_out));
    if view.is_paused || token_in == token_out {
        return None;
    }
    let (rate_in, rate_out) = (float(solved.rate(token_in).ok()?), float(solved.rate(token_out).ok()?));
    let total = float(solved.invariant());
    let mut balances = [0.0; COINS_MAX];
    let scaled = solved.scaled();
    balances.iter_mut().zip(scaled).for_each(|(balance, scaled)| *balance = float(*scaled) / total);
    let balances = balances.get(..scaled.len())?;
    let precision = view.rules.amplification_precision() as f64;
    let curve = Curve { ann: solved.amplification() as f64 * scaled.len() as f64 / precision, balances };
    let gross = curve.output(token_in, token_out)?;
    let (fee, growth) = fee(view, *balances.get(token_in)?, *balances.get(token_out)?, gross.first);
    gross.less_fee(fee, growth).osculating(rate_in / ONE_18 / total, total * ONE_18 / rate_out)
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
    let (solved, (token_in, token_out)) = view.solve(way, at).ok()?;
    let total = float(solved.invariant);
    let mut balances = [0.0; COINS_MAX];
    let scaled = solved.balances();
    balances.iter_mut().zip(scaled).for_each(|(balance, scaled)| *balance = float(*scaled) / total);
    let balances = balances.get(..scaled.len())?;
    let curve = Curve { ann: float(solved.amplification) * scaled.len() as f64 / 1e3, balances };
    let kept = 1.0 - view.swap_fee as f64 / ONE_18;
    let scale = |token: u8| view.scales.get(usize::from(token)).map(|scale| float(*scale) / ONE_18);
    let (scale_in, scale_out) = (scale(way.token_in)?, scale(way.token_out)?);
    curve.output(token_in, token_out)?.osculating(kept * scale_in / total, total / scale_out)
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
