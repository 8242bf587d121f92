//! What tokens, pools and their state become, message by message, inside a snapshot or a block.

use super::{Change, Phase, PoolInfo, PoolState, Replica, TokenInfo};
use crate::error::ReplicaError;
use crate::id::{PoolId, TokenId, VenueId};
use crate::message::{Pool, PoolKind, Token, V3Liquidity, V3Tick};
use crate::units::FeePpm;

impl Replica {
    /// Counts a message towards the end mark of its snapshot or block.
    fn count_update(&mut self, name: &'static str) -> Result<(), ReplicaError> {
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

    /// Passes over states that were not asked for. In a snapshot they stand in the place of the newest pool's one state,
    /// which stays as it is while nothing is known of it.
    pub(super) fn skip(&mut self, count: u32) -> Result<Change, ReplicaError> {
        self.count_updates(count, "Skip")?;
        if let Phase::Snapshot { is_pool_open, .. } = &mut self.phase
            && !core::mem::replace(is_pool_open, false)
        {
            return Err(ReplicaError::OutOfPlace("Skip"));
        }
        Ok(Change::None)
    }

    pub(super) fn add_token(&mut self, token: &Token) -> Result<Change, ReplicaError> {
        self.count_update("Token")?;
        if token.token.get() as usize != self.tokens.len() {
            return Err(ReplicaError::UnknownToken(TokenId(token.token.get())));
        }
        self.tokens.push(TokenInfo {
            address: token.address,
            symbol: token.symbol().to_owned(),
            decimals: token.decimals,
        });
        Ok(Change::None)
    }

    pub(super) fn add_pool(&mut self, pool: &Pool) -> Result<Change, ReplicaError> {
        self.count_update("Pool")?;
        if let Phase::Snapshot { is_pool_open, .. } = &mut self.phase
            && core::mem::replace(is_pool_open, true)
        {
            return Err(ReplicaError::Incomplete("pool"));
        }
        let id = PoolId(pool.pool.get());
        if id.index() != self.pools.len() {
            return Err(ReplicaError::UnknownPool(id));
        }
        let tokens = [TokenId(pool.token_0.get()), TokenId(pool.token_1.get())];
        if let Some(unknown) = tokens.into_iter().find(|token| token.index() >= self.tokens.len()) {
            return Err(ReplicaError::UnknownToken(unknown));
        }
        let kind = PoolKind::from_wire(pool.kind).ok_or(ReplicaError::UnknownPool(id))?;
        self.pools.push(PoolInfo {
            kind,
            venue: VenueId(pool.venue.get()),
            address: pool.address,
            tokens,
            fee: FeePpm(pool.fee_ppm.get()),
            tick_spacing: pool.tick_spacing.get(),
            known_ticks: (pool.known_tick_low.get(), pool.known_tick_high.get()),
        });
        self.states.push(PoolState::empty(kind));
        if let Some(undo) = self.undo.back_mut().filter(|_| matches!(self.phase, Phase::InBlock { .. })) {
            undo.remember_pool_added();
        }
        Ok(Change::PoolAdded(id))
    }

    /// Takes the state of a pool as a whole. In a snapshot each pool has one, right behind its description: all messages
    /// there have one sequence, so that a lost and a repeated one could make up for each other.
    pub(super) fn state_pool(
        &mut self,
        pool: u32,
        name: &'static str,
        change: impl FnOnce(&mut PoolState) -> Result<(), &'static str>,
    ) -> Result<Change, ReplicaError> {
        let is_newest = PoolId(pool).index().checked_add(1) == Some(self.pools.len());
        if let Phase::Snapshot { is_pool_open, .. } = &mut self.phase
            && !(is_newest && core::mem::replace(is_pool_open, false))
        {
            return Err(ReplicaError::OutOfPlace(name));
        }
        self.change_pool(pool, false, change)
    }

    fn change_pool(
        &mut self,
        pool: u32,
        touches_ticks: bool,
        change: impl FnOnce(&mut PoolState) -> Result<(), &'static str>,
    ) -> Result<Change, ReplicaError> {
        self.count_update("pool state")?;
        let id = PoolId(pool);
        let state = self.states.get_mut(id.index()).ok_or(ReplicaError::UnknownPool(id))?;
        if matches!(self.phase, Phase::InBlock { .. })
            && let Some(undo) = self.undo.back_mut()
        {
            undo.remember(id, state, touches_ticks);
        }
        change(state).map_err(|reason| ReplicaError::Contradiction { pool: id, reason })?;
        Ok(Change::Pool(id))
    }

    pub(super) fn add_tick(&mut self, tick: &V3Tick) -> Result<Change, ReplicaError> {
        let is_newest = PoolId(tick.pool.get()).index().checked_add(1) == Some(self.pools.len());
        if let Phase::Snapshot { is_pool_open, .. } = self.phase
            && (is_pool_open || !is_newest)
        {
            return Err(ReplicaError::OutOfPlace("V3Tick"));
        }
        let known = self.known_ticks(tick.pool.get());
        self.change_pool(tick.pool.get(), true, |state| state.add_tick(tick, known))
    }

    pub(super) fn change_liquidity(&mut self, change: &V3Liquidity) -> Result<Change, ReplicaError> {
        // A snapshot states ticks and active liquidity outright; a change to them would count twice.
        if matches!(self.phase, Phase::Snapshot { .. }) {
            return Err(ReplicaError::OutOfPlace("V3Liquidity"));
        }
        let known = self.known_ticks(change.pool.get());
        self.change_pool(change.pool.get(), true, |state| state.change_liquidity(change, known))
    }

    fn known_ticks(&self, pool: u32) -> (i32, i32) {
        self.pools.get(PoolId(pool).index()).map_or((0, 0), |pool| pool.known_ticks)
    }
}
