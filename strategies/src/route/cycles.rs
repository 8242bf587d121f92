//! Enumeration of closed routes, and an index of them by pool.

use core::ops::{ControlFlow, Range};

use alphapulse_protocol::{PoolId, TokenId};

use super::graph::{Edge, TokenGraph};
use crate::opportunity::HOPS_MAX;
use crate::sizing::Leg;

/// Most routes that an index holds: about 80 MB. Shorter routes come first; what is cut is counted.
pub(crate) const ROUTES_MAX: usize = 1 << 20;

/// Calls `visit` for every closed route of exactly `hop_count` hops from `start`, in a fixed order, until it breaks.
///
/// No route uses a pool twice or passes `start` on the way: that would be two routes, which earn more apart. Other
/// tokens may be passed twice, which lets `start` finance a round trip between two others.
pub(crate) fn visit_cycles(
    graph: &TokenGraph,
    start: TokenId,
    hop_count: usize,
    visit: &mut impl FnMut(&[Leg]) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let mut legs = [Leg::UNUSED; HOPS_MAX];
    match legs.get_mut(..hop_count) {
        Some(legs) if hop_count >= 2 => extend(graph, start, start, legs, 0, visit),
        _ => ControlFlow::Continue(()),
    }
}

/// Fills `legs[at..]` with every way from `token` back to `start`.
fn extend(
    graph: &TokenGraph,
    start: TokenId,
    token: TokenId,
    legs: &mut [Leg],
    at: usize,
    visit: &mut impl FnMut(&[Leg]) -> ControlFlow<()>,
) -> ControlFlow<()> {
    let is_last = at + 1 == legs.len();
    let edges = if is_last { graph.edges_between(token, start) } else { graph.edges(token) };
    for edge in edges {
        let is_early_return = edge.token_out == start && !is_last;
        if is_early_return || legs[..at].iter().any(|leg| leg.pool == edge.pool) {
            continue;
        }
        legs[at] = leg(edge);
        if is_last {
            visit(legs)?;
        } else {
            extend(graph, start, edge.token_out, legs, at + 1, visit)?;
        }
    }
    ControlFlow::Continue(())
}

const fn leg(edge: &Edge) -> Leg {
    Leg { pool: edge.pool, way: edge.way }
}

/// A closed route of the index.
#[derive(Debug, Clone, Copy)]
struct Cycle {
    legs: [Leg; HOPS_MAX],
    leg_count: u8,
}

/// Every closed route from some tokens, found by the pools it passes.
#[derive(Debug, Default)]
pub(crate) struct CycleIndex {
    cycles: Vec<Cycle>,
    /// Routes by pool: `members[starts[pool]..starts[pool + 1]]`.
    starts: Vec<u32>,
    members: Vec<u32>,
    cuts: u32,
}

impl CycleIndex {
    /// Indexes the routes of `2..=hops_max` hops, of [`HOPS_MAX`] at most, from each of `tokens` among the graph's `pool_count` pools.
    pub(crate) fn build(graph: &TokenGraph, tokens: &[TokenId], hops_max: usize, pool_count: usize) -> Self {
        Self::build_bounded(graph, tokens, hops_max, pool_count, ROUTES_MAX)
    }

    fn build_bounded(
        graph: &TokenGraph,
        tokens: &[TokenId],
        hops_max: usize,
        pool_count: usize,
        routes_max: usize,
    ) -> Self {
        let mut index = Self::default();
        for hop_count in 2..=hops_max.min(HOPS_MAX) {
            for token in tokens {
                let flow = visit_cycles(graph, *token, hop_count, &mut |legs| {
                    if index.cycles.len() == routes_max {
                        return ControlFlow::Break(());
                    }
                    index.push(legs);
                    ControlFlow::Continue(())
                });
                index.cuts += u32::from(flow.is_break());
            }
        }
        index.file_by_pool(pool_count);
        index
    }

    fn push(&mut self, legs: &[Leg]) {
        let mut all = [Leg::UNUSED; HOPS_MAX];
        all[..legs.len()].copy_from_slice(legs);
        let leg_count = u8::try_from(legs.len()).expect("at most HOPS_MAX");
        self.cycles.push(Cycle { legs: all, leg_count });
    }

