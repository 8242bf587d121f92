//! Continuous truth: a sample of the state that the stream describes is held against the chain's own answers, block by block.
//!
//! Off the data plane: the writer hands over copies of a few pools once a block is with everyone, a task of its own reads the same
//! pools at that block's hash, and what it found comes back as a message. A pool that differs is quarantined alone, told anew
//! from a reading, compared again, and only then trusted. Why so: `docs/decisions/0008-continuous-truth.md`.

mod compare;
mod job;
mod notes;
mod plan;
mod report;
mod sampler;
mod scratch;
mod telling;
mod ward;

use std::collections::VecDeque;
use std::sync::Arc;

use alphapulse_protocol::message::{BlockContext, PoolTrust, StateParts};
use alphapulse_protocol::replica::{PoolInfo, PoolState, Quarantine, Replica};
use alphapulse_protocol::values::PoolDetails;
use alphapulse_protocol::{BlockNumber, BlockRef, PoolId};
use tokio::sync::mpsc;

use crate::metrics::Metrics;
use crate::source::Update;

pub use self::report::{QuarantinedPool, TruthStatus};
pub(crate) use self::sampler::Sampler;

use self::compare::Difference;
pub(crate) use self::job::Findings;
use self::job::{Ask, Found, Job, Purpose};
use self::notes::Notes;
use self::plan::Plan;
use self::ward::{Unread, Ward};

/// Pools in quarantine that one job asks for, whole as they are; the others' turn is the next one.
const ILL_OF_A_JOB: usize = 8;
/// Blocks remembered to tell whether one is still on the chain; far more than pass while one is read.
const BLOCKS_KEPT: usize = 512;

/// A pool's state as it is to be told anew.
#[derive(Debug)]
pub(crate) struct Restated {
    pub(crate) pool: PoolId,
    /// What was found to differ.
    pub(crate) parts: StateParts,
    /// Block after which it was read.
    pub(crate) at: BlockRef,
    pub(crate) state: PoolState,
    /// What the blocks since changed of it.
    pub(crate) trail: Vec<Update>,
}

/// What is to be said of a pool.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Verdict {
    pub(crate) pool: PoolId,
    pub(crate) trust: PoolTrust,
    pub(crate) parts: StateParts,
    pub(crate) block: BlockRef,
}

/// The writer's side: which pools are compared next, and how those fare that differed.
#[derive(Debug)]
pub(crate) struct Truth {
    /// Pools per block.
    sample_pools: usize,
    plan: Plan,
    ward: Ward,
    jobs: mpsc::Sender<Job>,
    is_busy: bool,
    /// Rises with each epoch: what was asked in another one is void.
    generation: u64,
    /// Pools in quarantine, as they are known in every epoch.
    ill: Vec<(PoolInfo, StateParts)>,
    /// What was found of them.
    notes: Notes,
    /// The chain since the epoch's beginning, newest last.
    blocks: VecDeque<BlockRef>,
    metrics: Arc<Metrics>,
}

impl Truth {
    fn new(sample_pools: usize, seed: u64, jobs: mpsc::Sender<Job>, metrics: Arc<Metrics>) -> Self {
        Self {
            sample_pools,
            plan: Plan::new(seed),
            ward: Ward::default(),
            jobs,
            is_busy: false,
            generation: 0,
            ill: Vec::new(),
            notes: Notes::default(),
            blocks: VecDeque::new(),
            metrics,
        }
    }

    /// A new epoch from a reading of everything. Pools that were in quarantine stay there until they are found equal.
    pub(crate) fn begin(&mut self, replica: &Replica) {
        self.generation += 1;
        self.blocks.clear();
        self.plan.restart();
        self.ward.clear();
        if let Some(context) = replica.context() {
            self.blocks.push_back(context.block());
            replica.quarantined().iter().for_each(|found| self.ward.admit_restated(found, context.number.get()));
        }
        self.count(replica);
        self.ask_for_the_ill(replica);
    }

    /// The pools of a new image that are in quarantine until now, under the ids that they have in it.
    pub(crate) fn carried(&self, pools: &[(PoolInfo, PoolState)], block: BlockRef) -> Vec<Quarantine> {
        let ids = (0..).map(PoolId);
        let found = |(pool, (info, _)): (PoolId, &(PoolInfo, PoolState))| {
            let (_, parts) = self.ill.iter().find(|(ill, _)| is_same_pool(ill, info))?;
            Some(Quarantine { pool, parts: *parts, block })
        };
        ids.zip(pools).filter_map(found).collect()
    }

    /// A block was sequenced, with these changes and with what was told anew in it. Called when everyone has it.
    pub(crate) fn note_block(&mut self, context: &BlockContext, updates: &[Update], restated: &[Restated]) {
        let number = context.number.get();
        self.ward.note_block(number, updates);
        restated.iter().for_each(|one| self.ward.note_restated(one.pool, number));
        self.metrics.truth_resynced.add(restated.len() as u64);
        if self.blocks.len() == BLOCKS_KEPT {
            self.blocks.pop_front();
        }
        self.blocks.push_back(context.block());
    }

