//! Closed routes by a search that stops where prices prove that nothing is left to earn.
//!
//! Every pool has a value at given prices, nearly always none: see [`Certificate`](super::Certificate). A route through a pool earns at
//! most what its hops gain, so hops are added one by one, and a route is given up as soon as what it has gathered and what the rest could
//! still add stay below what is worth reporting. Nothing above that is missed, whatever the prices; good ones make the search short.

mod gains;
mod pairs;
mod prefix;
mod shelves;
mod walk;

use core::ops::Range;

use alphapulse_protocol::{PoolId, TokenId};

use self::gains::Gains;
use self::pairs::Pairs;
use self::prefix::Prefix;
use self::shelves::Shelves;
use self::walk::{Ground, ROUNDING as ROUNDING_OF_THRESHOLD, Walk};
use super::Best;
use super::certificate::ROUNDING;
use super::prices::Prices;
use super::stamps::StampSet;
use super::worth::best_trade;
use crate::market::{HotLine, Market};
use crate::sizing::Leg;

/// Lines looked at in one search before it gives up: some seconds. That routes may be missed then is told.
const WORK_MAX: u64 = 1 << 27;

/// Lines looked at, for each that there is, after which prices are fitted anew: about what that costs, so that it at most doubles the work.
const FIT_WORK: u64 = 2_000;

/// What is kept between searches.
#[derive(Debug)]
pub(super) struct BoundedRoutes {
    hops_max: usize,
    prices: Prices,
    gains: Gains,
    shelves: Shelves,
    pairs: Pairs,
    /// Lines whose routes were all visited in this pass.
    visited: StampSet,
    /// Pools that no route may go through, until they are released.
    barred: StampSet,
    barred_pools: Vec<PoolId>,
    /// Pools whose ways are not yet written as their lines are: what proves that nothing is there needs only what they gain.
    unwritten: Vec<PoolId>,
    is_unwritten: StampSet,
    /// Room for the lines that a search begins with.
    seeds: Vec<u32>,
    /// Lines looked at since prices were fitted.
    work: u64,
}

impl BoundedRoutes {
    /// Of at most `hops_max` hops.
    pub(super) fn new(hops_max: usize) -> Self {
        Self {
            hops_max,
            prices: Prices::default(),
            gains: Gains::default(),
            shelves: Shelves::default(),
            pairs: Pairs::default(),
            visited: StampSet::default(),
            barred: StampSet::default(),
            barred_pools: Vec::new(),
            unwritten: Vec::new(),
            is_unwritten: StampSet::default(),
            seeds: Vec::new(),
            work: 0,
        }
    }

    /// Makes everything anew for a market of which nothing is known. Prices of the same tokens stay as they were: they need not be right.
    pub(super) fn rebuild(&mut self, market: &Market, bases: &[TokenId]) {
        if bases.iter().any(|base| self.prices.value(*base) == 0.0) {
            (self.prices, self.work) = (Prices::fit(market, bases), 0);
        }
        self.gains.clear();
        self.shelves.clear();
        self.pairs.clear();
        self.forget_unwritten();
        self.extend(market, bases);
        self.read(market, 0..market.all_lines().len());
    }

    /// Fits prices anew where those that there are have made searches long: the market moves away from them. Whether it did.
    pub(super) fn refit_if_due(&mut self, market: &Market, bases: &[TokenId]) -> bool {
        let is_due = self.work > FIT_WORK * market.all_lines().len() as u64;
        if is_due {
            self.prices = Prices::default();
            self.rebuild(market, bases);
        }
        is_due
    }

    /// Takes in what was added to the market. Whether that lets routes go where none went before.
    pub(super) fn extend(&mut self, market: &Market, bases: &[TokenId]) -> bool {
        let is_other = self.prices.extend(market, bases);
        self.grow(market);
        if is_other {
            self.read(market, 0..market.all_lines().len());
        }
        is_other
    }

