//! Blocks of our chain by which it is found again from where on another chain is new to us.

use alloy::primitives::B256;
use alphapulse_protocol::BlockRef;
use alphapulse_protocol::message::BlockContext;

use crate::error::SourceError;
use crate::source::ChainSource;

/// Blocks kept. When there are more, every second one is let go, so they reach back to the first whatever the time.
const ANCHORS_MAX: usize = 64;
/// Blocks between two at first.
const SPACING: u64 = 16;
/// Where even our first block is not on the chain any more, nobody knows how far below they part. A reorg of two epochs of
/// Ethereum is taken for enough.
const DEEPER: u64 = 64;

/// Some blocks of our chain up to which factories were heard, ascending.
#[derive(Debug)]
pub(crate) struct Anchors {
    blocks: Vec<BlockRef>,
    spacing: u64,
}

impl Anchors {
    /// Begins at the block of the first image.
    pub(crate) fn new(first: BlockRef) -> Self {
        Self { blocks: vec![first], spacing: SPACING }
    }

    /// Takes note of the next block.
    pub(crate) fn pass(&mut self, block: BlockRef) {
        if self.blocks.last().is_none_or(|last| block.number.0 >= last.number.0.saturating_add(self.spacing)) {
            self.blocks.push(block);
        }
        if self.blocks.len() > ANCHORS_MAX {
            let mut is_kept = false;
            self.blocks.retain(|_| {
                is_kept = !is_kept;
                is_kept
            });
            self.spacing = self.spacing.saturating_mul(2);
        }
    }

    /// Lets go of blocks that were taken back.
    pub(crate) fn go_back(&mut self, number: u64) {
        self.blocks.retain(|block| block.number.0 <= number);
    }

    /// Begins anew at a block up to which factories were heard from `from` on.
    pub(crate) fn restart(&mut self, from: u64, block: BlockRef) {
        self.blocks.retain(|known| known.number.0 < from);
        self.blocks.push(block);
    }

    /// Lowest block from which factories may have told on the chain of `head` what they did not tell on ours.
    pub(crate) async fn first_unheard<S: ChainSource>(
        &self,
        source: &S,
        head: &BlockContext,
    ) -> Result<u64, SourceError> {
        for known in self.blocks.iter().rev().filter(|known| known.number.0 <= head.number.get()) {
            let there = source.block_by_number(known.number.0).await?;
            if there.is_some_and(|block| B256::from(block.hash) == B256::from(known.hash)) {
                return Ok(known.number.0.saturating_add(1));
            }
        }
        let first = self.blocks.first().map_or(u64::MAX, |first| first.number.0);
        Ok(first.min(head.number.get()).saturating_sub(DEEPER))
    }
}

#[cfg(test)]
mod tests {
    use alphapulse_protocol::BlockNumber;

    use super::*;

    fn block(number: u64) -> BlockRef {
        BlockRef { number: BlockNumber(number), hash: [1; 32] }
    }

    #[test]
    fn anchors_reach_back_to_the_first_and_are_bounded() {
        let mut anchors = Anchors::new(block(100));
        (101..100_000).for_each(|number| anchors.pass(block(number)));
        assert_eq!(anchors.blocks.first(), Some(&block(100)));
        assert!(anchors.blocks.len() <= ANCHORS_MAX, "{}", anchors.blocks.len());
        assert!(anchors.blocks.is_sorted_by(|one, next| one.number < next.number));
        let newest = anchors.blocks.last().map_or(0, |last| last.number.0);
        assert!(newest + anchors.spacing >= 100_000, "{newest}");
        anchors.go_back(99);
        assert!(anchors.blocks.is_empty());
        anchors.pass(block(99));
        assert_eq!(anchors.blocks, [block(99)]);
    }
}
