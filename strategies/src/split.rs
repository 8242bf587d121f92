//! Closed routes whose legs are split over the pools of their pairs.

use alphapulse_protocol::PoolId;
use ruint::aliases::U256;

use crate::joint::{JointTerms, best_parts};
use crate::market::{Market, MarketEvent};
use crate::opportunity::{Opportunity, OpportunitySink};
use crate::plan_settings::PlanSettings;
use crate::search::BoundedSearch;
use crate::strategy::{Strategy, StrategyConfig, StrategyError};

/// Pools of one pair that a leg is split over, at most: the first of them in order of their ids.
const PARALLEL_MAX: usize = 64;

/// Routes of 2 to `hops_max` hops, each leg over as many pools of its pair as pay for their gas.
///
/// **Latency**: as of [`Cyclic`](crate::cyclic::Cyclic) where nothing is found; then some hundred looks at each pool of the route's pairs, each
/// about a microsecond. Allocates then, as much as those looks need: what is found is rare, and the search before it allocates nothing.
/// **Data**: the state of every pool at the end of a block. **Risks**: as of a route, and each pool more is one more that another trade may
/// move first: the executor then reverts, and the gas is lost.
#[derive(Debug)]
pub struct Split {
    search: BoundedSearch,
    routes: OpportunitySink,
    settings: PlanSettings,
    strategy: u16,
    profit_min: U256,
}

impl Split {
    /// A strategy as configured; its opportunities carry `index`.
    ///
    /// # Errors
    /// [`StrategyError`] when the configuration names no token, allows no report, `hops_max` is outside `2..=6`, or a setting is no number.
    pub fn new(config: &StrategyConfig, index: u16) -> Result<Self, StrategyError> {
        config.check()?;
        Ok(Self {
            search: BoundedSearch::new(config, index, config.hops_max),
            routes: OpportunitySink::new(config.per_block_max),
            settings: PlanSettings::of(config)?,
            strategy: index,
            profit_min: config.profit_min,
        })
    }

    /// The route over all pools of its pairs that are free, where that earns more than it and the routes that it takes a pool from.
    fn widened(
        &self,
        market: &Market,
        route: &Opportunity,
        others: &[Opportunity],
        taken: &[PoolId],
    ) -> Option<Opportunity> {
        let pools = parallel(market, route, taken);
        let terms = JointTerms { token: route.token, trade_cost: self.settings.swap_cost(market) };
        let best = *best_parts(market, &terms, (&pools, self.settings.looks_max), self.strategy)?.first()?;
        // Profits in other tokens do not compare.
        let is_lost =
            |other: &&Opportunity| other.token == route.token && other.hops().iter().any(|hop| best.uses(hop.pool));
        let lost = others.iter().filter(is_lost).map(|other| self.settings.net(market, other));
        let before = lost.fold(self.settings.net(market, route), U256::saturating_add);
        (self.settings.net(market, &best) > before && best.profit() >= self.profit_min).then_some(best)
    }
}

/// The admitted pools of the pairs that a route passes, none of them taken, and none that another one stands on.
fn parallel(market: &Market, route: &Opportunity, taken: &[PoolId]) -> Vec<PoolId> {
    let mut pools: Vec<PoolId> = route.hops().iter().map(|hop| hop.pool).collect();
    for hop in route.hops() {
        let edges = market.graph().edges_between(hop.token_in, hop.token_out).iter().map(|edge| edge.pool);
        for pool in edges.filter(|pool| market.is_admitted(*pool)).take(PARALLEL_MAX) {
            if pools.iter().chain(taken).all(|other| market.are_apart(*other, pool)) {
                pools.push(pool);
            }
        }
    }
    pools.sort_unstable();
    pools
}

impl Strategy for Split {
    fn name(&self) -> &'static str {
        "split"
    }

    fn on_event(&mut self, market: &Market, event: &MarketEvent, out: &mut OpportunitySink) {
        self.routes.clear();
        self.search.on_event(market, event, &mut self.routes);
        let routes = self.routes.as_slice();
        let mut reported: Vec<Opportunity> = Vec::with_capacity(routes.len());
        for (at, route) in routes.iter().enumerate() {
            let taken: Vec<PoolId> = reported.iter().flat_map(Opportunity::hops).map(|hop| hop.pool).collect();
            if taken.iter().any(|pool| route.uses(*pool)) {
                continue;
            }
            let better = self.widened(market, route, &routes[at + 1..], &taken);
            reported.push(better.unwrap_or(*route));
        }
        // Best first within a token, tokens as they came.
        let place = |of: &Opportunity| routes.iter().position(|route| route.token == of.token);
        reported.sort_by_key(|found| (place(found), core::cmp::Reverse(found.profit())));
        reported.iter().for_each(|found| {
            out.push(*found);
        });
    }

    fn cuts(&self) -> u32 {
        self.search.cuts()
    }
}
