//! Pairs of constant product: Uniswap V2 and forks.

use alloy::primitives::Address;
use alphapulse_protocol::replica::{PoolInfo, PoolState, V2State};
use alphapulse_protocol::{FeePpm, TokenId, VenueId};
use futures_util::future::{try_join, try_join3};

use super::calls::Calls;
use crate::error::SourceError;
use crate::source::PoolImage;

mod contract {
    alloy::sol! {
        function token0() external view returns (address);
        function token1() external view returns (address);
        function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 blockTimestampLast);
    }
}
pub(super) use self::contract::{getReservesCall, token0Call, token1Call};

impl Calls {
    pub(super) async fn read_reserves(&self, pool: Address) -> Result<V2State, SourceError> {
        let reserves = self.call(pool, pool, getReservesCall {}).await?;
        Ok(V2State { reserve_0: reserves.reserve0.to(), reserve_1: reserves.reserve1.to() })
    }

    /// A pair, which itself does not tell its fee.
    pub(super) async fn read_pair(&self, pool: Address, fee: FeePpm) -> Result<PoolImage, SourceError> {
        let tokens = try_join(self.call(pool, pool, token0Call {}), self.call(pool, pool, token1Call {})).await?;
        let (token_0, token_1) = (self.read_token(tokens.0, pool), self.read_token(tokens.1, pool));
        let (token_0, token_1, state) = try_join3(token_0, token_1, self.read_reserves(pool)).await?;
        let info = PoolInfo::uniswap_v2(VenueId(0), pool.into_array(), [TokenId(0), TokenId(1)], fee);
        Ok(PoolImage { tokens: vec![token_0, token_1], info, state: PoolState::V2(state) })
    }
}
