//! What rounding may cost, kind by kind. Each number comes from what the contracts do, and says why.

use alphapulse_protocol::message::PoolKind;
use alphapulse_protocol::replica::{PoolState, TickLiquidity};
use ruint::aliases::U256;

use super::{SamplePool, kept};
use crate::market::{After, PoolView};
use crate::pool::Way;
use crate::pool::stable_swap::Rules;

/// Part of a balance below which CryptoSwap's solvers stop, times ten for both of their ends.
const CRYPTO_PART: u128 = 10_000_000_000_000;

/// Part of a balance by which a weighted pool's power is off, times ten: it adds 10^-14 of itself against the trader.
const POWER_PART: u128 = 10_000_000_000_000;

/// Units of the smallest token that a curve's root and the contract's margin come to, three quotes together.
const ROOT_UNITS: u64 = 4;

/// Whether the fee depends on how far the pool is out of balance.
pub(super) fn is_fee_moving(pool: &SamplePool) -> bool {
    match &pool.state {
        PoolState::CurveStable(state) => state.terms.offpeg_fee_multiplier > 10_000_000_000,
        PoolState::CurveCrypto(state) => state.terms.mid_fee != state.terms.out_fee,
        _ => false,
    }
}

/// The same pool with a fee that stands still.
pub(super) fn with_level_fee(pool: &SamplePool) -> SamplePool {
    let mut level = pool.clone();
    match &mut level.state {
        PoolState::CurveStable(state) => state.terms.offpeg_fee_multiplier = 0,
        PoolState::CurveCrypto(state) => state.terms.out_fee = state.terms.mid_fee,
        _ => {}
    }
    level
}

/// By how much an output may be less than that of a smaller input.
pub(super) fn output(view: &PoolView<'_>, way: Way) -> U256 {
    let held = kept::held(view, way.token_out);
    match view {
        // The solver stops where its path takes it.
        PoolView::CryptoSwap(_) => U256::from(held / CRYPTO_PART + 2),
        // The power is not monotone below its error.
        PoolView::Weighted(_) => U256::from(held / POWER_PART + 1),
        _ => U256::ZERO,
    }
}

/// By how much the cost of an output may be more than that of a larger one, which costs `cost`.
pub(super) fn cost(view: &PoolView<'_>, way: Way, cost: U256) -> U256 {
    let held = U256::from(kept::held(view, way.token_in));
    match view {
        // The contract's view comes near in five rounds of a solver that stops within a part of 10^14.
        PoolView::CryptoSwap(_) => (held + cost) / U256::from(CRYPTO_PART) + U256::from(2),
        PoolView::Weighted(_) => (held + cost) / U256::from(POWER_PART) + U256::ONE,
        _ => U256::ZERO,
    }
}

/// By how much two swaps may give less than one of both inputs.
pub(super) fn curvature(view: &PoolView<'_>, way: Way, at: u64) -> U256 {
    let held = kept::held(view, way.token_out);
    // A fee that rounds up may cost each of the two a unit of the input more, worth no more than the marginal rate.
    let unit_in = view.rate(way, at).map_or(U256::ZERO, |map| whole(map.g)) + U256::ONE;
    let of_kind = match view {
        PoolView::V2 { .. } => U256::ZERO,
        PoolView::Solidly(_) => U256::from(ROOT_UNITS),
        // Each range on the way rounds the input it takes.
        PoolView::V3(view) => {
            let steps = U256::from(view.ticks.len() + 64);
            unit_in * steps + ranges(view.sqrt_price_x96, view.liquidity, view.ticks, way) * steps
        }
        PoolView::V4(view) => {
            let steps = U256::from(view.ticks.len() + 64);
            unit_in * steps + ranges(view.sqrt_price_x96, view.liquidity, view.ticks, way) * steps
        }
        PoolView::StableSwap(_) | PoolView::BalancerStable(_) => U256::from(3) * root(view, way, at),
        PoolView::CryptoSwap(_) => U256::from(3 * (held / CRYPTO_PART + 2)),
        PoolView::Weighted(_) => U256::from(3 * (held / POWER_PART + 1)),
    };
    U256::from(3) * unit_in + of_kind
}

