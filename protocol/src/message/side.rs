//! Since version 3: what sources tell beside the stream. Nothing of the state depends on it, and it comes only to who asks.

use core::mem::size_of;

use zerocopy::little_endian::{U16, U64, U128};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{WireMessage, wire_message};
use crate::error::DecodeError;
use crate::header::MessageHeader;
use crate::id::{AddressBytes, BlockRef, ChainId, HashBytes};
use crate::units::{BlockNumber, UnixNanos};

/// Longest signed transaction that is passed on, bytes. Pools of nodes take up to 128 KiB, and few are near that: a bound on
/// what a slow reader can make the relay hold.
pub const TRANSACTION_BYTES_MAX: usize = 32 * 1024;
/// Longest name of an exchange.
pub const EXCHANGE_BYTES_MAX: usize = 16;
/// Longest symbol of an exchange.
pub const EXCHANGE_SYMBOL_BYTES_MAX: usize = 32;

/// How much of the chain is settled, as a node says.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Finality {
    /// Common header; carries the safe block's timestamp.
    pub header: MessageHeader,
    /// EIP-155 id of the chain.
    pub chain_id: U64,
    /// Height of the safe block: most validators have voted for it.
    pub safe_number: U64,
    /// Its hash.
    pub safe_hash: HashBytes,
    /// Height of the finalized block: it is never taken back.
    pub finalized_number: U64,
    /// Its hash.
    pub finalized_hash: HashBytes,
}
wire_message!(
    Finality = 80,
    112,
    version = 3,
    check = |m| {
        if m.finalized_number.get() > m.safe_number.get() {
            return Err(Self::field_error("finalized_number"));
        }
        Ok(())
    }
);

impl Finality {
    /// Both blocks; `None` when the finalized one is above the safe one.
    #[must_use]
    pub fn new(chain: ChainId, safe: BlockRef, finalized: BlockRef) -> Option<Self> {
        let finality = Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            chain_id: U64::new(chain.0),
            safe_number: U64::new(safe.number.0),
            safe_hash: safe.hash,
            finalized_number: U64::new(finalized.number.0),
            finalized_hash: finalized.hash,
        };
        finality.check().is_ok().then_some(finality)
    }

    /// The safe block.
    #[must_use]
    pub const fn safe(&self) -> BlockRef {
        BlockRef { number: BlockNumber(self.safe_number.get()), hash: self.safe_hash }
    }

    /// The finalized block.
    #[must_use]
    pub const fn finalized(&self) -> BlockRef {
        BlockRef { number: BlockNumber(self.finalized_number.get()), hash: self.finalized_hash }
    }
}

/// A transaction that waits in a node's pool. The signed bytes follow the fields: see [`PendingTransaction::transaction`].
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct PendingTransaction {
    /// Common header; carries the relay's clock when the transaction came.
    pub header: MessageHeader,
    /// Keccak-256 of the signed bytes.
    pub hash: HashBytes,
    /// Address that signed.
    pub sender: AddressBytes,
    /// Where the signed bytes begin, counted from the message's start.
    pub transaction_offset: U16,
    /// How many they are.
    pub transaction_length: U16,
}
wire_message!(
    PendingTransaction = 81,
    80,
    version = 3,
    check = |m| {
        let (start, length) = m.extent();
        if start < size_of::<Self>() {
            return Err(Self::field_error("transaction_offset"));
        }
        if length == 0 || start + length > usize::from(m.header.block_length.get()) {
            return Err(Self::field_error("transaction_length"));
        }
        Ok(())
    }
);

impl PendingTransaction {
    /// The whole message, signed bytes included; `None` when those are none, or more than [`TRANSACTION_BYTES_MAX`].
    ///
    /// `transaction` is the EIP-2718 encoding, of which `hash` is the hash.
    #[must_use]
    pub fn write(hash: HashBytes, sender: AddressBytes, came_at: UnixNanos, transaction: &[u8]) -> Option<Vec<u8>> {
        if transaction.is_empty() || transaction.len() > TRANSACTION_BYTES_MAX {
            return None;
        }
        let length = u16::try_from(transaction.len()).ok()?;
        let start = u16::try_from(size_of::<Self>()).ok()?;
        let mut header = MessageHeader::of::<Self>(Self::TEMPLATE_ID);
        header.block_length.set(start + length);
        header.event_ns.set(came_at.0);
        let (transaction_offset, transaction_length) = (U16::new(start), U16::new(length));
        let fields = Self { header, hash, sender, transaction_offset, transaction_length };
        Some([fields.as_bytes(), transaction].concat())
    }