    /// Takes a sample of the state after a block that is the newest.
    pub(crate) fn sample(&mut self, replica: &Replica, head_number: BlockNumber) {
        self.watch();
        let Some(context) = replica.context().filter(|_| replica.is_whole()) else { return };
        if context.number.get() < head_number.0 {
            return;
        }
        if self.is_busy {
            self.metrics.truth_skipped.add(1);
            return;
        }
        let mut asks = self.ask_ill(replica, context.number.get());
        let ill = asks.len();
        let pools = replica.pools();
        for pool in self.plan.next(pools.len(), self.sample_pools) {
            let (Some(info), Some(state)) = (pools.get(pool.index()), replica.state(pool)) else { continue };
            let ticks = self.plan.window(pool, info);
            asks.push(Ask { pool, info: *info, ticks, purpose: Purpose::Compare(state.clone()) });
        }
        self.send(*context, ill, asks);
    }

    /// The sampler ends with the relay. One that ended before is a fault of ours: nothing is compared any more, which nobody may overlook.
    fn watch(&mut self) {
        if self.jobs.is_closed() && self.metrics.truth_ended.get() == 0 {
            self.metrics.truth_ended.set(1);
            self.ward.give_up_asking();
            tracing::error!(
                "the comparison with the chain has ended, and no pool is compared any more: start the relay again"
            );
        }
    }

    /// Goes on with the pools in quarantine, if the state is that of a whole block.
    pub(crate) fn ask_for_the_ill(&mut self, replica: &Replica) {
        let Some(context) = replica.context().filter(|_| replica.is_whole() && !self.is_busy) else { return };
        let asks = self.ask_ill(replica, context.number.get());
        self.send(*context, asks.len(), asks);
    }

    fn ask_ill(&mut self, replica: &Replica, number: u64) -> Vec<Ask> {
        let mut asks = Vec::new();
        for (pool, is_restated) in self.ward.due(number).into_iter().take(ILL_OF_A_JOB) {
            let Some(info) = replica.pools().get(pool.index()) else { continue };
            let purpose = match replica.told_state(pool).filter(|_| is_restated) {
                Some(state) => Purpose::Compare(state.clone()),
                None => Purpose::Read,
            };
            // All of it: nothing of a pool that differed once is believed unseen.
            asks.push(Ask { pool, info: *info, ticks: info.known_ticks, purpose });
        }
        asks
    }

    fn send(&mut self, at: BlockContext, ill: usize, asks: Vec<Ask>) {
        if asks.is_empty() {
            return;
        }
        let reads: Vec<_> =
            asks.iter().filter(|ask| matches!(ask.purpose, Purpose::Read)).map(|ask| ask.pool).collect();
        // One job is under way at most, so there is room unless the sampler is gone.
        if self.jobs.try_send(Job { generation: self.generation, at, ill, asks }).is_ok() {
            self.is_busy = true;
            reads.into_iter().for_each(|pool| self.ward.note_asked(pool, at.number.get()));
        }
    }

    /// Blocks above this one were taken back. Gives what is to be said of pools that were trusted for what was found after those.
    pub(crate) fn go_back(&mut self, ancestor: BlockRef, replica: &Replica) -> Vec<Verdict> {
        self.blocks.retain(|block| block.number.0 <= ancestor.number.0);
        if self.blocks.back() != Some(&ancestor) {
            self.blocks.push_back(ancestor);
        }
        self.ward.match_to(replica.quarantined());
        self.ward.go_back(ancestor.number.0);
        self.count(replica);
        let recalled = self.ward.recall(ancestor.number.0).into_iter();
        let verdict = |(pool, parts)| Verdict { pool, trust: PoolTrust::Quarantined, parts, block: ancestor };
        recalled.map(verdict).filter(|verdict| !replica.is_quarantined(verdict.pool)).collect()
    }

    /// Number of the newest block; 0 where none is known, and then nothing waits.
    fn head_number(&self) -> u64 {
        self.blocks.back().map_or(0, |head| head.number.0)
    }

    /// What was found is of a state that is given up.
    pub(crate) fn forget(&mut self, findings: &Findings) {
        self.is_busy = false;
        self.metrics.truth_void.add(findings.found.len() as u64);
    }

    /// What follows from what was found, in this order. Nothing, where the block is not on the chain any more.
    pub(crate) fn judge(&mut self, findings: Findings, replica: &Replica) -> Vec<Verdict> {
        self.is_busy = false;
        let block = findings.at;
        let is_void = findings.generation != self.generation || !self.blocks.contains(&block);
        let mut verdicts = Vec::new();
        for (pool, found) in findings.found {
            let found = if is_void { Found::Void } else { found };
            verdicts.extend(self.weigh(pool, found, block, replica));
        }
        verdicts
    }

