//! A plan as opportunities: parts that stand alone, each in the order that needs the least credit.

use alphapulse_protocol::TokenId;
use ruint::aliases::U256;

use super::plan::{JointPlan, in_order};
use crate::opportunity::{Hop, Opportunity, SWAPS_MAX};

/// The parts of a plan that share no token but the one it profits in, best first: each balances by itself, and no other needs it. `None` where
/// one has more swaps than can be made in one transaction.
pub(crate) fn opportunities(plan: &JointPlan, strategy: u16) -> Option<Vec<Opportunity>> {
    let parts = parts(plan.token, &plan.trades);
    if parts.iter().any(|part| part.len() > SWAPS_MAX) {
        return None;
    }
    // A part that gains nothing is none.
    let made = parts
        .into_iter()
        .filter_map(|part| Opportunity::plan(strategy, plan.token, &on_least_credit(plan.token, part)));
    let mut found: Vec<Opportunity> = made.collect();
    found.sort_by_key(|part| core::cmp::Reverse(part.profit()));
    Some(found)
}

fn parts(token: TokenId, trades: &[Hop]) -> Vec<Vec<Hop>> {
    let mut parts: Vec<Vec<Hop>> = Vec::new();
    for trade in trades {
        let of_trade = [trade.token_in, trade.token_out];
        let shares = |part: &Vec<Hop>| {
            let mut tokens = part.iter().flat_map(|hop| [hop.token_in, hop.token_out]);
            tokens.any(|of| of != token && of_trade.contains(&of))
        };
        let (joined, apart): (Vec<_>, Vec<_>) = parts.into_iter().partition(shares);
        parts = apart;
        parts.push(joined.into_iter().flatten().chain([*trade]).collect());
    }
    parts
}

/// Lenders cost gas: of the orders that begin with what takes one token or another, the one with the fewest swaps that nothing before pays for.
fn on_least_credit(token: TokenId, trades: Vec<Hop>) -> Vec<Hop> {
    let mut first: Vec<TokenId> = trades.iter().map(|trade| trade.token_in).filter(|of| *of != token).collect();
    first.sort_unstable();
    first.dedup();
    let orders = [token].into_iter().chain(first).map(|lent| in_order(lent, trades.clone()));
    orders.min_by_key(|order| credits(order)).unwrap_or(trades)
}

/// Swaps whose input is not there when their turn comes.
fn credits(trades: &[Hop]) -> usize {
    let mut held: Vec<(TokenId, U256)> = Vec::with_capacity(trades.len());
    let mut count = 0;
    for trade in trades {
        match held.iter_mut().find(|(of, there)| *of == trade.token_in && *there >= trade.amount_in) {
            Some((_, there)) => *there -= trade.amount_in,
            None => count += 1,
        }
        match held.iter_mut().find(|(of, _)| *of == trade.token_out) {
            Some((_, there)) => *there = there.saturating_add(trade.amount_out),
            None => held.push((trade.token_out, trade.amount_out)),
        }
    }
    count
}

#[cfg(test)]
mod tests {
    use alphapulse_protocol::PoolId;

    use super::*;

    fn hop(pool: u32, token_in: u32, token_out: u32, amount_in: u64, amount_out: u64) -> Hop {
        Hop {
            pool: PoolId(pool),
            token_in: TokenId(token_in),
            token_out: TokenId(token_out),
            amount_in: U256::from(amount_in),
            amount_out: U256::from(amount_out),
        }
    }

    fn plan(trades: &[Hop]) -> JointPlan {
        JointPlan::of(TokenId(0), trades.to_vec()).expect("it gains")
    }

    #[test]
    fn what_shares_no_token_but_the_profit_s_is_apart() {
        let split = [hop(0, 0, 1, 10, 20), hop(1, 0, 1, 7, 15), hop(2, 1, 0, 35, 19)];
        let route = [hop(3, 0, 2, 5, 5), hop(4, 2, 3, 5, 5), hop(5, 3, 0, 5, 9)];
        let whole = plan(&[split[0], route[0], split[1], route[1], split[2], route[2]]);
        let parts = opportunities(&whole, 7).expect("few swaps each");
        assert_eq!(parts.iter().map(|part| (part.strategy, part.hops().len())).collect::<Vec<_>>(), [(7, 3), (7, 3)]);
        assert_eq!(parts[0].profit(), U256::from(4));
        assert_eq!(parts[1].profit(), U256::from(2));
        assert!(parts[0].is_route(), "{:?}", parts[0]);
    }

    #[test]
    fn one_pool_lends_where_one_is_enough() {
        let split = [hop(0, 0, 1, 10, 20), hop(1, 0, 1, 7, 15), hop(2, 1, 0, 35, 19)];
        let parts = opportunities(&plan(&split), 0).expect("few swaps");
        assert_eq!(credits(parts[0].hops()), 1, "{:?}", parts[0]);
        assert_eq!(credits(&split), 2);
        let sold = [hop(2, 0, 1, 17, 35), hop(0, 1, 0, 20, 12), hop(1, 1, 0, 15, 9)];
        assert_eq!(credits(opportunities(&plan(&sold), 0).expect("few swaps")[0].hops()), 1);
    }

    #[test]
    fn more_swaps_than_a_transaction_makes_are_no_opportunity() {
        let chain = |count: u32| -> Vec<Hop> {
            (0..count).map(|at| hop(at, at, (at + 1) % count, 10, if at + 1 == count { 12 } else { 10 })).collect()
        };
        assert_eq!(opportunities(&plan(&chain(12)), 0).map(|parts| parts.len()), Some(1));
        assert_eq!(opportunities(&plan(&chain(13)), 0), None);
    }
}
