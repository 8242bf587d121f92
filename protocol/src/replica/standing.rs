//! Pools whose state was found to differ from the chain's. A pool leaves quarantine by the relay's word and by nothing else: no
//! reorg makes one trusted.

use super::{Change, Lack, Phase, PoolState, Replica};
use crate::error::ReplicaError;
use crate::id::{BlockRef, PoolId};
use crate::message::{PoolStanding, PoolTrust, StateParts};

const NAME: &str = "PoolStanding";

/// A pool that may not be traded on, whatever its state says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Quarantine {
    /// The pool.
    pub pool: PoolId,
    /// What of its state was found to differ.
    pub parts: StateParts,
    /// The block after which it was compared, or read anew.
    pub block: BlockRef,
}

impl Quarantine {
    /// The message that tells it.
    #[must_use]
    pub fn message(&self) -> PoolStanding {
        PoolStanding::new(self.pool, PoolTrust::Quarantined, self.parts, self.block)
    }

    const fn of(message: &PoolStanding) -> Self {
        Self { pool: PoolId(message.pool.get()), parts: StateParts(message.parts.get()), block: message.block() }
    }
}

impl Replica {
    /// Pools in quarantine, by id.
    #[must_use]
    pub fn quarantined(&self) -> &[Quarantine] {
        &self.quarantined
    }

    /// Whether the pool was found to differ from the chain, and has not been found equal since.
    #[inline]
    #[must_use]
    pub fn is_quarantined(&self, pool: PoolId) -> bool {
        !self.quarantined.is_empty() && self.quarantine_place(pool).is_ok()
    }

    pub(super) fn quarantine_place(&self, pool: PoolId) -> Result<usize, usize> {
        self.quarantined.binary_search_by_key(&pool, |one| one.pool)
    }

    pub(super) fn quarantine(&mut self, found: Quarantine) {
        match self.quarantine_place(found.pool) {
            Ok(at) => self.quarantined[at] = found,
            Err(at) => self.quarantined.insert(at, found),
        }
    }

    pub(super) fn stand(&mut self, message: &PoolStanding) -> Result<Change, ReplicaError> {
        let found = Quarantine::of(message);
        if found.pool.index() >= self.pools.len() {
            return Err(ReplicaError::UnknownPool(found.pool));
        }
        match (self.phase, message.trust()) {
            (Phase::Snapshot { due, .. }, Some(PoolTrust::Quarantined)) => {
                let is_newest = found.pool.index().checked_add(1) == Some(self.pools.len());
                // Once for each pool: a repeated one could make up for one that was lost.
                if !due.is_empty() || !is_newest || self.is_quarantined(found.pool) {
                    return Err(ReplicaError::OutOfPlace(NAME));
                }
                self.count_update(NAME)?;
                self.quarantine(found);
            }
            (Phase::Ready, Some(PoolTrust::Quarantined)) => self.quarantine(found),
            (Phase::Ready, Some(PoolTrust::Trusted)) => match self.quarantine_place(found.pool) {
                Ok(at) => drop(self.quarantined.remove(at)),
                Err(_) => return Err(ReplicaError::OutOfPlace(NAME)),
            },
            (Phase::InBlock { .. }, Some(PoolTrust::Restated)) => {
                self.count_update(NAME)?;
                self.restate(found)?;
            }
            _ => return Err(ReplicaError::OutOfPlace(NAME)),
        }
        Ok(Change::Standing(found.pool))
    }

    /// Voids a pool's state, which follows anew. Kept whole for undoing: it stands before all else that the block changes of it.
    fn restate(&mut self, found: Quarantine) -> Result<(), ReplicaError> {
        let (index, pool) = (found.pool.index(), found.pool);
        let before = self.quarantine_place(pool).map_or(found, |at| self.quarantined[at]);
        self.quarantine(found);
        let kind = self.pools[index].kind;
        let (Some(state), Some(lack)) = (self.states.get_mut(index), self.lacks.get_mut(index)) else {
            return Err(ReplicaError::UnknownPool(pool));
        };
        if !self.kept.insert(pool) {
            return Err(ReplicaError::Contradiction { pool, reason: "told anew behind a change of the same block" });
        }
        if let Some(undo) = self.undo.back_mut() {
            undo.remember_restated(before, state, *lack);
        }
        // What was not asked for is not told now either.
        if !lack.is_skipped() {
            *state = PoolState::empty(kind);
            self.unfilled += usize::from(lack.is_nothing());
            *lack = Lack::of(kind);
            self.tick_places[index].follow(&[]);
        }
        Ok(())
    }
}
