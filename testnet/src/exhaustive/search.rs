//! Every cycle, each at its best input.

use alloy::primitives::{Address, U256, Uint};
use alphapulse_protocol::message::PoolKind;

use super::{Book, PoolSnapshot, quote_exact_in};

/// Longest cycle that is tried.
const HOPS_MAX: usize = 3;
/// Largest input tried, in bits: what a constant-product pair can hold.
const INPUT_BITS: usize = 112;
/// Inputs below the best one's bracket that are tried one by one.
const SCAN_WIDTH_MAX: u64 = 256;
/// Steps of the coarsest token to each side of the section search's answer that are tried.
const REFINE_STEPS: u64 = 24;
/// Cycles within this part of the best one's gain are refined.
const REFINE_GAIN_DIVISOR: u64 = 4;
/// A route whose marginal rate is this close below 1 may still be above it: the rate is in floating point.
const RATE_SLACK: f64 = 1e-9;

/// One swap of a cycle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CycleHop {
    /// Pool swapped in.
    pub pool: Address,
    /// Token paid.
    pub token_in: Address,
    /// Token received.
    pub token_out: Address,
    /// Formula of the pool.
    pub kind: PoolKind,
}

/// The best cycle that was found, with its exact amounts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BestCycle {
    /// The swaps in order; the first pays and the last returns the profit token.
    pub hops: Vec<CycleHop>,
    /// Raw units paid.
    pub amount_in: U256,
    /// Raw units received.
    pub amount_out: U256,
}

impl BestCycle {
    /// Raw units gained before gas.
    #[must_use]
    pub fn profit(&self) -> U256 {
        self.amount_out.saturating_sub(self.amount_in)
    }
}

/// Best single cycle of two or three hops from `token` back to it, over all of `pools`, each pool used at most once.
///
/// `None` when no cycle gains. A cycle is skipped only when its marginal rate at zero input is below 1: a swap's rate never
/// rises with its size, so such a cycle gains at no size.
#[must_use]
pub fn best_cycle(pools: &[PoolSnapshot], token: Address) -> Option<BestCycle> {
    let mut found: Vec<(Vec<Step>, Best)> = Vec::new();
    let mut route = Vec::with_capacity(HOPS_MAX);
    visit_cycles(pools, token, token, &mut route, &mut |route| {
        found.extend(best_input(pools, route).map(|best| (route.to_vec(), best)));
    });
    // Refining costs much and gains little: only those that it could bring to the top.
    let top = found.iter().map(|(_, best)| best.gain).max()?;
    let worth = top - top / U256::from(REFINE_GAIN_DIVISOR);
    let refined = found.into_iter().filter(|(_, best)| best.gain >= worth).map(|(route, mut best)| {
        Cycle { pools, route: &route }.refine(&mut best);
        (route, best)
    });
    let (route, best) = refined.max_by(|(_, a), (_, b)| a.gain.cmp(&b.gain))?;
    Cycle { pools, route: &route }.describe(&best)
}

/// A hop by the position of its pool and the token that goes in.
type Step = (usize, Address);

fn visit_cycles(
    pools: &[PoolSnapshot],
    start: Address,
    at: Address,
    route: &mut Vec<Step>,
    visit: &mut dyn FnMut(&[Step]),
) {
    for (position, pool) in pools.iter().enumerate() {
        let Some(next) = pool.other_token(at) else { continue };
        if route.iter().any(|(used, _)| *used == position) {
            continue;
        }
        route.push((position, at));
        if next == start {
            if route.len() >= 2 {
                visit(route);
            }
        } else if route.len() < HOPS_MAX {
            visit_cycles(pools, start, next, route, visit);
        }
        route.pop();
    }
}

/// Price of one raw unit in at zero size, fee taken.
fn marginal_rate(pool: &PoolSnapshot, token_in: Address) -> f64 {
    let zero_for_one = pool.key.tokens[0] == token_in;
    let price = match &pool.book {
        Book::ConstantProduct([zero, one]) => f64::from(*one) / f64::from(*zero),
        Book::Concentrated(book) => (f64::from(book.sqrt_price_x96) / 2_f64.powi(96)).powi(2),
    };
    let rate = if zero_for_one { price } else { 1.0 / price };
    rate * (1.0 - f64::from(pool.key.fee_ppm) / 1e6)
}

fn best_input(pools: &[PoolSnapshot], route: &[Step]) -> Option<Best> {
    let rates: Vec<f64> = route.iter().map(|(pool, token)| marginal_rate(&pools[*pool], *token)).collect();
    let rate: f64 = rates.iter().product();
    // An empty pool has no rate.
    if rate.is_nan() || rate <= 1.0 - RATE_SLACK {
        return None;
    }
    let cycle = Cycle { pools, route };
    let (low, high) = cycle.bracket(rounding_loss(&rates))?;
    let mut best = Best::default();
    cycle.section_search(low, high, &mut best);
    (!best.gain.is_zero()).then_some(best)
}

