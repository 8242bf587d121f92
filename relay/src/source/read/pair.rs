//! Pairs of constant product: Uniswap V2 and forks.

use alloy::primitives::Address;
use alphapulse_protocol::replica::{PoolInfo, PoolState, V2State};
use alphapulse_protocol::{FeePpm, TokenId, VenueId};
use futures_util::future::{try_join, try_join3};

use super::calls::Calls;
use super::refuse;
use crate::error::SourceError;
use crate::source::PoolImage;

mod contract {
    alloy::sol! {
        function token0() external view returns (address);
        function token1() external view returns (address);
        function getReserves() external view returns (uint112 reserve0, uint112 reserve1, uint32 blockTimestampLast);
        function stable() external view returns (bool);
        function stableSwap() external view returns (bool);
    }
}
pub(super) use self::contract::{getReservesCall, token0Call, token1Call};

impl Calls {
    pub(super) async fn read_reserves(&self, pool: Address) -> Result<V2State, SourceError> {
        let reserves = self.call(pool, pool, getReservesCall {}).await?;
        Ok(V2State { reserve_0: reserves.reserve0.to(), reserve_1: reserves.reserve1.to() })
    }

    /// A pair, which itself does not tell its fee. What has its functions and a second curve (Solidly's forks, Camelot) is none.
    pub(super) async fn read_pair(&self, pool: Address, fee: Option<FeePpm>) -> Result<PoolImage, SourceError> {
        let curves =
            try_join(self.try_call(pool, contract::stableCall {}), self.try_call(pool, contract::stableSwapCall {}));
        let view = match curves.await? {
            (Some(_), _) => Some("stable()"),
            (_, Some(_)) => Some("stableSwap()"),
            (None, None) => None,
        };
        if let Some(view) = view {
            let reason = format!(
                "it answers {view}, so it has another curve and fees of its own, and no metadata() that tells them"
            );
            return Err(refuse(pool, reason));
        }
        let no_fee = "a pair does not tell its fee, and none was given: write fee_ppm=N behind its address, or give all pairs one by --fee-ppm";
        let fee = fee.ok_or_else(|| refuse(pool, no_fee))?;
        let tokens = try_join(self.call(pool, pool, token0Call {}), self.call(pool, pool, token1Call {})).await?;
        let (token_0, token_1) = (self.read_token(tokens.0, pool), self.read_token(tokens.1, pool));
        let (token_0, token_1, state) = try_join3(token_0, token_1, self.read_reserves(pool)).await?;
        let info = PoolInfo::uniswap_v2(VenueId(0), pool.into_array(), [TokenId(0), TokenId(1)], fee);
        Ok(PoolImage { tokens: vec![token_0, token_1], info, state: PoolState::V2(state) })
    }
}