/// Raw units by which an output is off the curve.
pub(super) fn noise(view: &PoolView<'_>, way: Way, at: u64) -> U256 {
    let held = kept::held(view, way.token_out);
    let of_kind = match view {
        PoolView::V3(view) => ranges(view.sqrt_price_x96, view.liquidity, view.ticks, way),
        PoolView::V4(view) => ranges(view.sqrt_price_x96, view.liquidity, view.ticks, way),
        PoolView::StableSwap(_) | PoolView::BalancerStable(_) => root(view, way, at),
        PoolView::CryptoSwap(_) => U256::from(held / CRYPTO_PART),
        PoolView::Weighted(_) => U256::from(held / POWER_PART),
        PoolView::V2 { .. } | PoolView::Solidly(_) => U256::ZERO,
    };
    let unit_in = view.rate(way, at).map_or(U256::ZERO, |map| whole(map.g));
    of_kind + unit_in * U256::from(2) + U256::ONE
}

/// Raw units of the output that the curve's root and its invariant are off by: the invariant's error moves the root by its
/// slope, and a coin whose rate is below one makes several raw units of one of the common measure.
pub(super) fn root(view: &PoolView<'_>, way: Way, at: u64) -> U256 {
    let Some(curve) = Curve::of(view, at) else { return U256::ZERO };
    let token = usize::from(way.token_out);
    let (Some(slope), Some(unit)) = (curve.slope(token), curve.units.get(token)) else { return U256::ZERO };
    let product = if matches!(view, PoolView::BalancerStable(_)) { curve.product_error(token) } else { 0.0 };
    whole(ROOT_UNITS as f64 * (1.0 + product + curve.error() / slope) * (1.0 + 1.0 / unit))
}

/// By how much the invariant may fall in a swap: the errors before and after, and those of the root between.
pub(super) fn drift(before: &PoolView<'_>, after: &PoolView<'_>, at: u64) -> U256 {
    let errors = [before, after].map(|view| Curve::of(view, at).map_or(0.0, |curve| curve.error()));
    whole(4.0 * (errors[0] + errors[1])) + U256::from(kept::DRIFT_MAX)
}

/// What two raw units of each coin come to in the invariant, in the common unit.
pub(super) fn units_in_invariant(view: &PoolView<'_>, at: u64) -> U256 {
    let Some(curve) = Curve::of(view, at) else { return U256::ZERO };
    let of = |(coin, unit): (usize, &f64)| Some(curve.slope(coin)? * unit * 2.0);
    whole(curve.units.iter().enumerate().filter_map(of).sum())
}

/// A stable pool in floats, to tell how far an error goes.
struct Curve {
    ann: f64,
    /// In units of the invariant, by token; the pool's own share is left out as nothing.
    balances: Vec<f64>,
    /// A raw unit of each token in the common unit.
    units: Vec<f64>,
    count: f64,
}

impl Curve {
    fn of(view: &PoolView<'_>, at: u64) -> Option<Self> {
        let float = |value: U256| f64::from(value);
        let (amplification, total, balances, units, share): (f64, f64, Vec<u128>, Vec<f64>, Option<u8>) = match view {
            PoolView::StableSwap(pool) => pool.with_view(|view| {
                let amplification =
                    view.amplification.at(at).ok()? as f64 / view.rules.amplification_precision() as f64;
                let units = view.rates.iter().map(|rate| *rate as f64 / 1e18).collect();
                Some((amplification, float(view.solve(at).ok()?.invariant()), view.balances.to_vec(), units, None))
            })?,
            PoolView::BalancerStable(pool) => pool.with_view(|view| {
                let amplification = view.amplification.at(at).ok()? as f64 / 1e3;
                let units = view.scales.iter().map(|scale| float(*scale) / 1e18).collect();
                let total = float(kept::balancer_invariant(view, at)?);
                Some((amplification, total, view.balances.to_vec(), units, view.share))
            })?,
            _ => return None,
        };
        let of = |(place, (balance, unit)): (usize, (&u128, &f64))| {
            if share.map(usize::from) == Some(place) { 0.0 } else { *balance as f64 * unit / total }
        };
        let balances: Vec<f64> = balances.iter().zip(&units).enumerate().map(of).collect();
        let count = balances.iter().filter(|balance| **balance > 0.0).count() as f64;
        Some(Self { ann: amplification * count, balances, units, count })
    }

    /// The invariant to the power of n over the product of all balances times n: one in balance, and large out of it.
    fn imbalance(&self) -> f64 {
        let held = self.balances.iter().filter(|balance| **balance > 0.0);
        held.map(|balance| 1.0 / (self.count * balance)).product()
    }

    /// How the invariant moves with the balance of a token; the root moves with the invariant by the inverse.
    fn slope(&self, token: usize) -> Option<f64> {
        let (balance, k) = (self.balances.get(token).filter(|balance| **balance > 0.0)?, self.imbalance());
        Some((self.ann + k / balance) / (self.ann - 1.0 + (self.count + 1.0) * k))
    }

