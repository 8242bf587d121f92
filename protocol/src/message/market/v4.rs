//! Pools inside a Uniswap V4 pool manager. Their liquidity and ticks come as those of V3 do.

use zerocopy::little_endian::{I32, U16, U32, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::concentrated::{TICK_MAX, TICK_MIN};
use crate::U256;
use crate::error::DecodeError;
use crate::header::MessageHeader;
use crate::id::{AddressBytes, HashBytes, PoolId, TokenId, VenueId};
use crate::message::{WireMessage, wire_message};
use crate::units::FEE_PPM_ONE;
use crate::values::{V4Details, V4Fees};
use crate::wire::U256Le;

/// The fee in the key of a pool whose hooks set its fee (`LPFeeLibrary.DYNAMIC_FEE_FLAG`).
pub const FEE_DYNAMIC: u32 = 0x80_0000;
/// Highest protocol fee, parts per million (`ProtocolFeeLibrary.MAX_PROTOCOL_FEE`).
const PROTOCOL_FEE_MAX: u16 = 1_000;
/// Highest tick spacing (`TickMath.MAX_TICK_SPACING`).
const TICK_SPACING_MAX: i32 = 32_767;

/// Description of a pool in a pool manager.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct V4Pool {
    /// Common header.
    pub header: MessageHeader,
    /// Dense id: the count of pools described before.
    pub pool: U32,
    /// Venue that the pool belongs to.
    pub venue: U16,
    /// Zero on write, ignored on read.
    pub reserved_0: [u8; 2],
    /// Keccak-256 of the pool's key.
    pub pool_id: HashBytes,
    /// Pool manager.
    pub address: AddressBytes,
    /// Hooks contract; zero when there is none.
    pub hooks: AddressBytes,
    /// The key's currency 0; the chain's native coin is a token of address zero.
    pub token_0: U32,
    /// The key's currency 1.
    pub token_1: U32,
    /// The key's fee: parts per million, or [`FEE_DYNAMIC`].
    pub key_fee: U32,
    /// Tick spacing.
    pub tick_spacing: I32,
    /// Lowest price tick down to which every initialised tick is known.
    pub known_tick_low: I32,
    /// Highest price tick up to which every initialised tick is known.
    pub known_tick_high: I32,
}
wire_message!(V4Pool = 29, 128, version = 3, check = check_pool);

fn check_pool(m: &V4Pool) -> Result<(), DecodeError> {
    let (low, high) = (m.known_tick_low.get(), m.known_tick_high.get());
    if m.token_0 == m.token_1 {
        return Err(V4Pool::field_error("token_1"));
    }
    if m.key_fee.get() > FEE_PPM_ONE && m.key_fee.get() != FEE_DYNAMIC {
        return Err(V4Pool::field_error("key_fee"));
    }
    if !(1..=TICK_SPACING_MAX).contains(&m.tick_spacing.get()) {
        return Err(V4Pool::field_error("tick_spacing"));
    }
    if low < TICK_MIN {
        return Err(V4Pool::field_error("known_tick_low"));
    }
    if !(low..=TICK_MAX).contains(&high) {
        return Err(V4Pool::field_error("known_tick_high"));
    }
    Ok(())
}

impl V4Pool {
    /// Description of a pool of `manager`, its ticks known within `known_ticks` (inclusive).
    #[must_use]
    pub fn new(
        pool: PoolId,
        venue: VenueId,
        manager: AddressBytes,
        tokens: [TokenId; 2],
        details: &V4Details,
        tick_spacing: i32,
        known_ticks: (i32, i32),
    ) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            pool: U32::new(pool.0),
            venue: U16::new(venue.0),
            reserved_0: [0; 2],
            pool_id: details.pool_id,
            address: manager,
            hooks: details.hooks,
            token_0: U32::new(tokens[0].0),
            token_1: U32::new(tokens[1].0),
            key_fee: U32::new(details.key_fee),
            tick_spacing: I32::new(tick_spacing),
            known_tick_low: I32::new(known_ticks.0),
            known_tick_high: I32::new(known_ticks.1),
        }
    }

    /// What only this kind's description says.
    #[must_use]
    pub const fn details(&self) -> V4Details {
        V4Details { pool_id: self.pool_id, hooks: self.hooks, key_fee: self.key_fee.get() }
    }
}

/// Price, tick, active liquidity and fees of a Uniswap V4 pool.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct V4Swap {
    /// Common header.
    pub header: MessageHeader,
    /// Pool concerned.
    pub pool: U32,
    /// Current price tick.
    pub tick: I32,
    /// Active liquidity.
    pub liquidity: U128,
    /// Square root of token-1 units per token-0 unit, times 2^96; below 2^160. 0 when the pool is not initialised.
    pub sqrt_price_x96: U256Le,
    /// Fee for liquidity providers, parts per million.
    pub lp_fee_ppm: U32,
    /// Protocol fee of swaps that pay token 0, parts per million.
    pub protocol_fee_0: U16,
    /// Protocol fee of swaps that pay token 1, parts per million.
    pub protocol_fee_1: U16,
}
wire_message!(V4Swap = 30, 88, version = 3, check = check_swap);

fn check_swap(m: &V4Swap) -> Result<(), DecodeError> {
    if !(TICK_MIN..=TICK_MAX).contains(&m.tick.get()) {
        return Err(V4Swap::field_error("tick"));
    }
    if !m.sqrt_price_x96.is_below_2_160() {
        return Err(V4Swap::field_error("sqrt_price_x96"));
    }
    if m.lp_fee_ppm.get() > FEE_PPM_ONE {
        return Err(V4Swap::field_error("lp_fee_ppm"));
    }
    if m.protocol_fee_0.get() > PROTOCOL_FEE_MAX {
        return Err(V4Swap::field_error("protocol_fee_0"));
    }
    if m.protocol_fee_1.get() > PROTOCOL_FEE_MAX {
        return Err(V4Swap::field_error("protocol_fee_1"));
    }
    Ok(())
}

impl V4Swap {
    /// Slot and fees of `pool`.
    #[must_use]
    pub fn new(pool: PoolId, sqrt_price_x96: U256, tick: i32, liquidity: u128, fees: V4Fees) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            pool: U32::new(pool.0),
            tick: I32::new(tick),
            liquidity: U128::new(liquidity),
            sqrt_price_x96: U256Le::new(sqrt_price_x96),
            lp_fee_ppm: U32::new(fees.lp_fee_ppm),
            protocol_fee_0: U16::new(fees.protocol_fee_ppm[0]),
            protocol_fee_1: U16::new(fees.protocol_fee_ppm[1]),
        }
    }

    /// Its fees.
    #[must_use]
    pub const fn fees(&self) -> V4Fees {
        V4Fees {
            lp_fee_ppm: self.lp_fee_ppm.get(),
            protocol_fee_ppm: [self.protocol_fee_0.get(), self.protocol_fee_1.get()],
        }
    }
}
