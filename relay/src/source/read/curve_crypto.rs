//! Curve CryptoSwap pools: of two and three coins, before NG and NG.
//!
//! The price average and `not_adjusted` of some contracts are told by no function, or only as they would be now. They are read
//! from storage, and only where the storage around them holds what the contract's functions tell; else they stay zero, and the
//! virtual price with them. Amounts of swaps do not need them, what a swap leaves behind does: without a virtual price nobody
//! reckons that.

use alloy::primitives::{Address, U256};
use alphapulse_protocol::TokenId;
use alphapulse_protocol::message::{PoolKind, PoolVariant};
use alphapulse_protocol::replica::{CurveCryptoState, PoolState, TokenInfo};
use alphapulse_protocol::values::{
    CurveCryptoHoldings, CurveCryptoTerms, MultiTokenDetails, Ramp, TOKENS_MAX, TokenList,
};
use futures_util::future::{try_join, try_join_all, try_join3, try_join4, try_join5};

use super::calls::Calls;
use super::solidly::multi_token;
use super::token::totalSupplyCall;
use super::{fit, refuse};
use crate::error::SourceError;
use crate::source::PoolImage;

mod contract {
    alloy::sol! {
        function gamma() external view returns (uint256);
        function coins(uint256 index) external view returns (address);
        function balances(uint256 index) external view returns (uint256);
        function MATH() external view returns (address);
        function version() external view returns (string);
        function token() external view returns (address);
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
        function admin_fee() external view returns (uint256);
        function ADMIN_FEE() external view returns (uint256);
        function last_prices_timestamp() external view returns (uint256);
        function last_timestamp() external view returns (uint256);
        function is_killed() external view returns (bool);
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
pub(super) use self::contract::gammaCall;

/// The maths of NG pools of two coins that is followed; others have formulas of their own.
const TWO_NG_MATH: &str = "v2.0.0";
/// A variant that no build knows: the pool keeps its state, and is not quoted.
pub(super) const UNKNOWN_VARIANT: u16 = 0;

/// Where contracts keep what no function tells. Found by tracing their functions.
struct Layout {
    price_scale: u64,
    price_oracle: u64,
    d: u64,
    xcp_profit: u64,
    virtual_price: u64,
    not_adjusted: Option<u64>,
}

const TRICRYPTO: Layout = Layout {
    price_scale: 0,
    price_oracle: 1,
    d: 0x17,
    xcp_profit: 0x1a,
    virtual_price: 0x1c,
    not_adjusted: Some(0x1d),
};
const TRICRYPTO_NG: Layout =
    Layout { price_scale: 3, price_oracle: 4, d: 14, xcp_profit: 15, virtual_price: 17, not_adjusted: None };

/// What kind of contract it is.
#[derive(Clone, Copy)]
struct Make {
    coins: usize,
    is_ng: bool,
}

impl Calls {
    /// A pool, its coins and its whole state.
    pub(super) async fn read_curve_crypto(&self, pool: Address) -> Result<PoolImage, SourceError> {
        let (third, math) = try_join(
            self.try_call(pool, contract::coinsCall { index: U256::from(2) }),
            self.try_call(pool, contract::MATHCall {}),
        )
        .await?;
        let make = Make { coins: if third.is_some() { 3 } else { 2 }, is_ng: math.is_some() };
        let coins =
            (0..make.coins).map(|index| self.call(pool, pool, contract::coinsCall { index: U256::from(index) }));
        let coins = try_join_all(coins).await?;
        let tokens = try_join_all(coins.iter().map(|coin| self.read_coin(*coin, pool)));
        let (tokens, variant, terms, holdings) = try_join4(
            tokens,
            self.read_crypto_variant(make, math),
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

    async fn read_crypto_variant(&self, make: Make, math: Option<Address>) -> Result<u16, SourceError> {
        let variant = match (make.coins, math) {
            (3, Some(_)) => PoolVariant::CurveTriCryptoNg,
            (3, None) => PoolVariant::CurveTriCrypto,
            (_, None) => PoolVariant::CurveTwoCrypto,
            (_, Some(math)) => {
                let version = self.try_call(math, contract::versionCall {}).await?;
                if version.as_deref() != Some(TWO_NG_MATH) {
                    return Ok(UNKNOWN_VARIANT);
                }
                PoolVariant::CurveTwoCryptoNg
            }
        };
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
            self.try_call(pool, contract::is_killedCall {}),
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
        self.call(pool, pool, contract::admin_feeCall {}).await
    }

    async fn read_crypto_holdings(&self, pool: Address, make: Make) -> Result<CurveCryptoHoldings, SourceError> {
        let indices = 0..make.coins;
        let balances = try_join_all(
            indices.map(|index| self.call(pool, pool, contract::balancesCall { index: U256::from(index) })),
        );
        let words = try_join3(
            self.call(pool, pool, contract::DCall {}),
            self.call(pool, pool, contract::virtual_priceCall {}),
            self.call(pool, pool, contract::xcp_profitCall {}),
        );
        let prices = self.read_prices(pool, make);
        let (balances, words, prices, supply, time) =
            try_join5(balances, words, prices, self.read_supply(pool, make), self.read_last_time(pool)).await?;
        let number = |what, value| fit::<u128>(pool, what, value);
        let mut holdings = CurveCryptoHoldings {
            price_scale: prices.0,
            last_prices: prices.1,
            last_prices_time: time,
            d: number("D", words.0)?,
            supply: number("supply", supply)?,
            virtual_price: number("virtual_price", words.1)?,
            xcp_profit: number("xcp_profit", words.2)?,
            ..CurveCryptoHoldings::default()
        };
        for (place, balance) in holdings.balances.iter_mut().zip(balances) {
            *place = number("balance", balance)?;
        }
        Ok(holdings)
    }

    async fn read_prices(&self, pool: Address, make: Make) -> Result<([u128; 2], [u128; 2]), SourceError> {
        let number = |what, value| fit::<u128>(pool, what, value);
        if make.coins == 2 {
            let (scale, last) = try_join(
                self.call(pool, pool, contract::two::price_scaleCall {}),
                self.call(pool, pool, contract::two::last_pricesCall {}),
            )
            .await?;
            return Ok(([number("price_scale", scale)?, 0], [number("last_prices", last)?, 0]));
        }
        let scale = |index| self.call(pool, pool, contract::three::price_scaleCall { index: U256::from(index) });
        let last = |index| self.call(pool, pool, contract::three::last_pricesCall { index: U256::from(index) });
        let (scale_0, scale_1, last_0, last_1) = try_join4(scale(0), scale(1), last(0), last(1)).await?;
        let scales = [number("price_scale", scale_0)?, number("price_scale", scale_1)?];
        Ok((scales, [number("last_prices", last_0)?, number("last_prices", last_1)?]))
    }

    /// Shares are the pool itself in NG, else a token of their own.
    async fn read_supply(&self, pool: Address, make: Make) -> Result<U256, SourceError> {
        let share = if make.is_ng { pool } else { self.call(pool, pool, contract::tokenCall {}).await? };
        self.call(pool, share, totalSupplyCall {}).await
    }

    /// Newer NG pools of two coins keep two times in one word: that of the prices is the lower one.
    async fn read_last_time(&self, pool: Address) -> Result<u64, SourceError> {
        let (own, packed) = try_join(
            self.try_call(pool, contract::last_prices_timestampCall {}),
            self.try_call(pool, contract::last_timestampCall {}),
        )
        .await?;
        match (own, packed) {
            (Some(time), _) => fit(pool, "last_prices_timestamp", time),
            (None, Some(packed)) => Ok((packed & U256::from(u128::MAX)).try_into().unwrap_or(u64::MAX)),
            (None, None) => Err(refuse(pool, "it has neither last_prices_timestamp() nor last_timestamp()")),
        }
    }

    /// What is told by no function, where the storage is laid out as in the contracts that are known.
    async fn read_hidden(
        &self,
        pool: Address,
        make: Make,
        holdings: CurveCryptoHoldings,
    ) -> Result<CurveCryptoHoldings, SourceError> {
        let layout = match (make.coins, make.is_ng) {
            (3, false) => TRICRYPTO,
            (3, true) => TRICRYPTO_NG,
            _ => return Ok(without_average(holdings)),
        };
        let word = |slot| self.storage(pool, U256::from(slot));
        let known =
            try_join4(word(layout.price_scale), word(layout.d), word(layout.xcp_profit), word(layout.virtual_price));
        let (scale, d, xcp_profit, virtual_price) = known.await?;
        let words = [d, xcp_profit, virtual_price];
        let told = [holdings.d, holdings.xcp_profit, holdings.virtual_price].map(U256::from);
        if scale != join(holdings.price_scale) || words != told {
            return Ok(without_average(holdings));
        }
        let oracle = word(layout.price_oracle).await?;
        let is_not_adjusted = match layout.not_adjusted {
            Some(slot) => !word(slot).await?.is_zero(),
            None => false,
        };
        let (high, low) = split(oracle);
        Ok(CurveCryptoHoldings { is_not_adjusted, price_oracle: [low.to(), high.to()], ..holdings })
    }
}

/// Of a pool whose price average is not known.
fn without_average(holdings: CurveCryptoHoldings) -> CurveCryptoHoldings {
    CurveCryptoHoldings { virtual_price: 0, ..holdings }
}

/// High and low half of a word.
fn split(word: U256) -> (U256, U256) {
    (word >> 128_usize, word & U256::from(u128::MAX))
}

/// Prices of coins 1 and 2 in a word, as contracts of three coins pack them.
fn join([first, second]: [u128; 2]) -> U256 {
    (U256::from(second) << 128_usize) | U256::from(first)
}

/// Ids of so many tokens by their place.
pub(super) fn places(count: usize) -> TokenList {
    let ids: Vec<TokenId> = (0..).map(TokenId).take(count).collect();
    TokenList::new(&ids).unwrap_or(TokenList::EMPTY)
}

/// Decimals of the tokens by place.
pub(super) fn decimals(tokens: &[TokenInfo]) -> [u8; TOKENS_MAX] {
    let mut decimals = [0; TOKENS_MAX];
    decimals.iter_mut().zip(tokens).for_each(|(place, token)| *place = token.decimals);
    decimals
}
