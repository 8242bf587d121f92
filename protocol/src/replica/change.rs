//! What the state of pools becomes, message by message, inside a snapshot or a block.

use zerocopy::little_endian::U32;

use super::undo::TickLog;
use super::{Change, Part, Phase, PoolState, Replica, TickPlaces, V3State};
use crate::error::ReplicaError;
use crate::header::MessageHeader;
use crate::id::PoolId;
use crate::message::{Message, RatesUse, V2Reserves, V3Liquidity, V3Swap, V3Tick};

impl Replica {
    /// As [`Replica::apply`], for the messages that blocks mostly consist of: `None`, and nothing is done, for all others and outside of a block.
    /// For who applies many and would not wait for the questions that only the others ask.
    #[inline]
    pub fn apply_common(&mut self, message: &Message<'_>) -> Option<Result<Change, ReplicaError>> {
        let change = match message {
            Message::V2Reserves(m) if self.follows_in_block(&m.header) => self.set_reserves(m),
            Message::V3Swap(m) if self.follows_in_block(&m.header) => self.set_slot(m),
            Message::V3Liquidity(m) if self.follows_in_block(&m.header) => self.change_liquidity(m),
            _ => return None,
        };
        if change.is_err() {
            self.phase = Phase::Empty;
        }
        Some(change)
    }

    /// Takes the place of the next message of a block, if it is the one with this header; else nothing is done.
    #[inline]
    fn follows_in_block(&mut self, header: &MessageHeader) -> bool {
        let got = header.sequence();
        let follows = matches!(self.phase, Phase::InBlock { .. }) && self.sequence.0.checked_add(1) == Some(got.0);
        if follows {
            self.sequence = got;
        }
        follows
    }

    /// Counts a message towards the end mark of its snapshot or block.
    #[inline]
    pub(super) fn count_update(&mut self, name: &'static str) -> Result<(), ReplicaError> {
        self.count_updates(1, name)
    }

    #[inline]
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
            self.unfilled -= usize::from(lack.is_unfilled());
            lack.skip();
        }
        Ok(Change::None)
    }

    /// Takes a part of a pool's state, or all of it; other messages change nothing.
    pub(super) fn apply_state(&mut self, message: &Message<'_>) -> Result<Change, ReplicaError> {
        let name = message.name();
        match message {
            Message::V2Reserves(m) => self.set_reserves(m),
            Message::V3Swap(m) => self.set_slot(m),
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

    #[inline]
    pub(super) fn set_reserves(&mut self, message: &V2Reserves) -> Result<Change, ReplicaError> {
        self.set(message.pool, Part::State, "V2Reserves", |pool| pool.set_reserves(message))
    }

    #[inline]
    pub(super) fn set_slot(&mut self, message: &V3Swap) -> Result<Change, ReplicaError> {
        self.set(message.pool, Part::State, "V3Swap", |pool| pool.set_slot(message))
    }

    /// Takes a part of a pool's state as a whole. In a snapshot each pool has each part once, in order, right behind its
    /// description: all messages there have one sequence, so that a lost and a repeated one could make up for each other.
    #[inline]
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
        let changed = self.change_pool(pool, |state, _, _| change(state))?;
        if self.unfilled > 0 {
            self.fill(PoolId(pool), part);
        }
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

    /// A part of a pool's state came, while something lacked of some pool.
    #[cold]
    fn fill(&mut self, pool: PoolId, part: Part) {
        let Some(lack) = self.lacks.get_mut(pool.index()).filter(|lack| lack.is_unfilled()) else { return };
        if matches!(self.phase, Phase::InBlock { .. })
            && let Some(undo) = self.undo.back_mut()
        {
            undo.remember_lack(pool, *lack);
        }
        lack.fill(part);
        self.unfilled -= usize::from(lack.is_nothing());
    }

    #[inline]
    fn change_pool(
        &mut self,
        pool: u32,
        change: impl FnOnce(&mut PoolState, &mut [TickPlaces], &mut TickLog<'_>) -> Result<(), &'static str>,
    ) -> Result<Change, ReplicaError> {
        self.count_update("pool state")?;
        let id = PoolId(pool);
        let state = self.states.get_mut(id.index()).ok_or(ReplicaError::UnknownPool(id))?;
        if matches!(state, PoolState::Unknown(_)) {
            // It was passed over, and a part on top of nothing is not a state.
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
        change(state, &mut self.tick_places, &mut log)
            .map_err(|reason| ReplicaError::Contradiction { pool: id, reason })?;
        Ok(Change::Pool(id))
    }

    pub(super) fn add_tick(&mut self, tick: &V3Tick) -> Result<Change, ReplicaError> {
        let is_newest = PoolId(tick.pool.get()).index().checked_add(1) == Some(self.pools.len());
        if let Phase::Snapshot { due, .. } = self.phase
            && !(due.is_empty() && is_newest && !self.is_quarantined(PoolId(tick.pool.get())))
        {
            return Err(ReplicaError::OutOfPlace("V3Tick"));
        }
        self.change_ticks(tick.pool.get(), |curve, places, log| curve.add_tick(tick, places, log))
    }

    #[inline]
    pub(super) fn change_liquidity(&mut self, change: &V3Liquidity) -> Result<Change, ReplicaError> {
        // A snapshot states ticks and active liquidity outright; a change to them would count twice.
        if matches!(self.phase, Phase::Snapshot { .. }) {
            return Err(ReplicaError::OutOfPlace("V3Liquidity"));
        }
        self.change_ticks(change.pool.get(), |curve, places, log| curve.change_liquidity(change, places, log))
    }

    #[inline]
    fn change_ticks(
        &mut self,
        pool: u32,
        change: impl FnOnce(&mut V3State, &mut TickPlaces, &mut TickLog<'_>) -> Result<(), &'static str>,
    ) -> Result<Change, ReplicaError> {
        self.change_pool(pool, |state, places, log| {
            change(state.concentrated_mut()?, &mut places[PoolId(pool).index()], log)
        })
    }
}
