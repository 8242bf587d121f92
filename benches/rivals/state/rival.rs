//! What takes part beside ours.

use std::time::Duration;

use anyhow::Result;

use crate::world::{Update, World};

/// Pools that are told of the same blocks by logs.
pub(crate) trait Rival {
    fn name(&self) -> &'static str;

    /// Whether it takes the block as a whole and can take it back: the like of all that a block of ours takes.
    fn is_whole_block(&self) -> bool {
        false
    }

    fn load(&mut self, blocks: &[Vec<Update>]);

    /// Makes the next block's logs anew, so that they are as near as ours: not measured.
    fn prepare(&mut self);

    /// Brings the pools to the state that the prepared logs tell: how many there were, and the time it took.
    fn run(&mut self) -> Result<(usize, Duration)>;

    /// Whether the last block of those loaded was the last to be run.
    fn is_at_end(&self) -> bool;

    fn check(&self, world: &World) -> Result<()>;
}

/// Everybody's logs of the blocks, and which comes next.
pub(crate) struct Logs<L> {
    blocks: Vec<Vec<L>>,
    at: usize,
    pub(crate) ready: Vec<L>,
}

impl<L: Clone> Logs<L> {
    pub(crate) const fn new() -> Self {
        Self { blocks: Vec::new(), at: 0, ready: Vec::new() }
    }

    pub(crate) fn load(&mut self, blocks: &[Vec<Update>], log: impl Fn(&Update) -> L) {
        (self.blocks, self.at) = (blocks.iter().map(|block| block.iter().map(&log).collect()).collect(), 0);
    }

    pub(crate) fn prepare(&mut self) {
        self.ready = self.blocks[self.at].clone();
        self.at = (self.at + 1) % self.blocks.len();
    }

    pub(crate) const fn is_at_end(&self) -> bool {
        self.at == 0
    }
}
