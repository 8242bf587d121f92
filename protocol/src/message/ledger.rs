//! Records of a node's journal: its clock, what it decided, what came of it.
//!
//! The journal holds every input of the decision path in order, so these records and the market messages between them
//! replay to the same decisions.

use ruint::aliases::U256;
use zerocopy::little_endian::{I128, U16, U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{WireMessage, wire_message};
use crate::header::MessageHeader;
use crate::id::{AddressBytes, BlockRef, ChainId, HashBytes, OpportunityId};
use crate::units::{BlockNumber, Epoch, FeePerGas, Gas, UnixNanos, Wei};
use crate::wire::U256Le;

/// First record of every journal segment.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct SegmentBegin {
    /// Common header.
    pub header: MessageHeader,
    /// EIP-155 id of the chain.
    pub chain_id: U64,
    /// Stream identity of the writer.
    pub epoch: U64,
    /// Position of the segment in the journal, from 0.
    pub segment_index: U32,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 4],
}
wire_message!(SegmentBegin = 48, 48);

impl SegmentBegin {
    /// First record of segment `segment_index`.
    #[must_use]
    pub fn new(chain_id: ChainId, epoch: Epoch, segment_index: u32) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            chain_id: U64::new(chain_id.0),
            epoch: U64::new(epoch.0),
            segment_index: U32::new(segment_index),
            reserved: [0; 4],
        }
    }
}

/// The node's clock as the decision path saw it from here on. Time is an input like any other.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Clock {
    /// Common header.
    pub header: MessageHeader,
    /// Unix nanoseconds, never falling within a journal.
    pub now_ns: U64,
}
wire_message!(Clock = 49, 32);

impl Clock {
    /// A reading.
    #[must_use]
    pub fn new(now: UnixNanos) -> Self {
        Self { header: MessageHeader::of::<Self>(Self::TEMPLATE_ID), now_ns: U64::new(now.0) }
    }
}

/// Outcome of running a trade against the node before it is signed. Values are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum SimulationStatus {
    /// It would succeed.
    Succeeded = 1,
    /// It would revert.
    Reverted = 2,
    /// The node did not answer.
    Unavailable = 3,
}

impl SimulationStatus {
    /// Status by its wire value.
    #[must_use]
    pub const fn from_wire(value: u16) -> Option<Self> {
        match value {
            1 => Some(Self::Succeeded),
            2 => Some(Self::Reverted),
            3 => Some(Self::Unavailable),
            _ => None,
        }
    }
}

/// Result of a simulation; an input of the decision path.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Simulation {
    /// Common header.
    pub header: MessageHeader,
    /// Opportunity simulated.
    pub opportunity: U64,
    /// A [`SimulationStatus`].
    pub status: U16,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 6],
    /// Gas it would use; 0 unless it succeeded.
    pub gas_used: U64,
    /// Raw units of the profit token it would gain; 0 unless it succeeded.
    pub gain: U256Le,
}
wire_message!(
    Simulation = 51,
    80,
    check = |m| { SimulationStatus::from_wire(m.status.get()).map(|_| ()).ok_or(Self::field_error("status")) }
);

impl Simulation {
    /// A result.
    #[must_use]
    pub fn new(opportunity: OpportunityId, status: SimulationStatus, gas_used: Gas, gain: U256) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            opportunity: U64::new(opportunity.0),
            status: U16::new(status as u16),
            reserved: [0; 6],
            gas_used: U64::new(gas_used.0),
            gain: U256Le::new(gain),
        }
    }
}

/// What risk said of an opportunity.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Verdict {
    /// Common header.
    pub header: MessageHeader,
    /// Opportunity judged.
    pub opportunity: U64,
    /// 0: approved; else the reject reason (`docs/WIRE.md` lists them).
    pub reject: U16,
    /// 1 when an approved trade is signed and sent, 0 on paper.
    pub is_live: u8,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 5],
    /// Gas expected.
    pub gas: U64,
    /// Highest total fee per gas that would be paid.
    pub fee_max: U128,
    /// Priority fee per gas.
    pub priority_fee: U128,
    /// Expected profit after gas, in wei of the native coin; may be negative in a refusal.
    pub net_profit: I128,
}
wire_message!(Verdict = 52, 96, check = |m| { if m.is_live > 1 { Err(Self::field_error("is_live")) } else { Ok(()) } });

