//! What pools would trade at given prices, each for itself, and how that changes with the prices.

use alphapulse_protocol::TokenId;
use alphapulse_protocol::message::PoolKind;

use crate::market::{HotLine, Market};
use crate::search::certificate::ROUNDING;
use crate::search::worth::Trade;

/// The best trade one way through a pool at prices of the token in and out, or an estimate of it.
pub(super) type BestTrade = fn(&Market, &HotLine, [f64; 2]) -> Option<Trade>;

/// Places of lines among the market's, of one pool: one of them is traded.
pub(crate) type Lines = core::ops::Range<usize>;

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
    /// The same after so much for each pool that is traded.
    pub(super) bound_after_costs: f64,
    /// By how much rounding may have made the gain more or less.
    pub(super) noise: f64,
    /// By token: value of what they bring of it, less that of what they take.
    pub(super) surplus: Vec<f64>,
    /// By token: value of what they bring and take of it.
    pub(super) volume: Vec<f64>,
}

impl Flows {
    /// The best trade of each of these bunches of lines, at prices by token; tokens without one have 0, and ways over them are passed over.
    /// `cost` is what each trade costs besides.
    pub(super) fn trade(&mut self, market: &Market, pools: &[Lines], prices: &[f64], (best, cost): (BestTrade, f64)) {
        self.all.clear();
        (self.gain, self.bound, self.bound_after_costs, self.noise) = (0.0, 0.0, 0.0, 0.0);
        for by_token in [&mut self.surplus, &mut self.volume] {
            by_token.clear();
            by_token.resize(prices.len(), 0.0);
        }
        for places in pools {
            let lines = places.clone().zip(market.all_lines().get(places.clone()).unwrap_or(&[]));
            let mut most = 0.0_f64;
            let mut dearest: Option<Flow> = None;
            for (place, line) in lines {
                let Some(trade) = trade(market, line, prices, best) else {
                    most = most.max(rounded_away(line, prices));
                    continue;
                };
                let flow = Flow { place, token_in: line.token_in, token_out: line.token_out, trade };
                most = most.max(flow.most());
                // A pool is traded once, where something is made: of a fee that moves a bound may be known and no trade.
                if trade.is_good() && dearest.is_none_or(|known| trade.made > known.trade.made) {
                    dearest = Some(flow);
                }
            }
            self.bound += most;
            self.bound_after_costs += (most - cost).max(0.0);
            dearest.into_iter().for_each(|flow| self.add(flow, prices));
        }
    }

    fn add(&mut self, flow: Flow, prices: &[f64]) {
        let (token_in, token_out) = (flow.token_in.index(), flow.token_out.index());
        let (taken, brought) = (prices[token_in] * flow.trade.input, prices[token_out] * flow.trade.output);
        self.gain += flow.trade.made;
        self.noise += flow.trade.noise + flow.trade.volume * FLOAT;
        self.surplus[token_in] -= taken;
        self.surplus[token_out] += brought;
        self.volume[token_in] += taken;
        self.volume[token_out] += brought;
        self.all.push(flow);
    }

    /// By how much the gain changes where each price rises by a part of itself that `steps` has.
    pub(super) fn slope(&self, steps: &[f64]) -> f64 {
        self.surplus.iter().zip(steps).map(|(surplus, step)| surplus * step).sum()
    }
}

/// Most that a pool in band gives because its fee is rounded down: nearly a unit of the input may go in without.
fn rounded_away(line: &HotLine, prices: &[f64]) -> f64 {
    let is_rounded = matches!(line.kind(), PoolKind::SolidlyVolatile | PoolKind::SolidlyStable);
    prices.get(line.token_in.index()).copied().filter(|_| is_rounded && line.is_admitted()).unwrap_or(0.0)
}

fn trade(market: &Market, line: &HotLine, prices: &[f64], best: BestTrade) -> Option<Trade> {
    let of_line = [line.token_in, line.token_out].map(|token| prices.get(token.index()).copied().unwrap_or(0.0));
    if of_line.contains(&0.0) {
        return None;
    }
    best(market, line, of_line)
}
