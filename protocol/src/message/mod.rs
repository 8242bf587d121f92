//! Every message, one struct each, exactly as its bytes lie.
//!
//! All fields are little-endian and unaligned, all padding is an explicit `reserved` field (zero on write, ignored on
//! read). A message grows by appending fields; a changed meaning is a new template id.

mod access;
mod admin;
mod chain;
mod fields;
mod found;
mod ledger;
mod market;
mod session;
mod side;
mod subscription;

use core::mem::size_of;

use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

pub use self::access::{Challenge, NAME_BYTES_MAX, Proof, Publish, Role, VERSION_ACCESS};
pub use self::admin::{ADMIN_TEXT_BYTES_MAX, AdminAction, AdminReply, AdminRequest, AdminStatus};
pub use self::chain::{Block, BlockContext, BlockEnd, Reorg, SnapshotBegin, SnapshotEnd};
pub use self::fields::{Field, FieldValue};
pub use self::found::{Found, HopRecord, OPPORTUNITY_HOPS_MAX, Opportunity, PLAN_SWAPS_MAX, SwapPlan};
pub use self::ledger::{
    Clock, Halt, NonceLease, Outcome, OutcomeStatus, SegmentBegin, Simulation, SimulationStatus, Submission, Submitted,
    SubmittedStatus, Verdict,
};
pub use self::market::{
    BalancerStableBalances, BalancerStableParameters, BalancerWeightedBalances, BalancerWeightedParameters,
    CurveCryptoBalances, CurveCryptoParameters, CurveStableBalances, CurveStableParameters, FEE_DYNAMIC,
    MultiTokenPool, NO_BASE_POOL, NO_BPT, Pool, PoolKind, PoolRates, PoolStanding, PoolTrust, PoolVariant, RatesUse,
    SYMBOL_BYTES_MAX, SolidlyReserves, StateParts, TICK_MAX, TICK_MIN, Token, V2Reserves, V3Liquidity, V3Swap, V3Tick,
    V4Pool, V4Swap,
};
pub use self::session::{
    Close, CloseReason, Gap, GapReason, GapRecovery, Heartbeat, Hello, Subscribe, VERSION_RESUME, Welcome,
};
pub use self::side::{
    EXCHANGE_BYTES_MAX, EXCHANGE_SYMBOL_BYTES_MAX, ExchangeQuote, Finality, PendingTransaction, QuoteLevel,
    TRANSACTION_BYTES_MAX,
};
pub use self::subscription::{Caution, CautionCause, Scope, Select, Skip, VERSION_SELECT};

use crate::error::DecodeError;
use crate::header::{MessageHeader, SCHEMA_ID};
use crate::id::PoolId;
use crate::units::{Sequence, UnixNanos};

/// A message struct that can stand on the wire.
pub trait WireMessage: FromBytes + IntoBytes + KnownLayout + Immutable + Unaligned + Copy + core::fmt::Debug {
    /// Template id of the struct.
    const TEMPLATE_ID: u16;

    /// Schema version in which the message got the form that this build gives it.
    const VERSION: u16;

    /// Header of this message.
    fn header(&self) -> &MessageHeader;

    /// Header of this message, to be placed in a stream.
    fn header_mut(&mut self) -> &mut MessageHeader;

    /// Domain check of the fields, called on every decode.
    ///
    /// # Errors
    /// [`DecodeError::Field`] naming the first field outside its domain.
    fn check(&self) -> Result<(), DecodeError> {
        Ok(())
    }

    /// Reads one message of this type, for who expects no other: [`Message::decode`] without the choice among all. Bytes past the
    /// known fields (a newer writer's) are ignored.
    ///
    /// # Errors
    /// As [`Message::decode`]; [`DecodeError::Template`] when it is another message.
    #[inline]
    fn decode(bytes: &[u8]) -> Result<&Self, DecodeError> {
        // What is whole is one comparison for the kind and two for the length; which of them failed is found out afterwards.
        match Self::ref_from_prefix(bytes) {
            Ok((message, _)) if is_whole::<Self>(message.header(), bytes.len()) => {
                message.check()?;
                Ok(message)
            }
            _ => decode_in_steps(bytes),
        }
    }

    /// The same message placed in a stream.
    #[must_use]
    #[inline]
    fn stamped(mut self, sequence: Sequence, event_ns: UnixNanos) -> Self {
        let header = self.header_mut();
        header.sequence.set(sequence.0);
        header.event_ns.set(event_ns.0);
        self
    }

    /// The same message, stating the bytes that this build gives it. What a newer writer sent states more.
    #[must_use]
    fn sized(mut self) -> Self {
        let bytes = u16::try_from(size_of::<Self>()).expect("every message is far below 64 KiB");
        self.header_mut().block_length.set(bytes);
        self
    }

    /// The error for a field outside its domain.
    #[must_use]
    fn field_error(field: &'static str) -> DecodeError {
        DecodeError::Field { template_id: Self::TEMPLATE_ID, field }
    }
}

