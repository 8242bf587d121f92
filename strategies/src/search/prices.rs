//! One price for each token, so that pools which disagree stand out.
//!
//! Pools tell rates between two tokens. Prices that nearly all of them agree with are the dual variables of the search: at such prices
//! a pool whose rate is within its fee of theirs gains nobody anything, and what the others can give bounds every route.

use std::collections::BinaryHeap;

use alphapulse_protocol::{PoolId, TokenId};

use super::worth::likely_trade;
use crate::joint::Descent;
use crate::market::{HotLine, Market};
use crate::pool::Mobius;

/// Steps of all prices. Worse prices cost a looser bound and no more.
const STEPS_MAX: usize = 100;

/// What a raw unit of each token is worth, in raw units of the first one that was asked for; where pools do not connect the two, of the
/// first one that they connect it to, its unit.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Prices {
    /// By token id; 0 where no pool leads to it.
    values: Vec<f64>,
    /// By token id; the token itself where it has no price.
    units: Vec<TokenId>,
}

impl Prices {
    /// Prices of the tokens that pools connect to one of `bases`, of which the first is worth 1.
    ///
    /// Each token is priced along the deepest pools first; then all are moved to where what the pools are worth together is least. The result
    /// depends on the market's state alone. Cost: mostly less than a hundred looks at every pool; not for the path of a message.
    #[must_use]
    pub fn fit(market: &Market, bases: &[TokenId]) -> Self {
        let (mut prices, units) = Self::spread_out(market, bases);
        units.into_iter().for_each(|unit| prices.settle(market, unit));
        prices
    }

    /// The same without the second step: each token along the deepest pools alone. Cost: one look at every pool.
    #[must_use]
    pub fn along(market: &Market, bases: &[TokenId]) -> Self {
        Self::spread_out(market, bases).0
    }

    /// Of these values by token, all in one unit; 0 where there is none.
    pub(crate) fn from_values(values: Vec<f64>, unit: TokenId) -> Self {
        let unit_of = |(token, value): (TokenId, &f64)| if *value > 0.0 { unit } else { token };
        let units = (0..).map(TokenId).zip(&values).map(unit_of).collect();
        Self { values, units }
    }

    /// Prices along the deepest pools, and the tokens that are units.
    fn spread_out(market: &Market, bases: &[TokenId]) -> (Self, Vec<TokenId>) {
        let count = market.replica().tokens().len();
        let mut prices = Self { values: vec![0.0; count], units: (0..).map(TokenId).take(count).collect() };
        // One that pools connect to an earlier one is priced by it.
        let mut units = Vec::new();
        for base in bases {
            if prices.values.get(base.index()) == Some(&0.0) {
                units.push(*base);
                prices.values[base.index()] = 1.0;
                prices.spread_from(market, *base);
            }
        }
        (prices, units)
    }

    /// What a raw unit of the token is worth; `None` where no pool that sells leads to it.
    #[must_use]
    pub fn of(&self, token: TokenId) -> Option<f64> {
        self.values.get(token.index()).copied().filter(|value| *value > 0.0)
    }

    /// What a raw unit of the token is worth; 0 where no pool leads to it.
    #[inline]
    pub(super) fn value(&self, token: TokenId) -> f64 {
        self.values.get(token.index()).copied().unwrap_or(0.0)
    }

    /// Prices what has no price, along the deepest pools, and leaves all others as they are. Whether any got one that pools were read
    /// without.
    pub(crate) fn extend(&mut self, market: &Market, bases: &[TokenId]) -> bool {
        let count = market.replica().tokens().len();
        self.units.truncate(count);
        self.values.resize(count, 0.0);
        self.units.extend((0..).map(TokenId).take(count).skip(self.units.len()));
        let before = self.count();
        for base in bases.iter().filter(|base| base.index() < count) {
            if self.value(*base) == 0.0 {
                self.values[base.index()] = 1.0;
                self.units[base.index()] = *base;
            }
        }
        let mut open = BinaryHeap::new();
        for token in (0..).map(TokenId).take(count).filter(|token| self.value(*token) > 0.0) {
            self.open(market, token, &mut open);
        }
        self.spread(market, open);
        self.count() > before
    }

    /// Makes every price up to a thousand times too high or too low.
    #[cfg(test)]
    pub(super) fn spoil(&mut self, seed: u64) {
        let mut state = seed + 1;
        for value in &mut self.values {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *value *= 10_f64.powf((state >> 40) as f64 / f64::from(1 << 24) * 6.0 - 3.0);
        }
    }

