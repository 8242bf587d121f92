//! What a validation says, as people and machines read it.

use std::collections::BTreeMap;
use std::fmt::Display;

use alloy::primitives::U256;
use alphapulse_engine::node::Latency;
use serde::{Serialize, Serializer};

/// A gate that a run did not pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Name of the gate, stable.
    pub gate: &'static str,
    /// What was found and what was expected.
    pub detail: String,
}

/// A block on which the engine took less than the best single cycle would have brought.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Miss {
    /// Height of the state.
    pub block: u64,
    /// Gross profit of the best cycle, wei.
    #[serde(serialize_with = "decimal")]
    pub attainable_wei: U256,
    /// Gross profit of the engine's trades on that state, wei.
    #[serde(serialize_with = "decimal")]
    pub captured_wei: U256,
    /// Pools of the best cycle in order.
    pub route: Vec<String>,
}

/// Result of a validation. Amounts of wei are decimal strings: they outgrow a JSON number.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ValidationReport {
    /// Blocks with traders in them.
    pub blocks: u64,
    /// Seed of the traders.
    pub seed: u64,
    /// Opportunities that the strategies reported.
    pub opportunities: u64,
    /// Of them approved by risk.
    pub approved: u64,
    /// Of them refused by risk.
    pub rejected: u64,
    /// Transactions sent.
    pub submitted: u64,
    /// Trades in the chain that succeeded.
    pub included: u64,
    /// Trades in the chain that reverted.
    pub reverted: u64,
    /// Trades whose fate was open at the end.
    pub unknown: u64,
    /// Gross profit that the included trades predicted.
    #[serde(serialize_with = "decimal")]
    pub predicted_profit_wei: U256,
    /// Gross profit that they realised.
    #[serde(serialize_with = "decimal")]
    pub realised_profit_wei: U256,
    /// Gas that all transactions paid.
    #[serde(serialize_with = "decimal")]
    pub gas_spent_wei: u128,
    /// Gross profit of the best single cycle, over all blocks on which that was worth its gas.
    #[serde(serialize_with = "decimal")]
    pub attainable_profit_wei: U256,
    /// Part of `attainable_profit_wei` that the engine realised, block by block and no block above its own: 0 to 1.
    pub captured_share: f64,
    /// Whether the ledger equals the balances and the nonce of the chain, to the wei.
    pub ledger_matches_chain: bool,
    /// Gates that were not passed; empty when all were.
    pub failures: Vec<Failure>,
    /// Included trades whose realised profit is not the predicted one.
    pub mismatched_predictions: u64,
    /// Refusals by reason.
    pub rejected_by_reason: BTreeMap<&'static str, u64>,
    /// Transactions whose nonce another of ours used.
    pub cancelled: u64,
    /// Blocks on which there was something worth its gas.
    pub attainable_blocks: u64,
    /// The worst misses, worst first.
    pub misses: Vec<Miss>,
    /// Last frame of a block to the last decision on it that needs no simulation.
    pub latency_decide: Latency,
    /// Last frame of a block to a signed transaction, simulation included.
    pub latency_submit: Latency,
    /// Wall time of the whole run.
    pub seconds: f64,
}

impl ValidationReport {
    /// Whether every gate was passed.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        self.failures.is_empty()
    }
}

fn decimal<T: Display, S: Serializer>(value: &T, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(value)
}
