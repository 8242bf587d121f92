//! Tokens and pools as described.

use crate::id::{AddressBytes, TokenId, VenueId};
use crate::message::PoolKind;
use crate::units::FeePpm;
use crate::values::{PoolDetails, TokenList};

/// A token as described.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TokenInfo {
    /// Contract.
    pub address: AddressBytes,
    /// Symbol as the contract gave it: hostile text.
    pub symbol: String,
    /// Decimals of the display unit.
    pub decimals: u8,
}

/// A pool as described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PoolInfo {
    /// Formula.
    pub kind: PoolKind,
    /// Factory it belongs to.
    pub venue: VenueId,
    /// Contract; the pool manager of a Uniswap V4 pool.
    pub address: AddressBytes,
    /// Tokens in the contract's order.
    pub tokens: TokenList,
    /// Fee on the input that never changes; 0 for kinds whose fee is part of their state.
    pub fee: FeePpm,
    /// Tick spacing; 0 without ticks.
    pub tick_spacing: i32,
    /// Range in which every initialised tick is known, inclusive; `(0, 0)` without ticks.
    pub known_ticks: (i32, i32),
    /// What only some kinds have.
    pub details: PoolDetails,
}

impl PoolInfo {
    /// A constant-product pool.
    #[must_use]
    pub fn uniswap_v2(venue: VenueId, address: AddressBytes, tokens: [TokenId; 2], fee: FeePpm) -> Self {
        Self {
            kind: PoolKind::UniswapV2,
            venue,
            address,
            tokens: tokens.into(),
            fee,
            tick_spacing: 0,
            known_ticks: (0, 0),
            details: PoolDetails::None,
        }
    }

    /// The same pool as one of concentrated liquidity, its ticks known within `known_ticks` (inclusive).
    #[must_use]
    pub const fn with_ticks(mut self, tick_spacing: i32, known_ticks: (i32, i32)) -> Self {
        self.kind = PoolKind::UniswapV3;
        self.tick_spacing = tick_spacing;
        self.known_ticks = known_ticks;
        self
    }
}
