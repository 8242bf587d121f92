//! The input that earns most on a closed route: estimated in floats, decided in integers.

mod exact;
mod walk;

use alphapulse_protocol::PoolId;
use ruint::aliases::U256;

pub(crate) use self::exact::Amounts;
use self::exact::Path;
use crate::market::Market;

/// One swap of a route, without amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Leg {
    /// Pool swapped in.
    pub(crate) pool: PoolId,
    /// Whether token 0 is paid.
    pub(crate) zero_for_one: bool,
}

/// How far, of the input, the estimated profit may lie below the exact one.
///
/// Pools round for themselves, so the exact profit is at most the real-valued one; the estimate of that is the sum of
/// some hundred float operations on amounts of the input's size, each within 2^-53 of it. This leaves a factor of 100.
const ESTIMATE_SLACK: f64 = 1e-12;

/// Amounts that earn most on a closed route, or `None` when it cannot earn `profit_min` (at least one unit).
///
/// Units: raw units of the route's first token; before gas. Shape: `legs` is `2..=HOPS_MAX` legs, each paying what the
/// one before receives. Rounding: the amounts are the pools' own quotes, so the profit is exact; it is within 1e-9 of the
/// greatest possible, save what one unit of the route's coarsest token is worth. Latency: no allocation.
pub(crate) fn best_amounts(market: &Market, legs: &[Leg], profit_min: U256) -> Option<Amounts> {
    if !is_rate_above_one(market, legs) {
        return None;
    }
    let path = Path::new(market, legs)?;
    let estimate = walk::estimate(path.legs())?;
    if estimate.profit + estimate.input * ESTIMATE_SLACK + 1.0 < f64::from(profit_min) {
        return None;
    }
    exact::settle(&path, &estimate).filter(|amounts| amounts.profit().is_some_and(|p| p >= profit_min.max(U256::ONE)))
}

/// Whether the first unit round the route comes back as more than one: if not, none does, for rates only fall.
#[inline]
fn is_rate_above_one(market: &Market, legs: &[Leg]) -> bool {
    legs.iter().map(|leg| market.rate(leg.pool, leg.zero_for_one).g).product::<f64>() > 1.0
}
