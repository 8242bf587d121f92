//! Since version 3: what a subscriber asks for, what is left out for it, and whether the chain can be trusted.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{WireMessage, wire_message};
use crate::header::MessageHeader;
use crate::id::AddressBytes;
use crate::units::Sequence;

/// Oldest schema version whose client may select, and is told of cautions.
pub const VERSION_SELECT: u16 = 3;

/// What a [`Select`] is about. Values are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum Scope {
    /// The chain, by its id: a relay of another one closes.
    Chain = 1,
    /// Pools of a kind, by its code.
    PoolKind = 2,
    /// Pools of a venue, by its number.
    Venue = 3,
    /// A pool, by its contract.
    Pool = 4,
    /// Pools that trade a token, by its contract.
    Token = 5,
    /// Conflation: 1 asks for it.
    Conflation = 6,
    /// Side messages, by their template: none come unasked.
    Side = 7,
}

impl Scope {
    /// Scope by its wire value.
    #[must_use]
    pub const fn from_wire(value: u16) -> Option<Self> {
        Some(match value {
            1 => Self::Chain,
            2 => Self::PoolKind,
            3 => Self::Venue,
            4 => Self::Pool,
            5 => Self::Token,
            6 => Self::Conflation,
            7 => Self::Side,
            _ => return None,
        })
    }
}

/// One rule of what a client wants, sent before [`Subscribe`](super::Subscribe). Rules of one scope widen, scopes narrow.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Select {
    /// Common header.
    pub header: MessageHeader,
    /// A [`Scope`].
    pub scope: U16,
    /// Zero on write, ignored on read.
    pub reserved_0: [u8; 6],
    /// What the scope says that it is; 0 where that is an address.
    pub number: U64,
    /// Contract, where the scope is about one; else zero.
    pub address: AddressBytes,
    /// Zero on write, ignored on read.
    pub reserved_1: [u8; 4],
}
wire_message!(
    Select = 7,
    64,
    version = 3,
    check = |m| { if Scope::from_wire(m.scope.get()).is_none() { Err(Self::field_error("scope")) } else { Ok(()) } }
);

impl Select {
    /// A rule about a number.
    #[must_use]
    pub fn number(scope: Scope, number: u64) -> Self {
        Self { number: U64::new(number), ..Self::address(scope, [0; 20]) }
    }

    /// A rule about a contract.
    #[must_use]
    pub fn address(scope: Scope, address: AddressBytes) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            scope: U16::new(scope as u16),
            reserved_0: [0; 6],
            number: U64::new(0),
            address,
            reserved_1: [0; 4],
        }
    }

    /// What the rule is about.
    #[must_use]
    pub const fn scope(&self) -> Option<Scope> {
        Scope::from_wire(self.scope.get())
    }
}

/// Why the chain cannot be trusted now. Values are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u16)]
#[non_exhaustive]
pub enum CautionCause {
    /// It can be.
    None = 0,
    /// Fewer nodes than required agree, or answer at all.
    BelowQuorum = 1,
    /// Nodes contradict each other, and none can prove its word.
    Divergence = 2,
}

impl CautionCause {
    /// Cause by its wire value.
    #[must_use]
    pub const fn from_wire(value: u16) -> Option<Self> {
        Some(match value {
            0 => Self::None,
            1 => Self::BelowQuorum,
            2 => Self::Divergence,
            _ => return None,
        })
    }
}

/// Whether the relay trusts its nodes. While it does not, no state may be traded on, however new it is.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Caution {
    /// Common header; repeats the sequence of the last message before it.
    pub header: MessageHeader,
    /// 1 when the chain is safe, 0 when it is not.
    pub is_safe: u8,
    /// Zero on write, ignored on read.
    pub reserved_0: [u8; 1],
    /// A [`CautionCause`]; an unknown one changes nothing.
    pub cause: U16,
    /// Zero on write, ignored on read.
    pub reserved_1: [u8; 4],
}
wire_message!(
    Caution = 8,
    32,
    version = 3,
    check = |m| { if m.is_safe > 1 { Err(Self::field_error("is_safe")) } else { Ok(()) } }
);

impl Caution {
    /// The word behind message `last`.
    #[must_use]
    pub fn new(last: Sequence, cause: CautionCause) -> Self {
        let mut header = MessageHeader::of::<Self>(Self::TEMPLATE_ID);
        header.sequence.set(last.0);
        let is_safe = u8::from(cause == CautionCause::None);
        Self { header, is_safe, reserved_0: [0; 1], cause: U16::new(cause as u16), reserved_1: [0; 4] }
    }
}

/// Messages that the client did not ask for were left out here. Not a loss: the sequence goes on behind them.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Skip {
    /// Common header; carries the sequence of the last message left out.
    pub header: MessageHeader,
    /// Messages left out, all of them states of pools.
    pub count: U32,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 4],
}
wire_message!(
    Skip = 27,
    32,
    version = 3,
    check = |m| { if m.count.get() == 0 { Err(Self::field_error("count")) } else { Ok(()) } }
);

impl Skip {
    /// `count` messages left out, at least one.
    #[must_use]
    pub fn new(count: u32) -> Self {
        Self { header: MessageHeader::of::<Self>(Self::TEMPLATE_ID), count: U32::new(count), reserved: [0; 4] }
    }
}
