//! State of a Solidly pool.

use zerocopy::little_endian::{U32, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::header::MessageHeader;
use crate::id::PoolId;
use crate::message::{WireMessage, wire_message};
use crate::units::{FEE_PPM_ONE, FeePpm};

/// Reserves and fee of a Solidly pool. The factory can change the fee of a pool at any time, so it is state.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct SolidlyReserves {
    /// Common header.
    pub header: MessageHeader,
    /// Pool concerned.
    pub pool: U32,
    /// Swap fee, parts per million of the input, below 1,000,000.
    pub fee_ppm: U32,
    /// Raw token-0 units. The contract holds 256 bits; a source refuses a pool that uses more than 128.
    pub reserve_0: U128,
    /// Raw token-1 units.
    pub reserve_1: U128,
}
wire_message!(
    SolidlyReserves = 31,
    64,
    version = 3,
    check = |m| {
        if m.fee_ppm.get() >= FEE_PPM_ONE {
            return Err(Self::field_error("fee_ppm"));
        }
        Ok(())
    }
);

impl SolidlyReserves {
    /// State of `pool`.
    #[must_use]
    pub fn new(pool: PoolId, fee: FeePpm, reserve_0: u128, reserve_1: u128) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            pool: U32::new(pool.0),
            fee_ppm: U32::new(fee.0),
            reserve_0: U128::new(reserve_0),
            reserve_1: U128::new(reserve_1),
        }
    }
}
