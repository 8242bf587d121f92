//! What is told of the comparison with the chain.

use alloy::primitives::Address;
use alphapulse_protocol::message::StateParts;
use alphapulse_protocol::replica::{PoolInfo, Quarantine, Replica};
use serde::{Deserialize, Serialize};

use super::compare::Difference;
use super::notes::Note;

/// How the comparison with the chain stands; its counters are among the others: `truth_sampled` is the sum of `truth_equal`,
/// `truth_diverged`, `truth_read`, `truth_unread` and `truth_void`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[non_exhaustive]
pub struct TruthStatus {
    /// Whether anything is compared: not where `relay.sample_pools` is 0, nor of a recording, nor once the comparison has ended by
    /// itself, a fault that the counter `truth_ended` tells.
    pub enabled: bool,
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
    /// Parts of its state that differed, by the names of `docs/WIRE.md`, one without a name as its number; empty where that is not known.
    pub parts: Vec<String>,
    /// The first field that differed in the newest comparison, by message and name; `None` where that is not known, as after a reorg.
    pub field: Option<String>,
    /// What the stream says of that field.
    pub ours: Option<String>,
    /// What the chain says of it.
    pub theirs: Option<String>,
    /// Block after which that comparison was.
    pub compared_block: Option<u64>,
    /// Block after which the pool was read since, to be told anew; `None` while it was not.
    pub read_block: Option<u64>,
    /// Where it is on its way back: `waiting`, `being read`, `read`, `told anew`; `recorded` where a recording is served.
    pub stage: String,
    /// Readings that failed and comparisons that differed since, in a row.
    pub failures: u32,
}

impl TruthStatus {
    pub(super) fn new(
        sample_pools: usize,
        is_on: bool,
        replica: &Replica,
        tell: impl Fn(&Quarantine, &PoolInfo) -> QuarantinedPool,
    ) -> Self {
        let quarantined = replica
            .quarantined()
            .iter()
            .filter_map(|found| Some(tell(found, replica.pools().get(found.pool.index())?)));
        let quarantined = quarantined.collect();
        Self { enabled: is_on, sample_pools: sample_pools as u64, quarantined }
    }

    /// Where nothing is compared: a recording may hold a quarantine all the same.
    pub(crate) fn disabled(replica: &Replica) -> Self {
        Self::new(0, false, replica, |found, info| QuarantinedPool::new(found, info, ("recorded", 0)))
    }
}

impl QuarantinedPool {
    pub(super) fn new(found: &Quarantine, info: &PoolInfo, (stage, failures): (&str, u32)) -> Self {
        let (names, others) = found.parts.names();
        let others = (others != StateParts::NONE).then(|| others.0.to_string());
        Self {
            pool: found.pool.0,
            address: Address::from(info.address).to_string(),
            kind: info.kind.name().to_owned(),
            parts: names.map(str::to_owned).chain(others).collect(),
            field: None,
            ours: None,
            theirs: None,
            compared_block: None,
            read_block: None,
            stage: stage.to_owned(),
            failures,
        }
    }

    /// The same with what was found of it.
    pub(super) fn with(mut self, note: Option<&Note>) -> Self {
        let Some(note) = note else { return self };
        if let Some((Difference { field, ours, theirs, .. }, block)) = note.differed.clone() {
            (self.field, self.ours, self.theirs) = (Some(field), Some(ours), Some(theirs));
            self.compared_block = Some(block);
        }
        // One of an earlier stay, or from before it differed again, tells nothing of now.
        self.read_block = note.read.filter(|read| self.compared_block.is_none_or(|compared| *read >= compared));
        self
    }
}
