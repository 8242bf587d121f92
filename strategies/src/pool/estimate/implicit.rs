//! Slopes of a curve that is given as the zeros of a function.

use super::Slope;

/// Partial derivatives of a function of two balances, at a point where it is zero.
#[derive(Debug, Clone, Copy)]
pub(super) struct Partials {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) xx: f64,
    pub(super) xy: f64,
    pub(super) yy: f64,
}

impl Partials {
    /// What comes out of `y` for what goes into `x`, along the zeros.
    pub(super) fn output(self) -> Slope {
        let slope = -self.x / self.y;
        let bend = -(self.xx + 2.0 * self.xy * slope + self.yy * slope * slope) / self.y;
        Slope { first: -slope, second: -bend }
    }
}