impl Verdict {
    /// An approval (`reject` 0) or refusal.
    #[must_use]
    pub fn new(opportunity: OpportunityId, reject: u16, is_live: bool) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            opportunity: U64::new(opportunity.0),
            reject: U16::new(reject),
            is_live: u8::from(is_live),
            reserved: [0; 5],
            gas: U64::new(0),
            fee_max: U128::new(0),
            priority_fee: U128::new(0),
            net_profit: I128::new(0),
        }
    }

    /// The same verdict with the figures it rests on.
    #[must_use]
    pub fn with_figures(mut self, gas: Gas, fee_max: FeePerGas, priority_fee: FeePerGas, net_profit: i128) -> Self {
        self.gas = U64::new(gas.0);
        self.fee_max = U128::new(fee_max.0);
        self.priority_fee = U128::new(priority_fee.0);
        self.net_profit = I128::new(net_profit);
        self
    }

    /// Whether risk approved.
    #[must_use]
    pub const fn is_approved(&self) -> bool {
        self.reject.get() == 0
    }
}

/// A transaction was signed and is about to be sent.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Submission {
    /// Common header.
    pub header: MessageHeader,
    /// Opportunity it takes; 0 for a cancellation.
    pub opportunity: U64,
    /// Sender's nonce.
    pub nonce: U64,
    /// Hash of the signed transaction.
    pub tx_hash: HashBytes,
    /// Highest total fee per gas.
    pub fee_max: U128,
    /// Priority fee per gas.
    pub priority_fee: U128,
    /// Gas limit of the transaction.
    pub gas_limit: U64,
    /// Last block in which the executor accepts it.
    pub block_max: U64,
}
wire_message!(Submission = 53, 120);

impl Submission {
    /// A signed transaction.
    #[must_use]
    pub fn new(
        opportunity: OpportunityId,
        nonce: u64,
        tx_hash: HashBytes,
        fees: (FeePerGas, FeePerGas),
        gas_limit: Gas,
        block_max: BlockNumber,
    ) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            opportunity: U64::new(opportunity.0),
            nonce: U64::new(nonce),
            tx_hash,
            fee_max: U128::new(fees.0.0),
            priority_fee: U128::new(fees.1.0),
            gas_limit: U64::new(gas_limit.0),
            block_max: U64::new(block_max.0),
        }
    }
}

/// What the endpoint said of a submission. Values are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum SubmittedStatus {
    /// It took the transaction.
    Accepted = 1,
    /// It refused. Not proof that the transaction is nowhere.
    Refused = 2,
    /// No answer: the transaction may be anywhere.
    Unknown = 3,
}

impl SubmittedStatus {
    /// Status by its wire value.
    #[must_use]
    pub const fn from_wire(value: u16) -> Option<Self> {
        match value {
            1 => Some(Self::Accepted),
            2 => Some(Self::Refused),
            3 => Some(Self::Unknown),
            _ => None,
        }
    }
}

/// Answer to a submission; an input of the decision path.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Submitted {
    /// Common header.
    pub header: MessageHeader,
    /// Opportunity concerned.
    pub opportunity: U64,
    /// Nonce concerned.
    pub nonce: U64,
    /// A [`SubmittedStatus`].
    pub status: U16,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 6],
}
wire_message!(
    Submitted = 54,
    48,
    check = |m| { SubmittedStatus::from_wire(m.status.get()).map(|_| ()).ok_or(Self::field_error("status")) }
);

impl Submitted {
    /// An answer.
    #[must_use]
    pub fn new(opportunity: OpportunityId, nonce: u64, status: SubmittedStatus) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            opportunity: U64::new(opportunity.0),
            nonce: U64::new(nonce),
            status: U16::new(status as u16),
            reserved: [0; 6],
        }
    }
}

/// What the chain says of a transaction. Values are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum OutcomeStatus {
    /// In a block of our chain, and it succeeded.
    Included = 1,
    /// In a block of our chain, and it reverted.
    Reverted = 2,
    /// Its nonce was used by another transaction of ours.
    Replaced = 3,
    /// The block that held it left the chain: its fate is open again.
    Reorged = 4,
    /// Included or reverted, and deeper than the reorg limit.
    Final = 5,
    /// It was approved but never handed to anyone.
    Abandoned = 6,
}

