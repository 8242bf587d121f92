//! The steps of one direction, with what each takes and gives.

use alphapulse_protocol::replica::TickLiquidity;
use ruint::aliases::U256;

use super::super::full_math::Inverse;
use super::start::Start;

/// Where a step ends, and the step that ends there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Node {
    /// Price of the tick.
    pub(super) sqrt_price: U256,
    /// Active on the way here.
    pub(super) liquidity: u128,
    /// Of the liquidity on the way here.
    pub(super) inverse: Inverse,
    /// Active beyond.
    pub(super) liquidity_after: u128,
    /// Initialised ticks among the nodes before this one.
    pub(super) ticks_before: u32,
    /// Whether the tick is initialised; else it is the edge of a word.
    pub(super) is_initialised: bool,
}

/// An initialised tick among the nodes, as it was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) tick: i32,
    pub(super) liquidity_net: i128,
}

/// Nodes in the order in which a swap meets them. All lists but `seen` have one entry for each.
///
/// The first one only says where the second one's step begins. Where nothing is known behind the price it stands for the
/// price's own tick when this was built, and the second one's step is not known as a whole.
#[derive(Debug, Clone, Default)]
pub(super) struct Side {
    /// Tick of each.
    pub(super) stops: Vec<i32>,
    pub(super) nodes: Vec<Node>,
    /// Input, fee included, from the first node to each.
    pub(super) gross: Vec<u128>,
    /// Output from the first node to each.
    pub(super) output: Vec<u128>,
    /// Initialised ticks among the nodes.
    pub(super) seen: Vec<Seen>,
    /// Whether the first node is a stop.
    pub(super) is_first_a_stop: bool,
    /// Index of the first of `seen` in the pool's list when this was built.
    pub(super) seen_start: usize,
    /// Node that the price was before when last looked at.
    pub(super) at: usize,
    /// The step from the price to that node, unless it takes more than 128 bits.
    pub(super) start: Option<Start>,
    /// Whether the nodes end because something other than the bound ends them.
    pub(super) is_complete: bool,
}

/// How many steps to hold.
#[derive(Debug, Clone, Copy)]
pub(super) struct Extent {
    pub(super) ahead: usize,
    pub(super) behind: usize,
}

impl Side {
    pub(super) fn clear(&mut self) {
        self.stops.clear();
        self.nodes.clear();
        self.gross.clear();
        self.output.clear();
        self.seen.clear();
        (self.seen_start, self.at, self.start) = (0, 0, None);
        (self.is_complete, self.is_first_a_stop) = (true, true);
    }

    pub(super) fn heap_bytes(&self) -> usize {
        self.stops.capacity() * size_of::<i32>()
            + self.nodes.capacity() * size_of::<Node>()
            + (self.gross.capacity() + self.output.capacity()) * size_of::<u128>()
            + self.seen.capacity() * size_of::<Seen>()
    }

    /// The node that ends the first step from `tick`; `None` when its step may begin before what is held.
    #[inline]
    pub(super) fn position(&self, zero_for_one: bool, tick: i32) -> Option<usize> {
        let is_ahead = |stop: i32| if zero_for_one { stop <= tick } else { stop > tick };
        let is_here = |at: usize| {
            let before = at.checked_sub(1).and_then(|before| self.stops.get(before));
            before.is_some_and(|&stop| !is_ahead(stop)) && self.stops.get(at).is_some_and(|&stop| is_ahead(stop))
        };
        if is_here(self.at) {
            return Some(self.at);
        }
        let found = self.stops.partition_point(|&stop| !is_ahead(stop));
        is_here(found).then_some(found)
    }

    /// Price at which the step to the node begins; `None` when that is not held.
    #[inline]
    pub(super) fn start_price(&self, at: usize) -> Option<U256> {
        let before = at.checked_sub(1).filter(|&before| before > 0 || self.is_first_a_stop)?;
        self.nodes.get(before).map(|node| node.sqrt_price)
    }

    /// Whether enough is held before and behind the node for the price to go on either way.
    pub(super) fn is_roomy(&self, at: usize, extent: Extent) -> bool {
        let ahead = self.stops.len().saturating_sub(at);
        (self.is_complete || 2 * ahead >= extent.ahead) && (!self.is_first_a_stop || 2 * at > extent.behind)
    }

    /// Whether the pool's ticks from `tick` up to node `last` are those of this table. `first` is the position of `tick`.
    #[inline]
    pub(super) fn is_like(
        &self,
        ticks: &[TickLiquidity],
        zero_for_one: bool,
        tick: i32,
        first: usize,
        last: usize,
    ) -> bool {
        let (Some(from), Some(to)) = (self.nodes.get(first), self.nodes.get(last)) else { return false };
        let from = from.ticks_before as usize;
        let to = to.ticks_before as usize + usize::from(to.is_initialised);
        let (Some(seen), Some(&stop)) = (self.seen.get(from..to), self.stops.get(last)) else { return false };
        let at_or_below = self.ticks_at_or_below(ticks, zero_for_one, tick, from);
        if zero_for_one {
            let Some(next) = at_or_below.checked_sub(seen.len()) else { return false };
            let is_next_beyond =
                next.checked_sub(1).and_then(|next| ticks.get(next)).is_none_or(|next| next.tick < stop);
            is_next_beyond && ticks.get(next..at_or_below).is_some_and(|ticks| are_equal(seen, ticks.iter().rev()))
        } else {
            let next = at_or_below.saturating_add(seen.len());
            let is_next_beyond = ticks.get(next).is_none_or(|next| next.tick > stop);
            is_next_beyond && ticks.get(at_or_below..next).is_some_and(|ticks| are_equal(seen, ticks.iter()))
        }
    }

    /// How many of the pool's ticks are at or below `tick`: where they were when this was built, or found again.
    #[inline]
    fn ticks_at_or_below(&self, ticks: &[TickLiquidity], zero_for_one: bool, tick: i32, seen_before: usize) -> usize {
        let guess = if zero_for_one {
            self.seen_start.wrapping_add(1).wrapping_sub(seen_before)
        } else {
            self.seen_start.wrapping_add(seen_before)
        };
        let is_above = |index: usize| ticks.get(index).is_none_or(|entry| entry.tick > tick);
        let is_below = |index: usize| ticks.get(index).is_some_and(|entry| entry.tick <= tick);
        if guess <= ticks.len() && is_above(guess) && guess.checked_sub(1).is_none_or(is_below) {
            return guess;
        }
        ticks.partition_point(|entry| entry.tick <= tick)
    }
}

/// Without a branch for each: most often they are equal.
#[inline]
fn are_equal<'a>(seen: &[Seen], ticks: impl Iterator<Item = &'a TickLiquidity>) -> bool {
    let difference = seen.iter().zip(ticks).fold((0, 0), |(tick, net), (seen, entry)| {
        (tick | (seen.tick ^ entry.tick), net | (seen.liquidity_net ^ entry.liquidity_net))
    });
    difference == (0, 0)
}

/// The first node from `first` on whose sum is at least `sought`.
#[inline]
pub(super) fn search(sums: &[u128], first: usize, sought: u128) -> usize {
    // Most swaps end near: steps that double, then a search of what is between.
    let (mut from, mut step) = (first, 1);
    loop {
        let to = from.saturating_add(step);
        match sums.get(to) {
            Some(&sum) if sum < sought => (from, step) = (to, step * 2),
            _ => {
                let between = sums.get(from..to.min(sums.len())).unwrap_or(&[]);
                return from + between.partition_point(|&sum| sum < sought);
            }
        }
    }
}