/// Implements [`WireMessage`] for a struct whose first field is `header`, with its domain check.
macro_rules! wire_message {
    ($name:ident = $template:literal, $bytes:literal $(, version = $version:literal)? $(, check = $check:expr)?) => {
        impl $crate::message::WireMessage for $name {
            const TEMPLATE_ID: u16 = $template;
            const VERSION: u16 = [$($version,)? 1][0];

            #[inline]
            fn header(&self) -> &$crate::header::MessageHeader {
                &self.header
            }

            #[inline]
            fn header_mut(&mut self) -> &mut $crate::header::MessageHeader {
                &mut self.header
            }

            $(
                #[inline]
                fn check(&self) -> Result<(), $crate::error::DecodeError> {
                    let check: fn(&Self) -> Result<(), $crate::error::DecodeError> = $check;
                    check(self)
                }
            )?
        }

        const _: () = assert!(core::mem::size_of::<$name>() == $bytes);
        const _: () = assert!(core::mem::offset_of!($name, header) == 0);
    };
}
pub(crate) use wire_message;

/// Declares the closed set of messages: the borrowed enum and its total decoder.
macro_rules! messages {
    ($($name:ident),+ $(,)?) => {
        /// A decoded message, borrowed from its bytes.
        #[derive(Debug, Clone, Copy)]
        #[non_exhaustive]
        pub enum Message<'a> {
            $(
                #[doc = concat!("See [`", stringify!($name), "`].")]
                $name(&'a $name),
            )+
        }

        impl<'a> Message<'a> {
            /// Reads one message. Bytes past the known fields (a newer writer's) are ignored.
            ///
            /// # Errors
            /// Every input gives a message or a [`DecodeError`]; none panics.
            #[inline]
            pub fn decode(bytes: &'a [u8]) -> Result<Self, DecodeError> {
                let header = decode_header(bytes)?;
                // What blocks mostly consist of, without a choice among all.
                match header.template_id.get() {
                    V2Reserves::TEMPLATE_ID => decode_body(bytes).map(Self::V2Reserves),
                    V3Swap::TEMPLATE_ID => decode_body(bytes).map(Self::V3Swap),
                    V3Liquidity::TEMPLATE_ID => decode_body(bytes).map(Self::V3Liquidity),
                    _ => Self::decode_any(bytes),
                }
            }

            #[inline(never)]
            fn decode_any(bytes: &'a [u8]) -> Result<Self, DecodeError> {
                let header = decode_header(bytes)?;
                match header.template_id.get() {
                    $(<$name as WireMessage>::TEMPLATE_ID => decode_body::<$name>(bytes).map(Self::$name),)+
                    other => Err(DecodeError::Template(other)),
                }
            }

            /// Header of the message.
            #[must_use]
            pub fn header(&self) -> &'a MessageHeader {
                match self {
                    $(Self::$name(message) => &message.header,)+
                }
            }

            /// Name of the message, for logs and counters.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$name(_) => stringify!($name),)+
                }
            }

            /// The fields that this build knows, as bytes. A newer writer's header states more than these: to pass its
            /// message on, pass on the bytes that it was decoded from.
            #[must_use]
            pub fn as_bytes(&self) -> &'a [u8] {
                match self {
                    $(Self::$name(message) => message.as_bytes(),)+
                }
            }
        }

        $(
            impl<'a> From<&'a $name> for Message<'a> {
                fn from(message: &'a $name) -> Self {
                    Self::$name(message)
                }
            }
        )+

        /// Every message of this build: name, template id, bytes. For documents and tests that must not miss one.
        pub const CATALOGUE: &[(&str, u16, usize)] =
            &[$((stringify!($name), <$name as WireMessage>::TEMPLATE_ID, size_of::<$name>()),)+];
    };
}

messages! {
    Hello, Welcome, Close, Heartbeat, Subscribe, Gap, Select, Caution, Challenge, Proof, Publish,
    AdminRequest, AdminReply,
    Block, BlockEnd, Reorg, SnapshotBegin, SnapshotEnd,
    Token, Pool, V2Reserves, V3Swap, V3Liquidity, V3Tick, Skip,
    MultiTokenPool, V4Pool, V4Swap, SolidlyReserves, CurveStableParameters, PoolRates, CurveStableBalances,
    CurveCryptoParameters, CurveCryptoBalances, BalancerWeightedParameters, BalancerWeightedBalances,
    BalancerStableParameters, BalancerStableBalances, PoolStanding,
    SegmentBegin, Clock, Opportunity, Simulation, Verdict, Submission, Submitted, Outcome, NonceLease, Halt, SwapPlan,
    Finality, PendingTransaction, ExchangeQuote,
}

