//! Pools inside a Uniswap V4 pool manager, read through its storage (`extsload`), as the contracts' own `StateLibrary` does.

use alloy::primitives::{Address, B256, U256, keccak256};
use alloy::sol_types::SolValue;
use alphapulse_protocol::message::{PoolKind, TICK_MAX, TICK_MIN};
use alphapulse_protocol::replica::{PoolInfo, PoolState, V3State, V4State};
use alphapulse_protocol::values::{PoolDetails, V4Details, V4Fees};
use alphapulse_protocol::{FeePpm, TokenId, VenueId};
use futures_util::future::{try_join, try_join5};

use super::calls::Calls;
use super::concentrated::Store;
use super::refuse;
use super::target::V4Key;
use crate::error::SourceError;
use crate::source::PoolImage;

mod contract {
    alloy::sol! {
        function extsload(bytes32 slot) external view returns (bytes32);
    }
}

/// Place of the pools in the manager, and of what a pool has behind its first slot (`StateLibrary`).
const POOLS_SLOT: u64 = 6;
const LIQUIDITY_OFFSET: u64 = 3;
const TICKS_OFFSET: u64 = 4;
const BITMAP_OFFSET: u64 = 5;

fn state_slot(id: B256) -> U256 {
    keccak256((id, U256::from(POOLS_SLOT)).abi_encode()).into()
}

/// Place of an entry of one of a pool's maps.
fn entry(id: B256, offset: u64, key: i32) -> U256 {
    let key = alloy::primitives::I256::try_from(key).unwrap_or_default();
    let map = state_slot(id).wrapping_add(U256::from(offset));
    keccak256((key, map).abi_encode()).into()
}

pub(super) fn bitmap_slot(id: B256, word: i32) -> U256 {
    entry(id, BITMAP_OFFSET, word)
}

pub(super) fn tick_slot(id: B256, tick: i32) -> U256 {
    entry(id, TICKS_OFFSET, tick)
}

/// Net and gross liquidity of a tick, which share a word.
pub(super) fn unpack(word: U256) -> (i128, u128) {
    let low = |word: U256| (word & U256::from(u128::MAX)).to::<u128>();
    (low(word >> 128_usize).cast_signed(), low(word))
}

/// The manager's first word of a pool: price (160 bits), tick (24), protocol's fees (12 each way), providers' fee (24).
fn unpack_slot(word: U256) -> (U256, i32, V4Fees) {
    let part = |from: usize, bits: usize| (word >> from) & ((U256::from(1) << bits) - U256::from(1));
    let number = |from: usize, bits: usize| part(from, bits).to::<u32>();
    let tick = (number(160, 24) << 8).cast_signed() >> 8;
    let protocol = |from: usize| part(from, 12).to::<u16>();
    let fees = V4Fees { lp_fee_ppm: number(208, 24), protocol_fee_ppm: [protocol(184), protocol(196)] };
    (part(0, 160), tick, fees)
}

impl Calls {
    pub(super) async fn read_slot(&self, manager: Address, slot: U256) -> Result<U256, SourceError> {
        let word = self.call(manager, manager, contract::extsloadCall { slot: slot.into() }).await?;
        Ok(word.into())
    }

    /// A pool by its key. One with hooks is read as any other: who quotes must look at them.
    pub(super) async fn read_v4(&self, manager: Address, key: &V4Key) -> Result<PoolImage, SourceError> {
        let (id, spacing) = (key.id(), key.tick_spacing);
        if spacing < 1 {
            return Err(refuse(manager, format!("pool {id} has tick spacing {spacing}")));
        }
        let base = state_slot(id);
        let tokens = key.currencies.map(|currency| self.read_coin(currency, manager));
        let [token_0, token_1] = tokens;
        let (slot, liquidity, ticks, token_0, token_1) = try_join5(
            self.read_slot(manager, base),
            self.read_slot(manager, base.wrapping_add(U256::from(LIQUIDITY_OFFSET))),
            self.read_ticks(Store::Manager(manager, id), spacing, (TICK_MIN, TICK_MAX)),
            token_0,
            token_1,
        )
        .await?;
        let (sqrt_price_x96, tick, fees) = unpack_slot(slot);
        if sqrt_price_x96.is_zero() {
            return Err(refuse(manager, format!("the manager has no pool {id}")));
        }
        let (_, liquidity) = unpack(liquidity);
        let details = V4Details { pool_id: id.0, hooks: key.hooks.into_array(), key_fee: key.fee };
        let info = PoolInfo {
            kind: PoolKind::UniswapV4,
            venue: VenueId(0),
            address: manager.into_array(),
            tokens: [TokenId(0), TokenId(1)].into(),
            fee: FeePpm(0),
            tick_spacing: spacing,
            known_ticks: (TICK_MIN, TICK_MAX),
            details: PoolDetails::V4(details),
        };
        let curve = V3State { sqrt_price_x96, tick, liquidity, ticks };
        Ok(PoolImage { tokens: vec![token_0, token_1], info, state: PoolState::V4(V4State { curve, fees }) })
    }

    /// Whether this may be a pool manager.
    pub(super) async fn is_v4_manager(&self, address: Address) -> Result<bool, SourceError> {
        let (slot, other) = try_join(
            self.try_call(address, contract::extsloadCall { slot: B256::ZERO }),
            self.try_call(address, super::pair::token0Call {}),
        )
        .await?;
        Ok(slot.is_some() && other.is_none())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_unpacked_as_the_manager_packs_it() {
        let price = U256::from(3) << 96_usize;
        let tick = (U256::from(0x00ff_fffe_u32)) << 160_usize;
        let fees = (U256::from(7) << 184_usize) | (U256::from(9) << 196_usize) | (U256::from(3_000) << 208_usize);
        let expected = V4Fees { lp_fee_ppm: 3_000, protocol_fee_ppm: [7, 9] };
        assert_eq!(unpack_slot(price | tick | fees), (price, -2, expected));
        assert_eq!(unpack((U256::from(u128::MAX) << 128_usize) | U256::from(5)), (-1, 5));
    }
}
