//! How the steps of one direction are found.

use ruint::aliases::U256;

use super::super::PPM;
use super::super::concentrated_liquidity::V3View;
use super::super::full_math::Inverse;
use super::super::swap_math::whole_step;
use super::super::tick_bitmap::{TickCursor, WORD_SLOTS, word_edge};
use super::super::tick_math::{MAX_TICK, MIN_TICK, get_sqrt_ratio_at_tick};
use super::side::{Extent, Node, Seen, Side};

/// Makes the list of one direction anew from a pool's state, and what the last list still says.
pub(super) struct Walk<'a> {
    view: &'a V3View<'a>,
    zero_for_one: bool,
    extent: Extent,
    last: &'a Side,
    /// Index into `last` of the first node not before the walk.
    last_at: usize,
    side: &'a mut Side,
    cursor: TickCursor<'a>,
    tick: i32,
    liquidity: u128,
}

impl<'a> Walk<'a> {
    /// Fills `side` with the steps around the price. Prices and amounts that `last` has are not computed again.
    pub(super) fn run(view: &'a V3View<'a>, zero_for_one: bool, extent: Extent, last: &'a Side, side: &'a mut Side) {
        side.clear();
        // A fee of the whole input is never done with a step; only the loop tells.
        if view.fee_ppm >= PPM || view.tick_spacing <= 0 || !(MIN_TICK..MAX_TICK).contains(&view.tick) {
            return;
        }
        let start = start_behind(view, zero_for_one, extent.behind);
        let mut walk = Self {
            view,
            zero_for_one,
            extent,
            last,
            last_at: 0,
            side,
            cursor: TickCursor::new(view.ticks, view.tick),
            tick: view.tick,
            liquidity: view.liquidity,
        };
        if let Some((tick, liquidity)) = start {
            walk.start_at(tick, liquidity);
            walk.advance();
        }
        if walk.side.position(zero_for_one, view.tick).is_none() {
            walk.start_without_behind();
            walk.advance();
        }
        let at = walk.side.position(zero_for_one, view.tick).unwrap_or(0);
        walk.side.at = at;
        walk.side.start = walk.side.start_of(at, view, zero_for_one, view.fee_ppm);
    }

    /// Begins before the node at `tick`, which becomes the first.
    fn start_at(&mut self, tick: i32, liquidity: u128) {
        // Upwards a search from a tick looks past it.
        self.tick = if self.zero_for_one { tick } else { tick.saturating_sub(1) };
        self.liquidity = liquidity;
        self.cursor = TickCursor::new(self.view.ticks, self.tick);
        self.note_start();
    }

    /// Begins at the current tick, which stands for the first node.
    fn start_without_behind(&mut self) {
        let &mut Self { view, zero_for_one, ref mut side, .. } = self;
        side.clear();
        (self.tick, self.liquidity, self.last_at) = (view.tick, view.liquidity, 0);
        self.cursor = TickCursor::new(view.ticks, view.tick);
        side.is_first_a_stop = false;
        // Not ahead of the tick itself, but of any behind it, from which there may be other stops.
        side.stops.push(if zero_for_one { view.tick + 1 } else { view.tick });
        side.nodes.push(Node {
            sqrt_price: view.sqrt_price_x96,
            liquidity: view.liquidity,
            inverse: Inverse::default(),
            liquidity_after: view.liquidity,
            ticks_before: 0,
            is_initialised: false,
        });
        side.gross.push(0);
        side.output.push(0);
        self.note_start();
    }

    fn note_start(&mut self) {
        let at_or_below = self.view.ticks.partition_point(|entry| entry.tick <= self.tick);
        // With no tick below there is nothing that the guess could be wrong about.
        self.side.seen_start = if self.zero_for_one { at_or_below.wrapping_sub(1) } else { at_or_below };
    }

    /// Adds nodes until there are enough, or the pool has no more that a table can hold.
    fn advance(&mut self) {
        let mut ahead = 0;
        while ahead < self.extent.ahead {
            let Some(stop) = self.add() else { return };
            let is_ahead = if self.zero_for_one { stop <= self.view.tick } else { stop > self.view.tick };
            ahead += usize::from(is_ahead);
        }
        self.side.is_complete = false;
    }

    /// Adds the next node; `None` where only the loop can go on.
    fn add(&mut self) -> Option<i32> {
        let (stop, net) = self.next_stop()?;
        let sqrt_price = self.price(stop)?;
        let (gross, output) = self.sums(stop, sqrt_price)?;
        let liquidity_after = match net {
            Some(net) => {
                let change = if self.zero_for_one { net.wrapping_neg() } else { net };
                self.liquidity.checked_add_signed(change)?
            }
            None => self.liquidity,
        };
        let node = Node {
            sqrt_price,
            liquidity: self.liquidity,
            inverse: self.inverse(stop),
            liquidity_after,
            ticks_before: u32::try_from(self.side.seen.len()).ok()?,
            is_initialised: net.is_some(),
        };
        self.side.stops.push(stop);
        self.side.nodes.push(node);
        self.side.gross.push(gross);
        self.side.output.push(output);
        if let Some(liquidity_net) = net {
            self.side.seen.push(Seen { tick: stop, liquidity_net });
            self.cursor.cross(self.zero_for_one);
        }
        self.liquidity = liquidity_after;
        self.tick = if self.zero_for_one { stop - 1 } else { stop };
        Some(stop)
    }

