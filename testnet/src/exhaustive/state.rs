//! Reads pools from a node by calls at a block hash.

use std::collections::{BTreeMap, BTreeSet};

use alloy::eips::BlockId;
use alloy::primitives::{Address, B256, U256};
use alloy::providers::{DynProvider, Provider};
use alloy::rpc::types::{Filter, TransactionRequest};
use alloy::sol_types::{SolCall, SolEvent};
use alloy::transports::TransportError;
use alphapulse_protocol::message::PoolKind;

use crate::deploy::Deployment;
use crate::dev_node::DevNode;

use super::{Book, ConcentratedBook, PoolKey, PoolSnapshot};

mod contract {
    alloy::sol! {
        function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 timestamp);
        function slot0() external view returns (uint160 sqrtPriceX96, int24 tick, uint16, uint16, uint16, uint8, bool);
        function liquidity() external view returns (uint128);
        function ticks(int24 tick) external view returns (uint128 gross, int128 net, uint256, uint256, int56, uint160, uint32, bool);

        event Mint(address sender, address indexed owner, int24 indexed tickLower, int24 indexed tickUpper, uint128 amount, uint256 amount0, uint256 amount1);
    }
}

/// Blocks that are scanned again for ticks, so that a reorg hides none.
const OVERLAP_BLOCKS: u64 = 64;

/// Why a state could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateReaderError {
    /// The node refused a call, or the connection to it broke.
    #[error("independent reader: {call} failed on {pool}")]
    Rpc {
        /// The call.
        call: &'static str,
        /// The pool it was for.
        pool: Address,
        /// What came back.
        #[source]
        source: TransportError,
    },
    /// The answer is not what the contract's interface promises.
    #[error("independent reader: {call} of {pool} gave an unreadable answer")]
    Malformed {
        /// The call.
        call: &'static str,
        /// The pool that gave it.
        pool: Address,
    },
}

/// Reads the state of a fixed set of pools, block after block.
///
/// The ticks it asks for are those that any `Mint` of the pool ever named, since a tick can only be initialised by one; whether
/// a tick still is, the contract says. This needs a chain on which the pools were made after `first_block`.
#[derive(Debug)]
pub struct StateReader {
    provider: DynProvider,
    pools: Vec<PoolKey>,
    ticks: BTreeMap<Address, BTreeSet<i32>>,
    scanned_to: u64,
}

impl StateReader {
    /// A reader of `pools`, none of them older than `first_block`.
    #[must_use]
    pub fn new(provider: DynProvider, pools: Vec<PoolKey>, first_block: u64) -> Self {
        Self { provider, pools, ticks: BTreeMap::new(), scanned_to: first_block }
    }

    /// A reader of all pools that were deployed on `node`.
    #[must_use]
    pub fn of(node: &DevNode, deployment: &Deployment) -> Self {
        Self::new(node.provider().clone(), deployment.pools.iter().map(PoolKey::from).collect(), 0)
    }

    /// The pools it reads.
    #[must_use]
    pub fn pools(&self) -> &[PoolKey] {
        &self.pools
    }

    /// State of every pool after block `number` with hash `hash`.
    ///
    /// # Errors
    /// [`StateReaderError`] when the node does not know the block, or an answer cannot be read.
    pub async fn read(&mut self, number: u64, hash: B256) -> Result<Vec<PoolSnapshot>, StateReaderError> {
        self.find_ticks(number).await?;
        let mut snapshots = Vec::with_capacity(self.pools.len());
        for key in &self.pools {
            let book = match key.kind {
                PoolKind::UniswapV2 => self.read_reserves(key.address, hash).await?,
                _ => self.read_concentrated(key.address, hash).await?,
            };
            snapshots.push(PoolSnapshot { key: key.clone(), book });
        }
        Ok(snapshots)
    }

    async fn find_ticks(&mut self, to_block: u64) -> Result<(), StateReaderError> {
        let addresses: Vec<Address> =
            self.pools.iter().filter(|key| key.kind != PoolKind::UniswapV2).map(|key| key.address).collect();
        if addresses.is_empty() {
            return Ok(());
        }
        let filter = Filter::new()
            .address(addresses)
            .event_signature(contract::Mint::SIGNATURE_HASH)
            .from_block(self.scanned_to)
            .to_block(to_block);
        let logs = self.provider.get_logs(&filter).await.map_err(|source| StateReaderError::Rpc {
            call: "eth_getLogs",
            pool: Address::ZERO,
            source,
        })?;
        for log in logs {
            let pool = log.address();
            let mint = contract::Mint::decode_log(&log.inner)
                .map_err(|_| StateReaderError::Malformed { call: "Mint", pool })?;
            let known = self.ticks.entry(pool).or_default();
            known.extend([mint.tickLower.as_i32(), mint.tickUpper.as_i32()]);
        }
        self.scanned_to = to_block.saturating_sub(OVERLAP_BLOCKS).max(self.scanned_to);
        Ok(())
    }

    async fn read_reserves(&self, pool: Address, hash: B256) -> Result<Book, StateReaderError> {
        let answer = self.ask("getReserves", pool, hash, contract::getReservesCall {}).await?;
        Ok(Book::ConstantProduct([U256::from(answer.reserve0), U256::from(answer.reserve1)]))
    }

    async fn read_concentrated(&self, pool: Address, hash: B256) -> Result<Book, StateReaderError> {
        let slot = self.ask("slot0", pool, hash, contract::slot0Call {}).await?;
        let liquidity = self.ask("liquidity", pool, hash, contract::liquidityCall {}).await?;
        let mut ticks = BTreeMap::new();
        for tick in self.ticks.get(&pool).into_iter().flatten() {
            let index = (*tick).try_into().map_err(|_| StateReaderError::Malformed { call: "Mint", pool })?;
            let state = self.ask("ticks", pool, hash, contract::ticksCall { tick: index }).await?;
            if state.gross > 0 {
                ticks.insert(*tick, state.net);
            }
        }
        Ok(Book::Concentrated(ConcentratedBook {
            sqrt_price_x96: U256::from(slot.sqrtPriceX96),
            tick: slot.tick.as_i32(),
            liquidity,
            ticks,
        }))
    }

    async fn ask<C: SolCall>(
        &self,
        name: &'static str,
        pool: Address,
        hash: B256,
        call: C,
    ) -> Result<C::Return, StateReaderError> {
        let request = TransactionRequest::default().to(pool).input(call.abi_encode().into());
        let answer = self
            .provider
            .call(request)
            .block(BlockId::hash(hash))
            .await
            .map_err(|source| StateReaderError::Rpc { call: name, pool, source })?;
        C::abi_decode_returns(&answer).map_err(|_| StateReaderError::Malformed { call: name, pool })
    }
}
