//! How far the data plane has come, for those who wait for it.

use std::collections::VecDeque;

use alphapulse_protocol::BlockRef;

/// Blocks that are remembered by hash; whoever asks for an older one finds it settled.
const JUDGED_MAX: usize = 256;

/// How far the data plane has come.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Newest blocks of our chain that the core has judged, oldest first.
    judged: VecDeque<BlockRef>,
    /// Events of the chain that the tracker was told of.
    told: u64,
    /// Those of them whose outcomes were booked.
    tracked: u64,
    /// Simulations and submissions without an answer.
    open: usize,
}

impl Progress {
    /// The core has judged a block on top of the others. `is_told` says whether the tracker will follow.
    pub(super) fn on_block(&mut self, block: BlockRef, is_told: bool) {
        self.judged.push_back(block);
        if self.judged.len() > JUDGED_MAX {
            self.judged.pop_front();
        }
        self.told += u64::from(is_told);
    }

    /// The core has judged a snapshot.
    pub(super) fn on_reset(&mut self, block: BlockRef, is_told: bool) {
        self.judged.clear();
        self.on_block(block, is_told);
    }

    /// Blocks above `ancestor` left the chain.
    pub(super) fn on_reorg(&mut self, ancestor: BlockRef, is_told: bool) {
        self.judged.retain(|block| block.number <= ancestor.number);
        self.told += u64::from(is_told);
    }

    /// Outcomes up to this event are booked.
    pub(super) const fn on_tracked(&mut self, count: u64) {
        self.tracked = count;
    }

    /// Takes the number of open requests. Says whether it is news.
    pub(super) const fn set_open(&mut self, open: usize) -> bool {
        let is_news = self.open != open;
        self.open = open;
        is_news
    }

    /// Whether a market has ever stood.
    pub(super) fn has_market(&self) -> bool {
        !self.judged.is_empty()
    }

    fn has_judged(&self, block: BlockRef) -> bool {
        self.judged.contains(&block) || self.judged.front().is_some_and(|oldest| block.number < oldest.number)
    }

    /// A test for "done with `block`": judged, all outcomes up to then booked, and nothing open.
    pub(super) fn is_settled_on(block: BlockRef) -> impl FnMut(&Self) -> bool {
        let mut due = None;
        move |progress| {
            if due.is_none() && progress.has_judged(block) {
                due = Some(progress.told);
            }
            due.is_some_and(|due| progress.tracked >= due) && progress.open == 0
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use alphapulse_protocol::BlockNumber;

    fn block(number: u64, fork: u8) -> BlockRef {
        BlockRef { number: BlockNumber(number), hash: [fork; 32] }
    }

    #[test]
    fn a_block_is_settled_when_it_is_judged_tracked_and_nothing_is_open() {
        let mut progress = Progress::default();
        let mut is_settled = Progress::is_settled_on(block(5, 1));
        progress.on_reset(block(4, 1), true);
        progress.on_tracked(1);
        assert!(!is_settled(&progress), "not judged");
        progress.on_block(block(5, 1), true);
        assert!(!is_settled(&progress), "its outcomes are not booked");
        progress.on_tracked(2);
        progress.set_open(1);
        assert!(!is_settled(&progress), "a simulation is open");
        progress.set_open(0);
        assert!(is_settled(&progress));
        assert!(Progress::is_settled_on(block(3, 9))(&progress), "older than all that is remembered");
    }

    #[test]
    fn a_higher_block_of_a_chain_that_was_left_settles_nothing() {
        let mut progress = Progress::default();
        for (count, number) in [(1, 4), (2, 5), (3, 6)] {
            progress.on_block(block(number, 1), true);
            progress.on_tracked(count);
        }
        let mut is_settled = Progress::is_settled_on(block(5, 2));
        assert!(!is_settled(&progress));
        progress.on_reorg(block(4, 1), true);
        progress.on_block(block(5, 2), true);
        assert!(!is_settled(&progress), "the tracker is still on the other chain");
        progress.on_tracked(4);
        assert!(!is_settled(&progress), "the tracker knows of the reorg only");
        progress.on_tracked(5);
        assert!(is_settled(&progress));
    }

    #[test]
    fn what_the_tracker_was_not_told_is_not_waited_for() {
        let mut progress = Progress::default();
        progress.on_block(block(4, 1), false);
        assert!(Progress::is_settled_on(block(4, 1))(&progress));
    }
}
