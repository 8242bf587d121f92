//! Pools of Uniswap V2 and V3 and their forks: description, and the reserves of a pair.

use zerocopy::little_endian::{I32, U16, U32, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::PoolKind;
use super::concentrated::{TICK_MAX, TICK_MIN};
use crate::error::DecodeError;
use crate::header::MessageHeader;
use crate::id::{AddressBytes, PoolId, TokenId, VenueId};
use crate::message::{WireMessage, wire_message};
use crate::units::{FEE_PPM_ONE, FeePpm};

/// Description of a pool; precedes every use of its id.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Pool {
    /// Common header.
    pub header: MessageHeader,
    /// Dense id: the count of pools described before.
    pub pool: U32,
    /// A [`PoolKind`].
    pub kind: u8,
    /// Zero on write, ignored on read.
    pub reserved_0: u8,
    /// Venue (factory) that the pool belongs to.
    pub venue: U16,
    /// Contract.
    pub address: AddressBytes,
    /// The contract's token 0.
    pub token_0: U32,
    /// The contract's token 1.
    pub token_1: U32,
    /// Swap fee, parts per million of the input, below 1,000,000.
    pub fee_ppm: U32,
    /// Tick spacing; 0 for kinds without ticks.
    pub tick_spacing: I32,
    /// Lowest price tick down to which every initialised tick is known; 0 for kinds without ticks.
    pub known_tick_low: I32,
    /// Highest price tick up to which every initialised tick is known; 0 for kinds without ticks.
    pub known_tick_high: I32,
    /// Zero on write, ignored on read.
    pub reserved_1: [u8; 4],
}
wire_message!(Pool = 22, 80, check = check_pool);

fn check_pool(m: &Pool) -> Result<(), DecodeError> {
    let kind = PoolKind::from_wire(m.kind).ok_or(Pool::field_error("kind"))?;
    if m.fee_ppm.get() >= FEE_PPM_ONE {
        return Err(Pool::field_error("fee_ppm"));
    }
    if m.token_0 == m.token_1 {
        return Err(Pool::field_error("token_1"));
    }
    let (spacing, low, high) = (m.tick_spacing.get(), m.known_tick_low.get(), m.known_tick_high.get());
    let (is_spacing, is_low, is_high) = match kind {
        PoolKind::UniswapV2 => (spacing == 0, low == 0, high == 0),
        // The factory refuses spacings of 16384 and above (`enableFeeAmount`).
        PoolKind::UniswapV3 => ((1..16_384).contains(&spacing), low >= TICK_MIN, (low..=TICK_MAX).contains(&high)),
        _ => return Err(Pool::field_error("kind")),
    };
    if !is_spacing {
        return Err(Pool::field_error("tick_spacing"));
    }
    if !is_low {
        return Err(Pool::field_error("known_tick_low"));
    }
    if !is_high {
        return Err(Pool::field_error("known_tick_high"));
    }
    Ok(())
}

impl Pool {
    /// Description of a constant-product pool.
    #[must_use]
    pub fn uniswap_v2(pool: PoolId, venue: VenueId, address: AddressBytes, tokens: [TokenId; 2], fee: FeePpm) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            pool: U32::new(pool.0),
            kind: PoolKind::UniswapV2 as u8,
            reserved_0: 0,
            venue: U16::new(venue.0),
            address,
            token_0: U32::new(tokens[0].0),
            token_1: U32::new(tokens[1].0),
            fee_ppm: U32::new(fee.0),
            tick_spacing: I32::new(0),
            known_tick_low: I32::new(0),
            known_tick_high: I32::new(0),
            reserved_1: [0; 4],
        }
    }

    /// The same pool as one of concentrated liquidity, its ticks known within `known_ticks` (inclusive).
    #[must_use]
    pub fn with_ticks(mut self, tick_spacing: i32, known_ticks: (i32, i32)) -> Self {
        self.kind = PoolKind::UniswapV3 as u8;
        self.tick_spacing = I32::new(tick_spacing);
        self.known_tick_low = I32::new(known_ticks.0);
        self.known_tick_high = I32::new(known_ticks.1);
        self
    }
}

/// Reserves of a constant-product pool after its last `Sync` in the block. One cache line.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct V2Reserves {
    /// Common header.
    pub header: MessageHeader,
    /// Pool concerned.
    pub pool: U32,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 4],
    /// Raw token-0 units, below 2^112.
    pub reserve_0: U128,
    /// Raw token-1 units, below 2^112.
    pub reserve_1: U128,
}
wire_message!(
    V2Reserves = 23,
    64,
    check = |m| {
        // The pair packs reserves into uint112.
        let fits = |value: U128| value.get() >> 112 == 0;
        if !fits(m.reserve_0) {
            return Err(Self::field_error("reserve_0"));
        }
        if !fits(m.reserve_1) {
            return Err(Self::field_error("reserve_1"));
        }
        Ok(())
    }
);

impl V2Reserves {
    /// Reserves of `pool`.
    #[must_use]
    pub fn new(pool: PoolId, reserve_0: u128, reserve_1: u128) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            pool: U32::new(pool.0),
            reserved: [0; 4],
            reserve_0: U128::new(reserve_0),
            reserve_1: U128::new(reserve_1),
        }
    }
}