    /// The signed bytes in the EIP-2718 encoding; `message` are the bytes that this was decoded from. `None` when they are not.
    #[must_use]
    pub fn transaction<'a>(&self, message: &'a [u8]) -> Option<&'a [u8]> {
        let (start, length) = self.extent();
        message.get(start..start + length)
    }

    fn extent(&self) -> (usize, usize) {
        (usize::from(self.transaction_offset.get()), usize::from(self.transaction_length.get()))
    }
}

/// Best bid and ask of an exchange. Prices and sizes are in units of 10^-18.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct ExchangeQuote {
    /// Common header; carries the relay's clock when the quote came.
    pub header: MessageHeader,
    /// Bytes of the exchange's name.
    pub exchange_length: u8,
    /// Bytes of the symbol.
    pub symbol_length: u8,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 6],
    /// The exchange's number of the quote; rises within a symbol.
    pub update_id: U64,
    /// Unix nanoseconds of the quote, as the exchange says; 0 where it does not.
    pub exchange_ns: U64,
    /// Highest price that is bid.
    pub bid_price: U128,
    /// What is bid for at that price, in the base asset.
    pub bid_size: U128,
    /// Lowest price that is asked.
    pub ask_price: U128,
    /// What is offered at that price, in the base asset.
    pub ask_size: U128,
    /// Name of the exchange; the rest is zero.
    pub exchange: [u8; EXCHANGE_BYTES_MAX],
    /// Symbol, as the exchange writes it; the rest is zero.
    pub symbol: [u8; EXCHANGE_SYMBOL_BYTES_MAX],
}
wire_message!(ExchangeQuote = 82, 160, version = 3, check = ExchangeQuote::check_fields);

/// One side of a quote, in units of 10^-18.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct QuoteLevel {
    /// Price.
    pub price: u128,
    /// Size, in the base asset.
    pub size: u128,
}

impl ExchangeQuote {
    /// A quote; `None` where the message cannot say it: a name that is empty, too long or not of printable ASCII, an amount of
    /// zero, or a bid that is not below the ask.
    #[must_use]
    pub fn new(exchange: &str, symbol: &str, update_id: u64, bid: QuoteLevel, ask: QuoteLevel) -> Option<Self> {
        let mut quote = Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            exchange_length: u8::try_from(exchange.len()).ok()?,
            symbol_length: u8::try_from(symbol.len()).ok()?,
            reserved: [0; 6],
            update_id: U64::new(update_id),
            exchange_ns: U64::new(0),
            bid_price: U128::new(bid.price),
            bid_size: U128::new(bid.size),
            ask_price: U128::new(ask.price),
            ask_size: U128::new(ask.size),
            exchange: [0; EXCHANGE_BYTES_MAX],
            symbol: [0; EXCHANGE_SYMBOL_BYTES_MAX],
        };
        quote.exchange.get_mut(..exchange.len())?.copy_from_slice(exchange.as_bytes());
        quote.symbol.get_mut(..symbol.len())?.copy_from_slice(symbol.as_bytes());
        quote.check().is_ok().then_some(quote)
    }

    /// Name of the exchange.
    #[must_use]
    pub fn exchange(&self) -> &str {
        text(&self.exchange, self.exchange_length)
    }

    /// Symbol, as the exchange writes it.
    #[must_use]
    pub fn symbol(&self) -> &str {
        text(&self.symbol, self.symbol_length)
    }

    /// What is bid.
    #[must_use]
    pub const fn bid(&self) -> QuoteLevel {
        QuoteLevel { price: self.bid_price.get(), size: self.bid_size.get() }
    }

    /// What is asked.
    #[must_use]
    pub const fn ask(&self) -> QuoteLevel {
        QuoteLevel { price: self.ask_price.get(), size: self.ask_size.get() }
    }

    fn check_fields(&self) -> Result<(), DecodeError> {
        let names: [(&[u8], u8, _, _); 2] = [
            (&self.exchange, self.exchange_length, "exchange_length", "exchange"),
            (&self.symbol, self.symbol_length, "symbol_length", "symbol"),
        ];
        for (field, length, length_name, name) in names {
            match field.get(..usize::from(length)) {
                None | Some([]) => return Err(Self::field_error(length_name)),
                Some(bytes) if bytes.iter().all(u8::is_ascii_graphic) => {}
                Some(_) => return Err(Self::field_error(name)),
            }
        }
        let (bid, ask) = (self.bid(), self.ask());
        let amounts = [(bid.price, "bid_price"), (bid.size, "bid_size"), (ask.size, "ask_size")];
        match amounts.into_iter().find(|(amount, _)| *amount == 0) {
            Some((_, name)) => Err(Self::field_error(name)),
            None if ask.price <= bid.price => Err(Self::field_error("ask_price")),
            None => Ok(()),
        }
    }
}

/// The text in a field that was checked: empty where it is none.
fn text(field: &[u8], length: u8) -> &str {
    field.get(..usize::from(length)).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or_default()
}
