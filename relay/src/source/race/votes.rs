//! Votes for blocks, down to their content. What one node alone says can only push out what it said before.

use std::collections::VecDeque;

use alphapulse_protocol::HashBytes;
use alphapulse_protocol::message::BlockContext;

use super::tally::NodeId;

/// Blocks that a node may have told of and that are not agreed on; its oldest word is forgotten first.
const OPEN_PER_NODE_MAX: usize = 128;
/// Blocks agreed on whose votes are remembered; the oldest is forgotten first.
const AGREED_MAX: usize = 256;

/// A block as told, and who told of it.
#[derive(Debug)]
struct Candidate {
    context: BlockContext,
    /// In the order in which they came.
    voters: Vec<NodeId>,
    /// Whether a node told of it as its head, rather than when asked for an older block.
    is_head: bool,
    is_agreed: bool,
    is_queued: bool,
}

/// What a vote showed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Cast {
    /// Another content of the same block is known.
    pub(super) is_disputed: bool,
    /// It confirms what was agreed on without it.
    pub(super) is_confirmation: bool,
}

/// All votes, blocks in the order in which they were first told of.
#[derive(Debug, Default)]
pub(super) struct Votes {
    candidates: VecDeque<Candidate>,
}

impl Votes {
    /// Counts a node's word for a block, once.
    pub(super) fn cast(&mut self, id: NodeId, context: BlockContext, is_head: bool) -> Cast {
        let is_other = |known: &Candidate| known.context.hash == context.hash && known.context != context;
        let is_disputed = self.candidates.iter().any(is_other);
        let at = self.candidates.iter().rposition(|known| known.context == context).unwrap_or_else(|| {
            let candidate = Candidate { context, voters: Vec::new(), is_head, is_agreed: false, is_queued: false };
            self.candidates.push_back(candidate);
            self.candidates.len() - 1
        });
        let candidate = &mut self.candidates[at];
        candidate.is_head |= is_head;
        let is_new = !candidate.voters.contains(&id);
        if is_new {
            candidate.voters.push(id);
        }
        let is_confirmation = is_new && candidate.is_agreed;
        self.bound(id);
        Cast { is_disputed, is_confirmation }
    }

    /// Takes back a node's oldest word for what is not agreed on, where it has said too much.
    fn bound(&mut self, id: NodeId) {
        let is_open = |known: &Candidate| !known.is_agreed && known.voters.contains(&id);
        if self.candidates.iter().filter(|known| is_open(known)).count() <= OPEN_PER_NODE_MAX {
            return;
        }
        if let Some(at) = self.candidates.iter().position(is_open) {
            self.candidates[at].voters.retain(|voter| *voter != id);
            if self.candidates[at].voters.is_empty() {
                self.candidates.remove(at);
            }
        }
    }

    /// Forgets a node that is gone for good.
    pub(super) fn forget(&mut self, id: NodeId) {
        self.candidates.retain_mut(|known| {
            known.voters.retain(|voter| *voter != id);
            known.is_agreed || !known.voters.is_empty()
        });
    }

    /// Blocks that are not agreed on, with who told of them.
    pub(super) fn open(&self) -> impl Iterator<Item = (&BlockContext, &[NodeId])> {
        self.candidates.iter().filter(|known| !known.is_agreed).map(|known| (&known.context, known.voters.as_slice()))
    }

    /// Counts a block as agreed on, if it is known.
    pub(super) fn agree(&mut self, context: &BlockContext) {
        if let Some(known) = self.candidates.iter_mut().find(|known| known.context == *context) {
            known.is_agreed = true;
        }
        if self.candidates.iter().filter(|known| known.is_agreed).count() > AGREED_MAX
            && let Some(at) = self.candidates.iter().position(|known| known.is_agreed)
        {
            self.candidates.remove(at);
        }
    }

    /// Heads agreed on that were not taken from here before.
    pub(super) fn take_agreed(&mut self) -> Vec<BlockContext> {
        let mut new = Vec::new();
        for known in &mut self.candidates {
            if known.is_agreed && known.is_head && !core::mem::replace(&mut known.is_queued, true) {
                new.push(known.context);
            }
        }
        new
    }

    pub(super) fn is_agreed(&self, hash: &HashBytes) -> bool {
        self.candidates.iter().any(|known| known.is_agreed && known.context.hash == *hash)
    }

    /// Who told of this very block.
    pub(super) fn voters(&self, context: &BlockContext) -> &[NodeId] {
        self.candidates.iter().find(|known| known.context == *context).map_or(&[], |known| &known.voters)
    }

    /// Whether two blocks cannot both be of one chain, as far as the blocks between them are known.
    pub(super) fn do_conflict(&self, one: &BlockContext, other: &BlockContext) -> bool {
        let (low, high) = if one.number.get() <= other.number.get() { (one, other) } else { (other, one) };
        if low.number == high.number {
            return low != high;
        }
        let mut parent = (high.number.get() - 1, high.parent_hash);
        while parent.0 > low.number.get() {
            let known = self.candidates.iter().find(|known| known.context.hash == parent.1);
            // A number that does not follow would lead the walk astray.
            let Some(known) = known.filter(|known| known.context.number.get() == parent.0) else { return false };
            parent = (parent.0 - 1, known.context.parent_hash);
        }
        parent.1 != low.hash
    }

