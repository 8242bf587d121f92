//! From a block's logs to the messages that describe what it changed.

use alloy::primitives::{B256, LogData, Signed, U256};
use alloy::rpc::types::Log;
use alloy::sol_types::SolEvent;
use alphapulse_protocol::message::{PoolKind, V2Reserves, V3Liquidity, V3Swap, WireMessage};
use alphapulse_protocol::{BlockRef, DecodeError, PoolId};

use super::PoolTable;
use crate::error::SourceError;

mod uniswap {
    alloy::sol! {
        event Sync(uint112 reserve0, uint112 reserve1);
        event Initialize(uint160 sqrtPriceX96, int24 tick);
        event Swap(address indexed sender, address indexed recipient, int256 amount0, int256 amount1,
            uint160 sqrtPriceX96, uint128 liquidity, int24 tick);
        event Mint(address sender, address indexed owner, int24 indexed tickLower, int24 indexed tickUpper,
            uint128 amount, uint256 amount0, uint256 amount1);
        event Burn(address indexed owner, int24 indexed tickLower, int24 indexed tickUpper,
            uint128 amount, uint256 amount0, uint256 amount1);
    }
}

mod pancake {
    alloy::sol! {
        event Swap(address indexed sender, address indexed recipient, int256 amount0, int256 amount1,
            uint160 sqrtPriceX96, uint128 liquidity, int24 tick, uint128 protocolFeesToken0, uint128 protocolFeesToken1);
    }
}

const SYNC: B256 = uniswap::Sync::SIGNATURE_HASH;
const INITIALIZE: B256 = uniswap::Initialize::SIGNATURE_HASH;
const SWAP: B256 = uniswap::Swap::SIGNATURE_HASH;
const MINT: B256 = uniswap::Mint::SIGNATURE_HASH;
const BURN: B256 = uniswap::Burn::SIGNATURE_HASH;
const PANCAKE_SWAP: B256 = pancake::Swap::SIGNATURE_HASH;

/// Event signatures that change a pool's state: V2 `Sync`; V3 `Initialize`, `Swap`, `Mint`, `Burn`; PancakeSwap V3 `Swap`.
pub const TOPICS: [B256; 6] = [SYNC, INITIALIZE, SWAP, MINT, BURN, PANCAKE_SWAP];

/// One change of one pool, as the message that brings it about, not yet placed in the stream.
#[derive(Debug, Clone, Copy)]
pub enum Update {
    /// Reserves of a constant-product pool.
    V2Reserves(V2Reserves),
    /// Price, tick and active liquidity of a concentrated-liquidity pool.
    V3Swap(V3Swap),
    /// Liquidity added to or removed from a range.
    V3Liquidity(V3Liquidity),
}

impl Update {
    /// Pool that changes.
    #[must_use]
    pub const fn pool(&self) -> PoolId {
        PoolId(match self {
            Self::V2Reserves(message) => message.pool.get(),
            Self::V3Swap(message) => message.pool.get(),
            Self::V3Liquidity(message) => message.pool.get(),
        })
    }

    /// The same change of a pool with this id.
    pub(crate) fn of_pool(mut self, pool: PoolId) -> Self {
        match &mut self {
            Self::V2Reserves(message) => message.pool.set(pool.0),
            Self::V3Swap(message) => message.pool.set(pool.0),
            Self::V3Liquidity(message) => message.pool.set(pool.0),
        }
        self
    }

    fn check(&self) -> Result<(), DecodeError> {
        match self {
            Self::V2Reserves(message) => message.check(),
            Self::V3Swap(message) => message.check(),
            Self::V3Liquidity(message) => message.check(),
        }
    }
}

/// Changes that a block's logs tell of, in log order; of a constant-product pool only its last state. Logs of other
/// contracts and of other events are passed over. Total: a node's answer may hold anything.
///
/// # Errors
/// [`SourceError::Contradiction`] when a log is not of the block asked for; [`SourceError::Pool`] when one cannot be read.
pub fn decode_block(mut logs: Vec<Log>, block: BlockRef, pools: &PoolTable) -> Result<Vec<Update>, SourceError> {
    let hash = B256::from(block.hash);
    if let Some(foreign) = logs.iter().find(|log| log.block_hash != Some(hash)) {
        let got = foreign.block_hash.unwrap_or_default();
        return Err(SourceError::Contradiction(format!("asked for the logs of block {hash}, got one of {got}")));
    }
    logs.sort_by_key(|log| log.log_index);
    let mut updates: Vec<Update> = Vec::with_capacity(logs.len());
    for log in &logs {
        let Some((pool, kind)) = pools.find(&log.address()) else { continue };
        let pool_error = |reason: String| SourceError::Pool { pool: log.address(), reason };
        let Some(update) = decode(pool, kind, log.data()).map_err(pool_error)? else { continue };
        update.check().map_err(|error| pool_error(format!("a log states what cannot be: {error}")))?;
        match (&update, last_reserves(&mut updates, pool)) {
            (Update::V2Reserves(new), Some(old)) => *old = *new,
            _ => updates.push(update),
        }
    }
    Ok(updates)
}

