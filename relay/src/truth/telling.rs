//! What of the pools in quarantine can be told in a block: nothing that would make readers give up the stream.

use std::borrow::Cow;

use alphapulse_protocol::PoolId;
use alphapulse_protocol::message::V3Liquidity;
use alphapulse_protocol::replica::{PoolState, Replica, V3State};

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
        &mut self,
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
        // What was told anew of one of these lacks a change from now on, so no comparison that is under way may let it back.
        untold.iter().for_each(|pool| self.ward.note_untold(*pool));
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

/// Whether a pool's changes follow from the state that was told of it. Reserves and swaps say what is, whatever was; liquidity is a
/// difference. Asked before the block is with anyone, so it looks at the ticks in question only.
fn follows(replica: &Replica, pool: PoolId, updates: &[Update]) -> bool {
    let ticks: Vec<i32> = of_pool(updates, pool).filter_map(liquidity).flat_map(ends).collect();
    if ticks.is_empty() {
        return true;
    }
    let (info, state) = (replica.pools().get(pool.index()), replica.told_state(pool));
    info.zip(state)
        .is_some_and(|(info, state)| try_telling(info, &around(state, &ticks), of_pool(updates, pool).copied()).is_ok())
}

const fn liquidity(update: &Update) -> Option<&V3Liquidity> {
    match update {
        Update::V3Liquidity(change) => Some(change),
        Update::V2Reserves(_) | Update::V3Swap(_) => None,
    }
}

const fn ends(change: &V3Liquidity) -> [i32; 2] {
    [change.tick_lower.get(), change.tick_upper.get()]
}

/// A state with those of its ticks alone that matter.
fn around(state: &PoolState, ticks: &[i32]) -> PoolState {
    let PoolState::V3(curve) = state else { return state.clone() };
    let known = curve.ticks.iter().filter(|known| ticks.contains(&known.tick)).copied().collect();
    let V3State { sqrt_price_x96, tick, liquidity, .. } = *curve;
    PoolState::V3(V3State { sqrt_price_x96, tick, liquidity, ticks: known })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use std::sync::Arc;

    use alphapulse_protocol::message::{PoolTrust, StateParts};
    use alphapulse_protocol::replica::{PoolInfo, Quarantine, TickLiquidity, TokenInfo};
    use alphapulse_protocol::{ChainId, Epoch, FeePpm, TokenId, U256, VenueId};
    use tokio::sync::mpsc;

    use super::*;
    use crate::metrics::Metrics;
    use crate::sequencer::Sequencer;
    use crate::source::MarketImage;
    use crate::truth::job::{Findings, Found};
    use crate::truth::scratch::context;

    const POOL: PoolId = PoolId(0);

    fn burn(lower: i32, amount: i128) -> Update {
        Update::V3Liquidity(V3Liquidity::new(POOL, lower, 60, -amount))
    }

    /// A stream of one pool in quarantine, with ticks at -60 and 60.
    fn stream() -> Sequencer {
        let info = PoolInfo::uniswap_v2(VenueId(3), [9; 20], [TokenId(0), TokenId(1)], FeePpm(3_000));
        let end = |tick, net| TickLiquidity { tick, liquidity_net: net, liquidity_gross: 5 };
        let ticks = vec![end(-60, 5), end(60, -5)];
        let state = PoolState::V3(V3State { sqrt_price_x96: U256::from(1) << 96, tick: 0, liquidity: 5, ticks });
        let token = |byte| TokenInfo { address: [byte; 20], symbol: String::new(), decimals: 18 };
        let pools = vec![(info.with_ticks(60, (-887_272, 887_272)), state)];
        let image = MarketImage { context: context(1), tokens: vec![token(1), token(2)], pools };
        let ill = Quarantine { pool: POOL, parts: StateParts::STATE, block: context(1).block() };
        let mut stream = Sequencer::new(ChainId(1), 1);
        stream.reset(&image, &[ill], Epoch(1)).unwrap();
        stream
    }

    /// Whether a pool that was told anew before block 2, and found equal after it, is let back when block 3 brought this change meanwhile.
    fn is_let_back(change: Update) -> bool {
        let (stream, (jobs, _taken)) = (stream(), mpsc::channel(1));
        let mut truth = Truth::new(1, 1, jobs, Arc::new(Metrics::default()));
        truth.begin(stream.replica());
        truth.note_block(&context(2), &[], &[]);
        drop(truth.tellable(stream.replica(), &[], &[change]));
        truth.note_block(&context(3), &[change], &[]);
        let found = vec![(POOL, Found::Equal)];
        let findings = Findings { generation: truth.generation, at: context(2).block(), found };
        truth.judge(findings, stream.replica()).iter().any(|verdict| verdict.trust == PoolTrust::Trusted)
    }

    #[test]
    fn a_comparison_under_way_lets_no_pool_back_of_which_a_change_was_left_out_since() {
        assert!(is_let_back(burn(-60, 5)));
        assert!(!is_let_back(burn(-60, 6)), "it is told no more");
        assert!(!is_let_back(burn(-120, 1)));
    }

    #[test]
    fn what_says_what_is_follows_whatever_was_and_liquidity_does_where_it_was() {
        let stream = stream();
        let swap = Update::V3Swap(alphapulse_protocol::message::V3Swap::new(POOL, U256::from(1) << 97, 13_863, 0));
        assert!(follows(stream.replica(), POOL, &[swap]));
        // The price has left the range, so that active liquidity stays as the swap says.
        assert!(follows(stream.replica(), POOL, &[swap, burn(-60, 5)]));
        assert!(!follows(stream.replica(), POOL, &[burn(-60, 5), burn(-60, 5)]));
    }
}
