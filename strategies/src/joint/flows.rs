//! What pools would trade at given prices, each for itself, and how that changes with the prices.

use alphapulse_protocol::TokenId;

use crate::market::{HotLine, Market};
use crate::search::certificate::ROUNDING;
use crate::search::worth::{Trade, best_trade};

/// Places of lines among the market's, of one pool: one of them is traded.
pub(super) type Lines = core::ops::Range<usize>;

/// What float rounding may hide of one trade's gain, as a part of what is traded.
const FLOAT: f64 = 1e-15;

/// The best trade through one pool.
#[derive(Debug, Clone, Copy)]
pub(super) struct Flow {
    /// Where its line lies among the market's.
    pub(super) place: usize,
    pub(super) token_in: TokenId,
    pub(super) token_out: TokenId,
    pub(super) trade: Trade,
}

impl Flow {
    /// What it gains at most.
    fn most(&self) -> f64 {
        self.trade.gain + self.trade.volume * ROUNDING
    }
}

/// All pools' best trades at some prices. Values are in raw units of the token that the prices are told in.
#[derive(Debug, Clone, Default)]
pub(super) struct Flows {
    pub(super) all: Vec<Flow>,
    /// What they gain together, each for itself.
    pub(super) gain: f64,
    /// No trades that balance gain more (weak duality). More than `gain` where a curve is known by some quotes only.
    pub(super) bound: f64,
    /// By how much rounding may have made the gain more or less.
    pub(super) noise: f64,
    /// By token: value of what they bring of it, less that of what they take.
    pub(super) surplus: Vec<f64>,
    /// By token: value of what they bring and take of it.
    pub(super) volume: Vec<f64>,
}

impl Flows {
    /// The best trade of each of these bunches of lines, at prices by token; tokens without one have 0, and ways over them are passed over.
    pub(super) fn trade(&mut self, market: &Market, pools: &[Lines], prices: &[f64]) {
        self.all.clear();
        (self.gain, self.bound, self.noise) = (0.0, 0.0, 0.0);
        for by_token in [&mut self.surplus, &mut self.volume] {
            by_token.clear();
            by_token.resize(prices.len(), 0.0);
        }
        for places in pools {
            let lines = places.clone().zip(market.all_lines().get(places.clone()).unwrap_or(&[]));
            let best = lines.filter_map(|(place, line)| Some((place, line, trade(market, line, prices)?)));
            // A pool is traded once.
            let best = best.reduce(|best, other| if other.2.gain > best.2.gain { other } else { best });
            if let Some((place, line, trade)) = best {
                self.add(Flow { place, token_in: line.token_in, token_out: line.token_out, trade }, prices);
            }
        }
    }

    fn add(&mut self, flow: Flow, prices: &[f64]) {
        let (token_in, token_out) = (flow.token_in.index(), flow.token_out.index());
        let (taken, brought) = (prices[token_in] * flow.trade.input, prices[token_out] * flow.trade.output);
        self.gain += flow.trade.made;
        self.bound += flow.most();
        self.noise += flow.trade.noise + flow.trade.volume * FLOAT;
        self.surplus[token_in] -= taken;
        self.surplus[token_out] += brought;
        self.volume[token_in] += taken;
        self.volume[token_out] += brought;
        self.all.push(flow);
    }

    /// What the trades gain at most beyond so much for each.
    pub(super) fn bound_beyond(&self, cost: f64) -> f64 {
        self.all.iter().map(|flow| (flow.most() - cost).max(0.0)).sum()
    }

    /// By how much the gain changes where each price rises by a part of itself that `steps` has.
    pub(super) fn slope(&self, steps: &[f64]) -> f64 {
        self.surplus.iter().zip(steps).map(|(surplus, step)| surplus * step).sum()
    }
}

fn trade(market: &Market, line: &HotLine, prices: &[f64]) -> Option<Trade> {
    let of_line = [line.token_in, line.token_out].map(|token| prices.get(token.index()).copied().unwrap_or(0.0));
    if of_line.contains(&0.0) {
        return None;
    }
    best_trade(market, line, of_line)
}
