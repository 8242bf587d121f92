//! Amplification, fees, balances and shares of a StableSwap pool.

use alloy::primitives::{Address, U256};
use alphapulse_protocol::values::{CurveStableHoldings, CurveStableTerms, Ramp};
use futures_util::future::{try_join, try_join_all, try_join3, try_join4};

use super::super::contract as curve;
use super::contract;
use super::make::{Make, Numbers};
use crate::error::SourceError;
use crate::source::read::calls::Calls;
use crate::source::read::fit;
use crate::source::read::token::totalSupplyCall;

impl Calls {
    pub(super) async fn read_stable_terms(&self, pool: Address, make: &Make) -> Result<CurveStableTerms, SourceError> {
        let (fee, admin_fee, is_killed, amplification) = try_join4(
            self.call(pool, pool, contract::feeCall {}),
            self.call(pool, pool, curve::admin_feeCall {}),
            self.try_call(pool, curve::is_killedCall {}),
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

    pub(super) async fn read_stable_holdings(
        &self,
        pool: Address,
        make: &Make,
        count: usize,
    ) -> Result<CurveStableHoldings, SourceError> {
        let balances = (0..count).map(|index| async move {
            match make.numbers {
                Numbers::Unsigned => self.call(pool, pool, curve::balancesCall { index: U256::from(index) }).await,
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
}
