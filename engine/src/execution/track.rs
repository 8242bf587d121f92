//! What became of every transaction, by chain evidence alone: a receipt in a block of our chain, or its loss in a reorg.
//!
//! Pure: blocks and receipts in, outcomes out. An endpoint's error never closes a transaction, nor does silence.

use std::collections::VecDeque;

use alphapulse_protocol::message::{Outcome, OutcomeStatus};
use alphapulse_protocol::{BlockNumber, BlockRef, FeePerGas, Gas, HashBytes, OpportunityId, U256};

/// Blocks for which the fees of a cancellation hold, however full those are. A nonce that is still open after them is
/// freed anew, at a higher fee: the cancellation may have been lost, or priced out.
pub const CANCEL_BLOCKS_VALID: u64 = 8;

/// Blocks for which a used nonce may lack a receipt of ours.
pub const UNSEEN_BLOCKS_MAX: u8 = 3;

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

impl Sent {
    /// Whether it only frees a nonce.
    #[must_use]
    pub fn is_cancellation(&self) -> bool {
        self.opportunity == OpportunityId(0)
    }
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

/// All transactions of ours with one nonce: the trade, and every cancellation that was sent. Any of them may be the one
/// that the chain takes.
#[derive(Debug, Clone)]
struct Slot {
    trade: Sent,
    cancellations: Vec<Sent>,
    /// Block after which the nonce must be freed, or freed anew.
    due: BlockNumber,
    /// Blocks in a row at which the chain counted the nonce and knew no receipt of ours for it.
    unseen_blocks: u8,
}

impl Slot {
    fn all(&self) -> impl Iterator<Item = &Sent> {
        core::iter::once(&self.trade).chain(&self.cancellations)
    }
}

#[derive(Debug, Clone)]
struct Mined {
    slot: Slot,
    tx_hash: HashBytes,
    block: BlockRef,
    /// Whether the market was read anew since: its block may have left the chain unseen.
    is_doubtful: bool,
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

    /// Watches a transaction. One whose nonce is known belongs to what is known of that nonce, also when the chain decided
    /// it meanwhile; a cancellation of a nonce that is beyond reorgs can have no effect and is passed over.
    pub fn watch(&mut self, sent: Sent) {
        let known = self.open.iter_mut().chain(self.mined.iter_mut().map(|mined| &mut mined.slot));
        match known.into_iter().find(|slot| slot.trade.nonce == sent.nonce) {
            Some(slot) => slot.cancellations.push(sent),
            None if sent.is_cancellation() => {}
            None => {
                self.open.push(Slot { due: sent.block_max, trade: sent, cancellations: Vec::new(), unseen_blocks: 0 })
            }
        }
    }

    /// A nonce that a transaction of someone else has taken, if there is one. `counted` is the account's count, asked for
    /// before `receipts`, which are all that there are: a nonce below it is used, so the receipt of ours must be among them.
    /// It is missed for [`UNSEEN_BLOCKS_MAX`] blocks before anyone is accused, since the answers may come from two nodes.
    pub fn taken_by_another(&mut self, counted: u64, receipts: &[Receipt]) -> Option<u64> {
        for slot in &mut self.open {
            let has_receipt = slot.all().any(|sent| receipts.iter().any(|receipt| receipt.tx_hash == sent.tx_hash));
            let is_unseen = slot.trade.nonce < counted && !has_receipt;
            slot.unseen_blocks = if is_unseen { slot.unseen_blocks.saturating_add(1) } else { 0 };
        }
        let taken = self.open.iter().filter(|slot| slot.unseen_blocks >= UNSEEN_BLOCKS_MAX);
        taken.map(|slot| slot.trade.nonce).min()
    }

    /// Transactions whose fate is open.
    #[must_use]
    pub const fn open_count(&self) -> usize {
        self.open.len()
    }

    /// Hashes whose receipts decide something.
    #[must_use]
    pub fn queries(&self) -> Vec<HashBytes> {
        self.open.iter().flat_map(Slot::all).map(|sent| sent.tx_hash).collect()
    }

    /// Mined transactions that a reorg may have dropped while nobody looked. Ask for their receipts, and tell
    /// [`Tracker::confirm`].
    #[must_use]
    pub fn doubtful(&self) -> Vec<HashBytes> {
        self.mined.iter().filter(|mined| mined.is_doubtful).map(|mined| mined.tx_hash).collect()
    }

