//! The first hops of a closed route, as far as a bound on the whole goes.

use crate::market::HotLine;

/// Part by which float rounding may have made a rate too small.
const ROUNDING: f64 = 1e-12;

/// Hops in a row, in value at the prices: the map that bounds their output, `rate x / (1 + bend x)`, and what each gains alone.
#[derive(Debug, Clone, Copy)]
pub(super) struct Prefix {
    rate: f64,
    bend: f64,
    gains: f64,
    /// Most value that a unit at the start has become at a token on the way, at least 1.
    lift: f64,
}

impl Prefix {
    /// No hop.
    pub(super) const EMPTY: Self = Self { rate: 1.0, bend: 0.0, gains: 0.0, lift: 1.0 };

    /// With one hop more, which gains so much alone.
    #[inline]
    pub(super) fn then(self, line: &HotLine, [price_in, price_out]: [f64; 2], gain: f64) -> Self {
        let map = line.bound();
        Self {
            rate: self.rate * (map.g * price_out / price_in),
            bend: self.bend + map.h / price_in * self.rate,
            gains: self.gains + gain,
            lift: self.lift.max(self.rate),
        }
    }

    /// The same with any one hop more of a curvature not below `bend` and a rate not above `rate`, in value; one of a rate above 1 may gain
    /// anything.
    #[inline]
    pub(super) fn then_any(self, bend: f64, rate: f64) -> Self {
        Self {
            rate: self.rate * rate,
            bend: self.bend + bend * self.rate,
            gains: if rate > 1.0 { f64::INFINITY } else { self.gains },
            lift: self.lift.max(self.rate),
        }
    }

    /// Whether the first unit may come out as more.
    #[inline]
    pub(super) fn is_gaining(self) -> bool {
        self.rate * (1.0 + ROUNDING) > 1.0
    }

    /// Most that a closed route of these hops and others earns, where the others gain at most `rest` together, in whichever of its tokens.
    ///
    /// Two bounds. No hop gains more than it does alone, so the sum is one. And a route that begins and ends where these hops do gains at
    /// most what the composed map does, and the rest; one that begins within them begins with what those before have made of it, which
    /// is at most `lift` times as much.
    #[inline]
    pub(super) fn most(self, rest: f64) -> f64 {
        let above = self.rate * (1.0 + ROUNDING) - 1.0;
        let composed = if above > 0.0 {
            let root = above / ((1.0 + above).sqrt() + 1.0);
            root * root / self.bend
        } else {
            0.0
        };
        (self.lift * (composed + rest)).min(self.gains + rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `(sqrt(1.21) - 1)^2 / 0.01 = 1`.
    #[test]
    fn a_prefix_earns_what_its_map_does_unless_its_hops_gain_less() {
        let prefix = Prefix { rate: 1.21, bend: 0.01, gains: 10.0, lift: 1.0 };
        assert!((prefix.most(0.0) - 1.0).abs() < 1e-9);
        assert!((Prefix { gains: 0.5, ..prefix }.most(0.0) - 0.5).abs() < 1e-9);
        assert!((prefix.most(2.0) - 3.0).abs() < 1e-9);
        assert!((Prefix { lift: 1.5, ..prefix }.most(0.0) - 1.5).abs() < 1e-9);
        assert_eq!(Prefix { rate: 0.9, ..prefix }.most(0.0), 0.0);
    }
}