    /// Also for pools that no route goes through: they have lines all the same.
    fn grow(&mut self, market: &Market) {
        let (lines, tokens) = (market.all_lines().len(), market.replica().tokens().len());
        self.gains.grow(lines, tokens);
        self.shelves.grow(lines, tokens);
        self.pairs.grow(lines);
        self.visited.grow(lines);
        self.barred.grow(market.replica().pools().len());
        self.is_unwritten.grow(market.replica().pools().len());
    }

    /// Reads pools again whose lines were written. Whether that lets routes go where none went before: a pool sells for the first time, to or
    /// for a token that nothing led to.
    pub(super) fn refresh(&mut self, market: &Market, pools: &[PoolId], bases: &[TokenId]) -> bool {
        self.grow(market);
        let mut is_new = false;
        for pool in pools {
            self.read_gains(market, market.line_places(*pool));
            if self.is_unwritten.insert(pool.index()) {
                self.unwritten.push(*pool);
            }
            let is_half_priced = |line: &HotLine| {
                let [price_in, price_out] = self.prices.of_line(line);
                line.bound().g > 0.0 && (price_in > 0.0) != (price_out > 0.0)
            };
            is_new |= market.lines(*pool).iter().any(is_half_priced);
        }
        is_new && self.extend(market, bases)
    }

    /// Brings what only a walk reads up to now. A look that finds nothing leaves it to who has time.
    pub(super) fn write(&mut self, market: &Market) {
        for at in 0..self.unwritten.len() {
            self.write_ways(market, market.line_places(self.unwritten[at]));
        }
        self.forget_unwritten();
    }

    fn forget_unwritten(&mut self) {
        self.unwritten.clear();
        self.is_unwritten.clear();
    }

    fn read(&mut self, market: &Market, places: Range<usize>) {
        self.read_gains(market, places.clone());
        self.write_ways(market, places);
    }

    fn read_gains(&mut self, market: &Market, places: Range<usize>) {
        for (line, place) in market.all_lines()[places.clone()].iter().zip((0_u32..).skip(places.start)) {
            let trade = self.prices_of_way(line).and_then(|prices| best_trade(market, line, prices));
            let gain = trade.map_or(0.0, |trade| trade.gain + trade.volume * ROUNDING);
            self.gains.set(place, line, gain);
        }
    }

    fn write_ways(&mut self, market: &Market, places: Range<usize>) {
        for (line, place) in market.all_lines()[places.clone()].iter().zip((0_u32..).skip(places.start)) {
            let prices = self.prices_of_way(line).unwrap_or([0.0; 2]);
            self.shelves.put(place, line, prices);
            self.pairs.put(place, line, prices);
        }
    }

    /// Without prices no route goes over a line, and one from a token to itself is no way at all.
    #[inline]
    fn prices_of_way(&self, line: &HotLine) -> Option<[f64; 2]> {
        let prices = self.prices.of_line(line);
        (!prices.contains(&0.0) && line.token_in != line.token_out).then_some(prices)
    }

    /// Whether no route through the pool earns `profit_min` raw units of one of these tokens.
    pub(super) fn is_ruled_out(&mut self, market: &Market, pool: PoolId, tokens: &[TokenId], profit_min: f64) -> bool {
        let least = |token: &TokenId| profit_min.max(1.0) * self.prices.value(*token);
        let threshold = tokens.iter().map(least).filter(|value| *value > 0.0).fold(f64::INFINITY, f64::min);
        let threshold = threshold * (1.0 - ROUNDING_OF_THRESHOLD);
        let is_below = |this: &Self, place: usize| {
            let line = &market.all_lines()[place];
            let prices = this.prices.of_line(line);
            if line.bound().g <= 0.0 || prices.contains(&0.0) || line.token_in == line.token_out {
                return true;
            }
            let gain = this.gains.of(u32::try_from(place).unwrap_or(u32::MAX));
            let rest = this.gains.rest(line.token_out, line.token_in, this.hops_max - 1);
            // Nearly always: in band, and nothing near it is out of it.
            if gain + rest < threshold {
                return true;
            }
            Prefix::EMPTY.then(line, prices, gain).most(rest) < threshold
        };
        // Its own gains must not count as those of others: a route goes through it once.
        self.turn(market, pool, Gains::hide);
        let is_ruled_out = market.line_places(pool).all(|place| is_below(self, place));
        self.turn(market, pool, Gains::show);
        is_ruled_out
    }

