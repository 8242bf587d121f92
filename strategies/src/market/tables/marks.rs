//! Marks on pools that a reader can set.

use core::sync::atomic::{AtomicU64, Ordering};

use alphapulse_protocol::PoolId;

const BITS: usize = u64::BITS as usize;

/// A bit for each pool. Each word stands alone: who sets a mark and who takes it have nothing else to tell each other, so the order of their
/// accesses does not matter.
#[derive(Debug, Default)]
pub(super) struct Marks(Vec<AtomicU64>);

impl Marks {
    pub(super) fn grow(&mut self, pool_count: usize) {
        if self.0.len() < pool_count.div_ceil(BITS) {
            self.0.resize_with(pool_count.div_ceil(BITS), AtomicU64::default);
        }
    }

    #[inline]
    pub(super) fn put(&self, pool: PoolId) {
        if let Some(word) = self.0.get(pool.index() / BITS) {
            let bit = 1 << (pool.index() % BITS);
            // Most often it is there; then nobody writes.
            if word.load(Ordering::Relaxed) & bit == 0 {
                word.fetch_or(bit, Ordering::Relaxed);
            }
        }
    }

    /// Takes a mark away; whether it was there.
    pub(super) fn take(&mut self, pool: PoolId) -> bool {
        let Some(word) = self.0.get_mut(pool.index() / BITS) else { return false };
        let bit = 1 << (pool.index() % BITS);
        let was_there = *word.get_mut() & bit != 0;
        *word.get_mut() &= !bit;
        was_there
    }

    /// Takes away the lowest mark at or above `from`.
    pub(super) fn take_next(&mut self, from: PoolId) -> Option<PoolId> {
        let first = from.index() / BITS;
        for (at, word) in self.0.iter_mut().enumerate().skip(first) {
            let ahead = if at == first { u64::MAX << (from.index() % BITS) } else { u64::MAX };
            let found = *word.get_mut() & ahead;
            if found != 0 {
                let bit = found.trailing_zeros();
                *word.get_mut() &= !(1 << bit);
                return u32::try_from(at * BITS).ok().map(|base| PoolId(base + bit));
            }
        }
        None
    }

    pub(super) fn clear(&mut self) {
        self.0.iter_mut().for_each(|word| *word.get_mut() = 0);
    }
}
