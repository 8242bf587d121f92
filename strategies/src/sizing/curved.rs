//! The optimum of a route over curves of any kind, from exact amounts alone.
//!
//! Where a leg is no sequence of Möbius maps, its output is known as the contract computes it: the route's profit is asked for near the
//! optimum of the maps that osculate it at no input, and then wherever a better one may lie.

use ruint::aliases::U256;

use super::Leg;
use super::exact::Path;
use super::peak::peak;
use super::walk::Estimate;
use crate::market::Market;

/// Part of what the first pool holds that is tried first where the maps say nothing.
const START_PART: f64 = 1e-4;
/// What it is taken to hold where that is not known: pools of ranges do not say.
const START: f64 = 1e22;

/// The most profitable input, or `None` when there is no profit or a pool sells nothing.
pub(super) fn estimate(market: &Market, legs: &[Leg], path: &Path<'_>) -> Option<Estimate> {
    let (mut rate, mut bend) = (1.0, 0.0);
    for leg in legs {
        let map = market.rate(leg.pool, leg.way);
        bend += map.h * rate;
        rate *= map.g;
    }
    let near = (rate - 1.0) / (rate.sqrt() + 1.0) / bend;
    let held = path.legs().first().and_then(|(pool, way)| pool.held(way.token_in)).map_or(START, |held| held as f64);
    let start = if near.is_finite() && near >= 1.0 { near } else { (held * START_PART).max(1.0) };
    let found = peak(start, |input| {
        let amounts = path.forward(U256::try_from(input.floor()).ok().filter(|input| !input.is_zero())?).ok()?;
        let (paid, got) = (amounts.as_slice()[0], *amounts.as_slice().last()?);
        // The difference is taken before it becomes a float.
        Some(if got >= paid { f64::from(got - paid) } else { -f64::from(paid - got) })
    })?;
    (found.top.value > 0.0).then_some(Estimate { input: found.top.at, profit: found.top.value })
}
