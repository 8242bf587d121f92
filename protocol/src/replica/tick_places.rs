//! Where the ticks of a pool lie among those of its state, found without a look at what they hold.

use super::pool::TickLiquidity;

/// Ticks that are compared at once, without a branch.
const BLOCK: usize = 8;
/// Blocks that are gone through one by one, where there are no more of them.
const BLOCKS_COUNTED: usize = 4;
/// Fills the last block: above every tick.
const NONE: i32 = i32::MAX;

/// Of one pool: which ticks are known, and which of them are initialised. No two cache lines share one.
#[derive(Debug, Clone, Default)]
#[repr(align(32))]
pub(super) struct TickPlaces {
    /// Range in which every initialised tick is known, inclusive.
    known: (i32, i32),
    /// The initialised ticks of the pool's state, ascending, and [`NONE`] behind them. They lie side by side, so that a search
    /// waits for a cache line or two; among what they hold each of its steps would be in another one.
    blocks: Box<[[i32; BLOCK]]>,
    count: u32,
}

impl TickPlaces {
    pub(super) fn new(known: (i32, i32)) -> Self {
        Self { known, ..Self::default() }
    }

    /// Makes them those of these ticks.
    pub(super) fn follow(&mut self, ticks: &[TickLiquidity]) {
        *self = Self::new(self.known);
        for (place, entry) in ticks.iter().enumerate() {
            self.insert(place, entry.tick);
        }
    }

    /// Ticks that are initialised.
    #[inline]
    pub(super) const fn count(&self) -> u32 {
        self.count
    }

    /// One tick of the first cache line and one of the last, for who would have them near.
    #[inline]
    pub(super) fn ends(&self) -> i32 {
        self.blocks.first().map_or(0, |block| block[0]) ^ self.blocks.last().map_or(0, |block| block[BLOCK - 1])
    }

    /// Whether a tick is within the known range; nothing is kept of one that is not.
    #[inline]
    pub(super) fn is_known(&self, tick: i32) -> bool {
        (self.known.0..=self.known.1).contains(&tick)
    }

    /// Place of a tick, or where it would be put.
    #[inline]
    pub(super) fn find(&self, tick: i32) -> Result<usize, usize> {
        let place = self.place(tick);
        let found = self.blocks.as_flattened().get(place).filter(|_| place < self.count as usize);
        if found == Some(&tick) { Ok(place) } else { Err(place) }
    }

    /// How many ticks are below this one. Halving is a chain in which each step waits for the one before; so few are counted.
    #[inline]
    fn place(&self, tick: i32) -> usize {
        let (mut before, mut blocks) = (0, &self.blocks[..]);
        while blocks.len() > BLOCKS_COUNTED {
            let (low, high) = blocks.split_at(blocks.len() / 2);
            // Not for an equal one: blocks of nothing but `NONE` are above whatever is asked for.
            let is_high = high[0][0] < tick;
            (before, blocks) = if is_high { (before + low.len(), high) } else { (before, low) };
        }
        // By place in the block, so that all of it is compared and counted at once.
        let mut below = [0; BLOCK];
        for block in blocks {
            for (below, known) in below.iter_mut().zip(block) {
                *below += u32::from(*known < tick);
            }
        }
        before * BLOCK + below.iter().sum::<u32>() as usize
    }

    pub(super) fn insert(&mut self, place: usize, tick: i32) {
        if self.count as usize == self.blocks.len() * BLOCK {
            let mut blocks = core::mem::take(&mut self.blocks).into_vec();
            blocks.push([NONE; BLOCK]);
            self.blocks = blocks.into();
        }
        let behind = &mut self.blocks.as_flattened_mut()[place..];
        behind.rotate_right(1);
        behind[0] = tick;
        self.count += 1;
    }

    pub(super) fn remove(&mut self, place: usize) {
        let behind = &mut self.blocks.as_flattened_mut()[place..];
        behind[0] = NONE;
        behind.rotate_left(1);
        self.count -= 1;
    }
}

const _: () = assert!(size_of::<TickPlaces>() == 32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tick_is_found_where_it_is_or_would_be() {
        let mut places = TickPlaces::new((-180, 180));
        for (tick, place) in [(60, 0), (-60, 0), (0, 1), (180, 3)] {
            assert_eq!(places.find(tick), Err(place));
            places.insert(place, tick);
            assert_eq!(places.find(tick), Ok(place));
        }
        assert_eq!([-61, 1, 61, 181].map(|tick| places.find(tick)), [Err(0), Err(2), Err(3), Err(4)]);
        places.remove(1);
        assert_eq!([0, 60].map(|tick| places.find(tick)), [Err(1), Ok(1)]);
        places.follow(&[]);
        assert_eq!(places.find(60), Err(0));
        assert_eq!(places.find(i32::MAX), Err(0));
        assert_eq!([-181, -180, 180, 181].map(|tick| places.is_known(tick)), [false, true, true, false]);
    }

    /// A feed may state any range as known, and any number as a tick.
    #[test]
    fn the_highest_number_is_a_tick_like_others() {
        let mut places = TickPlaces::new((i32::MIN, i32::MAX));
        (0..80).for_each(|at| places.insert(at, i32::try_from(at).expect("few")));
        (24..80).rev().for_each(|at| places.remove(at));
        for tick in [i32::MAX, i32::MIN] {
            let Err(place) = places.find(tick) else { panic!("{tick} was not put there") };
            assert!(place <= places.count() as usize, "{tick} at {place}");
            places.insert(place, tick);
            assert_eq!(places.find(tick), Ok(place));
        }
    }

    #[test]
    fn every_number_of_ticks_is_gone_through_alike() {
        for count in 0..200 {
            let ticks: Vec<_> = (0..count).map(|at| 10 * (at * 37 % count)).collect();
            let (mut places, mut sorted) = (TickPlaces::new((0, 0)), Vec::new());
            for tick in ticks {
                let place = sorted.partition_point(|known| *known < tick);
                assert_eq!(
                    places.find(tick),
                    sorted.get(place).map_or(Err(place), |known| if *known == tick { Ok(place) } else { Err(place) })
                );
                if sorted.get(place) != Some(&tick) {
                    sorted.insert(place, tick);
                    places.insert(place, tick);
                }
            }
            while !sorted.is_empty() {
                for tick in -1..10 * count + 2 {
                    assert_eq!(places.find(tick), sorted.binary_search(&tick), "{tick} of {sorted:?}");
                }
                let gone = sorted.len() / 3;
                sorted.remove(gone);
                places.remove(gone);
                sorted.truncate(sorted.len().saturating_sub(20));
                (sorted.len()..places.count() as usize).rev().for_each(|place| places.remove(place));
            }
        }
    }
}
