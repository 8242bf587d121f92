//! Which pools are compared next, so that every one has its turn.

use std::collections::VecDeque;

use alphapulse_protocol::PoolId;
use alphapulse_protocol::replica::PoolInfo;
use rand::rngs::SmallRng;
use rand::seq::SliceRandom;
use rand::{Rng, SeedableRng};

/// Words of a tick bitmap, of 256 ticks each, that one comparison looks at. A pool that has more shows another range each time.
const WORDS_MAX: i32 = 256;
/// Ticks of a word, as the contracts pack them.
const WORD_TICKS: i32 = 256;

/// Random rounds over all pools: with P pools and K in each sample, between two turns of one lie fewer than 2 P / K samples.
#[derive(Debug)]
pub(super) struct Plan {
    rng: SmallRng,
    queue: VecDeque<PoolId>,
    /// By pool id, comparisons so far, from a random number on.
    turns: Vec<u32>,
}

impl Plan {
    pub(super) fn new(seed: u64) -> Self {
        Self { rng: SmallRng::seed_from_u64(seed), queue: VecDeque::new(), turns: Vec::new() }
    }

    /// All pools may be others.
    pub(super) fn restart(&mut self) {
        self.queue.clear();
        self.turns.clear();
    }

    /// This pool comes first.
    pub(super) fn first(&mut self, pool: PoolId) {
        self.queue.retain(|other| *other != pool);
        self.queue.push_front(pool);
    }

    /// At most `count` of the pools, whose number is `pool_count`, each once. Those that never had a turn come first.
    pub(super) fn next(&mut self, pool_count: usize, count: usize) -> Vec<PoolId> {
        self.learn(pool_count);
        let mut picked = Vec::new();
        while picked.len() < count.min(pool_count) {
            if self.queue.is_empty() {
                let mut all: Vec<PoolId> = (0..).map(PoolId).take(pool_count).collect();
                all.shuffle(&mut self.rng);
                // The end of one round and the beginning of the next may not name one pool twice.
                all.retain(|pool| !picked.contains(pool));
                self.queue.extend(all);
            }
            match self.queue.pop_front() {
                Some(pool) if pool.index() < pool_count && !picked.contains(&pool) => picked.push(pool),
                Some(_) => {}
                None => break,
            }
        }
        picked
    }

    fn learn(&mut self, pool_count: usize) {
        // Fewer after a reorg: the ids are given anew.
        self.turns.truncate(pool_count);
        let mut new: Vec<PoolId> = (0..).map(PoolId).take(pool_count).skip(self.turns.len()).collect();
        new.shuffle(&mut self.rng);
        for pool in new {
            self.queue.push_front(pool);
            self.turns.push(self.rng.random());
        }
    }

    /// Ticks to look at on the pool's turn, inclusive: all that are known where those are few, else the next range of them, round
    /// after round.
    pub(super) fn window(&mut self, pool: PoolId, info: &PoolInfo) -> (i32, i32) {
        let (low, high) = info.known_ticks;
        let word_of = |tick: i32| tick.div_euclid(info.tick_spacing.max(1)).div_euclid(WORD_TICKS);
        let words = word_of(high) - word_of(low) + 1;
        if words <= WORDS_MAX {
            return (low, high);
        }
        let Some(turn) = self.turns.get_mut(pool.index()) else { return (low, high) };
        *turn = turn.wrapping_add(1);
        let windows = words.unsigned_abs().div_ceil(WORDS_MAX.unsigned_abs());
        let index = i32::try_from(*turn % windows).unwrap_or(0);
        let word_ticks = info.tick_spacing.max(1).saturating_mul(WORD_TICKS);
        let first = (word_of(low) + index * WORDS_MAX).saturating_mul(word_ticks);
        let last = first.saturating_add(word_ticks.saturating_mul(WORDS_MAX)).saturating_sub(1);
        (first.max(low), last.min(high))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use alphapulse_protocol::message::{TICK_MAX, TICK_MIN};
    use alphapulse_protocol::{FeePpm, TokenId, VenueId};

    use super::*;

    #[test]
    fn between_two_turns_of_a_pool_lie_fewer_than_two_rounds() {
        for (pools, count, seed) in [(1, 4, 1), (7, 3, 2), (10, 1, 3), (64, 5, 4), (5, 5, 5)] {
            let mut plan = Plan::new(seed);
            let mut last = vec![0; pools];
            for sample in 1..=600 {
                let picked = plan.next(pools, count);
                let distinct: BTreeSet<_> = picked.iter().collect();
                assert_eq!((picked.len(), distinct.len()), (count.min(pools), count.min(pools)));
                picked.iter().for_each(|pool| last[pool.index()] = sample);
                let longest = last.iter().map(|turn| sample - turn).max().expect("pools");
                assert!(longest < (2 * pools).div_ceil(count).max(1) + 1, "{pools} pools, {count} at once: {longest}");
            }
        }
    }

    #[test]
    fn a_pool_that_is_new_or_was_told_anew_comes_first() {
        let mut plan = Plan::new(1);
        assert_eq!(plan.next(8, 8).len(), 8);
        plan.next(8, 2);
        assert_eq!(plan.next(9, 1), [PoolId(8)]);
        plan.first(PoolId(3));
        assert_eq!(plan.next(9, 1), [PoolId(3)]);
        // Taken back, and another one in its place.
        assert!(plan.next(8, 8).iter().all(|pool| pool.0 < 8));
        assert_eq!(plan.next(9, 1), [PoolId(8)]);
    }

    #[test]
    fn a_large_tick_map_is_seen_whole_in_turns_and_a_small_one_at_once() {
        let info = |spacing, known| {
            let pair = PoolInfo::uniswap_v2(VenueId(0), [1; 20], [TokenId(0), TokenId(1)], FeePpm(100));
            pair.with_ticks(spacing, known)
        };
        let mut plan = Plan::new(1);
        plan.next(1, 1);
        let small = info(60, (TICK_MIN, TICK_MAX));
        assert_eq!(plan.window(PoolId(0), &small), (TICK_MIN, TICK_MAX));
        for (spacing, turns) in [(1, 28), (10, 3)] {
            let large = info(spacing, (TICK_MIN, TICK_MAX));
            let mut windows: Vec<_> = (0..turns).map(|_| plan.window(PoolId(0), &large)).collect();
            windows.sort_unstable();
            assert_eq!((windows[0].0, windows[turns - 1].1), (TICK_MIN, TICK_MAX));
            assert!(windows.windows(2).all(|pair| pair[0].1 + 1 == pair[1].0), "{windows:?}");
            assert!(windows.iter().all(|(low, high)| high - low < WORDS_MAX * WORD_TICKS * spacing));
        }
    }
}
