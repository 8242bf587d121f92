//! What search and sizing read of a pool.

use super::{PoolRanges, PoolView, oriented};
use crate::pool::stable_swap::{PRICE_CACHE_SECONDS, PriceCache, StableSwapView};
use crate::pool::v4::takes_part_in_swaps;
use crate::pool::{Mobius, Way, estimate};

impl<'a> PoolView<'a> {
    /// Output as a function of input as search estimates it: exact up to the first price boundary for pairs of constant
    /// product and ranges, else of the same slope and curvature at no input. `None` when nothing can be sold to the pool.
    #[must_use]
    pub fn rate(&self, way: Way, at: u64) -> Option<Mobius> {
        match self {
            Self::V4(view) if takes_part_in_swaps(view.hooks) => None,
            Self::V2 { .. } | Self::V3(_) | Self::V4(_) => {
                let zero_for_one = way.zero_for_one().ok()?;
                let map = match self {
                    Self::V3(view) => view.first_map(zero_for_one),
                    Self::V4(view) => view.concentrated(zero_for_one).ok()?.first_map(zero_for_one),
                    _ => self.ranges(zero_for_one).next().map(|range| range.mobius),
                };
                map.filter(|map| map.g > 0.0)
            }
            Self::Solidly(view) => estimate::solidly(view, way),
            Self::StableSwap(pool) => pool.with_view(|view| estimate::stable_swap(view, way, at)),
            Self::CryptoSwap(pool) => estimate::crypto_swap(&pool.view(), way, at),
            Self::Weighted(pool) => pool.with_view(|view| estimate::weighted(view, way)),
            Self::BalancerStable(pool) => pool.with_view(|view| estimate::balancer_stable(view, way, at)),
        }
    }

    /// Whether [`PoolView::rate`] may be another after `at` although no message about the pool comes: while amplification
    /// moves, and until rates expire, those of a base pool too. That there may be messages about a base pool is not counted.
    #[must_use]
    pub fn is_moving(&self, at: u64) -> bool {
        let is_expiring = |until: u64| until != u64::MAX && at <= until;
        match self {
            Self::StableSwap(pool) => pool.with_view(|view| {
                let moves =
                    |view: &StableSwapView<'_>| at < view.amplification.future_time || is_expiring(view.valid_until);
                let is_remembered = |cache: PriceCache| at <= cache.updated.saturating_add(PRICE_CACHE_SECONDS);
                moves(view)
                    || view.base.is_some_and(|base| moves(base.pool) || base.price_cache.is_some_and(is_remembered))
            }),
            Self::CryptoSwap(pool) => at < pool.view().state.future_time,
            Self::BalancerStable(pool) => {
                pool.with_view(|view| at < view.amplification.future_time || is_expiring(view.rates_valid_until))
            }
            _ => false,
        }
    }

    /// Price ranges from the current price on, in the order in which a swap uses them up; none for a kind whose curve is
    /// no sequence of Möbius maps.
    #[must_use]
    pub fn ranges(&self, zero_for_one: bool) -> PoolRanges<'a> {
        match self {
            Self::V2 { reserves, fee_ppm } => PoolRanges::of_pair(oriented(*reserves, zero_for_one), *fee_ppm),
            Self::V3(view) => PoolRanges::V3(view.ranges(zero_for_one)),
            Self::V4(view) => match view.concentrated(zero_for_one) {
                Ok(view) => PoolRanges::V3(view.ranges(zero_for_one)),
                Err(_) => PoolRanges::V2(None),
            },
            _ => PoolRanges::V2(None),
        }
    }
}