    /// Who gave another content of this block than the true one.
    pub(super) fn contradicting(&self, truth: &BlockContext) -> Vec<NodeId> {
        let others = self.candidates.iter().filter(|known| known.context.hash == truth.hash && known.context != *truth);
        let mut ids: Vec<_> = others.flat_map(|known| known.voters.iter().copied()).collect();
        ids.sort_unstable();
        ids.dedup();
        ids
    }

    /// Forgets what was said of a block that is not so. Tells whether it was agreed on.
    pub(super) fn forget_forgeries(&mut self, truth: &BlockContext) -> bool {
        let is_forged = |known: &Candidate| known.context.hash == truth.hash && known.context != *truth;
        let was_agreed = self.candidates.iter().any(|known| is_forged(known) && known.is_agreed);
        self.candidates.retain(|known| !is_forged(known));
        was_agreed
    }
}

#[cfg(test)]
mod tests {
    use core::time::Duration;

    use super::super::RaceTerms;
    use super::super::tally::Tally;
    use super::super::watch::SourceState;
    use super::*;

    fn block(number: u64, mark: u8, parent: u8) -> BlockContext {
        let mut hash = [mark; 32];
        hash[..8].copy_from_slice(&number.to_be_bytes());
        let mut parent_hash = [parent; 32];
        parent_hash[..8].copy_from_slice(&number.wrapping_sub(1).to_be_bytes());
        let (number, zero) = (number.into(), 0_u64);
        let (timestamp, gas_used, gas_limit) = (zero.into(), zero.into(), zero.into());
        BlockContext { number, hash, parent_hash, timestamp, base_fee: 0_u128.into(), gas_used, gas_limit }
    }

    fn tally(count: usize, quorum: usize) -> (Tally, Vec<NodeId>) {
        let wait = Duration::from_secs(1);
        let mut tally = Tally::new(RaceTerms { quorum, stale_blocks: 2, confirm_wait: wait, silence: wait });
        let ids: Vec<_> = (0..count).map(|at| tally.add(at.to_string())).collect();
        ids.iter().for_each(|id| tally.set_state(*id, SourceState::Ready));
        (tally, ids)
    }

    #[test]
    fn a_node_that_floods_pushes_out_nobody_elses_word() {
        let (mut tally, ids) = tally(3, 2);
        let honest = block(100, 1, 1);
        tally.hear(ids[0], honest);
        for number in 0..5_000 {
            tally.hear(ids[2], block(number, 9, 9));
            tally.vouch(ids[2], block(number, 8, 9));
        }
        assert!(tally.votes.candidates.len() <= 2 * OPEN_PER_NODE_MAX);
        assert_eq!(tally.take_agreed(), None);
        tally.hear(ids[1], honest);
        assert_eq!(tally.take_agreed(), Some(honest));
    }

    #[test]
    fn what_was_agreed_on_is_not_pushed_out_by_what_is_not_and_is_bounded_too() {
        let (mut tally, ids) = tally(3, 2);
        for number in 0..1_000 {
            let told = block(number, 1, 1);
            tally.hear(ids[0], told);
            tally.hear(ids[1], told);
        }
        let last = block(999, 1, 1);
        for number in 0..1_000 {
            tally.hear(ids[2], block(number, 9, 9));
        }
        assert!(tally.votes.is_agreed(&last.hash) && tally.votes.candidates.len() <= AGREED_MAX + OPEN_PER_NODE_MAX);
        tally.remove(ids[2]);
        assert!(tally.votes.candidates.len() <= AGREED_MAX, "who is gone leaves nothing");
    }

    #[test]
    fn a_small_quorum_decides_only_while_nobody_is_on_another_branch() {
        let (mut tally, ids) = tally(4, 2);
        let (left, right) = (block(100, 1, 0), block(100, 2, 0));
        tally.hear(ids[0], left);
        tally.hear(ids[2], right);
        tally.hear(ids[1], left);
        tally.hear(ids[3], right);
        // A block more on one of them makes it no truer.
        let higher = block(101, 2, 2);
        tally.hear(ids[2], higher);
        tally.hear(ids[3], higher);
        assert_eq!(tally.take_agreed(), None);
        tally.hear(ids[1], right);
        assert_eq!(tally.take_agreed(), Some(right), "three of four");
    }

    #[test]
    fn blocks_conflict_when_the_way_between_them_is_known_not_to_meet() {
        let (mut tally, ids) = tally(1, 1);
        for told in [block(11, 1, 1), block(12, 1, 1), block(13, 1, 1)] {
            tally.vouch(ids[0], told);
        }
        let conflict = |one, other| tally.votes.do_conflict(&one, &other) && tally.votes.do_conflict(&other, &one);
        assert!(!conflict(block(10, 1, 1), block(13, 1, 1)));
        assert!(conflict(block(10, 2, 1), block(13, 1, 1)));
        assert!(conflict(block(13, 2, 1), block(13, 1, 1)));
        assert!(!conflict(block(9, 1, 1), block(13, 1, 1)), "what is not known accuses nobody");
    }
}
