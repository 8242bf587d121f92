//! Pools in quarantine, each on its way back: read, told anew, compared, trusted.

use std::collections::BTreeMap;

use alphapulse_protocol::message::StateParts;
use alphapulse_protocol::replica::{PoolState, Quarantine};
use alphapulse_protocol::{BlockRef, PoolId};

use super::Restated;
use crate::source::Update;

/// Longest wait of a pool that fails again and again, in blocks.
const WAIT_BLOCKS_MAX: u64 = 256;
/// Blocks for which it is remembered that a pool was in quarantine: a day of Ethereum's.
const MEMORY_BLOCKS: u64 = 7_200;

/// Blocks that a pool waits after so many failures.
fn wait_blocks(failures: u32) -> u64 {
    (1_u64 << failures.min(32)).min(WAIT_BLOCKS_MAX) - 1
}

/// Why nothing came of asking for a pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unread {
    /// The block asked for is not on the chain, or not there yet: nobody's fault.
    BlockGone,
    /// The source's doing.
    NoAnswer,
}

#[derive(Debug)]
enum Stage {
    /// It is to be read.
    Waiting,
    /// It is being read, as after this block; and what the blocks since changed of it.
    Asked { since: u64, trail: Vec<(u64, Update)> },
    /// It was read, and is told anew with the next block.
    Read { at: BlockRef, state: Box<PoolState>, trail: Vec<(u64, Update)> },
    /// It was told anew in this block, and is to be compared.
    Restated { block: u64 },
}

#[derive(Debug)]
struct Patient {
    parts: StateParts,
    /// Readings that failed and comparisons that differed, in a row.
    failures: u32,
    /// Block before which nothing is tried.
    due: u64,
    /// First block after which a comparison counts.
    from: u64,
    stage: Stage,
}

/// A pool that was let back.
#[derive(Debug)]
struct Released {
    parts: StateParts,
    failures: u32,
    /// Block in which it was told anew.
    restated: u64,
    from: u64,
    /// Block after which it was found equal.
    compared: u64,
}

/// All of them, and those that were here lately.
#[derive(Debug, Default)]
pub(super) struct Ward {
    patients: BTreeMap<PoolId, Patient>,
    released: BTreeMap<PoolId, Released>,
}

impl Ward {
    pub(super) fn clear(&mut self) {
        self.patients.clear();
        self.released.clear();
    }

    /// A pool was found to differ after this block. One that was here lately waits: what healed it did not last.
    pub(super) fn admit(&mut self, pool: PoolId, parts: StateParts, block: u64) {
        let before =
            self.released.remove(&pool).filter(|before| block <= before.compared.saturating_add(MEMORY_BLOCKS));
        let failures = before.map_or(0, |before| before.failures.saturating_add(1));
        let due = block.saturating_add(wait_blocks(failures));
        self.patients.insert(pool, Patient { parts, failures, due, from: 0, stage: Stage::Waiting });
    }

    /// The same of one whose state was read anew already, as of this block: only a later one says anything about it.
    pub(super) fn admit_restated(&mut self, found: &Quarantine, block: u64) {
        let stage = Stage::Restated { block };
        let from = block.saturating_add(1);
        self.patients.insert(found.pool, Patient { parts: found.parts, failures: 0, due: from, from, stage });
    }

    /// Pools for which something is to be done at this block: those told anew are to be compared, others to be read.
    pub(super) fn due(&self, number: u64) -> Vec<(PoolId, bool)> {
        let due = self.patients.iter().filter(|(_, patient)| patient.due <= number);
        let due = due.filter_map(|(pool, patient)| match patient.stage {
            Stage::Restated { block } if block.max(patient.from) <= number => Some((*pool, true)),
            Stage::Waiting => Some((*pool, false)),
            _ => None,
        });
        due.collect()
    }

    pub(super) fn note_asked(&mut self, pool: PoolId, since: u64) {
        self.set(pool, Stage::Asked { since, trail: Vec::new() });
    }

    /// What was read belongs behind the changes that came meanwhile.
    pub(super) fn note_read(&mut self, pool: PoolId, at: BlockRef, state: PoolState) {
        let Some(patient) = self.patients.get_mut(&pool) else { return };
        if let Stage::Asked { since, trail } = &mut patient.stage
            && *since == at.number.0
        {
            let trail = core::mem::take(trail);
            patient.stage = Stage::Read { at, state: Box::new(state), trail };
        }
    }

