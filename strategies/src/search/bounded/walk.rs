//! Hop after hop, as long as a bound lets it.

use core::ops::Range;

use alphapulse_protocol::TokenId;

use super::gains::Gains;
use super::pairs::Pairs;
use super::prefix::Prefix;
use super::shelves::{Shelf, Shelves};
use crate::market::{HotLine, Market};
use crate::opportunity::HOPS_MAX;
use crate::search::prices::Prices;
use crate::search::stamps::StampSet;
use crate::sizing::Leg;

/// Part by which float rounding may have put a threshold too high.
pub(super) const ROUNDING: f64 = 1e-9;

/// What a walk reads.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ground<'a> {
    pub(super) market: &'a Market,
    pub(super) prices: &'a Prices,
    pub(super) shelves: &'a Shelves,
    pub(super) pairs: &'a Pairs,
    /// Pools that no route may go through.
    pub(super) barred: &'a StampSet,
    /// Token from which routes go and to which they come back.
    pub(super) base: TokenId,
    /// Hops of a route, neither more nor fewer.
    pub(super) hops: usize,
}

impl Ground<'_> {
    fn prices_of(&self, line: &HotLine) -> [f64; 2] {
        [line.token_in, line.token_out].map(|token| self.prices.value(token))
    }
}

/// A search under way.
pub(super) struct Walk<'a> {
    ground: Ground<'a>,
    lines: &'a [HotLine],
    /// Without those of lines that no route of this walk can still go over.
    gains: &'a mut Gains,
    visited: &'a mut StampSet,
    visit: &'a mut dyn FnMut(&[Leg]) -> f64,
    /// Value below which a route is of no interest.
    threshold: f64,
    /// Token at which the first hop begins.
    goal: TokenId,
    path: [u32; HOPS_MAX],
    /// Lines that may still be looked at.
    work_left: u64,
}

impl<'a> Walk<'a> {
    /// Of routes whose profit is worth `threshold` at the prices.
    pub(super) fn new(
        ground: Ground<'a>,
        gains: &'a mut Gains,
        threshold: f64,
        work_max: u64,
        visited: &'a mut StampSet,
        visit: &'a mut dyn FnMut(&[Leg]) -> f64,
    ) -> Self {
        visited.clear();
        Self {
            lines: ground.market.all_lines(),
            ground,
            gains,
            visited,
            visit,
            threshold: threshold * (1.0 - ROUNDING),
            goal: TokenId(0),
            path: [0; HOPS_MAX],
            work_left: work_max,
        }
    }

    pub(super) const fn threshold(&self) -> f64 {
        self.threshold
    }

    /// What a line gains.
    pub(super) fn gain(&self, place: u32) -> f64 {
        self.gains.of(place)
    }

    /// Visits the routes over a line, but for those over lines that were begun with before.
    pub(super) fn begin(&mut self, place: u32) {
        let line = &self.lines[place as usize];
        self.goal = line.token_in;
        let places = self.ground.market.line_places(line.pool);
        // A route goes through a pool once.
        self.turn(places.clone(), Gains::hide);
        self.step(0, Prefix::EMPTY, place);
        self.visited.insert(place as usize);
        self.turn(places, Gains::show);
    }

    /// Hides or shows lines, but for those that were begun with: they stay hidden.
    fn turn(&mut self, places: Range<usize>, turn: fn(&mut Gains, u32, &HotLine)) {
        for (line, place) in self.lines[places.clone()].iter().zip((0_u32..).skip(places.start)) {
            if !self.visited.contains(place as usize) {
                turn(self.gains, place, line);
            }
        }
    }

    /// Ends the walk, which began with some of these lines. Gives the lines that may still be looked at: none if it was cut short.
    pub(super) fn end(self, begun: &[u32]) -> u64 {
        for place in begun.iter().filter(|place| self.visited.remove(**place as usize)) {
            self.gains.show(*place, &self.lines[*place as usize]);
        }
        self.work_left
    }

