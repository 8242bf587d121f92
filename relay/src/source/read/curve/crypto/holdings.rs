//! Balances and prices of CryptoSwap pools.
//!
//! The price average and `not_adjusted` of some contracts are told by no function, or only as they would be now. They are read
//! from storage, and only where the storage around them holds what the contract's functions tell; else they stay zero, and the
//! virtual price with them. Amounts of swaps do not need them, what a swap leaves behind does: without a virtual price nobody
//! reckons that.

use alloy::primitives::{Address, U256};
use alphapulse_protocol::values::CurveCryptoHoldings;
use futures_util::future::{try_join, try_join_all, try_join3, try_join4, try_join5};

use super::super::contract as curve;
use super::{Make, contract, split};
use crate::error::SourceError;
use crate::source::read::calls::Calls;
use crate::source::read::token::totalSupplyCall;
use crate::source::read::{fit, refuse};

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

impl Calls {
    pub(super) async fn read_crypto_holdings(
        &self,
        pool: Address,
        make: Make,
    ) -> Result<CurveCryptoHoldings, SourceError> {
        let indices = 0..make.coins;
        let balances =
            try_join_all(indices.map(|index| self.call(pool, pool, curve::balancesCall { index: U256::from(index) })));
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
        let share = if make.is_ng { pool } else { self.call(pool, pool, curve::tokenCall {}).await? };
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
    pub(super) async fn read_hidden(
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

/// Prices of coins 1 and 2 in a word, as contracts of three coins pack them.
fn join([first, second]: [u128; 2]) -> U256 {
    (U256::from(second) << 128_usize) | U256::from(first)
}