    fn weigh(&mut self, pool: PoolId, found: Found, block: BlockRef, replica: &Replica) -> Option<Verdict> {
        let metrics = Arc::clone(&self.metrics);
        let verdict = |trust, parts| Some(Verdict { pool, trust, parts, block });
        // Each is counted once, by what came of it: the sum of these counters is told as `truth_sampled`.
        match found {
            Found::Void => {
                metrics.truth_void.add(1);
                self.ward.note_unread(pool, self.head_number(), Unread::BlockGone);
                None
            }
            Found::Unread(reason) => {
                metrics.truth_unread.add(1);
                tracing::debug!(pool = pool.0, reason, "a pool could not be read for comparison");
                self.ward.note_unread(pool, self.head_number(), Unread::NoAnswer);
                None
            }
            Found::Read(state) => {
                metrics.truth_read.add(1);
                self.ward.note_read(pool, block, *state);
                replica.pools().get(pool.index()).into_iter().for_each(|info| self.notes.read(info, block));
                None
            }
            Found::Wavered(difference) => {
                metrics.truth_wavered.add(1);
                let (address, Difference { field, ours, theirs, .. }) = (address_of(replica, pool), &difference);
                tracing::info!(pool = %address, block = block.number.0, field, ours, theirs, "the node gave another state at first, and ours when asked again");
                self.weigh(pool, Found::Equal, block, replica)
            }
            Found::Equal => {
                metrics.truth_equal.add(1);
                let parts = self.ward.release(pool, block.number.0)?;
                self.plan.first(pool);
                metrics.truth_readmitted.add(1);
                tracing::info!(pool = %address_of(replica, pool), block = block.number.0, "pool re-admitted: equal to the chain");
                verdict(PoolTrust::Trusted, parts)
            }
            Found::Differs(difference) => {
                metrics.truth_diverged.add(1);
                Self::tell(pool, &difference, block, replica);
                let info = replica.pools().get(pool.index());
                info.into_iter().for_each(|info| self.notes.differs(info, difference.clone(), block));
                if replica.is_quarantined(pool) {
                    if self.ward.relapse(pool, difference.parts, self.head_number()) {
                        metrics.truth_relapsed.add(1);
                    }
                    return None;
                }
                self.ward.admit(pool, difference.parts, block.number.0);
                verdict(PoolTrust::Quarantined, difference.parts)
            }
        }
    }

    fn tell(pool: PoolId, found: &Difference, block: BlockRef, replica: &Replica) {
        let (address, number, Difference { field, ours, theirs, .. }) =
            (address_of(replica, pool), block.number.0, found);
        if replica.is_quarantined(pool) {
            tracing::warn!(pool = %address, block = number, field, ours, theirs, "pool in quarantine still differs from the chain");
        } else {
            tracing::warn!(pool = %address, block = number, field, ours, theirs, "pool quarantined: it differs from the chain");
        }
    }

    /// What was said of pools is in force.
    pub(crate) fn count(&mut self, replica: &Replica) {
        let info = |found: &Quarantine| Some((*replica.pools().get(found.pool.index())?, found.parts));
        self.ill = replica.quarantined().iter().filter_map(info).collect();
        self.notes.keep(self.ill.iter().map(|(info, _)| info));
        self.metrics.pools_quarantined_now.set(replica.quarantined().len() as u64);
    }

    pub(crate) fn status(&self, replica: &Replica) -> TruthStatus {
        let is_on = self.sample_pools > 0 && self.metrics.truth_ended.get() == 0;
        TruthStatus::new(self.sample_pools, is_on, replica, |found, info| {
            QuarantinedPool::new(found, info, self.ward.stage_of(found.pool)).with(self.notes.of(info))
        })
    }
}

fn address_of(replica: &Replica, pool: PoolId) -> alloy::primitives::Address {
    replica.pools().get(pool.index()).map_or_else(Default::default, |info| info.address.into())
}

/// Whether both are the same pool, whatever their ids.
fn is_same_pool(one: &PoolInfo, other: &PoolInfo) -> bool {
    let [id, other_id] = [one, other].map(|info| match &info.details {
        PoolDetails::V4(details) => Some(details.pool_id),
        _ => None,
    });
    (one.kind, one.address, id) == (other.kind, other.address, other_id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_comparison_that_ended_by_itself_is_told() {
        let (jobs, taken) = mpsc::channel(1);
        let metrics = Arc::new(Metrics::default());
        let mut truth = Truth::new(4, 1, jobs, Arc::clone(&metrics));
        let replica = Replica::new(1);
        truth.sample(&replica, BlockNumber(0));
        assert_eq!(metrics.read().truth_ended, 0);
        assert!(truth.status(&replica).enabled);
        drop(taken);
        truth.sample(&replica, BlockNumber(0));
        assert_eq!(metrics.read().truth_ended, 1);
        assert!(!truth.status(&replica).enabled, "whether anything is compared");
    }
}
