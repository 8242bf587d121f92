//! Curve StableSwap pools: the first ones, the classic ones, those of factories, off-peg, NG and meta pools.
//!
//! Which generation a contract is of is told by the functions that it has. What that leaves open is a variant that nobody quotes.

mod make;

use alloy::primitives::{Address, U256};
use alphapulse_protocol::TokenId;
use alphapulse_protocol::message::{PoolKind, PoolVariant};
use alphapulse_protocol::replica::{CurveStableState, PoolState, TokenInfo};
use alphapulse_protocol::values::{
    CurveStableHoldings, CurveStableTerms, MultiTokenDetails, Ramp, Rates, TOKENS_MAX, TokenList,
};
use futures_util::future::{try_join, try_join_all, try_join3, try_join4};

use self::make::Make;
use super::calls::Calls;
use super::curve_crypto::{decimals, places};
use super::solidly::multi_token;
use super::token::totalSupplyCall;
use super::{fit, refuse};
use crate::error::SourceError;
use crate::source::PoolImage;

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
        function admin_fee() external view returns (uint256);
        function offpeg_fee_multiplier() external view returns (uint256);
        function is_killed() external view returns (bool);
        function base_pool() external view returns (address);
        function BASE_POOL() external view returns (address);
        function base_virtual_price() external view returns (uint256);
        function base_cache_updated() external view returns (uint256);
        function lp_token() external view returns (address);
        function token() external view returns (address);
        function stored_rates() external view returns (uint256[]);
        function get_dy_underlying(int128 i, int128 j, uint256 dx) external view returns (uint256);
        function redemption_price_snap() external view returns (address);
        function exchangeRateStored() external view returns (uint256);
        function supplyRatePerBlock() external view returns (uint256);
        function accrualBlockNumber() external view returns (uint256);
        function getPricePerFullShare() external view returns (uint256);
    }
    /// Functions of most pools.
    pub(super) mod unsigned {
        alloy::sol! {
            function coins(uint256 index) external view returns (address);
            function balances(uint256 index) external view returns (uint256);
            function underlying_coins(uint256 index) external view returns (address);
        }
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

const E18: u128 = 1_000_000_000_000_000_000;

/// How a pool's functions take the number of a coin.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Numbers {
    Unsigned,
    Signed,
}

impl Calls {
    /// Whether it has amplification and coins.
    pub(super) async fn is_curve_stable(&self, pool: Address) -> Result<bool, SourceError> {
        let (a, unsigned, signed) = try_join3(
            self.try_call(pool, contract::ACall {}),
            self.try_call(pool, contract::unsigned::coinsCall { index: U256::ZERO }),
            self.try_call(pool, contract::signed::coinsCall { index: 0 }),
        )
        .await?;
        Ok(a.is_some() && (unsigned.is_some() || signed.is_some()))
    }

