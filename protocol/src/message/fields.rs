//! What a message says, field by field and in plain values: for people, and for tools that write JSON. Allocates; not for the
//! data plane.

use core::fmt;

use ruint::aliases::U256;
use zerocopy::little_endian::{I32, I128, U16, U32, U64, U128};

use super::{
    AdminAction, AdminStatus, BlockContext, CautionCause, CloseReason, GapReason, GapRecovery, HopRecord, Message,
    OutcomeStatus, PoolKind, PoolTrust, PoolVariant, RatesUse, Role, Scope, SimulationStatus, StateParts,
    SubmittedStatus,
};
use crate::wire::U256Le;

/// A field with its name, as the struct and `docs/WIRE.md` call it.
pub type Field<'a> = (&'static str, FieldValue<'a>);

/// The value of a field.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum FieldValue<'a> {
    /// A number of at most 64 bits.
    Number(u64),
    /// A number of 32 bits with a sign.
    Signed(i32),
    /// An amount, of up to 256 bits.
    Amount(U256),
    /// An amount with a sign.
    SignedAmount(i128),
    /// Whether something is so.
    Flag(bool),
    /// A value of a closed set, in snake case.
    Word(String),
    /// A hash, an address or other bytes.
    Bytes(&'a [u8]),
    /// Text that somebody else chose; it may hold anything.
    Text(&'a str),
    /// Several values.
    List(Vec<Self>),
    /// Several fields.
    Record(Vec<Field<'a>>),
}

impl fmt::Display for FieldValue<'_> {
    /// On one line, fields as `name=value`. Text without what controls a terminal.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(value) => value.fmt(f),
            Self::Signed(value) => value.fmt(f),
            Self::Amount(value) => value.fmt(f),
            Self::SignedAmount(value) => value.fmt(f),
            Self::Flag(value) => value.fmt(f),
            Self::Word(value) => f.write_str(value),
            Self::Bytes(value) => {
                f.write_str("0x")?;
                value.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
            Self::Text(value) => {
                let mut letters = value.chars().filter(|letter| !letter.is_control());
                letters.try_for_each(|letter| write!(f, "{letter}"))
            }
            Self::List(values) => {
                f.write_str("[")?;
                for (at, value) in values.iter().enumerate() {
                    write!(f, "{}{value}", if at > 0 { ", " } else { "" })?;
                }
                f.write_str("]")
            }
            Self::Record(fields) => {
                f.write_str("{")?;
                for (at, (name, value)) in fields.iter().enumerate() {
                    write!(f, "{}{name}={value}", if at > 0 { " " } else { "" })?;
                }
                f.write_str("}")
            }
        }
    }
}

/// The fields of a struct by their names; `name as what` tells one in another way than its type.
macro_rules! fields {
    ($of:ident $(, $name:ident $(as $what:ident)?)* $(,)?) => {
        vec![$((stringify!($name), value!($of, $name $(, $what)?))),*]
    };
}

macro_rules! value {
    ($of:ident, $name:ident) => {
        $of.$name.told()
    };
    ($of:ident, $name:ident,flag) => {
        FieldValue::Flag($of.$name != 0)
    };
    ($of:ident, $name:ident,text) => {
        FieldValue::Text(text(&$of.$name))
    };
    // An endpoint, which may hold a key.
    ($of:ident, $name:ident,hidden) => {
        FieldValue::Text("hidden")
    };
    // Those in use.
    ($of:ident, $name:ident,hops) => {
        FieldValue::List($of.hops().iter().map(Told::told).collect())
    };
    // A sum of codes, each by its name.
    ($of:ident, $name:ident,parts) => {
        parts($of.$name.get())
    };
    ($of:ident, $name:ident, $words:ident) => {
        word($words::from_wire($of.$name.native()), $of.$name.told())
    };
}

/// What a field tells by its type.
trait Told {
    fn told(&self) -> FieldValue<'_>;
}