    /// Nothing came of asking, whoever is to blame: it is given time. `head` is the newest block.
    pub(super) fn note_unread(&mut self, pool: PoolId, head: u64, why: Unread) {
        let Some(patient) = self.patients.get_mut(&pool) else { return };
        let wait = match why {
            Unread::BlockGone => 1,
            Unread::NoAnswer => {
                patient.failures = patient.failures.saturating_add(1);
                wait_blocks(patient.failures)
            }
        };
        patient.due = head.saturating_add(wait);
        if matches!(patient.stage, Stage::Asked { .. }) {
            patient.stage = Stage::Waiting;
        }
    }

    /// Takes all that was read.
    pub(super) fn take_readings(&mut self) -> Vec<Restated> {
        let mut taken = Vec::new();
        for (pool, patient) in &mut self.patients {
            let stage = core::mem::replace(&mut patient.stage, Stage::Waiting);
            match stage {
                Stage::Read { at, state, trail } => {
                    let trail = trail.into_iter().map(|(_, update)| update).collect();
                    taken.push(Restated { pool: *pool, parts: patient.parts, at, state: *state, trail });
                }
                other => patient.stage = other,
            }
        }
        taken
    }

    /// A change of a pool was left out of the stream. If it was told anew, it is to be told once more.
    pub(super) fn note_untold(&mut self, pool: PoolId) {
        if let Some(patient) = self.patients.get_mut(&pool)
            && matches!(patient.stage, Stage::Restated { .. })
        {
            patient.stage = Stage::Waiting;
        }
    }

    /// Nobody answers any more: what was asked for is asked for again by whoever comes next, and nothing is collected for it.
    pub(super) fn give_up_asking(&mut self) {
        for patient in self.patients.values_mut() {
            if matches!(patient.stage, Stage::Asked { .. }) {
                patient.stage = Stage::Waiting;
            }
        }
    }

    pub(super) fn note_restated(&mut self, pool: PoolId, block: u64) {
        self.set(pool, Stage::Restated { block });
    }

    /// A block's changes, for those that are being read as of an earlier one.
    pub(super) fn note_block(&mut self, number: u64, updates: &[Update]) {
        for (pool, patient) in &mut self.patients {
            if let Stage::Asked { trail, .. } | Stage::Read { trail, .. } = &mut patient.stage {
                trail.extend(updates.iter().filter(|update| update.pool() == *pool).map(|update| (number, *update)));
            }
        }
    }

    /// A pool was found equal after this block. Gives what had differed, if it is to be trusted: not when it was told anew later.
    pub(super) fn release(&mut self, pool: PoolId, block: u64) -> Option<StateParts> {
        let patient = self.patients.get(&pool)?;
        let Stage::Restated { block: restated } = patient.stage else { return None };
        let Patient { parts, failures, from, .. } = *patient;
        if restated.max(from) > block {
            return None;
        }
        self.patients.remove(&pool);
        self.released.retain(|_, released| block <= released.compared.saturating_add(MEMORY_BLOCKS));
        self.released.insert(pool, Released { parts, failures, restated, from, compared: block });
        Some(parts)
    }

    /// A pool that was told anew differs again. Says whether that is so.
    pub(super) fn relapse(&mut self, pool: PoolId, parts: StateParts, head: u64) -> bool {
        let Some(patient) = self.patients.get_mut(&pool) else { return false };
        if !matches!(patient.stage, Stage::Restated { .. }) {
            return false;
        }
        patient.failures = patient.failures.saturating_add(1);
        (patient.parts, patient.due, patient.stage) = (parts, head + wait_blocks(patient.failures), Stage::Waiting);
        true
    }

    /// Pools that a comparison let back which is now gone, while what was told anew is not: those are here again, and to be
    /// compared once more. One whose retelling is gone as well is brought back by the stream itself.
    pub(super) fn recall(&mut self, ancestor: u64) -> Vec<(PoolId, StateParts)> {
        let is_recalled = |released: &Released| released.restated <= ancestor && released.compared > ancestor;
        let recalled: Vec<_> = self.released.extract_if(.., |_, released| is_recalled(released)).collect();
        let mut pools = Vec::with_capacity(recalled.len());
        for (pool, Released { parts, failures, restated, from, .. }) in recalled {
            let stage = Stage::Restated { block: restated };
            self.patients.entry(pool).or_insert(Patient { parts, failures, due: ancestor, from, stage });
            pools.push((pool, parts));
        }
        pools
    }

    /// Blocks above this one were taken back, with what was read after them or told in them.
    pub(super) fn go_back(&mut self, ancestor: u64) {
        // Whoever was told anew in one of them never was, on this chain.
        self.released.retain(|_, released| released.restated <= ancestor);
        for patient in self.patients.values_mut() {
            let is_gone = match &mut patient.stage {
                Stage::Waiting => false,
                Stage::Asked { since, .. } => *since > ancestor,
                Stage::Read { at, .. } => at.number.0 > ancestor,
                Stage::Restated { block } => *block > ancestor,
            };
            if is_gone {
                patient.stage = Stage::Waiting;
            }
            if let Stage::Asked { trail, .. } | Stage::Read { trail, .. } = &mut patient.stage {
                trail.retain(|(number, _)| *number <= ancestor);
            }
            // The blocks to come may be fewer than those that were waited for.
            patient.due = patient.due.min(ancestor + wait_blocks(patient.failures));
        }
    }

