//! Values of Balancer's pools, as vault and pool store them.

use super::{PerToken, Ramp};

/// What an owner sets in a weighted pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BalancerWeightedTerms {
    /// Whether the pool refuses swaps.
    pub is_paused: bool,
    /// Fee on the input, of 10^18.
    pub swap_fee: u64,
    /// Weights by token, of 10^18 together.
    pub weights: PerToken<u64>,
}

/// What an owner sets in a stable pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BalancerStableTerms {
    /// Whether the pool refuses swaps.
    pub is_paused: bool,
    /// A bit for each token whose yield pays no protocol fee, the lowest for token 0.
    pub yield_fee_exempt: u8,
    /// Amplification, times 1000.
    pub amplification: Ramp,
    /// Fee on the input, of 10^18.
    pub swap_fee: u64,
    /// Protocol's part of the swap fee, of 10^18.
    pub protocol_swap_fee: u64,
    /// Protocol's part of the yield, of 10^18.
    pub protocol_yield_fee: u64,
}

/// What swaps and providers change in a stable pool.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct BalancerStableHoldings {
    /// Balances by token in the vault, the pool's own share included.
    pub balances: PerToken<u128>,
    /// Shares that exist, those in the vault included.
    pub supply: u128,
    /// Amplification at the last join or exit, times 1000.
    pub last_join_exit_amplification: u64,
    /// Invariant after the last join or exit.
    pub last_join_exit_invariant: u128,
}