/// Declares what types tell.
macro_rules! told {
    ($($kind:ty: |$value:ident| $told:expr;)+) => {
        $(impl Told for $kind {
            fn told(&self) -> FieldValue<'_> {
                let $value = self;
                $told
            }
        })+
    };
}

told! {
    u8: |value| FieldValue::Number(u64::from(*value));
    U16: |value| FieldValue::Number(u64::from(value.get()));
    U32: |value| FieldValue::Number(u64::from(value.get()));
    U64: |value| FieldValue::Number(value.get());
    I32: |value| FieldValue::Signed(value.get());
    U128: |value| FieldValue::Amount(U256::from(value.get()));
    I128: |value| FieldValue::SignedAmount(value.get());
    U256Le: |value| FieldValue::Amount(value.get());
    [u8; 20]: |value| FieldValue::Bytes(value);
    [u8; 32]: |value| FieldValue::Bytes(value);
    [u8; 8]: |values| list(values);
    [U32; 8]: |values| list(values);
    [U64; 8]: |values| list(values);
    [U128; 2]: |values| list(values);
    [U128; 3]: |values| list(values);
    [U128; 8]: |values| list(values);
    BlockContext: |block| FieldValue::Record(
        fields!(block, number, hash, parent_hash, timestamp, base_fee, gas_used, gas_limit)
    );
    HopRecord: |hop| FieldValue::Record(fields!(hop, pool, token_in, token_out, amount_in, amount_out));
}

fn list<T: Told>(values: &[T]) -> FieldValue<'_> {
    FieldValue::List(values.iter().map(Told::told).collect())
}

/// A code as the sets of codes take it.
trait Native {
    type Code;
    fn native(self) -> Self::Code;
}

impl Native for u8 {
    type Code = Self;

    fn native(self) -> Self {
        self
    }
}

impl Native for U16 {
    type Code = u16;

    fn native(self) -> u16 {
        self.get()
    }
}

/// The name in snake case; the code itself where it has none.
fn word<'a>(named: Option<impl fmt::Debug>, code: FieldValue<'a>) -> FieldValue<'a> {
    let Some(named) = named else { return code };
    let mut snake = String::new();
    for letter in format!("{named:?}").chars() {
        if letter.is_ascii_uppercase() && !snake.is_empty() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    FieldValue::Word(snake)
}

/// The parts of a sum by their names; what has none as the number that is left.
fn parts<'a>(sum: u16) -> FieldValue<'a> {
    let (names, rest) = StateParts(sum).names();
    let rest = (rest != StateParts::NONE).then_some(FieldValue::Number(u64::from(rest.0)));
    FieldValue::List(names.map(|name| FieldValue::Word(name.to_owned())).chain(rest).collect())
}

/// Text that zeros follow; empty where it is none.
fn text(field: &[u8]) -> &str {
    let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
    field.get(..end).and_then(|bytes| core::str::from_utf8(bytes).ok()).unwrap_or_default()
}

/// Declares what each message tells.
macro_rules! told_messages {
    ($($message:ident { $($name:ident $(as $what:ident)?),* $(,)? })+) => {
        impl<'a> Message<'a> {
            /// The fields behind the header, in the order of their bytes. Left out are reserved bytes, and the lengths of texts and
            /// hops, which are cut to them.
            #[must_use]
            pub fn fields(&self) -> Vec<Field<'a>> {
                match *self {
                    $(Self::$message(m) => fields!(m $(, $name $(as $what)?)*),)+
                }
            }
        }
    };
}

