//! What is derived from the state when a block is whole.

use core::hint::black_box;

use alphapulse_protocol::PoolId;
use alphapulse_protocol::TokenId;
use alphapulse_protocol::replica::{PoolState, Replica};
use alphapulse_protocol::values::PoolDetails;

use super::hot::Rated;
use super::pool_view::Kept;
use super::{Market, PoolView};
use crate::admission::Refusal;
use crate::pool::QuoteError;

/// Pools whose memory is asked for at once: what they take of the nearest cache is a part of it.
const LOOKED_AT_TOGETHER: usize = 32;

/// Whether a pool is traded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Standing {
    Admitted,
    /// Allowed, but without price or reserves.
    Empty,
    Refused(Refusal),
}

/// What is derived from a pool's description and state, and from nothing else.
#[derive(Debug, Clone)]
pub(super) struct Derived {
    pub(super) standing: Standing,
    /// What quotes from the pool's state in the last whole block have in common. A quote from another state does without.
    kept: Option<Kept>,
    /// Tick and liquidity with which the pool's ticks were found sound.
    sound: Option<(i32, u128)>,
    /// Most liquidity of any range between those ticks; 0 where there are none.
    liquidity_max: u128,
}

impl Market {
    #[cold]
    pub(super) fn forget(&mut self) {
        self.is_in_snapshot = false;
        self.derived.clear();
        self.hot.clear();
        self.written.clear();
        self.moving.clear();
        self.metas.clear();
        self.refused.clear();
        self.stale.clear();
        self.is_stale.clear();
        self.is_reticked.clear();
        self.graph.clear();
        self.topology += 1;
    }

    /// Makes everything anew from the state: after a snapshot, and after a reorg, which may have taken pools away.
    #[cold]
    pub(super) fn derive_all(&mut self) {
        self.forget();
        let pool_count = self.replica.pools().len();
        self.tables.resize(pool_count);
        for index in 0..pool_count {
            if let Ok(id) = u32::try_from(index) {
                self.add(PoolId(id));
            }
        }
        self.derive_stale();
    }

    pub(super) fn add(&mut self, pool: PoolId) {
        debug_assert_eq!(pool.index(), self.derived.len(), "pools are described in order of id");
        let listed = self.check_lists(pool);
        let standing = listed.map_or_else(Standing::Refused, |()| Standing::Empty);
        self.derived.push(Derived { standing, kept: None, sound: None, liquidity_max: 0 });
        self.note_refusal(pool, standing);
        self.is_stale.grow(self.derived.len());
        self.is_reticked.grow(self.derived.len());
        self.tables.grow(self.derived.len());
        self.mark_stale(pool);
        let Some(info) = self.replica.pools().get(pool.index()) else { return };
        self.hot.add(info.kind, &info.tokens);
        if let PoolDetails::MultiToken(details) = &info.details
            && let Some(base) = details.base_pool
        {
            self.metas.push((base, pool));
        }
        if listed.is_ok() {
            self.graph.add(pool, &info.tokens);
            self.topology += 1;
        }
    }

    #[inline]
    pub(super) fn mark_stale(&mut self, pool: PoolId) {
        if self.is_stale.insert(pool) {
            self.stale.push(pool);
        }
    }

    /// Between blocks it counts at once: nobody may trade on a pool that is in quarantine from here on. In a block the pool was in
    /// quarantine before, or is what the block's end finds. All of its ticks may be others than before.
    #[cold]
    pub(super) fn stand_anew(&mut self, pool: PoolId) {
        self.mark_stale(pool);
        self.is_reticked.insert(pool);
        if self.replica.is_whole() {
            self.derive_stale();
        } else {
            self.hot.refuse(pool);
        }
    }

    /// Makes anew what is derived of every pool that changed, of those that change by themselves, and of those that stand
    /// on one of them.
    pub(super) fn derive_stale(&mut self) {
        self.written.clear();
        core::mem::swap(&mut self.moving, &mut self.moved);
        while let Some(pool) = self.moved.pop() {
            self.mark_stale(pool);
        }
        for at in 0..self.metas.len() {
            let (base, meta) = self.metas[at];
            if self.is_stale.contains(base) {
                self.mark_stale(meta);
            }
        }
        while !self.stale.is_empty() {
            let rest = self.stale.len().saturating_sub(LOOKED_AT_TOGETHER);
            self.look_at(&self.stale[rest..]);
            while self.stale.len() > rest
                && let Some(pool) = self.stale.pop()
            {
                self.derive(pool);
                self.written.push(pool);
                self.is_stale.remove(pool);
                self.is_reticked.remove(pool);
            }
        }
    }

    /// Looks at what will be read and written of these pools, so that the waits for memory overlap.
    fn look_at(&self, pools: &[PoolId]) {
        let mut seen = 0;
        for pool in pools {
            let info = self.replica.pools().get(pool.index()).map_or(0, |info| info.tokens.len());
            let sound = self.derived.get(pool.index()).and_then(|derived| derived.sound).is_some();
            let lines = self.hot.of_pool(*pool).iter().fold(0, |seen, line| seen ^ line.g.to_bits());
            seen ^= lines ^ info as u64 ^ u64::from(sound);
        }
        // Otherwise nothing would be looked at.
        black_box(seen);
    }

