//! Prices at which what the pools' best trades gain together is least, by Newton's method.
//!
//! The gain is convex in the prices. Its slope in a token's price is what the trades bring of the token less what they take, so where it is
//! least they balance: the trades are then the best that can be made together. How they change with prices is a network: a pool joins its two
//! tokens, by as much value more as goes in where their rate rises by a part.

use alphapulse_protocol::TokenId;
use alphapulse_protocol::message::PoolKind;

use super::flows::{BestTrade, Flows, Lines};
use super::network::Network;
use crate::market::{HotLine, Market};

/// Most that a price moves in a step, as a power of e.
const STEP_MAX: f64 = 0.5;
/// Places tried along a step.
const TRIES_MAX: usize = 40;
/// A step that brings the slope down to this part of what it was goes far enough.
const SLOPE_LEFT: f64 = 0.25;
/// Trades balance where they do to this part of what is traded.
const BALANCED: f64 = 1e-13;
/// Raw units of gain below which there is nothing.
const GAIN_MIN: f64 = 1.0;
/// What a step promises, as a part of the gain, below which none is made.
const PROMISE_MIN: f64 = 1e-13;
/// What holds prices back where no pool does, as a part of what is traded: at first, and its bounds.
const DAMPING: f64 = 1e-6;
const DAMPING_BOUNDS: (f64, f64) = (1e-12, 1e3);

/// What a look costs at a pool whose trade is found by quotes, beside one of ranges.
pub(super) const CURVE_LOOKS: u64 = 64;

/// Halvings of an exponent until few terms of the series are enough, and those.
const EXP_HALVINGS: i32 = 7;
const EXP_TERMS: [f64; 7] = [1.0 / 5040.0, 1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5, 1.0];

/// e to some small power. What a machine's library gives differs in its last bits from machine to machine, and amounts follow prices: a run
/// has to decide the same where it is replayed.
fn exp(power: f64) -> f64 {
    let small = power / f64::from(1 << EXP_HALVINGS);
    let less_one = EXP_TERMS.iter().fold(0.0, |sum, term| (sum + term) * small);
    // Squared as what it is more than one, whose digits would be lost beside the one.
    (0..EXP_HALVINGS).fold(less_one, |more, _| more * (2.0 + more)) + 1.0
}

/// Prices, and what is traded at them.
#[derive(Debug, Clone, Default)]
pub(super) struct Place {
    prices: Vec<f64>,
    flows: Flows,
}

impl Place {
    /// What is gained less so much for each trade.
    pub(super) fn net(&self, cost: f64) -> f64 {
        self.flows.gain - cost * self.flows.all.len() as f64
    }
}

/// Prices on their way down, and what the pools trade at them.
#[derive(Debug)]
pub(crate) struct Descent<'a> {
    market: &'a Market,
    /// Token in which all is told, at a price of 1.
    unit: TokenId,
    best: BestTrade,
    now: Place,
    /// Steps made.
    pub(super) steps: usize,
    tried: Place,
    network: Network,
    step: Vec<f64>,
    /// Looks at pools that it may still take.
    looks_left: u64,
}

impl<'a> Descent<'a> {
    /// From prices by token, of which that of `unit` stays.
    pub(crate) fn new(market: &'a Market, unit: TokenId, prices: Vec<f64>, best: BestTrade) -> Self {
        let (flows, tried) = Default::default();
        Self {
            market,
            unit,
            best,
            now: Place { prices, flows },
            steps: 0,
            tried,
            network: Network::default(),
            step: Vec::new(),
            looks_left: u64::MAX,
        }
    }

    /// The same, which goes no further once so many looks at pools were taken, each at one that is no sequence of ranges counted as
    /// [`CURVE_LOOKS`]. It may stand anywhere then.
    pub(super) fn within(mut self, looks: u64) -> Self {
        self.looks_left = looks;
        self
    }

    /// Looks that it may still take.
    pub(super) const fn looks_left(&self) -> u64 {
        self.looks_left
    }

    /// Counts a quote of each of so many trades.
    pub(super) const fn count(&mut self, trades: usize) {
        if self.looks_left != u64::MAX {
            self.looks_left = self.looks_left.saturating_sub(trades as u64);
        }
    }