/// The reserves of `pool` that are already among the updates.
fn last_reserves(updates: &mut [Update], pool: PoolId) -> Option<&mut V2Reserves> {
    updates.iter_mut().find_map(|update| match update {
        Update::V2Reserves(reserves) if reserves.pool.get() == pool.0 => Some(reserves),
        _ => None,
    })
}

/// Reads one log of a pool; `None` for events that do not change what we keep of it.
fn decode(pool: PoolId, kind: PoolKind, log: &LogData) -> Result<Option<Update>, String> {
    let Some(topic) = log.topics().first().copied() else { return Ok(None) };
    let update = match (kind, topic) {
        (PoolKind::UniswapV2, SYNC) => {
            let event: uniswap::Sync = read(log)?;
            Update::V2Reserves(V2Reserves::new(pool, event.reserve0.to(), event.reserve1.to()))
        }
        (PoolKind::UniswapV3, INITIALIZE) => {
            let event: uniswap::Initialize = read(log)?;
            Update::V3Swap(V3Swap::new(pool, U256::from(event.sqrtPriceX96), event.tick.as_i32(), 0))
        }
        (PoolKind::UniswapV3, SWAP) => {
            let event: uniswap::Swap = read(log)?;
            let price = U256::from(event.sqrtPriceX96);
            Update::V3Swap(V3Swap::new(pool, price, event.tick.as_i32(), event.liquidity))
        }
        (PoolKind::UniswapV3, PANCAKE_SWAP) => {
            let event: pancake::Swap = read(log)?;
            let price = U256::from(event.sqrtPriceX96);
            Update::V3Swap(V3Swap::new(pool, price, event.tick.as_i32(), event.liquidity))
        }
        (PoolKind::UniswapV3, MINT) => {
            let event: uniswap::Mint = read(log)?;
            liquidity(pool, event.tickLower, event.tickUpper, to_delta(event.amount)?)
        }
        (PoolKind::UniswapV3, BURN) => {
            let event: uniswap::Burn = read(log)?;
            liquidity(pool, event.tickLower, event.tickUpper, -to_delta(event.amount)?)
        }
        _ => return Ok(None),
    };
    Ok(Some(update))
}

/// Strict: a number that is too large for its type is refused. Without, its high bytes would be dropped, and what no contract
/// can have said would become a price.
fn read<E: SolEvent>(log: &LogData) -> Result<E, String> {
    E::decode_log_data_validate(log).map_err(|error| format!("its {} log cannot be read: {error}", E::SIGNATURE))
}

/// The contract casts the amount to `int128` itself, so a larger one cannot be in an honest log.
fn to_delta(amount: u128) -> Result<i128, String> {
    i128::try_from(amount).map_err(|_| format!("liquidity {amount} is outside the contract's range"))
}

fn liquidity(pool: PoolId, lower: Signed<24, 1>, upper: Signed<24, 1>, delta: i128) -> Update {
    Update::V3Liquidity(V3Liquidity::new(pool, lower.as_i32(), upper.as_i32(), delta))
}

#[cfg(test)]
mod tests {
    use alloy::primitives::b256;

    use super::*;

    /// The hashes as block explorers show them: a typo in a signature above would silently match nothing.
    #[test]
    fn topics_are_those_of_the_deployed_contracts() {
        let deployed = [
            b256!("1c411e9a96e071241c2f21f7726b17ae89e3cab4c78be50e062b03a9fffbbad1"),
            b256!("98636036cb66a9c19a37435efc1e90142190214e8abeb821bdba3f2990dd4c95"),
            b256!("c42079f94a6350d7e6235f29174924f928cc2ac818eb64fed8004e115fbcca67"),
            b256!("7a53080ba414158be7ec69b987b5fb7d07dee101fe85488f0853ae16239d0bde"),
            b256!("0c396cd989a39f4459b5fa1aed6a9a8dcdbc45908acfd67e028cd568da98982c"),
            b256!("19b47279256b2a23a1665c810c8d55a1758940ee09377d4f8d26497a3577dc83"),
        ];
        assert_eq!(TOPICS, deployed);
    }

    /// A word as contracts write an unsigned number, with one bit more than the number's type has.
    #[test]
    fn a_number_wider_than_its_type_is_refused_and_not_cut() {
        let word = |bit: usize| (U256::from(1) << bit).to_be_bytes::<32>();
        let sync = |bit| {
            let data = [word(bit), word(0)].concat();
            decode(PoolId(0), PoolKind::UniswapV2, &LogData::new_unchecked(vec![SYNC], data.into()))
        };
        assert!(matches!(sync(111), Ok(Some(Update::V2Reserves(reserves))) if reserves.reserve_0.get() == 1 << 111));
        for bit in [112, 128, 255] {
            assert!(sync(bit).is_err(), "bit {bit}");
        }
        let initialize = |price_bit, tick_bit| {
            let data = [word(price_bit), word(tick_bit)].concat();
            decode(PoolId(0), PoolKind::UniswapV3, &LogData::new_unchecked(vec![INITIALIZE], data.into()))
        };
        assert!(initialize(159, 0).is_ok());
        assert!(initialize(160, 0).is_err());
        // The tick's sign is not carried on into the high bytes, as it is in every honest log.
        assert!(initialize(0, 23).is_err());
    }
}
