//! The best trades that can be made together: the joint optimum over all pools, as one plan.
//!
//! At prices where the pools' best trades, each for itself, balance in every token, these trades are the best of all that balance, splits
//! over parallel pools included; and what they gain bounds, at any prices, what any trades gain (weak duality). So one vector of prices gives
//! both the plan and the proof of how good it is.

mod among;
mod descent;
mod flows;
mod network;
mod parts;
mod plan;
mod routes;
mod strategy;
mod thin;

use alphapulse_protocol::{PoolId, TokenId};
use ruint::aliases::U256;

pub(crate) use self::among::best_parts;
pub(crate) use self::descent::Descent;
use self::flows::Lines;
pub use self::plan::JointPlan;
pub use self::strategy::Joint;
use crate::market::{HotLine, Market};
use crate::search::Prices;
use crate::search::worth::best_trade;

/// Steps of prices at most. Prices that are not the best still bound, less tightly.
const STEPS_MAX: usize = 200;
/// Steps until pools of many tokens are held to one way each. Which is best changes at an edge, where slopes jump, and no step is a good one.
const STEPS_OF_MANY: usize = 25;
/// Part of the bound that a plan must earn, or routes are tried.
const GOOD_PART: f64 = 0.98;
/// Trades of a plan beside which routes are looked for in any case: whole units tell more than prices there.
const SMALL: usize = 8;
/// Costs for which pools are left out one after the other, as parts of what a trade costs.
const THIN_PARTS: [f64; 3] = [1.0 / 16.0, 0.25, 1.0];
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
        let mut prices = prices.clone();
        prices.extend(market, &[token]);
        let (worth, unit) = (prices.of(token)?, prices.unit_of(token)?);
        if !market.replica().is_whole() {
            return None;
        }
        let tokens = (0..).map(TokenId).take(market.replica().tokens().len());
        let price = |id| prices.of(id).filter(|_| prices.unit_of(id) == Some(unit)).map_or(0.0, |price| price / worth);
        let values: Vec<f64> = tokens.map(price).collect();
        let pools = (0..).map(PoolId).take(market.replica().pools().len());
        let admitted: Vec<PoolId> = pools.filter(|pool| market.is_admitted(*pool)).collect();
        Some(Self::among(market, terms, values, &admitted, u64::MAX))
    }

    /// Of trades in these admitted pools alone, from prices by token; within so many looks at pools.
    fn among(market: &'a Market, terms: &JointTerms, values: Vec<f64>, admitted: &[PoolId], looks: u64) -> Self {
        let token = terms.token;
        let is_half_priced = |line: &HotLine| {
            let [a, b] =
                [line.token_in, line.token_out].map(|token| values.get(token.index()).is_some_and(|v| *v > 0.0));
            line.bound().g > 0.0 && a != b
        };
        let is_unbound = admitted.iter().any(|pool| market.lines(*pool).iter().any(is_half_priced));
        let all: Vec<Lines> = admitted.iter().map(|pool| market.line_places(*pool)).collect();
        // A trade in a base pool changes what those on it give.
        let is_alone =
            |pool: &&PoolId| !market.metas().iter().any(|(base, meta)| meta == *pool && market.is_admitted(*base));
        let mut pools: Vec<Lines> = admitted.iter().filter(is_alone).map(|pool| market.line_places(*pool)).collect();
        let mut descent = Descent::new(market, token, values, best_trade).within(looks);
        let cost = f64::from(terms.trade_cost);
        let is_of_many = |lines: &Lines| lines.len() > LINES_OF_A_PAIR;
        let is_any_of_many = pools.iter().any(is_of_many);
        descent.settle(&pools, if is_any_of_many { STEPS_OF_MANY } else { STEPS_MAX });
        let [mut bound, mut bound_after_costs] = descent.bounds_of(&all, cost);
        if is_any_of_many {
            let traded: Vec<usize> = descent.trades().map(|(_, place)| place).collect();
            let way = |lines: &Lines| traded.iter().find(|place| lines.contains(place)).map(|place| *place..*place + 1);
            let held = |lines: Lines| if is_of_many(&lines) { way(&lines) } else { Some(lines) };
            pools = pools.into_iter().filter_map(held).collect();
            descent.settle(&pools, STEPS_MAX);
            let later = descent.bounds_of(&all, cost);
            (bound, bound_after_costs) = (bound.min(later[0]), bound_after_costs.min(later[1]));
        }
        if is_unbound {
            (bound, bound_after_costs) = (f64::INFINITY, f64::INFINITY);
        }
        Self { market, terms: *terms, bound, bound_after_costs, pools, descent }
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

    /// The trades in an order in which they can be made, with exact amounts; `None` where they gain no more than they cost. Of the plan with
    /// all pools, those with fewer and fewer, and one of closed routes that share no pool, the one that earns most after costs; routes are
    /// looked for only where prices make no good plan, as among curves whose fee moves, or a small one.
    #[must_use]
    pub fn plan(mut self) -> Option<JointPlan> {
        let Self { market, terms, bound_after_costs, .. } = self;
        let net = |plan: &JointPlan| plan.net(terms.trade_cost).unwrap_or_default();
        let mut best = self.plan_at_prices();
        let is_good =
            |plan: &JointPlan| plan.trades.len() > SMALL && f64::from(net(plan)) >= GOOD_PART * bound_after_costs;
        if !best.as_ref().is_some_and(is_good) {
            best = best.into_iter().chain(routes::plan(market, &terms)).max_by_key(net);
        }
        best.filter(|plan| !net(plan).is_zero())
    }

    /// Of the plan with all pools, and those with fewer and fewer, the one that earns most after costs.
    fn plan_at_prices(&mut self) -> Option<JointPlan> {
        let Self { market, terms, .. } = *self;
        let net = |plan: &JointPlan| plan.net(terms.trade_cost).unwrap_or_default();
        let mut best = plan::make(market, terms.token, &mut self.descent, self.pools.clone());
        let cost = f64::from(terms.trade_cost);
        for part in THIN_PARTS.into_iter().filter(|_| cost > 0.0) {
            if self.descent.is_spent() {
                break;
            }
            self.descent.settle(&self.pools, STEPS_MAX);
            thin::thin(&mut self.descent, &mut self.pools, cost * part);
            let found = plan::make(market, terms.token, &mut self.descent, self.pools.clone());
            best = best.into_iter().chain(found).max_by_key(net);
        }
        best
    }
}
