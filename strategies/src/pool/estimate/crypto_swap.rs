//! The curve of CryptoSwap.

use super::implicit::Partials;
use super::{ONE_18, float};
use crate::pool::crypto_swap::{CryptoSwapTerms, CryptoSwapView};
use crate::pool::{Mobius, Way};

/// What amplification is multiplied with.
const AMPLIFICATION_ONE: f64 = 1e4;

/// One, in fees.
const FEE_ONE: f64 = 1e10;

/// Of a CryptoSwap pool in a block of timestamp `at`. Units: raw. Costs the invariant's iteration in a ramp.
#[must_use]
pub fn crypto_swap(view: &CryptoSwapView, way: Way, at: u64) -> Option<Mobius> {
    let (token_in, token_out) = view.coins(way).ok()?;
    let (amplification, gamma) = view.curvature_at(at).ok()?;
    let (scaled, total) = view.balances_at(at).ok()?;
    let total = float(total);
    let balances = scaled.map(|balance| float(balance) / total);
    let balances = balances.get(..view.generation.coin_count())?;
    let curve = Curve { ann: float(amplification) / AMPLIFICATION_ONE, gamma: float(gamma) / ONE_18, balances };
    let gross = curve.partials(token_in, token_out).output();
    let (fee, growth) = fee(&view.terms, balances, (balances[token_in], balances[token_out]), gross.first);
    let [unit_in, unit_out] = [token_in, token_out].map(|token| unit(view, token));
    gross.less_fee(fee, growth).osculating(unit_in / total, total / unit_out)
}

/// What a raw unit is in the units in which the contract solves.
fn unit(view: &CryptoSwapView, token: usize) -> f64 {
    let price = token.checked_sub(1).map_or(ONE_18, |k| view.state.price_scale[k] as f64);
    view.precisions[token] as f64 * price / ONE_18
}

/// The contract's iterations end once a step is less than such a part of the greatest number among balances and invariant.
const STEP_PART: f64 = 1e-14;

/// Or less than so much, which is what a part of the least invariant would be.
const STEP_MIN: f64 = 100.0;

/// By how much a quote may lie off the curve through the pool's balances: raw units of the token that comes out, at least one.
///
/// The invariant was stored a step off what the balances have at most, and a balance is solved a step off what the invariant has. The first
/// step moves the output by what it takes of that token to make up for it: invariants of such curves are homogeneous of degree one, so by the
/// same part of all that the pool holds, valued in that token at the pool's own rates.
#[must_use]
pub fn crypto_swap_resolution(view: &CryptoSwapView, way: Way, at: u64) -> Option<f64> {
    let (_, token_out) = view.coins(way).ok()?;
    let (amplification, gamma) = view.curvature_at(at).ok()?;
    let (scaled, total) = view.balances_at(at).ok()?;
    let total = float(total);
    let balances = scaled.map(|balance| float(balance) / total);
    let balances = balances.get(..view.generation.coin_count())?;
    let curve = Curve { ann: float(amplification) / AMPLIFICATION_ONE, gamma: float(gamma) / ONE_18, balances };
    let in_token_out = |(token, balance): (usize, &f64)| {
        let rate = if token == token_out { 1.0 } else { curve.partials(token, token_out).output().first };
        balance * rate
    };
    let held: f64 = balances.iter().enumerate().map(in_token_out).sum();
    let greatest = balances.iter().fold(1.0_f64, |most, balance| most.max(*balance));
    let invariant_off = (STEP_PART * total).max(STEP_MIN) * held;
    let solved_off = (STEP_PART * total * greatest).max(STEP_MIN);
    let units = (invariant_off + solved_off) / unit(view, token_out) + 1.0;
    units.is_finite().then_some(units)
}

/// How many times as much is kept at the least fee as at the greatest.
#[must_use]
pub fn crypto_swap_fee_range(terms: &CryptoSwapTerms) -> f64 {
    let [mid, out] = [terms.mid_fee, terms.out_fee].map(|fee| fee as f64 / FEE_ONE);
    (1.0 - mid.min(out)) / (1.0 - mid.max(out))
}

/// `ann gamma^2 (S - 1) K0 = (1 - K0) (gamma + 1 - K0)^2` with `K0 = n^n P`, of balances in units of the invariant.
struct Curve<'b> {
    ann: f64,
    gamma: f64,
    balances: &'b [f64],
}

impl Curve<'_> {
    /// Of left less right. The excess of the sum is taken from the curve itself: near balance its digits are lost.
    fn partials(&self, token_in: usize, token_out: usize) -> Partials {
        let (x, y) = (self.balances[token_in], self.balances[token_out]);
        let count = self.balances.len() as f64;
        let k: f64 = self.balances.iter().map(|balance| count * balance).product();
        let short = 1.0 - k;
        let reach = self.gamma + short;
        let weight = self.ann * self.gamma * self.gamma;
        let excess = short * reach * reach / k;
        // By the sum, by K0, and by both; by K0 twice.
        let of_sum = weight * k;
        let of_k = excess + reach * reach + 2.0 * short * reach;
        let of_both = weight;
        let of_k_twice = -4.0 * reach - 2.0 * short;
        let (k_x, k_y, k_xy) = (k / x, k / y, k / (x * y));
        Partials {
            x: of_sum + of_k * k_x,
            y: of_sum + of_k * k_y,
            xx: 2.0 * of_both * k_x + of_k_twice * k_x * k_x,
            xy: of_both * (k_x + k_y) + of_k_twice * k_x * k_y + of_k * k_xy,
            yy: 2.0 * of_both * k_y + of_k_twice * k_y * k_y,
        }
    }
}

/// The fee at no input, and how it grows with the input along a curve of this slope.
fn fee(terms: &CryptoSwapTerms, balances: &[f64], (x, y): (f64, f64), slope: f64) -> (f64, f64) {
    let (mid, out) = (terms.mid_fee as f64 / FEE_ONE, terms.out_fee as f64 / FEE_ONE);
    let gamma = terms.fee_gamma as f64 / ONE_18;
    let (count, sum) = (balances.len() as f64, balances.iter().sum::<f64>());
    let balance: f64 = balances.iter().map(|balance| count * balance / sum).product();
    let balance_growth = balance * (1.0 / x - slope / y - count * (1.0 - slope) / sum);
    let (part, growth) = if terms.fee_gamma > 0 {
        let divisor = gamma + 1.0 - balance;
        (gamma / divisor, gamma / (divisor * divisor) * balance_growth)
    } else if balances.len() == 3 {
        (balance, balance_growth)
    } else {
        (0.0, 0.0)
    };
    (mid * part + out * (1.0 - part), (mid - out) * growth)
}