    /// The token in whose raw units its price is.
    #[must_use]
    pub fn unit_of(&self, token: TokenId) -> Option<TokenId> {
        self.of(token).map(|_| self.units[token.index()])
    }

    /// Of the tokens in and out of a way through a pool; 0 where there is none.
    pub(super) fn of_line(&self, line: &HotLine) -> [f64; 2] {
        [line.token_in, line.token_out].map(|token| self.of(token).unwrap_or(0.0))
    }

    /// How many tokens have one.
    #[must_use]
    pub fn count(&self) -> usize {
        self.values.iter().filter(|value| **value > 0.0).count()
    }

    /// Prices every token that can be reached, over the deepest pool to one that is priced already.
    fn spread_from(&mut self, market: &Market, base: TokenId) {
        let mut open = BinaryHeap::new();
        self.open(market, base, &mut open);
        self.spread(market, open);
    }

    fn spread(&mut self, market: &Market, mut open: BinaryHeap<Step>) {
        while let Some(Step { token, value, unit, .. }) = open.pop() {
            if self.values[token.index()] == 0.0 {
                (self.values[token.index()], self.units[token.index()]) = (value, unit);
                self.open(market, token, &mut open);
            }
        }
    }

    fn open(&self, market: &Market, token: TokenId, open: &mut BinaryHeap<Step>) {
        let (from, unit) = (self.values[token.index()], self.units[token.index()]);
        for edge in market.graph().edges(token) {
            if self.value(edge.token_out) > 0.0 {
                continue;
            }
            let [there, back] = [edge.way, edge.way.reversed()].map(|way| market.rate(edge.pool, way));
            if let Some(step) = Step::new((edge.token_out, unit), from, [there, back]) {
                open.push(step);
            }
        }
    }

    /// Moves the prices of one unit to where its pools are worth least, by an estimate of each.
    fn settle(&mut self, market: &Market, unit: TokenId) {
        let is_of_it = |(value, of): (&f64, &TokenId)| if *of == unit { *value } else { 0.0 };
        let values: Vec<f64> = self.values.iter().zip(&self.units).map(is_of_it).collect();
        let pools = (0..).map(PoolId).take(market.replica().pools().len());
        let traded = pools.filter(|pool| market.is_admitted(*pool)).map(|pool| market.line_places(pool));
        let mut descent = Descent::new(market, unit, values, likely_trade);
        descent.settle(&traded.collect::<Vec<_>>(), STEPS_MAX);
        for (value, settled) in self.values.iter_mut().zip(descent.prices()).filter(|(_, settled)| **settled > 0.0) {
            *value = *settled;
        }
    }
}

/// Least curvature that tells depths apart.
const FLAT: f64 = 1e-60;

/// A way to price a token, deepest first.
#[derive(Debug, Clone, Copy)]
struct Step {
    /// Value of what the pool holds, more or less.
    depth: f64,
    token: TokenId,
    value: f64,
    unit: TokenId,
}

impl Step {
    /// Over a pool whose rates there and back these are: between them, its fee falls out. One that sells one way only is priced by that.
    fn new((token, unit): (TokenId, TokenId), from: f64, [there, back]: [Mobius; 2]) -> Option<Self> {
        let value = match (there.g > 0.0, back.g > 0.0) {
            (true, true) => from / (there.g / back.g).sqrt(),
            (true, false) => from / there.g,
            (false, true) => from * back.g,
            (false, false) => return None,
        };
        // A curve may be flat at its middle, or bent the other way by its fee: it is deep.
        let depth = if there.g > 0.0 { from / there.h.max(FLAT) } else { value / back.h.max(FLAT) };
        (value.is_normal() && depth > 0.0).then_some(Self { depth, token, value, unit })
    }
}

impl PartialEq for Step {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Step {}

impl PartialOrd for Step {
    fn partial_cmp(&self, other: &Self) -> Option<core::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Step {
    /// Equal depths are settled by what they lead to, so that the order of pools does not matter.
    fn cmp(&self, other: &Self) -> core::cmp::Ordering {
        let by_depth = self.depth.total_cmp(&other.depth);
        by_depth.then(other.token.cmp(&self.token)).then(self.value.total_cmp(&other.value))
    }
}
