//! What search and sizing read of a pool.

use super::{PoolRanges, PoolView, oriented};
use crate::pool::mobius::kept_share;
use crate::pool::solidly::SolidlyCurve;
use crate::pool::stable_swap::{PRICE_CACHE_SECONDS, PriceCache, StableSwapView};
use crate::pool::v4::takes_part_in_swaps;
use crate::pool::{Mobius, Way, estimate};

/// What rounding takes away must not be on the wrong side.
const BELOW: f64 = 1.0 - 1e-12;

/// Part by which float rounding may have made the slope of a curve too small.
pub(crate) const CURVE_ROUNDING: f64 = 1e-9;

/// Raw units of output by which a contract's rounding may be against it.
const UNITS: f64 = 4.0;

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

    /// A map that bounds the whole output from above, where `map` is that of [`PoolView::rate`]. Its curvature is 0 where no more is known
    /// than that the output is concave, and its rate that at the least fee where the fee moves: a trade towards the peg pays less of it.
    ///
    /// Over each range `1 / sqrt(f')` is linear in the input, and grows by the square root of the fee's kept share over the liquidity: least
    /// where there is most of that, and jumps only up. With the most liquidity all the way it is nowhere too high, and the map of such a
    /// range nowhere below the output.
    pub(in crate::market) fn bound(&self, way: Way, map: Mobius, liquidity_max: u128) -> Mobius {
        let zero_for_one = way.zero_for_one();
        let ranged = |fee_ppm: u32| (kept_share(fee_ppm) * map.g).sqrt() / liquidity_max as f64 * BELOW;
        let h = match (self, zero_for_one) {
            (Self::V2 { .. }, _) => map.h,
            (Self::Solidly(view), _) if view.curve == SolidlyCurve::Volatile => map.h,
            (Self::V3(view), _) if liquidity_max > 0 => ranged(view.fee_ppm),
            (Self::V4(view), Ok(zero_for_one)) if liquidity_max > 0 => {
                view.concentrated(zero_for_one).map_or(0.0, |view| ranged(view.fee_ppm))
            }
            _ => 0.0,
        };
        let kept_more = match self {
            Self::StableSwap(pool) => pool.with_view(estimate::stable_swap_fee_range),
            Self::CryptoSwap(pool) => estimate::crypto_swap_fee_range(&pool.view().terms),
            _ => 1.0,
        };
        // A slope by formula may be a little too low.
        let g = if self.is_ranged() { map.g } else { map.g * kept_more * (1.0 + CURVE_ROUNDING) };
        Mobius { g, h }
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

    /// Raw units of output by which a curve's contract may give more than the curve, since its powers and iterations end within some units on
    /// either side. No such thing happens to a pool of ranges.
    pub(crate) fn curve_units(&self, way: Way, at: u64) -> f64 {
        match self {
            Self::CryptoSwap(pool) => {
                estimate::crypto_swap_resolution(&pool.view(), way, at).unwrap_or(f64::INFINITY).max(UNITS)
            }
            _ => UNITS,
        }
    }

    /// Whether the pool's output is a sequence of Möbius maps, which [`PoolView::ranges`] gives.
    #[must_use]
    pub fn is_ranged(&self) -> bool {
        match self {
            Self::V2 { .. } | Self::V3(_) | Self::V4(_) => true,
            Self::Solidly(view) => view.curve == SolidlyCurve::Volatile,
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
            Self::Solidly(view) if view.curve == SolidlyCurve::Volatile => {
                PoolRanges::of_pair(oriented(view.reserves, zero_for_one), view.fee_ppm)
            }
            _ => PoolRanges::V2(None),
        }
    }
}
