//! Messages of a connection: greeting, liveness, farewell.

use zerocopy::little_endian::{U16, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{WireMessage, wire_message};
use crate::header::{MessageHeader, SCHEMA_VERSION};
use crate::id::{BlockRef, ChainId, HashBytes};
use crate::units::{BlockNumber, Epoch, Position, Sequence};

/// First message of a client.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Hello {
    /// Common header.
    pub header: MessageHeader,
    /// Oldest schema version the client reads.
    pub version_min: U16,
    /// Newest schema version the client reads.
    pub version_max: U16,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 4],
}
wire_message!(
    Hello = 1,
    32,
    check = |m| { if m.version_min > m.version_max { Err(Self::field_error("version_min")) } else { Ok(()) } }
);

impl Hello {
    /// Greeting of this build.
    #[must_use]
    pub fn new() -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            version_min: U16::new(1),
            version_max: U16::new(SCHEMA_VERSION),
            reserved: [0; 4],
        }
    }
}

impl Default for Hello {
    fn default() -> Self {
        Self::new()
    }
}

/// The relay's answer to [`Hello`]. In version 1 a snapshot follows; from version 2 on the client says where to begin.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Welcome {
    /// Common header.
    pub header: MessageHeader,
    /// EIP-155 id of the chain that is relayed.
    pub chain_id: U64,
    /// Stream identity; sequences of another epoch do not compare with this one's.
    pub epoch: U64,
    /// Schema version that will be spoken.
    pub version: U16,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 6],
}
wire_message!(Welcome = 2, 48);

impl Welcome {
    /// Answer for a stream.
    #[must_use]
    pub fn new(chain_id: ChainId, epoch: Epoch, version: u16) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            chain_id: U64::new(chain_id.0),
            epoch: U64::new(epoch.0),
            version: U16::new(version),
            reserved: [0; 6],
        }
    }
}

/// Why a connection ends. Values are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum CloseReason {
    /// The relay is shutting down.
    Shutdown = 1,
    /// The subscriber's lane was full: it read too slowly, and its version knows no gaps. It may rejoin.
    Evicted = 2,
    /// No schema version in common.
    Version = 3,
    /// The peer sent bytes that are not a message it may send.
    Malformed = 4,
    /// No greeting within the deadline.
    HandshakeTimeout = 5,
    /// The relay serves, or greets, as many clients as it may.
    Full = 6,
    /// The relay has no snapshot to give yet.
    NotReady = 7,
    /// The relay serves another chain than the client selected.
    Chain = 8,
    /// The client did not prove who it is, or may not do what it asks for.
    Unauthorized = 9,
    /// An administrator of the relay ended the connection.
    Disconnected = 10,
}

impl CloseReason {
    /// Reason by its wire value.
    #[must_use]
    pub const fn from_wire(value: u16) -> Option<Self> {
        Some(match value {
            1 => Self::Shutdown,
            2 => Self::Evicted,
            3 => Self::Version,
            4 => Self::Malformed,
            5 => Self::HandshakeTimeout,
            6 => Self::Full,
            7 => Self::NotReady,
            8 => Self::Chain,
            9 => Self::Unauthorized,
            10 => Self::Disconnected,
            _ => return None,
        })
    }
}

/// Last message of a connection.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Close {
    /// Common header.
    pub header: MessageHeader,
    /// A [`CloseReason`]; a value unknown to the reader still ends the connection.
    pub reason: U16,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 6],
}
wire_message!(Close = 3, 32);

impl Close {
    /// Farewell with a reason.
    #[must_use]
    pub fn new(reason: CloseReason) -> Self {
        Self { header: MessageHeader::of::<Self>(Self::TEMPLATE_ID), reason: U16::new(reason as u16), reserved: [0; 6] }
    }
}

/// Sent when nothing else was for a while. Proves that the stream lives, not that the chain does: that is what the head tells.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Heartbeat {
    /// Common header; carries the sequence of the last live message.
    pub header: MessageHeader,
    /// Height of the relay's head.
    pub head_number: U64,
    /// Hash of the relay's head.
    pub head_hash: HashBytes,
}
wire_message!(Heartbeat = 4, 64);

