//! Pools of Solidly's forks: Velodrome, Aerodrome.

use alloy::primitives::{Address, U256};
use alphapulse_protocol::message::{PoolKind, PoolVariant};
use alphapulse_protocol::replica::{PoolState, SolidlyState};
use alphapulse_protocol::values::{MultiTokenDetails, TOKENS_MAX, TokenList};
use alphapulse_protocol::{FeePpm, TokenId};
use futures_util::future::{try_join, try_join3};

use super::calls::Calls;
use super::multi_token::multi_token;
use super::{fit, refuse};
use crate::error::SourceError;
use crate::source::PoolImage;

mod contract {
    alloy::sol! {
        function stable() external view returns (bool);
        function metadata() external view returns (uint256 unit0, uint256 unit1, uint256 reserve0, uint256 reserve1, bool isStable,
            address token0, address token1);
        function factory() external view returns (address);
        function poolFees() external view returns (address);
        function fees() external view returns (address);
    }
    pub(super) mod first {
        alloy::sol! { function getFee(bool isStable) external view returns (uint256); }
    }
    pub(super) mod second {
        alloy::sol! { function getFee(address pool, bool isStable) external view returns (uint256); }
    }
}

/// Parts per million in the factories' unit, a hundredth of a percent.
const PPM_PER_UNIT: u32 = 100;

impl Calls {
    /// Whether it has the functions of these pools.
    pub(super) async fn is_solidly(&self, pool: Address) -> Result<bool, SourceError> {
        let (stable, metadata) =
            try_join(self.try_call(pool, contract::stableCall {}), self.try_call(pool, contract::metadataCall {}))
                .await?;
        Ok(stable.is_some() && metadata.is_some())
    }

    /// A pool and its fee, which its factory tells. Of a factory that tells none the pool is refused.
    pub(super) async fn read_solidly(&self, pool: Address) -> Result<PoolImage, SourceError> {
        let metadata = self.call(pool, pool, contract::metadataCall {}).await?;
        let tokens = try_join(self.read_token(metadata.token0, pool), self.read_token(metadata.token1, pool));
        let (tokens, (variant, fee)) = try_join(tokens, self.read_solidly_fee(pool, metadata.isStable)).await?;
        let kind = if metadata.isStable { PoolKind::SolidlyStable } else { PoolKind::SolidlyVolatile };
        let mut decimals = [0; TOKENS_MAX];
        for (place, unit) in decimals.iter_mut().zip([metadata.unit0, metadata.unit1]) {
            *place = decimals_of(unit).ok_or_else(|| refuse(pool, format!("its unit {unit} is no power of ten")))?;
        }
        let pair: TokenList = [TokenId(0), TokenId(1)].into();
        let details = MultiTokenDetails {
            variant: variant as u16,
            amplification_precision: 1,
            base_pool: None,
            bpt_index: None,
            decimals,
            underlying: pair,
            pool_id: [0; 32],
            vault: [0; 20],
        };
        let info = multi_token(kind, pool, pair, details);
        let reserve_0 = fit(pool, "reserve 0", metadata.reserve0)?;
        let reserve_1 = fit(pool, "reserve 1", metadata.reserve1)?;
        let state = PoolState::Solidly(SolidlyState { fee, reserve_0, reserve_1 });
        Ok(PoolImage { tokens: vec![tokens.0, tokens.1], info, state })
    }

    /// The generation of a pool, which its functions for fees tell, and its fee.
    async fn read_solidly_fee(&self, pool: Address, is_stable: bool) -> Result<(PoolVariant, FeePpm), SourceError> {
        let (factory, second, first) = try_join3(
            self.call(pool, pool, contract::factoryCall {}),
            self.try_call(pool, contract::poolFeesCall {}),
            self.try_call(pool, contract::feesCall {}),
        )
        .await?;
        let (variant, fee) = match (second, first) {
            (Some(_), _) => {
                let fee = self.call(pool, factory, contract::second::getFeeCall { pool, isStable: is_stable });
                (PoolVariant::SolidlyV2, fee.await?)
            }
            (None, Some(_)) => {
                let fee = self.call(pool, factory, contract::first::getFeeCall { isStable: is_stable });
                (PoolVariant::SolidlyV1, fee.await?)
            }
            (None, None) => {
                return Err(refuse(pool, "it tells no contract for its fees, so its generation is unknown"));
            }
        };
        let ppm = fit::<u32>(pool, "fee", fee)?.checked_mul(PPM_PER_UNIT);
        Ok((variant, FeePpm(ppm.ok_or_else(|| refuse(pool, format!("its fee is {fee} of 10,000")))?)))
    }
}

/// Ten to which power this is.
fn decimals_of(unit: U256) -> Option<u8> {
    (0..=77_u8).find(|power| U256::from(10).pow(U256::from(*power)) == unit)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_are_powers_of_ten() {
        for decimals in 0..=77_u8 {
            let unit = U256::from(10).pow(U256::from(decimals));
            assert_eq!(decimals_of(unit), Some(decimals));
            assert_eq!(decimals_of(unit + U256::from(7)), None);
        }
        assert_eq!(decimals_of(U256::ZERO), None);
    }
}
