//! What became of every transaction, by chain evidence alone: a receipt in a block of our chain, or its loss in a reorg.
//!
//! Pure: blocks and receipts in, outcomes out. An endpoint's error never closes a transaction, nor does silence.

use std::collections::VecDeque;

use alphapulse_protocol::message::{Outcome, OutcomeStatus};
use alphapulse_protocol::{BlockNumber, BlockRef, FeePerGas, Gas, HashBytes, OpportunityId, U256};

/// A transaction of ours that was handed to an endpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sent {
    /// Opportunity it takes; 0 for a cancellation.
    pub opportunity: OpportunityId,
    /// Sender's nonce.
    pub nonce: u64,
    /// Hash.
    pub tx_hash: HashBytes,
    /// Signed bytes, to be sent again when a reorg drops them.
    pub raw: Vec<u8>,
    /// Last block in which the executor accepts it.
    pub block_max: BlockNumber,
}

/// What a receipt says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Receipt {
    /// Transaction concerned.
    pub tx_hash: HashBytes,
    /// Block that holds it.
    pub block: BlockRef,
    /// Whether it succeeded.
    pub is_success: bool,
    /// Gas used.
    pub gas_used: Gas,
    /// Wei per gas paid.
    pub gas_price: FeePerGas,
    /// Gain that the executor's event states; 0 without the event.
    pub gain: U256,
}

/// All transactions of ours with one nonce: the trade, and the cancellation once one was sent.
#[derive(Debug, Clone)]
struct Slot {
    trade: Sent,
    cancellation: Option<Sent>,
}

#[derive(Debug, Clone)]
struct Mined {
    slot: Slot,
    block: BlockRef,
}

/// Transactions whose fate is open, and those not yet beyond a reorg's reach.
#[derive(Debug)]
pub struct Tracker {
    open: Vec<Slot>,
    mined: Vec<Mined>,
    chain: VecDeque<BlockRef>,
    depth_max: usize,
}

impl Tracker {
    /// A tracker that watches mined transactions until `depth_max` blocks lie above them.
    #[must_use]
    pub const fn new(depth_max: usize) -> Self {
        Self { open: Vec::new(), mined: Vec::new(), chain: VecDeque::new(), depth_max }
    }

    /// Watches a transaction. One whose nonce is watched already is that one's cancellation.
    pub fn watch(&mut self, sent: Sent) {
        match self.open.iter_mut().find(|slot| slot.trade.nonce == sent.nonce) {
            Some(slot) => slot.cancellation = Some(sent),
            None => self.open.push(Slot { trade: sent, cancellation: None }),
        }
    }

    /// Transactions whose fate is open.
    #[must_use]
    pub const fn open_count(&self) -> usize {
        self.open.len()
    }

    /// Hashes whose receipts decide something.
    #[must_use]
    pub fn queries(&self) -> Vec<HashBytes> {
        let hashes = |slot: &Slot| [Some(slot.trade.tx_hash), slot.cancellation.as_ref().map(|sent| sent.tx_hash)];
        self.open.iter().flat_map(hashes).flatten().collect()
    }

    /// A block joined our chain.
    pub fn on_block(&mut self, block: BlockRef) {
        self.chain.push_back(block);
        while self.chain.len() > self.depth_max {
            self.chain.pop_front();
        }
    }

    /// The market was read anew at `block`. Earlier blocks are not known any more; a receipt in one of them is taken as
    /// the node gives it.
    pub fn on_reset(&mut self, block: BlockRef) {
        self.chain.clear();
        self.chain.push_back(block);
    }

    /// Whether a receipt's block is in our chain: one that we saw, or one older than all that we remember.
    fn is_ours(&self, block: BlockRef) -> bool {
        self.chain.contains(&block) || self.chain.front().is_some_and(|oldest| block.number < oldest.number)
    }

    /// Applies receipts. One that is not in a block of our chain, as far as we have it, is no evidence.
    pub fn on_receipts(&mut self, receipts: &[Receipt]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for receipt in receipts {
            if !self.is_ours(receipt.block) {
                continue;
            }
            let is_ours = |sent: &Sent| sent.tx_hash == receipt.tx_hash;
            let position = self
                .open
                .iter()
                .position(|slot| is_ours(&slot.trade) || slot.cancellation.as_ref().is_some_and(is_ours));
            if let Some(position) = position {
                let slot = self.open.swap_remove(position);
                outcomes.push(outcome_of(&slot, receipt));
                self.mined.push(Mined { slot, block: receipt.block });
            }
        }
        outcomes
    }

    /// Blocks above `ancestor` left our chain: what they held is open again and must be sent again.
    pub fn on_reorg(&mut self, ancestor: BlockRef) -> (Vec<Outcome>, Vec<Sent>) {
        self.chain.retain(|block| block.number <= ancestor.number);
        let (kept, dropped): (Vec<_>, Vec<_>) =
            self.mined.drain(..).partition(|mined| mined.block.number <= ancestor.number);
        self.mined = kept;
        let mut outcomes = Vec::with_capacity(dropped.len());
        let mut again = Vec::with_capacity(dropped.len());
        for Mined { slot, block } in dropped {
            let Sent { opportunity, nonce, tx_hash, .. } = slot.trade;
            outcomes.push(Outcome::new(opportunity, nonce, tx_hash, OutcomeStatus::Reorged, block));
            again.push(slot.trade.clone());
            again.extend(slot.cancellation.clone());
            self.open.push(slot);
        }
        again.sort_by_key(|sent| sent.nonce);
        (outcomes, again)
    }

