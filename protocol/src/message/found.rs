//! What a strategy found, as a node's journal tells it: a closed route, or a plan of swaps that balance together.

use ruint::aliases::U256;
use zerocopy::little_endian::{U16, U32, U64};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::{Message, WireMessage, wire_message};
use crate::header::MessageHeader;
use crate::id::{BlockRef, HashBytes, OpportunityId, PoolId, TokenId};
use crate::units::BlockNumber;
use crate::wire::U256Le;

/// Most hops an [`Opportunity`] has.
pub const OPPORTUNITY_HOPS_MAX: usize = 4;

/// Most swaps a [`SwapPlan`] has.
pub const PLAN_SWAPS_MAX: usize = 12;

/// One swap of a route or plan with its exact amounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct HopRecord {
    /// Pool swapped in.
    pub pool: U32,
    /// Token paid.
    pub token_in: U32,
    /// Token received.
    pub token_out: U32,
    /// Zero on write, ignored on read.
    pub reserved: [u8; 4],
    /// Raw units paid.
    pub amount_in: U256Le,
    /// Raw units received.
    pub amount_out: U256Le,
}
const _: () = assert!(size_of::<HopRecord>() == 80);

impl HopRecord {
    /// A hop; amounts are exact and raw.
    #[must_use]
    pub fn new(pool: PoolId, token_in: TokenId, token_out: TokenId, amount_in: U256, amount_out: U256) -> Self {
        Self {
            pool: U32::new(pool.0),
            token_in: U32::new(token_in.0),
            token_out: U32::new(token_out.0),
            reserved: [0; 4],
            amount_in: U256Le::new(amount_in),
            amount_out: U256Le::new(amount_out),
        }
    }
}

/// Two hops or more with zeros behind them, and how many they are; `None` for fewer, or more than there is room for.
fn filled<const ROOM: usize>(hops: &[HopRecord]) -> Option<(u8, [HopRecord; ROOM])> {
    let hop_count = u8::try_from(hops.len()).ok().filter(|count| *count >= 2)?;
    let mut all = [HopRecord::new(PoolId(0), TokenId(0), TokenId(0), U256::ZERO, U256::ZERO); ROOM];
    all.get_mut(..hops.len())?.copy_from_slice(hops);
    Some((hop_count, all))
}

/// A strategy found a profitable closed route of few hops.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Opportunity {
    /// Common header.
    pub header: MessageHeader,
    /// Number within the run, from 1.
    pub opportunity: U64,
    /// Height of the state it was found on.
    pub block_number: U64,
    /// Hash of that block.
    pub block_hash: HashBytes,
    /// Index of the strategy in the node's configuration.
    pub strategy: U16,
    /// Hops in use, `2..=OPPORTUNITY_HOPS_MAX`.
    pub hop_count: u8,
    /// Zero on write, ignored on read.
    pub reserved: u8,
    /// Token in which the route starts, ends and profits.
    pub token: U32,
    /// Raw units paid into the first hop.
    pub amount_in: U256Le,
    /// Raw units received from the last hop.
    pub amount_out: U256Le,
    /// The hops; unused ones are zero.
    pub hops: [HopRecord; OPPORTUNITY_HOPS_MAX],
}
wire_message!(
    Opportunity = 50,
    464,
    check = |m| {
        if !(2..=OPPORTUNITY_HOPS_MAX).contains(&usize::from(m.hop_count)) {
            return Err(Self::field_error("hop_count"));
        }
        if m.amount_out.get() <= m.amount_in.get() {
            return Err(Self::field_error("amount_out"));
        }
        Ok(())
    }
);

impl Opportunity {
    /// An opportunity on the state after `block`, or `None` when it has not 2 to 4 hops or gains nothing.
    #[must_use]
    pub fn new(
        opportunity: OpportunityId,
        strategy: u16,
        block: BlockRef,
        token: TokenId,
        hops: &[HopRecord],
    ) -> Option<Self> {
        let (first, last) = (hops.first()?, hops.last()?);
        let is_gain = last.amount_out.get() > first.amount_in.get();
        let (hop_count, all) = filled(hops).filter(|_| is_gain)?;
        Some(Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            opportunity: U64::new(opportunity.0),
            block_number: U64::new(block.number.0),
            block_hash: block.hash,
            strategy: U16::new(strategy),
            hop_count,
            reserved: 0,
            token: U32::new(token.0),
            amount_in: first.amount_in,
            amount_out: last.amount_out,
            hops: all,
        })
    }

    /// Hops in use.
    #[must_use]
    pub fn hops(&self) -> &[HopRecord] {
        self.hops.get(..usize::from(self.hop_count)).unwrap_or(&[])
    }

    /// Raw units gained before gas; 0 for a record that was not decoded and claims a loss.
    #[must_use]
    pub fn profit(&self) -> U256 {
        self.amount_out.get().saturating_sub(self.amount_in.get())
    }
}

