//! Rates of tokens inside a pool.

use zerocopy::little_endian::{U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::header::MessageHeader;
use crate::id::PoolId;
use crate::message::{WireMessage, wire_message};
use crate::values::{Rates, TOKENS_MAX};
use crate::wire::{read_u128s, u128s};

/// What rates are for. Values are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum RatesUse {
    /// Swaps reckon with them.
    Swap = 1,
    /// They stood at the last join or exit: a composable pool tells by them what was yield.
    LastJoinExit = 2,
}

impl RatesUse {
    /// Use by its wire value.
    #[must_use]
    pub const fn from_wire(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::Swap),
            2 => Some(Self::LastJoinExit),
            _ => None,
        }
    }
}

/// What a pool multiplies its balances with. Rates are of the tokens, and move without a swap.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct PoolRates {
    /// Common header.
    pub header: MessageHeader,
    /// Pool concerned.
    pub pool: U32,
    /// A [`RatesUse`].
    pub rates_use: u8,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 3],
    /// Last Unix second at which they surely are what a swap uses.
    pub valid_until: U64,
    /// By token, as the contract has them; those past the pool's tokens are zero.
    pub rates: [U128; TOKENS_MAX],
}
wire_message!(
    PoolRates = 33,
    168,
    version = 3,
    check = |m| RatesUse::from_wire(m.rates_use).map(|_| ()).ok_or(Self::field_error("rates_use"))
);

impl PoolRates {
    /// Rates of `pool`.
    #[must_use]
    pub fn new(pool: PoolId, rates_use: RatesUse, values: &Rates) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            pool: U32::new(pool.0),
            rates_use: rates_use as u8,
            reserved: [0; 3],
            valid_until: U64::new(values.valid_until),
            rates: u128s(values.rates),
        }
    }

    /// The values.
    #[must_use]
    pub fn values(&self) -> Rates {
        Rates { valid_until: self.valid_until.get(), rates: read_u128s(self.rates) }
    }
}
