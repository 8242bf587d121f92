//! The joint optimum of a few pools, for the path of a message.

use alphapulse_protocol::{PoolId, TokenId};
use ruint::aliases::U256;

use super::parts::opportunities;
use super::{JointOptimum, JointPlan, JointTerms};
use crate::market::Market;
use crate::opportunity::Opportunity;

/// Times that a plan is made with dearer swaps, until its parts are small enough.
const DEARER_MAX: usize = 6;
/// By how much dearer.
const DEARER: U256 = U256::from_limbs([4, 0, 0, 0]);
/// Part of the profit of each swap that a swap is taken to cost then, at least.
const PROFIT_PART: U256 = U256::from_limbs([16, 0, 0, 0]);

/// The best trades in these pools alone, as opportunities that need nothing of each other, best first; `None` where they gain no more than they
/// cost. Where one would have more swaps than can be made in one transaction, those that gain least are left out.
///
/// As [`best_trades`], and again for each time that swaps are left out, all within `looks_max` looks.
pub(crate) fn best_parts(
    market: &Market,
    terms: &JointTerms,
    (pools, looks_max): (&[PoolId], u64),
    strategy: u16,
) -> Option<Vec<Opportunity>> {
    let (mut terms, mut looks_left) = (*terms, looks_max);
    for _ in 0..DEARER_MAX {
        let plan = best_trades(market, &terms, pools, &mut looks_left)?;
        let parts = opportunities(&plan, strategy);
        if parts.is_some() {
            return parts;
        }
        let part = plan.profit / (PROFIT_PART * U256::from(plan.trades.len()));
        terms.trade_cost = terms.trade_cost.saturating_mul(DEARER).max(part);
    }
    None
}

/// The best trades that can be made together in these pools alone; `None` where they gain no more than they cost, and for pools of which one
/// stands on another.
///
/// Depends on the market's state alone. Cost: some ten to a hundred looks at each of the pools, and about as many again for each that is left
/// out for its cost, as far as `looks_left` goes (one at a curve counts as many); what is not found by then is not found. Allocates.
fn best_trades(market: &Market, terms: &JointTerms, pools: &[PoolId], looks_left: &mut u64) -> Option<JointPlan> {
    let are_apart = |(at, pool): (usize, &PoolId)| pools[..at].iter().all(|before| market.are_apart(*before, *pool));
    if !market.replica().is_whole() || !pools.iter().enumerate().all(are_apart) {
        return None;
    }
    let values = values(market, terms.token, pools);
    let mut optimum = JointOptimum::among(market, terms, values, pools, *looks_left);
    let plan = optimum.plan_at_prices();
    *looks_left = optimum.descent.looks_left();
    let plan = plan?;
    plan.net(terms.trade_cost).filter(|net| !net.is_zero()).map(|_| plan)
}

/// What a raw unit of each token is worth in raw units of one, by the rates of the pools that lead there; 0 where none does.
fn values(market: &Market, token: TokenId, pools: &[PoolId]) -> Vec<f64> {
    let mut values = vec![0.0; market.replica().tokens().len()];
    if let Some(unit) = values.get_mut(token.index()) {
        *unit = 1.0;
    }
    // Each round prices what pools join to what was priced before.
    for _ in 0..pools.len() {
        let before = values.clone();
        for line in pools.iter().flat_map(|pool| market.lines(*pool)) {
            let [paid, got] = [line.token_in, line.token_out].map(|of| before[of.index()]);
            let value = got * line.rate().g;
            if paid == 0.0 && value.is_normal() {
                // Of several pools the one that gives most for it, whichever comes first.
                values[line.token_in.index()] = value.max(values[line.token_in.index()]);
            }
        }
        if values == before {
            break;
        }
    }
    values
}