impl OutcomeStatus {
    /// Status by its wire value.
    #[must_use]
    pub const fn from_wire(value: u16) -> Option<Self> {
        match value {
            1 => Some(Self::Included),
            2 => Some(Self::Reverted),
            3 => Some(Self::Replaced),
            4 => Some(Self::Reorged),
            5 => Some(Self::Final),
            6 => Some(Self::Abandoned),
            _ => None,
        }
    }
}

/// Fate of a transaction, with chain evidence; an input of the decision path.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Outcome {
    /// Common header.
    pub header: MessageHeader,
    /// Opportunity concerned; 0 for a cancellation.
    pub opportunity: U64,
    /// Nonce concerned.
    pub nonce: U64,
    /// Transaction that was found.
    pub tx_hash: HashBytes,
    /// An [`OutcomeStatus`].
    pub status: U16,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 6],
    /// Block of the evidence.
    pub block_number: U64,
    /// Hash of that block.
    pub block_hash: HashBytes,
    /// Gas the receipt states.
    pub gas_used: U64,
    /// Wei per gas that was paid.
    pub gas_price: U128,
    /// Raw units of the profit token gained, as the executor's event states.
    pub gain: U256Le,
}
wire_message!(
    Outcome = 55,
    176,
    check = |m| { OutcomeStatus::from_wire(m.status.get()).map(|_| ()).ok_or(Self::field_error("status")) }
);

impl Outcome {
    /// Fate of a transaction, without costs yet.
    #[must_use]
    pub fn new(
        opportunity: OpportunityId,
        nonce: u64,
        tx_hash: HashBytes,
        status: OutcomeStatus,
        block: BlockRef,
    ) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            opportunity: U64::new(opportunity.0),
            nonce: U64::new(nonce),
            tx_hash,
            status: U16::new(status as u16),
            reserved: [0; 6],
            block_number: U64::new(block.number.0),
            block_hash: block.hash,
            gas_used: U64::new(0),
            gas_price: U128::new(0),
            gain: U256Le::new(U256::ZERO),
        }
    }

    /// The same fate with what the receipt says.
    #[must_use]
    pub fn with_receipt(mut self, gas_used: Gas, gas_price: FeePerGas, gain: U256) -> Self {
        self.gas_used = U64::new(gas_used.0);
        self.gas_price = U128::new(gas_price.0);
        self.gain = U256Le::new(gain);
        self
    }

    /// Gas paid, or `None` past 128 bits.
    #[must_use]
    pub fn gas_cost(&self) -> Option<Wei> {
        Gas(self.gas_used.get()).checked_mul(FeePerGas(self.gas_price.get()))
    }

    /// Block of the evidence.
    #[must_use]
    pub const fn block(&self) -> BlockRef {
        BlockRef { number: BlockNumber(self.block_number.get()), hash: self.block_hash }
    }
}

/// Nonces that may be signed from here on. Durable before the first is used.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct NonceLease {
    /// Common header.
    pub header: MessageHeader,
    /// Account concerned.
    pub sender: AddressBytes,
    /// Nonces leased, from `first`.
    pub count: U32,
    /// First nonce of the lease.
    pub first: U64,
}
wire_message!(
    NonceLease = 56,
    56,
    check = |m| {
        let is_some = m.count.get() > 0 && m.first.get().checked_add(u64::from(m.count.get())).is_some();
        if is_some { Ok(()) } else { Err(Self::field_error("count")) }
    }
);

impl NonceLease {
    /// A lease of `count` nonces from `first`.
    #[must_use]
    pub fn new(sender: AddressBytes, first: u64, count: u32) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            sender,
            count: U32::new(count),
            first: U64::new(first),
        }
    }
}

/// Trading stopped; an input of the decision path.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Halt {
    /// Common header.
    pub header: MessageHeader,
    /// Reject reason that every later verdict carries; never 0, which would approve.
    pub reject: U16,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 6],
}
wire_message!(
    Halt = 57,
    32,
    check = |m| { if m.reject.get() == 0 { Err(Self::field_error("reject")) } else { Ok(()) } }
);

impl Halt {
    /// A stop for a reason.
    #[must_use]
    pub fn new(reject: u16) -> Self {
        Self { header: MessageHeader::of::<Self>(Self::TEMPLATE_ID), reject: U16::new(reject), reserved: [0; 6] }
    }
}
