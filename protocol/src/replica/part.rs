//! What a pool of a snapshot consists of behind its description.

use crate::message::{PoolKind, RatesUse};

/// A message that a pool of a snapshot has, once and in its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// What an owner sets.
    Terms,
    /// Rates of its tokens.
    Rates(RatesUse),
    /// What swaps change.
    State,
}

impl Part {
    /// The messages between the description of a pool of this kind and the next pool, ticks left out, in their order.
    pub(super) const fn of(kind: PoolKind) -> &'static [Self] {
        match kind {
            PoolKind::UniswapV2
            | PoolKind::UniswapV3
            | PoolKind::UniswapV4
            | PoolKind::SolidlyVolatile
            | PoolKind::SolidlyStable => &[Self::State],
            PoolKind::CurveCrypto | PoolKind::BalancerWeighted => &[Self::Terms, Self::State],
            PoolKind::CurveStable => &[Self::Terms, Self::Rates(RatesUse::Swap), Self::State],
            PoolKind::BalancerStable => {
                &[Self::Terms, Self::Rates(RatesUse::Swap), Self::Rates(RatesUse::LastJoinExit), Self::State]
            }
        }
    }
}
