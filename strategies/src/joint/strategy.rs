//! The best trades of all pools between the tokens that something is to be gained in.

use alphapulse_protocol::{PoolId, TokenId};
use ruint::aliases::U256;

use super::{JointTerms, best_parts};
use crate::market::{Market, MarketEvent};
use crate::opportunity::{Opportunity, OpportunitySink};
use crate::plan_settings::PlanSettings;
use crate::split::Split;
use crate::strategy::{Strategy, StrategyConfig, StrategyError};

/// Pools that are looked at together, at most: what a block leaves time for.
const POOLS_MAX: usize = 512;

/// Plans of swaps that gain most together: a route, split over pools, and others that lean on it, as one.
///
/// Routes are searched for first, and split as [`Split`] does. Where there are none that earn enough nothing is reported; else the best trades
/// of all pools between the tokens that those routes pass, in parts that need nothing of each other, if these earn more.
///
/// **Latency**: as of [`Cyclic`](crate::cyclic::Cyclic) where nothing is found; then about a microsecond for each look at a pool, some hundred
/// looks at each, up to the setting `looks_max`. Allocates then, as [`Split`] does. **Data**: the state of every pool at the end of a block.
/// **Risks**: a plan has more swaps than a route, and fails whole when another trade moves one of its pools: the executor reverts, and the gas
/// is lost.
#[derive(Debug)]
pub struct Joint {
    split: Split,
    routes: OpportunitySink,
    settings: PlanSettings,
    strategy: u16,
    per_block_max: usize,
    profit_min: U256,
}

impl Joint {
    /// A strategy as configured; its opportunities carry `index`.
    ///
    /// # Errors
    /// [`StrategyError`] when the configuration names no token, allows no report, `hops_max` is outside `2..=6`, or a setting is no number.
    pub fn new(config: &StrategyConfig, index: u16) -> Result<Self, StrategyError> {
        Ok(Self {
            split: Split::new(config, index)?,
            routes: OpportunitySink::new(config.per_block_max),
            settings: PlanSettings::of(config)?,
            strategy: index,
            per_block_max: config.per_block_max,
            profit_min: config.profit_min,
        })
    }

    /// The plans that profit in one token, in no pool that is taken, if they earn more than these routes; at most so many.
    fn plans(
        &self,
        market: &Market,
        token: TokenId,
        (routes, taken): (&[Opportunity], &[PoolId]),
        room: usize,
    ) -> Option<Vec<Opportunity>> {
        let pools = pools_between(market, routes, taken);
        if pools.len() > POOLS_MAX {
            return None;
        }
        let terms = JointTerms { token, trade_cost: self.settings.swap_cost(market) };
        let mut parts = best_parts(market, &terms, (&pools, self.settings.looks_max), self.strategy)?;
        parts.retain(|part| part.profit() >= self.profit_min);
        parts.truncate(room);
        let net = |found: &[Opportunity]| {
            found.iter().map(|found| self.settings.net(market, found)).fold(U256::ZERO, U256::saturating_add)
        };
        (net(&parts) > net(routes)).then_some(parts)
    }
}

/// The admitted pools all of whose tokens are passed by one of the routes.
fn pools_between(market: &Market, routes: &[Opportunity], taken: &[PoolId]) -> Vec<PoolId> {
    let mut tokens: Vec<TokenId> = routes.iter().flat_map(|route| route.hops()).map(|hop| hop.token_in).collect();
    tokens.sort_unstable();
    tokens.dedup();
    let pairs = tokens.iter().enumerate().flat_map(|(at, a)| tokens[..at].iter().map(|b| (*a, *b)));
    let edges = pairs.flat_map(|(a, b)| market.graph().edges_between(a, b));
    let mut pools: Vec<PoolId> = edges.map(|edge| edge.pool).collect();
    pools.sort_unstable();
    pools.dedup();
    let is_free = |pool: &PoolId| taken.iter().all(|other| market.are_apart(*other, *pool));
    pools.retain(|pool| market.is_admitted(*pool) && is_free(pool));
    // Of two pools of which one stands on the other, a trade in one changes the other.
    let mut apart: Vec<PoolId> = Vec::with_capacity(pools.len());
    for pool in pools {
        if apart.iter().all(|before| market.are_apart(*before, pool)) {
            apart.push(pool);
        }
    }
    apart
}

impl Strategy for Joint {
    fn name(&self) -> &'static str {
        "joint"
    }

    fn on_event(&mut self, market: &Market, event: &MarketEvent, out: &mut OpportunitySink) {
        self.routes.clear();
        self.split.on_event(market, event, &mut self.routes);
        if self.routes.as_slice().is_empty() {
            return;
        }
        let mut tokens: Vec<TokenId> = self.routes.as_slice().iter().map(|route| route.token).collect();
        tokens.dedup();
        let mut reported: Vec<Opportunity> = Vec::new();
        for token in tokens {
            let room = self.per_block_max.saturating_sub(reported.len());
            let taken: Vec<PoolId> = reported.iter().flat_map(Opportunity::hops).map(|hop| hop.pool).collect();
            let is_free = |route: &&Opportunity| taken.iter().all(|pool| !route.uses(*pool));
            let of_token = self.routes.as_slice().iter().filter(|route| route.token == token);
            let routes: Vec<Opportunity> = of_token.filter(is_free).take(room).copied().collect();
            let plans = self.plans(market, token, (&routes, &taken), room);
            reported.extend(plans.unwrap_or(routes));
        }
        for opportunity in &reported {
            out.push(*opportunity);
        }
    }

    fn cuts(&self) -> u32 {
        self.split.cuts()
    }
}
