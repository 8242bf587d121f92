//! Messages about blocks: heads, their end, reorgs, snapshots.

use zerocopy::little_endian::{U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{WireMessage, wire_message};
use crate::header::MessageHeader;
use crate::id::{BlockRef, ChainId, HashBytes};
use crate::units::{BlockNumber, Epoch, FeePerGas, Gas};

/// What a header says that a trade depends on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct BlockContext {
    /// Height.
    pub number: U64,
    /// Hash of the header.
    pub hash: HashBytes,
    /// Hash of the parent's header.
    pub parent_hash: HashBytes,
    /// Unix seconds.
    pub timestamp: U64,
    /// Wei per gas that every transaction in the block paid.
    pub base_fee: U128,
    /// Gas the block used.
    pub gas_used: U64,
    /// Gas the block could have used.
    pub gas_limit: U64,
}
const _: () = assert!(size_of::<BlockContext>() == 112);

/// EIP-1559: the base fee moves by at most 1/8 per block.
const BASE_FEE_CHANGE_DENOMINATOR: u128 = 8;
/// EIP-1559: a block aims to use half its gas limit.
const ELASTICITY: u64 = 2;

impl BlockContext {
    /// The block, named.
    #[must_use]
    pub const fn block(&self) -> BlockRef {
        BlockRef { number: BlockNumber(self.number.get()), hash: self.hash }
    }

    /// Base fee of this block.
    #[must_use]
    pub const fn base_fee(&self) -> FeePerGas {
        FeePerGas(self.base_fee.get())
    }

    /// Gas limit of this block.
    #[must_use]
    pub const fn gas_limit(&self) -> Gas {
        Gas(self.gas_limit.get())
    }

    /// Base fee of the child block, exact for chains under EIP-1559 with the mainnet constants.
    /// Saturates instead of overflowing: a base fee near 2^128 is refused by any fee cap anyway.
    #[must_use]
    pub fn next_base_fee(&self) -> FeePerGas {
        let base_fee = self.base_fee.get();
        let target = u128::from(self.gas_limit.get() / ELASTICITY);
        let used = u128::from(self.gas_used.get());
        if target == 0 || used == target {
            return FeePerGas(base_fee);
        }
        let change = |gap: u128| base_fee.saturating_mul(gap) / target / BASE_FEE_CHANGE_DENOMINATOR;
        FeePerGas(if used > target {
            base_fee.saturating_add(change(used - target).max(1))
        } else {
            base_fee.saturating_sub(change(target - used))
        })
    }
}

/// A block begins; the changes it made follow, then [`BlockEnd`].
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Block {
    /// Common header.
    pub header: MessageHeader,
    /// The block.
    pub context: BlockContext,
    /// Highest block the relay knew of when it wrote this. A block below it is history being caught up: no state to trade on.
    pub head_number: U64,
}
wire_message!(
    Block = 16,
    144,
    check = |m| {
        if m.head_number.get() < m.context.number.get() { Err(Self::field_error("head_number")) } else { Ok(()) }
    }
);

impl Block {
    /// Start of a block as seen when `head_number` was the highest known; the block itself counts as known.
    #[must_use]
    pub fn new(context: BlockContext, head_number: BlockNumber) -> Self {
        let head_number = U64::new(head_number.0.max(context.number.get()));
        Self { header: MessageHeader::of::<Self>(Self::TEMPLATE_ID), context, head_number }
    }

    /// Whether this was the newest block known to the relay.
    #[must_use]
    pub const fn is_at_head(&self) -> bool {
        self.context.number.get() >= self.head_number.get()
    }
}

/// All changes of a block have been sent: its state is whole.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct BlockEnd {
    /// Common header.
    pub header: MessageHeader,
    /// Height.
    pub number: U64,
    /// Hash of the header.
    pub hash: HashBytes,
    /// Market messages between [`Block`] and this one.
    pub update_count: U32,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 4],
}
wire_message!(BlockEnd = 17, 72);

impl BlockEnd {
    /// End of `block` after `update_count` changes.
    #[must_use]
    pub fn new(block: BlockRef, update_count: u32) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            number: U64::new(block.number.0),
            hash: block.hash,
            update_count: U32::new(update_count),
            reserved: [0; 4],
        }
    }

    /// The block that ended.
    #[must_use]
    pub const fn block(&self) -> BlockRef {
        BlockRef { number: BlockNumber(self.number.get()), hash: self.hash }
    }
}

