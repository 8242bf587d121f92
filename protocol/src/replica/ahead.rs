//! A look at the memory that messages will need, before they are applied.
//!
//! A block's messages come together, and each waits for the state of a pool that is in no cache. Looked at one behind the other,
//! with nothing in between, such states are waited for together. Nothing depends on what is seen: who skips a look, or is
//! wrong about what comes, loses time and nothing else.

use core::hint::{black_box, select_unpredictable};

use zerocopy::little_endian::{I32, U16, U32};
use zerocopy::{FromBytes, Immutable, KnownLayout, Unaligned};

use super::undo::BlockUndo;
use super::{PoolState, Replica, TickLiquidity, TickPlaces};
use crate::id::PoolId;
use crate::message::{V2Reserves, V3Liquidity, V3Swap, V4Swap, WireMessage};

/// Most messages that are looked ahead at together: what they take of the nearest cache is a part of it.
pub const AHEAD_MAX: usize = 32;

/// Messages that were looked at at once meet at least so many pools that are new to their block, or the next are not looked at.
const NEW_MIN: usize = AHEAD_MAX / 4;

/// No pool has this id: there are never so many.
const NOBODY: PoolId = PoolId(u32::MAX);

/// What a look needs of a message that changes a pool; the fields behind `pool` mean something only in a change of liquidity.
#[derive(Debug, Clone, Copy, Default, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
struct Start {
    block_length: U16,
    template_id: U16,
    schema_and_version: U32,
    sequence_and_time: [u8; 16],
    pool: U32,
    tick_lower: I32,
    tick_upper: I32,
}

const _: () = assert!(core::mem::offset_of!(V2Reserves, pool) == core::mem::offset_of!(Start, pool));
const _: () = assert!(core::mem::offset_of!(V3Swap, pool) == core::mem::offset_of!(Start, pool));
const _: () = assert!(core::mem::offset_of!(V4Swap, pool) == core::mem::offset_of!(Start, pool));
const _: () = assert!(core::mem::offset_of!(V3Liquidity, pool) == core::mem::offset_of!(Start, pool));
const _: () = assert!(core::mem::offset_of!(V3Liquidity, tick_lower) == core::mem::offset_of!(Start, tick_lower));
const _: () = assert!(core::mem::offset_of!(V3Liquidity, tick_upper) == core::mem::offset_of!(Start, tick_upper));

impl Start {
    const fn is_liquidity(&self) -> bool {
        self.template_id.get() == V3Liquidity::TEMPLATE_ID
    }

    const fn is_of_curve(&self) -> bool {
        matches!(self.template_id.get(), V3Swap::TEMPLATE_ID | V3Liquidity::TEMPLATE_ID | V4Swap::TEMPLATE_ID)
    }
}

/// What messages will need.
struct Needs<'a> {
    pools: [PoolId; AHEAD_MAX],
    /// For each of them the last pool with ticks.
    curves: [PoolId; AHEAD_MAX],
    count: usize,
    changes: [Option<&'a Start>; AHEAD_MAX],
    change_count: usize,
}

impl Default for Needs<'_> {
    fn default() -> Self {
        let pools = [NOBODY; AHEAD_MAX];
        Self { pools, curves: pools, count: 0, changes: [None; AHEAD_MAX], change_count: 0 }
    }
}

impl<'a> Needs<'a> {
    /// Adds those of one message; no more than there is room for.
    #[inline]
    fn add(&mut self, start: &'a Start) {
        let (at, pool) = (self.count, PoolId(start.pool.get()));
        let curve = self.curves[at.saturating_sub(1)];
        self.pools[at] = pool;
        // What comes is a toss-up. No guess is made: where it is not of a curve, the last curve is looked at once more.
        self.curves[at] = select_unpredictable(start.is_of_curve(), pool, curve);
        self.changes[self.change_count] = Some(start);
        self.change_count += usize::from(start.is_liquidity());
        self.count += 1;
    }

    fn pools(&self) -> &[PoolId] {
        &self.pools[..self.count]
    }

    fn curves(&self) -> &[PoolId] {
        &self.curves[..self.count]
    }