impl Heartbeat {
    /// Sign of life at a head.
    #[must_use]
    pub fn new(head: BlockRef) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            head_number: U64::new(head.number.0),
            head_hash: head.hash,
        }
    }

    /// The relay's head.
    #[must_use]
    pub const fn head(&self) -> BlockRef {
        BlockRef { number: BlockNumber(self.head_number.get()), hash: self.head_hash }
    }
}

/// Oldest schema version whose client sends [`Subscribe`] and is told of gaps.
pub const VERSION_RESUME: u16 = 2;

/// Last message of a client: where its stream is to begin.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Subscribe {
    /// Common header.
    pub header: MessageHeader,
    /// Epoch of the client's state; 0 when it has none and wants a snapshot.
    pub resume_epoch: U64,
    /// Sequence of the last message that the client applied; not read when `resume_epoch` is 0.
    pub resume_sequence: U64,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 24],
}
wire_message!(Subscribe = 5, 64, version = 2);

impl Subscribe {
    /// Asks for what follows `position`, or for a snapshot.
    #[must_use]
    pub fn new(position: Option<Position>) -> Self {
        let (epoch, sequence) = position.map_or((0, 0), |position| (position.epoch.0, position.sequence.0));
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            resume_epoch: U64::new(epoch),
            resume_sequence: U64::new(sequence),
            reserved: [0; 24],
        }
    }

    /// Where the client stands, if it has a state.
    #[must_use]
    pub const fn position(&self) -> Option<Position> {
        match self.resume_epoch.get() {
            0 => None,
            epoch => Some(Position { epoch: Epoch(epoch), sequence: Sequence(self.resume_sequence.get()) }),
        }
    }
}

/// How a gap is repaired. Values are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum GapRecovery {
    /// The missed messages follow, late.
    Replay = 1,
    /// A snapshot follows: what the reader holds is void.
    Snapshot = 2,
}

impl GapRecovery {
    /// Recovery by its wire value.
    #[must_use]
    pub const fn from_wire(value: u16) -> Option<Self> {
        Some(match value {
            1 => Self::Replay,
            2 => Self::Snapshot,
            _ => return None,
        })
    }
}

/// Why there is a gap. Values are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum GapReason {
    /// The reader was slower than the stream and its lane was full.
    Lapped = 1,
    /// The reader was away.
    Away = 2,
    /// The relay began a new epoch: it lost the thread of the chain, or was started anew.
    Epoch = 3,
    /// A reorg goes back below the snapshot that the reader began with.
    Reorg = 4,
}

impl GapReason {
    /// Reason by its wire value.
    #[must_use]
    pub const fn from_wire(value: u16) -> Option<Self> {
        Some(match value {
            1 => Self::Lapped,
            2 => Self::Away,
            3 => Self::Epoch,
            4 => Self::Reorg,
            _ => return None,
        })
    }
}

/// Messages are missing here. Comes before the first message behind the hole, whatever that is.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Gap {
    /// Common header; repeats the sequence of the last message before the hole.
    pub header: MessageHeader,
    /// First message missed.
    pub first: U64,
    /// Last message missed; below `first` when that cannot be told.
    pub last: U64,
    /// A [`GapRecovery`].
    pub recovery: U16,
    /// A [`GapReason`]; an unknown one changes nothing.
    pub reason: U16,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 4],
}
wire_message!(
    Gap = 6,
    48,
    version = 2,
    check = |m| {
        if GapRecovery::from_wire(m.recovery.get()).is_none() { Err(Self::field_error("recovery")) } else { Ok(()) }
    }
);

impl Gap {
    /// A hole behind `last_seen`, up to `last`; `None` when its end cannot be told.
    #[must_use]
    pub fn new(last_seen: Sequence, last: Option<Sequence>, recovery: GapRecovery, reason: GapReason) -> Self {
        let mut header = MessageHeader::of::<Self>(Self::TEMPLATE_ID);
        header.sequence.set(last_seen.0);
        Self {
            header,
            first: U64::new(last_seen.0.saturating_add(1)),
            last: U64::new(last.map_or(0, |last| last.0)),
            recovery: U16::new(recovery as u16),
            reason: U16::new(reason as u16),
            reserved: [0; 4],
        }
    }
}
