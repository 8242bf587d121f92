//! Tables of steps for the pools that quotes ask about.
//!
//! A table takes a hundred microseconds and some kilobytes to build, and most pools are never asked: so a quote notes that
//! it was asked, and whoever has time builds. The notes are all that a quote writes, and no answer depends on them.

mod marks;
#[cfg(test)]
mod tests;

use alphapulse_protocol::{PoolId, PoolSet};

use self::marks::Marks;
use super::derived::view_of;
use super::{Market, PoolView};
use crate::pool::StepTable;
use crate::pool::v4::takes_part_in_swaps;

/// Steps ahead of the price, in each direction, of a market's table.
pub const STEP_TABLE_STEPS: usize = 64;
/// Tables that a market holds at most, unless it is told otherwise: about 50 kB each when they hold all steps, 100 MB together.
pub const STEP_TABLES_MAX: usize = 2_048;
/// Tables that are built at a time.
pub const STEP_TABLES_BUILT_MAX: usize = 8;

impl Market {
    /// The same market with room for so many tables of steps, instead of [`STEP_TABLES_MAX`]. Those that it has are lost.
    #[must_use]
    pub fn with_step_tables(self, tables_max: usize) -> Self {
        let mut tables = StepTables::new(tables_max);
        tables.grow(self.derived.len());
        Self { tables, ..self }
    }

    /// Builds tables of steps for pools with ticks that were asked about since it was last called, at most
    /// [`STEP_TABLES_BUILT_MAX`] at a time: quotes of theirs then take no longer for the ticks that they cross. No answer
    /// depends on it. For whoever has done what a block asked for and has time.
    ///
    /// Returns how many were built.
    /// Latency: up to a hundred microseconds for each that is built anew, a few for one that changed; a microsecond for
    /// a hundred thousand pools that nobody asked about. Allocates for a pool that has none, until
    /// [`STEP_TABLES_MAX`] are held; then the one that was not asked for longest gives way.
    pub fn build_tables(&mut self) -> usize {
        let Self { replica, derived, tables, .. } = self;
        tables.build(|pool| view_of(replica, derived, pool).ok())
    }

    /// Pools for which a table of steps is held, and the memory of all together in bytes.
    #[must_use]
    pub fn step_tables(&self) -> (usize, usize) {
        self.tables.held()
    }
}

/// The tables of a market, a bounded number.
#[derive(Debug)]
pub(super) struct StepTables {
    max: usize,
    /// By pool.
    tables: Vec<Option<Box<StepTable>>>,
    /// Pools that have one, in no order.
    holders: Vec<PoolId>,
    is_held: PoolSet,
    /// Holder that is looked at next when one has to give way.
    hand: usize,
    /// Pools asked about since the hand passed.
    asked: Marks,
    /// Pools asked about without a table, and pools with one that changed.
    wanted: Marks,
    /// Where the search for the next one that is wanted begins, so that each has its turn.
    next: PoolId,
}

/// The table of one pool, if there is one, and where it is noted that the pool was asked about.
#[derive(Debug, Clone, Copy)]
pub(super) struct StepsOfPool<'a> {
    tables: &'a StepTables,
    pool: PoolId,
}

impl<'a> StepsOfPool<'a> {
    /// The table, to be asked now.
    #[inline]
    pub(super) fn ask(self) -> Option<&'a StepTable> {
        let Self { tables, pool } = self;
        tables.asked.put(pool);
        let table = tables.tables.get(pool.index())?.as_deref();
        if table.is_none() {
            tables.wanted.put(pool);
        }
        table
    }
}

impl StepTables {
    pub(super) fn new(max: usize) -> Self {
        Self {
            max,
            tables: Vec::new(),
            holders: Vec::new(),
            is_held: PoolSet::default(),
            hand: 0,
            asked: Marks::default(),
            wanted: Marks::default(),
            next: PoolId(0),
        }
    }

    /// Makes room for as many pools.
    pub(super) fn grow(&mut self, pool_count: usize) {
        if self.tables.len() < pool_count {
            self.tables.resize_with(pool_count, || None);
        }
        self.is_held.grow(pool_count);
        self.asked.grow(pool_count);
        self.wanted.grow(pool_count);
    }

