//! Whether a pool has something to trade, and whether the parts of its state fit each other.

use super::PoolView;
use crate::pool::concentrated_liquidity::V3View;
use crate::pool::solidly::SolidlyView;
use crate::pool::{Inconsistency, PPM, check_consistency, check_moved};

impl<'a> PoolView<'a> {
    /// Whether the pool has been given reserves or a price.
    #[must_use]
    pub fn has_price(&self) -> bool {
        match self {
            Self::V2 { reserves, .. } | Self::Solidly(SolidlyView { reserves, .. }) => all_hold(reserves),
            Self::V3(view) => !view.sqrt_price_x96.is_zero(),
            Self::V4(view) => !view.sqrt_price_x96.is_zero(),
            Self::StableSwap(pool) => all_hold(pool.balances),
            Self::CryptoSwap(pool) => all_hold(pool.balances()),
            Self::Weighted(pool) => all_hold(pool.balances),
            Self::BalancerStable(pool) => all_hold(pool.balances),
        }
    }

    /// Raw units of a token that the pool can give at most, where its state says: pools of ranges do not.
    #[must_use]
    pub fn held(&self, token: u8) -> Option<u128> {
        let of = |balances: &[u128]| balances.get(usize::from(token)).copied();
        match self {
            Self::V2 { reserves, .. } | Self::Solidly(SolidlyView { reserves, .. }) => of(reserves),
            Self::V3(_) | Self::V4(_) => None,
            Self::StableSwap(pool) => of(pool.balances),
            Self::CryptoSwap(pool) => of(pool.balances()),
            Self::Weighted(pool) => of(pool.balances),
            Self::BalancerStable(pool) => of(pool.balances),
        }
    }

    /// Whether the parts of the state fit each other.
    ///
    /// # Errors
    /// The first [`Inconsistency`].
    pub fn check_consistency(&self) -> Result<(), Inconsistency> {
        match self {
            Self::V2 { fee_ppm, .. } | Self::Solidly(SolidlyView { fee_ppm, .. }) if *fee_ppm >= PPM => {
                Err(Inconsistency::Fee { fee_ppm: *fee_ppm })
            }
            Self::Weighted(pool) => pool.check_weights(),
            _ => self.curve()?.map_or(Ok(()), |curve| check_consistency(&curve)),
        }
    }

    /// [`PoolView::check_consistency`] of a pool that passed it with this tick and liquidity, and whose ticks are as then.
    pub(in crate::market) fn check_moved(&self, before: (i32, u128)) -> Result<(), Inconsistency> {
        match self.curve()? {
            Some(curve) => check_moved(&curve, before),
            None => self.check_consistency(),
        }
    }

    /// Most liquidity of any range of a sound pool; 0 for one without ticks.
    pub(in crate::market) fn liquidity_max(&self) -> u128 {
        let Ok(Some(curve)) = self.curve() else { return 0 };
        // Against the range of the price: what lies outside of the known ticks is in both.
        let (mut sum, mut here, mut most) = (0_i128, 0_i128, 0_i128);
        for entry in curve.ticks {
            sum = sum.saturating_add(entry.liquidity_net);
            if entry.tick <= curve.tick {
                here = sum;
            }
            most = most.max(sum);
        }
        curve.liquidity.saturating_add_signed(most.saturating_sub(here))
    }

    /// Tick and liquidity of a pool that has ticks.
    pub(in crate::market) fn tick_and_liquidity(&self) -> Option<(i32, u128)> {
        match self {
            Self::V3(view) => Some((view.tick, view.liquidity)),
            Self::V4(view) => Some((view.tick, view.liquidity)),
            _ => None,
        }
    }

    /// Price, liquidity and ticks of a pool that has ticks, as one of Uniswap V3.
    fn curve(&self) -> Result<Option<V3View<'a>>, Inconsistency> {
        match self {
            Self::V3(view) => Ok(Some(**view)),
            // Prices and ticks are the same whichever way the swap goes.
            Self::V4(view) => match view.concentrated(true) {
                Ok(view) => Ok(Some(V3View { fee_ppm: view.fee_ppm.min(PPM - 1), ..view })),
                Err(_) => Err(Inconsistency::Fee { fee_ppm: view.lp_fee_ppm }),
            },
            _ => Ok(None),
        }
    }
}

fn all_hold(balances: &[u128]) -> bool {
    balances.iter().all(|balance| *balance > 0)
}
