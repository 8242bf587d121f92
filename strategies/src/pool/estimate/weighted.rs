//! Weighted products.

use super::ONE_18;
use crate::pool::balancer::weighted::WeightedView;
use crate::pool::{Mobius, Way};

/// Part of a balance that one swap may bring after its fee, as the contract has it.
const INPUT_PART_MAX: f64 = 0.3;

/// Of a Balancer weighted pool. Units: raw.
#[must_use]
pub fn weighted(view: &WeightedView<'_>, way: Way) -> Option<Mobius> {
    WeightedCurve::new(view, way).and_then(WeightedCurve::osculating)
}

/// The output of a weighted pool in real numbers: `B_o (1 - (B_i / (B_i + kept x))^r)`. Units: raw.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct WeightedCurve {
    balance_in: f64,
    balance_out: f64,
    /// Weight of the token that goes in by that of the one that comes out.
    ratio: f64,
    /// Part of the input that is left after the fee.
    kept: f64,
}

impl WeightedCurve {
    /// One way through a pool; none where it has no such way, or is paused.
    #[must_use]
    pub fn new(view: &WeightedView<'_>, way: Way) -> Option<Self> {
        let of = |token: u8| {
            let (balance, weight) = (view.balances.get(usize::from(token))?, view.weights.get(usize::from(token))?);
            Some((*balance as f64, *weight as f64))
        };
        if view.is_paused || way.token_in == way.token_out {
            return None;
        }
        let ((balance_in, weight_in), (balance_out, weight_out)) = (of(way.token_in)?, of(way.token_out)?);
        let kept = 1.0 - view.swap_fee as f64 / ONE_18;
        Some(Self { balance_in, balance_out, ratio: weight_in / weight_out, kept })
    }

    /// Marginal rate at no input.
    fn rate(self) -> f64 {
        self.kept * self.ratio * self.balance_out / self.balance_in
    }

    fn osculating(self) -> Option<Mobius> {
        let (g, h) = (self.rate(), self.kept * (self.ratio + 1.0) / (2.0 * self.balance_in));
        (g > 0.0 && g.is_finite() && h.is_finite()).then_some(Mobius { g, h })
    }

    /// Output for an input.
    #[must_use]
    pub fn output(self, input: f64) -> f64 {
        let grown = self.kept * input / self.balance_in;
        -self.balance_out * (-self.ratio * grown.ln_1p()).exp_m1()
    }

    /// Input at which the marginal rate has come down to this, and by how much it grows where the rate falls by a part of itself; the most that
    /// a swap may bring, which does not grow, where that is less, and nothing where the rate is never as high.
    #[must_use]
    pub fn input_at(self, rate: f64) -> (f64, f64) {
        let steepness = self.ratio + 1.0;
        let grown = ((self.rate() / rate).ln() / steepness).exp_m1();
        let (input, most) = (self.balance_in * grown / self.kept, self.balance_in * INPUT_PART_MAX / self.kept);
        match input {
            _ if input <= 0.0 => (0.0, 0.0),
            _ if input < most => (input, self.balance_in * (1.0 + grown) / (self.kept * steepness)),
            _ => (most, 0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn input_is_where_the_slope_has_come_down() {
        let curve = WeightedCurve { balance_in: 1e6, balance_out: 3e5, ratio: 4.0, kept: 0.997 };
        let slope = |x: f64| (curve.output(x + 1.0) - curve.output(x - 1.0)) / 2.0;
        for part in [0.999, 0.9, 0.6] {
            let (input, growth) = curve.input_at(part * curve.rate());
            assert!((slope(input) / (part * curve.rate()) - 1.0).abs() < 1e-8, "{part}: {input}");
            let (further, _) = curve.input_at(part * curve.rate() * (1.0 - 1e-6));
            assert!(((further - input) / (1e-6 * growth) - 1.0).abs() < 1e-4, "{part}: {growth}");
        }
        assert_eq!(curve.input_at(0.01 * curve.rate()), (3e5 / 0.997, 0.0), "no more than three tenths of the balance");
        assert_eq!(curve.input_at(1.01 * curve.rate()), (0.0, 0.0));
    }
}
