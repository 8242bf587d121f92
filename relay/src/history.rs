//! The newest blocks of our own chain, by which every head is judged.

use std::collections::VecDeque;

use alphapulse_protocol::HashBytes;
use alphapulse_protocol::message::BlockContext;

/// Our head and the blocks below it that can be gone back to; never empty.
#[derive(Debug)]
pub(crate) struct History {
    blocks: VecDeque<BlockContext>,
    depth_max: usize,
}

impl History {
    /// Starts at a snapshot's block. `depth_max` blocks are kept below the head.
    pub(crate) fn new(base: BlockContext, depth_max: usize) -> Self {
        Self { blocks: VecDeque::from([base]), depth_max }
    }

    pub(crate) fn reset(&mut self, base: BlockContext) {
        self.blocks.clear();
        self.blocks.push_back(base);
    }

    pub(crate) fn head(&self) -> &BlockContext {
        self.blocks.back().expect("a history is never empty")
    }

    /// Lowest block that can be gone back to.
    pub(crate) fn oldest(&self) -> &BlockContext {
        self.blocks.front().expect("a history is never empty")
    }

    pub(crate) fn find(&self, hash: &HashBytes) -> Option<&BlockContext> {
        self.blocks.iter().rev().find(|block| block.hash == *hash)
    }

    /// Whether `block` continues our chain.
    pub(crate) fn is_next(&self, block: &BlockContext) -> bool {
        let head = self.head();
        block.parent_hash == head.hash && block.number.get().checked_sub(1) == Some(head.number.get())
    }

    pub(crate) fn push(&mut self, block: BlockContext) {
        debug_assert!(self.is_next(&block), "history grows by children only");
        self.blocks.push_back(block);
        if self.blocks.len() > self.depth_max + 1 {
            self.blocks.pop_front();
        }
    }

    /// Drops every block above the one with `hash`, which must be known.
    pub(crate) fn rewind_to(&mut self, hash: &HashBytes) {
        let keep = self.blocks.iter().position(|block| block.hash == *hash).expect("the ancestor was found here");
        self.blocks.truncate(keep + 1);
    }
}
