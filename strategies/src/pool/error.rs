//! Why a pool gives no quote.

use core::fmt;

use super::full_math::MathError;

/// A pool's "no" to a quote. `Display` prints [`QuoteError::name`], which is stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum QuoteError {
    /// The input is zero.
    InsufficientInputAmount,
    /// The requested output is zero.
    InsufficientOutputAmount,
    /// The pool cannot deliver the output, or holds no liquidity where the swap needs it.
    InsufficientLiquidity,
    /// A reserve would pass the pair's `uint112`.
    ReserveOverflow,
    /// The pair's product of fee-adjusted balances would fall.
    InvariantViolated,
    /// An amount does not fit the contract's type (`int256` in a concentrated-liquidity pool).
    AmountOverflow,
    /// Crossing a tick would take active liquidity out of `uint128`.
    LiquidityOverflow,
    /// The price limit lies behind the price or outside the price domain.
    InvalidPriceLimit,
    /// The swap reaches ticks about which nothing is known.
    OutsideKnownTicks,
    /// The pool has no price yet.
    UninitialisedPool,
    /// Fee, tick spacing, tick or price is one no contract could hold.
    InvalidPoolState,
    /// The contract's iteration would not end.
    NotConverged,
    /// A value lies outside the bounds within which a CryptoSwap pool computes.
    UnsafeValue,
    /// The input is more than the part of its balance that a weighted pool takes at once.
    InputRatioExceeded,
    /// The output is more than the part of its balance that a weighted pool gives at once.
    OutputRatioExceeded,
    /// The swap would cost the pool's own depositors, which the contract refuses.
    Loss,
    /// The pool is paused.
    Paused,
    /// The tokens' rates have to be read anew.
    RatesExpired,
    /// A hook takes part in the pool's swaps.
    HookedPool,
    /// The contract has no quote for an exact output.
    ExactOutputNotOffered,
    /// What the swap leaves behind depends on values that the feed does not carry.
    StateUnknown,
    /// Nothing here knows this version of the contract.
    UnknownVariant,
    /// No pool has this id.
    UnknownPool,
    /// The token is none of the pool's.
    TokenNotInPool,
    /// The feed leaves the pool's state out.
    UnknownState,
    /// The pool's state was found to differ from the chain's, and has not been found equal since.
    Quarantined,
    /// Nothing here prices pools of this kind.
    UnsupportedPoolKind,
}

impl QuoteError {
    /// Stable name in snake case, for output and counters.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::InsufficientInputAmount => "insufficient_input_amount",
            Self::InsufficientOutputAmount => "insufficient_output_amount",
            Self::InsufficientLiquidity => "insufficient_liquidity",
            Self::ReserveOverflow => "reserve_overflow",
            Self::InvariantViolated => "invariant_violated",
            Self::AmountOverflow => "amount_overflow",
            Self::LiquidityOverflow => "liquidity_overflow",
            Self::InvalidPriceLimit => "invalid_price_limit",
            Self::OutsideKnownTicks => "outside_known_ticks",
            Self::UninitialisedPool => "uninitialised_pool",
            Self::InvalidPoolState => "invalid_pool_state",
            Self::NotConverged => "not_converged",
            Self::UnsafeValue => "unsafe_value",
            Self::InputRatioExceeded => "input_ratio_exceeded",
            Self::OutputRatioExceeded => "output_ratio_exceeded",
            Self::Loss => "loss",
            Self::Paused => "paused",
            Self::RatesExpired => "rates_expired",
            Self::HookedPool => "hooked_pool",
            Self::ExactOutputNotOffered => "exact_output_not_offered",
            Self::StateUnknown => "state_unknown",
            Self::UnknownVariant => "unknown_variant",
            Self::UnknownPool => "unknown_pool",
            Self::TokenNotInPool => "token_not_in_pool",
            Self::UnknownState => "unknown_state",
            Self::Quarantined => "quarantined",
            Self::UnsupportedPoolKind => "unsupported_pool_kind",
        }
    }
}

impl fmt::Display for QuoteError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.name())
    }
}

impl core::error::Error for QuoteError {}

impl From<MathError> for QuoteError {
    fn from(error: MathError) -> Self {
        match error {
            // The only divisors are prices, liquidity and one minus the fee: zero is a state no contract holds.
            MathError::DivisionByZero => Self::InvalidPoolState,
            MathError::Overflow => Self::AmountOverflow,
        }
    }
}
