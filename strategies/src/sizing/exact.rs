//! The integer pass: what the pools would really give, and the input that wastes least to rounding.

use ruint::aliases::U256;

use super::Leg;
use super::walk::Estimate;
use crate::market::{Market, PoolView};
use crate::opportunity::HOPS_MAX;
use crate::pool::{PPM, QuoteError, Way};

/// Parts of an estimate tried in turn when the pools cannot take the whole: it may lie a rounding beyond what they hold.
const SHRINKS: [f64; 4] = [1.0, 1.0 - 1e-12, 1.0 - 1e-9, 1.0 - 1e-6];

/// Rounding losses below this share of the profit are left where they are.
const WASTE_IGNORED: f64 = 1e-10;

/// Whole units tried on either side of the estimate at the coarsest token of a route.
///
/// Over the random routes of the sizing tests (seeds 12 and 13) this pass takes the worst loss among tokens of 18, 8 and
/// 6 decimals from 2.5e-4 of the profit to 5e-6, and the share of routes through tiny pools that are sized exactly from
/// 49 % to 98 %.
const WINDOW: u64 = 4;

/// Amounts along a route: what goes into each leg, then what comes out of the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Amounts {
    values: [U256; HOPS_MAX + 1],
    leg_count: usize,
}

impl Amounts {
    /// One more than there are legs.
    pub(crate) fn as_slice(&self) -> &[U256] {
        &self.values[..=self.leg_count]
    }

    /// Amounts that were reckoned before; `None` for fewer than one leg has, or more than the longest route.
    pub(super) fn of(amounts: impl Iterator<Item = U256>) -> Option<Self> {
        let mut all = Self { values: [U256::ZERO; HOPS_MAX + 1], leg_count: 0 };
        let mut count = 0;
        for amount in amounts {
            *all.values.get_mut(count)? = amount;
            count += 1;
        }
        all.leg_count = count.checked_sub(1).filter(|legs| *legs > 0)?;
        Some(all)
    }

    /// Input less output; zero for a profit.
    pub(super) fn loss(&self) -> U256 {
        self.values[0].saturating_sub(self.values[self.leg_count])
    }

    /// Output less input; `None` for a loss.
    pub(crate) fn profit(&self) -> Option<U256> {
        self.values[self.leg_count].checked_sub(self.values[0])
    }
}

/// The pools of a route with their states.
#[derive(Debug, Clone, Copy)]
pub(super) struct Path<'a> {
    legs: [(PoolView<'a>, Way); HOPS_MAX],
    leg_count: usize,
    /// Unix second of the block asked about.
    at: u64,
}

impl<'a> Path<'a> {
    /// `None` for a pool that is not known, or more legs than a route has.
    pub(super) fn new(market: &'a Market, legs: &[Leg]) -> Option<Self> {
        let unused = PoolView::V2 { reserves: [0, 0], fee_ppm: 0 };
        let mut path =
            Self { legs: [(unused, Way::of_pair(true)); HOPS_MAX], leg_count: legs.len(), at: market.timestamp() };
        if legs.len() > HOPS_MAX {
            return None;
        }
        for (slot, leg) in path.legs.iter_mut().zip(legs) {
            *slot = (market.pool(leg.pool).ok()?, leg.way);
        }
        Some(path)
    }

    pub(super) fn legs(&self) -> &[(PoolView<'a>, Way)] {
        &self.legs[..self.leg_count]
    }

    /// Unix second of the block asked about.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    /// Swaps `input` through every pool.
    pub(super) fn forward(&self, input: U256) -> Result<Amounts, QuoteError> {
        let mut amounts = Amounts { values: [U256::ZERO; HOPS_MAX + 1], leg_count: self.leg_count };
        amounts.values[0] = input;
        for (index, (pool, way)) in self.legs().iter().enumerate() {
            amounts.values[index + 1] = pool.hop_output(*way, amounts.values[index], self.at)?;
        }
        Ok(amounts)
    }

    /// Input of the route for which its first `leg_count` legs give `output`.
    fn backward(&self, leg_count: usize, output: U256) -> Result<U256, QuoteError> {
        let legs = self.legs[..leg_count].iter().rev();
        legs.copied().try_fold(output, |amount, (pool, way)| pool.quote_exact_out(way, amount, self.at))
    }
}

/// The best exact amounts near an estimate; `None` when the pools refuse them all. May be a loss.
pub(super) fn settle(path: &Path<'_>, estimate: &Estimate) -> Option<Amounts> {
    let amounts = SHRINKS.iter().find_map(|shrink| path.forward(floor(estimate.input * shrink)?).ok())?;
    if waste(&amounts) <= estimate.profit * WASTE_IGNORED { Some(amounts) } else { Some(refine(path, amounts)) }
}

/// Rounded down, at least one unit.
fn floor(value: f64) -> Option<U256> {
    U256::try_from(value.floor().max(1.0)).ok()
}

/// What rounding to whole units can cost along the route, in units of its first token: a unit at every stop.
pub(super) fn waste(amounts: &Amounts) -> f64 {
    let input = f64::from(amounts.values[0]);
    amounts.as_slice().iter().map(|amount| input / f64::from(*amount)).sum()
}

/// Looks around the estimate where one unit is worth most. For each count of that token tried, the least input that buys
/// it: whatever more is paid for the same count is lost.
fn refine(path: &Path<'_>, estimate: Amounts) -> Amounts {
    let stops = estimate.as_slice();
    let (coarsest, count) = stops.iter().enumerate().min_by_key(|(_, amount)| **amount).expect("a route has stops");
    let mut best = estimate;
    let mut try_count = |count: U256| {
        let candidate = path.backward(coarsest, count).and_then(|input| path.forward(input));
        if let Ok(amounts) = candidate
            && amounts.profit() > best.profit()
        {
            best = amounts;
        }
    };
    let low = count.saturating_sub(U256::from(WINDOW)).max(U256::ONE);
    (0..=2 * WINDOW).for_each(|step| try_count(low + U256::from(step)));
    if let Some((PoolView::V3(pool), _)) = path.legs().get(coarsest) {
        fee_steps(*count, pool.fee_ppm).into_iter().for_each(try_count);
    }
    best
}

/// Amounts near `amount` of which a concentrated pool keeps a whole number of units as its fee, so that it rounds
/// nothing up. The pool keeps the same fee from one such amount, exclusive, to the next.
fn fee_steps(amount: U256, fee_ppm: u32) -> [U256; 4] {
    let (fee, one) = (U256::from(fee_ppm.max(1)), U256::from(PPM));
    let below = amount.saturating_mul(fee) / one;
    [0, 1, 2, 3].map(|step| (below + U256::from(step)).saturating_sub(U256::ONE).saturating_mul(one) / fee)
}