    /// Keeps the tables of the first `pool_count` pools. They may be other pools now: no table is trusted anyway.
    pub(super) fn resize(&mut self, pool_count: usize) {
        self.tables.resize_with(pool_count, || None);
        self.holders.retain(|pool| pool.index() < pool_count);
        self.is_held.clear();
        self.asked.clear();
        self.wanted.clear();
        self.grow(pool_count);
        for pool in &self.holders {
            self.is_held.insert(*pool);
            self.wanted.put(*pool);
        }
    }

    pub(super) fn of_pool(&self, pool: PoolId) -> StepsOfPool<'_> {
        StepsOfPool { tables: self, pool }
    }

    /// A pool changed: its table, if it has one, may have to follow.
    #[inline]
    pub(super) fn note_change(&self, pool: PoolId) {
        if self.is_held.contains(pool) {
            self.wanted.put(pool);
        }
    }

    /// How many there are, and the memory of their contents in bytes.
    pub(super) fn held(&self) -> (usize, usize) {
        let bytes = self.tables.iter().flatten().map(|table| size_of::<StepTable>() + table.heap_bytes()).sum();
        (self.holders.len(), bytes)
    }

    /// Makes the tables of pools fit that were marked; how many had to be built for it.
    pub(super) fn build<'a>(&mut self, view_of: impl Fn(PoolId) -> Option<PoolView<'a>>) -> usize {
        let mut built = 0;
        while built < STEP_TABLES_BUILT_MAX
            && let Some(pool) = self.wanted.take_next(self.next).or_else(|| self.wanted.take_next(PoolId(0)))
        {
            built += usize::from(view_of(pool).is_some_and(|view| self.fit(pool, &view)));
            self.next = PoolId(pool.0.saturating_add(1));
        }
        built
    }

    /// Makes the table of a pool fit; whether it was built for that.
    fn fit(&mut self, pool: PoolId, view: &PoolView<'_>) -> bool {
        if !has_steps(view) {
            return false;
        }
        if let Some(Some(table)) = self.tables.get_mut(pool.index()) {
            return !is_fitting(table, view) && build(table, view);
        }
        let Some(mut table) = self.make_room() else { return false };
        let is_built = build(&mut table, view);
        if let Some(place) = self.tables.get_mut(pool.index()) {
            *place = Some(table);
            self.holders.push(pool);
            self.is_held.insert(pool);
        }
        is_built
    }

    /// A table for a pool that has none: a new one, or that of a pool which was not asked about while the hand went round.
    fn make_room(&mut self) -> Option<Box<StepTable>> {
        if self.holders.len() < self.max {
            return Some(Box::new(StepTable::new(STEP_TABLE_STEPS)));
        }
        // Once round takes every mark away.
        for _ in 0..=2 * self.holders.len() {
            self.hand = if self.hand < self.holders.len() { self.hand } else { 0 };
            let holder = *self.holders.get(self.hand)?;
            if self.asked.take(holder) {
                self.hand += 1;
                continue;
            }
            self.holders.swap_remove(self.hand);
            self.is_held.remove(holder);
            // That it changed is no reason to build its table again: whoever asks next is.
            self.wanted.take(holder);
            return self.tables.get_mut(holder.index())?.take();
        }
        None
    }
}

/// Whether a table can answer for the pool: of the fourth version, one with hooks is quoted by none.
fn has_steps(view: &PoolView<'_>) -> bool {
    match view {
        PoolView::V3(_) => true,
        PoolView::V4(view) => !takes_part_in_swaps(view.hooks),
        _ => false,
    }
}

/// Whether the table answers for the pool as it is, after it has been told where the price is.
fn is_fitting(table: &mut StepTable, view: &PoolView<'_>) -> bool {
    let in_one = |zero_for_one| match view {
        PoolView::V3(view) => Some(**view),
        PoolView::V4(view) => view.concentrated(zero_for_one).ok(),
        _ => None,
    };
    let (Some(down), Some(up)) = (in_one(true), in_one(false)) else { return false };
    table.follow(&down) && table.is_fitting(&down, true) && table.is_fitting(&up, false)
}

fn build(table: &mut StepTable, view: &PoolView<'_>) -> bool {
    match view {
        PoolView::V3(view) => {
            table.build(view, [view.fee_ppm; 2]);
            true
        }
        PoolView::V4(view) => view.build_steps(table).is_ok(),
        _ => false,
    }
}