    fn changes(&self) -> &[Option<&'a Start>] {
        &self.changes[..self.change_count]
    }
}

impl Replica {
    /// Looks at what messages that are about to be applied will need, given as bytes, at most [`AHEAD_MAX`] of them, and says how many there
    /// were; `also` looks at what its caller keeps of a pool. What is no message is passed over. Changes nothing that is told.
    ///
    /// Nothing is looked at where the messages before met few pools that were new to the block: the next will be near, too.
    #[inline]
    pub fn look_ahead<'a>(&mut self, messages: impl Iterator<Item = &'a [u8]>, also: impl Fn(PoolId) -> bool) -> usize {
        let kept = self.undo.back().map(BlockUndo::pool_count);
        let is_near = self.kept_at_look.zip(kept).is_some_and(|(before, now)| now.saturating_sub(before) < NEW_MIN);
        self.kept_at_look = kept;
        if is_near { messages.take(AHEAD_MAX).count() } else { self.look_at(messages, also) }
    }

    #[inline]
    fn look_at<'a>(&self, messages: impl Iterator<Item = &'a [u8]>, also: impl Fn(PoolId) -> bool) -> usize {
        let (mut count, mut needs) = (0, Needs::default());
        for bytes in messages.take(AHEAD_MAX) {
            count += 1;
            if let Ok((start, _)) = Start::ref_from_prefix(bytes) {
                needs.add(start);
            }
        }
        // One short loop behind the other, since a core waits at once for no more than what so many instructions need as it holds. Ticks come
        // last: where they lie is known only once the look at their pool is through.
        let starts = needs.pools().iter().fold(false, |seen, pool| seen ^ self.look_at_start(*pool));
        let curves = needs.curves().iter().fold(0, |seen, pool| seen ^ self.look_at_curve(*pool));
        let sets = needs.pools().iter().fold(false, |seen, pool| seen ^ self.kept.contains(*pool) ^ also(*pool));
        let ticks = self.look_at_changes(needs.changes());
        // Otherwise nothing would be looked at.
        black_box((starts ^ sets, curves, ticks));
        count
    }

    /// The first cache line of a pool's state, whatever it holds.
    #[inline]
    fn look_at_start(&self, pool: PoolId) -> bool {
        matches!(self.states.get(pool.index()), Some(PoolState::Unknown(_)))
    }

    /// The second one, of a pool with ticks.
    #[inline]
    fn look_at_curve(&self, pool: PoolId) -> u32 {
        let curve = self.states.get(pool.index()).and_then(PoolState::concentrated);
        curve.map_or(0, |curve| curve.tick.unsigned_abs())
    }

    /// The ticks of changes of liquidity. Each step of the way to them is taken for all before the next is for any, so that none waits for
    /// another's.
    #[inline]
    fn look_at_changes(&self, changes: &[Option<&Start>]) -> u64 {
        let changes = || {
            changes.iter().flatten().filter_map(|start| Some((start, self.tick_places.get(start.pool.get() as usize)?)))
        };
        let counts = changes().fold(0, |seen, (_, places)| seen ^ places.count());
        let ends = changes().fold(0, |seen, (_, places)| seen ^ places.ends());
        let ticks = changes().fold(0, |seen, (start, places)| seen ^ self.look_at_ticks(start, places));
        ticks ^ u64::from(counts ^ ends.unsigned_abs())
    }

    #[inline]
    fn look_at_ticks(&self, start: &Start, places: &TickPlaces) -> u64 {
        let ticks = self.states.get(start.pool.get() as usize).map_or(&[][..], PoolState::ticks);
        let entry = |tick: I32| places.find(tick.get()).ok().and_then(|at| ticks.get(at));
        // An entry may lie in two lines.
        let ends =
            |entry: &TickLiquidity| low(entry.liquidity_net.unsigned_abs()) ^ u64::from(entry.tick.unsigned_abs());
        let look = |entry: Option<&TickLiquidity>| entry.map_or(0, ends);
        look(entry(start.tick_lower)) ^ look(entry(start.tick_upper))
    }
}

#[expect(clippy::cast_possible_truncation, reason = "only looked at")]
const fn low(value: u128) -> u64 {
    value as u64
}
