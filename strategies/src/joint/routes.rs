//! A plan of closed routes that share no pool: what remains where the joint optimum makes no good plan.

use ruint::aliases::U256;

use super::JointTerms;
use super::plan::JointPlan;
use crate::market::Market;
use crate::opportunity::{Hop, Opportunity};
use crate::search::best_cycles;

/// Hops of the routes that are looked at.
const ROUTE_HOPS_MAX: u8 = 4;
/// Routes looked at.
const ROUTES_MAX: usize = 1_024;

/// The best route, then the best of those that share no pool with it, and so on; `None` without any that earns more than it costs.
pub(super) fn plan(market: &Market, terms: &JointTerms) -> Option<JointPlan> {
    // No route has fewer than two trades.
    let profit_min = terms.trade_cost.saturating_mul(U256::from(2)).max(U256::ONE);
    let mut found = best_cycles(market, terms.token, ROUTE_HOPS_MAX, profit_min, ROUTES_MAX);
    let net = |route: &Opportunity| {
        route.profit().checked_sub(terms.trade_cost.saturating_mul(U256::from(route.hops().len())))
    };
    found.sort_by_key(|route| core::cmp::Reverse(net(route)));
    let mut trades: Vec<Hop> = Vec::new();
    for route in &found {
        let is_free = |hop: &Hop| trades.iter().all(|taken| market.are_apart(taken.pool, hop.pool));
        let is_worth_it = net(route).is_some_and(|net| !net.is_zero());
        if is_worth_it && route.hops().iter().all(is_free) {
            trades.extend_from_slice(route.hops());
        }
    }
    JointPlan::of(terms.token, trades)
}
