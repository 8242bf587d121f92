//! Which blocks a stream tells of, where there may be some that nobody recorded.

use alphapulse_protocol::BlockNumber;

/// Ranges of blocks, and the holes between them. Takes as much memory as the stream has holes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BlockSpans(Vec<(u64, u64)>);

impl BlockSpans {
    /// Notes the stream's next block, which may be one that was taken back and comes again.
    pub fn note(&mut self, block: BlockNumber) {
        let block = block.0;
        match self.0.last_mut() {
            Some((low, high)) if (*low..=high.saturating_add(1)).contains(&block) => *high = block.max(*high),
            _ => self.0.push((block, block)),
        }
    }

    /// The ranges, lowest first, first and last block of each; no two of them touch.
    #[must_use]
    pub fn ranges(&self) -> Vec<(BlockNumber, BlockNumber)> {
        let mut noted = self.0.clone();
        noted.sort_unstable();
        let mut ranges: Vec<(u64, u64)> = Vec::new();
        for (low, high) in noted {
            match ranges.last_mut() {
                Some((_, end)) if low <= end.saturating_add(1) => *end = high.max(*end),
                _ => ranges.push((low, high)),
            }
        }
        ranges.into_iter().map(|(low, high)| (BlockNumber(low), BlockNumber(high))).collect()
    }

    /// Lowest and highest block, if there is one.
    #[must_use]
    pub fn ends(&self) -> Option<(BlockNumber, BlockNumber)> {
        let ranges = self.ranges();
        Some((ranges.first()?.0, ranges.last()?.1))
    }

    /// First and last block of each hole, lowest first.
    #[must_use]
    pub fn holes(&self) -> Vec<(BlockNumber, BlockNumber)> {
        let ranges = self.ranges();
        let between =
            |pair: &[(BlockNumber, BlockNumber)]| (BlockNumber(pair[0].1.0 + 1), BlockNumber(pair[1].0.0 - 1));
        ranges.windows(2).map(between).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(blocks: &[u64], ranges: &[(u64, u64)], holes: &[(u64, u64)]) {
        let mut spans = BlockSpans::default();
        blocks.iter().for_each(|block| spans.note(BlockNumber(*block)));
        let numbers = |pairs: Vec<(BlockNumber, BlockNumber)>| -> Vec<_> {
            pairs.into_iter().map(|(low, high)| (low.0, high.0)).collect()
        };
        assert_eq!((numbers(spans.ranges()), numbers(spans.holes())), (ranges.to_vec(), holes.to_vec()), "{blocks:?}");
        assert_eq!(spans.ends().is_none(), blocks.is_empty());
    }

    #[test]
    fn holes_are_what_no_part_of_the_stream_tells_of() {
        check(&[], &[], &[]);
        check(&[5, 6, 7], &[(5, 7)], &[]);
        check(&[5, 6, 9], &[(5, 6), (9, 9)], &[(7, 8)]);
        check(&[5, 7], &[(5, 5), (7, 7)], &[(6, 6)]);
        // Taken back and mined again; below where the stream began; and a hole that a later part fills.
        check(&[5, 6, 7, 6, 7, 8], &[(5, 8)], &[]);
        check(&[5, 6, 4, 5, 6], &[(4, 6)], &[]);
        check(&[5, 9, 6, 7, 8], &[(5, 9)], &[]);
        check(&[u64::MAX, 0], &[(0, 0), (u64::MAX, u64::MAX)], &[(1, u64::MAX - 1)]);
    }
}
