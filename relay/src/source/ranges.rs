//! Ranges of blocks whose logs are asked for one after another. Providers bound them, each in its way: where one refuses or is too
//! slow, a range is halved.

use crate::error::SourceError;

/// Blocks from one number to another, both included, in parts.
#[derive(Debug)]
pub(crate) struct BlockRanges {
    from: u64,
    to: u64,
    /// Blocks of the next part.
    blocks: u64,
    /// As many at most, once a part was halved.
    most: u64,
}

/// A node that refuses even this is of no use for looking back.
const BLOCKS_MIN: u64 = 8;

impl BlockRanges {
    /// Parts of so many blocks from the beginning.
    pub(crate) const fn new((from, to): (u64, u64), blocks: u64) -> Self {
        Self { from, to, blocks, most: blocks }
    }

    /// All at once, and parts of at most so many blocks where that is refused: there are nodes that bound answers and not ranges.
    pub(crate) const fn whole((from, to): (u64, u64), most: u64) -> Self {
        Self { from, to, blocks: u64::MAX, most }
    }

    /// First and last block of the next part; `None` when there is none.
    pub(crate) const fn next(&self) -> Option<(u64, u64)> {
        if self.from > self.to {
            return None;
        }
        let last = self.from.saturating_add(self.blocks - 1);
        Some((self.from, if last < self.to { last } else { self.to }))
    }

    /// That part is done.
    pub(crate) const fn advance(&mut self) {
        match self.next() {
            Some((_, last)) if last < self.to => self.from = last + 1,
            // Past the last there may be no number.
            _ => (self.from, self.to) = (1, 0),
        }
    }

    /// That part was not answered, and is asked for in halves.
    ///
    /// # Errors
    /// The same error, where fewer blocks would not help: it is none of too many blocks, or these are few.
    pub(crate) fn halve(&mut self, error: SourceError) -> Result<(), SourceError> {
        let asked = self.next().map_or(0, |(from, last)| (last - from).saturating_add(1));
        let may_help = match error {
            // Few blocks may be refused for another reason, that passes: they are asked for once more.
            SourceError::Call { .. } => self.blocks > BLOCKS_MIN,
            // What took too long is not asked for twice.
            SourceError::Timeout { .. } => asked > BLOCKS_MIN,
            _ => false,
        };
        if !may_help {
            return Err(error);
        }
        self.blocks = (asked / 2).clamp(BLOCKS_MIN, self.most);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slow() -> SourceError {
        SourceError::Timeout { method: "eth_getLogs", after: core::time::Duration::ZERO }
    }

    /// Parts that are asked for at a node that answers at most so many blocks.
    fn parts(mut ranges: BlockRanges, bound: u64) -> Result<Vec<(u64, u64)>, SourceError> {
        let mut parts = Vec::new();
        while let Some((from, last)) = ranges.next() {
            if (last - from).saturating_add(1) > bound {
                ranges.halve(slow())?;
                continue;
            }
            parts.push((from, last));
            ranges.advance();
        }
        Ok(parts)
    }

    #[test]
    fn each_block_is_asked_for_once_whatever_a_node_bounds() {
        for (from, to) in [(0, 0), (5, 99), (0, u64::MAX - 1), (u64::MAX, u64::MAX), (3, 2)] {
            let whole = parts(BlockRanges::whole((from, to), 50_000), u64::MAX).expect("it answers");
            assert_eq!(whole, if from > to { vec![] } else { vec![(from, to)] });
        }
        for bound in [8, 9, 100, 1_000, 5_000] {
            for ranges in [BlockRanges::whole((7, 20_000), 300), BlockRanges::new((7, 20_000), 1_000)] {
                let parts = parts(ranges, bound).expect("it answers");
                assert_eq!((parts[0].0, parts[parts.len() - 1].1), (7, 20_000));
                assert!(parts.windows(2).all(|two| two[0].1 + 1 == two[1].0), "{bound}");
            }
        }
    }

    #[test]
    fn a_node_that_answers_no_eight_blocks_or_cannot_be_reached_is_given_up() {
        assert!(parts(BlockRanges::whole((0, 1_000), 300), 7).is_err());
        let refused = || SourceError::Call { method: "eth_getLogs", cause: "busy".into() };
        let mut few = BlockRanges::new((0, 4), 300);
        assert!(few.halve(refused()).is_ok() && few.next() == Some((0, 4)), "once more");
        assert!(few.halve(refused()).is_err());
        let mut ranges = BlockRanges::new((0, 1_000), 300);
        assert!(matches!(ranges.halve(SourceError::Disconnected), Err(SourceError::Disconnected)));
        assert_eq!(ranges.next(), Some((0, 299)));
    }
}
