//! What a pool holds, and what of it a swap must not lower.

use alphapulse_protocol::values::PerToken;
use ruint::aliases::U256;

use super::case::{Broken, Case};
use super::{Property, SamplePool, slack};
use crate::market::{After, PoolView};
use crate::pool::Swapped;
use crate::pool::balancer::stable;
use crate::pool::solidly::{SolidlyCurve, SolidlyView};
use crate::pool::stable_swap::Rules;

/// By how much the floors of an iteration that ends within a unit let an invariant fall, in the common unit. Measured:
/// the contracts' own rounding, to the unit.
pub(super) const DRIFT_MAX: u64 = 64;

/// One, in 18 decimals.
const ONE: U256 = U256::from_limbs([1_000_000_000_000_000_000, 0, 0, 0]);

/// About what a pool holds of a token; in a pool of ranges what the present range would hold if it had no end.
pub(super) fn held(view: &PoolView<'_>, token: u8) -> u128 {
    let token = usize::from(token);
    let of = |balances: &[u128]| balances.get(token).copied().unwrap_or(0);
    match view {
        PoolView::V2 { reserves, .. } | PoolView::Solidly(SolidlyView { reserves, .. }) => of(reserves),
        PoolView::V3(view) => of(&in_range(view.sqrt_price_x96, view.liquidity)),
        PoolView::V4(view) => of(&in_range(view.sqrt_price_x96, view.liquidity)),
        PoolView::StableSwap(pool) => pool.with_view(|view| of(view.balances)),
        PoolView::CryptoSwap(pool) => of(&pool.view().state.balances),
        PoolView::Weighted(pool) => pool.with_view(|view| of(view.balances)),
        PoolView::BalancerStable(pool) => pool.with_view(|view| of(view.balances)),
    }
}

fn in_range(sqrt_price_x96: U256, liquidity: u128) -> [u128; 2] {
    let liquidity = U256::from(liquidity);
    let reserve_0 = (liquidity << 96_usize).checked_div(sqrt_price_x96).unwrap_or_default();
    let reserve_1 = liquidity.saturating_mul(sqrt_price_x96) >> 96_usize;
    [reserve_0, reserve_1].map(|reserve| u128::try_from(reserve).unwrap_or(u128::MAX))
}

/// Checks a swap against what it left.
pub(super) fn check(
    case: &mut Case<'_>,
    moved: &SamplePool,
    amount: U256,
    swapped: &Swapped<After>,
) -> Result<(), Broken> {
    let (before, at) = (case.view, case.pool.at);
    let Ok(after) = moved.view() else {
        return Err((Property::Invariant, format!("no view of what a swap left: {moved:?}")));
    };
    match fall(&before, &after, at, case) {
        Some((was, is, slack)) => {
            let detail = || format!("{amount} for {} brings {was} to {is} (slack {slack})", swapped.amount_out);
            case.hold(Property::Invariant, is + slack >= was, detail)
        }
        None => {
            case.leave_out(Property::Invariant);
            Ok(())
        }
    }
}