impl Message<'_> {
    /// Whether the message bears on the market's state: it describes it, or says that some of its description is missing.
    #[must_use]
    pub const fn is_feed(&self) -> bool {
        self.is_market() || matches!(self, Message::Gap(_) | Message::Caution(_))
    }

    /// Whether the message may stand beside the stream, where a subscriber asks for it: nothing of the state depends on it.
    #[must_use]
    pub const fn is_side(&self) -> bool {
        self.is_report()
            || matches!(self, Message::Finality(_) | Message::PendingTransaction(_) | Message::ExchangeQuote(_))
    }

    /// Whether a node may hand the message to a relay, to stand beside the stream: what it found, and what became of it. The
    /// rest of that is the relay's own word.
    #[must_use]
    pub const fn is_report(&self) -> bool {
        matches!(self, Message::Opportunity(_) | Message::SwapPlan(_) | Message::Outcome(_))
    }

    /// Pool whose state the message tells, where it tells one.
    #[must_use]
    pub const fn state_of(&self) -> Option<PoolId> {
        Some(PoolId(match self {
            Message::V2Reserves(m) => m.pool.get(),
            Message::V3Swap(m) => m.pool.get(),
            Message::V3Liquidity(m) => m.pool.get(),
            Message::V3Tick(m) => m.pool.get(),
            Message::V4Swap(m) => m.pool.get(),
            Message::SolidlyReserves(m) => m.pool.get(),
            Message::PoolRates(m) => m.pool.get(),
            Message::CurveStableParameters(m) => m.pool.get(),
            Message::CurveStableBalances(m) => m.pool.get(),
            Message::CurveCryptoParameters(m) => m.pool.get(),
            Message::CurveCryptoBalances(m) => m.pool.get(),
            Message::BalancerWeightedParameters(m) => m.pool.get(),
            Message::BalancerWeightedBalances(m) => m.pool.get(),
            Message::BalancerStableParameters(m) => m.pool.get(),
            Message::BalancerStableBalances(m) => m.pool.get(),
            _ => return None,
        }))
    }

    /// Whether the message brings the part of its pool's state that it tells to its new value by itself, whatever came before.
    #[must_use]
    pub const fn is_whole_state(&self) -> bool {
        self.state_of().is_some() && !matches!(self, Message::V3Liquidity(_) | Message::V3Tick(_))
    }

    /// Whether the message describes the market: these are sequenced, and these a recorded feed consists of.
    #[must_use]
    pub const fn is_market(&self) -> bool {
        matches!(
            self,
            Message::Block(_)
                | Message::BlockEnd(_)
                | Message::Reorg(_)
                | Message::SnapshotBegin(_)
                | Message::SnapshotEnd(_)
                | Message::Token(_)
                | Message::Pool(_)
                | Message::V2Reserves(_)
                | Message::V3Swap(_)
                | Message::V3Liquidity(_)
                | Message::V3Tick(_)
                | Message::Skip(_)
                | Message::MultiTokenPool(_)
                | Message::V4Pool(_)
                | Message::V4Swap(_)
                | Message::SolidlyReserves(_)
                | Message::CurveStableParameters(_)
                | Message::PoolRates(_)
                | Message::CurveStableBalances(_)
                | Message::CurveCryptoParameters(_)
                | Message::CurveCryptoBalances(_)
                | Message::BalancerWeightedParameters(_)
                | Message::BalancerWeightedBalances(_)
                | Message::BalancerStableParameters(_)
                | Message::BalancerStableBalances(_)
                | Message::PoolStanding(_)
        )
    }
}

/// Reads and checks the header, and that the stated length is there.
#[inline]
fn decode_header(bytes: &[u8]) -> Result<&MessageHeader, DecodeError> {
    let (header, _) = MessageHeader::ref_from_prefix(bytes)
        .map_err(|_| DecodeError::Truncated { needed: size_of::<MessageHeader>(), got: bytes.len() })?;
    if header.schema_id.get() != SCHEMA_ID {
        return Err(DecodeError::Schema(header.schema_id.get()));
    }
    let needed = usize::from(header.block_length.get());
    if bytes.len() < needed {
        return Err(DecodeError::Truncated { needed, got: bytes.len() });
    }
    Ok(header)
}

/// Whether a header is that of a `T`, all of whose fields are within the `available` bytes.
#[inline]
fn is_whole<T: WireMessage>(header: &MessageHeader, available: usize) -> bool {
    let stated = usize::from(header.block_length.get());
    header.kind() == MessageHeader::kind_of::<T>() && stated >= size_of::<T>() && stated <= available
}

/// The same as [`WireMessage::decode`], in an order that names what is wrong.
#[cold]
fn decode_in_steps<T: WireMessage>(bytes: &[u8]) -> Result<&T, DecodeError> {
    let template = decode_header(bytes)?.template_id.get();
    if template != T::TEMPLATE_ID {
        return Err(DecodeError::Template(template));
    }
    decode_body(bytes)
}

/// Reads the fields this build knows of a message whose header was read.
#[inline]
fn decode_body<T: WireMessage>(bytes: &[u8]) -> Result<&T, DecodeError> {
    let (message, _) =
        T::ref_from_prefix(bytes).map_err(|_| DecodeError::Truncated { needed: size_of::<T>(), got: bytes.len() })?;
    let got = usize::from(message.header().block_length.get());
    if got < size_of::<T>() {
        return Err(DecodeError::BlockLength { template_id: T::TEMPLATE_ID, minimum: size_of::<T>(), got });
    }
    message.check()?;
    Ok(message)
}