/// Blocks above the ancestor are no longer part of the chain; state goes back to the ancestor, then new blocks follow.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Reorg {
    /// Common header.
    pub header: MessageHeader,
    /// Height of the last common block.
    pub ancestor_number: U64,
    /// Hash of the last common block.
    pub ancestor_hash: HashBytes,
    /// Height of the head that was left.
    pub old_head_number: U64,
    /// Hash of the head that was left.
    pub old_head_hash: HashBytes,
    /// Blocks dropped, `old_head_number - ancestor_number`.
    pub depth: U32,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 4],
}
wire_message!(
    Reorg = 18,
    112,
    check = |m| {
        let dropped = m.old_head_number.get().checked_sub(m.ancestor_number.get());
        if m.depth.get() > 0 && dropped == Some(u64::from(m.depth.get())) {
            Ok(())
        } else {
            Err(Self::field_error("depth"))
        }
    }
);

impl Reorg {
    /// Return from `old_head` to `ancestor`, or `None` when the ancestor is not below the head by 1..=u32::MAX blocks.
    #[must_use]
    pub fn new(ancestor: BlockRef, old_head: BlockRef) -> Option<Self> {
        let depth = u32::try_from(old_head.number.0.checked_sub(ancestor.number.0)?).ok()?;
        if depth == 0 {
            return None;
        }
        Some(Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            ancestor_number: U64::new(ancestor.number.0),
            ancestor_hash: ancestor.hash,
            old_head_number: U64::new(old_head.number.0),
            old_head_hash: old_head.hash,
            depth: U32::new(depth),
            reserved: [0; 4],
        })
    }

    /// Last common block.
    #[must_use]
    pub const fn ancestor(&self) -> BlockRef {
        BlockRef { number: BlockNumber(self.ancestor_number.get()), hash: self.ancestor_hash }
    }

    /// Head that was left.
    #[must_use]
    pub const fn old_head(&self) -> BlockRef {
        BlockRef { number: BlockNumber(self.old_head_number.get()), hash: self.old_head_hash }
    }
}

/// A whole state follows, ended by [`SnapshotEnd`]. Everything known before is void.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct SnapshotBegin {
    /// Common header; every message of a snapshot carries the sequence of the last live message it includes.
    pub header: MessageHeader,
    /// Block whose state follows.
    pub context: BlockContext,
    /// EIP-155 id of the chain.
    pub chain_id: U64,
    /// Stream identity.
    pub epoch: U64,
    /// Token descriptions that follow.
    pub token_count: U32,
    /// Pool descriptions that follow.
    pub pool_count: U32,
    /// Highest block the relay knew of when it wrote this; a snapshot below it is no state to trade on.
    pub head_number: U64,
}
wire_message!(
    SnapshotBegin = 19,
    168,
    check = |m| {
        if m.head_number.get() < m.context.number.get() { Err(Self::field_error("head_number")) } else { Ok(()) }
    }
);

impl SnapshotBegin {
    /// Start of a snapshot of the state after `context`'s block, as seen when nothing higher was known.
    #[must_use]
    pub fn new(context: BlockContext, chain_id: ChainId, epoch: Epoch, token_count: u32, pool_count: u32) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            context,
            chain_id: U64::new(chain_id.0),
            epoch: U64::new(epoch.0),
            token_count: U32::new(token_count),
            pool_count: U32::new(pool_count),
            head_number: context.number,
        }
    }

    /// The same as seen when `head_number` was the highest known; the snapshot's block itself counts as known.
    #[must_use]
    pub fn seen_from(mut self, head_number: BlockNumber) -> Self {
        self.head_number = U64::new(head_number.0.max(self.context.number.get()));
        self
    }
}

/// The snapshot is whole.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct SnapshotEnd {
    /// Common header.
    pub header: MessageHeader,
    /// Market messages between [`SnapshotBegin`] and this one.
    pub message_count: U32,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 4],
}
wire_message!(SnapshotEnd = 20, 32);

impl SnapshotEnd {
    /// End of a snapshot of `message_count` messages.
    #[must_use]
    pub fn new(message_count: u32) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            message_count: U32::new(message_count),
            reserved: [0; 4],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn context(base_fee: u128, gas_used: u64, gas_limit: u64) -> BlockContext {
        BlockContext {
            number: U64::new(1),
            hash: [1; 32],
            parent_hash: [0; 32],
            timestamp: U64::new(1),
            base_fee: U128::new(base_fee),
            gas_used: U64::new(gas_used),
            gas_limit: U64::new(gas_limit),
        }
    }

    /// Mainnet: header of 18090205 → base fee of 18090206 and so on are checked from data in the relay's tests;
    /// these are the three cases of the EIP's text.
    #[test]
    fn base_fee_rises_falls_and_stays_as_the_eip_says() {
        assert_eq!(context(1_000, 50, 100).next_base_fee(), FeePerGas(1_000));
        assert_eq!(context(1_000, 100, 100).next_base_fee(), FeePerGas(1_125));
        assert_eq!(context(1_000, 0, 100).next_base_fee(), FeePerGas(875));
        assert_eq!(context(1, 51, 100).next_base_fee(), FeePerGas(2), "a rise is at least one wei");
    }
}
