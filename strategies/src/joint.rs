//! The best trades that can be made together: the joint optimum over all pools, as one plan.
//!
//! At prices where the pools' best trades, each for itself, balance in every token, these trades are the best of all that balance, splits
//! over parallel pools included; and what they gain bounds, at any prices, what any trades gain (weak duality). So one vector of prices gives
//! both the plan and the proof of how good it is.

mod descent;
mod flows;
mod network;
mod plan;
mod routes;
mod thin;

use alphapulse_protocol::{PoolId, TokenId};
use ruint::aliases::U256;

use self::descent::Descent;
use self::flows::Lines;
pub use self::plan::JointPlan;
use crate::market::Market;
use crate::search::Prices;

/// Steps of prices at most. Prices that are not the best still bound, less tightly.
const STEPS_MAX: usize = 200;
/// Steps until pools of many tokens are held to one way each. Which is best changes at an edge, where slopes jump, and no step is a good one.
const STEPS_OF_MANY: usize = 25;
/// Part of the bound that a plan must earn, or routes are tried.
const GOOD_PART: f64 = 0.98;
/// There and back.
const LINES_OF_A_PAIR: usize = 2;

/// What limits a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JointTerms {
    /// Token in which the plan profits.
    pub token: TokenId,
    /// What a trade costs beside what the pool takes, such as its gas, in raw units of the token.
    pub trade_cost: U256,
}

/// Prices at which all pools' best trades balance, for one token's profit.
#[derive(Debug)]
pub struct JointOptimum<'a> {
    market: &'a Market,
    terms: JointTerms,
    bound: f64,
    bound_after_costs: f64,
    pools: Vec<Lines>,
    descent: Descent<'a>,
}

impl<'a> JointOptimum<'a> {
    /// From given prices: the nearer they are the sooner it ends, and the result does not depend on them but for rounding. `None` where the
    /// market is not whole or the token has no price in them.
    ///
    /// Cost: some ten to a hundred looks at every pool that prices reach, and about as many again for each pool that is left out for its cost;
    /// not for the path of a message.
    #[must_use]
    pub fn new(market: &'a Market, terms: &JointTerms, prices: &Prices) -> Option<Self> {
        let token = terms.token;
        let (worth, unit) = (prices.of(token)?, prices.unit_of(token)?);
        if !market.replica().is_whole() {
            return None;
        }
        let tokens = (0..).map(TokenId).take(market.replica().tokens().len());
        let price = |id| prices.of(id).filter(|_| prices.unit_of(id) == Some(unit)).map_or(0.0, |price| price / worth);
        let prices: Vec<f64> = tokens.map(price).collect();
        let pools = (0..).map(PoolId).take(market.replica().pools().len());
        let admitted = pools.filter(|pool| market.is_admitted(*pool)).map(|pool| market.line_places(pool));
        let mut pools: Vec<Lines> = admitted.collect();
        let mut descent = Descent::new(market, token, prices);
        let is_of_many = |lines: &Lines| lines.len() > LINES_OF_A_PAIR;
        let (all, is_any_of_many) = (pools.clone(), pools.iter().any(is_of_many));
        descent.settle(&all, if is_any_of_many { STEPS_OF_MANY } else { STEPS_MAX });
        let mut bound = descent.flows().bound;
        if is_any_of_many {
            let traded: Vec<usize> = descent.trades().map(|(_, place)| place).collect();
            let way = |lines: &Lines| traded.iter().find(|place| lines.contains(place)).map(|place| *place..*place + 1);
            pools = pools
                .into_iter()
                .filter_map(|lines| if is_of_many(&lines) { way(&lines) } else { Some(lines) })
                .collect();
            descent.settle(&pools, STEPS_MAX);
            bound = bound.min(descent.bound_of(&all));
        }
        let cost = f64::from(terms.trade_cost);
        let bound_after_costs = descent.flows().bound_beyond(cost);
        if cost > 0.0 {
            thin::thin(&mut descent, &mut pools, cost);
        }
        Some(Self { market, terms: *terms, bound, bound_after_costs, pools, descent })
    }

    /// No trades that end with what they began with, and pass each pool once, gain more, before what they cost; raw units of the token.
    #[must_use]
    pub const fn bound(&self) -> f64 {
        self.bound
    }

    /// The same after what they cost: what each pool's best trade gains beyond the cost of one, summed up. Less tight the more trades are
    /// needed that gain nothing by themselves.
    #[must_use]
    pub const fn bound_after_costs(&self) -> f64 {
        self.bound_after_costs
    }

    /// The prices, in raw units of the token: where to begin once the market has moved.
    #[must_use]
    pub fn prices(&self) -> Prices {
        Prices::from_values(self.descent.prices().to_vec(), self.terms.token)
    }

    /// Value of what the trades bring and no other takes, or the other way; raw units of the token.
    #[must_use]
    pub fn imbalance(&self) -> f64 {
        self.descent.imbalance()
    }

    /// Steps that prices took.
    #[must_use]
    pub const fn steps(&self) -> usize {
        self.descent.steps
    }

    /// The trades in an order in which they can be made, with exact amounts; `None` where they gain no more than they cost. Where prices do not
    /// make a good plan, as among curves whose fee moves, closed routes that share no pool, if they earn more.
    #[must_use]
    pub fn plan(mut self) -> Option<JointPlan> {
        let Self { market, terms, bound_after_costs, .. } = self;
        let by_prices = plan::make(market, terms.token, &mut self.descent, &self.pools);
        let net = |plan: &JointPlan| {
            let cost = terms.trade_cost.saturating_mul(U256::from(plan.trades.len()));
            plan.profit.checked_sub(cost).filter(|net| !net.is_zero())
        };
        let reached = by_prices.as_ref().and_then(net).unwrap_or_default();
        if f64::from(reached) >= GOOD_PART * bound_after_costs {
            return by_prices;
        }
        let by_routes = routes::plan(market, &terms);
        let better = by_routes.filter(|plan| net(plan).is_some_and(|net| net > reached));
        better.or(by_prices.filter(|_| !reached.is_zero()))
    }
}