    /// Ends the doubt about a mined transaction by where the node has it now. When that is not where it was, its fate is
    /// open again; the transactions are to be sent again.
    pub fn confirm(&mut self, tx_hash: HashBytes, found: Option<BlockRef>) -> Option<(Outcome, Vec<Sent>)> {
        let position = self.mined.iter().position(|mined| mined.is_doubtful && mined.tx_hash == tx_hash)?;
        if found == Some(self.mined[position].block) {
            self.mined[position].is_doubtful = false;
            return None;
        }
        let mined = self.mined.swap_remove(position);
        Some(self.reopen(mined))
    }

    /// A block joined our chain.
    pub fn on_block(&mut self, block: BlockRef) {
        self.chain.push_back(block);
        while self.chain.len() > self.depth_max {
            self.chain.pop_front();
        }
    }

    /// The market was read anew at `block`. Earlier blocks are not known any more: a receipt in one of them is taken as
    /// the node gives it, and everything mined is in doubt.
    pub fn on_reset(&mut self, block: BlockRef) {
        self.chain.clear();
        self.chain.push_back(block);
        self.mined.iter_mut().for_each(|mined| mined.is_doubtful = true);
    }

    /// Whether a receipt's block is in our chain: one that we saw, or one older than all that we remember.
    fn is_ours(&self, block: BlockRef) -> bool {
        self.chain.contains(&block) || self.chain.front().is_some_and(|oldest| block.number < oldest.number)
    }

    /// Applies receipts. One that is not in a block of our chain, as far as we have it, is no evidence.
    pub fn on_receipts(&mut self, receipts: &[Receipt]) -> Vec<Outcome> {
        let mut outcomes = Vec::new();
        for receipt in receipts {
            let is_it = |slot: &Slot| slot.all().any(|sent| sent.tx_hash == receipt.tx_hash);
            if self.is_ours(receipt.block)
                && let Some(position) = self.open.iter().position(is_it)
            {
                let slot = self.open.swap_remove(position);
                outcomes.push(outcome_of(&slot, receipt));
                let (tx_hash, block) = (receipt.tx_hash, receipt.block);
                self.mined.push(Mined { slot, tx_hash, block, is_doubtful: false });
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
        let (outcomes, again): (Vec<_>, Vec<_>) = dropped.into_iter().map(|mined| self.reopen(mined)).unzip();
        let mut again = again.concat();
        // Stable: a cancellation comes after the trade that it replaces.
        again.sort_by_key(|sent| sent.nonce);
        (outcomes, again)
    }

    /// What was mined is open again. Of its cancellations only the dearest, the last, is worth sending.
    fn reopen(&mut self, mined: Mined) -> (Outcome, Vec<Sent>) {
        let Mined { slot, block, .. } = mined;
        let Sent { opportunity, nonce, tx_hash, .. } = slot.trade;
        let again = core::iter::once(&slot.trade).chain(slot.cancellations.last()).cloned().collect();
        self.open.push(slot);
        (Outcome::new(opportunity, nonce, tx_hash, OutcomeStatus::Reorged, block), again)
    }

    /// Closes what no reorg within the limit can reach any more.
    pub fn finalise(&mut self, head: BlockNumber) -> Vec<Outcome> {
        let depth_max = self.depth_max as u64;
        let is_final = |mined: &Mined| !mined.is_doubtful && mined.block.number.0.saturating_add(depth_max) <= head.0;
        let (done, kept): (Vec<_>, Vec<_>) = self.mined.drain(..).partition(is_final);
        self.mined = kept;
        let close = |mined: Mined| {
            let Sent { opportunity, nonce, tx_hash, .. } = mined.slot.trade;
            Outcome::new(opportunity, nonce, tx_hash, OutcomeStatus::Final, mined.block)
        };
        done.into_iter().map(close).collect()
    }

    /// Trades that the executor no longer accepts: their nonce must be freed. Each is named once, and again every
    /// [`CANCEL_BLOCKS_VALID`] blocks for as long as the nonce is open.
    #[must_use]
    pub fn expired(&mut self, head: BlockNumber) -> Vec<(OpportunityId, u64)> {
        let overdue = self.open.iter_mut().filter(|slot| slot.due < head);
        let named = overdue.map(|slot| {
            slot.due = BlockNumber(head.0.saturating_add(CANCEL_BLOCKS_VALID));
            (slot.trade.opportunity, slot.trade.nonce)
        });
        named.collect()
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
mod tests;
