//! Pools of concentrated liquidity with Uniswap V3's functions, and the curve of all pools that have ticks.

use alloy::primitives::{Address, B256, U256};
use alphapulse_protocol::message::{TICK_MAX, TICK_MIN};
use alphapulse_protocol::replica::{PoolInfo, PoolState, TickLiquidity, V3State};
use alphapulse_protocol::{FeePpm, TokenId, VenueId};
use futures_util::future::{try_join, try_join_all, try_join3, try_join4};

use super::calls::Calls;
use super::pair::{token0Call, token1Call};
use super::{refuse, v4};
use crate::error::SourceError;
use crate::source::PoolImage;

mod contract {
    alloy::sol! {
        function fee() external view returns (uint24);
        function tickSpacing() external view returns (int24);
        function liquidity() external view returns (uint128);
        function tickBitmap(int16 word) external view returns (uint256);
        // Forks widen what follows these words; only the words themselves are read.
        function slot0() external view returns (uint160 sqrtPriceX96, int24 tick);
        function ticks(int24 tick) external view returns (uint128 liquidityGross, int128 liquidityNet);
    }
}
pub(super) use self::contract::{feeCall, slot0Call, tickSpacingCall};

/// Price ticks per word of the contract's bitmap.
const WORD_TICKS: i32 = 256;
/// Lowest and highest tick of a full range.
const ALL_TICKS: (i32, i32) = (TICK_MIN, TICK_MAX);

/// Where a curve is kept.
#[derive(Clone, Copy)]
pub(super) enum Store {
    /// In a contract of its own.
    Pool(Address),
    /// In a V4 pool manager, under this id.
    Manager(Address, B256),
}

impl Store {
    pub(super) const fn contract(self) -> Address {
        match self {
            Self::Pool(address) | Self::Manager(address, _) => address,
        }
    }

    const fn id(self) -> B256 {
        match self {
            Self::Pool(_) => B256::ZERO,
            Self::Manager(_, id) => id,
        }
    }
}

impl Calls {
    /// A pool with V3's functions, over the full range of ticks.
    pub(super) async fn read_v3(&self, pool: Address) -> Result<PoolImage, SourceError> {
        let tokens = try_join(self.call(pool, pool, token0Call {}), self.call(pool, pool, token1Call {}));
        let terms = try_join(self.call(pool, pool, feeCall {}), self.call(pool, pool, tickSpacingCall {}));
        let (tokens, (fee, spacing)) = try_join(tokens, terms).await?;
        let (fee, spacing) = (FeePpm(fee.to()), spacing.as_i32());
        if spacing < 1 {
            return Err(refuse(pool, format!("tick spacing {spacing}")));
        }
        let (token_0, token_1) = (self.read_token(tokens.0, pool), self.read_token(tokens.1, pool));
        let state = self.read_curve(Store::Pool(pool), spacing, ALL_TICKS);
        let (token_0, token_1, state) = try_join3(token_0, token_1, state).await?;
        let info = PoolInfo::uniswap_v2(VenueId(0), pool.into_array(), [TokenId(0), TokenId(1)], fee);
        let info = info.with_ticks(spacing, ALL_TICKS);
        Ok(PoolImage { tokens: vec![token_0, token_1], info, state: PoolState::V3(state) })
    }

    /// Price, liquidity, and the ticks within the known range, of a pool with V3's functions.
    pub(super) async fn read_curve(
        &self,
        store: Store,
        spacing: i32,
        known_ticks: (i32, i32),
    ) -> Result<V3State, SourceError> {
        let pool = store.contract();
        let slot = self.call(pool, pool, slot0Call {});
        let liquidity = self.call(pool, pool, contract::liquidityCall {});
        let ticks = self.read_ticks(store, spacing, known_ticks);
        let (slot, liquidity, ticks) = try_join3(slot, liquidity, ticks).await?;
        Ok(V3State { sqrt_price_x96: U256::from(slot.sqrtPriceX96), tick: slot.tick.as_i32(), liquidity, ticks })
    }

    /// Initialised ticks within the known range, ascending. The spacing is above zero.
    pub(super) async fn read_ticks(
        &self,
        store: Store,
        spacing: i32,
        (low, high): (i32, i32),
    ) -> Result<Vec<TickLiquidity>, SourceError> {
        let word_of = |tick: i32| tick.div_euclid(spacing).div_euclid(WORD_TICKS);
        let words = (word_of(low), word_of(high));
        let scanned = self.scan_ticks(store.contract(), store.id(), spacing, words).await;
        if let Some(mut ticks) = scanned {
            ticks.retain(|tick| (low..=high).contains(&tick.tick));
            return Ok(ticks);
        }
        let words = try_join_all((words.0..=words.1).map(|word| self.read_word(store, word))).await?;
        let ticks = words.iter().flat_map(|(word, bits)| {
            let set = (0..WORD_TICKS).zip(0_usize..).filter(|(_, bit)| bits.bit(*bit));
            set.map(move |(bit, _)| (word * WORD_TICKS + bit) * spacing)
        });
        let ticks = ticks.filter(|tick| (low..=high).contains(tick));
        try_join_all(ticks.map(|tick| self.read_tick(store, tick))).await
    }

    async fn read_word(&self, store: Store, index: i32) -> Result<(i32, U256), SourceError> {
        let word = match store {
            Store::Pool(pool) => {
                let word = i16::try_from(index).map_err(|_| refuse(pool, format!("bitmap word {index}")))?;
                self.call(pool, pool, contract::tickBitmapCall { word }).await?
            }
            Store::Manager(manager, id) => self.read_slot(manager, v4::bitmap_slot(id, index)).await?,
        };
        Ok((index, word))
    }

    async fn read_tick(&self, store: Store, tick: i32) -> Result<TickLiquidity, SourceError> {
        let (liquidity_net, liquidity_gross) = match store {
            Store::Pool(pool) => {
                let index = tick.try_into().map_err(|_| refuse(pool, format!("tick {tick}")))?;
                let state = self.call(pool, pool, contract::ticksCall { tick: index }).await?;
                (state.liquidityNet, state.liquidityGross)
            }
            Store::Manager(manager, id) => v4::unpack(self.read_slot(manager, v4::tick_slot(id, tick)).await?),
        };
        Ok(TickLiquidity { tick, liquidity_net, liquidity_gross })
    }

    /// Whether it has V3's functions.
    pub(super) async fn is_v3(&self, pool: Address) -> Result<bool, SourceError> {
        let words = try_join4(
            self.try_call(pool, slot0Call {}),
            self.try_call(pool, tickSpacingCall {}),
            self.try_call(pool, feeCall {}),
            self.try_call(pool, contract::liquidityCall {}),
        );
        let (slot, spacing, fee, liquidity) = words.await?;
        Ok(slot.is_some() && spacing.is_some() && fee.is_some() && liquidity.is_some())
    }
}
