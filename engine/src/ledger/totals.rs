//! Sums over a run.

use std::collections::BTreeMap;

use alphapulse_protocol::U256;
use serde::Serialize;

/// Counts and sums of a run. Counts of included, reverted, cancelled and unknown transactions are of the chain as it is
/// now: a reorg takes back what it took back.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Totals {
    /// Blocks whose state was whole.
    pub blocks: u64,
    /// Reorgs.
    pub reorgs: u64,
    /// Opportunities found.
    pub opportunities: u64,
    /// Opportunities whose last verdict is an approval.
    pub approved: u64,
    /// Sum over them of the profit after gas that was expected at the approval, wei. On paper this is the result; each is what
    /// that trade would have brought by itself, for nothing on paper moves the market.
    pub approved_net_profit: i128,
    /// Opportunities whose last verdict is a refusal.
    pub rejected: u64,
    /// Last refusals by reason.
    pub rejected_by_reason: BTreeMap<&'static str, u64>,
    /// Transactions handed to an endpoint, cancellations not counted.
    pub submitted: u64,
    /// Trades in the chain that succeeded.
    pub included: u64,
    /// Trades in the chain that reverted.
    pub reverted: u64,
    /// Trades whose nonce another transaction of ours used, or that were never sent.
    pub cancelled: u64,
    /// Submitted trades whose fate is open.
    pub unknown: u64,
    /// Included trades whose realised profit is not the predicted one.
    pub mispredicted: u64,
    /// Sum over included trades of the predicted profit before gas, raw units of the profit token.
    pub predicted_profit: U256,
    /// Sum over included trades of the profit before gas that the executor stated, raw units of the profit token.
    pub realised_profit: U256,
    /// Wei that included, reverted and cancelling transactions paid.
    pub gas_spent: u128,
}
