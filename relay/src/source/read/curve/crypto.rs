//! Curve CryptoSwap pools: of two and three coins, before NG and NG.

mod holdings;

use alloy::primitives::{Address, U256};
use alphapulse_protocol::message::{PoolKind, PoolVariant};
use alphapulse_protocol::replica::{CurveCryptoState, PoolState};
use alphapulse_protocol::values::{CurveCryptoTerms, MultiTokenDetails, Ramp};
use futures_util::future::{try_join, try_join_all, try_join3, try_join4, try_join5};

use super::contract as curve;
use crate::error::SourceError;
use crate::source::PoolImage;
use crate::source::read::calls::Calls;
use crate::source::read::multi_token::{decimals, multi_token, places};
use crate::source::read::{fit, refuse};

mod contract {
    alloy::sol! {
        function gamma() external view returns (uint256);
        function MATH() external view returns (address);
        function version() external view returns (string);
        function D() external view returns (uint256);
        function virtual_price() external view returns (uint256);
        function xcp_profit() external view returns (uint256);
        function initial_A_gamma() external view returns (uint256);
        function future_A_gamma() external view returns (uint256);
        function initial_A_gamma_time() external view returns (uint256);
        function future_A_gamma_time() external view returns (uint256);
        function mid_fee() external view returns (uint256);
        function out_fee() external view returns (uint256);
        function fee_gamma() external view returns (uint256);
        function allowed_extra_profit() external view returns (uint256);
        function adjustment_step() external view returns (uint256);
        function ma_half_time() external view returns (uint256);
        function packed_rebalancing_params() external view returns (uint256);
        function ADMIN_FEE() external view returns (uint256);
        function last_prices_timestamp() external view returns (uint256);
        function last_timestamp() external view returns (uint256);
    }
    /// Prices of pools of three coins.
    pub(super) mod three {
        alloy::sol! {
            function price_scale(uint256 index) external view returns (uint256);
            function last_prices(uint256 index) external view returns (uint256);
        }
    }
    /// Prices of pools of two coins.
    pub(super) mod two {
        alloy::sol! {
            function price_scale() external view returns (uint256);
            function last_prices() external view returns (uint256);
        }
    }
}
pub(in crate::source::read) use self::contract::gammaCall;

/// The maths of NG pools that is followed, of two coins and of three; others have formulas of their own.
const NG_MATHS: &str = "v2.0.0";

/// What kind of contract it is.
#[derive(Clone, Copy)]
struct Make {
    coins: usize,
    is_ng: bool,
}

impl Calls {
    /// A pool, its coins and its whole state.
    pub(in crate::source::read) async fn read_curve_crypto(&self, pool: Address) -> Result<PoolImage, SourceError> {
        let (third, math) = try_join(
            self.try_call(pool, curve::coinsCall { index: U256::from(2) }),
            self.try_call(pool, contract::MATHCall {}),
        )
        .await?;
        let make = Make { coins: if third.is_some() { 3 } else { 2 }, is_ng: math.is_some() };
        let coins = (0..make.coins).map(|index| self.call(pool, pool, curve::coinsCall { index: U256::from(index) }));
        let coins = try_join_all(coins).await?;
        let tokens = try_join_all(coins.iter().map(|coin| self.read_coin(*coin, pool)));
        let (tokens, variant, terms, holdings) = try_join4(
            tokens,
            self.read_crypto_variant(pool, make, math),
            self.read_crypto_terms(pool, make),
            self.read_crypto_holdings(pool, make),
        )
        .await?;
        let holdings = self.read_hidden(pool, make, holdings).await?;
        let list = places(tokens.len());
        let details = MultiTokenDetails {
            variant,
            amplification_precision: 1,
            base_pool: None,
            bpt_index: None,
            decimals: decimals(&tokens),
            underlying: list,
            pool_id: [0; 32],
            vault: [0; 20],
        };
        let info = multi_token(PoolKind::CurveCrypto, pool, list, details);
        let state = PoolState::CurveCrypto(Box::new(CurveCryptoState { terms, holdings }));
        Ok(PoolImage { tokens, info, state })
    }

