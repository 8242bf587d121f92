//! Search for profitable closed routes: once over a whole market, or event by event.

mod bounded;
pub(crate) mod certificate;
mod indexed;
mod prices;
mod selection;
mod stamps;
mod touched;
pub(crate) mod worth;

use core::cmp::{Ordering, Reverse};
use core::ops::ControlFlow;

use alphapulse_protocol::{PoolId, TokenId};
use ruint::aliases::U256;

use self::bounded::BoundedRoutes;
pub use self::certificate::{Certificate, Worth};
pub(crate) use self::indexed::IndexedSearch;
pub use self::prices::Prices;
pub(crate) use self::selection::BoundedSearch;
use crate::market::Market;
use crate::opportunity::{HOPS_MAX, Hop, Opportunity};
use crate::route::visit_cycles;
use crate::sizing::{Amounts, Leg, best_amounts, polished};

/// The best closed routes from `token` and back, best first. They may share pools: taking one can spoil the next. Those of
/// [`find_cycles`], whether or not it came to its end.
#[must_use]
pub fn best_cycles(market: &Market, token: TokenId, hops_max: u8, profit_min: U256, limit: usize) -> Vec<Opportunity> {
    find_cycles(market, token, hops_max, profit_min, limit).routes
}

/// What a search found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cycles {
    /// Best first.
    pub routes: Vec<Opportunity>,
    /// Whether it gave up before its end, after some seconds of work: routes may be missing then.
    pub is_cut: bool,
}

/// The best closed routes from `token` and back.
///
/// Units: `profit_min` and profits in raw units of `token`, before gas; zero means one unit.
/// Shape: routes of `2..=hops_max` hops; `hops_max` above [`HOPS_MAX`] means [`HOPS_MAX`]; at most `limit` of them,
/// each carrying strategy 0. Empty when the market is not whole.
/// Cost: prices for all tokens, see [`Prices::fit`], and then a look at the routes that these do not rule out, fewer the more is asked of
/// them; memory grows with `limit` only.
#[must_use]
pub fn find_cycles(market: &Market, token: TokenId, hops_max: u8, profit_min: U256, limit: usize) -> Cycles {
    if limit == 0 || !market.replica().is_whole() || hops_max < 2 {
        return Cycles { routes: Vec::new(), is_cut: false };
    }
    let mut best = Best::new(0);
    best.begin(limit, profit_min);
    let mut routes = BoundedRoutes::new(usize::from(hops_max).min(HOPS_MAX));
    routes.rebuild(market, &[token]);
    let is_cut = routes.best(market, token, &mut best);
    Cycles { routes: best.into_sorted(), is_cut }
}

/// What [`best_cycles`] finds, found by trying every route: what to hold a search against.
///
/// Cost: looks at every route, of which a market of many pools has very many at four hops; memory grows with `limit`
/// only.
#[must_use]
pub fn enumerate_cycles(
    market: &Market,
    token: TokenId,
    hops_max: u8,
    profit_min: U256,
    limit: usize,
) -> Vec<Opportunity> {
    if limit == 0 || !market.replica().is_whole() {
        return Vec::new();
    }
    let mut best = Best::new(0);
    best.begin(limit, profit_min);
    for hop_count in 2..=usize::from(hops_max).min(HOPS_MAX) {
        let _ = visit_cycles(market.graph(), token, hop_count, &mut |legs| {
            best.look_at(market, legs);
            ControlFlow::Continue(())
        });
    }
    best.into_sorted()
}

/// Most of the best routes that are sorted whenever one is found.
const SORTED_EACH_TIME: usize = 32;

/// The best routes so far.
#[derive(Debug)]
struct Best {
    strategy: u16,
    found: Vec<Opportunity>,
    limit: usize,
    /// Least profit that may still be among them.
    profit_min: U256,
}

impl Best {
    /// None; reports of them carry `strategy`.
    const fn new(strategy: u16) -> Self {
        Self { strategy, found: Vec::new(), limit: 0, profit_min: U256::ZERO }
    }

