//! A plan of closed routes that share no pool: what remains where the joint optimum makes no good plan.

use ruint::aliases::U256;

use super::JointTerms;
use super::plan::JointPlan;
use crate::market::Market;
use crate::opportunity::{HOPS_MAX, Hop, Opportunity};
use crate::search::best_cycles;

/// Routes looked at.
const ROUTES_MAX: usize = 256;

/// The best route, then the best of those that share no pool with it, and so on; `None` without any that earns more than it costs.
pub(super) fn plan(market: &Market, terms: &JointTerms) -> Option<JointPlan> {
    let hops_max = u8::try_from(HOPS_MAX).unwrap_or(u8::MAX);
    let found = best_cycles(market, terms.token, hops_max, U256::ONE, ROUTES_MAX);
    let mut trades: Vec<Hop> = Vec::new();
    for route in &found {
        let is_free = |hop: &Hop| trades.iter().all(|taken| taken.pool != hop.pool);
        if is_worth_it(route, terms) && route.hops().iter().all(is_free) {
            trades.extend_from_slice(route.hops());
        }
    }
    JointPlan::of(terms.token, trades)
}

fn is_worth_it(route: &Opportunity, terms: &JointTerms) -> bool {
    let cost = terms.trade_cost.checked_mul(U256::from(route.hops().len()));
    cost.is_some_and(|cost| route.profit() > cost)
}
