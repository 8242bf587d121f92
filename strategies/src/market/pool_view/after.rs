//! What a swap changes of a pool, and the pool as it then is.

use alphapulse_protocol::values::{CurveCryptoHoldings, PerToken};
use ruint::aliases::U256;

use super::{PoolView, Stepped, oriented};
use crate::pool::concentrated_liquidity::V3View;
use crate::pool::stable_swap::StableSwapAfter;
use crate::pool::v4::V4After;
use crate::pool::{QuoteError, Swapped, Way, constant_product};

/// What a swap changes; everything else of the pool stays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Of a pair, Solidly's too: raw units of token 0 and 1.
    Reserves([u128; 2]),
    /// Of a pool of concentrated liquidity.
    Slot {
        /// Price, Q64.96.
        sqrt_price_x96: U256,
        /// Current tick.
        tick: i32,
        /// Active liquidity.
        liquidity: u128,
    },
    /// Of a StableSwap pool.
    StableSwap(StableSwapAfter),
    /// Of a CryptoSwap pool.
    CryptoSwap {
        /// Balances, prices, invariant, shares.
        holdings: CurveCryptoHoldings,
        /// End of the ramp, which pools before NG clear in a swap.
        ramp_end: u64,
    },
    /// Of a Balancer pool: raw units by token.
    Balances(PerToken<u128>),
}

impl From<V4After> for After {
    fn from(V4After { sqrt_price_x96, tick, liquidity }: V4After) -> Self {
        Self::Slot { sqrt_price_x96, tick, liquidity }
    }
}

impl After {
    pub(super) fn put_into<'b>(&'b self, view: &mut PoolView<'b>) {
        match (view, self) {
            (PoolView::V2 { reserves, .. }, Self::Reserves(now)) => *reserves = *now,
            (PoolView::Solidly(view), Self::Reserves(now)) => view.reserves = *now,
            (PoolView::V3(view), Self::Slot { sqrt_price_x96, tick, liquidity }) => {
                (view.sqrt_price_x96, view.tick, view.liquidity) = (*sqrt_price_x96, *tick, *liquidity);
            }
            (PoolView::V4(view), Self::Slot { sqrt_price_x96, tick, liquidity }) => {
                (view.sqrt_price_x96, view.tick, view.liquidity) = (*sqrt_price_x96, *tick, *liquidity);
            }
            (PoolView::StableSwap(pool), Self::StableSwap(now)) => pool.put(now),
            (PoolView::CryptoSwap(pool), Self::CryptoSwap { holdings, ramp_end }) => pool.put(holdings, *ramp_end),
            (PoolView::Weighted(pool), Self::Balances(now)) => pool.balances = first(now, pool.balances.len()),
            (PoolView::BalancerStable(pool), Self::Balances(now)) => {
                pool.balances = first(now, pool.balances.len());
            }
            _ => {}
        }
    }
}

/// The first `count` values, all when there are fewer.
pub(super) fn first<T>(values: &[T], count: usize) -> &[T] {
    values.get(..count).unwrap_or(values)
}

pub(super) fn constant_product(
    reserves: [u128; 2],
    fee_ppm: u32,
    way: Way,
    amount_in: U256,
) -> Result<Swapped<After>, QuoteError> {
    let zero_for_one = way.zero_for_one()?;
    let [reserve_in, reserve_out] = oriented(reserves, zero_for_one);
    let amount_out = constant_product::quote_exact_in(reserve_in, reserve_out, fee_ppm, amount_in)?;
    if amount_out.is_zero() {
        return Err(QuoteError::InsufficientLiquidity);
    }
    let (reserve_in, reserve_out) = constant_product::settle(reserve_in, reserve_out, fee_ppm, amount_in, amount_out)?;
    Ok(Swapped { amount_out, after: After::Reserves(oriented([reserve_in, reserve_out], zero_for_one)) })
}

pub(super) fn concentrated(
    view: &Stepped<'_, V3View<'_>>,
    way: Way,
    amount_in: U256,
) -> Result<Swapped<After>, QuoteError> {
    let swap = view.swap_exact_in(way.zero_for_one()?, amount_in)?;
    if swap.is_partial {
        return Err(QuoteError::InsufficientLiquidity);
    }
    let after = After::Slot { sqrt_price_x96: swap.sqrt_price_x96, tick: swap.tick, liquidity: swap.liquidity };
    Ok(Swapped { amount_out: swap.amount_out, after })
}
