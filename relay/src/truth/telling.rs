//! What of the pools in quarantine can be told in a block: nothing that would make readers give up the stream.

use std::borrow::Cow;

use alphapulse_protocol::PoolId;
use alphapulse_protocol::replica::Replica;

use super::scratch::try_telling;
use super::ward::Unread;
use super::{Restated, Truth, address_of};
use crate::source::Update;

impl Truth {
    /// Pools that are to be told anew in the block that comes next, whose changes are these. A reading that cannot be told, or not with
    /// what changed since, is given up, and its pool is read again.
    pub(crate) fn take_restated(&mut self, replica: &Replica, updates: &[Update]) -> Vec<Restated> {
        let (head, mut taken) = (self.head_number(), self.ward.take_readings());
        taken.retain(|one| {
            let Some(info) = replica.pools().get(one.pool.index()) else { return false };
            let changes = one.trail.iter().chain(of_pool(updates, one.pool)).copied();
            let Err(error) = try_telling(info, &one.state, changes) else { return true };
            let (pool, at) = (address_of(replica, one.pool), one.at.number.0);
            tracing::warn!(%pool, at, %error, "pool in quarantine cannot be told anew as it was read");
            self.metrics.truth_untold.add(1);
            self.ward.note_unread(one.pool, head, Unread::NoAnswer);
            false
        });
        taken
    }

    /// A block's changes without those of pools in quarantine that do not follow from the wrong state which was told of them: that
    /// state is nobody's, and the pool is told anew with all that happened to it.
    pub(crate) fn tellable<'a>(
        &self,
        replica: &Replica,
        restated: &[Restated],
        updates: &'a [Update],
    ) -> Cow<'a, [Update]> {
        let ill = replica.quarantined().iter().map(|found| found.pool);
        let kept = ill.filter(|pool| restated.iter().all(|one| one.pool != *pool));
        let untold: Vec<PoolId> = kept.filter(|pool| !follows(replica, *pool, updates)).collect();
        if untold.is_empty() {
            return Cow::Borrowed(updates);
        }
        let is_told = |update: &&Update| !untold.contains(&update.pool());
        let told: Vec<Update> = updates.iter().filter(is_told).copied().collect();
        self.metrics.truth_untold.add((updates.len() - told.len()) as u64);
        tracing::debug!(?untold, "changes of pools in quarantine do not follow from what was told of them");
        Cow::Owned(told)
    }
}

fn of_pool(updates: &[Update], pool: PoolId) -> impl Iterator<Item = &Update> {
    updates.iter().filter(move |update| update.pool() == pool)
}

/// Whether a pool's changes follow from the state that was told of it.
fn follows(replica: &Replica, pool: PoolId, updates: &[Update]) -> bool {
    let mut changes = of_pool(updates, pool).copied().peekable();
    if changes.peek().is_none() {
        return true;
    }
    let (info, state) = (replica.pools().get(pool.index()), replica.told_state(pool));
    info.zip(state).is_some_and(|(info, state)| try_telling(info, state, changes).is_ok())
}
