//! The input that earns most on a closed route: estimated in floats, decided in integers.

mod curved;
mod exact;
mod peak;
mod polish;
mod walk;

use alphapulse_protocol::PoolId;
use ruint::aliases::U256;

pub(crate) use self::exact::Amounts;
use self::exact::Path;
pub(crate) use self::peak::peak;
use crate::market::{Market, PoolView};
use crate::pool::Way;

/// One swap of a route, without amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Leg {
    /// Pool swapped in.
    pub(crate) pool: PoolId,
    /// The tokens' places in the pool.
    pub(crate) way: Way,
}

impl Leg {
    /// For what is not filled yet.
    pub(crate) const UNUSED: Self = Self { pool: PoolId(0), way: Way::of_pair(true) };
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
/// greatest possible, save what one unit of the route's coarsest token is worth. Latency: no allocation; a route through a curve that is
/// no sequence of Möbius maps is asked for some twenty exact amounts, and not many more than a hundred.
pub(crate) fn best_amounts(market: &Market, legs: &[Leg], profit_min: U256) -> Option<Amounts> {
    if !is_rate_above_one(market, legs) {
        return None;
    }
    let path = Path::new(market, legs)?;
    let is_ranged = path.legs().iter().all(|(pool, _)| pool.is_ranged());
    let estimate = if is_ranged { walk::estimate(path.legs()) } else { curved::estimate(market, legs, &path) }?;
    // Of other curves the estimate is what some amount near the best gives, which settling may better by what rounding wasted.
    if is_ranged && estimate.profit + estimate.input * ESTIMATE_SLACK + 1.0 < f64::from(profit_min) {
        return None;
    }
    exact::settle(&path, &estimate).filter(|amounts| amounts.profit().is_some_and(|p| p >= profit_min.max(U256::ONE)))
}

/// The same amounts or better ones, so near the greatest profit that rounding leaves nothing to choose from; `None` for amounts that
/// are not those of the legs.
///
/// Cost: some hundred to some hundred thousand exact quotes where a unit of the route's coarsest token is worth something beside the profit. Not for the
/// path of a message.
pub(crate) fn polished(market: &Market, legs: &[Leg], amounts: impl Iterator<Item = U256>) -> Option<Amounts> {
    let path = Path::new(market, legs)?;
    let start = Amounts::of(amounts).filter(|start| start.as_slice().len() == legs.len() + 1)?;
    // A Solidly pool's fee is rounded down: it may give more than its map.
    let is_bounded = |(pool, _): &(PoolView<'_>, Way)| pool.is_ranged() && !matches!(pool, PoolView::Solidly(_));
    let estimate = if path.legs().iter().all(is_bounded) { walk::estimate(path.legs()) } else { None };
    let most = estimate.map(|estimate| estimate.profit + estimate.input * ESTIMATE_SLACK);
    Some(polish::polish(&path, start, most))
}

/// Whether a unit round the route may come back as more than one: if the first does not at the least fees, none does, for rates only fall.
#[inline]
fn is_rate_above_one(market: &Market, legs: &[Leg]) -> bool {
    legs.iter().map(|leg| market.line(leg.pool, leg.way).map_or(0.0, |line| line.bound().g)).product::<f64>() > 1.0
}
