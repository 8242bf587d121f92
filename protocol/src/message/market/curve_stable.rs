//! State of Curve StableSwap pools.

use zerocopy::little_endian::{U32, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::CURVE_FEE_ONE;
use crate::header::MessageHeader;
use crate::id::PoolId;
use crate::message::{WireMessage, wire_message};
use crate::values::{CurveStableHoldings, CurveStableTerms, Ramp, TOKENS_MAX};
use crate::wire::{read_u128s, u128s};

/// What an owner sets in a StableSwap pool.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct CurveStableParameters {
    /// Common header.
    pub header: MessageHeader,
    /// Pool concerned.
    pub pool: U32,
    /// 1 when the contract refuses swaps, else 0.
    pub is_paused: u8,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 3],
    /// `initial_A`, with the pool's precision.
    pub initial_a: U64,
    /// `future_A`, with the pool's precision.
    pub future_a: U64,
    /// `initial_A_time`, Unix seconds.
    pub initial_a_time: U64,
    /// `future_A_time`, Unix seconds.
    pub future_a_time: U64,
    /// Fee, of 10^10.
    pub fee: U64,
    /// Owner's part of the fee, of 10^10.
    pub admin_fee: U64,
    /// `offpeg_fee_multiplier`, of 10^10; 0 where the contract has none.
    pub offpeg_fee_multiplier: U128,
}
wire_message!(
    CurveStableParameters = 32,
    96,
    version = 3,
    check = |m| {
        if m.is_paused > 1 {
            return Err(Self::field_error("is_paused"));
        }
        if m.fee.get() > CURVE_FEE_ONE {
            return Err(Self::field_error("fee"));
        }
        if m.admin_fee.get() > CURVE_FEE_ONE {
            return Err(Self::field_error("admin_fee"));
        }
        Ok(())
    }
);

impl CurveStableParameters {
    /// Parameters of `pool`.
    #[must_use]
    pub fn new(pool: PoolId, terms: &CurveStableTerms) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            pool: U32::new(pool.0),
            is_paused: u8::from(terms.is_paused),
            reserved: [0; 3],
            initial_a: U64::new(terms.amplification.initial),
            future_a: U64::new(terms.amplification.future),
            initial_a_time: U64::new(terms.amplification.initial_time),
            future_a_time: U64::new(terms.amplification.future_time),
            fee: U64::new(terms.fee),
            admin_fee: U64::new(terms.admin_fee),
            offpeg_fee_multiplier: U128::new(terms.offpeg_fee_multiplier),
        }
    }

    /// The values.
    #[must_use]
    pub const fn terms(&self) -> CurveStableTerms {
        CurveStableTerms {
            is_paused: self.is_paused == 1,
            amplification: Ramp {
                initial: self.initial_a.get(),
                future: self.future_a.get(),
                initial_time: self.initial_a_time.get(),
                future_time: self.future_a_time.get(),
            },
            fee: self.fee.get(),
            admin_fee: self.admin_fee.get(),
            offpeg_fee_multiplier: self.offpeg_fee_multiplier.get(),
        }
    }
}

/// What swaps and providers change in a StableSwap pool.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct CurveStableBalances {
    /// Common header.
    pub header: MessageHeader,
    /// Pool concerned.
    pub pool: U32,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 4],
    /// Unix seconds at which a meta pool last asked its base pool; 0 where it remembers no virtual price.
    pub base_cache_updated: U64,
    /// Virtual price of the base pool that a meta pool remembers; 0 where it remembers none.
    pub base_virtual_price: U128,
    /// Shares that exist, raw units.
    pub supply: U128,
    /// Balances by token that swaps reckon with, raw units; those past the pool's tokens are zero.
    pub balances: [U128; TOKENS_MAX],
}
wire_message!(CurveStableBalances = 34, 200, version = 3);

impl CurveStableBalances {
    /// State of `pool`.
    #[must_use]
    pub fn new(pool: PoolId, holdings: &CurveStableHoldings) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            pool: U32::new(pool.0),
            reserved: [0; 4],
            base_cache_updated: U64::new(holdings.base_cache_updated),
            base_virtual_price: U128::new(holdings.base_virtual_price),
            supply: U128::new(holdings.supply),
            balances: u128s(holdings.balances),
        }
    }

    /// The values.
    #[must_use]
    pub fn holdings(&self) -> CurveStableHoldings {
        CurveStableHoldings {
            balances: read_u128s(self.balances),
            supply: self.supply.get(),
            base_virtual_price: self.base_virtual_price.get(),
            base_cache_updated: self.base_cache_updated.get(),
        }
    }
}
