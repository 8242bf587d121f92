//! Weighted products.

use super::{ONE_18, Slope};
use crate::pool::balancer::weighted::WeightedView;
use crate::pool::{Mobius, Way};

/// Of a Balancer weighted pool. Units: raw.
#[must_use]
pub fn weighted(view: &WeightedView<'_>, way: Way) -> Option<Mobius> {
    let of = |token: u8| {
        let (balance, weight) = (view.balances.get(usize::from(token))?, view.weights.get(usize::from(token))?);
        Some((*balance as f64, *weight as f64))
    };
    if view.is_paused || way.token_in == way.token_out {
        return None;
    }
    let ((balance_in, weight_in), (balance_out, weight_out)) = (of(way.token_in)?, of(way.token_out)?);
    let (ratio, kept) = (weight_in / weight_out, 1.0 - view.swap_fee as f64 / ONE_18);
    let first = ratio * balance_out / balance_in;
    let second = -first * (ratio + 1.0) / balance_in;
    Slope { first, second }.osculating(kept, 1.0)
}