    /// Leaves a pool out until all are released.
    pub(super) fn bar(&mut self, market: &Market, pool: PoolId) {
        if self.barred.insert(pool.index()) {
            self.barred_pools.push(pool);
            self.turn(market, pool, Gains::hide);
        }
    }

    /// Takes every pool in again.
    pub(super) fn release(&mut self, market: &Market) {
        while let Some(pool) = self.barred_pools.pop() {
            self.turn(market, pool, Gains::show);
        }
        self.barred.clear();
    }

    fn turn(&mut self, market: &Market, pool: PoolId, turn: fn(&mut Gains, u32, &HotLine)) {
        let places = market.line_places(pool);
        for (line, place) in market.lines(pool).iter().zip((0_u32..).skip(places.start)) {
            turn(&mut self.gains, place, line);
        }
    }

    /// Looks for the best routes from a token, few hops first, so that these make the search for more of them short. Whether it gave up
    /// before its end.
    pub(super) fn best(&mut self, market: &Market, token: TokenId, best: &mut Best) -> bool {
        let value = self.prices.value(token);
        if value == 0.0 {
            return false;
        }
        self.write(market);
        let mut work_left = WORK_MAX;
        for hops in 2..=self.hops_max {
            let threshold = f64::from(best.profit_min) * value;
            self.gains.worth_a_look(threshold * (1.0 - ROUNDING_OF_THRESHOLD) / hops as f64, &mut self.seeds);
            let Self { prices, gains, shelves, pairs, visited, barred, seeds, .. } = self;
            let ground = Ground { market, prices, shelves, pairs, barred, base: token, hops };
            let mut visit = |legs: &[Leg]| {
                best.look_at(market, legs);
                f64::from(best.profit_min) * value
            };
            let mut walk = Walk::new(ground, gains, threshold, work_left, visited, &mut visit);
            // All that come later gain less, each.
            let is_worthwhile = |walk: &Walk<'_>, place: u32| walk.threshold() <= walk.gain(place) * hops as f64;
            for place in &*seeds {
                if !is_worthwhile(&walk, *place) {
                    break;
                }
                walk.begin(*place);
            }
            work_left = walk.end(seeds);
        }
        self.work += WORK_MAX - work_left;
        work_left == 0
    }
}

#[cfg(test)]
mod tests {
    use alphapulse_protocol::message::Message;
    use ruint::aliases::U256;

    use super::*;
    use crate::Admission;
    use crate::conformance::MarketStream;
    use crate::search::enumerate_cycles;

    /// Prices up to a thousand times too high or too low: nearly all pools are out of band, and nothing is missed.
    #[test]
    fn wrong_prices_cost_time_and_no_route() {
        let mut routes_found = 0;
        for seed in 0..6 {
            let mut market = Market::new(Admission::allow_all(), 1);
            for message in MarketStream::new(seed).snapshot() {
                market.apply(&Message::decode(&message).expect("written by the stream")).expect("one market");
            }
            let base = TokenId(0);
            let mut routes = BoundedRoutes::new(4);
            routes.prices = Prices::fit(&market, &[base]);
            routes.prices.spoil(seed);
            routes.rebuild(&market, &[base]);
            let mut best = Best::new(0);
            best.begin(20, U256::ONE);
            assert!(!routes.best(&market, base, &mut best), "seed {seed}: it ran to its end");
            let all = enumerate_cycles(&market, base, 4, U256::ONE, 20);
            assert_eq!(best.sorted(), all, "seed {seed}");
            routes_found += all.len();
        }
        assert!(routes_found > 20, "{routes_found}");
    }
}