    /// A counting sort of every route under each of its pools.
    fn file_by_pool(&mut self, pool_count: usize) {
        self.starts = vec![0; pool_count + 1];
        for cycle in &self.cycles {
            for leg in &cycle.legs[..usize::from(cycle.leg_count)] {
                self.starts[leg.pool.index() + 1] += 1;
            }
        }
        for pool in 0..pool_count {
            self.starts[pool + 1] += self.starts[pool];
        }
        let mut next = self.starts.clone();
        self.members = vec![0; self.starts[pool_count] as usize];
        for (cycle, id) in self.cycles.iter().zip(0_u32..) {
            for leg in &cycle.legs[..usize::from(cycle.leg_count)] {
                let slot = &mut next[leg.pool.index()];
                self.members[*slot as usize] = id;
                *slot += 1;
            }
        }
    }

    /// Routes held.
    pub(crate) fn len(&self) -> usize {
        self.cycles.len()
    }

    /// How many enumerations (one per token and length) the bound cut short; 0 means that no route is missing.
    pub(crate) const fn cuts(&self) -> u32 {
        self.cuts
    }

    /// Routes through a pool, by position.
    pub(crate) fn through(&self, pool: PoolId) -> &[u32] {
        let bound = |index: usize| self.starts.get(index).map(|start| *start as usize);
        let range: Option<Range<usize>> = bound(pool.index()).zip(bound(pool.index() + 1)).map(|(a, b)| a..b);
        range.map_or(&[], |range| &self.members[range])
    }

    /// Legs of the route at a position.
    pub(crate) fn legs(&self, route: u32) -> &[Leg] {
        let cycle = &self.cycles[route as usize];
        &cycle.legs[..usize::from(cycle.leg_count)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: TokenId = TokenId(0);

    /// A triangle 0-1-2 with two pools on each side.
    fn doubled_triangle() -> TokenGraph {
        let mut graph = TokenGraph::default();
        for (pool, (a, b)) in [(0, 1), (0, 1), (1, 2), (1, 2), (2, 0), (2, 0)].into_iter().enumerate() {
            let pool = PoolId(u32::try_from(pool).expect("small"));
            graph.add(pool, &[TokenId(a), TokenId(b)]);
        }
        graph
    }

    fn count(graph: &TokenGraph, hop_count: usize) -> usize {
        let mut found = 0;
        let flow = visit_cycles(graph, START, hop_count, &mut |_| {
            found += 1;
            ControlFlow::Continue(())
        });
        assert!(flow.is_continue());
        found
    }

    /// Two hops: two ordered pairs on each of two sides. Three: 2·2·2 pool choices in two directions. Four: to a
    /// neighbour, to the other token and back by its second pool, home by the second pool: 2·2 per neighbour.
    #[test]
    fn every_closed_route_is_found_once() {
        let graph = doubled_triangle();
        assert_eq!([1, 2, 3, 4, 5].map(|hops| count(&graph, hops)), [0, 4, 16, 8, 0]);
    }

    #[test]
    fn index_finds_each_route_under_each_of_its_pools() {
        let graph = doubled_triangle();
        let index = CycleIndex::build(&graph, &[START], 4, 6);
        assert_eq!((index.len(), index.cuts()), (28, 0));
        for pool in (0..6).map(PoolId) {
            let expected: Vec<u32> =
                (0..28).filter(|route| index.legs(*route).iter().any(|leg| leg.pool == pool)).collect();
            assert_eq!(index.through(pool), expected);
        }
        assert!(index.through(PoolId(6)).is_empty());
    }

    #[test]
    fn a_full_index_says_that_it_was_cut() {
        let graph = doubled_triangle();
        let index = CycleIndex::build_bounded(&graph, &[START], 4, 6, 5);
        assert_eq!((index.len(), index.cuts()), (5, 2));
        assert_eq!(index.legs(0).len(), 2, "short routes come first");
        assert_eq!(CycleIndex::build_bounded(&graph, &[START], 4, 6, 28).cuts(), 0, "exactly full is not cut");
    }
}
