//! Values of Curve's pools, as their contracts store them.

use super::{PerToken, Ramp};

/// What an owner sets in a StableSwap pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CurveStableTerms {
    /// Whether the contract refuses swaps (`is_killed`).
    pub is_paused: bool,
    /// Amplification, times the pool's precision.
    pub amplification: Ramp,
    /// Fee on the output, of 10^10.
    pub fee: u64,
    /// Owner's part of the fee, of 10^10.
    pub admin_fee: u64,
    /// How much the fee rises off the peg, of 10^10; 0 where it does not.
    pub offpeg_fee_multiplier: u128,
}

/// What swaps and providers change in a StableSwap pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CurveStableHoldings {
    /// Balances by token that swaps reckon with: without what the owner is due.
    pub balances: PerToken<u128>,
    /// Shares that exist.
    pub supply: u128,
    /// Virtual price of the base pool as the meta pool remembers it; 0 where it remembers none.
    pub base_virtual_price: u128,
    /// Unix seconds at which it last asked; 0 where it remembers none.
    pub base_cache_updated: u64,
}

/// What an owner sets in a CryptoSwap pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CurveCryptoTerms {
    /// Whether the contract refuses swaps (`is_killed`).
    pub is_paused: bool,
    /// Amplification with its precision.
    pub amplification: Ramp,
    /// Gamma; its times are those of `amplification`.
    pub gamma_initial: u64,
    /// Gamma when both stop moving.
    pub gamma_future: u64,
    /// Fee in balance, of 10^10.
    pub mid_fee: u64,
    /// Fee far out of balance, of 10^10.
    pub out_fee: u64,
    /// How fast the fee goes from one to the other, of 10^18.
    pub fee_gamma: u64,
    /// Profit that must exceed it before the price scale moves, of 10^18.
    pub allowed_extra_profit: u64,
    /// Least step of the price scale, of 10^18.
    pub adjustment_step: u64,
    /// Time of the price average: `ma_time`, or `ma_half_time` in older contracts.
    pub ma_time: u64,
    /// Owner's part of the profit, of 10^10.
    pub admin_fee: u64,
}

/// What a swap changes in a CryptoSwap pool. Prices are of coins 1 and 2 in coin 0, times 10^18.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CurveCryptoHoldings {
    /// Whether the pool still has to move its price scale (`not_adjusted`).
    pub is_not_adjusted: bool,
    /// Balances by coin.
    pub balances: [u128; 3],
    /// Prices around which liquidity is concentrated.
    pub price_scale: [u128; 2],
    /// Averaged prices.
    pub price_oracle: [u128; 2],
    /// Prices of the last swap.
    pub last_prices: [u128; 2],
    /// Unix seconds of `last_prices`.
    pub last_prices_time: u64,
    /// Invariant.
    pub d: u128,
    /// Shares that exist.
    pub supply: u128,
    /// Value of a share, times 10^18.
    pub virtual_price: u128,
    /// Profit so far, times 10^18.
    pub xcp_profit: u128,
}
