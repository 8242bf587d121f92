//! State of pools of concentrated liquidity: price, liquidity, ticks.

use zerocopy::little_endian::{I32, I128, U32, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::header::MessageHeader;
use crate::id::PoolId;
use crate::message::{WireMessage, wire_message};
use crate::wire::U256Le;

/// Lowest price tick of a concentrated-liquidity pool (`TickMath.MIN_TICK`).
pub const TICK_MIN: i32 = -887_272;
/// Highest price tick of a concentrated-liquidity pool (`TickMath.MAX_TICK`).
pub const TICK_MAX: i32 = 887_272;

/// Price, tick and active liquidity of a concentrated-liquidity pool: after a swap, after `Initialize`, or in a snapshot.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct V3Swap {
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
}
wire_message!(
    V3Swap = 24,
    80,
    check = |m| {
        if !m.sqrt_price_x96.is_below_2_160() {
            return Err(Self::field_error("sqrt_price_x96"));
        }
        // A swap's price limit must lie above `MIN_SQRT_RATIO`, so none ends on the lowest tick and steps below it.
        if !(TICK_MIN..=TICK_MAX).contains(&m.tick.get()) {
            return Err(Self::field_error("tick"));
        }
        Ok(())
    }
);

impl V3Swap {
    /// Slot of `pool`.
    #[must_use]
    #[inline]
    pub fn new(pool: PoolId, sqrt_price_x96: ruint::aliases::U256, tick: i32, liquidity: u128) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            pool: U32::new(pool.0),
            tick: I32::new(tick),
            liquidity: U128::new(liquidity),
            sqrt_price_x96: U256Le::new(sqrt_price_x96),
        }
    }
}

/// Liquidity added to or removed from a price range (`Mint`, `Burn`).
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct V3Liquidity {
    /// Common header.
    pub header: MessageHeader,
    /// Pool concerned.
    pub pool: U32,
    /// Lower end of the range.
    pub tick_lower: I32,
    /// Upper end of the range, above the lower.
    pub tick_upper: I32,
    /// Zero on write, ignored on read.
    pub reserved_0: [u8; 4],
    /// Liquidity added (positive) or removed (negative).
    pub liquidity_delta: I128,
    /// Zero on write, ignored on read.
    pub reserved_1: [u8; 8],
}
wire_message!(
    V3Liquidity = 25,
    64,
    check = |m| {
        if m.tick_lower.get() < TICK_MIN {
            return Err(Self::field_error("tick_lower"));
        }
        if m.tick_upper.get() > TICK_MAX || m.tick_upper <= m.tick_lower {
            return Err(Self::field_error("tick_upper"));
        }
        Ok(())
    }
);

impl V3Liquidity {
    /// Change of `pool` over `tick_lower..tick_upper`.
    #[must_use]
    #[inline]
    pub fn new(pool: PoolId, tick_lower: i32, tick_upper: i32, liquidity_delta: i128) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            pool: U32::new(pool.0),
            tick_lower: I32::new(tick_lower),
            tick_upper: I32::new(tick_upper),
            reserved_0: [0; 4],
            liquidity_delta: I128::new(liquidity_delta),
            reserved_1: [0; 8],
        }
    }
}

/// One initialised tick, in a snapshot.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct V3Tick {
    /// Common header.
    pub header: MessageHeader,
    /// Pool concerned.
    pub pool: U32,
    /// Tick index.
    pub tick: I32,
    /// Liquidity added when the tick is crossed upwards.
    pub liquidity_net: I128,
    /// Liquidity that references the tick, above 0.
    pub liquidity_gross: U128,
}
wire_message!(
    V3Tick = 26,
    64,
    check = |m| {
        if !(TICK_MIN..=TICK_MAX).contains(&m.tick.get()) {
            return Err(Self::field_error("tick"));
        }
        if m.liquidity_gross.get() == 0 {
            return Err(Self::field_error("liquidity_gross"));
        }
        Ok(())
    }
);

impl V3Tick {
    /// An initialised tick of `pool`.
    #[must_use]
    #[inline]
    pub fn new(pool: PoolId, tick: i32, liquidity_net: i128, liquidity_gross: u128) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            pool: U32::new(pool.0),
            tick: I32::new(tick),
            liquidity_net: I128::new(liquidity_net),
            liquidity_gross: U128::new(liquidity_gross),
        }
    }
}
