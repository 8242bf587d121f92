//! What a token is.

use zerocopy::little_endian::U32;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use crate::header::MessageHeader;
use crate::id::{AddressBytes, TokenId};
use crate::message::{WireMessage, wire_message};

/// Bytes of a token symbol that are kept; a longer one is cut at a character.
pub const SYMBOL_BYTES_MAX: usize = 32;

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