    /// Whether it took all the looks that it may.
    pub(super) const fn is_spent(&self) -> bool {
        self.looks_left == 0
    }

    fn spend(&mut self, pools: &[Lines]) {
        if self.looks_left != u64::MAX {
            let lines = |places: &Lines| self.market.all_lines().get(places.clone()).unwrap_or(&[]);
            let is_curve = |line: &HotLine| {
                !matches!(line.kind(), PoolKind::UniswapV2 | PoolKind::UniswapV3 | PoolKind::UniswapV4)
            };
            let look = |places: &Lines| if lines(places).iter().any(is_curve) { CURVE_LOOKS } else { 1 };
            self.looks_left = self.looks_left.saturating_sub(pools.iter().map(look).sum());
        }
    }

    /// By token; 0 for those that are no part of it.
    pub(crate) fn prices(&self) -> &[f64] {
        &self.now.prices
    }

    pub(super) const fn flows(&self) -> &Flows {
        &self.now.flows
    }

    /// Where it stands, to return to.
    pub(super) fn place(&self) -> Place {
        self.now.clone()
    }

    pub(super) fn return_to(&mut self, place: Place) {
        self.now = place;
    }

    /// What is gained less so much for each trade, as far as it balances.
    pub(super) fn net(&self, cost: f64) -> f64 {
        self.now.net(cost) - self.imbalance()
    }

    /// What these pools gain at most at the present prices, and after so much for each that is traded.
    pub(super) fn bounds_of(&self, pools: &[Lines], cost: f64) -> [f64; 2] {
        let mut flows = Flows::default();
        flows.trade(self.market, pools, &self.now.prices, (self.best, cost));
        [flows.bound, flows.bound_after_costs]
    }

    /// What each of the pools gains that are traded, with the place of its line.
    pub(super) fn trades(&self) -> impl Iterator<Item = (f64, usize)> {
        self.now.flows.all.iter().map(|flow| (flow.trade.made, flow.place))
    }

    /// Goes down for these pools, as far as it goes in so many steps.
    pub(crate) fn settle(&mut self, pools: &[Lines], steps_max: usize) {
        self.now.flows.trade(self.market, pools, &self.now.prices, (self.best, 0.0));
        let mut damping = DAMPING;
        self.spend(pools);
        for _ in 0..steps_max {
            if self.is_spent() {
                return;
            }
            let volume: f64 = self.now.flows.volume.iter().sum();
            if self.imbalance() <= BALANCED * volume || self.now.flows.gain < GAIN_MIN {
                return;
            }
            self.aim(damping);
            let promise = -self.now.flows.slope(&self.step);
            // Numbers beyond floats are no promise.
            if promise.is_nan() || promise <= PROMISE_MIN * self.now.flows.gain {
                return;
            }
            let Some(part) = self.go(pools) else {
                if damping >= DAMPING_BOUNDS.1 {
                    return;
                }
                damping *= 100.0;
                continue;
            };
            self.steps += 1;
            damping = if part >= 0.5 { damping * 0.1 } else { damping * 4.0 };
            damping = damping.clamp(DAMPING_BOUNDS.0, DAMPING_BOUNDS.1);
        }
    }

    /// Value of what is brought and not taken, or the other way, in tokens other than the unit.
    pub(super) fn imbalance(&self) -> f64 {
        let all: f64 = self.now.flows.surplus.iter().map(|surplus| surplus.abs()).sum();
        all - self.now.flows.surplus[self.unit.index()].abs()
    }

    /// Newton's step, in parts of each price.
    fn aim(&mut self, damping: f64) {
        self.join();
        for (token, surplus) in self.surpluses() {
            self.network.feed(token.0, -surplus);
            self.network.ground(token.0, damping * self.now.flows.volume[token.index()]);
        }
        self.solve();
    }

