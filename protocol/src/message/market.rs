//! Messages about tokens and pools. One state message brings its pool to its new state.

use zerocopy::little_endian::{I32, I128, U16, U32, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{WireMessage, wire_message};
use crate::header::MessageHeader;
use crate::id::{AddressBytes, PoolId, TokenId, VenueId};
use crate::units::{FEE_PPM_ONE, FeePpm};
use crate::wire::U256Le;

/// Lowest price tick of a concentrated-liquidity pool (`TickMath.MIN_TICK`).
pub const TICK_MIN: i32 = -887_272;
/// Highest price tick of a concentrated-liquidity pool (`TickMath.MAX_TICK`).
pub const TICK_MAX: i32 = 887_272;
/// Bytes of a token symbol that are kept; a longer one is cut at a character.
pub const SYMBOL_BYTES_MAX: usize = 32;

/// Formula of a pool. Values are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum PoolKind {
    /// Constant product: Uniswap V2 and forks.
    UniswapV2 = 1,
    /// Concentrated liquidity: Uniswap V3 and forks.
    UniswapV3 = 2,
}

impl PoolKind {
    /// Kind by its wire value.
    #[must_use]
    pub const fn from_wire(value: u8) -> Option<Self> {
        match value {
            1 => Some(Self::UniswapV2),
            2 => Some(Self::UniswapV3),
            _ => None,
        }
    }

    /// Schema version in which the kind came: a peer that speaks an older one cannot hold pools of it.
    #[must_use]
    pub const fn since_version(self) -> u16 {
        match self {
            Self::UniswapV2 | Self::UniswapV3 => 1,
        }
    }

    /// Name as in snapshot files and configuration.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::UniswapV2 => "uniswap_v2",
            Self::UniswapV3 => "uniswap_v3",
        }
    }
}

/// Description of a token; precedes every use of its id.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Token {
    /// Common header.
    pub header: MessageHeader,
    /// Dense id: the count of tokens described before.
    pub token: U32,
    /// Decimals of the display unit.
    pub decimals: u8,
    /// Bytes of `symbol` in use, `0..=SYMBOL_BYTES_MAX`.
    pub symbol_length: u8,
    /// Zero on write, ignored on read.
    pub reserved_0: [u8; 2],
    /// Contract.
    pub address: AddressBytes,
    /// Zero on write, ignored on read.
    pub reserved_1: [u8; 4],
    /// UTF-8, zero-filled. Hostile text: render it as text only.
    pub symbol: [u8; SYMBOL_BYTES_MAX],
}
wire_message!(
    Token = 21,
    88,
    check = |m| {
        m.symbol_bytes()
            .and_then(|bytes| core::str::from_utf8(bytes).ok())
            .map(|_| ())
            .ok_or(Self::field_error("symbol"))
    }
);

impl Token {
    /// Description of a token; a symbol that is too long is cut at a character.
    #[must_use]
    pub fn new(token: TokenId, address: AddressBytes, symbol: &str, decimals: u8) -> Self {
        let mut end = symbol.len().min(SYMBOL_BYTES_MAX);
        while !symbol.is_char_boundary(end) {
            end -= 1;
        }
        let mut bytes = [0; SYMBOL_BYTES_MAX];
        bytes[..end].copy_from_slice(&symbol.as_bytes()[..end]);
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            token: U32::new(token.0),
            decimals,
            symbol_length: u8::try_from(end).expect("at most SYMBOL_BYTES_MAX"),
            reserved_0: [0; 2],
            address,
            reserved_1: [0; 4],
            symbol: bytes,
        }
    }

    fn symbol_bytes(&self) -> Option<&[u8]> {
        self.symbol.get(..usize::from(self.symbol_length))
    }

    /// Symbol as the contract gave it; empty when it is not text.
    #[must_use]
    pub fn symbol(&self) -> &str {
        self.symbol_bytes().and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or("")
    }
}

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

fn check_pool(m: &Pool) -> Result<(), crate::error::DecodeError> {
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
        if m.sqrt_price_x96.get().bit_len() > 160 {
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
