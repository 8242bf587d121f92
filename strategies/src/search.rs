//! Search for profitable closed routes: once over a whole market, or event by event.

mod certificate;
mod incremental;
mod prices;
mod worth;

use core::cmp::{Ordering, Reverse};
use core::ops::ControlFlow;

use alphapulse_protocol::{PoolId, TokenId};
use ruint::aliases::U256;

pub use self::certificate::{Certificate, Worth};
pub(crate) use self::incremental::CycleSearch;
pub use self::prices::Prices;
use crate::market::Market;
use crate::opportunity::{HOPS_MAX, Hop, Opportunity};
use crate::route::visit_cycles;
use crate::sizing::{Amounts, Leg, best_amounts};

/// The best closed routes from `token` and back, best first. They may share pools: taking one can spoil the next.
///
/// Units: `profit_min` and profits in raw units of `token`, before gas; zero means one unit.
/// Shape: routes of `2..=hops_max` hops; `hops_max` above [`HOPS_MAX`] means [`HOPS_MAX`]; at most `limit` of them,
/// each carrying strategy 0. Empty when the market is not whole.
/// Cost: looks at every route, of which a market of many pools has very many at four hops; memory grows with `limit`
/// only.
#[must_use]
pub fn best_cycles(market: &Market, token: TokenId, hops_max: u8, profit_min: U256, limit: usize) -> Vec<Opportunity> {
    let mut found = Vec::new();
    if limit == 0 || !market.replica().is_whole() {
        return found;
    }
    let mut profit_min = profit_min;
    for hop_count in 2..=usize::from(hops_max).min(HOPS_MAX) {
        let _ = visit_cycles(market.graph(), token, hop_count, &mut |legs| {
            found.extend(evaluate(market, legs, profit_min, 0));
            if found.len() == limit.saturating_mul(2).max(64) {
                keep_best(&mut found, limit);
                profit_min = found.last().map_or(profit_min, Opportunity::profit);
            }
            ControlFlow::Continue(())
        });
    }
    keep_best(&mut found, limit);
    found
}

fn keep_best(found: &mut Vec<Opportunity>, limit: usize) {
    found.sort_unstable_by(best_first);
    found.truncate(limit);
}

/// Order of reports within one token: profit, then fewer hops, then lower pool ids. No two routes are equal in it.
fn best_first(a: &Opportunity, b: &Opportunity) -> Ordering {
    let key = |found: &Opportunity| (Reverse(found.profit()), found.hops().len());
    key(a).cmp(&key(b)).then_with(|| pools(a).cmp(pools(b)))
}

fn pools(found: &Opportunity) -> impl Iterator<Item = (PoolId, TokenId)> {
    found.hops().iter().map(|hop| (hop.pool, hop.token_in))
}

/// The route at its best size, or `None` when it does not earn `profit_min`.
fn evaluate(market: &Market, legs: &[Leg], profit_min: U256, strategy: u16) -> Option<Opportunity> {
    let amounts = best_amounts(market, legs, profit_min)?;
    opportunity(market, legs, &amounts, strategy)
}

fn opportunity(market: &Market, legs: &[Leg], amounts: &Amounts, strategy: u16) -> Option<Opportunity> {
    let unused = Hop {
        pool: PoolId(0),
        token_in: TokenId(0),
        token_out: TokenId(0),
        amount_in: U256::ZERO,
        amount_out: U256::ZERO,
    };
    let mut hops = [unused; HOPS_MAX];
    for ((hop, leg), pair) in hops.iter_mut().zip(legs).zip(amounts.as_slice().windows(2)) {
        let [token_0, token_1] = market.replica().pools().get(leg.pool.index())?.tokens.pair()?;
        let (token_in, token_out) = if leg.zero_for_one { (token_0, token_1) } else { (token_1, token_0) };
        *hop = Hop { pool: leg.pool, token_in, token_out, amount_in: pair[0], amount_out: pair[1] };
    }
    Opportunity::new(strategy, &hops[..legs.len()])
}
