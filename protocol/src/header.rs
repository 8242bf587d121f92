//! The 24 bytes every message starts with.

use core::mem::{offset_of, size_of};

use zerocopy::little_endian::{U16, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::message::WireMessage;
use crate::units::{Sequence, UnixNanos};

/// "AP" read as a little-endian number: tells our messages from anyone else's.
pub const SCHEMA_ID: u16 = u16::from_le_bytes(*b"AP");

/// Newest version of the schema that this build speaks. A reader accepts any version whose templates it knows and skips
/// appended fields.
pub const SCHEMA_VERSION: u16 = 3;

/// Start of every message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct MessageHeader {
    /// Bytes of the whole message, this header included. Readers skip by it, so a message may grow at its end.
    pub block_length: U16,
    /// Which message follows.
    pub template_id: U16,
    /// [`SCHEMA_ID`].
    pub schema_id: U16,
    /// Schema version in which the message got the form that it has.
    pub version: U16,
    /// Position in the stream; 0 outside a stream.
    pub sequence: U64,
    /// Source time of the event in Unix nanoseconds; for market messages the block's timestamp.
    pub event_ns: U64,
}

const _: () = assert!(size_of::<MessageHeader>() == 24);
const _: () = assert!(offset_of!(MessageHeader, sequence) == 8);

impl MessageHeader {
    /// Header of a message of type `T`, not yet placed in a stream.
    #[must_use]
    #[inline]
    pub(crate) fn of<T: WireMessage>(template_id: u16) -> Self {
        let block_length = u16::try_from(size_of::<T>()).expect("every message is far below 64 KiB");
        Self {
            block_length: U16::new(block_length),
            template_id: U16::new(template_id),
            schema_id: U16::new(SCHEMA_ID),
            version: U16::new(T::VERSION),
            sequence: U64::new(0),
            event_ns: U64::new(0),
        }
    }

    /// Template and schema as one number, compared at once.
    #[must_use]
    #[inline]
    pub(crate) const fn kind(&self) -> u32 {
        self.template_id.get() as u32 | (self.schema_id.get() as u32) << 16
    }

    /// [`Self::kind`] of every `T`.
    #[must_use]
    #[inline]
    pub(crate) const fn kind_of<T: WireMessage>() -> u32 {
        T::TEMPLATE_ID as u32 | (SCHEMA_ID as u32) << 16
    }

    /// Position in the stream.
    #[must_use]
    pub const fn sequence(&self) -> Sequence {
        Sequence(self.sequence.get())
    }

    /// Source time of the event.
    #[must_use]
    pub const fn event_ns(&self) -> UnixNanos {
        UnixNanos(self.event_ns.get())
    }
}
