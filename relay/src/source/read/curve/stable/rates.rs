//! What a StableSwap pool multiplies its balances with.

use alloy::primitives::{Address, U256};
use alphapulse_protocol::message::PoolVariant;
use alphapulse_protocol::values::{Rates, TOKENS_MAX};
use futures_util::future::try_join4;

use super::contract;
use super::make::Make;
use crate::error::SourceError;
use crate::source::read::calls::Calls;
use crate::source::read::{fit, refuse};

const E18: u128 = 1_000_000_000_000_000_000;

/// A coin of a pool, as its rate is reckoned.
struct Coin {
    address: Address,
    /// Decimals that the contract reckons with.
    decimals: u8,
    /// What it wraps; nothing where the pool wraps nothing.
    wraps: Option<Address>,
}

impl Calls {
    /// What a swap in this block multiplies balances with.
    pub(super) async fn read_stable_rates(
        &self,
        pool: Address,
        make: &Make,
        (coins, wrapped): (&[Address], Option<&[Address]>),
        scales: &[u8; TOKENS_MAX],
        (at, number): (u64, u64),
    ) -> Result<Rates, SourceError> {
        let is_lending = make.variant == PoolVariant::CurveFirst as u16;
        let mut rates = Rates { valid_until: u64::MAX, rates: [0; TOKENS_MAX] };
        for (index, address) in coins.iter().enumerate() {
            if make.base.is_some() && index == coins.len() - 1 {
                continue;
            }
            let wraps = wrapped.and_then(|wrapped| wrapped.get(index)).copied();
            let coin = Coin { address: *address, decimals: scales[index], wraps };
            let plain = plain_rate(coin.decimals).ok_or_else(|| refuse(pool, "a coin has more than 36 decimals"))?;
            let told = match &make.stored_rates {
                Some(stored) => fit(pool, "stored rate", stored[index])?,
                None if is_lending && coin.wraps != Some(coin.address) => {
                    self.read_lending_rate(pool, &coin, number).await?
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

    /// Rate of a coin that earns interest, as the first pools reckon it. Without one the pool's own swaps revert, so a rate
    /// is never made up.
    async fn read_lending_rate(&self, pool: Address, coin: &Coin, number: u64) -> Result<u128, SourceError> {
        let (compound, per_block, accrued, share) = try_join4(
            self.try_call(coin.address, contract::exchangeRateStoredCall {}),
            self.try_call(coin.address, contract::supplyRatePerBlockCall {}),
            self.try_call(coin.address, contract::accrualBlockNumberCall {}),
            self.try_call(coin.address, contract::getPricePerFullShareCall {}),
        )
        .await?;
        let rate = match (compound, per_block, accrued, share) {
            (Some(rate), Some(per_block), Some(accrued), _) => {
                let blocks = U256::from(number).saturating_sub(accrued);
                let interest = rate.checked_mul(per_block).and_then(|product| product.checked_mul(blocks));
                interest.and_then(|interest| rate.checked_add(interest / U256::from(E18)))
            }
            (_, _, _, Some(rate)) => Some(rate),
            _ => {
                return Err(refuse(
                    pool,
                    format!(
                        "its coin {:#x} lends, and tells no rate: neither getPricePerFullShare() answers nor exchangeRateStored(), \
                         supplyRatePerBlock() and accrualBlockNumber() together",
                        coin.address
                    ),
                ));
            }
        };
        let unit = 18_u8.checked_sub(coin.decimals).map(|power| U256::from(10).pow(U256::from(power)));
        let rate = rate.zip(unit).and_then(|(rate, unit)| rate.checked_mul(unit));
        fit(pool, "rate", rate.unwrap_or(U256::MAX))
    }
}

/// Ten to the power of 36 less the decimals.
fn plain_rate(decimals: u8) -> Option<u128> {
    36_u32.checked_sub(decimals.into()).and_then(|power| 10_u128.checked_pow(power))
}
