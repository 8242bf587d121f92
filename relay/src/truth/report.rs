//! What is told of the comparison with the chain.

use alloy::primitives::Address;
use alphapulse_protocol::message::StateParts;
use alphapulse_protocol::replica::{PoolInfo, Quarantine};
use serde::{Deserialize, Serialize};

/// How the comparison with the chain stands; its counters are among the others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TruthStatus {
    /// Pools compared in each block.
    pub sample_pools: u64,
    /// Pools that may not be traded on, by id.
    pub quarantined: Vec<QuarantinedPool>,
}

/// A pool in quarantine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct QuarantinedPool {
    /// Id in the stream.
    pub pool: u32,
    /// Contract; the pool manager of a Uniswap V4 pool.
    pub address: String,
    /// Kind, by name.
    pub kind: String,
    /// Parts of its state that differed, by name; empty where that is not known.
    pub parts: Vec<String>,
    /// Block after which it was compared, or read anew.
    pub block: u64,
    /// Where it is on its way back: `waiting`, `being read`, `read`, `told anew`.
    pub stage: String,
    /// Readings that failed and comparisons that differed since, in a row.
    pub failures: u32,
}

impl QuarantinedPool {
    pub(super) fn new(found: &Quarantine, info: &PoolInfo, (stage, failures): (&str, u32)) -> Self {
        let names = [
            (StateParts::TERMS, "terms"),
            (StateParts::RATES_SWAP, "rates"),
            (StateParts::RATES_LAST_JOIN_EXIT, "rates of the last join or exit"),
            (StateParts::STATE, "state"),
            (StateParts::TICKS, "ticks"),
        ];
        let parts = names.into_iter().filter(|(part, _)| found.parts.holds(*part)).map(|(_, name)| name.to_owned());
        Self {
            pool: found.pool.0,
            address: Address::from(info.address).to_string(),
            kind: info.kind.name().to_owned(),
            parts: parts.collect(),
            block: found.block.number.0,
            stage: stage.to_owned(),
            failures,
        }
    }
}
