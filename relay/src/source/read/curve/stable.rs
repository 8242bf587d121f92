//! Curve StableSwap pools: the first ones, the classic ones, those of factories, off-peg, NG and meta pools.
//!
//! Which generation a contract is of is told by the functions that it has. What that leaves open is a variant that nobody quotes.

mod make;
mod rates;
mod terms;

use alloy::primitives::{Address, U256};
use alphapulse_protocol::TokenId;
use alphapulse_protocol::message::PoolKind;
use alphapulse_protocol::replica::{CurveStableState, PoolState, TokenInfo};
use alphapulse_protocol::values::{MultiTokenDetails, TOKENS_MAX, TokenList};
use futures_util::future::{try_join, try_join_all, try_join3};

use self::make::Numbers;
use super::contract as curve;
use crate::error::SourceError;
use crate::source::PoolImage;
use crate::source::read::calls::Calls;
use crate::source::read::multi_token::{decimals, multi_token, places};
use crate::source::read::{PoolBase, refuse};

mod contract {
    alloy::sol! {
        function A() external view returns (uint256);
        function A_precise() external view returns (uint256);
        function ratio() external view returns (uint256);
        function calc_withdraw_one_coin(uint256 amount, int128 i) external view returns (uint256);
        function getExchangeRate() external view returns (uint256);
        function initial_A() external view returns (uint256);
        function future_A() external view returns (uint256);
        function initial_A_time() external view returns (uint256);
        function future_A_time() external view returns (uint256);
        function fee() external view returns (uint256);
        function offpeg_fee_multiplier() external view returns (uint256);
        function base_pool() external view returns (address);
        function BASE_POOL() external view returns (address);
        function base_virtual_price() external view returns (uint256);
        function base_cache_updated() external view returns (uint256);
        function lp_token() external view returns (address);
        function stored_rates() external view returns (uint256[]);
        function underlying_coins(uint256 index) external view returns (address);
        function get_dy_underlying(int128 i, int128 j, uint256 dx) external view returns (uint256);
        function redemption_price_snap() external view returns (address);
        function exchangeRateStored() external view returns (uint256);
        function supplyRatePerBlock() external view returns (uint256);
        function accrualBlockNumber() external view returns (uint256);
        function getPricePerFullShare() external view returns (uint256);
    }
    /// Functions of the first pools.
    pub(super) mod signed {
        alloy::sol! {
            function coins(int128 index) external view returns (address);
            function balances(int128 index) external view returns (uint256);
            function underlying_coins(int128 index) external view returns (address);
        }
    }
}

impl Calls {
    /// Whether it has amplification and coins.
    pub(in crate::source::read) async fn is_curve_stable(&self, pool: Address) -> Result<bool, SourceError> {
        let (a, unsigned, signed) = try_join3(
            self.try_call(pool, contract::ACall {}),
            self.try_call(pool, curve::coinsCall { index: U256::ZERO }),
            self.try_call(pool, contract::signed::coinsCall { index: 0 }),
        )
        .await?;
        Ok(a.is_some() && (unsigned.is_some() || signed.is_some()))
    }

    /// A pool, and the pool whose share is its last coin.
    pub(in crate::source::read) async fn read_curve_stable(
        &self,
        pool: Address,
        at: u64,
        number: u64,
    ) -> Result<(PoolImage, Option<PoolBase>), SourceError> {
        let numbers = self.read_numbers(pool).await?;
        let coins = self.read_coins(pool, numbers).await?;
        let tokens = try_join_all(coins.iter().map(|coin| self.read_coin(*coin, pool)));
        let (mut tokens, wrapped) = try_join(tokens, self.read_underlying(pool, numbers, &coins)).await?;
        let make = self.read_make(pool, numbers, &coins, wrapped.is_some()).await?;
        let count = coins.len();
        let (underlying, scales) = self.place_underlying(pool, &mut tokens, wrapped.as_deref()).await?;
        let (terms, holdings, rates) = try_join3(
            self.read_stable_terms(pool, &make),
            self.read_stable_holdings(pool, &make, count),
            self.read_stable_rates(pool, &make, (&coins, wrapped.as_deref()), &scales, (at, number)),
        )
        .await?;
        let details = MultiTokenDetails {
            variant: make.variant,
            amplification_precision: make.precision,
            base_pool: None,
            bpt_index: None,
            decimals: scales,
            underlying,
            pool_id: [0; 32],
            vault: [0; 20],
        };
        let info = multi_token(PoolKind::CurveStable, pool, places(count), details);
        let state = PoolState::CurveStable(Box::new(CurveStableState { terms, rates, holdings }));
        Ok((PoolImage { tokens, info, state }, make.base))
    }

    async fn read_numbers(&self, pool: Address) -> Result<Numbers, SourceError> {
        let unsigned = self.try_call(pool, curve::coinsCall { index: U256::ZERO }).await?;
        Ok(if unsigned.is_some() { Numbers::Unsigned } else { Numbers::Signed })
    }

    async fn read_coins(&self, pool: Address, numbers: Numbers) -> Result<Vec<Address>, SourceError> {
        let coins = (0..=TOKENS_MAX).map(|index| async move {
            match numbers {
                Numbers::Unsigned => self.try_call(pool, curve::coinsCall { index: U256::from(index) }).await,
                Numbers::Signed => {
                    let index = i128::try_from(index).unwrap_or_default();
                    self.try_call(pool, contract::signed::coinsCall { index }).await
                }
            }
        });
        let coins: Vec<Address> = try_join_all(coins).await?.into_iter().map_while(|coin| coin).collect();
        if !(2..=TOKENS_MAX).contains(&coins.len()) {
            return Err(refuse(pool, format!("it has {} coins or more", coins.len())));
        }
        Ok(coins)
    }

    /// What the coins wrap, of a pool that tells it of all of them.
    async fn read_underlying(
        &self,
        pool: Address,
        numbers: Numbers,
        coins: &[Address],
    ) -> Result<Option<Vec<Address>>, SourceError> {
        let underlying = (0..coins.len()).map(|index| async move {
            match numbers {
                Numbers::Unsigned => {
                    self.try_call(pool, contract::underlying_coinsCall { index: U256::from(index) }).await
                }
                Numbers::Signed => {
                    let index = i128::try_from(index).unwrap_or_default();
                    self.try_call(pool, contract::signed::underlying_coinsCall { index }).await
                }
            }
        });
        Ok(try_join_all(underlying).await?.into_iter().collect())
    }

    /// Adds the wrapped coins behind the pool's own; their decimals are those that the contract reckons with.
    async fn place_underlying(
        &self,
        pool: Address,
        tokens: &mut Vec<TokenInfo>,
        wrapped: Option<&[Address]>,
    ) -> Result<(TokenList, [u8; TOKENS_MAX]), SourceError> {
        let Some(wrapped) = wrapped else { return Ok((places(tokens.len()), decimals(tokens))) };
        let infos = try_join_all(wrapped.iter().map(|coin| self.read_coin(*coin, pool))).await?;
        let scales = decimals(&infos);
        let mut ids = Vec::new();
        for info in infos {
            let known = tokens.iter().position(|token| token.address == info.address);
            let place = known.unwrap_or(tokens.len());
            if known.is_none() {
                tokens.push(info);
            }
            ids.push(TokenId(u32::try_from(place).unwrap_or(u32::MAX)));
        }
        Ok((TokenList::new(&ids).unwrap_or(TokenList::EMPTY), scales))
    }
}