    /// Makes the network of how trades change with prices.
    fn join(&mut self) {
        self.network.reset(self.now.prices.len());
        let unit = self.unit;
        for flow in &self.now.flows.all {
            let stiffness = flow.trade.stiffness;
            match (flow.token_in == unit, flow.token_out == unit) {
                (true, _) => self.network.ground(flow.token_out.0, stiffness),
                (_, true) => self.network.ground(flow.token_in.0, stiffness),
                _ => self.network.join(flow.token_in.0, flow.token_out.0, stiffness),
            }
        }
    }

    /// Of each token that is traded, but the unit.
    fn surpluses(&self) -> Vec<(TokenId, f64)> {
        let Flows { surplus, volume, .. } = &self.now.flows;
        let tokens = (0..).map(TokenId).zip(surplus.iter().copied().zip(volume));
        let traded = tokens.filter(|(token, (_, volume))| *token != self.unit && **volume > 0.0);
        traded.map(|(token, (surplus, _))| (token, surplus)).collect()
    }

    fn solve(&mut self) {
        self.network.solve(&mut self.step);
        self.step.iter_mut().for_each(|step| *step = step.clamp(-STEP_MAX, STEP_MAX));
    }

    /// Moves prices by so little that the trades bring so many raw units more of some tokens than they take; each by a part of itself of `most`
    /// at most.
    pub(super) fn lean(&mut self, pools: &[Lines], more: impl Iterator<Item = (TokenId, f64)>, most: f64) {
        self.join();
        for (token, surplus) in self.surpluses() {
            self.network.feed(token.0, -surplus);
            self.network.ground(token.0, DAMPING_BOUNDS.0 * self.now.flows.volume[token.index()]);
        }
        for (token, more) in more {
            self.network.feed(token.0, more * self.now.prices[token.index()]);
        }
        self.solve();
        self.step.iter_mut().for_each(|step| *step = step.clamp(-most, most));
        self.try_part(pools, 1.0);
        core::mem::swap(&mut self.now, &mut self.tried);
    }

    /// Goes along the step, whole or in part, to where it gets on. Gives the part; `None` where it does not.
    fn go(&mut self, pools: &[Lines]) -> Option<f64> {
        let (start, slope) = (self.now.flows.gain, self.now.flows.slope(&self.step));
        let noise = self.now.flows.noise;
        let (mut near, mut far) = ((0.0, slope), None::<(f64, f64)>);
        let mut part = 1.0;
        let (mut best, mut last) = (None, part);
        for _ in 0..TRIES_MAX {
            self.try_part(pools, part);
            last = part;
            let (gain, now) = (self.tried.flows.gain, self.tried.flows.slope(&self.step));
            let is_down = gain <= start + noise && now.abs() < slope.abs();
            if is_down || gain < start {
                best = Some(part);
                if now.abs() <= SLOPE_LEFT * slope.abs() || (now < 0.0 && far.is_none()) {
                    break;
                }
            }
            if now < 0.0 {
                near = (part, now);
            } else {
                far = Some((part, now));
            }
            let (end, rise) = far.unwrap_or((part * 2.0, 0.0));
            // Where the line through both slopes is level, but not at an end.
            let level = near.0 + (end - near.0) * (near.1 / (near.1 - rise));
            part = level.clamp(near.0 + 0.05 * (end - near.0), end - 0.05 * (end - near.0));
        }
        let found = best?;
        if found != last {
            self.try_part(pools, found);
        }
        core::mem::swap(&mut self.now, &mut self.tried);
        Some(found)
    }

    fn try_part(&mut self, pools: &[Lines], part: f64) {
        self.spend(pools);
        let Place { prices, flows } = &mut self.tried;
        prices.clear();
        prices.extend(self.now.prices.iter().zip(&self.step).map(|(price, step)| price * exp(part * step)));
        flows.trade(self.market, pools, prices, (self.best, 0.0));
    }
}

#[cfg(test)]
mod tests {
    use super::exp;

    #[test]
    fn e_to_a_power_is_the_library_s_but_for_its_last_bits() {
        for at in -4_000..=4_000 {
            let power = f64::from(at) / 1_000.0;
            assert!((exp(power) / power.exp() - 1.0).abs() < 1e-13, "{power}");
        }
        assert_eq!(exp(0.0).to_bits(), 1.0_f64.to_bits());
    }
}