    /// Units of the root that Balancer's rounding makes: floors in the product of all balances, each of which the next may
    /// multiply by as much as the number of tokens, and two quotients that are rounded before they are multiplied by the
    /// precision of the amplification.
    fn product_error(&self, token: usize) -> f64 {
        let of_product = self.imbalance() * self.balances.get(token).copied().unwrap_or(0.0);
        self.count * self.count * of_product + 1_000.0
    }

    /// Units of the common measure that the invariant is off by: one where its iteration stops, and what a floor for each
    /// coin makes of the product, which is small where the pool is far out of balance.
    fn error(&self) -> f64 {
        let k = self.imbalance();
        1.0 + self.count * k / ((self.ann - 1.0) / k + self.count + 1.0)
    }
}

/// The whole number above, for slacks only; the largest of 128 bits for what is larger.
#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the cast saturates")]
fn whole(value: f64) -> U256 {
    U256::from(value.ceil() as u128)
}

/// The price moves in steps of 2^-96, each worth a part of the liquidity.
fn ranges(sqrt_price_x96: U256, liquidity: u128, ticks: &[TickLiquidity], way: Way) -> U256 {
    let most = ticks.iter().map(|tick| tick.liquidity_gross).fold(liquidity, u128::saturating_add);
    let liquidity = U256::from(most);
    let step = if way.token_out == 1 {
        liquidity >> 96_usize
    } else {
        // The price only rises as token 0 comes out, and with it what a step is worth falls.
        (liquidity << 96_usize).checked_div(sqrt_price_x96).unwrap_or_default() / sqrt_price_x96.max(U256::ONE)
    };
    step + U256::from(2)
}

/// By how much what a pool's exact input gives may be less than what its exact output promised; `None` where the contract
/// promises nothing, or only about.
pub(super) fn inverse(pool: &SamplePool, view: &PoolView<'_>, way: Way, wanted: U256) -> Option<U256> {
    let held = kept::held(view, way.token_out);
    match view {
        PoolView::V2 { .. } | PoolView::V3(_) | PoolView::V4(_) => Some(U256::ZERO),
        PoolView::Solidly(_) => None,
        // The view reckons with the fee before the swap, and the first ones without the rounding.
        PoolView::StableSwap(stable) if !is_fee_moving(pool) => {
            let is_offered = stable.with_view(|view| matches!(view.rules, Rules::First | Rules::Ng));
            // The input is rounded down, and once more on its way to raw units.
            let unit_in = view.rate(way, pool.at).map_or(U256::ZERO, |map| whole(map.g));
            is_offered.then(|| U256::from(3) * root(view, way, pool.at) + U256::from(4) * unit_in)
        }
        PoolView::StableSwap(_) => None,
        // Near, in five rounds.
        PoolView::CryptoSwap(_) if pool.info.kind == PoolKind::CurveCrypto => {
            let unit = view.quote_exact_in(way, U256::from(2), pool.at).unwrap_or_default();
            Some(U256::from(held / CRYPTO_PART + 2) + wanted / U256::from(10_000) + unit)
        }
        PoolView::CryptoSwap(_) => None,
        PoolView::Weighted(_) => Some(U256::from(3 * (held / POWER_PART + 1))),
        PoolView::BalancerStable(_) => Some(U256::from(3) * root(view, way, pool.at)),
    }
}

/// Whether a CryptoSwap pool moved its price scale in the swap. It pays for that with its own profit, at most half of it,
/// and whoever trades next may be the one who is paid.
pub(super) fn is_price_moved(view: &PoolView<'_>, after: &After) -> bool {
    match (view, after) {
        (PoolView::CryptoSwap(pool), After::CryptoSwap { holdings, .. }) => {
            pool.view().state.price_scale != holdings.price_scale
        }
        _ => false,
    }
}

/// By how much there and back may give more than was paid.
pub(super) fn round_trip(view: &PoolView<'_>, way: Way, at: u64) -> U256 {
    match view {
        // What the floors of the iteration let the invariant fall may come back, without a fee to cover it.
        PoolView::StableSwap(_) => U256::from(kept::DRIFT_MAX / ROOT_UNITS) * root(view, way.reversed(), at),
        PoolView::CryptoSwap(_) => U256::from(kept::held(view, way.token_in) / CRYPTO_PART + 2),
        _ => U256::ZERO,
    }
}

/// By how much a view may differ from the swap: the fee before a division or after it.
pub(super) fn of_view(view: &PoolView<'_>) -> U256 {
    match view {
        PoolView::StableSwap(pool) => pool.with_view(|view| {
            U256::from(u64::from(matches!(view.rules, Rules::First | Rules::ThreePool | Rules::Offpeg)))
        }),
        _ => U256::ZERO,
    }
}
