//! What the state of pools becomes, message by message, inside a snapshot or a block.

use zerocopy::little_endian::U32;

use super::undo::TickLog;
use super::{Change, Part, Phase, PoolState, Replica};
use crate::error::ReplicaError;
use crate::id::PoolId;
use crate::message::{Message, RatesUse, V3Liquidity, V3Tick};

impl Replica {
    /// Counts a message towards the end mark of its snapshot or block.
    pub(super) fn count_update(&mut self, name: &'static str) -> Result<(), ReplicaError> {
        self.count_updates(1, name)
    }

    fn count_updates(&mut self, more: u32, name: &'static str) -> Result<(), ReplicaError> {
        match &mut self.phase {
            Phase::Snapshot { messages: count, .. } | Phase::InBlock { updates: count } => {
                *count = count.checked_add(more).ok_or(ReplicaError::Incomplete(name))?;
                Ok(())
            }
            Phase::Empty | Phase::Ready => Err(ReplicaError::OutOfPlace(name)),
        }
    }

    /// Passes over states that were not asked for. In a snapshot they stand in the place of the newest pool's state, of
    /// which nothing is known then.
    pub(super) fn skip(&mut self, count: u32) -> Result<Change, ReplicaError> {
        self.count_updates(count, "Skip")?;
        if let Phase::Snapshot { due, .. } = &mut self.phase
            && core::mem::take(due).is_empty()
        {
            return Err(ReplicaError::OutOfPlace("Skip"));
        }
        if matches!(self.phase, Phase::Snapshot { .. })
            && let (Some(info), Some(state), Some(lack)) =
                (self.pools.last(), self.states.last_mut(), self.lacks.last_mut())
        {
            *state = PoolState::Unknown(info.kind);
            lack.skip();
        }
        Ok(Change::None)
    }

    /// Takes a part of a pool's state, or all of it; other messages change nothing.
    pub(super) fn apply_state(&mut self, message: &Message<'_>) -> Result<Change, ReplicaError> {
        let name = message.name();
        match message {
            Message::V2Reserves(m) => self.set(m.pool, Part::State, name, |pool| pool.set_reserves(m)),
            Message::V3Swap(m) => self.set(m.pool, Part::State, name, |pool| pool.set_slot(m)),
            Message::V4Swap(m) => self.set(m.pool, Part::State, name, |pool| pool.set_v4_slot(m)),
            Message::SolidlyReserves(m) => self.set(m.pool, Part::State, name, |pool| pool.set_solidly(m)),
            Message::PoolRates(m) => {
                let rates_use = RatesUse::from_wire(m.rates_use).ok_or(ReplicaError::OutOfPlace(name))?;
                self.set_counted(m.pool, Part::Rates(rates_use), name, |pool, tokens| pool.set_rates(m, tokens))
            }
            Message::CurveStableParameters(m) => {
                self.set(m.pool, Part::Terms, name, |pool| pool.set_curve_stable_terms(m))
            }
            Message::CurveStableBalances(m) => {
                self.set_counted(m.pool, Part::State, name, |pool, tokens| pool.set_curve_stable(m, tokens))
            }
            Message::CurveCryptoParameters(m) => {
                self.set(m.pool, Part::Terms, name, |pool| pool.set_curve_crypto_terms(m))
            }
            Message::CurveCryptoBalances(m) => {
                self.set_counted(m.pool, Part::State, name, |pool, tokens| pool.set_curve_crypto(m, tokens))
            }
            Message::BalancerWeightedParameters(m) => {
                self.set_counted(m.pool, Part::Terms, name, |pool, tokens| pool.set_weighted_terms(m, tokens))
            }
            Message::BalancerWeightedBalances(m) => {
                self.set_counted(m.pool, Part::State, name, |pool, tokens| pool.set_weighted(m, tokens))
            }
            Message::BalancerStableParameters(m) => {
                self.set(m.pool, Part::Terms, name, |pool| pool.set_balancer_stable_terms(m))
            }
            Message::BalancerStableBalances(m) => {
                self.set_counted(m.pool, Part::State, name, |pool, tokens| pool.set_balancer_stable(m, tokens))
            }
            _ => Ok(Change::None),
        }
    }

