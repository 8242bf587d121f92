//! Tokens and pools as they are described, inside a snapshot or a block.

use super::{Change, Lack, Part, Phase, PoolInfo, PoolState, Replica, TickPlaces, TokenInfo};
use crate::error::ReplicaError;
use crate::id::{PoolId, TokenId, VenueId};
use crate::message::{FEE_DYNAMIC, MultiTokenPool, Pool, PoolKind, Token, V4Pool};
use crate::units::FeePpm;
use crate::values::PoolDetails;

impl Replica {
    pub(super) fn add_token(&mut self, token: &Token) -> Result<Change, ReplicaError> {
        self.count_update("Token")?;
        if matches!(self.phase, Phase::Snapshot { .. }) && !self.pools.is_empty() {
            return Err(ReplicaError::OutOfPlace("Token"));
        }
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
        let id = PoolId(pool.pool.get());
        let tokens = [TokenId(pool.token_0.get()), TokenId(pool.token_1.get())];
        let venue = VenueId(pool.venue.get());
        let info = PoolInfo::uniswap_v2(venue, pool.address, tokens, FeePpm(pool.fee_ppm.get()));
        match PoolKind::from_wire(pool.kind) {
            Some(PoolKind::UniswapV2) => self.add_described(id, "Pool", info),
            Some(PoolKind::UniswapV3) => {
                let known_ticks = (pool.known_tick_low.get(), pool.known_tick_high.get());
                self.add_described(id, "Pool", info.with_ticks(pool.tick_spacing.get(), known_ticks))
            }
            _ => Err(ReplicaError::UnknownPool(id)),
        }
    }

    pub(super) fn add_v4_pool(&mut self, pool: &V4Pool) -> Result<Change, ReplicaError> {
        let tokens = [TokenId(pool.token_0.get()), TokenId(pool.token_1.get())];
        let details = pool.details();
        // A fee that hooks set is no part of the description.
        let fee = FeePpm(if details.key_fee == FEE_DYNAMIC { 0 } else { details.key_fee });
        let info = PoolInfo {
            kind: PoolKind::UniswapV4,
            tick_spacing: pool.tick_spacing.get(),
            known_ticks: (pool.known_tick_low.get(), pool.known_tick_high.get()),
            details: PoolDetails::V4(details),
            ..PoolInfo::uniswap_v2(VenueId(pool.venue.get()), pool.address, tokens, fee)
        };
        self.add_described(PoolId(pool.pool.get()), "V4Pool", info)
    }

    pub(super) fn add_multi_token_pool(&mut self, pool: &MultiTokenPool) -> Result<Change, ReplicaError> {
        let id = PoolId(pool.pool.get());
        let details = pool.details();
        let is_base =
            |base: PoolId| self.pools.get(base.index()).is_some_and(|info| info.kind == PoolKind::CurveStable);
        if details.base_pool.is_some_and(|base| !is_base(base)) {
            return Err(ReplicaError::Contradiction { pool: id, reason: "a base pool that is not of StableSwap" });
        }
        self.check_tokens(&details.underlying)?;
        let info = PoolInfo {
            kind: pool.pool_kind().ok_or(ReplicaError::UnknownPool(id))?,
            venue: VenueId(pool.venue.get()),
            address: pool.address,
            tokens: pool.tokens(),
            fee: FeePpm(0),
            tick_spacing: 0,
            known_ticks: (0, 0),
            details: PoolDetails::MultiToken(details),
        };
        self.add_described(id, "MultiTokenPool", info)
    }

    fn check_tokens(&self, tokens: &[TokenId]) -> Result<(), ReplicaError> {
        match tokens.iter().find(|token| token.index() >= self.tokens.len()) {
            Some(unknown) => Err(ReplicaError::UnknownToken(*unknown)),
            None => Ok(()),
        }
    }

    fn add_described(&mut self, id: PoolId, name: &'static str, info: PoolInfo) -> Result<Change, ReplicaError> {
        self.count_update(name)?;
        if let Phase::Snapshot { due, .. } = &mut self.phase
            && !core::mem::replace(due, Part::of(info.kind)).is_empty()
        {
            return Err(ReplicaError::Incomplete("pool"));
        }
        if id.index() != self.pools.len() {
            return Err(ReplicaError::UnknownPool(id));
        }
        self.check_tokens(&info.tokens)?;
        self.pools.push(info);
        self.states.push(PoolState::empty(info.kind));
        self.lacks.push(Lack::of(info.kind));
        self.unfilled += 1;
        self.tick_places.push(TickPlaces::new(info.known_ticks));
        self.kept.grow(self.pools.len());
        if let Some(undo) = self.undo.back_mut().filter(|_| matches!(self.phase, Phase::InBlock { .. })) {
            undo.remember_pool_added();
        }
        Ok(Change::PoolAdded(id))
    }
}