    /// A pool, and the pool whose share is its last coin.
    pub(super) async fn read_curve_stable(
        &self,
        pool: Address,
        at: u64,
        number: u64,
    ) -> Result<(PoolImage, Option<Address>), SourceError> {
        let numbers = self.read_numbers(pool).await?;
        let coins = self.read_coins(pool, numbers).await?;
        let tokens = try_join_all(coins.iter().map(|coin| self.read_coin(*coin, pool)));
        let (mut tokens, wrapped) = try_join(tokens, self.read_underlying(pool, numbers, &coins)).await?;
        let make = self.read_make(pool, numbers, &coins, wrapped.is_some()).await?;
        let count = coins.len();
        let (underlying, scales) = self.place_underlying(pool, &mut tokens, wrapped).await?;
        let (terms, holdings, rates) = try_join3(
            self.read_stable_terms(pool, &make),
            self.read_stable_holdings(pool, &make, count),
            self.read_stable_rates(pool, &make, &coins, &scales, (at, number)),
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
        let unsigned = self.try_call(pool, contract::unsigned::coinsCall { index: U256::ZERO }).await?;
        Ok(if unsigned.is_some() { Numbers::Unsigned } else { Numbers::Signed })
    }

    async fn read_coins(&self, pool: Address, numbers: Numbers) -> Result<Vec<Address>, SourceError> {
        let coins = (0..=TOKENS_MAX).map(|index| async move {
            match numbers {
                Numbers::Unsigned => {
                    self.try_call(pool, contract::unsigned::coinsCall { index: U256::from(index) }).await
                }
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
                    self.try_call(pool, contract::unsigned::underlying_coinsCall { index: U256::from(index) }).await
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
        wrapped: Option<Vec<Address>>,
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

    async fn read_stable_terms(&self, pool: Address, make: &Make) -> Result<CurveStableTerms, SourceError> {
        let (fee, admin_fee, is_killed, amplification) = try_join4(
            self.call(pool, pool, contract::feeCall {}),
            self.call(pool, pool, contract::admin_feeCall {}),
            self.try_call(pool, contract::is_killedCall {}),
            self.read_amplification(pool, make),
        )
        .await?;
        Ok(CurveStableTerms {
            is_paused: is_killed.unwrap_or(false),
            amplification,
            fee: fit(pool, "fee", fee)?,
            admin_fee: fit(pool, "admin_fee", admin_fee)?,
            offpeg_fee_multiplier: fit(pool, "offpeg_fee_multiplier", make.offpeg_fee_multiplier)?,
        })
    }

    async fn read_amplification(&self, pool: Address, make: &Make) -> Result<Ramp, SourceError> {
        let number = |what, value| fit::<u64>(pool, what, value);
        let ramp = try_join4(
            self.try_call(pool, contract::initial_ACall {}),
            self.try_call(pool, contract::future_ACall {}),
            self.try_call(pool, contract::initial_A_timeCall {}),
            self.try_call(pool, contract::future_A_timeCall {}),
        );
        if let (Some(initial), Some(future), Some(initial_time), Some(future_time)) = ramp.await? {
            return Ok(Ramp {
                initial: number("initial_A", initial)?,
                future: number("future_A", future)?,
                initial_time: number("initial_A_time", initial_time)?,
                future_time: number("future_A_time", future_time)?,
            });
        }
        let value = if make.precision == 1 {
            self.call(pool, pool, contract::ACall {}).await?
        } else {
            self.call(pool, pool, contract::A_preciseCall {}).await?
        };
        let value = number("A", value)?;
        Ok(Ramp { initial: value, future: value, initial_time: 0, future_time: 0 })
    }

    async fn read_stable_holdings(
        &self,
        pool: Address,
        make: &Make,
        count: usize,
    ) -> Result<CurveStableHoldings, SourceError> {
        let balances = (0..count).map(|index| async move {
            match make.numbers {
                Numbers::Unsigned => {
                    self.call(pool, pool, contract::unsigned::balancesCall { index: U256::from(index) }).await
                }
                Numbers::Signed => {
                    let index = i128::try_from(index).unwrap_or_default();
                    self.call(pool, pool, contract::signed::balancesCall { index }).await
                }
            }
        });
        let supply = async {
            match make.share {
                Some(share) => self.call(pool, share, totalSupplyCall {}).await,
                None => Ok(U256::ZERO),
            }
        };
        let cache = try_join(
            self.try_call(pool, contract::base_virtual_priceCall {}),
            self.try_call(pool, contract::base_cache_updatedCall {}),
        );
        let (balances, supply, cache) = try_join3(try_join_all(balances), supply, cache).await?;
        let mut holdings = CurveStableHoldings { supply: fit(pool, "supply", supply)?, ..Default::default() };
        if let (Some(price), Some(updated)) = cache {
            holdings.base_virtual_price = fit(pool, "base_virtual_price", price)?;
            holdings.base_cache_updated = fit(pool, "base_cache_updated", updated)?;
        }
        for (place, balance) in holdings.balances.iter_mut().zip(balances) {
            *place = fit(pool, "balance", balance)?;
        }
        Ok(holdings)
    }

    /// What a swap in this block multiplies balances with.
    async fn read_stable_rates(
        &self,
        pool: Address,
        make: &Make,
        coins: &[Address],
        scales: &[u8; TOKENS_MAX],
        (at, number): (u64, u64),
    ) -> Result<Rates, SourceError> {
        let is_lending = make.variant == PoolVariant::CurveFirst as u16;
        let mut rates = Rates { valid_until: u64::MAX, rates: [0; TOKENS_MAX] };
        for (index, coin) in coins.iter().enumerate() {
            if make.base.is_some() && index == coins.len() - 1 {
                continue;
            }
            let plain = plain_rate(scales[index]).ok_or_else(|| refuse(pool, "a coin has more than 36 decimals"))?;
            let told = match &make.stored_rates {
                Some(stored) => fit(pool, "stored rate", stored[index])?,
                None if is_lending => {
                    self.read_lending_rate(pool, *coin, scales[index], number).await?.unwrap_or(plain)
                }
                None => plain,
            };
            rates.rates[index] = told;
            if told != plain {
                rates.valid_until = at;
            }
        }
        let snap = self.try_call(pool, contract::redemption_price_snapCall {}).await?;
        if snap.is_some() {
            return Err(refuse(pool, "a rate of its coins is told by a contract of its own, redemption_price_snap()"));
        }
        Ok(rates)
    }

    /// Rate of a coin that earns interest, as the first pools reckon it; `None` for a coin that is none.
    async fn read_lending_rate(
        &self,
        pool: Address,
        coin: Address,
        decimals: u8,
        number: u64,
    ) -> Result<Option<u128>, SourceError> {
        let (compound, per_block, accrued, share) = try_join4(
            self.try_call(coin, contract::exchangeRateStoredCall {}),
            self.try_call(coin, contract::supplyRatePerBlockCall {}),
            self.try_call(coin, contract::accrualBlockNumberCall {}),
            self.try_call(coin, contract::getPricePerFullShareCall {}),
        )
        .await?;
        let rate = match (compound, per_block, accrued, share) {
            (Some(rate), Some(per_block), Some(accrued), _) => {
                let blocks = U256::from(number).saturating_sub(accrued);
                let interest = rate.checked_mul(per_block).and_then(|product| product.checked_mul(blocks));
                interest.and_then(|interest| rate.checked_add(interest / U256::from(E18)))
            }
            (_, _, _, Some(rate)) => Some(rate),
            _ => return Ok(None),
        };
        let unit = 18_u8.checked_sub(decimals).map(|power| U256::from(10).pow(U256::from(power)));
        let rate = rate.zip(unit).and_then(|(rate, unit)| rate.checked_mul(unit));
        fit(pool, "rate", rate.unwrap_or(U256::MAX)).map(Some)
    }
}

/// Ten to the power of 36 less the decimals.
fn plain_rate(decimals: u8) -> Option<u128> {
    36_u32.checked_sub(decimals.into()).and_then(|power| 10_u128.checked_pow(power))
}