    /// Closes what no reorg within the limit can reach any more.
    pub fn finalise(&mut self, head: BlockNumber) -> Vec<Outcome> {
        let depth_max = self.depth_max as u64;
        let (done, kept): (Vec<_>, Vec<_>) =
            self.mined.drain(..).partition(|mined| mined.block.number.0 + depth_max <= head.0);
        self.mined = kept;
        let close = |mined: Mined| {
            let Sent { opportunity, nonce, tx_hash, .. } = mined.slot.trade;
            Outcome::new(opportunity, nonce, tx_hash, OutcomeStatus::Final, mined.block)
        };
        done.into_iter().map(close).collect()
    }

    /// Trades that the executor no longer accepts and that have no cancellation yet: their nonce must be freed.
    #[must_use]
    pub fn expired(&self, head: BlockNumber) -> Vec<(OpportunityId, u64)> {
        let is_expired = |slot: &&Slot| slot.cancellation.is_none() && slot.trade.block_max < head;
        self.open.iter().filter(is_expired).map(|slot| (slot.trade.opportunity, slot.trade.nonce)).collect()
    }
}

fn outcome_of(slot: &Slot, receipt: &Receipt) -> Outcome {
    let status = match (receipt.tx_hash == slot.trade.tx_hash, receipt.is_success) {
        (true, true) => OutcomeStatus::Included,
        (true, false) => OutcomeStatus::Reverted,
        (false, _) => OutcomeStatus::Replaced,
    };
    Outcome::new(slot.trade.opportunity, slot.trade.nonce, receipt.tx_hash, status, receipt.block).with_receipt(
        receipt.gas_used,
        receipt.gas_price,
        receipt.gain,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn block(number: u64, fork: u8) -> BlockRef {
        BlockRef { number: BlockNumber(number), hash: [fork; 32] }
    }

    fn sent(nonce: u64, hash: u8) -> Sent {
        Sent {
            opportunity: OpportunityId(nonce + 1),
            nonce,
            tx_hash: [hash; 32],
            raw: vec![hash],
            block_max: BlockNumber(12),
        }
    }

    fn receipt(hash: u8, block: BlockRef, is_success: bool) -> Receipt {
        let tx_hash = [hash; 32];
        Receipt { tx_hash, block, is_success, gas_used: Gas(9), gas_price: FeePerGas(2), gain: U256::from(5) }
    }

    fn statuses(outcomes: &[Outcome]) -> Vec<OutcomeStatus> {
        outcomes.iter().filter_map(|outcome| OutcomeStatus::from_wire(outcome.status.get())).collect()
    }

    #[test]
    fn a_receipt_in_a_foreign_block_is_no_evidence() {
        let mut tracker = Tracker::new(64);
        tracker.watch(sent(0, 1));
        tracker.on_block(block(10, 1));
        assert!(tracker.on_receipts(&[receipt(1, block(10, 2), true)]).is_empty());
        assert!(tracker.on_receipts(&[receipt(1, block(11, 1), true)]).is_empty(), "ahead of our head");
        assert_eq!(statuses(&tracker.on_receipts(&[receipt(1, block(10, 1), true)])), [OutcomeStatus::Included]);
        assert_eq!(tracker.open_count(), 0);
    }

    #[test]
    fn a_reorg_opens_the_fate_again_and_asks_to_send_again() {
        let mut tracker = Tracker::new(64);
        tracker.watch(sent(0, 1));
        tracker.on_block(block(10, 1));
        tracker.on_block(block(11, 1));
        tracker.on_receipts(&[receipt(1, block(11, 1), false)]);
        let (outcomes, again) = tracker.on_reorg(block(10, 1));
        assert_eq!(statuses(&outcomes), [OutcomeStatus::Reorged]);
        assert_eq!(again, [sent(0, 1)]);
        tracker.on_block(block(11, 3));
        assert_eq!(statuses(&tracker.on_receipts(&[receipt(1, block(11, 3), true)])), [OutcomeStatus::Included]);
    }

    #[test]
    fn an_expired_trade_is_named_once_and_closed_by_its_cancellation() {
        let mut tracker = Tracker::new(64);
        tracker.watch(sent(4, 1));
        assert!(tracker.expired(BlockNumber(12)).is_empty(), "the last block of its window");
        assert_eq!(tracker.expired(BlockNumber(13)), [(OpportunityId(5), 4)]);
        tracker.watch(Sent { opportunity: OpportunityId(0), ..sent(4, 2) });
        assert!(tracker.expired(BlockNumber(13)).is_empty());
        tracker.on_block(block(14, 1));
        let outcomes = tracker.on_receipts(&[receipt(2, block(14, 1), true)]);
        assert_eq!(statuses(&outcomes), [OutcomeStatus::Replaced]);
        assert_eq!(outcomes[0].opportunity.get(), 5, "the trade it replaced");
    }

    #[test]
    fn the_original_may_still_win_over_its_cancellation() {
        let mut tracker = Tracker::new(64);
        tracker.watch(sent(4, 1));
        tracker.watch(Sent { opportunity: OpportunityId(0), ..sent(4, 2) });
        tracker.on_block(block(12, 1));
        let outcomes = tracker.on_receipts(&[receipt(1, block(12, 1), true)]);
        assert_eq!(statuses(&outcomes), [OutcomeStatus::Included]);
    }

    #[test]
    fn a_fate_is_final_when_the_reorg_limit_lies_above_it() {
        let mut tracker = Tracker::new(3);
        tracker.watch(sent(0, 1));
        tracker.on_block(block(10, 1));
        tracker.on_receipts(&[receipt(1, block(10, 1), true)]);
        assert!(tracker.finalise(BlockNumber(12)).is_empty());
        assert_eq!(statuses(&tracker.finalise(BlockNumber(13))), [OutcomeStatus::Final]);
        assert!(tracker.finalise(BlockNumber(13)).is_empty(), "once");
    }
}
