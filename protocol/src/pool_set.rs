//! Sets of pools, small enough to stay in a cache.

use crate::id::PoolId;

const BITS: usize = u64::BITS as usize;

/// A set of pools by their dense ids, one bit each: a hundred thousand pools take 13 kB.
#[derive(Debug, Clone, Default)]
pub struct PoolSet {
    words: Vec<u64>,
}

impl PoolSet {
    /// Makes room for ids below `pool_count`, so that [`PoolSet::insert`] does not allocate.
    pub fn grow(&mut self, pool_count: usize) {
        if self.words.len() < pool_count.div_ceil(BITS) {
            self.words.resize(pool_count.div_ceil(BITS), 0);
        }
    }

    /// Adds a pool; whether it was not there before. One that there is no room for is never there.
    #[inline]
    pub fn insert(&mut self, pool: PoolId) -> bool {
        let Some(word) = self.words.get_mut(pool.index() / BITS) else { return true };
        let is_new = *word & Self::bit(pool) == 0;
        // Most often it is there; to write it again would have the next one wait for that.
        if is_new {
            *word |= Self::bit(pool);
        }
        is_new
    }

    /// Takes a pool out, if it is there.
    #[inline]
    pub fn remove(&mut self, pool: PoolId) {
        if let Some(word) = self.words.get_mut(pool.index() / BITS) {
            *word &= !Self::bit(pool);
        }
    }

    /// Whether the pool is there.
    #[inline]
    #[must_use]
    pub fn contains(&self, pool: PoolId) -> bool {
        self.words.get(pool.index() / BITS).is_some_and(|word| word & Self::bit(pool) != 0)
    }

    /// Takes all pools out; the room stays.
    pub fn clear(&mut self) {
        self.words.fill(0);
    }

    const fn bit(pool: PoolId) -> u64 {
        1 << (pool.index() % BITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pool_is_there_from_insert_to_remove() {
        let mut set = PoolSet::default();
        set.grow(130);
        let ids = [0, 63, 64, 127, 129].map(PoolId);
        for id in ids {
            assert!(!set.contains(id) && set.insert(id) && !set.insert(id) && set.contains(id));
        }
        assert!((0..130).map(PoolId).all(|id| set.contains(id) == ids.contains(&id)));
        set.remove(PoolId(63));
        assert!(!set.contains(PoolId(63)) && set.contains(PoolId(64)));
        set.clear();
        assert!(!(0..130).map(PoolId).any(|id| set.contains(id)));
    }

    #[test]
    fn pool_without_room_is_never_there() {
        let mut set = PoolSet::default();
        set.grow(1);
        assert!(set.insert(PoolId(64)) && set.insert(PoolId(64)) && !set.contains(PoolId(64)));
    }
}