/// What is kept, before and after, and by how much rounding may lower it; `None` where nothing can be told.
fn fall(before: &PoolView<'_>, after: &PoolView<'_>, at: u64, case: &Case<'_>) -> Option<(U256, U256, U256)> {
    match (before, after) {
        (PoolView::V2 { reserves: was, .. }, PoolView::V2 { reserves: is, .. }) => {
            Some((product(*was), product(*is), U256::ZERO))
        }
        (PoolView::Solidly(was), PoolView::Solidly(is)) => Some((solidly(was)?, solidly(is)?, U256::ZERO)),
        // The ticks still fit the liquidity, and the price went where the input pushes it.
        (PoolView::V3(_) | PoolView::V4(_), PoolView::V3(_) | PoolView::V4(_)) => {
            let (was, is) = (price(before)?, price(after)?);
            let is_sound = after.check_consistency().is_ok();
            let (was, is) = if case.way.token_in == 0 { (is, was) } else { (was, is) };
            Some((was, if is_sound { is } else { U256::ZERO }, U256::ZERO))
        }
        (PoolView::StableSwap(was), PoolView::StableSwap(is)) => {
            let solve = |pool: &crate::market::StableSwapPool<'_>| pool.with_view(|view| view.solve(at)).ok();
            let slack = was.with_view(|view| match view.rules {
                // These store balances rounded down to raw units, of which each moves the invariant by its price.
                Rules::First => slack::units_in_invariant(before, at) + slack::units_in_invariant(after, at),
                _ => U256::ZERO,
            });
            Some((solve(was)?.invariant(), solve(is)?.invariant(), slack + slack::drift(before, after, at)))
        }
        (PoolView::CryptoSwap(was), PoolView::CryptoSwap(is)) => {
            let (was, is) = (was.view().state, is.view().state);
            // The price scale moves at the cost of half of the profit at most.
            let half = (is.xcp_profit / 2).saturating_add(500_000_000_000_000_000);
            // A share's value stands on an invariant that is solved to one part in 10^14.
            let slack = U256::from(was.virtual_price / 10_000_000_000_000);
            Some((U256::from(was.virtual_price.min(half)), U256::from(is.virtual_price), slack))
        }
        (PoolView::Weighted(was), PoolView::Weighted(is)) => {
            let (was, is) = (
                was.with_view(|view| log_product(view.balances, view.weights)),
                is.with_view(|view| log_product(view.balances, view.weights)),
            );
            // In parts of 10^12, which floats hold of a logarithm of this size.
            Some((was?, is?, U256::from(2)))
        }
        (PoolView::BalancerStable(was), PoolView::BalancerStable(is)) => {
            let invariant =
                |pool: &crate::market::BalancerStablePool<'_>| pool.with_view(|view| balancer_invariant(view, at));
            Some((invariant(was)?, invariant(is)?, slack::drift(before, after, at)))
        }
        _ => None,
    }
}

fn product([reserve_0, reserve_1]: [u128; 2]) -> U256 {
    U256::from(reserve_0) * U256::from(reserve_1)
}

/// As the pool's own check reckons it.
fn solidly(view: &SolidlyView) -> Option<U256> {
    if view.curve == SolidlyCurve::Volatile {
        return Some(product(view.reserves));
    }
    let scaled =
        |token: usize| U256::from(view.reserves[token]).checked_mul(ONE)?.checked_div(U256::from(view.scales[token]));
    let (x, y) = (scaled(0)?, scaled(1)?);
    let times = |a: U256, b: U256| Some(a.checked_mul(b)? / ONE);
    times(times(x, y)?, times(x, x)?.checked_add(times(y, y)?)?)
}

fn price(view: &PoolView<'_>) -> Option<U256> {
    match view {
        PoolView::V3(view) => Some(view.sqrt_price_x96),
        PoolView::V4(view) => Some(view.sqrt_price_x96),
        _ => None,
    }
}

/// Sum of weight times logarithm, in parts of 10^12; floats, for no amount depends on it.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between zero and 10^15")]
fn log_product(balances: &[u128], weights: &[u64]) -> Option<U256> {
    let terms = balances.iter().zip(weights).map(|(balance, weight)| *weight as f64 / 1e18 * (*balance as f64).ln());
    let sum: f64 = terms.sum();
    sum.is_finite().then(|| U256::from((sum.max(0.0) * 1e12) as u64))
}

/// Of the balances without the pool's own share, in the common unit.
pub(super) fn balancer_invariant(view: &stable::StableView<'_>, at: u64) -> Option<U256> {
    let mut upscaled: PerToken<U256> = [U256::ZERO; 8];
    let mut count = 0;
    for (place, (balance, scale)) in view.balances.iter().zip(view.scales).enumerate() {
        if view.share.map(usize::from) != Some(place) {
            *upscaled.get_mut(count)? = U256::from(*balance).checked_mul(*scale)? / ONE;
            count += 1;
        }
    }
    let amplification = U256::from(view.amplification.at(at).ok()?);
    stable::invariant(amplification, upscaled.get(..count)?, view.rounding).ok()
}