    /// Takes a part of a pool's state as a whole. In a snapshot each pool has each part once, in order, right behind its
    /// description: all messages there have one sequence, so that a lost and a repeated one could make up for each other.
    fn set(
        &mut self,
        pool: U32,
        part: Part,
        name: &'static str,
        change: impl FnOnce(&mut PoolState) -> Result<(), &'static str>,
    ) -> Result<Change, ReplicaError> {
        let pool = pool.get();
        let is_newest = PoolId(pool).index().checked_add(1) == Some(self.pools.len());
        if let Phase::Snapshot { due, .. } = &mut self.phase {
            match due.split_first() {
                Some((next, rest)) if *next == part && is_newest => *due = rest,
                _ => return Err(ReplicaError::OutOfPlace(name)),
            }
        }
        let changed = self.change_pool(pool, |state, _| change(state))?;
        self.fill(PoolId(pool), part);
        Ok(changed)
    }

    /// As [`Self::set`], for what depends on how many tokens the pool has: its description is one more look into memory.
    fn set_counted(
        &mut self,
        pool: U32,
        part: Part,
        name: &'static str,
        change: impl FnOnce(&mut PoolState, usize) -> Result<(), &'static str>,
    ) -> Result<Change, ReplicaError> {
        let token_count = self.pools.get(PoolId(pool.get()).index()).map_or(0, |info| info.tokens.len());
        self.set(pool, part, name, |state| change(state, token_count))
    }

    /// A part of a pool's state came.
    fn fill(&mut self, pool: PoolId, part: Part) {
        let Some(lack) = self.lacks.get_mut(pool.index()).filter(|lack| !lack.is_nothing()) else { return };
        if matches!(self.phase, Phase::InBlock { .. })
            && let Some(undo) = self.undo.back_mut()
        {
            undo.remember_lack(pool, *lack);
        }
        lack.fill(part);
    }

    fn change_pool(
        &mut self,
        pool: u32,
        change: impl FnOnce(&mut PoolState, &mut TickLog<'_>) -> Result<(), &'static str>,
    ) -> Result<Change, ReplicaError> {
        self.count_update("pool state")?;
        let id = PoolId(pool);
        let state = self.states.get_mut(id.index()).ok_or(ReplicaError::UnknownPool(id))?;
        if self.lacks.get(id.index()).is_some_and(|lack| lack.is_skipped()) {
            // A part on top of nothing is not a state.
            return Ok(Change::None);
        }
        let mut log = TickLog::nowhere(id);
        if matches!(self.phase, Phase::InBlock { .. })
            && let Some(undo) = self.undo.back_mut()
        {
            if self.kept.insert(id) {
                undo.remember(id, state);
            }
            log = undo.tick_log(id);
        }
        change(state, &mut log).map_err(|reason| ReplicaError::Contradiction { pool: id, reason })?;
        Ok(Change::Pool(id))
    }

    pub(super) fn add_tick(&mut self, tick: &V3Tick) -> Result<Change, ReplicaError> {
        let is_newest = PoolId(tick.pool.get()).index().checked_add(1) == Some(self.pools.len());
        if let Phase::Snapshot { due, .. } = self.phase
            && !(due.is_empty() && is_newest && !self.is_quarantined(PoolId(tick.pool.get())))
        {
            return Err(ReplicaError::OutOfPlace("V3Tick"));
        }
        let known = self.known_ticks(tick.pool.get());
        self.change_pool(tick.pool.get(), |state, log| state.concentrated_mut()?.add_tick(tick, known, log))
    }

    pub(super) fn change_liquidity(&mut self, change: &V3Liquidity) -> Result<Change, ReplicaError> {
        // A snapshot states ticks and active liquidity outright; a change to them would count twice.
        if matches!(self.phase, Phase::Snapshot { .. }) {
            return Err(ReplicaError::OutOfPlace("V3Liquidity"));
        }
        let known = self.known_ticks(change.pool.get());
        self.change_pool(change.pool.get(), |state, log| state.concentrated_mut()?.change_liquidity(change, known, log))
    }

    fn known_ticks(&self, pool: u32) -> (i32, i32) {
        self.pools.get(PoolId(pool).index()).map_or((0, 0), |pool| pool.known_ticks)
    }
}
