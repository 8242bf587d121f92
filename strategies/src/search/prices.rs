//! One price for each token, so that pools which disagree stand out.
//!
//! Pools tell rates between two tokens. Prices that nearly all of them agree with are the dual variables of the search: at such prices
//! a pool whose rate is within its fee of theirs gains nobody anything, and what the others can give bounds every route.

use std::collections::BinaryHeap;

use alphapulse_protocol::TokenId;

use super::worth::likely_trade;
use crate::market::{HotLine, Market};
use crate::pool::Mobius;

/// Rounds over all tokens. Worse prices cost a looser bound and no more.
const ROUNDS_MAX: usize = 16;
/// Part by which the sum must still fall for another round.
const PROGRESS_MIN: f64 = 1e-3;
/// First step of a price, as a part of it, and the factor by which a price is given up to move.
const STEP: f64 = 1e-5;
const STEP_MAX: f64 = 1e3;
/// Halvings of a step: a billionth of it is left.
const HALVINGS: usize = 30;

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
    /// Each token is priced along the deepest pools first, then moved to where what its pools are worth is least. The result depends
    /// on the market's state alone. Cost: a token whose pools disagree is tried at up to sixty prices in each of up to 16 rounds, each of
    /// them a look at every pool that it has; not for the path of a message.
    #[must_use]
    pub fn fit(market: &Market, bases: &[TokenId]) -> Self {
        let (mut prices, units) = Self::spread_out(market, bases);
        prices.settle(market, &units);
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
    pub(super) fn extend(&mut self, market: &Market, bases: &[TokenId]) -> bool {
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

    /// Moves each token's price to where its pools are worth least, until that changes little.
    fn settle(&mut self, market: &Market, units: &[TokenId]) {
        let tokens: Vec<TokenId> =
            (0..).map(TokenId).take(self.values.len()).filter(|id| !units.contains(id)).collect();
        let mut sum = self.sum(market);
        for _ in 0..ROUNDS_MAX {
            for token in &tokens {
                self.settle_one(market, *token);
            }
            let now = self.sum(market);
            if now >= sum * (1.0 - PROGRESS_MIN) {
                return;
            }
            sum = now;
        }
    }

    /// What all pools are worth at these prices.
    fn sum(&self, market: &Market) -> f64 {
        let trades = market.all_lines().iter().filter_map(|line| likely_trade(market, line, self.of_line(line)));
        trades.map(|trade| trade.gain).sum()
    }

    /// The sum is convex in a price, and its slope is how much of the token the best trades would bring or take.
    fn settle_one(&mut self, market: &Market, token: TokenId) {
        let start = self.values[token.index()];
        if start == 0.0 {
            return;
        }
        let slope = self.surplus(market, token, start);
        if slope == 0.0 {
            return;
        }
        // Too dear where the pools would bring it, too cheap where they would take it.
        let is_dear = slope > 0.0;
        let moved = |step: f64| if is_dear { start / (1.0 + step) } else { start * (1.0 + step) };
        let is_still = |slope: f64| if is_dear { slope > 0.0 } else { slope < 0.0 };
        let (mut near, mut far) = (0.0, STEP);
        while is_still(self.surplus(market, token, moved(far))) {
            (near, far) = (far, 2.0 * far);
            if far > STEP_MAX {
                return;
            }
        }
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(near, far);
            let slope = self.surplus(market, token, moved(middle));
            if is_still(slope) {
                near = middle;
            } else {
                far = middle;
            }
            if slope == 0.0 {
                break;
            }
        }
        self.values[token.index()] = moved(far);
    }

    /// Raw units of the token that the best trades of its pools bring, less those that they take, at this price of it.
    fn surplus(&self, market: &Market, token: TokenId, value: f64) -> f64 {
        let price = |other: TokenId| self.values[other.index()];
        let mut surplus = 0.0;
        for edge in market.graph().edges(token) {
            let other = price(edge.token_out);
            let [out, back] = [edge.way, edge.way.reversed()].map(|way| market.line(edge.pool, way));
            let trade = |line: Option<&HotLine>, prices| likely_trade(market, line?, prices);
            surplus -= trade(out, [value, other]).map_or(0.0, |trade| trade.input);
            surplus += trade(back, [other, value]).map_or(0.0, |trade| trade.output);
        }
        surplus
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
