//! Plain values of pools: what messages carry and mirrors hold, as integers of the machine.

mod balancer;
mod curve;
mod details;
mod token_list;

pub use self::balancer::{BalancerStableHoldings, BalancerStableTerms, BalancerWeightedTerms};
pub use self::curve::{CurveCryptoHoldings, CurveCryptoTerms, CurveStableHoldings, CurveStableTerms};
pub use self::details::{MultiTokenDetails, PoolDetails, V4Details};
pub use self::token_list::TokenList;

/// Most tokens that a pool can have: `MAX_COINS` of Curve's StableSwap NG, and the most of a Balancer weighted pool.
pub const TOKENS_MAX: usize = 8;

/// A value for each token of a pool; those past its tokens are zero.
pub type PerToken<T> = [T; TOKENS_MAX];

/// A number that moves from one value to another over time, as the contract stores it; both equal when it stands still.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Ramp {
    /// Value at `initial_time`.
    pub initial: u64,
    /// Value from `future_time` on.
    pub future: u64,
    /// Unix seconds at which it began to move.
    pub initial_time: u64,
    /// Unix seconds at which it stops.
    pub future_time: u64,
}

/// What balances are multiplied with before they enter the invariant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// Last Unix second at which a swap surely uses these rates; the highest number when they do not move by themselves.
    pub valid_until: u64,
    /// By token, as the contract has them.
    pub rates: PerToken<u128>,
}

/// Fees of a Uniswap V4 pool at present.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct V4Fees {
    /// Fee for liquidity providers, parts per million.
    pub lp_fee_ppm: u32,
    /// Protocol fees in parts per million, of swaps that pay token 0 and of those that pay token 1.
    pub protocol_fee_ppm: [u16; 2],
}
