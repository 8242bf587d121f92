//! The newest blocks of a journal, by which it is held against a chain before it is continued there.

use std::collections::VecDeque;

use alphapulse_protocol::message::{Block, BlockContext, Message, Reorg, SnapshotBegin, WireMessage};
use alphapulse_protocol::{BlockNumber, BlockRef};

use super::segment;

/// Blocks that a journal ends with, oldest first: as many below the last as can be taken back, and one that cannot.
#[derive(Debug)]
pub(super) struct Newest {
    blocks: VecDeque<BlockRef>,
    reorg_depth_max: u64,
}

impl Newest {
    pub(super) fn new(reorg_depth_max: usize) -> Self {
        Self { blocks: VecDeque::new(), reorg_depth_max: u64::try_from(reorg_depth_max).unwrap_or(u64::MAX) }
    }

    /// Notes a record of a journal that is read from its beginning.
    pub(super) fn note_read(&mut self, record: &[u8]) {
        let wanted = [SnapshotBegin::TEMPLATE_ID, Block::TEMPLATE_ID, Reorg::TEMPLATE_ID];
        if !wanted.contains(&segment::template_id(record)) {
            return;
        }
        match Message::decode(record) {
            Ok(Message::SnapshotBegin(begin)) => self.push(&begin.context),
            Ok(Message::Block(block)) => self.push(&block.context),
            Ok(Message::Reorg(reorg)) => self.go_back(reorg.ancestor()),
            _ => {}
        }
    }

    fn push(&mut self, context: &BlockContext) {
        let block = context.block();
        self.blocks.retain(|kept| kept.number < block.number);
        // The parent is known as well, and may be all that a reorg leaves of a journal that was just begun.
        if let (true, Some(number)) = (self.blocks.is_empty(), block.number.0.checked_sub(1)) {
            self.blocks.push_back(BlockRef { number: BlockNumber(number), hash: context.parent_hash });
        }
        self.blocks.push_back(block);
        let depth_max = self.reorg_depth_max;
        while self.blocks.get(1).is_some_and(|next| next.number.0.saturating_add(depth_max) <= block.number.0) {
            self.blocks.pop_front();
        }
    }

    fn go_back(&mut self, ancestor: BlockRef) {
        self.blocks.retain(|kept| kept.number < ancestor.number);
        self.blocks.push_back(ancestor);
    }

    /// The blocks, newest first.
    pub(super) fn into_blocks(self) -> Vec<BlockRef> {
        self.blocks.into_iter().rev().collect()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a failed unwrap is a failed test")]

    use super::*;

    /// A block of a branch: its hash and its parent's say which.
    fn context(number: u64, branch: u8) -> BlockContext {
        let hash = |number: u64| [u8::try_from(number).unwrap() ^ branch; 32];
        BlockContext {
            number: number.into(),
            hash: hash(number),
            parent_hash: hash(number.saturating_sub(1)),
            timestamp: number.into(),
            base_fee: 7_u128.into(),
            gas_used: 1.into(),
            gas_limit: 2.into(),
        }
    }

    fn numbers(newest: Newest) -> Vec<u64> {
        newest.into_blocks().iter().map(|block| block.number.0).collect()
    }

    #[test]
    fn it_reaches_as_deep_as_a_reorg_may_and_to_the_parent_of_a_first_block() {
        let mut newest = Newest::new(3);
        newest.push(&context(10, 0));
        assert_eq!(newest.blocks.front().unwrap().hash, context(9, 0).hash);
        (11..=20).for_each(|number| newest.push(&context(number, 0)));
        assert_eq!(numbers(newest), [20, 19, 18, 17]);
        let mut newest = Newest::new(3);
        newest.push(&context(0, 0));
        assert_eq!(numbers(newest), [0], "nothing is below the first block");
    }

    #[test]
    fn a_hole_leaves_a_block_below_it_and_what_was_taken_back_is_forgotten() {
        let mut newest = Newest::new(3);
        [10, 11, 12, 50, 51].into_iter().for_each(|number| newest.push(&context(number, 0)));
        assert_eq!(newest.blocks.iter().map(|block| block.number.0).collect::<Vec<_>>(), [12, 50, 51]);
        newest.go_back(context(50, 0).block());
        newest.push(&context(51, 64));
        let blocks = newest.into_blocks();
        assert_eq!((blocks[0], blocks.len()), (context(51, 64).block(), 3));
    }

    #[test]
    fn a_state_below_the_last_block_takes_its_place() {
        let mut newest = Newest::new(3);
        (10..=12).for_each(|number| newest.push(&context(number, 0)));
        newest.push(&context(5, 64));
        let blocks = newest.into_blocks();
        assert_eq!(blocks, [context(5, 64).block(), context(4, 64).block()]);
    }
}