    async fn read_crypto_variant(&self, pool: Address, make: Make, math: Option<Address>) -> Result<u16, SourceError> {
        let Some(math) = math else {
            let variant = if make.coins == 3 { PoolVariant::CurveTriCrypto } else { PoolVariant::CurveTwoCrypto };
            return Ok(variant as u16);
        };
        let version = self.call(pool, math, contract::versionCall {}).await?;
        if version != NG_MATHS {
            let reason = format!("its maths {math:#x} is of version {version:?}, and only {NG_MATHS:?} is known");
            return Err(refuse(pool, reason));
        }
        let variant = if make.coins == 3 { PoolVariant::CurveTriCryptoNg } else { PoolVariant::CurveTwoCryptoNg };
        Ok(variant as u16)
    }

    async fn read_crypto_terms(&self, pool: Address, make: Make) -> Result<CurveCryptoTerms, SourceError> {
        let ramp = try_join4(
            self.call(pool, pool, contract::initial_A_gammaCall {}),
            self.call(pool, pool, contract::future_A_gammaCall {}),
            self.call(pool, pool, contract::initial_A_gamma_timeCall {}),
            self.call(pool, pool, contract::future_A_gamma_timeCall {}),
        );
        let fees = try_join5(
            self.call(pool, pool, contract::mid_feeCall {}),
            self.call(pool, pool, contract::out_feeCall {}),
            self.call(pool, pool, contract::fee_gammaCall {}),
            self.call(pool, pool, contract::allowed_extra_profitCall {}),
            self.call(pool, pool, contract::adjustment_stepCall {}),
        );
        let rest = try_join3(
            self.read_ma_time(pool, make),
            self.read_admin_fee(pool, make),
            self.try_call(pool, curve::is_killedCall {}),
        );
        let (ramp, fees, (ma_time, admin_fee, is_killed)) = try_join3(ramp, fees, rest).await?;
        let number = |what, value| fit::<u64>(pool, what, value);
        let (initial_a, initial_gamma) = split(ramp.0);
        let (future_a, future_gamma) = split(ramp.1);
        let amplification = Ramp {
            initial: number("initial A", initial_a)?,
            future: number("future A", future_a)?,
            initial_time: number("initial_A_gamma_time", ramp.2)?,
            future_time: number("future_A_gamma_time", ramp.3)?,
        };
        Ok(CurveCryptoTerms {
            is_paused: is_killed.unwrap_or(false),
            amplification,
            gamma_initial: number("initial gamma", initial_gamma)?,
            gamma_future: number("future gamma", future_gamma)?,
            mid_fee: number("mid_fee", fees.0)?,
            out_fee: number("out_fee", fees.1)?,
            fee_gamma: number("fee_gamma", fees.2)?,
            allowed_extra_profit: number("allowed_extra_profit", fees.3)?,
            adjustment_step: number("adjustment_step", fees.4)?,
            ma_time,
            admin_fee: number("admin_fee", admin_fee)?,
        })
    }

    /// As stored: `ma_time` of NG pools tells another number than the one that they reckon with.
    async fn read_ma_time(&self, pool: Address, make: Make) -> Result<u64, SourceError> {
        if make.is_ng {
            let packed = self.call(pool, pool, contract::packed_rebalancing_paramsCall {}).await?;
            return Ok((packed & U256::from(u64::MAX)).to());
        }
        fit(pool, "ma_half_time", self.call(pool, pool, contract::ma_half_timeCall {}).await?)
    }

    async fn read_admin_fee(&self, pool: Address, make: Make) -> Result<U256, SourceError> {
        if make.is_ng {
            return self.call(pool, pool, contract::ADMIN_FEECall {}).await;
        }
        self.call(pool, pool, curve::admin_feeCall {}).await
    }
}

/// High and low half of a word.
fn split(word: U256) -> (U256, U256) {
    (word >> 128_usize, word & U256::from(u128::MAX))
}