/// More raw units of the profit token than a route can lose to rounding, from the rates behind each hop.
fn rounding_loss(rates: &[f64]) -> f64 {
    let behind = (0..rates.len()).map(|hop| rates[hop + 1..].iter().product::<f64>());
    1_000.0 * (1.0 + behind.sum::<f64>())
}

/// The best input so far. Only gains above zero are kept.
#[derive(Default)]
struct Best {
    amount_in: U256,
    gain: U256,
}

impl Best {
    fn offer(&mut self, amount_in: U256, amount_out: Option<U256>) {
        let gain = amount_out.unwrap_or_default().saturating_sub(amount_in);
        if gain > self.gain {
            *self = Self { amount_in, gain };
        }
    }
}

struct Cycle<'a> {
    pools: &'a [PoolSnapshot],
    route: &'a [Step],
}

impl Cycle<'_> {
    fn amount_out(&self, amount_in: U256) -> Option<U256> {
        self.amount_after(self.route.len(), amount_in)
    }

    fn amount_after(&self, hops: usize, amount_in: U256) -> Option<U256> {
        self.route[..hops]
            .iter()
            .try_fold(amount_in, |amount, (pool, token)| quote_exact_in(&self.pools[*pool], *token, amount))
    }

    /// Gain above zero or loss below, so that inputs compare; an input that a pool cannot take loses most.
    fn score(&self, amount_in: U256, best: &mut Best) -> Score {
        let amount_out = self.amount_out(amount_in);
        best.offer(amount_in, amount_out);
        amount_out.map_or(Score::MIN, |out| Score::of(out, amount_in))
    }

    /// Bounds of the best input. Doubles the input until the route loses more than rounding explains: the curve of profit is
    /// concave, so it never recovers beyond. The best power of two is then at most one doubling from the top.
    fn bracket(&self, rounding_loss: f64) -> Option<(U256, U256)> {
        let mut best = Best::default();
        for bit in 0..INPUT_BITS {
            let amount_in = U256::from(1) << bit;
            let score = self.score(amount_in, &mut best);
            if score.is_loss_above(rounding_loss) {
                break;
            }
        }
        (!best.gain.is_zero()).then(|| (best.amount_in >> 1, best.amount_in << 1))
    }

    /// Section search on `low..=high`. Where the integer curve is ragged, a wrong turn costs no more than the raggedness.
    fn section_search(&self, mut low: U256, mut high: U256, best: &mut Best) {
        while high - low > U256::from(SCAN_WIDTH_MAX) {
            let third = (high - low) / U256::from(3);
            let (left, right) = (low + third, high - third);
            if self.score(left, best) < self.score(right, best) {
                low = left;
            } else {
                high = right;
            }
        }
        while low <= high {
            self.score(low, best);
            low += U256::from(1);
        }
    }

    /// Output moves in steps where an intermediate token is coarse: the least input that buys a step is the only one on it
    /// worth paying. Tries such inputs for the steps round the best one.
    fn refine(&self, best: &mut Best) {
        let centre = best.amount_in;
        for hops in 1..self.route.len() {
            let Some(reached) = self.amount_after(hops, centre) else { continue };
            let first = reached.saturating_sub(U256::from(REFINE_STEPS)).max(U256::from(1));
            for offset in 0..=2 * REFINE_STEPS {
                let wanted = first + U256::from(offset);
                let least = self.least_input(hops, wanted, centre);
                self.score(least, best);
            }
        }
    }

    /// Least input with which the first `hops` hops give `wanted`, near `centre`.
    fn least_input(&self, hops: usize, wanted: U256, centre: U256) -> U256 {
        let (mut low, mut high) = (centre >> 1, centre << 1);
        while low < high {
            let middle = (low + high) >> 1;
            if self.amount_after(hops, middle).is_none_or(|amount| amount >= wanted) {
                high = middle;
            } else {
                low = middle + U256::from(1);
            }
        }
        low
    }

    fn describe(&self, best: &Best) -> Option<BestCycle> {
        let hops = self.route.iter().map(|(position, token_in)| {
            let pool = &self.pools[*position];
            let token_out = pool.other_token(*token_in)?;
            Some(CycleHop { pool: pool.key.address, token_in: *token_in, token_out, kind: pool.key.kind })
        });
        Some(BestCycle {
            hops: hops.collect::<Option<_>>()?,
            amount_in: best.amount_in,
            amount_out: best.amount_in + best.gain,
        })
    }
}

/// A signed gain, shifted so that it compares as an unsigned number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Score(Uint<320, 5>);

impl Score {
    const MIN: Self = Self(Uint::ZERO);

    fn zero() -> Uint<320, 5> {
        Uint::from(1) << 300
    }

    fn of(amount_out: U256, amount_in: U256) -> Self {
        Self(Self::zero() + Uint::from(amount_out) - Uint::from(amount_in))
    }

    fn is_loss_above(self, limit: f64) -> bool {
        f64::from(Self::zero().saturating_sub(self.0)) > limit
    }
}

#[cfg(test)]
#[path = "search_tests.rs"]
mod tests;
