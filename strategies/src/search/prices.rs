//! One price for each token, so that pools which disagree stand out.
//!
//! Pools tell rates between two tokens. Prices that nearly all of them agree with are the dual variables of the search: at such prices
//! a pool whose rate is within its fee of theirs gains nobody anything, and what the others can give bounds every route.

use std::collections::BinaryHeap;

use alphapulse_protocol::TokenId;

use super::worth::best_trade;
use crate::market::{HotLine, Market};
use crate::pool::Mobius;

/// Rounds over all tokens. Worse prices cost a looser bound and no more.
const ROUNDS_MAX: usize = 32;
/// Part by which the sum must still fall for another round.
const PROGRESS_MIN: f64 = 1e-6;
/// First step of a price, as a part of it, and the factor by which a price is given up to move.
const STEP: f64 = 1e-5;
const STEP_MAX: f64 = 1e3;
/// Halvings of a step: what is left of it is below the precision of a float.
const HALVINGS: usize = 60;

/// What a raw unit of each token is worth, in raw units of the first one that was asked for; where pools do not connect the two, of the
/// first one that they connect it to, its unit.
#[derive(Debug, Clone, PartialEq)]
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
    /// on the market's state alone. Cost: a token whose pools disagree is tried at up to ninety prices in each of up to 32 rounds, each of
    /// them a look at every pool that it has; not for the path of a message.
    #[must_use]
    pub fn fit(market: &Market, bases: &[TokenId]) -> Self {
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
        prices.settle(market, &units);
        prices
    }

    /// What a raw unit of the token is worth; `None` where no pool leads to it.
    #[must_use]
    pub fn of(&self, token: TokenId) -> Option<f64> {
        self.values.get(token.index()).copied().filter(|value| *value > 0.0)
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
        while let Some(Step { token, value, .. }) = open.pop() {
            if self.values[token.index()] == 0.0 {
                (self.values[token.index()], self.units[token.index()]) = (value, base);
                self.open(market, token, &mut open);
            }
        }
    }

    fn open(&self, market: &Market, token: TokenId, open: &mut BinaryHeap<Step>) {
        let from = self.values[token.index()];
        for edge in market.graph().edges(token) {
            let [there, back] = [edge.zero_for_one, !edge.zero_for_one].map(|way| market.rate(edge.pool, way));
            if let Some(step) = Step::new(edge.token_out, from, there, back) {
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
        let trades = market.all_lines().iter().filter_map(|line| best_trade(market, line, self.of_line(line)));
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
            for line in market.lines(edge.pool) {
                if line.token_in == token
                    && let Some(trade) = best_trade(market, line, [value, price(line.token_out)])
                {
                    surplus -= trade.input;
                }
                if line.token_out == token
                    && let Some(trade) = best_trade(market, line, [price(line.token_in), value])
                {
                    surplus += trade.output;
                }
            }
        }
        surplus
    }
}

/// A way to price a token, deepest first.
#[derive(Debug, Clone, Copy)]
struct Step {
    /// Value of what the pool holds, more or less.
    depth: f64,
    token: TokenId,
    value: f64,
}

impl Step {
    /// Over a pool whose rates there and back these are: between them, its fee falls out. One that sells one way only is priced by that.
    fn new(token: TokenId, from: f64, there: Mobius, back: Mobius) -> Option<Self> {
        let value = match (there.g > 0.0, back.g > 0.0) {
            (true, true) => from / (there.g / back.g).sqrt(),
            (true, false) => from / there.g,
            (false, true) => from * back.g,
            (false, false) => return None,
        };
        let depth = if there.g > 0.0 { from / there.h } else { value / back.h };
        (value.is_normal() && depth > 0.0).then_some(Self { depth, token, value })
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
