//! Since version 3: whether the state of one pool can be believed.

use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::super::{WireMessage, wire_message};
use crate::header::MessageHeader;
use crate::id::{BlockRef, HashBytes, PoolId};
use crate::units::BlockNumber;

/// What is thought of a pool's state. Values are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum PoolTrust {
    /// It was found equal to the chain's.
    Trusted = 1,
    /// It was found to differ from the chain's: nobody may trade on it.
    Quarantined = 2,
    /// It is told anew, from a reading of the chain, and stays quarantined until it is found equal.
    Restated = 3,
}

impl PoolTrust {
    /// Trust by its wire value.
    #[must_use]
    pub const fn from_wire(value: u8) -> Option<Self> {
        Some(match value {
            1 => Self::Trusted,
            2 => Self::Quarantined,
            3 => Self::Restated,
            _ => return None,
        })
    }
}

/// Parts of a pool's state, as a set; bits are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct StateParts(pub u16);

impl StateParts {
    /// None, or not known which.
    pub const NONE: Self = Self(0);
    /// What an owner sets: the message of a kind's parameters.
    pub const TERMS: Self = Self(1);
    /// `PoolRates` of use 1.
    pub const RATES_SWAP: Self = Self(2);
    /// `PoolRates` of use 2.
    pub const RATES_LAST_JOIN_EXIT: Self = Self(4);
    /// What swaps change: reserves, price, balances.
    pub const STATE: Self = Self(8);
    /// Ticks.
    pub const TICKS: Self = Self(16);

    /// Each bit by itself, with its name.
    const NAMES: [(Self, &'static str); 5] = [
        (Self::TERMS, "terms"),
        (Self::RATES_SWAP, "rates_swap"),
        (Self::RATES_LAST_JOIN_EXIT, "rates_last_join_exit"),
        (Self::STATE, "state"),
        (Self::TICKS, "ticks"),
    ];

    /// Names of those that are among these, as `docs/WIRE.md` has them, in snake case; and the bits that no name is known for.
    pub fn names(self) -> (impl Iterator<Item = &'static str>, Self) {
        let known = Self::NAMES.iter().fold(Self::NONE, |known, (part, _)| known.with(*part));
        let names = Self::NAMES.iter().filter(move |(part, _)| self.holds(*part)).map(|(_, name)| *name);
        (names, Self(self.0 & !known.0))
    }

    /// These and those.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are among these.
    #[must_use]
    pub const fn holds(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
}

/// Whether the state of one pool can be believed, as a comparison with the chain found.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct PoolStanding {
    /// Common header.
    pub header: MessageHeader,
    /// Pool.
    pub pool: U32,
    /// A [`PoolTrust`].
    pub standing: u8,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 1],
    /// Parts of its state that were found to differ, as [`StateParts`].
    pub parts: U16,
    /// Height of the block after which the state was compared or read.
    pub block_number: U64,
    /// Its hash.
    pub block_hash: HashBytes,
}
wire_message!(
    PoolStanding = 41,
    72,
    version = 3,
    check =
        |m| { if PoolTrust::from_wire(m.standing).is_none() { Err(Self::field_error("standing")) } else { Ok(()) } }
);

impl PoolStanding {
    /// What was found of a pool after a block.
    #[must_use]
    pub fn new(pool: PoolId, trust: PoolTrust, parts: StateParts, block: BlockRef) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            pool: U32::new(pool.0),
            standing: trust as u8,
            reserved: [0; 1],
            parts: U16::new(parts.0),
            block_number: U64::new(block.number.0),
            block_hash: block.hash,
        }
    }

    /// What is thought of the pool's state.
    #[must_use]
    pub const fn trust(&self) -> Option<PoolTrust> {
        PoolTrust::from_wire(self.standing)
    }

    /// The block after which the state was compared or read.
    #[must_use]
    pub const fn block(&self) -> BlockRef {
        BlockRef { number: BlockNumber(self.block_number.get()), hash: self.block_hash }
    }
}
