//! Description of pools of Solidly, Curve and Balancer.

use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::PoolKind;
use crate::error::DecodeError;
use crate::header::MessageHeader;
use crate::id::{AddressBytes, HashBytes, PoolId, TokenId, VenueId};
use crate::message::{WireMessage, wire_message};
use crate::values::{MultiTokenDetails, TOKENS_MAX, TokenList};

/// `base_pool` of a pool that has none.
pub const NO_BASE_POOL: u32 = u32::MAX;
/// `bpt_index` of a pool whose share is not one of its tokens.
pub const NO_BPT: u8 = u8::MAX;

/// Most decimals of a token in a pool that scales every balance to 18.
const DECIMALS_SCALED_MAX: u8 = 18;
/// Most decimals whose power of ten fits 256 bits.
const DECIMALS_MAX: u8 = 77;

/// Description of a pool of two to eight tokens; precedes every use of its id.
#[derive(Debug, Clone, Copy, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct MultiTokenPool {
    /// Common header.
    pub header: MessageHeader,
    /// Dense id: the count of pools described before.
    pub pool: U32,
    /// A [`PoolKind`].
    pub kind: u8,
    /// Tokens of the pool.
    pub token_count: u8,
    /// Venue (factory or registry) that the pool belongs to.
    pub venue: U16,
    /// Contract.
    pub address: AddressBytes,
    /// Pool whose share is the last token of this meta pool; [`NO_BASE_POOL`] for others.
    pub base_pool: U32,
    /// Whose arithmetic, a `PoolVariant`; an unknown one is kept and not quoted.
    pub variant: U16,
    /// What amplification is multiplied with when stored.
    pub amplification_precision: U16,
    /// Place of the pool's own share among its tokens; [`NO_BPT`] when it is none of them.
    pub bpt_index: u8,
    /// Zero on write, ignored on read.
    pub reserved_0: [u8; 3],
    /// Decimals by token, as the pool's contract reckons with them.
    pub decimals: [u8; TOKENS_MAX],
    /// Tokens in the contract's order; those past `token_count` are zero.
    pub tokens: [U32; TOKENS_MAX],
    /// What `exchange_underlying` takes by place: the wrapped token, or the token itself.
    pub underlying: [U32; TOKENS_MAX],
    /// Id under which a vault knows the pool, else zero.
    pub pool_id: HashBytes,
    /// Vault that holds the balances, else zero.
    pub vault: AddressBytes,
    /// Zero on write, ignored on read.
    pub reserved_1: [u8; 4],
}
wire_message!(MultiTokenPool = 28, 192, version = 3, check = check_pool);

fn check_pool(m: &MultiTokenPool) -> Result<(), DecodeError> {
    let kind = m.pool_kind().ok_or(MultiTokenPool::field_error("kind"))?;
    let (least, most) = kind.token_counts();
    let count = usize::from(m.token_count);
    if !(least..=most).contains(&count) {
        return Err(MultiTokenPool::field_error("token_count"));
    }
    let is_base = kind == PoolKind::CurveStable && m.base_pool < m.pool;
    if !is_base && m.base_pool.get() != NO_BASE_POOL {
        return Err(MultiTokenPool::field_error("base_pool"));
    }
    if m.amplification_precision.get() == 0 {
        return Err(MultiTokenPool::field_error("amplification_precision"));
    }
    let is_place = kind == PoolKind::BalancerStable && m.bpt_index < m.token_count;
    if !is_place && m.bpt_index != NO_BPT {
        return Err(MultiTokenPool::field_error("bpt_index"));
    }
    let is_solidly = matches!(kind, PoolKind::SolidlyVolatile | PoolKind::SolidlyStable);
    let decimals_max = if is_solidly { DECIMALS_MAX } else { DECIMALS_SCALED_MAX };
    if m.decimals[..count].iter().any(|decimals| *decimals > decimals_max) {
        return Err(MultiTokenPool::field_error("decimals"));
    }
    let tokens = &m.tokens[..count];
    if (1..count).any(|at| tokens[..at].contains(&tokens[at])) {
        return Err(MultiTokenPool::field_error("tokens"));
    }
    Ok(())
}

impl MultiTokenPool {
    /// Description of a pool.
    #[must_use]
    pub fn new(
        pool: PoolId,
        kind: PoolKind,
        venue: VenueId,
        address: AddressBytes,
        tokens: &TokenList,
        details: &MultiTokenDetails,
    ) -> Self {
        Self {
            header: MessageHeader::of::<Self>(Self::TEMPLATE_ID),
            pool: U32::new(pool.0),
            kind: kind as u8,
            token_count: u8::try_from(tokens.len()).unwrap_or(u8::MAX),
            venue: U16::new(venue.0),
            address,
            base_pool: U32::new(details.base_pool.map_or(NO_BASE_POOL, |base| base.0)),
            variant: U16::new(details.variant),
            amplification_precision: U16::new(details.amplification_precision),
            bpt_index: details.bpt_index.unwrap_or(NO_BPT),
            reserved_0: [0; 3],
            decimals: details.decimals,
            tokens: padded(tokens),
            underlying: padded(&details.underlying),
            pool_id: details.pool_id,
            vault: details.vault,
            reserved_1: [0; 4],
        }
    }

    /// Its kind, if this message can describe it.
    #[must_use]
    pub fn pool_kind(&self) -> Option<PoolKind> {
        let is_other =
            |kind: &PoolKind| matches!(kind, PoolKind::UniswapV2 | PoolKind::UniswapV3 | PoolKind::UniswapV4);
        PoolKind::from_wire(self.kind).filter(|kind| !is_other(kind))
    }

    /// Tokens in the contract's order.
    #[must_use]
    pub fn tokens(&self) -> TokenList {
        self.list(&self.tokens)
    }

    /// What only this message says.
    #[must_use]
    pub fn details(&self) -> MultiTokenDetails {
        let mut decimals = self.decimals;
        decimals.iter_mut().skip(usize::from(self.token_count)).for_each(|unused| *unused = 0);
        MultiTokenDetails {
            variant: self.variant.get(),
            amplification_precision: self.amplification_precision.get(),
            base_pool: Some(self.base_pool.get()).filter(|base| *base != NO_BASE_POOL).map(PoolId),
            bpt_index: Some(self.bpt_index).filter(|index| *index != NO_BPT),
            decimals,
            underlying: self.list(&self.underlying),
            pool_id: self.pool_id,
            vault: self.vault,
        }
    }

    /// Those in use; none when the count is outside its domain.
    fn list(&self, ids: &[U32; TOKENS_MAX]) -> TokenList {
        let ids = ids.map(|id| TokenId(id.get()));
        ids.get(..usize::from(self.token_count)).and_then(TokenList::new).unwrap_or(TokenList::EMPTY)
    }
}

/// The list, filled up with zeros.
fn padded(tokens: &[TokenId]) -> [U32; TOKENS_MAX] {
    core::array::from_fn(|at| U32::new(tokens.get(at).map_or(0, |token| token.0)))
}