told_messages! {
    Hello { version_min, version_max }
    Welcome { chain_id, epoch, version }
    Close { reason as CloseReason }
    Heartbeat { head_number, head_hash }
    Subscribe { resume_epoch, resume_sequence }
    Gap { first, last, recovery as GapRecovery, reason as GapReason }
    Select { scope as Scope, number, address }
    Caution { is_safe as flag, cause as CautionCause }
    Challenge { nonce }
    Proof { role as Role, name as text, nonce, mac }
    Publish { chain_id }
    AdminRequest { action as AdminAction, cause as CautionCause, text as hidden }
    AdminReply { status as AdminStatus, text as text }
    Block { context, head_number }
    BlockEnd { number, hash, update_count }
    Reorg { ancestor_number, ancestor_hash, old_head_number, old_head_hash, depth }
    SnapshotBegin { context, chain_id, epoch, token_count, pool_count, head_number }
    SnapshotEnd { message_count }
    Token { token, decimals, address, symbol as text }
    Pool {
        pool, kind as PoolKind, venue, address, token_0, token_1, fee_ppm, tick_spacing, known_tick_low,
        known_tick_high,
    }
    V2Reserves { pool, reserve_0, reserve_1 }
    V3Swap { pool, tick, liquidity, sqrt_price_x96 }
    V3Liquidity { pool, tick_lower, tick_upper, liquidity_delta }
    V3Tick { pool, tick, liquidity_net, liquidity_gross }
    Skip { count }
    MultiTokenPool {
        pool, kind as PoolKind, token_count, venue, address, base_pool, variant as PoolVariant,
        amplification_precision, bpt_index, decimals, tokens, underlying, pool_id, vault,
    }
    V4Pool {
        pool, venue, pool_id, address, hooks, token_0, token_1, key_fee, tick_spacing, known_tick_low,
        known_tick_high,
    }
    V4Swap { pool, tick, liquidity, sqrt_price_x96, lp_fee_ppm, protocol_fee_0, protocol_fee_1 }
    SolidlyReserves { pool, fee_ppm, reserve_0, reserve_1 }
    CurveStableParameters {
        pool, is_paused as flag, initial_a, future_a, initial_a_time, future_a_time, fee, admin_fee,
        offpeg_fee_multiplier,
    }
    PoolRates { pool, rates_use as RatesUse, valid_until, rates }
    CurveStableBalances { pool, base_cache_updated, base_virtual_price, supply, balances }
    CurveCryptoParameters {
        pool, is_paused as flag, initial_a, initial_gamma, future_a, future_gamma, initial_time, future_time,
        mid_fee, out_fee, fee_gamma, allowed_extra_profit, adjustment_step, ma_time, admin_fee,
    }
    CurveCryptoBalances {
        pool, is_not_adjusted as flag, last_prices_time, balances, price_scale, price_oracle, last_prices, d,
        supply, virtual_price, xcp_profit,
    }
    BalancerWeightedParameters { pool, is_paused as flag, swap_fee, weights }
    BalancerWeightedBalances { pool, balances }
    BalancerStableParameters {
        pool, is_paused as flag, yield_fee_exempt, initial_a, future_a, initial_a_time, future_a_time, swap_fee,
        protocol_swap_fee, protocol_yield_fee,
    }
    BalancerStableBalances {
        pool, last_join_exit_amplification, last_join_exit_invariant, supply, balances,
    }
    PoolStanding { pool, standing as PoolTrust, parts as parts, block_number, block_hash }
    SegmentBegin { chain_id, epoch, segment_index }
    Clock { now_ns }
    Opportunity { opportunity, block_number, block_hash, strategy, token, amount_in, amount_out, hops as hops }
    Simulation { opportunity, status as SimulationStatus, gas_used, gain }
    Verdict { opportunity, reject, is_live as flag, gas, fee_max, priority_fee, net_profit }
    Submission { opportunity, nonce, tx_hash, fee_max, priority_fee, gas_limit, block_max }
    Submitted { opportunity, nonce, status as SubmittedStatus }
    Outcome {
        opportunity, nonce, tx_hash, status as OutcomeStatus, block_number, block_hash, gas_used, gas_price, gain,
    }
    NonceLease { sender, count, first }
    SwapPlan { opportunity, block_number, block_hash, strategy, token, amount_in, amount_out, hops as hops }
    Halt { reject }
    Finality { chain_id, safe_number, safe_hash, finalized_number, finalized_hash }
    PendingTransaction { hash, sender, transaction_offset, transaction_length }
    ExchangeQuote {
        update_id, exchange_ns, bid_price, bid_size, ask_price, ask_size, exchange as text, symbol as text,
    }
}