    /// Adds a hop to `at` hops, if what comes of it may still be of interest.
    fn step(&mut self, at: usize, prefix: Prefix, place: u32) {
        let line = &self.lines[place as usize];
        let Some(prefix) = self.follow(at, prefix, place) else { return };
        let rest = self.gains.rest(line.token_out, self.goal, self.ground.hops - at - 1);
        if prefix.most(rest) >= self.threshold {
            self.path[at] = place;
            self.extend(at + 1, line.token_out, prefix);
        }
    }

    /// The prefix with the line, unless it sells nothing or may not be used.
    fn follow(&mut self, at: usize, prefix: Prefix, place: u32) -> Option<Prefix> {
        self.work_left = self.work_left.checked_sub(1)?;
        let line = &self.lines[place as usize];
        let prices = self.ground.prices_of(line);
        let is_used = |before: &u32| self.lines[*before as usize].pool == line.pool;
        if line.bound().g <= 0.0
            || prices.contains(&0.0)
            || self.ground.barred.contains(line.pool.index())
            || self.path[..at].iter().any(is_used)
            || self.visited.contains(place as usize)
        {
            return None;
        }
        Some(prefix.then(line, prices, self.gains.of(place)))
    }

    /// Every way on from a token behind `at` hops.
    fn extend(&mut self, at: usize, token: TokenId, prefix: Prefix) {
        let left = self.ground.hops - at;
        if left == 1 {
            self.close(at, token, prefix);
            return;
        }
        let price = self.ground.prices.value(token);
        let rest = self.gains.rest_from_any(self.goal, left - 1);
        let shelves = self.ground.shelves.of(token.index());
        let mut stopped: Option<Shelf> = None;
        for shelf in shelves {
            // From here on lines are less deep, and one in band adds nothing else.
            if prefix.then_any(shelf.h / price, 1.0).most(rest) < self.threshold {
                stopped = Some(*shelf);
                break;
            }
            let Some(work_left) = self.work_left.checked_sub(1) else { return };
            self.work_left = work_left;
            // Most go no further than this, and nothing else is read of them.
            if prefix.then_any(shelf.h / price, shelf.rate).most(rest) >= self.threshold {
                self.step(at, prefix, shelf.place);
            }
        }
        if let Some(stopped) = stopped {
            for at_line in 0..self.gains.out_of_band(token).len() {
                let place = self.gains.out_of_band(token)[at_line];
                if self.ground.shelves.shelf(place).order(&stopped).is_ge() {
                    self.step(at, prefix, place);
                }
            }
        }
    }

    /// The last hop, straight back to where the first begins.
    fn close(&mut self, at: usize, token: TokenId, prefix: Prefix) {
        let Some(pair) = self.ground.pairs.get(token, self.goal) else { return };
        let is_enough = |walk: &Self, prefix: Prefix| prefix.is_gaining() && prefix.most(0.0) >= walk.threshold;
        if !is_enough(self, prefix.then_any(pair.bend, pair.rate)) {
            return;
        }
        for way in &pair.ways {
            // The line itself is only read of those few that pass.
            if !is_enough(self, prefix.then_any(way.bend, way.rate)) {
                continue;
            }
            let Some(whole) = self.follow(at, prefix, way.place) else { continue };
            if is_enough(self, whole) {
                self.path[at] = way.place;
                self.arrive(at + 1);
            }
        }
    }

    /// A closed route: from the base, if it passes that once.
    fn arrive(&mut self, hops: usize) {
        let (path, base) = (&self.path[..hops], self.ground.base);
        let is_base = |place: &u32| self.lines[*place as usize].token_in == base;
        let Some(first) = path.iter().position(is_base).filter(|first| !path[first + 1..].iter().any(is_base)) else {
            return;
        };
        let mut legs = [Leg::UNUSED; HOPS_MAX];
        for (leg, place) in legs.iter_mut().zip(path[first..].iter().chain(&path[..first])) {
            let line = &self.lines[*place as usize];
            *leg = Leg { pool: line.pool, way: line.way };
        }
        let worthwhile = (self.visit)(&legs[..hops]);
        self.threshold = self.threshold.max(worthwhile * (1.0 - ROUNDING));
    }
}