/// A strategy found swaps that gain together: a route of many hops, one that is split over pools, or several routes at once.
///
/// In every token but `token` as much is brought as taken, or a few units more.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct SwapPlan {
    /// Common header.
    pub header: MessageHeader,
    /// Number within the run, from 1.
    pub opportunity: U64,
    /// Height of the state it was found on.
    pub block_number: U64,
    /// Hash of that block.
    pub block_hash: HashBytes,
    /// Index of the strategy in the node's configuration.
    pub strategy: U16,
    /// Swaps in use, `2..=PLAN_SWAPS_MAX`.
    pub hop_count: u8,
    /// Zero on write, ignored on read.
    pub reserved: u8,
    /// Token in which the plan profits.
    pub token: U32,
    /// Raw units of `token` that its swaps pay, together.
    pub amount_in: U256Le,
    /// Raw units of `token` that its swaps bring, together.
    pub amount_out: U256Le,
    /// The swaps in their order; unused ones are zero.
    pub hops: [HopRecord; PLAN_SWAPS_MAX],
}
wire_message!(
    SwapPlan = 58,
    1104,
    version = 3,
    check = |m| {
        if !(2..=PLAN_SWAPS_MAX).contains(&usize::from(m.hop_count)) {
            return Err(Self::field_error("hop_count"));
        }
        if m.amount_out.get() <= m.amount_in.get() {
            return Err(Self::field_error("amount_out"));
        }
        Ok(())
    }
);

impl SwapPlan {
    /// A plan on the state after `block`, or `None` when it has not 2 to 12 swaps, or gains nothing in `token`.
    #[must_use]
    pub fn new(
        opportunity: OpportunityId,
        strategy: u16,
        block: BlockRef,
        token: TokenId,
        swaps: &[HopRecord],
    ) -> Option<Self> {
        let of_token = |id: U32| id.get() == token.0;
        let mut paid = swaps.iter().filter(|swap| of_token(swap.token_in)).map(|swap| swap.amount_in.get());
        let mut got = swaps.iter().filter(|swap| of_token(swap.token_out)).map(|swap| swap.amount_out.get());
        let amount_in = paid.try_fold(U256::ZERO, U256::checked_add)?;
        let amount_out = got.try_fold(U256::ZERO, U256::checked_add)?;
        let (hop_count, all) = filled(swaps).filter(|_| amount_out > amount_in)?;
        Some(Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            opportunity: U64::new(opportunity.0),
            block_number: U64::new(block.number.0),
            block_hash: block.hash,
            strategy: U16::new(strategy),
            hop_count,
            reserved: 0,
            token: U32::new(token.0),
            amount_in: U256Le::new(amount_in),
            amount_out: U256Le::new(amount_out),
            hops: all,
        })
    }

    /// Swaps in use.
    #[must_use]
    pub fn hops(&self) -> &[HopRecord] {
        self.hops.get(..usize::from(self.hop_count)).unwrap_or(&[])
    }
}

/// What was found, whichever message tells it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Found<'a> {
    /// Number within the run, from 1.
    pub opportunity: OpportunityId,
    /// Index of the strategy in the node's configuration.
    pub strategy: u16,
    /// Block on whose state it was found.
    pub block: BlockRef,
    /// Token in which it profits.
    pub token: TokenId,
    /// Raw units of `token` that are paid.
    pub amount_in: U256,
    /// Raw units of `token` that are got; above `amount_in` in whatever was decoded.
    pub amount_out: U256,
    /// The swaps in their order.
    pub hops: &'a [HopRecord],
}

impl Found<'_> {
    /// Raw units gained before gas; 0 for what was not decoded and claims a loss.
    #[must_use]
    pub fn profit(&self) -> U256 {
        self.amount_out.saturating_sub(self.amount_in)
    }
}

/// Declares how a message is told as what was found.
macro_rules! found {
    ($($message:ident)+) => {
        $(impl<'a> From<&'a $message> for Found<'a> {
            fn from(m: &'a $message) -> Self {
                Self {
                    opportunity: OpportunityId(m.opportunity.get()),
                    strategy: m.strategy.get(),
                    block: BlockRef { number: BlockNumber(m.block_number.get()), hash: m.block_hash },
                    token: TokenId(m.token.get()),
                    amount_in: m.amount_in.get(),
                    amount_out: m.amount_out.get(),
                    hops: m.hops(),
                }
            }
        })+
    };
}

found!(Opportunity SwapPlan);

impl<'a> Message<'a> {
    /// What a strategy found, where the message tells that.
    #[must_use]
    pub fn found(&self) -> Option<Found<'a>> {
        match *self {
            Message::Opportunity(route) => Some(route.into()),
            Message::SwapPlan(plan) => Some(plan.into()),
            _ => None,
        }
    }
}