    fn derive(&mut self, pool: PoolId) {
        if matches!(self.replica.states().get(pool.index()), Some(PoolState::CurveStable(_))) {
            self.keep(pool);
        }
        let at = self.timestamp();
        let view = view_of(&self.replica, &self.derived, pool).ok().filter(PoolView::has_price);
        let (standing, is_sound) = self.stand(pool, view.as_ref());
        let sound = view.filter(|_| is_sound);
        let is_admitted = standing == Standing::Admitted;
        let liquidity_max = sound.map_or(0, |view| self.liquidity_max(pool, &view));
        self.hot.write(pool, is_admitted, |way| {
            let view = sound?;
            let map = view.rate(way, at)?;
            Some(Rated { map, bound: view.bound(way, map, liquidity_max) })
        });
        if sound.is_some_and(|view| view.is_moving(at)) {
            self.moving.push(pool);
        }
        let sound = sound.and_then(|view| view.tick_and_liquidity());
        let derived = &mut self.derived[pool.index()];
        (derived.sound, derived.liquidity_max) = (sound, liquidity_max);
        if derived.standing != standing {
            derived.standing = standing;
            self.note_refusal(pool, standing);
        }
        self.tables.note_change(pool);
    }

    /// Swaps move between ranges and change none.
    fn liquidity_max(&self, pool: PoolId, view: &PoolView<'_>) -> u128 {
        match self.derived[pool.index()] {
            Derived { sound: Some(_), liquidity_max, .. } if !self.is_reticked.contains(pool) => liquidity_max,
            _ => view.liquidity_max(),
        }
    }

    /// Whether the pool is traded, and whether it is sound and listed, so that its rates mean something. `view` is the pool
    /// if it has a price.
    fn stand(&self, pool: PoolId, view: Option<&PoolView<'_>>) -> (Standing, bool) {
        let Derived { standing, sound, .. } = &self.derived[pool.index()];
        // What the lists say was asked when the pool was added; neither they nor a description change.
        let admitted = match *standing {
            unlisted @ Standing::Refused(refusal) if refusal.is_of_lists() => return (unlisted, false),
            untraded @ Standing::Refused(Refusal::KindNotTraded { .. }) => untraded,
            _ => Standing::Admitted,
        };
        let is_traded = admitted == Standing::Admitted;
        if self.replica.is_quarantined(pool) {
            return (if is_traded { Standing::Refused(Refusal::Quarantined) } else { admitted }, false);
        }
        let Some(view) = view else { return (if is_traded { Standing::Empty } else { admitted }, false) };
        let checked = match sound {
            Some(before) if !self.is_reticked.contains(pool) => view.check_moved(*before),
            _ => view.check_consistency(),
        };
        match checked {
            Err(flaw) if is_traded => (Standing::Refused(Refusal::Inconsistent(flaw)), false),
            Err(_) => (admitted, false),
            Ok(()) => (admitted, true),
        }
    }

    /// Does once what all quotes from this state would do.
    fn keep(&mut self, pool: PoolId) {
        let at = self.timestamp();
        match self.pool(pool) {
            Ok(PoolView::StableSwap(view)) => {
                let solved = view.with_view(|view| view.solve(at)).ok();
                Kept::put_solved(&mut self.derived[pool.index()].kept, solved);
            }
            Ok(PoolView::CryptoSwap(view)) => {
                let prepared = view.view().prepare();
                Kept::put_prepared(&mut self.derived[pool.index()].kept, prepared);
            }
            _ => {}
        }
    }

    fn check_lists(&self, pool: PoolId) -> Result<(), Refusal> {
        let Some(info) = self.replica.pools().get(pool.index()) else { return Err(Refusal::PoolNotListed) };
        let token = |id: TokenId| &self.replica.tokens()[id.index()].address;
        self.admission.check(&info.address, info.kind, info.tokens.iter().map(|id| token(*id)))
    }

    /// Keeps `refused` sorted by id and true to the standings.
    fn note_refusal(&mut self, pool: PoolId, standing: Standing) {
        let position = self.refused.binary_search_by_key(&pool, |(refused, _)| *refused);
        match (position, standing) {
            (Ok(at), Standing::Refused(refusal)) => self.refused[at].1 = refusal,
            (Ok(at), _) => drop(self.refused.remove(at)),
            (Err(at), Standing::Refused(refusal)) => self.refused.insert(at, (pool, refusal)),
            (Err(_), _) => {}
        }
    }
}

/// A pool of a mirror with its state, and with what is kept for its quotes but for steps.
pub(super) fn view_of<'a>(
    replica: &'a Replica,
    derived: &'a [Derived],
    pool: PoolId,
) -> Result<PoolView<'a>, QuoteError> {
    let described = |id: PoolId| replica.pools().get(id.index()).zip(replica.state(id));
    let known = replica.pools().get(pool.index()).ok_or(QuoteError::UnknownPool)?;
    if replica.is_quarantined(pool) {
        return Err(QuoteError::Quarantined);
    }
    let state = replica.state(pool).ok_or(QuoteError::UnknownState)?;
    let view = PoolView::new((known, state), described)?;
    Ok(view.with_kept(derived.get(pool.index()).and_then(|derived| derived.kept.as_ref())))
}