    /// Begins anew: at most so many, that earn so much.
    fn begin(&mut self, limit: usize, profit_min: U256) {
        self.found.clear();
        (self.limit, self.profit_min) = (limit, profit_min.max(U256::ONE));
    }

    fn look_at(&mut self, market: &Market, legs: &[Leg]) {
        self.found.extend(evaluate(market, legs, self.profit_min, self.strategy));
        // A few are sorted each time, for each makes the search shorter; of many, sorting must stay a small part.
        let room = if self.limit > SORTED_EACH_TIME { self.limit } else { 0 };
        if self.found.len() >= self.limit.saturating_add(room).max(1) {
            self.keep();
            self.profit_min = self.found.last().map_or(self.profit_min, Opportunity::profit);
        }
    }

    fn keep(&mut self) {
        self.found.sort_unstable_by(best_first);
        self.found.truncate(self.limit);
    }

    fn sorted(&mut self) -> &[Opportunity] {
        self.keep();
        &self.found
    }

    fn into_sorted(mut self) -> Vec<Opportunity> {
        self.keep();
        self.found
    }
}

/// The trade of a closed route that earns most, or `None` when there is none that earns `profit_min` (at least one unit).
///
/// Units: raw units of the route's first token; before gas. Shape: `route` is pool, token paid and token received of each of
/// `2..=HOPS_MAX` hops. None is given of a route that is not closed, passes a pool twice, pools of which one trades in another, or one
/// that is not admitted. The amounts are the pools' own quotes, and the profit is within 1e-9 of the greatest possible, save
/// what one unit of the route's coarsest token is worth. Latency: no allocation.
#[must_use]
pub fn size_route(
    market: &Market,
    strategy: u16,
    route: &[(PoolId, TokenId, TokenId)],
    profit_min: U256,
) -> Option<Opportunity> {
    let mut legs = [Leg::UNUSED; HOPS_MAX];
    let legs = legs.get_mut(..route.len()).filter(|legs| legs.len() >= 2)?;
    for ((leg, (pool, token_in, token_out)), at) in legs.iter_mut().zip(route).zip(0..) {
        let is_apart = |(before, ..): &(PoolId, TokenId, TokenId)| market.are_apart(*before, *pool);
        if !market.is_admitted(*pool) || !route[..at].iter().all(is_apart) {
            return None;
        }
        *leg = Leg { pool: *pool, way: market.way(*pool, *token_in, *token_out).ok()? };
    }
    evaluate(market, legs, profit_min, strategy)
}

/// The same route with the amounts that its pools round least: of all inputs near the best, the one that earns most, where a search is
/// content with a few units of the route's coarsest token. Never earns less.
///
/// Cost: up to some hundred thousand exact quotes; for one route that a person asks about, not for the path of a message or a whole scan.
#[must_use]
pub fn polish(market: &Market, found: &Opportunity) -> Opportunity {
    let better = || {
        let mut legs = [Leg::UNUSED; HOPS_MAX];
        let legs = legs.get_mut(..found.hops().len())?;
        for (leg, hop) in legs.iter_mut().zip(found.hops()) {
            *leg = Leg { pool: hop.pool, way: market.way(hop.pool, hop.token_in, hop.token_out).ok()? };
        }
        let amounts = found.hops().iter().map(|hop| hop.amount_in).chain([found.amount_out()]);
        opportunity(market, legs, &polished(market, legs, amounts)?, found.strategy)
    };
    better().unwrap_or(*found)
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
        let tokens = &market.replica().pools().get(leg.pool.index())?.tokens;
        let [token_in, token_out] = [leg.way.token_in, leg.way.token_out].map(|place| tokens.get(usize::from(place)));
        let (token_in, token_out) = (*token_in?, *token_out?);
        *hop = Hop { pool: leg.pool, token_in, token_out, amount_in: pair[0], amount_out: pair[1] };
    }
    Opportunity::new(strategy, &hops[..legs.len()])
}
