//! A chain of one block that never moves: just enough for a relay to stand on.

use alloy::primitives::{Address, B256};
use alloy::rpc::types::Log;
use alphapulse_protocol::message::{BlockContext, PoolKind};
use alphapulse_protocol::replica::{PoolInfo, PoolState, TickLiquidity, TokenInfo, V2State, V3State};
use alphapulse_protocol::values::PoolDetails;
use alphapulse_protocol::{BlockRef, FeePpm, TokenId, U256, VenueId};
use alphapulse_relay::SourceError;
use alphapulse_relay::source::{ChainSource, Dial, MarketImage};

/// Hash of the only block.
pub(crate) const BLOCK_HASH: [u8; 32] = [0xb1; 32];
/// Contracts of the pools, by id: the first of constant product, the second of concentrated liquidity.
pub(crate) const POOLS: [[u8; 20]; 2] = [[0x11; 20], [0x22; 20]];

/// The chain, and the connection to it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct StillChain;

impl Dial for StillChain {
    type Source = Self;

    async fn dial(&self) -> Result<Self, SourceError> {
        Ok(*self)
    }

    fn name(&self) -> String {
        "still".into()
    }
}

impl ChainSource for StillChain {
    async fn next_head(&self) -> Result<BlockContext, SourceError> {
        core::future::pending().await
    }

    fn try_head(&self) -> Option<BlockContext> {
        None
    }

    async fn head(&self) -> Result<BlockContext, SourceError> {
        Ok(context())
    }

    async fn block_by_hash(&self, hash: B256) -> Result<Option<BlockContext>, SourceError> {
        Ok(Some(context()).filter(|block| B256::from(block.hash) == hash))
    }

    async fn block_by_number(&self, number: u64) -> Result<Option<BlockContext>, SourceError> {
        Ok(Some(context()).filter(|block| block.number.get() == number))
    }

    async fn logs(&self, _: BlockRef, _: &[Address]) -> Result<Vec<Log>, SourceError> {
        Ok(Vec::new())
    }

    async fn market(&self, _: &BlockContext) -> Result<MarketImage, SourceError> {
        Ok(image())
    }
}

fn context() -> BlockContext {
    BlockContext {
        number: 100.into(),
        hash: BLOCK_HASH,
        parent_hash: [0xb0; 32],
        timestamp: 1_700_000_000.into(),
        base_fee: 1_000_000_000.into(),
        gas_used: 15_000_000.into(),
        gas_limit: 30_000_000.into(),
    }
}

/// The market after the only block.
pub(crate) fn image() -> MarketImage {
    let token = |byte, symbol: &str| TokenInfo { address: [byte; 20], symbol: symbol.into(), decimals: 18 };
    let pool = |kind, address| PoolInfo {
        kind,
        venue: VenueId(0),
        address,
        tokens: [TokenId(0), TokenId(1)].into(),
        fee: FeePpm(3000),
        tick_spacing: if kind == PoolKind::UniswapV3 { 60 } else { 0 },
        known_ticks: if kind == PoolKind::UniswapV3 { (-600, 600) } else { (0, 0) },
        details: PoolDetails::None,
    };
    let ticks =
        [(-60, 5), (60, -5)].map(|(tick, liquidity_net)| TickLiquidity { tick, liquidity_net, liquidity_gross: 5 });
    let v3 = V3State { sqrt_price_x96: U256::from(1) << 96, tick: 0, liquidity: 5, ticks: ticks.into() };
    MarketImage {
        context: context(),
        tokens: vec![token(1, "WETH"), token(2, "DAI")],
        pools: vec![
            (pool(PoolKind::UniswapV2, POOLS[0]), PoolState::V2(V2State { reserve_0: 100, reserve_1: 200_000 })),
            (pool(PoolKind::UniswapV3, POOLS[1]), PoolState::V3(v3)),
        ],
    }
}