    /// As the loop's, but only where a step ends on the tick itself and something is known of what follows.
    fn next_stop(&self) -> Option<(i32, Option<i128>)> {
        let Self { view, zero_for_one, .. } = *self;
        let edge = if self.liquidity > 0 {
            word_edge(self.tick, view.tick_spacing, zero_for_one)
        } else if zero_for_one {
            MIN_TICK
        } else {
            MAX_TICK
        };
        let initialised = self.cursor.peek(zero_for_one);
        let initialised =
            initialised.filter(|entry| if zero_for_one { entry.tick >= edge } else { entry.tick <= edge });
        let stop = initialised.map_or(edge, |entry| entry.tick);
        let is_onwards = if zero_for_one { stop <= self.tick } else { stop > self.tick };
        let is_known = stop >= view.known_ticks.0 && stop <= view.known_ticks.1;
        let is_inside = stop > MIN_TICK && stop < MAX_TICK;
        (is_onwards && is_known && is_inside).then_some((stop, initialised.map(|entry| entry.liquidity_net)))
    }

    /// Moves on to `stop` in the last list, and answers its price, from there when it is there.
    fn price(&mut self, stop: i32) -> Option<U256> {
        let is_before = |&at: &i32| if self.zero_for_one { at > stop } else { at < stop };
        while self.last.stops.get(self.last_at).is_some_and(is_before) {
            self.last_at += 1;
        }
        match self.last_node(stop) {
            Some(node) => Some(node.sqrt_price),
            None => get_sqrt_ratio_at_tick(stop).ok(),
        }
    }

    fn last_node(&self, stop: i32) -> Option<&Node> {
        let is_stop = self.last_at > 0 || self.last.is_first_a_stop;
        let is_same = is_stop && self.last.stops.get(self.last_at) == Some(&stop);
        self.last.nodes.get(self.last_at).filter(|_| is_same)
    }

    /// The inverse of the liquidity, from the last list when it has it.
    fn inverse(&self, stop: i32) -> Inverse {
        let last = self.last_node(stop).filter(|node| node.liquidity == self.liquidity);
        last.map_or_else(|| Inverse::of(self.liquidity), |node| node.inverse)
    }

    /// Input and output from the first node to the next one.
    fn sums(&self, stop: i32, sqrt_price: U256) -> Option<(u128, u128)> {
        let (Some(before), Some(gross), Some(output)) =
            (self.side.nodes.last(), self.side.gross.last(), self.side.output.last())
        else {
            return Some((0, 0));
        };
        if self.side.stops.len() == 1 && !self.side.is_first_a_stop {
            return Some((0, 0));
        }
        let (step_gross, step_output) = match self.last_step(stop) {
            Some(step) => step,
            None => {
                let step = whole_step(before.sqrt_price, sqrt_price, self.liquidity, self.view.fee_ppm).ok()?;
                let gross = step.amount_in.checked_add(step.fee_amount)?;
                (u128::try_from(gross).ok()?, u128::try_from(step.amount_out).ok()?)
            }
        };
        Some((gross.checked_add(step_gross)?, output.checked_add(step_output)?))
    }

    /// The same step in the last list: between the same ticks, with the same liquidity.
    fn last_step(&self, stop: i32) -> Option<(u128, u128)> {
        let before = self.last_at.checked_sub(1).filter(|&before| before > 0 || self.last.is_first_a_stop)?;
        let node = self.last_node(stop)?;
        if node.liquidity != self.liquidity || self.last.stops.get(before) != self.side.stops.last() {
            return None;
        }
        let difference = |sums: &[u128]| sums.get(self.last_at)?.checked_sub(*sums.get(before)?);
        Some((difference(&self.last.gross)?, difference(&self.last.output)?))
    }
}

/// The node that lies up to `count` steps behind the price, and the liquidity on its far side; `None` without any.
fn start_behind(view: &V3View<'_>, zero_for_one: bool, count: usize) -> Option<(i32, u128)> {
    let mut cursor = TickCursor::new(view.ticks, view.tick);
    let (mut tick, mut liquidity, mut found) = (view.tick, view.liquidity, None);
    for _ in 0..count {
        let edge = edge_behind(tick, view.tick_spacing, zero_for_one)?;
        // Behind a swap down is up, and the other way round.
        let initialised = cursor.peek(!zero_for_one);
        let initialised =
            initialised.filter(|entry| if zero_for_one { entry.tick <= edge } else { entry.tick >= edge });
        let node = initialised.map_or(edge, |entry| entry.tick);
        if node < view.known_ticks.0 || node > view.known_ticks.1 || node <= MIN_TICK || node >= MAX_TICK {
            break;
        }
        if let Some(entry) = initialised {
            let change = if zero_for_one { entry.liquidity_net } else { entry.liquidity_net.wrapping_neg() };
            let Some(changed) = liquidity.checked_add_signed(change) else { break };
            liquidity = changed;
            cursor.cross(!zero_for_one);
        }
        // The tick that a search in the swap's direction would have come from, to find this node last.
        tick = if zero_for_one { node } else { node - 1 };
        found = Some((node, liquidity));
    }
    found
}

/// The nearest edge of a word that a swap from `tick` has behind it.
fn edge_behind(tick: i32, tick_spacing: i32, zero_for_one: bool) -> Option<i32> {
    let word_ticks = tick_spacing.checked_mul(WORD_SLOTS)?;
    if zero_for_one {
        tick.div_euclid(word_ticks).checked_add(1)?.checked_mul(word_ticks)
    } else {
        // The greatest tick at or below whose slot is the last of its word.
        let last_slot = tick_spacing.checked_mul(WORD_SLOTS - 1)?;
        tick.checked_sub(last_slot)?.div_euclid(word_ticks).checked_mul(word_ticks)?.checked_add(last_slot)
    }
}