    /// Brings it to what the stream says: a reorg takes pools away, and brings back what was wrong before.
    pub(super) fn match_to(&mut self, quarantined: &[Quarantine]) {
        self.patients.retain(|pool, _| quarantined.iter().any(|found| found.pool == *pool));
        for found in quarantined {
            let failures = self.released.remove(&found.pool).map_or(0, |before| before.failures);
            let patient = Patient { parts: found.parts, failures, due: 0, from: 0, stage: Stage::Waiting };
            self.patients.entry(found.pool).or_insert(patient);
        }
    }

    /// Where a pool is on its way, and how often it failed, for people.
    pub(super) fn stage_of(&self, pool: PoolId) -> (&'static str, u32) {
        self.patients.get(&pool).map_or(("waiting", 0), |patient| {
            let stage = match patient.stage {
                Stage::Waiting => "waiting",
                Stage::Asked { .. } => "being read",
                Stage::Read { .. } => "read",
                Stage::Restated { .. } => "told anew",
            };
            (stage, patient.failures)
        })
    }

    fn set(&mut self, pool: PoolId, stage: Stage) {
        if let Some(patient) = self.patients.get_mut(&pool) {
            patient.stage = stage;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use alphapulse_protocol::BlockNumber;
    use alphapulse_protocol::message::V2Reserves;
    use alphapulse_protocol::replica::V2State;

    use super::*;

    const POOL: PoolId = PoolId(3);

    fn block(number: u64) -> BlockRef {
        BlockRef { number: BlockNumber(number), hash: [7; 32] }
    }

    fn state() -> PoolState {
        PoolState::V2(V2State { reserve_0: 1, reserve_1: 2 })
    }

    fn reserves(pool: u32, reserve: u128) -> Update {
        Update::V2Reserves(V2Reserves::new(PoolId(pool), reserve, 1))
    }

    fn ill() -> Ward {
        let mut ward = Ward::default();
        ward.admit(POOL, StateParts::STATE, 10);
        ward
    }

    #[test]
    fn what_changed_while_a_pool_was_read_is_told_behind_it_and_other_pools_are_not() {
        let mut ward = ill();
        assert_eq!(ward.due(10), [(POOL, false)]);
        ward.note_asked(POOL, 10);
        assert!(ward.due(11).is_empty() && ward.take_readings().is_empty());
        ward.note_block(11, &[reserves(3, 5), reserves(4, 6)]);
        ward.note_read(POOL, block(10), state());
        ward.note_block(12, &[reserves(3, 7)]);
        let [restated] = <[Restated; 1]>::try_from(ward.take_readings()).unwrap();
        let told: Vec<_> = restated.trail.iter().map(Update::pool).collect();
        assert_eq!((restated.pool, restated.at, told), (POOL, block(10), vec![POOL, POOL]));
    }

    #[test]
    fn a_reorg_takes_back_what_was_read_or_told_after_the_ancestor() {
        let mut ward = ill();
        ward.note_asked(POOL, 10);
        ward.note_block(11, &[reserves(3, 5)]);
        ward.note_block(12, &[reserves(3, 6)]);
        ward.go_back(11);
        ward.note_read(POOL, block(10), state());
        assert_eq!(ward.take_readings()[0].trail.len(), 1, "the change of block 12 never was");
        let mut ward = ill();
        ward.note_asked(POOL, 10);
        ward.go_back(9);
        ward.note_read(POOL, block(10), state());
        assert!(ward.take_readings().is_empty(), "read after a block that is gone");
        ward.note_restated(POOL, 12);
        ward.go_back(11);
        assert_eq!(ward.release(POOL, 12), None);
        assert_eq!(ward.due(12), [(POOL, false)]);
        ward.match_to(&[]);
        assert!(ward.due(99).is_empty());
    }

    #[test]
    fn only_a_comparison_after_the_retelling_releases() {
        let mut ward = ill();
        assert_eq!(ward.release(POOL, 11), None, "it was not told anew");
        ward.note_restated(POOL, 12);
        assert_eq!(ward.release(POOL, 11), None, "that was before");
        assert_eq!(ward.release(POOL, 12), Some(StateParts::STATE));
        assert_eq!(ward.release(POOL, 13), None, "it is not here any more");
    }

    #[test]
    fn who_was_told_anew_and_lacks_a_change_since_is_not_released_but_read_again() {
        let mut ward = ill();
        ward.note_restated(POOL, 12);
        ward.note_untold(POOL);
        assert_eq!(ward.release(POOL, 12), None, "equal as it was, before the change that nobody was told");
        assert_eq!(ward.due(13), [(POOL, false)]);
        ward.note_asked(POOL, 13);
        ward.note_untold(POOL);
        ward.note_read(POOL, block(13), state());
        assert_eq!(ward.take_readings().len(), 1, "the trail has the change");
    }

    #[test]
    fn nothing_is_collected_for_a_reading_that_nobody_makes() {
        let mut ward = ill();
        ward.note_asked(POOL, 10);
        ward.give_up_asking();
        ward.note_block(11, &[reserves(3, 5)]);
        ward.note_read(POOL, block(10), state());
        assert!(ward.take_readings().is_empty());
        assert_eq!(ward.due(11), [(POOL, false)]);
    }

    #[test]
    fn who_fails_again_waits_longer_each_time_and_never_for_ever() {
        let mut ward = ill();
        let mut waits = Vec::new();
        for _ in 0..12 {
            ward.note_restated(POOL, 100);
            assert!(ward.relapse(POOL, StateParts::TICKS, 100));
            assert!(!ward.relapse(POOL, StateParts::TICKS, 100), "once for each retelling");
            waits.push((100..).find(|number| !ward.due(*number).is_empty()).unwrap() - 100);
        }
        assert_eq!(waits[..4], [1, 3, 7, 15]);
        assert_eq!(waits[8..], [255; 4]);
        let mut ward = ill();
        ward.note_asked(POOL, 10);
        ward.note_unread(POOL, 10, Unread::NoAnswer);
        assert!(ward.due(10).is_empty() && !ward.due(11).is_empty());
        ward.note_asked(POOL, 11);
        ward.note_unread(POOL, 11, Unread::BlockGone);
        assert!(ward.due(11).is_empty(), "it is not asked again and again");
        assert!(!ward.due(12).is_empty(), "a block that left the chain is nobody's fault");
    }

    #[test]
    fn who_cannot_be_compared_is_not_asked_again_in_the_same_block() {
        let mut ward = ill();
        ward.note_restated(POOL, 12);
        assert_eq!(ward.due(12), [(POOL, true)]);
        ward.note_unread(POOL, 12, Unread::NoAnswer);
        assert!(ward.due(12).is_empty());
        assert_eq!(ward.due(13), [(POOL, true)]);
    }

    #[test]
    fn a_comparison_that_a_reorg_takes_back_takes_trust_with_it() {
        let mut ward = ill();
        ward.note_restated(POOL, 12);
        assert!(ward.release(POOL, 15).is_some());
        assert!(ward.recall(15).is_empty(), "it stands");
        assert_eq!(ward.recall(14), [(POOL, StateParts::STATE)]);
        assert_eq!(ward.due(14), [(POOL, true)]);
        assert!(ward.release(POOL, 14).is_some());
        assert!(ward.recall(11).is_empty(), "the stream itself brings it back");
        ward.go_back(11);
        assert!(ward.recall(13).is_empty(), "what was told anew in a block that is gone never was");
    }

    #[test]
    fn who_comes_back_waits_longer_each_time_unless_a_day_has_passed() {
        let mut ward = ill();
        let mut at = 10;
        for wait in [1, 3, 7] {
            ward.note_restated(POOL, at);
            ward.release(POOL, at).unwrap();
            ward.admit(POOL, StateParts::STATE, at);
            assert!(ward.due(at + wait - 1).is_empty() && !ward.due(at + wait).is_empty(), "{wait}");
            at += wait;
        }
        ward.note_restated(POOL, at);
        ward.release(POOL, at).unwrap();
        ward.admit(POOL, StateParts::STATE, at + MEMORY_BLOCKS + 1);
        assert!(!ward.due(at + MEMORY_BLOCKS + 1).is_empty());
    }

    #[test]
    fn what_a_new_epoch_read_is_compared_after_a_later_block_only() {
        let mut ward = Ward::default();
        let found = Quarantine { pool: POOL, parts: StateParts::STATE, block: block(20) };
        ward.admit_restated(&found, 20);
        assert!(ward.due(20).is_empty());
        assert_eq!(ward.due(21), [(POOL, true)]);
        assert_eq!(ward.release(POOL, 20), None);
        ward.go_back(20);
        assert!(ward.due(20).is_empty(), "nor after a reorg to its block");
        assert!(ward.release(POOL, 21).is_some());
        assert_eq!(ward.recall(20), [(POOL, StateParts::STATE)]);
        assert!(ward.due(20).is_empty() && ward.release(POOL, 20).is_none(), "nor once it is recalled");
    }
}
