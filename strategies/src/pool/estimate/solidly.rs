//! Solidly's two curves.

use super::implicit::Partials;
use crate::pool::mobius::kept_share;
use crate::pool::solidly::{SolidlyCurve, SolidlyView};
use crate::pool::{Mobius, Way};

/// Of a Solidly pool. Units: raw.
#[must_use]
pub fn solidly(view: &SolidlyView, way: Way) -> Option<Mobius> {
    let zero_for_one = way.zero_for_one().ok()?;
    let oriented = |[a, b]: [u128; 2]| if zero_for_one { [a, b] } else { [b, a] };
    let [reserve_in, reserve_out] = oriented(view.reserves);
    if reserve_in == 0 || reserve_out == 0 {
        return None;
    }
    let kept = kept_share(view.fee_ppm);
    if view.curve == SolidlyCurve::Volatile {
        return Some(Mobius::constant_product(reserve_in, reserve_out, view.fee_ppm)).filter(|map| map.g > 0.0);
    }
    let [scale_in, scale_out] = oriented(view.scales).map(|scale| scale as f64);
    let (x, y) = (reserve_in as f64 / scale_in, reserve_out as f64 / scale_out);
    // Of x^3 y + x y^3, in units of whole tokens.
    let partials = Partials {
        x: 3.0 * x * x * y + y * y * y,
        y: x * x * x + 3.0 * x * y * y,
        xx: 6.0 * x * y,
        xy: 3.0 * (x * x + y * y),
        yy: 6.0 * x * y,
    };
    partials.output().osculating(kept / scale_in, scale_out)
}
